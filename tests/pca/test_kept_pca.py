"""A fit that has kept PCA maps samples as scikit-learn's PCA does, in float64."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler


@pytest.fixture(scope="module")
def pca(quick, noise):
    """An estimator that has kept PCA, fitted on ``noise``."""
    fitted = quick().fit(noise)
    assert fitted.selected_model_ == "pca"
    return fitted


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("k", [1, 3, 6])
def test_is_that_of_scikit_learn(quick, noise, k, whiten):
    ours = quick(n_components=k, whiten=whiten, tol=1.0).fit(noise)
    reference = PCA(k, whiten=whiten).fit(noise)
    codes = reference.transform(noise)
    assert_allclose(ours.transform(noise), codes, atol=1e-12)
    assert_allclose(ours.reconstruct(noise), reference.inverse_transform(codes), atol=1e-12)


def test_scaled_features_and_float32(quick, noise):
    X = noise * [1, 10, 1e3, 1e-3, 1, 1] + 7
    scaled = StandardScaler().fit_transform(X)
    ours = quick(scaling="standard", tol=1.0).fit(X)
    assert_allclose(ours.transform(X), PCA(2).fit_transform(scaled), atol=1e-12)
    single = X.astype(np.float32)
    Z = ours.transform(single)
    assert Z.dtype == np.float32
    assert_array_equal(Z, ours.transform(single.astype(np.float64)).astype(np.float32))


def test_rows_do_not_depend_on_those_around(pca, noise):
    X = np.tile(noise, (30, 1))  # several blocks of tiles
    X[::7, 2] = np.nan
    X[::5, :2] = np.nan
    Z = pca.transform(X)
    X_back = pca.inverse_transform(Z)
    for part in (slice(0, 1), slice(35, 36), slice(3, 70), slice(60, 1000)):
        assert_array_equal(pca.transform(X[part]), Z[part])
        assert_array_equal(pca.inverse_transform(Z[part]), X_back[part])


def test_nothing_is_compiled(pca, noise, compiled):
    assert_array_equal(pca.reconstruct(noise), pca.inverse_transform(pca.transform(noise)))
    assert compiled == []


@pytest.mark.parametrize(("activation", "least"), [("auto", -np.inf), ("clip", 0.0)])
def test_ranges_of_reconstructions_are_kept(quick, activation, least):
    """A feature whose values pile up at 0 leaves PCA as it is; "clip" does not."""
    X = np.random.default_rng(0).normal(size=(80, 5))
    X[:, 0] = np.maximum(X[:, 0], 0.0)
    ours, reference = quick(tol=1.0, output_activation=activation).fit(X), PCA(2).fit(X)
    back = reference.inverse_transform(reference.transform(X))
    assert ours._fitted.is_pca and back[:, 0].min() < 0
    assert_allclose(ours.reconstruct(X)[:, 0], np.maximum(back[:, 0], least), atol=1e-12)


def test_an_activation_is_no_plain_pca(quick, noise):
    ours = quick(tol=1.0, max_iter=1, output_activation="sigmoid")
    ours.fit(np.clip(0.5 + noise / 8, 0, 1))
    assert ours.selected_model_ == "pca" and not ours._fitted.is_pca


def test_travels_in_files(pca, noise, filed):
    assert_array_equal(filed(pca).transform(noise), pca.transform(noise))


def test_warm_start_and_stream_leave_it(quick, noise, curve):
    ours = quick(tol=1.0, warm_start=True).fit(noise)
    codes = ours.transform(noise)
    ours.set_params(tol=0.0, learning_rate=0.1).fit(noise)
    assert not ours._fitted.is_pca
    assert np.abs(ours.transform(noise) - codes).max() > 1e-6
    stream = quick(max_iter=1).partial_fit(curve)
    assert stream._fitted.is_pca
    assert_allclose(stream.transform(curve), PCA(2).fit_transform(curve), atol=1e-12)
