"""Images of different sizes become samples of one size and come back at their own."""

import jax
import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline

from skae.architectures import Conv2d
from skae.encoders.images import ImageResizer

SIZES = [(4, 6), (5, 5), (9, 5), (3, 12), (5, 7)]
LARGE = [(20, 40), (45, 30), (60, 25)]


def images_of(channels=(), n=10, dtype=np.float64):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(*SIZES[i % 5], *channels)).astype(dtype) for i in range(n)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_sizes_come_back(channels, dtype):
    images = images_of(channels, dtype=dtype)
    resizer = ImageResizer()
    X = resizer.fit_transform(images)
    assert resizer.size_ == (5, 6) and resizer.n_channels_ == (channels or (None,))[0]
    assert X.shape == (10, 5, 6, *channels) and X.dtype == dtype
    sizes = resizer.get_sizes(images)
    assert_array_equal(sizes, SIZES * 2)
    for samples in (X, X.reshape(10, -1)):
        assert_array_equal(resizer.inverse_transform(samples), X)
        for image, size in zip(resizer.inverse_transform(samples, sizes), sizes, strict=True):
            assert image.shape == (*size, *channels) and image.dtype == dtype


@pytest.mark.parametrize("size", [(3, 4), (5, 5), (8, 13), (20, 2)])
def test_resizing_is_the_antialiased_bilinear_one(size):
    images = images_of((2,))
    X = ImageResizer(size).fit_transform(images)
    for x, image in zip(X, images, strict=True):
        expected = jax.image.resize(image, (*size, 2), "linear", antialias=True)
        assert_allclose(x, expected, atol=1e-5)


def test_images_of_that_size_stay_as_they_are():
    X = np.stack(images_of()[1::5])
    resizer = ImageResizer().fit(X)
    assert_array_equal(resizer.transform(X), X)
    for back, x in zip(resizer.inverse_transform(X, [(5, 5)] * 2), X, strict=True):
        assert_array_equal(back, x)
        assert not np.shares_memory(back, X)
    assert not np.shares_memory(resizer.inverse_transform(X), X)


def test_smooth_images_come_back_nearly():
    waves = [np.outer(np.sin(np.linspace(0, 3, h)), np.linspace(0, 1, w)) for h, w in LARGE]
    resizer = ImageResizer((30, 30)).fit(waves)
    back = resizer.inverse_transform(resizer.transform(waves), resizer.get_sizes(waves))
    for one, other in zip(back, waves, strict=True):
        assert np.abs(one - other).mean() < 0.02 * np.ptp(other)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_neighbours_and_containers_change_nothing(channels):
    images = images_of(channels)
    resizer = ImageResizer().fit(images)
    X = resizer.transform(images)
    assert_array_equal(resizer.transform(images[7:8]), X[7:8])
    alike = np.stack(images[2::5])
    assert_array_equal(resizer.transform(alike), resizer.transform(list(alike)))
    assert_array_equal(resizer.transform([x.tolist() for x in images]), X)


def test_pixels_stay_in_the_range():
    """Rounding aside, constants stay, and means lie between the least and the greatest."""
    images = [np.full(size, 0.1) for size in SIZES]
    assert_allclose(ImageResizer((6, 4)).fit_transform(images), 0.1, rtol=1e-12)
    counts = [np.random.default_rng(0).integers(0, 256, size, np.uint8) for size in SIZES]
    X = ImageResizer((6, 4)).fit_transform(counts)
    assert X.dtype == np.float64 and X.min() >= 0 and X.max() <= 255


def test_missing_pixels_are_left_out_of_means():
    image = np.ones((4, 4))
    image[:2, :2] = np.nan
    image[3, 3] = np.nan
    (there,) = ImageResizer((4, 4)).fit_transform([image])
    assert_array_equal(there, image)
    (small,) = ImageResizer((2, 2)).fit_transform([image])
    assert np.isnan(small[0, 0])
    assert_allclose(small.ravel()[1:], 1.0)
    masked = np.ma.masked_array(np.ones((4, 4)), mask=np.isnan(image))
    assert_array_equal(ImageResizer((2, 2)).fit_transform([masked])[0], small)
    assert np.isnan(ImageResizer((2, 3)).fit_transform([np.full((5, 4), np.nan)])).all()


def test_half_the_weight_is_enough():
    (small,) = ImageResizer((1, 1)).fit_transform([[[2.0, np.nan]]])
    assert_array_equal(small, [[2.0]])
    (small,) = ImageResizer((1, 1)).fit_transform([[[2.0, np.nan, np.nan]]])
    assert np.isnan(small).all()


def test_a_pipeline_of_images(quick):
    """Images go in and come out, at their sizes where metadata are routed."""
    digits = load_digits().images[:40]
    images = [x[: 6 + i % 3] for i, x in enumerate(digits)]
    sizes = ImageResizer().get_sizes(images)
    ae = quick(architecture=Conv2d(channels=(3,)), n_components=3)
    with sklearn.config_context(enable_metadata_routing=True):
        resizer = ImageResizer((8, 8)).set_inverse_transform_request(sizes=True)
        pipeline = make_pipeline(resizer, ae).fit(images)
        Z = pipeline.transform(images)
        assert Z.shape == (40, 3)
        assert_array_equal(pipeline.transform(images[3:5]), Z[3:5])
        back = pipeline.inverse_transform(Z, sizes=sizes)
        assert [x.shape for x in back] == [x.shape for x in images]
    assert pipeline.inverse_transform(Z).shape == (40, 8, 8)
    again = pipeline[0].inverse_transform(pipeline[1].inverse_transform(Z), sizes)
    for one, other in zip(again, back, strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize(
    "bad, error, words",
    [
        ("image", TypeError, "Expected a sequence of images, got str. Pass a list of images"),
        (3, TypeError, "Expected a sequence of images, got int"),
        ([], TypeError, "Expected a sequence of images, got nothing"),
        ([[["a"]]], ValueError, r"Input X\[0\] holds strings"),
        ([[[1.0]], [["1"]]], ValueError, r"Input X\[1\] holds strings"),
        ([[[b"1"]]], ValueError, r"Input X\[0\] holds strings, bytes"),
        (np.array([[["2020"]]], "M8[D]"), ValueError, r"Input X\[0\] holds times"),
        ([[[10**400]]], ValueError, r"Input X\[0\] contains a value too large"),
        ([np.ones((2, 2), complex)], ValueError, "Complex data not supported"),
        ([[[1.0], [1.0, 2.0]]], ValueError, r"X\[0\] is ragged.*needs the same width"),
        (pd.DataFrame({"a": [1.0]}), TypeError, "got DataFrame. Pass a list of images, or one"),
        (pd.DataFrame(), TypeError, "got DataFrame"),
        (csr_matrix(np.eye(3)), TypeError, "got csr_matrix"),
        (b"image", TypeError, "got bytes"),
        (
            np.zeros((3, 4)),
            ValueError,
            r"got \(4,\) in sample 0. Pass a list, also of a single",
        ),
        ([None], ValueError, r"Samples must be of shape \(height, width\) or"),
        (np.zeros((2, 2, 2, 2, 2)), ValueError, "Samples must be of shape"),
        (np.zeros((3, 0, 4)), ValueError, r"at least one value, got \(0, 4\)"),
        (
            [np.ones((2, 2, 3)), np.ones((2, 2))],
            ValueError,
            r"channels: \(\) in sample 1, and \(3,\)",
        ),
        ([np.full((2, 2), np.inf)], ValueError, "contains infinity or a value .* by NaN"),
        ([np.full((2, 2), 1e200)], ValueError, "too large for dtype"),
    ],
)
def test_no_images(bad, error, words):
    with pytest.raises(error, match=words):
        ImageResizer().fit(bad)
    with pytest.raises(error, match=words):
        ImageResizer().get_sizes(bad)


def test_other_channels_than_in_fit():
    words = r"different channels: \(1,\) in sample 0, and \(3,\)\. Give all"
    with pytest.raises(ValueError, match=words):
        ImageResizer().fit([np.ones((2, 2, 3))]).transform([np.ones((2, 2, 1))])


@pytest.mark.parametrize(
    "sizes",
    [
        *([(2, 2)], [(2, 2), (2, 0)], [(2.0, 2.0)] * 2, (2, 2), [2, 2], [("a", "b")] * 2),
        *([(True, True)] * 2, [(10**400, 2)] * 2, np.ma.masked_equal([[2, 3]] * 2, 3)),
    ],
    ids=str,
)
def test_bad_sizes_of_images(sizes):
    resizer = ImageResizer().fit([np.ones((2, 2))])
    with pytest.raises(ValueError, match=r"for each of the 2 samples.* Pass what get_sizes"):
        resizer.inverse_transform(np.ones((2, 2, 2)), sizes)


def test_bad_arguments():
    resizer = ImageResizer().fit([np.ones((3, 2))])
    words = r"samples of shape \(2, 3\), but ImageResizer makes samples of shape \(3, 2\)"
    with pytest.raises(ValueError, match=words):
        resizer.inverse_transform(np.ones((1, 2, 3)))
    for bad, words in (("a", "holds strings"), (1j, "Complex data"), (np.inf, "infinity")):
        with pytest.raises(ValueError, match=words):
            resizer.inverse_transform([[bad] * 6])


def test_sizes_beyond_memory():
    image = np.ones((2, 2))
    words = r"shape \(2, 100000, 100000\), of more than 2\*\*31 numbers.* set a smaller size"
    with pytest.raises(ValueError, match=words):
        ImageResizer((10**5, 10**5)).fit_transform([image, image])
    with pytest.raises(ValueError, match=r"of more than 2.*Pass what get_sizes returned"):
        ImageResizer().fit([image]).inverse_transform([image], [(10**5, 10**5)])
    with pytest.raises(ValueError, match="of more than 2"):
        ImageResizer((10**400, 2)).fit_transform([image])
