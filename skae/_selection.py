"""The gate: which step of the training is kept, judged on rows that it did not see.

Checkpoint 0 is PCA. Folds are trained, first one, then two at a time, only until the gain over
PCA is clear; the net is trained on all rows by the same schedule and stopped at the chosen
step. Where a second lane is there, that goes on beside the first fold. Everything is judged by
the very programs that transform and inverse_transform run.
"""

from dataclasses import dataclass
from itertools import islice

import numpy as np

from skae import _axes, _linear
from skae._device import agreed
from skae._inference import Model
from skae._lanes import Ahead
from skae._rows import interleaved, parts
from skae._trials import REFIT

CLEAR_GAIN = 2.0  # standard errors of the held-out gain beyond which no fold is added
ENOUGH_ROWS = 250  # held out, below which further folds are added all the same
FOLDS_AT_ONCE = 2  # that are added where the first one does not suffice
N_PREFIXES = 4  # prefixes judged at every checkpoint
JUDGED_NUMBERS = 2**17  # of held-out rows whose errors are taken at once, 1 MB
CURVE_CUTS = 32  # prefixes of a long code at which it is measured
CURVE_ROWS = 2_000  # rows on which the curve over all prefixes is measured
SMALLEST_ERROR = 1e-100
LARGEST_HOLD_OUT, MOST_HOLD_OUTS = 2_000, 5  # rows in one; how many there may be


def judged_prefixes(n_components, ordered):
    """Return the numbers of leading components at which a code is judged, all of them last."""
    if not ordered or n_components == 1:
        return np.array([n_components])
    spread = np.unique(np.geomspace(1, n_components, N_PREFIXES + 1).round().astype(int))
    return np.append(spread[spread < n_components], n_components)


class Judge:
    """Held-out rows and PCA's errors on them, by which a net's errors are weighed.

    ``seen`` is what is encoded, ``target`` what the errors are measured on: the same rows, but
    that where ``trial`` learns to fill, further cells are hidden in ``seen``. Where it learns
    to denoise, the choice is made on ``corrupted`` rows. Rows are reduced where those of the
    trial are, and some of them judge where there are too many to be held.
    """

    @_axes.one_thread()
    def __init__(self, rows, trial):
        if trial.reduction is not None:
            rows = trial.reduction.rows(rows)
        rows = rows.some(len(rows.weight))
        self.left = np.zeros(len(rows.weight)) if rows.left is None else rows.left
        self.recipe = recipe = trial.recipe
        self.objective = recipe.program.objective
        self.target, self.weight = rows.values, rows.weight
        self.n_components = recipe.network.n_components
        self.seen, reference = recipe.pca_errors(rows, trial.pca)
        self.reference = agreed(recipe.program.mesh, reference)
        self.total = self.reference[:, 0]  # no component: each row's own variance
        self.corrupted = self.seen
        if self.objective.denoises:
            level = recipe.numbers["corruption_level"]
            self.corrupted = trial.model(0).corrupted(
                self.objective, level, self.seen, recipe.seed
            )

    @property
    def cuts(self):
        """The numbers of leading components that are judged at every checkpoint."""
        return judged_prefixes(self.n_components, self.objective.ordered)

    def start_costs(self, model):
        """Return the ``costs`` of a ``model`` that is PCA: its errors, where they are all."""
        if self.objective.is_error_alone and not self.objective.denoises:
            return self.reference[:, self.cuts]
        return self.costs(model)

    def costs(self, model):
        """Return what is judged of a model (n_rows, n_cuts): its errors and its penalties."""
        return agreed(self.recipe.program.mesh, self._costs(model))

    @_axes.one_thread()
    def _costs(self, model):
        if self.objective.is_error_alone:
            return self.errors(model, self.cuts, self.corrupted)
        noise = np.random.default_rng([self.recipe.seed, REFIT, 3])
        noise = noise.standard_normal((len(self.target), self.n_components))
        given = self.objective, self.recipe.numbers, self.corrupted, self.target, noise
        costs = [model.path.cut_error[m] * model.costs(*given, m) for m in self.cuts]
        return np.column_stack(costs).astype(np.float64) + self.left[:, None]

    @_axes.one_thread()
    def errors(self, model, cuts, seen=None, rows=slice(None)):
        """Return the error (n_rows, n_cuts) of each row with its first ``cuts`` components."""
        model = model.without_reduction
        seen, target = (self.seen if seen is None else seen)[rows], self.target[rows]
        errors = np.empty((len(target), len(cuts)))
        for part in parts(len(target), max(1, JUDGED_NUMBERS // target.shape[1])):
            observed = ~np.isnan(target[part])
            cells, Z = np.where(observed, target[part], 0.0), model.encode(seen[part])
            for column, out in enumerate(model.decodes(Z, cuts)):
                losses = np.asarray(self.objective.cell_losses(model.path, cells, out))
                errors[part, column] = np.where(observed, losses, 0.0).sum(axis=1)
        return errors + self.left[rows, None]


def _sample(n_rows):
    """Return a slice of at most CURVE_ROWS rows, spread evenly."""
    return slice(None, None, -(-n_rows // CURVE_ROWS))


def hold_outs(n_rows, fraction, rng, strata=None):
    """Yield (train, val) indices: up to MOST_HOLD_OUTS disjoint ones of ``fraction``.

    With ``strata`` (n_rows,) each of them holds its share of every class.
    """
    order = rng.permutation(n_rows)
    if strata is not None:
        order = order[interleaved(np.asarray(strata)[order], rng)]
    size = min(max(1, int(fraction * n_rows)), LARGEST_HOLD_OUT)
    for i in range(min(MOST_HOLD_OUTS, max(1, n_rows // size))):
        val = order[i * size : (i + 1) * size]
        yield np.setdiff1d(order, val), np.sort(val)


def kept_splits(splits, kept):
    """Yield the (train, val) pairs of ``splits`` for kept rows; raise ValueError for bad ones.

    Their indices are those of all rows, of which ``kept`` (n_samples,) says which count.
    """
    numbers, place = np.arange(len(kept)), np.cumsum(kept) - 1
    for i, pair in enumerate(splits):
        try:
            pair = [numbers[part] for part in pair]
        except IndexError as reason:
            raise ValueError(
                f"Split {i} of cv must hold the numbers of some of {len(kept)} rows, counted "
                f"from 0, or masks of them: {reason}."
            ) from reason
        train, val = (place[part[kept[part]]] for part in pair)
        if not (len(train) and len(val)):
            raise ValueError(
                f"Split {i} of cv has {len(train)} rows to train on and {len(val)} held out, "
                "of those that have a weight and an observed cell: both need some."
            )
        yield train, val


def criterion(costs, unit, variance):
    """Return each row's share of the criterion: its mean is 1 for PCA, lower is better.

    ``costs`` (..., n_rows, n_cuts) over PCA's mean ``unit`` (n_cuts,), half of it on the full
    code (the last cut), half on the mean over the prefixes. Where PCA leaves nothing, costs
    count against a trace of the rows' ``variance``.
    """
    if variance == 0:  # rows all alike: nothing is better than anything
        return np.zeros(costs.shape[:-1])
    floor = max(_linear.ERROR_FLOOR * variance, SMALLEST_ERROR)
    share = costs / np.maximum(unit, floor)
    full, prefixes = share[..., -1], share[..., :-1]
    return full if prefixes.shape[-1] == 0 else 0.5 * (full + prefixes.mean(axis=-1))


class Trail:
    """A Trial and its Judge: costs at every checkpoint, the first one PCA's.

    Where nets are large, the weights of its best checkpoints only are kept.
    ``costs`` holds (n_variants, n_rows, n_cuts) errors for each checkpoint, penalties included;
    ``values`` (n_checks + 1,) are the validation curve. Where another thread compiles what
    judges, ``compiled`` is its Future.
    """

    def __init__(self, trial, judge, compiled=None):
        self.trial, self.judge, self.compiled = trial, judge, compiled
        if trial.start == "pca":
            start = judge.start_costs(trial.model(0))
            self.costs = [np.stack([start] * len(trial.variants))]
        else:
            self.costs = [self._costs()]
        self.values = None

    def advance(self):
        """Train up to the next checkpoint and judge it; False where there is no other one."""
        if not self.trial.advance():
            return False
        if self.compiled is not None:
            self.compiled.result()
        costs = self._costs()
        is_finite = np.isfinite(costs).all(axis=(1, 2), keepdims=True)
        if not is_finite.any():
            self.trial.diverged = True
            return False
        self.costs.append(np.where(is_finite, costs, np.inf))
        self.values = validation_curve([self])
        return True

    def keep_best(self):
        """Forget the weights of all other checkpoints, as far as these are large."""
        best = 1 + np.argsort(self.values[1:], kind="stable")[: self.trial.most_kept]
        self.trial.keep({0, *best.tolist()})

    @property
    def unit(self):
        """The costs (n_rows, n_cuts) that others are relative to: PCA's, or those of PCA."""
        if self.trial.start == "pca":
            return self.costs[0][0]
        return self.judge.reference[:, self.judge.cuts]

    def _costs(self):
        costs, models = [], {}
        for share, restart in self.trial.variants:
            if restart not in models:
                whole = self.trial.model(variant=(1.0, restart))
                models[restart] = whole.without_reduction
            costs.append(self.judge.costs(models[restart].weakened(share)))
        return np.stack(costs)

    @property
    def is_spent(self):
        """Whether the criterion has long stopped falling."""
        plan, values = self.trial.recipe.plan, self.values
        if plan.patience is None or len(values) <= plan.patience:
            return False
        return values[: -plan.patience].min() - values[-plan.patience :].min() < plan.tol


class StopFit(Exception):
    """A callback asked to stop."""


def validation_curve(trails):
    """Return the criterion (n_checks + 1,) over all rows, each check at its best variant."""
    return _means(_shares(trails), trails).min(axis=1)


def _shares(trails):
    """Return each row's share of the criterion: (n_checks + 1, n_variants, n_rows)."""
    n_checks = min(len(trail.costs) for trail in trails)
    costs = np.concatenate([np.stack(t.costs[:n_checks]) for t in trails], axis=-2)
    weight = _weight(trails)
    unit = np.concatenate([trail.unit for trail in trails])
    total = np.concatenate([t.judge.total for t in trails])
    unit = np.average(unit, axis=0, weights=weight)
    return criterion(costs, unit, np.average(total, weights=weight))


def _weight(trails):
    return np.concatenate([trail.judge.weight for trail in trails])


def _means(shares, trails):
    """Return the weighted means of ``shares`` (..., n_rows) over the rows of all trails."""
    return np.average(shares, axis=-1, weights=_weight(trails))


@dataclass
class Outcome:
    """What a fit found. Steps are optimizer steps, errors are in scaled units."""

    model: Model
    axes: _axes.Axes  # where the model has a reduction, they are of what that makes of rows
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


def select(recipe, rows, trials, *, refit, watch, lane=None):
    """Choose the step on held-out rows, train on all ``rows``, return an Outcome.

    ``trials`` yields a Trial and the Rows that judge it, one fold after another.
    Where ``refit`` is False the first fold's own net is kept. Ctrl-C while folds are judged
    leaves the best fold's net, later the last checkpoint. ``lane`` is a second one, if any.
    """
    trails, stop, ahead = [], None, None
    trials, at_once = iter(trials), 1 if lane is None else FOLDS_AT_ONCE
    try:
        while True:
            n_before, n_wanted = len(trails), FOLDS_AT_ONCE if trails else 1
            for folds in _batched(islice(trials, n_wanted), at_once):
                added = [_begin_trail(*fold, lane, is_first=not trails) for fold in folds]
                trails += added
                if lane is not None and refit and n_before == 0:
                    ahead = Ahead(lane, recipe.begin(rows, REFIT))
                _follow(added, watch, lane, ahead if n_before == 0 else None)
            if len(trails) == n_before or _gain_is_clear(trails):
                break
    except (KeyboardInterrupt, StopFit) as reason:
        if lane is not None:
            lane.close()
        if not trails:
            raise
        stop = type(reason)
        trails = [min(trails, key=lambda trail: validation_curve([trail]).min())]
    if not trails:
        raise ValueError("cv yielded no split: nothing can be held out. Pass another cv.")
    start = trails[0].trial.start
    values, best, variant = _choice(trails)
    judged = [(trail.trial, trail.judge) for trail in trails]
    outcome = _outcome(judged, best, variant, values)
    outcome.interrupted = stop is KeyboardInterrupt
    del trials, trails, folds, added, judged  # large, and not needed any more
    if best == 0 and start == "pca":
        if ahead is not None:
            ahead.leave()
        outcome.model, outcome.axes = recipe.pca(rows)
    elif refit and stop is None:
        _refit(recipe, rows, best, variant, outcome, watch, ahead)
    return outcome


def _batched(items, size):
    """Yield lists of at most ``size`` items, each begun when it is asked for."""
    return iter(lambda: list(islice(items, size)), [])


def _begin_trail(trial, held_out, lane, *, is_first):
    """Return the Trail of a fold; in a ``lane``, what judges is compiled beside the first."""
    compiled = None
    if lane is not None:
        lane.cancel_at_end(trial.run)
        compiled = lane.submit(trial.model(0).warm_up) if is_first else None
    return Trail(trial, Judge(held_out, trial), compiled)


def _follow(trails, watch, lane, ahead):
    """Train one or two ``trails`` until budgets end or criteria have long stopped falling.

    Training on all rows, if it goes ``ahead``, keeps pace; it begins when all is compiled.
    """
    active = trails
    while active:
        if ahead is not None and active[0].trial.check > 0:
            ahead.go_to(active[0].trial.check + 1)
        first, *others = active
        beside = [lane.submit(trail.advance) for trail in others]
        moved = [first.advance(), *(future.result() for future in beside)]
        active = [trail for trail, has_moved in zip(active, moved, strict=True) if has_moved]
        if any([watch(trail.trial, trail.values[-1]) for trail in active]):
            raise StopFit
        for trail in active:
            trail.keep_best()
        active = [trail for trail in active if not trail.is_spent]
    for trail in trails:
        trail.trial.run.release()


def _choice(trails):
    """Return the validation curve, the checkpoint chosen and the variant chosen there.

    PCA is left for a gain of more than ``tol``; a random start is left in any case.
    """
    trial, means = trails[0].trial, _means(_shares(trails), trails)
    values = means.min(axis=1)
    first = min(1, len(values) - 1) if trial.start == "random" else 0
    best = first + int(np.argmin(values[first:]))
    if trial.start == "pca" and values[0] - values[best] <= trial.recipe.plan.tol:
        best = 0
    return values, best, trial.variants[int(np.argmin(means[best]))]


def _gain_is_clear(trails):
    shares = _shares(trails)
    means = _means(shares, trails)
    gain = shares[0, 0] - shares[np.unravel_index(np.argmin(means), means.shape)]
    mean = _means(gain, trails)
    spread = np.sqrt(_means(np.square(gain - mean), trails))
    weight = _weight(trails)
    n_rows = weight.sum() ** 2 / np.square(weight).sum()  # that would say as much, all alike
    return mean > CLEAR_GAIN * spread / np.sqrt(n_rows) and n_rows >= ENOUGH_ROWS


def _refit(recipe, rows, best, variant, outcome, watch, ahead):
    """Train on all rows up to the chosen checkpoint; a cut-short run keeps its last one."""
    trial = None if ahead is None else ahead.trial
    try:
        if ahead is None:
            trial = recipe.begin(rows, REFIT)
        else:
            ahead.end_at(best)
            watch(trial, None)
        while trial.check < best and trial.advance():
            trial.keep({trial.check})
            if watch(trial, None):
                break
    except KeyboardInterrupt:
        outcome.interrupted = True
        if ahead is not None:
            ahead.leave()
            trial.rewind(best)
    outcome.diverged |= trial is not None and trial.diverged
    if trial is None or trial.check == 0:
        return  # not one block: the first fold's net stays
    trial.run.release()
    outcome.model, outcome.axes = trial.model(variant=variant), trial.pca.axes
    outcome.losses = trial.all_losses(variant[1])
    if trial.check < best:
        outcome.best_step = len(outcome.losses)


def train_ungated(rows, trial, *, watch, lane=None):
    """Train ``trial``, begun on ``rows``, and keep the last checkpoint; return an Outcome."""
    judge, interrupted = Judge(rows.thinned(CURVE_ROWS), trial), False
    compiled = None if lane is None else lane.submit(trial.model(0).warm_up)
    try:
        while trial.advance():
            trial.keep({trial.check})
            if watch(trial, None):
                break
        if compiled is not None:
            compiled.result()
    except KeyboardInterrupt:
        interrupted = True
    outcome = _outcome([(trial, judge)], trial.check, _best_restart(trial), np.empty(0))
    outcome.interrupted = interrupted
    return outcome


def _best_restart(trial):
    """Return the variant of the restart with the lowest loss at the end of the training."""
    losses = trial.losses[-1] if trial.losses else np.zeros((1, trial.recipe.program.n_init))
    means = losses.reshape(len(losses), -1).mean(axis=0)
    return 1.0, int(np.argmin(np.where(np.isfinite(means), means, np.inf)))


def _outcome(judged, best, variant, values):
    """Return the Outcome of checkpoint ``best`` of the first of the ``judged`` trials.

    Where a trial has not kept it, which is none that its own judge likes, the next one stands
    for it.
    """
    trial, plan = judged[0][0], judged[0][0].recipe.plan
    parts = [_prefix_errors(t, judge, t.nearest(best), variant) for t, judge in judged]
    errors, reference, total = (np.mean(part, axis=0) for part in zip(*parts, strict=True))
    return Outcome(
        model=trial.model(trial.nearest(best), variant),
        axes=trial.pca.axes,
        best_step=min(best * plan.check_steps, plan.n_steps),
        n_steps=max(trial.run.step for trial, _ in judged),
        losses=trial.all_losses(variant[1]),
        validation=values,
        relative=_relative(errors, reference),
        pca_unexplained=reference / total if total > 0 else np.zeros_like(reference),
        error_ratio=float(_relative(errors, reference)[-1]),
        diverged=any(trial.diverged for trial, _ in judged),
    )


def _prefix_errors(trial, judge, check, variant):
    """Return a checkpoint's and PCA's mean errors (k,) at every prefix, and the mean total.

    Of a long code some prefixes are measured, and the ratio to PCA's error is interpolated.
    """
    rows, k = _sample(len(judge.weight)), judge.n_components
    weight = judge.weight[rows]
    reference = np.average(judge.reference[rows, 1:], axis=0, weights=weight)
    total = np.average(judge.total[rows], weights=weight)
    is_pca = check == 0 and trial.start == "pca"
    if is_pca and not judge.objective.autoencoder.variational:
        return reference, reference, total
    cuts = np.unique(np.geomspace(1, k, CURVE_CUTS).round().astype(int))
    model = trial.model(check, variant)
    errors = np.average(judge.errors(model, cuts, rows=rows), axis=0, weights=weight)
    ratios = _relative(errors, reference[cuts - 1])
    return np.interp(np.arange(1, k + 1), cuts, ratios) * reference, reference, total


def pca_unexplained(recipe, rows, splits):
    """Return PCA's held-out error at 1..k components over the variance, on all ``splits``.

    A net's error varies between hold-outs mostly as PCA's does; PCA is quick enough to be
    measured on all of them.
    """
    k, errors = recipe.network.n_components, []
    for train, val in splits:
        held_out = rows.take(val)
        reduction, seen = recipe.reduced(rows.take(train))
        held_out = held_out if reduction is None else reduction.rows(held_out)
        found = recipe.pca_errors(held_out, recipe.fit_pca(seen)[0])[1]
        errors.append((held_out.weight[:, None] * found).sum(axis=0))
    total, *rest = np.sum(errors, axis=0)
    return np.array(rest) / total if total > 0 else np.zeros(k)


def _relative(errors, reference):
    """Return ``errors / reference``, and 1 where PCA leaves no error."""
    return np.divide(errors, reference, out=np.ones_like(errors), where=reference > 0)
