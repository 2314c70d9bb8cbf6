"""Encode and decode many rows, in padded tiles of one shape.

With tiles, a row's result does not depend on the rows around it, to the bit, and any number of
rows runs one compiled program. While the device computes some blocks of tiles, the host
prepares the next one.
"""

from collections import deque
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from itertools import islice
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from skae._data.batches import tiles
from skae._data.columns import observed_values
from skae._runtime.blas import product
from skae._runtime.devices import MOST_SMALL_PROGRAMS, compiled

ACCELERATOR_NUMBERS = 2**19  # in what an accelerator, slow to start, computes at once
ACCELERATOR_ROWS = 2**6, 2**10  # the fewest and the most rows of it
BLOCK_NUMBERS = 2**17  # float32 numbers in a block of tiles: within a core's own cache
BLOCK_TILES = 2**6  # at most: even a single row is padded to a block
IN_FLIGHT = 6  # blocks on the device while the host prepares the next one
READ_BY_BOTH = "mean", "basis", "code_scale", "strength"  # fields of a path
READ_BY_ENCODER = *READ_BY_BOTH, "projection", "gain", "code_log_variance"
OUTPUT_RANGE = "floor", "ceiling", "origin", "unit", "margin"
READ_BY_DECODER = *READ_BY_BOTH, "loadings", "offset", "output_scale", *OUTPUT_RANGE


class Half(NamedTuple):
    """An encoder or a decoder on a device."""

    path: object
    params: object
    tile_rows: int | None  # None on an accelerator: it depends on their width


@dataclass(frozen=True)
class Model:
    """A trained encoder-decoder: static choices, and NumPy's path, weights and filler.

    With a ``reduction`` of wide rows, path and filler are of its axes. Encoder and decoder are
    put on the device when they are first used and stay there; they are not pickled. Programs
    see codes with padding, callers without.
    """

    autoencoder: object
    path: object
    params: object
    filler: object
    reduction: object = None

    @property
    def network(self):
        return self.autoencoder.network

    @property
    def n_components(self):
        """The number of entries of a code, without padding."""
        return int(self.path.n_components)

    @property
    def without_reduction(self):
        """The same Model for rows that are already reduced."""
        return self if self.reduction is None else self._without_reduction

    @cached_property
    def _without_reduction(self):
        return replace(self, reduction=None)

    def scaled(self, scale):
        """Return the Model with scaled corrections, which shares arrays on devices."""
        path = self.path._replace(strength=self.path.strength * np.float32(scale))
        model = replace(self, path=path)
        vars(model)["_unscaled"] = self
        return model

    @property
    def n_features(self):
        return len(self.path.lower if self.reduction is None else self.reduction.mean)

    @property
    def n_axes(self):
        """The number of principal axes, or of columns if the nets see columns."""
        return len(self.path.mean) if self.path.basis is None else self.path.basis.shape[1]

    @property
    def is_linear(self):
        """Whether without corrections it is PCA of columns, and nothing else."""
        auto = self.autoencoder
        if auto.variational or self.reduction is not None:
            return False
        return auto.begins_at_pca and auto.output_activation.in_axes

    @property
    def reads_missing_indicator(self):
        """Whether the encoder is told which values are missing."""
        return self.network.n_inputs > self.n_axes

    def check_sizes(self):
        """Raise ValueError if arrays and network do not go together; nothing is computed."""
        path, filler, k = self.path, self.filler, self.network.n_components
        (d,), rank = path.mean.shape, filler.loadings.shape[-1]

        def map_both_ways(path, params, row, code):
            out = self.autoencoder.decode(path, params, code, k)
            columns = jnp.clip(self.autoencoder.columns(path, out), path.floor, path.ceiling)
            return self.autoencoder.encode(path, params, _axes(path, row)), columns

        width = 2 * d if self.reads_missing_indicator else d
        row, code = (jax.ShapeDtypeStruct((n,), np.float32) for n in (width, k))
        code, row = jax.eval_shape(map_both_ways, path, self.params, row, code)
        found = [code.shape, row.shape, *(part.shape for part in filler[:3])]
        wrong = found != [(k,), (d,), (d,), (d, rank), (rank,)]
        if self.reduction is not None:
            wrong |= self.reduction.basis.shape != (*self.reduction.mean.shape, d)
        leaves = jax.tree.leaves((path, self.params))
        if wrong or any(leaf.dtype != np.float32 for leaf in leaves):
            raise ValueError("the arrays of a model are not those of its network")

    def __getstate__(self):
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def warm_up(self):
        model = self.without_reduction
        model.decode(model.encode(np.zeros((1, model.n_features))), self.n_components)

    def encode(self, X, filled=None):
        """Return float32 codes (n, k) of scaled rows ``X`` (n, d), NaN if missing.

        ``filled`` are the same rows as the filler fills them, if that is known.
        """
        given = None if filled is None else filled.__getitem__
        stream = self.codes(lambda part: X[part], len(X), given)
        return _collected(stream, len(X), self.n_components)

    def codes(self, read, n_rows, read_filled=None):
        """Yield (part, float32 codes) of the scaled rows that ``read`` (part) returns.

        ``read_filled`` (part) returns them filled, if that is known.
        """
        if self.reduction is not None:
            reduced = self.without_reduction
            return reduced.codes(lambda part: self.reduction.forward(read(part)), n_rows)
        half = self._half("encoder", encoder_of)
        d = len(self.path.lower)
        width = 2 * d if self.reads_missing_indicator else d
        program = partial(_encode_tiles, self.autoencoder, half.path, half.params)

        def inputs(part):
            filled = None if read_filled is None else read_filled(part)
            return self._inputs(np.asarray(read(part)), filled)

        stream = self._stream(inputs, n_rows, width, half, program)
        return ((part, Z[:, : self.n_components]) for part, Z in stream)

    def decode(self, Z, n_kept):
        """Return scaled float32 rows (n, d) of codes ``Z``, the first ``n_kept`` of each."""
        return next(self.decodes(Z, [n_kept]))

    def decodes(self, Z, prefixes):
        """Yield what ``decode`` returns with each of ``prefixes``; all begin at once."""
        streams = [self.rows(lambda part: Z[part], len(Z), n_kept) for n_kept in prefixes]
        for stream in streams:
            yield _collected(stream, len(Z), self.n_features)

    def rows(self, read, n_rows, n_kept):
        """Yield (part, scaled float32 rows) of the codes that ``read`` (part) returns.

        Their first ``n_kept`` columns are enough.
        """
        if self.reduction is not None:
            found = self.without_reduction.rows(read, n_rows, n_kept)
            return ((part, self.reduction.backward(rows)) for part, rows in found)
        half, width = self._half("decoder", decoder_of), self.network.n_components
        program = partial(
            _decode_tiles, self.autoencoder, half.path, half.params, np.int32(n_kept)
        )
        return self._stream(read, n_rows, width, half, program)

    def costs(self, objective, traced, encoder_input, target, noise, n_kept):
        """Return the ``objective`` (n,) of ``encoder_input`` (n, d) at ``n_kept`` components.

        Values that do not count are NaN in ``target`` (n, d); ``noise`` (n, k) is the codes'.
        """
        half, padding = self._half("whole", _whole), self.network.n_components - noise.shape[1]
        noise = np.pad(noise, ((0, 0), (0, padding)))
        rows = np.column_stack([self._inputs(encoder_input), *observed_values(target), noise])
        program = partial(
            _cost_tiles, objective, half.path, half.params, traced, np.int32(n_kept)
        )
        return self._all_at_once(rows, half, program)[:, 0]

    def corrupted(self, objective, level, X, seed):
        """Return scaled rows ``X`` (n, d) as training corrupts them; NaN if missing."""
        half = self._half("whole", _whole)
        rows = np.column_stack([self.filler.fill(X), np.arange(len(X))])
        program = partial(_corrupt_tiles, objective, half.path, level, np.uint32(seed))
        found = self._all_at_once(rows, half, program)
        return np.where(np.isnan(X), np.nan, found.astype(np.float64))

    def _all_at_once(self, rows, half, program):
        found = self._stream(lambda part: rows[part], len(rows), rows.shape[1], half, program)
        return np.concatenate([block for _, block in found])

    def _inputs(self, X, filled=None):
        rows = self.filler.fill(X) if filled is None else filled
        if not self.reads_missing_indicator:
            return rows
        return np.concatenate([rows, np.isnan(X)], axis=1)

    def _half(self, name, make):
        """Return the Half on JAX's current device: ``make`` is (model) -> (path, params)."""
        there = vars(self).setdefault("_halves", {})
        key = name, jax.default_device.value
        if key not in there and hasattr(self, "_unscaled"):
            half = self._unscaled._half(name, make)
            path = half.path._replace(strength=jax.device_put(self.path.strength))
            there[key] = half._replace(path=path)
        elif key not in there:
            path, params = jax.device_put(make(self))
            (device,) = path.mean.devices()
            tile_rows = self.network.tile_rows if device.platform == "cpu" else None
            there[key] = Half(path, params, tile_rows)
        return there[key]

    def _stream(self, read, n_rows, width, half, program):
        """Return an iterator of (part, results) of all blocks; the first ones are begun."""
        n_tiles, tile_rows = _block_shape(half.tile_rows, max(width, len(self.path.lower)))

        def begin(part, block):
            n_used = -(-(part.stop - part.start) // tile_rows)
            return part, program(block, np.int32(n_used))

        blocks = tiles(read, n_rows, (n_tiles, tile_rows, width))
        return _fetched_ahead(begin(*block) for block in blocks)


def _collected(stream, n_rows, width):
    out = np.empty((n_rows, width), np.float32)
    for part, rows in stream:
        out[part] = rows
    return out


def _block_shape(tile_rows, width):
    """Return how many tiles a block has, and of how many rows."""
    if tile_rows is None:
        bits = np.clip(np.log2(ACCELERATOR_NUMBERS / width), *np.log2(ACCELERATOR_ROWS))
        return 1, 2 ** int(bits)
    return max(1, min(BLOCK_TILES, BLOCK_NUMBERS // (tile_rows * width))), tile_rows


def _fetched_ahead(begun):
    """Return an iterator of results of ``begun``, fetched while further ones are computed."""
    ahead = deque(islice(begun, IN_FLIGHT))

    def fetch():
        while ahead:
            ahead.extend(islice(begun, 1))
            part, result = ahead.popleft()
            rows = np.asarray(result)
            yield part, rows.reshape(-1, rows.shape[-1])[: part.stop - part.start]

    return fetch()


def _whole(model):
    return model.path, model.params


def encoder_of(model):
    """Return the path and weights from columns to codes.

    If the first layer is dense and it is less work, the layer is multiplied by the basis once,
    instead of every row.
    """
    path, layers = model.path, model.params["encoder"]
    if path.basis is not None:
        k = model.network.n_components
        read = model.network._read_columns(layers, path.basis)
        if read is not None:
            path = path._replace(basis=None, projection=path.basis[:, :k])
            layers = read
    return path.only(READ_BY_ENCODER), {"encoder": layers}


def decoder_of(model):
    """Return the path and weights from codes to columns, folded in the same way."""
    path, layers = model.path, model.params["decoder"]
    if path.basis is not None and model.autoencoder.output_activation.in_axes:
        basis = path.basis.T
        written = model.network._write_columns(layers, path.output_scale[:, None] * basis)
        if written is not None:
            layers = written
            path = path._replace(
                basis=None,
                loadings=product(path.loadings, basis),
                offset=product(path.offset, basis),
                output_scale=np.ones_like(path.mean),
            )
    return path.only(READ_BY_DECODER), {"decoder": layers}


def _shape_of_block(*arguments):
    return arguments[-2].shape


@compiled(1, shape_of=_shape_of_block, most=MOST_SMALL_PROGRAMS)
def _encode_tiles(autoencoder, path, params, block, n_used):
    def encode_row(row):
        return autoencoder.encode(path, params, _axes(path, row))

    return _each_tile(encode_row, block, n_used, autoencoder.network.n_components)


@compiled(1, shape_of=_shape_of_block, most=MOST_SMALL_PROGRAMS)
def _decode_tiles(autoencoder, path, params, n_kept, block, n_used):
    def decode_row(z):
        out = autoencoder.decode(path, params, z, n_kept)
        return jnp.clip(autoencoder.columns(path, out), path.floor, path.ceiling)

    return _each_tile(decode_row, block, n_used, len(path.floor))


@compiled(1, shape_of=_shape_of_block)
def _cost_tiles(objective, path, params, traced, n_kept, block, n_used):
    d, k = len(path.lower), objective.network.n_components
    n_inputs = block.shape[-1] - 2 * d - k

    def cost_of(row):
        x, target, observed, noise = jnp.split(row, np.cumsum([n_inputs, d, d]).tolist())
        rows = (_axes(path, x), target, observed, n_kept, noise)
        return objective.cost(params, path, traced, *rows)[None]

    return _each_tile(cost_of, block, n_used, 1)


@compiled(1, shape_of=_shape_of_block)
def _corrupt_tiles(objective, path, level, seed, block, n_used):
    root = jax.random.key(seed)
    in_columns = path._replace(basis=None)

    def corrupt_row(row):
        key = jax.random.fold_in(root, row[-1].astype(jnp.int32))
        return path.mean + objective.corrupt(key, row[:-1] - path.mean, level, in_columns)

    return _each_tile(corrupt_row, block, n_used, len(path.mean))


def _axes(path, row):
    """Return the encoder's inputs of one row: its axes, then its missing indicator if any."""
    x, indicator = jnp.split(row, [len(path.mean)])
    x = x - path.mean
    x = x if path.basis is None else x @ path.basis
    return jnp.concatenate([x, indicator]) if len(indicator) else x


def _each_tile(row_function, block, n_used, width):
    """Apply ``row_function`` to the first ``n_used`` tiles of ``block``, one after another."""
    n_tiles, tile_rows, _ = block.shape
    out = jnp.zeros((n_tiles, tile_rows, width), block.dtype)
    return jax.lax.fori_loop(
        0, n_used, lambda i, out: out.at[i].set(jax.vmap(row_function)(block[i])), out
    )
