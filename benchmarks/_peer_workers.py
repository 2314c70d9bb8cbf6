"""The processes of ``benchmarks.peers``: one model in each, which answers lines of JSON.

``python -m benchmarks._peer_workers MODEL`` answers each line on stdin, ``... versions`` says
what is installed, ``... fresh FILE K`` is a whole process that fits once and encodes. What goes
wrong in a library is the answer, so that the benchmark goes on. Libraries print what they
like: only answers go to the real stdout.
"""

import json
import logging
import os
import signal
import sys
import time
import warnings
from collections import Counter
from contextlib import contextmanager, nullcontext

import numpy as np

from benchmarks._peer_models import MODELS
from benchmarks._peers import TRAINERS, gaussian_rows

TRIAL = 3  # epochs from which the better number of threads is seen
N_CORES = len(os.sched_getaffinity(0))
THREADS = sorted({1, N_CORES})
N_SINGLE = 200  # calls with one row
COMPILED = "/jax/core/compile/backend_compile_duration"


def main(name, mode="answer", *arguments):
    """Be the process that the arguments name."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    start = time.perf_counter()
    quieten(name)
    if mode == "answer":
        for line in sys.stdin:
            print(json.dumps(answered(name, **json.loads(line))), file=answers, flush=True)
    else:
        act = {"versions": installed, "fresh": fresh}[mode]
        print(json.dumps(attempted(act, name, start, *arguments)), file=answers)


def quieten(name):
    """Silence progress bars and notices; choose the backend of Keras."""
    os.environ.update(TQDM_DISABLE="1", KERAS_BACKEND=getattr(MODELS[name], "backend", "jax"))
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)


def answered(name, do, **request):
    """Return what a request asks for, or {"error": why not}."""
    return attempted(REQUESTS[do], name, **request)


def attempted(function, *arguments, **named):
    """Return a function's answer, or {"error": the last line that Python would print}."""
    try:
        return function(*arguments, **named)
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        return {"error": f"{type(error).__name__}: {first}"[:300]}


@contextmanager
def at_most(seconds):
    """Raise TimeoutError in what takes longer."""

    def stop(*_):
        raise TimeoutError(f"stopped after {seconds} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def limited(n_threads):
    """Return a context in which BLAS and PyTorch have so many threads; JAX chooses its own."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(n_threads)
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(n_threads)


_trials = {}


def best_threads(name, X, k, settings):
    """Return the number of threads with which a few epochs take the least time."""
    model = MODELS[name]
    if len(THREADS) == 1 or name in ("skae", "keras-jax") or not model.has_epochs:
        return N_CORES
    key = X.shape, str(settings.get("hidden"))
    if key not in _trials:
        short = {**settings, "epochs": TRIAL}
        seconds = {}
        for n_threads in THREADS:
            with limited(n_threads):
                seconds[n_threads] = timed(model(k, 0, **short).fit, X)
        _trials[key] = min(seconds, key=seconds.get)
    return _trials[key]


def timed(function, *arguments):
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def warm_up(name):
    """Import, and fit some other rows once, shortly."""
    X = np.random.default_rng(0).normal(size=(100, 7))
    model = MODELS[name](2, 0, **({"epochs": 2} if MODELS[name].has_epochs else {}))
    return {"seconds": timed(model.fit, X)}


def fit(name, file, k, seed, settings, limit):
    """Fit the training rows of a file; return the seconds and the squared test error."""
    rows = np.load(file)
    X_train, X_test = rows["train"], rows["test"]
    settings = {n: tuple(v) if isinstance(v, list) else v for n, v in settings.items()}
    MODELS[name].load()
    with at_most(limit):
        threads = best_threads(name, X_train, k, settings)
        with limited(threads):
            model = MODELS[name](k, seed, **settings)
            cpu = time.process_time()
            seconds = timed(model.fit, X_train)
            cpu = time.process_time() - cpu
            error = np.square(X_test - model.rebuild(X_test).astype(np.float64)).sum()
    if not np.isfinite(error):
        raise FloatingPointError("reconstructions are not finite")
    return {"seconds": seconds, "cpu": cpu, "squared_error": float(error), "threads": threads}


def encode(name, n_rows, n_features, k, hidden):
    """Return rows per second of a large transform, and the microseconds of a single row."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2048, n_features)).astype(np.float32)
    settings = {} if not MODELS[name].has_epochs else {"hidden": tuple(hidden), "epochs": 1}
    if name == "skae":
        settings["cv"] = None  # the net, whatever it is worth: PCA alone would be faster
    model = MODELS[name](k, 0, **settings).fit(X)
    many = model.scaled(np.resize(X, (n_rows, n_features)))
    one = np.ascontiguousarray(many[:1])
    answers = []
    for n_threads in THREADS:
        with limited(n_threads):
            model.codes(many[:5000])
            large = min(timed(model.codes, many) for _ in range(3))
            single = [timed(model.codes, one) for _ in range(N_SINGLE)]
        answers.append((large, float(np.median(single)), n_threads))
    large, _, large_threads = min(answers)
    _, single, single_threads = min(answers, key=lambda answer: answer[1])
    return {
        "seconds": large,
        "threads": large_threads,
        "single_us": 1e6 * single,
        "single_threads": single_threads,
    }


def occupy(name, file, k, settings):
    """Fit a large array once; return the process's peak bytes, before and in it."""
    MODELS[name].load()
    warm_up(name)
    before = peak_bytes()
    X = np.load(file)
    seconds = timed(MODELS[name](k, 0, **settings).fit, X)
    return {
        "before": before,
        "added": peak_bytes() - before,
        "rows": X.nbytes,
        "seconds": seconds,
    }


def peak_bytes():
    """Return the most memory that this process has had resident."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def search(name, searched, file, kind, plan, limit):
    """Run a grid search; return its wall time, best parameters, and what JAX compiled."""
    from sklearn.model_selection import GridSearchCV

    from benchmarks._peer_searches import SEARCHED, reconstruction_score

    MODELS[name].load()  # before what it compiles is listened to
    X = np.load(file)["train"]
    X = ((X - X.mean(axis=0)) / X.std()).astype(np.float32)
    estimator, names, own = SEARCHED[searched](X.shape[1], **plan["net"])
    grid = {names[n]: values for n, values in plan["grids"][kind].items()}
    grid = {n: [tuple(v) if isinstance(v, list) else v for v in vs] for n, vs in grid.items()}
    compiled = []
    if "jax" in sys.modules:
        listen_to_compiles(compiled)
    search = GridSearchCV(
        estimator, grid, cv=5, scoring=reconstruction_score, error_score="raise", refit=False
    )
    cpu = time.process_time()
    with at_most(limit):
        seconds = timed(search.fit, X, *([X] if own else []))
    return {
        "seconds": seconds,
        "cpu": time.process_time() - cpu,
        "best": {n: str(v) for n, v in search.best_params_.items()},
        "score": float(search.best_score_),
        "compiled": dict(Counter(compiled)),
    }


def listen_to_compiles(compiled):
    """Append the name of each program that is compiled from now on."""
    import jax.monitoring

    def listen(event, duration, **labels):
        if event == COMPILED:
            compiled.append(labels.get("fun_name", "?"))

    jax.monitoring.register_event_duration_secs_listener(listen)


def installed(name, start):
    """Return the versions of a model's packages."""
    return MODELS[name].versions()


def fresh(name, start, file, k, threads):
    """Import, fit with defaults, encode; return where the seconds went."""
    MODELS[name].load()
    imported = time.perf_counter()
    X = np.load(file)
    model = MODELS[name](int(k), 0)
    with limited(int(threads)):
        fitted = timed(model.fit, X)
        encoded = timed(model.codes, model.scaled(X)) if model.has_codes else 0.0
    return {"import": imported - start, "fit": fitted, "codes": encoded}


_trainers = {}


def steps(name, sizes, batch, n_steps):
    """Train a net for some steps; return the seconds with each number of threads."""
    key = tuple(sizes), batch
    seconds = {}
    for n_threads in THREADS:
        with limited(n_threads):
            if (key, n_threads) not in _trainers:
                train = STEPS[name](tuple(sizes), batch, n_threads)
                train(n_steps)  # compiles, and begins
                _trainers[key, n_threads] = train
            seconds[n_threads] = timed(_trainers[key, n_threads], n_steps)
    return seconds


def skorch_trainer(sizes, batch, threads):
    """Return a function that trains skorch's net by partial_fit, whole epochs."""
    from benchmarks._peer_models import skorch_estimator

    d, *hidden, k = sizes
    shape = {"module__n_features": d, "module__hidden": tuple(hidden), "module__k": k}
    model = skorch_estimator(lr=1e-3, batch_size=batch, **shape)
    X = gaussian_rows(d)
    return lambda n_steps: model.partial_fit(X, X, epochs=n_steps * batch // len(X))


def keras_trainer(sizes, batch, threads):
    """Return a function that trains Keras's net by fit, whole epochs."""
    import keras

    from benchmarks._peer_models import keras_autoencoder

    d, *hidden, k = sizes
    net = keras_autoencoder(d, tuple(hidden), k)
    net.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse")
    X = gaussian_rows(d)

    def train(n_steps):
        net.fit(X, X, batch_size=batch, epochs=n_steps * batch // len(X), verbose=0)

    return train


STEPS = {
    "skae": TRAINERS["skae"],
    "torch": TRAINERS["torch"],
    "MLPRegressor": TRAINERS["sklearn"],
    "skorch": skorch_trainer,
    "keras-jax": keras_trainer,
    "keras-torch": keras_trainer,
}
REQUESTS = {
    "warm up": warm_up,
    "fit": fit,
    "encode": encode,
    "occupy": occupy,
    "search": search,
    "steps": steps,
}


if __name__ == "__main__":
    main(*sys.argv[1:])
