"""Losses, ranges of codes, penalties, distributions of codes, restarts: what can be trained."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import d2_absolute_error_score, log_loss, mean_poisson_deviance

from skae import AutoencoderOutlierDetector
from skae._net.objective import CODE_ACTIVATIONS, divergences
from skae._train.optimizers import make_optimizer
from skae.architectures.dense import _DenseNetwork
from skae.losses import LOSSES, Categorical, Huber, Poisson
from skae.outliers import _growth

CODE_RANGES = {
    "identity": (-np.inf, np.inf),
    "relu": (0, np.inf),
    "tanh": (-1, 1),
    "logistic": (0, 1),
    "softmax": (0, 1),
}


def suited(X, loss):
    """Return rows like ``X`` that the loss is defined for."""
    if loss == "poisson":
        return np.round(np.abs(X) * 3)
    if loss == "binary_cross_entropy":
        return (X.mean(axis=0) < X).astype(float)
    if loss == "categorical":
        return np.abs(X) / np.abs(X).sum(axis=1, keepdims=True)
    return X


@pytest.mark.parametrize("name", LOSSES)
class TestLosses:
    targets = np.array([0.0, 0.3, 1.0])

    def test_least_at_the_target(self, name):
        """Zero there and more elsewhere, in every cell."""
        loss, target = LOSSES[name], np.array([0.0, 0.2, 0.3, 0.5, 1.0])
        assert_allclose(loss(target, target), 0, atol=1e-12)
        assert (loss(target, np.array([0.1, 0.3, 0.2, 0.9, 0.8])) > 1e-3).all()

    def test_gradient(self, name):
        """Finite differences agree, in float64, with JAX's gradient in float32."""
        loss, step = LOSSES[name], 1e-6
        out = np.array([0.15, 0.55, 0.8])
        ahead, behind = (loss(self.targets, out + h) for h in (step, -step))
        found = jax.grad(lambda out: loss(self.targets, out).sum())(jnp.float32(out))
        assert_allclose(found, (ahead - behind) / (2 * step), rtol=1e-4, atol=1e-5)

    def test_large_targets_keep_their_small_losses(self, name):
        """Float32 says what float64 does, though targets and outputs nearly cancel."""
        loss, scale = LOSSES[name], 1.0 if LOSSES[name].output_activation is None else 1e-3
        if name == "poisson":
            scale = 1e8
        target = np.float32(scale * np.linspace(0.3, 0.9, 50))
        out = target * np.float32(1 + 1e-3 * np.cos(np.arange(50.0)))
        exact = loss(target.astype(np.float64), out.astype(np.float64))
        found = np.asarray(loss(jnp.asarray(target), jnp.asarray(out)))
        assert (found >= 0).all()
        assert_allclose(found, exact, rtol=1e-3, atol=1e-3 * exact.mean())

    def test_finite_at_the_ends(self, name):
        ends = np.array([0.0, 1.0])
        losses = LOSSES[name](ends, ends[::-1].copy())
        assert np.isfinite(losses).all()
        gradient = jax.grad(lambda out: LOSSES[name](ends, out).sum())(jnp.float32(ends[::-1]))
        assert np.isfinite(gradient).all()

    def test_is_static(self, name):
        loss = LOSSES[name]
        again = pickle.loads(pickle.dumps(loss))
        assert again == loss and hash(again) == hash(loss)

    def test_falls_and_takes_new_numbers(self, name, quick, X, compiled):
        settings = dict(loss=name, cv=None, corruption_level=0.0, ordered=False, max_iter=30)
        curve = quick(**settings).fit(suited(X, name)).loss_curve_
        assert curve[-1] < curve[0]
        compiled.clear()
        quick(**settings, learning_rate=1e-4, weight_decay=0.1).fit(suited(X, name))
        assert compiled == []

    def test_fits_scores_and_goes_on(self, name, quick, X, filed):
        X = suited(X, name)
        estimator = quick(loss=name, warm_start=True).fit(X)
        assert estimator.score(X) <= 1.0
        assert estimator.score_samples(X).shape == (len(X),)
        copies = pickle.loads(pickle.dumps(estimator)), filed(estimator)
        codes = estimator.fit(X).transform(X)
        for again in copies:
            assert_array_equal(again.fit(X).transform(X), codes)

    def test_missing_cells_count_nowhere(self, name, quick, X):
        X = np.array(suited(X, name))
        X[::7, 1] = np.nan
        estimator = quick(loss=name).fit(X)
        filled = estimator.impute(X)
        assert np.isfinite(filled).all()
        assert_array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])
        assert np.isfinite(estimator.score(X))
        assert (estimator.score_samples(X) <= 0).all()

    def test_outlier_detector(self, name, quick, X):
        """Rows are called strange by what rows like them, that were not seen, lose."""
        X = suited(X, name)
        detector = AutoencoderOutlierDetector(quick(loss=name)).fit(X[::2])
        growth = _growth(detector.autoencoder_, X[::2]).mean()
        assert growth == pytest.approx(
            max(1.0, -detector.score_samples(X[1::2]).mean()), rel=0.35
        )

    def test_weights_are_repetitions(self, name, quick, X):
        """PCA in the activation's range, and the scales of the nets: those of repeated rows."""
        X = suited(X, name)
        weight = np.arange(len(X)) % 3 + 1
        settings = dict(loss=name, cv=None, batch_size=len(X), corruption=None)
        one = quick(**settings).fit(X, sample_weight=weight)._fitted.model.path
        other = quick(**settings).fit(np.repeat(X, weight, axis=0))._fitted.model.path
        for part in ("margin", "output_scale", "prefix_error", "offset"):
            # The errors of other losses are measured on float32's paths.
            assert_allclose(getattr(one, part), getattr(other, part), rtol=2e-4, atol=1e-6)

    def test_explained_shares_are_scores(self, name, quick, X):
        """On the rows that judge, both are shares of one deviance."""
        X = suited(X, name)
        estimator = quick(loss=name, max_iter=10).fit(X[::2], X_val=X[1::2])
        explained = estimator.explained_variance_ratio_.sum()
        # PCA's own reconstruction keeps a little from the ends of the range.
        assert explained == pytest.approx(estimator.score(X[1::2]), abs=0.02)

    def test_variational_codes_begin_alive(self, name, quick, X):
        model = quick(loss=name, kl_weight=1.0, cv=None).fit(suited(X, name))._fitted.model
        assert (model.path.gain[: model.n_components] > 0.3).all()

    def test_step_zero_is_pca_in_its_range(self, name, quick, X):
        """Where noise leaves nothing to learn, the model kept is PCA, clipped to the range."""
        X = suited(X, name)
        estimator = quick(loss=name, max_iter=1, learning_rate=1e-9, tol=1.0).fit(X)
        assert estimator.best_iter_ == 0 and estimator.error_ratio_ == 1
        pca = PCA(2).fit(X)
        rebuilt = pca.inverse_transform(pca.transform(X))
        found = estimator.inverse_transform(estimator.transform(X))
        if LOSSES[name].output_activation is None:
            assert_allclose(found, rebuilt, atol=1e-4)
        else:
            lower, upper = LOSSES[name].output_activation.ends
            assert (found >= lower).all() and (found <= upper).all()
            assert np.corrcoef(found.ravel(), rebuilt.ravel())[0, 1] > 0.95


class TestScores:
    """scikit-learn's metrics say the same."""

    def rebuilt(self, estimator, X):
        return estimator.inverse_transform(estimator.transform(X))

    def test_poisson(self, quick, X):
        X = suited(X, "poisson")
        estimator = quick(loss="poisson").fit(X)
        null = np.broadcast_to(estimator.mean_, X.shape)
        error, total = (
            mean_poisson_deviance(X.ravel(), out.ravel())
            for out in (self.rebuilt(estimator, X), null)
        )
        assert estimator.score(X) == pytest.approx(1 - error / total, rel=1e-6)
        assert -estimator.score_samples(X).mean() == pytest.approx(error / 2, rel=1e-6)

    @pytest.mark.parametrize("mean", [1e6, 1e8])
    def test_large_counts_that_vary_little(self, quick, mean):
        """The held-out ratio is that of new rows: in float32, large counts would cancel."""
        rng = np.random.default_rng(0)
        rates = mean * (1 + 1e-3 * rng.normal(size=(300, 2)) @ rng.normal(size=(2, 6)))
        X, new = np.split(rng.poisson(rates).astype(float), [200])
        estimator, pca = quick(loss="poisson").fit(X), PCA(2).fit(X)
        error, of_pca = (
            mean_poisson_deviance(new.ravel(), self.rebuilt(model, new).ravel())
            for model in (estimator, pca)
        )
        assert estimator.error_ratio_ == pytest.approx(error / of_pca, abs=0.02)
        assert estimator.score(new) > 0.75

    def test_binary_cross_entropy(self, quick, X):
        X = suited(X, "binary_cross_entropy")
        estimator = quick(loss="binary_cross_entropy").fit(X)
        expected = log_loss(X.ravel(), self.rebuilt(estimator, X).ravel())
        assert -estimator.score_samples(X).mean() == pytest.approx(expected, rel=1e-5)

    def test_absolute_error(self, quick, X):
        """scikit-learn's reference is the median; ours, for every loss, is the mean."""
        X = X - np.median(X, axis=0)
        estimator = quick(loss="absolute_error").fit(X)
        estimator.mean_ = np.zeros(X.shape[1])
        expected = d2_absolute_error_score(
            X.reshape(-1, 1), self.rebuilt(estimator, X).reshape(-1, 1)
        )
        # The median of all cells together is no column's.
        assert estimator.score(X) == pytest.approx(expected, abs=0.05)

    def test_categorical_blocks(self, quick):
        rng = np.random.default_rng(0)
        labels = rng.integers(0, (3, 2), (80, 2))
        X = np.column_stack([np.eye(3)[labels[:, 0]], np.eye(2)[labels[:, 1]]])
        estimator = quick(loss=Categorical((3, 2))).fit(X)
        rebuilt = self.rebuilt(estimator, X)
        assert_allclose(rebuilt[:, :3].sum(axis=1), 1, rtol=1e-5)
        assert_allclose(rebuilt[:, 3:].sum(axis=1), 1, rtol=1e-5)
        expected = sum(
            log_loss(labels[:, i], part / part.sum(axis=1, keepdims=True), labels=range(n))
            for i, (n, part) in enumerate(((3, rebuilt[:, :3]), (2, rebuilt[:, 3:])))
        )
        assert -5 * estimator.score_samples(X).mean() == pytest.approx(expected, rel=1e-4)


def test_a_callable_is_a_loss(quick, X):
    """A loss of one's own: three times the squared error trains as the squared error does."""

    def thrice(target, output):
        return 3 * (target - output) ** 2

    mine, usual = (
        quick(loss=loss, output_activation="identity").fit(X)
        for loss in (thrice, "squared_error")
    )
    assert_allclose(mine.validation_curve_, usual.validation_curve_, rtol=1e-3)
    assert mine.score(X) == pytest.approx(usual.score(X), abs=1e-3)


def test_huber_lets_strange_cells_be(quick, curve):
    X = np.array(curve)
    X[::15, 1] = 50.0
    clean = np.arange(len(X)) % 15 > 0
    errors = {}
    for loss in ("squared_error", "huber"):
        settings = dict(loss=loss, cv=None, max_iter=120, linear_path=None, learning_rate=3e-3)
        back = (fitted := quick(**settings).fit(X)).inverse_transform(fitted.transform(X))
        errors[loss] = np.square(X - back)[clean].mean()
    assert errors["huber"] < errors["squared_error"]


@pytest.mark.parametrize(
    "loss, X, words",
    [
        ("poisson", [[-1.0, 2.0], [1.0, 2.0]], "needs values that are not negative, got -1"),
        ("binary_cross_entropy", [[0.0, 1.5], [1.0, 0.0]], "needs values from 0 to 1, got 1.5"),
        ("categorical", [[0.5, 0.6], [1.0, 0.0]], "add up to 1.1"),
        (Categorical((2, 2)), [[1.0, 0.0], [1.0, 0.0]], "describes 4 columns, but X has 2"),
    ],
)
def test_cells_that_a_loss_is_not_defined_for(loss, X, words, quick):
    with pytest.raises(ValueError, match=words):
        quick(loss=loss).fit(np.array(X))


def test_bad_choices(quick, X):
    with pytest.raises(ValueError, match="delta must be a finite number above 0, got -1"):
        Huber(delta=-1)
    for sizes in ((2, 0), 3, ("a",)):
        with pytest.raises(ValueError, match="sizes must hold whole numbers above 0"):
            Categorical(sizes=sizes)
    for loss in (Huber, Poisson):
        with pytest.raises(
            ValueError, match=rf"must be an instance, such as {loss.__name__}\(\)"
        ):
            quick(loss=loss).fit(X)
    bad_losses = {
        "TracerArrayConversionError": lambda t, o: np.square(np.asarray(t) - o),
        r"returned \(\)": lambda t, o: jnp.mean(t - o),
    }
    for words, loss in bad_losses.items():
        with pytest.raises(ValueError, match=words):
            quick(loss=loss).fit(X)
    with pytest.raises(ValueError, match=r"return such an array; it returned \(2,\)"):
        quick(augmentation=lambda key, row: row[:2]).fit(X)
    with pytest.warns(UserWarning, match="'sigmoid' reaches from 0 to 1, but X holds values"):
        quick(output_activation="sigmoid").fit(X)
    with pytest.raises(ValueError, match="Leave output_activation='auto'"):
        quick(loss="poisson", output_activation="relu").fit(np.abs(X))
    with pytest.raises(ValueError, match="Leave one or the other at its default"):
        quick(kl_weight=1.0, code_activation="relu").fit(X)
    holes = np.array(X)
    holes[0, 0] = np.nan
    with pytest.raises(ValueError, match="augmentation takes complete samples"):
        quick(augmentation=lambda key, row: row).fit(holes)


@pytest.mark.parametrize("linear_path", ["pca", None])
@pytest.mark.parametrize("name", CODE_ACTIVATIONS)
def test_codes_keep_the_range_of_their_activation(name, linear_path, quick, X, filed):
    estimator = quick(code_activation=name, linear_path=linear_path, n_components=3).fit(X)
    Z = estimator.transform(X)
    lower, upper = CODE_RANGES[name]
    assert (lower <= Z).all() and (upper >= Z).all()
    if name == "softmax":
        assert_allclose(Z.sum(axis=1), 1, rtol=1e-5)
    assert estimator.inverse_transform(Z).shape == X.shape
    assert (estimator.best_iter_ == 0) <= (name == "identity")
    assert_array_equal(filed(estimator).transform(X), Z)


@pytest.mark.parametrize("n_nonzero", [1, 2, 9])
def test_codes_have_as_many_entries_as_asked(n_nonzero, quick, X):
    """Exactly as many; all of them where more are asked for than there are."""
    estimator = quick(n_components=3, n_nonzero_coefs=n_nonzero).fit(X)
    n_found = np.count_nonzero(estimator.transform(X), axis=1)
    assert_array_equal(n_found, min(n_nonzero, 3))


def test_overcomplete_sparse_codes_learn(quick, curve):
    """More components than columns, one of them at a time: better than one of PCA's."""
    settings = dict(n_nonzero_coefs=1, ordered=False, max_iter=60, learning_rate=1e-2)
    estimator = quick(n_components=6, **settings).fit(curve)
    Z = estimator.transform(curve)
    assert_array_equal(np.count_nonzero(Z, axis=1), 1)
    assert estimator.score(curve) > PCA(1).fit(curve).explained_variance_ratio_[0] + 0.05


def test_rectified_codes_begin_at_pca(quick, X):
    """Two entries for each axis, of which one is zero: together PCA with half as many."""
    start = {"learning_rate": 1e-12, "max_iter": 1, "cv": None, "output_activation": "identity"}
    fit = quick(n_components=4, code_activation="relu", **start).fit(X)
    pca, Z = PCA(2).fit(X), fit.transform(X)
    signed = pca.transform(X) / pca.transform(X).std(axis=0)
    assert_allclose(Z[:, ::2] - Z[:, 1::2], signed, atol=1e-4)
    assert (np.minimum(Z[:, ::2], Z[:, 1::2]) == 0).all()
    expected = pca.inverse_transform(pca.transform(X))
    assert_allclose(fit.inverse_transform(Z), expected, atol=1e-4 * np.abs(X).max())


def test_a_share_of_variance_in_rectified_codes(quick, X):
    """Two entries for each axis: as many axes as without the activation, at least."""
    share = {"n_components": 0.9, "learning_rate": 1e-12, "max_iter": 1}
    plain, rectified = (quick(code_activation=a, **share) for a in ("identity", "relu"))
    k = plain.fit(X)._fitted.model.n_components
    assert rectified.fit(X)._fitted.model.n_components == 2 * k
    assert rectified.score(X) > 0.9


def test_more_rectified_codes_than_pca_fills_are_alive(quick, X):
    fit = quick(n_components=2 * X.shape[1] + 4, code_activation="relu", ordered=False).fit(X)
    assert (fit.transform(X)[:, -4:] > 0).any(axis=0).all()


class TestPenalties:
    def fits(self, quick, X, name, weight):
        settings = dict(cv=None, max_iter=60, learning_rate=3e-3, output_activation="identity")
        return (quick(**settings, **{name: value}).fit(X) for value in (0.0, weight))

    def test_sparsity_leaves_few_large_entries(self, quick, curve):
        """The ratio of the codes' L1 and L2 norms falls, from dense towards one entry."""
        ratios = []
        for weight in (0.0, 30.0):
            settings = dict(n_components=6, code_activation="relu", ordered=False, cv=None)
            fit = quick(sparsity=weight, max_iter=60, learning_rate=3e-3, **settings)
            Z = fit.fit_transform(curve)
            ratios.append(np.abs(Z).sum() / np.sqrt(6 * np.square(Z).sum(axis=1)).sum())
        assert ratios[1] < 0.9 * ratios[0]

    def test_contraction_flattens_the_encoder(self, quick, curve):
        """Equal to the mean squared slope of transform, measured by finite differences."""
        free, flat = self.fits(quick, curve, "contraction", 2.0)
        slopes, step = [], 1e-2
        for fit in (free, flat):
            shifted = (
                np.square(fit.transform(curve + h) - fit.transform(curve)).sum()
                for h in step * np.eye(4)
            )
            slopes.append(sum(shifted) / step**2 / len(curve) / 2)
        assert slopes[1] < 0.8 * slopes[0]

    def test_numbers_are_traced(self, quick, X, compiled):
        for name in ("sparsity", "contraction", "kl_weight"):
            quick(**{name: 0.1}).fit(X)
            compiled.clear()
            quick(**{name: 0.2}).fit(X)
            assert compiled == []

    @pytest.mark.parametrize("name", ["sparsity", "contraction", "kl_weight"])
    def test_the_gate_counts_them(self, name, quick, curve):
        """The held-out objective falls, penalties included: the fit is not given back."""
        settings = dict(max_iter=60, learning_rate=3e-3, tol=0.0)
        estimator = quick(**settings, **{name: 0.5}).fit(curve)
        assert estimator.best_iter_ > 0
        assert estimator.validation_curve_[0] == pytest.approx(1)
        assert estimator.validation_curve_.min() < 1


class TestVariational:
    def test_divergence_is_that_of_normals(self):
        mean, variance = np.array([0.0, 1.0, -2.0]), np.array([1.0, 0.1, 3.0])
        expected = 0.5 * (variance + mean**2 - 1 - np.log(variance))
        assert_allclose(divergences(mean, np.log(variance)), expected, atol=1e-6)

    def test_linear_maps_are_probabilistic_pca(self, quick):
        """At most 1 % of its log likelihood less, on real rows; transform returns the mean."""
        X = load_digits().data[:400, 2:6] + 0.1 * np.random.default_rng(0).normal(size=(400, 4))
        settings = dict(hidden_layer_sizes=(), kl_weight=1.0, ordered=False, cv=None)
        estimator = quick(
            n_components=2,
            output_activation="identity",
            corruption=None,
            max_iter=100,
            weight_decay=0.0,
            **settings,
        ).fit(X)
        pca = PCA(2).fit(X)
        origin = estimator.inverse_transform(np.zeros((1, 2)))
        unit = (
            estimator._fitted.density.scale
        )  # codes have the variance of one where this is one
        loadings = estimator.inverse_transform(np.diag(unit)) - origin
        covariance = loadings.T @ loadings + estimator.decoder_variance_ * np.eye(4)
        centred = X - origin
        _, log_det = np.linalg.slogdet(2 * np.pi * covariance)
        distance = np.einsum("ij,jk,ik->i", centred, np.linalg.inv(covariance), centred)
        likelihood = -0.5 * np.mean(log_det + distance)
        assert likelihood == pytest.approx(pca.score(X), rel=0.01)
        assert estimator.decoder_variance_ == pytest.approx(pca.noise_variance_, rel=0.05)

    def test_codes_do_not_collapse(self, quick):
        """The variances of the means say so: a collapsed code's mean is the same for all."""
        X = load_digits().data[:500]
        estimator = quick(n_components=8, hidden_layer_sizes=(32,), kl_weight=1.0, max_iter=40)
        Z = estimator.fit(X).transform(X) / estimator._fitted.density.scale
        assert (Z.var(axis=0) > 0.2).sum() >= 6

    def test_samples_come_from_the_prior(self, quick, X):
        estimator = quick(kl_weight=1.0).fit(X)
        new = estimator.sample(2000, random_state=0)
        assert new.shape == (2000, 4)
        assert_allclose(new.mean(axis=0), X.mean(axis=0), atol=0.3)
        assert_array_equal(new, estimator.sample(2000, random_state=0))

    def test_decoder_variance_is_of_this_kind_only(self, quick, X):
        estimator = quick(kl_weight=1.0).fit(X)
        assert estimator.decoder_variance_ > 0
        estimator.set_params(kl_weight=0.0).fit(X)
        assert not hasattr(estimator, "decoder_variance_")


class TestRestarts:
    def test_the_best_of_several_is_kept(self, quick, curve):
        settings = dict(
            linear_path=None, cv=None, max_iter=40, learning_rate=1e-2, ordered=False
        )
        one, many = (
            [quick(**settings, n_init=n, random_state=seed).fit(curve) for seed in range(3)]
            for n in (1, 6)
        )
        ends = [[fit.loss_curve_[-1] for fit in fits] for fits in (one, many)]
        assert np.mean(ends[1]) < 0.95 * np.mean(ends[0])

    @pytest.mark.parametrize("linear_path", ["pca", None])
    def test_gated(self, linear_path, quick, curve):
        estimator = quick(n_init=3, linear_path=linear_path, max_iter=20).fit(curve)
        assert estimator.loss_curve_.ndim == 1
        again = clone(estimator).fit(curve)
        assert_array_equal(again.transform(curve), estimator.transform(curve))

    def test_one_that_diverges_is_left_behind(self, quick, X, monkeypatch):
        """Its weights are no numbers from the start; the others go on."""
        init = _DenseNetwork.init
        drawn = iter([False, True, False, False])

        def broken(self, rng):
            params = init(self, rng)
            is_broken = next(drawn, False)
            return jax.tree.map(lambda leaf: leaf * np.nan, params) if is_broken else params

        recipe = quick(n_init=2, cv=None, linear_path=None)
        monkeypatch.setattr(_DenseNetwork, "init", broken)
        estimator = recipe.fit(X)
        assert np.isfinite(estimator.score(X)) and estimator.n_iter_ == 3

    def test_one_program(self, quick, X, compiled):
        quick(n_init=3).fit(X)
        compiled.clear()
        quick(n_init=3, random_state=1, learning_rate=1e-4).fit(X)
        assert compiled == []

    def test_goes_on_with_the_one_kept(self, quick, X):
        estimator = quick(n_init=2, warm_start=True).fit(X)
        before = estimator.score(X)
        assert estimator.fit(X).score(X) > before - 0.05


def test_augmentation_trains_on_other_rows(quick, X):
    """Rows mirrored in a column: the fit then knows both sides, inputs and targets alike."""

    def mirror(key, row):
        return jnp.where(jax.random.bernoulli(key), row, row.at[3].set(-row[3]))

    same, other = (
        quick(augmentation=f, cv=None, max_iter=20).fit(X)
        for f in (lambda key, row: row, mirror)
    )
    plain = quick(cv=None, max_iter=20).fit(X)
    assert_allclose(same.transform(X), plain.transform(X), atol=1e-4)
    turned = np.array(X)
    turned[:, 3] = 2 * X[:, 3].mean() - X[:, 3]
    assert other.score(turned) > plain.score(turned)


@pytest.mark.parametrize("optimizer", ["sgd", optax.sgd])
@pytest.mark.parametrize("size", [1e-3, 0.5, 2.0, 1e9])
def test_gradients_are_clipped_to_a_norm_of_one(optimizer, size):
    weights = {"a": np.zeros((2, 2), np.float32), "b": np.zeros(5, np.float32)}
    gradient = jax.tree.map(lambda leaf: np.full_like(leaf, size / 3), weights)
    made = make_optimizer(optimizer, 1.0, 0.0)
    update, _ = made.update(gradient, made.init(weights), weights)
    for found, given in zip(map(update.get, "ab"), map(gradient.get, "ab"), strict=True):
        assert_allclose(found, -given / max(1.0, size), rtol=1e-6)


@pytest.mark.parametrize("output", [1e-3, 1e-8, 1e-20, 0.0])
def test_a_count_that_is_not_expected_at_all_has_a_finite_loss(output):
    """So is its gradient. An output below 1e-7 counts as that."""
    target = np.float32(165)
    loss, gradient = jax.value_and_grad(Poisson(), argnums=1)(target, np.float32(output))
    assert np.isfinite(loss) and loss > 165 and np.isfinite(gradient)
    output = max(output, 1e-7)
    assert_allclose(loss, 165 * np.log(165 / output) - 165 + output, rtol=1e-5)
