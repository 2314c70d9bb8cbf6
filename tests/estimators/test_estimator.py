"""What a user sees: PCA at the start, prefixes, shares of variance, splits, grids, progress."""

import re

import numpy as np
import optax
import pandas as pd
import polars as pl
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    StratifiedKFold,
    TimeSeriesSplit,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skae._estimator import autoencoder as _transformer
from skae._train import config as _choices
from skae.architectures import Dense

TABLES = {
    "iris": (load_iris().data, 2),
    "wine": (StandardScaler().fit_transform(load_wine().data), 5),
    "cancer": (StandardScaler().fit_transform(load_breast_cancer().data), 8),
    "digits": (load_digits().data[:600], 8),
    "wide": (np.random.default_rng(0).normal(size=(30, 80)), 4),
}
# A rate that leaves float32 weights where they began, so that the nets as they start are run.
UNTRAINED = dict(learning_rate=1e-30, cv=None, max_iter=1, output_activation="identity")


def through(estimator, X):
    return estimator.inverse_transform(estimator.transform(X))


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("scaling", ["global", None])
def test_step_zero_is_pca(quick, name, scaling):
    X, k = TABLES[name]
    pca = PCA(k, svd_solver="full").fit(X)
    estimator = quick(n_components=k, scaling=scaling, **UNTRAINED).fit(X)
    rebuilt = pca.inverse_transform(pca.transform(X))
    error = np.linalg.norm(through(estimator, X) - rebuilt)
    assert error <= 1e-5 * np.linalg.norm(rebuilt)
    assert_allclose(estimator.score(X), pca.explained_variance_ratio_.sum(), atol=1e-5)
    assert_allclose(estimator.mean_, pca.mean_, atol=1e-9)


@pytest.mark.parametrize("m", [1, 3, 5])
def test_prefix_of_step_zero_is_the_smaller_pca(quick, m):
    X, k = TABLES["wine"]
    estimator = quick(n_components=k, **UNTRAINED).fit(X)
    pca = PCA(m, svd_solver="full").fit(X)
    rebuilt = pca.inverse_transform(pca.transform(X))
    prefix = estimator.inverse_transform(estimator.transform(X)[:, :m])
    assert np.linalg.norm(prefix - rebuilt) <= 1e-5 * np.linalg.norm(rebuilt)
    assert_allclose(
        np.abs(np.sum(estimator.components_ * PCA(k).fit(X).components_, axis=1)), 1, atol=1e-5
    )


def test_codes_of_step_zero_have_pcas_scale(quick, X):
    Z = quick(**UNTRAINED).fit_transform(X)
    expected = PCA(2, svd_solver="full").fit_transform(X)
    assert_allclose(np.abs(Z), np.abs(expected), atol=1e-4)


@pytest.mark.parametrize("output_activation", ["clip", "logistic"])
def test_gate_that_keeps_pca(quick, noise, output_activation):
    """Steps far too long lose to PCA on held-out rows: plain PCA is what is kept."""
    estimator = quick(
        learning_rate=3.0,
        learning_rate_schedule="constant",
        cv=2,
        n_components=3,
        output_activation=output_activation,
    ).fit(noise)
    assert estimator.best_iter_ == 0 and estimator.n_iter_ >= 1
    assert estimator.error_ratio_ == 1
    pca = PCA(3, svd_solver="full").fit(noise)
    rebuilt = pca.inverse_transform(pca.transform(noise))
    rebuilt = np.clip(rebuilt, noise.min(axis=0), noise.max(axis=0))  # as was asked
    error = np.linalg.norm(through(estimator, noise) - rebuilt)
    assert error <= 1e-5 * np.linalg.norm(rebuilt)


@pytest.mark.parametrize("name", ["iris", "wine", "digits"])
@pytest.mark.parametrize("cv", ["auto", None])
def test_linear_maps_are_pca(quick, name, cv):
    """Without hidden layers nothing can beat PCA in-sample; the start keeps it near."""
    X, k = TABLES[name]
    estimator = quick(
        n_components=k,
        hidden_layer_sizes=(),
        max_iter=20,
        cv=cv,
        output_activation="identity",
    ).fit(X)
    explained = PCA(k).fit(X).explained_variance_ratio_.sum()
    assert explained * 0.99 <= estimator.score(X) <= explained + 1e-5


@pytest.mark.parametrize("groups", [None, np.arange(150) % 7])
def test_cv_as_a_share(quick, X, groups):
    usual, same, half = (quick(cv=cv).fit(X, groups=groups) for cv in ("auto", 0.2, 0.5))
    assert_array_equal(same.transform(X), usual.transform(X))
    assert_array_equal(same.validation_curve_, usual.validation_curve_)
    assert len(half.validation_curve_) and (
        half.validation_curve_[-1] != usual.validation_curve_[-1]
    )


def test_training_beats_pca(quick):
    """A parabola has one degree of freedom, which no single straight line is."""
    t = np.random.default_rng(0).uniform(-1, 1, (300, 1))
    X = np.hstack([t, t**2, t**3 - t])
    estimator = quick(
        n_components=1, hidden_layer_sizes=(32,), max_iter=60, learning_rate=1e-2, verbose=0
    ).fit(X[:200])
    assert estimator.error_ratio_ < 0.8
    assert estimator.score(X[200:]) > PCA(1).fit(X[:200]).explained_variance_ratio_.sum()


def test_fitted_attributes(quick, X):
    estimator = quick(n_components=3).fit(X)
    assert estimator.n_components_ == 3
    assert estimator.components_.shape == (3, 4)
    assert_allclose(estimator.components_ @ estimator.components_.T, np.eye(3), atol=1e-6)
    assert estimator.mean_.shape == (4,)
    assert_allclose(estimator.mean_, X.mean(axis=0))
    assert estimator.explained_variance_ratio_.shape == (3,)
    assert (estimator.explained_variance_ratio_ >= 0).all()
    assert 0 < estimator.explained_variance_ratio_.sum() <= 1
    assert 1 <= estimator.n_iter_ <= 3
    assert 0 <= estimator.best_iter_ <= estimator.n_iter_
    assert 1 <= len(estimator.loss_curve_) <= 3
    assert estimator.validation_curve_.ndim == 1 and len(estimator.validation_curve_) > 1
    assert_allclose(estimator.validation_curve_[0], 1)  # checkpoint 0 is PCA
    assert isinstance(estimator.error_ratio_, float) and estimator.error_ratio_ > 0
    assert estimator.n_features_in_ == 4 and not hasattr(estimator, "feature_names_in_")
    assert_array_equal(
        estimator.get_feature_names_out(),
        [f"autoencodertransformer{i}" for i in range(3)],
    )


def test_fitted_attributes_without_a_linear_path(quick, X):
    estimator = quick(linear_path=None).fit(X)
    assert not hasattr(estimator, "components_")
    assert estimator.best_iter_ >= 1  # there is no PCA to fall back to
    assert estimator.mean_.shape == (4,) and np.isfinite(through(estimator, X)).all()


def test_score_is_on_pcas_scale(quick, X):
    train, test = X[::2], X[1::2]
    estimator = quick().fit(train)
    errors = np.square(test - through(estimator, test))
    total = np.square(test - train.mean(axis=0)).sum()
    assert_allclose(estimator.score(test), 1 - errors.sum() / total, rtol=1e-6)
    assert_allclose(estimator.score_samples(test), -errors.mean(axis=1), rtol=1e-5, atol=1e-12)
    assert isinstance(estimator.score(test), float)
    assert_allclose(estimator.score(test), estimator.score(test, np.zeros(len(test))))


def test_prefixes_are_in_order(quick):
    X, _ = TABLES["wine"]
    estimator = quick(n_components=6).fit(X)
    Z = estimator.transform(X)
    scores = [
        1 - np.square(X - estimator.inverse_transform(Z[:, :m])).sum() / np.square(X).sum()
        for m in range(1, 7)
    ]
    assert (np.diff(scores) > 0).all()
    reference = PCA(6).fit(X).explained_variance_ratio_.cumsum()
    assert (np.array(scores) > reference - 0.02).all()


def test_share_of_variance(quick, curve):
    """The smallest prefix is kept that reaches the share on held-out rows."""
    estimator = quick(n_components=0.95, max_iter=60, learning_rate=1e-2).fit(curve)
    explained = estimator.explained_variance_ratio_.cumsum()
    k = estimator.n_components_
    assert k <= 1 + np.searchsorted(PCA().fit(curve).explained_variance_ratio_.cumsum(), 0.95)
    assert explained[-1] >= 0.95 and (k == 1 or explained[-2] < 0.95)
    assert len(explained) == len(estimator.components_) == k
    Z = estimator.transform(curve)
    assert Z.shape == (len(curve), k) == (len(curve), len(estimator.get_feature_names_out()))
    assert 0.93 < estimator.score(curve) <= 1
    with pytest.raises(ValueError, match=f"codes of {k} components"):
        estimator.inverse_transform(np.ones((3, k + 1)))


def test_share_of_variance_out_of_reach(quick, noise, monkeypatch):
    monkeypatch.setattr(_choices, "MARGIN", 0.0)  # too few components for held-out rows
    estimator = quick(n_components=0.8)
    with pytest.warns(UserWarning, match="do not reach .*; all of them are kept"):
        estimator.fit(noise)
    assert estimator.n_components_ == len(estimator.components_) >= 4
    assert estimator.explained_variance_ratio_.sum() < 0.8


@pytest.mark.parametrize("prefix", [1, 3])
@pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])
def test_set_output_gives_the_columns_back(quick, X, library, prefix):
    names = ["a", "b", "c", "d"]
    table = pd.DataFrame(X, columns=names, index=[f"r{i}" for i in range(len(X))])
    table = table if library is pd else pl.from_pandas(table)
    if not hasattr(StandardScaler().fit(table), "feature_names_in_"):
        pytest.skip("this scikit-learn does not read the names of this library's columns")
    estimator = quick(n_components=3).fit(table)
    Z = estimator.transform(table)
    rebuilt = estimator.inverse_transform(Z[:, :prefix])
    assert type(rebuilt) is np.ndarray
    estimator.set_output(transform=library.__name__)
    table_Z = estimator.transform(table)
    table_Z = table_Z[list(table_Z.columns[:prefix])]
    table_rebuilt = estimator.inverse_transform(table_Z)
    assert isinstance(table_Z, library.DataFrame)
    assert isinstance(table_rebuilt, library.DataFrame)
    assert list(table_rebuilt.columns) == names
    assert_array_equal(table_rebuilt.to_numpy(), rebuilt)
    if library is pd:
        assert table_rebuilt.index.equals(table.index)


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_global_output_without_names(fitted, X, container):
    with sklearn.config_context(transform_output=container):
        rebuilt = fitted.inverse_transform(fitted.transform(X))
    assert list(rebuilt.columns) == ["x0", "x1", "x2", "x3"]
    assert isinstance(through(fitted, X), np.ndarray)


def test_held_out_rows_judge_and_never_train(quick, X):
    """Other held-out rows choose another checkpoint, of one and the same training."""
    train = X[:100]
    one = quick(cv=5, n_iter_no_change=None).fit(train, X_val=X[100:])
    two = quick(cv=None, n_iter_no_change=None).fit(train, X_val=X[120:])
    assert_array_equal(one.loss_curve_, two.loss_curve_)
    assert_allclose(one.mean_, train.mean(axis=0))
    assert not np.array_equal(one.validation_curve_, two.validation_curve_)
    # The held-out error is measured on the rows that were given, but for the best one.
    pca = PCA(2).fit(train)
    reference = np.square(X[100:] - pca.inverse_transform(pca.transform(X[100:]))).sum(axis=1)
    error = np.square(X[100:] - through(one, X[100:])).sum(axis=1)
    others = np.arange(len(error)) != np.argmax(reference - error)
    expected = error[others].sum() / reference[others].sum()
    assert_allclose(one.error_ratio_, expected, rtol=1e-4)


def test_pipeline_routes_held_out_rows(quick, X):
    """X_val is requested by default: transform_input sends it through the steps before."""
    train, val = X[:100], X[100:]
    scaler = StandardScaler().fit(train)
    alone = quick().fit(scaler.transform(train), X_val=scaler.transform(val))
    with sklearn.config_context(enable_metadata_routing=True):
        steps = [("scale", StandardScaler()), ("ae", quick())]
        pipeline = Pipeline(steps, transform_input=["X_val"]).fit(train, X_val=val)
    assert_array_equal(pipeline[-1].validation_curve_, alone.validation_curve_)
    assert_array_equal(pipeline.transform(X), alone.transform(scaler.transform(X)))


def test_pipeline_routes_groups(quick, X):
    groups = np.arange(len(X)) % 3
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(StandardScaler(), quick(cv=LeaveOneGroupOut()))
        pipeline.fit(X, groups=groups)
    assert pipeline[-1].n_iter_ >= 1


class Recording:
    """A splitter that remembers what it was asked, and its answers."""

    def __init__(self, splitter):
        self.splitter, self.asked, self.splits = splitter, [], []

    def get_n_splits(self, X=None, y=None, groups=None):
        return self.splitter.get_n_splits(X, y, groups)

    def split(self, X, y=None, groups=None):
        self.asked.append((len(X), y, groups))
        for split in self.splitter.split(X, y, groups):
            self.splits.append(split)
            yield split


@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")  # by those without
@pytest.mark.parametrize(
    "splitter",
    [
        KFold(3),
        TimeSeriesSplit(3),
        StratifiedKFold(3),
        GroupKFold(3),
        LeaveOneGroupOut(),
    ],
    ids=lambda splitter: type(splitter).__name__,
)
def test_splitters(quick, X, splitter):
    """A splitter is asked once for all rows, with y and groups as they were given."""
    y, groups = np.repeat([0, 1, 2], 50), np.arange(len(X)) % 3
    cv = Recording(splitter)
    estimator = quick(cv=cv).fit(X, y, groups=groups)
    assert len(cv.asked) == 1 and cv.asked[0][0] == len(X)
    assert_array_equal(cv.asked[0][1], y)
    assert_array_equal(cv.asked[0][2], groups)
    assert 1 <= len(cv.splits) <= 3
    assert len(estimator.validation_curve_) > 1


def test_y_changes_nothing_unless_asked(quick, X):
    y = np.repeat([0, 1, 2], 50)
    assert_array_equal(quick().fit_transform(X, y), quick().fit_transform(X))


@pytest.mark.parametrize("cv", ["auto", 3])
def test_groups_are_never_split(quick, X, monkeypatch, cv):
    groups = np.repeat(np.arange(15), 10)
    splits, split = [], GroupKFold.split

    def recorded(self, *args, **kwargs):
        for train, val in split(self, *args, **kwargs):
            splits.append((train, val))
            yield train, val

    monkeypatch.setattr(GroupKFold, "split", recorded)
    quick(cv=cv).fit(X, groups=groups)
    assert splits
    for train, val in splits:
        assert not set(groups[train]) & set(groups[val])


@pytest.mark.parametrize("n_groups", [2, 3])
def test_few_groups(quick, X, n_groups):
    estimator = quick().fit(X, groups=np.arange(len(X)) % n_groups)
    assert len(estimator.validation_curve_) > 1


def test_one_group_is_refused(quick, X):
    with pytest.raises(ValueError, match="groups"):
        quick().fit(X, groups=np.zeros(len(X)))


@pytest.mark.parametrize("cv", [2, 5])
def test_folds_by_number(quick, X, cv):
    """An int is that many folds, shuffled by the seed: rows often come sorted."""
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max)
    folds = KFold(cv, shuffle=True, random_state=seed)
    estimator = quick(cv=cv).fit(X)
    assert_array_equal(estimator.transform(X), quick(cv=folds).fit_transform(X))


def test_more_folds_than_rows(quick, X):
    with pytest.raises(ValueError, match=r"n_splits=5.*number of samples.*3"):
        quick(cv=5).fit(X[:3])


def test_no_gate(quick, X):
    estimator = quick(cv=None).fit(X)
    assert estimator.n_iter_ == estimator.best_iter_ == len(estimator.loss_curve_) == 3
    assert len(estimator.validation_curve_) == 0


def test_patience_ends_a_run(quick, noise):
    """On noise there is nothing to gain: a large tol ends the run after its patience."""
    estimator = quick(max_iter=50, n_iter_no_change=2, tol=10.0, cv=2).fit(noise)
    assert estimator.n_iter_ < 50
    assert quick(max_iter=50, n_iter_no_change=None, cv=2).fit(noise).n_iter_ == 50


def test_batches_larger_than_the_data(quick, X):
    assert quick(batch_size=1000, cv=None).fit(X[:10]).n_iter_ == 3


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        dict(linear_path=None),
        dict(cv=None),
        dict(output_activation="logistic"),
    ],
    ids=str,
)
def test_warm_start_goes_on(quick, curve, overrides):
    calm = dict(max_iter=10, corruption_level=0.0, ordered=False, learning_rate=1e-2)
    estimator = quick(warm_start=True, **calm, **overrides).fit(curve)
    assert estimator.best_iter_ > 1
    first, mean = estimator.loss_curve_, estimator.mean_
    estimator.fit(curve)
    assert estimator.loss_curve_[0] < first[0]
    assert_array_equal(estimator.mean_, mean)
    cold = quick(**calm, **overrides).fit(curve).fit(curve)
    assert_array_equal(cold.loss_curve_, first)


def test_warm_start_is_gated_by_held_out_rows(quick, X):
    estimator = quick(warm_start=True, max_iter=5).fit(X[:100])
    before = estimator.score(X[100:])
    estimator.set_params(learning_rate=3.0, learning_rate_schedule="constant")
    estimator.fit(X[:100], X_val=X[100:])
    # The criterion weighs prefixes too, so that the full code alone may lose a little.
    assert estimator.score(X[100:]) > before - 0.01
    assert len(estimator.validation_curve_) > 1


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(hidden_layer_sizes=(9,)), "warm_start=True goes on with the fitted net"),
        (dict(n_components=3), "warm_start=True"),
        (dict(activation="relu"), "warm_start=True goes on with the fitted net"),
        (dict(architecture=Dense(skip=False)), "warm_start=True goes on with the fitted net"),
        (dict(output_activation="logistic"), "warm_start=True"),
        (dict(linear_path=None), "warm_start=True"),
        (dict(scaling="standard"), "warm_start=True"),
    ],
    ids=str,
)
def test_warm_start_with_another_net_is_refused(quick, X, change, words):
    estimator = quick(warm_start=True).fit(X)
    Z = estimator.transform(X)
    with pytest.raises(ValueError, match=words):
        estimator.set_params(**change).fit(X)
    assert_array_equal(estimator.transform(X), Z)


def test_warm_start_with_another_width_is_refused(quick, X):
    estimator = quick(warm_start=True).fit(pd.DataFrame(X, columns=list("abcd")))
    with pytest.raises(ValueError, match=r"a model of 4 features, but X has 3.*start again"):
        estimator.fit(X[:, :3])
    assert estimator.n_features_in_ == 4
    assert_array_equal(estimator.feature_names_in_, list("abcd"))


def test_warm_start_takes_new_numbers(quick, X):
    estimator = quick(warm_start=True).fit(X)
    new = dict(max_iter=5, learning_rate=1e-4, optimizer="sgd", corruption=None, ordered=False)
    assert len(estimator.set_params(**new).fit(X).loss_curve_) == 5


def test_grid_over_the_architecture(quick, X):
    grid = {"architecture__skip": [False, True]}
    small = dict(architecture=Dense(), hidden_layer_sizes=(8, 4), learning_rate=1e-2, cv=None)
    search = GridSearchCV(quick(**small), grid, cv=2, error_score="raise").fit(X)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all() and scores[0] != scores[1]


@pytest.mark.parametrize("sizes", [[8], (8,), np.array([8])], ids=["list", "tuple", "array"])
def test_layer_sizes_of_any_kind(quick, fitted, X, sizes):
    assert_array_equal(quick(hidden_layer_sizes=sizes).fit_transform(X), fitted.transform(X))


@pytest.mark.parametrize("factory, name", [(optax.lion, "lion"), (optax.adam, "adam")])
def test_optimizer_factory(quick, X, factory, name):
    by_factory, by_name = (quick(optimizer=o, cv=None).fit(X) for o in (factory, name))
    # The weights of a name are one vector, whose norm is a sum in another order.
    assert_allclose(by_factory.transform(X), by_name.transform(X), rtol=1e-5, atol=1e-5)


def rms(learning_rate):
    """A user's own factory, one without weight decay."""
    return optax.rmsprop(learning_rate)


def test_a_users_own_optimizer(quick, X, compiled):
    quick(optimizer=rms, cv=None).fit(X)
    compiled.clear()
    estimator = quick(optimizer=rms, cv=None, learning_rate=1e-4, weight_decay=0.1).fit(X)
    assert compiled == [] and np.isfinite(estimator.loss_curve_).all()


@pytest.mark.parametrize(
    "schedule, same_as",
    [
        (np.ones, "constant"),
        (lambda n_steps: [1] * n_steps, "constant"),
    ],
)
def test_schedule_by_name_or_function(quick, X, schedule, same_as):
    one, two = (
        quick(learning_rate_schedule=choice, cv=None).fit(X) for choice in (schedule, same_as)
    )
    assert_array_equal(one.transform(X), two.transform(X))
    other = quick(learning_rate_schedule="cosine", cv=None).fit(X)
    assert not np.array_equal(other.transform(X), one.transform(X))


def unchanged(key, row, level):
    return row


def blanked(key, row, level):
    return row * 0


def test_corruption_by_function(quick, X):
    """A function is used as the named ones are: none, the identity and level 0 are alike."""
    choices = (
        dict(corruption=unchanged),
        dict(corruption=None),
        dict(corruption="gaussian", corruption_level=0.0),
    )
    curves = [quick(cv=None, **choice).fit(X).loss_curve_ for choice in choices]
    # Three programs, in which the compiler may round differently.
    assert_allclose(curves[1:], [curves[0]] * 2, rtol=1e-5)
    blind = quick(cv=None, corruption=blanked).fit(X).loss_curve_
    assert not np.allclose(blind, curves[0], rtol=1e-2)


def told(capsys):
    """The lines that were printed, each without the estimator's name in front."""
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("[AutoencoderTransformer] ") for line in lines)
    return [line.partition("] ")[2] for line in lines]


@pytest.mark.parametrize("max_iter", [3, 40])
def test_verbose_prints_a_line_per_checkpoint(quick, X, capsys, max_iter):
    estimator = quick(verbose=1, cv=None, max_iter=max_iter).fit(X)
    *lines, last = told(capsys)
    assert len(lines) < 50 and "kept the autoencoder" in last
    for line in lines:
        assert re.match(rf"all samples, epoch [0-9.]+ of {max_iter}, loss [01]\.\d+$", line)
    assert f"epoch {max_iter} of" in lines[-1]
    losses = [float(line.rpartition(" ")[2]) for line in lines]
    assert np.mean(losses) == pytest.approx(estimator.loss_curve_.mean(), rel=0.02)


def test_verbose_names_folds_and_says_what_was_kept(quick, curve, capsys):
    estimator = quick(verbose=1, cv=2, max_iter=40, learning_rate=1e-2).fit(curve)
    *lines, last = told(capsys)
    names = [line.partition(",")[0] for line in lines]
    first, second, rest = (names.count(name) for name in ("fold 1", "fold 2", "all samples"))
    assert first == second > 1 and rest >= 1 and first + second + rest == len(names)
    for name, line in zip(names, lines, strict=True):
        assert ("held-out criterion" in line) == (name != "all samples")
    kept = f"the autoencoder of epoch {estimator.best_iter_}"
    assert last.startswith(f"kept {kept}, held-out error / PCA's {estimator.error_ratio_:.4f}")


def test_silent_by_default(quick, X, capsys):
    quick().fit(X)
    assert capsys.readouterr() == ("", "")


def test_converged_fits_do_not_warn(quick, X, recwarn):
    quick().fit(X)
    assert not [
        w for w in recwarn if issubclass(w.category, ConvergenceWarning | RuntimeWarning)
    ]


class Recorder:
    """A callback of scikit-learn's protocol that counts its calls and keeps the models."""

    max_propagation_depth = None

    def __init__(self, stop=False):
        self.stop, self.calls, self.models, self.contexts = stop, [], [], []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None):
        self.calls.append("begin")
        self.contexts.append(context)

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        self.calls.append("end")
        if fitted_estimator is not None:
            self.models.append(fitted_estimator)
        return self.stop


class TestCallbacks:
    @pytest.fixture(autouse=True)
    def needs_callbacks(self):
        pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")

    @pytest.mark.parametrize("cv", ["auto", None])
    def test_every_task_begins_and_ends(self, quick, fitted, X, cv):
        recorder = Recorder()
        estimator = quick(cv=cv).set_callbacks(recorder).fit(X)
        assert recorder.calls[:2] == ["setup", "begin"]
        assert recorder.calls[-2:] == ["end", "teardown"]
        assert recorder.calls.count("begin") == recorder.calls.count("end") >= 4
        assert_array_equal(estimator.transform(X), quick(cv=cv).fit_transform(X))

    def test_the_end_of_a_fit_sees_the_fitted_estimator(self, quick, X):
        """A refit shows the new model, and what a callback sets on the estimator stays."""

        class Codes(Recorder):
            def on_fit_task_end(self, estimator, context, **given):
                if context.parent is None:
                    estimator.seen_ = estimator.transform(X[:2])

        estimator = quick(cv=None).set_callbacks(Codes()).fit(X[::2])
        for rows in (X[::2], X):
            assert_array_equal(estimator.fit(rows).seen_, estimator.transform(X[:2]))

    def test_parameters_set_during_a_fit_stay(self, quick, X):
        def schedule(n_steps):
            estimator.set_params(tol=0.5)
            return np.ones(n_steps)

        estimator = quick(learning_rate_schedule=schedule)
        assert estimator.fit(X).tol == 0.5

    def test_models_on_the_way_are_usable(self, quick, X):
        recorder = Recorder()
        estimator = quick(cv=None).set_callbacks(recorder).fit(X)
        scores = [model.score(X) for model in recorder.models]
        assert len(scores) >= 3 and np.isfinite(scores).all()
        last = recorder.models[-1]
        assert_array_equal(last.transform(X), estimator.transform(X))

    def test_models_of_large_nets_are_there_when_they_are_shown(self, quick, X, monkeypatch):
        monkeypatch.setattr("skae._train.loop.MOST_KEPT", 1)
        recorder = Recorder()
        quick(learning_rate=0.3, max_iter=8, cv=2).set_callbacks(recorder).fit(X)
        assert len(recorder.models) > 8

    @pytest.mark.parametrize("cv", ["auto", 2, None])
    def test_true_stops_the_fit(self, quick, X, cv):
        estimator = quick(cv=cv, max_iter=20).set_callbacks(Recorder(stop=True)).fit(X)
        assert estimator.n_iter_ == 1
        assert np.isfinite(estimator.transform(X)).all()

    def test_scoring_monitor(self, quick, X):
        """Each checkpoint is scored; without y, the target is X."""
        from sklearn.callback import ScoringMonitor

        monitor = ScoringMonitor(scoring={"r2": lambda model, X, y: model.score(X)})
        estimator = quick(cv=None).set_callbacks(monitor).fit(X)
        scores = [entry["r2"] for entry in monitor.get_logs().data]
        assert len(scores) == 15
        assert scores[-1] == pytest.approx(estimator.score(X), abs=1e-6)

    @pytest.mark.parametrize("cv", ["auto", 3, None])
    def test_progress_has_an_end(self, quick, X, cv):
        """Every task knows how many it may have below; folds and checkpoints are tasks."""
        recorder = Recorder()
        quick(cv=cv).set_callbacks(recorder).fit(X)
        (root,) = [context for context in recorder.contexts if context.parent is None]
        assert root.max_subtasks == {"auto": 6, 3: 4, None: 1}[cv]
        trainings = list(root._children_map.values())
        assert 1 <= len(trainings) <= root.max_subtasks
        for training in trainings:
            assert 1 <= len(training._children_map) <= training.max_subtasks <= 25

    def test_in_a_pipeline(self, quick, X):
        recorder = Recorder()
        make_pipeline(StandardScaler(), quick()).set_callbacks(recorder).fit(X)
        assert recorder.calls.count("setup") == recorder.calls.count("teardown") == 1
        assert recorder.calls.count("begin") == recorder.calls.count("end") > 4
        assert recorder.models

    def test_in_a_search(self, quick, X):
        recorder = Recorder()
        search = GridSearchCV(quick(), {"learning_rate": [1e-3, 1e-2]}, cv=2)
        search.set_callbacks(recorder).fit(X)
        assert recorder.calls.count("setup") == recorder.calls.count("teardown") == 1
        assert recorder.calls.count("begin") == recorder.calls.count("end") > 4

    def test_a_failing_fit_tears_down(self, quick, X):
        recorder = Recorder()
        estimator = quick().set_callbacks(recorder)
        recorder.on_fit_task_end = None
        with pytest.raises(TypeError):
            estimator.fit(X)
        assert recorder.calls.count("setup") == recorder.calls.count("teardown")
        assert [name for name in vars(estimator) if "callback" in name] == ["_skl_callbacks"]

    @pytest.mark.parametrize(
        "wrap",
        [
            lambda estimator: estimator,
            lambda estimator: make_pipeline(StandardScaler(), estimator),
            lambda estimator: GridSearchCV(estimator, {"learning_rate": [1e-3, 1e-2]}, cv=2),
        ],
        ids=["alone", "pipeline", "search"],
    )
    def test_progress_bar(self, quick, X, capsys, monkeypatch, wrap):
        pytest.importorskip("rich", reason="rich draws scikit-learn's progress bar")
        from sklearn.callback import ProgressBar

        monkeypatch.setenv("COLUMNS", "160")  # narrower ones leave percentages out
        wrap(quick()).set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X)
        lines = capsys.readouterr().out.splitlines()
        bars = [line for line in lines if "AutoencoderTransformer - fold" in line]
        assert bars and all("100%" in line for line in bars)


def test_score_reads_rows_once(fitted, X, monkeypatch):
    """Reading sparse rows, or rows of a file, takes time."""
    read, own = [], _transformer.check_rows

    class Read(np.ndarray):
        def __getitem__(self, key):
            read.append(key)
            return np.asarray(super().__getitem__(key))

    monkeypatch.setattr(_transformer, "check_rows", lambda *a, **k: own(*a, **k).view(Read))
    monkeypatch.setattr(_transformer, "check_range", lambda *arguments: None)
    error = -fitted.score_samples(X).sum() * X.shape[1]
    read.clear()
    expected = 1 - error / np.square(X - fitted.mean_).sum()
    assert fitted.score(X) == pytest.approx(expected, rel=1e-9) and len(read) == 1
    constant = np.tile(fitted.mean_, (len(X), 1))
    read.clear()
    fitted.score(constant)
    assert len(read) == 2  # in another unit, too


def test_float_max_iter_is_a_share_of_the_automatic_budget(quick):
    X = np.random.default_rng(0).normal(size=(64, 5))
    fitted = quick(n_components=2, batch_size=32, max_iter=0.004, cv=None).fit(X)
    assert fitted.n_iter_ == 0.004 * 3000 / 2  # epochs of two steps
