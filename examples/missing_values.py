"""A fifth of the cells of a table is hidden and filled again, by four imputers."""

import numpy as np
from sklearn.datasets import load_wine
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderImputer, AutoencoderTransformer

X = StandardScaler().fit_transform(load_wine().data)
hidden = np.random.default_rng(0).uniform(size=X.shape) < 0.2
gappy = np.where(hidden, np.nan, X)

small = AutoencoderTransformer(7, scaling="standard", hidden_layer_sizes=(128,), max_iter=200)
imputers = {
    "mean": SimpleImputer(),
    "nearest neighbours": KNNImputer(),
    "iterative": IterativeImputer(max_iter=30, random_state=0),
    "autoencoder": AutoencoderImputer(small, random_state=0),
}
for name, imputer in imputers.items():
    filled = imputer.fit_transform(gappy)
    print(f"{name:20s} {np.sqrt(np.square(filled - X)[hidden].mean()):.3f}")
