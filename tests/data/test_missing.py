"""Missing cells: counted nowhere, filled by what is observed, told to the encoder."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA

from skae._data.batches import hide_values
from skae._data.rows import Rows
from skae._pca.axes import fit_axes

NAMES = list("abcd")


def holes(X, share=0.15, seed=0):
    """``X`` with a share of its cells missing, but in the first row."""
    where = np.random.default_rng(seed).uniform(size=X.shape) < share
    where[0] = False
    return np.where(where, np.nan, X)


@pytest.fixture(scope="module")
def gappy(X):
    return holes(X)


@pytest.fixture(scope="module")
def filling(quick, gappy):
    return quick().fit(gappy)


def assert_same_model(one, other, X):
    assert_array_equal(one.transform(X), other.transform(X))


CONTAINERS = {
    "masked": lambda A: np.ma.masked_invalid(A),
    "pandas": lambda A: pd.DataFrame(A, columns=NAMES),
    "pandas NA": lambda A: pd.DataFrame(A, columns=NAMES).astype("Float64"),
    "polars null": lambda A: pl.DataFrame(A, schema=NAMES).fill_nan(None),
    "objects": lambda A: np.where(np.isnan(A), None, A.astype(object)),
    "float32": lambda A: A.astype(np.float32),
}


@pytest.mark.parametrize("case", CONTAINERS)
def test_however_a_cell_is_missing(quick, filling, gappy, case):
    data = CONTAINERS[case](gappy)
    codes = quick().fit(data).transform(data)
    assert_allclose(codes, filling.transform(gappy), rtol=1e-4, atol=1e-4)
    if case != "float32":
        assert_array_equal(codes, filling.transform(gappy))


def test_every_method_takes_missing_cells(filling, gappy):
    before = gappy.copy()
    codes = filling.transform(gappy)
    assert np.isfinite(codes).all()
    assert np.isfinite(filling.inverse_transform(codes[:, :1])).all()
    assert np.isfinite(filling.score_samples(gappy)).all() and filling.score(gappy) > 0.5
    assert_array_equal(gappy, before)


def test_a_model_of_complete_rows_takes_missing_cells(fitted, X, gappy):
    codes = fitted.transform(gappy)
    complete = ~np.isnan(gappy).any(axis=1)
    assert_array_equal(codes[complete], fitted.transform(X)[complete])
    error = np.abs(fitted.impute(gappy) - X)[np.isnan(gappy)].mean()
    from_mean = np.abs(X.mean(axis=0) - X)[np.isnan(gappy)].mean()
    assert error < 0.5 * from_mean


def test_errors_are_of_observed_cells(filling, gappy):
    difference = gappy - filling.inverse_transform(filling.transform(gappy))
    assert_allclose(-filling.score_samples(gappy), np.nanmean(np.square(difference), axis=1))
    total = np.nansum(np.square(gappy - filling.mean_))
    assert filling.score(gappy) == pytest.approx(1 - np.nansum(np.square(difference)) / total)


def test_impute_replaces_missing_cells_only(filling, gappy):
    filled = filling.impute(gappy)
    missing = np.isnan(gappy)
    assert_array_equal(filled[~missing], gappy[~missing])
    rebuilt = filling.inverse_transform(filling.transform(gappy))
    assert_array_equal(filled[missing], rebuilt[missing])
    assert filling.impute(gappy.astype(np.float32)).dtype == np.float32


def test_impute_gives_the_container_asked_for(quick, gappy):
    table = pd.DataFrame(gappy, columns=NAMES, index=np.arange(len(gappy)) + 7)
    estimator = quick().fit(table).set_output(transform="pandas")
    filled = estimator.impute(table)
    assert list(filled.columns) == NAMES and filled.index.equals(table.index)
    assert filled.notna().all(axis=None)


def test_rows_without_an_observed_cell(quick, filling, gappy):
    """In fit they are left out, in transform they are the mean."""
    nothing = np.full((3, 4), np.nan)
    again = quick().fit(np.vstack([gappy, nothing]))
    assert_same_model(again, filling, gappy)
    assert_allclose(filling.impute(nothing), filling.impute(nothing[:1]).repeat(3, axis=0))
    assert_array_equal(filling.score_samples(nothing), 0)


def test_missing_cells_say_nothing_else(filling, gappy):
    """A row's code does not depend on the rows beside it, with or without missing cells."""
    codes = filling.transform(gappy)
    for i in (0, 1, 5, 149):
        assert_allclose(filling.transform(gappy[i : i + 1])[0], codes[i], rtol=0, atol=1e-12)


def test_nothing_missing_changes_nothing(quick, fitted, X):
    """A fit without missing cells is the same fit, whatever transform has seen since."""
    estimator = quick().fit(X)
    estimator.transform(holes(X))
    assert_same_model(estimator, fitted, X)
    assert not estimator._fitted.model.reads_missing_indicator


def test_pickle_and_go_on(quick, filling, gappy):
    again = pickle.loads(pickle.dumps(filling))
    assert_same_model(again, filling, gappy)
    again.set_params(warm_start=True, max_iter=3).fit(gappy)
    assert again._fitted.model.reads_missing_indicator


@pytest.mark.parametrize(
    "parameters",
    [
        {"linear_path": None},
        {"output_activation": "logistic"},
        {"scaling": "standard"},
        {"cv": None},
        {"n_components": 0.8},
        {"ordered": False},
    ],
)
def test_every_objective_takes_missing_cells(quick, gappy, parameters):
    estimator = quick(**parameters).fit(gappy)
    assert np.isfinite(estimator.impute(gappy)).all()
    assert np.isfinite(estimator.explained_variance_ratio_).all()


def test_held_out_rows_may_have_missing_cells(quick, X, gappy):
    estimator = quick().fit(X, X_val=gappy)
    assert np.isfinite(estimator.validation_curve_).all()


def test_the_axes_of_few_missing_cells_are_those_of_none():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 8)) + 0.01 * rng.normal(size=(300, 8))
    axes, _, filled = fit_axes(Rows(holes(X, 0.2), np.ones(300)), 8, 2)
    pca = PCA(2).fit(X)
    assert_allclose(np.abs(np.diag(axes.basis[:, :2].T @ pca.components_.T)), 1, atol=1e-3)
    assert np.square(filled - X).mean() < 1e-3 * X.var()


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6])
def test_filling_is_the_conditional_mean(share):
    """Against the textbook formulas for a Gaussian at the fitted axes and noise."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 6)) + 0.3 * rng.normal(size=(200, 6))
    rows = Rows(holes(X, share), np.ones(200))
    _, filler, filled = fit_axes(rows, 6, 3)
    # ridge is noise / variance: with noise 1, loadings scaled by the root of 1 / ridge
    scaled = filler.loadings / np.sqrt(filler.ridge)
    covariance = scaled @ scaled.T + np.eye(6)
    spread, missing = np.zeros((6, 6)), np.isnan(rows.values)
    for row, m, expected in zip(rows.values, missing, filled, strict=True):
        o = ~m
        gain = covariance[np.ix_(m, o)] @ np.linalg.inv(covariance[np.ix_(o, o)])
        assert_allclose(expected[m], filler.mean[m] + gain @ (row - filler.mean)[o], atol=1e-9)
        assert_allclose(filler.fill(row[None])[0], expected, atol=1e-9)
        spread[np.ix_(m, m)] += covariance[np.ix_(m, m)] - gain @ covariance[np.ix_(o, m)]
    assert_allclose(filler.uncertainty(missing, rows.weight), spread / 200, atol=1e-9)


def test_hidden_cells_stay_within_what_is_observed(gappy):
    hidden = hide_values(gappy, 0.2, np.random.default_rng(0))
    assert np.isnan(hidden[np.isnan(gappy)]).all()
    share = np.isnan(hidden[~np.isnan(gappy)]).mean()
    assert 0.1 < share < 0.3


def test_filling_beats_the_linear_filling_on_a_curve(quick, curve):
    """The nets know the curve; a plane does not."""
    gappy = holes(curve, 0.25)
    estimator = quick(
        n_components=3, hidden_layer_sizes=(32,), max_iter=150, learning_rate=1e-2
    )
    filled = estimator.fit(gappy).impute(gappy)
    linear = fit_axes(Rows(gappy, np.ones(len(gappy))), 4, 1)[2]
    missing = np.isnan(gappy)
    error, reference = (np.square(rows - curve)[missing].mean() for rows in (filled, linear))
    assert error < reference


@pytest.mark.parametrize("parameters", [{}, {"linear_path": None}, {"learning_rate": 1e-30}])
def test_a_warm_start_with_missing_cells(quick, gappy, parameters):
    """Also where the model that was kept is PCA."""
    estimator = quick(warm_start=True, **parameters).fit(gappy)
    estimator.fit(gappy)
    assert np.isfinite(estimator.transform(gappy)).all()


def test_as_many_components_as_columns(quick, gappy):
    """The loss stays one of PCA's: hidden cells leave an error where nothing else does."""
    curve = quick(n_components=4, cv=None).fit(gappy).loss_curve_
    assert (curve < 3).all()


def test_holes_leave_the_shares_of_variance():
    """Where cells are filled along enough axes: along one, that one takes too much."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 6)) + 0.05 * rng.normal(size=(400, 6))
    shares = []
    for rows in (X, holes(X, 0.4)):
        variances = fit_axes(Rows(rows, np.ones(400)), 6, 5)[0].variances
        shares.append(variances[:3].cumsum() / variances.sum())
    assert_allclose(shares[1], shares[0], atol=0.06)


def test_what_plain_nets_explain_is_what_score_says(quick):
    rng = np.random.default_rng(0)
    X = holes(rng.normal(size=(400, 3)) @ rng.normal(size=(3, 6)), 0.4)
    estimator = quick(n_components=3, linear_path=None, max_iter=20).fit(X)
    assert abs(estimator.explained_variance_ratio_.sum() - estimator.score(X)) < 0.25
