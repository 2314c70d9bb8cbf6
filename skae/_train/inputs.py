"""What a training step reads: batches of rows, and their random bits."""

from functools import partial

import numpy as np

from skae._data.batches import (
    RowSource,
    gather_complete,
    gather_missing,
    hide_blocks,
    hide_values,
    part_rows,
)
from skae._net.objective import N_RANDOM_NUMBERS
from skae._pca.axes import few_threads
from skae._runtime.devices import is_processor

NUMBERS_PER_COUNT = 8  # of 32 bits, from each count of NumPy's Philox generator
MOST_RESIDENT = 2**28  # numbers of rows that an accelerator holds during training


def hide(config, X, rng):
    """Return ``X`` (n, d) with NaN for further values that the nets learn to fill."""
    X = hide_values(X, config.hidden_share, rng) if config.hidden_share else X
    together = config.network.n_hidden_together
    return hide_blocks(X, together, rng) if together else X


def row_source(config, rows, path, filler, rng, *, has_missing):
    """Return the RowSource of the nets' inputs and, if they differ, of their targets."""
    in_axes, size = config.objective.in_axes, config.budget.batch_size

    def inputs(X):
        with few_threads(rows):
            filled = filler.fill(X) - path.mean
            if not rows.in_memory:  # products in float32: each pass may repeat them
                filled = filled.astype(np.float32)
            x = filled if path.basis is None else filled @ path.basis
        return np.concatenate([x, np.isnan(X)], axis=1) if config.missing_indicator else x

    def complete(rows):
        x = np.empty((len(rows), config.network.n_inputs), np.float32)
        for place, block in rows.blocks():
            x[place] = inputs(block)
        return x, None if in_axes else rows.in_any_order()

    def load(part):
        loaded = rows if part is None else rows.take(part)
        if has_missing:
            return gather_missing(loaded.read(), partial(hide, config, rng=rng), inputs)
        return gather_complete(*complete(loaded))

    n_numbers = config.network.n_inputs + (0 if in_axes else rows.shape[1])
    most = part_rows(rows, n_numbers, size, has_missing=has_missing)
    resident = rows.in_memory and not (has_missing or is_processor())
    resident &= config.mesh is None and len(rows) * n_numbers <= MOST_RESIDENT
    table = (*complete(rows), None) if resident else None
    given = {"strata": rows.strata, "most_rows": most, "table": table}
    return RowSource(load, rows.weight, size, rng, **given)


def random_bits(seed, first_step, n_steps, n_rows):
    """Return N_RANDOM_NUMBERS random numbers of 32 bits for each row of some steps.

    The host draws them: in the block, they would take a third of its compile time.
    """
    per_step = -(-n_rows * N_RANDOM_NUMBERS // NUMBERS_PER_COUNT)
    generator = np.random.Philox(key=seed, counter=first_step * per_step)
    bits = generator.random_raw(n_steps * per_step * NUMBERS_PER_COUNT // 2).view(np.uint32)
    bits = bits.reshape(n_steps, -1)[:, : n_rows * N_RANDOM_NUMBERS]
    return bits.reshape(n_steps, n_rows, N_RANDOM_NUMBERS)
