"""Time and weigh trained models: ``python -m benchmarks.inference``.

Throughput against NumPy's products of the same shapes, one sample's latency, here and under
ONNX Runtime if that is installed, the memory of a large transform, and what fits leave behind.
Each part runs in a process of its own.
"""

import gc
import statistics
import time
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from benchmarks._harness import Run, at_most
from benchmarks._process import (
    MB,
    PAUSE,
    THREADS,
    Peak,
    anonymous_bytes,
    best_threads,
    in_fresh_process,
    quotients,
    seconds_of,
    spread,
)
from skae import AutoencoderTransformer, to_onnx

SEED, N_COMPONENTS, HIDDEN = 0, 8, (256, 128)
MOST_RATIO = 1.25  # of NumPy's time for the products
NUMPY_ROWS = 8192  # in a block of NumPy's: quicker than all samples at once
LATENCIES = {64: 300, 784: 500}  # microseconds asked, by number of features
N_CALLS = 2000
MOST_DIFFERENCE = 1e-5  # of a graph from the estimator
MOST_MEMORY = 64  # MB beyond input and output
N_FITS, WARM_FITS, MOST_GROWTH = 200, 20, 20  # fits, those before the first look, MB
PARTS = ("throughput", "latency", "graphs", "memory", "leak")


def main(arguments=None):
    run = Run(
        *(__doc__, "Inference: codes and reconstructions of a trained model", arguments),
        head={
            "net": f"hidden layers {HIDDEN}, k = {N_COMPONENTS}",
            "threads": "NumPy and JAX at their own number",
            "turns": "ratios are taken within a repeat; samples are made, nothing is scored",
        },
        among={"parts": PARTS},
        parts=PARTS,
        rows=100_000,
        repeats=5,
    )
    for part in run.parts:
        given = {"n": run.rows, "repeats": run.repeats}
        for line in in_fresh_process("benchmarks.inference", f"{part}_lines", **given):
            print(line)
        print(flush=True)


def make_samples(n, n_features):
    """Return float32 samples near a curved surface of ten dimensions."""
    rng = np.random.default_rng(SEED)
    points, weights = rng.normal(size=(2000, 10)), rng.normal(size=(10, n_features))
    X = np.tanh(points @ weights) + 0.1 * rng.normal(size=(2000, n_features))
    return np.resize(X.astype(np.float32), (n, n_features))


def fitted(n_features):
    given = {"hidden_layer_sizes": HIDDEN, "cv": None, "max_iter": 1, "random_state": SEED}
    return AutoencoderTransformer(N_COMPONENTS, **given).fit(make_samples(2000, n_features))


def products(n_features, k, hidden):
    """Return NumPy's functions of a net's matrix products that encode and decode samples.

    Hidden layers, then an output that reads all of them; rotations to PCA's axes and back. The
    decoder also sees which components are present.
    """
    draw = np.random.default_rng(SEED).standard_normal

    def through(sizes, n_out):
        layers = [draw(pair, np.float32) for pair in pairwise(sizes)]
        output = draw((sum(sizes[1:]), n_out), np.float32)

        def apply(x):
            seen = []
            for layer in layers:
                x = x @ layer
                seen.append(x)
            return np.concatenate(seen, axis=1) @ output

        return apply

    basis = draw((n_features, n_features), np.float32)
    encoder = through((n_features, *hidden), k)
    decoder = through((2 * k, *hidden[::-1]), n_features)
    return (
        lambda X: encoder(X @ basis),
        lambda Z: decoder(np.concatenate([Z, Z], axis=1)) @ basis.T,
    )


def throughput_lines(n, repeats):
    lines = []
    for d in LATENCIES:
        estimator, X = fitted(d), make_samples(n, d)
        encode, decode = products(d, N_COMPONENTS, HIDDEN)
        Z, asked = estimator.transform(X), MOST_RATIO if d == 784 else None
        lines.append(f"{n} x {d} float32, warm; NumPy in blocks of {NUMPY_ROWS} samples")
        lines += compare("transform", estimator.transform, encode, X, repeats, asked)
        inverse = estimator.inverse_transform
        lines += compare("inverse_transform", inverse, decode, Z, repeats, asked)
    return [
        *lines,
        "  The rotation is multiplied into the dense layers once, not into every sample: what",
        "  is computed is less than what NumPy is given.",
    ]


def compare(name, own, theirs, X, repeats, asked):
    """Return the seconds of both functions of the samples, in turn, and their ratio."""
    seconds, busy = {}, {}

    def take(who, function):
        time.sleep(PAUSE)
        before = time.process_time()
        seconds.setdefault(who, []).append(seconds_of(function, X))
        busy.setdefault(who, []).append(time.process_time() - before)

    def in_blocks(X):
        for start in range(0, len(X), NUMPY_ROWS):
            theirs(X[start : start + NUMPY_ROWS])

    for _ in range(repeats):
        for threads in THREADS:
            with threadpool_limits(threads, user_api="blas"):
                take(f"NumPy, threads={threads}", in_blocks)
        take("skae", own)
    lines = [f"  {name}"]
    for who, times in seconds.items():
        middle, work = statistics.median(times), statistics.median(busy[who])
        lines.append(f"    {who:<18} {middle:6.2f} s median, {work:6.2f} s of all cores' time")
    best = best_threads(seconds, "NumPy")
    ratios = quotients(seconds["skae"], seconds[best])
    end = "nothing asked" if asked is None else at_most(statistics.median(ratios), asked)
    return [*lines, f"    skae / {best}: {spread(ratios)} ({end})"]


def latency_lines(n, repeats):
    lines = [f"One sample, warm, {N_CALLS} calls: microseconds"]
    for d, asked in LATENCIES.items():
        estimator, X = fitted(d), make_samples(1, d)
        Z = estimator.transform(X)
        for function, one in ((estimator.transform, X), (estimator.inverse_transform, Z)):
            micro = microseconds(function, one)
            lines.append(f"{latency(d, function, micro)} ({at_most(np.median(micro), asked)})")
    return lines


def microseconds(*function_and_arguments):
    for _ in range(50):
        seconds_of(*function_and_arguments)
    return [1e6 * seconds_of(*function_and_arguments) for _ in range(N_CALLS)]


def latency(d, function, micro, name=""):
    middle, late = np.quantile(micro, [0.5, 0.95])
    return (
        f"  {d:>4} features, {name or function.__name__:<18} least {min(micro):5.0f}, "
        f"median {middle:5.0f}, 95 % {late:5.0f}"
    )


def graphs_lines(n, repeats):
    """Return one sample's latency and the difference of ONNX graphs, beside skae's own."""
    if find_spec("onnxruntime") is None:
        return ["No graphs: onnxruntime is not installed"]
    import onnxruntime

    lines = [f"One sample, warm, skae and the same graph under ONNX Runtime, {N_CALLS} calls"]
    for d in LATENCIES:
        estimator, X = fitted(d), make_samples(1000, d)
        functions = {"encoder": estimator.transform, "decoder": estimator.inverse_transform}
        for part, rows in (("encoder", X), ("decoder", estimator.transform(X))):
            graph = to_onnx(estimator, part, dtype="float32").SerializeToString()
            session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
            name, function = session.get_inputs()[0].name, functions[part]
            difference = session.run(None, {name: rows})[0] - function(rows)
            share = np.abs(difference).max() / np.abs(function(rows)).max()
            ours = microseconds(function, rows[:1])
            theirs = microseconds(session.run, None, {name: rows[:1]})
            ratio = np.median(theirs) / np.median(ours)
            lines += [
                latency(d, function, ours),
                f"{latency(d, function, theirs, f'ONNX {part}')}, {ratio:.2f} of skae's median "
                f"({at_most(ratio, 1.0)}), difference {share:.0e} of the largest "
                f"({at_most(share, MOST_DIFFERENCE)})",
            ]
    return lines


def memory_lines(n, repeats):
    """Return the peak memory of large calls beyond their input and output."""
    d, lines = 784, []
    estimator = fitted(d)
    for dtype in (np.float32, np.float64):
        X = make_samples(n, d).astype(dtype)
        estimator.inverse_transform(estimator.transform(X[:1000]))
        estimator.score_samples(X[:10])
        lines.append(f"Memory beyond input and output, {n} x {d} {np.dtype(dtype).name}: MB")
        for name in ("transform", "inverse_transform", "score_samples"):
            given = estimator.transform(X) if name == "inverse_transform" else X
            gc.collect()
            with Peak() as peak:
                out = getattr(estimator, name)(given)
            extra = (peak.bytes - peak.before - out.nbytes) / MB
            lines.append(
                f"  {name:<18} {extra:7.1f} (input {given.nbytes / MB:.0f}, output "
                f"{out.nbytes / MB:.0f}; {at_most(extra, MOST_MEMORY)})"
            )
            del out, given
    return lines


def leak_lines(n, repeats):
    import jax

    X, given = make_samples(200, 16), {"hidden_layer_sizes": (16,), "max_iter": 5}
    estimator = AutoencoderTransformer(2, **given)
    for i in range(N_FITS):
        if i == WARM_FITS:
            gc.collect()
            before, arrays = anonymous_bytes(), len(jax.live_arrays())
        one = clone(estimator).set_params(random_state=i).fit(X)
        one.inverse_transform(one.transform(X))
    del one
    gc.collect()
    growth = (anonymous_bytes() - before) / MB
    return [
        f"{N_FITS} fits of clones, {WARM_FITS} warm, then the first look: memory grows by",
        f"  {growth:.1f} MB ({at_most(growth, MOST_GROWTH)}); JAX arrays: {arrays} "
        f"before, {len(jax.live_arrays())} after",
    ]


if __name__ == "__main__":
    main()
