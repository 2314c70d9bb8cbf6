"""Rows that are wide, long, or both: ``python -m benchmarks.scale``.

Every measurement is a process of its own. Its peak of memory is that of the pages it has
written: what it maps of a file belongs to the system, which takes it back at will. Parts:
``wide``: 20 Newsgroups as TF-IDF against TruncatedSVD, and 64 rows of 6,000 columns against
digits. ``long``: an epoch on a .npy file of MNIST's digits with noise, and one fit from a file
and from memory. ``cost``: seconds per row while training, from 10^4 rows on. ``memory``: fits
on arrays, with the packages that skae requires and with pandas beside. Files are written to
``--folder``, and deleted again.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks._report import print_head
from benchmarks.speed import ENVIRONMENT, ROOT

MB = 2**20
PARTS = ("wide", "long", "cost", "memory")
N_TERMS, N_TEXT_COMPONENTS = 50_000, 64
N_COST_FEATURES, COST_ROWS = 32, 1_000_000
WIDE_FITS = {"defaults": {}, "max_iter=5, cv=None": {"max_iter": 5, "cv": None}}
EVERY = 0.02  # seconds between two looks at the memory
FILE_DTYPE = np.dtype(np.float32)
PACKAGES = {  # what a process imports first; scikit-learn imports pandas where it can
    "required packages": (
        "import sys; sys.modules['pandas'] = None; import skae; del sys.modules['pandas']"
    ),
    "pandas beside": "import pandas",
}
FIT_ALIKE = {"max_iter": 1, "hidden_layer_sizes": (64,), "random_state": 0, "cv": None}


def main(arguments=None):
    """Run the parts that the command line asks for."""
    parser = argparse.ArgumentParser("benchmarks.scale", description=__doc__)
    add = parser.add_argument
    add("--parts", nargs="+", choices=PARTS, default=PARTS)
    add("--repeats", type=int, default=3)
    add("--gigabytes", type=float, default=12.0, help="size of the file that is fitted")
    add("--most-rows", type=int, default=10**7, help="of the cost per row")
    add("--folder", default=tempfile.gettempdir(), help="where the file is written")
    options = parser.parse_args(arguments)
    print_head("Wide and long rows", repeats=options.repeats, seed=0)
    if "wide" in options.parts:
        run_wide(options.repeats)
    if "long" in options.parts:
        run_long(options.gigabytes, options.folder)
    if "cost" in options.parts:
        run_cost(options.most_rows, options.folder)
    if "memory" in options.parts:
        run_memory(options.folder)


def measured(name, *arguments, first=""):
    """Run the measurement called ``name`` in a fresh process; return what it prints.

    ``first`` is code that the process runs before all else.
    """
    run = f"{first}\nimport runpy\nrunpy.run_module('benchmarks.scale', run_name='__main__')"
    command = [sys.executable, "-c", run, name, json.dumps(arguments)]
    done = subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


class Peak:
    """While it is entered, the most anonymous memory of this process, in bytes."""

    def __enter__(self):
        self.before = self.bytes = anonymous_bytes()
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def _watch(self):
        while not self.is_over.wait(EVERY):
            self.bytes = max(self.bytes, anonymous_bytes())

    def __exit__(self, *reason):
        self.is_over.set()
        self.thread.join()
        self.bytes = max(self.bytes, anonymous_bytes())


def anonymous_bytes():
    """Return the memory that this process has written, in bytes."""
    with open("/proc/self/status") as status:
        (line,) = (line for line in status if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


def timed_fit(estimator, X):
    """Fit; return the seconds that it took and the Peak."""
    with Peak() as peak:
        start = time.perf_counter()
        estimator.fit(X)
        seconds = time.perf_counter() - start
    return seconds, peak


def verdict(holds):
    """Return a verdict as it is printed."""
    return "holds" if holds else "DOES NOT HOLD"


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
    return {
        "seconds": first,
        "again": again,
        "peak": peak.bytes,
        "before": peak.before,
        "size": size,
        "r2": model.score(test),
        "best": int(model.best_iter_),
        "ratio": model.error_ratio_,
    }


def wide_rows():
    """Return the seconds of fits on 64 rows of 6,000 real columns and on digits, both warm."""
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


def run_wide(repeats):
    """Print what wide rows cost, sparse and dense."""
    print(f"20 Newsgroups, TF-IDF of {N_TERMS} terms, CSR, k = {N_TEXT_COMPONENTS}")
    for name, parameters in WIDE_FITS.items():
        runs = [
            (measured("text_of_svd"), measured("text_of_skae", parameters))
            for _ in range(repeats)
        ]
        print_wide(name, runs)
    dense = [measured("wide_rows") for _ in range(repeats)]
    ratio = statistics.median(run["wide"] / run["digits"] for run in dense)
    wide, digits = (
        statistics.median(run[name] for run in dense) for name in ("wide", "digits")
    )
    print(f"64 rows of 6,000 columns: {wide:.1f} s, digits", end="")
    print(f" {digits:.1f} s; ratio {ratio:.2f} (at most 3) -> {verdict(ratio <= 3)}\n")


def print_wide(name, runs):
    """Print what was measured of pairs of fits: TruncatedSVD's and skae's."""
    svd, own = runs[0]
    print(f"{name}, CSR of {own['size'] / MB:.0f} MB")
    for name, ways in {"first fit": "seconds", "second fit": "again"}.items():
        ratio = statistics.median(b[ways] / a["seconds"] for a, b in runs)
        print(
            f"  {name}: {own[ways]:.1f} s, TruncatedSVD {svd['seconds']:.1f} s; median", end=""
        )
        print(f" ratio {ratio:.1f} (at most 5) -> {verdict(ratio <= 5)}")
    print(f"  held-out R2 {own['r2']:.4f}, TruncatedSVD's {svd['r2']:.4f}", end="")
    print(f" -> {verdict(own['r2'] >= svd['r2'])}; epoch {own['best']}, ", end="")
    print(f"held-out error / PCA's {own['ratio']:.4f}")
    most = 4 * own["size"] + 500 * MB
    print(
        f"  peak {own['peak'] / MB:.0f} MB ({own['before'] / MB:.0f} before fit), at most",
        end="",
    )
    print(f" {most / MB:.0f} -> {verdict(own['peak'] <= most)}")


def write_rows(path, n_rows, n_features):
    """Write a .npy file (n_rows, n_features) of MNIST's digits with noise, block by block."""
    from benchmarks.data import load

    X = load("MNIST 5k").X[:, :n_features] if n_features < 784 else load("MNIST 5k").X
    X, rng = X.astype(FILE_DTYPE), np.random.default_rng(0)
    file = np.lib.format.open_memmap(path, "w+", FILE_DTYPE, (n_rows, X.shape[1]))
    for start in range(0, n_rows, len(X)):
        rows = X[: n_rows - start]
        file[start : start + len(rows)] = rows + 8 * rng.random(rows.shape, FILE_DTYPE)
    file.flush()


def fit_file(path, parameters):
    """Fit on the file, memory-mapped; return seconds and peak."""
    from skae import AutoencoderTransformer

    X = np.load(path, mmap_mode="r")
    model = AutoencoderTransformer(**parameters)
    seconds, peak = timed_fit(model, X)
    return {"seconds": seconds, "peak": peak.bytes, "ratio": model.error_ratio_}


def fit_both_ways(path):
    """Return whether a file and the array in it give the same fit, to the bit."""
    from skae import AutoencoderTransformer

    X = np.load(path, mmap_mode="r")
    given = {**FIT_ALIKE, "n_components": 8}
    by_file = AutoencoderTransformer(**given).fit(X).transform(X[:1000])
    by_array = AutoencoderTransformer(**given).fit(np.array(X)).transform(X[:1000])
    return {"equal": bool(np.array_equal(by_file, by_array))}


def run_long(gigabytes, folder):
    """Print what a file larger than memory costs, and whether it is fitted as an array is."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = str(Path(place) / "rows.npy")
        write_rows(path, 60_000, 784)
        equal = measured("fit_both_ways", path)["equal"]
        print(f"a file of 60,000 x 784 as an array is fitted, to the bit -> {verdict(equal)}")
        n_rows = int(gigabytes * 1e9 / 784 / FILE_DTYPE.itemsize)
        write_rows(path, n_rows, 784)
        given = {"n_components": 8, "max_iter": 1, "batch_size": 512, "random_state": 0}
        found = measured("fit_file", path, given)
    print(
        f"{gigabytes:.1f} GB, {n_rows} x 784, one epoch: {found['seconds']:.0f} s, held-out",
        end="",
    )
    print(f" error / PCA's {found['ratio']:.3f}, peak {found['peak'] / MB:.0f} MB", end="")
    print(f" (at most 1500) -> {verdict(found['peak'] <= 1500 * MB)}\n")


def seconds_per_row(path):
    """Return the seconds that training takes for a row, on average over COST_ROWS of them.

    Few rows come several times, of many the epoch ends early.
    """
    from skae import AutoencoderTransformer
    from skae._data.chunked import LongRows, is_long
    from skae._data.rows import Rows, fit_scaling
    from skae._train.config import make_config
    from skae._train.start import begin

    X = np.load(path, mmap_mode="r")
    X = LongRows(X) if is_long(X) else np.array(X, np.float64)
    weight = np.ones(len(X))
    scaling = fit_scaling(X, weight, "global", centered=True)
    rows = Rows(scaling.forward(X), weight)
    n_epochs = -(-COST_ROWS // len(X))
    params = AutoencoderTransformer(
        8, batch_size=128, max_iter=n_epochs, output_activation="identity", clip=False
    )
    run = begin(make_config(params, rows, scaling, 0), rows, 0)
    n_steps = 64 * (min(run.config.budget.n_steps, COST_ROWS // 128) // 64)
    run.train(64)  # compiled, and the first part loaded
    start = time.perf_counter()
    run.train(n_steps - 64)
    return {"seconds": (time.perf_counter() - start) / ((n_steps - 64) * 128)}


def run_cost(most_rows, folder):
    """Print what a row costs while training, for more and more rows."""
    print(f"microseconds of training per row of {N_COST_FEATURES} columns, batches of 128")
    sizes = [10**power for power in range(4, 8) if 10**power <= most_rows]
    with tempfile.TemporaryDirectory(dir=folder) as place:
        paths = [str(Path(place) / f"{n_rows}.npy") for n_rows in sizes]
        for path, n_rows in zip(paths, sizes, strict=True):
            write_rows(path, n_rows, N_COST_FEATURES)
        rounds = [
            [measured("seconds_per_row", path)["seconds"] for path in paths] for _ in range(3)
        ]  # a machine that slows down slows all of them
    found = [statistics.median(times) for times in zip(*rounds, strict=True)]
    for n_rows, seconds in zip(sizes, found, strict=True):
        print(f"  {n_rows:>9} rows: {1e6 * seconds:.2f}")
    spread = max(found) / min(found) - 1
    print(f"  spread {spread:.0%} (at most 10 %) -> {verdict(spread <= 0.1)}\n")


def memory_of_array(path, dtype):
    """Return the size of an array, what the process holds before a fit on it, and the peak."""
    from skae import AutoencoderTransformer

    X = np.load(path).astype(dtype, copy=False)
    model = AutoencoderTransformer(8, max_iter=2, random_state=0)
    _, peak = timed_fit(model, X)
    return {"size": X.nbytes, "before": peak.before, "peak": peak.bytes}


def run_memory(folder):
    """Print the peaks of fits in memory."""
    for shape, dtype in product(
        ((20_000, 784), (60_000, 784), (200_000, 784)), ("float64", "float32")
    ):
        with tempfile.NamedTemporaryFile(suffix=".npy", dir=folder) as file:
            write_rows(file.name, *shape)
            for packages, first in PACKAGES.items():
                found = measured("memory_of_array", file.name, dtype, first=first)
                print_memory(f"{shape} {dtype}, {packages}", **found)


def print_memory(name, size, before, peak):
    """Print what one fit in memory took."""
    most = 2 * size + 300 * MB
    print(f"fit on {name}, {size / MB:.0f} MB: peak {peak / MB:.0f} MB", end="")
    print(f" ({before / MB:.0f} before), at most {most / MB:.0f}", end="")
    print(f" -> {verdict(peak <= most)}", flush=True)


MEASUREMENTS = {
    measurement.__name__: measurement
    for measurement in (
        text_of_svd,
        text_of_skae,
        wide_rows,
        fit_file,
        fit_both_ways,
        seconds_per_row,
        memory_of_array,
    )
}


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in MEASUREMENTS:
        print(json.dumps(MEASUREMENTS[sys.argv[1]](*json.loads(sys.argv[2]))))
    else:
        main()
