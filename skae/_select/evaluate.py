"""What a net is chosen by: its errors and PCA's on samples that it was not trained on.

The programs that measure them are those of transform and inverse_transform.
"""

import numpy as np

from skae._data.columns import observed_values
from skae._data.rows import parts
from skae._runtime.blas import one_thread
from skae._runtime.devices import broadcast
from skae._select.choose import Candidates, validation_curve
from skae._train.config import FINAL
from skae._train.start import pca_errors

N_PREFIXES = 4  # prefixes evaluated at every checkpoint
NUMBERS_AT_ONCE = 2**17  # in held-out rows whose errors are measured at once, 1 MB
CURVE_PREFIXES = 32  # of a long code, measured for the curve over all prefixes
CURVE_ROWS = 2_000  # on which that curve is measured
HOPELESS = 1e30  # instead of costs that are not finite


def evaluated_prefixes(n_components, ordered):
    """Return the prefix lengths at which a code is evaluated, all components last."""
    if not ordered or n_components == 1:
        return np.array([n_components])
    spread = np.unique(np.geomspace(1, n_components, N_PREFIXES + 1).round().astype(int))
    return np.append(spread[spread < n_components], n_components)


class Evaluator:
    """Rows, reduced as those of a ``run`` are, and PCA's errors on them.

    Errors are those of ``encoder_input`` on ``target``. These are the same rows, unless the run
    learns to fill: then further values are hidden in the input. If it learns to denoise, costs
    are those of ``corrupted`` rows. ``reference`` (n_rows, k + 1) are PCA's errors.
    """

    @one_thread()
    def __init__(self, rows, run):
        if run.reduction is not None:
            rows = run.reduction.rows(rows)
        n_rows, rows = len(rows), rows.held()
        self.whole = len(rows) == n_rows
        self.residual = rows.residual
        self.config = config = run.config
        self.objective = config.objective
        self.target, self.weight = rows.values, rows.weight
        self.n_components = config.n_components
        self.prefixes = evaluated_prefixes(self.n_components, self.objective.ordered)
        self.encoder_input, reference = pca_errors(config, rows, run.pca)
        self.reference = broadcast(config.mesh, reference)
        self.total = self.reference[:, 0]  # no component: each row's own variance
        self.corrupted = self.encoder_input
        if self.objective.denoises:
            level = config.traced["corruption_level"]
            self.corrupted = run.model(0).corrupted(
                self.objective, level, self.encoder_input, config.seed
            )
        # The same at every checkpoint: filling takes longer than encoding.
        self.filler, self.filled = run.filler, run.filler.fill(self.corrupted)

    def start_costs(self, model):
        """Return the ``costs`` of a ``model`` that is PCA."""
        if self.objective.is_error_alone and not self.objective.denoises:
            return self.reference[:, self.prefixes]
        return self.costs(model)

    def costs(self, model):
        """Return the errors and penalties (n_rows, n_prefixes) of a model."""
        return broadcast(self.config.mesh, self._costs(model))

    def mean_costs(self, model):
        """Return the weighted mean (n_prefixes,) of ``costs``."""
        return np.average(self.costs(model), axis=0, weights=self.weight)

    def mean_start_costs(self, run):
        """Return the mean costs (n_prefixes,) of the PCA that a ``run`` began at."""
        return np.average(self.start_costs(run.model(0)), axis=0, weights=self.weight)

    @one_thread()
    def _costs(self, model):
        if self.objective.is_error_alone:
            return self.errors(model, self.prefixes, self.corrupted)
        noise = np.random.default_rng([self.config.seed, FINAL, 3])
        noise = noise.standard_normal((len(self.target), self.n_components))
        given = self.objective, self.config.traced, self.corrupted, self.target, noise
        costs = [model.path.prefix_error[m] * model.costs(*given, m) for m in self.prefixes]
        return np.column_stack(costs).astype(np.float64) + self.residual[:, None]

    @one_thread()
    def errors(self, model, prefixes, inputs=None, rows=slice(None)):
        """Return errors (n_rows, n_prefixes) with the first ``prefixes`` components."""
        model, filled = model.without_reduction, None
        if inputs is self.corrupted and model.filler is self.filler:
            filled = self.filled
        inputs = (self.encoder_input if inputs is None else inputs)[rows]
        target = self.target[rows]
        errors = np.empty((len(target), len(prefixes)))
        for part in parts(len(target), max(1, NUMBERS_AT_ONCE // target.shape[1])):
            values, observed = observed_values(target[part])
            Z = model.encode(inputs[part], None if filled is None else filled[part])
            for column, out in enumerate(model.decodes(Z, prefixes)):
                losses = np.asarray(self.objective.value_losses(model.path, values, out))
                errors[part, column] = np.where(observed, losses, 0.0).sum(axis=1)
        return errors + self.residual[rows, None]

    def error_curve(self, run, checkpoint, candidate):
        """Return a checkpoint's and PCA's mean errors (k,) at every prefix, and the variance.

        If the code is long, the ratio to PCA's is interpolated between prefixes.
        """
        k, rows = self.n_components, slice(None, None, -(-len(self.weight) // CURVE_ROWS))
        weight = self.weight[rows]
        reference = np.average(self.reference[rows, 1:], axis=0, weights=weight)
        total = np.average(self.total[rows], weights=weight)
        exactly_pca = run.start == "pca" and not self.objective.autoencoder.variational
        if checkpoint == 0 and exactly_pca:
            return reference, reference, total
        prefixes = np.unique(np.geomspace(1, k, CURVE_PREFIXES).round().astype(int))
        model = run.model(checkpoint, candidate)
        errors = np.average(self.errors(model, prefixes, rows=rows), axis=0, weights=weight)
        ratios = relative_to(reference[prefixes - 1], errors)
        return np.interp(np.arange(1, k + 1), prefixes, ratios) * reference, reference, total


def relative_to(reference, errors):
    """Return ``errors / reference``, 1 if PCA's error is 0."""
    return np.divide(errors, reference, out=np.ones_like(errors), where=reference > 0)


class FoldHistory:
    """A run and its Evaluator: costs at every checkpoint, the first one PCA's.

    ``costs`` holds an array (n_candidates, n_rows, n_prefixes) for each checkpoint. Of large
    nets only the best checkpoints' weights are kept. A ``worker`` compiles the evaluation.
    ``trained_on`` is a subsample of the run's rows.
    """

    def __init__(self, worker, run, held_out, trained_on):
        self.run, self.evaluator, self.compiled = run, Evaluator(held_out, run), None
        self.held_out, self.trained_on = held_out, trained_on
        if worker is not None:
            worker.cancel_at_end(run)
            self.compiled = worker.submit(run.model(0).warm_up)
        self.costs = run.costs
        if run.start == "pca":
            start = self.evaluator.start_costs(run.model(0))
            self.costs.append(np.stack([start] * len(run.candidates)))
        else:
            self.costs.append(self._costs())

    @property
    def checkpoint(self):
        """The latest checkpoint that was evaluated."""
        return len(self.costs) - 1

    def advance(self):
        """Train up to the next checkpoint and evaluate it; mark the run if it diverges."""
        if not self.run.advance() or len(self.costs) > self.run.checkpoint:
            return  # it has diverged, or its costs came with it
        if self.compiled is not None:
            self.compiled.result()
        costs = self._costs()
        finite = np.isfinite(costs).all(axis=(1, 2), keepdims=True)
        if finite.any():
            self.costs.append(np.where(finite, costs, HOPELESS))
        else:
            self.run.diverged = True

    def curve(self):
        """Return the validation curve (n_checkpoints + 1,) of this fold alone."""
        return validation_curve([self])

    def keep_best(self):
        """Forget the weights of all other checkpoints if they are large."""
        if len(self.costs) - 1 <= self.run.most_kept:
            return
        found = Candidates([self])
        ranks = found.criterion
        if self.run.start == "pca":  # what is allowed comes first
            ranks = np.where(found.allowed, ranks, HOPELESS + ranks)
        order = np.argsort(ranks.min(axis=1)[1:], kind="stable")
        best = 1 + order[: self.run.most_kept]
        self.run.keep({0, *best.tolist()})

    @property
    def unit(self):
        """PCA's costs (n_rows, n_prefixes)."""
        if self.run.start == "pca":
            return self.costs[0][0]
        return self.evaluator.reference[:, self.evaluator.prefixes]

    def _costs(self):
        costs, models = [], {}
        for scale, restart in self.run.candidates:
            if restart not in models:
                whole = self.run.model(candidate=(1.0, restart))
                models[restart] = whole.without_reduction
            costs.append(self.evaluator.costs(models[restart].scaled(scale)))
        return np.stack(costs)
