"""Rows that are too many to hold at once: read block by block from whatever has them.

What decides is how many numbers there are, never where they are: an array and a file with the
same rows are read in the same blocks, so that fits on them are equal to the bit.
"""

from contextlib import suppress

import numpy as np
from scipy.sparse import issparse

LEAST_NUMBERS = 2**22  # in rows that are read in blocks, and in arrays of them
MOST_NUMBERS = 2**24  # float64 numbers that are held at once, 128 MB, where they must be
BLOCK_NUMBERS = 2**20  # in a block that is read, 8 MB


def is_long(X):
    """Say whether ``X`` is an array-like of numbers, too large to be copied as a whole."""
    shape, dtype = attribute(X, "shape"), attribute(X, "dtype")
    if getattr(dtype, "kind", "O") not in "fiub" or not isinstance(shape, tuple):
        return False
    if len(shape) < 2:
        return False
    if isinstance(X, np.matrix | np.ma.MaskedArray):
        return False
    return not hasattr(X, "columns") and np.prod(shape, dtype=float) > LEAST_NUMBERS


def attribute(X, name):
    """Return an attribute of ``X`` or None; raise ValueError if its file is closed."""
    try:
        return getattr(X, name, None)
    except Exception as error:
        raise ValueError(
            f"X cannot be read ({described(X)}): {error} Is its file closed?"
        ) from error


def most_rows(n_columns):
    """Return how many rows of ``n_columns`` cells may be held at once: one in any case."""
    return max(1, MOST_NUMBERS // n_columns)


class Source:
    """What holds rows, as its ``container`` was when it was first seen.

    A file may change between two passes. Whatever is read is held against what the first pass
    found: the shape, and, once ``is_known``, that no cell is infinite and whether some are
    missing (``has_missing``).
    """

    def __init__(self, container):
        self.container, self.dtype = container, container.dtype
        self.shape, self.name = tuple(container.shape), described(container)
        self.is_known, self.has_missing = False, False
        # Whether rows anywhere are read as quickly as others.
        self.has_any_order = isinstance(container, np.ndarray) or issparse(container)
        self._may_change = type(container) is not np.ndarray and not issparse(container)

    def rows(self, index):
        """Return the rows (n, ...) of a slice or at numbers ``index`` as an array."""
        if isinstance(index, slice):
            return self._read(index, len(range(*index.indices(self.shape[0]))))
        return self._read(index, len(index)) if self.has_any_order else self._gathered(index)

    def _read(self, index, n_rows):
        try:
            rows = _dense(self.container[index])
        except MemoryError:
            raise
        except Exception as error:
            raise ValueError(
                f"Rows of X could not be read from {self.name}: {error} Keep it open and "
                "unchanged while it is used."
            ) from error
        if rows.shape != (n_rows, *self.shape[1:]):
            self._refuse_change(
                f"rows of shape {(n_rows, *self.shape[1:])} became {rows.shape}"
            )
        if self._may_change and self.is_known and rows.dtype.kind == "f":
            self._check_cells(rows)
        return rows

    def _check_cells(self, rows):
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(rows.sum()):  # quick, and true of nearly all
                return
        if np.isinf(rows).any():
            self._refuse_change("cells became infinite")
        if not self.has_missing and np.isnan(rows).any():
            self._refuse_change("cells became NaN")

    def _refuse_change(self, what):
        raise ValueError(
            f"X changed while it was read from {self.name}: {what}. Let nobody write there "
            "meanwhile, or pass a copy."
        )

    def _gathered(self, index):
        """Return the rows at ``index`` of what only slices well, such as a data set of HDF5."""
        order = np.argsort(index, kind="stable")
        size = max(1, BLOCK_NUMBERS // int(np.prod(self.shape[1:])))
        ordered = index[order]
        cuts = np.flatnonzero(np.diff(ordered // size)) + 1
        parts = []
        for part in np.split(ordered, cuts) if len(ordered) else []:
            first, last = part[0], part[-1]
            parts.append(self._read(slice(first, last + 1), last + 1 - first)[part - first])
        out = np.empty((len(index), *self.shape[1:]), self.dtype)
        if parts:
            out[order] = np.concatenate(parts)
        return out


class LongRows:
    """Rows (n, d) of a ``container``: anything that has a shape and dtype and slices its rows.

    They share a Source, which is made of it, or is handed on as the container.

    Samples of more dimensions are raveled. Rows are float32 or float64 as in the container, or
    float64 in the units of ``scaling`` where there is one. ``index`` (n,) are the numbers of
    the container's rows that count, None for all. Some of them come as an array, when they are
    asked for; many are LongRows again.
    """

    ndim = 2

    def __init__(self, container, scaling=None, index=None):
        source = container if isinstance(container, Source) else Source(container)
        self.source, self.scaling, self.index = source, scaling, index
        n_rows = source.shape[0] if index is None else len(index)
        self.shape = (n_rows, int(np.prod(source.shape[1:])))
        is_single = source.dtype == np.float32 and scaling is None
        self.dtype = np.dtype(np.float32 if is_single else np.float64)
        self.survey = None  # what the columns hold, once somebody has looked

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        """Return rows by a slice, a mask or numbers: an array where that is small."""
        index = self._index(rows)
        if isinstance(index, slice):
            n_rows = len(range(*index.indices(self.source.shape[0])))
        else:
            n_rows = len(index)
        if n_rows <= max(1, LEAST_NUMBERS // self.shape[1]):
            return self._read(index)
        if isinstance(index, slice):
            index = np.arange(self.source.shape[0])[index]
        return LongRows(self.source, self.scaling, index)

    def __array__(self, dtype=None, copy=None):
        """Return all rows at once: for those who must have them."""
        rows = np.empty(self.shape, dtype or self.dtype)
        for part, block in placed(self.blocks()):
            rows[part] = block
        return rows

    @property
    def may_be_held(self):
        """Whether all rows may be an array, where they must be one."""
        return len(self) <= most_rows(self.shape[1])

    def scaled(self, scaling):
        """Return the same rows in the units of ``scaling``."""
        rows = LongRows(self.source, scaling, self.index)
        if self.survey is not None:
            rows.survey = self.survey.scaled(scaling)
        return rows

    def blocks(self):
        """Yield all rows as arrays, in their order."""
        d = self.shape[1]
        size = max(1, min(BLOCK_NUMBERS, LEAST_NUMBERS) // d)
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def times(self, V, mean):
        """Return the rows around ``mean`` (d,) times ``V`` (d, r)."""
        if not self.is_sparse:
            return np.concatenate([(block - mean) @ V for block in self.blocks()])
        origin, unit = self._units
        if np.ndim(unit) == 0:
            return (self.sparse() @ V - (origin + unit * mean) @ V) / unit
        scaled = V / unit[:, None]
        return self.sparse() @ scaled - (origin @ scaled + mean @ V)

    def transposed_times(self, U, mean):
        """Return the transpose of the rows around ``mean`` (d,) times ``U`` (n, r)."""
        if not self.is_sparse:
            out = np.zeros((self.shape[1], U.shape[1]))
            for part, block in placed(self.blocks()):
                out += (block - mean).T @ U[part]
            return out
        (origin, unit), sums = self._units, U.sum(axis=0)
        out = self.sparse().T @ U
        out /= unit if np.ndim(unit) == 0 else unit[:, None]
        for column, own in zip(out.T, sums, strict=True):
            column -= own * (origin / unit + mean)
        return out

    def covariance_times(self, V, mean, share):
        """Return the covariance (d, d) of the rows around ``mean`` times ``V`` (d, r).

        Each row counts by its ``share`` (n,).
        """
        if self.is_sparse:
            return self.transposed_times(share[:, None] * self.times(V, mean), mean)
        out = np.zeros(V.shape)
        for part, block in placed(self.blocks()):
            centred = block - mean
            out += centred.T @ (share[part, None] * (centred @ V))
        return out

    def squares(self, mean):
        """Return the squared distance (n,) of each row from ``mean`` (d,)."""
        if not self.is_sparse:
            return np.concatenate([np.square(b - mean).sum(axis=1) for b in self.blocks()])
        origin, unit = self._units
        cells = self.sparse().multiply(1.0 / unit).tocsr()
        origin = origin / unit + mean
        products = cells @ origin
        own = np.asarray(cells.multiply(cells).sum(axis=1)).ravel()
        return np.maximum(own - 2 * products + origin @ origin, 0.0)

    @property
    def has_any_order(self):
        """Whether rows anywhere in the container are read as quickly as others."""
        return self.source.has_any_order

    @property
    def is_sparse(self):
        """Whether the container holds what is not zero only."""
        return issparse(self.source.container)

    def sparse(self):
        """Return the rows of a sparse container as float64, in its own units."""
        X = self.source.container
        X = X if self.index is None else X[self.index]
        return X.astype(np.float64, copy=False)

    @property
    def _units(self):
        """The origin (d,) and the unit, a number or (d,), of the scaled columns."""
        if self.scaling is None:
            return np.zeros(self.shape[1]), 1.0
        return self.scaling.center, self.scaling.scale

    def _index(self, rows):
        if self.index is not None:
            return self.index[rows]
        if isinstance(rows, slice):
            return rows
        rows = np.asarray(rows)
        return np.flatnonzero(rows) if rows.dtype == bool else rows

    def _read(self, index):
        rows = self.source.rows(index)
        rows = rows.reshape(len(rows), self.shape[1])
        if self.scaling is None:
            return rows.astype(self.dtype, copy=False)
        return self.scaling.forward(rows)


def cut(X, part):
    """Return the rows of a slice ``part`` of ``X``; of LongRows unread, however few."""
    if not isinstance(X, LongRows):
        return X[part]
    index = np.arange(part.start, part.stop) if X.index is None else X.index[part]
    return LongRows(X.source, X.scaling, index)


def placed(blocks):
    """Yield (part, block) of ``blocks`` that follow each other: the slice that each one is."""
    start = 0
    for block in blocks:
        yield slice(start, start + len(block)), block
        start += len(block)


def blocks_of(X):
    """Return ``X`` in blocks: an array is one."""
    return X.blocks() if isinstance(X, LongRows) else [X]


def described(X):
    """Return what errors call ``X``: its type, and its file if it has one."""
    kind = f"{type(X).__module__.partition('.')[0]} {type(X).__name__}"
    for names in ("filename", "file.filename", "group.file.filename", "store"):
        place = X
        with suppress(Exception):  # a file that is closed has no name any more
            for name in names.split("."):
                place = getattr(place, name)
            return f"{kind} in {place}"
    return kind


def _dense(rows):
    """Return rows, sparse or not, as an array."""
    return rows.toarray() if issparse(rows) else np.asarray(rows)
