"""Fits in one program: the tables of a search are its own, and nobody waits for ever."""

import threading
from collections import Counter

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

from skae import _lanes, _training, train_together
from skae._together import Meeting, meeting

PROGRAMS = {"jit(train_blocks)": 1, "jit(_encode_tiles)": 1, "jit(_decode_tiles)": 1}
DEADLINE = 60  # seconds, for threads that take none


@pytest.fixture
def rounds(monkeypatch):
    """The numbers of fits that each round of training had."""
    train, sizes = _training._train_fits, []

    def noted(program, packing, n_seats, fits):
        sizes.append(len(fits))
        return train(program, packing, n_seats, fits)

    monkeypatch.setattr(_training, "_train_fits", noted)
    return sizes


def searched(estimator, grid, X, n_fits=None):
    search = GridSearchCV(estimator, grid, cv=3, error_score="raise")
    if n_fits is None:
        return search.fit(X)
    with train_together(n_fits):
        return search.fit(X)


@pytest.mark.parametrize(
    "grid",
    [
        {"learning_rate": [1e-3, 1e-2], "corruption_level": [0.1, 0.4]},
        {"max_iter": [2, 5], "cv": [None, 3]},
        {"linear_path": [None, "pca"], "random_state": [0, 1]},
        {"n_components": [2, 3]},
    ],
    ids=lambda grid: "-".join(grid),
)
def test_a_search_returns_the_table_of_fits_one_after_another(quick, X, rounds, grid):
    alone = searched(quick(), grid, X)
    assert not rounds
    together = searched(quick(), grid, X, 4)
    assert max(rounds) > 1
    assert alone.best_params_ == together.best_params_
    for name, values in alone.cv_results_.items():
        if "time" not in name and name != "params":
            assert_allclose(*_numbers(values, together.cv_results_[name]), rtol=1e-5, atol=1e-5)
    assert_allclose(alone.transform(X), together.transform(X), rtol=1e-4, atol=1e-4)


def _numbers(*columns):
    return [
        np.array([0.0 if v is None or v == "pca" else v for v in c], float) for c in columns
    ]


def test_one_program_trains_all_of_a_search(quick, X, compiled):
    jax.clear_caches()
    searched(quick(), {"learning_rate": [1e-3, 3e-3, 1e-2], "max_iter": [2, 4]}, X, 3)
    assert Counter(compiled) == PROGRAMS


def test_results_are_the_same_each_time(quick, X):
    grid = {"learning_rate": [1e-3, 1e-2], "activation": ["gelu", "tanh"]}
    first, second = (searched(quick(), grid, X, 4).cv_results_ for _ in range(2))
    for i in range(3):
        name = f"split{i}_test_score"
        assert_array_equal(first[name], second[name])


class Broken(KFold):
    """A splitter that fails while its fits are under way: when a second fold is asked for."""

    def split(self, X, y=None, groups=None):
        yield next(super().split(X))
        raise RuntimeError("a splitter of mine")


def test_a_fit_that_fails_leaves_the_others_alone(quick, X, rounds):
    grid = {"cv": [KFold(2), Broken(2)], "learning_rate": [1e-3, 2e-3]}
    search = GridSearchCV(quick(), grid, cv=2, error_score=np.nan, refit=False)
    with train_together(4), pytest.warns(FitFailedWarning, match="a splitter of mine"):
        search.fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).tolist() == [
        True,
        True,
        False,
        False,
    ]
    assert max(rounds) == 4


def test_a_second_lane_would_be_missed(quick, X, monkeypatch):
    """Threads of a fit that do not attend would keep those waiting that do."""
    monkeypatch.setattr(_lanes, "LEAST_WORK", 0)
    monkeypatch.setattr(_lanes, "n_threads", lambda: 2)
    alone = cross_val_score(quick(cv=3), X, cv=2)
    monkeypatch.setattr(_lanes, "Lane", None)
    with train_together(2):
        together = cross_val_score(quick(cv=3), X, cv=2)
    assert_allclose(alone, together, rtol=1e-5)


@pytest.mark.parametrize("n_fits", [1, 0, 2.0, "all"])
def test_there_are_at_least_two_fits(n_fits):
    expected = pytest.raises(ValueError, match="n_fits must be an int of at least 2, got")
    with expected, train_together(n_fits):
        pass


def test_it_is_used_once_at_a_time(quick, X):
    expected = pytest.raises(RuntimeError, match="in use already")
    with train_together(2), expected, train_together(2):
        pass
    with train_together(2):  # what failed, and what ended, is over
        assert meeting() is None  # this thread fits nothing
    quick().fit(X)


def test_those_with_one_key_are_answered_at_once():
    table = Meeting(3)
    calls, answers = [], {}

    def doubled(numbers):
        calls.append(len(numbers))
        return [2 * number for number in numbers]

    def attend(number):
        with table.attended():
            everybody.wait()
            answers[number] = table.ask(number % 2, doubled, number)

    everybody = threading.Barrier(9)
    meet(attend, range(9))
    assert answers == {number: 2 * number for number in range(9)}
    assert sorted(calls) == [1, 2, 3, 3]


def test_an_error_is_raised_by_all_who_asked():
    table, raised = Meeting(2), []

    def fail(numbers):
        raise KeyError("no")

    def attend(number):
        with table.attended():
            everybody.wait()
            try:
                table.ask("key", fail, number)
            except KeyError:
                raised.append(number)

    everybody = threading.Barrier(2)
    meet(attend, range(2))
    assert sorted(raised) == [0, 1]


def test_who_leaves_is_not_waited_for():
    table, answers = Meeting(4), []

    def attend(n_questions):
        with table.attended():
            everybody.wait()
            answers.extend(table.ask("key", list, number) for number in range(n_questions))

    everybody = threading.Barrier(3)
    meet(attend, [0, 1, 5])
    assert sorted(answers) == [0, 0, 1, 2, 3, 4]


def meet(attend, arguments):
    threads = [threading.Thread(target=attend, args=(a,), daemon=True) for a in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert not any(thread.is_alive() for thread in threads), "some wait for ever"
