"""Ctrl-C, divergence and failure: a usable model is left, the new one or the old one."""

import os
import signal
import subprocess
import sys
import warnings
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score

import skae
from skae import (
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderTransformer,
    TableAutoencoder,
    TableEncoder,
)
from skae._estimator import fitting as _fitting
from skae._estimator.fitted import FittedAutoencoder
from skae._runtime import interrupts
from skae._runtime.snapshots import fitted_copy
from skae._select import evaluate as _evaluate
from skae._select import gated as _gated
from skae._train import config as _config
from skae._train import loop as _training

N_FOLDS = 2


def fit_through(estimator, *args, **kwargs):
    """Fit; a KeyboardInterrupt that comes out fails the test and does not end pytest."""
    try:
        return estimator.fit(*args, **kwargs)
    except KeyboardInterrupt:
        pytest.fail("KeyboardInterrupt left fit without a model")


@pytest.fixture
def interrupt_at(monkeypatch):
    """A function that lets the n-th run of the training block end in an error."""

    def arrange(n, error=KeyboardInterrupt):
        block, calls = _training.train_block, []

        def counted(*args):
            calls.append(args)
            if len(calls) == n:
                raise error
            return block(*args)

        monkeypatch.setattr(_training, "train_block", counted)
        return calls

    return arrange


def assert_usable(estimator, X):
    Z = estimator.transform(X)
    assert np.isfinite(Z).all() and np.isfinite(estimator.inverse_transform(Z)).all()
    assert estimator.n_iter_ >= 1 and estimator.best_iter_ >= 0
    assert np.isfinite(estimator.error_ratio_)
    assert len(estimator.explained_variance_ratio_) == estimator.n_components_


@pytest.fixture
def gated(quick, monkeypatch):
    """An estimator that trains all its folds, and whose criterion is error_ratio_."""
    monkeypatch.setattr(_gated, "ENOUGH_ROWS", np.inf)
    return quick(cv=N_FOLDS, ordered=False, max_iter=6, learning_rate=1e-2)


@pytest.fixture
def n_blocks(gated, curve, interrupt_at):
    """Runs of the training block in all folds together, without the refit."""
    calls = interrupt_at(0)
    assert gated.fit(curve).best_iter_ > 1  # so that there is a refit to interrupt
    firsts = [i for i, args in enumerate(calls) if args[-2] == 0]
    return firsts[N_FOLDS]


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_interrupted_while_the_checkpoint_is_chosen(
    gated, curve, n_blocks, interrupt_at, share
):
    """The best net so far is kept where it beats PCA on held-out rows, else PCA."""
    calls = interrupt_at(1 + round(share * (n_blocks - 1)))
    with pytest.warns(UserWarning, match="[Ii]nterrupted"):
        fit_through(gated, curve)
    assert len(calls) <= n_blocks  # nothing is trained after Ctrl-C, no refit either
    assert_usable(gated, curve)
    assert gated.error_ratio_ <= 1
    if share == 0:
        assert gated.best_iter_ == 0 and gated.error_ratio_ == 1


@pytest.mark.parametrize("n", [2, 3, 9, 12])
def test_interrupted_just_after_a_checkpoint_was_judged(gated, curve, monkeypatch, n):
    """Its costs are there, and the curve is not yet."""
    function, calls = _evaluate.validation_curve, []

    def interrupted(histories):
        calls.append(histories)
        if len(calls) == n:
            raise KeyboardInterrupt
        return function(histories)

    monkeypatch.setattr(_evaluate, "validation_curve", interrupted)
    with pytest.warns(UserWarning, match="Interrupted"):
        fit_through(gated, curve)
    assert_usable(gated, curve)


def test_interrupted_before_any_step_of_a_plain_net(quick, X, interrupt_at):
    interrupt_at(1)
    estimator = quick(linear_path=None, cv=N_FOLDS)
    with pytest.warns(UserWarning, match="[Ii]nterrupted"):
        assert_usable(fit_through(estimator, X), X)


@pytest.mark.parametrize("n_run", [1, 3])
def test_interrupted_in_the_refit(gated, curve, n_blocks, interrupt_at, n_run):
    """The best net so far is kept: the refit's last, or while that is worse the fold's."""
    interrupt_at(0)
    whole = clone(gated).fit(curve)
    interrupt_at(n_blocks + 1 + n_run)
    with pytest.warns(UserWarning, match="[Ii]nterrupted"):
        fit_through(gated, curve)
    assert_usable(gated, curve)
    assert gated.best_iter_ == gated.n_iter_ == len(gated.loss_curve_)
    assert gated.best_iter_ in (n_run, whole.best_iter_)
    assert gated.score(curve) > PCA(2).fit(curve).explained_variance_ratio_.sum()


def test_interrupted_in_the_first_block_of_the_refit(gated, curve, n_blocks, interrupt_at):
    """No block of it ended: a net of the choice is kept, which is better than PCA."""
    interrupt_at(n_blocks + 1)
    with pytest.warns(UserWarning, match="[Ii]nterrupted"):
        fit_through(gated, curve)
    assert_usable(gated, curve)
    assert gated.score(curve) > PCA(2).fit(curve).explained_variance_ratio_.sum()


def test_interrupted_between_choice_and_refit(gated, curve, monkeypatch):
    begin, calls = _gated.begin, []

    def counted(*args):
        calls.append(args)
        if len(calls) == N_FOLDS + 1:
            raise KeyboardInterrupt
        return begin(*args)

    monkeypatch.setattr(_gated, "begin", counted)
    with pytest.warns(UserWarning, match="[Ii]nterrupted"):
        fit_through(gated, curve)
    assert_usable(gated, curve)


@pytest.mark.parametrize("n", [1, 2, 6])
def test_interrupted_without_a_gate(quick, X, interrupt_at, monkeypatch, n):
    """The last checkpoint is kept: PCA itself where there was none."""
    monkeypatch.setattr(_config, "UNWATCHED_BLOCKS", 0)  # as many of them as with a gate
    interrupt_at(n)
    estimator = quick(cv=None)
    with pytest.warns(UserWarning, match="[Ii]nterrupted"):
        fit_through(estimator, X)
    assert_usable(estimator, X)
    assert len(estimator.loss_curve_) <= n


def test_interrupted_with_held_out_rows_given(quick, X, interrupt_at):
    interrupt_at(3)
    estimator = quick()
    with pytest.warns(UserWarning, match="[Ii]nterrupted"):
        fit_through(estimator, X[::2], X_val=X[1::2])
    assert_usable(estimator, X)


def test_an_interrupted_model_goes_on(quick, X, interrupt_at, monkeypatch):
    interrupt_at(3)
    estimator = quick(warm_start=True)
    with pytest.warns(UserWarning, match="[Ii]nterrupted"):
        fit_through(estimator, X)
    monkeypatch.undo()
    assert_usable(estimator.fit(X), X)


LATE = [  # what is done once nothing is trained any more, with a gate or without
    ({}, _evaluate.Evaluator, "error_curve"),
    ({}, _gated, "choose"),
    ({}, _gated, "pca_unexplained"),
    ({}, _gated, "_well_trained"),
    ({"n_components": 4}, _gated, "pca_model"),
    ({"cv": None}, _evaluate.Evaluator, "error_curve"),
    ({}, _fitting, "set_fitted"),
    ({}, _fitting, "with_density"),
    ({"cv": None}, FittedAutoencoder, "residual_of"),
    ({"warm_start": True}, FittedAutoencoder, "residual_of"),
]


@pytest.mark.parametrize("overrides, owner, name", LATE, ids=lambda value: str(value)[:20])
def test_interrupted_when_training_has_ended(gated, curve, monkeypatch, overrides, owner, name):
    """The model is there, and it is the one of a fit that was not interrupted."""
    whole = clone(gated).set_params(**overrides).fit(curve)
    if name == "choose":  # the last time: before that the folds are being trained
        monkeypatch.setattr(_gated, "_gain_is_clear", lambda histories: False)
    function, calls = getattr(owner, name), []

    def interrupted(*args, **kwargs):
        calls.append(args)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return function(*args, **kwargs)

    monkeypatch.setattr(owner, name, interrupted)
    estimator = clone(gated).set_params(**overrides)
    with pytest.warns(UserWarning, match="Interrupted"):
        fit_through(estimator, curve)
    assert calls
    assert_array_equal(estimator.transform(curve), whole.transform(curve))


def test_a_second_ctrl_c_ends_it(gated, curve, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(_evaluate.Evaluator, "error_curve", interrupt)
    with pytest.raises(KeyboardInterrupt):
        gated.fit(curve)
    assert not hasattr(gated, "n_components_")


@pytest.mark.parametrize("seconds, is_raised", [(1.9, True), (2.1, False)])
def test_a_second_ctrl_c_soon_after_is_raised(
    quick, X, interrupt_at, clock, seconds, is_raised
):
    """In the next fit, too: so a search ends."""
    interrupt_at(7)
    with pytest.warns(UserWarning, match="Interrupted"):
        fit_through(quick(), X)
    estimator = quick().fit(X)
    codes = estimator.transform(X)
    clock.now += seconds
    interrupt_at(7)
    if is_raised:
        with pytest.raises(KeyboardInterrupt):
            estimator.fit(X[:, :3])
        assert_array_equal(estimator.transform(X), codes)
    else:
        with pytest.warns(UserWarning, match="Interrupted"):
            fit_through(estimator, X[:, :3])


@pytest.fixture
def clock(monkeypatch):
    """What tells the time; ``now`` is set."""

    class Clock:
        now = 0.0

    monkeypatch.setattr(interrupts, "monotonic", lambda: Clock.now)
    return Clock


@pytest.mark.parametrize("late", [1, 5])
def test_two_ctrl_c_end_a_fit_and_a_search(gated, curve, n_blocks, monkeypatch, clock, late):
    """The second one comes while the model is being finished, or in the next fold."""
    block, calls = _training.train_block, []

    def counted(*args):
        calls.append(args)
        if len(calls) in (3, 3 + late):
            raise KeyboardInterrupt
        return block(*args)

    monkeypatch.setattr(_training, "train_block", counted)
    with pytest.warns(UserWarning, match="Interrupted"), pytest.raises(KeyboardInterrupt):
        cross_val_score(gated, curve, cv=3)
    assert len(calls) == 3 + late


def test_ctrl_c_in_two_late_parts(gated, curve, monkeypatch, clock):
    """Each of them survives one; both together are two."""
    for owner, name in ((_gated, "_well_trained"), (_fitting, "finish")):
        monkeypatch.setattr(owner, name, _raising_once(getattr(owner, name)))
    with pytest.raises(KeyboardInterrupt):
        gated.fit(curve)
    assert not hasattr(gated, "n_components_")


def _raising_once(function):
    calls = []

    def raising(*args):
        calls.append(args)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return function(*args)

    return raising


def test_ctrl_c_of_the_last_callback_leaves_the_model(gated, curve):
    pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")

    class Interrupting:
        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, *args, **kwargs):
            pass

        def on_fit_task_end(self, estimator, context, **kwargs):
            if context.parent is None or context.task_name == "fit":
                raise KeyboardInterrupt

    whole = clone(gated).fit(curve)
    estimator = clone(gated).set_callbacks(Interrupting())
    with pytest.warns(UserWarning, match="Interrupted"):
        fit_through(estimator, curve)
    assert_array_equal(estimator.transform(curve), whole.transform(curve))


def test_interrupted_before_anything_is_known(quick, X, monkeypatch):
    """Before there is a model Ctrl-C is Ctrl-C, and an older model is left whole."""
    estimator = quick().fit(X)
    codes = estimator.transform(X)

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(_gated, "begin", interrupt)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X[:, :3])
    assert estimator.n_features_in_ == 4
    assert_array_equal(estimator.transform(X), codes)


@pytest.mark.parametrize("n", [1, 7, 20])
@pytest.mark.parametrize("is_fitted", [False, True])
def test_a_failing_fit_changes_nothing(quick, X, interrupt_at, n, is_fitted):
    estimator = quick(cv=N_FOLDS, max_iter=4)
    if is_fitted:
        estimator.fit(X)
    before = dict(vars(estimator))
    interrupt_at(n, MemoryError)
    with pytest.raises(MemoryError):
        estimator.fit(X * 2)
    assert vars(estimator).keys() == before.keys()
    assert all(vars(estimator)[name] is value for name, value in before.items())


INTERRUPTED = """
import os, signal, sys, warnings
import numpy as np
from sklearn.datasets import load_iris
from skae import AutoencoderTransformer

X = load_iris().data
estimator = AutoencoderTransformer(
    hidden_layer_sizes=(8,), max_iter=200_000, batch_size=32, random_state=0, verbose=1
)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    estimator.fit(X)
assert any("nterrupted" in str(w.message) for w in caught), caught
Z = estimator.transform(X)
assert np.isfinite(Z).all()
print("usable")
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
def test_a_real_ctrl_c():
    """From outside, during a fit of hours: the process answers and has a model."""
    path = [str(Path(skae.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", INTERRUPTED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path)},
    )
    try:
        assert "epoch" in process.stdout.readline()  # training is under way
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=120)  # a deadline for a hang, not a measure
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert out.endswith("usable\n")


@pytest.mark.parametrize(
    "overrides",
    [
        dict(cv=None),
        {},
        dict(linear_path=None, cv=None),
        dict(optimizer="sgd", cv=None),
        dict(output_activation="logistic", cv=None),
        dict(ordered=False),
    ],
    ids=str,
)
def test_a_rate_of_a_million(quick, X, overrides):
    """It ends in advice, or the gate keeps PCA; in no case in codes that are not finite."""
    estimator = quick(learning_rate=1e6, max_iter=20, activation="relu", **overrides)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(X)
    assert all(issubclass(w.category, ConvergenceWarning) for w in caught)
    assert_usable(estimator, X)
    if overrides.get("cv", "gated") is None:
        assert estimator.score(X) > -1e3 or caught  # a useless model is not kept in silence
    else:
        assert estimator.best_iter_ == 0


def diverge(monkeypatch, n):
    """Let the n-th run of the training block return losses that are not numbers."""
    block, calls = _training.train_block, []

    def counted(*args):
        calls.append(args)
        state, losses = block(*args)
        return state, losses * np.float32(np.nan if len(calls) >= n else 1)

    monkeypatch.setattr(_training, "train_block", counted)


@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("cv", [None, 2, "auto"])
def test_divergence_is_told_with_advice(quick, X, monkeypatch, n, cv):
    """The last finite weights are kept: here PCA, or the checkpoint before the n-th."""
    monkeypatch.setattr(_config, "UNWATCHED_BLOCKS", 0)  # as many of them as with a gate
    estimator = quick(cv=cv)
    diverge(monkeypatch, n)
    with pytest.warns(ConvergenceWarning, match="learning_rate=.*scaling=.*[Ll]ower") as caught:
        estimator.fit(X)
    assert len(caught) == 1
    assert_usable(estimator, X)
    if n == 1:
        assert estimator.best_iter_ == 0


def test_divergence_in_the_refit_is_in_best_iter(gated, curve, n_blocks, monkeypatch):
    diverge(monkeypatch, n_blocks + 2)
    with pytest.warns(ConvergenceWarning, match="learning_rate"):
        gated.fit(curve)
    assert_usable(gated, curve)
    assert gated.best_iter_ == len(gated.loss_curve_) and gated.error_ratio_ < 1
    assert gated.score(curve) > PCA(2).fit(curve).explained_variance_ratio_.sum()


@pytest.mark.parametrize("scaling", ["global", "standard", None])
@pytest.mark.parametrize("cv", ["auto", None])
def test_one_cell_of_1e30(quick, X, scaling, cv):
    spoiled = X.copy()
    spoiled[0, 0] = 1e30
    estimator = quick(scaling=scaling, cv=cv)
    if scaling is None:
        with pytest.raises(ValueError, match="scaling=None leaves values of size 1e\\+30"):
            estimator.fit(spoiled)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Training diverged", ConvergenceWarning)
        estimator.fit(spoiled)
        assert_usable(estimator, spoiled)
        assert np.isfinite(estimator.score(spoiled))


@pytest.fixture
def at_each_line():
    """A context in which a function is called before each line of skae."""
    own = str(Path(skae.__file__).parent)

    @contextmanager
    def calling(act):
        def trace(frame, event, argument):
            if not frame.f_code.co_filename.startswith(own):
                return None
            if event == "line":
                act(frame)
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            yield
        finally:
            sys.settrace(before)

    return calling


SMALL = {"hidden_layer_sizes": (4,), "max_iter": 1, "batch_size": 32, "random_state": 0}
TABLE = pd.DataFrame({"a": np.arange(40.0), "b": list("xyzz") * 10, "c": np.sin(np.arange(40))})
ESTIMATORS = [
    TableEncoder(),
    TableAutoencoder(AutoencoderTransformer(1, cv=None, **SMALL)),
    AutoencoderImputer(AutoencoderTransformer(1, cv=None, **SMALL)),
    AutoencoderOutlierDetector(AutoencoderTransformer(1, cv=None, **SMALL)),
    AutoencoderTransformer(1, cv=None, **SMALL),
]


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_another_thread_finds_a_fitted_estimator_whatever_fit_does(
    estimator, fails, at_each_line
):
    is_table = isinstance(estimator, TableEncoder | TableAutoencoder)
    table = TABLE if is_table else TABLE[["a", "c"]]
    estimator = clone(estimator).fit(table)
    names, lines = set(vars(estimator)), []

    def check(frame):
        lines.append(frame.f_lineno)
        if names - set(vars(estimator)):
            pytest.fail(f"no {names - set(vars(estimator))} at {frame}")

    end = pytest.raises(ZeroDivisionError) if fails else nullcontext()
    with end, at_each_line(check):
        if fails:
            with fitted_copy(estimator) as copy:
                copy.fit(table).new_ = 1
                raise ZeroDivisionError
        estimator.fit(table)
    assert lines and set(vars(estimator)) == names


@pytest.mark.parametrize("n", range(1, 30))
def test_a_second_ctrl_c_while_a_fit_fails(n, at_each_line):
    class Holder:
        pass

    def interrupt(frame):
        lines.append(frame)
        if len(lines) == n:
            raise KeyboardInterrupt

    holder, lines = Holder(), []
    holder.old_, holder.other_ = 1, 2
    ends = pytest.raises((KeyboardInterrupt, ZeroDivisionError))
    with ends, at_each_line(interrupt), fitted_copy(holder) as copy:
        copy.old_, copy.new_ = 3, 4
        raise ZeroDivisionError
    assert vars(holder) == {"old_": 1, "other_": 2}
