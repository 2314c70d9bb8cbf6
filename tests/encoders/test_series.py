"""Series of different lengths become samples of one shape and come back as they were."""

import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.pipeline import make_pipeline

from skae.architectures import Conv1d, Recurrent
from skae.encoders.series import SeriesPadder


def series_of(n_channels=2, n=40, longest=9):
    rng = np.random.default_rng(0)
    shape = () if n_channels is None else (n_channels,)
    return [rng.normal(size=(length, *shape)) for length in rng.integers(1, longest + 1, n)]


@pytest.mark.parametrize("n_channels", [None, 1, 2])
def test_the_way_back_is_exact(n_channels):
    series = series_of(n_channels)
    padder = SeriesPadder()
    X = padder.fit_transform(series)
    assert X.shape == (40, 9, (n_channels or 1) + 1)
    for back in (padder.inverse_transform(X), padder.inverse_transform(X.reshape(40, -1))):
        for one, other in zip(back, series, strict=True):
            assert_array_equal(one, other)


def test_padding_and_neighbours_change_nothing():
    """An array padded by NaN, by however much, is the list; a series alone is the same."""
    series = series_of()
    padder = SeriesPadder().fit(series)
    X = padder.transform(series)
    for length in (9, 15):
        padded = np.full((40, length, 2), np.nan)
        for row, x in zip(padded, series, strict=True):
            row[: len(x)] = x
        assert_array_equal(SeriesPadder().fit_transform(padded), X)
    assert_array_equal(padder.transform(series[7:8]), X[7:8])


def test_missing_cells_inside_stay_missing():
    x = np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, 4.0], [np.nan, np.nan]])
    padder = SeriesPadder().fit([x, np.ones((5, 2))])
    (back,) = padder.inverse_transform(padder.transform([x]))
    assert_array_equal(back, x)
    (from_array,) = padder.inverse_transform(padder.transform(x[None]))
    assert_array_equal(from_array, x[:3])  # in an array the end is where cells end


def test_the_end_is_where_most_timepoints_agree():
    padder = SeriesPadder().fit([np.arange(5.0)])
    there = np.array([0.9, 0.4, 0.8, 0.1, 0.2]) * padder.scale_
    X = np.column_stack([np.arange(5.0), there])[None]
    assert_array_equal(padder.inverse_transform(X)[0], [0, 1, 2])
    X[..., -1] = -1.0
    assert len(padder.inverse_transform(X)[0]) == 1


@pytest.mark.parametrize("architecture", [Conv1d(channels=(3,)), Recurrent(units=3), "dense"])
def test_a_pipeline_gives_lengths_back(quick, architecture):
    """Rows are the same bits whatever stands beside them; a net learns where series end."""
    t = np.arange(9.0)
    series = [np.sin(t[:n] + n) for n in range(3, 10)] * 8
    settings = {"n_components": 4, "max_iter": 40, "learning_rate": 1e-2, "ordered": False}
    ae = quick(architecture=architecture, cv=None, **settings)
    pipeline = make_pipeline(SeriesPadder(), ae).fit(series)
    Z = pipeline.transform(series)
    assert_array_equal(pipeline.transform(series[3:5]), Z[3:5])
    back = pipeline.inverse_transform(Z)
    hits = [len(one) == len(other) for one, other in zip(back, series, strict=True)]
    assert np.mean(hits) > 0.8


@pytest.mark.parametrize(
    "bad, error, words",
    [
        ("series", TypeError, "Expected a sequence of series, got str"),
        (3, TypeError, "Expected a sequence of series, got int"),
        ([], TypeError, "Expected a sequence of series, got nothing"),
        ([["a"]], ValueError, r"Input X\[0\] holds strings"),
        ([[1.0], ["1"]], ValueError, r"Input X\[1\] holds strings"),
        ([[b"1"]], ValueError, r"Input X\[0\] holds strings, bytes"),
        (np.array([["2020"]], "M8[D]"), ValueError, "Input X holds times"),
        ([np.array(["2020"], "M8[D]")], ValueError, r"Input X\[0\] holds times"),
        ([np.ones(2, complex)], ValueError, "Complex data not supported"),
        (np.ones((2, 3), complex), ValueError, "Complex data not supported"),
        ([[10**400]], ValueError, r"Input X\[0\] contains a value too large"),
        ([[[1.0], [1.0, 2.0]]], ValueError, r"X\[0\] is ragged.*Each series needs the same"),
        ([{"a": 1}], TypeError, r"list for X\[0\], got dict"),
        (pd.DataFrame({"a": [1.0]}), TypeError, "got DataFrame. Pass a list of series, or one"),
        (pl.DataFrame({"a": [1.0]}), TypeError, "got DataFrame. Pass a list of series"),
        (pa.table({"a": [1.0]}), TypeError, "got Table. Pass a list of series"),
        (pd.DataFrame(), TypeError, "got DataFrame"),
        (csr_matrix(np.eye(3)), TypeError, "got csr_matrix"),
        (np.eye(3).view(np.matrix), TypeError, "got matrix"),
        (b"series", TypeError, "got bytes"),
        (np.array(3.0), TypeError, "got nothing"),
        ([3.0], ValueError, r"must be of shape \(n_timepoints,\) or"),
        ([np.ones((2, 2, 2))], ValueError, r"must be of shape \(n_timepoints,\) or"),
        ([np.ones(0)], ValueError, r"at least one value, got \(0,\)"),
        (np.zeros((3, 0)), ValueError, "at least one value"),
        (np.zeros(3), ValueError, r"must be of shape \(n_timepoints,\) or"),
        ([np.array([1e200])], ValueError, "too large for dtype"),
        ([np.ones(2), np.ones((2, 1))], ValueError, "different channels"),
        ([np.array([1.0, np.inf])], ValueError, "contains infinity or a value"),
        (np.full((1, 3, 2), np.nan), ValueError, "at least one value"),
    ],
)
def test_no_series(bad, error, words):
    with pytest.raises(error, match=words):
        SeriesPadder().fit(bad)


def test_longer_series_are_refused():
    words = "Sample 0 of X has 4 timepoints, but the length is 3. Truncate it"
    with pytest.raises(ValueError, match=words):
        SeriesPadder().fit([np.ones(3)]).transform([np.ones(4)])
    with pytest.raises(ValueError, match=words):
        SeriesPadder(length=3).fit([np.ones(4)])


def test_a_length_leaves_room_for_longer_series():
    padder = SeriesPadder(length=5).fit([np.ones(3)])
    assert padder.length_ == 5
    assert_array_equal(padder.inverse_transform(padder.transform([np.ones(5)]))[0], np.ones(5))


def test_one_long_series_among_short_ones():
    series = [np.ones(2)] * 1000 + [np.ones(2 * 10**6)]
    padder = SeriesPadder().fit(series)
    tracemalloc.start()
    words = r"shape \(1001, 2000000, 2\), of more than 2\*\*31 numbers.*length_=2000000: set a"
    with pytest.raises(ValueError, match=words):
        padder.transform(series)
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()


@pytest.mark.parametrize("container", [pd.Series, pl.Series, tuple, pa.array])
def test_columns_of_series(container):
    X = SeriesPadder().fit_transform(container([[1.0, 2.0], [3.0]]))
    assert_array_equal(X, SeriesPadder().fit_transform([[1.0, 2.0], [3.0]]))


def test_masked_timepoints_are_missing():
    whole = np.ma.masked_equal([[1.0, 2.0, 9.0], [9.0, 4.0, 5.0]], 9.0)
    padder = SeriesPadder().fit(whole)
    assert_array_equal(padder.transform(whole)[:, :, 0], [[1, 2, np.nan], [np.nan, 4, 5]])
    (one,) = padder.inverse_transform(padder.transform([whole[1]]))
    assert_array_equal(one, [np.nan, 4, 5])
    with pytest.raises(ValueError, match=r"which marks the end of a series, contains NaN"):
        padder.inverse_transform(np.ma.masked_less(np.zeros((1, 3, 2)), 1))


def test_bad_arguments():
    padder = SeriesPadder().fit([np.ones(3)])
    with pytest.raises(ValueError, match=r"samples of shape \(2, 2\), but SeriesPadder makes"):
        padder.inverse_transform(np.ones((1, 2, 2)))


class TestChannelsFirst:
    def test_the_same_samples_as_channels_last(self):
        last = [np.arange(2.0 * n).reshape(n, 2) for n in (3, 5, 4)]
        first = [np.ascontiguousarray(x.T) for x in last]
        expected = SeriesPadder().fit(last).transform(last)
        padder = SeriesPadder(channels_first=True).fit(first)
        assert_array_equal(padder.transform(first), expected)
        for back, x in zip(padder.inverse_transform(expected), first, strict=True):
            assert_array_equal(back, x)

    def test_one_array(self):
        X = np.random.default_rng(0).normal(size=(4, 2, 6))
        X[1, :, 4:] = np.nan
        padder = SeriesPadder(channels_first=True).fit(X)
        assert padder.length_ == 6 and padder.n_channels_ == 2
        back = padder.inverse_transform(padder.transform(X))
        assert [x.shape for x in back] == [(2, 6), (2, 4), (2, 6), (2, 6)]
        assert_array_equal(back[1], X[1, :, :4])

    def test_series_without_channels_do_not_care(self):
        series = [np.arange(3.0), np.arange(5.0)]
        padder = SeriesPadder(channels_first=True).fit(series)
        assert_array_equal(padder.transform(series), SeriesPadder().fit_transform(series))
