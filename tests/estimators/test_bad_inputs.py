"""Inputs that are refused, and in which words; inputs that must work."""

import copy
import datetime
import re
import types
import warnings
from fractions import Fraction
from functools import partial

import numpy as np
import optax
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    PredefinedSplit,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError

from skae import AutoencoderImputer, AutoencoderOutlierDetector
from skae.architectures import Blocks, Conv1d, Conv2d, Dense, Recurrent
from skae.losses import Categorical, Huber, Joint

# Whatever is not expected fails the test, NumPy's RuntimeWarnings above all.
pytestmark = pytest.mark.filterwarnings("error")

NAMES = ["a", "b", "c", "d"]
METHODS = ["fit", "partial_fit", "transform", "inverse_transform", "impute"]
METHODS += ["score", "score_samples"]
DAY = datetime.date(2020, 1, 1)


def put(value, dtype=None, where=(0, 0)):
    """A function that puts ``value`` into a copy of its argument."""

    def spoil(A):
        A = A.astype(dtype or A.dtype)
        A[where] = value
        return A

    return spoil


def frame(A, **columns):
    names = [f"c{i}" for i in range(A.shape[1])]
    return pd.DataFrame(A, columns=names).assign(**columns)


def arrow(A, **columns):
    return pa.Table.from_pandas(frame(A, **columns))


def structured(A):
    return np.rec.fromarrays(A.T, names=",".join(f"c{i}" for i in range(A.shape[1])))


# name: (what becomes of good rows or codes, exception, words of its message)
BAD = {
    "inf": (put(np.inf), ValueError, "infinity"),
    "minus inf": (put(-np.inf), ValueError, "infinity"),
    "float32 inf": (put(np.inf, np.float32), ValueError, "infinity"),
    "too large for float32": (put(1e300), ValueError, "too large for dtype('float32')"),
    "longdouble too large": (
        put(np.longdouble("1e4000"), np.longdouble),
        ValueError,
        "infinity or a value too large",
    ),
    "int too large": (lambda A: [[10**400] * A.shape[1]] * 3, ValueError, "too large"),
    "complex": (lambda A: A + 1j, ValueError, "Complex data not supported"),
    "no rows": (lambda A: A[:0], ValueError, "0 sample(s)"),
    "no columns": (lambda A: A[:, :0], ValueError, "0 feature(s)"),
    "empty list": (lambda A: [], ValueError, "Expected 2D array, got 1D array"),
    "1-D": (lambda A: A[:, 0], ValueError, "Expected 2D array, got 1D array"),
    "scalar": (lambda A: 3.0, ValueError, "Expected 2D array, got scalar array"),
    "None": (lambda A: None, ValueError, "Expected 2D array, got scalar array"),
    "pandas Series": (lambda A: pd.Series(A[:, 0]), ValueError, "2"),
    "polars Series": (lambda A: pl.Series(A[:, 0]), ValueError, "Expected 2"),
    "ragged": (lambda A: [[1.0, 2.0], [1.0]], ValueError, "Input X is ragged"),
    "ragged images": (
        lambda A: [np.ones((3, 4)), np.ones((2, 4)), np.ones((3, 4))],
        ValueError,
        "Input X is ragged",
    ),
    "arrays as values": (
        lambda A: pl.DataFrame({"a": A.tolist()}),
        ValueError,
        "Input X is ragged, or has arrays as values",
    ),
    "words": (lambda A: A.astype(str).astype(object) + "m", ValueError, "strings"),
    "numbers in strings": (lambda A: A.astype(str), ValueError, "strings"),
    "numbers in object strings": (
        lambda A: A.astype(str).astype(object),
        ValueError,
        "strings",
    ),
    "bytes": (lambda A: A.astype(bytes), ValueError, "bytes"),
    "string column": (
        lambda A: frame(A, c0="word"),
        ValueError,
        "in the columns ['c0']), not numbers. Convert what spells numbers, and encode the "
        "rest, for example with OneHotEncoder, or pass the table to TableAutoencoder",
    ),
    "category": (
        lambda A: frame(A, c0=pd.Categorical(["u"] * len(A))),
        ValueError,
        "in the columns ['c0']",
    ),
    "category of numbers": (
        lambda A: frame(A, c0=pd.Categorical([1] * len(A))),
        ValueError,
        "categor",
    ),
    "datetime64": (lambda A: A.astype("datetime64[s]"), ValueError, "holds times"),
    "timedelta64": (lambda A: A.astype("timedelta64[s]"), ValueError, "holds times"),
    "datetime column": (
        lambda A: frame(A, c0=pd.Timestamp("2020-01-01")),
        ValueError,
        "holds times",
    ),
    "polars datetime column": (
        lambda A: pl.from_pandas(frame(A, c0=pd.Timestamp("2020-01-01"))),
        ValueError,
        "holds times",
    ),
    "datetime64 among objects": (put(np.datetime64("2020"), object), ValueError, "holds times"),
    "date among objects": (put(DAY, object), ValueError, "holds times"),
    "date in a column of objects": (
        lambda A: frame(A, c0=pd.Series([DAY] * len(A), dtype=object)),
        ValueError,
        "Input X['c0'] holds times",
    ),
    "Period column": (
        lambda A: frame(A, c0=pd.Period("2020", "M")),
        ValueError,
        "holds times (dtype period[M] in the columns ['c0'])",
    ),
    "Arrow date": (lambda A: arrow(A, c0=DAY), ValueError, "date32[day] in the columns ['c0']"),
    "Arrow text": (lambda A: arrow(A, c0="7"), ValueError, "strings"),
    "Arrow category": (lambda A: arrow(A, c0=pd.Categorical(["7"] * len(A))), ValueError, "c0"),
    "polars text": (lambda A: pl.from_pandas(frame(A, c0="7")), ValueError, "['c0']"),
    "nullable beside category": (
        lambda A: frame(A.astype(int), c0=pd.Categorical(["7"] * len(A))).astype(
            {"c1": "Int64"}
        ),
        ValueError,
        "categories (dtype category in the columns ['c0'])",
    ),
    "LazyFrame": (lambda A: pl.from_pandas(frame(A)).lazy(), TypeError, "Pass X.collect()"),
    "complex among objects": (put(1j, object), ValueError, "Complex data not supported"),
    "dict": (lambda A: {"a": A[:, 0]}, TypeError, "got dict"),
    "set": (lambda A: {1.0, 2.0}, TypeError, "got set"),
    "generator": (lambda A: (row for row in A), TypeError, "got generator"),
    "object cells": (put({}, object), TypeError, "not 'dict'"),
    "structured": (structured, TypeError, "Structured arrays are not supported"),
    "np.matrix": (lambda A: np.asmatrix(A), TypeError, "np.matrix is not supported"),
}

# Rows may have missing cells, codes may not.
MISSING = {
    "NaN": put(np.nan),
    "row of NaN": put(np.nan, where=0),
    "None among cells": put(None, object),
    "pandas NA among cells": put(pd.NA, object),
    "pandas NA": lambda A: frame(A).astype("Float64").mask(A.max() <= A),
    "polars null": lambda A: pl.DataFrame([[None, 1.0]] * A.shape[1], schema=["a", "b"]),
    "masked": lambda A: np.ma.masked_array(A, mask=np.arange(A.size).reshape(A.shape) == 3),
}

# These are about the columns of a table, which codes do not have.
BAD_TABLES = {
    "duplicate names": (
        lambda A: pd.DataFrame(A, columns=["a", "a", "c", "d"]),
        ValueError,
        "nique column names",
    ),
    "names of a mix of types": (
        lambda A: pd.DataFrame(A, columns=["a", 1, "c", "d"]),
        TypeError,
        "only supported if all input features have string names",
    ),
}
WRONG_COLUMNS = {
    "renamed": ["a", "b", "c", "other"],
    "reordered": ["b", "a", "c", "d"],
    "missing": ["a", "b", "c"],
    "extra": ["a", "b", "c", "d", "e"],
}


@pytest.fixture(scope="module")
def named(quick, X):
    return quick().fit(pd.DataFrame(X, columns=NAMES))


def unchanged(value, before):
    if isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(value, before)
    elif isinstance(value, np.ndarray) and value.dtype == object:  # pd.NA is not itself
        unchanged(pd.DataFrame(value), pd.DataFrame(before))
    elif isinstance(value, np.ndarray):
        assert_array_equal(value, before)


def refused(estimator, method, bad, error, words):
    """Assert the refusal, ``bad`` as it was, and the fitted model as usable as before."""
    known = np.eye(4)
    if hasattr(estimator, "feature_names_in_"):
        known = pd.DataFrame(known, columns=NAMES)
    look = getattr(estimator, "transform", None) or estimator.score_samples
    codes, state = look(known), dict(vars(estimator))
    before = copy.deepcopy(bad) if isinstance(bad, pd.DataFrame | np.ndarray) else None
    with pytest.raises(error, match=re.escape(words)):
        getattr(estimator, method)(bad)
    unchanged(bad, before)
    assert vars(estimator).keys() == state.keys()
    assert all(vars(estimator)[name] is value for name, value in state.items())
    assert_array_equal(look(known), codes)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", BAD)
def test_refused(fitted, named, X, case, method):
    """In fit by a model that has names to lose, elsewhere by one that was given an array."""
    spoil, error, words = BAD[case]
    good = X[:20] if method != "inverse_transform" else np.ones((20, 2))
    estimator = copy.deepcopy(named if method == "fit" else fitted)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X has feature names")  # it is due
        warnings.filterwarnings("ignore", "the matrix subclass is not")
        refused(estimator, method, spoil(good), error, words)


@pytest.fixture(scope="module")
def around(quick, X):
    """The thin estimators around it, fitted, with their methods that take rows."""
    detector = AutoencoderOutlierDetector(quick(max_iter=1)).fit(X)
    imputer = AutoencoderImputer(quick(max_iter=1)).fit(X)
    imputer.set_params(autoencoder=None)  # what is not fitted is asked about X first
    methods = ["fit", "score_samples", "decision_function", "predict"]
    return [(detector, methods), (imputer, ["fit", "transform"])]


@pytest.mark.parametrize("case", BAD)
def test_refused_by_what_is_around_it(around, X, case):
    spoil, error, words = BAD[case]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X has feature names")
        warnings.filterwarnings("ignore", "the matrix subclass is not")
        for estimator, methods in around:
            for method in methods:
                refused(estimator, method, spoil(X[:20]), error, words)


def test_samples_of_different_shapes_name_what_makes_them_alike(quick):
    for ragged in ([np.ones((3, 4)), np.ones((2, 4))], [[1.0], [1.0, 2.0]]):
        with pytest.raises(ValueError, match="by ImageResizer and SeriesPadder"):
            quick().fit(ragged)


@pytest.mark.parametrize("case", ["None among cells", "pandas NA among cells", "masked"])
@pytest.mark.parametrize("in_frame", [False, True])
def test_missing_cells_of_objects_are_nan(quick, X, case, in_frame):
    gappy = MISSING[case](X[:60])
    place = (0, 3) if case == "masked" else (0, 0)
    plain = put(np.nan, where=place)(X[:60])
    expected = quick().fit(plain)
    if in_frame:
        gappy = pd.DataFrame(np.ma.filled(gappy.astype(object), pd.NA), columns=NAMES)
        assert set(gappy.dtypes) == {np.dtype(object)}
    found = quick().fit(gappy)
    assert_array_equal(found.mean_, expected.mean_)
    assert_array_equal(np.asarray(found.impute(gappy)), expected.impute(plain))


@pytest.mark.parametrize("case", MISSING)
def test_codes_with_missing_cells_are_refused(fitted, case):
    bad = MISSING[case](np.ones((20, 2)))
    refused(fitted, "inverse_transform", bad, ValueError, "contains NaN")


def test_an_empty_column_counts_as_constant(quick, X):
    """As in a fold of a cross-validation: named in a warning, and no part of any code."""
    rows = put(np.nan, where=(slice(None), 1))(X)
    with pytest.warns(UserWarning, match=r"constant 0: \['b'\]"):
        model = quick().fit(pd.DataFrame(rows, columns=NAMES))
    filled, other = (
        model.transform(pd.DataFrame(put(value, where=(slice(None), 1))(X), columns=NAMES))
        for value in (np.nan, 7.0)
    )
    assert_allclose(filled, other, atol=1e-6)
    assert_allclose(model.inverse_transform(filled)[:, 1], 0, atol=1e-9)
    reference = model.__class__(**model.get_params()).fit(rows[:, [0, 2, 3]])
    assert model.score(pd.DataFrame(rows, columns=NAMES)) == pytest.approx(
        reference.score(rows[:, [0, 2, 3]]), abs=0.01
    )


def test_a_column_that_is_empty_in_one_fold(quick, X):
    rows = X.copy()
    rows[:75, 1] = np.nan
    with pytest.warns(UserWarning, match=r"constant 0: \[1\]"):
        scores = cross_val_score(quick(), rows, cv=KFold(2))
    assert (scores < 1).all() and np.isfinite(scores).all()


def test_rows_that_say_nothing_are_not_enough(quick, X):
    bad = np.full_like(X, np.nan)
    bad[0] = 1.0
    with pytest.raises(ValueError, match=r"n_samples=1 of positive weight"):
        quick().fit(bad)


WEIGHTS = {
    "zeros": (
        lambda n: np.zeros(n),
        "at least one non-zero number|n_samples=0 of positive weight",
    ),
    "one row": (lambda n: np.eye(n)[0], "n_samples=1 of positive weight"),
    "negative": (lambda n: -np.ones(n), "Negative values"),
    "NaN": (lambda n: np.full(n, np.nan), "contains NaN"),
    "wrong length": (lambda n: np.ones(n + 1), "sample_weight.shape"),
    "2-D": (lambda n: np.ones((n, 2)), "Sample weights must be 1D"),
    "words": (lambda n: ["w"] * n, "Input sample_weight holds strings"),
    "infinity": (lambda n: np.full(n, np.inf), "sample_weight contains infinity"),
    "infinite number": (lambda n: np.inf, "sample_weight contains infinity"),
    "number that is NaN": (lambda n: np.nan, "sample_weight contains NaN"),
    "negative number": (lambda n: -1.0, "Negative values"),
    "number 0": (lambda n: 0, "at least one non-zero number"),
    "too large": (lambda n: 10**400, "sample_weight contains a value too large"),
    "times": (lambda n: np.full(n, 3).astype("m8[s]"), "sample_weight holds times"),
    "missing": (lambda n: [None] * n, "sample_weight contains NaN"),
    "complex": (lambda n: np.full(n, 1j), "Complex data not supported"),
}
OF_FIT = ["one row"]  # one row can be scored


@pytest.mark.parametrize("method", ["fit", "score"])
@pytest.mark.parametrize("case", WEIGHTS)
def test_bad_weights(fitted, X, case, method):
    if method == "score" and case in OF_FIT:
        pytest.skip("one row can be scored")
    make, words = WEIGHTS[case]
    estimator, codes = copy.deepcopy(fitted), fitted.transform(X)
    with pytest.raises(ValueError, match=words):
        getattr(estimator, method)(X, sample_weight=make(len(X)))
    assert_array_equal(estimator.transform(X), codes)


@pytest.mark.parametrize("unit", [1e308, 1e-320, 2.0**-900, 7])
def test_only_the_ratios_of_weights_count(quick, fitted, X, unit):
    """Sums of them may overflow, or be nothing."""
    found = quick().fit(X, sample_weight=np.full(len(X), unit))
    assert_allclose(found.transform(X), fitted.transform(X), rtol=1e-6, atol=1e-9)
    assert found.score(X, sample_weight=unit) == pytest.approx(fitted.score(X), rel=1e-12)


def test_weights_of_very_different_size(quick, X):
    """What float32 cannot hold beside the largest counts as 0; far from that, all count."""
    heavy = np.where(np.arange(len(X)) % 2, 1e80, 1.0)
    found, expected = quick().fit(X, sample_weight=heavy), quick().fit(X[1::2])
    assert_allclose(found.transform(X), expected.transform(X), rtol=1e-6)
    assert found.score(X, sample_weight=heavy) == pytest.approx(expected.score(X[1::2]))
    detector = AutoencoderOutlierDetector(quick()).fit(X, sample_weight=heavy)
    expected = AutoencoderOutlierDetector(quick()).fit(X[1::2])
    assert detector.offset_ == pytest.approx(expected.offset_)
    one = np.where(np.arange(len(X)) == 7, 1e80, 1.0)
    with pytest.raises(ValueError, match=r"n_samples=1 of positive weight.*1e-30 times"):
        quick().fit(X, sample_weight=one)
    one[7] = 1e20
    back = found.fit(X, sample_weight=one).inverse_transform(found.transform(X))
    assert np.abs(back - X).max() < 1.0 and np.abs(back - X)[7].max() < 1e-6


def test_bad_weights_of_classes(quick, X):
    y = np.arange(len(X)) % 2
    found = quick(class_weight={0: 1e200, 1: 2e200}).fit(X, y, sample_weight=1e200)
    expected = quick(class_weight={0: 1.0, 1: 2.0}).fit(X, y)
    assert_allclose(found.transform(X), expected.transform(X), rtol=1e-6)


def test_classes_in_a_column(quick, X):
    y = np.arange(len(X)) % 2
    for class_weight in ("balanced", {0: 1.0, 1: 3.0}):
        column = quick(class_weight=class_weight).fit(X, y[:, None]).transform(X)
        assert_array_equal(column, quick(class_weight=class_weight).fit(X, y).transform(X))


@pytest.mark.parametrize(
    "rows", [[0, 10_000], [0.5], np.ones(3, bool), None, 3, {}, np.eye(3, dtype=int)], ids=str
)
def test_splits_of_other_rows(quick, X, rows):
    with pytest.raises(ValueError, match="Split 0 of cv must hold indices of some"):
        quick(cv=[(rows, np.arange(5))]).fit(X)


@pytest.mark.parametrize(
    "splits", [[1, 2], [([0], [1], [2])], [([0],)], ["ab"], [{0: 1, 1: 2}], [None]], ids=str
)
def test_splits_that_are_no_pairs(quick, X, splits):
    with pytest.raises(ValueError, match=r"Split 0 of cv must be a pair \(train, held out\)"):
        quick(cv=splits).fit(X)


class Given:
    """A splitter that returns what it was given."""

    def __init__(self, splits):
        self.splits = splits

    def __repr__(self):
        return "Given()"

    def split(self, X, y=None, groups=None):
        return self.splits

    def get_n_splits(self, X=None, y=None, groups=None):
        return 1


@pytest.mark.parametrize(
    "cv, words",
    [
        (StratifiedKFold(3), r"cv=StratifiedKFold.*the 150 samples: .*pass y to fit\."),
        (GroupKFold(3), r"cv=GroupKFold.*: The 'groups' parameter.* Pass groups to fit\."),
        (KFold(200), r"cv=KFold.*n_splits=200 greater than the number of samples: [^.]*\.$"),
        (200, r"cv=200 could not split .*n_splits=200 greater"),
        (Given(None), r"cv=Given\(\) could not split .*returned None, not pairs"),
        (Given([3]), r"Split 0 of cv must be a pair .* got 3\."),
        ([], "cv holds no split"),
        (PredefinedSplit([-1] * 150), "cv holds no split"),
    ],
    ids=str,
)
def test_splitters_that_cannot_split(quick, X, cv, words):
    with pytest.raises(ValueError, match=words):
        quick(cv=cv).fit(X)


LABELS = {
    "None": (lambda n: [None, *range(n - 1)], r"holds no label \(None or NaN\) for 1 samples"),
    "NaN": (lambda n: np.r_[np.arange(n - 1.0), np.nan], f"the first one {149}"),
    "pandas NA": (lambda n: pd.Series([1, None] * (n // 2), dtype="Int64"), "for 75 samples"),
    "2-D": (lambda n: np.ones((n, 2)), r"must be 1D.* shape \(150, 2\)"),
    "a number": (lambda n: 3, r"must be 1D.* shape \(\)"),
    "a set": (lambda n: {1, 2}, r"must be 1D.* shape \(\)"),
    "of two sorts": (lambda n: np.array([1, "a"] * (n // 2), object), "labels of one sort"),
    "too few": (lambda n: np.ones(n - 1), r"inconsistent numbers of samples: \[150, 149\]"),
}


@pytest.mark.parametrize("case", LABELS)
@pytest.mark.parametrize("name", ["groups", "y"])
def test_bad_labels(quick, X, case, name):
    make, words = LABELS[case]
    estimator = quick() if name == "groups" else quick(class_weight="balanced")
    with pytest.raises(ValueError, match=words) as caught:
        estimator.fit(X, **{name: make(len(X))})
    assert name in str(caught.value)


def test_a_splitter_that_leaves_nothing_to_train_on(quick, X):
    class Nothing:
        def split(self, X, y=None, groups=None):
            yield np.arange(0), np.arange(len(X))

        def get_n_splits(self, X=None, y=None, groups=None):
            return 1

    with pytest.raises(ValueError, match="Split 0 of cv has 0 samples to train on"):
        quick(cv=Nothing()).fit(X)


def test_class_weight_needs_classes(quick, X):
    with pytest.raises(ValueError, match="class_weight='balanced' needs the classes"):
        quick(class_weight="balanced").fit(X)
    with pytest.raises(ValueError, match="not in class_weight"):
        quick(class_weight={5: 2.0}).fit(X, np.zeros(len(X)))


# X_val=None says that there are no such rows.
@pytest.mark.parametrize("case", sorted(set(BAD) - {"None"}))
def test_refused_as_held_out_rows(fitted, X, case):
    spoil, error, words = BAD[case]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X has feature names")
        warnings.filterwarnings("ignore", "the matrix subclass is not")
        with pytest.raises(error, match=re.escape(words)):
            copy.deepcopy(fitted).fit(X, X_val=spoil(X[:20]))


@pytest.mark.parametrize("method", ["fit", "transform", "score", "score_samples"])
@pytest.mark.parametrize("case", BAD_TABLES)
def test_refused_table(named, X, case, method):
    spoil, error, words = BAD_TABLES[case]
    table = spoil(X)
    try:
        StandardScaler().fit(table)
        pytest.skip("this scikit-learn refuses such a table nowhere: it is its own to do")
    except error:
        refused(copy.deepcopy(named), method, table, error, words)


@pytest.mark.parametrize("method", ["transform", "score", "score_samples"])
@pytest.mark.parametrize("case", WRONG_COLUMNS)
def test_other_columns_are_refused(named, X, case, method):
    columns = WRONG_COLUMNS[case]
    table = pd.DataFrame(np.ones((3, len(columns))), columns=columns)
    refused(
        named,
        method,
        table,
        ValueError,
        "The feature names should match those that were passed during fit",
    )


@pytest.mark.parametrize("n_samples", [10**12, 10**15])
def test_more_samples_than_memory_holds(fitted, n_samples):
    with pytest.raises(MemoryError, match=rf"for {n_samples} samples.* Draw fewer at a time"):
        fitted.sample(n_samples)


@pytest.mark.parametrize("method", ["transform", "score", "score_samples"])
@pytest.mark.parametrize("width", [1, 3, 5])
def test_wrong_width(fitted, method, width):
    words = f"X has {width} features, but AutoencoderTransformer is expecting 4 features"
    with pytest.raises(ValueError, match=words):
        getattr(fitted, method)(np.ones((3, width)))


def test_wrong_width_of_codes(fitted):
    with pytest.raises(ValueError, match=r"X has 3 columns, but .* 2 components.*leading"):
        fitted.inverse_transform(np.ones((5, 3)))


def test_one_sample_is_refused_by_fit(quick, X):
    with pytest.raises(ValueError, match="1 sample"):
        quick().fit(X[:1])


@pytest.mark.parametrize("what", ["y", "groups"])
def test_inconsistent_lengths(quick, X, what):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        quick().fit(X, **{what: np.zeros(len(X) - 1)})


def test_held_out_rows_of_another_width(quick, X):
    with pytest.raises(ValueError, match="X has 3 features"):
        quick().fit(X, X_val=X[:, :3])


def test_names_come_and_go_with_a_warning(fitted, named, X):
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        named.transform(X)
    with pytest.warns(UserWarning, match="was fitted without feature names"):
        fitted.transform(pd.DataFrame(X, columns=NAMES))


NUMBER = ["word", None, [1], 1j]
WHOLE = [*NUMBER, True, 1.5, 0, -1, 10**400]
BAD_PARAMETERS = {
    "n_components": ["word", [1], True, 0, -1, 0.0, 1.0, 1.5, np.nan],
    "hidden_layer_sizes": ["word", None, 8, 2.5, {8, 4}, {8: 4}, np.array(8), b"8"],
    "activation": ["word", None, 1, np.tanh],
    "architecture": ["word", None, 1, Dense],
    "sample_shape": ["word", 4, {4, 1}, {4: 1}],
    "linear_path": ["word", 1, True],
    "whiten": ["word", None, 2],
    "ordered": ["word", None, 2],
    "scaling": ["word", 1, True],
    "output_activation": ["word", None, 1],
    "loss": ["word", None, 1],
    "code_activation": ["word", None, 1],
    "n_nonzero_coefs": ["word", True, 1.5, 0, -1, 10**400],
    "augmentation": ["word", 1],
    "sparsity": [*NUMBER, True, -0.1, np.inf],
    "contraction": [*NUMBER, True, -0.1, np.inf],
    "kl_weight": [*NUMBER, True, -0.1, np.inf],
    "n_init": WHOLE,
    "class_weight": ["word", 1, [1], True],
    "corruption": ["word", 1],
    "corruption_level": [*NUMBER, True, -0.1, np.nan],
    "optimizer": ["word", None, 1, optax.sgd(0.1)],
    "learning_rate": [*NUMBER, True, 0, -1e-3, np.nan, 10**400, Fraction(10**400)],
    "learning_rate_schedule": ["word", None, 1],
    "weight_decay": [*NUMBER, True, -0.1, np.nan],
    "batch_size": WHOLE,
    "max_iter": WHOLE,
    "tol": [*NUMBER, True, -1, np.nan],
    "n_iter_no_change": ["word", True, 0, 1.5, 10**400],
    "cv": ["word", 1, True, 2.5, {}, 1j, 0, 0.0, 1.0, -0.1, np.nan],
    "warm_start": ["word", None, 2],
    "random_state": ["word", 1.5, -1],
    "verbose": ["word", None, -1],
    "device": [1, True],
}


@pytest.mark.parametrize(
    "name, value", [(name, value) for name, bad in BAD_PARAMETERS.items() for value in bad]
)
def test_bad_parameter_is_refused_in_fit_only(quick, X, name, value):
    estimator = quick(**{name: value}).set_params(**{name: value})
    words = f"The '{name}' parameter of AutoencoderTransformer must be"
    with pytest.raises(InvalidParameterError, match=words):
        estimator.fit(X)


def test_every_parameter_has_bad_values(quick):
    assert set(quick().get_params()) == set(BAD_PARAMETERS)


@pytest.mark.parametrize(
    "name, value",
    [
        ("learning_rate", np.inf),
        ("weight_decay", np.inf),
        ("corruption_level", np.inf),
        ("learning_rate", 1e300),
    ],
)
def test_infinite_number_is_refused(quick, X, name, value):
    with pytest.raises(ValueError, match=name):
        quick(**{name: value}).fit(X)


@pytest.mark.parametrize("sizes", [(0,), (-1,), (2.5,), ("8",), (8, None), (True,), [[8]]])
def test_impossible_layers(quick, X, sizes):
    with pytest.raises(ValueError, match=r"hidden_layer_sizes must hold whole numbers above 0"):
        quick(hidden_layer_sizes=sizes).fit(X)


@pytest.mark.parametrize("value", ["yes", None, 2])
def test_bad_parameter_of_the_architecture(quick, X, value):
    with pytest.raises(InvalidParameterError, match="The 'skip' parameter of Dense must"):
        quick(architecture=Dense(skip=value)).fit(X)


@pytest.mark.parametrize("device", ["nowhere", "cpu:99", "cpu:x", "cpu:-1", ""])
def test_device_that_is_not_here(quick, X, device):
    with pytest.raises(ValueError, match=f"device='{device}' is not here; JAX sees .*cpu"):
        quick(device=device).fit(X)


@pytest.mark.parametrize(
    "factors",
    [
        lambda n: np.ones(n + 1),
        lambda n: np.ones((n, 1)),
        lambda n: np.full(n, np.nan),
        lambda n: "word",
    ],
)
def test_schedule_of_another_shape(quick, X, factors):
    with pytest.raises(ValueError, match="learning_rate_schedule"):
        quick(learning_rate_schedule=factors).fit(X)


def test_one_width_is_no_sequence(quick, X):
    words = r"a sequence of whole numbers, such as \(16,\) for one hidden layer. Got 16 instead"
    with pytest.raises(InvalidParameterError, match=words):
        quick(hidden_layer_sizes=16).fit(X)


HELD = [  # parameters of other objects
    (lambda value: Conv1d(kernel_size=value), "kernel_size", [True, 0, 10**400]),
    (lambda value: Conv2d(kernel_size=value), "kernel_size", [np.True_, 1.5]),
    (lambda value: Conv1d(channels=value), "channels", [{4, 8}, {4: 8}, 4, "4"]),
    (lambda value: Recurrent(units=value), "units", [True, 0, 10**400]),
    (lambda value: Recurrent(step_size=value), "step_size", [True, 0]),
    (lambda value: Blocks(value), "blocks", [{("dense", (4,))}, {"dense": (4,)}, 4]),
]


@pytest.mark.parametrize(
    "make, name, value", [(make, name, value) for make, name, bad in HELD for value in bad]
)
def test_bad_parameter_of_an_architecture(quick, X, make, name, value):
    with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of"):
        quick(architecture=make(value)).fit(X)


@pytest.mark.parametrize("channels", [(True,), (0,), (2.5,)])
def test_impossible_channels(quick, X, channels):
    with pytest.raises(ValueError, match="channels must hold whole numbers above 0"):
        quick(architecture=Conv1d(channels=channels)).fit(X)


@pytest.mark.parametrize("shape", [(True, 4), (0,), (2.0, 2)])
def test_impossible_shapes(quick, X, shape):
    with pytest.raises(ValueError, match="sample_shape must hold whole numbers above 0"):
        quick(sample_shape=shape).fit(X)
    with pytest.raises(ValueError, match="shape of a block must hold whole numbers above 0"):
        quick(architecture=Blocks([("dense", shape)])).fit(X)


LOSSES = [
    (Huber, [True, np.True_, 0, -1, np.nan, np.inf, 10**400, 1e300, "1", None], "delta must"),
    (lambda n: Categorical(sizes=(n,)), [True, 0, 1.5], "sizes must hold"),
    (lambda n: Joint(((n, "huber"),)), [True, 0, 1.5], "parts must hold"),
]


@pytest.mark.parametrize(
    "make, value, words", [(make, value, words) for make, bad, words in LOSSES for value in bad]
)
def test_bad_parameter_of_a_loss(make, value, words):
    with pytest.raises(ValueError, match=words) as caught:
        make(value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("value", [10**400, "heavy", -1.0, np.nan, np.inf, None, True])
def test_bad_weight_of_a_class(quick, X, value):
    y = np.arange(len(X)) % 2
    with pytest.raises(ValueError, match="class_weight must hold finite numbers") as caught:
        quick(class_weight={0: value, 1: 1.0}).fit(X, y)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("value", [10**400, 0, True, 1.5, "2", None])
def test_bad_number_of_samples(fitted, value):
    with pytest.raises(InvalidParameterError, match="The 'n_samples' parameter of sample"):
        fitted.sample(value)


def test_more_steps_than_a_fit_may_have(quick, X):
    with pytest.raises(ValueError, match="max_iter=10000000000000 epochs of 5 steps"):
        quick(max_iter=10**13).fit(X)


SAME_NUMBERS_AS_PARAMETERS = {
    "n_components": (2, [np.uint8(2), np.int64(2)]),
    "max_iter": (3, [np.uint64(3), np.uint16(3), np.int8(3)]),
    "batch_size": (32, [np.int8(32), np.uint8(32)]),
    "n_init": (2, [np.int8(2)]),
    "n_iter_no_change": (1, [np.int8(1), np.uint64(1)]),
    "cv": (3, [np.uint8(3)]),
    "hidden_layer_sizes": ((8,), [np.array([8], np.uint8), [np.int8(8)], range(8, 9)]),
    "corruption_level": (0.5, [np.float16(0.5), np.float32(0.5), Fraction(1, 2)]),
    "learning_rate": (0.25, [np.float16(0.25), Fraction(1, 4), np.longdouble(0.25)]),
    "weight_decay": (0.5, [np.float16(0.5), Fraction(1, 2)]),
    "tol": (0.5, [np.float16(0.5), Fraction(1, 2)]),
    "sparsity": (0.5, [np.float16(0.5), Fraction(1, 2)]),
    "loss": (Huber(0.5), [Huber(np.float16(0.5)), Huber(Fraction(1, 2))]),
}


@pytest.mark.parametrize("name", SAME_NUMBERS_AS_PARAMETERS)
def test_kind_of_number_does_not_matter(quick, X, name):
    value, others = SAME_NUMBERS_AS_PARAMETERS[name]
    expected = quick(**{name: value}).fit(X)
    for other in others:
        estimator = quick(**{name: other}).fit(X)
        assert estimator.n_iter_ == expected.n_iter_
        assert_array_equal(estimator.transform(X), expected.transform(X))


@pytest.mark.parametrize("name", ["n_components", "cv"])
def test_shares_in_half_precision(quick, X, name):
    shares = 0.5, np.float16(0.5), Fraction(1, 2)
    expected, *codes = [quick(**{name: share}).fit_transform(X) for share in shares]
    for found in codes:
        assert_array_equal(found, expected)


@pytest.mark.parametrize("value", [1000, 10**9])
def test_a_batch_is_no_larger_than_the_rows(quick, X, value):
    """It was padded with rows of weight 0; folds of a search still share one program."""
    expected = quick(batch_size=256).fit(X)
    assert_array_equal(quick(batch_size=value).fit(X).transform(X), expected.transform(X))
    assert_array_equal(quick(batch_size=value).fit(X).loss_curve_, expected.loss_curve_)


def twice(key, row, level):
    return np.concatenate([row, row])


CALLABLES = {
    "optimizer": [
        (lambda rate: None, "it returned NoneType"),
        (lambda rate: optax.identity, "it returned function"),
        (lambda: optax.sgd(0.1), "it raised TypeError"),
        (partial(optax.sgd, momentum="much"), "it raised TypeError"),
        (lambda rate: optax.masked(optax.sgd(rate), {"other": True}), "it raised ValueError"),
    ],
    "corruption": [
        (lambda key, row, level: None, "it returned NoneType"),
        (lambda key, row, level: row[:2], "it returned (2,)"),
        (lambda key, row, level: row.sum(), "it returned ()"),
        (lambda row: row, "it raised TypeError"),
        (twice, "it raised"),
    ],
    "learning_rate_schedule": [
        (lambda n: 1 / 0, "it raised ZeroDivisionError"),
        (lambda: 1.0, "it raised TypeError"),
        (lambda n: None, "must return"),
        (lambda n: np.full(n, 1e300), "is above"),
    ],
}


@pytest.mark.parametrize(
    "name, function, words",
    [(name, function, words) for name, bad in CALLABLES.items() for function, words in bad],
)
def test_callables_that_will_not_do(quick, X, name, function, words):
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        quick(**{name: function}).fit(X)
    assert name in str(caught.value)


def assert_works(estimator, data):
    """Fit, transform, rebuild and score; return the codes."""
    before = data.copy() if hasattr(data, "copy") else list(data)
    Z = estimator.fit(data).transform(data)
    rebuilt = estimator.inverse_transform(Z)
    assert Z.shape == (len(data), estimator.n_components_)
    assert np.shape(rebuilt) == np.shape(data)
    assert np.isfinite(Z).all() and np.isfinite(rebuilt).all()
    assert np.isfinite(estimator.score(data))
    assert np.isfinite(estimator.explained_variance_ratio_).all()
    if isinstance(before, np.ndarray):
        assert_array_equal(data, before)
    return Z


def memory_mapped(A, folder):
    np.save(folder / "rows.npy", A)
    return np.load(folder / "rows.npy", mmap_mode="r")


class OtherLibrary(types.ModuleType):
    """What tensors belong to; it knows nothing of NumPy's dtypes."""

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        raise TypeError(f"{name}: argument 'dtype' must be torch.dtype")


class Tensor:
    """An array of another library: NumPy reads it, and knows nothing of its dtype."""

    def __init__(self, A):
        self._A, self.shape, self.ndim, self.dtype = A, A.shape, A.ndim, "torch.float64"
        self.device = "cpu"

    def __array_namespace__(self, api_version=None):
        return OtherLibrary("of_tensors")

    def __len__(self):
        return len(self._A)

    def copy(self):
        return Tensor(self._A.copy())

    def __array__(self, dtype=None, copy=None):
        return self._A.astype(dtype or self._A.dtype)


SAME_NUMBERS = {
    "list": lambda A, folder: A.tolist(),
    "tuples": lambda A, folder: [tuple(row) for row in A],
    "longdouble": lambda A, folder: A.astype(np.longdouble),
    "big-endian": lambda A, folder: A.astype(">f8"),
    "F-order": lambda A, folder: np.asfortranarray(A),
    "negative strides": lambda A, folder: A[::-1, ::-1].copy()[::-1, ::-1],
    "every other row": lambda A, folder: np.repeat(A, 2, axis=0)[::2],
    "read-only memmap": memory_mapped,
    "objects": lambda A, folder: A.astype(object),
    "mask of nothing": lambda A, folder: np.ma.masked_array(A),
    "pandas": lambda A, folder: pd.DataFrame(A, columns=NAMES),
    "pandas Float64": lambda A, folder: pd.DataFrame(A, columns=NAMES).astype("Float64"),
    "pandas of Arrow": lambda A, folder: frame(A).astype("double[pyarrow]"),
    "pandas objects": lambda A, folder: frame(A).astype(object),
    "pandas nullable and others": lambda A, folder: frame(A).astype({"c1": "Float64"}),
    "polars": lambda A, folder: pl.DataFrame(A, schema=NAMES),
    "Arrow": lambda A, folder: arrow(A),
    "tensor": lambda A, folder: Tensor(A),
}


@pytest.mark.parametrize("case", SAME_NUMBERS)
def test_container_does_not_matter(quick, fitted, X, tmp_path, case):
    data = SAME_NUMBERS[case](X, tmp_path)
    assert_array_equal(assert_works(quick(), data), fitted.transform(X))


def test_tensors_where_arrays_may_come_from_anywhere(quick, fitted, X):
    """scikit-learn then hands tensors on to their own library; here they are converted."""
    y = np.arange(len(X)) % 3
    expected = quick(class_weight="balanced").fit(X, y, sample_weight=X[:, 0], groups=y)
    given = {"sample_weight": Tensor(X[:, 0]), "groups": Tensor(y)}
    with sklearn.config_context(array_api_dispatch=True):
        found = quick(class_weight="balanced").fit(Tensor(X), Tensor(y), **given)
        Z = found.transform(Tensor(X))
        assert type(Z) is np.ndarray
        assert_array_equal(found.inverse_transform(Tensor(Z)), found.inverse_transform(Z))
        assert found.score(Tensor(X)) == expected.score(X)
    assert_array_equal(Z, expected.transform(X))


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.uint8, np.float16])
def test_narrow_dtypes_are_as_their_float64(quick, X, dtype):
    data = (X > 2).astype(dtype) if dtype is bool else X.astype(dtype)
    Z = assert_works(quick(), data)
    assert Z.dtype == np.float64
    assert_array_equal(Z, quick().fit_transform(data.astype(np.float64)))


def test_float32_stays_float32(quick, X):
    estimator = quick()
    Z = assert_works(estimator, X.astype(np.float32))
    assert Z.dtype == estimator.inverse_transform(Z).dtype == np.float32


rng = np.random.default_rng(0)
ODD_DATA = {
    "one feature": rng.normal(size=(30, 1)),
    "one constant feature": np.ones((30, 1)),
    "constant column": np.column_stack([rng.normal(size=(30, 3)), np.full(30, 7.0)]),
    "constant matrix": np.full((30, 4), 0.1),
    "zeros": np.zeros((30, 4)),
    "duplicate rows": np.repeat(rng.normal(size=(2, 4)), 15, axis=0),
    "denormals": rng.normal(size=(30, 4)) * 1e-310,
    "squares below float64": rng.normal(size=(30, 4)) * 1e-200,
    "tiny": rng.normal(size=(30, 4)) * 1e-30,
    "huge": rng.normal(size=(30, 4)) * 1e30,
    "far from zero": rng.normal(size=(30, 4)) + 1e9,
    "two rows": rng.normal(size=(2, 4)),
    "wide": rng.normal(size=(5, 12)),
}


@pytest.mark.parametrize("scaling", ["global", "standard"])
@pytest.mark.parametrize("case", ODD_DATA)
def test_odd_data_work(quick, case, scaling):
    n_components = min(2, *ODD_DATA[case].shape)
    assert_works(quick(n_components=n_components, scaling=scaling), ODD_DATA[case])


@pytest.mark.parametrize("linear_path", ["pca", None])
@pytest.mark.parametrize("shape, n_components", [((30, 4), 6), ((3, 4), 4), ((5, 12), 8)])
def test_more_components_than_pca_has(quick, shape, n_components, linear_path):
    """PCA has no more; a code of zeros would be none. A plain net makes them all."""
    estimator, X = quick(n_components=n_components, linear_path=linear_path), np.ones(shape)
    if linear_path is not None:
        words = rf"n_components={n_components} must be at most {min(shape)} .* n_nonzero_coefs"
        with pytest.raises(ValueError, match=words):
            estimator.fit(X)
        return
    assert_works(estimator, rng.normal(size=shape))
    assert estimator.n_components_ == n_components


@pytest.mark.parametrize(
    "held_back",
    [{"code_activation": "relu"}, {"n_nonzero_coefs": 2}, {"sparsity": 0.1}],
    ids=str,
)
def test_longer_codes_that_are_held_back(quick, X, held_back):
    codes = quick(n_components=6, **held_back).fit_transform(X)
    assert codes.shape == (150, 6) and np.isfinite(codes).all()


def test_streams_begin_with_fewer_rows_than_components(quick, X):
    assert quick(n_components=4).partial_fit(X[:3]).transform(X).shape == (150, 4)


@pytest.mark.parametrize("case", ["constant matrix", "zeros", "two rows", "denormals"])
def test_odd_data_work_with_a_share_of_variance(quick, case):
    """A share of no variance cannot be reached, which is a warning and nothing worse."""
    estimator = quick(n_components=0.5)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* do not reach", UserWarning)
        assert_works(estimator, ODD_DATA[case])


@pytest.mark.parametrize("method", ["transform", "score", "score_samples"])
def test_one_row_works_once_fitted(fitted, X, method):
    assert np.isfinite(getattr(fitted, method)(X[:1])).all()


@pytest.mark.parametrize("value", [1e20, 1e30, 3e38])
@pytest.mark.parametrize("scaling", ["global", "standard", None])
def test_a_far_cell_gives_finite_codes(quick, X, value, scaling):
    """Beyond float32 after scaling is still no overflow."""
    estimator = quick(scaling=scaling).fit(X * 1e-3)
    far = X.copy()
    far[0, 0] = value
    Z = estimator.transform(far)
    assert np.isfinite(Z).all()
    assert np.isfinite(estimator.inverse_transform(Z)).all()
    assert np.isfinite(estimator.score(far))


class TestSizes:
    """Numbers at the ends of what float32 and float64 hold: a right result, or a refusal."""

    @pytest.mark.parametrize("size", [1e-40, 1e-20, 1e20, 3e38])
    def test_unscaled_values_that_cannot_be_squared(self, quick, X, size):
        with pytest.raises(ValueError, match=r"cannot be squared in float32.*scaling='global'"):
            quick(scaling=None).fit(X / X.max() * size)

    @pytest.mark.parametrize("size", [1e-300, 1e-170, 1e-140, 1e-40, 1e-12, 1e12, 1e37])
    def test_the_unit_changes_nothing(self, quick, fitted, X, size):
        model = quick().fit(X * size)
        assert model.score(X * size) == pytest.approx(fitted.score(X), abs=1e-6)
        assert_allclose(model.transform(X * size) / size, fitted.transform(X), atol=1e-4)

    @pytest.mark.parametrize("size", [1e-12, 10.0])
    def test_unscaled_values_that_can_be_squared(self, quick, X, size):
        model = quick(scaling=None).fit(X / X.max() * size)
        assert model.score(X / X.max() * size) > 0.97

    @pytest.mark.parametrize("scaling", ["global", "standard", None])
    def test_constant_but_for_rounding(self, quick, scaling):
        X = np.full((30, 3), 0.3)
        X[::2] = np.nextafter(0.3, 1)
        assert np.isfinite(quick(scaling=scaling).fit_transform(X)).all()

    def test_codes_that_float32_cannot_hold(self, quick, X):
        single = np.repeat(X[:, :1] - 6, 4, axis=1)  # whose first code is twice as large
        single = (single / np.abs(single).max() * 3.3e38).astype(np.float32)
        with pytest.raises(ValueError, match=r"too large for dtype\('float32'\). Pass float64"):
            quick().fit(single)
        model = quick().fit(single.astype(np.float64))
        codes = model.transform(single.astype(np.float64))
        assert np.isfinite(codes).all() and np.isfinite(model.inverse_transform(codes)).all()

    @pytest.mark.parametrize("name", ["sparsity", "contraction", "kl_weight"])
    def test_heavy_penalties(self, quick, X, name):
        with pytest.raises(
            InvalidParameterError, match=rf"'{name}' parameter .* 1000000000.0\]"
        ):
            quick(**{name: 3e38}).fit(X)
        model = quick(**{name: 1e9}).fit(X)
        assert np.isfinite(model.validation_curve_).all()
        assert np.isfinite(model.transform(X)).all()
