"""AutoencoderOutlierDetector: scikit-learn's checks, the thresholds, what it refuses."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import is_outlier_detector
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderOutlierDetector, AutoencoderTransformer
from skae.outliers import _growth, _lower_bound


@pytest.mark.parametrize("size", [2.0**-600, 2.0**-60, 2.0**100])
def test_the_unit_of_values_changes_no_score(make, X, size):
    """The squares of the smallest ones are nothing in float64."""
    detector, other = make().fit(X), make().fit(X * size)
    scores = detector.score_samples(X)
    assert np.ptp(scores) > 0
    np.testing.assert_allclose(other.score_samples(X * size), scores, rtol=1e-10)
    np.testing.assert_array_equal(other.labels_, detector.labels_)
    expected = detector.mean_errors_ * size * size
    np.testing.assert_allclose(other.mean_errors_, expected, rtol=1e-10)


def test_mean_errors_are_those_of_the_autoencoder(make, X):
    detector = make().fit(X)
    expected = -detector.autoencoder_.score_samples(X).mean()
    assert detector.mean_errors_[-1] == pytest.approx(expected, rel=1e-9)


@pytest.fixture
def make(quick):
    """A function that returns a quick detector."""

    def make(**parameters):
        return AutoencoderOutlierDetector(quick(), **parameters)

    return make


@pytest.fixture
def planted(X):
    """Iris with one row far from the plane that the others lie near."""
    rows = X.copy()
    rows[7] = [9.0, 1.0, 1.0, 4.0]
    return rows


@pytest.mark.parametrize("ordered", [True, False])
def test_scores_are_relative_errors_of_the_prefixes(quick, X, ordered):
    model = quick(ordered=ordered).fit(X)
    detector = AutoencoderOutlierDetector(quick(ordered=ordered)).fit(X)
    Z, relative = model.transform(X), []
    for m in (1, 2) if ordered else (2,):
        errors = np.square(X - model.inverse_transform(Z[:, :m])).sum(axis=1)
        relative.append(errors / errors.mean())
    np.testing.assert_allclose(detector.score_samples(X), -np.mean(relative, axis=0))
    assert is_outlier_detector(detector)


@pytest.mark.parametrize("contamination", [0.02, 0.1, 0.5])
def test_share_of_training_rows(make, X, contamination):
    detector = make(contamination=contamination).fit(X[:100])
    labels = detector.predict(X[:100])
    assert (labels == -1).sum() == 100 * contamination
    decision = detector.decision_function(X[:100])
    np.testing.assert_array_equal(labels, np.where(decision < 0, -1, 1))
    np.testing.assert_allclose(decision, detector.score_samples(X[:100]) - detector.offset_)


@pytest.mark.parametrize("contamination", ["auto", 0.01])
def test_planted_outlier_is_found(make, planted, contamination):
    labels = make(contamination=contamination).fit_predict(planted)
    assert labels[7] == -1
    assert (labels == -1).sum() < 10


def test_auto_lets_clean_rows_pass():
    """Chi-squared errors, for which the cube root is nearly normal: about 2.5 % lie above."""
    errors = np.random.default_rng(0).chisquare(20, size=20_000)
    assert np.mean(-errors < _lower_bound(-errors)) == pytest.approx(0.025, abs=0.005)
    errors[:1000] = 1e6
    assert np.mean(-errors[1000:] < _lower_bound(-errors)) == pytest.approx(0.02, abs=0.01)


@pytest.mark.parametrize("errors", [np.full(9, 0.3), np.zeros(4), np.array([1.0])])
def test_auto_calls_no_outlier_where_all_errors_are_alike(errors):
    assert not (-errors < _lower_bound(-errors)).any()


def test_growth_is_held_out_error_over_training_error(noise, quick):
    """Where the model is PCA, both errors are known: its own, and its folds'."""
    model = quick(tol=0.01).fit(noise)
    assert model.error_ratio_ == 1
    held_out = 1 - model.explained_variance_ratio_.sum()
    expected = held_out / (1 - model.score(noise))
    assert _growth(model, noise)[-1] == pytest.approx(expected, rel=1e-4)
    assert expected > 1


def test_growth_knows_no_units(quick, X):
    detectors = [AutoencoderOutlierDetector(quick(scaling="standard")) for _ in range(2)]
    units = np.array([1.0, 1000.0, 1.0, 1.0])
    growths = [
        _growth(detector.fit(rows).autoencoder_, rows)
        for detector, rows in zip(detectors, (X, X * units), strict=True)
    ]
    assert growths[0] == pytest.approx(growths[1], rel=1e-3)


def test_growth_is_one_where_nothing_was_held_out_or_left(quick, X):
    np.testing.assert_allclose(_growth(quick(cv=None).fit(X), X), 1.0, atol=1e-3)
    assert _growth(quick(n_components=4).fit(X), X)[-1] == 1.0


def test_constant_rows_are_no_outliers(make):
    assert (make().fit_predict(np.ones((20, 4))) == 1).all()


def test_default_autoencoder():
    default = AutoencoderOutlierDetector(random_state=1)._new_autoencoder()
    assert default.get_params() == AutoencoderTransformer(random_state=1).get_params()


def test_names_of_columns(make, X):
    table = pd.DataFrame(X, columns=list("abcd"))
    detector = make().fit(table)
    assert list(detector.feature_names_in_) == list("abcd")
    assert detector.n_features_in_ == 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector.predict(table)
    with pytest.raises(ValueError, match="same order"):
        detector.predict(table[list("dcba")])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        detector.predict(X)
    assert not hasattr(detector.fit(X), "feature_names_in_")


def test_groups_reach_the_autoencoder(make, X):
    with pytest.raises(ValueError, match="one group"):
        make().fit(X, groups=np.zeros(len(X)))


def test_groups_are_routed(make, X):
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(StandardScaler(), make())
        with pytest.raises(ValueError, match="one group"):
            pipeline.fit(X, groups=np.zeros(len(X)))
        alone = make().fit(StandardScaler().fit_transform(X))
        assert pipeline.fit(X)[-1].offset_ == alone.offset_


def test_missing_cells_count_nowhere(make, planted):
    """A planted row is found by the cells that are left of it, and of the others."""
    where = np.random.default_rng(0).uniform(size=planted.shape) < 0.1
    where[7] = [False, True, False, False]
    gappy = np.where(where, np.nan, planted)
    assert make(contamination=0.05).fit(gappy).predict(gappy)[7] == -1
