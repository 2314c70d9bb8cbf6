"""Resolve "auto": from an estimator's parameters and its rows to a FitConfig.

Compiled programs depend on the number of rows in powers of two only (axes, batch size), so
that the folds of a search share one program, and on the number of components in a few sizes.
"""

from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral

import jax
import numpy as np

from skae._data.batches import hidden_share
from skae._data.parameters import comparable, is_count, plain_parameters
from skae._data.rows import most_rows
from skae._net.objective import PENALTIES, Autoencoder, Objective
from skae._pca.axes import MOST_FILLING, few_threads, fit_axes
from skae._runtime.devices import find_mesh
from skae._train.budget import Budget, auto_steps, average_decay, make_budget
from skae._train.loop import StepConfig
from skae._train.optimizers import make_optimizer, transformation_of
from skae.architectures._names import find_architecture
from skae.architectures._padding import n_weights
from skae.architectures.dense import FEW, Dense
from skae.losses import Joint, SquaredError, find_loss
from skae.losses._ranges import OUTPUT_ACTIVATIONS

CLIPS = {"identity": False, "clip": True, "logistic": True}  # others clip at piles of values
LOGISTIC_SHARE = 0.2  # of all values at the ends of their columns' ranges
MARGIN = 0.25  # of the unexplained variance, since held-out rows are explained less
MOST_COMPONENTS = 512  # that a float n_components starts from
WIDEST = 4096  # columns; of more the nets see leading axes only, if that is possible
FEWEST_AXES = 128  # of these
DECAY, THIN_DECAY = 0.3, 0.1  # of weights; if a few components explain nearly everything
SETTLED_AFTER = 0.8  # of the steps: then noise and the share of truncated codes are constant
UNWATCHED_BLOCKS = 4  # of a quarter of a second, between checkpoints without evaluation
CODE_SIZES = (
    FEW - 1,
    8,
    24,
    32,
    48,
    64,
    96,
    128,
)  # that codes are padded to; longer ones are not
FINAL = 0  # random stream of the training on all rows; folds have the following ones


@dataclass(frozen=True)
class FitConfig:
    """Everything that decides a fit, except the rows."""

    step_config: StepConfig
    budget: Budget
    n_components: int  # the network's own number may have padding
    n_axes: int
    linear: bool
    clip: object
    traced: dict
    seed: int
    missing_indicator: bool  # the encoder is told which values are missing; more are hidden
    hidden_share: float  # of single values; 0 if only the network's blocks are hidden
    interval: np.ndarray | None  # scaled ends (2, d) of a range that X's units have by nature
    is_reduced: bool = False  # the nets see wide rows as their leading axes

    @property
    def objective(self):
        return self.step_config.objective

    @property
    def autoencoder(self):
        return self.step_config.objective.autoencoder

    @property
    def network(self):
        return self.autoencoder.network

    @property
    def mesh(self):
        return self.step_config.mesh

    @property
    def n_init(self):
        return self.step_config.n_init

    @property
    def is_squared(self):
        return isinstance(self.objective.loss, SquaredError)

    @property
    def without_validation(self):
        """The same FitConfig with few checkpoints, since none is evaluated."""
        stride = max(self.budget.checkpoint_steps, UNWATCHED_BLOCKS * self.budget.block_steps)
        return replace(self, budget=replace(self.budget, checkpoint_steps=stride))

    @property
    def has_plain_errors(self):
        """Whether PCA's errors are squared distances from its axes."""
        return self.interval is None and self.is_squared

    @property
    def has_own_pca(self):
        """Whether PCA has an activation's range or is probabilistic: a net's path."""
        return self.interval is not None or self.autoencoder.variational

    @property
    def falls_back(self):
        """Whether PCA is kept if nets are not better; never with penalties."""
        begins_at_pca = self.linear and self.autoencoder.begins_at_pca
        return begins_at_pca and self.objective.is_error_alone


def make_config(
    params,
    rows,
    scaling,
    seed,
    *,
    sample_shape=None,
    continued=None,
    steps_before=None,
    precision="float32",
) -> FitConfig:
    """Return the FitConfig for ``rows`` in units of ``scaling``.

    ``params`` is the estimator. ``sample_shape`` is None for plain rows. A ``continued`` Model,
    from which a warm start goes on, keeps its sizes. Rows of a stream are used once, at a
    constant rate, after ``steps_before`` steps, with all axes. ``precision`` is JAX's name for
    that of the nets' products.
    """
    params, is_stream = plain_parameters(params), steps_before is not None
    if params.n_components is None:
        params.n_components = min(rows.shape)
    loss = _comparable_loss(find_loss(params.loss, sample_shape or rows.shape[1:]))
    autoencoder, n_features, sizes = _structure(
        params, rows, loss, sample_shape, continued, is_stream=is_stream
    )
    network = autoencoder.network
    _check_callables(params, n_features, complete=not rows.has_missing)
    _check_optimizer(params.optimizer, network, variational=autoencoder.variational)
    budget = make_budget(params, len(rows), network, n_weights(network), is_stream=is_stream)
    hides_blocks_only = network.n_hidden_together and not rows.has_missing
    given = params, autoencoder, loss, continued, precision
    return FitConfig(
        **sizes,
        step_config=_step_config(*given, is_stream=is_stream),
        budget=budget,
        linear=params.linear_path is not None,
        clip=False if sizes["is_reduced"] else CLIPS.get(params.output_activation, "auto"),
        traced=_traced(params, network, budget, steps_before),
        seed=seed,
        hidden_share=0.0 if hides_blocks_only else hidden_share(rows),
        interval=_interval(autoencoder.output_activation, scaling, n_features),
    )


def _structure(params, rows, loss, sample_shape, continued, *, is_stream):
    """Return the Autoencoder, the columns that it sees, and what else a warm start keeps."""
    (n, d), complete = rows.shape, not rows.has_missing
    if continued is not None:
        kept = {
            "n_components": continued.n_components,
            "n_axes": continued.n_axes,
            "missing_indicator": continued.reads_missing_indicator,
            "is_reduced": continued.reduction is not None,
        }
        return continued.autoencoder, kept["n_axes"] if kept["is_reduced"] else d, kept
    _check_n_components(params, d if is_stream else min(n, d), rows.shape)
    architecture = find_architecture(params.architecture)
    architecture._validate_params()
    wide = d > WIDEST and complete and not is_stream
    is_reduced = wide and _reducible(params, architecture, loss)
    activation = OUTPUT_ACTIVATIONS["identity"]
    if not is_reduced:
        activation = _output_activation(params, loss, rows)
    n_axes = d
    if params.linear_path is not None and not is_stream:
        n_axes = _n_axes(n, d, params.n_components)
    n_components = _n_components(params, rows, n_axes)
    if is_reduced:
        d, sample_shape = n_axes, None
    missing_indicator = not complete or architecture.hides
    n_read = d if architecture.in_columns else n_axes
    sizes = {
        "n_inputs": n_read + d if missing_indicator else n_read,
        "n_outputs": n_read if activation.in_axes else d,
        "n_components": n_components,
        "sample_shape": tuple(sample_shape or (d,)),
    }
    kept = {
        "n_components": n_components,
        "n_axes": n_axes,
        "missing_indicator": missing_indicator,
        "is_reduced": is_reduced,
    }
    return _autoencoder(params, architecture, n_axes, sizes, activation), d, kept


def _step_config(params, autoencoder, loss, continued, precision, *, is_stream):
    objective = Objective(
        autoencoder,
        loss,
        params.ordered,
        comparable(params.corruption),
        comparable(params.augmentation),
        tuple(name for name in PENALTIES if getattr(params, name) > 0),
    )
    return StepConfig(
        objective,
        comparable(params.optimizer),
        params.n_init if continued is None else 1,
        follows_loss=params.learning_rate_schedule == "plateau" and not is_stream,
        matmul_precision=precision,
        mesh=find_mesh(params.device),
    )


def _reducible(params, architecture, loss):
    """Say whether nets may see leading axes instead of columns: nothing asks for columns."""
    return (
        isinstance(loss, SquaredError)
        and isinstance(architecture, Dense)
        and params.linear_path is not None
        and params.output_activation in ("auto", "identity")
        and params.corruption in ("gaussian", None)
        and params.augmentation is None
    )


def _traced(params, network, budget, steps_before):
    """Return the traced numbers, which a search may vary without a new program."""
    n_steps = usual_steps = (steps_before or 0) + budget.n_steps
    if steps_before is not None:  # nobody knows how long a stream will be
        usual_steps = max(n_steps, auto_steps(network))
    names = "corruption_level", "kl_weight", *PENALTIES
    traced = {name: np.float32(getattr(params, name)) for name in names}
    decay = thin_decay = params.weight_decay
    if decay == "auto":
        decay, thin_decay = DECAY, THIN_DECAY
    return {
        **traced,
        "weight_decay": np.float32(decay),
        "thin_decay": np.float32(thin_decay),
        "average_decay": np.float32(average_decay(n_steps)),
        "settling": np.float32(1.0 / (SETTLED_AFTER * usual_steps)),
    }


def _check_callables(params, n_features, *, complete):
    """Raise ValueError if a user's function does not work for a row."""
    number, row = (jax.ShapeDtypeStruct(s, np.float32) for s in ((), (n_features,)))
    parts = params.loss.parts if isinstance(params.loss, Joint) else [(n_features, params.loss)]
    for n, loss in parts:
        if callable(loss) and not hasattr(loss, "output_activation"):
            part = jax.ShapeDtypeStruct((n,), np.float32)
            _check_callable("loss", "(target, output) -> losses", loss, part, [part, part])
    key = partial(jax.eval_shape, lambda: jax.random.key(0))
    if callable(params.corruption):
        given = "corruption", "(key, row, level) -> row", params.corruption
        _check_callable(*given, row, [key(), row, number])
    if params.augmentation is not None:
        if not complete:
            raise ValueError(
                "augmentation takes complete samples, but X has missing values. Impute them, "
                "or set augmentation=None."
            )
        given = "augmentation", "(key, row) -> row", params.augmentation
        _check_callable(*given, row, [key(), row])


def _check_callable(name, form, function, row, arguments):
    advice = f"{name} must be a function {form} of JAX arrays of shape {row.shape}"
    try:
        found = jax.eval_shape(function, *arguments)
    except Exception as error:
        raise ValueError(f"{advice}; it raised {type(error).__name__}: {error}") from error
    if getattr(found, "shape", None) != row.shape:
        shape = getattr(found, "shape", type(found).__name__)
        raise ValueError(f"{advice}, and return such an array; it returned {shape}.")


def _check_optimizer(optimizer, network, *, variational):
    """Raise ValueError if a user's factory makes no optimizer for these weights."""
    if isinstance(optimizer, str):
        return
    advice = (
        "optimizer must be a function (learning_rate) -> optax.GradientTransformation, such as "
        "optax.lion"
    )
    weights = network.init(np.random.default_rng(0))
    if variational:
        weights["log_noise"] = np.float32(0)
    try:
        found = transformation_of(optimizer, 1e-3, 0.0)
        optax_like = hasattr(found, "init") and hasattr(found, "update")
        if optax_like:
            shapes = jax.eval_shape(partial(_one_update, optimizer), weights)
    except Exception as error:
        raise ValueError(f"{advice}; it raised {type(error).__name__}: {error}") from error
    if not optax_like:
        raise ValueError(f"{advice}; it returned {type(found).__name__}.")
    if jax.tree.map(np.shape, shapes) != jax.tree.map(np.shape, weights):
        raise ValueError(f"{advice}; its updates are not of the shapes of the weights.")


def _one_update(optimizer, weights):
    made = make_optimizer(optimizer, 1e-3, 0.0)
    given = {"value": 0.0, "grad": weights, "value_fn": lambda weights: 0.0}
    return made.update(weights, made.init(weights), weights, **given)[0]


def _comparable_loss(loss):
    """Return ``loss``, or the losses of its parts, so that copies are equal."""
    if isinstance(loss, Joint):
        return Joint(tuple((n, comparable(part)) for n, part in loss.parts))
    return comparable(loss)


def _output_activation(params, loss, rows):
    """Return the output activation: the loss's own, the one asked for, or one that fits X."""
    own, asked = getattr(loss, "output_activation", None), params.output_activation
    if own is not None:
        if asked != "auto":
            name = repr(params.loss)
            if isinstance(params.loss, Joint):  # long, and mostly made by an encoder
                name = f"{type(params.loss).__name__}(...)"
            raise ValueError(
                f"loss={name} has an output activation of its own, got "
                f"output_activation={asked!r}. Leave output_activation='auto'."
            )
        return own
    if asked == "auto":
        share = sum(at_end.mean() for at_end in rows.summary.shares_at_ends)
        asked = "logistic" if share >= LOGISTIC_SHARE else "identity"
    return OUTPUT_ACTIVATIONS["identity" if asked == "clip" else asked]


def _interval(activation, scaling, n_features):
    """Return the scaled ends (2, d) of an activation's own range, None if it has none.

    An infinite upper end becomes 1 above the lower one; without ends a column has 0 and 1.
    """
    if activation.ends is None:
        return None
    lower, upper = (np.broadcast_to(end, n_features) for end in activation.ends)
    bounded = np.isfinite(lower)
    upper = np.where(np.isfinite(upper), upper, lower + 1.0)
    ends = scaling.forward(np.where(bounded, [lower, upper], 0.0))
    return np.where(bounded, ends, [[0.0], [1.0]])


def _autoencoder(params, architecture, n_axes, sizes, activation):
    n_components = sizes["n_components"]
    n_nonzero, variational = params.n_nonzero_coefs, params.kl_weight > 0
    if n_nonzero is not None and n_nonzero >= n_components:
        n_nonzero = None
    autoencoder = Autoencoder(None, activation, params.code_activation, n_nonzero, variational)
    if variational and not autoencoder.begins_at_pca:
        raise ValueError(
            "kl_weight > 0 makes codes normal distributions, which no code_activation and no "
            f"n_nonzero_coefs go with; got kl_weight={params.kl_weight}, code_activation="
            f"{params.code_activation!r}, n_nonzero_coefs={params.n_nonzero_coefs}. Leave "
            "one or the other at its default."
        )
    # Rectified entries beyond PCA's would begin at zero, without a gradient, and stay there.
    spans_pca = (
        params.code_activation == "relu"
        and n_nonzero is None
        and n_components <= autoencoder.entries_per_axis * n_axes
    )
    n_codes = _padded_size(params, n_components, autoencoder.entries_per_axis * n_axes)
    network = architecture.network(
        **sizes | {"n_components": n_codes},
        n_encoded=2 * n_codes if variational else n_codes,
        hidden_layer_sizes=_layer_sizes(params, architecture, n_components),
        activation=params.activation,
        reads_mask=bool(params.ordered),
        zero_start=params.linear_path is not None and (autoencoder.begins_at_pca or spans_pca),
    )
    return replace(autoencoder, network=network)


def _check_n_components(params, most, shape):
    """Raise ValueError if there are more components than PCA's and nothing to use them for."""
    held_back = (
        params.linear_path is None
        or params.code_activation != "identity"
        or params.n_nonzero_coefs is not None
        or params.sparsity > 0
        or params.contraction > 0
    )
    if params.n_components > most and not held_back:
        n_samples, n_features = shape
        raise ValueError(
            f"n_components={params.n_components} must be at most {most} for X of shape "
            f"(n_samples={n_samples}, n_features={n_features}). Longer codes need what keeps "
            "them from being a copy of X: a code_activation such as 'relu', n_nonzero_coefs, "
            "sparsity or contraction."
        )


def _n_components(params, rows, n_axes):
    """Return the number of components, from an int or a share of variance."""
    if isinstance(params.n_components, Integral):
        return int(params.n_components)
    rank = min(*rows.shape, n_axes)
    with few_threads(rows):
        axes = fit_axes(rows, rank, min(MOST_FILLING, max(1, rank - 1)))[0]
    share = axes.variances.cumsum() / (axes.total or 1.0)
    wanted = params.n_components + MARGIN * (1 - params.n_components)
    needed = min(1 + int(np.searchsorted(share, wanted)), len(share))
    per_axis = Autoencoder(None, code_activation=params.code_activation).entries_per_axis
    return min(per_axis * needed, MOST_COMPONENTS)


def _n_axes(n_rows, n_features, n_components):
    """Return the number of principal axes: all, padded to a power of two.

    Of wide rows, and of rows that memory does not hold, only the leading ones.
    """
    if n_features > WIDEST or most_rows(n_features) < n_rows < n_features:
        n_wanted = 1.5 * n_components if isinstance(n_components, Integral) else MOST_COMPONENTS
        n_wanted = max(FEWEST_AXES, n_wanted)
    else:
        n_wanted = n_features
    if n_rows >= n_features <= n_wanted:
        return n_features
    return min(n_features, 2 ** int(np.ceil(np.log2(min(n_rows, n_wanted)))))


def _layer_sizes(params, architecture, n_components):
    """Return the hidden layers' widths: those asked for, or the architecture's choice."""
    if isinstance(params.hidden_layer_sizes, str):
        return architecture.layer_sizes(n_components)
    sizes = tuple(params.hidden_layer_sizes)
    if not all(map(is_count, sizes)):
        raise ValueError(
            f"hidden_layer_sizes must hold whole numbers above 0, got {sizes}. "
            "Use () for linear maps."
        )
    return tuple(int(size) for size in sizes)


def _padded_size(params, n_components, most):
    """Return the size of padded codes, so that a search over ``n_components`` shares programs.

    PCA alone gives ``most`` entries. The work of ``contraction`` grows with each of them.
    """
    if params.contraction > 0:
        return n_components
    size = next((size for size in CODE_SIZES if size >= n_components), n_components)
    return max(n_components, min(size, most))
