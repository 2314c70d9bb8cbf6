"""The numbers behind displays, beside scikit-learn's PCA and JAX's derivatives."""

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import (
    compare_reconstructions,
    component_loadings,
    component_traversals,
    explained_variance_curves,
)


@pytest.fixture(scope="module")
def bent(quick, curve):
    """A net that has left PCA, of features in different units."""
    rows = curve * [1, 10, 100, 1] + [0, 5, 0, 0]
    settings = dict(n_components=2, scaling="standard", cv=None, output_activation="identity")
    return quick(**settings, max_iter=20, learning_rate=1e-2).fit(rows), rows


@pytest.fixture(scope="module")
def linear(quick, noise):
    """A fit that keeps PCA, and PCA."""
    estimator = quick(n_components=2).fit(noise)
    assert estimator.selected_model_ == "pca"
    return estimator, PCA(2).fit(noise), noise


@pytest.mark.parametrize("linear_path", ["pca", None])
def test_features_of_large_units_do_not_decide(quick, curve, linear_path):
    """With scaling="standard" curves and loadings are those behind a StandardScaler."""
    rows = curve * [1, 10, 1000, 1] + [0, 5, 0, 0]
    settings = dict(
        n_components=2, cv=None, output_activation="identity", linear_path=linear_path
    )
    own = quick(scaling="standard", **settings).fit(rows)
    scaled = StandardScaler().fit_transform(rows)
    behind = quick(**settings).fit(scaled)
    curves = explained_variance_curves(own, rows), explained_variance_curves(behind, scaled)
    loadings = component_loadings(own, rows), component_loadings(behind, scaled)
    for one, other in (curves, loadings):
        assert_allclose(one.autoencoder, other.autoencoder, atol=1e-3)
        assert (one.pca is None) == (linear_path is None)
        if one.pca is not None:
            assert_allclose(one.pca, other.pca, atol=1e-6)


def test_curves_of_new_samples(linear):
    estimator, pca, _ = linear
    new = np.random.default_rng(1).normal(size=(30, 6))
    found = explained_variance_curves(estimator, new)
    total = np.square(new - pca.mean_).sum()
    for m in (1, 2):
        back = pca.mean_ + (new - pca.mean_) @ pca.components_[:m].T @ pca.components_[:m]
        assert found.pca[m - 1] == pytest.approx(1 - np.square(new - back).sum() / total)
    assert_allclose(found.autoencoder, found.pca, atol=1e-5)


def test_the_last_of_a_curve_is_the_share_that_the_fit_explains(bent):
    estimator, X = bent
    with_holes = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
    scale = estimator._fitted.scaling.scale
    for rows in (X, with_holes):
        left = np.nansum(np.square((rows - estimator.reconstruct(rows)) / scale))
        total = np.nansum(np.square((rows - estimator.mean_) / scale))
        found = explained_variance_curves(estimator, rows)
        assert found.autoencoder[-1] == pytest.approx(1 - left / total, abs=1e-9)
        assert found.autoencoder[-1] != pytest.approx(found.pca[-1], abs=1e-6)


def test_the_last_of_a_curve_is_the_score(quick, curve):
    estimator = quick(n_components=2, max_iter=20, learning_rate=1e-2).fit(curve)
    found = explained_variance_curves(estimator, curve)
    assert found.autoencoder[-1] == pytest.approx(estimator.score(curve), abs=1e-9)


def test_curves_of_the_fit_are_those_of_held_out_samples(quick, linear, curve):
    estimator, *_ = linear
    found = explained_variance_curves(estimator)
    assert_allclose(found.pca, np.cumsum(estimator.pca_explained_variance_ratio_))
    assert_allclose(found.autoencoder, np.maximum.accumulate(found.pca.clip(0)), atol=1e-12)
    better = quick(n_components=1, max_iter=40, learning_rate=1e-2).fit(curve)
    own, pca = explained_variance_curves(better).values()
    assert better.selected_model_ == "autoencoder" and own[0] > pca[0]


def test_pca_of_held_out_samples_is_what_pca_scores_there(quick, noise):
    """The axes are those of the training part, the variance is around its mean."""
    train, held_out = np.arange(40), np.arange(40, 60)
    estimator = quick(n_components=2, cv=[(train, held_out)]).fit(noise)
    pca = PCA(2).fit(noise[train])
    left = noise[held_out] - pca.inverse_transform(pca.transform(noise[held_out]))
    share = 1 - np.square(left).sum() / np.square(noise[held_out] - pca.mean_).sum()
    assert estimator.pca_explained_variance_ratio_.sum() == pytest.approx(share, abs=1e-5)


def test_reconstructions_of_pca_are_scikit_learns(linear):
    estimator, pca, X = linear
    found = compare_reconstructions(estimator, X, n_samples=7)
    assert_array_equal(found.samples, X[:7])
    assert_allclose(found.pca, pca.inverse_transform(pca.transform(X[:7])), atol=1e-9)
    assert_array_equal(found.autoencoder, estimator.reconstruct(X[:7]))


def test_missing_values_of_a_plane_are_found_by_pca(quick):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 5)) * 3 + 7
    estimator = quick(n_components=2, max_iter=1, cv=None).fit(X)
    with_hole = X[:3].copy()
    with_hole[1, 2] = np.nan
    assert_allclose(compare_reconstructions(estimator, with_hole).pca, X[:3], atol=1e-4)


@pytest.mark.parametrize("whiten", [False, True])
def test_loadings_of_a_pca_are_its_axes(quick, noise, whiten):
    estimator = quick(n_components=2, whiten=whiten).fit(noise)
    pca = PCA(2).fit(noise)
    axes = pca.components_ * np.sqrt(pca.explained_variance_)[:, None] ** whiten
    found = component_loadings(estimator, noise)
    signs = np.sign((found.pca * axes).sum(axis=1))[:, None]
    assert_allclose(found.pca * signs, axes, atol=1e-6)
    assert_allclose(found.autoencoder, found.pca, atol=1e-4)


def test_loadings_are_the_mean_jacobian_of_the_decoder(bent):
    estimator, X = bent
    model = estimator._fitted.model

    def decoded(z):
        z = jax.numpy.pad(
            z, (0, len(model.path.loadings) - len(z))
        )  # as wide as compiled codes
        out = model.autoencoder.decode(model.path, model.params, z, 2)
        return model.autoencoder.columns(model.path, out)

    Z = estimator.transform(X).astype(np.float32)
    exact = np.asarray(jax.vmap(jax.jacfwd(decoded))(Z)).mean(axis=0).T  # of scaled features
    found = component_loadings(estimator, X)
    assert_allclose(found.autoencoder, exact, atol=1e-4 * np.abs(exact).max())
    assert np.abs(found.autoencoder - found.pca).max() > 1e-2 * np.abs(exact).max()


def test_loadings_of_many_samples_take_evenly_spaced_ones(bent):
    estimator, X = bent
    many = np.repeat(X, 20, axis=0)  # of 3,000 every third is taken: all 150, unevenly often
    found = component_loadings(estimator, many).autoencoder
    expected = component_loadings(estimator, many[::3]).autoencoder
    assert_array_equal(found, expected)


def test_traversals_move_one_code_and_hold_the_others(linear):
    estimator, _, X = linear
    Z = estimator.transform(X)
    found = component_traversals(estimator, X, [1, 0], n_steps=5, sample=3)
    assert found.samples.shape == (2, 5, 6)
    for i, component in enumerate(found.components):
        assert_allclose(
            found.codes[i], np.linspace(*np.quantile(Z[:, component], [0.05, 0.95]), 5)
        )
        codes = estimator.transform(found.samples[i])
        assert_allclose(codes[:, component], found.codes[i], atol=1e-4)
        assert_allclose(codes[:, 1 - component], Z[3, 1 - component], atol=1e-4)
    held = component_traversals(estimator, X, [0], n_steps=1)
    assert_allclose(estimator.transform(held.samples[0])[0, 1], Z[:, 1].mean(), atol=1e-4)


def test_without_a_linear_path_there_is_no_pca(quick, X):
    estimator = quick(n_components=1, linear_path=None, cv=None).fit(X)
    assert explained_variance_curves(estimator, X).pca is None
    assert compare_reconstructions(estimator, X).pca is None
    found = component_loadings(estimator, X)
    assert found.pca is None and found.autoencoder.shape == (1, 4)


def test_other_estimators_are_refused(linear):
    pipeline = make_pipeline(StandardScaler(), linear[0])
    with pytest.raises(TypeError, match=r"got Pipeline.*pipeline\[-1\]"):
        component_loadings(pipeline, linear[2])


@pytest.mark.parametrize("components", [[], [2], [-1], [0.5]])
def test_components_must_be_there(linear, components):
    with pytest.raises(ValueError, match="whole numbers from 0 to 1, for the 2 components"):
        component_traversals(linear[0], linear[2], components)


@pytest.mark.parametrize("n", [0, -1, 1.5])
def test_counts_are_whole_numbers(linear, n):
    estimator, _, X = linear
    with pytest.raises(ValueError, match=f"n_steps must be an int of at least 1, got {n}"):
        component_traversals(estimator, X, n_steps=n)
    with pytest.raises(ValueError, match=f"n_samples must be an int of at least 1, got {n}"):
        compare_reconstructions(estimator, X, n_samples=n)


def test_after_partial_fit_both_curves_are_of_the_latest_samples(quick, noise):
    estimator = quick(n_components=2).partial_fit(noise[:30]).partial_fit(noise[30:])
    found = explained_variance_curves(estimator)
    assert found.autoencoder.shape == found.pca.shape == (2,)
    assert_allclose(found.autoencoder, np.maximum.accumulate(found.pca.clip(0)), atol=1e-12)
