"""Compare what PCA's and skae's codes are good for: ``python -m benchmarks.codes``.

On every labelled table, at 8 components: 5-nearest-neighbour and logistic accuracy, adjusted
Rand index of k-means, trustworthiness; all on held-out rows. Labels are never fitted to
before the codes are there.
"""

import argparse
from pathlib import Path

from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

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
from benchmarks.data import SOURCES, DataMissing, load, split

N_COMPONENTS = 8
N_NEIGHBORS = 5
TABLES = [name for name, source in SOURCES.items() if source.is_table]
METHODS = ("pca", "skae")
MEASURES = {
    "5-NN": "accuracy of 5 nearest neighbours on the codes",
    "logistic": "accuracy of logistic regression on standardised codes",
    "k-means": "adjusted Rand index of k-means on the codes, one cluster for each class",
    "trust": "trustworthiness of the codes, 5 neighbours",
}


def main(arguments=None):
    """Run the benchmark that the command line asks for."""
    options = parse(arguments)
    records = Records(options.json, {"versions": versions(), "split": SPLIT})
    print_head(
        f"Codes of PCA and AutoencoderTransformer, {N_COMPONENTS} components, held-out rows",
        split=f"{SPLIT}; random_state=seed",
        seeds=options.seeds,
    )
    table = Table({"set": 16, "seed": 4, **dict.fromkeys(MEASURES, 15)})
    for name in options.sets:
        for record in measured(name, options.seeds):
            records.add(record)
            print_record(table, record)
    print("\nEach cell: PCA / skae.")
    for name, meaning in MEASURES.items():
        print(f"{name}: {meaning}")
    print()
    for line in verdicts(records.rows):
        print(line)


def parse(arguments):
    """Return the command line's options."""
    parser = argparse.ArgumentParser("benchmarks.codes", description=__doc__)
    add = parser.add_argument
    add("--sets", type=names, default=TABLES, help=f"some of: {', '.join(SOURCES)}")
    add("--seeds", type=numbers, default=[0, 1, 2], help="such as 0,1,2")
    add("--json", type=Path, help="file for all records, written after each one")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.sets if name not in SOURCES]:
        parser.error(f"no set is called {unknown}; there are {list(SOURCES)}")
    return options


def measured(name, seeds):
    """Yield a record for each seed; none where the set has no labels or is not installed."""
    try:
        dataset = load(name)
    except DataMissing as reason:
        print(f"{name}: left out, {reason}")
        return
    if dataset.y is None:
        print(f"{name}: left out, it has no labels")
        return
    for seed in seeds:
        yield measure(dataset, seed)


def measure(dataset, seed, n_components=N_COMPONENTS):
    """Return the record of one set and seed: every measure for both methods."""
    X_train, X_test, train, test = split(dataset, seed)
    labels = dataset.y[train], dataset.y[test]
    models = {
        "pca": PCA(n_components, svd_solver="full").fit(X_train),
        "skae": fit(X_train, n_components, seed)[0],
    }
    record = {"set": dataset.name, "seed": seed, "k": n_components, "n_test": len(test)}
    for method, model in models.items():
        codes = model.transform(X_train), model.transform(X_test)
        measures = supervised(*codes, *labels) | unsupervised(X_test, *codes, *labels, seed)
        record |= {f"{method} {name}": float(value) for name, value in measures.items()}
    return record


def supervised(Z_train, Z_test, y_train, y_test):
    """Return held-out accuracies of classifiers fitted on the training rows' codes."""
    neighbors = KNeighborsClassifier(N_NEIGHBORS).fit(Z_train, y_train)
    logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return {
        "5-NN": neighbors.score(Z_test, y_test),
        "logistic": logistic.fit(Z_train, y_train).score(Z_test, y_test),
    }


def unsupervised(X_test, Z_train, Z_test, y_train, y_test, seed):
    """Return how well clusters meet the classes, and how well neighbours are kept."""
    clusters = KMeans(len(set(y_train)), n_init=10, random_state=seed).fit(Z_train)
    return {
        "k-means": adjusted_rand_score(y_test, clusters.predict(Z_test)),
        "trust": trustworthiness(X_test, Z_test, n_neighbors=N_NEIGHBORS),
    }


def print_record(table, record):
    """Print one record as a row of the table."""
    pairs = ([record[f"{method} {name}"] for method in METHODS] for name in MEASURES)
    cells = (f"{pca:.3f} / {skae:.3f}" for pca, skae in pairs)
    table.row(record["set"], str(record["seed"]), *cells)


def verdicts(records):
    """Return a line for each measure: on how many sets skae's mean is at least PCA's."""
    lines = []
    groups = grouped(records, "set")
    for name in MEASURES:
        means = {
            dataset: [mean_of(some, f"{method} {name}") for method in METHODS]
            for (dataset,), some in groups.items()
        }
        below = [
            f"{dataset} ({pca:.3f} / {skae:.3f})"
            for dataset, (pca, skae) in means.items()
            if skae < pca
        ]
        lines.append(
            f"{name:<8} skae at least PCA's on {len(means) - len(below)} of {len(means)} "
            f"sets; below on: {', '.join(below) or 'none'}"
        )
    return lines


if __name__ == "__main__":
    main()
