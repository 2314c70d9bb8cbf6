"""Wide rows in their leading principal axes: the nets see these, and nothing else.

A rotation changes no squared error, and with fewer rows than axes nothing is left out. What is
left out otherwise is an error of each row that no net can change. NumPy only.
"""

from typing import NamedTuple

import numpy as np

from skae._data.rows import BLOCK_NUMBERS, Rows, as_rows, parts
from skae._pca.axes import Axes, Filler, principal_axes, ridge_along
from skae._runtime.blas import one_thread, product


class Reduction(NamedTuple):
    """y = (x - mean) @ basis: d columns to r axes; ``mean`` (d,), ``basis`` (d, r).

    Missing cells of rows that come later are filled along the first axes: ``ridge`` is that
    of the Filler.
    """

    mean: np.ndarray
    basis: np.ndarray
    ridge: np.ndarray

    @property
    def filler(self):
        """The Filler of the columns: rows this wide miss cells in patterns of their own."""
        return Filler(self.mean, self.basis[:, : len(self.ridge)], self.ridge, by_pattern=True)

    def forward(self, X):
        """Return scaled rows ``X`` (n, d), NaN where missing, in the axes: (n, r)."""
        return as_rows(X).projected(self.basis, self.mean, self.filler.fill)[0]

    def backward(self, Y):
        """Return rows (n, d) of float32 from their axes (n, r)."""
        out = np.empty((len(Y), len(self.mean)), np.float32)
        for part in parts(len(Y), max(1, BLOCK_NUMBERS // len(self.mean))):
            out[part] = product(Y[part], self.basis.T) + self.mean
        return out

    @one_thread()
    def rows(self, rows):
        """Return the Rows in the axes, with the error that each of them keeps in any case.

        Of rows with missing values it is that of the filled ones.
        """
        Y, squares = rows.projected(self.basis, self.mean, self.filler.fill)
        residual = np.maximum(squares - np.square(Y).sum(axis=1), 0.0)
        return Rows(Y, rows.weight, rows.strata, residual)

    def axes(self, axes):
        """Return in columns what ``axes`` are in the axes of this reduction."""
        mean = self.mean + self.basis @ axes.mean
        return Axes(mean, self.basis @ axes.basis, axes.variances, axes.residual)


@one_thread()
def fit_reduction(rows, n_axes, n_components):
    """Return the Reduction of ``rows`` to their ``n_axes`` leading principal axes."""
    axes = principal_axes(rows, n_axes)
    return Reduction(axes.mean, axes.basis, ridge_along(axes, len(rows), n_components))
