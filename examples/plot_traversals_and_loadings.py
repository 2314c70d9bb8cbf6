"""
What does a component do?
=========================

Walk along one component and decode: a traversal. Or ask what a unit of it changes on average:
a loading. Both as images, for digits.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skae import (
    AutoencoderTransformer,
    LoadingsDisplay,
    TraversalsDisplay,
    component_traversals,
)

X, y = load_digits(return_X_y=True)
ae = AutoencoderTransformer(8, random_state=0).fit(X)

# %%
# Traversals
# ----------
# Each row moves one component from its 5 % to its 95 % quantile. The others are held at their
# means.

shape = {"sample_shape": (8, 8)}  # X holds images as rows of a table
TraversalsDisplay.from_estimator(ae, X, **shape)
plt.show()

# %%
# They may also be held at the code of a sample, here of a three. Along the way it becomes other
# digits, since components act together.

TraversalsDisplay.from_estimator(ae, X, sample=int(np.flatnonzero(y == 3)[0]), **shape)
plt.show()

# %%
# Loadings
# --------
# Red pixels grow with a component, blue ones shrink. PCA's axes are the first row.

LoadingsDisplay.from_estimator(ae, X, **shape)
plt.show()

# %%
# The numbers behind the pictures are public.

found = component_traversals(ae, X, n_steps=3)
for component, codes in zip(found.components, found.codes, strict=True):
    print(f"component {component} goes from {codes[0]:6.1f} to {codes[-1]:5.1f}")
