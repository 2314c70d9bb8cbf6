"""Weights of rows and of classes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.model_selection import KFold, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae._data.rows import Rows, balanced, fit_scaling
from skae._pca.axes import principal_axes
from skae._select.splits import validation_splits

rng = np.random.default_rng(0)


def test_equal_weights_are_no_weights(quick, fitted, X):
    for weight in (1.0, 1, np.ones(len(X)), np.full(len(X), 4.0)):
        estimator = quick().fit(X, sample_weight=weight)
        assert_array_equal(estimator.transform(X), fitted.transform(X))


@pytest.mark.parametrize("with_holes", [False, True])
def test_weight_zero_is_absence(quick, X, with_holes):
    X = np.where(rng.uniform(size=X.shape) < 0.1, np.nan, X) if with_holes else X
    weight = (np.arange(len(X)) % 3 > 0) * rng.uniform(0.5, 2, len(X))
    y = np.arange(len(X)) % 2
    some = weight > 0
    one = quick(class_weight="balanced").fit(X, y, sample_weight=weight)
    other = quick(class_weight="balanced").fit(X[some], y[some], sample_weight=weight[some])
    assert_array_equal(one.transform(X), other.transform(X))


@pytest.mark.parametrize("shape", [(60, 5), (8, 12)])
def test_axes_of_integer_weights_are_those_of_repeated_rows(shape):
    X, weight = rng.normal(size=shape), rng.integers(1, 5, shape[0]).astype(float)
    repeated = np.repeat(X, weight.astype(int), axis=0)
    rank = min(shape[0] - 1, shape[1])
    one, other = (
        principal_axes(rows, rank) for rows in (Rows(X, weight / weight.mean()), Rows(repeated))
    )
    assert_allclose(one.mean, other.mean, atol=1e-12)
    assert_allclose(one.variances, other.variances, atol=1e-12)
    assert_allclose(one.basis, other.basis, atol=1e-8)


@pytest.mark.parametrize("kind", ["global", "standard", None])
def test_scaling_of_integer_weights_is_that_of_repeated_rows(kind):
    X, weight = rng.normal(size=(40, 3)), rng.integers(1, 5, 40)
    one = fit_scaling(Rows(X, weight / weight.mean()), kind, centered=True)
    repeated = np.repeat(X, weight, axis=0)
    other = fit_scaling(Rows(repeated), kind, centered=True)
    assert_allclose(one.center, other.center)
    assert_allclose(one.scale, other.scale)


def two_curves(n_common, n_rare):
    t = rng.uniform(-1, 1, n_common + n_rare)
    y = np.arange(len(t)) >= n_common
    X = np.column_stack([t, np.where(y, -(t**2), t**2), np.sin(3 * t), 2.0 * y])
    return X + 0.02 * rng.normal(size=X.shape), y.astype(int)


def error_of(estimator, X):
    return -estimator.score_samples(X).mean()


def test_heavy_rows_are_rebuilt_better(quick):
    X, y = two_curves(120, 24)
    calm = dict(
        n_components=1, hidden_layer_sizes=(16,), max_iter=80, learning_rate=1e-2, cv=None
    )
    plain = quick(**calm).fit(X)
    heavy = quick(**calm).fit(X, sample_weight=np.where(y, 20.0, 1.0))
    balanced = quick(class_weight="balanced", **calm).fit(X, y)
    assert error_of(heavy, X[y == 1]) < error_of(plain, X[y == 1])
    assert error_of(balanced, X[y == 1]) < error_of(plain, X[y == 1])


def test_balanced_is_the_weight_that_says_so(quick, X):
    y = (np.arange(len(X)) < 30).astype(int)
    weight = np.where(y == 1, len(X) / 60, len(X) / 240)
    # Batches are stratified with classes: alike are those of all rows, without random parts.
    whole = {"cv": None, "batch_size": len(X), "corruption": None, "ordered": False}
    whole |= {"optimizer": "sgd", "learning_rate": 0.3}  # Adam's would blow rounding up
    one = quick(class_weight="balanced", **whole).fit(X, y)
    other = quick(**whole).fit(X, sample_weight=weight)
    assert_allclose(one.transform(X), other.transform(X), rtol=1e-3, atol=1e-4)


def test_of_many_rows_2000_are_held_out():
    (train, val), *_ = validation_splits(50_000, 0.2, np.random.default_rng(0))
    assert len(val) == 2_000 and len(np.union1d(train, val)) == 50_000


def test_hold_outs_are_stratified():
    strata = np.repeat(["a", "b", "c"], [80, 15, 5])
    splits = list(validation_splits(100, 0.2, np.random.default_rng(0), strata))
    assert len(splits) == 5
    for train, val in splits:
        assert not set(train) & set(val) and len(train) + len(val) == 100
        counts = [int((strata[val] == name).sum()) for name in "abc"]
        assert abs(counts[0] - 16) <= 1 and abs(counts[1] - 3) <= 1 and abs(counts[2] - 1) <= 1
    assert len(set(np.concatenate([val for _, val in splits]))) == 100


def test_score_is_weighted(fitted, X):
    weight = rng.integers(0, 4, len(X))
    repeated = np.repeat(X, weight, axis=0)
    assert fitted.score(X, sample_weight=weight) == pytest.approx(fitted.score(repeated))


def test_weights_are_routed(quick, X):
    weight = np.arange(len(X))
    scaler = StandardScaler()
    rows = scaler.fit_transform(X)
    with config_context(enable_metadata_routing=True):
        estimator = quick().set_fit_request(sample_weight=True, X_val=False, groups=False)
        scaler.set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, estimator).fit(X, sample_weight=weight)
    expected = quick().fit(rows, sample_weight=weight).transform(rows)
    assert_array_equal(pipeline.transform(X), expected)


def test_a_list_of_splits_is_a_splitter(quick, X):
    """Its indices are those of the rows passed to fit, whichever of them count."""
    splits = list(KFold(3, shuffle=True, random_state=0).split(X))
    one = quick(cv=splits).fit(X)
    other = quick(cv=KFold(3, shuffle=True, random_state=0)).fit(X)
    assert_array_equal(one.transform(X), other.transform(X))
    weight = (np.arange(len(X)) % 4 > 0).astype(float)
    place = np.cumsum(weight > 0) - 1
    moved = [tuple(place[part[weight[part] > 0]] for part in parts) for parts in splits]
    one = quick(cv=splits).fit(X, sample_weight=weight)
    other = quick(cv=moved).fit(X[weight > 0])
    assert_array_equal(one.transform(X), other.transform(X))


def test_weights_tell_between_batches_too(quick, X):
    """In batches of one row, a weight still says how much the row counts."""
    calm = dict(batch_size=1, cv=None, linear_path=None, optimizer="sgd", learning_rate=1e-3)
    plain = quick(**calm).fit(X)
    heavy = quick(**calm).fit(X, sample_weight=np.where(np.arange(len(X)) < 50, 100.0, 1.0))
    assert not np.allclose(plain.transform(X), heavy.transform(X), rtol=1e-3)


def test_classes_are_balanced_by_what_their_rows_weigh():
    weight, y = np.array([1.0, 3.0, 2.0, 2.0, 8.0]), np.array([0, 0, 1, 1, 1])
    after = balanced(weight, y)
    assert after[:2].sum() == pytest.approx(after[2:].sum())
    assert after.mean() == pytest.approx(1) and after[1] == pytest.approx(3 * after[0])


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_bad_class_weights(quick, X, bad):
    with pytest.raises(ValueError, match="class_weight must hold finite numbers"):
        quick(class_weight={0: bad, 1: 1.0}).fit(X, np.arange(len(X)) % 2)


def test_fixed_folds_survive_dropped_rows(quick, X):
    weight = (np.arange(len(X)) % 4 > 0).astype(float)
    folds = np.arange(len(X)) % 3
    one = quick(cv=PredefinedSplit(folds)).fit(X, sample_weight=weight)
    other = quick(cv=PredefinedSplit(folds[weight > 0])).fit(X[weight > 0])
    assert_array_equal(one.transform(X), other.transform(X))
    with pytest.raises(ValueError, match=r"Split 0 of cv has 112 samples .* and 0 held out"):
        quick(cv=[(np.arange(1, 150), [0])]).fit(X, sample_weight=weight)
