"""FitBackup: a fit that is killed goes on from its file, to the same bits."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
from skae import AutoencoderImputer, FitBackup
from skae._select import background, gated
from skae._train import loop

pytest.importorskip("sklearn.callback")

ATTRIBUTES = (
    "loss_curve_",
    "validation_curve_",
    "validation_epochs_",
    "explained_variance_ratio_",
    "mean_",
    "error_ratio_",
    "n_iter_",
    "best_iter_",
    "selected_model_",
    "n_samples_seen_",
)


class KilledError(BaseException):
    """What nobody catches, as SIGKILL."""


class Dying(FitBackup):
    """Writes at every checkpoint, and kills the fit after some writings."""

    def __init__(self, path, at):
        super().__init__(path, every=0)
        self.at, self.n_written = at, 0

    def is_due(self):
        return True

    def write_state(self, state):
        super().write_state(state)
        self.n_written += 1
        if self.n_written == self.at:
            raise KilledError


def fit(estimator, given, *callbacks):
    return clone(estimator).set_callbacks(*callbacks).fit(**given)


@pytest.fixture
def n_blocks(monkeypatch):
    """A list with an entry for each training block that was run, but for warming up."""
    found, begin = [], loop.TrainingRun._begin_block

    def counted(self, batches, count):
        found.extend([self.stream] * (count > 0))
        return begin(self, batches, count)

    monkeypatch.setattr(loop.TrainingRun, "_begin_block", counted)
    return found


def check(estimator, given, path, n_blocks):
    """A fit that is killed after each of some writings ends with the bits of the whole one."""
    whole, n_whole = fit(estimator, given), len(n_blocks)
    watch = Dying(path, -1)
    fit(estimator, given, watch)
    assert not path.exists() and watch.n_written >= 3
    for at in {1, watch.n_written // 2, watch.n_written}:
        n_blocks.clear()
        with pytest.raises(KilledError):
            fit(estimator, given, Dying(path, at))
        again = fit(estimator, given, FitBackup(path))
        assert not path.exists()
        X = given["X"]
        assert_array_equal(again.transform(X), whole.transform(X))
        assert_array_equal(again.sample(3, 0), whole.sample(3, 0))
        for name in ATTRIBUTES:
            assert_array_equal(getattr(again, name), getattr(whole, name))
        yield len(n_blocks) - n_whole


CURVED = dict(cv=2, max_iter=12, learning_rate=1e-2)


@pytest.mark.parametrize(
    "settings",
    [
        CURVED,
        dict(CURVED, optimizer="lbfgs", batch_size=256),
        dict(CURVED, optimizer="muon", learning_rate_schedule="plateau"),
        dict(CURVED, n_init=2),
        dict(cv=None, max_iter=300),
        dict(CURVED, kl_weight=1.0),
        dict(CURVED, linear_path=None),
    ],
    ids=str,
)
def test_hardly_a_step_is_trained_twice(quick, curve, settings, tmp_path, n_blocks):
    settings = {"hidden_layer_sizes": (8,), **settings}
    for n_more in check(quick(**settings), {"X": curve}, tmp_path / "fit", n_blocks):
        assert n_more <= 1


def test_missing_values_are_hidden_as_before(quick, curve, tmp_path, n_blocks):
    X = np.where(np.random.default_rng(0).uniform(size=curve.shape) < 0.1, np.nan, curve)
    assert set(check(quick(**CURVED), {"X": X}, tmp_path / "fit", n_blocks)) == {0}


def test_with_held_out_rows(quick, curve, tmp_path, n_blocks):
    given = {"X": curve[::2], "X_val": curve[1::2]}
    assert set(check(quick(**CURVED), given, tmp_path / "fit", n_blocks)) == {0}


def test_folds_that_are_added(quick, noise, tmp_path, n_blocks):
    given = {"X": noise, "y": np.arange(60) % 2}
    estimator = quick(max_iter=10, class_weight="balanced")
    assert set(check(estimator, given, tmp_path / "fit", n_blocks)) == {0}


def test_with_a_speculative_training(quick, curve, tmp_path, n_blocks, monkeypatch):
    """In a thread of its own; steps beyond the checkpoint that is kept may be trained again."""
    monkeypatch.setattr(background, "LEAST_WORK", 0)
    monkeypatch.setattr(background, "n_threads", lambda: 2)
    assert len(list(check(quick(**CURVED), {"X": curve}, tmp_path / "fit", n_blocks))) == 3


@pytest.mark.parametrize(("module", "name"), [(loop, "MOST_KEPT"), (gated, "MOST_WAITING")])
def test_large_nets_and_large_rows(quick, curve, tmp_path, n_blocks, monkeypatch, module, name):
    """Weights of most checkpoints are forgotten; folds that have ended are released."""
    monkeypatch.setattr(module, name, 1)
    assert set(check(quick(**CURVED), {"X": curve}, tmp_path / "fit", n_blocks)) == {0}


def test_rows_that_are_loaded_in_parts(quick, tmp_path, n_blocks, monkeypatch):
    from skae._data import batches, chunked, rows

    for name in ("LEAST_NUMBERS", "MOST_NUMBERS"):
        monkeypatch.setattr(rows, name, 200)
    monkeypatch.setattr(batches, "MOST_INPUTS", 200)
    monkeypatch.setattr(batches, "PART_NUMBERS", 400)
    t = np.linspace(-1, 1, 300)
    X = np.column_stack([t, t**2, np.sin(4 * t)])
    assert chunked.is_long(X)
    assert set(check(quick(**CURVED), {"X": X}, tmp_path / "fit", n_blocks)) == {0}


def test_a_warm_start_goes_on(quick, curve, tmp_path):
    estimators = []
    for at in (None, 2):
        estimator = quick(warm_start=True, cv=None, max_iter=300).fit(curve)
        if at is not None:
            with pytest.raises(KilledError):
                estimator.set_callbacks(Dying(tmp_path / "fit", at)).fit(curve)
            estimator.set_callbacks(FitBackup(tmp_path / "fit"))
        estimators.append(estimator.fit(curve))
    assert_array_equal(*(estimator.transform(curve) for estimator in estimators))


def test_a_fit_without_a_seed_keeps_its_own(quick, curve, tmp_path):
    estimator = quick(random_state=None, **CURVED)
    with pytest.raises(KilledError):
        fit(estimator, {"X": curve}, Dying(tmp_path / "fit", 3))
    kept = (tmp_path / "fit").read_bytes()
    codes = []
    for _ in range(2):
        (tmp_path / "fit").write_bytes(kept)
        codes.append(fit(estimator, {"X": curve}, FitBackup(tmp_path / "fit")).transform(curve))
    assert_array_equal(*codes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (dict(learning_rate=2e-3), r"learning_rate \(then 0.01, now 0.002\)"),
        (dict(random_state=1), r"seed \(then \d+, now \d+\)"),
        (dict(loss="huber"), r"loss \(then 'squared_error', now 'huber'\)"),
        ({}, "samples .then [0-9a-f]{12}, now [0-9a-f]{12}"),
        (None, r"skae \(then 0.0.1, now"),
    ],
)
def test_another_fit_is_refused(quick, curve, tmp_path, changes, words, monkeypatch):
    path = tmp_path / "fit"
    if changes is None:
        monkeypatch.setattr("skae._runtime.version.__version__", "0.0.1")
    with pytest.raises(KilledError):
        fit(quick(**CURVED), {"X": curve}, Dying(path, 1))
    monkeypatch.undo()
    before = path.read_bytes()
    X = curve if changes != {} else curve + 1e-9
    with pytest.raises(ValueError, match=f"holds another fit.* {words}.*delete the file"):
        fit(quick(**(CURVED | (changes or {}))), {"X": X}, FitBackup(path))
    assert path.read_bytes() == before


def test_a_damaged_file_is_refused(quick, curve, tmp_path):
    path = tmp_path / "fit"
    with pytest.raises(KilledError):
        fit(quick(**CURVED), {"X": curve}, Dying(path, 1))
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:1000] + b"x" + whole[1001:], b""):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"holds no fit that can go on: .*Delete it"):
            fit(quick(**CURVED), {"X": curve}, FitBackup(path))
    skae.save(quick(), path)
    with pytest.raises(ValueError, match="holds no fit that can go on"):
        fit(quick(**CURVED), {"X": curve}, FitBackup(path))


def test_ctrl_c_leaves_the_file(quick, curve, tmp_path):
    class Interrupting(Dying):
        def write_state(self, state):
            try:
                super().write_state(state)
            except KilledError:
                raise KeyboardInterrupt from None

    whole = fit(quick(**CURVED), {"X": curve})
    with pytest.warns(UserWarning, match="Interrupted"):
        fit(quick(**CURVED), {"X": curve}, Interrupting(tmp_path / "fit", 4))
    again = fit(quick(**CURVED), {"X": curve}, FitBackup(tmp_path / "fit"))
    assert_array_equal(again.transform(curve), whole.transform(curve))


def test_within_other_estimators(quick, curve, tmp_path):
    """A clone keeps the callbacks of the estimator that it is made of."""
    watch = Dying(tmp_path / "fit", -1)
    AutoencoderImputer(quick(**CURVED).set_callbacks(watch)).fit(curve)
    make_pipeline(StandardScaler(), quick(**CURVED).set_callbacks(watch)).fit(curve)
    assert watch.n_written > 10 and not list(tmp_path.iterdir())


def test_it_is_seldom_due(tmp_path, monkeypatch):
    """At most every so many seconds, and a hundredth of the time."""
    from skae._files import backup, container

    now = [0.0]
    monkeypatch.setattr(backup, "monotonic", lambda: now[0])
    monkeypatch.setattr(container, "write", lambda *given: now.__setitem__(0, now[0] + 3.0))
    keeper = FitBackup(tmp_path / "fit", every=10)
    keeper.setup(None, None)
    assert not keeper.is_due()
    now[0] = 10.0
    assert keeper.is_due()
    keeper.write_state({})
    assert now[0] == 13.0
    now[0] = 312.9
    assert not keeper.is_due()
    now[0] = 313.0
    assert keeper.is_due()


def test_bad_arguments(tmp_path):
    for given in ({"path": 3}, {"path": "fit", "every": -1}, {"path": "fit", "every": "1"}):
        with pytest.raises(ValueError, match="parameter of FitBackup must be"):
            FitBackup(**given)


CHILD = """
import os, signal, sys
import numpy as np
from skae import AutoencoderTransformer, FitBackup
from skae._files import container

path, at = sys.argv[1], int(sys.argv[2])

class Writing(FitBackup):
    n_written = 0
    def is_due(self):
        return True
    def write_state(self, state):
        self.n_written += 1
        super().write_state(state)

def fsync(handle):
    if backup.n_written == at:
        os.kill(os.getpid(), signal.SIGKILL)

container.os.fsync = fsync
backup = Writing(path, every=0)
t = np.linspace(-1, 1, 150)
X = np.column_stack([t, t**2, np.sin(4 * t)])
ae = AutoencoderTransformer(
    2, hidden_layer_sizes=(8,), max_iter=12, cv=2, learning_rate=1e-2, random_state=0
)
np.save(path + ".npy", ae.set_callbacks(backup).fit(X).transform(X))
"""


def test_sigkill_while_the_file_is_written(tmp_path):
    """The file before stays whole, and the next call goes on from it."""
    path, folder = tmp_path / "fit", str(Path(skae.__file__).parents[1])
    there = {**os.environ, "PYTHONPATH": folder}
    codes = []
    for at, status in ((3, -signal.SIGKILL), (-1, 0), (-1, 0)):
        made = subprocess.run([sys.executable, "-c", CHILD, str(path), str(at)], env=there)
        assert made.returncode == status
        if status:
            assert len(list(tmp_path.glob(".fit.*.tmp"))) == 1
            assert path.exists()
        else:
            assert [p.name for p in tmp_path.iterdir()] == ["fit.npy"]
            codes.append(np.load(tmp_path / "fit.npy"))
    assert_array_equal(*codes)
