"""Model selection: which checkpoint of a training is kept, or PCA.

A fit is gated: a net is kept only if it is clearly better than PCA on held-out samples.
Checkpoint 0 is PCA. Folds are trained, first one, then two at a time, only until the gain over
PCA is clear on held-out samples. The net is then trained on all of them by the same schedule
and stopped at the chosen checkpoint. A background worker, if any, begins that during the first
fold.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice

import numpy as np

from skae._net.inference import Model
from skae._pca.axes import Axes
from skae._select.background import background_worker
from skae._select.choose import CLEAR_GAIN, Candidates, Choice, choose, validation_curve
from skae._select.evaluate import CURVE_ROWS, Evaluator, FoldHistory, relative_to
from skae._train.config import FINAL
from skae._train.start import begin, fit_pca, pca_errors, pca_model, reduced, resume

ENOUGH_ROWS = 250  # held out: with fewer, further folds are added even if the gain is clear
FOLDS_AT_ONCE = 2  # added if the first one is not enough
COMPARED_ROWS = 1_000  # of a fold, on which it is compared with the training on all rows
PREFIX_MARGIN = 1.005  # of PCA's error on training rows, the most that a prefix may have
MOST_WAITING = 2**22  # numbers in the rows of a fold that may continue later, 16 MB
WARM_UP = 0.1  # of the checkpoints, before which patience does not end a run
WORSE = 0.35  # of the fold's error: a final training that is worse by this has gone wrong
WORSE_HELD_OUT = 0.15  # and of the held-out error, if that on training rows is much smaller


@dataclass
class FitResult:
    """What a fit found. Steps are optimizer steps, errors are in scaled units."""

    model: Model
    axes: Axes  # of reduced rows, if the model reduces them
    best_step: int
    losses: np.ndarray
    validation: np.ndarray
    relative: np.ndarray  # held-out error of the first 1..k components over PCA's
    pca_unexplained: np.ndarray  # PCA's held-out error at 1..k components over the variance
    error_ratio: float
    n_rows: int  # that the model's PCA was fitted on
    is_pca: bool
    reason: str
    diverged: bool
    pca_errors: dict  # summed held-out errors of PCA in folds that were trained, by stream
    interrupted: bool = False

    def use_pca(self, model, axes):
        """Keep PCA: its Model and Axes."""
        self.model, self.axes, self.is_pca = model, axes, True
        self.relative, self.error_ratio = np.ones_like(self.relative), 1.0

    def keep(self, run, candidate, checkpoint=None):
        """Keep a ``run``'s net at a checkpoint, by default the latest."""
        self.model, self.axes = run.model(checkpoint, candidate), run.pca.axes
        self.n_rows, self.losses = run.n_rows, run.all_losses(candidate[1])

    @property
    def explained(self):
        """The share of variance that the first 1..k components explain; never falling."""
        unexplained = self.relative * self.pca_unexplained
        return np.maximum.accumulate(np.clip(1.0 - unexplained, 0.0, 1.0))


def train(
    config, rows, *, splits, held_out, refit, continued=None, callback, interrupts
) -> FitResult:
    """Train on ``rows``, choose by ``splits`` or by ``held_out`` rows, return a FitResult.

    A warm start goes on from a ``continued`` Model.
    """

    def start(config):
        begun = resume(config, rows, continued) if continued else begin(config, rows, FINAL)
        return callback.backup.resumed(begun)

    def fold(i, train, val):
        compared = train[:: -(-len(train) // COMPARED_ROWS)]
        run = begin(config, rows.take(train), FINAL + 1 + i)
        run = callback.backup.resumed(run)
        return run, rows.take(val), rows.take(compared) if refit else None

    found: list[FitResult] = []
    given = {"callback": callback, "interrupts": interrupts}
    thread = nullcontext() if callback.calls_back else background_worker(config, rows)
    with interrupts.survived(if_any=found), thread as worker:
        if held_out is None and splits is None:
            config = config.without_validation if callback.silent else config
            result = train_without_validation(rows, start(config), **given, worker=worker)
        elif splits is None:
            only = [(start(config), held_out, None)]
            result = train_gated(config, rows, only, **given, refit=False, worker=worker)
        else:
            folds = (fold(i, *split) for i, split in enumerate(splits))
            result = train_gated(config, rows, folds, **given, refit=refit, worker=worker)
            if refit and len(splits) > 1 and not interrupts.came:
                with interrupts.survived():
                    known = result.pca_errors
                    result.pca_unexplained = pca_unexplained(config, rows, splits, known)
        found.append(result)
    return found[0]


def train_gated(config, rows, folds, *, refit, callback, interrupts, worker=None) -> FitResult:
    """Choose a checkpoint on held-out rows, train on all ``rows``, return a FitResult.

    ``folds`` yields (TrainingRun, held-out Rows, a subsample of its training Rows). Without
    ``refit`` the first fold's net is kept; if Ctrl-C or a callback ends the folds, the best's.
    """
    histories: list[FoldHistory] = []
    final = reason = None
    with interrupts.survived(if_any=histories):
        folds = iter(folds)
        while added := list(islice(folds, FOLDS_AT_ONCE if histories else 1)):
            histories += [FoldHistory(worker, *fold) for fold in added]
            if worker is not None and refit and final is None:
                final = callback.backup.resumed(begin(config, rows, FINAL))
                worker.cancel_at_end(final)
            ahead = final if len(histories) == 1 else None
            reason = _follow(histories, callback, worker, ahead)
            if reason == "callback" or _gain_is_clear(histories):
                break
    stopped = interrupts.came or reason == "callback"
    if stopped:
        if worker is not None:
            worker.close()
        histories = [min(histories, key=lambda history: history.curve().min())]
    choice = interrupts.repeat(choose, histories)
    best = interrupts.repeat(_best_fold, histories, choice)
    pairs = [(history.run, history.evaluator) for history in histories]
    result = interrupts.repeat(_result, pairs, choice)
    for history in histories:
        history.run.release()
    del histories, pairs, history, added  # large, and not needed any more
    if choice.is_pca:
        result.model, result.axes = interrupts.repeat(pca_model, config, rows)
        result.n_rows = len(rows.weight)
    elif refit:
        result.keep(best.run, choice.candidate, best.run.nearest(choice.checkpoint))
        if not stopped:
            given = choice, best, result, callback, interrupts, final, worker
            _train_on_all(config, rows, *given)
    return result


def train_without_validation(rows, run, *, callback, interrupts, worker=None) -> FitResult:
    """Train ``run``, begun on ``rows``, and keep the last checkpoint; return a FitResult."""
    evaluator = Evaluator(rows.subsample(CURVE_ROWS), run)
    compiled = None if worker is None else worker.submit(run.model(0).warm_up)
    with interrupts.survived():
        _train_alone(run, run.config.budget.n_checkpoints, callback)
        if compiled is not None:
            compiled.result()
    losses = run.losses[-1] if run.losses else np.zeros((1, run.config.n_init))
    means = losses.reshape(len(losses), -1).mean(axis=0)
    restart = int(np.argmin(np.where(np.isfinite(means), means, np.inf)))
    untrained = run.start == "pca" and run.checkpoint == 0
    choice = Choice(run.checkpoint, (1.0, restart), "nothing was held out", untrained)
    return interrupts.repeat(_result, [(run, evaluator)], choice)


def reason_to_stop(runs, checkpoint, last, *, asked=False, curve=()) -> str | None:
    """Return why ``runs`` end at a ``checkpoint``, or None if they go on.

    A callback may have ``asked`` for it; ``curve`` is the validation curve so far. Besides,
    only Ctrl-C ends a training, and a gain that is clear without further folds.
    """
    budget = runs[0].config.budget
    if asked:
        return "callback"
    if any(run.diverged for run in runs):
        return "divergence"
    if checkpoint >= last:
        return "budget"
    if any(run.released for run in runs):
        return "memory"
    patience = budget.patience
    if patience is None or len(curve) <= patience + WARM_UP * budget.n_checkpoints:
        return None
    gain = curve[:-patience].min() - curve[-patience:].min()
    return "patience" if gain < budget.tol else None


def _follow(histories, callback, worker, ahead):
    """Train folds from checkpoint to checkpoint; return why they end.

    Earlier folds continue if all folds together go further, unless their rows, being large,
    were released. A training of all rows ``ahead`` keeps pace, once all is compiled.
    """
    asked, last = False, histories[0].run.config.budget.n_checkpoints
    while True:
        checkpoint = min(history.checkpoint for history in histories)
        behind = [history for history in histories if history.checkpoint == checkpoint]
        runs, curve = [history.run for history in behind], validation_curve(histories)
        if reason := reason_to_stop(runs, checkpoint, last, asked=asked, curve=curve):
            break
        if ahead is not None and checkpoint > 0:
            worker.train_ahead(ahead, checkpoint + 1)
        _advance(behind, worker)
        behind = [history for history in behind if not history.run.diverged]
        asked = any([callback(history.run, history.curve()[-1]) for history in behind])
        for history in behind:
            history.keep_best()
    for history in histories:
        if history.run.n_numbers > MOST_WAITING:
            history.run.release()
    return reason


def _advance(histories, worker):
    """Train folds up to their next checkpoints, every second one in the background."""
    here, elsewhere = (histories, []) if worker is None else (histories[::2], histories[1::2])
    futures = [worker.submit(history.advance) for history in elsewhere]
    for history in here:
        history.advance()
    for future in futures:
        future.result()


def _train_alone(run, last, callback):
    """Train one run up to the ``last`` checkpoint, if nothing stops it earlier."""
    asked = False
    while reason_to_stop([run], run.checkpoint, last, asked=asked) is None:
        if run.advance():
            run.keep({0, run.checkpoint})
            asked = callback(run, None)


def _gain_is_clear(histories):
    choice, n_rows = choose(histories), Candidates(histories).n_rows
    return not choice.is_pca and choice.gain >= CLEAR_GAIN and n_rows >= ENOUGH_ROWS


def _best_fold(histories, choice):
    """Return the best fold at the choice, rather one with no prefix worse than PCA's."""

    def rank(history):
        candidate = history.run.candidates.index(choice.candidate)
        ratios = Candidates([history]).ratios[choice.checkpoint, candidate]
        return bool((ratios > PREFIX_MARGIN).any()), history.curve()[choice.checkpoint]

    return min(histories, key=rank)


def _train_on_all(
    config, rows, choice, best, result, callback, interrupts, final=None, worker=None
):
    """Train on all rows up to the chosen checkpoint, and complete the ``result``.

    Nothing is held out, so the new net is compared with the ``best`` fold's on training rows
    of both. The fold's net is kept if the new one is clearly worse there, or worse than PCA.
    As that net was trained on fewer rows, PCA of all rows is kept if it is better.
    """
    run, cut_short = final, True
    with interrupts.survived():
        if final is None:
            run = callback.backup.resumed(begin(config, rows, FINAL))
        else:
            worker.end_at(run, choice.checkpoint)
            callback(run, None)
        _train_alone(run, choice.checkpoint, callback)
        cut_short = False
    if cut_short and final is not None:
        worker.close()
        run.rewind(choice.checkpoint)
    result.diverged |= run is not None and run.diverged
    if run is None or run.checkpoint == 0:
        return
    if interrupts.repeat(_well_trained, run, choice, best):
        result.keep(run, choice.candidate)
        if run.checkpoint < choice.checkpoint:
            result.best_step = len(result.losses)
        return
    costs = interrupts.repeat(best.evaluator.mean_costs, result.model)
    if not interrupts.repeat(_beats_pca, costs, best.held_out, run):
        result.use_pca(*interrupts.repeat(pca_model, config, rows))
        result.n_rows, result.best_step = len(rows.weight), 0
        result.reason = "the training on all samples was worse than that of the fold"


def _well_trained(run, choice, best):
    """Say whether a ``run`` on all rows is as good as the best fold's net, and as PCA."""
    if run.start != "pca":
        return True
    evaluator, expected = Evaluator(best.trained_on, run), np.inf
    costs = evaluator.mean_costs(run.model(candidate=choice.candidate))
    if choice.checkpoint in best.run.weights:  # of a large net it may be forgotten
        model = best.run.model(choice.checkpoint, choice.candidate)
        expected = Evaluator(best.trained_on, best.run).mean_costs(model)[-1]
    allowed = WORSE * abs(expected)
    if evaluator.objective.is_error_alone:
        pca = evaluator.mean_start_costs(run)
        if not _no_worse(costs, pca):
            return False
        allowed = max(allowed, WORSE_HELD_OUT * choice.ratio * pca[-1])
    return costs[-1] - expected <= allowed


def _beats_pca(costs, held_out, run):
    """Say whether mean ``costs`` (n_prefixes,) on held-out rows are no worse than PCA's.

    That is PCA of all rows, at which a ``run`` began. With penalties or another start they may
    be worse.
    """
    if run.start != "pca" or not run.config.objective.is_error_alone:
        return True
    return _no_worse(costs, Evaluator(held_out, run).mean_start_costs(run))


def _no_worse(costs, pca):
    """Say whether no mean cost (n_prefixes,) is above PCA's: a prefix has a margin."""
    return bool((costs <= np.append(pca[:-1] * PREFIX_MARGIN, pca[-1])).all())


def _result(pairs, choice) -> FitResult:
    """Return the FitResult of a ``choice`` for the first of ``pairs`` (run, Evaluator).

    If a run has not kept that checkpoint, its nearest one is used.
    """
    (run, evaluator), checkpoint = pairs[0], choice.checkpoint
    curves = [e.error_curve(r, r.nearest(checkpoint), choice.candidate) for r, e in pairs]
    errors, reference, total = (np.mean(part, axis=0) for part in zip(*curves, strict=True))
    relative, budget = relative_to(reference, errors), run.config.budget
    ratio = choice.ratio if evaluator.objective.is_error_alone else None
    return FitResult(
        model=run.model(run.nearest(checkpoint), choice.candidate),
        axes=run.pca.axes,
        best_step=min(checkpoint * budget.checkpoint_steps, budget.n_steps),
        losses=run.all_losses(choice.candidate[1]),
        validation=choice.curve,
        relative=relative,
        pca_unexplained=reference / total if total > 0 else np.zeros_like(reference),
        error_ratio=float(relative[-1] if ratio is None else ratio),
        n_rows=run.n_rows,
        is_pca=choice.is_pca,
        reason=choice.reason,
        diverged=any(run.diverged for run, _ in pairs),
        pca_errors={
            run.stream: _weighted_sum(e.weight, e.reference) for run, e in pairs if e.whole
        },
    )


def pca_unexplained(config, rows, splits, known):
    """Return PCA's held-out error at 1..k components over the variance, on all ``splits``.

    Folds differ in error mostly as PCA's does, and PCA is quick enough to be measured on all
    of them. The sums of trained folds are ``known``.
    """
    k, errors = config.n_components, []
    for i, (train, val) in enumerate(splits):
        if (found := known.get(FINAL + 1 + i)) is None:
            held_out = rows.take(val)
            reduction, trained = reduced(config, rows.take(train))
            held_out = held_out if reduction is None else reduction.rows(held_out)
            found = pca_errors(config, held_out, fit_pca(config, trained)[0])[1]
            found = _weighted_sum(held_out.weight, found)
        errors.append(found)
    total, *rest = np.sum(errors, axis=0)
    return np.array(rest) / total if total > 0 else np.zeros(k)


def _weighted_sum(weight, errors):
    return (weight[:, None] * errors).sum(axis=0)
