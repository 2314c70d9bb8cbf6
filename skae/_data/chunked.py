"""Rows that are too many to be copied: read block by block from whatever holds them."""

from contextlib import suppress

import numpy as np
from scipy.sparse import issparse

from skae._data import rows as sizes
from skae._data.columns import Summary
from skae._data.numbers import dense
from skae._data.rows import Rows, most_rows, parts


def is_long(X):
    """Say whether ``X`` is an array-like of numbers that is too large to be copied at once."""
    shape, dtype = attribute(X, "shape"), attribute(X, "dtype")
    if getattr(dtype, "kind", "O") not in "fiub" or not isinstance(shape, tuple):
        return False
    if len(shape) < 2 or isinstance(X, np.matrix | np.ma.MaskedArray) or hasattr(X, "columns"):
        return False
    return np.prod(shape, dtype=float) > sizes.LEAST_NUMBERS


def attribute(X, name):
    """Return an attribute of ``X`` or None; raise ValueError if its file is closed."""
    try:
        return getattr(X, name, None)
    except Exception as error:
        raise ValueError(
            f"X cannot be read ({described(X)}): {error} Is its file closed?"
        ) from error


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


class Source:
    """A ``container`` of rows, and what the first pass found there.

    A file may change between two passes. Each read compares the shape and, once ``checked``,
    that no value is infinite and whether values may be missing (``has_missing``).
    """

    def __init__(self, container):
        self.container, self.dtype = container, container.dtype
        self.shape, self.name = tuple(container.shape), described(container)
        self.checked, self.has_missing = False, False
        self.random_access = isinstance(container, np.ndarray) or issparse(container)
        self._may_change = type(container) is not np.ndarray and not issparse(container)

    def rows(self, index):
        """Return the rows (n, ...) of a slice or at numbers ``index`` as an array."""
        if isinstance(index, slice):
            return self._read(index, len(range(*index.indices(self.shape[0]))))
        return self._read(index, len(index)) if self.random_access else self._gathered(index)

    def _read(self, index, n_rows):
        try:
            rows = dense(self.container[index])
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
        if self._may_change and self.checked and rows.dtype.kind == "f":
            self._check_values(rows)
        return rows

    def _check_values(self, rows):
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(rows.sum()):  # quick
                return
        if np.isinf(rows).any():
            self._refuse_change("values became infinite")
        if not self.has_missing and np.isnan(rows).any():
            self._refuse_change("values became NaN")

    def _refuse_change(self, what):
        raise ValueError(
            f"X changed while it was read from {self.name}: {what}. Let nobody write there "
            "meanwhile, or pass a copy."
        )

    def _gathered(self, index):
        """Return the rows at ``index`` by slices: HDF5 is slow to index."""
        order = np.argsort(index, kind="stable")
        size = max(1, sizes.BLOCK_NUMBERS // int(np.prod(self.shape[1:])))
        ordered = index[order]
        ends = np.flatnonzero(np.diff(ordered // size)) + 1
        out = np.empty((len(index), *self.shape[1:]), self.dtype)
        for part, places in zip(np.split(ordered, ends), np.split(order, ends), strict=True):
            if len(part):
                first, last = part[0], part[-1]
                out[places] = self._read(slice(first, last + 1), last + 1 - first)[part - first]
        return out


class ChunkedRows(Rows):
    """Rows (n, d) of a ``container``: a Source, or anything with shape, dtype and slices.

    Samples of more dimensions are raveled. Rows have the container's dtype, float32 or float64,
    or are float64 in the units of ``scaling``. ``index`` (n,) selects rows of the container,
    None for all. Slices are arrays if they are small, ChunkedRows otherwise.
    """

    in_memory = False

    def __init__(self, container, scaling=None, index=None, *parts):
        source = container if isinstance(container, Source) else Source(container)
        self.source, self.scaling, self.index = source, scaling, index
        n_rows = source.shape[0] if index is None else len(index)
        self.shape = (n_rows, int(np.prod(source.shape[1:])))
        unscaled = source.dtype == np.float32 and scaling is None
        self.dtype = np.dtype(np.float32 if unscaled else np.float64)
        self._set_parts(*parts)

    @property
    def values(self):
        return self

    def __getitem__(self, index):
        return self.take(index).values

    def __array__(self, dtype=None, copy=None):
        rows = np.empty(self.shape, dtype or self.dtype)
        for part, block in self.blocks():
            rows[part] = block
        return rows

    def _take(self, index, *parts):
        index = self._numbers(index)
        n_rows = len(range(len(self))[index]) if isinstance(index, slice) else len(index)
        if n_rows <= max(1, sizes.LEAST_NUMBERS // self.shape[1]):
            return Rows(self._read(index), *parts)
        if isinstance(index, slice):
            index = np.arange(len(self))[index]
        return type(self)(self.source, self.scaling, index, *parts)

    def scaled_part(self, part, scaling):
        index = np.arange(part.start, part.stop) if self.index is None else self.index[part]
        return type(self)(self.source, scaling, index)

    def in_any_order(self):
        """Return the rows themselves if any of them is quick to read."""
        return self if self.source.random_access else np.asarray(self, np.float32)

    def held(self, most=None):
        n_held = min(len(self) if most is None else most, most_rows(self.shape[1]))
        rows = self.subsample(n_held)
        return Rows(rows.read(), *rows._parts)

    def _scaled(self, scaling):
        return type(self)(self.source, scaling, self.index, *self._parts)

    def _block(self, part):
        return self._read(self._numbers(part))

    def _numbers(self, rows):
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


class SparseRows(ChunkedRows):
    """Rows of a CSR matrix, whose sums and products never make them dense."""

    rough_dtype = np.float32  # memory limits their products

    def _csr(self, dtype=np.float64):
        X = self.source.container
        X = X if self.index is None else X[self.index]
        return X.astype(dtype, copy=False)

    @property
    def _units(self):
        """The origin (d,) and the unit, a number or (d,), of the scaled columns."""
        if self.scaling is None:
            return np.zeros(self.shape[1]), 1.0
        return self.scaling.center, self.scaling.scale

    def _summarised(self):
        found = Summary.of_sparse(self._csr())
        return found if self.scaling is None else found.scaled(self.scaling)

    def means(self):
        mean = self._csr().T @ (self.weight / self.weight.sum())
        return mean if self.scaling is None else self.scaling.forward(mean[None])[0]

    def variances(self, mean):
        if self.scaling is not None:
            return super().variances(mean)
        X, share = self._csr(), self.weight / self.weight.sum()
        squares = X.multiply(X).T @ share
        return np.maximum(squares - 2 * mean * (X.T @ share) + mean**2, 0.0)

    def times(self, V, mean):
        (origin, unit), X = self._units, self._csr(V.dtype)
        if np.ndim(unit) == 0:
            return (X @ V - (origin + unit * mean).astype(V.dtype) @ V) / V.dtype.type(unit)
        scaled = V / unit[:, None].astype(V.dtype)
        return X @ scaled - (origin.astype(V.dtype) @ scaled + mean.astype(V.dtype) @ V)

    def transposed_times(self, U, mean):
        (origin, unit), sums = self._units, U.sum(axis=0)
        out = self._csr(U.dtype).T.tocsr() @ U
        shift, unit = (origin / unit + mean).astype(U.dtype), np.asarray(unit, U.dtype)
        for part in parts(len(out), max(1, sizes.BLOCK_NUMBERS // len(sums))):
            out[part] /= unit if unit.ndim == 0 else unit[part, None]
            out[part] -= shift[part, None] * sums
        return out

    def covariance_times(self, V, mean, share):
        return self.transposed_times(share[:, None] * self.times(V, mean), mean)

    def squares(self, mean):
        origin, unit = self._units
        X = self._csr().multiply(1.0 / unit).tocsr()
        origin = origin / unit + mean
        own = np.asarray(X.multiply(X).sum(axis=1)).ravel()
        return np.maximum(own - 2 * (X @ origin) + origin @ origin, 0.0)

    def projected(self, basis, mean, fill):
        """Return the rows around ``mean`` times ``basis``, and their squares."""
        return self.times(basis, mean), self.squares(mean)


def chunked(X):
    return (SparseRows if issparse(X) else ChunkedRows)(X)
