"""What workers of ``benchmarks.peers`` do: one model in each process.

The functions answer requests of ``benchmarks._process``; ``name`` is the model's.
"""

import logging
import os
import sys
import time
import warnings
from collections import Counter

import numpy as np

from benchmarks._process import BEGAN, MB, N_CORES, Peak, anonymous_bytes, seconds_of
from benchmarks.peers.models import MODELS
from benchmarks.peers.steps import n_threads
from benchmarks.peers.steps import steps as steps_of

TRIAL = 3  # epochs from which the better number of threads is seen
THREADS = sorted({1, N_CORES})
N_SINGLE = 200  # calls with one sample
COMPILED = "/jax/core/compile/backend_compile_duration"


def model_of(name):
    """Return a model's class, its library imported without progress bars and notices."""
    model = MODELS[name]
    os.environ.update(TQDM_DISABLE="1", KERAS_BACKEND=getattr(model, "backend", "jax"))
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    model.load()
    return model


def installed(name):
    return model_of(name).versions()


def warm_up(name):
    X, model = np.random.default_rng(0).normal(size=(100, 7)), model_of(name)
    return seconds_of(model(2, 0, **({"epochs": 2} if model.has_epochs else {})).fit, X)


_trials = {}


def best_threads(name, X, k, settings):
    """Return the number of threads with which a few epochs take the least time."""
    model = MODELS[name]
    if len(THREADS) == 1 or name in ("skae", "keras-jax") or not model.has_epochs:
        return N_CORES
    key = X.shape, str(settings.get("hidden"))
    if key not in _trials:
        seconds, short = {}, {**settings, "epochs": TRIAL}
        for threads in THREADS:
            with n_threads(threads):
                seconds[threads] = seconds_of(model(k, 0, **short).fit, X)
        _trials[key] = min(seconds, key=seconds.get)
    return _trials[key]


def fit(name, file, k, seed, settings):
    arrays, model = np.load(file), model_of(name)
    X_train, X_test = arrays["train"], arrays["test"]
    settings = tuples(settings)
    threads = best_threads(name, X_train, k, settings)
    with n_threads(threads):
        model = model(k, seed, **settings)
        cpu = time.process_time()
        seconds = seconds_of(model.fit, X_train)
        cpu = time.process_time() - cpu
        error = np.square(X_test - model.rebuild(X_test).astype(np.float64)).sum()
    if not np.isfinite(error):
        raise FloatingPointError("reconstructions are not finite")
    return {"seconds": seconds, "cpu": cpu, "squared_error": float(error), "threads": threads}


def fit_twice(name, file, k, seed, settings):
    """Import and fit, and fit again in a process that has compiled; threads are the library's.

    Fresh seconds are those from the process's first import to the end of the first fit.
    """
    arrays, model, settings = np.load(file), model_of(name), tuples(settings)
    model(k, seed, **settings).fit(arrays["train"])
    fresh, again = time.perf_counter() - BEGAN, model(k, seed, **settings)
    cpu = time.process_time()
    seconds = seconds_of(again.fit, arrays["train"])
    cpu = time.process_time() - cpu
    X = arrays["test"]
    error = np.square(X - again.rebuild(X).astype(np.float64)).sum()
    if not np.isfinite(error):
        raise FloatingPointError("reconstructions are not finite")
    source = getattr(sys.modules.get("skae"), "__file__", "")
    found = {"fresh s": fresh, "warm s": seconds, "warm CPU s": cpu, "source": source}
    return found | {"squared_error": float(error)}


def tuples(settings):
    return {name: tuple(v) if isinstance(v, list) else v for name, v in settings.items()}


def encode(name, n, n_features, k, hidden):
    X, model = np.random.default_rng(0).standard_normal((2048, n_features)), model_of(name)
    X = X.astype(np.float32)
    settings = {} if not model.has_epochs else {"hidden": tuple(hidden), "epochs": 1}
    if name == "skae":
        settings["cv"] = None  # the net, whatever it is worth: PCA alone would be faster
    model = model(k, 0, **settings).fit(X)
    many = model.scaled(np.resize(X, (n, n_features)))
    one, large, single = np.ascontiguousarray(many[:1]), {}, {}
    for threads in THREADS:
        with n_threads(threads):
            model.codes(many[:5000])
            large[threads] = min(seconds_of(model.codes, many) for _ in range(3))
            micro = [1e6 * seconds_of(model.codes, one) for _ in range(N_SINGLE)]
            single[threads] = float(np.median(micro))
    best, best_single = min(large, key=large.get), min(single, key=single.get)
    found = {"seconds": large[best], "threads": best, "one, us": single[best_single]}
    return found | {"threads of one": best_single}


def occupy(name, file, k, settings):
    """Fit a large array once; return the memory written before and in it, in MB."""
    model = model_of(name)
    warm_up(name)
    before, X = anonymous_bytes(), np.load(file)
    with Peak() as peak:
        seconds = seconds_of(model(k, 0, **settings).fit, X)
    added = peak.bytes - before
    found = {"before, MB": before / MB, "added, MB": added / MB, "added / X": added / X.nbytes}
    return found | {"seconds": seconds}


def search(name, searched, file, grid, net):
    """Run a grid search; return its wall time, best parameters, and what JAX compiled."""
    from sklearn.model_selection import GridSearchCV

    from benchmarks.peers.searches import SEARCHED, reconstruction_score

    model_of(name)  # before what it compiles is listened to
    X = np.load(file)["train"]
    X = ((X - X.mean(axis=0)) / X.std()).astype(np.float32)
    estimator, names, own = SEARCHED[searched](X.shape[1], **net)
    grid = {
        names[n]: [tuple(v) if isinstance(v, list) else v for v in values]
        for n, values in grid.items()
    }
    compiled = compiles() if "jax" in sys.modules else []
    search = GridSearchCV(
        estimator, grid, cv=5, scoring=reconstruction_score, error_score="raise", refit=False
    )
    cpu = time.process_time()
    seconds = seconds_of(search.fit, X, *([X] if own else []))
    return {
        "seconds": seconds,
        "CPU s": time.process_time() - cpu,
        "best": ", ".join(f"{n} {v}" for n, v in search.best_params_.items()),
        "MSE": -float(search.best_score_),
        "compiled": dict(Counter(name for name, _ in compiled)),
    }


def compiles():
    import jax.monitoring

    found = []

    def listen(event, duration, **labels):
        if event == COMPILED:
            found.append((labels.get("fun_name", "?"), duration))

    jax.monitoring.register_event_duration_secs_listener(listen)
    return found


def whole(file):
    """Import skae, fit with defaults, encode; return the seconds that each part took."""
    from skae import AutoencoderTransformer

    imported, compiled = time.perf_counter() - BEGAN, compiles()
    X, model = np.load(file), AutoencoderTransformer(random_state=0)
    parts = {"import": imported, "fit": seconds_of(model.fit, X)}
    parts["compile, in fit"] = sum(duration for _, duration in compiled)
    return parts | {"codes": seconds_of(model.transform, X)}


def whole_torch(file, threads, plan):
    """Import torch, train the net of ``plan`` once for its whole budget, encode."""
    import torch

    from benchmarks.peers.torch_nets import Half, run_steps

    imported = time.perf_counter() - BEGAN
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    X = np.load(file).astype(np.float32)
    X = torch.from_numpy((X - X.mean(axis=0)) / X.std())
    activation, start = torch.nn.GELU(approximate="tanh"), time.perf_counter()
    halves = (Half(plan[half], activation, skip=True) for half in ("encoder", "decoder"))
    net = torch.nn.Sequential(*halves)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)
    run_steps(net, optimizer, X, plan["batch"], plan["steps"])
    with torch.no_grad():
        net[0](X)
    return {"import": imported, "fit": time.perf_counter() - start}


def steps(name, sizes, batch, n_steps):
    """Train a net for some steps; return the seconds with each number of threads."""
    model_of(name)
    return {n: steps_of(name, n_steps, n, sizes, batch) for n in THREADS}
