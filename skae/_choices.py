"""Every "auto" made a choice: from an estimator's parameters and its rows to a Recipe.

What compiled programs depend on (widths, axes, batch size) changes with the number of rows
in powers of two at most, so that the folds of a search share one program. A share of variance
as ``n_components`` is the exception: its number of components follows the rows.
"""

from numbers import Integral

import jax
import numpy as np

from skae._linear import MOST_FILLING, fit_axes, piles
from skae._objective import Objective
from skae._training import Program, make_plan
from skae._trials import Recipe
from skae.architectures import ARCHITECTURES

USUAL_BATCH = 64  # rows, below which the rate falls as their number's root
FEW = 4  # components, below which depth and a high rate serve best, from there on width
LOGISTIC_SHARE = 0.2  # of all cells at the ends of their columns' ranges
MARGIN = 0.25  # of the variance left, since held-out rows are explained less than training rows
MOST_COMPONENTS = 512  # that a float n_components starts from


def make_recipe(params, rows, seed, continued=None):
    """Return the Recipe for scaled ``rows`` under an estimator's parameters.

    ``continued`` is the Model that a warm start goes on from, whose sizes are kept.
    """
    n, d = rows.values.shape
    linear = params.linear_path is not None
    if continued is None:
        link, n_components = _link(params, rows.values), _n_components(params, rows)
        n_axes = _n_axes(n, d) if linear else d
        marks = bool(np.isnan(rows.values).any())
        n_inputs = n_axes + d if marks else n_axes
        network = _network(params, n_inputs, d if link == "logistic" else n_axes, n_components)
    else:
        link, network, marks = continued.link, continued.network, continued.sees_marks
        n_axes = network.n_inputs - d if marks else network.n_inputs
    objective = Objective(network, link, params.ordered, params.corruption)
    batch_size = _batch_size(params.batch_size, n)
    plan = make_plan(
        n,
        _n_weights(network),
        batch_size=batch_size,
        max_iter=params.max_iter,
        auto_steps=4000 if network.n_components < FEW else 3000,
        patience=params.n_iter_no_change,
        tol=params.tol,
        rate=_learning_rate(params.learning_rate, network.n_components, batch_size),
        schedule=params.learning_rate_schedule,
    )
    numbers = {
        "weight_decay": np.float32(params.weight_decay),
        "corruption_level": np.float32(params.corruption_level),
    }
    program = Program(objective, params.optimizer)
    return Recipe(program, plan, n_axes, linear, params.clip, numbers, seed, marks)


def _link(params, X):
    if params.output_activation != "auto":
        return params.output_activation
    share = sum(at_end.mean() for at_end in piles(X))
    return "logistic" if share >= LOGISTIC_SHARE else "identity"


def _n_components(params, rows):
    """Return the size of the code to train, from an int or a share of variance."""
    if isinstance(params.n_components, Integral):
        return int(params.n_components)
    rank = min(rows.values.shape)
    variances = fit_axes(rows, rank, min(MOST_FILLING, max(1, rank - 1)))[0].variances
    share = variances.cumsum() / (variances.sum() or 1.0)
    wanted = params.n_components + MARGIN * (1 - params.n_components)
    needed = 1 + int(np.searchsorted(share, wanted))
    return min(needed, len(share), MOST_COMPONENTS)


def _n_axes(n_rows, n_features):
    """Return the number of principal axes: all there can be, padded to a power of two."""
    if n_rows >= n_features:
        return n_features
    return min(n_features, 2 ** int(np.ceil(np.log2(n_rows))))


def _network(params, n_inputs, n_outputs, n_components):
    architecture = params.architecture
    if isinstance(architecture, str):
        architecture = ARCHITECTURES[architecture]()
    if not hasattr(architecture, "network"):
        raise TypeError(
            f"architecture must be one of {sorted(ARCHITECTURES)} or an instance of an "
            f"architecture such as skae.architectures.Dense, got {architecture!r}."
        )
    architecture._validate_params()
    return architecture.network(
        n_inputs,
        n_outputs,
        n_components,
        _layer_sizes(params.hidden_layer_sizes, n_components),
        params.activation,
        zero_start=params.linear_path is not None,
    )


def _batch_size(size, n_rows):
    if size != "auto":
        return size
    return 32 if n_rows < 512 else 64 if n_rows < 8192 else 128


def _learning_rate(rate, n_components, batch_size):
    """Return the rate: lower where the gradients of small batches are noisier."""
    if rate != "auto":
        return rate
    rate = 3e-3 if n_components < FEW else 1e-3
    return rate * min(1.0, (batch_size / USUAL_BATCH) ** 0.5)


def _layer_sizes(sizes, n_components):
    """Return the widths: short codes need depth, long ones width."""
    if isinstance(sizes, str):
        return (128, 128, 128, 128) if n_components < FEW else (512, 256)
    sizes = tuple(sizes)
    if not all(_is_width(size) for size in sizes):
        raise ValueError(
            f"hidden_layer_sizes must hold whole numbers above 0, got {sizes}. "
            "Use () for linear maps."
        )
    return tuple(int(size) for size in sizes)


def _is_width(size):
    return isinstance(size, Integral) and not isinstance(size, bool | np.bool_) and size > 0


def _n_weights(network):
    """Return how many numbers the weights of ``network`` hold."""
    return sum(leaf.size for leaf in jax.tree.leaves(network.init(np.random.default_rng(0))))
