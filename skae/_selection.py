"""The gate: which step of the training is kept, judged on rows that it did not see.

Checkpoint 0 is PCA. Folds are trained one after another, only until the gain over PCA is
clear; then the net is trained on all rows by the same schedule and stopped at the chosen
step. Everything is judged by the very programs that transform and inverse_transform run.
"""

from dataclasses import dataclass, replace

import numpy as np

from skae import _linear
from skae._inference import Model
from skae._rows import RowSource
from skae._training import Plan, Program, Run, all_finite

CLEAR_GAIN = 2.0  # standard errors of the held-out gain beyond which no fold is added
ENOUGH_ROWS = 250  # held out, below which another fold is added all the same
N_PREFIXES = 4  # prefixes judged at every checkpoint
STRENGTHS = (0.5, 1.0)  # of the corrections to PCA, judged at every checkpoint
CURVE_CUTS = 32  # prefixes of a long code at which it is measured
CURVE_ROWS = 2_000  # rows on which the curve over all prefixes is measured
SMALLEST_ERROR = 1e-100
LARGEST_HOLD_OUT, MOST_HOLD_OUTS = 10_000, 5  # rows in one; how many there may be
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

    @property
    def network(self):
        """The static record of the architecture."""
        return self.program.objective.network

    def begin(self, X, stream):
        """Return a Trial on the scaled rows ``X`` (n, d): PCA fitted, nets at their start."""
        k, link = self.network.n_components, self.program.objective.link
        axes = _linear.principal_axes(X, self.n_axes)
        if self.linear:
            path = _linear.pca_path(X, axes, k, link=link, clip=self.clip)
        else:
            path = _linear.plain_path(X, axes, k, clip=self.clip)
        params = self.network.init(np.random.default_rng([self.seed, stream, 0]))
        start = "pca" if self.linear else "random"
        return self._trial(X, stream, axes, path, params, start)

    def resume(self, X, path, params):
        """Return a Trial on the rows ``X`` that goes on from ``params`` along ``path``."""
        if path.basis is None:
            axes = _linear.principal_axes(X, self.n_axes)
        else:
            axes = _linear.Axes(path.mean, path.basis, np.zeros(self.n_axes))
        return self._trial(X, REFIT, axes, path, params, "model")

    def _trial(self, X, stream, axes, path, params, start):
        inputs = X - path.mean if path.basis is None else (X - path.mean) @ path.basis
        is_target = self.program.objective.link == "identity"
        source = RowSource(
            inputs.astype(np.float32),
            None if is_target else X.astype(np.float32),
            self.plan.batch_size,
            np.random.default_rng([self.seed, stream, 1]),
        )
        seed = (self.seed + stream) % 2**31
        run = Run(self.program, path, params, source, self.plan, self.numbers, seed)
        return Trial(self, run, axes, path, start)

    def pca(self, X):
        """Return the Model that is PCA of ``X``, to float precision, and its axes."""
        axes = _linear.principal_axes(X, self.n_axes)
        k = self.network.n_components
        path = _linear.pca_path(X, axes, k, link="identity", clip=self.clip is True)
        network = replace(self.network, n_outputs=self.n_axes)
        params = network.init(np.random.default_rng([self.seed, REFIT, 0]))
        return Model(network, "identity", path, params), axes


class Trial:
    """One training in progress and its checkpoints."""

    def __init__(self, recipe, run, axes, path, start):
        self.recipe, self.run, self.axes, self.path = recipe, run, axes, path
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
    def strengths(self):
        """The shares of the corrections that are judged: half of a plain net is no net."""
        return STRENGTHS if self.start == "pca" else (1.0,)

    def model(self, check=-1, strength=1.0):
        """Return the Model at a checkpoint, with a share of the corrections."""
        objective = self.recipe.program.objective
        path = self.path._replace(strength=self.path.strength * np.float32(strength))
        return Model(objective.network, objective.link, path, self.weights[check])


class Judge:
    """Held-out rows, PCA's errors on them, and the criterion that weighs a net's errors."""

    def __init__(self, X, axes, n_components, ordered):
        self.X, self.n_components, self.ordered = X, n_components, ordered
        self.reference = axes.errors(X, n_components)
        self.total = self.reference[:, 0]  # no component: each row's own variance

    @property
    def cuts(self):
        """The numbers of leading components that are judged at every checkpoint."""
        k = self.n_components
        if not self.ordered or k == 1:
            return np.array([k])
        spread = np.unique(np.geomspace(1, k, N_PREFIXES + 1).round().astype(int))
        return np.append(spread[spread < k], k)


def squared_errors(model, X, cuts):
    """Return the squared error (n_rows, n_cuts) of each row with its first ``cuts``."""
    Z = model.encode(X)
    errors = np.empty((len(Z), len(cuts)))
    for column, n_kept in enumerate(cuts):
        rows = model.decode(Z, np.full(len(Z), n_kept, np.float32))
        errors[:, column] = np.square(X - rows).sum(axis=1)
    return errors


def _sample(n_rows):
    """Return a slice of at most CURVE_ROWS rows, spread evenly."""
    return slice(None, None, -(-n_rows // CURVE_ROWS))


def hold_outs(n_rows, fraction, rng):
    """Yield (train, val) indices: up to MOST_HOLD_OUTS disjoint ones of ``fraction``."""
    order = rng.permutation(n_rows)
    size = min(max(1, int(fraction * n_rows)), LARGEST_HOLD_OUT)
    for i in range(min(MOST_HOLD_OUTS, max(1, n_rows // size))):
        val = order[i * size : (i + 1) * size]
        yield np.setdiff1d(order, val), np.sort(val)


def criterion(errors, reference, variance):
    """Return each row's share of the criterion: its mean is 1 for PCA, lower is better.

    ``errors`` (..., n_rows, n_cuts) over PCA's mean error at the same cut, half of it on the
    full code (the last cut), half on the mean over the prefixes. Where PCA leaves nothing,
    errors count against a trace of the rows' ``variance``.
    """
    floor = max(_linear.ERROR_FLOOR * variance, SMALLEST_ERROR)
    scale = np.maximum(reference.mean(axis=0), floor)
    share = errors / scale
    full, prefixes = share[..., -1], share[..., :-1]
    return full if prefixes.shape[-1] == 0 else 0.5 * (full + prefixes.mean(axis=-1))


class Trail:
    """A Trial followed along its Judge: errors at every checkpoint, the first one PCA's.

    ``errors`` holds (n_strengths, n_rows, n_cuts) squared errors for each checkpoint.
    """

    def __init__(self, trial, judge):
        self.trial, self.judge = trial, judge
        if trial.start == "pca":
            self.errors = [np.stack([judge.reference[:, judge.cuts]] * len(trial.strengths))]
        else:
            self.errors = [self._errors(0)]

    def follow(self, watch):
        """Train until the budget ends or the criterion has long stopped falling."""
        while self.trial.advance():
            errors = self._errors(-1)
            if not np.isfinite(errors).all():
                self.trial.diverged = True
                return
            self.errors.append(errors)
            values = validation_curve([self])
            if watch(self.trial, values[-1]):
                raise StopFit
            if self._is_spent(values):
                return

    def _errors(self, check):
        models = (self.trial.model(check, strength) for strength in self.trial.strengths)
        return np.stack([squared_errors(m, self.judge.X, self.judge.cuts) for m in models])

    def _is_spent(self, values):
        plan = self.trial.recipe.plan
        if plan.patience is None or len(values) <= plan.patience:
            return False
        return values[: -plan.patience].min() - values[-plan.patience :].min() < plan.tol


class StopFit(Exception):
    """A callback asked to stop."""


def validation_curve(trails):
    """Return the criterion (n_checks + 1,) over all rows, each check at its best strength."""
    return _shares(trails).mean(axis=-1).min(axis=1)


def _shares(trails):
    """Return each row's share of the criterion: (n_checks + 1, n_strengths, n_rows)."""
    n_checks = min(len(trail.errors) for trail in trails)
    errors = np.concatenate([np.stack(t.errors[:n_checks]) for t in trails], axis=-2)
    cuts = trails[0].judge.cuts
    reference = np.concatenate([t.judge.reference[:, cuts] for t in trails])
    return criterion(errors, reference, np.concatenate([t.judge.total for t in trails]).mean())


@dataclass
class Outcome:
    """What a fit found. Steps are optimizer steps, errors are in scaled units."""

    model: Model
    axes: _linear.Axes
    best_step: int
    n_steps: int
    losses: np.ndarray
    validation: np.ndarray
    relative: np.ndarray  # held-out error of the first 1..k components over PCA's
    pca_unexplained: np.ndarray  # PCA's held-out error at 1..k components over the variance
    error_ratio: float
    interrupted: bool = False
    diverged: bool = False

    @property
    def explained(self):
        """The share of variance that the first 1..k components explain: it never falls."""
        unexplained = self.relative * self.pca_unexplained
        return np.maximum.accumulate(np.clip(1.0 - unexplained, 0.0, 1.0))


def select(recipe, X, trials, *, refit, watch):
    """Choose the step on held-out rows, train on the rows ``X`` (n, d), return an Outcome.

    ``trials`` yields a Trial and the scaled rows that judge it, one fold after another.
    Where ``refit`` is False the first fold's own net is kept. Ctrl-C while folds are judged
    leaves the best fold's net, later the last checkpoint.
    """
    trails, reason = [], None
    try:
        for trial, X_val in trials:
            k, ordered = recipe.network.n_components, recipe.program.objective.ordered
            trails.append(Trail(trial, Judge(X_val, trial.axes, k, ordered)))
            trails[-1].follow(watch)
            trial.run.release()
            if _gain_is_clear(trails):
                break
    except (KeyboardInterrupt, StopFit) as stop:
        if not trails:
            raise
        reason = stop
        trails = [min(trails, key=lambda trail: validation_curve([trail]).min())]
    if not trails:
        raise ValueError("cv yielded no split: nothing can be held out. Pass another cv.")
    start = trails[0].trial.start
    values, best, strength = _choice(trails)
    judged = [(trail.trial, trail.judge) for trail in trails]
    outcome = _outcome(judged, best, strength, values)
    outcome.interrupted = isinstance(reason, KeyboardInterrupt)
    if best == 0 and start == "pca":
        outcome.model, outcome.axes = recipe.pca(X)
    elif refit and reason is None:
        _refit(recipe, X, best, strength, outcome, watch)
    return outcome


def _choice(trails):
    """Return the validation curve, the checkpoint chosen and the strength chosen there.

    PCA is left for a gain of more than ``tol``; a random start is left in any case.
    """
    trial, means = trails[0].trial, _shares(trails).mean(axis=-1)
    values = means.min(axis=1)
    first = min(1, len(values) - 1) if trial.start == "random" else 0
    best = first + int(np.argmin(values[first:]))
    if trial.start == "pca" and values[0] - values[best] <= trial.recipe.plan.tol:
        best = 0
    return values, best, trial.strengths[int(np.argmin(means[best]))]


def _gain_is_clear(trails):
    shares = _shares(trails)
    means = shares.mean(axis=-1)
    gain = shares[0, 0] - shares[np.unravel_index(np.argmin(means), means.shape)]
    is_clear = gain.mean() > CLEAR_GAIN * gain.std() / np.sqrt(len(gain))
    return is_clear and len(gain) >= ENOUGH_ROWS


def _refit(recipe, X, best, strength, outcome, watch):
    """Train on all rows up to the chosen checkpoint; a cut-short run keeps its last one."""
    trial = None
    try:
        trial = recipe.begin(X, REFIT)
        while len(trial.weights) <= best and trial.advance():
            if watch(trial, None):
                break
    except KeyboardInterrupt:
        outcome.interrupted = True
    outcome.diverged |= trial is not None and trial.diverged
    if trial is None or len(trial.weights) == 1:
        return  # not one block: the first fold's net stays
    outcome.model, outcome.axes = trial.model(strength=strength), trial.axes
    outcome.losses = trial.all_losses()
    if len(trial.weights) <= best:
        outcome.best_step = len(outcome.losses)


def train_ungated(recipe, X, trial, *, watch):
    """Train ``trial``, begun on ``X``, and keep the last checkpoint; return an Outcome."""
    k, ordered = recipe.network.n_components, recipe.program.objective.ordered
    judge, interrupted = Judge(X[_sample(len(X))], trial.axes, k, ordered), False
    try:
        while trial.advance():
            if watch(trial, None):
                break
    except KeyboardInterrupt:
        interrupted = True
    outcome = _outcome([(trial, judge)], len(trial.weights) - 1, 1.0, np.empty(0))
    outcome.interrupted = interrupted
    return outcome


def _outcome(judged, best, strength, values):
    """Return the Outcome of checkpoint ``best`` of the first of the ``judged`` trials."""
    trial, plan = judged[0][0], judged[0][0].recipe.plan
    parts = [_prefix_errors(trial, judge, best, strength) for trial, judge in judged]
    errors, reference, total = (np.mean(part, axis=0) for part in zip(*parts, strict=True))
    return Outcome(
        model=trial.model(best, strength),
        axes=trial.axes,
        best_step=min(best * plan.check_steps, plan.n_steps),
        n_steps=max(trial.run.step for trial, _ in judged),
        losses=trial.all_losses(),
        validation=values,
        relative=_relative(errors, reference),
        pca_unexplained=reference / total if total > 0 else np.zeros_like(reference),
        error_ratio=float(_relative(errors, reference)[-1]),
        diverged=any(trial.diverged for trial, _ in judged),
    )


def _prefix_errors(trial, judge, check, strength):
    """Return a checkpoint's and PCA's mean errors (k,) at every prefix, and the mean total.

    Of a long code some prefixes are measured, and the ratio to PCA's error is interpolated.
    """
    rows, k = _sample(len(judge.X)), judge.n_components
    reference, total = judge.reference[rows, 1:].mean(axis=0), judge.total[rows].mean()
    if check == 0 and trial.start == "pca":
        return reference, reference, total
    cuts = np.unique(np.geomspace(1, k, CURVE_CUTS).round().astype(int))
    model = trial.model(check, strength)
    errors = squared_errors(model, judge.X[rows], cuts).mean(axis=0)
    ratios = _relative(errors, reference[cuts - 1])
    return np.interp(np.arange(1, k + 1), cuts, ratios) * reference, reference, total


def pca_unexplained(recipe, X, splits):
    """Return PCA's held-out error at 1..k components over the variance, on all ``splits``.

    A net's error varies between hold-outs mostly as PCA's does; PCA is quick enough to be
    measured on all of them.
    """
    k = recipe.network.n_components
    errors = [
        _linear.principal_axes(X[train], recipe.n_axes).errors(X[val], k).sum(axis=0)
        for train, val in splits
    ]
    total, *rest = np.sum(errors, axis=0)
    return np.array(rest) / total if total > 0 else np.zeros(k)


def _relative(errors, reference):
    """Return ``errors / reference``, and 1 where PCA leaves no error."""
    return np.divide(errors, reference, out=np.ones_like(errors), where=reference > 0)
