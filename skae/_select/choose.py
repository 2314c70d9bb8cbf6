"""Which checkpoint of the folds is kept, or PCA: held-out costs in, a Choice out."""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from skae._pca import path as pca_start

CLEAR_GAIN = 3.0  # standard errors of the held-out gain: then no fold is added
TYPICAL_FLOOR = 0.1  # of PCA's mean error: smaller errors count as this one
SMALLEST_ERROR, SMALLEST_RATIO = 1e-100, 1e-12
FULL_SHARE = 0.75  # of the criterion
CAUTIOUS = 1.005  # of PCA's error, the most that a candidate may have without its best row


class Candidates:
    """Every candidate at every checkpoint of the folds, compared with PCA on held-out rows.

    ``ratios`` (n_checkpoints + 1, n_candidates, n_prefixes) are mean costs over PCA's. The
    ``criterion`` (n_checkpoints + 1, n_candidates) decides: lower is better. ``gains``, of that
    shape, are over PCA in standard errors.
    """

    def __init__(self, histories):
        n_checkpoints = min(len(history.costs) for history in histories)
        self.objective = histories[0].evaluator.objective
        self.costs = np.concatenate(
            [np.stack(t.costs[:n_checkpoints]) for t in histories], axis=-2
        )
        self.weight = np.concatenate([history.evaluator.weight for history in histories])
        total = np.concatenate([history.evaluator.total for history in histories])
        unit = np.concatenate([history.unit for history in histories])
        variance = np.average(total, weights=self.weight)
        floor = max(pca_start.ERROR_FLOOR * variance, SMALLEST_ERROR)
        self.unit = np.maximum(np.average(unit, axis=0, weights=self.weight), floor)
        self.varies = variance > 0
        self.ratios = self._mean(self.costs / self.unit, axis=-2)

    def _mean(self, values, axis=-1):
        return np.average(values, axis=axis, weights=self.weight)

    @property
    def criterion(self):
        """The mean of the full code's ratio (three quarters) and the prefixes'; 1 for PCA.

        Means are geometric, so that small errors of the full code count; with penalties, which
        may be negative, they are arithmetic. If all rows are equal, no candidate is better.
        """
        if not self.varies:
            return np.zeros(self.ratios.shape[:-1])
        if not self.objective.is_error_alone:
            return _blended(self.ratios)
        return np.exp(_blended(np.log(np.maximum(self.ratios, SMALLEST_RATIO))))

    @property
    def allowed(self):
        """Which candidates may be kept instead of PCA.

        Neither the full code nor a prefix may be worse than PCA's on held-out rows, nor worse
        by more than a margin without the best of these rows. With penalties all are allowed.
        """
        if not self.objective.is_error_alone:
            return np.ones(self.ratios.shape[:-1], bool)
        return ((self.ratios <= 1) & (self.cautious_ratios <= CAUTIOUS)).all(axis=-1)

    @cached_property
    def gains(self):
        """The gain of each candidate's full code over the start, in standard errors.

        It is the gain in mean cost, or in mean log cost if that is clearer, as when a few rows
        of large cost hide it, up to three times that in mean cost. A gain that rests on a
        single row is none.
        """
        costs = self.costs[..., -1] / self.unit[-1]
        in_mean = self._clarity(costs[0, 0] - costs)
        if not self.objective.is_error_alone:
            return in_mean
        logarithms = np.log(costs + TYPICAL_FLOOR)
        typical = self._clarity(logarithms[0, 0] - logarithms)
        return np.maximum(in_mean, np.minimum(typical, 3 * in_mean))

    def _clarity(self, gain):
        """Return the mean of each ``gain`` (..., n_rows) in standard errors."""
        mean = self._mean(gain)
        spread = np.sqrt(self._mean(np.square(gain - mean[..., None])))
        alike = np.where(mean > 0, np.inf, 0.0)
        error = spread / np.sqrt(self.n_rows)
        found = np.divide(mean, error, out=alike, where=error > 0)
        weighted = self.weight * gain
        rests_on_one = weighted.sum(axis=-1) <= weighted.max(axis=-1)
        return np.where(rests_on_one, np.minimum(found, 0.0), found)

    @cached_property
    def cautious_ratios(self):
        """The ``ratios``, each without the row that is best for its candidate.

        With heavy tails one row may be most of PCA's error, and new rows are not like it.
        """
        costs, start = (self.weight[:, None] * part for part in (self.costs, self.costs[0, 0]))
        best = np.argmax(start - costs, axis=-2, keepdims=True)
        start = np.broadcast_to(start, costs.shape)
        others, start_others = (
            part.sum(axis=-2) - np.take_along_axis(part, best, axis=-2)[..., 0, :]
            for part in (costs, start)
        )
        return np.divide(others, start_others, out=np.ones_like(others), where=start_others > 0)

    @property
    def n_rows(self):
        """The effective number of rows: as many of equal weight would say as much."""
        return self.weight.sum() ** 2 / np.square(self.weight).sum()


def _blended(values):
    """Return the mean of ``values`` (..., n_prefixes); FULL_SHARE of it is the full code's."""
    full, prefixes = values[..., -1], values[..., :-1]
    if prefixes.shape[-1] == 0:
        return full
    return FULL_SHARE * full + (1 - FULL_SHARE) * prefixes.mean(axis=-1)


def validation_curve(histories):
    """Return the criterion (n_checkpoints + 1,) of the best candidate over all folds."""
    return Candidates(histories).criterion.min(axis=1)


class Choice(NamedTuple):
    """What is kept: a checkpoint (0 is the start), one of its candidates, and why."""

    checkpoint: int
    candidate: tuple
    reason: str
    is_pca: bool = False
    curve: np.ndarray = np.empty(0)
    ratio: float | None = None  # of its full code's mean cost to PCA's
    gain: float = np.nan  # over PCA, in standard errors


def choose(histories) -> Choice:
    """Return the Choice: the best candidate that is allowed and clearly better, or PCA.

    If the start was not PCA, the best checkpoint is kept in any case; after a random start it
    is a trained one.
    """
    found, run = Candidates(histories), histories[0].run
    criterion, curve = found.criterion, found.criterion.min(axis=1)
    rivals, reason = criterion.copy(), "the lowest held-out criterion"
    if run.start == "random" and len(rivals) > 1:
        rivals[0] = np.inf
    if run.start == "pca":
        better = criterion < criterion[0] - run.config.budget.tol
        rivals[~(better & found.allowed & (found.gains >= CLEAR_GAIN))] = np.inf
        if np.isinf(rivals).all():
            reason, gain = _why_pca(found, better), float(found.gains.max())
            return Choice(0, run.candidates[0], reason, True, curve, 1.0, gain)
        reason = "better than PCA on held-out samples"
    best = np.unravel_index(np.argmin(rivals), rivals.shape)
    cautious = run.start == "pca" and found.objective.is_error_alone
    ratio = (found.cautious_ratios if cautious else found.ratios)[best][-1]
    return Choice(
        int(best[0]),
        run.candidates[best[1]],
        reason,
        curve=curve,
        ratio=float(ratio),
        gain=float(found.gains[best]),
    )


def _why_pca(found, better):
    if not better.any():
        return "no checkpoint is better on held-out samples"
    if not (better & found.allowed).any():
        return "each better checkpoint is worse with all or with some of its components"
    return f"the gain is not clear: {found.gains.max():.1f} standard errors"
