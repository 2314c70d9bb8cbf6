"""
Missing values
==============

A fifth of a table is hidden and filled again by four imputers. The autoencoder fills a value
with what its reconstruction of the sample says.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderImputer, AutoencoderTransformer

X = StandardScaler().fit_transform(load_wine().data)
rng = np.random.default_rng(0)
is_hidden = rng.uniform(size=X.shape) < 0.2
gappy = np.where(is_hidden, np.nan, X)

# %%
# :class:`skae.AutoencoderImputer` has the interface of scikit-learn's imputers. The columns are
# standardised, so an error of 1 is that of filling in the mean.

imputers = {
    "mean": SimpleImputer(),
    "nearest neighbours": KNNImputer(),
    "iterative": IterativeImputer(max_iter=30, random_state=0),
    "autoencoder": AutoencoderImputer(random_state=0),
}
errors = {}
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # of the iterative imputer
    for name, imputer in imputers.items():
        filled = imputer.fit_transform(gappy)
        errors[name] = np.sqrt(np.square(filled - X)[is_hidden].mean())
        print(f"{name:20s} {errors[name]:.3f}")

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
bars = axes[0].barh(list(errors), errors.values(), color=["#8c8c8c"] * 3 + ["#2b6cb0"])
axes[0].bar_label(bars, fmt="%.3f", padding=3)
axes[0].invert_yaxis()
axes[0].set(xlabel="root mean squared error (standard deviations)", xlim=(0, 1.2))
axes[1].axline((0, 0), slope=1, color="#d9d9d9")
axes[1].scatter(X[is_hidden], filled[is_hidden], s=9, alpha=0.6, color="#2b6cb0", linewidths=0)
axes[1].set(xlabel="hidden value", ylabel="filled by the autoencoder")
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Images with holes
# -----------------
# No imputer is needed if the codes are what you want: the transformer takes missing values
# itself, in ``fit``, ``transform`` and the other methods. ``impute`` fills them. Here 40 % of
# the pixels of digits are missing, in red.

digits = load_digits().data
holes = np.where(rng.uniform(size=digits.shape) < 0.4, np.nan, digits)
small = dict(hidden_layer_sizes=(64,), max_iter=40, cv=0.2, random_state=0)
ae = AutoencoderTransformer(8, **small).fit(holes[100:])
rows = {"with holes": holes[:10], "filled": ae.impute(holes[:10]), "true": digits[:10]}
fig, ax = plt.subplots(figsize=(7.4, 2.2), layout="constrained")
framed = [np.pad(X.reshape(-1, 8, 8), [(0, 0), (1, 1), (1, 1)]) for X in rows.values()]
colors = plt.get_cmap("gray_r").with_extremes(bad="#d9826b")
ax.imshow(np.vstack([np.hstack(row) for row in framed]), cmap=colors, vmin=0, vmax=16)
ax.set(xticks=[], yticks=10 * np.arange(3) + 4.5, yticklabels=rows)
ax.spines[:].set_visible(False)
ax.tick_params(length=0)
plt.show()
# sphinx_gallery_thumbnail_number = 2
