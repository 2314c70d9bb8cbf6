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
from skae._select.background import SpeculativeTraining
from skae._select.choose import CLEAR_GAIN, Candidates, Choice, choose, validation_curve
from skae._select.run import REFIT

ENOUGH_ROWS = 250  # held out, below which further folds are added all the same
FOLDS_AT_ONCE = 2  # that are added where the first one does not suffice
N_PREFIXES = 4  # prefixes judged at every checkpoint
EVALUATED_NUMBERS = 2**17  # of held-out rows whose errors are taken at once, 1 MB
PREFIX_MARGIN = 1.005  # of PCA's error on training rows, within which a prefix is as good
MOST_WAITING = 2**22  # numbers in the rows of a fold that may go on later, 16 MB
CURVE_CUTS = 32  # prefixes of a long code at which it is measured
CURVE_ROWS = 2_000  # rows on which the curve over all prefixes is measured
HOPELESS = 1e30  # stands for costs that are not finite
WARM_UP = 0.1  # of the checkpoints, before which no run ends for want of patience
WORSE = 0.35  # than the judged net, as a share of its error, if a training went wrong
WORSE_HELD_OUT = 0.15  # and of the held-out error, if that on training rows is much smaller
LARGEST_VALIDATION, MOST_VALIDATIONS = 2_000, 5  # rows in one; how many there may be


def evaluated_prefixes(n_components, ordered):
    """Return the numbers of leading components at which a code is judged, all of them last."""
    if not ordered or n_components == 1:
        return np.array([n_components])
    spread = np.unique(np.geomspace(1, n_components, N_PREFIXES + 1).round().astype(int))
    return np.append(spread[spread < n_components], n_components)


class Evaluator:
    """Held-out rows and PCA's errors on them, by which a net's errors are weighed.

    ``encoder_input`` is what is encoded, ``target`` what the errors are measured on: the same
    rows, but if the ``run`` learns to fill, further cells are hidden in ``encoder_input``. If
    it learns to denoise, the choice is made on ``corrupted`` rows. Rows are reduced if those of
    the run are, and a subsample is used if there are too many to be held.
    """

    @one_thread()
    def __init__(self, rows, run):
        if run.reduction is not None:
            rows = run.reduction.rows(rows)
        rows = rows.some(len(rows.weight))
        self.left = np.zeros(len(rows.weight)) if rows.left is None else rows.left
        self.config = config = run.config
        self.objective = config.step_config.objective
        self.target, self.weight = rows.values, rows.weight
        self.n_components = config.network.n_components
        self.encoder_input, reference = config.pca_errors(rows, run.pca)
        self.reference = broadcast(config.step_config.mesh, reference)
        self.total = self.reference[:, 0]  # no component: each row's own variance
        self.corrupted = self.encoder_input
        if self.objective.denoises:
            level = config.traced["corruption_level"]
            self.corrupted = run.model(0).corrupted(
                self.objective, level, self.encoder_input, config.seed
            )

    @property
    def prefixes(self):
        """The numbers of leading components that are judged at every checkpoint."""
        return evaluated_prefixes(self.n_components, self.objective.ordered)

    def start_costs(self, model):
        """Return the ``costs`` of a ``model`` that is PCA: its errors, where they are all."""
        if self.objective.is_error_alone and not self.objective.denoises:
            return self.reference[:, self.prefixes]
        return self.costs(model)

    def costs(self, model):
        """Return the errors and penalties (n_rows, n_prefixes) of a model."""
        return broadcast(self.config.step_config.mesh, self._costs(model))

    @one_thread()
    def _costs(self, model):
        if self.objective.is_error_alone:
            return self.errors(model, self.prefixes, self.corrupted)
        noise = np.random.default_rng([self.config.seed, REFIT, 3])
        noise = noise.standard_normal((len(self.target), self.n_components))
        given = self.objective, self.config.traced, self.corrupted, self.target, noise
        costs = [model.path.cut_error[m] * model.costs(*given, m) for m in self.prefixes]
        return np.column_stack(costs).astype(np.float64) + self.left[:, None]

    @one_thread()
    def errors(self, model, prefixes, encoder_input=None, rows=slice(None)):
        """Return errors (n_rows, n_prefixes) with the first ``prefixes`` components."""
        model = model.without_reduction
        encoder_input, target = (
            (self.encoder_input if encoder_input is None else encoder_input)[rows],
            self.target[rows],
        )
        errors = np.empty((len(target), len(prefixes)))
        for part in parts(len(target), max(1, EVALUATED_NUMBERS // target.shape[1])):
            observed = ~np.isnan(target[part])
            cells, Z = np.where(observed, target[part], 0.0), model.encode(encoder_input[part])
            for column, out in enumerate(model.decodes(Z, prefixes)):
                losses = np.asarray(self.objective.cell_losses(model.path, cells, out))
                errors[part, column] = np.where(observed, losses, 0.0).sum(axis=1)
        return errors + self.left[rows, None]


def _sample(n_rows):
    """Return a slice of at most CURVE_ROWS rows, spread evenly."""
    return slice(None, None, -(-n_rows // CURVE_ROWS))


def validation_splits(n_rows, fraction, rng, strata=None):
    """Yield (train, val) indices: up to MOST_VALIDATIONS disjoint ones of ``fraction``.

    With ``strata`` (n_rows,) each of them holds its share of every class.
    """
    order = rng.permutation(n_rows)
    if strata is not None:
        order = order[interleaved(np.asarray(strata)[order], rng)]
    size = min(max(1, int(fraction * n_rows)), LARGEST_VALIDATION)
    for i in range(min(MOST_VALIDATIONS, max(1, n_rows // size))):
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
        traced = np.arange(n_rows)[part]
        if traced.ndim != 1:
            raise IndexError(f"got an array of shape {np.shape(part)}")
    except (IndexError, TypeError, ValueError) as reason:
        raise ValueError(
            f"Split {i} of cv must hold the numbers of some of {n_rows} rows, counted "
            f"from 0, or masks of them: {reason}."
        ) from reason
    return traced


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


class FoldHistory:
    """A TrainingRun and its Evaluator: costs at every checkpoint, the first one PCA's.

    If nets are large, only the weights of the best checkpoints are kept. ``costs`` holds
    (n_candidates, n_rows, n_prefixes) errors for each checkpoint, penalties included;
    ``values`` (n_checkpoints + 1,) are the validation curve. If another thread compiles the
    evaluation, ``compiled`` is its Future. ``held_out`` are the validation rows,
    ``trained_on`` some of those of the training.
    """

    def __init__(self, run, held_out, trained_on=None, compiled=None):
        self.run, self.evaluator, self.compiled = run, Evaluator(held_out, run), compiled
        self.held_out, self.trained_on = held_out, trained_on
        if run.start == "pca":
            start = self.evaluator.start_costs(run.model(0))
            self.costs = [np.stack([start] * len(run.candidates))]
        else:
            self.costs = [self._costs()]
        self._values = ()

    def advance(self):
        """Train up to the next checkpoint and judge it; False where there is no other one."""
        if not self.run.advance():
            return False
        if self.compiled is not None:
            self.compiled.result()
        costs = self._costs()
        is_finite = np.isfinite(costs).all(axis=(1, 2), keepdims=True)
        if not is_finite.any():
            self.run.diverged = True
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
        if self.run.start == "pca":  # what is allowed comes first
            ranks = np.where(found.is_allowed, ranks, HOPELESS + ranks)
        order = np.argsort(ranks.min(axis=1)[1:], kind="stable")
        best = 1 + order[: self.run.most_kept]
        self.run.keep({0, *best.tolist()})

    @property
    def unit(self):
        """The costs (n_rows, n_prefixes) that others are relative to: PCA's."""
        if self.run.start == "pca":
            return self.costs[0][0]
        return self.evaluator.reference[:, self.evaluator.prefixes]

    def _costs(self):
        costs, models = [], {}
        for share, restart in self.run.candidates:
            if restart not in models:
                whole = self.run.model(candidate=(1.0, restart))
                models[restart] = whole.without_reduction
            costs.append(self.evaluator.costs(models[restart].scaled(share)))
        return np.stack(costs)


class StopFit(Exception):
    """A callback asked to stop."""


@dataclass
class FitResult:
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

    def keep(self, run, candidate, losses, checkpoint=None):
        """Make a ``run``'s net at a checkpoint, the latest one, the one that is kept."""
        self.model, self.axes = run.model(checkpoint, candidate), run.pca.axes
        self.n_rows, self.losses = run.n_rows, losses

    @property
    def explained(self):
        """The share of variance that the first 1..k components explain: it never falls."""
        unexplained = self.relative * self.pca_unexplained
        return np.maximum.accumulate(np.clip(1.0 - unexplained, 0.0, 1.0))


def select(config, rows, folds, *, refit, callback, worker=None):
    """Choose the step on held-out rows, train on all ``rows``, return a FitResult.

    ``folds`` yields a TrainingRun, its held-out Rows and some of those it trains on, one fold
    after another. If ``refit`` is False the first fold's own net is kept. Ctrl-C while
    folds are judged leaves the best fold's net, later the last checkpoint. ``worker`` is a
    second one, if any.
    """
    histories, stop, speculative = [], None, None
    try:
        for added in _batches_of_folds(folds, histories, worker):
            histories += added
            if worker is not None and refit and speculative is None:
                speculative = SpeculativeTraining(worker, config.begin(rows, REFIT))
            _follow(
                histories,
                callback,
                worker,
                speculative if len(histories) == len(added) else None,
            )
            if _is_clear(histories):
                break
    except (KeyboardInterrupt, StopFit) as reason:
        if worker is not None:
            worker.close()
        if not histories:
            raise
        stop = type(reason)
        if stop is KeyboardInterrupt:
            survive(reason)
        histories = [min(histories, key=lambda history: history.values.min())]
    if not histories:
        raise ValueError("cv yielded no split: nothing can be held out. Pass another cv.")
    (choice, validated, result), is_disturbed = undisturbed(_chosen, histories, refit)
    result.interrupted = is_disturbed or stop is KeyboardInterrupt
    del histories  # large, and not needed any more
    if choice.is_pca:
        if speculative is not None:
            speculative.abandon()
        (result.model, result.axes), is_disturbed = undisturbed(config.pca, rows)
        result.n_rows = len(rows.weight)
        result.interrupted |= is_disturbed
    elif refit and stop is None:
        _refit(config, rows, choice, validated, result, callback, speculative)
    return result


def _batches_of_folds(folds, histories, worker):
    """Yield lists of new FoldHistories: the first fold alone, then two folds at a time."""
    folds = iter(folds)
    while batch := list(islice(folds, FOLDS_AT_ONCE if histories else 1)):
        yield [_begin_history(*fold, worker, is_first=not histories) for fold in batch]


def _begin_history(run, held_out, trained_on, worker, *, is_first):
    """Return a fold's FoldHistory; a ``worker`` compiles the evaluation beside the first."""
    compiled = None
    if worker is not None:
        worker.cancel_at_end(run.trainer)
        compiled = worker.submit(run.model(0).warm_up) if is_first else None
    return FoldHistory(run, held_out, trained_on, compiled)


def _follow(histories, callback, worker, speculative):
    """Train ``histories`` until their budget ends, or the curve of all is out of patience.

    Folds that stopped before go on if all of them together go further, unless they hold so
    many rows that these have been let go. The ``speculative`` training on all rows keeps pace;
    it begins when all is compiled.
    """
    budget = histories[0].run.config.budget
    for checkpoint in range(1, budget.n_checkpoints + 1):
        behind = [history for history in histories if len(history.costs) <= checkpoint]
        if any(history.run.trainer.is_released for history in behind):
            break
        if speculative is not None and checkpoint > 1:
            speculative.train_to(checkpoint)
        if not _advance(behind, worker):
            break
        if any([callback(history.run, history.values[-1]) for history in behind]):
            raise StopFit
        for history in behind:
            history.keep_best()
        if _out_of_patience(budget, validation_curve(histories)):
            break
    for history in histories:
        if history.run.n_numbers > MOST_WAITING:
            history.run.trainer.release()


def _advance(histories, worker):
    """Train ``histories`` up to their next checkpoints; say whether all of them had one."""
    here, beside = (histories, []) if worker is None else (histories[::2], histories[1::2])
    beside = [worker.submit(history.advance) for history in beside]
    return all([history.advance() for history in here] + [future.result() for future in beside])


def _out_of_patience(budget, values):
    """Say whether the criterion has long stopped falling; the warm-up is not counted."""
    if (
        budget.patience is None
        or len(values) <= budget.patience + WARM_UP * budget.n_checkpoints
    ):
        return False
    return values[: -budget.patience].min() - values[-budget.patience :].min() < budget.tol


def _is_clear(histories):
    """Say whether no fold needs to be added."""
    choice, n_rows = choose(histories), Candidates(histories).n_rows
    return not choice.is_pca and choice.gain >= CLEAR_GAIN and n_rows >= ENOUGH_ROWS


class ValidatedNet(NamedTuple):
    """A fold's net at the checkpoint chosen, and its mean costs (n_prefixes,).

    They are on some of the rows that it was ``trained_on``, and on those ``held_out``.
    """

    trained_on: object
    training_costs: np.ndarray
    held_out: object
    held_out_costs: np.ndarray


def _chosen(histories, refit):
    """Return the Choice, the ValidatedNet for a ``refit``, and the FitResult."""
    choice, validated = choose(histories), None
    result = _outcome([(history.run, history.evaluator) for history in histories], choice)
    if refit and not choice.is_pca:
        best = min(histories, key=lambda history: _rank(history, choice))
        run = best.run
        checkpoint = run.nearest(choice.checkpoint)
        model = run.model(checkpoint, choice.candidate)
        expected = _mean_costs(Evaluator(best.trained_on, run), model)
        if (
            checkpoint != choice.checkpoint
        ):  # of a large net: nothing is known of the very checkpoint
            expected = np.full_like(expected, np.inf)
        validated = ValidatedNet(
            best.trained_on,
            expected,
            best.held_out,
            _mean_costs(best.evaluator, model),
        )
        result.keep(run, choice.candidate, run.all_losses(choice.candidate[1]), checkpoint)
    for history in histories:
        history.run.trainer.release()
    return choice, validated, result


def _rank(history, choice):
    """Return what folds are sorted by: whether a prefix is worse than PCA, the criterion."""
    found = Candidates([history])
    ratios = found.ratios[choice.checkpoint, history.run.candidates.index(choice.candidate)]
    return bool((ratios > PREFIX_MARGIN).any()), history.values[choice.checkpoint]


def _mean_costs(evaluator, model):
    return np.average(evaluator.costs(model), axis=0, weights=evaluator.weight)


def _refit(config, rows, choice, validated, result, callback, speculative):
    """Train on all rows up to the chosen checkpoint, and put the end into the ``result``.

    Nothing is held out from this training, so it is compared with the judged net, which
    stays if the new one is clearly worse on rows that both have seen, or worse than PCA there.
    But the judged net has seen fewer rows than PCA: PCA is kept if it is better after all.
    """
    run = _train_on_all(config, rows, choice, result, callback, speculative)
    if run is None or run.checkpoint == 0:
        return
    is_well_trained, is_disturbed = undisturbed(_is_well_trained, run, choice, validated)
    result.interrupted |= is_disturbed
    if is_well_trained:
        result.keep(run, choice.candidate, run.all_losses(choice.candidate[1]))
        if run.checkpoint < choice.checkpoint:
            result.best_step = len(result.losses)
        return
    is_better, is_disturbed = undisturbed(_is_better_than_pca, validated, run)
    result.interrupted |= is_disturbed
    if not is_better:
        (model, axes), is_disturbed = undisturbed(config.pca, rows)
        result.use_pca(model, axes)
        result.n_rows, result.best_step = len(rows.weight), 0
        result.reason = "the training on all rows was worse than the one that was judged"
        result.interrupted |= is_disturbed


def _is_better_than_pca(validated, run):
    """Say whether the judged net is no worse than PCA of all rows, which a ``run`` began at.

    Each prefix counts. With penalties or another start it may be worse.
    """
    if run.start != "pca" or not run.config.step_config.objective.is_error_alone:
        return True
    evaluator = Evaluator(validated.held_out, run)
    pca = np.average(evaluator.start_costs(run.model(0)), axis=0, weights=evaluator.weight)
    return _is_no_worse(validated.held_out_costs, pca)


def _is_no_worse(costs, pca):
    """Say whether no mean cost (n_prefixes,) is above PCA's: a prefix has a margin."""
    return bool((costs <= np.append(pca[:-1] * PREFIX_MARGIN, pca[-1])).all())


def _train_on_all(config, rows, choice, result, callback, speculative):
    """Return the TrainingRun on all rows, at the chosen checkpoint or an earlier one."""
    run = None if speculative is None else speculative.run
    try:
        if speculative is None:
            run = config.begin(rows, REFIT)
        else:
            speculative.end_at(choice.checkpoint)
            callback(run, None)
        while run.checkpoint < choice.checkpoint and run.advance():
            run.keep({0, run.checkpoint})
            if callback(run, None):
                break
    except KeyboardInterrupt as ctrl_c:
        survive(ctrl_c)
        result.interrupted = True
        if speculative is not None:
            speculative.abandon()
            run.rewind(choice.checkpoint)
    result.diverged |= run is not None and run.diverged
    return run


def _is_well_trained(run, choice, validated):
    """Say whether a ``run`` on all rows is as good as the judged net, and as PCA."""
    if run.start != "pca":
        return True
    evaluator = Evaluator(validated.trained_on, run)
    costs = _mean_costs(evaluator, run.model(candidate=choice.candidate))
    expected = validated.training_costs[-1]
    allowed = WORSE * abs(expected)
    if evaluator.objective.is_error_alone:
        pca = np.average(evaluator.start_costs(run.model(0)), axis=0, weights=evaluator.weight)
        if not _is_no_worse(costs, pca):
            return False
        allowed = max(allowed, WORSE_HELD_OUT * choice.ratio * pca[-1])
    return costs[-1] - expected <= allowed


def train_without_validation(rows, run, *, callback, worker=None):
    """Train ``run``, begun on ``rows``, and keep the last checkpoint; return a FitResult."""
    evaluator, interrupted = Evaluator(rows.thinned(CURVE_ROWS), run), False
    compiled = None if worker is None else worker.submit(run.model(0).warm_up)
    try:
        while run.advance():
            run.keep({run.checkpoint})
            if callback(run, None):
                break
        if compiled is not None:
            compiled.result()
    except KeyboardInterrupt as ctrl_c:
        survive(ctrl_c)
        interrupted = True
    is_pca = run.start == "pca" and run.checkpoint == 0
    choice = Choice(
        run.checkpoint,
        _best_restart(run),
        np.empty(0),
        None,
        np.nan,
        "nothing was held out",
        is_pca,
    )
    result, is_disturbed = undisturbed(_outcome, [(run, evaluator)], choice)
    result.interrupted = interrupted or is_disturbed
    return result


def _best_restart(run):
    """Return the variant of the restart with the lowest loss at the end of the training."""
    losses = run.losses[-1] if run.losses else np.zeros((1, run.config.step_config.n_init))
    means = losses.reshape(len(losses), -1).mean(axis=0)
    return 1.0, int(np.argmin(np.where(np.isfinite(means), means, np.inf)))


def _outcome(validated, choice):
    """Return the FitResult of a ``choice`` for the first of the ``validated`` trials.

    Where a trial has not kept the checkpoint, which is none that its own judge likes, the next
    one stands for it.
    """
    run, budget = validated[0][0], validated[0][0].config.budget
    checkpoint, candidate = choice.checkpoint, choice.candidate
    parts = [
        _prefix_errors(t, evaluator, t.nearest(checkpoint), candidate)
        for t, evaluator in validated
    ]
    errors, reference, total = (np.mean(part, axis=0) for part in zip(*parts, strict=True))
    relative, ratio = _relative(errors, reference), choice.ratio
    if ratio is None or not validated[0][1].objective.is_error_alone:
        ratio = relative[-1]
    return FitResult(
        model=run.model(run.nearest(checkpoint), candidate),
        axes=run.pca.axes,
        best_step=min(checkpoint * budget.checkpoint_steps, budget.n_steps),
        losses=run.all_losses(candidate[1]),
        validation=choice.curve,
        relative=relative,
        pca_unexplained=reference / total if total > 0 else np.zeros_like(reference),
        error_ratio=float(ratio),
        n_rows=run.n_rows,
        is_pca=choice.is_pca,
        reason=choice.reason,
        diverged=any(run.diverged for run, _ in validated),
    )


def _prefix_errors(run, evaluator, checkpoint, candidate):
    """Return a checkpoint's and PCA's mean errors (k,) at every prefix, and the mean total.

    Of a long code some prefixes are measured, and the ratio to PCA's error is interpolated.
    """
    rows, k = _sample(len(evaluator.weight)), evaluator.n_components
    weight = evaluator.weight[rows]
    reference = np.average(evaluator.reference[rows, 1:], axis=0, weights=weight)
    total = np.average(evaluator.total[rows], weights=weight)
    is_pca = checkpoint == 0 and run.start == "pca"
    if is_pca and not evaluator.objective.autoencoder.variational:
        return reference, reference, total
    prefixes = np.unique(np.geomspace(1, k, CURVE_CUTS).round().astype(int))
    model = run.model(checkpoint, candidate)
    errors = np.average(evaluator.errors(model, prefixes, rows=rows), axis=0, weights=weight)
    ratios = _relative(errors, reference[prefixes - 1])
    return np.interp(np.arange(1, k + 1), prefixes, ratios) * reference, reference, total


def pca_unexplained(config, rows, splits):
    """Return PCA's held-out error at 1..k components over the variance, on all ``splits``.

    A net's error varies between hold-outs mostly as PCA's does; PCA is quick enough to be
    measured on all of them.
    """
    k, errors = config.network.n_components, []
    for train, val in splits:
        held_out = rows.take(val)
        reduction, encoder_input = config.reduced(rows.take(train))
        held_out = held_out if reduction is None else reduction.rows(held_out)
        found = config.pca_errors(held_out, config.fit_pca(encoder_input)[0])[1]
        errors.append((held_out.weight[:, None] * found).sum(axis=0))
    total, *rest = np.sum(errors, axis=0)
    return np.array(rest) / total if total > 0 else np.zeros(k)


def _relative(errors, reference):
    """Return ``errors / reference``, and 1 where PCA leaves no error."""
    return np.divide(errors, reference, out=np.ones_like(errors), where=reference > 0)
