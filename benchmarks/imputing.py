"""Fill missing values of real tables: ``python -m benchmarks.imputing``.

A fifth of the values is hidden, at random (``cells``) or in stretches of neighbouring features
(``blocks``); every imputer is fitted on the samples with holes and fills these same samples.
The figure is the root mean squared error over the hidden values, in features standardised by
their complete values, so that 1 is about the error of the means.
"""

import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.preprocessing import StandardScaler

from benchmarks._cases import fit_pca_by_skae
from benchmarks._harness import Run, Table, crossed, grouped, mean_of
from benchmarks.data import load
from skae import AutoencoderImputer

SHARE = 0.2
BLOCK_SHARE = 0.1  # of the features, in one stretch of hidden values
SETS = ("digits", "breast cancer", "wine", "cells", "mfeat zernike")
PATTERNS = ("cells", "blocks")
MOST_COMPONENTS = 32  # of AutoencoderImputer, which takes half as many as features
MFEAT_ZERNIKE = slice(-47, None)


def em_pca(X, seed):
    """Return ``X`` rebuilt by the principal axes of its observed values, as many as skae's."""
    k = min(MOST_COMPONENTS, -(-X.shape[1] // 2))
    model = fit_pca_by_skae(X, k, seed)
    return model.inverse_transform(model.transform(X))


IMPUTERS = {
    "skae": lambda X, seed: AutoencoderImputer(random_state=seed).fit_transform(X),
    "EM-PCA": em_pca,
    "mean": lambda X, seed: SimpleImputer().fit_transform(X),
    "KNN": lambda X, seed: KNNImputer().fit_transform(X),
    "iterative": lambda X, seed: IterativeImputer(random_state=seed).fit_transform(X),
}


def main(arguments=None):
    run = Run(
        *(
            __doc__,
            "Root mean squared error over hidden values, standardised; seconds",
            arguments,
        ),
        conditions={"hidden": f"{SHARE:.0%} of the values; all samples are fitted and filled"},
        head={"imputers": "defaults; EM-PCA with as many components as skae"},
        among={"sets": SETS},
        sets=SETS[:3],
        all=False,
        seeds=[0],
    )
    table = Table({"set": "<14", "pattern": "7", "seed": "4", **dict.fromkeys(IMPUTERS, "14")})
    sets = SETS if run.all else run.sets
    keys = list(crossed(set=sets, pattern=PATTERNS, seed=run.seeds))
    for record in run.measured(keys, measure):
        values = (f"{record[i]:.3f} {record[f'{i} s']:>6.1f} s" for i in IMPUTERS)
        table.row(record["set"], record["pattern"], record["seed"], *values)
    print(*verdicts(run.records.rows), sep="\n")


def complete(name):
    """Return the complete samples (n, d) of a set, each feature standardised."""
    X = load(name.split(" zernike")[0]).X
    X = X[:, MFEAT_ZERNIKE] if "zernike" in name else X
    return StandardScaler().fit_transform(X[:, np.ptp(X, axis=0) > 0])


def hide(X, pattern, seed):
    """Return which values (n, d) of ``X`` to hide; each sample and feature keeps some."""
    rng, (n, d) = np.random.default_rng(seed), X.shape
    if pattern == "cells":
        hidden = rng.uniform(size=X.shape) < SHARE
    else:
        length, hidden = max(2, round(BLOCK_SHARE * d)), np.zeros(X.shape, bool)
        for _ in range(round(SHARE * d / length)):
            offset = np.arange(d) - rng.integers(0, d - length + 1, n)[:, None]
            hidden |= (offset >= 0) & (offset < length)
    hidden[hidden.all(axis=1), 0] = False
    hidden[0, hidden.all(axis=0)] = False
    return hidden


def measure(set, pattern, seed):
    X = complete(set)
    hidden = hide(X, pattern, seed)
    record = {"hidden": float(hidden.mean())}
    for imputer, fill in IMPUTERS.items():
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # iterative, at its default
            filled = fill(np.where(hidden, np.nan, X), seed)
        record[f"{imputer} s"] = time.perf_counter() - start
        record[imputer] = float(np.sqrt(np.square(filled - X)[hidden].mean()))
    return record


def verdicts(records):
    means = {
        key: {name: mean_of(some, name) for name in IMPUTERS}
        for key, some in grouped(records, "set", "pattern").items()
    }
    ratios = {k: m["skae"] / min(m["mean"], m["KNN"], m["iterative"]) for k, m in means.items()}
    to_em = {key: m["skae"] / m["EM-PCA"] for key, m in means.items()}
    if not means:
        return []
    best, worst = sum(r <= 1 for r in ratios.values()), max(ratios, key=ratios.get)
    worst_em = max(to_em, key=to_em.get)
    return [
        f"\nat most the best of scikit-learn's in {best} of {len(ratios)} (asked: most); worst "
        f"{ratios[worst]:.3f} at {' '.join(worst)} (asked: 1.1)",
        f"against EM-PCA: worst {to_em[worst_em]:.3f} at {' '.join(worst_em)} (asked: 1.005)",
    ]


if __name__ == "__main__":
    main()
