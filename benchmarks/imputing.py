"""Fill missing cells of real tables: ``python -m benchmarks.imputing``.

A fifth of the cells is hidden, at random (``cells``) or in stretches of neighbouring columns
(``blocks``); every imputer is fitted on the rows with holes and fills these same rows. The
figure is the root mean squared error over the hidden cells, in columns standardised by their
complete values, so that 1 is about the column means' error.
"""

import argparse
import time
import warnings
from itertools import product
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.preprocessing import StandardScaler

from benchmarks._report import Records, Table, grouped, mean_of, names, numbers, print_head
from benchmarks._report import versions as common_versions
from benchmarks.data import DataMissing, load
from skae import AutoencoderImputer
from skae._data.rows import Rows
from skae._pca.axes import fit_axes
from skae.impute import default_components

SHARE = 0.2
BLOCK_SHARE = 0.1  # of the columns, in one stretch of hidden cells
SETS = ["digits", "breast cancer", "wine", "cells", "mfeat zernike"]
PATTERNS = ("cells", "blocks")
MFEAT_ZERNIKE = slice(-47, None)


def main(arguments=None):
    """Run the benchmark that the command line asks for."""
    parser = argparse.ArgumentParser("benchmarks.imputing", description=__doc__)
    add = parser.add_argument
    add("--sets", type=names, default=SETS[:3], help=f"some of: {', '.join(SETS)}")
    add("--all", action="store_true", help="every set")
    add("--seeds", type=numbers, default=[0], help="such as 0,1,2")
    add("--json", type=Path, help="file for all records")
    options = parser.parse_args(arguments)
    records = Records(options.json, {"versions": common_versions()})
    print_head(
        "Root mean squared error over hidden cells, standardised, and seconds to fit and fill",
        hidden=f"{SHARE:.0%} of the cells; all rows are fitted and filled",
        seeds=options.seeds,
        imputers="defaults; EM-PCA with as many components as skae",
    )
    columns = {"set": 14, "pattern": 7, "seed": 4} | {name: 14 for name in IMPUTERS}
    table = Table(columns)
    for name, pattern, seed in product(
        SETS if options.all else options.sets, PATTERNS, options.seeds
    ):
        try:
            record = measure(name, pattern, seed)
        except DataMissing as reason:
            print(f"{name}: left out, {reason}")
            continue
        records.add(record)
        cells = (f"{record[i]:.3f} {record[f'{i} s']:>6.1f} s" for i in IMPUTERS)
        table.row(name, pattern, str(seed), *cells)
    print(*verdicts(records.rows), sep="\n")


def rows(name):
    """Return the complete rows (n, d) of a set, each column standardised."""
    X = load(name.split(" zernike")[0]).X
    X = X[:, MFEAT_ZERNIKE] if "zernike" in name else X
    return StandardScaler().fit_transform(X[:, np.ptp(X, axis=0) > 0])


def hide(X, pattern, seed):
    """Return where cells of ``X`` (n, d) are hidden; each row and column keeps some."""
    rng, (n, d) = np.random.default_rng(seed), X.shape
    if pattern == "cells":
        hidden = rng.uniform(size=X.shape) < SHARE
    else:
        length = max(2, round(BLOCK_SHARE * d))
        hidden = np.zeros(X.shape, bool)
        for _ in range(round(SHARE * d / length)):
            start = rng.integers(0, d - length + 1, n)
            hidden |= (np.arange(d) >= start[:, None]) & (
                np.arange(d) < start[:, None] + length
            )
    hidden[hidden.all(axis=1), 0] = False
    hidden[0, hidden.all(axis=0)] = False
    return hidden


def em_pca(X, seed):
    """Return ``X`` filled by principal axes of the observed cells, as many as skae's code."""
    k = default_components(X.shape[1])
    axes, _, filled = fit_axes(Rows(X, np.ones(len(X))), min(X.shape), k)
    basis = axes.basis[:, :k]
    return axes.mean + (filled - axes.mean) @ basis @ basis.T


IMPUTERS = {
    "skae": lambda X, seed: AutoencoderImputer(random_state=seed).fit_transform(X),
    "EM-PCA": em_pca,
    "mean": lambda X, seed: SimpleImputer().fit_transform(X),
    "KNN": lambda X, seed: KNNImputer().fit_transform(X),
    "iterative": lambda X, seed: IterativeImputer(random_state=seed).fit_transform(X),
}


def measure(name, pattern, seed):
    """Return the record of all imputers on one set, pattern and seed."""
    X = rows(name)
    hidden = hide(X, pattern, seed)
    record = {"set": name, "pattern": pattern, "seed": seed, "hidden": float(hidden.mean())}
    for imputer, fill in IMPUTERS.items():
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # iterative, at its default
            filled = fill(np.where(hidden, np.nan, X), seed)
        record[f"{imputer} s"] = time.perf_counter() - start
        record[imputer] = float(np.sqrt(np.square(filled - X)[hidden].mean()))
    return record


def verdicts(records):
    """Return the lines on what was promised: means over seeds for each set and pattern."""
    peers = ("mean", "KNN", "iterative")
    means = {
        key: {name: mean_of(some, name) for name in IMPUTERS}
        for key, some in grouped(records, "set", "pattern").items()
    }
    ratios = {key: m["skae"] / min(m[p] for p in peers) for key, m in means.items()}
    to_em = {key: m["skae"] / m["EM-PCA"] for key, m in means.items()}
    best = sum(ratio <= 1 for ratio in ratios.values())
    worst, worst_em = (max(r, key=r.get) for r in (ratios, to_em))
    return [
        f"\nat most the best of scikit-learn's in {best} of {len(ratios)} (asked: most); worst "
        f"{ratios[worst]:.3f} at {' '.join(worst)} (asked: 1.1)",
        f"against EM-PCA: worst {to_em[worst_em]:.3f} at {' '.join(worst_em)} (asked: 1.005)",
    ]


if __name__ == "__main__":
    main()
