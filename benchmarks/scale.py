"""Data that are wide, long, or both: ``python -m benchmarks.scale``.

Every measurement is a process of its own. Its peak of memory is that of the pages it has
written: what it maps of a file belongs to the system, which takes it back at will. Parts:
``wide``: 20 Newsgroups as TF-IDF against TruncatedSVD, and 64 samples of 6,000 features against
digits. ``long``: an epoch on a .npy file of MNIST's digits with noise, and one fit from a file
and from memory. ``cost``: seconds per sample while training, from 10^4 samples on. ``memory``:
fits on arrays, with the packages that skae requires and with pandas as well. ``structures``:
what compiled programs hold after fits of 60 structures in one process. Linux gives a process
65,530 mappings of memory; their number levels off when the least recently used programs go.
Files are written to ``--folder``, and deleted again.
"""

import resource
import statistics
import tempfile
import time
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks._harness import Run, Table, holds
from benchmarks._process import MB, Peak, in_fresh_process

fresh = partial(in_fresh_process, "benchmarks.scale")
N_TERMS, N_TEXT_COMPONENTS = 50_000, 64
N_COST_FEATURES, COST_SAMPLES, COST_BATCH = 32, 1_000_000, 128
WIDE_FITS = {"defaults": {}, "max_iter=5, cv=None": {"max_iter": 5, "cv": None}}
MOST_MAPPINGS = 65_530
FILE_DTYPE = np.dtype(np.float32)
PACKAGES = {  # what a process imports first; scikit-learn imports pandas if it can
    "required packages": (
        "import sys; sys.modules['pandas'] = None; import skae; del sys.modules['pandas']"
    ),
    "pandas beside": "import pandas",
}
FIT_ALIKE = {"max_iter": 1, "hidden_layer_sizes": (64,), "random_state": 0, "cv": None}


def main(arguments=None):
    parts = {"wide": run_wide, "long": run_long, "cost": run_cost, "memory": run_memory}
    parts["structures"] = run_structures
    run = Run(
        *(__doc__, "Wide and long data", arguments),
        among={"parts": parts},
        help={
            "gigabytes": "size of the file that is fitted",
            "most_rows": "of the cost per sample",
            "folder": "where the file is written",
            "structures": "in one process",
        },
        parts=list(parts),
        repeats=3,
        gigabytes=12.0,
        most_rows=10**7,
        folder=tempfile.gettempdir(),
        structures=60,
    )
    for part in run.parts:
        parts[part](run)


def timed_fit(estimator, X):
    with Peak() as peak:
        start = time.perf_counter()
        estimator.fit(X)
        seconds = time.perf_counter() - start
    return seconds, peak


def tfidf():
    """Return 20 Newsgroups as TF-IDF, 70 % of the texts to train and 30 % to test."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.model_selection import train_test_split

    from benchmarks.data import newsgroup_texts

    X = TfidfVectorizer(max_features=N_TERMS).fit_transform(newsgroup_texts())
    return train_test_split(X, test_size=0.3, random_state=0)


def text_of_svd():
    """Fit TruncatedSVD on the texts; its R2 is on the scale of ``score``."""
    from sklearn.decomposition import TruncatedSVD

    train, test = tfidf()
    svd = TruncatedSVD(N_TEXT_COMPONENTS, random_state=0)
    seconds, peak = timed_fit(svd, train)
    mean = np.asarray(train.mean(axis=0)).ravel()
    squares = test.multiply(test).sum()
    total = squares - 2 * (test @ mean).sum() + test.shape[0] * (mean @ mean)
    error = squares - np.square(svd.transform(test)).sum()
    return {"seconds": seconds, "peak": peak.bytes, "r2": float(1 - error / total)}


def text_of_skae(parameters):
    """Fit skae on the texts, twice: the second time nothing is compiled."""
    from skae import AutoencoderTransformer

    train, test = tfidf()
    size = train.data.nbytes + train.indices.nbytes + train.indptr.nbytes
    model = AutoencoderTransformer(N_TEXT_COMPONENTS, random_state=0, **parameters)
    first, peak = timed_fit(model, train)
    again, _ = timed_fit(model, train)
    memory = {"peak": peak.bytes, "before": peak.before, "size": size}
    kept = {"best": int(model.best_iter_), "ratio": float(model.error_ratio_)}
    return {"seconds": first, "again": again, "r2": float(model.score(test)), **memory, **kept}


def wide_samples():
    """Return the seconds of fits on 64 samples of 6,000 features and on digits, both warm."""
    from sklearn.datasets import load_digits

    from skae import AutoencoderTransformer

    images = np.kron(load_digits().images[:64], np.ones((10, 10)))[:, :75, :].reshape(64, -1)
    noise = np.random.default_rng(0).normal(size=images.shape)
    data = {"digits": load_digits().data, "wide": images + noise}
    models = {name: AutoencoderTransformer(random_state=0).fit(X) for name, X in data.items()}
    seconds = {name: [] for name in data}
    for name in ("digits", "wide", "digits"):  # a machine that slows down slows both
        seconds[name].append(timed_fit(models[name], data[name])[0])
    return {name: statistics.mean(taken) for name, taken in seconds.items()}


def run_wide(run):
    print(f"20 Newsgroups, TF-IDF of {N_TERMS} terms, CSR, k = {N_TEXT_COMPONENTS}")
    for name, given in WIDE_FITS.items():
        turns = [
            (fresh("text_of_svd"), fresh("text_of_skae", parameters=given))
            for _ in range(run.repeats)
        ]
        print_wide(name, turns)
    dense = [fresh("wide_samples") for _ in range(run.repeats)]
    ratio = statistics.median(one["wide"] / one["digits"] for one in dense)
    wide, digits = (statistics.median(one[n] for one in dense) for n in ("wide", "digits"))
    print(
        f"64 samples of 6,000 features: {wide:.1f} s, digits {digits:.1f} s; ratio {ratio:.2f} "
        f"(at most 3) -> {holds(ratio <= 3)}\n"
    )


def print_wide(name, turns):
    svd, own = turns[0]
    most = 4 * own["size"] + 500 * MB
    print(f"{name}, CSR of {own['size'] / MB:.0f} MB")
    for title, way in {"first fit": "seconds", "second fit": "again"}.items():
        ratio = statistics.median(b[way] / a["seconds"] for a, b in turns)
        print(
            f"  {title}: {own[way]:.1f} s, TruncatedSVD {svd['seconds']:.1f} s; median ratio "
            f"{ratio:.1f} (at most 5) -> {holds(ratio <= 5)}"
        )
    print(
        f"  held-out R2 {own['r2']:.4f}, TruncatedSVD's {svd['r2']:.4f} -> "
        f"{holds(own['r2'] >= svd['r2'])}; epoch {own['best']}, held-out error / PCA's "
        f"{own['ratio']:.4f}\n  peak {own['peak'] / MB:.0f} MB ({own['before'] / MB:.0f} "
        f"before fit), at most {most / MB:.0f} -> {holds(own['peak'] <= most)}"
    )


def write_samples(path, n, n_features):
    """Write a .npy file (n, n_features) of MNIST's digits with noise, block by block."""
    from benchmarks.data import load

    X, rng = load("MNIST 5k").X[:, :n_features].astype(FILE_DTYPE), np.random.default_rng(0)
    file = np.lib.format.open_memmap(path, "w+", FILE_DTYPE, (n, X.shape[1]))
    for start in range(0, n, len(X)):
        block = X[: n - start]
        file[start : start + len(block)] = block + 8 * rng.random(block.shape, FILE_DTYPE)
    file.flush()


def fit_file(path, parameters):
    from skae import AutoencoderTransformer

    model = AutoencoderTransformer(**parameters)
    seconds, peak = timed_fit(model, np.load(path, mmap_mode="r"))
    return {"seconds": seconds, "peak": peak.bytes, "ratio": float(model.error_ratio_)}


def fit_both_ways(path):
    """Return whether a file and the array in it give the same fit, to the bit."""
    from skae import AutoencoderTransformer

    X = np.load(path, mmap_mode="r")
    fits = (AutoencoderTransformer(8, **FIT_ALIKE).fit(rows) for rows in (X, np.array(X)))
    by_file, by_array = (model.transform(X[:1000]) for model in fits)
    return bool(np.array_equal(by_file, by_array))


def run_long(run):
    with tempfile.TemporaryDirectory(dir=run.folder) as place:
        path = str(Path(place) / "rows.npy")
        write_samples(path, 60_000, 784)
        equal = fresh("fit_both_ways", path=path)
        print(f"a file of 60,000 x 784 as an array is fitted, to the bit -> {holds(equal)}")
        n = int(run.gigabytes * 1e9 / 784 / FILE_DTYPE.itemsize)
        write_samples(path, n, 784)
        given = {"n_components": 8, "max_iter": 1, "batch_size": 512, "random_state": 0}
        found = fresh("fit_file", path=path, parameters=given)
    print(
        f"{run.gigabytes:.1f} GB, {n} x 784, one epoch: {found['seconds']:.0f} s, held-out "
        f"error / PCA's {found['ratio']:.3f}, peak {found['peak'] / MB:.0f} MB (at most 1500) "
        f"-> {holds(found['peak'] <= 1500 * MB)}\n"
    )


def seconds_per_sample(path):
    """Return the seconds that training takes for a sample, on average over COST_SAMPLES.

    Few samples come several times, of many the epoch ends early. The steps up to the first
    checkpoint, which load and compile, are not counted.
    """
    from benchmarks.peers.steps import Stopwatch, check_steps
    from skae import AutoencoderTransformer

    X = np.load(path, mmap_mode="r")
    epochs = -(-COST_SAMPLES // len(X))
    at_each = COST_BATCH * check_steps(epochs, len(X), COST_BATCH)
    watch = Stopwatch(min(25, 1 + -(-COST_SAMPLES // at_each)))
    AutoencoderTransformer(
        *(8,),
        batch_size=COST_BATCH,
        max_iter=epochs,
        output_activation="identity",
        cv=None,
        random_state=0,
    ).set_callbacks(watch).fit(X)
    return statistics.mean(watch.seconds[1:]) / at_each


def run_cost(run):
    print(f"microseconds of training per sample of {N_COST_FEATURES} features, ", end="")
    print(f"batches of {COST_BATCH}")
    sizes = [10**power for power in range(4, 8) if 10**power <= run.most_rows]
    with tempfile.TemporaryDirectory(dir=run.folder) as place:
        paths = {n: str(Path(place) / f"{n}.npy") for n in sizes}
        for n, path in paths.items():
            write_samples(path, n, N_COST_FEATURES)
        turns = [  # a machine that slows down slows all of them
            {n: fresh("seconds_per_sample", path=path) for n, path in paths.items()}
            for _ in range(3)
        ]
    found = {n: statistics.median(turn[n] for turn in turns) for n in sizes}
    for n, seconds in found.items():
        print(f"  {n:>9} samples: {1e6 * seconds:.2f}")
    spread = max(found.values()) / min(found.values()) - 1
    print(f"  spread {spread:.0%} (at most 10 %) -> {holds(spread <= 0.1)}\n")


def memory_of_array(path, dtype):
    """Return the size of an array, what the process holds before a fit on it, and the peak."""
    from skae import AutoencoderTransformer

    X = np.load(path).astype(dtype, copy=False)
    _, peak = timed_fit(AutoencoderTransformer(8, max_iter=2, random_state=0), X)
    return X.nbytes, peak.before, peak.bytes


def run_memory(run):
    shapes = (20_000, 784), (60_000, 784), (200_000, 784)
    for shape, dtype in product(shapes, ("float64", "float32")):
        with tempfile.NamedTemporaryFile(suffix=".npy", dir=run.folder) as file:
            write_samples(file.name, *shape)
            for packages, first in PACKAGES.items():
                given = {"path": file.name, "dtype": dtype}
                size, before, peak = fresh("memory_of_array", first=first, **given)
                most = 2 * size + 300 * MB
                print(
                    f"fit on {shape} {dtype}, {packages}, {size / MB:.0f} MB: peak "
                    f"{peak / MB:.0f} MB ({before / MB:.0f} before), at most {most / MB:.0f} "
                    f"-> {holds(peak <= most)}",
                    flush=True,
                )


def run_structures(run):
    """Print the memory, mappings and seconds after every tenth structure."""
    found, equal = fresh("many_structures", n=run.structures)
    table = Table({"structures": "10", "mappings": "8", "peak MB": "7.0f", "seconds": "7.1f"})
    for row in found:
        table.row(*row)
    print(f"the first one again: {'equal' if equal else 'OTHER'} codes")
    print(f"{found[-1][1] / MOST_MAPPINGS:.0%} of the mappings that Linux allows")


def many_structures(n):
    """Fit them once each; return what the process holds, and if the first one's bits return."""
    first, begun, found = codes_of_structure(0), time.perf_counter(), []
    for i in range(1, n):
        codes_of_structure(i)
        if (i + 1) % 10 == 0 or i + 1 == n:
            with open("/proc/self/maps") as mappings:
                n_mappings = sum(1 for _ in mappings)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            found.append((i + 1, n_mappings, peak, time.perf_counter() - begun))
    return found, bool((codes_of_structure(0) == first).all())


def codes_of_structure(i):
    """Return codes of a fit whose features, components, widths, batches and loss are new."""
    from skae import AutoencoderTransformer

    X = np.random.default_rng(i).normal(size=(60, 3 + i % 7))
    estimator = AutoencoderTransformer(
        1 + i % 3,
        hidden_layer_sizes=(4 + i % 11,),
        batch_size=(16, 32)[i % 2],
        loss="squared_error" if i % 4 else lambda target, output: (target - output) ** 4,
        max_iter=2,
        random_state=0,
    )
    Z = estimator.fit_transform(X)
    estimator.inverse_transform(Z)
    return Z


if __name__ == "__main__":
    main()
