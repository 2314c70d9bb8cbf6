"""Fitted state is plain: it travels, holds codes but no rows, and training goes on from it."""

import pickle
import pickletools

import numpy as np
import optax
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV

from skae._estimator.sampling import MOST_CODES
from skae.architectures import Dense


def names_in(stream):
    """Return every text that a pickle holds: modules, classes, attributes."""
    return [
        argument for _, argument, _ in pickletools.genops(stream) if isinstance(argument, str)
    ]


def test_one_attribute_is_all_that_is_private(quick, X):
    for estimator in (quick().fit(X), quick().partial_fit(X)):
        found = vars(estimator).keys() - estimator.get_params().keys()
        assert {name for name in found if not name.endswith("_")} == {"_fitted"}


@pytest.mark.parametrize("protocol", [0, 2, pickle.HIGHEST_PROTOCOL])
@pytest.mark.parametrize(
    "overrides",
    [
        {},
        dict(warm_start=True),
        dict(linear_path=None),
        dict(output_activation="logistic"),
        dict(architecture=Dense(skip=False)),
        dict(optimizer="lion", cv=None),
    ],
    ids=str,
)
def test_pickle_names_no_jax_type(quick, X, overrides, protocol):
    stream = pickle.dumps(quick(**overrides).fit(X), protocol=protocol)
    modules = {name.replace(" ", ".").partition(".")[0] for name in names_in(stream)}
    assert modules & {"skae"} and not modules & {"jax", "jaxlib", "optax"}


def test_a_stream_names_none_either(quick, X):
    """Whose training goes on with the optimizer's memory."""
    names = names_in(pickle.dumps(quick().partial_fit(X)))
    assert not {name.partition(".")[0] for name in names} & {"jax", "jaxlib", "optax"}


def test_a_users_own_factory_is_the_only_optax_name(quick, X):
    """optimizer=optax.lion is a parameter: pickled by its name, and nothing of its state."""
    stream = pickle.dumps(quick(optimizer=optax.lion).fit(X))
    named = {
        name for name in names_in(stream) if name.split(".")[0] in ("jax", "jaxlib", "optax")
    }
    assert named == {optax.lion.__module__}


def test_pickle_grows_with_the_codes_alone(quick):
    """The codes that sample needs are kept, up to a number; nothing else grows with rows."""
    rng = np.random.default_rng(0)
    sizes = []
    for n_rows in (200, 2000, MOST_CODES + 1000):
        estimator = quick(cv=2, max_iter=4).fit(rng.normal(size=(n_rows, 4)))
        codes = estimator._fitted.density.codes
        assert codes.shape == (min(n_rows, MOST_CODES), 2)
        sizes.append(len(pickle.dumps(estimator)) - codes.nbytes)
    # The curve of validation has an entry per checkpoint, of which there are at most 30 or so.
    assert max(sizes) - min(sizes) < 30 * 8


def test_pickle_holds_no_training_row(fitted, X):
    stream = pickle.dumps(fitted)
    scaled = (X - X.mean(axis=0)) / np.sqrt(np.square(X - X.mean(axis=0)).mean())
    assert fitted.mean_.tobytes() in stream  # the search finds what is there
    for rows in (X, scaled, scaled @ fitted.components_.T.astype(float)):
        for row in rows:
            assert row.tobytes() not in stream
            assert row.astype(np.float32).tobytes() not in stream


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        dict(linear_path=None),
        dict(output_activation="logistic"),
    ],
    ids=str,
)
def test_pickle_and_go_on(quick, X, overrides):
    """A warm start continues the same from a pickle as from the object itself."""
    estimator = quick(warm_start=True, **overrides).fit(X)
    before = estimator.transform(X)
    travelled = pickle.loads(pickle.dumps(estimator))
    codes = estimator.fit(X).transform(X)
    assert_array_equal(travelled.fit(X).transform(X), codes)
    assert vars(travelled).keys() == vars(estimator).keys()
    assert not np.array_equal(estimator.transform(X), before)


def test_searches_in_processes_are_those_of_one(quick, X):
    """loky's workers train to the same bits, and send their models back."""
    grid = {"learning_rate": [1e-3, 1e-2], "architecture__skip": [False]}
    searches = [
        GridSearchCV(
            quick(architecture=Dense()), grid, cv=2, n_jobs=n_jobs, error_score="raise"
        ).fit(X)
        for n_jobs in (1, 2)
    ]
    one, two = (search.cv_results_["mean_test_score"] for search in searches)
    assert_array_equal(one, two)
    assert_array_equal(*(search.transform(X) for search in searches))
