"""The gate: which step of the training is kept, judged on rows that it did not see.

Checkpoint 0 is PCA. Folds are trained, first one, then two at a time, only until the gain over
PCA is clear; the net is trained on all rows by the same schedule and stopped at the chosen
step. Where a second lane is there, that goes on beside the first fold. Everything is judged by
the very programs that transform and inverse_transform run.
"""

import reprlib
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np

from skae._data.rows import interleaved, parts
from skae._net.inference import Model
from skae._pca import axes as pca_axes
from skae._runtime.blas import one_thread
from skae._runtime.devices import broadcast
from skae._runtime.interrupts import survive, undisturbed
from skae._select.background import Ahead
from skae._select.choose import CLEAR_GAIN, Candidates, Choice, choose, validation_curve
from skae._select.run import REFIT

ENOUGH_ROWS = 250  # held out, below which further folds are added all the same
FOLDS_AT_ONCE = 2  # that are added where the first one does not suffice
N_PREFIXES = 4  # prefixes judged at every checkpoint
JUDGED_NUMBERS = 2**17  # of held-out rows whose errors are taken at once, 1 MB
PREFIX_MARGIN = 1.005  # of PCA's error on training rows, within which a prefix is as good
MOST_WAITING = 2**22  # numbers in the rows of a fold that may go on later, 16 MB
CURVE_CUTS = 32  # prefixes of a long code at which it is measured
CURVE_ROWS = 2_000  # rows on which the curve over all prefixes is measured
HOPELESS = 1e30  # stands for costs that are not finite
WARM_UP = 0.1  # of the checkpoints, before which no run ends for want of patience
WORSE = 0.35  # than the judged net, as a share of its error, if a training went wrong
WORSE_HELD_OUT = 0.15  # and of the held-out error, if that on training rows is much smaller
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

    @one_thread()
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
        self.reference = broadcast(recipe.program.mesh, reference)
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
        return broadcast(self.recipe.program.mesh, self._costs(model))

    @one_thread()
    def _costs(self, model):
        if self.objective.is_error_alone:
            return self.errors(model, self.cuts, self.corrupted)
        noise = np.random.default_rng([self.recipe.seed, REFIT, 3])
        noise = noise.standard_normal((len(self.target), self.n_components))
        given = self.objective, self.recipe.numbers, self.corrupted, self.target, noise
        costs = [model.path.cut_error[m] * model.costs(*given, m) for m in self.cuts]
        return np.column_stack(costs).astype(np.float64) + self.left[:, None]

    @one_thread()
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
    place, i = np.cumsum(kept) - 1, -1
    for i, pair in enumerate(splits):
        pair = [_numbers(i, part, len(kept)) for part in _pair(i, pair)]
        train, val = (place[part[kept[part]]] for part in pair)
        if not (len(train) and len(val)):
            raise ValueError(
                f"Split {i} of cv has {len(train)} rows to train on and {len(val)} held out, "
                "of those that have a weight and an observed cell: both need some."
            )
        yield train, val
    if i < 0:
        raise ValueError("cv holds no split. Name at least one pair (train, held out).")


def _pair(i, pair):
    """Return a split of cv as two things, or raise ValueError."""
    is_pair = isinstance(pair, list | tuple) or (isinstance(pair, np.ndarray) and pair.ndim)
    if not is_pair or len(pair) != 2:
        raise ValueError(
            f"Split {i} of cv must be a pair (train, held out) of row numbers or masks, got "
            f"{reprlib.repr(pair)}."
        )
    return pair


def _numbers(i, part, n_rows):
    """Return the row numbers (n,) of one half of a split of ``n_rows`` rows."""
    try:
        numbers = np.arange(n_rows)[part]
        if numbers.ndim != 1:
            raise IndexError(f"got an array of shape {np.shape(part)}")
    except (IndexError, TypeError, ValueError) as reason:
        raise ValueError(
            f"Split {i} of cv must hold the numbers of some of {n_rows} rows, counted "
            f"from 0, or masks of them: {reason}."
        ) from reason
    return numbers


def splits_of(splitter, given, X, y, groups):
    """Yield the splits of a ``splitter`` made of the ``given`` cv, which its errors name."""
    splits = ()
    try:
        splits = splitter.split(X, y, groups)
        yield from splits
    except (TypeError, ValueError, IndexError) as error:
        reason = str(error).rstrip(".")
        if not hasattr(splits, "__iter__"):
            reason = f"its split returned {reprlib.repr(splits)}, not pairs of indices"
        elif "groups" in reason and groups is None:
            reason += ". Pass groups to fit"
        elif y is None and "n_splits" not in reason:
            reason += ". If it needs the classes of the rows, pass y to fit"
        raise ValueError(
            f"cv={given!r} could not split the {len(X)} rows: {reason}."
        ) from error


class Trail:
    """A Trial and its Judge: costs at every checkpoint, the first one PCA's.

    Where nets are large, the weights of its best checkpoints only are kept.
    ``costs`` holds (n_variants, n_rows, n_cuts) errors for each checkpoint, penalties included;
    ``values`` (n_checks + 1,) are the validation curve. Where another thread compiles what
    judges, ``compiled`` is its Future. ``held_out`` are the rows that judge, ``trained_on``
    some of those of the training.
    """

    def __init__(self, trial, held_out, trained_on=None, compiled=None):
        self.trial, self.judge, self.compiled = trial, Judge(held_out, trial), compiled
        self.held_out, self.trained_on = held_out, trained_on
        if trial.start == "pca":
            start = self.judge.start_costs(trial.model(0))
            self.costs = [np.stack([start] * len(trial.variants))]
        else:
            self.costs = [self._costs()]
        self._values = ()

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
        self.costs.append(np.where(is_finite, costs, HOPELESS))
        return True

    @property
    def values(self):
        """The validation curve of all ``costs``, also where Ctrl-C came just after the last."""
        if len(self._values) != len(self.costs):
            self._values = validation_curve([self])
        return self._values

    def keep_best(self):
        """Forget the weights of all other checkpoints, as far as these are large."""
        found = Candidates([self])
        ranks = found.criterion
        if self.trial.start == "pca":  # what is allowed comes first
            ranks = np.where(found.is_allowed, ranks, HOPELESS + ranks)
        order = np.argsort(ranks.min(axis=1)[1:], kind="stable")
        best = 1 + order[: self.trial.most_kept]
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


class StopFit(Exception):
    """A callback asked to stop."""


@dataclass
class Outcome:
    """What a fit found. Steps are optimizer steps, errors are in scaled units."""

    model: Model
    axes: pca_axes.Axes  # where the model has a reduction, they are of what that makes of rows
    best_step: int
    losses: np.ndarray
    validation: np.ndarray
    relative: np.ndarray  # held-out error of the first 1..k components over PCA's
    pca_unexplained: np.ndarray  # PCA's held-out error at 1..k components over the variance
    error_ratio: float
    n_rows: int  # that the model's PCA was fitted on
    is_pca: bool = False
    reason: str = "nothing was held out"
    interrupted: bool = False
    diverged: bool = False

    def use_pca(self, model, axes):
        """Make PCA the model that is kept: its Model and Axes."""
        self.model, self.axes, self.is_pca = model, axes, True
        self.relative, self.error_ratio = np.ones_like(self.relative), 1.0

    def keep(self, trial, variant, losses, check=None):
        """Make a ``trial``'s net at a checkpoint, the latest one, the one that is kept."""
        self.model, self.axes = trial.model(check, variant), trial.pca.axes
        self.n_rows, self.losses = trial.n_rows, losses

    @property
    def explained(self):
        """The share of variance that the first 1..k components explain: it never falls."""
        unexplained = self.relative * self.pca_unexplained
        return np.maximum.accumulate(np.clip(1.0 - unexplained, 0.0, 1.0))


def select(recipe, rows, folds, *, refit, watch, lane=None):
    """Choose the step on held-out rows, train on all ``rows``, return an Outcome.

    ``folds`` yields a Trial, the Rows that judge it and some of those it trains on, one fold
    after another. Where ``refit`` is False the first fold's own net is kept. Ctrl-C while
    folds are judged leaves the best fold's net, later the last checkpoint. ``lane`` is a
    second one, if any.
    """
    trails, stop, ahead = [], None, None
    try:
        for added in _batches_of_folds(folds, trails, lane):
            trails += added
            if lane is not None and refit and ahead is None:
                ahead = Ahead(lane, recipe.begin(rows, REFIT))
            _follow(trails, watch, lane, ahead if len(trails) == len(added) else None)
            if _is_clear(trails):
                break
    except (KeyboardInterrupt, StopFit) as reason:
        if lane is not None:
            lane.close()
        if not trails:
            raise
        stop = type(reason)
        if stop is KeyboardInterrupt:
            survive(reason)
        trails = [min(trails, key=lambda trail: trail.values.min())]
    if not trails:
        raise ValueError("cv yielded no split: nothing can be held out. Pass another cv.")
    (choice, judged, outcome), is_disturbed = undisturbed(_chosen, trails, refit)
    outcome.interrupted = is_disturbed or stop is KeyboardInterrupt
    del trails  # large, and not needed any more
    if choice.is_pca:
        if ahead is not None:
            ahead.leave()
        (outcome.model, outcome.axes), is_disturbed = undisturbed(recipe.pca, rows)
        outcome.n_rows = len(rows.weight)
        outcome.interrupted |= is_disturbed
    elif refit and stop is None:
        _refit(recipe, rows, choice, judged, outcome, watch, ahead)
    return outcome


def _batches_of_folds(folds, trails, lane):
    """Yield lists of Trails that begin: the first fold alone, then two folds at a time."""
    folds = iter(folds)
    while batch := list(islice(folds, FOLDS_AT_ONCE if trails else 1)):
        yield [_begin_trail(*fold, lane, is_first=not trails) for fold in batch]


def _begin_trail(trial, held_out, trained_on, lane, *, is_first):
    """Return the Trail of a fold; in a ``lane``, what judges is compiled beside the first."""
    compiled = None
    if lane is not None:
        lane.cancel_at_end(trial.run)
        compiled = lane.submit(trial.model(0).warm_up) if is_first else None
    return Trail(trial, held_out, trained_on, compiled)


def _follow(trails, watch, lane, ahead):
    """Train ``trails`` until their budget ends, or the curve of all is out of patience.

    Trails that stopped before go on if all of them together go further, unless they hold so
    many rows that these have been let go. Training on all rows, if it goes ``ahead``, keeps
    pace; it begins when all is compiled.
    """
    plan = trails[0].trial.recipe.plan
    for check in range(1, plan.n_checks + 1):
        behind = [trail for trail in trails if len(trail.costs) <= check]
        if any(trail.trial.run.is_released for trail in behind):
            break
        if ahead is not None and check > 1:
            ahead.go_to(check)
        if not _advance(behind, lane):
            break
        if any([watch(trail.trial, trail.values[-1]) for trail in behind]):
            raise StopFit
        for trail in behind:
            trail.keep_best()
        if _out_of_patience(plan, validation_curve(trails)):
            break
    for trail in trails:
        if trail.trial.n_numbers > MOST_WAITING:
            trail.trial.run.release()


def _advance(trails, lane):
    """Train ``trails`` up to their next checkpoints; say whether all of them had one."""
    here, beside = (trails, []) if lane is None else (trails[::2], trails[1::2])
    beside = [lane.submit(trail.advance) for trail in beside]
    return all([trail.advance() for trail in here] + [future.result() for future in beside])


def _out_of_patience(plan, values):
    """Say whether the criterion has long stopped falling; the warm-up is not counted."""
    if plan.patience is None or len(values) <= plan.patience + WARM_UP * plan.n_checks:
        return False
    return values[: -plan.patience].min() - values[-plan.patience :].min() < plan.tol


def _is_clear(trails):
    """Say whether no fold needs to be added."""
    choice, n_rows = choose(trails), Candidates(trails).n_rows
    return not choice.is_pca and choice.gain >= CLEAR_GAIN and n_rows >= ENOUGH_ROWS


class JudgedNet(NamedTuple):
    """A fold's net at the checkpoint chosen, and its mean costs (n_cuts,).

    They are on some of the rows that it was ``trained_on``, and on those ``held_out``.
    """

    trained_on: object
    training_costs: np.ndarray
    held_out: object
    held_out_costs: np.ndarray


def _chosen(trails, refit):
    """Return the Choice among ``trails``, the JudgedNet for a ``refit``, and the Outcome."""
    choice, judged = choose(trails), None
    outcome = _outcome([(trail.trial, trail.judge) for trail in trails], choice)
    if refit and not choice.is_pca:
        best = min(trails, key=lambda trail: _rank(trail, choice))
        trial = best.trial
        check = trial.nearest(choice.check)
        model = trial.model(check, choice.variant)
        expected = _mean_costs(Judge(best.trained_on, trial), model)
        if check != choice.check:  # of a large net: nothing is known of the very checkpoint
            expected = np.full_like(expected, np.inf)
        judged = JudgedNet(
            best.trained_on,
            expected,
            best.held_out,
            _mean_costs(best.judge, model),
        )
        outcome.keep(trial, choice.variant, trial.all_losses(choice.variant[1]), check)
    for trail in trails:
        trail.trial.run.release()
    return choice, judged, outcome


def _rank(trail, choice):
    """Return what folds are sorted by: whether a prefix is worse than PCA, the criterion."""
    found = Candidates([trail])
    ratios = found.ratios[choice.check, trail.trial.variants.index(choice.variant)]
    return bool((ratios > PREFIX_MARGIN).any()), trail.values[choice.check]


def _mean_costs(judge, model):
    return np.average(judge.costs(model), axis=0, weights=judge.weight)


def _refit(recipe, rows, choice, judged, outcome, watch, ahead):
    """Train on all rows up to the chosen checkpoint, and put the end into the ``outcome``.

    Nothing is held out from this training, so it is compared with the judged net, which
    stays if the new one is clearly worse on rows that both have seen, or worse than PCA there.
    But the judged net has seen fewer rows than PCA: PCA is kept if it is better after all.
    """
    trial = _train_on_all(recipe, rows, choice, outcome, watch, ahead)
    if trial is None or trial.check == 0:
        return
    is_well_trained, is_disturbed = undisturbed(_is_well_trained, trial, choice, judged)
    outcome.interrupted |= is_disturbed
    if is_well_trained:
        outcome.keep(trial, choice.variant, trial.all_losses(choice.variant[1]))
        if trial.check < choice.check:
            outcome.best_step = len(outcome.losses)
        return
    is_better, is_disturbed = undisturbed(_is_better_than_pca, judged, trial)
    outcome.interrupted |= is_disturbed
    if not is_better:
        (model, axes), is_disturbed = undisturbed(recipe.pca, rows)
        outcome.use_pca(model, axes)
        outcome.n_rows, outcome.best_step = len(rows.weight), 0
        outcome.reason = "the training on all rows was worse than the one that was judged"
        outcome.interrupted |= is_disturbed


def _is_better_than_pca(judged, trial):
    """Say whether the judged net is no worse than PCA of all rows, which a ``trial`` began at.

    Each prefix counts. With penalties or another start it may be worse.
    """
    if trial.start != "pca" or not trial.recipe.program.objective.is_error_alone:
        return True
    judge = Judge(judged.held_out, trial)
    pca = np.average(judge.start_costs(trial.model(0)), axis=0, weights=judge.weight)
    return _is_no_worse(judged.held_out_costs, pca)


def _is_no_worse(costs, pca):
    """Say whether no mean cost (n_cuts,) is above that of ``pca``: a prefix has a margin."""
    return bool((costs <= np.append(pca[:-1] * PREFIX_MARGIN, pca[-1])).all())


def _train_on_all(recipe, rows, choice, outcome, watch, ahead):
    """Return the Trial on all rows: at the chosen checkpoint, earlier if it was cut short."""
    trial = None if ahead is None else ahead.trial
    try:
        if ahead is None:
            trial = recipe.begin(rows, REFIT)
        else:
            ahead.end_at(choice.check)
            watch(trial, None)
        while trial.check < choice.check and trial.advance():
            trial.keep({0, trial.check})
            if watch(trial, None):
                break
    except KeyboardInterrupt as ctrl_c:
        survive(ctrl_c)
        outcome.interrupted = True
        if ahead is not None:
            ahead.leave()
            trial.rewind(choice.check)
    outcome.diverged |= trial is not None and trial.diverged
    return trial


def _is_well_trained(trial, choice, judged):
    """Say whether a ``trial`` on all rows is as good as the judged net, and as PCA."""
    if trial.start != "pca":
        return True
    judge = Judge(judged.trained_on, trial)
    costs = _mean_costs(judge, trial.model(variant=choice.variant))
    expected = judged.training_costs[-1]
    allowed = WORSE * abs(expected)
    if judge.objective.is_error_alone:
        pca = np.average(judge.start_costs(trial.model(0)), axis=0, weights=judge.weight)
        if not _is_no_worse(costs, pca):
            return False
        allowed = max(allowed, WORSE_HELD_OUT * choice.ratio * pca[-1])
    return costs[-1] - expected <= allowed


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
    except KeyboardInterrupt as ctrl_c:
        survive(ctrl_c)
        interrupted = True
    is_pca = trial.start == "pca" and trial.check == 0
    choice = Choice(
        trial.check,
        _best_restart(trial),
        np.empty(0),
        None,
        np.nan,
        "nothing was held out",
        is_pca,
    )
    outcome, is_disturbed = undisturbed(_outcome, [(trial, judge)], choice)
    outcome.interrupted = interrupted or is_disturbed
    return outcome


def _best_restart(trial):
    """Return the variant of the restart with the lowest loss at the end of the training."""
    losses = trial.losses[-1] if trial.losses else np.zeros((1, trial.recipe.program.n_init))
    means = losses.reshape(len(losses), -1).mean(axis=0)
    return 1.0, int(np.argmin(np.where(np.isfinite(means), means, np.inf)))


def _outcome(judged, choice):
    """Return the Outcome of a ``choice`` for the first of the ``judged`` trials.

    Where a trial has not kept the checkpoint, which is none that its own judge likes, the next
    one stands for it.
    """
    trial, plan = judged[0][0], judged[0][0].recipe.plan
    check, variant = choice.check, choice.variant
    parts = [_prefix_errors(t, judge, t.nearest(check), variant) for t, judge in judged]
    errors, reference, total = (np.mean(part, axis=0) for part in zip(*parts, strict=True))
    relative, ratio = _relative(errors, reference), choice.ratio
    if ratio is None or not judged[0][1].objective.is_error_alone:
        ratio = relative[-1]
    return Outcome(
        model=trial.model(trial.nearest(check), variant),
        axes=trial.pca.axes,
        best_step=min(check * plan.check_steps, plan.n_steps),
        losses=trial.all_losses(variant[1]),
        validation=choice.curve,
        relative=relative,
        pca_unexplained=reference / total if total > 0 else np.zeros_like(reference),
        error_ratio=float(ratio),
        n_rows=trial.n_rows,
        is_pca=choice.is_pca,
        reason=choice.reason,
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
