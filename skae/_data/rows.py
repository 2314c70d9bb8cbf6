"""Rows of numbers on their way to and from the device: scaling, batches, tiles.

NumPy only. What is scaled here is float64 on the host; float32 begins where batches and
tiles are cut.
"""

from typing import NamedTuple

import numpy as np

from skae._data.chunked import BLOCK_NUMBERS, LongRows, most_rows
from skae._data.columns import column_means, column_variances, ends, has_missing, missing_share

LEAST_HIDDEN, MOST_HIDDEN = 0.05, 0.2  # shares of the observed cells, on average
MOST_INPUTS = 2**26  # float32 numbers of rows that stay in memory while nets train on them
PART_NUMBERS = 2**23  # in what is loaded, and shuffled, at once of more rows
SMALLEST_SQUARED = 1e-150  # of numbers, whose squares float64 holds to some digits
BOUND = 1e15  # in scaled units: squares and their sums stay within float32


class Rows(NamedTuple):
    """Scaled rows ``values`` (n, d), NaN where missing, and their ``weight`` (n,), mean 1.

    Many ``values`` are LongRows. ``strata`` (n,) are the rows' classes where
    batches and hold-outs have their share of each; ``left`` (n,) is a squared error that a row
    keeps whatever is made of its values.
    """

    values: np.ndarray
    weight: np.ndarray
    strata: np.ndarray | None = None
    left: np.ndarray | None = None

    def take(self, index):
        """Return the rows at ``index``."""
        return Rows(*(part if part is None else part[index] for part in self))

    def thinned(self, most):
        """Return at most ``most`` of the rows, spread evenly."""
        step = -(-len(self.weight) // most)
        return self if step == 1 else self.take(slice(None, None, step))

    def some(self, most):
        """Return ``thinned`` rows as an array, no more than can be held."""
        if isinstance(self.values, LongRows):
            most = min(most, most_rows(self.values.shape[1]))
        rows = self.thinned(most)
        return rows._replace(values=np.asarray(rows.values))

    def held_if_missing(self):
        """Return the rows as an array where cells are missing and they are not too many."""
        is_long = isinstance(self.values, LongRows)
        if not (is_long and self.values.may_be_held and has_missing(self.values)):
            return self
        return self._replace(values=np.asarray(self.values))


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
        """Return ``X`` (n_samples, n_features) in scaled units, within +-BOUND."""
        if isinstance(X, LongRows):
            return X.scaled(self)
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
        """What one unit of a code is worth: the data's unit where the scale is one number."""
        return float(self.scale) if self.scale.ndim == 0 else 1.0


def fit_scaling(X, weight, scaling, *, centered, pools=None):
    """Return the Scaling of ``X`` named by ``scaling`` ("global", "standard" or None).

    ``pools`` are pairs (n_columns, n_variables) of consecutive columns with one scale each.
    """
    if not isinstance(X, LongRows):  # sums run in the same order for every container
        X = np.ascontiguousarray(X, np.float64)
    mean = column_means(X, weight)
    if scaling is None:
        return Scaling(mean if centered else np.zeros_like(mean), np.array(1.0))
    spread, unit = _spreads(X, weight, mean)
    if pools is not None:
        sizes, n_variables = np.array(pools).T
        sums = np.add.reduceat(np.square(spread), np.cumsum(sizes) - sizes)
        spread = np.repeat(np.sqrt(sums / n_variables), sizes)
    elif scaling == "global":
        spread = np.sqrt(np.square(spread).mean())
    spread = spread * unit
    # A column whose spread is rounding error is constant; it is not blown up to unit size.
    floor = (
        10 * np.finfo(np.float64).eps * (np.abs(mean) if spread.ndim else np.abs(mean).max())
    )
    return Scaling(mean, np.where(spread > floor, spread, 1.0))


def _spreads(X, weight, mean):
    """Return the standard deviations (d,) of the columns of ``X`` in a unit, and that unit.

    It is 1 unless the squares of all of them are too small for float64.
    """
    with np.errstate(under="ignore"):
        spread, unit = np.sqrt(column_variances(X, weight, mean)), 1.0
        if spread.max() <= SMALLEST_SQUARED:
            unit = np.max(np.abs(np.subtract(ends(X), mean))) or 1.0
            scaled = Scaling(mean, unit).forward(X)
            spread = np.sqrt(column_variances(scaled, weight, np.zeros_like(mean)))
    return spread, unit


class RowSource:
    """Shuffled batches of rows without end: each pass takes every row once.

    With ``strata`` each batch holds its share of every one of them. The ragged tail of a pass
    is padded with rows of weight 0, never dropped. ``load(part)`` returns the ``gather`` of
    some rows, or of all where ``part`` is None, and ``gather(index)`` the (x, target, observed)
    of those at ``index`` (n_batches, batch_size); target is None where inputs are their own,
    observed where no cell is missing.

    Of more than ``most_rows`` a pass takes runs as long as a batch, in random order, and
    shuffles as many of them as are loaded at once.

    A ``table``, the (x, target, observed) of all rows, is held by a device, which gathers from
    it: then nothing is loaded, and ``block`` returns the index as its x.
    """

    def __init__(
        self, load, weight, batch_size, rng, *, strata=None, most_rows=None, table=None
    ):
        smallest = np.finfo(np.float32).tiny  # a row of weight 0 would be no row
        self.load, self.weight = load, np.maximum(weight, smallest).astype(np.float32)
        self.batch_size, self.rng, self.strata = batch_size, rng, strata
        self.table = table
        most_rows = len(weight) if most_rows is None else most_rows
        self.n_runs = None if len(weight) <= most_rows else max(1, most_rows // batch_size)
        self._parts = iter(())
        self._gather = load(None) if self.n_runs is None and table is None else None
        if table is not None:
            self._gather = lambda index: (index.astype(np.int32), None, None)
        self._index = np.empty((0, batch_size), np.intp)
        self._weight = np.empty((0, batch_size), np.float32)

    def block(self, n_batches, capacity):
        """Return (x, target, observed, weight) of the next batches: (capacity, size, ...)."""
        pieces = []
        while n_batches:
            if len(self._index) == 0:
                self._begin_part()
            index, self._index = np.split(self._index, [n_batches])
            weight, self._weight = np.split(self._weight, [n_batches])
            pieces.append((*self._gather(index), weight))
            n_batches -= len(index)
        return tuple(_padded(part, capacity) for part in zip(*pieces, strict=True))

    def _begin_part(self):
        """Shuffle the rows of a pass, or load and shuffle the next of its parts."""
        weight, strata = self.weight, self.strata
        if self.n_runs is not None:
            part = next(self._parts, None)
            if part is None:
                self._parts = self._pass()
                part = next(self._parts)
            self._gather, weight = self.load(part), weight[part]
            strata = None if strata is None else strata[part]
        n, size = len(weight), self.batch_size
        n_batches = -(-n // size)
        order = self.rng.permutation(n)
        if strata is not None:
            order = order[interleaved(strata[order], self.rng)]
        self._index = np.resize(order, (n_batches, size))
        is_real = (np.arange(n_batches * size) < n).reshape(n_batches, size)
        self._weight = weight[self._index] * is_real

    def _pass(self):
        """Yield the rows of each part of a pass, in their order; the tail is in the last."""
        n, size = len(self.weight), self.batch_size
        runs = self.rng.permutation(n // size)
        starts = range(0, len(runs), self.n_runs)
        for start in starts:
            first = np.sort(runs[start : start + self.n_runs]) * size
            part = (first[:, None] + np.arange(size)).ravel()
            tail = np.arange(n - n % size, n) if start == starts[-1] else part[:0]
            yield np.concatenate([part, tail])


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
    """Return the ``gather`` of a RowSource for float32 rows in which no cell is missing.

    ``target`` (n, d) may be LongRows, which are scaled as they are needed.
    """

    def targets(index):
        if not isinstance(target, LongRows):
            return None if target is None else target[index]
        rows = np.asarray(target[index.ravel()], np.float32)
        return rows.reshape(*index.shape, -1)

    return lambda index: (x[index], targets(index), None)


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


def part_rows(X, n_numbers, batch_size, *, is_gappy):
    """Return how many rows of ``X`` are loaded at once, as ``n_numbers`` each: None for all.

    Those that are ``is_gappy`` are loaded as they are, in float64.
    """
    if not isinstance(X, LongRows):
        return None
    if X.may_be_held if is_gappy else len(X) * n_numbers <= MOST_INPUTS:
        return None
    return max(1, PART_NUMBERS // (n_numbers * batch_size)) * batch_size


def hidden_share(X):
    """Return the share of cells to hide while training on ``X`` (n, d): twice what is missing.

    Where few are missing, most rows will come complete, and are to come back so.
    """
    return float(np.clip(2 * missing_share(X), LEAST_HIDDEN, MOST_HIDDEN))


def hide_cells(X, mean_share, rng):
    """Return ``X`` (n, d) with NaN in further cells: in each row a share of its own."""
    share = rng.uniform(0, 2 * mean_share, (len(X), 1))
    return np.where(rng.uniform(size=X.shape) < share, np.nan, X)


def hide_blocks(X, sizes, rng):
    """Return ``X`` (n, d) with NaN in one block of ``sizes`` columns, in half of the rows."""
    hidden = rng.integers(2 * len(sizes), size=(len(X), 1))
    return np.where(np.repeat(np.arange(len(sizes)), sizes) == hidden, np.nan, X)


def _padded(pieces, length):
    """Return arrays as one, with zeros appended up to ``length``; None for pieces of None."""
    first = pieces[0]
    if first is None or (len(pieces) == 1 and len(first) == length):
        return first
    out = np.zeros((length, *first.shape[1:]), first.dtype)
    np.concatenate(pieces, out=out[: sum(map(len, pieces))])
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


def parts_of(X):
    """Return slices of the rows of ``X`` (n, d), of about a million numbers each."""
    return parts(len(X), max(1, BLOCK_NUMBERS // X.shape[1]))


def parts(n_rows, size):
    """Yield slices of at most ``size`` rows that follow each other up to ``n_rows``."""
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))
