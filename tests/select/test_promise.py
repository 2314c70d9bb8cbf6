"""Never worse than PCA by its own figures, whatever is fitted, and close to a known limit."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer
from skae._select import gated as _gated
from skae._select.evaluate import Evaluator
from skae.losses import Joint

SMALL = dict(hidden_layer_sizes=(16,), batch_size=32)
WINE = StandardScaler().fit_transform(load_wine().data)


def thin_parabola():
    rng = np.random.default_rng(0)
    t = np.linspace(-1, 1, 300)
    return np.c_[t, t**2, 0.02 * rng.normal(size=(300, 2))]


def row_errors(model, X):
    return np.square(X - model.inverse_transform(model.transform(X))).sum(axis=1)


def error_over_pca(model, pca, X):
    return row_errors(model, X).sum() / row_errors(pca, X).sum()


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("rows", [load_iris().data, thin_parabola()], ids=["iris", "parabola"])
def test_no_fit_calls_itself_worse_than_pca(rows, seed):
    """Non-regression test: a better first component paid for a worse full code."""
    X, X_test = train_test_split(rows, test_size=0.3, random_state=seed)
    model = AutoencoderTransformer(2, **SMALL, max_iter=150, random_state=seed).fit(X)
    assert model.error_ratio_ <= 1
    assert (model.selected_model_ == "pca") == (model.best_iter_ == 0)
    assert error_over_pca(model, PCA(2).fit(X), X_test) <= 1.005


@pytest.mark.parametrize(
    "parameters",
    [
        {"corruption": "masking", "corruption_level": 0.2},
        {"corruption": "salt_and_pepper", "corruption_level": 0.1},
        {"loss": "absolute_error"},
        {"loss": Joint([(6, "huber"), (7, "squared_error")])},
        {"output_activation": "logistic"},
        {"n_components": 0.8},
        {"architecture": "conv1d", "sample_shape": (13,)},
        {"n_init": 2},
        {"cv": 2},
    ],
    ids=lambda parameters: str(next(iter(parameters.items()))[:2])[:40],
)
@pytest.mark.parametrize("learning_rate", [1e-3, 0.3])
def test_the_promise_holds_for_every_kind_of_fit(parameters, learning_rate):
    given = dict(n_components=3, max_iter=12, random_state=0) | SMALL | parameters
    model = AutoencoderTransformer(learning_rate=learning_rate, **given).fit(WINE)
    assert model.error_ratio_ <= 1
    assert model.selected_model_ in ("pca", "autoencoder")
    if model.selected_model_ == "pca":
        assert model.error_ratio_ == 1 and model.best_iter_ == 0


@pytest.mark.parametrize("how", ["X_val", "groups"])
def test_it_holds_for_rows_that_are_held_out_by_hand(how):
    model = AutoencoderTransformer(2, **SMALL, max_iter=40, random_state=0)
    if how == "groups":
        model.fit(WINE, groups=np.arange(len(WINE)) // 20)
        assert model.error_ratio_ <= 1
        return
    model.fit(WINE[::2], X_val=WINE[1::2])
    error, of_pca = (row_errors(m, WINE[1::2]) for m in (model, PCA(2).fit(WINE[::2])))
    others = np.arange(len(error)) != np.argmax(of_pca - error)
    assert_allclose(model.error_ratio_, error[others].sum() / of_pca[others].sum(), rtol=1e-4)
    assert model.error_ratio_ <= 1


def test_one_row_does_not_make_the_figure():
    """A row that is most of PCA's error is left out: the figure is that of the other rows."""
    X, X_val = WINE[::2], WINE[1::2].copy()
    model = AutoencoderTransformer(2, **SMALL, max_iter=40, random_state=0).fit(X, X_val=X_val)
    pca = PCA(2).fit(X)
    gains = row_errors(pca, X_val) - row_errors(model, X_val)
    far = np.concatenate([X_val, pca.mean_ + 30 * (X_val[[gains.argmax()]] - pca.mean_)])
    again = AutoencoderTransformer(2, **SMALL, max_iter=40, random_state=0).fit(X, X_val=far)
    assert again.selected_model_ == model.selected_model_ == "autoencoder"
    error, of_pca = (row_errors(m, far) for m in (again, pca))
    assert (of_pca - error).argmax() == len(far) - 1
    assert of_pca[-1] > of_pca[:-1].sum()
    assert again.error_ratio_ == pytest.approx(error_over_pca(again, pca, X_val), rel=1e-3)


@pytest.mark.parametrize("far", [1e2, 1e3, 1e6])
@pytest.mark.parametrize("cv", [2, "auto"])
@pytest.mark.parametrize("seed", [0, 1])
def test_one_far_value_spoils_nothing(far, cv, seed):
    """Non-regression test: one held-out row decided, and nobody looked at the final net."""
    X = np.random.default_rng(seed).normal(size=(60, 4))
    X[3, 2] = far
    model = AutoencoderTransformer(1, hidden_layer_sizes=(16,), max_iter=2, cv=cv)
    model.set_params(random_state=seed + 1).fit(X)
    assert error_over_pca(model, PCA(1).fit(X), np.delete(X, 3, axis=0)) <= 1.05


def test_gains_of_noise_are_not_kept(noise):
    model = AutoencoderTransformer(2, **SMALL, max_iter=40, random_state=0).fit(noise)
    assert model.selected_model_ == "pca" and model.error_ratio_ == 1
    pca = PCA(2).fit(noise)
    assert_allclose(
        model.inverse_transform(model.transform(noise)),
        pca.inverse_transform(pca.transform(noise)),
        atol=1e-5,
    )


def test_a_thin_curved_surface_is_found():
    """Non-regression test: noise of the columns' own size drowned it, and PCA was kept."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(1500, 2))
    A, B = rng.normal(size=(2, 4)), rng.normal(size=(1, 4))
    X = z @ A + 0.12 * z[:, :1] ** 2 @ B + 0.1 * rng.normal(size=(1500, 4))
    X, X_test = X[:1000], X[1000:]
    model = AutoencoderTransformer(2, hidden_layer_sizes=(64,), max_iter=60, random_state=0)
    assert error_over_pca(model.fit(X), PCA(2).fit(X), X_test) < 0.6  # it was 0.84


def test_a_fold_that_ends_early_does_not_end_the_others():
    """Non-regression test: the curve of all folds was as long as the shortest one's."""
    model = AutoencoderTransformer(
        2, hidden_layer_sizes=(16,), n_iter_no_change=3, random_state=0
    ).fit(WINE)
    n_checkpoints = len(model.validation_curve_)
    best = int(np.argmin(model.validation_curve_))
    assert n_checkpoints > 3 and n_checkpoints - 1 - best >= 1
    assert model.n_iter_ == len(model.loss_curve_) and model.best_iter_ <= model.n_iter_
    epochs = model.validation_epochs_
    assert len(epochs) == n_checkpoints and epochs[0] == 0 and (np.diff(epochs) > 0).all()
    assert model.error_ratio_ < 0.95


def test_patience_is_not_counted_while_the_rate_rises(quick, X):
    """A tenth of the checkpoints is the warm-up."""
    model = quick(max_iter=50, n_iter_no_change=1, learning_rate=1e-7, tol=1e-3).fit(X)
    assert len(model.validation_curve_) > 1 + 0.1 * 25


def test_a_final_training_that_went_elsewhere_is_not_kept(quick, curve, monkeypatch):
    """The judged net of a fold stays: its error on its own rows is what was expected."""
    estimator = quick(ordered=False, max_iter=30, learning_rate=1e-2, cv=2)
    usual = estimator.fit(curve)
    assert usual.selected_model_ == "autoencoder" and usual.n_samples_seen_ == len(curve)
    codes, mean_costs, calls = usual.transform(curve), Evaluator.mean_costs, []

    def changed(evaluator, model):
        calls.append(evaluator)
        return mean_costs(evaluator, model) * (1.9 if len(calls) == 1 else 1)

    monkeypatch.setattr(Evaluator, "mean_costs", changed)
    other = quick(ordered=False, max_iter=30, learning_rate=1e-2, cv=2).fit(curve)
    assert len(calls) == 3 and other.n_samples_seen_ == len(curve) // 2
    assert not np.array_equal(other.transform(curve), codes)
    assert error_over_pca(other, PCA(2).fit(curve), curve) < 0.9
    assert_array_equal(other.validation_curve_, usual.validation_curve_)


def test_a_judged_net_of_few_rows_gives_way_to_pca_of_all(quick, curve, monkeypatch):
    monkeypatch.setattr(_gated, "_well_trained", lambda *given: False)
    monkeypatch.setattr(_gated, "_beats_pca", lambda *given: False)
    model = quick(ordered=False, max_iter=30, learning_rate=1e-2, cv=2).fit(curve)
    assert model.selected_model_ == "pca" and model.error_ratio_ == 1
    assert model.best_iter_ == 0 and model.n_samples_seen_ == len(curve)
    assert_allclose(error_over_pca(model, PCA(2).fit(curve), curve), 1, rtol=1e-5)


def test_pca_of_all_rows_is_what_a_judged_net_must_beat(quick, curve, monkeypatch):
    """On rows that PCA has seen and the net has not: here it loses by a hair."""
    found, beats_pca = [], _gated._beats_pca

    def noted(costs, held_out, run):
        pca = Evaluator(held_out, run).reference[:, -1].mean()
        found.append((beats_pca(costs, held_out, run), bool(costs[-1] <= pca)))
        found.append((beats_pca(costs * 0 + 1.001 * pca, held_out, run), False))
        return True

    monkeypatch.setattr(_gated, "_well_trained", lambda *given: False)
    monkeypatch.setattr(_gated, "_beats_pca", noted)
    quick(ordered=False, max_iter=30, learning_rate=1e-2, cv=2).fit(curve)
    assert found == [(True, True), (False, False)]


def test_what_was_kept_is_said(quick, noise, curve, capsys):
    quick(verbose=1).fit(noise)
    assert "kept PCA, held-out error / PCA's 1.0000: no checkpoint" in capsys.readouterr().out
    model = quick(verbose=1, max_iter=30, learning_rate=1e-2).fit(curve)
    line = capsys.readouterr().out.splitlines()[-1]
    assert f"kept the autoencoder of epoch {model.best_iter_}, held-out error" in line
