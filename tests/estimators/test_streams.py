"""Rows that come bit by bit: partial_fit."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.exceptions import ConvergenceWarning

from skae import AutoencoderTransformer
from skae._estimator import streaming as _streams

ROWS = load_digits().data[:300]
BATCHES = [ROWS[:120], ROWS[120:150], ROWS[150:]]


def streamed(estimator, batches=BATCHES):
    for rows in batches:
        estimator.partial_fit(rows)
    return estimator


def test_linear_path_is_pca_of_all_rows(quick):
    estimator = streamed(quick(n_components=3))
    pca = PCA(3, svd_solver="full").fit(ROWS)
    assert_allclose(estimator.mean_, pca.mean_, atol=1e-12)
    assert_allclose(np.abs(np.sum(estimator.components_ * pca.components_, axis=1)), 1)
    assert estimator.n_samples_seen_ == 300


def test_it_learns_beyond_pca(curve, quick):
    estimator = quick(n_components=1, learning_rate=0.01)
    for _ in range(40):
        streamed(estimator, np.array_split(curve, 3))
    pca = PCA(1).fit(curve)
    error = np.square(curve - estimator.inverse_transform(estimator.transform(curve))).sum()
    assert error < 0.8 * np.square(curve - pca.inverse_transform(pca.transform(curve))).sum()


def test_same_seed_same_bits_also_through_a_pickle_or_a_file(quick, filed):
    one, other, third = quick(), quick(), quick()
    for rows in BATCHES:
        one.partial_fit(rows)
        other = pickle.loads(pickle.dumps(other)).partial_fit(rows)
        third = filed(third).partial_fit(rows)
    assert_array_equal(one.transform(ROWS), other.transform(ROWS))
    assert_array_equal(one.transform(ROWS), third.transform(ROWS))


def test_equal_batches_compile_once(quick, compiled):
    estimator = quick(n_components=3).partial_fit(ROWS[:64])
    estimator.partial_fit(ROWS[64:128])
    compiled.clear()
    estimator.partial_fit(ROWS[128:192])
    assert compiled == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"optimizer": "muon"},
        {"architecture": "conv2d", "sample_shape": (8, 8)},
        {"output_activation": "logistic"},
        {"linear_path": None},
        {"kl_weight": 0.1},
        {"scaling": "standard", "loss": "huber"},
        {"code_activation": "relu"},
    ],
    ids=lambda p: next(iter(p)),
)
def test_parameters_keep_their_meaning(quick, parameters):
    estimator = streamed(quick(**parameters))
    assert np.isfinite(estimator.inverse_transform(estimator.transform(ROWS))).all()
    assert np.isfinite(estimator.sample(2, random_state=0)).all()


def test_later_rows_widen_the_range(quick):
    estimator = quick(output_activation="logistic", n_components=5)
    estimator.partial_fit(ROWS[:100] / 2).partial_fit(ROWS[100:])
    assert estimator.inverse_transform(estimator.transform(ROWS)).max() > ROWS[:100].max() / 2


@pytest.mark.parametrize("output_activation", ["clip", "auto"])
def test_a_dark_batch_narrows_no_range(quick, output_activation):
    estimator = quick(n_components=5, output_activation=output_activation).partial_fit(ROWS)
    bright = estimator.score(ROWS)
    estimator.partial_fit(ROWS / 10)
    assert estimator.score(ROWS) > bright - 0.1


@pytest.mark.parametrize("loss", ["poisson", "binary_cross_entropy"])
def test_the_range_of_a_loss_is_its_own(quick, loss):
    X = ROWS if loss == "poisson" else ROWS / 16
    estimator = quick(n_components=5, loss=loss).partial_fit(X)
    unit = estimator._fitted.model.path.unit
    estimator.partial_fit(X / 2)
    assert_array_equal(estimator._fitted.model.path.unit, unit)


def test_half_of_a_correction_stays_half(quick):
    estimator = quick(cv=None).fit(ROWS)
    path = estimator._fitted.model.path._replace(strength=np.float32(0.5))
    model = replace(estimator._fitted.model, path=path)
    estimator._fitted = replace(estimator._fitted, model=model)
    estimator.partial_fit(ROWS)
    assert estimator._fitted.stream.nets.path.strength == 0.5


def test_it_recovers_from_a_batch_that_diverged(quick):
    estimator = quick(n_components=3).partial_fit(ROWS)
    estimator.set_params(learning_rate=1e30)
    with pytest.warns(ConvergenceWarning, match="last finite weights are kept"):
        estimator.partial_fit(ROWS)
    estimator.set_params(learning_rate="auto").partial_fit(ROWS)
    assert estimator.score(ROWS) > 0.3


def test_pca_of_all_rows_after_a_warm_start(quick):
    """Which trains the nets, and leaves PCA and what it has seen as they are."""
    pca = PCA(3, svd_solver="full").fit(ROWS)
    for begin in ("fit", "partial_fit"):
        estimator = quick(n_components=3, warm_start=True, cv=None)
        getattr(estimator, begin)(ROWS[:200])
        estimator.fit(ROWS[:100])
        assert estimator.n_samples_seen_ == 200
        estimator.partial_fit(ROWS[200:])
        assert estimator.n_samples_seen_ == 300
        assert_allclose(np.abs(np.sum(estimator.components_ * pca.components_, axis=1)), 1)


@pytest.mark.parametrize(
    "change",
    [{"optimizer": "sgd"}, {"optimizer": "lbfgs"}, {"learning_rate_schedule": "plateau"}],
    ids=str,
)
def test_another_optimizer_begins_its_memory_anew(quick, change):
    estimator = quick(n_components=3).partial_fit(ROWS).set_params(**change)
    assert estimator.partial_fit(ROWS).partial_fit(ROWS).score(ROWS) > 0.3


@pytest.mark.parametrize(
    "change",
    [{"n_components": 4}, {"hidden_layer_sizes": (4,)}, {"linear_path": None}],
    ids=str,
)
def test_another_net_is_refused(quick, change):
    estimator = quick(n_components=3).partial_fit(ROWS)
    before = estimator.transform(ROWS)
    with pytest.raises(ValueError, match="partial_fit goes on with the fitted net"):
        estimator.set_params(**change).partial_fit(ROWS)
    assert_array_equal(estimator.transform(ROWS), before)


def test_one_row_at_a_time(quick):
    estimator = streamed(quick(), [ROWS[:50], ROWS[50:51], ROWS[51:52]])
    assert estimator.n_samples_seen_ == 52


def test_fit_begins_anew(quick):
    estimator = streamed(quick()).fit(ROWS)
    assert estimator.n_samples_seen_ == len(ROWS)
    assert_array_equal(estimator.transform(ROWS), quick().fit(ROWS).transform(ROWS))


def test_it_goes_on_from_fit(quick):
    estimator = quick(n_components=3, cv=None, learning_rate=1e-2).fit(ROWS[:200])
    before = estimator.score(ROWS[200:])
    for _ in range(5):
        estimator.partial_fit(ROWS[200:])
    assert estimator.n_samples_seen_ == 700 and estimator.score(ROWS[200:]) > before


def test_a_share_of_variance(quick):
    estimator = quick(n_components=0.5).partial_fit(ROWS)
    kept = estimator.n_components_
    assert 1 <= kept < 64
    assert streamed(estimator).n_components_ == kept


def shifted(n_rows):
    """Rows of three factors in ten columns, whose level changes in the middle."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(n_rows, 3)) @ rng.normal(size=(3, 10))
    return (
        rows
        + 0.1 * rng.normal(size=rows.shape)
        + 30 * (np.arange(n_rows) >= n_rows // 2)[:, None]
    )


def r2(model, X):
    left = np.square(X - model.inverse_transform(model.transform(X))).sum()
    return 1 - left / np.square(X - X.mean(axis=0)).sum()


@pytest.mark.parametrize("n_rows", [600, 400])
def test_pca_is_used_after_a_change_of_level(n_rows):
    X = shifted(n_rows)
    parameters = dict(hidden_layer_sizes=(16,), random_state=0, learning_rate=1e-2)
    estimator = AutoencoderTransformer(2, **parameters)
    peer = IncrementalPCA(2)
    for start in range(0, n_rows, 50):
        estimator.partial_fit(X[start : start + 50])
        peer.partial_fit(X[start : start + 50])
        if start == n_rows // 2:
            assert estimator.selected_model_ == "pca" and estimator.error_ratio_ == 1
    assert r2(estimator, X) > r2(peer, X) - 0.01


def test_iris_in_batches(quick, X):
    estimator, peer = quick(max_iter="auto"), IncrementalPCA(2)
    for rows in (X[:50], X[50:100], X[100:]):
        estimator.partial_fit(rows)
        peer.partial_fit(rows)
    assert r2(estimator, X) >= r2(peer, X) - 1e-6


def test_nets_are_used_once_they_are_better(curve, quick, capsys):
    """And no sooner; PCA is used again when the rows change."""
    estimator = quick(n_components=1, learning_rate=0.01, verbose=1)
    used = []
    for _ in range(30):
        streamed(estimator, np.array_split(curve, 3))
        used.append(estimator.selected_model_)
        assert estimator.error_ratio_ <= 1
    assert used[0] == "pca" and used[-1] == "autoencoder"
    told = capsys.readouterr().out
    assert "kept PCA" in told and "kept the autoencoder" in told
    far = curve[:, ::-1] * [[9, 1, 9, 1]] + 20
    assert estimator.partial_fit(far).selected_model_ == "pca"


def test_a_sample_of_a_stream_is_fair():
    values = np.arange(3000.0)[:, None]
    counts = np.zeros(3)
    for seed in range(20):
        sample = None
        for start in range(0, 3000, 500):
            batch = values[start : start + 500]
            sample = _streams.reservoir_sample(sample, batch, start + 500, seed)
        assert len(np.unique(sample)) == len(sample) == _streams.KEPT_SAMPLES
        counts += np.histogram(sample, 3, (0, 3000))[0]
    assert_allclose(counts / counts.sum(), 1 / 3, atol=0.03)


def test_refused(quick, X):
    images = quick(architecture="conv2d", sample_shape=(8, 8)).fit(ROWS)
    with pytest.raises(ValueError, match="fit has not kept all principal axes"):
        images.partial_fit(ROWS)
    with pytest.raises(ValueError, match="n_init=2"):
        quick(n_init=2).partial_fit(X)
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        quick().partial_fit(X[:1])
    gappy = np.where(X > 6, np.nan, X)
    with pytest.raises(ValueError, match="samples without missing values"):
        quick().partial_fit(gappy)
    estimator = quick().partial_fit(X)
    before = estimator.transform(X)
    with pytest.raises(ValueError, match="expecting 4 features"):
        estimator.partial_fit(X[:, :3])
    with pytest.raises(ValueError, match="samples without missing values"):
        estimator.partial_fit(gappy)
    assert_array_equal(estimator.transform(X), before)
    assert not hasattr(clone(estimator), "n_samples_seen_")
