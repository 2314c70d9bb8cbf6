"""Corruptions of the input during training (denoising autoencoders).

Each is a function ``(key, x, level, path) -> x`` of one sample's inputs: principal axes
(columns for ``linear_path=None``), followed by missing indicators if there are any. ``path``
is the LinearPath that says what the inputs mean. Level 0 leaves ``x`` as it is.
Source: Vincent et al. (2010), "Stacked denoising autoencoders", JMLR 11, 3371-3408.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def gaussian(key: jax.Array, x: jax.Array, level: jax.Array, path: Any) -> jax.Array:
    """Add normal noise of standard deviation ``level * path.noise_scale``."""
    return x + level * path.noise_scale * jax.random.normal(key, x.shape, x.dtype)


def masking(key: jax.Array, x: jax.Array, level: jax.Array, path: Any) -> jax.Array:
    """Set each column to its mean with probability ``level``."""

    def mask(key, row, level):
        return jnp.where(jax.random.bernoulli(key, level, row.shape), path.mean, row)

    return in_columns(mask, key, x, level, path)


def salt_and_pepper(key: jax.Array, x: jax.Array, level: jax.Array, path: Any) -> jax.Array:
    """Set each column to its minimum or maximum in training with probability ``level``."""

    def season(key, row, level):
        where_key, which_key = jax.random.split(key)
        hit = jax.random.bernoulli(where_key, level, row.shape)
        upper = jax.random.bernoulli(which_key, 0.5, row.shape)
        return jnp.where(hit, jnp.where(upper, path.upper, path.lower), row)

    return in_columns(season, key, x, level, path)


def in_columns(
    corrupt: Callable, key: jax.Array, x: jax.Array, level: jax.Array, path: Any
) -> jax.Array:
    """Apply ``corrupt(key, row, level)`` to the columns that the inputs ``x`` stand for.

    ``corrupt`` gets and returns a row (n_features,) in scaled units. If it changes nothing,
    ``x`` is unchanged to the bit.
    """
    n_axes = len(path.mean) if path.basis is None else path.basis.shape[1]
    axes = x[:n_axes]
    row = path.mean + (axes if path.basis is None else path.basis @ axes)
    change = corrupt(key, row, level) - row
    change = change if path.basis is None else change @ path.basis
    return jnp.concatenate([axes + change, x[n_axes:]])


CORRUPTIONS = {"gaussian": gaussian, "masking": masking, "salt_and_pepper": salt_and_pepper}
