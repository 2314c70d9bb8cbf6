"""
Denoising images
================

Train on corrupted inputs and clean targets, and the autoencoder learns to remove the noise. New
noisy images then come back clean.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer

X_train, X_test = train_test_split(load_digits().data, test_size=0.3, random_state=0)

# %%
# The noise sets a fifth of the pixels of an image to black or white. ``corruption`` names what
# the model is to undo, and ``corruption_level`` how much of it there is.

ae = AutoencoderTransformer(
    24, corruption="salt_and_pepper", corruption_level=0.2, random_state=0
).fit(X_train)

rng = np.random.default_rng(0)
is_hit = rng.uniform(size=X_test.shape) < 0.2
noisy = np.where(is_hit, rng.choice([0.0, 16.0], size=X_test.shape), X_test)

# %%
# PCA removes noise too, if it keeps few components. It gets the number that is best for these
# very images.


def error_of(images):
    """Return the root mean squared error of some images, in shades of grey from 0 to 16."""
    return np.sqrt(np.square(images - X_test).mean())


pcas = [PCA(k).fit(X_train) for k in range(1, 40)]
by_pca = min((pca.inverse_transform(pca.transform(noisy)) for pca in pcas), key=error_of)
images = {"noisy": noisy, "PCA": by_pca, "autoencoder": ae.reconstruct(noisy), "clean": X_test}
for name, some in images.items():
    print(f"{name:12s} root mean squared error {error_of(some):.2f}")

fig, ax = plt.subplots(figsize=(7, 2.9), layout="constrained")
framed = [np.pad(X[:9].reshape(-1, 8, 8), [(0, 0), (1, 1), (1, 1)]) for X in images.values()]
ax.imshow(np.vstack([np.hstack(row) for row in framed]), cmap="gray_r", vmin=0, vmax=16)
ax.set(xticks=[], yticks=10 * np.arange(4) + 4.5, yticklabels=images)
ax.spines[:].set_visible(False)
ax.tick_params(length=0)
plt.show()
