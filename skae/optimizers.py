"""Optimizers and learning-rate schedules, by name.

An optimizer is an Optax factory called with a traced ``learning_rate`` inside the compiled
step, so that one program serves every rate. A schedule is a function (n_steps) -> array of
factors on the learning rate, one per step, computed by NumPy ahead of the fit.
"""

import inspect

import numpy as np

OPTIMIZERS = {  # names in Optax, which is imported when the first fit needs it
    "adamw": "adamw",
    "adam": "adam",
    "lion": "lion",
    "sgd": "sgd",
}

MAX_GRADIENT_NORM = 1.0


def make_optimizer(optimizer, learning_rate, weight_decay):
    """Return the Optax transformation of a name or factory at these numbers.

    Gradients are clipped at a global norm of 1. Weight decay is decoupled [1]_ for every
    optimizer: by its own parameter where it has one, otherwise added to its update.

    Parameters
    ----------
    optimizer : str or callable
        A key of ``OPTIMIZERS``, or an Optax factory.
    learning_rate : float or jax.Array
        Learning rate of this step; may be traced.
    weight_decay : float or jax.Array
        Weight decay in units of the learning rate; may be traced.

    Returns
    -------
    transformation : optax.GradientTransformation
        To be built anew at every step: its state does not hold the numbers.

    References
    ----------
    .. [1] Loshchilov, I., Hutter, F. (2019). "Decoupled weight decay regularization". ICLR.
       `doi:10.48550/arXiv.1711.05101 <https://doi.org/10.48550/arXiv.1711.05101>`_
    """
    import optax

    is_name = isinstance(optimizer, str)
    factory = getattr(optax, OPTIMIZERS[optimizer]) if is_name else optimizer
    clip = optax.clip_by_global_norm(MAX_GRADIENT_NORM)
    if "weight_decay" in inspect.signature(factory).parameters:
        return optax.chain(clip, factory(learning_rate, weight_decay=weight_decay))
    decay = optax.add_decayed_weights(-learning_rate * weight_decay)
    return optax.chain(clip, factory(learning_rate), decay)


def cosine(n_steps, warmup=0.1):
    """Rise linearly over the first tenth, then fall along a half cosine to zero.

    Parameters
    ----------
    n_steps : int
        Number of steps of the whole training.
    warmup : float, default=0.1
        Share of the steps that rise.

    Returns
    -------
    factors : ndarray of shape (n_steps,)
        Factors on the learning rate.
    """
    step = np.arange(n_steps)
    rise = max(1.0, warmup * n_steps)
    fall = np.clip((step - rise) / max(1.0, n_steps - rise), 0.0, 1.0)
    return np.minimum((step + 1) / rise, 0.5 * (1.0 + np.cos(np.pi * fall)))


def constant(n_steps):
    """Return the same factor, one, at every step.

    Parameters
    ----------
    n_steps : int
        Number of steps of the whole training.

    Returns
    -------
    factors : ndarray of shape (n_steps,)
        Factors on the learning rate.
    """
    return np.ones(n_steps)


SCHEDULES = {"cosine": cosine, "constant": constant}
