"""Optimizers and learning-rate schedules, by name.

An optimizer is an Optax factory, called with a traced ``learning_rate`` inside the compiled
step: one program serves every rate. Weight decay is decoupled (Loshchilov and Hutter 2019,
doi:10.48550/arXiv.1711.05101) for all of them: by the factory's own parameter, or added to its
update. Optax documents each: https://optax.readthedocs.io/en/latest/api/optimizers.html

=============  ================================================================================
adamw, adam    Adam (Kingma and Ba 2015, doi:10.48550/arXiv.1412.6980). Both decays are
               decoupled, so that the two differ by rounding.
nadam          Adam with Nesterov's momentum (Dozat 2016,
               https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ).
sgd            Gradient descent (Robbins and Monro 1951, doi:10.1214/aoms/1177729586). This and
               the next two want rates some hundred times Adam's, and a weight decay smaller
               by that factor.
momentum       The same with momentum 0.9 (Polyak 1964, doi:10.1016/0041-5553(64)90137-5).
nesterov       With Nesterov's momentum 0.9 (Sutskever et al. 2013,
               https://proceedings.mlr.press/v28/sutskever13.html).
rmsprop        Divides by the gradients' recent size (Graves 2013,
               doi:10.48550/arXiv.1308.0850).
lion           Steps by the momentum's sign (Chen et al. 2023, doi:10.48550/arXiv.2302.06675).
muon           Makes the momentum of every matrix orthogonal (Jordan et al. 2024,
               https://kellerjordan.github.io/posts/muon/); all other weights are Adam's. It
               wants rates of about 0.02, and can make a step several times as long.
schedule_free  AdamW at a mean of the past iterates x and the last one z (Defazio et al. 2024,
               doi:10.48550/arXiv.2405.15682). It wants a schedule that does not fall, such as
               "warmup". The running average of y = 0.9 x + 0.1 z is evaluated and kept, as for
               every optimizer, and not x.
lbfgs          Remembers the curvature of ten steps, and searches the length of each (Liu and
               Nocedal 1989, doi:10.1007/BF01589116): neither the learning rate nor clipping
               counts. It is for whole batches without noise (``batch_size`` of all samples,
               ``corruption=None``, ``ordered=False``). A step costs several gradients.
=============  ================================================================================

A schedule is a function ``n_steps -> factors`` on the learning rate, an array (n_steps,) that
NumPy computes before the fit: a fold and the training on all samples have the same rates. All
but "constant" rise linearly at first, "one_cycle" along a half cosine. Only "plateau" follows
the loss.
"""

import inspect
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

OPTIMIZERS: dict[str, tuple[str, dict]] = {  # names in Optax, which the first fit imports
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
FIRST_FACTOR = 0.04  # of one cycle
LAST_FACTOR = 0.01  # of the exponential schedule
PLATEAU = {
    "accumulation_size": 50,  # steps whose mean loss is one value
    "patience": 4,  # values without improvement until the rate falls
    "factor": 0.5,
    "rtol": 1e-3,  # the improvement that counts
    "min_scale": LAST_FACTOR,
}


def make_optimizer(
    optimizer: str | Callable, learning_rate: Any, weight_decay: Any, follows_loss: bool = False
) -> Any:
    """Return the Optax transformation of a name or factory at these (traced) numbers.

    It clips gradients to a global norm of LARGEST_NORM. ``update`` takes ``value``, ``grad``
    and ``value_fn``, and uses what it needs. Its state does not hold the numbers, so that the
    step can make the transformation again each time. With ``follows_loss`` the rate is halved
    whenever the loss has stopped falling.
    """
    import optax
    from optax.contrib import reduce_on_plateau

    decay = optax.add_decayed_weights(-learning_rate * weight_decay)
    made = transformation_of(optimizer, learning_rate, weight_decay)
    if optimizer == "lbfgs":
        parts = [optax.lbfgs(), decay]
    else:
        parts = [_clip(), made] if _own_decays(optimizer) else [_clip(), made, decay]
    if follows_loss:
        parts.append(reduce_on_plateau(**PLATEAU))
    return optax.with_extra_args_support(optax.chain(*parts))


def transformation_of(optimizer: str | Callable, learning_rate: Any, weight_decay: Any) -> Any:
    """Return what a name or a factory makes of the numbers, whatever that is."""
    decays = dict.fromkeys(_own_decays(optimizer), weight_decay)
    return _factory(optimizer)(learning_rate, **decays)


def is_elementwise(optimizer: str | Callable) -> bool:
    """Return whether the update is the same if all weights are in one vector.

    It is not known for a user's own factory.
    """
    return isinstance(optimizer, str) and optimizer not in BY_MATRIX


def _factory(optimizer):
    import optax

    if not isinstance(optimizer, str):
        return optimizer
    name, settings = OPTIMIZERS[optimizer]
    return partial(attrgetter(name)(optax), **settings)


def _own_decays(optimizer):
    """Return the names of the factory's own parameters for weight decay."""
    accepted = inspect.signature(_factory(optimizer)).parameters
    return [name for name in DECAYS if name in accepted]


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


def cosine(n_steps: int) -> NDArray[np.float64]:
    """Fall along a half cosine to zero (Loshchilov and Hutter 2017, "SGDR").

    doi:10.48550/arXiv.1608.03983
    """
    rise, fall = _phases(n_steps)
    return np.minimum(rise, 0.5 * (1.0 + np.cos(np.pi * fall)))


def linear(n_steps: int) -> NDArray[np.float64]:
    """Fall along a straight line to zero (Defazio et al. 2023, "Optimal linear decay").

    doi:10.48550/arXiv.2310.07831
    """
    rise, fall = _phases(n_steps)
    return np.minimum(rise, 1.0 - fall)


def exponential(n_steps: int) -> NDArray[np.float64]:
    """Fall by equal ratios to a hundredth (Li, Zhuang and Orabona 2021, "A second look").

    doi:10.48550/arXiv.2002.05273
    """
    rise, fall = _phases(n_steps)
    return np.minimum(rise, LAST_FACTOR**fall)


def one_cycle(n_steps: int) -> NDArray[np.float64]:
    """Rise from a 25th over three tenths, then fall to zero, both along half cosines.

    Smith and Topin 2019, "Super-convergence", doi:10.1117/12.2520589. No momentum is cycled.
    """
    rise, fall = _phases(n_steps, 0.3)
    height = 0.5 * (1.0 - FIRST_FACTOR)
    climb = FIRST_FACTOR + height * (1.0 - np.cos(np.pi * np.minimum(rise, 1.0)))
    return np.minimum(climb, 0.5 * (1.0 + np.cos(np.pi * fall)))


def warmup(n_steps: int) -> NDArray[np.float64]:
    """Stay at one after the rise (Goyal et al. 2017, doi:10.48550/arXiv.1706.02677)."""
    return np.minimum(_phases(n_steps)[0], 1.0)


def _phases(n_steps, warmup=0.1):
    """Return how far the rise is, from above 0 to beyond 1, and the fall, from 0 to below 1."""
    step = np.arange(n_steps)
    rise = max(1.0, warmup * n_steps)
    fall = np.clip((step - rise) / max(1.0, n_steps - rise), 0.0, 1.0)
    return (step + 1) / rise, fall


SCHEDULES: dict[str, Callable[[int], NDArray]] = {
    "cosine": cosine,
    "linear": linear,
    "exponential": exponential,
    "one_cycle": one_cycle,
    "warmup": warmup,
    "constant": np.ones,
    "plateau": warmup,  # and the optimizer halves the rate while the loss stays
}
