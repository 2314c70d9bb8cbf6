"""Encode and decode many rows, in padded tiles of one shape.

Tiles make a row's result independent, to the bit, of the rows beside it, and let any number
of rows run one compiled program.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from skae import _objective
from skae._rows import tiles

TILE_ROWS = 64
BLOCK_NUMBERS = 2**18  # float32 numbers in one block of tiles, about 1 MB


@dataclass(frozen=True)
class Model:
    """A trained encoder-decoder: static network and link, NumPy path, weights and filler."""

    network: object
    link: str
    path: object
    params: object
    filler: object

    @property
    def sees_marks(self):
        """Whether the encoder is told which cells are missing."""
        n_axes = len(self.path.mean) if self.path.basis is None else self.path.basis.shape[1]
        return self.network.n_inputs > n_axes

    def encode(self, X):
        """Return float32 codes (n, k) of scaled rows ``X`` (n, d), NaN where missing."""
        k = self.network.n_components
        encoder = {"encoder": self.params["encoder"]}
        rows = self.filler.fill(X)
        if self.sees_marks:
            rows = np.concatenate([rows, np.isnan(X)], axis=1)
        return self._in_tiles(
            rows, k, lambda x, n: _encode_tiles(self.network, self.path, encoder, x, n)
        )

    def decode(self, Z, n_kept):
        """Return scaled float32 rows (n, d) of codes, the first ``n_kept`` (n,) of each."""
        decoder = {"decoder": self.params["decoder"]}
        static = (self.network, self.link)
        codes = np.column_stack([Z, n_kept])  # whole numbers are exact in float32
        return self._in_tiles(
            codes,
            len(self.path.lower),
            lambda z, n: _decode_tiles(*static, self.path, decoder, z, n),
        )

    def _in_tiles(self, X, width, program):
        out = np.empty((len(X), width), np.float32)
        widest = max(X.shape[1], len(self.path.lower), self.network.n_components + 1)
        n_tiles = max(1, BLOCK_NUMBERS // (TILE_ROWS * widest))
        for start, stop, block in tiles(X, TILE_ROWS, n_tiles):
            used = np.int32(-(-(stop - start) // TILE_ROWS))
            result = np.asarray(program(block, used))
            out[start:stop] = result.reshape(-1, width)[: stop - start]
        return out


@partial(jax.jit, static_argnums=0)
def _encode_tiles(network, path, params, block, n_used):
    def encode_row(row):
        x, marks = jnp.split(row, [len(path.mean)])
        x = x - path.mean
        x = x if path.basis is None else x @ path.basis
        x = jnp.concatenate([x, marks]) if len(marks) else x
        return _objective.encode(network, path, params, x)

    return _each_tile(encode_row, block, n_used, network.n_components)


@partial(jax.jit, static_argnums=(0, 1))
def _decode_tiles(network, link, path, params, block, n_used):
    def decode_row(z):
        out = _objective.decode(network, link, path, params, z[:-1], z[-1])
        out = _objective.columns(link, path, out)
        return jnp.clip(out, path.floor, path.ceiling)

    return _each_tile(decode_row, block, n_used, len(path.lower))


def _each_tile(row_function, block, n_used, width):
    """Apply ``row_function`` to the first ``n_used`` tiles of ``block``, one after another."""
    n_tiles, tile_rows, _ = block.shape
    out = jnp.zeros((n_tiles, tile_rows, width), block.dtype)
    return jax.lax.fori_loop(
        0, n_used, lambda i, out: out.at[i].set(jax.vmap(row_function)(block[i])), out
    )
