"""Rows of numbers on their way to and from the device: scaling, batches, tiles.

NumPy only. What is scaled here is float64 on the host; float32 begins where batches and
tiles are cut.
"""

from typing import NamedTuple

import numpy as np

BOUND = 1e15  # in scaled units: squares and their sums stay within float32


class Scaling(NamedTuple):
    """x -> (x - center) / scale, in float64. ``scale`` is one number or one per column."""

    center: np.ndarray
    scale: np.ndarray

    def forward(self, X):
        """Return ``X`` (n_samples, n_features) in scaled units, within +-BOUND."""
        scaled = (np.asarray(X, np.float64) - self.center) / self.scale
        return np.clip(scaled, -BOUND, BOUND, out=scaled)

    def backward(self, X):
        """Return scaled rows in the units of the data."""
        return X.astype(np.float64) * self.scale + self.center

    @property
    def code_unit(self):
        """What one unit of a code is worth: the data's unit where the scale is one number."""
        return float(self.scale) if self.scale.ndim == 0 else 1.0


def fit_scaling(X, scaling, *, centered):
    """Return the Scaling of ``X`` named by ``scaling`` ("global", "standard" or None)."""
    X = np.asarray(X, np.float64)
    mean = X.mean(axis=0)
    if scaling is None:
        return Scaling(mean if centered else np.zeros_like(mean), np.array(1.0))
    with np.errstate(under="ignore"):
        spread = np.sqrt(np.square(X - mean).mean(axis=0))
    if scaling == "global":
        spread = np.sqrt(np.square(spread).mean())
    # A column whose spread is rounding error is constant; it is not blown up to unit size.
    floor = (
        10
        * np.finfo(np.float64).eps
        * (np.abs(mean) if scaling == "standard" else np.abs(mean).max())
    )
    return Scaling(mean, np.where(spread > floor, spread, 1.0))


class RowSource:
    """Shuffled batches of rows without end: each pass takes every row once.

    The ragged tail of a pass is padded with rows of weight 0, never dropped. ``target`` is
    None where the inputs are their own target.
    """

    def __init__(self, x, target, batch_size, rng):
        self.x, self.target, self.batch_size, self.rng = x, target, batch_size, rng
        self._index = np.empty((0, batch_size), np.intp)
        self._weight = np.empty((0, batch_size), np.float32)

    def block(self, n_batches, capacity):
        """Return (x, target, weight) of the next batches: (capacity, batch_size, ...)."""
        while len(self._index) < n_batches:
            self._begin_pass()
        index, self._index = np.split(self._index, [n_batches])
        weight, self._weight = np.split(self._weight, [n_batches])
        return tuple(
            part if part is None else _padded(part, capacity)
            for part in (
                self.x[index],
                None if self.target is None else self.target[index],
                weight,
            )
        )

    def _begin_pass(self):
        n, size = len(self.x), self.batch_size
        n_batches = -(-n // size)
        index = np.resize(self.rng.permutation(n), (n_batches, size))
        weight = (np.arange(n_batches * size) < n).astype(np.float32).reshape(index.shape)
        self._index = np.concatenate([self._index, index])
        self._weight = np.concatenate([self._weight, weight])


def _padded(array, length):
    """Return ``array`` with zeros appended up to ``length``."""
    if len(array) == length:
        return array
    out = np.zeros((length, *array.shape[1:]), array.dtype)
    out[: len(array)] = array
    return out


def tiles(X, tile_rows, n_tiles):
    """Yield (start, stop, block): ``X`` cut into zero-padded float32 blocks of one shape.

    A block is (n_tiles, tile_rows, n_columns); ``stop - start`` of its rows are real.
    """
    capacity = tile_rows * n_tiles
    for start in range(0, len(X), capacity):
        stop = min(start + capacity, len(X))
        block = np.zeros((capacity, *X.shape[1:]), np.float32)
        block[: stop - start] = X[start:stop]
        yield start, stop, block.reshape(n_tiles, tile_rows, *X.shape[1:])
