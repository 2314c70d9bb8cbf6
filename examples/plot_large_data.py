"""
More data than memory
=====================

Fit an array that stays in its file, or learn from a stream, one batch after another.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import IncrementalPCA

from skae import AutoencoderTransformer

rng = np.random.default_rng(0)
wavelengths = np.linspace(0, 1, 64)


def spectra(n_samples):
    """Return spectra with a line of random place, height and width, and a background."""
    least, most = [[0.2], [0.5], [0.08], [0.0]], [[0.8], [1.5], [0.16], [0.3]]
    place, height, width, ground = rng.uniform(least, most, (n_samples, 4, 1)).swapaxes(0, 1)
    X = ground + height * np.exp(-(((wavelengths - place) / width) ** 2))
    return (X + 0.02 * rng.normal(size=X.shape)).astype(np.float32)


X_test = spectra(1000)
variance = np.square(X_test - X_test.mean(axis=0)).sum()

# %%
# An array in a file
# ------------------
# ``mmap_mode="r"`` leaves the values on disk. ``fit`` reads batches from there, so its memory
# does not grow with the file. Arrays of HDF5 and Zarr work in the same way. This file is small,
# 20 MB; the budget is cut, too.

folder = TemporaryDirectory()
path = Path(folder.name, "spectra.npy")
file = np.lib.format.open_memmap(path, "w+", np.float32, (80_000, 64))
for start in range(0, len(file), 10_000):
    file[start : start + 10_000] = spectra(10_000)
file.flush()

X = np.load(path, mmap_mode="r")
ae = AutoencoderTransformer(4, max_iter=0.2, random_state=0).fit(X)
print(f"{X.shape[0]} samples in {ae.n_iter_} epochs: {ae.score(X_test):.3f} of the variance")

# %%
# A stream
# --------
# ``partial_fit`` takes the next batch of samples and forgets it. PCA stays exact, and the nets
# train once on each sample. IncrementalPCA gets the same batches.

stream = AutoencoderTransformer(4, batch_size=32, random_state=0)
pca, seen, shares = IncrementalPCA(4), [], {"PCA": [], "autoencoder": []}
for start in range(0, 30_000, 2_000):
    batch = X[start : start + 2_000]
    stream.partial_fit(batch)
    pca.partial_fit(batch)
    back = pca.inverse_transform(pca.transform(X_test))
    shares["PCA"].append(1 - np.square(X_test - back).sum() / variance)
    shares["autoencoder"].append(stream.score(X_test))
    seen.append(stream.n_samples_seen_)

fig, ax = plt.subplots(figsize=(5.6, 3.6), layout="constrained")
ax.plot(seen, shares["PCA"], color="#8c8c8c", linestyle="--", label="incremental PCA")
ax.plot(seen, shares["autoencoder"], color="#2b6cb0", marker="o", label="autoencoder, stream")
ax.axhline(ae.score(X_test), color="#dd8b32", linestyle=":", label="autoencoder, whole file")
ax.set(xlabel="samples seen", ylabel="variance explained\n(test samples)")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
plt.show()
print(f"after {seen[-1]} samples: {shares['autoencoder'][-1]:.3f}, PCA {shares['PCA'][-1]:.3f}")
del X, file  # the file is closed before it is deleted
folder.cleanup()
