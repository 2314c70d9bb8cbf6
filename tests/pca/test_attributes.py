"""PCA's attributes of the linear path, whiten, n_components=None and reconstruct, on all paths.

scikit-learn's PCA is the reference.
"""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler

from skae._data import rows as sizes

LINEAR = "components_", "explained_variance_", "singular_values_", "noise_variance_"
METHODS = "get_covariance", "get_precision"


def assert_describes_pca(estimator, pca, rtol=1e-7, noise=1e-7):
    """Check every attribute of the linear path against those of a fitted ``pca``."""
    k = estimator.n_components_
    assert_allclose(estimator.explained_variance_, pca.explained_variance_[:k], rtol=rtol)
    assert_allclose(estimator.singular_values_, pca.singular_values_[:k], rtol=rtol)
    assert_allclose(estimator.noise_variance_, pca.noise_variance_, rtol=noise)
    assert_allclose(estimator.get_covariance(), pca.get_covariance(), rtol=1e-5, atol=1e-6)
    assert estimator.n_samples_ == pca.n_samples_


@pytest.mark.parametrize("k", [1, 2, 3])
def test_linear_path_is_pca(quick, X, k):
    estimator, pca = quick(n_components=k, cv=None).fit(X), PCA(k).fit(X)
    assert_describes_pca(estimator, pca)
    assert_allclose(estimator.components_, pca.components_, atol=1e-9)
    assert_allclose(estimator.get_precision(), pca.get_precision(), rtol=1e-9)
    assert_allclose(
        estimator.get_covariance() @ estimator.get_precision(), np.eye(4), atol=1e-9
    )


def test_attributes_are_of_pca_whatever_is_kept(quick, curve):
    estimator = quick(max_iter=10).fit(curve)
    assert estimator.selected_model_ == "autoencoder"
    assert_describes_pca(estimator, PCA(2).fit(curve))


def test_units_of_standard_scaling(quick, X):
    """Variances are of the scaled features, the covariance is of X."""
    scaled = StandardScaler().fit(X)
    estimator = quick(scaling="standard", cv=None).fit(X)
    pca = PCA(2).fit(scaled.transform(X))
    assert_allclose(estimator.explained_variance_, pca.explained_variance_)
    assert_allclose(estimator.noise_variance_, pca.noise_variance_)
    expected = pca.get_covariance() * np.outer(scaled.scale_, scaled.scale_)
    assert_allclose(estimator.get_covariance(), expected, rtol=1e-9)
    assert_allclose(
        estimator.get_covariance() @ estimator.get_precision(), np.eye(4), atol=1e-9
    )


@pytest.mark.parametrize("unit", [1e-20, 1e15])
def test_far_units(quick, X, unit):
    estimator, pca = quick(cv=None).fit(unit * X), PCA(2).fit(X)
    assert_allclose(estimator.explained_variance_, pca.explained_variance_ * unit**2)
    assert_allclose(estimator.noise_variance_, pca.noise_variance_ * unit**2)
    assert_allclose(estimator.get_covariance() / unit**2, pca.get_covariance(), atol=1e-9)


def test_far_level(quick, X):
    estimator, pca = quick(cv=None).fit(X + 1e5), PCA(2).fit(X)
    assert_allclose(estimator.explained_variance_, pca.explained_variance_, rtol=1e-8)
    assert_allclose(estimator.noise_variance_, pca.noise_variance_, rtol=1e-6)


def test_sparse_and_chunked_rows(quick, monkeypatch):
    monkeypatch.setattr(sizes, "LEAST_NUMBERS", 2**9)  # what is larger is read in blocks
    monkeypatch.setattr(sizes, "MOST_NUMBERS", 2**10)
    X = sparse.random_array((120, 30), density=0.2, rng=np.random.default_rng(0), format="csr")
    estimator = quick(n_components=3, cv=None, max_iter=1).fit(X)
    assert_describes_pca(estimator, PCA(3, svd_solver="full").fit(X.toarray()), noise=1e-6)


@pytest.mark.parametrize("n_samples", [40, 300])
def test_wide_rows(quick, n_samples):
    """Of more columns than the nets see, what the leading axes leave out is noise, too."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, 3)) @ rng.normal(size=(3, 4_200))
    X += 0.1 * rng.normal(size=X.shape)
    estimator, pca = quick(n_components=2, cv=None, max_iter=1).fit(X), PCA(2).fit(X)
    assert estimator._fitted.model.reduction is not None
    assert_allclose(estimator.explained_variance_, pca.explained_variance_, rtol=1e-6)
    assert_allclose(estimator.noise_variance_, pca.noise_variance_, rtol=1e-6)
    assert_allclose(estimator.singular_values_, pca.singular_values_, rtol=1e-6)


def test_missing_values_leave_the_covariance(quick):
    """With a tenth of the values missing, that of the complete rows is found again."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2)) @ rng.normal(size=(2, 6)) + 0.2 * rng.normal(size=(400, 6))
    gappy = np.where(rng.random(X.shape) < 0.1, np.nan, X)
    estimator, pca = quick(cv=None, max_iter=1).fit(gappy), PCA(2).fit(X)
    assert_allclose(estimator.explained_variance_, pca.explained_variance_, rtol=0.05)
    assert_allclose(estimator.noise_variance_, pca.noise_variance_, rtol=0.15)
    whole = quick(cv=None, max_iter=1, whiten=True).fit(gappy)
    assert_allclose(whole.transform(gappy).std(axis=0, ddof=1), 1, rtol=1e-6)


def test_stream_describes_all_samples(quick, X):
    estimator = quick(max_iter=1)
    for part in np.split(np.random.default_rng(0).permutation(150), 3):
        estimator.partial_fit(X[part])
    assert_describes_pca(estimator, PCA(2).fit(X))


def test_stream_goes_on_from_fit(quick, X):
    estimator = quick(cv=None, max_iter=1).fit(X[::2]).partial_fit(X[1::2])
    pca = PCA(2).fit(X)
    assert estimator.n_samples_ == 150
    assert_allclose(estimator.explained_variance_, pca.explained_variance_, rtol=1e-5)
    assert_allclose(estimator.noise_variance_, pca.noise_variance_, rtol=1e-4)


def test_warm_start_keeps_pca(quick, X):
    estimator = quick(cv=None, warm_start=True, max_iter=1).fit(X)
    before = {name: getattr(estimator, name) for name in (*LINEAR, "mean_", "n_samples_")}
    estimator.fit(X[:100])
    for name, value in before.items():
        assert_array_equal(getattr(estimator, name), value)


def test_without_linear_path_they_are_absent(quick, X):
    estimator = quick(linear_path=None).fit(X)
    for name in (*LINEAR, *METHODS):
        assert not hasattr(estimator, name)
    for name in LINEAR:
        with pytest.raises(AttributeError, match=rf"linear_path=None has no PCA.*{name}"):
            getattr(estimator, name)
    with pytest.raises(AttributeError, match="has no attribute 'get_covariance'") as raised:
        estimator.get_covariance  # noqa: B018
    assert "linear_path=None has no PCA" in str(raised.value.__cause__)
    assert estimator.n_samples_ == 150


def test_unfitted_estimators_say_so(quick):
    for name in (*LINEAR, "n_samples_"):
        assert not hasattr(quick(), name)
        with pytest.raises(NotFittedError, match=name):
            getattr(quick(), name)
    for name in METHODS:
        with pytest.raises(NotFittedError):
            getattr(quick(), name)()


def test_no_noise_if_nothing_is_left_out(quick, X):
    estimator, pca = quick(n_components=4, cv=None).fit(X), PCA(4).fit(X)
    assert estimator.noise_variance_ == 0.0
    assert_allclose(estimator.get_covariance(), np.cov(X.T), rtol=1e-9)
    assert_allclose(estimator.get_precision(), pca.get_precision(), rtol=1e-9)


def test_precision_needs_an_inverse(quick):
    X = np.random.default_rng(0).normal(size=(4, 6))
    estimator = quick(n_components=4, cv=None, max_iter=1).fit(X)
    assert estimator.noise_variance_ == 0.0
    with pytest.raises(np.linalg.LinAlgError, match="do not span 6 features"):
        estimator.get_precision()


def test_constant_rows(quick):
    estimator = quick(n_components=1, max_iter=1).fit(np.full((20, 3), 7.0))
    assert_array_equal(estimator.explained_variance_, [0.0])
    assert estimator.noise_variance_ == 0.0
    assert_array_equal(estimator.get_covariance(), np.zeros((3, 3)))


def test_float32_rows(quick, X):
    estimator = quick().fit(X.astype(np.float32))
    names = (*LINEAR[:3], "mean_", "explained_variance_ratio_")
    for name in names:
        assert getattr(estimator, name).dtype == np.float32
    for name in METHODS:
        assert getattr(estimator, name)().dtype == np.float32
    estimator.fit(X)
    for name in names:
        assert getattr(estimator, name).dtype == np.float64


class TestWhiten:
    @pytest.mark.parametrize("kept", ["pca", "autoencoder"])
    def test_codes_have_unit_variance(self, quick, curve, noise, kept):
        X = noise if kept == "pca" else curve
        plain = quick(max_iter=30).fit(X)
        assert plain.selected_model_ == kept
        white = clone(plain).set_params(whiten=True).fit(X)
        Z = white.transform(X)
        assert_allclose(Z.std(axis=0, ddof=1), 1, rtol=1e-12)
        deviations = plain.transform(X).std(axis=0, ddof=1)
        assert_allclose(Z * deviations, plain.transform(X), rtol=1e-9)
        assert_allclose(white.inverse_transform(Z), plain.reconstruct(X), atol=1e-6)
        first = plain.inverse_transform(plain.transform(X)[:, :1])
        assert_allclose(white.inverse_transform(Z[:, :1]), first, atol=1e-6)
        for name in (*LINEAR, "explained_variance_ratio_"):
            assert_array_equal(getattr(white, name), getattr(plain, name))
        assert white.score(X) == pytest.approx(plain.score(X), abs=1e-7)

    def test_is_that_of_pca(self, quick, noise):
        white, pca = quick(whiten=True).fit(noise), PCA(2, whiten=True).fit(noise)
        assert_allclose(white.transform(noise), pca.transform(noise), atol=1e-5)

    def test_weighted_rows(self, quick, noise):
        weight = np.random.default_rng(0).uniform(0.5, 2, 60)
        white = quick(whiten=True).fit(noise, sample_weight=weight)
        Z = white.transform(noise)
        variance = np.average(
            (Z - np.average(Z, axis=0, weights=weight)) ** 2, axis=0, weights=weight
        )
        assert_allclose(variance * 60 / 59, 1, rtol=1e-9)

    def test_component_without_variance_stays(self, quick):
        t = np.random.default_rng(0).normal(size=(50, 1))
        white = quick(whiten=True, max_iter=1).fit(t * [1.0, 2.0, 3.0])
        Z = white.transform(t * [1.0, 2.0, 3.0])
        assert_allclose(Z[:, 0].std(ddof=1), 1)
        assert np.abs(Z[:, 1]).max() < 1e-4

    def test_stream(self, quick, X):
        """At PCA the deviations are those of all samples, with nets those of kept ones."""
        white = quick(whiten=True, max_iter=1)
        for part in np.split(np.random.default_rng(0).permutation(150), 3):
            white.partial_fit(X[part])
        rtol = {"pca": 1e-5, "autoencoder": 1e-9}[white.selected_model_]
        assert_allclose(white.transform(X).std(axis=0, ddof=1), 1, rtol=rtol)

    def test_sparse_codes_keep_their_zeros(self, quick, X):
        white = quick(n_components=4, n_nonzero_coefs=2, whiten=True).fit(X)
        Z = white.transform(X)
        assert (np.count_nonzero(Z, axis=1) <= 2).all()
        varies = Z.std(axis=0) > 0
        assert_allclose(Z.std(axis=0, ddof=1)[varies], 1, rtol=1e-9)

    def test_samples_and_pickles(self, quick, X):
        white = quick(whiten=True, kl_weight=1.0).fit(X)
        assert white.sample(50, random_state=0).shape == (50, 4)
        plain = clone(white).set_params(whiten=False).fit(X)
        assert_allclose(
            white.sample(50, random_state=0), plain.sample(50, random_state=0), rtol=1e-5
        )
        again = pickle.loads(pickle.dumps(white))
        assert_array_equal(again.transform(X), white.transform(X))


class TestNumberOfComponents:
    @pytest.mark.parametrize("shape", [(30, 5), (5, 30)])
    def test_none_is_all_that_pca_has(self, quick, shape):
        X = np.random.default_rng(0).normal(size=shape)
        estimator = quick(n_components=None, max_iter=1).fit(X)
        assert estimator.n_components_ == 5
        assert_allclose(estimator.reconstruct(X), X, atol=1e-5)

    def test_stream_takes_the_first_batch(self, quick, X):
        estimator = quick(n_components=None, max_iter=1)
        assert estimator.partial_fit(X[:3]).n_components_ == 3
        assert estimator.partial_fit(X).n_components_ == 3

    def test_more_are_refused(self, quick, X):
        with pytest.raises(ValueError, match="at most 4"):
            quick(n_components=5).fit(X)
        assert quick(n_components=5, n_nonzero_coefs=2).fit(X).n_components_ == 5


class TestReconstruct:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("settings", [{}, {"whiten": True}, {"linear_path": None}])
    def test_is_both_steps_to_the_bit(self, quick, curve, dtype, settings):
        X = curve.astype(dtype)
        estimator = quick(max_iter=30, **settings).fit(X)
        both = estimator.inverse_transform(estimator.transform(X))
        found = estimator.reconstruct(X)
        assert found.dtype == dtype
        assert_array_equal(found, both)

    def test_containers_and_missing_values(self, quick, X):
        pd = pytest.importorskip("pandas")
        frame = pd.DataFrame(X, columns=list("abcd"), index=np.arange(150) + 7)
        frame.iloc[3, 1] = np.nan
        estimator = quick().set_output(transform="pandas").fit(frame)
        found = estimator.reconstruct(frame)
        assert list(found.columns) == list("abcd") and found.index[0] == 7
        assert found.notna().all().all()

    def test_images_keep_their_shape(self, quick):
        X = load_digits().images[:60]
        assert quick(max_iter=1).fit(X).reconstruct(X[:5]).shape == (5, 8, 8)

    def test_other_features_are_refused(self, fitted):
        with pytest.raises(ValueError, match="3 features"):
            fitted.reconstruct(np.zeros((2, 3)))
