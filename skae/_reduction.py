"""Wide rows in their leading principal axes: the nets see these, and nothing else.

A rotation changes no squared error, and with fewer rows than axes nothing is left out. What is
left out otherwise is an error of each row that no net can change. NumPy only.
"""

from typing import NamedTuple

import numpy as np

from skae._axes import Axes, principal_axes
from skae._long import BLOCK_NUMBERS, LongRows


class Reduction(NamedTuple):
    """y = (x - mean) @ basis: d columns to r axes; ``mean`` (d,), ``basis`` (d, r)."""

    mean: np.ndarray
    basis: np.ndarray

    def forward(self, X):
        """Return scaled rows ``X`` (n, d) in the axes: (n, r)."""
        if isinstance(X, LongRows):
            return X.times(self.basis, self.mean)
        return (X - self.mean) @ self.basis

    def backward(self, Y):
        """Return rows (n, d) of float32 from their axes (n, r)."""
        out = np.empty((len(Y), len(self.mean)), np.float32)
        size = max(1, BLOCK_NUMBERS // len(self.mean))
        for start in range(0, len(Y), size):
            part = slice(start, start + size)
            out[part] = Y[part] @ self.basis.T + self.mean
        return out

    def rows(self, rows):
        """Return the Rows in the axes, with the error that each of them keeps in any case."""
        X = rows.values
        Y = self.forward(X)
        squares = X.squares(self.mean) if isinstance(X, LongRows) else None
        if squares is None:
            squares = np.square(X - self.mean).sum(axis=1)
        left = np.maximum(squares - np.square(Y).sum(axis=1), 0.0)
        return rows._replace(values=Y, left=left)

    def axes(self, axes):
        """Return in columns what ``axes`` are in the axes of this reduction."""
        mean = self.mean + self.basis @ axes.mean
        return Axes(mean, self.basis @ axes.basis, axes.variances, axes.left)


def fit_reduction(rows, n_axes):
    """Return the Reduction of ``rows`` to their ``n_axes`` leading principal axes."""
    axes = principal_axes(rows.values, n_axes, rows)
    return Reduction(axes.mean, axes.basis)
