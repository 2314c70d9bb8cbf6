"""The same autoencoder as an estimator of skae, skorch and Keras, to be searched over.

Each function returns the estimator, its names for ``hidden``, ``rate`` and ``decay``, and
whether ``fit`` wants the samples as targets as well. Numbers of epochs, widths and batches are
equal.
"""

import numpy as np
from sklearn.base import BaseEstimator

from benchmarks.peers.models import keras_autoencoder, skorch_estimator
from benchmarks.peers.steps import PLAIN

SKAE = {"hidden": "hidden_layer_sizes", "rate": "learning_rate", "decay": "weight_decay"}


def skae_search(n_features, k, hidden, epochs, batch_size):
    from skae import AutoencoderTransformer
    from skae.architectures import Dense

    estimator = AutoencoderTransformer(
        k,
        architecture=Dense(skip=False),
        hidden_layer_sizes=hidden,
        max_iter=epochs,
        batch_size=batch_size,
        random_state=0,
        **PLAIN,
    )
    return estimator, SKAE, False


def skae_defaults_search(n_features, k, **_):
    from skae import AutoencoderTransformer

    return AutoencoderTransformer(k, random_state=0), SKAE, False


def skorch_search(n_features, k, hidden, epochs, batch_size):
    import torch

    torch.manual_seed(0)
    shape = {"module__n_features": n_features, "module__hidden": hidden, "module__k": k}
    estimator = skorch_estimator("AdamW", max_epochs=epochs, batch_size=batch_size, **shape)
    names = {"hidden": "module__hidden", "rate": "lr", "decay": "optimizer__weight_decay"}
    return estimator, names, True


class KerasRegressor(BaseEstimator):
    """Keras as scikit-learn wants it: a net is made and compiled in each fit."""

    def __init__(self, k=8, hidden=(128, 64), rate=1e-3, decay=0.0, epochs=50, batch_size=64):
        self.k = k
        self.hidden = hidden
        self.rate = rate
        self.decay = decay
        self.epochs = epochs
        self.batch_size = batch_size

    def fit(self, X, y):
        import keras

        keras.backend.clear_session()
        keras.utils.set_random_seed(0)
        self.net_ = keras_autoencoder(X.shape[1], self.hidden, self.k)
        optimizer = keras.optimizers.AdamW(self.rate, weight_decay=self.decay)
        self.net_.compile(optimizer=optimizer, loss="mse")
        self.net_.fit(X, y, batch_size=self.batch_size, epochs=self.epochs, verbose=0)
        return self

    def predict(self, X):
        return self.net_.predict(X, batch_size=1024, verbose=0)


def keras_search(n_features, k, hidden, epochs, batch_size):
    names = {name: name for name in ("hidden", "rate", "decay")}
    return KerasRegressor(k, hidden, epochs=epochs, batch_size=batch_size), names, True


def reconstruction_score(estimator, X, y=None):
    if hasattr(estimator, "predict"):
        rebuilt = estimator.predict(X)
    else:
        rebuilt = estimator.inverse_transform(estimator.transform(X))
    return -float(np.square(X - rebuilt).mean())


SEARCHED = {
    "skae": skae_search,
    "skae, defaults": skae_defaults_search,
    "skorch": skorch_search,
    "keras-jax": keras_search,
    "keras-torch": keras_search,
}
