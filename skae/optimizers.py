"""Optimizers and learning-rate schedules, by name.

An optimizer is an Optax factory called with a traced ``learning_rate`` inside the compiled
step, so that one program serves every rate. A schedule is a function (n_steps) -> array of
factors on the learning rate, one per step, computed by NumPy ahead of the fit; it cannot
follow the loss, since a fold and the training on all rows must have the same rates.
"""

import inspect
from functools import partial
from operator import attrgetter

import numpy as np

OPTIMIZERS = {  # names in Optax, which is imported when the first fit needs it, and settings
    "adamw": ("adamw", {}),
    "adam": ("adam", {}),
    "nadam": ("nadam", {}),
    "sgd": ("sgd", {}),
    "momentum": ("sgd", {"momentum": 0.9}),
    "nesterov": ("sgd", {"momentum": 0.9, "nesterov": True}),
    "rmsprop": ("rmsprop", {}),
    "lion": ("lion", {}),
    "muon": ("contrib.muon", {}),
    "schedule_free": ("contrib.schedule_free_adamw", {}),
}

DECAYS = "weight_decay", "adam_weight_decay"  # Muon has one for the matrices, one for the rest
FIRST_FACTOR = 0.04  # that one cycle begins at
LAST_FACTOR = 0.01  # that the exponential schedule falls to


def make_optimizer(optimizer, learning_rate, weight_decay, max_gradient_norm):
    """Return the Optax transformation of a name or factory at these numbers.

    Gradients are scaled down to a global norm of at most ``max_gradient_norm``. Weight decay
    is decoupled [1]_ for every optimizer: by its own parameter where it has one, otherwise
    added to its update.

    - "adamw" and "adam" are Adam [2]_; they differ by rounding, as both decays are decoupled.
    - "nadam" is Adam with Nesterov's momentum [3]_.
    - "sgd" is plain gradient descent [4]_, "momentum" has the heavy ball's [5]_ and
      "nesterov" Nesterov's momentum [6]_, both of 0.9. Their steps shrink with the gradient:
      they want rates some hundred times Adam's, and a weight decay as many times smaller.
    - "rmsprop" divides by the gradients' recent size [7]_.
    - "lion" steps by the momentum's sign [8]_.
    - "muon" makes the momentum of every matrix orthogonal [9]_; all other weights are Adam's.
      It wants rates of about 0.02, and its matrix products can make a step several times as
      long.
    - "schedule_free" is AdamW at a mean of the past iterates x and the last one z [10]_.
      It wants a schedule that does not fall, such as "warmup". What is judged and kept is
      the running average of y = 0.9 x + 0.1 z, as of every optimizer, and not x itself.

    Parameters
    ----------
    optimizer : str or callable
        A key of ``OPTIMIZERS``, or an Optax factory.
    learning_rate : float or jax.Array
        Learning rate of this step; may be traced.
    weight_decay : float or jax.Array
        Weight decay in units of the learning rate; may be traced.
    max_gradient_norm : float or jax.Array
        Largest norm of all gradients together; may be traced, may be infinite.

    Returns
    -------
    transformation : optax.GradientTransformation
        To be built anew at every step: its state does not hold the numbers.

    References
    ----------
    .. [1] Loshchilov, I., Hutter, F. (2019). "Decoupled weight decay regularization". ICLR.
       `doi:10.48550/arXiv.1711.05101 <https://doi.org/10.48550/arXiv.1711.05101>`_
    .. [2] Kingma, D. P., Ba, J. (2015). "Adam: a method for stochastic optimization". ICLR.
       `doi:10.48550/arXiv.1412.6980 <https://doi.org/10.48550/arXiv.1412.6980>`_
    .. [3] Dozat, T. (2016). "Incorporating Nesterov momentum into Adam". ICLR workshop.
       `<https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ>`_
    .. [4] Robbins, H., Monro, S. (1951). "A stochastic approximation method". Annals of
       Mathematical Statistics 22, 400-407. `doi:10.1214/aoms/1177729586
       <https://doi.org/10.1214/aoms/1177729586>`_
    .. [5] Polyak, B. T. (1964). "Some methods of speeding up the convergence of iteration
       methods". USSR Computational Mathematics and Mathematical Physics 4(5), 1-17.
       `doi:10.1016/0041-5553(64)90137-5 <https://doi.org/10.1016/0041-5553(64)90137-5>`_
    .. [6] Sutskever, I., Martens, J., Dahl, G., Hinton, G. (2013). "On the importance of
       initialization and momentum in deep learning". ICML.
       `<https://proceedings.mlr.press/v28/sutskever13.html>`_
    .. [7] Graves, A. (2013). "Generating sequences with recurrent neural networks".
       `doi:10.48550/arXiv.1308.0850 <https://doi.org/10.48550/arXiv.1308.0850>`_
    .. [8] Chen, X. et al. (2023). "Symbolic discovery of optimization algorithms". NeurIPS.
       `doi:10.48550/arXiv.2302.06675 <https://doi.org/10.48550/arXiv.2302.06675>`_
    .. [9] Jordan, K. et al. (2024). "Muon: an optimizer for hidden layers in neural
       networks". `<https://kellerjordan.github.io/posts/muon/>`_
    .. [10] Defazio, A. et al. (2024). "The road less scheduled". NeurIPS.
       `doi:10.48550/arXiv.2405.15682 <https://doi.org/10.48550/arXiv.2405.15682>`_
    """
    import optax

    factory = _factory(optimizer)
    clip = optax.clip_by_global_norm(max_gradient_norm)
    accepted = inspect.signature(factory).parameters
    own_decays = {name: weight_decay for name in DECAYS if name in accepted}
    if own_decays:
        return optax.chain(clip, factory(learning_rate, **own_decays))
    decay = optax.add_decayed_weights(-learning_rate * weight_decay)
    return optax.chain(clip, factory(learning_rate), decay)


def _factory(optimizer):
    """Return the Optax factory of a name, its settings filled in; a factory stays itself."""
    import optax

    if not isinstance(optimizer, str):
        return optimizer
    name, settings = OPTIMIZERS[optimizer]
    return partial(attrgetter(name)(optax), **settings)


def cosine(n_steps, warmup=0.1):
    """Rise linearly over the first tenth, then fall along a half cosine to zero [1]_.

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

    References
    ----------
    .. [1] Loshchilov, I., Hutter, F. (2017). "SGDR: stochastic gradient descent with warm
       restarts". ICLR. `doi:10.48550/arXiv.1608.03983
       <https://doi.org/10.48550/arXiv.1608.03983>`_
    """
    rise, fall = _phases(n_steps, warmup)
    return np.minimum(rise, 0.5 * (1.0 + np.cos(np.pi * fall)))


def linear(n_steps, warmup=0.1):
    """Rise linearly over the first tenth, then fall along a straight line to zero [1]_.

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

    References
    ----------
    .. [1] Defazio, A., Cutkosky, A., Mehta, H., Mishchenko, K. (2023). "Optimal linear decay
       learning rate schedules and further refinements".
       `doi:10.48550/arXiv.2310.07831 <https://doi.org/10.48550/arXiv.2310.07831>`_
    """
    rise, fall = _phases(n_steps, warmup)
    return np.minimum(rise, 1.0 - fall)


def exponential(n_steps, warmup=0.1):
    """Rise linearly over the first tenth, then fall by equal ratios to a hundredth [1]_.

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

    References
    ----------
    .. [1] Li, X., Zhuang, Z., Orabona, F. (2021). "A second look at exponential and cosine step
       sizes: simplicity, adaptivity, and performance". ICML.
       `doi:10.48550/arXiv.2002.05273 <https://doi.org/10.48550/arXiv.2002.05273>`_
    """
    rise, fall = _phases(n_steps, warmup)
    return np.minimum(rise, LAST_FACTOR**fall)


def one_cycle(n_steps, warmup=0.3):
    """Rise from a 25th over three tenths, then fall to zero, both along half cosines [1]_.

    Of the one-cycle policy this is the learning rate: no momentum is cycled against it.

    Parameters
    ----------
    n_steps : int
        Number of steps of the whole training.
    warmup : float, default=0.3
        Share of the steps that rise.

    Returns
    -------
    factors : ndarray of shape (n_steps,)
        Factors on the learning rate.

    References
    ----------
    .. [1] Smith, L. N., Topin, N. (2019). "Super-convergence: very fast training of neural
       networks using large learning rates". SPIE 11006.
       `doi:10.1117/12.2520589 <https://doi.org/10.1117/12.2520589>`_
    """
    rise, fall = _phases(n_steps, warmup)
    height = 0.5 * (1.0 - FIRST_FACTOR)
    climb = FIRST_FACTOR + height * (1.0 - np.cos(np.pi * np.minimum(rise, 1.0)))
    return np.minimum(climb, 0.5 * (1.0 + np.cos(np.pi * fall)))


def warmup(n_steps, share=0.1):
    """Rise linearly over the first tenth, then stay at one [1]_.

    Parameters
    ----------
    n_steps : int
        Number of steps of the whole training.
    share : float, default=0.1
        Share of the steps that rise.

    Returns
    -------
    factors : ndarray of shape (n_steps,)
        Factors on the learning rate.

    References
    ----------
    .. [1] Goyal, P. et al. (2017). "Accurate, large minibatch SGD: training ImageNet in 1
       hour". `doi:10.48550/arXiv.1706.02677
       <https://doi.org/10.48550/arXiv.1706.02677>`_
    """
    rise, _ = _phases(n_steps, share)
    return np.minimum(rise, 1.0)


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


def _phases(n_steps, warmup):
    """Return how far the rise is, from above 0 to beyond 1, and the fall, from 0 to below 1."""
    step = np.arange(n_steps)
    rise = max(1.0, warmup * n_steps)
    fall = np.clip((step - rise) / max(1.0, n_steps - rise), 0.0, 1.0)
    return (step + 1) / rise, fall


SCHEDULES = {
    "cosine": cosine,
    "linear": linear,
    "exponential": exponential,
    "one_cycle": one_cycle,
    "warmup": warmup,
    "constant": constant,
}
