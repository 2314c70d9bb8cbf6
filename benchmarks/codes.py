"""What PCA's and skae's codes are good for: ``python -m benchmarks.codes``.

On every labelled table, at 8 components: 5-nearest-neighbour and logistic accuracy, adjusted
Rand index of k-means, trustworthiness; all on held-out samples. Codes are fitted without
labels.
"""

from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._cases import fit
from benchmarks._harness import SPLIT, DataMissing, Run, Table, crossed, grouped, mean_of
from benchmarks.data import SOURCES, load, split

N_COMPONENTS, N_NEIGHBORS = 8, 5
TABLES = [name for name, source in SOURCES.items() if source.is_table]
METHODS = ("pca", "skae")
MEASURES = {
    "5-NN": "accuracy of 5 nearest neighbours on the codes",
    "logistic": "accuracy of logistic regression on standardised codes",
    "k-means": "adjusted Rand index of k-means on the codes, one cluster for each class",
    "trust": "trustworthiness of the codes, 5 neighbours",
}


def main(arguments=None):
    title = f"Codes of PCA and AutoencoderTransformer, {N_COMPONENTS} components"
    given = {"sets": TABLES, "seeds": [0, 1, 2], "among": {"sets": SOURCES}}
    run = Run(__doc__, title, arguments, conditions={"split": SPLIT}, **given)
    table = Table({"set": "<16", "seed": "4", **dict.fromkeys(MEASURES, "15")})
    for record in run.measured(crossed(set=run.sets, seed=run.seeds), measure):
        pairs = (f"{record[f'pca {m}']:.3f} / {record[f'skae {m}']:.3f}" for m in MEASURES)
        table.row(record["set"], record["seed"], *pairs)
    print(
        "\nEach value: PCA / skae.", *(f"{m}: {text}" for m, text in MEASURES.items()), sep="\n"
    )
    print("", *verdicts(run.records.rows), sep="\n")


def measure(set, seed):
    dataset = load(set)
    if dataset.y is None:
        raise DataMissing("it has no labels")
    X_train, X_test, train, test = split(dataset, seed)
    if min(X_train.shape) <= N_COMPONENTS:
        raise DataMissing(
            f"its training samples {X_train.shape} have no {N_COMPONENTS} axes to spare"
        )
    y_train, y_test = dataset.y[train], dataset.y[test]
    models = {
        "pca": PCA(N_COMPONENTS, svd_solver="full").fit(X_train),
        "skae": fit(X_train, N_COMPONENTS, seed)[0],
    }
    record = {"k": N_COMPONENTS, "n_test": len(test)}
    for method, model in models.items():
        Z_train, Z_test = model.transform(X_train), model.transform(X_test)
        neighbors = KNeighborsClassifier(N_NEIGHBORS).fit(Z_train, y_train)
        logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        clusters = KMeans(len({*y_train}), n_init=10, random_state=seed).fit(Z_train)
        found = {
            "5-NN": neighbors.score(Z_test, y_test),
            "logistic": logistic.fit(Z_train, y_train).score(Z_test, y_test),
            "k-means": adjusted_rand_score(y_test, clusters.predict(Z_test)),
            "trust": trustworthiness(X_test, Z_test, n_neighbors=N_NEIGHBORS),
        }
        record |= {f"{method} {name}": float(value) for name, value in found.items()}
    return record


def verdicts(records):
    """Yield for each measure on how many sets skae's mean is at least PCA's."""
    groups = grouped(records, "set")
    for name in MEASURES:
        below = []
        for (dataset,), some in groups.items():
            pca, skae = (mean_of(some, f"{method} {name}") for method in METHODS)
            below += [f"{dataset} ({pca:.3f} / {skae:.3f})"] if skae < pca else []
        yield (
            f"{name:<8} skae at least PCA's on {len(groups) - len(below)} of {len(groups)} "
            f"sets; below on: {', '.join(below) or 'none'}"
        )


if __name__ == "__main__":
    main()
