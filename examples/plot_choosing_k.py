"""
How many components?
====================

One fit answers for every number of components, since they come in order of importance. Or name
the share of variance to keep, and ``fit`` finds the number.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer, ExplainedVarianceDisplay

X_train, X_test = train_test_split(load_digits().data, test_size=0.3, random_state=0)

# %%
# Read the curve
# --------------
# Fit more components than you need. The display shows what the first 1, 2, ... of them explain
# on samples that ``fit`` has not seen. On the right it says how many reach a level.

levels = (0.6, 0.7, 0.8, 0.9)
ae = AutoencoderTransformer(20, random_state=0).fit(X_train)
ExplainedVarianceDisplay.from_estimator(ae, X_test, levels=levels)
plt.show()

# %%
# Shorter codes need no new fit. The first columns of a code are a code.

for m in (2, 8, 16):
    codes = ae.transform(X_test)[:, :m]
    error = np.square(X_test - ae.inverse_transform(codes)).mean()
    print(f"{m:2d} components: codes of shape {codes.shape}, mean squared error {error:.1f}")

# %%
# Name the share
# --------------
# A float below 1 keeps the smallest number of components that explain this share of the
# variance of held-out samples. ``PCA(0.8)`` measures the share on the training samples.

quick = dict(max_iter=0.2, random_state=0)  # a fifth of the budget
counts = {
    "PCA": [PCA(share).fit(X_train).n_components_ for share in levels],
    "autoencoder": [
        AutoencoderTransformer(share, **quick).fit(X_train).n_components_ for share in levels
    ],
}
fig, ax = plt.subplots(figsize=(4.8, 3.2), layout="constrained")
for shift, (name, color) in enumerate({"PCA": "#8c8c8c", "autoencoder": "#2b6cb0"}.items()):
    bars = ax.bar(np.arange(len(levels)) + 0.4 * shift, counts[name], 0.36, color=color)
    bars.set_label(name)
    ax.bar_label(bars, padding=2)
ax.set_xticks(np.arange(len(levels)) + 0.2, levels)
ax.set_yticks([0, 5, 10, 15, 20])
ax.set(xlabel="n_components, as a share of variance", ylabel="components kept")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
plt.show()
