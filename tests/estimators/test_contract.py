"""What every public estimator and encoder keeps to, whatever it does."""

import copy
import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError

import skae
from skae import (
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderTransformer,
    ImageResizer,
    Modality,
    MultimodalAutoencoder,
    SeriesPadder,
    TableAutoencoder,
    TableEncoder,
    TokenEncoder,
)
from skae._runtime import pickles as module_of_versions
from skae.architectures import Dense

QUICK = AutoencoderTransformer(
    2, hidden_layer_sizes=(8,), max_iter=2, batch_size=32, random_state=0
)
rng = np.random.default_rng(0)
ROWS = rng.normal(size=(40, 4)) @ rng.normal(size=(4, 4))
HOLES = np.where(rng.uniform(size=ROWS.shape) < 0.1, np.nan, ROWS)
TABLE = pd.DataFrame({"n": rng.normal(size=40), "word": ["a", "b", "c", None] * 10})
TEXTS = ["tea", "oats", "a toast", ""] * 10
SERIES = [rng.normal(size=n) for n in rng.integers(2, 9, 40)]
IMAGES = [rng.normal(size=(n, 4)) for n in rng.integers(2, 9, 40)]
PARTS = {"curve": ROWS, "word": TEXTS, "table": TABLE}
MODALITIES = {"curve": "dense", "word": Modality(encoder=TokenEncoder()), "table": Modality()}
TIMES = np.zeros((40, 4), "M8[s]")

# name: an estimator, what it is fitted on, what it refuses, and its parameters' bad values
AUTOENCODERS = ["word", 3, True, TableEncoder(), StandardScaler(), AutoencoderTransformer]
LENGTHS = ["word", True, 0, -1, 1.5, [3], np.True_, 10**400]
SEEDS = ["word", 1.5, -1]
GIVEN = {
    "AutoencoderTransformer": (QUICK, ROWS, np.full_like(ROWS, np.inf), {}),
    "AutoencoderImputer": (
        AutoencoderImputer(QUICK, add_indicator=True),
        HOLES,
        np.full((10, 3), np.inf),
        {
            "autoencoder": AUTOENCODERS,
            "missing_values": ["word", None, [1.0]],
            "min_value": ["word", None, np.nan, [[1.0]], [0.0, np.nan]],
            "max_value": ["word", None, np.nan, [[1.0]], -np.inf],
            "add_indicator": ["word", None, 2],
            "keep_empty_features": ["word", None, 2],
            "random_state": SEEDS,
        },
    ),
    "AutoencoderOutlierDetector": (
        AutoencoderOutlierDetector(QUICK, contamination=0.1),
        HOLES,
        np.full((10, 3), np.inf),
        {
            "autoencoder": AUTOENCODERS,
            "contamination": [0, 0.0, 0.6, True, "none", None],
            "random_state": SEEDS,
        },
    ),
    "TableEncoder": (
        TableEncoder(handle_unknown="ignore"),
        TABLE,
        np.array([[b"a"], [b"b"]]),
        {"handle_unknown": ["word", None, True, 1]},
    ),
    "TableAutoencoder": (
        TableAutoencoder(QUICK),
        TABLE,
        TABLE.assign(when=pd.Timestamp("2020-01-01")),
        {
            "autoencoder": AUTOENCODERS,
            "handle_unknown": ["word", None],
            "random_state": SEEDS,
        },
    ),
    "TokenEncoder": (
        TokenEncoder("word", handle_unknown="replace"),
        TEXTS,
        ["", ""],
        {
            "analyzer": ["word of", None, 1, True],
            "length": LENGTHS,
            "max_tokens": LENGTHS,
            "handle_unknown": ["ignore", None, True, 0],
        },
    ),
    "SeriesPadder": (
        SeriesPadder(12),
        SERIES,
        [np.ones(2), TIMES[0]],
        {"length": LENGTHS, "channels_first": ["word", None, 2]},
    ),
    "ImageResizer": (
        ImageResizer((4, 3)),
        IMAGES,
        [np.ones((2, 2, 1)), np.ones((2, 2))],
        {
            "size": [
                *(3, True, "word", "ab", (3,), (3, 0), (True, 3), (3.0, 3), (3, 3, 3)),
                *({3, 4}, {3: 1, 4: 1}, [[3, 4]], [3, None]),
            ]
        },
    ),
    "MultimodalAutoencoder": (
        MultimodalAutoencoder(MODALITIES, QUICK),
        PARTS,
        {**PARTS, "curve": TIMES},
        {
            "modalities": [None, "dense", ["dense"], {}, {"curve": 3}, {"curve": Dense}],
            "autoencoder": AUTOENCODERS,
            "fusion": ["word", None],
            "random_state": SEEDS,
        },
    ),
}
NAMES = list(GIVEN)
AROUND = [name for name, (e, *_) in GIVEN.items() if hasattr(e, "autoencoder")]


@pytest.fixture(scope="module")
def models():
    return {name: clone(e).fit(X) for name, (e, X, *_) in GIVEN.items()}


@pytest.fixture(params=NAMES)
def case(request, models):
    """A fitted estimator, what it was fitted on, and what it refuses."""
    _, X, bad, _ = GIVEN[request.param]
    return models[request.param], X, bad


def look(estimator, X):
    """What an estimator returns of X: scores, or arrays."""
    if hasattr(estimator, "decision_function"):
        return estimator.decision_function(X)
    return estimator.transform(X)


def equal(one, other):
    """Both are the same to the bit: arrays, lists of arrays, tables, or dicts of these."""
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            equal(one[name], other[name])
    elif one.dtype == object:
        np.testing.assert_equal(one.tolist(), other.tolist())
    else:
        np.testing.assert_array_equal(one, other)


def same(one, other, X):
    """Both return the same to the bit, and have the same attributes."""
    found = look(one, X)
    assert found.size and vars(one).keys() == vars(other).keys()
    equal(found, look(other, X))
    if hasattr(one, "inverse_transform"):
        equal(*(estimator.inverse_transform(found) for estimator in (one, other)))


def test_every_public_estimator_is_here():
    public = [getattr(skae, name) for name in skae.__all__]
    assert set(NAMES) == {found.__name__ for found in public if hasattr(found, "fit")}


@pytest.mark.parametrize("mmap_mode", [None, "r"])
def test_copies_are_the_same(case, tmp_path, mmap_mode):
    fitted, X, _ = case
    joblib.dump(fitted, tmp_path / "model.joblib")
    same(joblib.load(tmp_path / "model.joblib", mmap_mode=mmap_mode), fitted, X)
    if mmap_mode is None:
        for copied in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
            same(copied, fitted, X)


def test_a_file_keeps_all(case, filed):
    fitted, X, _ = case
    same(filed(fitted), fitted, X)
    assert repr(filed(clone(fitted))) == repr(clone(fitted))


LOADS = """
import pickle, sys
sys.path[:0] = sys.argv[2:]
import skae
from test_contract import GIVEN, look
models = {name: skae.load(f"{sys.argv[1]}/{name}") for name in GIVEN}
found = {name: look(models[name], X) for name, (_, X, *_) in GIVEN.items()}
pickle.dump(found, sys.stdout.buffer)
"""


def test_files_are_the_same_in_another_process(models, tmp_path):
    for name, model in models.items():
        skae.save(model, tmp_path / name)
    paths = [tmp_path, Path(skae.__file__).parents[1], Path(__file__).parent]
    made = subprocess.run(
        [sys.executable, "-c", LOADS, *map(str, paths)], capture_output=True, check=True
    )
    for name, found in pickle.loads(made.stdout).items():
        equal(found, look(models[name], GIVEN[name][1]))


def test_a_clone_is_unfitted_and_fits_to_the_same(case):
    fitted, X, _ = case
    again = clone(fitted)
    assert not [name for name in vars(again) if name.endswith("_")]
    before = again.get_params()
    same(again.fit(X), fitted, X)
    assert again.get_params().keys() == before.keys()
    assert all(again.get_params()[name] is value for name, value in before.items())


def test_another_fit_leaves_nothing_of_the_first(case):
    """A fit of a copy leaves the original, and a fit again forgets names and widths."""
    fitted, X, _ = case
    before = copy.deepcopy(fitted)
    half = {n: p[:20] for n, p in X.items()} if isinstance(X, dict) else X[:20]
    other = copy.copy(fitted).fit(half)
    same(other, clone(fitted).fit(half), half)
    same(fitted, before, X)


def test_fitted_state_is_of_no_library(case):
    """A pickle names no class of JAX's or Optax's: it is arrays, numbers, frozen records."""
    stream = pickle.dumps(case[0])
    assert not re.search(rb"jaxlib|optax|jax\.", stream)


def test_a_failed_fit_leaves_the_model(case):
    fitted, X, bad = case
    before, state = look(fitted, X), dict(vars(fitted))
    for method in ("fit", "fit_transform", "fit_predict"):
        if hasattr(fitted, method):
            with pytest.raises(ValueError):
                getattr(fitted, method)(bad)
    assert vars(fitted).keys() == state.keys()
    assert all(vars(fitted)[name] is value for name, value in state.items())
    np.testing.assert_array_equal(look(fitted, X), before)


@pytest.mark.parametrize("name", NAMES)
def test_not_fitted(name):
    estimator, X, *_ = GIVEN[name]
    methods = ["transform", "inverse_transform", "impute", "sample", "score", "score_samples"]
    methods += ["decision_function", "predict", "make_loss", "get_feature_names_out"]
    asked = [method for method in methods if hasattr(estimator, method)]
    assert asked
    for method in asked:
        arguments = () if method in ("sample", "make_loss", "get_feature_names_out") else (X,)
        with pytest.raises(NotFittedError, match=f"This {name} instance is not fitted yet"):
            getattr(clone(estimator), method)(*arguments)


def test_in_a_pipeline(case):
    fitted, X, _ = case
    pipeline = make_pipeline("passthrough", clone(fitted)).fit(X)
    found = look(pipeline, X)
    equal(found, look(fitted, X))
    if hasattr(fitted, "inverse_transform"):
        equal(pipeline.inverse_transform(found), fitted.inverse_transform(found))
    equal(look(pickle.loads(pickle.dumps(pipeline)), X), found)


@pytest.mark.parametrize("name", NAMES)
def test_bad_parameters_are_refused_in_fit(models, name):
    """In fit and never before: a failed fit leaves what was fitted."""
    _, X, _, bad = GIVEN[name]
    fitted = models[name]
    if name != "AutoencoderTransformer":  # see test_bad_inputs.py
        assert set(fitted.get_params(deep=False)) == set(bad)
    for parameter, values in bad.items():
        for value in values:
            estimator = copy.copy(fitted).set_params(**{parameter: value})
            state = dict(vars(estimator))
            with pytest.raises((ValueError, TypeError), match=re.escape(parameter)) as caught:
                estimator.fit(X)
            assert caught.type in (ValueError, TypeError, InvalidParameterError)
            assert all(vars(estimator)[key] is part for key, part in state.items())


def test_another_version_warns(case, monkeypatch):
    """Of skae, and of scikit-learn, by scikit-learn's own warning."""
    fitted = case[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for again in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted), clone(fitted)):
            assert vars(again).keys() <= vars(fitted).keys()
    monkeypatch.setattr(module_of_versions, "__version__", "0.0.1")
    of_skae = pickle.dumps(fitted)
    monkeypatch.undo()
    monkeypatch.setattr(module_of_versions.sklearn, "__version__", "1.0.2")
    of_sklearn = pickle.dumps(fitted)
    monkeypatch.undo()
    words = f"saved by skae 0\\.0\\.1, and this is skae {re.escape(skae.__version__)}"
    with pytest.warns(InconsistentVersionWarning, match=words):
        pickle.loads(of_skae)
    with pytest.warns(InconsistentVersionWarning, match=r"from version 1\.0\.2 when using"):
        pickle.loads(of_sklearn)
    with pytest.warns(InconsistentVersionWarning) as caught:
        clone(fitted).__setstate__({})
    assert [str(w.message).count("unknown") for w in caught] == [1, 1]


@pytest.mark.parametrize("name", AROUND)
class TestAround:
    """Estimators around an AutoencoderTransformer."""

    def test_random_state_goes_to_the_clone(self, name):
        estimator, X, *_ = GIVEN[name]
        one = clone(estimator).set_params(random_state=3).fit(X)
        assert one.autoencoder_.random_state == 3
        assert one.autoencoder.random_state == 0
        assert not hasattr(one.autoencoder, "n_features_in_")
        nested = clone(estimator).set_params(autoencoder__random_state=3).fit(X)
        np.testing.assert_array_equal(look(one, X), look(nested, X))
