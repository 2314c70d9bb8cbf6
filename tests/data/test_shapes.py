"""Samples of more than one dimension go in and come back as they were."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderImputer, AutoencoderOutlierDetector
from skae.architectures import Conv1d, Conv2d, Recurrent
from skae.architectures.conv import _convolved, _doubled


@pytest.fixture(scope="module")
def images():
    """Smooth images (60, 4, 6) and noise."""
    rng = np.random.default_rng(0)
    waves = np.sin(np.arange(6) * rng.uniform(0.3, 1.0, (60, 1, 1)) + np.arange(4)[:, None])
    return waves + 0.05 * rng.normal(size=(60, 4, 6))


def test_every_method_takes_and_gives_samples(quick, images):
    flat = images.reshape(60, 24)
    estimator, table = quick().fit(images), quick().fit(flat)
    assert estimator.sample_shape_ == (4, 6) and table.sample_shape_ == (24,)
    assert estimator.n_features_in_ == 24
    Z = estimator.transform(images)
    assert_array_equal(Z, table.transform(flat))
    assert_array_equal(Z, estimator.transform(flat))
    back = estimator.inverse_transform(Z)
    assert back.shape == images.shape
    assert_array_equal(back.reshape(60, 24), table.inverse_transform(Z))
    assert estimator.score(images) == table.score(flat)
    assert_array_equal(estimator.score_samples(images), table.score_samples(flat))
    assert estimator.sample(5, random_state=0).shape == (5, 4, 6)


def test_missing_cells_keep_their_places(quick, images):
    holes = images.copy()
    holes[:, 1, 2] = np.nan
    filled = quick().fit(images).impute(holes)
    assert_array_equal(
        np.delete(filled.reshape(60, 24), 8, axis=1),
        np.delete(images.reshape(60, 24), 8, axis=1),
    )
    assert np.isfinite(filled).all()


def test_lists_of_arrays_are_samples(quick, images):
    Z = quick().fit(images).transform(images)
    assert_array_equal(quick().fit(list(images)).transform(list(images)), Z)


def test_rows_with_a_shape_stay_rows(quick, images):
    """In a pipeline the steps before are given back what they made."""
    flat = images.reshape(60, 24)
    ae = quick(architecture=Conv2d(channels=(2,)), sample_shape=(4, 6))
    pipeline = make_pipeline(StandardScaler(), ae).fit(flat)
    back = pipeline.inverse_transform(pipeline.transform(flat))
    assert back.shape == (60, 24)
    assert pipeline[-1].sample_shape_ == (4, 6)


def test_float32_stays(quick, images):
    estimator = quick().fit(images.astype(np.float32))
    Z = estimator.transform(images.astype(np.float32))
    assert Z.dtype == estimator.inverse_transform(Z).dtype == np.float32


def test_held_out_samples(quick, images):
    estimator = quick(architecture=Conv2d(channels=(2,))).fit(images[:40], X_val=images[40:])
    assert len(estimator.validation_curve_) > 1


@pytest.mark.parametrize("make", [Conv1d, Recurrent])
def test_channels_first_is_a_matter_of_layout(images, make):
    """The same weights make the same of a sample, whichever way it lies."""
    small = {"channels": (2,)} if make is Conv1d else {"units": 3}
    sizes = dict(n_inputs=24, n_outputs=24, n_components=2, n_encoded=2, zero_start=False)
    sizes |= dict(hidden_layer_sizes=(5,), activation="tanh", reads_mask=False)
    last = make(**small).network(sample_shape=(4, 6), **sizes)
    first = make(channels_first=True, **small).network(sample_shape=(6, 4), **sizes)
    params, sample = last.init(np.random.default_rng(0)), images[0].astype(np.float32)
    z = last.encode(params, sample.ravel())
    assert_array_equal(first.encode(params, sample.T.ravel()), z)
    back = last.decode(params, z, np.ones(2), sample.ravel()).reshape(4, 6)
    turned = first.decode(params, z, np.ones(2), sample.T.ravel()).reshape(6, 4)
    assert_array_equal(turned.T, back)


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("sizes", [(7, 6), (9,)])
def test_convolutions_by_their_definition(kernel_size, sizes):
    """Halved: every other cell of the convolution. Doubled: repeat each cell, then convolve."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(*sizes, 2)).astype(np.float32)
    kernel = rng.normal(size=(*(kernel_size,) * len(sizes), 2, 3)).astype(np.float32)
    every_other = (slice(None, None, 2),) * len(sizes)
    assert_allclose(_convolved(x, kernel, 2), convolved(x, kernel)[every_other], atol=1e-4)
    small = rng.normal(size=(*sizes, 2)).astype(np.float32)
    large = small
    for axis in range(len(sizes)):
        large = large.repeat(2, axis=axis)
    cut = tuple(2 * size - 1 for size in sizes)
    expected = convolved(large, kernel)[tuple(map(slice, cut))]
    assert_allclose(_doubled(small, kernel, cut), expected, atol=1e-4)


def convolved(x, kernel):
    """Return the convolution of a grid with zeros around it, one cell after another."""
    half, sizes = kernel.shape[0] // 2, x.shape[:-1]
    padded = np.pad(x, [(half, half)] * len(sizes) + [(0, 0)])
    out = np.zeros((*sizes, kernel.shape[-1]))
    for place in np.ndindex(*sizes):
        part = padded[tuple(slice(i, i + kernel.shape[0]) for i in place)]
        out[place] = np.tensordot(part, kernel, part.ndim)
    return out


def test_another_shape_is_refused(quick, images):
    estimator = quick().fit(images)
    words = r"X has samples of shape \(6, 4\), but AutoencoderTransformer was fitted with"
    for method in ("transform", "score", "impute"):
        with pytest.raises(ValueError, match=words):
            getattr(estimator, method)(images.swapaxes(1, 2))
    with pytest.raises(ValueError, match="X has 23 features, but"):
        estimator.transform(images.reshape(60, 24)[:, 1:])
    with pytest.raises(ValueError, match="Found array with dim 3"):
        estimator.inverse_transform(images)


def test_a_table_is_no_image(quick, X):
    for name in ("conv2d", "conv1d", "recurrent"):
        fitted_on = X if name == "conv2d" else X.reshape(-1, 2, 2, 1)
        with pytest.raises(ValueError, match=f"architecture='{name}' needs samples of shape"):
            quick(architecture=name).fit(fitted_on)


@pytest.mark.parametrize(
    "architecture, words",
    [
        (Conv2d(kernel_size=5), "kernel_size must be odd, and at most the 4 values"),
        (Conv2d(kernel_size=2), "kernel_size must be odd"),
        (Conv2d(kernel_size=0), "The 'kernel_size' parameter of Conv2d must be an int"),
        (Conv2d(channels=()), "channels must hold whole numbers above 0"),
        (Conv2d(channels=(4, 0.5)), "channels must hold whole numbers above 0"),
        (Conv2d(channels_first=1), "The 'channels_first' parameter of Conv2d must be"),
    ],
)
def test_impossible_convolutions(quick, images, architecture, words):
    with pytest.raises(ValueError, match=words):
        quick(architecture=architecture).fit(images)


@pytest.mark.parametrize(
    "architecture, words",
    [
        (Recurrent(cell="rnn"), "The 'cell' parameter of Recurrent must be"),
        (Recurrent(units=0), "The 'units' parameter of Recurrent must be"),
        (Recurrent(step_size=0), "The 'step_size' parameter of Recurrent must be"),
    ],
)
def test_impossible_recurrences(quick, images, architecture, words):
    with pytest.raises(ValueError, match=words):
        quick(architecture=architecture).fit(images)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_recurrent_cells(quick, images, cell):
    """Both learn, from one end or both, in steps that do not divide the series."""
    settings = {"cv": None, "max_iter": 20, "learning_rate": 1e-2, "n_components": 1}
    pca = quick(cv=None, learning_rate=1e-12, n_components=1).fit(images).score(images)
    for bidirectional, step_size in ((True, None), (False, 3)):
        net = Recurrent(cell, 6, bidirectional, step_size)
        assert quick(architecture=net, **settings).fit(images).score(images) > pca + 0.01


@pytest.mark.parametrize("shape", [(4, 0), (2.0, 2.0), (True, 4), (), (-2, -2)])
def test_no_shape(quick, X, shape):
    with pytest.raises(ValueError, match="sample_shape must hold whole numbers above 0"):
        quick(sample_shape=shape).fit(X)


def test_sample_shape_must_agree(quick, images):
    with pytest.raises(ValueError, match=r"sample_shape=\(6, 4\), but the samples of X"):
        quick(sample_shape=(6, 4)).fit(images)
    with pytest.raises(ValueError, match=r"sample_shape=\(5, 5\) stands for 25 values"):
        quick(sample_shape=(5, 5)).fit(images.reshape(60, 24))


def test_warm_start_keeps_the_shape(quick, images):
    estimator = quick(warm_start=True).fit(images)
    with pytest.raises(ValueError, match="shape of samples"):
        estimator.fit(images.swapaxes(1, 2))


def test_the_imputer_and_the_detector_take_samples(quick, images):
    holes = images.copy()
    holes[::3, 1, 2] = np.nan
    imputer = AutoencoderImputer(quick(), add_indicator=True).fit(holes)
    table = AutoencoderImputer(quick(), add_indicator=True).fit(holes.reshape(60, 24))
    expected = table.transform(holes.reshape(60, 24))
    assert expected.shape == (60, 25)
    assert_array_equal(imputer.transform(holes), expected)
    plain = AutoencoderImputer(quick()).fit(holes).transform(holes)
    assert plain.shape == images.shape
    assert_array_equal(plain.reshape(60, 24), expected[:, :24])
    detector = AutoencoderOutlierDetector(quick()).fit(images)
    flat = AutoencoderOutlierDetector(quick()).fit(images.reshape(60, 24))
    assert_array_equal(detector.predict(images), flat.predict(images.reshape(60, 24)))


def test_a_rectified_fit_goes_on_beside_the_same_pca(quick, images):
    """Its projection keeps the axes that PCA is compared with, not only those it uses."""
    settings = {"architecture": Conv2d(channels=(2,)), "code_activation": "relu"}
    settings |= {"n_components": 4, "cv": None, "warm_start": True}
    estimator = quick(**settings).fit(images)
    axes, ratio = estimator.components_, estimator.error_ratio_
    estimator.set_params(max_iter=1, learning_rate=1e-12).fit(images)
    assert_allclose(estimator.components_, axes, atol=1e-6)
    assert_allclose(estimator.error_ratio_, ratio, rtol=1e-3)


def test_raveled_rows_go_on_from_samples(quick, images):
    estimator = quick(warm_start=True).fit(images).fit(images.reshape(60, 24))
    assert estimator.sample_shape_ == (4, 6)
    assert estimator.inverse_transform(estimator.transform(images)).shape == images.shape


def test_one_model_takes_several_resolutions(quick, images):
    """Half of the images end after three of six columns: NaN beyond, no part of the means."""
    padded = images.copy()
    padded[::2, :, 3:] = np.nan
    pooled = quick(architecture=Conv2d(channels=(3,), pooling="mean"), max_iter=20).fit(padded)
    back = pooled.inverse_transform(pooled.transform(padded))
    seen = ~np.isnan(padded)
    left = np.square(back - padded)[seen].sum()
    assert left < 0.5 * np.square(padded - np.nanmean(padded, axis=0))[seen].sum()
    network, params = pooled._fitted.model.network, pooled._fitted.model.params
    assert params["encoder"]["trunk"][0]["kernel"].shape[0] == 3
    marks = np.isnan(padded[0]).astype(np.float32)[:, :, None]
    features = np.arange(2 * 3 * 3, dtype=np.float32).reshape(2, 3, 3)  # of the halved grid
    means = network._pooled(features, [marks])
    weight = np.array([1.0, 0.5, 0.0])[:, None]  # of its columns: the second is half there
    assert_allclose(means, (weight * features).sum(axis=(0, 1)) / 3.0, rtol=1e-5)
