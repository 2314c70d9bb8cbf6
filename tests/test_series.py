"""Series of different lengths become samples of one shape and come back as they were."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from skae.architectures import Conv1d, Recurrent
from skae.series import SeriesPadder


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
        ([["a"]], TypeError, "Expected a sequence of numeric arrays"),
        ([3.0], ValueError, "Series must be of shape"),
        ([np.ones((2, 2, 2))], ValueError, "Series must be of shape"),
        ([np.ones(0)], ValueError, "one timepoint and channel, got \\(0,\\)"),
        (np.zeros((3, 0)), ValueError, "one timepoint and channel"),
        (np.zeros(3), ValueError, "Series must be of shape"),
        ([np.array([1e200])], ValueError, "too large for dtype"),
        ([np.ones(2), np.ones((2, 1))], ValueError, "different channels"),
        ([np.array([1.0, np.inf])], ValueError, "contains infinity or a value"),
        (np.full((1, 3, 2), np.nan), ValueError, "one timepoint and channel"),
    ],
)
def test_no_series(bad, error, words):
    with pytest.raises(error, match=words):
        SeriesPadder().fit(bad)


def test_longer_series_are_refused():
    words = "X has a series of 4 timepoints, but the longest in fit had 3"
    with pytest.raises(ValueError, match=words):
        SeriesPadder().fit([np.ones(3)]).transform([np.ones(4)])


def test_bad_arguments():
    padder = SeriesPadder().fit([np.ones(3)])
    with pytest.raises(ValueError, match=r"samples of shape \(2, 2\), but SeriesPadder makes"):
        padder.inverse_transform(np.ones((1, 2, 2)))
    with pytest.raises(NotFittedError):
        SeriesPadder().transform([np.ones(3)])


def test_clone_and_pickle():
    padder = clone(SeriesPadder()).fit(series_of())
    again = pickle.loads(pickle.dumps(padder))
    assert_array_equal(again.transform(series_of()), padder.transform(series_of()))
