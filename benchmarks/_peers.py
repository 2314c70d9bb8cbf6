"""The processes that benchmarks time against each other: one peer in each, never two in one.

``python -m benchmarks._peers steps PEER THREADS`` answers each line of JSON on stdin (net,
batch, steps) with the seconds that the steps took. ``... skae FILE`` and ``... torch FILE
THREADS`` are whole processes that fit and transform once. ``... tutorial PEER`` answers lines
on stdin (file, n_components, seed) with the losses and seconds of a tutorial's net, and
``... tutorial PEER FILE N_COMPONENTS`` is a whole process that fits it once. Imports stand
inside the functions: the interpreters of PyTorch and of Keras need not have the others.
"""

import json
import os
import sys
import time
import warnings
from itertools import pairwise

N_ROWS = 4096  # a multiple of every batch: all batches are full
TUTORIAL = {"learning_rate": 1e-3, "batch_size": 32, "epochs": 100}
N_AGAIN = 3  # further fits of a tutorial's net, of which the fastest is reported


def gaussian_rows(n_features):
    """Return float32 rows (4096, n_features) of seeded noise."""
    import numpy as np

    return np.random.default_rng(0).standard_normal((N_ROWS, n_features)).astype(np.float32)


def skae_trainer(sizes, batch, threads, architecture="dense", shape=None, **parameters):
    """Return a function that trains a plain autoencoder of skae for some steps.

    It is what ``fit`` runs between two checkpoints: shuffled batches gathered on the host,
    compiled blocks, losses back on the host. The number of threads is JAX's own choice.
    ``parameters`` are further ones of the estimator, such as ``device``.
    """
    import numpy as np

    from skae import AutoencoderTransformer
    from skae._data.rows import Rows, fit_scaling
    from skae._runtime.devices import computing
    from skae._train.config import make_config
    from skae._train.start import begin
    from skae.architectures import Recurrent

    n_features, *hidden, k = sizes
    if architecture in ("gru", "lstm"):
        architecture = Recurrent(architecture)
    model = AutoencoderTransformer(
        k,
        architecture=architecture,
        hidden_layer_sizes=hidden,
        activation="relu",
        linear_path=None,
        ordered=False,
        scaling=None,
        output_activation="identity",
        clip=False,
        corruption=None,
        optimizer="adam",
        learning_rate=1e-3,
        learning_rate_schedule="constant",
        weight_decay=0.0,
        batch_size=batch,
        max_iter=10_000,
        n_iter_no_change=None,
        cv=None,
        **parameters,
    )
    rows = Rows(gaussian_rows(n_features), np.ones(N_ROWS))
    scaling = fit_scaling(rows.values, rows.weight, None, centered=False)
    with computing(model.device):
        config = make_config(model, rows, scaling, 0, sample_shape=shape)
        run = begin(config, rows, 0)

    def train(n_steps):
        with computing(model.device):
            run.train(n_steps)

    return train


def sklearn_trainer(sizes, batch, threads):
    """Return a function that trains MLPRegressor(X, X) by partial_fit, one epoch a call."""
    from sklearn.neural_network import MLPRegressor
    from threadpoolctl import threadpool_limits

    n_features, *hidden, k = sizes
    X = gaussian_rows(n_features)
    layers = (*hidden, k, *hidden[::-1])
    model = MLPRegressor(hidden_layer_sizes=layers, batch_size=batch, alpha=0.0, random_state=0)

    def train(n_steps):
        epochs, left = divmod(n_steps, N_ROWS // batch)
        assert left == 0, "partial_fit trains whole epochs"
        with threadpool_limits(threads):
            for _ in range(epochs):
                model.partial_fit(X, X)

    return train


def torch_trainer(sizes, batch, threads, architecture="dense", shape=None, device="cpu"):
    """Return a function that trains the same net in PyTorch, with the fused Adam."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    X = torch.from_numpy(gaussian_rows(sizes[0])).to(device)
    net = torch_net(architecture, shape, sizes).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    return lambda n_steps: torch_steps(net, optimizer, X, batch, n_steps)


def torch_net(architecture, shape, sizes):
    """Return an autoencoder as a module, of the layers that skae's architecture has."""
    import torch

    if architecture == "dense":
        halves = (torch_half(s, torch.relu, skip=False) for s in (sizes, sizes[::-1]))
        return torch.nn.Sequential(*halves)
    from benchmarks._torch_nets import Conv, Recurrent

    if architecture in ("gru", "lstm"):
        return Recurrent(shape, architecture, 64, 4, *sizes[1:])
    return Conv(
        shape, {"conv2d": (16, 32), "conv1d": (16, 32, 64, 64)}[architecture], *sizes[1:]
    )


def torch_half(sizes, activation, *, skip):
    """Return an encoder or decoder as a module; with ``skip`` its output reads every layer."""
    import torch
    from torch import nn

    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            *hidden, n_out = sizes
            self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(hidden))
            self.output = nn.Linear(sum(hidden[1:]) if skip else hidden[-1], n_out)

        def forward(self, x):
            seen = []
            for layer in self.layers:
                x = activation(layer(x))
                seen.append(x)
            return self.output(torch.cat(seen, dim=1) if skip else x)

    return Half()


def torch_steps(net, optimizer, X, batch, n_steps):
    """Run ``n_steps`` optimizer steps on shuffled batches of ``X``."""
    import torch

    order = torch.empty(0, dtype=torch.long, device=X.device)
    for _ in range(n_steps):
        if len(order) == 0:
            order = torch.randperm(len(X), device=X.device)
        x, order = X[order[:batch]], order[batch:]
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.mse_loss(net(x), x).backward()
        optimizer.step()


def step_products(sizes, batch):
    """Yield the sizes (rows, n_in, n_out) of a training step's layers, the first one first."""
    for pair in (*pairwise(sizes), *pairwise(sizes[::-1])):
        yield batch, *pair


def step_operations(sizes, batch):
    """Return the floating-point operations of a step's matrix products."""
    layers = [2 * n * a * b for n, a, b in step_products(sizes, batch)]
    return 3 * sum(layers) - layers[0]  # forwards, weights, inputs: not those of the first


def numpy_products(sizes, batch, threads):
    """Return a function that does nothing but the matrix products of some steps, by NumPy."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    draw = np.random.default_rng(0).standard_normal
    layers = product_operands(sizes, batch, lambda *shape: draw(shape, np.float32))

    def multiply(n_steps):
        with threadpool_limits(threads):
            multiply_layers(layers, n_steps)

    return multiply


def torch_products(sizes, batch, threads):
    """Return a function that does nothing but the matrix products of some steps, by PyTorch."""
    import torch

    torch.set_num_threads(threads)
    layers = product_operands(sizes, batch, torch.randn)
    return lambda n_steps: multiply_layers(layers, n_steps)


def product_operands(sizes, batch, draw):
    """Return each layer's inputs, weights and gradients of outputs."""
    return [(draw(n, a), draw(a, b), draw(n, b)) for n, a, b in step_products(sizes, batch)]


def multiply_layers(layers, n_steps):
    """Multiply as training does: outputs, gradients of the weights, gradients of the inputs."""
    for _ in range(n_steps):
        for i, (x, weights, gradient) in enumerate(layers):
            x @ weights
            x.T @ gradient
            if i > 0:
                gradient @ weights.T


TRAINERS = {
    "skae": skae_trainer,
    "sklearn": sklearn_trainer,
    "torch": torch_trainer,
    "numpy_products": numpy_products,
    "torch_products": torch_products,
}


def answer_steps(peer, threads):
    """Train as the lines on stdin ask, and print the seconds of each."""
    trainers = {}
    for line in sys.stdin:
        request = json.loads(line)
        n_steps, net = request.pop("steps"), json.dumps(request)
        request = {name: tuple(v) if isinstance(v, list) else v for name, v in request.items()}
        start = time.perf_counter()
        if net not in trainers:
            trainers[net] = TRAINERS[peer](**request, threads=threads)
        trainers[net](n_steps)
        print(json.dumps(time.perf_counter() - start), flush=True)


def skae_process(file):
    """Import skae, fit the default estimator, transform; print where the time went."""
    start = time.perf_counter()
    import jax.monitoring
    import numpy as np

    from skae import AutoencoderTransformer

    imported = time.perf_counter()
    compiling = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, seconds, **_: compiling.append(seconds if "/compile/" in name else 0.0)
    )
    X = np.load(file)
    model = AutoencoderTransformer(random_state=0).fit(X)
    fitted = time.perf_counter()
    compiled = sum(compiling)
    model.transform(X)
    parts = {
        "import": imported - start,
        "compile": compiled,
        "rest of fit": fitted - imported - compiled,
        "transform": time.perf_counter() - fitted,
    }
    print(json.dumps(parts))


def torch_process(file, threads, plan):
    """Import torch, train the net of ``plan`` once for its whole budget, encode."""
    start = time.perf_counter()
    import numpy as np
    import torch
    from torch import nn

    imported = time.perf_counter()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    X = np.load(file).astype(np.float32)
    X = torch.from_numpy((X - X.mean(axis=0)) / X.std())

    activation = nn.GELU(approximate="tanh")
    encoder = torch_half(plan["encoder"], activation, skip=plan["skip"])
    decoder = torch_half(plan["decoder"], activation, skip=plan["skip"])
    net = nn.Sequential(encoder, decoder)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)
    torch_steps(net, optimizer, X, plan["batch"], plan["steps"])
    with torch.no_grad():
        encoder(X)
    print(json.dumps({"import": imported - start, "fit": time.perf_counter() - imported}))


class SkaeTutorial:
    """A tutorial's net, relu codes and sigmoid outputs, as one expression of skae."""

    def __init__(self, n_features, n_components, seed):
        from skae import AutoencoderTransformer

        self.model = AutoencoderTransformer(
            n_components,
            hidden_layer_sizes=(),
            code_activation="relu",
            output_activation="sigmoid",
            linear_path=None,
            ordered=False,
            scaling=None,
            clip=False,
            corruption=None,
            optimizer="adam",
            learning_rate=TUTORIAL["learning_rate"],
            learning_rate_schedule="constant",
            weight_decay=0.0,
            max_gradient_norm=None,
            batch_size=TUTORIAL["batch_size"],
            max_iter=TUTORIAL["epochs"],
            n_iter_no_change=None,
            cv=None,
            random_state=seed,
        )

    def fit(self, X):
        """Train from fresh weights; a second call does so again."""
        with warnings.catch_warnings():  # normal numbers are beyond a sigmoid: so it is told
            warnings.filterwarnings("ignore", "output_activation='sigmoid' reaches")
            self.model.fit(X)

    def losses(self, X):
        """Return the MSE of the fitted model and the mean one over the last epoch's steps."""
        fitted = mean_square(X, self.model.inverse_transform(self.model.transform(X)))
        pca_error = fitted / self.model.error_ratio_  # the unit of loss_curve_
        return {"fitted": fitted, "last epoch": self.model.loss_curve_[-1] * pca_error}


class KerasTutorial:
    """The same layers in Keras, as tutorials write them, on the JAX backend."""

    def __init__(self, n_features, n_components, seed):
        os.environ["KERAS_BACKEND"] = "jax"
        import keras

        keras.utils.set_random_seed(seed)
        layers = (
            keras.Input((n_features,)),
            keras.layers.Dense(n_components, activation="relu"),
            keras.layers.Dense(n_features, activation="sigmoid"),
        )
        self.model = keras.Sequential(layers)
        optimizer = keras.optimizers.Adam(learning_rate=TUTORIAL["learning_rate"])
        self.model.compile(optimizer=optimizer, loss="mse")

    def fit(self, X):
        """Train from fresh weights; a second call goes on with the net that is compiled."""
        batch_size, epochs = TUTORIAL["batch_size"], TUTORIAL["epochs"]
        history = self.model.fit(X, X, batch_size=batch_size, epochs=epochs, verbose=0)
        self.last_loss = history.history["loss"][-1]

    def losses(self, X):
        """Return the MSE of the fitted model and the last epoch's in Keras's history."""
        fitted = mean_square(X, self.model.predict(X, verbose=0))
        return {"fitted": fitted, "last epoch": self.last_loss}


TUTORIALS = {"skae": SkaeTutorial, "keras": KerasTutorial}


def mean_square(X, X_back):
    """Return the mean square of X - X_back over all cells, in float64."""
    import numpy as np

    return float(np.square(X.astype(np.float64) - X_back).mean())


def answer_tutorials(peer):
    """Fit new nets as the lines on stdin ask; print their losses and seconds."""
    import numpy as np

    for line in sys.stdin:
        request = json.loads(line)
        X = np.load(request["file"])
        start = time.perf_counter()
        net = TUTORIALS[peer](X.shape[1], request["n_components"], request["seed"])
        net.fit(X)
        answer = {"new": time.perf_counter() - start, **net.losses(X)}
        answer["again"] = min(seconds_of(net.fit, X) for _ in range(N_AGAIN))
        print(json.dumps(answer), flush=True)


def seconds_of(function, *arguments):
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def tutorial_process(peer, file, n_components):
    """Import the peer and fit its net once; print where the time went."""
    start = time.perf_counter()
    import numpy as np

    X = np.load(file)
    net = TUTORIALS[peer](X.shape[1], n_components, 0)
    built = time.perf_counter()
    net.fit(X)
    parts = {"import and build": built - start, "compile and fit": time.perf_counter() - built}
    print(json.dumps(parts))


def main(arguments):
    """Be the process that the arguments name."""
    mode, *rest = arguments
    if mode == "steps":
        answer_steps(rest[0], int(rest[1]))
    elif mode == "skae":
        skae_process(rest[0])
    elif mode == "torch":
        torch_process(rest[0], int(rest[1]), json.loads(rest[2]))
    elif mode == "tutorial" and len(rest) == 1:
        answer_tutorials(rest[0])
    elif mode == "tutorial":
        tutorial_process(rest[0], rest[1], int(rest[2]))


if __name__ == "__main__":
    main(sys.argv[1:])
