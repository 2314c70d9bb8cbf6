"""BLAS's threads: one in parts of a fit, as they were afterwards; bits that need none."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from threadpoolctl import ThreadpoolController, threadpool_limits

from skae._runtime import blas as _blas
from skae._runtime.blas import one_thread, product, solved, threads_restored
from skae._select import gated as _gated
from skae.architectures import Dense

CONTROLLER = ThreadpoolController().select(user_api="blas")


def n_threads():
    return {library["num_threads"] for library in CONTROLLER.info()}


@pytest.fixture(autouse=True)
def two_threads():
    """BLAS may use two threads to begin with, and nobody controls how many."""
    before = CONTROLLER.info()
    CONTROLLER.limit(limits=2)
    with CONTROLLER.limit(limits=None):
        pass
    assert n_threads() == {2}
    yield
    for library, was in zip(CONTROLLER.lib_controllers, before, strict=True):
        library.set_num_threads(was["num_threads"])
    with CONTROLLER.limit(limits=None):
        pass
    assert not _blas._LIMIT._depths and not _blas._LIMIT._lowered


@pytest.fixture
def elsewhere():
    """A function that calls another one in a thread of its own, always the same."""
    with ThreadPoolExecutor(1) as thread:
        yield lambda call, *arguments: thread.submit(call, *arguments).result()


def entered(make, *arguments):
    """Enter what is made here, where the limit is set; return how to leave it."""
    manager = make(*arguments)
    manager.__enter__()
    return lambda: manager.__exit__(None, None, None)


def test_callers_of_one_thread_may_overlap():
    with one_thread():
        with one_thread():
            pass
        inside = n_threads()
    assert (inside, n_threads()) == ({1}, {2})


@pytest.mark.parametrize("is_first", [True, False])
def test_callers_may_be_in_several_threads(elsewhere, is_first):
    here = lambda call, *arguments: call(*arguments)  # noqa: E731
    first, second = (elsewhere, here) if is_first else (here, elsewhere)
    found, leaves = [], []
    for thread in (first, second):
        leaves.append(thread(entered, one_thread))
        found.append(n_threads())
    for thread, leave in zip((first, second), leaves, strict=True):
        thread(leave)
        found.append(n_threads())
    assert found == [{1}, {1}, {1}, {2}]


def test_a_limit_of_the_users_that_ends_meanwhile_is_no_limit_of_ours(elsewhere):
    """What was there when a part began is not what the process had."""
    leave = elsewhere(entered, threadpool_limits, 1)
    with one_thread():
        elsewhere(leave)
    assert n_threads() == {2}


def test_a_limit_of_the_users_counts_meanwhile(elsewhere):
    """Nobody is kept from setting one, and the next part puts right what it hid."""
    with one_thread():
        leave = elsewhere(entered, threadpool_limits, 1)
    elsewhere(leave)
    with one_thread():
        assert n_threads() == {1}
    assert n_threads() == {2}


def test_what_the_user_changes_meanwhile_stays(elsewhere):
    with one_thread():
        elsewhere(threadpool_limits, 3)
    assert n_threads() == {3}


def test_a_fit_under_a_users_limit(quick, X, elsewhere, monkeypatch):
    """It ends while the fit is in one of its parts."""
    begin, leaves = _gated.begin, [elsewhere(entered, threadpool_limits, 1)]

    def left(*arguments):
        with one_thread():
            if leaves:
                elsewhere(leaves.pop())
            return begin(*arguments)

    monkeypatch.setattr(_gated, "begin", left)
    quick().fit(X)
    assert not leaves and n_threads() == {2}


@pytest.fixture
def interrupted(monkeypatch):
    """A function that has Ctrl-C come when BLAS's threads are set, the n-th time."""

    def arrange(n, act):
        calls = []
        for library in {type(library) for library in CONTROLLER.lib_controllers}:
            own = library.set_num_threads

            def counted(self, count, own=own):
                calls.append(count)
                if len(calls) == n:
                    act()
                return own(self, count)

            monkeypatch.setattr(library, "set_num_threads", counted)
        return calls

    return arrange


def interrupt():
    raise KeyboardInterrupt


@pytest.mark.parametrize("n", range(1, 4 * len(CONTROLLER.lib_controllers) + 1))
def test_ctrl_c_while_the_limit_is_set_or_lifted(interrupted, n):
    calls = interrupted(n, interrupt)
    with pytest.raises(KeyboardInterrupt), one_thread():
        pass
    assert len(calls) >= n and n_threads() == {2}


def test_ctrl_c_before_a_part_has_left(monkeypatch):
    """The fit around it puts back what the part could not."""
    with pytest.raises(KeyboardInterrupt), threads_restored():
        monkeypatch.setattr(_blas._LIMIT, "_lift", interrupt)
        try:
            with one_thread():
                pass
        finally:
            monkeypatch.undo()
            assert n_threads() == {1}
    assert n_threads() == {2}


@pytest.mark.parametrize("n", range(1, 4 * len(CONTROLLER.lib_controllers) + 1))
def test_a_signal_handler_may_fit(interrupted, n):
    def handle():
        with one_thread():
            assert n_threads() <= {1, 2}

    calls = interrupted(n, handle)
    with one_thread():
        assert n_threads() == {1}
    assert len(calls) >= n and n_threads() == {2}


def test_only_fit_limits_them(quick, X, monkeypatch):
    gappy = X.copy()
    gappy[::3, 1] = np.nan
    estimator = quick(loss="huber", cv=None).fit(gappy)
    estimator.sample(1)  # the first one fits a mixture
    del vars(estimator._fitted.model)["_halves"]  # as if it came from a pickle
    monkeypatch.setattr(_blas._LIMIT, "go_to", lambda depth: pytest.fail("a limit"))
    estimator.inverse_transform(estimator.transform(gappy))
    estimator.score(gappy)
    estimator.score_samples(gappy)
    estimator.impute(gappy)
    estimator.sample(2, random_state=0)
    with pytest.raises(pytest.fail.Exception):
        estimator.fit(X)


def with_threads(function, *arguments):
    """Return what a function returns with one, two and three threads of BLAS."""
    found = []
    for n in (1, 2, 3):
        with threadpool_limits(n):
            found.append(function(*arguments))
    return found


SIZES = [(784, 784, 512), (64, 500, 64), (7, 5000, 128), (960, 114, 426), (37, 241, 1021)]
SIZES += [(None, 8000, 128), (None, 128, 4000), (1, 5000, 128), (300, 20, 1), (None, 20_000, 1)]
SIZES += [(1, 128, 20_000), (20_000, 128, 1), (1, 10_001, 10_000), (1, 0, 5)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_products_are_the_same_with_any_threads(sizes, dtype):
    n, k, d = sizes
    rng = np.random.default_rng(0)
    A = rng.normal(size=k if n is None else (n, k)).astype(dtype)
    B = rng.normal(size=(k, d)).astype(dtype)
    first, *others = with_threads(product, A, B)
    for other in others:
        assert_array_equal(other, first)
    exact = A.astype(np.float64) @ B.astype(np.float64)
    np.testing.assert_allclose(first, exact, rtol=0, atol=1e-5 * np.abs(exact).max(initial=1))
    assert first.shape == exact.shape and first.dtype == dtype


@pytest.mark.parametrize(
    "sizes", [(1, 128, 20_000), (20_000, 128, 1), (None, 40, 9000)], ids=str
)
def test_many_lines_are_cut_and_not_the_few_terms(sizes):
    """Else each number would be a product of its own, and each line be written for each."""
    n, k, d = sizes
    calls = []

    class Counted(np.ndarray):
        def __matmul__(self, other):
            calls.append(len(other))
            return np.asarray(self) @ np.asarray(other)

    A = np.ones(k if n is None else (n, k)).view(Counted)
    found = product(A, np.ones((k, d)))
    assert_array_equal(found, np.full_like(found, k))
    assert len(calls) > 1 and min(calls) >= 40


@pytest.mark.parametrize("types", [("f4", "f8"), ("f8", "f4")], ids=str)
@pytest.mark.parametrize("sizes", [(1, 128, 20_000), (20_000, 40, 1), (130, 128, 300)], ids=str)
def test_products_of_two_precisions(sizes, types):
    """They are cast before, and the strides of the second do not matter."""
    n, k, d = sizes
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(n, k)).astype(types[0]), rng.normal(size=(d, k)).astype(types[1]).T
    first, *others = with_threads(product, A, B)
    assert first.dtype == np.float64
    for other in others:
        assert_array_equal(other, first)
    assert_array_equal(first, product(A.astype("f8"), B.astype("f8")))


@pytest.mark.parametrize("r, n", [(5, 3), (64, 500), (96, 1000)])
def test_solutions_are_the_same_with_any_threads(r, n):
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(r, 2 * r))
    gram, right = factor @ factor.T, rng.normal(size=(r, n))
    first, *others = with_threads(solved, gram, right)
    for other in others:
        assert_array_equal(other, first)
    np.testing.assert_allclose(gram @ first, right, atol=1e-8)


@pytest.mark.parametrize("k", [2, 60])
def test_a_loaded_model_is_the_same_with_any_threads(quick, k):
    """Its weights are multiplied by PCA's axes when they are first needed."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(80, 20)) @ rng.normal(size=(20, 150)) + rng.normal(size=(80, 150))
    rows[::2, ::5] = np.nan
    estimator = quick(
        n_components=k,
        hidden_layer_sizes=(64,),
        cv=None,
        max_iter=1,
        architecture=Dense(skip=False),
    ).fit(rows)

    def use():
        vars(estimator._fitted.model).pop("_halves", None)
        Z = estimator.transform(rows)
        return Z, estimator.inverse_transform(Z), estimator.score(rows)

    first, *others = with_threads(use)
    for other in others:
        for one, another in zip(first, other, strict=True):
            assert_array_equal(one, another)
