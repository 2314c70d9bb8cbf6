"""
Sparse codes
============

There are many components, and each sample uses few: a part of a stroke, a curve, a bar. The
penalty ``sparsity`` trades entries of a code for accuracy.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer, component_loadings

X_train, X_test = train_test_split(load_digits().data, test_size=0.3, random_state=0)

# %%
# ``code_activation="relu"`` makes zeros of small entries, so that a sparse code really has few
# entries. There may be more components than PCA has. They need no order here.
# If each code is to have a fixed number of entries, set ``n_nonzero_coefs`` instead.

fits = {}
for sparsity in (0.0, 30.0, 100.0):
    fits[sparsity] = AutoencoderTransformer(
        64,
        code_activation="relu",
        sparsity=sparsity,
        ordered=False,
        hidden_layer_sizes=(128,),
        max_iter=0.5,
        random_state=0,
    ).fit(X_train)

# %%
# Each row is the code of a test image. The palest colour is zero.

fig, axes = plt.subplots(1, 3, figsize=(9, 3.4), layout="constrained")
for ax, (sparsity, ae) in zip(axes, fits.items(), strict=True):
    Z = ae.transform(X_test)
    entries, share = np.count_nonzero(Z, axis=1).mean(), ae.score(X_test)
    ax.imshow(Z[:60], cmap="Blues", vmax=np.quantile(Z, 0.98), aspect="auto")
    ax.set_title(f"sparsity={sparsity:.0f}\n{entries:.0f} entries, {share:.1%} of variance")
    ax.set(xlabel="component", xticks=[0, 31, 63], yticks=[])
    print(f"sparsity {sparsity:5.0f}: {entries:4.1f} entries, {share:.3f} of variance")
axes[0].set_ylabel("test images")
plt.show()

# %%
# What a component draws is the change of the image for a unit of it: red is darker, blue is
# lighter. These are the 24 components that are used most.

ae = fits[100.0]
used = np.argsort(-np.count_nonzero(ae.transform(X_train), axis=0))[:24]
parts = component_loadings(ae, X_train).autoencoder[used].reshape(2, 12, 8, 8)
framed = np.pad(parts, [(0, 0), (0, 0), (1, 1), (1, 1)])
fig, ax = plt.subplots(figsize=(7.6, 1.6), layout="constrained")
most = abs(parts).max()
ax.imshow(np.vstack([np.hstack(row) for row in framed]), cmap="RdBu_r", vmin=-most, vmax=most)
ax.set_axis_off()
plt.show()
