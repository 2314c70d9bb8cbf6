"""
Images, with and without convolutions
=====================================

Images go in as they are, of shape (height, width). Nets with convolutions know which pixels are
next to each other.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer, ImageResizer
from skae.architectures import Conv2d

X_train, X_test = train_test_split(load_digits().images, test_size=0.3, random_state=0)

# %%
# Eight numbers for each image. PCA needs images as rows, the autoencoders do not. ``cv=None``
# skips model selection, which makes this page quick; leave it out in earnest.

small = dict(hidden_layer_sizes=(32,), max_iter=25, cv=None, random_state=0)
models = {
    "dense": AutoencoderTransformer(8, **small),
    "convolutions": AutoencoderTransformer(8, architecture=Conv2d(channels=(8,)), **small),
}
pca = PCA(8).fit(X_train.reshape(-1, 64))
back = {"PCA": pca.inverse_transform(pca.transform(X_test.reshape(-1, 64))).reshape(-1, 8, 8)}
for name, model in models.items():
    back[name] = model.fit(X_train).reconstruct(X_test)

variance = np.square(X_test - X_train.mean(axis=0)).sum()
rows = {"test images": X_test}
for name, images in back.items():
    share = 1 - np.square(X_test - images).sum() / variance
    rows[f"{name} ({share:.0%})"] = images
    print(f"{name:12s} explains {share:.3f} of the variance")

fig, ax = plt.subplots(figsize=(7.8, 2.9), layout="constrained")
framed = [np.pad(X[:10], [(0, 0), (1, 1), (1, 1)]) for X in rows.values()]
ax.imshow(np.vstack([np.hstack(row) for row in framed]), cmap="gray_r", vmin=0, vmax=16)
ax.set(xticks=[], yticks=10 * np.arange(4) + 4.5, yticklabels=rows)
ax.spines[:].set_visible(False)
ax.tick_params(length=0)
plt.show()

# %%
# Images of several sizes
# -----------------------
# :class:`skae.ImageResizer` brings images to one size, and back to their own.

# Its codes then do not depend on the size. These are images of 8, 16 and 24 pixels a side.

sizes = [8, 16, 24, 16, 8, 24, 16]
images = [np.kron(x, np.ones((n // 8, n // 8))) for x, n in zip(X_test, sizes, strict=False)]
resizer = ImageResizer(size=(8, 8)).fit(images)
codes = models["convolutions"].transform(resizer.transform(images))
again = models["convolutions"].inverse_transform(codes)
again = resizer.inverse_transform(again, resizer.get_sizes(images))
print(f"codes {codes.shape} of images {[x.shape for x in images[:3]]}, ...")

fig, axes = plt.subplots(
    2, len(sizes), figsize=(7.8, 2.7), layout="constrained", sharex=True, sharey=True
)
for column, image, decoded in zip(axes.T, images, again, strict=True):
    for ax, x in zip(column, (image, decoded), strict=True):
        ax.imshow(x, cmap="gray_r", vmin=0, vmax=16, extent=(0, len(x), len(x), 0))
        ax.set(xlim=(0, 24), ylim=(24, 0), xticks=[0, 8, 16, 24], yticks=[0, 8, 16, 24])
axes[0, 0].set_ylabel("test images")
axes[1, 0].set_ylabel("from codes")
plt.show()
