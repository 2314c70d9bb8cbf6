"""How rows go through a trained net: bits, dtypes, memory, what stays on the device."""

import copy
import pickle
from dataclasses import replace

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skae._net import inference as _inference
from skae._runtime.devices import computing

NETS = {  # few and many rows in a tile; columns read and written by the nets themselves, or not
    "wide": (40, dict(n_components=3, hidden_layer_sizes=(16,))),
    "wider than its rows": (200, dict(n_components=3, hidden_layer_sizes=(16,))),
    "heavy": (40, dict(n_components=3, hidden_layer_sizes=(600, 600))),
    "logistic": (40, dict(hidden_layer_sizes=(64,), output_activation="logistic")),
    "linear": (40, dict(hidden_layer_sizes=())),
    "plain": (40, dict(linear_path=None)),
    "paired": (40, dict(n_components=6, code_activation="relu")),
    "variational": (40, dict(kl_weight=1.0)),
}


@pytest.fixture(scope="module", params=NETS)
def trained(request, quick):
    """An estimator whose nets have learned something, and rows for it."""
    d, overrides = NETS[request.param]
    rows = np.random.default_rng(0).normal(size=(90, d)).cumsum(axis=1)
    return quick(cv=None, learning_rate=1e-2, **overrides).fit(rows), rows


@pytest.mark.parametrize("block_numbers", [1, 2**10, 2**13])
def test_blocks_of_any_capacity_give_the_same_bits(trained, monkeypatch, block_numbers):
    estimator, rows = trained
    Z = estimator.transform(rows)
    rebuilt = estimator.inverse_transform(Z)
    monkeypatch.setattr(_inference, "BLOCK_NUMBERS", block_numbers)
    for size in (1, 65, len(rows)):
        assert_array_equal(estimator.transform(rows[:size]), Z[:size])
        assert_array_equal(estimator.inverse_transform(Z[:size]), rebuilt[:size])


def test_what_is_multiplied_beforehand_changes_rounding_only(trained, monkeypatch):
    """The nets that read columns are those that read axes of columns."""
    estimator, rows = trained
    Z = estimator.transform(rows)
    rebuilt = estimator.inverse_transform(Z)
    network = type(estimator._fitted.model.network)
    for name in ("_read_columns", "_write_columns"):
        monkeypatch.setattr(network, name, lambda *_: None)
    apart = copy.deepcopy(estimator)
    assert_allclose(apart.transform(rows), Z, atol=2e-5 * np.abs(Z).max())
    assert_allclose(apart.inverse_transform(Z), rebuilt, atol=2e-5 * np.abs(rows).max())


def test_multiplied_only_where_that_is_less_work(quick):
    """With fewer axes than columns two steps are quicker than one."""
    has_basis = {}
    for name in ("wide", "wider than its rows"):
        d, overrides = NETS[name]
        rows = np.random.default_rng(0).normal(size=(90, d))[:, :d][: 30 if d > 90 else 90]
        model = (
            quick(cv=None, **(overrides | {"hidden_layer_sizes": (64,)}))
            .fit(rows)
            ._fitted.model
        )
        with computing():
            halves = [model._half("encoder", None), model._half("decoder", None)]
        has_basis[name] = [half.path.basis is not None for half in halves]
    assert has_basis == {"wide": [False, False], "wider than its rows": [True, True]}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_comes_back(trained, dtype):
    estimator, rows = trained
    Z = estimator.transform(rows.astype(dtype))
    assert Z.dtype == estimator.inverse_transform(Z).dtype == dtype


def test_rows_are_scaled_in_float64(quick):
    """A float32 column far from zero loses no more than its own rounding."""
    rows = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
    far = rows.copy()
    far[:, 0] = np.round(far[:, 0], 1) + 4096
    estimator = quick(scaling="standard", cv=None).fit(far)
    single, double = estimator.transform(far), estimator.transform(far.astype(np.float64))
    assert_array_equal(single, double.astype(np.float32))


def test_what_is_on_the_device_is_no_state(fitted, X):
    model = copy.deepcopy(fitted)._fitted.model
    before = pickle.dumps(model)
    with computing():
        model.decode(model.encode(np.zeros((1, X.shape[1]))), 1)
    assert pickle.dumps(model) == before
    assert "_halves" not in vars(copy.deepcopy(model))


def test_fits_leave_nothing_on_the_device(quick, X):
    estimator = quick()
    counts = []
    for _ in range(4):
        fitted = clone(estimator).fit(X)
        fitted.inverse_transform(fitted.transform(X[:1]))
        counts.append(len(jax.live_arrays()))
        del fitted
    assert counts[-1] == counts[1]


@pytest.mark.parametrize("n_rows", [1, 5])
@pytest.mark.parametrize("bad", [np.inf, -np.inf, 1e39])
def test_few_rows_are_checked_like_many(fitted, X, n_rows, bad):
    rows = np.array(X[:n_rows])
    rows[0, 1] = bad
    with pytest.raises(ValueError, match=r"infinity or a value too large for dtype"):
        fitted.transform(rows)
    with pytest.raises(ValueError, match=r"infinity or a value too large for dtype"):
        fitted.inverse_transform(rows[:, :2])
    with pytest.raises(ValueError, match="is expecting 4 features"):
        fitted.transform(np.zeros((n_rows, 2)))
    with pytest.raises(ValueError, match="contains NaN"):
        fitted.inverse_transform(np.full((n_rows, 2), np.nan))


def test_a_weakened_model_has_less_strength_and_nothing_else(quick, X):
    """It takes from the stronger one what that has on the device."""
    strong = quick(learning_rate=1e-2, max_iter=20, cv=None).fit(X)._fitted.model
    weak = strong.scaled(0.5)
    half = np.float32(0.5) * strong.path.strength
    expected = replace(strong, path=strong.path._replace(strength=half))
    rows = np.random.default_rng(0).normal(size=(30, X.shape[1]))
    Z = weak.encode(rows)
    assert_array_equal(Z, expected.encode(rows))
    assert np.abs(Z - strong.encode(rows)).max() > 1e-4
    for n_kept, out in zip([1, 2], weak.decodes(Z, [1, 2]), strict=True):
        assert_array_equal(out, expected.decode(Z, n_kept))
    ours, theirs = (m._halves["encoder", None].params for m in (weak, strong))
    assert ours is theirs
