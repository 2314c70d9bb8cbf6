"""Threads use an estimator while it is fitted again: every result is one model's."""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris

from skae import AutoencoderImputer, AutoencoderOutlierDetector

IRIS = load_iris().data
N_THREADS = 8
FITS = {  # what refits get: parameters and rows
    "first": ({}, IRIS),
    "other rows": ({}, IRIS[50:]),
    "other features": ({}, IRIS[:, :3]),
    "other components": ({"n_components": 3}, IRIS),
    "a refit that fails": ({}, np.full((20, 5), np.inf)),
}
CALLS = {
    "transform": [IRIS[:3], IRIS[:3, :3]],
    "inverse_transform": [np.ones((2, 1)), np.ones((2, 3))],
    "score": [IRIS[:9], IRIS[:9, :3]],
}
DETECTS = {
    "score_samples": [IRIS[:9], IRIS[:9, :3]],
    "decision_function": [IRIS[:9]],
    "predict": [IRIS[:9]],
}


GAPPY = np.where(np.arange(12).reshape(3, 4) % 5 == 1, np.nan, IRIS[:3])


@pytest.fixture
def estimator(quick):
    return quick(hidden_layer_sizes=(), max_iter=1, cv=None)


@pytest.fixture
def detector(estimator):
    return AutoencoderOutlierDetector(estimator)


def used(estimator, name, given):
    """Return what a method makes of something, or how it refuses that."""
    try:
        found = getattr(estimator, name)(given)
    except ValueError as error:
        return str(error)
    return list(getattr(found, "columns", ())), np.asarray(found).tobytes()


def refit(estimator, name):
    parameters, X = FITS[name]
    if name == "a refit that fails":
        with pytest.raises(ValueError, match="infinity"):
            estimator.fit(X)
    else:
        with_parameters(estimator, {"n_components": 2, **parameters}).fit(X)


def with_parameters(estimator, parameters):
    """Set parameters of a transformer, or of the one that a detector clones."""
    getattr(estimator, "autoencoder", estimator).set_params(**parameters)
    return estimator


def expected_of(estimator, call):
    """Return all that a call may say: what each of the models does."""
    fits = list(FITS.values())[:-1]
    models = [
        with_parameters(clone(estimator), {"n_components": 2, **p}).fit(X) for p, X in fits
    ]
    return [used(model, *call) for model in models]


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_results_are_one_models_while_another_thread_fits(estimator, output):
    use_while_another_thread_fits(estimator.set_output(transform=output), CALLS)


def test_outliers_are_one_models_while_another_thread_fits(detector):
    use_while_another_thread_fits(detector, DETECTS)


def use_while_another_thread_fits(estimator, methods):
    calls = [(name, given) for name, several in methods.items() for given in several]
    possible = [expected_of(estimator, call) for call in calls]
    refit(estimator, "first")
    is_over, wrong = Event(), []

    def use(i):
        while not is_over.is_set():
            i = (i + 1) % len(calls)
            found = used(estimator, *calls[i])
            if found not in possible[i]:
                wrong.append((calls[i][0], found))
                return

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(N_THREADS) as pool:
            for i in range(N_THREADS):
                pool.submit(use, i)
            try:
                for name in [*FITS, *FITS]:
                    refit(estimator, name)
            finally:
                is_over.set()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong, wrong[0]


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("fit", ["other features", "other components"])
def test_a_fit_amid_a_call(estimator, name, fit):
    fit_amid_a_call(estimator, name, CALLS[name][0], fit)


@pytest.mark.parametrize("fit", ["other rows", "other features", "other components"])
def test_a_fit_amid_a_detection(detector, fit):
    fit_amid_a_call(detector, "decision_function", DETECTS["decision_function"][0], fit)


@pytest.mark.parametrize("fit", ["other rows", "other features", "other components"])
def test_a_fit_amid_imputing(estimator, fit):
    fit_amid_a_call(AutoencoderImputer(estimator), "transform", GAPPY, fit)


def fit_amid_a_call(estimator, name, given, fit):
    """At each line of the call another thread has fitted the estimator."""
    refit(estimator, "first")
    first, other, n_lines = vars(estimator), clone(estimator), 0
    refit(other, fit)
    possible = expected_of(estimator, (name, given))

    def found_with_fit_at(n):
        """Return the result if the fit ends before the ``n``-th line, None if there is none."""
        nonlocal n_lines
        n_lines = 0

        def trace(frame, event, argument):
            nonlocal n_lines
            if "skae" not in frame.f_code.co_filename:
                return None
            if event == "line":
                n_lines += 1
                if n_lines == n:
                    estimator.__dict__ = dict(vars(other))
            return trace

        estimator.__dict__ = dict(first)
        sys.settrace(trace)
        try:
            return used(estimator, name, given)
        finally:
            sys.settrace(None)

    found_with_fit_at(0)
    for n in range(1, n_lines + 1):
        assert found_with_fit_at(n) in possible, n
