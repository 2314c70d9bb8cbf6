"""Rows of numbers on their way to and from the device: scaling, batches, tiles.

NumPy only. What is scaled here is float64 on the host; float32 begins where batches and
tiles are cut.
"""

from typing import NamedTuple

import numpy as np

LEAST_HIDDEN, MOST_HIDDEN = 0.05, 0.2  # shares of the observed cells, on average
BOUND = 1e15  # in scaled units: squares and their sums stay within float32


class Rows(NamedTuple):
    """Scaled rows ``values`` (n, d), NaN where missing, and their ``weight`` (n,), mean 1.

    ``strata`` (n,) are their classes where batches and hold-outs have their share of each.
    """

    values: np.ndarray
    weight: np.ndarray
    strata: np.ndarray | None = None

    def take(self, index):
        """Return the rows at ``index``."""
        strata = None if self.strata is None else self.strata[index]
        return Rows(self.values[index], self.weight[index], strata)

    @property
    def is_weighted(self):
        """Whether some rows count more than others."""
        return bool((self.weight != self.weight[:1]).any())


def balanced(weight, y):
    """Return the weights (n,), of mean 1, times what gives each class the same total."""
    _, labels = np.unique(y, return_inverse=True)
    totals = np.bincount(labels, weights=weight)
    weight = weight / totals[labels]
    return weight / weight.mean()


def column_means(X, weight):
    """Return the weighted means (d,) of the observed cells; 0 where a column has none."""
    observed = ~np.isnan(X)
    weights = weight[:, None] * observed
    total = weights.sum(axis=0)
    sums = (weights * np.where(observed, X, 0.0)).sum(axis=0)
    return np.divide(sums, total, out=np.zeros_like(sums), where=total > 0)


class Scaling(NamedTuple):
    """x -> (x - center) / scale, in float64. ``scale`` is one number or one per column."""

    center: np.ndarray
    scale: np.ndarray

    def forward(self, X):
        """Return ``X`` (n_samples, n_features) in scaled units, within +-BOUND."""
        scaled = np.subtract(X, self.center, dtype=np.float64, order="C")
        scaled /= self.scale
        return np.clip(scaled, -BOUND, BOUND, out=scaled)

    def backward(self, X):
        """Return scaled rows in the units of the data."""
        X = np.multiply(X, self.scale, dtype=np.float64)
        X += self.center
        return X

    @property
    def code_unit(self):
        """What one unit of a code is worth: the data's unit where the scale is one number."""
        return float(self.scale) if self.scale.ndim == 0 else 1.0


def fit_scaling(X, weight, scaling, *, centered, pools=None):
    """Return the Scaling of ``X`` named by ``scaling`` ("global", "standard" or None).

    ``pools`` are pairs (n_columns, n_variables) of consecutive columns with one scale each.
    """
    X = np.ascontiguousarray(X, np.float64)  # sums run in the same order for every container
    mean = column_means(X, weight)
    if scaling is None:
        return Scaling(mean if centered else np.zeros_like(mean), np.array(1.0))
    with np.errstate(under="ignore"):
        spread = np.sqrt(column_means(np.square(X - mean), weight))
    if pools is not None:
        sizes, n_variables = np.array(pools).T
        sums = np.add.reduceat(np.square(spread), np.cumsum(sizes) - sizes)
        spread = np.repeat(np.sqrt(sums / n_variables), sizes)
    elif scaling == "global":
        spread = np.sqrt(np.square(spread).mean())
    # A column whose spread is rounding error is constant; it is not blown up to unit size.
    floor = (
        10 * np.finfo(np.float64).eps * (np.abs(mean) if spread.ndim else np.abs(mean).max())
    )
    return Scaling(mean, np.where(spread > floor, spread, 1.0))


class RowSource:
    """Shuffled batches of rows without end: each pass takes every row once.

    With ``strata`` each batch holds its share of every one of them. The ragged tail of a pass
    is padded with rows of weight 0, never dropped. ``gather(index)`` returns (x, target,
    observed) of the rows at ``index`` (n_batches, batch_size); target is None where inputs are
    their own, observed where no cell is missing.
    """

    def __init__(self, gather, weight, batch_size, rng, *, strata=None):
        smallest = np.finfo(np.float32).tiny  # a row of weight 0 would be no row
        self.gather, self.weight = gather, np.maximum(weight, smallest).astype(np.float32)
        self.batch_size, self.rng, self.strata = batch_size, rng, strata
        self._index = np.empty((0, batch_size), np.intp)
        self._weight = np.empty((0, batch_size), np.float32)

    def block(self, n_batches, capacity):
        """Return (x, target, observed, weight) of the next batches: (capacity, size, ...)."""
        while len(self._index) < n_batches:
            self._begin_pass()
        index, self._index = np.split(self._index, [n_batches])
        weight, self._weight = np.split(self._weight, [n_batches])
        parts = (*self.gather(index), weight)
        return tuple(part if part is None else _padded(part, capacity) for part in parts)

    def _begin_pass(self):
        n, size = len(self.weight), self.batch_size
        n_batches = -(-n // size)
        order = self.rng.permutation(n)
        if self.strata is not None:
            order = order[interleaved(self.strata[order], self.rng)]
        index = np.resize(order, (n_batches, size))
        is_real = (np.arange(n_batches * size) < n).reshape(index.shape)
        self._index = np.concatenate([self._index, index])
        self._weight = np.concatenate([self._weight, self.weight[index] * is_real])


def interleaved(labels, rng):
    """Return an order in which every stretch holds the ``labels`` (n,) by their shares.

    Where each begins is random: a label that is there once may be anywhere.
    """
    _, labels, counts = np.unique(labels, return_inverse=True, return_counts=True)
    by_label = np.argsort(labels, kind="stable")
    rank = np.empty(len(labels))
    rank[by_label] = np.arange(len(labels)) - np.repeat(counts.cumsum() - counts, counts)
    first = rng.uniform(size=len(counts))[labels]
    return np.argsort((rank + first) / counts[labels], kind="stable")


def gather_complete(x, target):
    """Return the ``gather`` of a RowSource for rows in which no cell is missing."""
    x = x.astype(np.float32)
    target = None if target is None else target.astype(np.float32)
    return lambda index: (x[index], None if target is None else target[index], None)


def gather_missing(X, hide, fill):
    """Return the ``gather`` of a RowSource for rows ``X`` (n, d) with missing cells.

    ``hide`` hides others each time; ``fill`` makes inputs of what is left.
    """

    def gather(index):
        rows = X[index.ravel()]
        observed = ~np.isnan(rows)
        x = fill(hide(rows))
        parts = (x, np.where(observed, rows, 0.0), observed)
        return tuple(part.reshape(*index.shape, -1).astype(np.float32) for part in parts)

    return gather


def hidden_share(X):
    """Return the share of cells to hide while training on ``X`` (n, d): twice what is missing.

    Where few are missing, most rows will come complete, and are to come back so.
    """
    return float(np.clip(2 * np.isnan(X).mean(), LEAST_HIDDEN, MOST_HIDDEN))


def hide_cells(X, mean_share, rng):
    """Return ``X`` (n, d) with NaN in further cells: in each row a share of its own."""
    share = rng.uniform(0, 2 * mean_share, (len(X), 1))
    return np.where(rng.uniform(size=X.shape) < share, np.nan, X)


def hide_blocks(X, sizes, rng):
    """Return ``X`` (n, d) with NaN in one block of ``sizes`` columns, in half of the rows."""
    hidden = rng.integers(2 * len(sizes), size=(len(X), 1))
    return np.where(np.repeat(np.arange(len(sizes)), sizes) == hidden, np.nan, X)


def _padded(array, length):
    """Return ``array`` with zeros appended up to ``length``."""
    if len(array) == length:
        return array
    out = np.zeros((length, *array.shape[1:]), array.dtype)
    out[: len(array)] = array
    return out


def tiles(read, n_rows, shape):
    """Yield (part, block): rows cut into zero-padded float32 blocks of one ``shape``.

    That is (n_tiles, tile_rows, n_columns). ``read`` returns the rows of a slice ``part``;
    where they have fewer columns, the others are zero too.
    """
    n_tiles, tile_rows, n_columns = shape
    for part in parts(n_rows, n_tiles * tile_rows):
        rows = read(part)
        block = np.zeros((n_tiles * tile_rows, n_columns), np.float32)
        block[: len(rows), : rows.shape[1]] = rows
        yield part, block.reshape(shape)


def parts(n_rows, size):
    """Yield slices of at most ``size`` rows that follow each other up to ``n_rows``."""
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))
