"""Weighted samples behind one interface: arrays here, files and sparse matrices in ``chunked``.

Their size alone decides what is an array. An array and a file with the same rows are read in
the same blocks, so that fits on them are equal to the bit.
"""

from copy import copy
from functools import cached_property, reduce
from typing import NamedTuple

import numpy as np

from skae._data.columns import Summary, observed_values
from skae._runtime.blas import product

LEAST_NUMBERS = 2**22  # in rows that are read in blocks, and in arrays of them
MOST_NUMBERS = 2**24  # float64 numbers held at once, if they must be: 128 MB
BLOCK_NUMBERS = 2**20  # in a block that is read, 8 MB
SMALLEST_SQUARED = 1e-150  # of numbers, whose squares float64 holds to some digits
BOUND = 1e15  # in scaled units: squares and their sums stay within float32


class Rows:
    """Samples ``values`` (n, d), NaN if missing, and their ``weight`` (n,), mean 1.

    ``strata`` (n,) are classes that batches and validation splits keep in proportion.
    ``residual`` (n,) is the part of each row's squared error that no net can change.
    Subclasses override how rows are taken and read, sparse ones the products, too.
    """

    ndim = 2
    in_memory = True  # as one array
    rough_dtype: type = np.float64  # of products that may be inexact, if it is quicker

    def __init__(self, values, weight=None, strata=None, residual=None):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype
        self._set_parts(weight, strata, residual)

    def _set_parts(self, weight=None, strata=None, residual=None):
        self.strata, self._summary = strata, None
        given = {"weight": weight, "residual": residual}
        vars(self).update({name: part for name, part in given.items() if part is not None})

    @cached_property
    def weight(self):
        return np.ones(len(self))

    @cached_property
    def residual(self):
        return np.zeros(len(self))

    @property
    def _parts(self):
        return vars(self).get("weight"), self.strata, vars(self).get("residual")

    def __len__(self):
        return self.shape[0]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)

    def weighted(self, weight, strata=None):
        """Return the same rows with other weights and classes."""
        rows = copy(self)
        rows.weight, rows.strata = weight, strata
        return rows

    def take(self, index):
        """Return the rows at ``index``, a slice, a mask or numbers: an array if it is small."""
        return self._take(
            index, *(part if part is None else part[index] for part in self._parts)
        )

    def _take(self, index, *parts):
        return Rows(self.values[index], *parts)

    def scaled_part(self, part, scaling):
        """Return the rows of a slice ``part`` alone, in the units of ``scaling``."""
        return Rows(scaling.forward(self.values[part]))

    def read(self, index=None):
        """Return the rows at ``index``, or all of them, as an array."""
        return np.asarray(self.values if index is None else self.take(index).values)

    def in_any_order(self):
        """Return float32 values (n, d) whose rows anywhere are quick to read."""
        return self.read().astype(np.float32, copy=False)

    def subsample(self, most):
        """Return at most ``most`` of the rows, spread evenly."""
        step = -(-len(self) // most)
        return self if step == 1 else self.take(slice(None, None, step))

    def held(self, most=None):
        """Return the rows as an array: at most ``most`` of them, and what memory holds."""
        return self if most is None else self.subsample(most)

    @property
    def fits_in_memory(self):
        """Whether all rows may be an array, if they must be one."""
        return len(self) <= most_rows(self.shape[1])

    def held_if_missing(self):
        """Return the rows as an array if values are missing and memory holds them."""
        return self.held() if self.fits_in_memory and self.has_missing else self

    def scaled(self, scaling):
        """Return the same rows in the units of ``scaling``."""
        rows = self._scaled(scaling)
        if self._summary is not None:
            rows._summary = self._summary.scaled(scaling)
        return rows

    def _scaled(self, scaling):
        return Rows(scaling.forward(self.values), *self._parts)

    def blocks(self):
        """Yield (part, array) of all rows in their order: the slice that each block is."""
        for part in parts(
            len(self), max(1, min(BLOCK_NUMBERS, LEAST_NUMBERS) // self.shape[1])
        ):
            yield part, self._block(part)

    def _block(self, part):
        return np.ascontiguousarray(self.values[part], np.float64)

    @property
    def summary(self):
        if self._summary is None:
            self._summary = self._summarised()
        return self._summary

    def _summarised(self):
        return reduce(Summary.merged, (Summary.of(block) for _, block in self.blocks()))

    @property
    def has_missing(self):
        return self.summary.has_missing

    @property
    def has_values(self):
        """Which rows (n,) have an observed value."""
        if not self.has_missing:
            return np.ones(len(self), bool)
        return np.concatenate([(~np.isnan(block)).any(axis=1) for _, block in self.blocks()])

    def means(self):
        """Return the weighted means (d,) of the observed values; 0 if a column has none."""
        return self._average(lambda block: block)

    def variances(self, mean):
        """Return the weighted mean squares (d,) of the observed values around ``mean`` (d,)."""
        return self._average(lambda block: np.square(block - mean))

    def _average(self, function):
        total, sums = 0.0, 0.0
        for part, block in self.blocks():
            values, observed = observed_values(function(block))
            weights = self.weight[part, None] * observed
            total = total + weights.sum(axis=0)
            sums = sums + (weights * values).sum(axis=0)
        return np.divide(sums, total, out=np.zeros_like(sums), where=total > 0)

    def times(self, V, mean):
        """Return the rows around ``mean`` (d,) times ``V`` (d, r), of float64 or rough."""
        return np.concatenate([(block - mean) @ V for _, block in self.blocks()])

    def transposed_times(self, U, mean):
        """Return the transpose of the rows around ``mean`` (d,) times ``U`` (n, r)."""
        out = np.zeros((self.shape[1], U.shape[1]))
        for part, block in self.blocks():
            out += (block - mean).T @ U[part]
        return out

    def covariance_times(self, V, mean, share):
        """Return the covariance (d, d) of the rows around ``mean`` times ``V`` (d, r).

        Each row counts by its ``share`` (n,).
        """
        out = np.zeros(V.shape)
        for part, block in self.blocks():
            centred = block - mean
            out += centred.T @ (share[part, None] * (centred @ V))
        return out

    def squares(self, mean):
        """Return the squared distance (n,) of each row from ``mean`` (d,)."""
        return np.concatenate([np.square(b - mean).sum(axis=1) for _, b in self.blocks()])

    def projected(self, basis, mean, fill):
        """Return what ``fill`` makes of the rows around ``mean`` (d,) times ``basis`` (d, r).

        The second result is the squared distance (n,) of each filled row from the mean.
        """
        found = []
        for _, block in self.blocks():
            centred = fill(block) - mean
            found.append((product(centred, basis), np.square(centred).sum(axis=1)))
        return tuple(np.concatenate(part) for part in zip(*found, strict=True))


def as_rows(X):
    """Return an array ``X`` (n, d) as Rows of equal weight, and Rows as they are."""
    return X if isinstance(X, Rows) else Rows(X)


def most_rows(n_columns):
    """Return how many rows of ``n_columns`` values may be held at once: one in any case."""
    return max(1, MOST_NUMBERS // n_columns)


def parts_of(X):
    """Return slices of the rows of ``X`` (n, d), of about a million numbers each."""
    return parts(len(X), max(1, BLOCK_NUMBERS // X.shape[1]))


def parts(n_rows, size):
    """Yield slices of at most ``size`` rows that follow each other up to ``n_rows``."""
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def balanced(weight, y):
    """Return the weights (n,), of mean 1, times what gives each class the same total."""
    _, labels = np.unique(y, return_inverse=True)
    totals = np.bincount(labels, weights=weight)
    weight = weight / totals[labels]
    return weight / weight.mean()


class Scaling(NamedTuple):
    """x -> (x - center) / scale, in float64. ``scale`` is one number or one per column."""

    center: np.ndarray
    scale: np.ndarray

    def forward(self, X):
        """Return the array ``X`` (n, d) in scaled units, within +-BOUND."""
        scaled = np.subtract(X, self.center, dtype=np.float64, order="C")
        scaled /= self.scale
        return np.clip(scaled, -BOUND, BOUND, out=scaled)

    def backward(self, X, out=None):
        """Return scaled rows in the units of the data, in the float64 array ``out`` if any."""
        X = np.multiply(X, self.scale, out=out, dtype=np.float64)
        X += self.center
        return X

    @property
    def code_unit(self):
        """What one unit of a code is worth: the data's unit if the scale is one number."""
        return float(self.scale) if self.scale.ndim == 0 else 1.0


def fit_scaling(rows, scaling, *, centered, pools=None):
    """Return the Scaling of ``rows`` named by ``scaling`` ("global", "standard" or None).

    ``pools`` are pairs (n_columns, n_variables) of consecutive columns with one scale each.
    """
    mean = rows.means()
    if scaling is None:
        return Scaling(mean if centered else np.zeros_like(mean), np.array(1.0))
    spread, unit = _spreads(rows, mean)
    if pools is not None:
        sizes, n_variables = np.array(pools).T
        sums = np.add.reduceat(np.square(spread), np.cumsum(sizes) - sizes)
        spread = np.repeat(np.sqrt(sums / n_variables), sizes)
    elif scaling == "global":
        spread = np.sqrt(np.square(spread).mean())
    spread = spread * unit
    # A column whose spread is rounding error is constant; it is not blown up to unit size.
    size = np.abs(mean) if spread.ndim else np.abs(mean).max()
    floor = 10 * np.finfo(np.float64).eps * size
    return Scaling(mean, np.where(spread > floor, spread, 1.0))


def _spreads(rows, mean):
    """Return the standard deviations (d,) of the columns of ``rows`` in a unit, and that unit.

    It is 1 unless all their squares are too small for float64.
    """
    with np.errstate(under="ignore"):
        spread, unit = np.sqrt(rows.variances(mean)), 1.0
        if spread.max() <= SMALLEST_SQUARED:
            unit = np.max(np.abs(np.subtract(rows.summary.ends, mean))) or 1.0
            scaled = rows.scaled(Scaling(mean, unit))
            spread = np.sqrt(scaled.variances(np.zeros_like(mean)))
    return spread, unit
