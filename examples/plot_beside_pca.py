"""
PCA and an autoencoder in two components
========================================

The same digits as two numbers each, by PCA and by an autoencoder that began at PCA. Points are
test samples, drawn as the digit that they show.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer

X, y = load_digits(return_X_y=True)
X_train, X_test, _, y_test = train_test_split(X, y, test_size=0.3, random_state=0)

# %%
# Two lines differ from a script with PCA: the import and the name of the class.

models = {"PCA": PCA(2), "autoencoder": AutoencoderTransformer(2, random_state=0)}
for model in models.values():
    model.fit(X_train)

# %%
# ``score`` of PCA is a likelihood. The share of variance explained compares the two: the
# autoencoder leaves about half of PCA's error.


def share_explained(model):
    """Return the share of variance that comes back from the codes of test samples."""
    back = model.inverse_transform(model.transform(X_test))
    return r2_score(X_test, back, multioutput="variance_weighted")


fig, axes = plt.subplots(1, 2, figsize=(9, 4.5), layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    codes, share = model.transform(X_test), share_explained(model)
    for digit in range(10):
        of = y_test == digit
        ax.scatter(*codes[of].T, marker=f"${digit}$", s=36, linewidths=0.3, color=f"C{digit}")
    ax.set(title=f"{name}: {share:.0%} of variance", xlabel="component 0", xticks=[], yticks=[])
    print(f"{name:12s} explains {share:.3f} of the test samples' variance")
axes[0].set_ylabel("component 1")
plt.show()
