"""Wide rows reduced to their leading principal axes, which is all that the nets see.

A rotation changes no squared error, and with fewer rows than axes nothing is lost. Otherwise
the rest is an error of each row that no net can change. NumPy only.
"""

from typing import NamedTuple

import numpy as np

from skae._data.rows import BLOCK_NUMBERS, Rows, as_rows, parts
from skae._pca.axes import Axes, Filler, principal_axes, ridge_along
from skae._runtime.blas import one_thread, product


class Reduction(NamedTuple):
    """y = (x - mean) @ basis, from d columns to r axes: ``mean`` (d,), ``basis`` (d, r).

    Missing values of later rows are filled along the first axes, with the Filler's ``ridge``.
    ``total`` is the variance of the rows, of which the axes may leave some out.
    """

    mean: np.ndarray
    basis: np.ndarray
    ridge: np.ndarray
    total: float = 0.0

    @property
    def filler(self):
        """The Filler of the columns: by pattern, since pairs of loadings would be large."""
        return Filler(self.mean, self.basis[:, : len(self.ridge)], self.ridge, by_pattern=True)

    def forward(self, X):
        """Return scaled rows ``X`` (n, d), NaN if missing, in the axes: (n, r)."""
        return as_rows(X).projected(self.basis, self.mean, self.filler.fill)[0]

    def backward(self, Y):
        """Return rows (n, d) of float32 from their axes (n, r)."""
        out = np.empty((len(Y), len(self.mean)), np.float32)
        for part in parts(len(Y), max(1, BLOCK_NUMBERS // len(self.mean))):
            out[part] = product(Y[part], self.basis.T) + self.mean
        return out

    @one_thread()
    def rows(self, rows):
        """Return the Rows in the axes; ``residual`` is the error of what they leave out.

        It is that of filled rows if values are missing.
        """
        Y, squares = rows.projected(self.basis, self.mean, self.filler.fill)
        residual = np.maximum(squares - np.square(Y).sum(axis=1), 0.0)
        return Rows(Y, rows.weight, rows.strata, residual)

    def axes(self, axes):
        """Return the Axes in columns of ``axes`` of reduced rows."""
        mean = self.mean + self.basis @ axes.mean
        residual = max(0.0, self.total - axes.variances.sum())
        return Axes(mean, self.basis @ axes.basis, axes.variances, residual)


@one_thread()
def fit_reduction(rows, n_axes, n_components):
    """Return the Reduction of ``rows`` to their ``n_axes`` leading principal axes."""
    axes = principal_axes(rows, n_axes)
    ridge = ridge_along(axes, len(rows), n_components)
    return Reduction(axes.mean, axes.basis, ridge, float(axes.total))
