"""Scaled rows on their way to the device: batches to train on, hidden values, tiles.

NumPy only. Scaled rows are float64; batches and tiles are float32.
"""

from itertools import islice

import numpy as np

from skae._data.columns import observed_values
from skae._data.rows import as_rows, parts

LEAST_HIDDEN, MOST_HIDDEN = 0.05, 0.2  # shares of the observed values, on average
MOST_INPUTS = 2**26  # float32 numbers of rows that stay in memory while nets train on them
PART_NUMBERS = 2**23  # in what is loaded, and shuffled, at once of more rows


class RowSource:
    """An endless stream of shuffled batches: each pass takes every row once.

    Each batch holds its share of each of the ``strata``. The last batch of a pass is padded
    with rows of weight 0. ``load(part)`` returns the ``gather`` of some rows, or of all if
    ``part`` is None. ``gather(index)`` returns the (x, target, observed) of rows at ``index``
    (n_batches, batch_size): target is None if it equals x, observed if no value is missing.

    Of more than ``most_rows`` a pass loads some at a time, in runs as long as a batch and in
    random order, and shuffles these.

    If a device holds a ``table``, the (x, target, observed) of all rows, nothing is loaded, and
    ``block`` returns the index as its x.
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
        self._parts, self._begun = iter(()), (None, 0)  # the pass: its random state, its parts
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

    def state(self):
        """Return the place in the stream, as plain Python and arrays."""
        return {
            "rng": self.rng.bit_generator.state,
            "index": self._index,
            "weight": self._weight,
            "begun": self._begun,
        }

    def go_to(self, state):
        """Go to a place in the stream that ``state`` has returned."""
        self._index, self._weight, self._begun = (
            state[name] for name in ("index", "weight", "begun")
        )
        before, n_parts = self._begun
        if n_parts:
            self.rng.bit_generator.state, self._parts = before, self._pass()
            *_, part = islice(self._parts, n_parts)
            self._gather = self.load(part)
        self.rng.bit_generator.state = state["rng"]

    def _begin_part(self):
        """Shuffle the rows of a pass, or load and shuffle the next of its parts."""
        weight, strata = self.weight, self.strata
        if self.n_runs is not None:
            part = next(self._parts, None)
            if part is None:
                self._parts, self._begun = self._pass(), (self.rng.bit_generator.state, 0)
                part = next(self._parts)
            self._begun = self._begun[0], self._begun[1] + 1
            self._gather, weight = self.load(part), weight[part]
            strata = None if strata is None else strata[part]
        n, size = len(weight), self.batch_size
        n_batches = -(-n // size)
        order = self.rng.permutation(n)
        if strata is not None:
            order = order[interleaved(strata[order], self.rng)]
        self._index = np.resize(order, (n_batches, size))
        real = (np.arange(n_batches * size) < n).reshape(n_batches, size)
        self._weight = weight[self._index] * real

    def _pass(self):
        """Yield the sorted rows of each part of a pass; the tail is in the last one."""
        n, size = len(self.weight), self.batch_size
        runs = self.rng.permutation(n // size)
        starts = range(0, len(runs), self.n_runs)
        for start in starts:
            first = np.sort(runs[start : start + self.n_runs]) * size
            part = (first[:, None] + np.arange(size)).ravel()
            tail = np.arange(n - n % size, n) if start == starts[-1] else part[:0]
            yield np.concatenate([part, tail])


def interleaved(labels, rng):
    """Return an order in which every stretch holds each of the ``labels`` (n,) in proportion.

    Each begins at a random place: a label that occurs once may be anywhere.
    """
    _, labels, counts = np.unique(labels, return_inverse=True, return_counts=True)
    by_label = np.argsort(labels, kind="stable")
    rank = np.empty(len(labels))
    rank[by_label] = np.arange(len(labels)) - np.repeat(counts.cumsum() - counts, counts)
    first = rng.uniform(size=len(counts))[labels]
    return np.argsort((rank + first) / counts[labels], kind="stable")


def gather_complete(x, target):
    """Return the ``gather`` of a RowSource for float32 inputs ``x`` of complete rows.

    The targets, rows or an array (n, d) or None, become float32 as they are needed.
    """
    rows = None if target is None else as_rows(target)

    def targets(index):
        if rows is None:
            return None
        found = np.asarray(rows.read(index.ravel()), np.float32)
        return found.reshape(*index.shape, -1)

    return lambda index: (x[index], targets(index), None)


def gather_missing(X, hide, fill):
    """Return the ``gather`` of a RowSource for rows ``X`` (n, d) with missing values.

    ``hide`` hides further values each time; ``fill`` makes inputs of the rest.
    """

    def gather(index):
        rows = X[index.ravel()]
        target, observed = observed_values(rows)
        made = (fill(hide(rows)), target, observed)
        return tuple(part.reshape(*index.shape, -1).astype(np.float32) for part in made)

    return gather


def part_rows(rows, n_numbers, batch_size, *, has_missing):
    """Return how many ``rows`` of ``n_numbers`` are loaded at once, None for all.

    Rows with missing values are loaded as they are, in float64.
    """
    small = rows.fits_in_memory if has_missing else len(rows) * n_numbers <= MOST_INPUTS
    if rows.in_memory or small:
        return None
    return max(1, PART_NUMBERS // (n_numbers * batch_size)) * batch_size


def hidden_share(rows):
    """Return the share of values to hide while training on ``rows``: twice what is missing."""
    return float(np.clip(2 * rows.summary.missing_share, LEAST_HIDDEN, MOST_HIDDEN))


def hide_values(X, mean_share, rng):
    """Return ``X`` (n, d) with further values NaN: a random share in each row."""
    share = rng.uniform(0, 2 * mean_share, (len(X), 1))
    return np.where(rng.uniform(size=X.shape) < share, np.nan, X)


def hide_blocks(X, sizes, rng):
    """Return ``X`` (n, d) with NaN in one block of ``sizes`` columns, in half of the rows."""
    hidden = rng.integers(2 * len(sizes), size=(len(X), 1))
    return np.where(np.repeat(np.arange(len(sizes)), sizes) == hidden, np.nan, X)


def _padded(pieces, length):
    """Join arrays, with zeros appended up to ``length``; None if the pieces are None."""
    first = pieces[0]
    if first is None or (len(pieces) == 1 and len(first) == length):
        return first
    out = np.zeros((length, *first.shape[1:]), first.dtype)
    np.concatenate(pieces, out=out[: sum(map(len, pieces))])
    return out


def tiles(read, n_rows, shape, dtype=np.float32):
    """Yield (part, block): the rows in blocks (n_tiles, tile_rows, n_columns) of ``dtype``.

    ``read`` returns the rows of a slice ``part``. Missing rows and columns are zero.
    """
    n_tiles, tile_rows, n_columns = shape
    for part in parts(n_rows, n_tiles * tile_rows):
        rows = read(part)
        block = np.zeros((n_tiles * tile_rows, n_columns), dtype)
        block[: len(rows), : rows.shape[1]] = rows
        yield part, block.reshape(shape)
