"""Time and weigh trained models: ``python -m benchmarks.inference``.

Throughput against NumPy's products of the same shapes, one row's latency, the memory of a
large transform, and what fits leave behind. Each part runs in a process of its own.
"""

import argparse
import gc
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from benchmarks._report import print_head
from benchmarks.speed import ENVIRONMENT, PAUSE, ROOT, THREADS, best_threads, spread
from skae import AutoencoderTransformer

SEED, N_COMPONENTS = 0, 8
MOST_RATIO = 1.25  # of NumPy's time for the products
NUMPY_ROWS = 8192  # in a block of NumPy's: quicker than all rows at once
LATENCIES = {64: 300, 784: 500}  # microseconds asked, by number of features
N_CALLS = 2000
MOST_MEMORY = 64  # MB beyond input and output
N_FITS, WARM_FITS, MOST_GROWTH = 200, 20, 20  # fits, those before the first look, MB
PARTS = ("throughput", "latency", "memory", "leak")


def main(arguments=None):
    """Run the parts that the command line asks for."""
    parser = argparse.ArgumentParser("benchmarks.inference", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--inside", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.inside:
        globals()["run_" + options.inside](options.rows, options.repeats)
        return
    print_head(
        "Inference: codes and reconstructions of a trained model",
        net=f"default, k = {N_COMPONENTS}",
        cores=f"{len(os.sched_getaffinity(0))}, NumPy and JAX at their own number of threads",
        repeats=f"{options.repeats}, in turn; ratios are taken within a repeat",
        seed=f"{SEED}; rows are made, nothing is scored here",
    )
    for part in options.parts:
        command = [sys.executable, "-m", "benchmarks.inference", "--inside", part]
        command += ["--rows", str(options.rows), "--repeats", str(options.repeats)]
        subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, check=True)


def verdict(value, most):
    """Return whether a value is as small as was asked, as text."""
    return f"asked at most {most:g}: {'holds' if value <= most else 'DOES NOT HOLD'}"


def make_rows(n_rows, n_features):
    """Return float32 rows near a curved surface of ten dimensions."""
    rng = np.random.default_rng(SEED)
    points, weights = rng.normal(size=(2000, 10)), rng.normal(size=(10, n_features))
    rows = np.tanh(points @ weights) + 0.1 * rng.normal(size=(2000, n_features))
    return np.resize(rows.astype(np.float32), (n_rows, n_features))


def fitted(n_features):
    """Return an estimator with default nets that were trained for a moment."""
    estimator = AutoencoderTransformer(N_COMPONENTS, cv=None, max_iter=1, random_state=SEED)
    return estimator.fit(make_rows(2000, n_features))


def products(estimator):
    """Return NumPy's functions of the matrix products that encode and decode rows."""
    path, params = estimator._model.path, estimator._model.params

    def through(layers, x):
        seen = []
        for layer in layers[:-1]:
            x = x @ layer["kernel"]
            seen.append(x)
        return np.concatenate(seen, axis=1) @ layers[-1]["kernel"]

    def encode(X):
        return through(params["encoder"], X @ path.basis)

    def decode(Z):
        return through(params["decoder"], np.concatenate([Z, Z], axis=1)) @ path.basis.T

    return encode, decode


def shapes(layers):
    """Return the sizes of the layers' matrices as text."""
    return ", ".join("{} x {}".format(*layer["kernel"].shape) for layer in layers)


def run_throughput(n_rows, repeats):
    """Print the time of many rows, and of NumPy's products alone."""
    for d in LATENCIES:
        estimator, X = fitted(d), make_rows(n_rows, d)
        encode, decode = products(estimator)
        Z = estimator.transform(X)
        params = estimator._model.params
        print(f"{n_rows} x {d} float32, warm; NumPy's products in blocks of {NUMPY_ROWS} rows")
        asked = MOST_RATIO if d == 784 else None
        note = f"rotation {d} x {d}, layers {shapes(params['encoder'])}"
        compare("transform", note, (estimator.transform, encode), X, repeats, asked)
        note = f"layers {shapes(params['decoder'])}, rotation {d} x {d}"
        both = estimator.inverse_transform, decode
        compare("inverse_transform", note, both, Z, repeats, asked)
    print(
        "  The rotation is multiplied into the dense layers once, not into every row: what is"
    )
    print("  computed is less than what NumPy is given.\n", flush=True)


def compare(name, note, functions, rows, repeats, asked):
    """Print the seconds of both functions of the rows, in turn, and their ratio."""
    own, theirs = functions
    seconds, busy = {}, {}
    for _ in range(repeats):
        for threads in THREADS:
            with threadpool_limits(threads, user_api="blas"):
                time_into(seconds, busy, f"NumPy, threads={threads}", in_blocks, theirs, rows)
        time_into(seconds, busy, "skae", own, rows)
    best = best_threads(seconds, "NumPy")
    print(f"  {name} ({note})")
    for who, times in seconds.items():
        middle, work = statistics.median(times), statistics.median(busy[who])
        print(f"    {who:<18} {middle:6.2f} s median, {work:6.2f} s of all cores' time")
    ratios = [a / b for a, b in zip(seconds["skae"], seconds[best], strict=True)]
    end = "nothing asked" if asked is None else verdict(statistics.median(ratios), asked)
    print(f"    skae / {best}: {spread(ratios)} -> {end}", flush=True)


def time_into(seconds, busy, name, function, *arguments):
    """Append what a call took: the seconds that passed, and those that cores worked."""
    time.sleep(PAUSE)
    before = time.process_time()
    seconds.setdefault(name, []).append(timed(function, *arguments))
    busy.setdefault(name, []).append(time.process_time() - before)


def timed(function, *arguments):
    """Return the seconds of a call."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def in_blocks(function, rows):
    """Call the function on blocks of rows."""
    for start in range(0, len(rows), NUMPY_ROWS):
        function(rows[start : start + NUMPY_ROWS])


def run_latency(n_rows, repeats):
    """Print the time of one row, warm."""
    print(f"One row, warm, {N_CALLS} calls: microseconds")
    for d, asked in LATENCIES.items():
        estimator, X = fitted(d), make_rows(1, d)
        Z = estimator.transform(X)
        for function, row in ((estimator.transform, X), (estimator.inverse_transform, Z)):
            for _ in range(50):
                function(row)
            micro = [1e6 * timed(function, row) for _ in range(N_CALLS)]
            middle, late = np.quantile(micro, [0.5, 0.95])
            print(
                f"  {d:>4} features, {function.__name__:<18} least {min(micro):5.0f}, ", end=""
            )
            print(f"median {middle:5.0f}, 95 % {late:5.0f} -> {verdict(middle, asked)}")
    print(flush=True)


def resident():
    """Return the megabytes of memory that the process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def peak():
    """Return the greatest number of megabytes that it has held since ``forget_peak``."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1.024e-3


def forget_peak():
    """Let the peak begin anew at what is held now."""
    Path("/proc/self/clear_refs").write_text("5")


def run_memory(n_rows, repeats):
    """Print the peak memory of large calls beyond their input and output."""
    d = 784
    estimator = fitted(d)
    for dtype in (np.float32, np.float64):
        X = make_rows(n_rows, d).astype(dtype)
        Z = estimator.transform(X[:1000])
        estimator.inverse_transform(Z)
        estimator.score_samples(X[:10])
        print(f"Memory beyond input and output, {n_rows} x {d} {np.dtype(dtype).name}: MB")
        for name, rows in {
            "transform": X,
            "inverse_transform": None,
            "score_samples": X,
        }.items():
            rows = estimator.transform(X) if rows is None else rows
            gc.collect()
            forget_peak()
            before = resident()
            out = getattr(estimator, name)(rows)
            extra = peak() - before - out.nbytes / 1e6
            print(f"  {name:<18} {extra:7.1f} (input {rows.nbytes / 1e6:.0f}, ", end="")
            print(f"output {out.nbytes / 1e6:.0f}) -> {verdict(extra, MOST_MEMORY)}")
            del out, rows
    print(flush=True)


def run_leak(n_rows, repeats):
    """Print how the process grows over fits of clones."""
    import jax

    X = make_rows(200, 16)
    estimator = AutoencoderTransformer(
        2, hidden_layer_sizes=(16,), max_iter=5, random_state=SEED
    )
    for i in range(N_FITS):
        if i == WARM_FITS:
            gc.collect()
            before, arrays = resident(), len(jax.live_arrays())
        one = clone(estimator).set_params(random_state=i).fit(X)
        one.inverse_transform(one.transform(X))
    del one
    gc.collect()
    growth = resident() - before
    print(
        f"{N_FITS} fits of clones, {WARM_FITS} of them before the first look: memory grows by"
    )
    print(
        f"  {growth:.1f} MB -> {verdict(growth, MOST_GROWTH)}; JAX arrays on the device: ",
        end="",
    )
    print(f"{arrays} before, {len(jax.live_arrays())} after\n", flush=True)


if __name__ == "__main__":
    main()
