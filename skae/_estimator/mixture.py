"""Gaussian mixtures of full covariances, fitted by EM.

Dempster, Laird and Rubin 1977, "Maximum likelihood from incomplete data via the EM algorithm",
doi:10.1111/j.2517-6161.1977.tb01600.x. The log density of a Gaussian is linear in the monomials
of a sample up to degree 2, and EM needs their sums only: a step is two matrix products for all
Gaussians together. NumPy only.
"""

from typing import NamedTuple

import numpy as np

SMALLEST_VARIANCE = 1e-3  # of a Gaussian that shrinks onto repeated codes; theirs is 1
MOST_STEPS = 500  # of EM
BLOCK_BYTES = 2**20  # of monomials at once: within a core's own cache
MOST_MONOMIALS = 2**24  # numbers that are kept between two steps, 128 MB
LEAST_LOG = -40.0  # of a share: products with denormal numbers are slow
NO_SAMPLE = (
    10 * np.finfo(np.float64).eps
)  # added to the samples of a Gaussian: it may have none


class Gaussians(NamedTuple):
    """Weights (m,), means (m, k) and covariances (m, k, k)."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


class Monomials:
    """Samples ``Z`` (n, k) as blocks of their monomials: 1, each value, each product of two.

    They have the dtype of ``Z``, float32 or float64; EM's sums and Gaussians are float64.
    """

    def __init__(self, Z):
        n_columns = n_parameters(1, Z.shape[1]) + 1
        size = max(1, BLOCK_BYTES // (Z.itemsize * n_columns))
        self.parts = [Z[start : start + size] for start in range(0, len(Z), size)]
        self._kept = None
        if len(Z) * n_columns <= MOST_MONOMIALS:
            self._kept = [monomials(part) for part in self.parts]

    def __iter__(self):
        return iter(map(monomials, self.parts) if self._kept is None else self._kept)


def monomials(Z):
    """Return 1, ``Z`` (n, k), and the products of its columns i <= j, row by row."""
    n, k = Z.shape
    out = np.empty((n, n_parameters(1, k) + 1), Z.dtype)
    out[:, 0], out[:, 1 : k + 1], start = 1.0, Z, k + 1
    for i in range(k):
        np.multiply(Z[:, i:], Z[:, i : i + 1], out=out[:, start : start + k - i])
        start += k - i
    return out


def n_parameters(n_gaussians, k):
    """Return how many numbers a mixture in k dimensions is free in."""
    return n_gaussians * (1 + k + k * (k + 1) // 2) - 1


def begin(Z, n_gaussians, seed):
    """Return Gaussians around samples that k-means++ draws from ``Z`` (n, k)."""
    from sklearn.cluster import kmeans_plusplus  # slow to import

    if n_gaussians == 1:
        centers = Z.mean(axis=0, keepdims=True)
    else:
        centers = kmeans_plusplus(Z, n_gaussians, random_state=seed)[0]
    covariance = SMALLEST_VARIANCE * np.eye(Z.shape[1])
    weights = np.full(n_gaussians, 1.0 / n_gaussians)
    return Gaussians(weights, centers, np.tile(covariance, (n_gaussians, 1, 1)))


def fit(samples, gaussians, tol):
    """Return what EM makes of ``gaussians`` on Monomials, and their mean log-likelihood.

    It ends if a step raises this by less than ``tol``.
    """
    before = -np.inf
    for _ in range(MOST_STEPS):
        sums, likelihood = _step(samples, gaussians)
        gaussians = _from_sums(sums, gaussians.means.shape[1])
        if abs(likelihood - before) < tol:
            break
        before = likelihood
    return gaussians, likelihood


def _step(samples, gaussians):
    """Return the sums of the monomials over each Gaussian's share of the samples, and theirs.

    The second result is the mean log-likelihood.
    """
    coefficients = _coefficients(gaussians)
    sums = likelihood = n = 0.0
    for block in samples:
        density = block @ coefficients.T.astype(block.dtype, copy=False)
        density = np.ascontiguousarray(density.T)  # few Gaussians, many samples
        largest = density.max(axis=0)
        density = np.maximum(density - largest, LEAST_LOG)
        np.exp(density, out=density)
        total = density.sum(axis=0)
        density /= total
        likelihood += (np.log(total) + largest).sum(dtype=np.float64)
        sums = sums + (density @ block).astype(np.float64, copy=False)
        n += len(block)
    return sums, likelihood / n


def _coefficients(gaussians):
    """Return the log densities (m, n_monomials) in the order of ``monomials``."""
    weights, means, covariances = gaussians
    inverse, k = np.linalg.inv(np.linalg.cholesky(covariances)), means.shape[1]
    precisions = inverse.transpose(0, 2, 1) @ inverse
    linear = np.einsum("mij,mj->mi", precisions, means)
    constant = np.log(weights) + np.log(np.einsum("mii->mi", inverse)).sum(axis=1)
    constant -= 0.5 * (k * np.log(2 * np.pi) + (linear * means).sum(axis=1))
    i, j = np.triu_indices(k)
    quadratic = precisions[:, i, j] * np.where(i == j, -0.5, -1.0)
    return np.column_stack([constant, linear, quadratic])


def _from_sums(sums, k):
    """Return the Gaussians whose samples have these sums (m, n_monomials)."""
    n_samples = sums[:, :1] + NO_SAMPLE
    means, products = np.split(sums[:, 1:] / n_samples, [k], axis=1)
    i, j = np.triu_indices(k)
    products = products - means[:, i] * means[:, j]
    covariances = np.empty((len(means), k, k))
    covariances[:, i, j] = covariances[:, j, i] = products
    covariances[:, range(k), range(k)] += SMALLEST_VARIANCE
    return Gaussians(n_samples[:, 0] / n_samples.sum(), means, covariances)
