"""The start of a training: PCA of some rows, what nets are added to, fresh weights."""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import numpy as np

from skae._data.columns import observed_values
from skae._data.rows import Rows, parts_of
from skae._net.inference import Model
from skae._pca import axes as pca_axes
from skae._pca import path as pca_start
from skae._pca.reduction import fit_reduction
from skae._runtime.devices import broadcast
from skae._train.config import FINAL
from skae._train.inputs import hide
from skae._train.loop import TrainingRun
from skae.architectures._padding import init_padded
from skae.architectures.dense import FEW
from skae.losses import Joint
from skae.losses._ranges import Identity

MEASURED_ROWS = 2_000  # on which PCA's errors are measured if its variances do not say them
PENALISED_SHARE = 0.01  # of the variance, the least error that penalties are weighed against


class Pca(NamedTuple):
    """PCA of some rows: its axes, its Filler, and the path of its own outputs."""

    axes: pca_axes.Axes
    filler: pca_axes.Filler
    path: pca_start.LinearPath


def begin(config, rows, stream) -> TrainingRun:
    """Return a TrainingRun on the scaled ``rows``: PCA fitted, nets at their start."""
    with pca_axes.few_threads(rows):
        reduction, rows = reduced(config, rows)
        pca, filled = fit_pca(config, rows)
        path, filler = _net_path(config, rows, pca, filled)
        begins_at_pca = config.linear and config.autoencoder.begins_at_pca
        return TrainingRun(
            config,
            rows,
            stream,
            start="pca" if begins_at_pca else "random",
            pca=pca,
            path=path,
            filler=filler,
            params=_fresh_params(config, stream),
            reduction=reduction,
        )


def go_on(config, rows, axes, n_seen, model=None, pause=None) -> TrainingRun:
    """Return a TrainingRun on the next ``rows`` of a stream.

    Its ``n_seen`` rows so far have these ``axes``; ``model`` and ``pause`` are of the rows
    before, None at the beginning.
    """
    filler = pca_axes.filler_along(axes, n_seen, config.n_components)
    pca = _own_pca(config, rows, axes, filler, None)
    path, filler = _net_path(config, rows, pca, None)
    if model is None:
        params, start = _fresh_params(config, FINAL), "random"
    else:
        own_range = config.interval is not None
        path = pca_start.continued_path(path, model.path, own_range=own_range)
        params, start = model.params, "model"
    stream = FINAL if pause is None else pause.step
    given = {"pca": pca, "path": path, "filler": filler, "params": params}
    return TrainingRun(config, rows, stream, start=start, **given, pause=pause)


def resume(config, rows, model) -> TrainingRun:
    """Return a TrainingRun on ``rows`` that continues from a fitted ``model``."""
    path, reduction = model.path, model.reduction
    rows = rows if reduction is None else reduction.rows(rows)
    basis = path.basis if path.projection is None else path.projection
    if basis is None:
        pca = fit_pca(config, rows)[0]
    else:
        axes = pca_axes.Axes(path.mean, basis, np.zeros(basis.shape[1]))
        pca = Pca(axes, model.filler, path)
    given = {"path": path, "filler": model.filler, "params": model.params}
    return TrainingRun(
        config, rows, FINAL, start="model", pca=pca, **given, reduction=reduction
    )


def pca_model(config, rows):
    """Return the Model that is PCA of ``rows``, to float precision, and its Axes."""
    if config.has_own_pca:
        run = begin(config, rows, FINAL)
        return run.model(0), run.pca.axes
    reduction, rows = reduced(config, rows)
    return _model_of(config, rows, fit_pca(config, rows)[0], reduction)


def pca_model_of(config, rows, run):
    """Return the Model that is the PCA of a ``run`` on ``rows``, and its Axes."""
    if config.has_own_pca:
        return run.model(candidate=(0.0, 0)), run.pca.axes
    path = pca_start.widened_path(run.pca.path, run.path)
    return _model_of(config, rows, run.pca._replace(path=path))


def _model_of(config, rows, pca, reduction=None):
    """Return the Model of a ``pca`` that has no range of its own, and its Axes."""
    path = _measured(config, pca.path, rows, pca, Identity())
    network = config.network
    path = pca_start.padded_path(path, network.n_components)
    if not network.in_columns:  # its outputs may be columns if PCA's are axes
        network = replace(network, n_outputs=config.n_axes)
    rng = np.random.default_rng([config.seed, FINAL, 0])
    params = init_padded(network, config.n_components, rng)
    autoencoder = replace(config.autoencoder, network=network, output_activation=Identity())
    return Model(autoencoder, path, params, pca.filler, reduction), pca.axes


def reduced(config, rows):
    """Return the Reduction of ``rows`` and the reduced rows: None and ``rows`` if not wide."""
    if not config.is_reduced:
        return None, rows
    found = fit_reduction(rows, config.n_axes, config.n_components)
    reduction = broadcast(config.mesh, found)
    return reduction, reduction.rows(rows)


def fit_pca(config, rows):
    """Return the Pca of ``rows``, in the output activation's range if any, and filled rows."""
    with pca_axes.few_threads(rows):
        axes, filler, filled = pca_axes.fit_axes(rows, config.n_axes, config.n_components)
        filler = filler._replace(by_pattern=bool(config.network.n_hidden_together))
        pca = _own_pca(config, rows, axes, filler, filled)
    return broadcast(config.mesh, pca), filled


def pca_errors(config, rows, pca, *, squared=None):
    """Return the encoder's input and PCA's errors (n, k + 1) on observed values of ``rows``.

    If the nets learn to fill, further values are hidden from both, always the same. ``squared``
    asks for squared errors whatever the loss.
    """
    squared = config.has_plain_errors if squared is None else squared
    k, encoder_input, losses = config.n_components, rows.values, None
    if config.missing_indicator:
        encoder_input = hide(
            config, encoder_input, np.random.default_rng([config.seed, FINAL, 2])
        )
    if not squared:
        losses = partial(_pca_losses, config, pca.path)
    with pca_axes.few_threads(rows):
        if squared and not np.isnan(encoder_input).any():
            return encoder_input, pca.axes.errors(encoder_input, k) + rows.residual[:, None]
        X, filled = rows.values, pca.filler.fill(encoder_input)
        errors = [pca.axes.observed_errors(X[p], filled[p], k, losses) for p in parts_of(X)]
    return encoder_input, np.concatenate(errors)


def _pca_losses(config, path, target, linear):
    if config.interval is not None:
        linear = config.autoencoder.output_activation(path, linear, np.zeros_like(linear))
    return config.objective.value_losses(path, target, linear)


def _own_pca(config, rows, axes, filler, filled):
    activation = Identity() if config.interval is None else config.autoencoder.output_activation
    given = {"activation": activation, "clip": config.clip is True, "filled": filled}
    return Pca(axes, filler, _pca_path(config, rows, axes, config.n_components, **given))


def _net_path(config, rows, pca, filled):
    """Return the LinearPath that nets on ``rows`` begin at, and their Filler."""
    k, filler, auto = config.n_components, pca.filler, config.autoencoder
    given = {"activation": auto.output_activation, "clip": config.clip, "filled": filled}
    if config.linear:
        path = _pca_path(config, rows, pca.axes, -(-k // auto.entries_per_axis), **given)
    else:
        path = pca_start.plain_path(rows, pca.axes, k, interval=config.interval, **given)
        path, filler = _weighed(config, path, rows), pca_axes.mean_filler(rows)
    path = _measured(config, path, rows, pca, auto.output_activation)
    if auto.code_activation != "identity":
        path = pca_start.unscaled_path(path)
    if auto.entries_per_axis == 2:
        path = pca_start.paired_path(path, pca.axes, k)
    if auto.variational:
        path = pca_start.variational_path(path, pca.axes, is_squared=config.is_squared)
    return pca_start.padded_path(path, config.network.n_components), filler


def _pca_path(config, rows, axes, n_axes, **given):
    layout = {
        "interval": config.interval,
        "in_columns": config.network.in_columns,
        "even_noise": config.n_components < FEW,
    }
    path = pca_start.pca_path(rows, axes, n_axes, **layout, **given)
    return _weighed(config, path, rows)


def _weighed(config, path, rows):
    """Return ``path`` with the weights of a joint loss, from its columns' means."""
    objective = config.objective
    if not isinstance(objective.loss, Joint):
        return path
    rows = rows.held()
    mean = rows.means()
    X, observed = observed_values(rows.values, mean)
    losses = objective.value_losses(path, X, mean)
    marginal = Rows(np.where(observed, losses, np.nan), rows.weight).means()
    weights = objective.loss.weights(marginal)
    return path._replace(value_weight=weights.astype(np.float32))


def _measured(config, path, rows, pca, activation):
    """Return ``path`` with errors and scales measured, if PCA's variances do not give them.

    They do not for other losses than squared error, nor if values are hidden. Errors have a
    floor if PCA is out of reach: they are the unit of the objective, and if PCA's error were
    next to nothing, so would be the penalties.
    """
    errors = squared = pca_start.prefix_errors(pca.axes, config.n_components)
    subsample = rows.held(MEASURED_ROWS)
    if config.missing_indicator:
        path = pca_start.path_with_indicator(path)
        found = pca_errors(config, subsample, pca, squared=True)[1]
        squared = np.maximum(squared, np.average(found, axis=0, weights=subsample.weight))
        errors = squared
    if not config.has_plain_errors:
        found = pca_errors(config, subsample, pca)[1]
        errors = np.average(found, axis=0, weights=subsample.weight)
    auto = config.autoencoder
    if auto.begins_at_pca and not config.objective.penalties:
        if not config.missing_indicator:
            return path._replace(prefix_error=pca_start.above_zero(errors).astype(np.float32))
        return pca_start.rescaled_path(path, errors, squared[-1], activation)

    def within_reach(errors):
        least = PENALISED_SHARE * errors[0]
        if auto.n_nonzero_coefs is not None:
            least = max(least, errors[auto.n_nonzero_coefs])
        return np.maximum(errors, least)

    return pca_start.rescaled_path(
        path, within_reach(errors), within_reach(squared)[-1], activation
    )


def _fresh_params(config, stream):
    """Return fresh weights; several restarts are stacked, and equal in each fold."""

    def drawn(*seed):
        rng = np.random.default_rng([config.seed, *seed])
        return init_padded(config.network, config.n_components, rng)

    n_init = config.n_init
    if n_init == 1:
        params = drawn(stream, 0)
    else:
        several = [drawn(FINAL, 0, i) for i in range(n_init)]
        params = jax.tree.map(lambda *leaves: np.stack(leaves), *several)
    if config.autoencoder.variational:
        params["log_noise"] = np.zeros(() if n_init == 1 else (n_init,), np.float32)
    return params
