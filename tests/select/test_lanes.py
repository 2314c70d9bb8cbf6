"""Trainings side by side: the same results to the bit, and nothing that goes on afterwards."""

import threading
import time
import warnings
from collections import Counter
from concurrent.futures import CancelledError

import jax
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skae._runtime.devices import computing
from skae._select import background as _background
from skae._select import gated as _gated
from skae._train import budget as _budget
from skae._train import loop as _training
from skae._train.config import FINAL


@pytest.fixture
def lanes(monkeypatch):
    """A function that sets whether there is a second lane, and notes who trains."""
    block, threads = _training.train_block, []

    def noted(*args):
        threads.append(threading.current_thread().name.split("_")[0])
        return block(*args)

    def arrange(is_open):
        threads.clear()
        monkeypatch.setattr(_background, "LEAST_WORK", 0)
        monkeypatch.setattr(_background, "n_threads", lambda: 2 if is_open else 1)
        monkeypatch.setattr(_training, "train_block", noted)
        return threads

    yield arrange
    assert not any(thread.name.startswith("skae") for thread in threading.enumerate())


CASES = {
    "five folds": dict(learning_rate=1e-2, max_iter=6, ordered=False),
    "two folds": dict(cv=2, learning_rate=1e-2, max_iter=30),
    "patience": dict(cv=3, learning_rate=1e-2, max_iter=30, n_iter_no_change=2),
    "PCA is kept": dict(learning_rate=1e-9, max_iter=4),
    "two restarts": dict(n_init=2, cv=2, learning_rate=1e-2, linear_path=None),
    "variational": dict(kl_weight=1.0, cv=2, learning_rate=1e-2),
}


@pytest.mark.parametrize("case", CASES)
def test_results_do_not_depend_on_a_second_lane(quick, curve, lanes, case):
    found = []
    for is_open in (False, True):
        threads = lanes(is_open)
        estimator = quick(**CASES[case]).fit(curve)
        assert ("skae" in threads) == is_open
        names = ("loss_curve_", "validation_curve_", "explained_variance_ratio_", "best_iter_")
        found.append([estimator.transform(curve), *(getattr(estimator, n) for n in names)])
    for alone, beside in zip(*found, strict=True):
        assert_array_equal(alone, beside)


@pytest.mark.parametrize("parameters", [dict(cv=None), dict(cv=None, warm_start=True), {}])
def test_one_training_alone_stays_in_the_callers_thread(quick, curve, lanes, parameters):
    threads = lanes(True)
    quick(**parameters).fit(curve, X_val=None if parameters else curve[:40])
    assert set(threads) == {"MainThread"}


def test_rows_that_are_read_in_blocks_are_held_once(quick, curve, lanes, monkeypatch):
    threads = lanes(True)
    monkeypatch.setattr("skae._data.rows.LEAST_NUMBERS", 100)
    quick(cv=2).fit(curve)
    assert set(threads) == {"MainThread"}


def test_folds_are_added_in_pairs_until_the_gain_is_clear(quick, curve, monkeypatch):
    begin, folds = _gated.begin, []

    def counted(config, rows, stream):
        folds.append(stream)
        return begin(config, rows, stream)

    monkeypatch.setattr(_gated, "begin", counted)
    for enough, expected in ((1, [1]), (40, [1, 2, 3]), (np.inf, [1, 2, 3, 4, 5])):
        folds.clear()
        monkeypatch.setattr(_gated, "ENOUGH_ROWS", enough)
        quick(ordered=False, max_iter=60, learning_rate=1e-2).fit(curve)
        assert [fold for fold in folds if fold != FINAL] == expected


def test_training_on_all_rows_is_ended_where_the_folds_choose(quick, curve, lanes, monkeypatch):
    """It is begun once, in the caller's thread, and most of it is done in the other one."""
    begin, begun = _gated.begin, []

    def counted(config, rows, stream):
        begun.append((stream, threading.current_thread() is threading.main_thread()))
        return begin(config, rows, stream)

    monkeypatch.setattr(_gated, "begin", counted)
    parameters = dict(cv=2, learning_rate=1e-2, max_iter=30, ordered=False)
    n_alone = len(_fit_and_note(quick(**parameters), curve, lanes(False)))
    begun.clear()
    threads = _fit_and_note(quick(**parameters), curve, lanes(True))
    assert Counter(begun)[FINAL, True] == 1 and all(here for _, here in begun)
    assert threads.count("MainThread") < 0.75 * n_alone < len(threads)


def _fit_and_note(estimator, X, threads):
    estimator.fit(X)
    assert 0 < estimator.best_iter_ == len(estimator.loss_curve_)
    return threads


def test_of_many_rows_two_folds_are_held_at_a_time(quick, curve, lanes, monkeypatch):
    lanes(False)
    monkeypatch.setattr(_gated, "MOST_WAITING", 0)
    begin, runs, n_held = _gated.begin, [], []

    def counted(*args):
        run = begin(*args)
        runs.append(run)
        n_held.append(sum(run.source is not None for run in runs))
        return run

    monkeypatch.setattr(_gated, "begin", counted)
    quick(cv=5, max_iter=6).fit(curve)
    assert len(runs) >= 5 and max(n_held) == 2


@pytest.mark.parametrize("n", [1, 2, 11, 20])
def test_ctrl_c_ends_both_lanes(quick, curve, lanes, monkeypatch, n):
    """The caller's thread gets the signal; the other one ends before its next block."""
    lanes(True)
    monkeypatch.setattr(_budget, "_block_steps", lambda *sizes: 1)  # many to a checkpoint
    noted, own, later = _training.train_block, [], []

    def interrupted(*args):
        if threading.current_thread() is not threading.main_thread():
            later.extend([1] if len(own) == n else [])
            time.sleep(0.02)  # so that there is something left to be cancelled
            return noted(*args)
        own.append(1)
        if len(own) == n:
            raise KeyboardInterrupt
        return noted(*args)

    monkeypatch.setattr(_training, "train_block", interrupted)
    estimator = quick(cv=5, max_iter=60, learning_rate=1e-2, ordered=False)
    with pytest.warns(UserWarning, match="Interrupted"):
        estimator.fit(curve)
    assert len(later) <= 2  # of the eight to a checkpoint: one that runs, and one more
    assert np.isfinite(estimator.inverse_transform(estimator.transform(curve))).all()
    assert estimator.error_ratio_ <= 1


def test_ctrl_c_while_it_waits_keeps_what_was_reached(quick, curve, lanes, monkeypatch):
    lanes(True)

    def interrupted(worker, run, checkpoint):
        for move in worker._moves[:3]:
            move.result()
        raise KeyboardInterrupt

    monkeypatch.setattr(_background.BackgroundWorker, "end_at", interrupted)
    estimator = quick(cv=2, learning_rate=1e-2, max_iter=30, ordered=False)
    with pytest.warns(UserWarning, match="Interrupted"):
        estimator.fit(curve)
    assert 3 <= estimator.best_iter_ == len(estimator.loss_curve_)


def test_divergence_after_the_chosen_checkpoint_is_none(quick, curve, lanes, monkeypatch):
    lanes(True)
    noted = _training.train_block

    def diverging(*args):
        state, losses = noted(*args)
        is_ahead = threading.current_thread() is not threading.main_thread()
        return state, losses * np.float32(np.nan if is_ahead and args[-2] > 25 else 1)

    monkeypatch.setattr(_training, "train_block", diverging)
    estimator = quick(cv=[(np.arange(100), np.arange(100, 150))], max_iter=40)
    choice = _gated.Choice(2, (1.0, 0), "so it is", curve=np.ones(41), ratio=0.9, gain=9.0)
    monkeypatch.setattr(_gated, "choose", lambda histories: choice)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator.fit(curve)
    assert estimator.best_iter_ == 2


def test_the_second_lane_computes_where_the_first_does():
    lane, (device, *_) = _background.BackgroundWorker(), jax.local_devices()
    with jax.default_device(device), computing():
        there = lane.submit(lambda: (jax.default_device.value, jax.enable_x64.value)).result()
    lane.close()
    assert there == (device, False)


def test_what_fails_in_the_second_lane_fails_the_fit(quick, curve, lanes, monkeypatch):
    lanes(True)
    estimator = quick(cv=2, learning_rate=1e-2, max_iter=30, ordered=False).fit(curve)
    codes = estimator.transform(curve)
    noted = _training.train_block

    def failing(*args):
        if threading.current_thread() is not threading.main_thread():
            raise MemoryError("no room")
        return noted(*args)

    monkeypatch.setattr(_training, "train_block", failing)
    with pytest.raises(MemoryError, match="no room"):
        estimator.fit(curve[:, :3])
    assert_array_equal(estimator.transform(curve), codes)


def test_a_cancelled_run_does_not_go_on(quick, curve, lanes, monkeypatch):
    runs = []
    begin = _gated.begin
    monkeypatch.setattr(_gated, "begin", lambda *a: runs.append(begin(*a)) or begin(*a))
    quick(cv=None).fit(curve)
    runs[0].is_cancelled = True
    with pytest.raises(CancelledError):
        runs[0].train(1)


def test_nothing_is_compiled_twice(quick, curve, lanes, compiled):
    lanes(True)
    jax.clear_caches()
    quick(cv=5).fit(curve)
    assert Counter(compiled) == {
        "jit(train_block)": 1,
        "jit(_encode_tiles)": 1,
        "jit(_decode_tiles)": 1,
    }


def test_each_epoch_is_told_once(quick, curve, lanes, capsys):
    told = []
    for is_open in (False, True):
        lanes(is_open)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            quick(cv=2, verbose=1, learning_rate=1e-2, max_iter=12).fit(curve)
        told.append(capsys.readouterr().out.splitlines())
    assert told[0] == told[1] and len(told[0]) > 24
