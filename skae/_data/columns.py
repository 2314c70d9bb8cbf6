"""What the columns of rows hold: means, ends, how many cells lie there or are missing.

Everything is a sum over blocks of rows, or over the stored cells of a sparse matrix.
"""

from functools import reduce
from typing import NamedTuple

import numpy as np
from sklearn.utils.sparsefuncs import min_max_axis

from skae._data.chunked import LongRows, blocks_of, placed


def column_means(X, weight):
    """Return the weighted means (d,) of the observed cells; 0 where a column has none."""
    if isinstance(X, LongRows) and X.is_sparse:
        mean = X.sparse().T @ (weight / weight.sum())
        return mean if X.scaling is None else X.scaling.forward(mean[None])[0]
    return _means(X, weight, lambda block: block)


def column_variances(X, weight, mean):
    """Return the weighted mean squares (d,) of the observed cells around ``mean`` (d,)."""
    if isinstance(X, LongRows) and X.is_sparse and X.scaling is None:
        cells, share = X.sparse(), weight / weight.sum()
        squares = cells.multiply(cells).T @ share
        return np.maximum(squares - 2 * mean * (cells.T @ share) + mean**2, 0.0)
    return _means(X, weight, lambda block: np.square(block - mean))


def _means(X, weight, function):
    total, sums = 0.0, 0.0
    for part, block in placed(blocks_of(X)):
        cells = function(block)
        observed = ~np.isnan(cells)
        weights = weight[part, None] * observed
        total = total + weights.sum(axis=0)
        sums = sums + (weights * np.where(observed, cells, 0.0)).sum(axis=0)
    return np.divide(sums, total, out=np.zeros_like(sums), where=total > 0)


class Survey(NamedTuple):
    """Of each column (d,): observed cells, the least and greatest, how many are equal to these.

    Of a column without observed cells the ends are infinite, the least above the greatest.
    """

    n_observed: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    n_lower: np.ndarray
    n_upper: np.ndarray

    def scaled(self, scaling):
        """Return the survey of the same rows in other units."""
        is_empty = self.n_observed == 0
        ends = np.where(is_empty, 0.0, [self.lower, self.upper])
        lower, upper = np.where(is_empty, [[np.inf], [-np.inf]], scaling.forward(ends))
        return self._replace(lower=lower, upper=upper)


def survey(X):
    """Return the Survey of ``X`` (n, d); many rows are looked at once."""
    if not isinstance(X, LongRows):
        return _survey(X)
    if X.survey is None:
        if X.is_sparse:
            found = _sparse_survey(X.sparse())
            X.survey = found if X.scaling is None else found.scaled(X.scaling)
        else:
            X.survey = reduce(_merged, map(_survey, X.blocks()))
    return X.survey


def _survey(X):
    observed = ~np.isnan(X)
    if observed.all():
        lower, upper = X.min(axis=0), X.max(axis=0)
    else:
        lower = np.where(observed, X, np.inf).min(axis=0)
        upper = np.where(observed, X, -np.inf).max(axis=0)
    return Survey(
        observed.sum(axis=0),
        lower,
        upper,
        np.equal(X, lower).sum(axis=0),
        np.equal(X, upper).sum(axis=0),
    )


def _sparse_survey(X):
    """Return the Survey of a complete CSR matrix ``X`` (n, d)."""
    n, d = X.shape
    lower, upper = min_max_axis(X, axis=0)
    n_zeros = n - np.bincount(X.indices, minlength=d)

    def n_equal(end):
        stored = np.bincount(X.indices, X.data == end[X.indices], minlength=d)
        return stored.astype(int) + np.where(end == 0, n_zeros, 0)

    return Survey(np.full(d, n), lower, upper, n_equal(lower), n_equal(upper))


def _merged(a, b):
    lower, upper = np.minimum(a.lower, b.lower), np.maximum(a.upper, b.upper)
    return Survey(
        a.n_observed + b.n_observed,
        lower,
        upper,
        sum(np.where(part.lower == lower, part.n_lower, 0) for part in (a, b)),
        sum(np.where(part.upper == upper, part.n_upper, 0) for part in (a, b)),
    )


def has_missing(X):
    """Say whether a cell of ``X`` (n, d) is missing."""
    if isinstance(X, LongRows):
        return bool((survey(X).n_observed < len(X)).any())
    return bool(np.isnan(X).any())


def has_cells(X):
    """Return which rows (n,) of ``X`` (n, d) have an observed cell."""
    if isinstance(X, LongRows) and not has_missing(X):
        return np.ones(len(X), bool)
    return np.concatenate([(~np.isnan(block)).any(axis=1) for block in blocks_of(X)])


def missing_share(X):
    """Return the share of the cells of ``X`` (n, d) that are missing."""
    if isinstance(X, LongRows):
        return float(1.0 - survey(X).n_observed.mean() / len(X))
    return float(np.isnan(X).mean())


def ends(X):
    """Return the least and the greatest observed cell (d,), (d,) of each column, or 0."""
    found = survey(X)
    return tuple(
        np.where(found.n_observed == 0, 0.0, end) for end in (found.lower, found.upper)
    )


def piles(X):
    """Return the shares (d,), (d,) of cells at the least and at the greatest of each column.

    One cell lies there in any case: it does not count.
    """
    found = survey(X)
    varies = np.where(found.upper > found.lower, 1.0, 0.0)
    n_observed = np.maximum(1, found.n_observed)
    at_lower, at_upper = (n - 1.0 for n in (found.n_lower, found.n_upper))
    return varies * at_lower / n_observed, varies * at_upper / n_observed
