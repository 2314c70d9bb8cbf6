"""The gate's choice: which checkpoint, and how much of the corrections."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.decomposition import PCA

from skae._runtime.devices import computing
from skae._select import gated as _gated
from skae._train import loop as _training

N_ROWS = 40


def history(*checkpoints, start="pca", tol=1e-4, spread=0.0):
    """A FoldHistory of given costs: for each checkpoint, numbers per scale and prefix.

    Rows differ in their gains over the first checkpoint by about ``spread``.
    """
    run = SimpleNamespace(
        start=start,
        candidates=[(strength, 0) for strength in _training.CORRECTION_SCALES],
        config=SimpleNamespace(budget=SimpleNamespace(tol=tol)),
    )
    evaluator = SimpleNamespace(
        total=np.full(N_ROWS, 4.0),
        weight=np.ones(N_ROWS),
        objective=SimpleNamespace(is_error_alone=True),
    )
    costs = [np.ones((len(numbers), N_ROWS, np.size(numbers[0]))) for numbers in checkpoints]
    wave = np.resize([spread, -spread], N_ROWS)
    for i, numbers in enumerate(checkpoints):
        costs[i] *= np.reshape(numbers, (len(numbers), 1, -1))
        costs[i] += wave[:, None] if i else 0.0
    return SimpleNamespace(run=run, evaluator=evaluator, costs=costs, unit=costs[0][0])


@pytest.mark.parametrize(
    "checkpoints, expected",
    [
        ([(1, 1), (0.9, 0.8), (0.85, 0.9)], (1, 1.0)),
        ([(1, 1), (0.9, 0.8), (0.7, 0.9)], (2, 0.5)),
        ([(1, 1), (1.1, 1.2), (1.3, 2.0)], (0, 0.5)),
    ],
)
def test_the_lowest_held_out_error_is_chosen(checkpoints, expected):
    choice = _gated.choose([history(*checkpoints)])
    assert (choice.checkpoint, choice.candidate[0]) == expected
    assert choice.curve == pytest.approx([min(numbers) for numbers in checkpoints])
    assert choice.is_pca == (choice.checkpoint == 0)
    assert choice.ratio == pytest.approx(min(min(numbers) for numbers in checkpoints))


def test_a_gain_within_tol_is_none():
    assert _gated.choose([history((1, 1), (0.95, 1), tol=0.1)]).checkpoint == 0
    assert _gated.choose([history((1, 1), (0.95, 1), tol=0.01)]).checkpoint == 1
    assert _gated.choose([history((1, 1), (1.2, 1.3), start="random")]).checkpoint == 1


def test_folds_are_weighed_together():
    histories = [history((1, 1), (0.9, 0.5)), history((1, 1), (0.8, 1.3))]
    choice = _gated.choose(histories)
    assert (choice.checkpoint, choice.candidate) == (1, (0.5, 0))


@pytest.mark.parametrize("worse", [(0.2, 1.01), (1.01, 0.2)])
def test_neither_the_code_nor_a_prefix_may_be_worse_than_pca(worse):
    """However much better the others are; among what is allowed the criterion chooses."""
    better = (0.97, 0.96)
    choice = _gated.choose([history([(1, 1)] * 2, [worse] * 2)])
    assert choice.is_pca and "worse with all or with some" in choice.reason
    choice = _gated.choose([history([(1, 1)] * 2, [worse, better], [worse] * 2)])
    assert (choice.checkpoint, choice.candidate[0]) == (1, 1.0)
    assert choice.ratio == pytest.approx(0.96)


def test_a_gain_that_is_not_clear_is_not_kept():
    checkpoints = (1, 1), (0.95, 0.95)
    assert not _gated.choose([history(*checkpoints, spread=0.02)]).is_pca
    choice = _gated.choose([history(*checkpoints, spread=0.5)])
    assert choice.is_pca and "not clear" in choice.reason


def test_a_gain_that_rests_on_one_row_is_not_kept():
    one = history((1, 1), (1.0001, 1.0001))
    one.costs[0][:, 3] = one.unit[3] = 1e6
    one.costs[1][:, 3] = 0.9e6
    choice = _gated.choose([one])
    assert choice.is_pca and choice.gain <= 0


def test_large_nets_keep_their_best_checkpoints(curve, quick, monkeypatch):
    """Of one hold-out nothing is lost by it; of several the figures may be a neighbour's."""
    kept = []
    choose = _gated.choose

    def spied(histories):
        kept[:] = [sorted(history.run.weights) for history in histories]
        return choose(histories)

    monkeypatch.setattr(_gated, "choose", spied)
    estimator = quick(max_iter=12, learning_rate=1e-2, cv=None)
    folds = quick(max_iter=12, learning_rate=1e-2, cv=3)
    X, X_val = curve[::2], curve[1::2]
    code = estimator.fit(X, X_val=X_val).transform(X)
    assert kept == [list(range(len(estimator.validation_curve_)))]
    of_folds = folds.fit(curve).transform(curve)
    monkeypatch.setattr(_training, "MOST_KEPT", 1)
    assert_array_equal(estimator.fit(X, X_val=X_val).transform(X), code)
    assert len(kept[0]) == 2
    assert_array_equal(folds.fit(curve).transform(curve), of_folds)
    assert len(kept) == 3 and max(map(len, kept)) == 2
    plain = quick(max_iter=4, linear_path=None, learning_rate=10.0).fit(X, X_val=X_val)
    assert plain.best_iter_ > 0  # every step made it worse, and still it is no untrained net


def test_the_start_stands_for_itself_only():
    run = SimpleNamespace(weights=dict.fromkeys([0, 4, 9]))
    nearest = [_training.TrainingRun.nearest(run, checkpoint) for checkpoint in (0, 1, 5, 8)]
    assert nearest == [0, 4, 4, 9]


def test_an_interrupted_fold_of_a_large_net_leaves_a_trained_one(curve, quick, monkeypatch):
    monkeypatch.setattr(_training, "MOST_KEPT", 1)
    advance, calls = _training.TrainingRun.advance, []

    def interrupted(run):
        calls.append(run)
        if run is not calls[0] and calls.count(run) > 3:
            raise KeyboardInterrupt
        return advance(run)

    monkeypatch.setattr(_training.TrainingRun, "advance", interrupted)
    estimator = quick(max_iter=12, learning_rate=1e-2, cv=3, linear_path=None)
    with pytest.warns(UserWarning, match="Interrupted"):
        estimator.fit(curve)
    assert estimator.best_iter_ > 0 and estimator.score(curve) > 0.5


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_strength_is_the_share_of_the_corrections(curve, quick, strength):
    estimator = quick(cv=None, max_iter=60, learning_rate=1e-2).fit(curve)
    model = estimator._fitted.model
    partial = replace(model, path=model.path._replace(strength=np.float32(strength)))
    rows = estimator._fitted.scaling.forward(curve)
    linear = PCA(model.n_components).fit(rows)
    signs = np.sign(np.sum(linear.components_ * estimator.components_, axis=1))
    with computing():
        whole, part = (m.encode(rows) for m in (model, partial))
    start = linear.transform(rows) * signs
    assert np.abs(whole - start).max() > 1e-2
    np.testing.assert_allclose(part - start, strength * (whole - start), atol=1e-5)


def test_what_is_kept_is_what_was_judged(curve, quick):
    X, X_val = curve[::2], curve[1::2]
    estimator = quick(ordered=False, max_iter=60, learning_rate=1e-2).fit(X, X_val=X_val)
    pca = PCA(estimator.n_components).fit(X)
    reference, error = (
        np.square(X_val - model.inverse_transform(model.transform(X_val))).sum()
        for model in (pca, estimator)
    )
    assert error / reference == pytest.approx(estimator.validation_curve_.min(), rel=1e-4)
    assert error < 0.9 * reference
