"""New codes, drawn from a Gaussian mixture on the codes of the training samples.

A deterministic autoencoder becomes a generator by a density that is fitted to its codes
afterwards (Ghosh et al. 2020, "From variational to deterministic autoencoders",
doi:10.48550/arXiv.1903.12436). Decoding is the estimator's.
"""

import os
from functools import cached_property
from typing import NamedTuple

import numpy as np

from skae._estimator.mixture import SMALLEST_VARIANCE, Monomials, begin, fit, n_parameters
from skae._runtime.blas import one_thread

MOST_CODES = 5_000  # kept of a fit: a pickle holds them
SIZES = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64)  # of the mixtures compared
WORSE_SIZES = 2  # one after another, after which no larger mixture is tried
ROWS_PER_AXIS = 2  # samples that a Gaussian has at least for each dimension, on average
ROUGH_TOL, TOL = 0.05, 0.005  # of what a Gaussian has to gain, the least gain of a step of EM
CHEAP = 2**20  # numbers that a step of EM reads, up to which it is not hurried
LEAST_TOL = 1e-3  # of the mean log-likelihood
SEED_STREAM = 1_000  # what is drawn here is drawn nowhere else


class Mixture(NamedTuple):
    """Gaussians on standardised codes: (m,) weights, (m, k) means, (m, k, k) factors."""

    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray  # L of each covariance L L'

    def draw(self, n_samples, rng):
        """Return ``n_samples`` independent points (n_samples, k), in random order."""
        chosen = rng.choice(len(self.weights), size=n_samples, p=self.weights)
        points = rng.standard_normal((n_samples, self.means.shape[1]))
        for m, (mean, factor) in enumerate(zip(self.means, self.factors, strict=True)):
            points[chosen == m] = mean + points[chosen == m] @ factor.T
        return points


class CodeDensity:
    """Training codes (n, k), and the density on them, which is fitted when first needed.

    It depends on the codes and the seed alone: threads that need it at once find the same.
    """

    def __init__(self, codes, seed):
        self.codes, self.seed = codes, seed

    @property
    def dtype(self):
        """The float dtype of the codes, and so of the training samples."""
        return self.codes.dtype

    @cached_property
    def mixture(self):
        """The Mixture of the standardised codes, in float64: EM needs its precision."""
        center, scale = self._units
        codes = self.codes.astype(np.float64) - center
        return best_mixture(codes / np.where(scale > 0, scale, 1.0), self.seed)

    @property
    def _units(self):
        codes = self.codes.astype(np.float64)
        is_constant = np.ptp(codes, axis=0) == 0  # whatever rounding makes of its deviation
        return codes.mean(axis=0), np.where(is_constant, 0.0, codes.std(axis=0))

    def draw(self, n_samples, rng):
        """Return ``n_samples`` new codes (n_samples, k) in float64."""
        center, scale = self._units
        return center + scale * self.mixture.draw(n_samples, rng)


class Prior:
    """The normal distribution that variational codes are drawn towards, in their ``scale``."""

    def __init__(self, scale):
        self.scale = scale

    @property
    def dtype(self):
        """The float dtype of the training samples."""
        return self.scale.dtype

    def draw(self, n_samples, rng):
        """Return ``n_samples`` new codes (n_samples, k) in float64."""
        return self.scale * rng.standard_normal((n_samples, len(self.scale)))


def refuse_too_many(n_samples, n_numbers):
    """Raise MemoryError if codes and samples, ``n_numbers`` each, cannot be held twice."""
    needed = 16 * int(n_samples) * n_numbers
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # a system that does not say
        memory = 2**47
    if needed > memory:
        raise MemoryError(
            f"sample needs {needed // 2**30} GiB for {n_samples} samples, and the machine has "
            f"{memory // 2**30} GiB. Draw fewer at a time."
        )


def subsample(X, weight, seed):
    """Return at most MOST_CODES random samples of ``X`` (n, d), in their order.

    If their ``weight`` (n,) differs, they are drawn with it, and some come more than once.
    """
    rng = np.random.default_rng([seed, SEED_STREAM])
    if (weight != weight[0]).any():
        size = min(len(X), MOST_CODES)
        return X[np.sort(rng.choice(len(X), size, p=weight / weight.sum()))]
    if len(X) <= MOST_CODES:
        return X
    return X[np.sort(rng.choice(len(X), MOST_CODES, replace=False))]


@one_thread()
def best_mixture(Z, seed):
    """Return the Mixture of ``Z`` (n, k) whose size has the lowest BIC (Schwarz 1978).

    If EM is expensive, sizes are compared with less of it than the best one then has, and in
    single precision unless a code is far out.
    """
    (n, k), dtype, tol, rough_tol = Z.shape, np.float64, LEAST_TOL, LEAST_TOL
    n_new = n_parameters(2, k) - n_parameters(1, k)
    if n * n_new > CHEAP:
        gain = n_new * np.log(n) / (2 * n)  # of the mean log-likelihood, by one Gaussian more
        rough_tol, tol = max(LEAST_TOL, ROUGH_TOL * gain), max(LEAST_TOL, TOL * gain)
        if np.square(Z).max() * np.sqrt(k) * np.finfo(np.float32).eps < SMALLEST_VARIANCE / 10:
            dtype = np.float32  # rounding leaves all covariances positive definite
    samples = Monomials(Z.astype(dtype, copy=False))
    lowest, best, n_worse = np.inf, None, 0
    for size in possible_sizes(n, k):
        gaussians, likelihood = fit(samples, begin(Z, size, seed), rough_tol)
        bic = n_parameters(size, k) * np.log(n) - 2 * n * likelihood
        n_worse = 0 if bic < lowest else n_worse + 1
        if bic < lowest:
            lowest, best = bic, gaussians
        if n_worse == WORSE_SIZES:
            break
    if n * n_new > CHEAP:
        best, _ = fit(Monomials(Z), best, tol)
    return Mixture(best.weights, best.means, np.linalg.cholesky(best.covariances))


def possible_sizes(n_samples, n_axes):
    """Return the numbers of Gaussians that can be fitted to ``n_samples``; one always."""
    most = n_samples // (ROWS_PER_AXIS * (n_axes + 1))
    return [size for size in SIZES if size <= max(1, most)]
