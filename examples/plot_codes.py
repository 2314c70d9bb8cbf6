"""Iris in two components: classes, arrows of features, and what a unit of each changes."""

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib

matplotlib.use("Agg")  # no window: leave this line out to see one

import numpy as np
from sklearn.datasets import load_iris

from skae import AutoencoderTransformer, CodesDisplay, LoadingsDisplay, component_loadings

X, y = load_iris(return_X_y=True)
ae = AutoencoderTransformer(2, hidden_layer_sizes=(32,), max_iter=100, random_state=0).fit(X)
names = load_iris().target_names

with TemporaryDirectory() as folder:
    for name, display in (
        ("codes", CodesDisplay.from_estimator(ae, X, names[y], n_arrows=4)),
        ("loadings", LoadingsDisplay.from_estimator(ae, X)),
    ):
        display.figure_.savefig(Path(folder, f"{name}.png"))

loadings = component_loadings(ae, X)
print("cm per unit of component 0   PCA   autoencoder")
for feature, *both in zip(
    load_iris().feature_names,
    *np.array([loadings.pca, loadings.autoencoder])[:, 0],
    strict=True,
):
    print(f"{feature:<24} {both[0]:9.2f} {both[1]:9.2f}")
