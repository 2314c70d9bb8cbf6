"""Bad inputs x classes x methods: encoders, tables and parts refuse them and stay whole.

What is refused raises ValueError or TypeError itself, never a library's own kind of it.
"""

import copy
import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.sparse import csr_matrix
from sklearn.utils._param_validation import InvalidParameterError

from skae import (
    AutoencoderTransformer,
    ImageResizer,
    Modality,
    MultimodalAutoencoder,
    SeriesPadder,
    TableAutoencoder,
    TableEncoder,
    TokenEncoder,
)

# Whatever is not expected fails the test, NumPy's RuntimeWarnings above all.
pytestmark = pytest.mark.filterwarnings(
    "error",
    "ignore:the matrix subclass is not",
    "ignore:X does not have valid feature names",  # it is due
    "ignore:X has feature names",
)
ANY = "."  # words that depend on the class

DAY = datetime.date(2020, 1, 1)
QUICK = AutoencoderTransformer(2, hidden_layer_sizes=(8,), max_iter=2, batch_size=32)
rng = np.random.default_rng(0)
TABLE = pd.DataFrame({"n": rng.normal(size=30), "word": ["a", "b", "c"] * 10})
PARTS = {
    "curve": rng.normal(size=(30, 3)),
    "word": ["ice", "rain", "sun"] * 10,
    "table": TABLE,
}
PARTED = {"curve": "dense", "word": Modality(encoder=TokenEncoder()), "table": "dense"}


def full(cell, dtype=object):
    """A function that returns an array as large as its argument, of one cell."""

    def spoil(A):
        cells = np.empty(A.shape, dtype)
        cells[...] = cell
        return cells

    return spoil


def put(value):
    """A function that puts ``value`` into a copy of its argument."""

    def spoil(A):
        A = np.array(A)
        A.flat[0] = value
        return A

    return spoil


# name: (what becomes of a good array, words of the message where all classes say the same)
NO_ARRAYS = {
    "None": (lambda A: None, ANY),
    "number": (lambda A: 3.0, ANY),
    "word": (lambda A: "word", ANY),
    "bytes": (lambda A: b"bytes", ANY),
    "dict": (lambda A: {"a": A}, "got dict"),
    "set": (lambda A: {1.0, 2.0}, "got set"),
    "generator": (lambda A: (row for row in A), "got generator"),
    "sparse": (lambda A: csr_matrix(A.reshape(len(A), -1)), "parse|got csr_matrix"),
    "np.matrix": (lambda A: np.asmatrix(A.reshape(len(A), -1)), "matrix"),
    "LazyFrame": (lambda A: pl.LazyFrame({"a": [1.0]}), "LazyFrame"),
    "structured": (lambda A: np.zeros(len(A), [("a", float)]), ANY),
    "frame of text": (lambda A: pd.DataFrame({"a": ["x"] * len(A)}), ANY),
    "empty frame": (lambda A: pd.DataFrame(), ANY),
}
NO_NUMBERS = {
    "text": (full("1", "U1"), "strings, bytes or categories"),
    "text in objects": (full("1"), "strings, bytes or categories"),
    "bytes": (full(b"1", "S1"), "strings, bytes or categories"),
    "bytes in objects": (full(b"1"), "strings, bytes or categories"),
    "times": (full("2020", "M8[D]"), "holds times"),
    "durations": (full(3, "m8[s]"), "holds times"),
    "dates in objects": (full(DAY), "holds times"),
    "datetime64 in objects": (full(np.datetime64("2020")), "holds times"),
    "periods": (full(pd.Period("2020")), "holds times"),
    "complex": (lambda A: A + 1j, "Complex data not supported"),
    "complex in objects": (full(1j), "Complex data not supported"),
    "10**400": (full(10**400), "too large"),
    "dicts in objects": (full({}), "no numbers"),
}
TOO_LARGE = {
    "inf": (put(np.inf), "infinity"),
    "minus inf": (put(-np.inf), "infinity"),
    "1e300": (put(1e300), "too large for dtype"),
    "longdouble": (lambda A: full("1e4000", np.longdouble)(A), "infinity|too large"),
}
NO_TEXTS = {
    "numbers": (lambda texts: [1, 2], "got int in sample 0"),
    "None": (lambda texts: [*texts, None], "got NoneType in sample 3"),
    "NaN": (lambda texts: [*texts, np.nan], "got float in sample 3"),
    "pd.NA": (
        lambda texts: pd.Series([*texts, pd.NA], dtype="string"),
        "got NAType in sample 3",
    ),
    "bytes": (lambda texts: [text.encode() for text in texts], "got bytes in sample 0"),
    "dates": (lambda texts: [DAY], "got date in sample 0"),
    "lists": (lambda texts: [list(text) for text in texts], "got list in sample 0"),
    "a word": (lambda texts: "word", "got str"),
    "its bytes": (lambda texts: b"word", "got bytes"),
    "None alone": (lambda texts: None, "got NoneType"),
    "a number": (lambda texts: 3, "got int"),
    "dict": (lambda texts: {"a": "b"}, "got dict"),
    "set": (lambda texts: {"a"}, "got set"),
    "generator": (lambda texts: (text for text in texts), "got generator"),
    "no texts": (lambda texts: [], "got nothing"),
    "2-D": (lambda texts: np.array([texts]), "got ndarray in sample 0"),
    "frame": (lambda texts: pd.DataFrame({"a": texts}), "got DataFrame"),
    "polars frame": (lambda texts: pl.DataFrame({"a": texts}), "got DataFrame"),
    "LazyFrame": (lambda texts: pl.LazyFrame({"a": texts}), "got LazyFrame"),
    "Arrow table": (lambda texts: pa.table({"a": texts}), "got Table"),
}


def with_column(cells, dtype=None):
    """A function that returns the table with the column of numbers replaced."""
    return lambda table: table.assign(n=pd.Series(cells * len(table), dtype=dtype))


NO_TABLES = {
    "numeric text": (with_column(["1"], "str"), "'n' held numbers in fit", "transform"),
    "text in objects": (with_column([1, "1"] * 15, object), "'n' held numbers", "transform"),
    "category": (with_column([1], "category"), "'n' held numbers in fit", "transform"),
    "bytes": (with_column([b"1"]), "bytes", None),
    "dates": (with_column([DAY]), "'date'", None),
    "datetime": (with_column([pd.Timestamp("2020-01-01")]), "holds times", None),
    "datetime64": (with_column([np.datetime64("2020-01-01")], object), "times|datetime", None),
    "period": (with_column([pd.Period("2020")]), "holds times", None),
    "Arrow dates": (
        with_column([DAY], pd.ArrowDtype(pa.date32())),
        "holds times",
        None,
    ),
    "Arrow lists": (
        with_column([[1]], pd.ArrowDtype(pa.list_(pa.int8()))),
        "no category|'n' held numbers",
        None,
    ),
    "lists": (with_column([[1]]), "no category|'n' held numbers", None),
    "complex": (with_column([1j]), "complex", None),
    "inf": (with_column([np.inf]), "'n'.* infinity", None),
    "1e300": (with_column([1e300]), "'n'.* too large", None),
    "10**400": (with_column([10**400]), "'n'.* too large", None),
    "longdouble": (with_column([np.longdouble("1e4000")], np.longdouble), "too large", None),
    "an empty column": (
        with_column([None]),
        r"no observed value in the columns \['n'\]",
        "fit",
    ),
    "no rows": (lambda table: table[:0], "0 sample", None),
    "no columns": (lambda table: table[[]], "0 feature|feature names", None),
    "empty": (lambda table: pd.DataFrame(), "0 sample|0 features|names", None),
    "one name twice": (lambda table: table[["n", "n"]], "several columns of one name", None),
    "other names": (lambda table: table.rename(columns={"n": "m"}), "names", "transform"),
    "a column less": (lambda table: table[["n"]], "feature", "transform"),
    "LazyFrame": (lambda table: pl.from_pandas(table).lazy(), "Collect it first", None),
    "polars dates": (lambda table: pl.DataFrame({"n": [DAY], "word": ["a"]}), "times", None),
    "polars bytes": (
        lambda table: pl.DataFrame({"n": [b"a"], "word": ["a"]}),
        "bytes",
        None,
    ),
    "polars lists": (
        lambda table: pl.DataFrame({"n": [[1]], "word": ["a"]}),
        "no category|'n' held numbers",
        None,
    ),
    "Arrow table of dates": (
        lambda table: pa.table({"n": [DAY], "word": ["a"]}),
        "times",
        None,
    ),
    "Arrow table of lists": (
        lambda table: pa.table({"n": [[1]], "word": ["a"]}),
        "no category|'n' held numbers",
        None,
    ),
    "Arrow names twice": (
        lambda table: pa.table([pa.array([1]), pa.array([2])], names=["n", "n"]),
        "several columns of one name",
        None,
    ),
    "Series": (lambda table: table["n"], "2", None),
    "ragged": (lambda table: [[1, "a"], [2]], "inhomogeneous", None),
    "dict": (lambda table: dict(table), "got dict", None),
    "set": (lambda table: {1}, "got set", None),
    "generator": (lambda table: (row for row in [[1, "a"]]), "got generator", None),
    "None": (lambda table: None, "scalar", None),
    "word": (lambda table: "word", "scalar", None),
    "1-D": (lambda table: np.ones(2), "1D array", None),
    "3-D": (lambda table: np.ones((2, 2, 2)), "dim 3", None),
    "sparse": (lambda table: csr_matrix(np.eye(2)), "Sparse data", None),
    "sparse column": (
        with_column([1.0], pd.SparseDtype(float)),
        "sparse",
        "fit",
    ),
}
UNFIT_PARTS = {
    "None": lambda parts: None,
    "array": lambda parts: parts["curve"],
    "list of dicts": lambda parts: [{"curve": [1.0]}],
    "word": lambda parts: "curve",
    "no parts": lambda parts: {},
    "other parts": lambda parts: {"sound": parts["curve"]},
    "LazyFrame": lambda parts: pl.LazyFrame({"curve": [1.0]}),
    "parts of other lengths": lambda parts: {**parts, "curve": parts["curve"][:3]},
    "empty parts": lambda parts: {name: part[:0] for name, part in parts.items()},
    "empty frame": lambda parts: pd.DataFrame(),
}


@pytest.fixture(scope="module")
def models():
    """Fitted estimators, what they were fitted on, and what their inverse takes."""
    series = [rng.normal(size=n) for n in (3, 5, 4)]
    images = [rng.normal(size=size) for size in ((3, 4), (4, 4), (5, 4))]
    given = [
        (TableEncoder(), TABLE),
        (TableAutoencoder(QUICK, random_state=0), TABLE),
        (TokenEncoder(), ["tea", "oats", "toast"]),
        (SeriesPadder(), series),
        (ImageResizer(), images),
        (MultimodalAutoencoder(PARTED, QUICK, random_state=0), PARTS),
    ]
    return {type(e).__name__: (e.fit(X), X, e.transform(X)) for e, X in given}


def refused(estimator, known, method, bad, words):
    """Assert the refusal, and that estimator and input are what they were."""
    estimator = copy.copy(estimator)
    before, state = estimator.transform(known), dict(vars(estimator))
    inner = copy.deepcopy(vars(state["encoder_"])) if "encoder_" in state else None
    is_held = isinstance(bad, np.ndarray | pd.DataFrame | list)
    copied = copy.deepcopy(bad) if is_held else None
    with pytest.raises((ValueError, TypeError), match=words) as caught:
        getattr(estimator, method)(bad)
    assert caught.type in (ValueError, TypeError, InvalidParameterError)
    assert len(str(caught.value)) > 20 and "jax" not in str(caught.value).lower()
    assert vars(estimator).keys() == state.keys()
    assert all(vars(estimator)[name] is value for name, value in state.items())
    assert inner is None or vars(estimator.encoder_).keys() == inner.keys()
    np.testing.assert_array_equal(estimator.transform(known), before)
    if isinstance(bad, pd.DataFrame):
        pd.testing.assert_frame_equal(bad, copied)
    elif is_held:
        np.testing.assert_equal(bad, copied)


@pytest.mark.parametrize("method", ["fit", "transform"])
@pytest.mark.parametrize("case", [*NO_ARRAYS, *NO_NUMBERS, *TOO_LARGE])
@pytest.mark.parametrize("name", ["SeriesPadder", "ImageResizer"])
def test_series_and_images(models, name, case, method):
    spoil, words = (NO_ARRAYS | NO_NUMBERS | TOO_LARGE)[case]
    estimator, X, _ = models[name]
    bad = spoil(np.ones((4, 5) if name == "SeriesPadder" else (4, 3, 4)))
    refused(estimator, X, method, bad, words)
    if case not in NO_ARRAYS:
        refused(estimator, X, method, [X[0], *list(bad)], words)


@pytest.mark.parametrize("method", ["fit", "transform"])
@pytest.mark.parametrize("case", NO_TEXTS)
def test_texts(models, case, method):
    spoil, words = NO_TEXTS[case]
    estimator, X, _ = models["TokenEncoder"]
    refused(estimator, X, method, spoil(X), words)


@pytest.mark.parametrize("name", ["TableEncoder", "TableAutoencoder"])
@pytest.mark.parametrize("case", NO_TABLES)
def test_tables(models, name, case):
    spoil, words, only = NO_TABLES[case]
    estimator, X, _ = models[name]
    others = ["transform"] if name == "TableEncoder" else ["transform", "score", "impute"]
    methods = {None: ["fit", *others], "fit": ["fit"], "transform": others}[only]
    for method in methods:
        own = words if method == "fit" or "|" in words else f"{words}|'n' held numbers|names"
        refused(estimator, X, method, spoil(X), own)


@pytest.mark.parametrize("case", [*NO_ARRAYS, *NO_NUMBERS, *TOO_LARGE, "no columns", "wide"])
@pytest.mark.parametrize(
    "name",
    [
        *("TableEncoder", "TableAutoencoder", "TokenEncoder", "SeriesPadder", "ImageResizer"),
        "MultimodalAutoencoder",
    ],
)
def test_what_goes_back(models, name, case):
    shapes = {
        "no columns": (lambda A: A[..., :0], "shape|feature"),
        "wide": (lambda A: np.concatenate([A, A], axis=-1), "shape|columns"),
    }
    spoil, words = (NO_ARRAYS | NO_NUMBERS | TOO_LARGE | shapes)[case]
    estimator, X, codes = models[name]
    if name == "TableEncoder" and case in TOO_LARGE:
        back = estimator.inverse_transform(spoil(codes))  # whole numbers are cut at their ends
        assert back.dtypes.equals(X.dtypes)
        return
    if name in ("TableAutoencoder", "MultimodalAutoencoder"):
        words = ANY  # the words of AutoencoderTransformer, see test_bad_inputs.py
    refused(estimator, X, "inverse_transform", spoil(np.asarray(codes, np.float64)), words)


@pytest.mark.parametrize("method", ["fit", "transform", "score", "impute"])
@pytest.mark.parametrize("case", UNFIT_PARTS)
def test_parts(models, case, method):
    estimator, X, _ = models["MultimodalAutoencoder"]
    refused(estimator, X, method, UNFIT_PARTS[case](X), ANY)


@pytest.mark.parametrize("method", ["fit", "transform"])
@pytest.mark.parametrize(
    "case", [*sorted(set(NO_ARRAYS) - {"frame of text"}), *NO_NUMBERS, *TOO_LARGE]
)
def test_a_part_of_numbers(models, case, method):
    spoil, words = (NO_ARRAYS | NO_NUMBERS | TOO_LARGE)[case]
    estimator, X, _ = models["MultimodalAutoencoder"]
    if case in NO_ARRAYS:
        words = "'curve'|same number of samples|Collect it first"
    refused(estimator, X, method, {**X, "curve": spoil(X["curve"])}, words)


@pytest.mark.parametrize("method", ["fit", "transform"])
@pytest.mark.parametrize("case", sorted(set(NO_TEXTS) - {"None", "NaN", "pd.NA"}))
def test_a_part_of_texts(models, case, method):
    estimator, X, _ = models["MultimodalAutoencoder"]
    refused(estimator, X, method, {**X, "word": NO_TEXTS[case][0](X["word"])}, ANY)


@pytest.mark.parametrize("case", sorted(set(NO_TABLES) - {"Series"}))  # one is a part
def test_a_part_that_is_a_table(models, case):
    spoil, _, only = NO_TABLES[case]
    estimator, X, _ = models["MultimodalAutoencoder"]
    methods = {None: ["fit", "transform"], "fit": ["fit"], "transform": ["transform"]}[only]
    for method in methods:
        refused(estimator, X, method, {**X, "table": spoil(X["table"])}, ANY)
