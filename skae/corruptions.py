"""Corruptions: noise put on the input while training (denoising autoencoders).

Each is a function (key, x, level, unit) -> x of one sample, where ``unit`` (same shape as
``x``) is the size of what PCA leaves unexplained in each input. At level 0 each is the
identity. Source: Vincent et al., "Stacked denoising autoencoders", JMLR 11, 2010.
"""

import jax


def gaussian(key, x, level, unit):
    """Add normal noise whose standard deviation is ``level * unit``.

    Parameters
    ----------
    key : jax.Array
        Random key.
    x : jax.Array of shape (n_inputs,)
        One sample.
    level : jax.Array
        Strength, a number; 0 leaves ``x`` as it is.
    unit : jax.Array of shape (n_inputs,)
        What PCA leaves unexplained in each input.

    Returns
    -------
    x : jax.Array of shape (n_inputs,)
        The sample with noise.
    """
    return x + level * unit * jax.random.normal(key, x.shape, x.dtype)


CORRUPTIONS = {"gaussian": gaussian}
