"""
Codes as a map, with arrows of features
=======================================

Two components of wines as a scatter plot, the features that change most as arrows, and what a
unit of each component changes.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer, CodesDisplay, LoadingsDisplay, component_loadings

wine = load_wine(as_frame=True)
X = StandardScaler().set_output(transform="pandas").fit_transform(wine.data)
X.columns = [name.removesuffix("_of_diluted_wines").replace("_", " ") for name in X]
ae = AutoencoderTransformer(2, random_state=0).fit(X)

# %%
# A biplot
# --------
# An arrow points in the direction in which its feature grows. ``fit`` did not see the classes.

CodesDisplay.from_estimator(ae, X, "class " + wine.target.astype(str), n_arrows=4)
plt.show()

# %%
# Loadings
# --------
# An autoencoder bends, so a unit of a component changes different features at different places.
# A loading is the mean of these changes. In grey are PCA's axes.

LoadingsDisplay.from_estimator(ae, X)
plt.show()

# %%
# :func:`skae.component_loadings` returns the numbers.

loadings = component_loadings(ae, X).autoencoder
for i, component in enumerate(loadings):
    most = np.argsort(-abs(component))[:3]
    told = ", ".join(f"{X.columns[j]} {component[j]:+.2f}" for j in most)
    print(f"a unit of component {i}: {told} standard deviations")
