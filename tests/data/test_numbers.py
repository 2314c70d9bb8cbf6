"""Numbers from outside: what is read as which floats, and what is refused in which words."""

import datetime
import decimal
import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from skae._data.numbers import as_numbers

pytestmark = pytest.mark.filterwarnings("error")

DAY, NAN = datetime.date(2020, 1, 1), np.nan
ARROW_DECIMAL = pd.ArrowDtype(pa.decimal128(5, 2))
ARROW_WORDS = pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))


def masked(cells, dtype=int):
    return np.ma.masked_array(np.array(cells, dtype), mask=np.equal(cells, 9))


def column(values, dtype=object):
    return pd.DataFrame({"a": pd.Series(values, dtype=dtype)})


READ = {
    "a number": (3, 3.0),
    "None": (None, NAN),
    "nothing": ([], []),
    "list": ([[1, 2], [3, None]], [[1, 2], [3, NAN]]),
    "list with pd.NA": ([[1, pd.NA, 2.5]], [[1, NAN, 2.5]]),
    "booleans": ([[True, False]], [[1, 0]]),
    "Decimal": ([[decimal.Decimal("1.5")]], [[1.5]]),
    "masked": (masked([[1, 9], [3, 4]]), [[1, NAN], [3, 4]]),
    "masked booleans": (np.ma.masked_array([True, False], mask=[1, 0]), [NAN, 0]),
    "masked objects": (masked([1, 9], object), [1, NAN]),
    "list of masked": ([masked([1, 9]), masked([3, 4])], [[1, NAN], [3, 4]]),
    "masked among cells": ([[1.0, np.ma.masked]], [[1, NAN]]),
    "objects": (np.array([[1, pd.NA], [None, 2.5]], object), [[1, NAN], [NAN, 2.5]]),
    "big-endian": (np.array([1.0, 2.0], ">f8"), [1, 2]),
    "longdouble": (np.array([1.5], np.longdouble), [1.5]),
    "longdouble beyond": (np.array(["1e4000"], np.longdouble), [np.inf]),
    "float16": (np.array([1.5], np.float16), [1.5]),
    "sparse columns": (pd.get_dummies(pd.Series(list("ab")), sparse=True), [[1, 0], [0, 1]]),
    "sparse and other columns": (
        pd.get_dummies(pd.Series(list("ab")), sparse=True).assign(z=1.5),
        [[1, 0, 1.5], [0, 1, 1.5]],
    ),
    "sparse with NaN": (column([NAN, 1.0], pd.SparseDtype(float, NAN)), [[NAN], [1]]),
    "pandas objects": (column([1, pd.NA, None, 2.5]), [[1], [NAN], [NAN], [2.5]]),
    "pandas Int64": (column([1, None], "Int64"), [[1], [NAN]]),
    "pandas boolean": (column([True, None], "boolean"), [[1], [NAN]]),
    "pandas of Arrow": (column([1, None], "int64[pyarrow]"), [[1], [NAN]]),
    "pandas decimals": (column([decimal.Decimal("1.5"), None], ARROW_DECIMAL), [[1.5], [NAN]]),
    "pandas Series": (pd.Series([1, pd.NA], dtype="Int64"), [1, NAN]),
    "pandas without columns": (pd.DataFrame(index=range(3)), np.empty((3, 0))),
    "polars": (pl.DataFrame({"a": [True, None], "b": [1, 2]}), [[1, 1], [NAN, 2]]),
    "polars Series": (pl.Series([1, None]), [1, NAN]),
    "Arrow table": (pa.table({"a": [1.0, 2.0], "b": [True, None]}), [[1, 1], [2, NAN]]),
    "Arrow column": (pa.chunked_array([pa.array([1, None])]), [1, NAN]),
}


@pytest.mark.parametrize("case", READ)
def test_numbers_are_read(case):
    given, expected = READ[case]
    found = as_numbers(given)
    assert type(found) is np.ndarray and found.dtype == np.float64
    assert_array_equal(found, np.array(expected, float), strict=True)


@pytest.mark.parametrize(
    "given",
    [
        np.float32([[1, 2]]),
        masked([[1, 9]], np.float32),
        pd.DataFrame({"a": np.float32([1]), "b": [True]}),
        pl.DataFrame({"a": pl.Series([1.0], dtype=pl.Float32)}),
    ],
    ids=["array", "masked", "pandas", "polars"],
)
def test_float32_stays(given):
    assert as_numbers(given).dtype == np.float32
    assert as_numbers(given, dtype=np.float64).dtype == np.float64


TIMES, TEXTS = "Input X holds times", "Input X holds strings, bytes or categories"
CELLS = "Input X holds values that are no numbers"
REFUSED = {
    "word": ("abc", ValueError, TEXTS),
    "numbers that are spelt": ([["1", "2"]], ValueError, TEXTS),
    "a text among numbers": ([[1, "2"]], ValueError, TEXTS),
    "bytes": ([b"1"], ValueError, TEXTS),
    "texts in objects": (np.array([["1", 2]], object), ValueError, TEXTS),
    "StringDType": (np.array(["1"], np.dtypes.StringDType()), ValueError, TEXTS),
    "pandas text": (column(["1"], "str"), ValueError, "in the columns ['a']"),
    "pandas text in objects": (column([1, "2"]), ValueError, "in the columns ['a']"),
    "pandas category": (column([1], "category"), ValueError, "TableAutoencoder"),
    "Arrow text in pandas": (column(["1"], "string[pyarrow]"), ValueError, TEXTS),
    "Arrow dictionary in pandas": (column(["1"], ARROW_WORDS), ValueError, TEXTS),
    "Series of categories": (pd.Series([1], dtype="category"), ValueError, TEXTS),
    "polars text": (pl.DataFrame({"a": ["1"]}), ValueError, "in the columns ['a']"),
    "polars categories": (pl.Series(["1"], dtype=pl.Categorical), ValueError, TEXTS),
    "polars bytes": (pl.DataFrame({"a": [b"1"]}), ValueError, TEXTS),
    "Arrow text": (pa.table({"a": ["1"]}), ValueError, "in the columns ['a']"),
    "Arrow text column": (pa.array(["1"]), ValueError, TEXTS),
    "Arrow dictionary": (pa.array(["1"]).dictionary_encode(), ValueError, TEXTS),
    "datetime64": (np.array(["2020"], "M8[D]"), ValueError, TIMES),
    "timedelta64": (np.array([3], "m8[s]"), ValueError, TIMES),
    "masked times": (np.ma.masked_array([3], mask=[1]).astype("m8[s]"), ValueError, TIMES),
    "datetime64 among numbers": ([[np.datetime64("2020"), 1.0]], ValueError, TIMES),
    "datetime64 in objects": (np.array([np.datetime64("2020")], object), ValueError, TIMES),
    "timedelta64 in objects": (np.array([np.timedelta64(1, "s")], object), ValueError, TIMES),
    "date": ([[DAY]], ValueError, TIMES),
    "time of day": ([[datetime.time(1)]], ValueError, TIMES),
    "timedelta": ([[datetime.timedelta(1)]], ValueError, TIMES),
    "Timestamp": ([[pd.Timestamp("2020"), 1.0]], ValueError, TIMES),
    "Period": ([[pd.Period("2020", "M")]], ValueError, TIMES),
    "Periods": (pd.period_range("2020", periods=2, freq="M"), ValueError, TIMES),
    "column of Periods": (column([pd.Period("2020", "M")], None), ValueError, "columns ['a']"),
    "date in objects of pandas": (column([DAY, 1]), ValueError, "Input X['a'] holds times"),
    "Arrow date in pandas": (column([DAY], "date32[pyarrow]"), ValueError, TIMES),
    "Arrow time in pandas": (column([None], "time64[us][pyarrow]"), ValueError, TIMES),
    "polars date": (pl.DataFrame({"a": [DAY]}), ValueError, "in the columns ['a']"),
    "polars duration": (pl.Series([datetime.timedelta(1)]), ValueError, TIMES),
    "polars time of day": (pl.Series([datetime.time(1)]), ValueError, TIMES),
    "Arrow date": (pa.table({"a": [1.0], "d": [DAY]}), ValueError, "in the columns ['d']"),
    "Arrow date column": (pa.array([DAY]), ValueError, TIMES),
    "complex": ([[1j]], ValueError, "Complex data not supported"),
    "complex in objects": (np.array([1j], object), ValueError, "Complex data not supported"),
    "complex column": (column([1j], complex), ValueError, "Complex data not supported"),
    "too large": ([[10**400]], ValueError, "value too large for dtype('float64')"),
    "ragged": ([[1.0], [1.0, 2.0]], ValueError, "Input X is ragged"),
    "ragged arrays": ([np.ones((2, 2)), np.ones((3, 2))], ValueError, "Input X is ragged"),
    "arrays as values": (np.array([np.ones(2), None], object), ValueError, "arrays as values"),
    "polars lists": (pl.DataFrame({"a": [[1, 2]]}), ValueError, "arrays as values"),
    "dict": ({"a": 1}, TypeError, "got dict"),
    "set": ({1.0}, TypeError, "got set"),
    "generator": ((x for x in [1.0]), TypeError, "got generator"),
    "map": (map(float, [1]), TypeError, "got map"),
    "dict for a cell": ([[{}]], TypeError, CELLS),
    "Interval": (
        column(pd.interval_range(0, 1), None),
        TypeError,
        "values that are no numbers",
    ),
    "LazyFrame": (pl.LazyFrame({"a": [1.0]}), TypeError, "Pass X.collect()"),
    "structured": (np.zeros(3, "f8,f8"), TypeError, "Structured arrays are not supported"),
    "raw bytes": (np.zeros(3, "V8"), TypeError, "Input X holds no numbers"),
    "sparse": (sparse.csr_array(np.eye(2)), TypeError, "Sparse data was passed for X"),
    "dictionary of keys": (sparse.dok_array((2, 2)), TypeError, "Sparse data was passed for X"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_all_else_is_refused(case):
    given, error, words = REFUSED[case]
    with pytest.raises(error, match=re.escape(words)):
        as_numbers(given)


def test_a_matrix_is_refused():
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.asmatrix(np.eye(2))
    with pytest.raises(TypeError, match=r"np\.matrix is not supported"):
        as_numbers(matrix)


def test_what_cannot_be_read_says_how_it_could_be():
    class OnAnotherDevice:
        shape, dtype = (2, 2), np.dtype(float)

        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("it is elsewhere.")

    with pytest.raises(TypeError, match=r"OnAnotherDevice.*it is elsewhere.*\.cpu\(\)\.numpy"):
        as_numbers(OnAnotherDevice())


def test_messages_name_what_was_read():
    with pytest.raises(ValueError, match=r"^Input series 3 holds strings"):
        as_numbers(["1"], name="series 3")
    with pytest.raises(TypeError, match=r"^Expected an array or a list for series 3, got set"):
        as_numbers({1}, name="series 3")
    with pytest.raises(ValueError, match=r"ragged.* Pad them"):
        as_numbers([[1], [1, 2]], if_ragged="Pad them.")


@pytest.mark.parametrize("bad", [np.inf, -np.inf, 1e300])
def test_infinity_and_missing_cells_may_be_refused(bad):
    assert as_numbers([bad])[0] == bad
    with pytest.raises(ValueError, match="Input X contains infinity or a value too large"):
        as_numbers([bad, np.nan], allow_inf=False)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        as_numbers([1.0, None], allow_nan=False)


def test_nothing_is_copied_or_changed():
    A, gappy = np.eye(3), masked([1, 9])
    assert as_numbers(A) is A
    as_numbers(gappy)
    assert_array_equal(gappy.data, [1, 9])
    cells = np.array([1, None], object)
    as_numbers(cells)
    assert cells[1] is None
