"""One training of one set of rows: what decides it, and the checkpoints it leaves.

Nothing here judges: the gate follows Trials and chooses among their Models.
"""

from dataclasses import dataclass, replace

import numpy as np

from skae import _linear
from skae._inference import Model
from skae._rows import RowSource, gather_complete, gather_missing, hide_cells
from skae._training import Plan, Program, Run, all_finite

STRENGTHS = (0.5, 1.0)  # of the corrections to PCA, judged at every checkpoint
REFIT = 0  # random stream of the training on all rows; folds have the following ones


@dataclass(frozen=True)
class Recipe:
    """All that decides a fit, but for the rows."""

    program: Program
    plan: Plan
    n_axes: int
    linear: bool
    clip: object
    numbers: dict
    seed: int
    marks: bool  # the encoder is told which cells are missing, and more of them are hidden

    @property
    def network(self):
        """The static record of the architecture."""
        return self.program.objective.network

    def begin(self, rows, stream):
        """Return a Trial on the scaled ``rows``: PCA fitted, nets at their start."""
        k, link = self.network.n_components, self.program.objective.link
        pca = axes, filler, filled = _linear.fit_axes(rows, self.n_axes, k)
        if self.linear:
            path = _linear.pca_path(
                rows.values, axes, k, link=link, clip=self.clip, filled=filled
            )
        else:
            path = _linear.plain_path(rows.values, axes, k, clip=self.clip)
            filler = _linear.mean_filler(rows)
        path = self._marked(path, rows, pca, link)
        params = self.network.init(np.random.default_rng([self.seed, stream, 0]))
        start = "pca" if self.linear else "random"
        return self._trial(rows, stream, pca[:2], filler, path, params, start)

    def _marked(self, path, rows, pca, link):
        """Return ``path`` with the scales that hidden cells ask for, where cells are hidden."""
        if not self.marks:
            return path
        errors = self.pca_errors(rows, *pca[:2])[1]
        return _linear.marked_path(path, np.average(errors, axis=0, weights=rows.weight), link)

    def pca_errors(self, rows, axes, filler):
        """Return what is seen of ``rows`` and PCA's errors (n, k + 1) on their observed cells.

        Where the nets learn to fill, further cells are hidden from both, always the same.
        """
        k, seen = self.network.n_components, rows.values
        if self.marks:
            seen = hide_cells(seen, np.random.default_rng([self.seed, REFIT, 2]))
        if not np.isnan(seen).any():
            return seen, axes.errors(seen, k)
        return seen, axes.errors_seen(rows.values, filler.fill(seen), k)

    def resume(self, rows, model):
        """Return a Trial on ``rows`` that goes on from a fitted ``model``."""
        path = model.path
        if path.basis is None:
            pca = _linear.fit_axes(rows, self.n_axes, self.network.n_components)[:2]
        else:
            pca = _linear.Axes(path.mean, path.basis, np.zeros(self.n_axes)), model.filler
        return self._trial(rows, REFIT, pca, model.filler, path, model.params, "model")

    def _trial(self, rows, stream, pca, filler, path, params, start):
        X, rng = rows.values, np.random.default_rng([self.seed, stream, 1])

        def inputs(X):
            filled = filler.fill(X) - path.mean
            x = filled if path.basis is None else filled @ path.basis
            return np.concatenate([x, np.isnan(X)], axis=1) if self.marks else x

        if self.marks or np.isnan(X).any():
            gather = gather_missing(X, inputs, rng)
        else:
            is_target = self.program.objective.link == "identity"
            gather = gather_complete(inputs(X), None if is_target else X)
        source = RowSource(gather, rows.weight, self.plan.batch_size, rng)
        seed = (self.seed + stream) % 2**31
        run = Run(self.program, path, params, source, self.plan, self.numbers, seed)
        return Trial(self, run, pca, filler, path, start)

    def pca(self, rows):
        """Return the Model that is PCA of ``rows``, to float precision, and its axes."""
        k, d = self.network.n_components, rows.values.shape[1]
        pca = axes, filler, filled = _linear.fit_axes(rows, self.n_axes, k)
        path = _linear.pca_path(
            rows.values, axes, k, link="identity", clip=self.clip is True, filled=filled
        )
        path = self._marked(path, rows, pca, "identity")
        n_inputs = self.n_axes + d if self.marks else self.n_axes
        network = replace(self.network, n_inputs=n_inputs, n_outputs=self.n_axes)
        params = network.init(np.random.default_rng([self.seed, REFIT, 0]))
        return Model(network, "identity", path, params, filler), axes


class Trial:
    """One training in progress and its checkpoints."""

    def __init__(self, recipe, run, pca, filler, path, start):
        self.recipe, self.run = recipe, run
        self.pca = pca  # its Axes and its Filler
        self.filler, self.path = filler, path
        self.start = start  # "pca", "random" or "model": what checkpoint 0 is
        self.weights = [run.weights()]
        self.losses = []
        self.diverged = False

    def advance(self):
        """Train up to the next checkpoint; False where the budget or the numbers end."""
        if self.run.step >= self.recipe.plan.n_steps or self.diverged:
            return False
        losses = self.run.advance(self.recipe.plan.check_steps)
        weights = self.run.weights()
        self.diverged = not all_finite(losses, weights)
        if not self.diverged:
            self.losses.append(losses)
            self.weights.append(weights)
        return not self.diverged

    def all_losses(self):
        """Return the training loss of each step so far."""
        return np.concatenate([np.empty(0, np.float32), *self.losses])

    @property
    def axes(self):
        """The principal axes of the rows."""
        return self.pca[0]

    @property
    def strengths(self):
        """The shares of the corrections that are judged: half of a plain net is no net."""
        return STRENGTHS if self.start == "pca" else (1.0,)

    def model(self, check=-1, strength=1.0):
        """Return the Model at a checkpoint, with a share of the corrections."""
        objective = self.recipe.program.objective
        path = self.path._replace(strength=self.path.strength * np.float32(strength))
        return Model(objective.network, objective.link, path, self.weights[check], self.filler)
