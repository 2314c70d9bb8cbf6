"""Optimizers and learning-rate schedules, by name.

An optimizer is an Optax factory called with a traced ``learning_rate`` inside the compiled
step, so that one program serves every rate. A schedule is a function (n_steps) -> array of
factors on the learning rate, one per step, computed by NumPy ahead of the fit, so that a fold
and the training on all rows have the same rates. "plateau" alone follows the loss.
"""

import inspect
from functools import partial
from operator import attrgetter

import jax
import jax.numpy as jnp
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
    "lbfgs": ("lbfgs", {}),
}

BY_MATRIX = {"muon"}  # all other names do the same to every number
DECAYS = "weight_decay", "adam_weight_decay"  # Muon has one for the matrices, one for the rest
LARGEST_NORM = 1.0  # of all gradients together
FIRST_FACTOR = 0.04  # that one cycle begins at
LAST_FACTOR = 0.01  # that the exponential schedule falls to
# Of "plateau": steps whose mean loss is one value, values without improvement until the rate
# falls, the factor by which it does, the improvement that counts, and the least factor.
PLATEAU = {
    "accumulation_size": 50,
    "patience": 4,
    "factor": 0.5,
    "rtol": 1e-3,
    "min_scale": LAST_FACTOR,
}


def make_optimizer(optimizer, learning_rate, weight_decay, follows_loss=False):
    """Return the Optax transformation of a name or factory at these numbers.

    Gradients are scaled down to a global norm of at most 1. Weight decay
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
    - "lbfgs" remembers ten steps' curvature [11]_ and searches the length of each step, which
      is its own business: neither the learning rate nor clipping counts. It is
      made for whole batches without noise (``batch_size`` of all rows, ``corruption=None``,
      ``ordered=False``), and one of its steps costs several gradients.

    Parameters
    ----------
    optimizer : str or callable
        A key of ``OPTIMIZERS``, or an Optax factory.
    learning_rate : float or jax.Array
        Learning rate of this step; may be traced.
    weight_decay : float or jax.Array
        Weight decay in units of the learning rate; may be traced.
    follows_loss : bool, default=False
        Halve the rate each time that the loss has stopped falling.

    Returns
    -------
    transformation : optax.GradientTransformationExtraArgs
        To be built anew at every step: its state does not hold the numbers. ``update`` takes
        ``value``, ``grad`` and ``value_fn``, and uses what it needs.

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
    .. [11] Liu, D. C., Nocedal, J. (1989). "On the limited memory BFGS method for large scale
       optimization". Mathematical Programming 45, 503-528. `doi:10.1007/BF01589116
       <https://doi.org/10.1007/BF01589116>`_
    """
    import optax
    from optax.contrib import reduce_on_plateau

    parts = _parts(optimizer, learning_rate, weight_decay)
    if follows_loss:
        parts = *parts, reduce_on_plateau(**PLATEAU)
    return optax.with_extra_args_support(optax.chain(*parts))


def _parts(optimizer, learning_rate, weight_decay):
    """Return the transformations that an update goes through, one after another."""
    import optax

    decay = optax.add_decayed_weights(-learning_rate * weight_decay)
    if optimizer == "lbfgs":
        return optax.lbfgs(), decay
    made = transformation_of(optimizer, learning_rate, weight_decay)
    clip = _clip()
    return (clip, made) if _own_decays(optimizer) else (clip, made, decay)


def transformation_of(optimizer, learning_rate, weight_decay):
    """Return what a name or a factory makes of the numbers, by itself.

    Parameters
    ----------
    optimizer : str or callable
        A key of ``OPTIMIZERS``, or an Optax factory.
    learning_rate : float or jax.Array
        Learning rate of this step; may be traced.
    weight_decay : float or jax.Array
        Weight decay, for factories that have a parameter for it.

    Returns
    -------
    transformation : optax.GradientTransformation
        What a factory returned, whatever that is.
    """
    decays = dict.fromkeys(_own_decays(optimizer), weight_decay)
    return _factory(optimizer)(learning_rate, **decays)


def _own_decays(optimizer):
    """Return the names of the factory's own parameters for the decay of weights."""
    accepted = inspect.signature(_factory(optimizer)).parameters
    return [name for name in DECAYS if name in accepted]


def is_elementwise(optimizer):
    """Return whether an ``OPTIMIZERS`` key's update is the same with all weights in a vector.

    Of a user's own Optax factory that is not known.

    Parameters
    ----------
    optimizer : str or callable
        A key of ``OPTIMIZERS``, or an Optax factory.

    Returns
    -------
    is_elementwise : bool
        True where shapes of weights do not matter.
    """
    return isinstance(optimizer, str) and optimizer not in BY_MATRIX


def _clip():
    """Return the transformation to a global norm of at most LARGEST_NORM.

    Optax's own divides every gradient; one factor for all is part of the kernels that follow.
    """
    import optax

    def update(gradient, state, params=None):
        squares = [jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(gradient)]
        norm = jnp.maximum(jnp.sqrt(sum(squares)), jnp.finfo(jnp.float32).tiny)
        factor = jnp.minimum(1.0, LARGEST_NORM / norm)
        return jax.tree.map(lambda leaf: leaf * factor, gradient), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


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


def plateau(n_steps, share=0.1):
    """Rise linearly over the first tenth; the rate is then halved whenever the loss stays.

    The mean loss of 50 steps is compared with the lowest so far; four without an improvement
    by a thousandth halve the rate, down to a hundredth.

    Parameters
    ----------
    n_steps : int
        Number of steps of the whole training.
    share : float, default=0.1
        Share of the steps that rise.

    Returns
    -------
    factors : ndarray of shape (n_steps,)
        Factors on the learning rate, but for the halving, which no array can tell in advance.
    """
    return warmup(n_steps, share)


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
    "plateau": plateau,
}
