"""New rows look like the training rows, and the same seed gives the same ones."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture

from skae._estimator import sampling as _sampling
from skae._estimator.sampling import CodeDensity, best_mixture, possible_sizes, subsample


@pytest.mark.parametrize("n_samples", [1, 65, np.int64(7)])
def test_shape(fitted, n_samples):
    rows = fitted.sample(n_samples, random_state=0)
    assert rows.shape == (n_samples, 4) and rows.dtype == np.float64
    assert np.isfinite(rows).all()
    assert fitted.sample().shape == (1, 4)


def test_float32_rows_give_float32_samples(quick, X):
    assert quick().fit(X.astype(np.float32)).sample(3).dtype == np.float32


@pytest.mark.parametrize("library, kind", [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_set_output(quick, X, library, kind):
    estimator = quick().fit(pd.DataFrame(X, columns=list("abcd")))
    plain = estimator.sample(5, random_state=1)
    frame = estimator.set_output(transform=library).sample(5, random_state=1)
    assert isinstance(frame, kind) and list(frame.columns) == list("abcd")
    assert_array_equal(frame.to_numpy(), plain)


def test_one_seed_one_sample(quick, fitted, X):
    """Bit for bit: again, from a second fit, from a pickle before and after the first call."""
    fresh = quick().fit(X)
    travelled = pickle.loads(pickle.dumps(fresh))
    rows = fresh.sample(20, random_state=3)
    for estimator in (fresh, fitted, travelled, pickle.loads(pickle.dumps(fresh))):
        assert_array_equal(estimator.sample(20, random_state=3), rows)
    assert_array_equal(fresh.sample(20, random_state=np.random.RandomState(3)), rows)


def test_other_seeds_give_other_samples(fitted):
    seeds = (0, 1, None, None)
    first = [fitted.sample(4, random_state=seed)[0, 0] for seed in seeds]
    assert len(set(first)) == len(seeds)
    generator = np.random.RandomState(0)
    pair = [fitted.sample(4, random_state=generator) for _ in range(2)]
    assert not np.array_equal(*pair)


def test_threads_find_the_same_mixture(quick, X):
    estimator = quick().fit(X)
    with ThreadPoolExecutor(4) as threads:
        first, *others = threads.map(lambda _: estimator.sample(9, random_state=0), range(4))
    for rows in others:
        assert_array_equal(rows, first)


def test_sampling_changes_no_code(quick, X):
    estimator = quick().fit(X)
    Z, attributes = estimator.transform(X), set(vars(estimator))
    estimator.sample(3)
    assert_array_equal(estimator.transform(X), Z)
    assert set(vars(estimator)) == attributes


def test_a_new_fit_forgets_the_mixture(quick, X):
    estimator = quick().fit(X)
    estimator.sample()
    estimator.fit(X[:50])
    assert_array_equal(
        estimator.sample(5, random_state=0), quick().fit(X[:50]).sample(5, random_state=0)
    )


@pytest.mark.parametrize("n_rows", [2, 3, 9])
def test_few_rows(quick, X, n_rows):
    rows = quick(cv=None).fit(X[:n_rows]).sample(50, random_state=0)
    spread = np.ptp(X[:n_rows], axis=0).max()
    assert np.abs(rows - X[:n_rows].mean(axis=0)).max() < 10 * spread


def test_constant_rows_give_themselves(quick, X):
    rows = quick().fit(np.tile(X[:1], (12, 1))).sample(3, random_state=0)
    assert_allclose(rows, np.tile(X[:1], (3, 1)), rtol=1e-6)


def test_a_share_of_variance(quick, X):
    estimator = quick(n_components=0.9).fit(X)
    assert estimator._fitted.density.codes.shape[1] == estimator.n_components_
    assert estimator.sample(3).shape == (3, 4)


def test_samples_keep_the_range(quick, X):
    rows = quick(output_activation="clip").fit(X).sample(2000, random_state=0)
    assert (rows >= X.min(axis=0)).all() and (rows <= X.max(axis=0)).all()
    assert (rows == X.min(axis=0)).any()  # the range is what holds them


def test_noise_restores_the_columns_variance(quick, X):
    """Without it rows have the variance of reconstructions only; both are the same draw."""
    estimator = quick(n_components=1, cv=None).fit(X)
    plain, noisy = (estimator.sample(20_000, random_state=0, noise=on) for on in (False, True))
    residual = (X - estimator.inverse_transform(estimator.transform(X))).std(axis=0)
    assert_allclose((noisy - plain).std(axis=0), residual, rtol=0.1)
    assert_allclose(noisy.std(axis=0), X.std(axis=0), rtol=0.25)
    assert (plain.std(axis=0) < 0.8 * X.std(axis=0)).any()


def test_noise_of_losses_is_drawn_from_their_distributions(quick):
    rng = np.random.default_rng(0)
    sorts = np.eye(3)[rng.integers(3, size=90)]
    tables = {
        "poisson": rng.poisson(3.0, size=(90, 3)),
        "binary_cross_entropy": sorts,
        "categorical": sorts,
    }
    for loss, table in tables.items():
        estimator = quick(n_components=1, loss=loss).fit(table)
        rows = estimator.sample(4000, random_state=0, noise=True)
        assert_array_equal(rows, rows.round())
        assert rows.max() == 1 or loss == "poisson"
        assert (rows.sum(axis=1) == 1).all() or loss != "categorical"
        mean = estimator.sample(4000, random_state=0).mean(axis=0)
        assert_allclose(rows.mean(axis=0), mean, rtol=0.1)


def test_noisy_samples_keep_the_range(quick, X):
    rows = quick(output_activation="clip").fit(X).sample(2000, random_state=0, noise=True)
    assert (rows >= X.min(axis=0)).all() and (rows <= X.max(axis=0)).all()


def test_bad_noise(fitted):
    with pytest.raises(ValueError, match="The 'noise' parameter of sample must be"):
        fitted.sample(noise=0.5)


def test_two_clusters_are_recovered(quick):
    """Samples fall into both clusters, in their shares, and not between them."""
    rng = np.random.default_rng(0)
    centers = np.array([[0.0, 0, 0, 0], [20, 20, 0, 0]])
    labels = np.arange(150) % 3 == 0
    X = centers[labels.astype(int)] + rng.normal(size=(150, 4))
    rows = quick(cv=None, max_iter=1).fit(X).sample(1000, random_state=0)
    distances = np.linalg.norm(rows[:, None] - centers, axis=2)
    assert (distances.min(axis=1) < 6).all()
    assert abs(np.mean(distances.argmin(axis=1)) - 1 / 3) < 0.06


def test_needs_a_fit(quick, fitted):
    for estimator in (quick(), clone(fitted)):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            estimator.sample()


def test_needs_a_fit_that_has_ended(fitted):
    """Callbacks get a model that is still in training."""
    shown = copy.copy(fitted)
    shown._fitted = replace(fitted._fitted, density=None)
    with pytest.raises(NotFittedError, match="not fitted yet: it is in training"):
        shown.sample()


@pytest.mark.parametrize("n_samples", [0, -1, 2.0, True, "3", None])
def test_bad_n_samples(fitted, n_samples):
    words = (
        r"The 'n_samples' parameter of sample must be an int in the range \[1, inf\)\. "
        f"Got {n_samples!r} instead"
    )
    with pytest.raises(ValueError, match=words):
        fitted.sample(n_samples)


def test_bad_random_state(fitted):
    with pytest.raises(ValueError, match="The 'random_state' parameter of sample must be"):
        fitted.sample(random_state="seed")


def test_few_keeps_random_rows_in_order(monkeypatch):
    monkeypatch.setattr(_sampling, "MOST_CODES", 10)
    rows = np.arange(100)[:, None]
    kept = subsample(rows, np.ones(len(rows)), 0)
    assert len(kept) == 10 and (np.diff(kept[:, 0]) > 0).all()
    assert_array_equal(subsample(rows, np.ones(len(rows)), 0), kept)
    assert not np.array_equal(subsample(rows, np.ones(len(rows)), 1), kept)
    assert_array_equal(subsample(rows[:10], np.ones(len(rows[:10])), 0), rows[:10])


def test_bic_finds_the_number_of_gaussians():
    rng = np.random.default_rng(0)
    for n_gaussians in (1, 3):
        Z = rng.normal(size=(600, 2)) + 12 * rng.integers(0, n_gaussians, size=(600, 1))
        mixture = best_mixture(Z, 0)
        assert len(mixture.weights) == n_gaussians
        assert_allclose(mixture.weights, 1 / n_gaussians, atol=0.06)


def test_a_mixture_is_that_of_scikit_learn():
    Z = np.random.default_rng(0).normal(size=(300, 3)) ** 3
    Z /= Z.std(axis=0)
    found = best_mixture(Z, 0)
    given = {"reg_covar": 1e-3, "max_iter": 500, "init_params": "k-means++", "random_state": 0}
    expected = GaussianMixture(len(found.weights), **given).fit(Z)
    assert len(found.weights) > 2
    assert_allclose(found.weights, expected.weights_, rtol=1e-6)
    assert_allclose(found.means, expected.means_, atol=1e-6)
    covariances = found.factors @ found.factors.transpose(0, 2, 1)
    assert_allclose(covariances, expected.covariances_, atol=1e-6)


def test_bic_copes_with_codes_far_out():
    """Their squares leave single precision no digit of a Gaussian's least variance."""
    Z = np.random.default_rng(0).normal(size=(5000, 40))
    Z[0] *= 1e6
    mixture = best_mixture(Z / Z.std(axis=0), 0)
    assert np.isfinite(mixture.factors).all() and len(mixture.weights) > 1
    assert mixture.weights.min() == pytest.approx(1 / 5000, rel=1e-3)


def test_possible_sizes():
    assert possible_sizes(2, 8) == [1]
    assert possible_sizes(60, 4) == [1, 2, 3, 4, 6]


def test_a_constant_component_stays_constant():
    codes = np.random.default_rng(0).normal(size=(40, 3))
    codes[:, 1] = 0.1
    drawn = CodeDensity(codes, 0).draw(30, np.random.RandomState(0))
    assert_allclose(drawn[:, 1], 0.1, rtol=1e-12)
    assert np.ptp(drawn[:, [0, 2]], axis=0).min() > 0.5


def test_draws_have_the_mixtures_moments():
    """One Gaussian: the drawn codes' covariance is that of the codes."""
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(400, 2)) @ np.array([[3.0, 1.0], [0.0, 0.5]]) + [5, -2]
    drawn = CodeDensity(codes, 0).draw(100_000, np.random.RandomState(0))
    assert_allclose(drawn.mean(axis=0), codes.mean(axis=0), atol=0.05)
    assert_allclose(np.cov(drawn.T), np.cov(codes.T), rtol=0.05, atol=0.05)


normal = np.random.default_rng(1).normal(size=(60, 3))
ODD_CODES = {
    "two rows": normal[:2],
    "fewer rows than columns": normal[:6].reshape(2, 9),
    "duplicates": np.repeat(normal[:2], 30, axis=0),
    "zeros": np.zeros((30, 3)),
    "collinear": normal[:, :1] * np.ones(3),
    "huge": normal * 1e30,
    "tiny": normal * 1e-30,
    "squares below float64": normal * 1e-200,
    "a far row": np.vstack([normal, [[1e15, 0, 0]]]),
    "float32": (normal * 1e30).astype(np.float32),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", ODD_CODES)
def test_odd_codes_give_finite_draws(case):
    codes = ODD_CODES[case]
    drawn = CodeDensity(codes, 0).draw(200, np.random.RandomState(0))
    assert drawn.shape == (200, codes.shape[1])
    reach = np.abs(codes - codes.mean(axis=0, dtype=float)).max(axis=0)
    assert (np.abs(drawn - codes.mean(axis=0, dtype=float)) <= 10 * reach).all()
