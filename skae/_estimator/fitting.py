"""What ``fit`` does, in its order: samples, configuration, training, the fitted attributes."""

import reprlib
import warnings
from dataclasses import replace
from functools import partial
from numbers import Integral

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.class_weight import compute_sample_weight

from skae._data.checks import (
    check_labels,
    check_range,
    check_rows,
    check_size,
    check_weight,
    drop_rows,
    n_dimensions,
    rescaled_weight,
    shape_of_samples,
    warn_of_empty_columns,
    warn_of_range,
)
from skae._data.parameters import is_weight, plain_number, plain_value
from skae._data.rows import as_rows, balanced, fit_scaling
from skae._estimator.fitted import FittedAutoencoder, bounds_of
from skae._estimator.sampling import CodeDensity, Prior, subsample
from skae._net.objective import noise_variance
from skae._runtime.devices import check_alike, is_alone
from skae._runtime.interrupts import Interrupts
from skae._select.backup import Backup
from skae._select.evaluate import evaluated_prefixes
from skae._select.gated import train
from skae._select.progress import Progress, epoch_means
from skae._select.splits import make_splits, trains_on_all
from skae._train.config import make_config
from skae.losses import Joint, find_loss

N_COMPARED = 100  # samples, by which processes see whether they were given the same
STRUCTURE = (
    "n_components",
    "hidden_layer_sizes",
    "activation",
    "architecture",
    "sample_shape",
    "linear_path",
    "scaling",
    "loss",
    "code_activation",
    "n_nonzero_coefs",
    "output_activation",
)


def fit(estimator, X, y, sample_weight, X_val, groups, precision, told):
    """Fit ``estimator``, a copy of the one ``told``, which callbacks are given.

    Return what ``end`` needs.
    """
    X, is_table = check_samples(estimator, X)
    unscaled, y, groups, kept = training_rows(estimator, X, y, sample_weight, groups)
    X = unscaled.values
    before = fitted_to_continue(estimator)
    continued = None if before is None else before.model
    backup = Backup(told)
    seed = backup.seed_of(estimator.random_state, new_seed(estimator))
    scaling = scaling_of(estimator, unscaled) if before is None else before.scaling
    rows = unscaled.scaled(scaling).held_if_missing()
    config = make_config(
        estimator,
        rows,
        scaling,
        seed,
        sample_shape=estimator.sample_shape_,
        continued=continued,
        precision=precision,
    )
    activation = config.autoencoder.output_activation
    warn_of_range(activation, estimator.output_activation, unscaled)
    check_processes(config, X, seed)
    held_out, splits = validation_rows(estimator, X_val, scaling), None
    if held_out is None and before is None and estimator.cv is not None:
        splits = make_splits(estimator.cv, rows, y, groups, kept, seed)
    refit = trains_on_all(estimator.cv, rows)
    n_trainings = 1 if splits is None else len(splits) + refit
    given = {"samples": unscaled, "held-out samples": held_out, "splits": splits}
    given |= {"model that goes on": before, "precision": precision}
    backup.check(estimator, config, given)
    shown = partial(reconstruction_attributes, estimator, scaling, is_table)
    progress, interrupts = Progress(told, X, y, n_trainings, shown, backup), Interrupts()
    options = {"splits": splits, "held_out": held_out, "refit": refit, "continued": continued}
    result = train(config, rows, **options, callback=progress, interrupts=interrupts)
    found = result, config, scaling, is_table
    interrupts.repeat(finish, estimator, before, unscaled, seed, found)
    return progress, interrupts, result


def end(estimator, progress, interrupts, result):
    """End the callbacks of a fit, and tell what was kept."""
    with interrupts.survived():
        progress.end()
    result.interrupted = interrupts.came
    if not interrupts.came:
        progress.backup.end()
    interrupts.repeat(tell, estimator, result)


def check_samples(estimator, X):
    """Return ``X`` as rows, and whether it is a table; set the shape of its samples."""
    shape, is_table = shape_of_samples(X, estimator.sample_shape), n_dimensions(X) <= 2
    before = getattr(estimator, "sample_shape_", ()) if estimator.warm_start else ()
    X = check_rows(estimator, X, reset=True, minimum=2)
    if shape is None and before and int(np.prod(before)) == X.shape[1]:
        return X, estimator._fitted.is_table  # raveled, of the samples that it was fitted on
    estimator.sample_shape_ = shape or X.shape[1:]
    if int(np.prod(estimator.sample_shape_)) != X.shape[1]:
        raise ValueError(
            f"sample_shape={estimator.sample_shape_} stands for "
            f"{np.prod(estimator.sample_shape_)} values, but the samples of X have "
            f"{X.shape[1]}."
        )
    return X, is_table


def training_rows(estimator, X, y, sample_weight, groups):
    """Return weighted Rows of the samples that count, their y and groups, and which count."""
    groups = check_labels(groups, "groups", len(X))
    if estimator.class_weight is None:
        check_consistent_length(X, y)
    else:
        y = check_labels(y, "y", len(X))
    weight = weight_of(estimator.class_weight, X, y, sample_weight)
    rows, y, groups, kept = drop_rows(X, y, groups, weight)
    warn_of_empty_columns(rows, getattr(estimator, "feature_names_in_", None))
    check_range(find_loss(estimator.loss, estimator.sample_shape_), rows.values)
    if estimator.class_weight is not None:
        is_balanced = estimator.class_weight == "balanced"
        weight = balanced(rows.weight, y) if is_balanced else rows.weight
        rows = rows.weighted(weight, strata=np.unique(y, return_inverse=True)[1])
    return rows, y, groups, kept


def weight_of(class_weight, X, y, sample_weight):
    """Return the weight of each sample: ``sample_weight`` times its class's in a dict."""
    weight = check_weight(sample_weight, len(X))
    if class_weight is None:
        return weight
    if y is None:
        raise ValueError(
            f"class_weight={class_weight!r} needs the classes of the samples: pass y to "
            "fit, or set class_weight=None."
        )
    if class_weight == "balanced":
        return weight
    if not all(map(is_weight, class_weight.values())):
        raise ValueError(
            "class_weight must hold finite numbers of at least 0, got "
            f"{reprlib.repr(class_weight)}."
        )
    of_class = {label: plain_number(value) for label, value in class_weight.items()}
    of_sample = compute_sample_weight(of_class, y)
    if not of_sample.any():
        return of_sample
    return rescaled_weight(weight * rescaled_weight(of_sample))


def fitted_to_continue(estimator):
    """Return the FittedAutoencoder that a warm start continues, or None."""
    if not estimator.warm_start or not hasattr(estimator, "_fitted"):
        return None
    n_features = estimator._fitted.model.n_features
    if n_features != estimator.n_features_in_:
        raise ValueError(
            f"warm_start=True goes on with a model of {n_features} features, but X has "
            f"{estimator.n_features_in_}. Pass samples of {n_features} features, or set "
            "warm_start=False to start again."
        )
    check_structure(estimator, "warm_start=True", "Set warm_start=False")
    return estimator._fitted


def check_structure(estimator, who, way_out):
    """Raise ValueError if parameters ask for another net than the fitted one."""
    asked, fitted = structure_of(estimator), estimator._fitted.structure
    changed = [name for name in asked if asked[name] != fitted[name]]
    if changed:
        raise ValueError(
            f"{who} goes on with the fitted net, but these parameters have changed since: "
            f"{changed}. {way_out}, or the parameters as they were: "
            f"{ {name: fitted[name] for name in changed} }."
        )


def structure_of(estimator):
    """Return the parameters that a fitted model cannot change, as plain Python."""
    return {
        **{name: plain_value(getattr(estimator, name)) for name in STRUCTURE},
        "kl_weight > 0": estimator.kl_weight > 0,
        "shape of samples": estimator.sample_shape_,
    }


def new_seed(estimator):
    return check_random_state(estimator.random_state).randint(np.iinfo(np.int32).max)


def scaling_of(estimator, rows):
    """Return the Scaling that ``scaling`` asks for; blocks of a joint loss have their own."""
    loss, by_column = find_loss(estimator.loss), estimator.scaling == "standard"
    pools = loss.pools(by_column=by_column) if isinstance(loss, Joint) else None
    centered = estimator.linear_path is not None
    if estimator.scaling is None:
        check_size(rows, centered=centered)
    return fit_scaling(rows, estimator.scaling, centered=centered, pools=pools)


def check_processes(config, X, seed):
    """Raise ValueError if processes that train together were given different things."""
    if not is_alone(config.mesh):
        some = X.shape, np.asarray(X[:: -(-len(X) // N_COMPARED)])
        parameters = str((config.network, config.n_components, config.budget))
        check_alike(random_state=seed, X=some, parameters=parameters)


def validation_rows(estimator, X_val, scaling):
    """Return the scaled Rows of ``X_val``, or None."""
    if X_val is None:
        return None
    X_val = check_rows(estimator, X_val, reset=False)
    check_range(find_loss(estimator.loss, estimator.sample_shape_), X_val)
    return as_rows(X_val).scaled(scaling)


def reconstruction_attributes(estimator, scaling, is_table, run):
    """Return what a callback needs to build the estimator as it is at this moment."""
    k, mean = run.config.n_components, scaling.backward(run.mean)
    given = (-np.inf, np.inf), run.model(), run.config.objective.loss, mean, k, is_table
    return {
        "_fitted": FittedAutoencoder(scaling, *given),
        "n_components_": k,
        "n_features_in_": estimator.n_features_in_,
        "feature_names_in_": getattr(estimator, "feature_names_in_", None),
        "sample_shape_": estimator.sample_shape_,
        "mean_": mean,
    }


def finish(estimator, before, rows, seed, found):
    """Set what was ``found``; a warm start keeps the bounds, PCA and stream from ``before``."""
    result, config, *_ = found
    if before is None:
        fitted = fitted_of(estimator, *found, bounds_of(rows, result.model))
    else:
        fitted = fitted_of(estimator, *found, before.bounds, before.n_samples)
        if estimator.linear_path is not None:
            kept = "components", "variances", "total_variance", "mean"
            fitted = replace(fitted, **{name: getattr(before, name) for name in kept})
        if before.stream is not None:
            stream = before.stream._replace(pause=None, nets=result.model)
            fitted = replace(fitted, stream=stream)
    fitted = replace(fitted, dtype=rows.values.dtype.name)
    if estimator.whiten:
        fitted = replace(fitted, deviations=fitted.deviations_of(rows.values, rows.weight))
    fitted = with_density(fitted, subsample(rows.values, rows.weight, seed), seed)
    set_fitted(estimator, fitted, result, config.budget)


def fitted_of(
    estimator, result, config, scaling, is_table, bounds, n_samples=None, n_components=None
):
    """Return the FittedAutoencoder of a result, without density, deviations and stream."""
    model = result.model
    if n_components is None:
        n_components = n_kept(estimator.n_components, result)
    axes = result.axes._replace(basis=result.axes.basis[:, :n_components])
    axes = axes if model.reduction is None else model.reduction.axes(axes)
    missing = n_components - axes.basis.shape[1]  # beyond the rank of the samples
    return FittedAutoencoder(
        scaling=scaling,
        bounds=bounds,
        model=model,
        loss=config.objective.loss,
        mean=scaling.backward(axes.mean),
        n_components=n_components,
        is_table=is_table,
        device=estimator.device,
        n_samples=n_samples or result.n_rows,
        prefixes=evaluated_prefixes(n_components, estimator.ordered),
        components=np.pad(axes.basis.T, ((0, missing), (0, 0))) if config.linear else None,
        variances=axes.variances,
        total_variance=float(axes.total),
        is_pca=result.is_pca and model.is_linear,
        structure=structure_of(estimator),
    )


def n_kept(asked, result):
    """Return how many components are kept: all, or those that reach the share ``asked``.

    If the full code is no worse than PCA's, the part that is kept is not worse either.
    """
    explained, relative = result.explained, result.relative
    if asked is None or isinstance(asked, Integral):
        return len(explained)
    is_fine = relative <= max(1.0, relative[-1])
    reaches = np.flatnonzero(is_fine & (explained >= float(asked)))
    if len(reaches):
        return int(reaches[0]) + 1
    warnings.warn(
        f"n_components={asked} asks for a share of held-out variance that "
        f"{len(explained)} components do not reach (they explain "
        f"{explained[-1]:.3f}); all of them are kept.",
        UserWarning,
        stacklevel=2,
    )
    return len(explained)


def with_density(fitted, X, seed):
    """Return ``fitted`` with what ``sample`` draws: codes, and what they leave out of ``X``."""
    if fitted.model.autoencoder.variational:
        scale = fitted.model.path.code_scale[: fitted.n_components] * fitted.code_unit
        scale = scale if fitted.deviations is None else scale / fitted.deviations
        density = Prior(scale.astype(X.dtype))
    else:
        density = CodeDensity(fitted.encode(X, X.dtype), seed)
    return replace(fitted, density=density, residual=fitted.residual_of(X))


def set_fitted(estimator, fitted, result, budget):
    """Set every fitted attribute together; those that only an earlier fit had go."""
    k, explained, dtype = fitted.n_components, result.explained, fitted.dtype
    explained_by_pca = 1.0 - result.pca_unexplained[:k]
    is_cut = k < len(explained)
    steps = budget.checkpoint_steps * np.arange(len(result.validation))
    losses = epoch_means(result.losses, budget.epoch_steps)
    attributes = {
        "_fitted": fitted,
        "n_components_": k,
        "mean_": fitted.mean.astype(dtype),
        "decoder_variance_": None,
        "explained_variance_ratio_": np.diff(explained[:k], prepend=0.0).astype(dtype),
        "pca_explained_variance_ratio_": np.diff(explained_by_pca, prepend=0.0).astype(dtype),
        "error_ratio_": float(result.relative[k - 1]) if is_cut else result.error_ratio,
        "selected_model_": "pca" if result.is_pca else "autoencoder",
        "validation_curve_": result.validation,
        "validation_epochs_": np.minimum(steps, budget.n_steps) / budget.epoch_steps,
        "loss_curve_": losses,
        "n_iter_": max(1, len(losses)),
        "best_iter_": -(-result.best_step // budget.epoch_steps),
        "n_samples_seen_": fitted.n_samples,
    }
    if fitted.model.autoencoder.variational and fitted.is_squared_error:
        variance = noise_variance(fitted.model, k)
        attributes["decoder_variance_"] = variance * fitted.scaling.code_unit**2
    for name, value in attributes.items():
        vars(estimator).pop(name, None)
        if value is not None:
            setattr(estimator, name, value)


def tell(estimator, result):
    """Print what was kept if ``verbose`` asks for it; warn if something went wrong."""
    kept = "PCA" if result.is_pca else f"the autoencoder of epoch {estimator.best_iter_}"
    if estimator.verbose:
        samples = "held-out" if len(estimator.validation_curve_) else "training"
        ratio = f"{samples} error / PCA's {estimator.error_ratio_:.4f}"
        print(f"[{type(estimator).__name__}] kept {kept}, {ratio}: {result.reason}")
    if result.interrupted:
        warnings.warn(f"Interrupted: the model kept is {kept}.", UserWarning, stacklevel=2)
    if result.diverged:
        warnings.warn(
            f"Training diverged: a loss was not finite at learning_rate="
            f"{estimator.learning_rate} with scaling={estimator.scaling!r}. The last finite "
            f"weights are kept ({kept}). Lower learning_rate, or scale or clip the features "
            "of X.",
            ConvergenceWarning,
            stacklevel=2,
        )
