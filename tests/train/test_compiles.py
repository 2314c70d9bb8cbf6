"""What is compiled, and how often: once per kind of program, whatever the numbers are."""

import pickle
import re
from collections import Counter
from dataclasses import dataclass
from functools import partial

import jax
import numpy as np
import optax
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, cross_val_score

from skae._data.parameters import comparable
from skae._train import config as _config
from skae._train import loop as _training
from skae.architectures import Conv1d
from skae.losses import Joint

PROGRAMS = {"jit(train_block)": 1, "jit(_encode_tiles)": 1, "jit(_decode_tiles)": 1}
N_ROWS = 103  # five folds of 82 and 83 rows to train on, four of 77 and 78


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).normal(size=(N_ROWS, 5)) @ np.diag([5.0, 4, 3, 2, 1])


def grid(rates, levels, decays):
    return {"learning_rate": rates, "corruption_level": levels, "weight_decay": decays}


@pytest.mark.parametrize("linear_path", ["pca", None])
def test_searches_share_one_program(quick, rows, compiled, linear_path):
    """One training block for a whole search, and nothing eager beside it."""
    jax.clear_caches()
    estimator = quick(linear_path=linear_path)
    first = grid([1e-3, 1e-2], [0.0, 0.5], [0.0, 0.1])
    search = GridSearchCV(estimator, first, cv=5, error_score="raise").fit(rows)
    assert Counter(compiled) == PROGRAMS

    compiled.clear()
    second = grid([3e-3], [0.0, 0.2], [0.3])
    GridSearchCV(estimator, second, cv=4, error_score="raise").fit(rows)
    fitted = search.best_estimator_
    for again in (fitted, clone(fitted), pickle.loads(pickle.dumps(fitted))):
        again.set_params(learning_rate=5e-3, random_state=7).fit(rows)
        again.inverse_transform(again.transform(rows))
    assert compiled == []


def test_a_search_by_halving_shares_one_program(quick, rows, compiled):
    """Rounds have more and more rows, in batches of one size."""
    jax.clear_caches()
    search = HalvingGridSearchCV(
        quick(), {"learning_rate": [1e-3, 3e-3, 1e-2]}, cv=3, random_state=0
    )
    search.fit(rows)
    assert len(search.n_resources_) > 1
    assert Counter(compiled) == PROGRAMS


def test_a_search_by_optuna_shares_one_program(quick, rows, compiled):
    optuna = pytest.importorskip("optuna", reason="an extra of the tests")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    jax.clear_caches()

    def score(trial):
        rate = trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True)
        level = trial.suggest_float("corruption_level", 0.0, 0.5)
        estimator = quick(learning_rate=rate, corruption_level=level)
        return cross_val_score(estimator, rows, cv=3, error_score="raise").mean()

    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.optimize(score, n_trials=3)
    assert len(study.trials) == 3 and np.isfinite(study.best_value)
    assert Counter(compiled) == PROGRAMS


SIZES = [2, 3, 4, 6, 8, 12, 16, 24]
OF_SIZES = {  # what else differs in a search over the number of components
    "ordered": {},
    "variational": {"kl_weight": 1.0},
    "rectified, sparse": {"code_activation": "relu", "sparsity": 0.1, "ordered": False},
    "convolutional": {"architecture": Conv1d(channels=(2,)), "sample_shape": (24,)},
}


@pytest.fixture(scope="module")
def wide_rows():
    return np.random.default_rng(0).normal(size=(50, 24)) @ np.diag(np.arange(24.0, 0.0, -1.0))


@pytest.mark.parametrize("case", OF_SIZES)
def test_sizes_of_codes_share_three_programs(quick, wide_rows, compiled, case):
    """Codes are padded, and what a fit returns is not."""
    jax.clear_caches()
    for k in SIZES:
        estimator = quick(n_components=k, max_iter=1, cv=2, **OF_SIZES[case]).fit(wide_rows)
        Z = estimator.transform(wide_rows)
        assert Z.shape == (50, k) and len(estimator.explained_variance_ratio_) == k
        assert estimator.inverse_transform(Z).shape == wide_rows.shape
    kinds = (
        {*PROGRAMS, "jit(_cost_tiles)"}
        if case in ("variational", "rectified, sparse")
        else PROGRAMS
    )
    assert Counter(compiled) == dict.fromkeys(kinds, 3)


@pytest.mark.parametrize("case", ["ordered", "variational", "rectified, sparse"])
def test_padding_changes_no_fit(quick, wide_rows, monkeypatch, case):
    """Not even the first weights: figures differ by rounding, and padding has no weights."""

    def fitted():
        given = {"max_iter": 5, "learning_rate": 0.01, "cv": None}
        return quick(n_components=4, **given, **OF_SIZES[case]).fit(wide_rows)

    estimator, network = fitted(), fitted()._fitted.model.network
    assert network.n_components == 8
    monkeypatch.setattr(_config, "CODE_SIZES", ())
    plain = fitted()
    assert plain._fitted.model.network.n_components == 4
    for name in ("loss_curve_", "validation_curve_", "explained_variance_ratio_"):
        assert_allclose(getattr(estimator, name), getattr(plain, name), rtol=1e-4)
    Z, expected = estimator.transform(wide_rows), plain.transform(wide_rows)
    assert_allclose(Z, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    numbers = [
        sum(np.count_nonzero(leaf) for leaf in jax.tree.leaves(model._fitted.model.params))
        for model in (estimator, plain)
    ]
    assert numbers[0] == numbers[1]


def test_contraction_has_no_padding(quick, wide_rows, compiled):
    """Its work grows with each entry of the code."""
    jax.clear_caches()
    for k in (2, 3):
        quick(n_components=k, max_iter=1, cv=None, contraction=0.1).fit(wide_rows)
    assert compiled.count("jit(train_block)") == 2


class Power:
    """A loss of a user's, with contents that ``clone`` copies."""

    def __init__(self, power):
        self.power, self.scale = power, np.ones(5, np.float32)

    def __call__(self, target, output):
        return self.scale * abs(target - output) ** self.power


@dataclass
class Blurred:
    """A corruption that has an equality and no hash."""

    size: float

    def __call__(self, key, row, level):
        return row + self.size * level


@dataclass
class Momentum:
    momentum: float

    def __call__(self, learning_rate):
        return optax.sgd(learning_rate, momentum=self.momentum)


def drifted(key, row, size):
    return row + size


OBJECTS = {
    "loss": (lambda: Power(1.5), lambda: Power(1.7)),
    "joint loss": (
        lambda: Joint(((2, "huber"), (3, partial(power_of, 1.5)))),
        lambda: Joint(((2, "huber"), (3, partial(power_of, 1.7)))),
    ),
    "corruption": (lambda: Blurred(0.1), lambda: Blurred(0.2)),
    "optimizer": (lambda: Momentum(0.5), lambda: Momentum(0.6)),
    "a partial optimizer": (
        lambda: partial(optax.sgd, momentum=0.5),
        lambda: partial(optax.sgd, momentum=0.6),
    ),
    "augmentation": (lambda: partial(drifted, size=0.1), lambda: partial(drifted, size=0.2)),
}


def power_of(power, target, output):
    return abs(target - output) ** power


@pytest.mark.parametrize("case", OBJECTS)
def test_copies_of_an_object_share_the_program(quick, rows, compiled, case):
    """``clone`` makes one for each fold; another one's contents are another program."""
    make, make_other = OBJECTS[case]
    estimator = quick(**{case.split()[-1]: make()})
    estimator.fit(rows)
    compiled.clear()
    fits = [clone(estimator).fit(rows), quick(**{case.split()[-1]: make()}).fit(rows)]
    assert "jit(train_block)" not in compiled
    for other in fits:
        np.testing.assert_array_equal(other.loss_curve_, estimator.loss_curve_)
    other = quick(**{case.split()[-1]: make_other()}).fit(rows)
    assert compiled.count("jit(train_block)") == 1
    assert not np.array_equal(other.loss_curve_, estimator.loss_curve_)
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(again.transform(rows), estimator.transform(rows))
    assert again.score(rows) == estimator.score(rows)


def test_an_object_that_changes_is_another_one(quick, rows):
    """Its program would go on with what it held before."""
    loss = Power(1.5)
    before = quick(loss=loss).fit(rows)
    loss.power = 1.7
    after, expected = quick(loss=loss).fit(rows), quick(loss=Power(1.7)).fit(rows)
    np.testing.assert_array_equal(after.loss_curve_, expected.loss_curve_)
    assert not np.array_equal(after.loss_curve_, before.loss_curve_)


def test_an_object_that_cannot_be_pickled_still_trains(quick, rows):
    loss = Power(2)
    loss.local = lambda: None
    expected = quick(loss=Power(2)).fit(rows)
    np.testing.assert_array_equal(quick(loss=loss).fit(rows).loss_curve_, expected.loss_curve_)


def test_warm_start_and_held_out_rows_share_the_program(quick, rows, compiled):
    quick().fit(rows).score(rows)
    compiled.clear()
    estimator = quick(warm_start=True).fit(rows).fit(rows[:90])
    quick().fit(rows, X_val=rows[:20])
    quick(cv=None).fit(rows)
    quick(max_iter=5, learning_rate_schedule="constant").fit(rows)
    estimator.score(rows)
    assert compiled == []


def test_any_number_of_rows_runs_one_program(quick, rows, compiled):
    estimator = quick(cv=None).fit(rows)
    jax.clear_caches()
    compiled.clear()
    many = np.tile(rows, (80, 1))
    for n_rows in [*range(1, 11), 31, 63, 64, 65, 100, 127, 128, 129, 1000, len(many)]:
        Z = estimator.transform(many[:n_rows])
    assert compiled == ["jit(_encode_tiles)"]
    compiled.clear()
    for n_rows in [1, 2, 63, 64, 65, 1000, len(many)]:
        estimator.inverse_transform(Z[:n_rows])
        estimator.inverse_transform(Z[:n_rows, :1])
    assert compiled == ["jit(_decode_tiles)"]


def test_wide_folds_share_one_program(quick, compiled):
    """With fewer rows than columns the axes are padded: folds have unequal ranks."""
    jax.clear_caches()
    wide = np.random.default_rng(0).normal(size=(55, 90))
    search = GridSearchCV(quick(), {"learning_rate": [1e-3, 1e-2]}, cv=5, error_score="raise")
    search.fit(wide)
    assert Counter(compiled) == PROGRAMS


@pytest.fixture
def products(monkeypatch):
    """(whether it is of the nets' 11 units, precision) of all products of training blocks."""
    block, found = _training.train_block, []

    def noted(*arguments):
        for line in block.lower(*arguments).as_text().splitlines():
            if "dot_general" in line:
                rounded = re.search("lhs_precision_type = ([a-z0-9]+)", line)
                level = re.search(r"precision = \[(\w+)", line)
                found.append((bool(re.search(r"\b11x|x11x", line)), (rounded or level)[1]))
        return block(*arguments)

    monkeypatch.setattr(_training, "train_block", noted)
    return found


@pytest.mark.parametrize(
    "asked, of_nets, further",
    [
        ("float32", "HIGHEST", {}),
        (None, "HIGHEST", {}),
        ("tensorfloat32", "HIGH", {}),
        ("BF16_BF16_F32", "bf16", {}),
        ("BF16_BF16_F32", "bf16", {"contraction": 0.1}),
        ("BF16_BF16_F32", "bf16", {"optimizer": "lbfgs"}),
        ("BF16_BF16_F32", "bf16", {"loss": "absolute_error"}),
    ],
)
def test_products_of_nets_are_in_the_chosen_precision(
    quick, rows, products, asked, of_nets, further
):
    """The nets' own, backwards too: PCA's part of the model stays in float32."""
    estimator = quick(hidden_layer_sizes=(11,), cv=None, **further)
    with jax.default_matmul_precision(asked):
        estimator.fit(rows)
    assert set(products) == {(True, of_nets), (False, "HIGHEST")}


def test_precision_is_of_training_alone(quick, rows, products, compiled):
    """Nothing else compiles again for it, and training once for each precision."""
    jax.clear_caches()
    expected = quick(hidden_layer_sizes=(11,), cv=None).fit(rows)
    codes = expected.transform(rows)
    compiled.clear()
    products.clear()
    with jax.default_matmul_precision("BF16_BF16_F32"):
        assert_array_equal(expected.transform(rows), codes)
        assert compiled == []
        for _ in range(2):
            quick(hidden_layer_sizes=(11,), cv=None).fit(rows)
        assert Counter(compiled) == {"jit(train_block)": 1}
    assert (True, "bf16") in products
    compiled.clear()
    quick(hidden_layer_sizes=(11,), cv=None).fit(rows)
    assert compiled == []


def test_a_processor_trains_in_float32_whatever_is_chosen(quick, X):
    """XLA rounds factors where the device gains by it."""
    fits = [quick().fit(X)]
    for precision in ("tensorfloat32", "bfloat16", "BF16_BF16_F32"):
        with jax.default_matmul_precision(precision):
            fits.append(quick().fit(X))
    for other in fits[1:]:
        np.testing.assert_array_equal(other.transform(X), fits[0].transform(X))
        np.testing.assert_array_equal(other.loss_curve_, fits[0].loss_curve_)


def test_what_cannot_be_pickled_or_is_large_stays_itself():
    """A copy each time would compile each time, and what is kept is kept for good."""
    unpicklable = partial(lambda target, output: (target - output) ** 2)
    large = partial(np.add, np.zeros(2**18))
    for function in (unpicklable, large, np.add, "relu", None):
        assert comparable(function) is function
