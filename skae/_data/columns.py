"""Summary of columns: their range, and how many values lie at its ends."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from sklearn.utils.sparsefuncs import min_max_axis


def observed_values(X, fill=0.0):
    """Return ``X`` with ``fill`` in place of NaN, and which values (n, d) are observed."""
    observed = ~np.isnan(X)
    return np.where(observed, X, fill), observed


class Summary(NamedTuple):
    """Per column (d,): observed values, the least and greatest, and how many equal them.

    Without observed values the range is infinite, the least above the greatest.
    """

    n_rows: int
    n_observed: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    n_lower: np.ndarray
    n_upper: np.ndarray

    @classmethod
    def of(cls, X):
        observed = ~np.isnan(X)
        if observed.all():
            lower, upper = X.min(axis=0), X.max(axis=0)
        else:
            lower = np.where(observed, X, np.inf).min(axis=0)
            upper = np.where(observed, X, -np.inf).max(axis=0)
        n_lower, n_upper = (np.equal(X, end).sum(axis=0) for end in (lower, upper))
        return cls(len(X), observed.sum(axis=0), lower, upper, n_lower, n_upper)

    @classmethod
    def of_sparse(cls, X: csr_array):
        """Return the summary of a complete CSR matrix ``X`` (n, d)."""
        n, d = X.shape
        lower, upper = min_max_axis(X, axis=0)
        n_zeros = n - np.bincount(X.indices, minlength=d)

        def n_equal(end):
            stored = np.bincount(X.indices, X.data == end[X.indices], minlength=d)
            return stored.astype(int) + np.where(end == 0, n_zeros, 0)

        return cls(n, np.full(d, n), lower, upper, n_equal(lower), n_equal(upper))

    def merged(self, other):
        lower, upper = np.minimum(self.lower, other.lower), np.maximum(self.upper, other.upper)
        return Summary(
            self.n_rows + other.n_rows,
            self.n_observed + other.n_observed,
            lower,
            upper,
            sum(np.where(part.lower == lower, part.n_lower, 0) for part in (self, other)),
            sum(np.where(part.upper == upper, part.n_upper, 0) for part in (self, other)),
        )

    def scaled(self, scaling):
        lower, upper = np.where(
            self.is_empty, [[np.inf], [-np.inf]], scaling.forward(np.array(self.ends))
        )
        return self._replace(lower=lower, upper=upper)

    @property
    def is_empty(self):
        """Which columns (d,) have no observed value."""
        return self.n_observed == 0

    @property
    def has_missing(self):
        return bool((self.n_observed < self.n_rows).any())

    @property
    def missing_share(self):
        n_values = self.n_rows * len(self.n_observed)
        return float((n_values - self.n_observed.sum()) / n_values)

    @property
    def ends(self):
        """The least and the greatest observed value (d,), (d,) of each column, or 0."""
        return tuple(np.where(self.is_empty, 0.0, end) for end in (self.lower, self.upper))

    @property
    def shares_at_ends(self):
        """The shares (d,), (d,) of values at either end, not counting one; 0 if constant."""
        varies = np.where(self.upper > self.lower, 1.0, 0.0)
        n_observed = np.maximum(1, self.n_observed)
        at_ends = (n - 1.0 for n in (self.n_lower, self.n_upper))
        return tuple(varies * n / n_observed for n in at_ends)
