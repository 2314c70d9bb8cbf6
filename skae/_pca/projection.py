"""PCA alone, in float64: what a fit that has kept PCA maps samples by. NumPy only."""

from typing import NamedTuple

import numpy as np

from skae._data.batches import tiles
from skae._pca.axes import Filler
from skae._runtime.blas import product

BLOCK_NUMBERS = 2**17  # float64 numbers in a block of tiles
TILE_ROWS = 2**5  # always: a row's result does not depend on the rows around it, to the bit


class Projection(NamedTuple):
    """z = (x - mean) @ components.T, and back to mean + z @ components.

    ``mean`` is (d,), ``components`` (k, d), and the ``filler`` fills missing values.
    """

    mean: np.ndarray
    components: np.ndarray
    filler: Filler

    def codes(self, read, n_rows):
        """Yield (part, codes) of the scaled rows that ``read`` (part) returns."""

        def centred(part):
            return self._filled(np.asarray(read(part))) - self.mean

        return _products(centred, n_rows, self.components.T)

    def rows(self, read, n_rows, n_kept):
        """Yield (part, scaled rows) of the codes that ``read`` (part) returns."""
        found = _products(read, n_rows, self.components[:n_kept])
        return ((part, rows + self.mean) for part, rows in found)

    def _filled(self, X):
        """Return ``X`` filled, to float32: more digits would depend on the rows around."""
        filled = self.filler.fill(X)
        return X if filled is X else np.where(np.isnan(X), filled.astype(np.float32), X)


def _products(read, n_rows, matrix):
    """Yield (part, ``read`` (part) @ ``matrix``) of all rows."""
    most = max(1, BLOCK_NUMBERS // (TILE_ROWS * max(matrix.shape)))
    shape = min(most, max(1, -(-n_rows // TILE_ROWS))), TILE_ROWS, len(matrix)
    for part, block in tiles(read, n_rows, shape, np.float64):
        n_part = part.stop - part.start
        used = block[: -(-n_part // TILE_ROWS)]
        yield part, np.concatenate([product(tile, matrix) for tile in used])[:n_part]
