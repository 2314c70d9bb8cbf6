"""Corruptions: what is done to the input while training (denoising autoencoders).

Each is a function (key, x, level, path) -> x of the inputs of one sample: its principal axes
(its columns for ``linear_path=None``), and after them marks of missing cells where there are
any. ``path`` is the LinearPath that says what the inputs mean. At level 0 each is the identity.
Source: Vincent et al., "Stacked denoising autoencoders", JMLR 11, 2010.
"""

import jax
import jax.numpy as jnp


def gaussian(key, x, level, path):
    """Add normal noise, ``level`` times what PCA leaves unexplained in each input.

    Parameters
    ----------
    key : jax.Array
        Random key.
    x : jax.Array of shape (n_inputs,)
        One sample.
    level : jax.Array
        Strength, a number; 0 leaves ``x`` as it is.
    path : LinearPath
        Its ``noise_scale`` is the unit of the noise.

    Returns
    -------
    x : jax.Array of shape (n_inputs,)
        The sample with noise.
    """
    return x + level * path.noise_scale * jax.random.normal(key, x.shape, x.dtype)


def masking(key, x, level, path):
    """Set a share ``level`` of the sample's columns to their means.

    Parameters
    ----------
    key : jax.Array
        Random key.
    x : jax.Array of shape (n_inputs,)
        One sample.
    level : jax.Array
        Expected share of the columns, from 0 to 1.
    path : LinearPath
        What the inputs mean.

    Returns
    -------
    x : jax.Array of shape (n_inputs,)
        The sample with masked cells.
    """

    def mask(key, row, level):
        hit = jax.random.bernoulli(key, level, row.shape)
        return jnp.where(hit, path.mean, row)

    return in_columns(mask, key, x, level, path)


def salt_and_pepper(key, x, level, path):
    """Set a share ``level`` of the columns to the end of their range in training, either one.

    Parameters
    ----------
    key : jax.Array
        Random key.
    x : jax.Array of shape (n_inputs,)
        One sample.
    level : jax.Array
        Expected share of the columns, from 0 to 1.
    path : LinearPath
        What the inputs mean, and the range of the columns.

    Returns
    -------
    x : jax.Array of shape (n_inputs,)
        The sample with cells of salt and of pepper.
    """

    def season(key, row, level):
        where_key, which_key = jax.random.split(key)
        hit = jax.random.bernoulli(where_key, level, row.shape)
        grain = jnp.where(
            jax.random.bernoulli(which_key, 0.5, row.shape), path.upper, path.lower
        )
        return jnp.where(hit, grain, row)

    return in_columns(season, key, x, level, path)


def in_columns(corrupt, key, x, level, path):
    """Apply ``corrupt(key, row, level)`` to the columns that the inputs ``x`` stand for.

    Parameters
    ----------
    corrupt : callable
        From a row in scaled units, of shape (n_features,), to such a row.
    key : jax.Array
        Random key.
    x : jax.Array of shape (n_inputs,)
        One sample.
    level : jax.Array
        Strength, handed to ``corrupt``.
    path : LinearPath
        What the inputs mean.

    Returns
    -------
    x : jax.Array of shape (n_inputs,)
        The corrupted sample; where ``corrupt`` changes nothing, exactly ``x``.
    """
    n_axes = len(path.mean) if path.basis is None else path.basis.shape[1]
    axes = x[:n_axes]
    row = path.mean + (axes if path.basis is None else path.basis @ axes)
    change = corrupt(key, row, level) - row
    change = change if path.basis is None else change @ path.basis
    return jnp.concatenate([axes + change, x[n_axes:]])


CORRUPTIONS = {"gaussian": gaussian, "masking": masking, "salt_and_pepper": salt_and_pepper}
