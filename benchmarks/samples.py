"""New samples against held-out ones: ``python -m benchmarks.samples [--picture]``.

Digits and MNIST at 8 components. Held-out samples are compared as the decoder gives them back,
since no new sample can show what the code leaves out. Held-out reconstructions and as many new
samples are told apart by their five nearest neighbours (a two-sample test: 0.5 is ideal), and
their distances to the nearest reconstruction of a training sample are compared (a ratio near 0
means copies). The number of Gaussians is the one of lowest BIC.
"""

import numpy as np
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from benchmarks._cases import fit_case
from benchmarks._harness import DOCS, SPLIT, Run, Table, crossed, grouped, mean_of
from benchmarks.data import load, split

SETS = ("digits", "MNIST 5k")
N_COMPONENTS, N_NEIGHBORS, N_FOLDS = 8, 5, 5
N_DRAWS = 3  # whose measures are averaged: one draw's accuracy varies by about 0.02
SIZES = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32)  # of the mixtures compared
TARGET = 0.65
METHODS = {"one": "one Gaussian", "mixture": "mixture chosen by BIC (sample)"}
MEASURES = {
    "accuracy": "5-nearest-neighbour two-sample test, held-out reconstructions or new samples",
    "distance": "distance to the nearest training reconstruction, new samples' over held-out's",
}


def main(arguments=None):
    title = f"Samples of AutoencoderTransformer, {N_COMPONENTS} components"
    draws = f"means over {N_DRAWS}, each of as many samples as there are test samples"
    given = {"sets": SETS, "seeds": [0], "picture": DOCS / "_static" / "samples.png"}
    conditions, among = {"split": SPLIT, "draws": draws}, {"sets": SETS}
    run = Run(__doc__, title, arguments, conditions=conditions, among=among, **given)
    columns = {"set": "<10", "seed": "4", "n_test": "9", "n_gaussians": "9"}
    table = Table(columns | dict.fromkeys(MEASURES, "15"))
    for record in run.measured(crossed(set=run.sets, seed=run.seeds), measure):
        pairs = (f"{record[f'one {m}']:.3f} / {record[f'mixture {m}']:.3f}" for m in MEASURES)
        table.row(*(record[name] for name in columns), *pairs)
    print("\nEach value:", " / ".join(METHODS.values()))
    print(*(f"{name}: {text}" for name, text in MEASURES.items()), "", sep="\n")
    print(*verdicts(run.records.rows), sep="\n")
    if run.picture:
        from benchmarks._pictures import draw_samples  # matplotlib

        fits = {name: fit_case(name, N_COMPONENTS, run.seeds[0])[0] for name in run.sets}
        draw_samples(run.picture, {n: m.sample(40, run.seeds[0]) for n, m in fits.items()})
        print(f"\nPicture: {run.picture}")


def measure(set, seed):
    X_train, X_test, *_ = split(load(set), seed)
    model, seconds = fit_case(set, N_COMPONENTS, seed)
    Z_train, Z_test = model.transform(X_train), model.transform(X_test)
    train, real = model.inverse_transform(Z_train), model.inverse_transform(Z_test)
    one, n = GaussianMixture(1, random_state=seed).fit(Z_train), len(real)
    # GaussianMixture draws the same samples in every call; a generator makes draws differ.
    one.random_state = np.random.RandomState(seed)
    drawn = {
        "one": [model.inverse_transform(one.sample(n)[0]) for _ in range(N_DRAWS)],
        "mixture": [model.sample(n, random_state=100 * seed + i) for i in range(N_DRAWS)],
    }
    record = {"k": N_COMPONENTS, "fit_seconds": seconds, "n_train": len(train), "n_test": n}
    record["n_gaussians"] = n_gaussians(Z_train, seed)
    for method, draws in drawn.items():
        accuracies = [two_sample_accuracy(real, new, seed) for new in draws]
        ratios = [distance_ratio(train, real, new) for new in draws]
        record[f"{method} accuracy"] = float(np.mean(accuracies))
        record[f"{method} distance"] = float(np.mean(ratios))
    return record


def n_gaussians(Z, seed):
    """Return the size of the mixture of lowest BIC; two worse ones end the search."""
    found, Z = {}, Z / Z.std(axis=0)
    for size in SIZES:
        mixture = GaussianMixture(size, init_params="k-means++", random_state=seed)
        found[size] = mixture.fit(Z).bic(Z)
        best = min(found, key=found.get)
        if list(found).index(best) < len(found) - 2:
            break
    return best


def two_sample_accuracy(real, new, seed):
    """Return how often neighbours tell ``new`` from as many ``real`` samples, held out."""
    is_new = np.repeat([0, 1], [len(real), len(new)])
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    classifier = KNeighborsClassifier(N_NEIGHBORS)
    return cross_val_score(classifier, np.vstack([real, new]), is_new, cv=folds).mean()


def distance_ratio(train, real, new):
    """Return the mean distance of ``new`` to the nearest of ``train`` over ``real`` ones'."""
    nearest = NearestNeighbors(n_neighbors=1).fit(train)
    return nearest.kneighbors(new)[0].mean() / nearest.kneighbors(real)[0].mean()


def verdicts(records):
    for (name,), some in grouped(records, "set").items():
        one, mixture = (mean_of(some, f"{method} accuracy") for method in METHODS)
        is_met = mixture <= TARGET and mixture < one
        yield (
            f"{name}: accuracy {mixture:.3f}, one Gaussian {one:.3f}; target (at most {TARGET}"
            f" and below one Gaussian) {'met' if is_met else 'missed'}"
        )


if __name__ == "__main__":
    main()
