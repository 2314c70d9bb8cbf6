"""Workers that train one net for some steps, or do nothing but the matrix products of it.

Imports stand inside the functions: the interpreters of PyTorch and of Keras need not have the
others.
"""

import sys
import time
from contextlib import nullcontext
from itertools import pairwise

import numpy as np

N_SAMPLES = 4096  # a multiple of every batch: all batches are full
N_CHECKS = 25  # checkpoints of a fit
CHECK = 2  # the checkpoint at which a fit is stopped: steps after the first one are timed
PLAIN = {  # skae without what the others do not do: PCA, order, noise, a gate
    "activation": "relu",
    "linear_path": None,
    "ordered": False,
    "scaling": None,
    "output_activation": "identity",
    "corruption": None,
    "learning_rate_schedule": "constant",
    "n_iter_no_change": None,
    "cv": None,
}


def gaussian(n_features):
    """Return float32 samples (4096, n_features) of seeded noise."""
    draw = np.random.default_rng(0).standard_normal
    return draw((N_SAMPLES, n_features)).astype(np.float32)


def n_threads(threads):
    """Return a context of this many threads of BLAS and PyTorch; JAX chooses its own."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(threads)


class Stopwatch:
    """A callback of scikit-learn's protocol: the seconds up to each checkpoint, then the end.

    What happens between a checkpoint's begin and its end is not counted.
    """

    def __init__(self, n_checks=CHECK):
        self.n_checks, self.seconds = n_checks, []

    def setup(self, estimator, context):
        self.seconds, self.left = [], time.perf_counter()

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, **given):
        if context.task_name == "checkpoint":
            self.seconds.append(time.perf_counter() - self.left)

    def on_fit_task_end(self, estimator, context, **given):
        self.left = time.perf_counter()
        return len(self.seconds) >= self.n_checks


def epochs_for(n_steps, n_samples, batch):
    """Return the epochs of a fit with about ``n_steps`` steps between two checkpoints.

    Checkpoints are a twenty-fifth of the steps apart, and whole epochs if there are as many.
    """
    return max(1, round(N_CHECKS * n_steps / -(-n_samples // batch)))


def check_steps(epochs, n_samples, batch):
    epoch_steps = -(-n_samples // batch)
    if epochs < N_CHECKS:
        return -(-epochs * epoch_steps // N_CHECKS)
    return epochs // N_CHECKS * epoch_steps


def skae_trainer(sizes, batch, architecture="dense", shape=None, precision=None, **parameters):
    """Return a function that times a plain autoencoder of skae for some steps.

    They are steps of ``fit`` between two checkpoints: shuffled batches gathered on the host,
    compiled blocks, losses back on the host. The number of threads is JAX's own choice.
    ``precision`` is JAX's name for that of products, ``parameters`` are further ones of the
    estimator, such as ``device``.
    """
    import jax

    from skae import AutoencoderTransformer
    from skae.architectures import Recurrent

    n_features, *hidden, k = sizes
    if architecture in ("gru", "lstm"):
        architecture = Recurrent(architecture)
    watch, X = Stopwatch(), gaussian(n_features)
    model = AutoencoderTransformer(
        k,
        architecture=architecture,
        sample_shape=shape,
        hidden_layer_sizes=hidden,
        optimizer="adam",
        learning_rate=1e-3,
        weight_decay=0.0,
        batch_size=batch,
        random_state=0,
        **PLAIN | parameters,
    ).set_callbacks(watch)

    def train(n_steps):
        epochs = epochs_for(n_steps, N_SAMPLES, batch)
        with jax.default_matmul_precision(precision):
            model.set_params(max_iter=epochs).fit(X)
        return watch.seconds[1] * n_steps / check_steps(epochs, N_SAMPLES, batch)

    return train


def timed(train):
    """Return a function of the number of steps that returns the seconds they take."""

    def seconds(n_steps):
        start = time.perf_counter()
        train(n_steps)
        return time.perf_counter() - start

    return seconds


def whole_epochs(n_steps, batch):
    epochs, left = divmod(n_steps, N_SAMPLES // batch)
    assert left == 0, "whole epochs are trained"
    return epochs


def sklearn_trainer(sizes, batch):
    from sklearn.neural_network import MLPRegressor

    n_features, *hidden, k = sizes
    X, layers = gaussian(n_features), (*hidden, k, *hidden[::-1])
    model = MLPRegressor(hidden_layer_sizes=layers, batch_size=batch, alpha=0.0, random_state=0)

    def train(n_steps):
        for _ in range(whole_epochs(n_steps, batch)):
            model.partial_fit(X, X)

    return timed(train)


def torch_trainer(sizes, batch, architecture="dense", shape=None, device="cpu"):
    """Return a function that trains the same net in PyTorch, with the fused Adam."""
    import torch

    from benchmarks.peers.torch_nets import net_of, run_steps

    torch.manual_seed(0)
    X = torch.from_numpy(gaussian(sizes[0])).to(device)
    net = net_of(architecture, shape, sizes).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    return timed(lambda n_steps: run_steps(net, optimizer, X, batch, n_steps))


def skorch_trainer(sizes, batch):
    from benchmarks.peers.models import skorch_estimator

    d, *hidden, k = sizes
    shape = {"module__n_features": d, "module__hidden": tuple(hidden), "module__k": k}
    model, X = skorch_estimator(lr=1e-3, batch_size=batch, **shape), gaussian(d)
    return timed(lambda n: model.partial_fit(X, X, epochs=whole_epochs(n, batch)))


def keras_trainer(sizes, batch):
    import keras

    from benchmarks.peers.models import keras_autoencoder

    d, *hidden, k = sizes
    net, X = keras_autoencoder(d, tuple(hidden), k), gaussian(d)
    net.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse")
    given = {"batch_size": batch, "verbose": 0}
    return timed(lambda n: net.fit(X, X, epochs=whole_epochs(n, batch), **given))


def step_products(sizes, batch):
    """Yield the sizes (samples, n_in, n_out) of a training step's layers, in their order."""
    for pair in (*pairwise(sizes), *pairwise(sizes[::-1])):
        yield batch, *pair


def step_operations(sizes, batch):
    layers = [2 * n * a * b for n, a, b in step_products(sizes, batch)]
    return 3 * sum(layers) - layers[0]  # forwards, weights, inputs: not those of the first


def numpy_products(sizes, batch):
    """Return a function that does nothing but the matrix products of some steps, by NumPy."""
    draw = np.random.default_rng(0).standard_normal
    return products(sizes, batch, lambda *shape: draw(shape, np.float32))


def torch_products(sizes, batch):
    import torch

    return products(sizes, batch, torch.randn)


def products(sizes, batch, draw):
    """Return a function that multiplies as training does.

    Outputs, gradients of the weights and, but for the first layer, of the inputs.
    """
    sizes = step_products(sizes, batch)
    layers = [(draw(n, a), draw(a, b), draw(n, b)) for n, a, b in sizes]

    def multiply(n_steps):
        for _ in range(n_steps):
            for i, (x, weights, gradient) in enumerate(layers):
                x @ weights
                x.T @ gradient
                if i > 0:
                    gradient @ weights.T

    return timed(multiply)


TRAINERS = {
    "skae": skae_trainer,
    "MLPRegressor": sklearn_trainer,
    "torch": torch_trainer,
    "skorch": skorch_trainer,
    "keras-jax": keras_trainer,
    "keras-torch": keras_trainer,
    "numpy products": numpy_products,
    "torch products": torch_products,
}
_trainers = {}


def steps(peer, n_steps, threads, sizes, batch, **net):
    """Train a net for some steps; return the seconds. The first call compiles."""
    sizes = tuple(sizes)
    net = {name: tuple(v) if isinstance(v, list) else v for name, v in net.items()}
    key = peer, threads, sizes, batch, tuple(net.items())
    if key not in _trainers:
        _trainers[key] = TRAINERS[peer](sizes, batch, **net)
    with n_threads(threads):
        return _trainers[key](n_steps)
