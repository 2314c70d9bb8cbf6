"""Images of different sizes to samples of one size, and back to their own sizes."""

from functools import lru_cache

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils.validation import check_is_fitted

from skae._data.checks import as_samples, entries_of, refuse_size
from skae._data.numbers import LARGEST, as_numbers
from skae._parameters import Sequence, is_count

RAGGED = "Each row of an image needs the same width, each pixel the same channels."
LEAST_OBSERVED = 0.5 - 1e-9  # of the weight of a new pixel; less than rounding below a half


class ImageResizer(TransformerMixin, BaseEstimator):
    """Images of different sizes to samples of one size, and back to their own sizes.

    Each new pixel is a mean of the pixels around its place, with weights that fall linearly
    to zero: bilinear interpolation where an image grows. Where it shrinks the weights reach as
    much farther as pixels become fewer, so that fine patterns blur and do not alias. Height
    and width are resized apart, so that proportions may change; an image that has the size
    already stays as it is. No pixel leaves the range of its image, and what other images stand
    beside one changes nothing.

    The sizes are not part of the samples: ask ``get_sizes`` for them, and hand them to
    ``inverse_transform``.

    Parameters
    ----------
    size : tuple of int (height, width) or None, default=None
        Size of the samples; None takes the medians of the heights and widths in ``fit``.

    Attributes
    ----------
    size_ : tuple of int (height, width)
        Size of the samples.
    n_channels_ : int or None
        Channels of an image; None for images without a third dimension.

    See Also
    --------
    SeriesPadder : The same for series of different lengths.
    AutoencoderTransformer : Takes such samples and gives their like back.

    Notes
    -----
    Missing pixels are NaN or masked. Means are taken over those that are there, and a new
    pixel is missing where they have less than half of the weight.

    In a pipeline ``sizes`` reach ``inverse_transform`` by scikit-learn's metadata routing, see
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

    _parameter_constraints = {"size": [Sequence("whole numbers", "(32, 32)"), None]}

    def __init__(self, size=None):
        self.size = size

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the size and the number of channels.

        Parameters
        ----------
        X : sequence of array-like of shape (height, width) or (height, width, n_channels)
            Images; or an array of shape (n_samples, height, width) or
            (n_samples, height, width, n_channels).
        y : object, default=None
            Ignored.

        Returns
        -------
        self : ImageResizer
            The fitted transformer.

        Raises
        ------
        ValueError
            For images without a pixel, of different channels, of no numbers (also spelt ones
            and times), or of numbers beyond float32; for a ``size`` that is no height and
            width.
        TypeError
            For anything but a sequence of arrays.
        """
        images = _images(X)
        channels = images[0].shape[2:]
        _check(images, channels)
        if self.size is None:
            medians = np.median([x.shape[:2] for x in images], axis=0)
            size = tuple(int(n) for n in np.rint(medians))
        else:
            size = _checked_size(self.size)
        self.size_, self.n_channels_ = size, channels[0] if channels else None
        return self

    def transform(self, X):
        """Return images as samples of one size.

        Parameters
        ----------
        X : sequence of array-like of shape (height, width) or (height, width, n_channels)
            Images, as in ``fit``.

        Returns
        -------
        X_resized : ndarray of shape (n_samples, height, width) or \
                (n_samples, height, width, n_channels_)
            Height and width are ``size_``. Float32 where all images are, else float64.

        Raises
        ------
        ValueError
            For images without a pixel, of other channels than in ``fit``, of no numbers, or of
            numbers beyond float32; for an array of more than 2**31 numbers.
        TypeError
            For anything but a sequence of arrays.
        """
        check_is_fitted(self)
        images = _images(X)
        _check(images, self._shape[2:])
        refuse_size(
            (len(images), *self._shape),
            f"Samples are of size_={self.size_}: set a smaller size, or transform fewer images "
            "at once.",
        )
        return np.stack([_resized(x, self.size_) for x in images])

    def inverse_transform(self, X, sizes=None):
        """Return samples as images of given sizes.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width) or \
                (n_samples, height, width, n_channels_)
            Samples, or their reconstructions; also as rows of raveled samples. Missing pixels
            are NaN.
        sizes : array-like of int of shape (n_samples, 2) or None, default=None
            Height and width of each image, as ``get_sizes`` returns them; None leaves samples
            at ``size_``.

        Returns
        -------
        X_original : ndarray of object of shape (n_samples,)
            Arrays of shape (height, width) or (height, width, n_channels_). Without ``sizes``
            one array of samples. Float32 where X is, else float64.

        Raises
        ------
        ValueError
            For arrays of another shape, for cells that are no numbers or beyond float32, and
            for ``sizes`` that are none, not one for each sample, or of more than 2**31 pixels.
        """
        check_is_fitted(self)
        X = as_samples(self, as_numbers(X, allow_inf=False), self._shape)
        if sizes is None:
            return X.copy()
        images = np.empty(len(X), dtype=object)
        for i, (x, size) in enumerate(zip(X, _checked_sizes(sizes, len(X)), strict=True)):
            refuse_size((*size, *x.shape[2:]), "Pass what get_sizes returned.")
            images[i] = _resized(x, size)
        return images

    def get_sizes(self, X):
        """Return the sizes of images, which ``inverse_transform`` takes.

        Parameters
        ----------
        X : sequence of array-like of shape (height, width) or (height, width, n_channels)
            Images, as in ``fit``; the transformer need not be fitted.

        Returns
        -------
        sizes : ndarray of int of shape (n_samples, 2)
            Height and width of each image.

        Raises
        ------
        ValueError
            For images without a pixel, of different channels, of no numbers, or of numbers
            beyond float32.
        TypeError
            For anything but a sequence of arrays.
        """
        images = _images(X)
        _check(images, images[0].shape[2:])
        return np.array([x.shape[:2] for x in images])

    @property
    def _shape(self):
        return self.size_ if self.n_channels_ is None else (*self.size_, self.n_channels_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags


def _images(X):
    """Return ``X`` as a list of arrays of one float dtype."""
    entries = entries_of(X, "images", "Pass a list of arrays, or one column of them.")
    images = [as_numbers(x, name=f"X[{i}]", if_ragged=RAGGED) for i, x in enumerate(entries)]
    dtype = np.result_type(*images)
    return [x.astype(dtype, copy=False) for x in images]


def _check(images, channels):
    for x in images:
        if x.ndim not in (2, 3) or x.size == 0:
            raise ValueError(
                "Images must be of shape (height, width) or (height, width, n_channels) with "
                f"at least one pixel and channel, got {x.shape}. Pass a list of them, also for "
                "a single one."
            )
        if x.shape[2:] != tuple(channels):
            raise ValueError(
                f"X has images of different channels: {x.shape[2:]} and {tuple(channels)}. "
                "Convert them to the same ones, for example to grey by their mean."
            )
        if np.any(np.abs(x) > LARGEST):
            raise ValueError(
                "Input X contains infinity or a value too large for dtype('float32'). Mark "
                "missing pixels by NaN."
            )


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
    """Return one image, (height, width) or (height, width, n_channels), resized."""
    if x.shape[:2] == size:
        return x.copy()
    grids = np.moveaxis(x.reshape(*x.shape[:2], -1), -1, 0).astype(np.float64)
    is_there = ~np.isnan(grids)
    means = _means(np.where(is_there, grids, 0.0), size)
    if not is_there.all():
        share = _means(is_there.astype(np.float64), size)
        means = np.divide(means, share, where=share > 0, out=means)
        means[share < LEAST_OBSERVED] = np.nan
    ends = [np.where(is_there, grids, fill) for fill in (np.inf, -np.inf)]
    lower, upper = ends[0].min(axis=(1, 2)), ends[1].max(axis=(1, 2))
    means = np.clip(means, lower[:, None, None], upper[:, None, None])  # but for rounding
    return np.moveaxis(means, 0, -1).reshape(*size, *x.shape[2:]).astype(x.dtype)


def _means(grids, size):
    """Return grids (n, height, width) with weighted means of their cells: (n, *size)."""
    rows, columns = (_weights(*pair) for pair in zip(grids.shape[1:], size, strict=True))
    return rows @ grids @ columns.T


@lru_cache(maxsize=64)
def _weights(n_in, n_out):
    """Return the weights (n_out, n_in) of old cells in new ones along one side.

    Triangles around the places of the new cells, as wide as the wider ones of both.
    """
    ratio = n_in / n_out
    places = (np.arange(n_out)[:, None] + 0.5) * ratio
    distances = np.abs(places - np.arange(n_in) - 0.5) / max(ratio, 1.0)
    weights = np.clip(1.0 - distances, 0.0, None)
    weights /= weights.sum(axis=1, keepdims=True)
    weights.setflags(write=False)
    return weights
