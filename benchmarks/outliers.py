"""Find one digit class among the other nine: ``python -m benchmarks.outliers``.

Each class in turn makes 5 % of the samples. They are split as everywhere, detectors are fitted
without labels, and the area under the ROC curve is that of test samples. With ``--training
mixed`` the outliers are among the training samples too (outlier detection), with ``--training
clean`` they are taken out of them first (novelty detection). skae is fitted once with the
largest number of components: "skae" is the detector's score, "skae-m" the error of the first m
components of that fit.
"""

from importlib.metadata import version
from importlib.util import find_spec

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from benchmarks._harness import SPLIT, Run, Table, crossed, grouped, mean_of
from benchmarks.data import Dataset, load, split
from skae import AutoencoderOutlierDetector, AutoencoderTransformer

SHARE = 0.05
TRAININGS = ("mixed", "clean")
HAS_PYOD = find_spec("pyod") is not None and find_spec("torch") is not None


def forest_scores(X_train, X_test, seed):
    return -IsolationForest(random_state=seed).fit(X_train).score_samples(X_test)


def pyod_scores(X_train, X_test, seed):
    from pyod.models.auto_encoder import AutoEncoder

    detector = AutoEncoder(random_state=seed, verbose=0)
    return detector.fit(X_train).decision_function(X_test)


PEERS = {"IsolationForest": forest_scores} | ({"pyod": pyod_scores} if HAS_PYOD else {})


def main(arguments=None):
    title = f"ROC AUC on test samples: one digit class at {SHARE:.0%} among the other nine"
    pyod = version("pyod") if HAS_PYOD else "left out: pip install pyod torch tqdm"
    run = Run(
        *(__doc__, title, arguments),
        conditions={"split": SPLIT, "pyod": pyod},
        head={"detectors": "as many components as named, the others' defaults"},
        among={"training": TRAININGS},
        seeds=[0],
        digits=list(range(10)),
        components=[8, 2],
        training=["mixed"],
    )
    methods = [f"{name}-{m}" for name in ("skae", "PCA") for m in run.components]
    methods = ["skae", *methods, *PEERS]
    columns = {"training": "<8", "digit": "5", "seed": "4", "n_outliers": "8"}
    columns |= dict.fromkeys(methods, "6.3f") | {"flagged": "13"}
    table, done = Table(columns), []
    keys = crossed(training=run.training, seed=run.seeds, digit=run.digits)
    keys = [{**key, "components": run.components} for key in keys]
    for record in run.measured(keys, measure):
        flagged = f"{record['flagged_outliers']:.1%} / {record['flagged_others']:.1%}"
        table.record(record | {"flagged": flagged})
        done.append(record)
    print("\nflagged: share of the test outliers / of the other test samples that skae flags\n")
    for (training,), some in grouped(done, "training").items():
        means = {name: mean_of(some, name) for name in methods}
        for line in verdicts(means, run.components):
            print(f"{training}, {len(some)} fits: {line}")


def samples(digit, seed, training):
    """Return (X_train, X_test, is_outlier) with ``is_outlier`` of the test samples."""
    digits = load("digits")
    is_outlier = digits.y == digit
    others, ones = np.flatnonzero(~is_outlier), np.flatnonzero(is_outlier)
    n_outliers = round(len(others) * SHARE / (1 - SHARE))
    kept = np.r_[others, np.random.default_rng(seed).choice(ones, n_outliers, replace=False)]
    dataset = Dataset("digits", digits.X[kept], is_outlier[kept])
    X_train, X_test, train, test = split(dataset, seed)
    if training == "clean":
        X_train = X_train[~dataset.y[train]]
    return X_train, X_test, dataset.y[test]


def measure(training, seed, digit, components):
    X_train, X_test, is_outlier = samples(digit, seed, training)
    autoencoder = AutoencoderTransformer(max(components))
    detector = AutoencoderOutlierDetector(autoencoder, random_state=seed).fit(X_train)
    scores = {name: peer(X_train, X_test, seed) for name, peer in PEERS.items()}
    scores["skae"] = -detector.score_samples(X_test)
    for m in components:
        pca = PCA(m, svd_solver="full").fit(X_train)
        scores[f"skae-{m}"] = prefix_error(detector.autoencoder_, X_test, m)
        scores[f"PCA-{m}"] = prefix_error(pca, X_test, m)
    flagged = detector.predict(X_test) == -1
    return {
        "n_outliers": int(is_outlier.sum()),
        **{name: float(roc_auc_score(is_outlier, s)) for name, s in scores.items()},
        "flagged_outliers": float(flagged[is_outlier].mean()),
        "flagged_others": float(flagged[~is_outlier].mean()),
    }


def prefix_error(model, X, m):
    """Return the squared errors (n,) of ``X`` from the first ``m`` components."""
    return np.square(X - model.inverse_transform(model.transform(X)[:, :m])).sum(axis=1)


def verdicts(means, components):
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
