"""What is compared with PCA, case by case: pure measurements, one record each.

A case is a set, how it is split and the numbers of components to try. PCA is scikit-learn's
with the full solver, fitted on the same training rows; the estimator has its defaults, but
for ``n_components`` and ``random_state``. Nothing is printed here.
"""

import time
import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from sklearn.decomposition import PCA

from benchmarks.data import SOURCES, Dataset, load, split
from skae import AutoencoderTransformer

NOISE = "Gaussian noise"
SHARE = 0.9
N_REFERENCE = 200  # test rows from which a held-out variance is compared with the test's


@dataclass(frozen=True)
class Case:
    """One row group of the table: a set of ``SOURCES`` (or noise), split in some way."""

    name: str
    source: str
    components: tuple = (2, 8, 32)
    by_group: bool = True
    n_train: int | None = None

    @property
    def needs_packages(self):
        """Whether the rows come out of a package beside scikit-learn."""
        return self.source != NOISE and not SOURCES[self.source].bundled


SETS = [Case(name, name) for name, source in SOURCES.items() if source.is_table]
BUNDLED = [case for case in SETS if not case.needs_packages]
RANDOM_SPLIT = Case("watch (random split)", "watch", by_group=False)
FURTHER = [
    Case(NOISE, NOISE, components=(2, 5)),
    *(Case(f"{case.name} (40 rows)", case.source, n_train=40) for case in BUNDLED),
]
CASES = {case.name: case for case in (*SETS, RANDOM_SPLIT, *FURTHER)}


def rows(case, seed):
    """Return (X_train, X_test) of a case."""
    if case.source == NOISE:
        dataset = Dataset(NOISE, np.random.default_rng(seed).normal(size=(400, 20)))
    else:
        dataset = load(case.source)
    return split(dataset, seed, by_group=case.by_group, n_train=case.n_train)[:2]


def possible_components(case, components):
    """Return those of ``components`` below the rank of the training rows at seed 0."""
    X_train, _ = rows(case, 0)
    rank = np.linalg.matrix_rank(X_train - X_train.mean(axis=0))
    return [k for k in components if k < rank]


def pca_errors(pca, X):
    """Return PCA's squared error on ``X`` with its first m = 1..k components: (k,)."""
    centred = X - pca.mean_
    codes = centred @ pca.components_.T
    out = np.empty(codes.shape[1])
    for m in range(1, len(out) + 1):
        out[m - 1] = np.square(centred - codes[:, :m] @ pca.components_[:m]).sum()
    return out


def prefix_errors(model, X):
    """Return the model's squared error on ``X`` with its first m = 1..k components: (k,)."""
    codes = model.transform(X)
    cuts = range(1, codes.shape[1] + 1)
    return np.array([np.square(X - model.inverse_transform(codes[:, :m])).sum() for m in cuts])


def fit(X, n_components, seed, y=None, groups=None, **parameters):
    """Return the fitted estimator and the seconds that the fit took, compilation included."""
    model = AutoencoderTransformer(n_components, random_state=seed, **parameters)
    start = time.perf_counter()
    model.fit(X, y, groups=groups)
    return model, time.perf_counter() - start


@lru_cache(maxsize=8)
def fit_case(case, k, seed):
    """Return ``fit``'s model and seconds on a case's training rows; the last few are kept."""
    return fit(rows(case, seed)[0], k, seed)


def measure(case, k, seed, *, unordered=False):
    """Return the record of one case at ``k`` components and one seed.

    ``ratios`` are held-out squared errors over PCA's at every prefix; ``r2_gaps`` the
    differences between the cumulative explained variance and the R2 measured on test rows,
    and ``pca_r2_gap`` is the same for PCA's own, which it measures on training rows.
    """
    X_train, X_test = rows(case, seed)
    pca = PCA(k, svd_solver="full").fit(X_train)
    model, seconds = fit_case(case, k, seed)
    reference, errors = pca_errors(pca, X_test), prefix_errors(model, X_test)
    total = np.square(X_test - pca.mean_).sum()
    ratios, r2 = errors / reference, 1 - errors / total
    worst = int(np.argmax(ratios))
    pca_r2 = 1 - reference / total
    record = {
        "set": case.name,
        "k": k,
        "seed": seed,
        "n_train": len(X_train),
        "n_test": len(X_test),
        "n_features": X_train.shape[1],
        "pca_r2": pca_r2.tolist(),
        "skae_r2": r2.tolist(),
        "ratios": ratios.tolist(),
        "ratio": ratios[-1],
        "worst_prefix": ratios[worst],
        "worst_prefix_m": worst + 1,
        "prefixes_over": float(np.mean(ratios > 1.005)),
        "r2_gap": float(np.abs(model.explained_variance_ratio_.cumsum() - r2).max()),
        "pca_r2_gap": float(np.abs(pca.explained_variance_ratio_.cumsum() - pca_r2).max()),
        "fit_seconds": seconds,
        "best_iter": int(model.best_iter_),
        "n_iter": int(model.n_iter_),
    }
    if unordered:
        other, _ = fit(X_train, k, seed, ordered=False)
        error = np.square(X_test - other.inverse_transform(other.transform(X_test))).sum()
        record["unordered_ratio"] = error / reference[-1]
    return record


def measure_start(case, k, seed):
    """Return the record of how near to PCA a fit begins, and linear maps end.

    ``start`` is the distance of reconstructions after a step of no length from PCA's, over
    their norm; ``linear`` what ``hidden_layer_sizes=()`` explains of the training rows beyond
    PCA, and below it where negative.
    """
    X, _ = rows(case, seed)
    pca = PCA(k, svd_solver="full").fit(X)
    rebuilt = pca.inverse_transform(pca.transform(X))
    open_ended = {"output_activation": "identity", "clip": False}
    begun, _ = fit(X, k, seed, cv=None, learning_rate=1e-30, max_iter=1, **open_ended)
    linear, _ = fit(X, k, seed, hidden_layer_sizes=(), **open_ended)
    distance = np.linalg.norm(begun.inverse_transform(begun.transform(X)) - rebuilt)
    explained_by_pca = 1 - np.square(X - rebuilt).sum() / np.square(X - pca.mean_).sum()
    return {
        "set": case.name,
        "k": k,
        "seed": seed,
        "start": distance / np.linalg.norm(rebuilt),
        "linear": linear.score(X) - explained_by_pca,
    }


def measure_share(name, seed, share=SHARE):
    """Return the record of a fit that keeps as many components as ``share`` needs.

    ``pca_needs`` is the number of PCA components with at least the same R2 on test rows,
    None where all of them stay below it.
    """
    X_train, X_test = rows(CASES[name], seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model, seconds = fit(X_train, share, seed)
    pca = PCA(svd_solver="full").fit(X_train)
    r2 = model.score(X_test)
    reaches = np.flatnonzero(explained(pca, X_test) >= r2)
    return {
        "set": name,
        "share": share,
        "seed": seed,
        "n_kept": int(model.n_components_),
        "r2": r2,
        "expected_r2": float(model.explained_variance_ratio_.sum()),
        "pca_needs": int(reaches[0]) + 1 if len(reaches) else None,
        "fit_seconds": seconds,
        "warnings": [str(w.message) for w in caught if issubclass(w.category, UserWarning)],
    }


def explained(pca, X):
    """Return PCA's R2 on ``X`` with its first m = 1.. components, from one projection."""
    centred = X - pca.mean_
    captured = np.square(centred @ pca.components_.T).sum(axis=0).cumsum()
    return captured / np.square(centred).sum()
