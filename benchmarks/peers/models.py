"""Autoencoders of other libraries behind one interface, each as its documentation shows it.

Settings are those of a small grid: ``hidden`` widths of the encoder, ``epochs`` and ``rate``;
what is not set is the library's own default. PyTorch, skorch and Keras have no default net:
theirs is ``HIDDEN``, relu, Adam, with each one's usual batch. Imports stand inside the
functions: an interpreter has one library or another.
"""

import tempfile
from importlib import import_module
from importlib.metadata import version

import numpy as np

HIDDEN, EPOCHS, RATE = (128, 64), 100, 1e-3
GRID = {"hidden": [(128, 64), (512, 256)], "epochs": [100, 400], "rate": [1e-3, 3e-3]}
GRIDDED = ("keras-jax", "dimkit", "pythae")  # the ones to beat are also searched


class Model:
    """A model of ``k`` components; ``train``, ``codes`` and ``decoded`` see scaled samples.

    ``self.model`` is what ``train`` leaves, a transformer of scikit-learn unless they say.
    """

    packages = ("scikit-learn",)
    modules = ()  # whose import shows that it works
    scale = "one number"
    is_linear = False
    has_epochs = True
    has_codes = True
    names = {}  # what the library calls the settings

    def __init__(self, k, seed, **settings):
        self.k, self.seed = k, seed
        self.settings = settings
        self.own = {self.names.get(name, name): value for name, value in settings.items()}

    @classmethod
    def versions(cls):
        """Return the versions of the packages, or raise what keeps them from working."""
        cls.load()
        return ", ".join(f"{name} {version(name)}" for name in cls.packages)

    @classmethod
    def load(cls):
        for name in cls.modules:
            import_module(name)

    def setting(self, name):
        """Return a setting, or what stands for it if the library has no default."""
        return self.settings.get(name, {"hidden": HIDDEN, "epochs": EPOCHS, "rate": RATE}[name])

    def fit(self, X):
        self.shift, self.divisor = SCALES[self.scale](X)
        self.train(self.scaled(X))
        return self

    def scaled(self, X):
        """Return samples as the library sees them."""
        return ((X - self.shift) / self.divisor).astype(np.float32)

    def rebuild(self, X):
        """Return reconstructions (n, d) in X's units."""
        return self.decoded(self.scaled(X)) * self.divisor + self.shift

    def codes(self, X):
        return self.model.transform(X)

    def decoded(self, X):
        return self.model.inverse_transform(self.model.transform(X))


def by_one_number(X):
    """Centre, and divide all columns by one number: squared errors keep their proportions."""
    return X.mean(axis=0), X.std()


def to_the_range(X):
    spread = np.ptp(X, axis=0)
    return X.min(axis=0), np.where(spread > 0, spread, 1.0)


SCALES = {
    "own": lambda X: (0.0, 1.0),
    "one number": by_one_number,
    "range": to_the_range,
}


class Skae(Model):
    """AutoencoderTransformer, at its defaults unless told otherwise."""

    packages = ("scikit-learn", "jax", "optax")
    modules = ("skae",)
    scale = "own"
    names = {"hidden": "hidden_layer_sizes", "epochs": "max_iter", "rate": "learning_rate"}

    def scaled(self, X):
        return X

    def train(self, X):
        from skae import AutoencoderTransformer

        self.model = AutoencoderTransformer(self.k, random_state=self.seed, **self.own).fit(X)


class Torch(Model):
    """A plain loop of PyTorch: shuffled batches of 64, fused Adam."""

    packages = ("torch",)
    modules = ("torch",)

    def train(self, X):
        import torch

        from benchmarks.peers.torch_nets import autoencoder, run_steps

        torch.manual_seed(self.seed)
        net = autoencoder(X.shape[1], self.setting("hidden"), self.k)
        optimizer = torch.optim.Adam(net.parameters(), lr=self.setting("rate"), fused=True)
        n_steps = self.setting("epochs") * -(-len(X) // 64)
        run_steps(net, optimizer, torch.from_numpy(X), 64, n_steps)
        self.encoder, self.net = net[0].eval(), net.eval()

    def codes(self, X):
        return torch_output(self.encoder, X)

    def decoded(self, X):
        return torch_output(self.net, X)


def torch_output(net, X):
    import torch

    with torch.inference_mode():
        return net(torch.from_numpy(X)).numpy()


class Skorch(Torch):
    """skorch's NeuralNetRegressor, fitted to (X, X)."""

    packages = ("skorch", "torch")
    modules = ("skorch",)

    def train(self, X):
        import torch

        torch.manual_seed(self.seed)
        shape = {"module__n_features": X.shape[1], "module__hidden": self.setting("hidden")}
        model = skorch_estimator(
            max_epochs=self.setting("epochs"),
            lr=self.setting("rate"),
            module__k=self.k,
            **shape,
        )
        net = model.fit(X, X).module_
        self.encoder, self.net = net[0].eval(), net.eval()


def skorch_estimator(optimizer="Adam", **parameters):
    """Return a NeuralNetRegressor that is an autoencoder, training on all rows."""
    import torch
    from skorch import NeuralNetRegressor

    from benchmarks.peers.torch_nets import autoencoder

    return NeuralNetRegressor(
        autoencoder,
        optimizer=getattr(torch.optim, optimizer),
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        **parameters,
    )


class Keras(Model):
    """Keras, batches of 32; the backend is that of the process."""

    packages = ("keras",)
    modules = ("keras",)

    def train(self, X):
        import keras

        keras.utils.set_random_seed(self.seed)
        self.net = keras_autoencoder(X.shape[1], self.setting("hidden"), self.k)
        self.net.compile(optimizer=keras.optimizers.Adam(self.setting("rate")), loss="mse")
        self.net.fit(X, X, epochs=self.setting("epochs"), verbose=0)

    def codes(self, X):
        encoder = self.net.layers[0]
        if len(X) == 1:
            return encoder.predict_on_batch(X)
        return encoder.predict(X, batch_size=4096, verbose=0)

    def decoded(self, X):
        return self.net.predict(X, batch_size=1024, verbose=0)


class KerasJax(Keras):
    """Keras on JAX."""

    packages = ("keras", "jax")
    backend = "jax"


class KerasTorch(Keras):
    """Keras on PyTorch."""

    packages = ("keras", "torch")
    backend = "torch"


def keras_autoencoder(n_features, hidden, k):
    from keras import Input, Sequential, layers

    def half(n_in, hidden, n_out):
        dense = [layers.Dense(n, activation="relu") for n in hidden]
        return Sequential([Input((n_in,)), *dense, layers.Dense(n_out)])

    return Sequential([half(n_features, hidden, k), half(k, hidden[::-1], n_features)])


class Sklearn(Model):
    """MLPRegressor(X, X) with a layer of k units in the midst."""

    names = {"epochs": "max_iter", "rate": "learning_rate_init"}

    def train(self, X):
        from sklearn.neural_network import MLPRegressor

        hidden = self.own.pop("hidden", (100,))
        layers = (*hidden, self.k, *hidden[::-1])
        self.model = MLPRegressor(
            hidden_layer_sizes=layers, random_state=self.seed, **self.own
        ).fit(X, X)

    def codes(self, X):
        for W, b in zip(self.model.coefs_, self.model.intercepts_, strict=True):
            X = np.maximum(X @ W + b, 0)
            if W.shape[1] == self.k:
                return X
        raise AssertionError("no layer has as many units as there are components")

    def decoded(self, X):
        return self.model.predict(X).reshape(X.shape)


class Encdr(Model):
    """encdr's ENCDR, which standardises columns itself and holds out a fifth of the rows."""

    packages = ("encdr", "lightning", "torch")
    modules = ("encdr",)
    scale = "own"
    names = {"hidden": "hidden_dims", "epochs": "max_epochs", "rate": "learning_rate"}

    def train(self, X):
        from encdr import ENCDR

        quiet = {"enable_progress_bar": False, "enable_model_summary": False}
        self.model = ENCDR(
            latent_dim=self.k, random_state=self.seed, trainer_kwargs=quiet, **self.own
        ).fit(X)

    def decoded(self, X):
        return self.model.predict(X)


class Dimkit(Model):
    """dimkit's AutoencoderReducer."""

    packages = ("dimkit", "torch")
    modules = ("torch", "dimkit.reducers.autoencoder")
    names = {"hidden": "hidden_dims", "rate": "learning_rate"}

    def train(self, X):
        from dimkit.reducers.autoencoder import AutoencoderReducer

        self.model = AutoencoderReducer(self.k, self.seed, **self.own).fit(X)


class Pythae(Model):
    """pythae's AE and training pipeline; its default nets put out what a sigmoid can."""

    packages = ("pythae", "torch")
    modules = ("pythae.models", "pythae.pipelines")
    scale = "range"
    names = {"epochs": "num_epochs", "rate": "learning_rate"}

    def __init__(self, k, seed, **settings):
        super().__init__(k, seed, **settings)
        if "hidden" in settings:  # nets of one's own, which end without a sigmoid
            self.scale = "one number"

    def train(self, X):
        from pythae.models import AE, AEConfig
        from pythae.pipelines import TrainingPipeline
        from pythae.trainers import BaseTrainerConfig

        hidden = self.own.pop("hidden", None)
        nets = {} if hidden is None else pythae_nets(X.shape[1], hidden, self.k)
        config = AEConfig(input_dim=(X.shape[1],), latent_dim=self.k)
        with tempfile.TemporaryDirectory() as folder:
            training = BaseTrainerConfig(
                output_dir=folder, no_cuda=True, seed=self.seed, **self.own
            )
            pipeline = TrainingPipeline(model=AE(config, **nets), training_config=training)
            pipeline(train_data=X)
        self.model = pipeline.trainer._best_model.eval()  # what the pipeline saves

    def codes(self, X):
        import torch

        with torch.inference_mode():
            return self.model.embed(torch.from_numpy(X)).numpy()

    def decoded(self, X):
        import torch

        with torch.inference_mode():
            return self.model.reconstruct(torch.from_numpy(X)).numpy()


def pythae_nets(n_features, hidden, k):
    """Return an encoder and a decoder of other widths, as pythae's documentation has them."""
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    from benchmarks.peers.torch_nets import autoencoder

    def half(base, layers, output):
        class Half(base):
            def __init__(self):
                super().__init__()
                self.layers = layers

            def forward(self, x):
                return ModelOutput(**{output: self.layers(x)})

        return Half()

    encoder, decoder = autoencoder(n_features, hidden, k)
    encoder = half(BaseEncoder, encoder, "embedding")
    return {"encoder": encoder, "decoder": half(BaseDecoder, decoder, "reconstruction")}


class Pyod(Model):
    """pyod's AutoEncoder, which standardises columns itself; the last hidden layer is the code.

    Columns that are constant in training are left to their mean: it divides by their deviation.
    """

    packages = ("pyod", "torch")
    modules = ("pyod.models.auto_encoder",)
    scale = "own"
    has_codes = False  # a detector: no transform
    names = {"epochs": "epoch_num", "rate": "lr"}

    def train(self, X):
        from pyod.models.auto_encoder import AutoEncoder

        hidden = self.own.pop("hidden", (64,))
        self.varies, self.mean = X.std(axis=0) > 0, X.mean(axis=0)
        self.model = AutoEncoder(
            hidden_neuron_list=[*hidden, self.k], random_state=self.seed, verbose=0, **self.own
        ).fit(X[:, self.varies])

    def decoded(self, X):
        model, out = self.model, np.tile(self.mean, (len(X), 1))
        scaled = (X[:, self.varies] - model.X_mean) / model.X_std
        rebuilt = torch_output(model.model.eval(), scaled.astype(np.float32))
        out[:, self.varies] = rebuilt * model.X_std + model.X_mean
        return out


class Decomposition(Model):
    """A reference of scikit-learn."""

    has_epochs = False
    is_linear = True
    scale = "own"
    parameters = {}

    def scaled(self, X):
        return (X - self.shift) / self.divisor

    def train(self, X):
        from sklearn import decomposition

        self.model = getattr(decomposition, self.name)(self.k, **self.parameters).fit(X)


def reference(name, **attributes):
    return type(name, (Decomposition,), {"name": name, **attributes})


PEERS = {
    "torch": Torch,
    "skorch": Skorch,
    "keras-jax": KerasJax,
    "keras-torch": KerasTorch,
    "MLPRegressor": Sklearn,
    "encdr": Encdr,
    "dimkit": Dimkit,
    "pythae": Pythae,
    "pyod": Pyod,
}
KERNEL = {"kernel": "rbf", "fit_inverse_transform": True}
REFERENCES = {
    "PCA": reference("PCA", parameters={"svd_solver": "full"}),
    "IncrementalPCA": reference("IncrementalPCA"),
    "TruncatedSVD": reference("TruncatedSVD"),  # does not centre
    "KernelPCA": reference("KernelPCA", parameters=KERNEL, scale="one number", is_linear=False),
}
MODELS = {"skae": Skae, **PEERS, **REFERENCES}
