"""Measure new rows against held-out ones: ``python -m benchmarks.samples``.

Digits and MNIST at 8 components. Held-out rows are compared as the decoder gives them back,
since no sample can show what the code leaves out. Held-out reconstructions and as many
samples are told apart by their five nearest neighbours (a two-sample test: 0.5 is ideal),
and their distances to the nearest reconstruction of a training row are compared (a ratio
near 0 means copies).
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from benchmarks._cases import fit
from benchmarks._report import (
    SPLIT,
    Records,
    Table,
    grouped,
    mean_of,
    names,
    numbers,
    print_head,
    versions,
)
from benchmarks.data import DataMissing, load, split

SETS = ("digits", "MNIST 5k")
N_COMPONENTS = 8
N_NEIGHBORS = 5
N_FOLDS = 5
N_DRAWS = 3  # whose measures are averaged: one draw's accuracy varies by about 0.02
TARGET = 0.65
METHODS = {"one": "one Gaussian", "mixture": "mixture chosen by BIC (sample)"}
MEASURES = {
    "accuracy": "5-nearest-neighbour two-sample test, held-out reconstructions or samples",
    "distance": "distance to the nearest training reconstruction, samples' over held-out's",
}


def main(arguments=None):
    """Run the benchmark that the command line asks for."""
    options = parse(arguments)
    records = Records(options.json, {"versions": versions(), "split": SPLIT})
    print_head(
        f"Samples of AutoencoderTransformer, {N_COMPONENTS} components, held-out rows",
        split=f"{SPLIT}; random_state=seed",
        seeds=options.seeds,
        draws=f"means over {N_DRAWS}, each of as many samples as there are test rows",
    )
    table = Table({"set": 10, "seed": 4, "test rows": 9, "Gaussians": 9, **_columns()})
    sheets = {}
    for name in options.sets:
        for record, sheet in measured(name, options.seeds):
            records.add(record)
            print_record(table, record)
            sheets.setdefault(name, sheet)
    print("\nEach cell: one Gaussian / mixture chosen by BIC.")
    for name, meaning in MEASURES.items():
        print(f"{name}: {meaning}")
    print()
    for line in verdicts(records.rows):
        print(line)
    if options.picture and sheets:
        from benchmarks._sheets import draw  # matplotlib

        draw(options.picture, sheets)
        print(f"\nPicture: {options.picture}")


def parse(arguments):
    """Return the command line's options."""
    parser = argparse.ArgumentParser("benchmarks.samples", description=__doc__)
    add = parser.add_argument
    add("--sets", type=names, default=list(SETS), help=f"some of: {', '.join(SETS)}")
    add("--seeds", type=numbers, default=[0], help="such as 0,1,2")
    add("--json", type=Path, help="file for all records, written after each one")
    picture = Path(__file__).parents[1] / "docs" / "samples.png"
    add("--picture", type=Path, nargs="?", const=picture, help=f"default {picture}")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.sets if name not in SETS]:
        parser.error(f"no set is called {unknown}; there are {list(SETS)}")
    return options


def _columns():
    return dict.fromkeys(MEASURES, 15)


def measured(name, seeds):
    """Yield a record and a sheet of samples for each seed; none where the set is missing."""
    try:
        dataset = load(name)
    except DataMissing as reason:
        print(f"{name}: left out, {reason}")
        return
    for seed in seeds:
        X_train, X_test, *_ = split(dataset, seed)
        model, seconds = fit(X_train, N_COMPONENTS, seed)
        record = {"set": name, "seed": seed, "k": N_COMPONENTS, "fit_seconds": seconds}
        yield record | measure(model, X_train, X_test, seed), model.sample(40, seed)


def measure(model, X_train, X_test, seed):
    """Return the measures of one fitted model for both densities on its training codes."""
    Z_train, Z_test = model.transform(X_train), model.transform(X_test)
    train, real = model.inverse_transform(Z_train), model.inverse_transform(Z_test)
    one = GaussianMixture(1, random_state=seed).fit(Z_train)
    # GaussianMixture draws the same rows in every call; a generator makes draws differ.
    one.random_state = np.random.RandomState(seed)
    n = len(real)
    samples = {
        "one": [model.inverse_transform(one.sample(n)[0]) for _ in range(N_DRAWS)],
        "mixture": [model.sample(n, random_state=100 * seed + i) for i in range(N_DRAWS)],
    }
    record = {"n_train": len(train), "n_test": n, "n_gaussians": n_gaussians(model)}
    for method, draws in samples.items():
        accuracies = [two_sample_accuracy(real, rows, seed) for rows in draws]
        ratios = [distance_ratio(train, real, rows) for rows in draws]
        record[f"{method} accuracy"] = float(np.mean(accuracies))
        record[f"{method} distance"] = float(np.mean(ratios))
    return record


def n_gaussians(model):
    """Return the size of the mixture that ``sample`` draws from."""
    return len(model._density.mixture.weights)


def two_sample_accuracy(real, rows, seed):
    """Return how often neighbours tell ``rows`` from as many ``real`` ones, cross-validated."""
    X = np.vstack([real, rows])
    is_sample = np.repeat([0, 1], [len(real), len(rows)])
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    classifier = KNeighborsClassifier(N_NEIGHBORS)
    return cross_val_score(classifier, X, is_sample, cv=folds).mean()


def distance_ratio(train, real, rows):
    """Return the mean distance of ``rows`` to the nearest of ``train`` over ``real`` ones'."""
    nearest = NearestNeighbors(n_neighbors=1).fit(train)
    return nearest.kneighbors(rows)[0].mean() / nearest.kneighbors(real)[0].mean()


def print_record(table, record):
    """Print one record as a row of the table."""
    pairs = ([record[f"{method} {name}"] for method in METHODS] for name in MEASURES)
    cells = (f"{one:.3f} / {mixture:.3f}" for one, mixture in pairs)
    counts = (str(record[name]) for name in ("seed", "n_test", "n_gaussians"))
    table.row(record["set"], *counts, *cells)


def verdicts(records):
    """Return a line for each set: its mean accuracies, and whether the target is met."""
    lines = []
    for (name,), some in grouped(records, "set").items():
        one, mixture = (mean_of(some, f"{method} accuracy") for method in METHODS)
        is_met = mixture <= TARGET and mixture < one
        lines.append(
            f"{name}: accuracy {mixture:.3f}, one Gaussian {one:.3f}; target (at most {TARGET}"
            f" and below one Gaussian) {'met' if is_met else 'missed'}"
        )
    return lines


if __name__ == "__main__":
    main()
