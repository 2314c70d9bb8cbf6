"""What is compared with PCA, case by case, and the errors of fits.

A case is a set, how it is split and the numbers of components to try.
"""

import time
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from benchmarks._harness import DataMissing
from benchmarks.data import SOURCES, Dataset, load, split
from skae import AutoencoderTransformer

NOISE = "Gaussian noise"


@dataclass(frozen=True)
class Case:
    """A set of ``SOURCES`` (or noise), split in some way."""

    name: str
    source: str
    components: tuple = (2, 8, 32)
    by_group: bool = True
    n_train: int | None = None


SETS = [Case(name, name) for name, source in SOURCES.items() if source.is_table]
BUNDLED = [case for case in SETS if SOURCES[case.source].bundled]
RANDOM_SPLIT = Case("watch (random split)", "watch", by_group=False)
FURTHER = [
    Case(NOISE, NOISE, components=(2, 5)),
    *(Case(f"{case.name} (40 rows)", case.source, n_train=40) for case in BUNDLED),
]
CASES = {case.name: case for case in (*SETS, RANDOM_SPLIT, *FURTHER)}


def samples(case, seed):
    if case.source == NOISE:
        dataset = Dataset(NOISE, np.random.default_rng(seed).normal(size=(400, 20)))
    else:
        dataset = load(case.source)
    return split(dataset, seed, by_group=case.by_group, n_train=case.n_train)[:2]


def keys_of(run, sets, components, seeds):
    """Return (set, k, seed) of the cases, k below their rank; a missing set is left out."""
    keys = []
    for case in (CASES[name] for name in sets):
        try:
            X_train, _ = samples(case, 0)
        except DataMissing as reason:
            run.leave_out(case.name, reason)
            continue
        rank = np.linalg.matrix_rank(X_train - X_train.mean(axis=0))
        possible = [k for k in components or case.components if k < rank]
        keys += [{"set": case.name, "k": k, "seed": seed} for k in possible for seed in seeds]
    return keys


def pca_errors(pca, X):
    """Return PCA's squared error on ``X`` with its first m = 1..k components: (k,)."""
    centred = X - pca.mean_
    codes, cuts = centred @ pca.components_.T, range(1, len(pca.components_) + 1)
    rests = (centred - codes[:, :m] @ pca.components_[:m] for m in cuts)
    return np.array([np.square(rest).sum() for rest in rests])


def prefix_errors(model, X):
    """Return the model's squared error on ``X`` with its first m = 1..k components: (k,)."""
    codes = model.transform(X)
    cuts = range(1, codes.shape[1] + 1)
    return np.array([np.square(X - model.inverse_transform(codes[:, :m])).sum() for m in cuts])


def pca_explained(pca, X):
    """Return PCA's R2 on ``X`` with its first m = 1.. components, from one projection."""
    centred = X - pca.mean_
    captured = np.square(centred @ pca.components_.T).sum(axis=0).cumsum()
    return captured / np.square(centred).sum()


def fit(X, n_components, seed, y=None, groups=None, **parameters):
    """Return the fitted estimator and the seconds that the fit took, compilation included."""
    model = AutoencoderTransformer(n_components, random_state=seed, **parameters)
    start = time.perf_counter()
    model.fit(X, y, groups=groups)
    return model, time.perf_counter() - start


@lru_cache(maxsize=8)
def fit_case(name, k, seed):
    """Return ``fit``'s model and seconds on a case's training samples; a few are kept."""
    return fit(samples(CASES[name], seed)[0], k, seed)


def fit_pca_by_skae(X, k, seed):
    """Return a fit after a step of no length, which is PCA, of observed values if some miss."""
    given = {"cv": None, "learning_rate": 1e-30, "max_iter": 1}
    return fit(X, k, seed, output_activation="identity", **given)[0]
