"""AutoencoderImputer: scikit-learn's checks, what it fills and what it leaves."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline

from skae import AutoencoderImputer, AutoencoderTransformer


@pytest.fixture(scope="module")
def gappy(X):
    where = np.random.default_rng(0).uniform(size=X.shape) < 0.15
    return np.where(where, np.nan, X)


@pytest.fixture
def make(quick):
    def make(**parameters):
        return AutoencoderImputer(quick(), **parameters)

    return make


def test_it_fills_as_the_transformer_does(make, quick, gappy):
    filled = make().fit_transform(gappy)
    assert_array_equal(filled, quick().fit(gappy).impute(gappy))
    assert_array_equal(filled[~np.isnan(gappy)], gappy[~np.isnan(gappy)])


def test_it_beats_the_mean(make, X, gappy):
    missing = np.isnan(gappy)
    error, reference = (
        np.square(imputer.fit_transform(gappy) - X)[missing].mean()
        for imputer in (make(), SimpleImputer())
    )
    assert error < 0.5 * reference


def test_indicator_and_names(make, gappy):
    table = pd.DataFrame(gappy, columns=list("abcd"))
    table["b"] = 1.0
    imputer = make(add_indicator=True).set_output(transform="pandas").fit(table)
    out = imputer.transform(table)
    marks = [f"missingindicator_{name}" for name in "acd"]
    assert list(out.columns) == [*"abcd", *marks]
    assert_array_equal(out[marks].to_numpy(bool), np.isnan(gappy[:, [0, 2, 3]]))


def test_missing_values_where_fit_had_none(make, X, gappy):
    missing = np.isnan(gappy)
    left = np.square(make().fit(X).transform(gappy) - X)[missing].sum()
    assert left < 0.2 * np.square(X - X.mean(axis=0))[missing].sum()


def test_in_a_pipeline(make, gappy):
    species = np.repeat([0, 1, 2], 50)
    pipeline = make_pipeline(make(add_indicator=True), LogisticRegression(max_iter=1000))
    assert pipeline.fit(gappy, species).score(gappy, species) > 0.95


def test_default_autoencoder():
    assert AutoencoderImputer()._new_autoencoder().get_params()["scaling"] == "standard"
    assert AutoencoderImputer(random_state=7)._new_autoencoder().random_state == 7
    for n_features, expected in ((1, 1), (5, 3), (64, 32), (500, 32)):
        X = np.zeros((40, n_features))
        assert AutoencoderImputer()._new_autoencoder(X).n_components == expected
    own = AutoencoderTransformer(7)
    assert AutoencoderImputer(own)._new_autoencoder(np.zeros((3, 4))).n_components == 7


@pytest.mark.filterwarnings("ignore:Skipping features without any:UserWarning")  # SimpleImputer
@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize("add_indicator", [False, True])
def test_empty_columns_are_left_out_or_zero(make, gappy, keeps, add_indicator):
    """As scikit-learn's imputers have it, names and shapes included."""
    X = pd.DataFrame(gappy, columns=["a", "b", "c", "d"]).assign(b=np.nan)
    settings = dict(keep_empty_features=keeps, add_indicator=add_indicator)
    with pytest.warns(UserWarning, match=r"constant 0: \['b'\]"):
        imputer = make(**settings).fit(X)
    reference = SimpleImputer(**settings).fit(X)
    assert list(imputer.get_feature_names_out()) == list(reference.get_feature_names_out())
    filled = imputer.transform(X)
    assert filled.shape == reference.transform(X).shape
    assert not np.isnan(filled).any()
    if keeps:
        np.testing.assert_allclose(filled[:, 1], 0, atol=1e-9)


def test_a_column_that_is_empty_in_one_fold(make, gappy):
    X, y = gappy.copy(), np.nan_to_num(gappy[:, 2]) > 4.35
    X[:75, 1] = np.nan
    with pytest.warns(UserWarning, match=r"constant 0: \[1\]"):
        scores = cross_val_score(make_pipeline(make(), LogisticRegression()), X, y, cv=KFold(2))
    assert (scores > 0.8).all()


def test_default_codes_are_no_longer_than_there_are_rows():
    X = np.random.default_rng(0).normal(size=(10, 30))
    X[0, 0] = np.nan
    imputer = AutoencoderImputer(random_state=0).fit(X)
    assert imputer.autoencoder_.n_components_ == 10
    filled, is_observed = imputer.transform(X), ~np.isnan(X)
    assert_array_equal(filled[is_observed], X[is_observed])
    assert abs(filled[0, 0]) < np.nanstd(X[:, 0])


class TestMissingValues:
    def test_another_number_stands_for_them(self, make, gappy):
        marked = np.where(np.isnan(gappy), -1.0, gappy)
        imputer = make(missing_values=-1, add_indicator=True).fit(marked)
        expected = make(add_indicator=True).fit(gappy)
        assert_array_equal(imputer.transform(marked), expected.transform(gappy))
        assert np.isnan(gappy).any() and (marked == -1).any()  # X is what it was

    def test_nan_is_then_refused(self, make, gappy):
        with pytest.raises(ValueError, match="X contains NaN"):
            make(missing_values=0).fit(gappy)

    def test_frames_and_pandas_na(self, make, gappy):
        frame = pd.DataFrame(gappy, columns=list("abcd"))
        expected = make().fit_transform(frame)
        assert_array_equal(make(missing_values=pd.NA).fit_transform(frame), expected)
        marked = frame.fillna(-1.0).astype("float32")
        imputer = make(missing_values=-1.0).fit(marked)
        assert imputer.transform(marked).dtype == np.float32
        assert list(imputer.get_feature_names_out()) == list("abcd")
        assert_allclose(imputer.transform(marked), expected, atol=1e-3)

    def test_held_out_samples_are_marked_alike(self, make, gappy):
        marked = np.where(np.isnan(gappy), -1.0, gappy)
        imputer = make(missing_values=-1).fit(marked, X_val=marked[:40])
        expected = make().fit(gappy, X_val=gappy[:40])
        assert_array_equal(imputer.transform(marked), expected.transform(gappy))


class TestBounds:
    def test_only_imputed_values_are_clipped(self, make, gappy):
        missing, free = np.isnan(gappy), make().fit_transform(gappy)
        bounded = make(min_value=1.0, max_value=[5.0, 3.0, 4.0, np.inf]).fit(gappy)
        expected = np.where(missing, np.clip(free, 1.0, [5.0, 3.0, 4.0, np.inf]), gappy)
        assert (expected != free).any()
        assert_array_equal(bounded.transform(gappy), expected)
        assert_array_equal(bounded.min_value_, [1.0] * 4)

    def test_samples_of_more_dimensions(self, make, gappy):
        X = gappy.reshape(-1, 2, 2)
        found = make(max_value=[0.5, 3, 3, 3]).fit_transform(X)
        imputed = found[np.isnan(X)]
        assert found.shape == X.shape and imputed.max() <= 3
        assert found[:, 0, 0][np.isnan(X[:, 0, 0])].max() <= 0.5

    @pytest.mark.parametrize(
        ("bounds", "words"),
        [
            ({"min_value": 2.0, "max_value": 1.0}, "min_value >= max_value"),
            ({"min_value": [1.0, 2.0]}, "one for each of the 4 features"),
            ({"max_value": np.nan}, "max_value"),
        ],
    )
    def test_bad_bounds_are_refused(self, make, gappy, bounds, words):
        with pytest.raises(ValueError, match=words):
            make(**bounds).fit(gappy)
