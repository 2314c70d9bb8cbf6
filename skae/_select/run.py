"""One training of one set of rows: what decides it, and the checkpoints it leaves.

Nothing here judges: the gate follows TrainingRuns and chooses among their Models.
"""

from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import NamedTuple

import jax
import numpy as np

from skae._data.chunked import LongRows, blocks_of, placed
from skae._data.columns import column_means, has_missing
from skae._data.rows import (
    RowSource,
    gather_complete,
    gather_missing,
    hide_blocks,
    hide_cells,
    part_rows,
    parts_of,
)
from skae._net.inference import Model
from skae._pca import axes as pca_axes
from skae._pca import start as pca_start
from skae._pca.frame import fit_reduction
from skae._runtime.devices import broadcast, is_processor, return_memory
from skae._train.loop import Budget, StepConfig, Trainer, any_finite
from skae.architectures.dense import FEW
from skae.losses import Joint, SquaredError
from skae.losses._ranges import Identity

MEASURED_ROWS = 2_000  # on which PCA's errors are measured where its variances do not say
MOST_KEPT = 2**22  # numbers in the weights of the checkpoints that a fold keeps
PENALISED_SHARE = 0.01  # of the variance, the least error that penalties are weighed against
CORRECTION_SCALES = (0.5, 1.0)  # of the corrections to PCA, judged at every checkpoint
JUDGED_BY = 2  # checkpoints: what judges them is compiled
UNWATCHED_BLOCKS = 4  # of a quarter of a second, up to a checkpoint that nobody judges
MOST_RESIDENT = 2**28  # numbers of rows that an accelerator holds while nets train on them
REFIT = 0  # random stream of the training on all rows; folds have the following ones


class Pca(NamedTuple):
    """PCA of some rows: its axes, how it fills missing cells, the path of its own outputs."""

    axes: pca_axes.Axes
    filler: pca_axes.Filler
    path: pca_start.LinearPath


@dataclass(frozen=True)
class FitConfig:
    """All that decides a fit, but for the rows."""

    step_config: StepConfig
    budget: Budget
    n_axes: int
    linear: bool
    clip: object
    traced: dict
    seed: int
    missing_indicator: (
        bool  # the encoder is told which cells are missing, and more of them are hidden
    )
    hidden_share: float  # of single cells; 0 where only the network's blocks are hidden
    interval: np.ndarray | None  # scaled ends (2, d) of a range that X's units have by nature
    is_reduced: bool = False  # wide rows come to the nets as their leading axes

    @property
    def autoencoder(self):
        """What is static in the maps to a code and back."""
        return self.step_config.objective.autoencoder

    @property
    def network(self):
        """The static record of the architecture."""
        return self.autoencoder.network

    @property
    def without_validation(self):
        """The same FitConfig with few checkpoints, since nobody looks at them."""
        stride = max(self.budget.checkpoint_steps, UNWATCHED_BLOCKS * self.budget.block_steps)
        return replace(self, budget=replace(self.budget, checkpoint_steps=stride))

    def begin(self, rows, stream):
        """Return a TrainingRun on the scaled ``rows``: PCA fitted, nets at their start."""
        with pca_axes.few_threads(rows.values):
            reduction, rows = self.reduced(rows)
            pca, filled = self.fit_pca(rows)
            path, filler = self._path(rows, pca, filled)
            start = "pca" if self.linear and self.autoencoder.begins_at_pca else "random"
            params = self._params(stream)
            return self._training_run(rows, stream, pca, filler, path, params, start, reduction)

    def go_on(self, rows, axes, n_seen, model=None, pause=None):
        """Return a TrainingRun on the next ``rows`` of a stream with the ``axes`` of all.

        ``model`` and ``pause`` are what the rows before have left, None at the beginning.
        """
        stream = REFIT if pause is None else pause.step
        filler = pca_axes.filler_along(axes, n_seen, self.network.n_components)
        pca = self._pca_of(rows, axes, filler, rows.values)
        path, filler = self._path(rows, pca, rows.values)
        params, start = self._params(REFIT), "random"
        if model is not None:
            has_interval = self.interval is not None
            path = pca_start.continued_path(path, model.path, has_interval=has_interval)
            params, start = model.params, "model"
        return self._training_run(rows, stream, pca, filler, path, params, start, pause=pause)

    def _path(self, rows, pca, filled):
        """Return the LinearPath that nets on ``rows`` begin at, and their Filler."""
        k, filler, auto = self.network.n_components, pca.filler, self.autoencoder
        given = {"link": auto.link, "clip": self.clip, "filled": filled}
        if self.linear:
            path = self._pca_path(rows, pca.axes, -(-k // auto.entries_per_axis), **given)
        else:
            path = pca_start.plain_path(rows, pca.axes, k, interval=self.interval, **given)
            path, filler = self._weighed(path, rows), pca_axes.mean_filler(rows)
        path = self._measured(path, rows, pca, auto.link)
        if auto.code_activation != "identity":
            path = pca_start.unscaled_path(path)
        if auto.entries_per_axis == 2:
            path = pca_start.paired_path(path, pca.axes, k)
        if auto.variational:
            path = pca_start.variational_path(path, pca.axes, is_squared=self._is_squared)
        return path, filler

    def reduced(self, rows):
        """Return the Reduction of ``rows`` and the reduced ones: None and themselves mostly."""
        if not self.is_reduced:
            return None, rows
        found = fit_reduction(rows, self.n_axes, self.network.n_components)
        reduction = broadcast(self.step_config.mesh, found)
        return reduction, reduction.rows(rows)

    def _within_reach(self, errors):
        """Return PCA's ``errors`` (k + 1,), none below what a fit cannot fall much below.

        They are the units of the objective: a code that is longer than needed to be PCA, but
        may not be PCA, would count its penalties as nothing.
        """
        if self.autoencoder.begins_at_pca and not self.step_config.objective.penalties:
            return errors
        least = PENALISED_SHARE * errors[0]
        if self.autoencoder.n_nonzero_coefs is not None:
            least = max(least, errors[self.autoencoder.n_nonzero_coefs])
        return np.maximum(errors, least)

    def fit_pca(self, rows):
        """Return the Pca of ``rows``, through the link where it has a range of its own."""
        k = self.network.n_components
        with pca_axes.few_threads(rows.values):
            axes, filler, filled = pca_axes.fit_axes(rows, self.n_axes, k)
            filler = filler._replace(by_pattern=bool(self.network.n_hidden_together))
            pca = self._pca_of(rows, axes, filler, filled)
        return broadcast(self.step_config.mesh, pca), filled

    def _pca_of(self, rows, axes, filler, filled):
        k = self.network.n_components
        link = Identity() if self.interval is None else self.autoencoder.link
        given = {"link": link, "clip": self.clip is True, "filled": filled}
        return Pca(axes, filler, self._pca_path(rows, axes, k, **given))

    def _pca_path(self, rows, axes, n_axes, **given):
        layout = {
            "interval": self.interval,
            "in_columns": self.network.in_columns,
            "even_noise": self.network.n_components < FEW,
        }
        return self._weighed(pca_start.pca_path(rows, axes, n_axes, **layout, **given), rows)

    def _weighed(self, path, rows):
        """Return ``path`` with the factors of a joint loss, from its columns' means."""
        objective = self.step_config.objective
        if not isinstance(objective.loss, Joint):
            return path
        rows = rows.some(len(rows.weight))
        X = rows.values
        mean = column_means(X, rows.weight)
        losses = objective.cell_losses(path, np.where(np.isnan(X), mean, X), mean)
        marginal = column_means(np.where(np.isnan(X), np.nan, losses), rows.weight)
        weights = objective.loss.weights(marginal)
        return path._replace(cell_weight=weights.astype(np.float32))

    def _params(self, stream):
        """Return fresh weights; those of several restarts, stacked, are alike in each fold."""
        if self.step_config.n_init == 1:
            params = self.network.init(np.random.default_rng([self.seed, stream, 0]))
        else:
            seeds = ([self.seed, REFIT, 0, i] for i in range(self.step_config.n_init))
            several = [self.network.init(np.random.default_rng(seed)) for seed in seeds]
            params = jax.tree.map(lambda *leaves: np.stack(leaves), *several)
        if self.autoencoder.variational:
            shape = () if self.step_config.n_init == 1 else (self.step_config.n_init,)
            params["log_noise"] = np.zeros(shape, np.float32)
        return params

    def _measured(self, path, rows, pca, link):
        """Return ``path`` with errors and scales measured, where PCA's variances say neither.

        They do not for other losses than squared error, and where cells are hidden.
        """
        errors = squared = pca_start.cut_errors(pca.axes, self.network.n_components)
        few = rows.some(MEASURED_ROWS)
        if self.missing_indicator:
            path = pca_start.marked_path(path)
            found = self.pca_errors(few, pca, is_plain=True)[1]
            squared = np.maximum(squared, np.average(found, axis=0, weights=few.weight))
            errors = squared
        if not self._is_plain:
            errors = np.average(self.pca_errors(few, pca)[1], axis=0, weights=few.weight)
        reached = self._within_reach(squared)
        if not self.missing_indicator and reached is squared:
            return path._replace(cut_error=pca_start.above_zero(errors).astype(np.float32))
        return pca_start.rescaled_path(path, self._within_reach(errors), reached[-1], link)

    def hide(self, X, rng):
        """Return ``X`` (n, d) with NaN in what the nets are to fill."""
        X = hide_cells(X, self.hidden_share, rng) if self.hidden_share else X
        together = self.network.n_hidden_together
        return hide_blocks(X, together, rng) if together else X

    def pca_errors(self, rows, pca, is_plain=None):
        """Return what is seen of ``rows`` and PCA's errors (n, k + 1) on their observed cells.

        Where the nets learn to fill, further cells are hidden from both, always the same.
        ``is_plain`` makes them squared errors whatever the loss.
        """
        is_plain = self._is_plain if is_plain is None else is_plain
        k, encoder_input, losses = self.network.n_components, rows.values, None
        if self.missing_indicator:
            encoder_input = self.hide(
                encoder_input, np.random.default_rng([self.seed, REFIT, 2])
            )
        if not is_plain:
            losses = partial(self._pca_losses, pca.path)
        with pca_axes.few_threads(rows.values):
            if is_plain and not np.isnan(encoder_input).any():
                errors = pca.axes.errors(encoder_input, k)
                return encoder_input, errors if rows.left is None else errors + rows.left[
                    :, None
                ]
            X, filled = rows.values, pca.filler.fill(encoder_input)
            errors = [pca.axes.errors_seen(X[p], filled[p], k, losses) for p in parts_of(X)]
        return encoder_input, np.concatenate(errors)

    def _pca_losses(self, path, target, linear):
        if self.interval is not None:
            linear = self.autoencoder.link(path, linear, np.zeros_like(linear))
        return self.step_config.objective.cell_losses(path, target, linear)

    @property
    def _is_plain(self):
        """Whether PCA's errors are squared distances from its axes."""
        return self.interval is None and self._is_squared

    @property
    def _is_squared(self):
        return isinstance(self.step_config.objective.loss, SquaredError)

    def resume(self, rows, model):
        """Return a TrainingRun on ``rows`` that goes on from a fitted ``model``."""
        path, reduction = model.path, model.reduction
        rows = rows if reduction is None else reduction.rows(rows)
        basis = path.basis if path.projection is None else path.projection
        if basis is None:
            pca = self.fit_pca(rows)[0]
        else:
            axes = pca_axes.Axes(path.mean, basis, np.zeros(basis.shape[1]))
            pca = Pca(axes, model.filler, path)
        given = path, model.params, "model", reduction
        return self._training_run(rows, REFIT, pca, model.filler, *given)

    def _training_run(
        self, rows, stream, pca, filler, path, params, start, reduction=None, pause=None
    ):
        path = broadcast(self.step_config.mesh, path)
        seed = (self.seed + stream) % 2**31
        is_large = reduction is not None or isinstance(rows.values, LongRows)
        is_gappy = self.missing_indicator or has_missing(rows.values)

        def trainer_on(rows):
            rng = np.random.default_rng([self.seed, stream, 1])
            source = self._source(rows, path, filler, rng, is_gappy)
            return Trainer(
                self.step_config, path, params, source, self.budget, self.traced, seed, pause
            )

        if is_large:  # compiling takes memory, as these rows do: one after the other
            trainer_on(rows.take(slice(self.budget.batch_size))).warm_up()
            return_memory()
        trainer, n_rows = trainer_on(rows), len(rows.weight)
        return TrainingRun(self, trainer, n_rows, pca, filler, path, start, reduction, is_large)

    def _source(self, rows, path, filler, rng, is_gappy):
        """Return the RowSource of inputs of the nets and, where they differ, of targets."""
        X, is_own_target = rows.values, self.step_config.objective.in_axes
        is_long, size = isinstance(X, LongRows), self.budget.batch_size

        def inputs(X):
            with pca_axes.few_threads(rows.values):
                filled = filler.fill(X) - path.mean
                if is_long:  # products that may come again in each pass: in float32
                    filled = filled.astype(np.float32)
                x = filled if path.basis is None else filled @ path.basis
            return np.concatenate([x, np.isnan(X)], axis=1) if self.missing_indicator else x

        def complete(values):
            x = np.empty((len(values), self.network.n_inputs), np.float32)
            for place, block in placed(blocks_of(values)):
                x[place] = inputs(block)
            if is_own_target:
                return x, None
            is_quick = isinstance(values, LongRows) and values.has_any_order
            return x, values if is_quick else np.asarray(values, np.float32)

        def load(part):
            values = X if part is None else X[part]
            if is_gappy:
                return gather_missing(np.asarray(values), partial(self.hide, rng=rng), inputs)
            return gather_complete(*complete(values))

        n_numbers = self.network.n_inputs + (0 if is_own_target else X.shape[1])
        most = part_rows(X, n_numbers, size, is_gappy=is_gappy)
        is_resident = (
            not (is_long or is_gappy or is_processor()) and self.step_config.mesh is None
        )
        is_resident &= len(X) * n_numbers <= MOST_RESIDENT
        table = (*complete(X), None) if is_resident else None
        given = {"strata": rows.strata, "most_rows": most, "table": table}
        return RowSource(load, rows.weight, size, rng, **given)

    def pca(self, rows):
        """Return the Model that is PCA of ``rows``, to float precision, and its Axes."""
        if self.has_own_pca:
            run = self.begin(rows, REFIT)
            return run.model(0), run.pca.axes
        reduction, rows = self.reduced(rows)
        return self.pca_model(rows, self.fit_pca(rows)[0], reduction)

    @property
    def has_own_pca(self):
        """Whether PCA is within the range of a link, or probabilistic, and so a net's path."""
        return self.interval is not None or self.autoencoder.variational

    @property
    def falls_back(self):
        """Whether PCA is kept where nets are not better: with penalties it is not compared."""
        is_pca = self.linear and self.autoencoder.begins_at_pca
        return is_pca and self.step_config.objective.is_error_alone

    def pca_of(self, rows, run):
        """Return the Model that is the PCA of a ``run`` on ``rows``, and its Axes."""
        if not self.has_own_pca:
            path = pca_start.widened_path(run.pca.path, run.path)
            return self.pca_model(rows, run.pca._replace(path=path))
        return run.model(candidate=(0.0, 0)), run.pca.axes

    def pca_model(self, rows, pca, reduction=None):
        """Return the Model that is ``pca``, which has no range of its own, and its Axes."""
        path = self._measured(pca.path, rows, pca, Identity())
        network = self.network
        if not network.in_columns:  # its outputs may be columns where PCA's are axes
            network = replace(network, n_outputs=self.n_axes)
        params = network.init(np.random.default_rng([self.seed, REFIT, 0]))
        autoencoder = replace(self.autoencoder, network=network, link=Identity())
        model = Model(autoencoder, path, params, pca.filler, reduction)
        return model, pca.axes


class TrainingRun:
    """One training in progress and its checkpoints.

    What is judged at a checkpoint are its ``candidates``: pairs of a share of the corrections
    and of a restart.
    """

    def __init__(self, config, trainer, n_rows, pca, filler, path, start, reduction, is_large):
        self.config, self.trainer, self.n_rows = config, trainer, n_rows
        self.pca, self.filler, self.path = pca, filler, path
        self.reduction = reduction
        self.is_large = is_large  # its rows are long or wide, and memory counts
        self.start = start  # "pca", "random" or "model": what checkpoint 0 is
        self.checkpoint = 0  # the latest checkpoint
        self.weights = {0: trainer.weights()}
        self.losses = []
        self.diverged = False

    def advance(self):
        """Train up to the next checkpoint; False where the budget or the numbers end."""
        if self.trainer.step >= self.config.budget.n_steps or self.diverged:
            return False
        losses = self.trainer.advance(self.config.budget.checkpoint_steps)
        weights = self.trainer.weights()
        self.diverged = not any_finite(losses, weights, self.config.step_config.n_init)
        if not self.diverged:
            self.losses.append(losses)
            self.weights[self.checkpoint + 1] = weights
            self.checkpoint += 1
        if self.is_large and self.checkpoint == JUDGED_BY:
            return_memory()
        return not self.diverged

    @property
    def n_numbers(self):
        """How many numbers the nets' inputs hold."""
        return self.n_rows * self.config.network.n_inputs

    def rewind(self, checkpoint):
        """Go back to a checkpoint, as if training had ended there; it does not go on."""
        if self.checkpoint >= checkpoint:  # what came later, a divergence too, has not been
            self.checkpoint, self.losses, self.diverged = (
                checkpoint,
                self.losses[:checkpoint],
                False,
            )

    def keep(self, checks):
        """Forget the weights of all other checkpoints."""
        self.weights = {i: self.weights[i] for i in self.weights if i in checks}

    def nearest(self, checkpoint):
        """Return the nearest checkpoint that is kept; the start stands for itself only."""
        return min(
            self.weights, key=lambda kept: (kept == 0 < checkpoint, abs(kept - checkpoint))
        )

    @property
    def most_kept(self):
        """How many checkpoints' weights may stay in memory, beside the start's."""
        size = sum(leaf.size for leaf in jax.tree.leaves(self.weights[self.checkpoint]))
        return max(1, MOST_KEPT // size)

    def all_losses(self, restart=0):
        """Return the training loss of each step so far."""
        losses = (
            np.empty(self.trainer.losses_shape, np.float32),
            *self.losses[: self.checkpoint],
        )
        losses = np.concatenate(losses)
        return losses if losses.ndim == 1 else losses[:, restart]

    @property
    def mean(self):
        """The mean (d,) of the scaled rows."""
        mean = self.pca.axes.mean
        if self.reduction is None:
            return mean
        return self.reduction.mean + self.reduction.basis @ mean

    @property
    def candidates(self):
        """What is judged: half of a plain net is no net, and has one strength only."""
        strengths = CORRECTION_SCALES if self.start == "pca" else (1.0,)
        return list(product(strengths, range(self.config.step_config.n_init)))

    def model(self, checkpoint=None, candidate=(1.0, 0)):
        """Return the Model at a checkpoint, with a share of the corrections of a restart."""
        strength, restart = candidate
        params = self.weights[self.checkpoint if checkpoint is None else checkpoint]
        if self.config.step_config.n_init > 1:
            params = jax.tree.map(lambda leaf: leaf[restart], params)
        path = self.path._replace(strength=self.path.strength * np.float32(strength))
        return Model(self.config.autoencoder, path, params, self.filler, self.reduction)
