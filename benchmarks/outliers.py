"""Find one digit class among the other nine: ``python -m benchmarks.outliers``.

Each class in turn makes 5 % of the rows. The rows are split as everywhere, detectors are
fitted without labels, and the area under the ROC curve is that of test rows. With
``--training mixed`` the outliers are among the training rows too (outlier detection), with
``--training clean`` they are taken out of them first (novelty detection). skae is fitted
once with the largest number of components: "skae" is the detector's score, "skae-m" the
error of the first m components of that fit.
"""

import argparse
from importlib.metadata import version
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from benchmarks._report import (
    SPLIT,
    Records,
    Table,
    grouped,
    mean_of,
    names,
    numbers,
    print_head,
)
from benchmarks._report import versions as common_versions
from benchmarks.data import Dataset, load, split
from skae import AutoencoderOutlierDetector, AutoencoderTransformer

COMPONENTS = (8, 2)
SHARE = 0.05
TRAININGS = ("mixed", "clean")
HAS_PYOD = find_spec("pyod") is not None and find_spec("torch") is not None


def main(arguments=None):
    """Run the benchmark that the command line asks for."""
    options = parse(arguments)
    records = Records(options.json, {"versions": versions(), "split": SPLIT})
    print_head(
        f"ROC AUC on test rows: one digit class at {SHARE:.0%} among the other nine",
        split=f"{SPLIT}; random_state=seed",
        seeds=options.seeds,
        detectors="skae and PCA with the number of components named, the others' defaults",
        pyod=version("pyod") if HAS_PYOD else "left out: pip install pyod torch tqdm",
    )
    methods = [f"{name}-{m}" for name in ("skae", "PCA") for m in options.components]
    methods = ["skae", *methods, *PEERS]
    columns = {"training": 8, "digit": 5, "seed": 4, "outliers": 8}
    columns |= {name: max(6, len(name)) for name in methods} | {"flagged": 13}
    table = Table(columns)
    for training, seed, digit in product(options.training, options.seeds, options.digits):
        record = measure(digit, seed, training, options.components)
        records.add(record)
        print_record(table, record, methods)
    print("\nflagged: share of the test outliers / of the other test rows that skae flags\n")
    for (training,), some in grouped(records.rows, "training").items():
        means = {name: mean_of(some, name) for name in methods}
        for line in verdicts(means, options.components):
            print(f"{training}, {len(some)} fits: {line}")


def parse(arguments):
    """Return the command line's options."""
    parser = argparse.ArgumentParser("benchmarks.outliers", description=__doc__)
    add = parser.add_argument
    add("--seeds", type=numbers, default=[0], help="such as 0,1,2")
    add("--digits", type=numbers, default=list(range(10)), help="such as 3,8")
    add("--components", type=numbers, default=list(COMPONENTS), help="such as 8,2")
    add("--training", type=names, default=["mixed"], help="mixed, clean or both: mixed,clean")
    add("--json", type=Path, help="file for all records, written after each one")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.training if name not in TRAININGS]:
        parser.error(f"no training is called {unknown}; there are {list(TRAININGS)}")
    return options


def versions():
    """Return the versions that every benchmark prints, and pyod's where it is installed."""
    return common_versions() | ({"pyod": version("pyod")} if HAS_PYOD else {})


def rows(digit, seed, training):
    """Return (X_train, X_test, is_outlier) with ``is_outlier`` for the test rows."""
    digits = load("digits")
    is_outlier = digits.y == digit
    others, ones = np.flatnonzero(~is_outlier), np.flatnonzero(is_outlier)
    n_outliers = round(len(others) * SHARE / (1 - SHARE))
    ones = np.random.default_rng(seed).choice(ones, n_outliers, replace=False)
    kept = np.r_[others, ones]
    dataset = Dataset("digits", digits.X[kept], is_outlier[kept])
    X_train, X_test, train, test = split(dataset, seed)
    if training == "clean":
        X_train = X_train[~dataset.y[train]]
    return X_train, X_test, dataset.y[test]


def fit_detector(X_train, seed, n_components):
    """Return the detector of ``n_components``, with defaults otherwise."""
    autoencoder = AutoencoderTransformer(n_components)
    return AutoencoderOutlierDetector(autoencoder, random_state=seed).fit(X_train)


def reconstruction_errors(model, X, n_kept):
    """Return the squared errors (n,) of ``X`` from the first ``n_kept`` components."""
    return np.square(X - model.inverse_transform(model.transform(X)[:, :n_kept])).sum(axis=1)


def pca_scores(X_train, X_test, n_components):
    """Return PCA's squared reconstruction errors (n_test,)."""
    pca = PCA(n_components, svd_solver="full").fit(X_train)
    return reconstruction_errors(pca, X_test, n_components)


def forest_scores(X_train, X_test, seed):
    """Return IsolationForest's scores (n_test,), higher for outliers."""
    return -IsolationForest(random_state=seed).fit(X_train).score_samples(X_test)


def pyod_scores(X_train, X_test, seed):
    """Return the scores (n_test,) of pyod's AutoEncoder, higher for outliers."""
    from pyod.models.auto_encoder import AutoEncoder

    detector = AutoEncoder(random_state=seed, verbose=0)
    return detector.fit(X_train).decision_function(X_test)


PEERS = {"IsolationForest": forest_scores} | ({"pyod": pyod_scores} if HAS_PYOD else {})


def measure(digit, seed, training, components):
    """Return the record of one digit, seed and training."""
    X_train, X_test, is_outlier = rows(digit, seed, training)
    detector = fit_detector(X_train, seed, max(components))
    scores = {name: peer(X_train, X_test, seed) for name, peer in PEERS.items()}
    scores["skae"] = -detector.score_samples(X_test)
    for m in components:
        scores[f"skae-{m}"] = reconstruction_errors(detector.autoencoder_, X_test, m)
        scores[f"PCA-{m}"] = pca_scores(X_train, X_test, m)
    flagged = detector.predict(X_test) == -1
    return {
        "training": training,
        "digit": digit,
        "seed": seed,
        "n_outliers": int(is_outlier.sum()),
        **{name: float(roc_auc_score(is_outlier, s)) for name, s in scores.items()},
        "flagged_outliers": float(flagged[is_outlier].mean()),
        "flagged_others": float(flagged[~is_outlier].mean()),
    }


def print_record(table, record, methods):
    """Print one record as a row of the table."""
    cells = (str(record[name]) for name in ("digit", "seed", "n_outliers"))
    areas = (f"{record[name]:.3f}" for name in methods)
    flagged = f"{record['flagged_outliers']:.1%} / {record['flagged_others']:.1%}"
    table.row(record["training"], *cells, *areas, flagged)


def verdicts(means, components):
    """Return a line of the mean areas, and one of what the detector's is above."""
    peers = [f"PCA-{max(components)}", *PEERS]
    above = [name for name in peers if means["skae"] > means[name]]
    below = [name for name in peers if name not in above]
    return [
        "mean " + ", ".join(f"{name} {mean:.3f}" for name, mean in means.items()),
        f"skae above {', '.join(above) or 'none'}; not above {', '.join(below) or 'none'} "
        "(asked: above PCA and IsolationForest)",
    ]


if __name__ == "__main__":
    main()
