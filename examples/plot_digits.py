"""
Digits from 1, 2, 4, ... numbers
================================

Components come in order of importance. So the first few numbers of a code give a rough image,
and each further number makes it clearer, all from one fit.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer, ReconstructionsDisplay

X_train, X_test, _, y_test = train_test_split(
    *load_digits(return_X_y=True), test_size=0.3, random_state=0
)
ae = AutoencoderTransformer(16, random_state=0).fit(X_train)
pca = PCA(16).fit(X_train)

# %%
# Five test samples in the top row. Below them is what comes back from the first numbers of
# their codes, by PCA and by the autoencoder.

X = X_test[[np.flatnonzero(y_test == digit)[1] for digit in (0, 2, 4, 5, 7)]]
counts = (1, 2, 4, 8, 16)
back = {"PCA": [], "autoencoder": []}
for m in counts:
    back["PCA"].append(pca.transform(X)[:, :m] @ pca.components_[:m] + pca.mean_)
    back["autoencoder"].append(ae.inverse_transform(ae.transform(X)[:, :m]))

fig, axes = plt.subplots(1, 2, figsize=(7.6, 4.4), layout="constrained")
for ax, (name, images) in zip(axes, back.items(), strict=True):
    framed = np.pad(np.reshape([X, *images], (-1, 8, 8)), [(0, 0), (1, 1), (1, 1)])
    rows = [np.hstack(row) for row in np.split(framed, 1 + len(counts))]
    ax.imshow(np.vstack(rows), cmap="gray_r", vmin=0, vmax=16)
    ax.set(xticks=[], yticks=10 * np.arange(6) + 4.5, title=name)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
axes[0].set_yticklabels(["sample", "1 number", *(f"{m} numbers" for m in counts[1:])])
axes[1].set_yticklabels([])
plt.show()

# %%
# :class:`skae.ReconstructionsDisplay` compares the full code with PCA in one line.

ReconstructionsDisplay.from_estimator(ae, X, sample_shape=(8, 8))
plt.show()

for m, linear, own in zip(counts, *back.values(), strict=True):
    errors = [np.square(X - images).mean() for images in (linear, own)]
    print(f"{m:2d} numbers: mean squared error {errors[0]:5.1f} (PCA), {errors[1]:5.1f}")
