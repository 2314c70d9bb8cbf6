"""Encode and decode many rows, in padded tiles of one shape.

Tiles make a row's result independent, to the bit, of the rows beside it, and let any number
of rows run one compiled program.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from skae._rows import tiles

TILE_ROWS = 64
BLOCK_NUMBERS = 2**18  # float32 numbers in one block of tiles, about 1 MB


@dataclass(frozen=True)
class Model:
    """A trained encoder-decoder: what is static, NumPy path, weights and filler."""

    autoencoder: object
    path: object
    params: object
    filler: object

    @property
    def network(self):
        """The static record of the architecture."""
        return self.autoencoder.network

    @property
    def n_axes(self):
        """The number of principal axes, or of columns where inputs are these."""
        return len(self.path.mean) if self.path.basis is None else self.path.basis.shape[1]

    @property
    def sees_marks(self):
        """Whether the encoder is told which cells are missing."""
        return self.network.n_inputs > self.n_axes

    def encode(self, X):
        """Return float32 codes (n, k) of scaled rows ``X`` (n, d), NaN where missing."""
        encoder = {"encoder": self.params["encoder"]}
        return self._in_tiles(
            self._inputs(X),
            self.network.n_components,
            lambda x, n: _encode_tiles(self.autoencoder, self.path, encoder, x, n),
        )

    def decode(self, Z, n_kept):
        """Return scaled float32 rows (n, d) of codes, the first ``n_kept`` (n,) of each."""
        decoder = {"decoder": self.params["decoder"]}
        codes = np.column_stack([Z, n_kept])  # whole numbers are exact in float32
        return self._in_tiles(
            codes,
            len(self.path.lower),
            lambda z, n: _decode_tiles(self.autoencoder, self.path, decoder, z, n),
        )

    def costs(self, objective, numbers, seen, target, noise, n_kept):
        """Return the ``objective`` (n,) of rows that are ``seen`` (n, d), cut at ``n_kept``.

        ``target`` (n, d) is NaN where it does not count; ``noise`` (n, k) is of the codes.
        """
        observed = ~np.isnan(target)
        rows = [self._inputs(seen), np.where(observed, target, 0.0), observed, noise]
        rows = np.column_stack([*rows, np.full(len(seen), n_kept)])
        found = self._in_tiles(
            rows, 1, lambda x, n: _cost_tiles(objective, self.path, self.params, numbers, x, n)
        )
        return found[:, 0]

    def corrupted(self, objective, level, X, seed):
        """Return scaled rows ``X`` (n, d) as training corrupts them; NaN where missing."""
        rows = np.column_stack([self.filler.fill(X), np.arange(len(X))])
        found = self._in_tiles(
            rows,
            X.shape[1],
            lambda x, n: _corrupt_tiles(objective, self.path, level, np.uint32(seed), x, n),
        )
        return np.where(np.isnan(X), np.nan, found.astype(np.float64))

    def _inputs(self, X):
        rows = self.filler.fill(X)
        return np.concatenate([rows, np.isnan(X)], axis=1) if self.sees_marks else rows

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
def _encode_tiles(autoencoder, path, params, block, n_used):
    def encode_row(row):
        return autoencoder.encode(path, params, _axes(path, row))

    return _each_tile(encode_row, block, n_used, autoencoder.network.n_components)


@partial(jax.jit, static_argnums=0)
def _decode_tiles(autoencoder, path, params, block, n_used):
    def decode_row(z):
        out = autoencoder.decode(path, params, z[:-1], z[-1])
        return jnp.clip(autoencoder.columns(path, out), path.floor, path.ceiling)

    return _each_tile(decode_row, block, n_used, len(path.lower))


@partial(jax.jit, static_argnums=0)
def _cost_tiles(objective, path, params, numbers, block, n_used):
    d, k = len(path.lower), objective.network.n_components
    n_inputs = block.shape[-1] - 2 * d - k - 1

    def cost_of(row):
        x, target, observed, noise, n_kept = jnp.split(
            row, np.cumsum([n_inputs, d, d, k]).tolist()
        )
        n_kept = n_kept[0].astype(jnp.int32)
        rows = (_axes(path, x), target, observed, n_kept, noise)
        return objective.cost(params, path, numbers, *rows)[None]

    return _each_tile(cost_of, block, n_used, 1)


@partial(jax.jit, static_argnums=0)
def _corrupt_tiles(objective, path, level, seed, block, n_used):
    root = jax.random.key(seed)
    in_columns = path._replace(basis=None)

    def corrupt_row(row):
        key = jax.random.fold_in(root, row[-1].astype(jnp.int32))
        return path.mean + objective.corrupt(key, row[:-1] - path.mean, level, in_columns)

    return _each_tile(corrupt_row, block, n_used, len(path.mean))


def _axes(path, row):
    """Return the encoder's inputs of one row: its axes, then its marks if it has any."""
    x, marks = jnp.split(row, [len(path.mean)])
    x = x - path.mean
    x = x if path.basis is None else x @ path.basis
    return jnp.concatenate([x, marks]) if len(marks) else x


def _each_tile(row_function, block, n_used, width):
    """Apply ``row_function`` to the first ``n_used`` tiles of ``block``, one after another."""
    n_tiles, tile_rows, _ = block.shape
    out = jnp.zeros((n_tiles, tile_rows, width), block.dtype)
    return jax.lax.fori_loop(
        0, n_used, lambda i, out: out.at[i].set(jax.vmap(row_function)(block[i])), out
    )
