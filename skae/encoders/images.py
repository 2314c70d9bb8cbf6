"""Images of different sizes to samples of one size, and back to their own sizes."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from skae._data.numbers import LARGEST, as_numbers
from skae._data.parameters import Sequence, is_count
from skae.encoders._base import SampleEncoder, channels_of, list_of, refuse_large_array

RAGGED = "Each row of an image needs the same width, each pixel the same channels."
AXES = ("height", "width")
LEAST_OBSERVED = 0.5 - 1e-9  # of the weight of a new pixel; less than rounding below a half


class ImageResizer(SampleEncoder):
    """Resize images of different sizes to one size, and back to their own sizes.

    Each new pixel is a mean of the pixels around it, with weights that fall linearly to zero:
    bilinear interpolation if an image grows. If it shrinks, the weights reach farther in
    proportion, so that fine patterns blur and do not alias. Height and width are resized
    separately, so proportions may change. An image that already has the size stays as it is. No
    pixel leaves the range of its image, and other images do not change it.

    Encoded samples do not hold the sizes: ask ``get_sizes`` for them, and pass them to
    ``inverse_transform``.

    Parameters
    ----------
    size : tuple of int (height, width) or None, default=None
        Size of the samples. None takes the medians of the heights and widths in ``fit``.

    Attributes
    ----------
    size_ : tuple of int (height, width)
        Size of the samples.
    n_channels_ : int or None
        Number of channels of an image; None for images without a third dimension.

    See Also
    --------
    SeriesPadder : The same for series of different lengths.
    AutoencoderTransformer : Takes and returns such samples.

    Notes
    -----
    X is a sequence of arrays of shape (height, width) or (height, width, n_channels), or an
    array of such images; anything else raises TypeError. Images raise ValueError if they are
    empty or of different channels, or hold times, text (also numbers as text) or numbers beyond
    float32. Missing pixels are NaN or masked. Means are taken over the observed ones, and a new
    pixel is missing if these have less than half of the weight.

    ``transform`` returns an array of shape (n_samples, height, width) or (n_samples, height,
    width, `n_channels_`): float32 if all images are, otherwise float64.

    In a pipeline, ``sizes`` reach ``inverse_transform`` by scikit-learn's metadata routing, see
    the second example.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.encoders.images import ImageResizer
    >>> images = [np.ones((4, 6)), np.eye(5), np.zeros((9, 5))]
    >>> resizer = ImageResizer().fit(images)
    >>> X = resizer.transform(images)
    >>> X.shape
    (3, 5, 5)
    >>> sizes = resizer.get_sizes(images)
    >>> [x.shape for x in resizer.inverse_transform(X, sizes)]
    [(4, 6), (5, 5), (9, 5)]

    >>> import sklearn
    >>> from sklearn.pipeline import make_pipeline
    >>> from skae import AutoencoderTransformer
    >>> ae = AutoencoderTransformer(1, max_iter=2, cv=None)
    >>> with sklearn.config_context(enable_metadata_routing=True):
    ...     resizer = ImageResizer().set_inverse_transform_request(sizes=True)
    ...     pipeline = make_pipeline(resizer, ae).fit(images)
    ...     back = pipeline.inverse_transform(pipeline.transform(images), sizes=sizes)
    >>> [x.shape for x in back]
    [(4, 6), (5, 5), (9, 5)]
    """

    size_: tuple[int, int]
    n_channels_: int | None

    _parameter_constraints = {"size": [Sequence("whole numbers", "(32, 32)"), None]}
    _size = "size"
    _input_tags = {"two_d_array": False, "three_d_array": True}

    def __init__(self, size: tuple[int, int] | None = None):
        self.size = size

    def _learn(self, X):
        images = _read(X)
        channels = channels_of(images, AXES)
        if self.size is None:
            medians = np.median([x.shape[:2] for x in images], axis=0)
            self.size_ = tuple(int(n) for n in np.rint(medians))
        else:
            self.size_ = _checked_size(self.size)
        self.n_channels_ = channels[0] if channels else None

    def _encode(self, X):
        images = _read(X)
        channels_of(images, AXES, self._sample_shape[2:])
        self._checked_shape(len(images))
        return np.stack([_resized(x, self.size_) for x in images])

    def inverse_transform(self, X: ArrayLike, sizes: ArrayLike | None = None) -> NDArray:
        """Return samples as images of given sizes.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width) or \
                (n_samples, height, width, `n_channels_`)
            Samples, or their reconstructions, or raveled samples. Missing pixels are NaN.
        sizes : array-like of int of shape (n_samples, 2) or None, default=None
            Height and width of each image, from ``get_sizes``. None leaves samples at
            ``size_``.

        Returns
        -------
        X_original : ndarray of object of shape (n_samples,)
            Arrays of shape (height, width) or (height, width, `n_channels_`); without ``sizes``
            one array of samples. Float32 if X is, otherwise float64.

        Raises
        ------
        ValueError
            If X has another shape, or values that are not numbers or beyond float32; if
            ``sizes`` are not one pair for each sample, or of more than 2**31 pixels.
        """
        check_is_fitted(self)
        samples = self._samples(X)
        if sizes is None:
            return samples.copy()
        images = np.empty(len(samples), dtype=np.object_)
        for i, size in enumerate(_checked_sizes(sizes, len(samples))):
            refuse_large_array((*size, *samples.shape[3:]), "Pass what get_sizes returned.")
            images[i] = _resized(samples[i], size)
        return images

    def get_sizes(self, X: Any) -> NDArray[np.intp]:
        """Return the sizes of images, which ``inverse_transform`` takes.

        Parameters
        ----------
        X : sequence of array-like
            Images, as in ``fit``; the transformer need not be fitted.

        Returns
        -------
        sizes : ndarray of int of shape (n_samples, 2)
            Height and width of each image.

        Raises
        ------
        ValueError
            If ``fit`` would refuse the images.
        TypeError
            If X is not a sequence of arrays.
        """
        images = _read(X)
        channels_of(images, AXES)
        return np.array([x.shape[:2] for x in images])

    @property
    def _sample_shape(self):
        return self.size_ if self.n_channels_ is None else (*self.size_, self.n_channels_)


def _read(X):
    """Return images as a list of arrays of one float dtype."""
    entries = list_of("images", X)
    images = [as_numbers(x, name=f"X[{i}]", if_ragged=RAGGED) for i, x in enumerate(entries)]
    for x in images:
        if np.any(np.abs(x) > LARGEST):
            raise ValueError(
                "Input X contains infinity or a value too large for dtype('float32'). Mark "
                "missing pixels by NaN."
            )
    dtype = np.result_type(*images)
    return [x.astype(dtype, copy=False) for x in images]


def _checked_size(size):
    """Return ``size`` as a pair of ints, or raise ValueError."""
    pair = tuple(size) if isinstance(size, list | tuple | np.ndarray) else ()
    if len(pair) != 2 or not all(map(is_count, pair)):
        raise ValueError(
            f"size must be (height, width), whole numbers above 0, got {size!r}. None takes "
            "the medians of the sizes in fit."
        )
    return tuple(int(n) for n in pair)


def _checked_sizes(sizes, n_samples):
    """Return ``sizes`` as pairs of ints, one for each sample, or raise ValueError."""
    array = np.asarray(sizes if not np.ma.is_masked(sizes) else ())
    if array.shape != (n_samples, 2) or array.dtype.kind not in "iu" or (array < 1).any():
        raise ValueError(
            f"sizes must hold a height and a width for each of the {n_samples} samples, whole "
            f"numbers above 0 of shape {(n_samples, 2)}, got {array.dtype} of shape "
            f"{array.shape}. Pass what get_sizes returned for these images."
        )
    return [tuple(pair) for pair in array.tolist()]


def _resized(x, size):
    """Return an image (height, width) or (height, width, n_channels), resized."""
    if x.shape[:2] == size:
        return x.copy()
    grids = np.moveaxis(x.reshape(*x.shape[:2], -1), -1, 0).astype(np.float64)
    observed = ~np.isnan(grids)
    means = _means(np.where(observed, grids, 0.0), size)
    if not observed.all():
        share = _means(observed.astype(np.float64), size)
        means = np.divide(means, share, where=share > 0, out=means)
        means[share < LEAST_OBSERVED] = np.nan
    lower = np.where(observed, grids, np.inf).min(axis=(1, 2), keepdims=True)
    upper = np.where(observed, grids, -np.inf).max(axis=(1, 2), keepdims=True)
    means = np.clip(means, lower, upper)  # rounding may have left the range
    return np.moveaxis(means, 0, -1).reshape(*size, *x.shape[2:]).astype(x.dtype)


def _means(grids, size):
    """Return grids (n, height, width) as grids (n, *size) of weighted means."""
    rows, columns = (_weights(*pair) for pair in zip(grids.shape[1:], size, strict=True))
    return rows @ grids @ columns.T


@lru_cache(maxsize=64)
def _weights(n_in, n_out):
    """Return the weights (n_out, n_in) of old pixels in new ones along one axis.

    Triangles around the new pixels, as wide as the wider ones of both.
    """
    ratio = n_in / n_out
    centres = (np.arange(n_out)[:, None] + 0.5) * ratio
    distances = np.abs(centres - np.arange(n_in) - 0.5) / max(ratio, 1.0)
    weights = np.clip(1.0 - distances, 0.0, None)
    weights /= weights.sum(axis=1, keepdims=True)
    weights.setflags(write=False)
    return weights
