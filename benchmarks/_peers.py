"""The processes that benchmarks.speed times: one peer in each, never two in one.

``python -m benchmarks._peers steps PEER THREADS`` answers each line of JSON on stdin (net,
batch, steps) with the seconds that the steps took. ``... skae FILE`` and ``... torch FILE
THREADS`` are whole processes that fit and transform once. Imports stand inside the functions:
the interpreter of PyTorch need not have the others.
"""

import json
import sys
import time
from itertools import pairwise

N_ROWS = 4096  # a multiple of every batch: all batches are full


def gaussian_rows(n_features):
    """Return float32 rows (4096, n_features) of seeded noise."""
    import numpy as np

    return np.random.default_rng(0).standard_normal((N_ROWS, n_features)).astype(np.float32)


def skae_trainer(sizes, batch, threads):
    """Return a function that trains a plain autoencoder of skae for some steps.

    It is what ``fit`` runs between two checkpoints: shuffled batches gathered on the host,
    compiled blocks, losses back on the host. The number of threads is JAX's own choice.
    """
    import numpy as np

    from skae import AutoencoderTransformer
    from skae._choices import make_recipe
    from skae._device import computing
    from skae._rows import Rows, fit_scaling

    n_features, *hidden, k = sizes
    model = AutoencoderTransformer(
        k,
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
    )
    rows = Rows(gaussian_rows(n_features), np.ones(N_ROWS))
    scaling = fit_scaling(rows.values, rows.weight, None, centered=False)
    run = make_recipe(model, rows, scaling, 0).begin(rows, 0).run

    def train(n_steps):
        with computing():
            run.advance(n_steps)

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


def torch_trainer(sizes, batch, threads):
    """Return a function that trains the same net in PyTorch, with the fused Adam."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    X = torch.from_numpy(gaussian_rows(sizes[0]))
    halves = (torch_half(s, torch.relu, skip=False) for s in (sizes, sizes[::-1]))
    net = torch.nn.Sequential(*halves)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    return lambda n_steps: torch_steps(net, optimizer, X, batch, n_steps)


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

    order = torch.empty(0, dtype=torch.long)
    for _ in range(n_steps):
        if len(order) == 0:
            order = torch.randperm(len(X))
        x, order = X[order[:batch]], order[batch:]
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.mse_loss(net(x), x).backward()
        optimizer.step()


TRAINERS = {"skae": skae_trainer, "sklearn": sklearn_trainer, "torch": torch_trainer}


def answer_steps(peer, threads):
    """Train as the lines on stdin ask, and print the seconds of each."""
    trainers = {}
    for line in sys.stdin:
        request = json.loads(line)
        net = (tuple(request["sizes"]), request["batch"])
        start = time.perf_counter()
        if net not in trainers:
            trainers[net] = TRAINERS[peer](*net, threads)
        trainers[net](request["steps"])
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


def main(arguments):
    """Be the process that the arguments name."""
    mode, *rest = arguments
    if mode == "steps":
        answer_steps(rest[0], int(rest[1]))
    elif mode == "skae":
        skae_process(rest[0])
    elif mode == "torch":
        torch_process(rest[0], int(rest[1]), json.loads(rest[2]))


if __name__ == "__main__":
    main(sys.argv[1:])
