"""
New samples
===========

A fitted autoencoder also makes samples that were never there: images of digits, and rows of a
table. They are drawn from a mixture of Gaussians in the latent space.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, load_iris

from skae import AutoencoderTransformer

# %%
# Digits
# ------
# The first call of ``sample`` fits the mixture to the codes of training samples. Those in the
# lower half are the training samples next to the new ones: similar, but not the same.

X = load_digits().data
ae = AutoencoderTransformer(8, random_state=0).fit(X)
drawn = ae.sample(24, random_state=0)
nearest = X[[np.square(X - image).sum(axis=1).argmin() for image in drawn]]

fig, axes = plt.subplots(2, 1, figsize=(7.6, 3.3), layout="constrained")
for ax, images, title in zip(axes, (drawn, nearest), ("drawn", "nearest samples"), strict=True):
    framed = np.pad(images.reshape(2, 12, 8, 8), [(0, 0), (0, 0), (1, 1), (1, 1)])
    ax.imshow(np.vstack([np.hstack(row) for row in framed]), cmap="gray_r", vmin=0, vmax=16)
    ax.set_title(title)
    ax.set_axis_off()
plt.show()

# %%
# Flowers
# -------
# With names of columns, samples come as a table. ``noise=True`` adds what reconstructions leave
# out, so that the new rows spread as the old ones do.

iris = load_iris(as_frame=True).data
ae = AutoencoderTransformer(2, random_state=0).set_output(transform="pandas").fit(iris)
flowers = ae.sample(150, random_state=0, noise=True)
for name in iris:
    told = [f"{table[name].mean():.2f} +- {table[name].std():.2f}" for table in (iris, flowers)]
    print(f"{name:18s} iris {told[0]}, drawn {told[1]}")

fig, ax = plt.subplots(figsize=(5.4, 3.6), layout="constrained")
x, y = "petal length (cm)", "sepal width (cm)"
ax.scatter(iris[x], iris[y], s=22, color="#8c8c8c", linewidths=0, label="iris")
ax.scatter(flowers[x], flowers[y], s=22, color="#2b6cb0", marker="+", label="drawn")
ax.set(xlabel=x, ylabel=y)
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
plt.show()
