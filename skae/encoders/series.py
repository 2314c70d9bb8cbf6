"""Series of different lengths to samples of one shape, and back to their own lengths."""

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils.validation import check_is_fitted

from skae._data.checks import as_samples, entries_of, refuse_size
from skae._data.numbers import as_numbers
from skae._parameters import Number

RAGGED = "Each series needs the same channels at all timepoints."


class SeriesPadder(TransformerMixin, BaseEstimator):
    """Series of different lengths to samples of one length, and back to their own lengths.

    What lies beyond the end of a series is missing (NaN), which an ``AutoencoderTransformer``
    leaves out of its loss. One more channel says where the series is there, so that a code
    holds the length too: it is ``scale_`` up to the end and 0 beyond. What other series stand
    beside one, and how far an array pads it, changes nothing.

    Parameters
    ----------
    length : int or None, default=None
        Timepoints of a sample; None takes those of the longest series in ``fit``. Longer series
        are refused.

    Attributes
    ----------
    length_ : int
        Timepoints of a sample.
    n_channels_ : int or None
        Channels of a series; None for series without a second dimension.
    scale_ : float
        Standard deviation of all cells in ``fit``; 1 where they are all alike.

    See Also
    --------
    TokenEncoder : The same for texts.
    AutoencoderTransformer : Takes such samples and gives their like back.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.encoders.series import SeriesPadder
    >>> series = [np.arange(3.0), np.arange(5.0)]
    >>> padder = SeriesPadder().fit(series)
    >>> X = padder.transform(series)
    >>> X.shape
    (2, 5, 2)
    >>> [len(x) for x in padder.inverse_transform(X)]
    [3, 5]
    """

    _parameter_constraints = {"length": [Number(Integral, 1, None, closed="left"), None]}

    def __init__(self, length=None):
        self.length = length

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the length, the number of channels and the scale.

        Parameters
        ----------
        X : sequence of array-like of shape (n_timepoints,) or (n_timepoints, n_channels)
            Series; or an array of shape (n_samples, n_timepoints, n_channels), in which the
            last timepoints of a series are NaN in all channels where it is shorter. Other
            missing cells are NaN.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : SeriesPadder
            The fitted transformer.

        Raises
        ------
        ValueError
            For series without a timepoint, of different numbers of channels, longer than
            ``length``, of no numbers (also spelt ones and times), or of numbers beyond float32.
        TypeError
            For anything but a sequence of arrays.
        """
        series = _series(X)
        n_channels = series[0].shape[1:]
        _check(series, n_channels, np.inf if self.length is None else int(self.length))
        length = max(map(len, series)) if self.length is None else int(self.length)
        cells = np.concatenate([x.ravel() for x in series])
        spread = float(np.nanstd(cells)) if np.isfinite(cells).any() else 0.0
        self.length_ = length
        self.n_channels_ = n_channels[0] if n_channels else None
        self.scale_ = spread if spread > 0 else 1.0
        return self

    def transform(self, X):
        """Return series as samples of one length.

        Parameters
        ----------
        X : sequence of array-like of shape (n_timepoints,) or (n_timepoints, n_channels)
            Series, as in ``fit``.

        Returns
        -------
        X_padded : ndarray of shape (n_samples, length_, n_channels_ + 1), float64
            Cells, NaN beyond the end, and the channel that says where the end is.

        Raises
        ------
        ValueError
            For series of another number of channels, longer than ``length_``, of no numbers, or
            of numbers beyond float32; for an array of more than 2**31 numbers.
        TypeError
            For anything but a sequence of arrays.
        """
        check_is_fitted(self)
        series = _series(X)
        _check(series, self._shape, self.length_)
        shape = (len(series), self.length_, (self.n_channels_ or 1) + 1)
        refuse_size(
            shape,
            f"The longest series decides (length_={self.length_}): cut long ones and set "
            "length, or transform fewer series at once.",
        )
        padded = np.full(shape, np.nan)
        padded[:, :, -1] = 0.0
        for sample, x in zip(padded, series, strict=True):
            sample[: len(x), :-1] = x.reshape(len(x), -1)
            sample[: len(x), -1] = self.scale_
        return padded

    def inverse_transform(self, X):
        """Return the series that samples stand for, each of its own length.

        Parameters
        ----------
        X : array-like of shape (n_samples, length_, n_channels_ + 1)
            Samples, or their reconstructions; also as rows of raveled samples. A series ends
            where its last channel falls below half of ``scale_``; if it does so more than
            once, at the place that disagrees with the fewest timepoints. None is empty.

        Returns
        -------
        X_original : ndarray of object of shape (n_samples,)
            Arrays of shape (n_timepoints,) or (n_timepoints, n_channels_).

        Raises
        ------
        ValueError
            For arrays of another shape, for numbers beyond float32, and where the last channel
            is missing.
        """
        check_is_fitted(self)
        shape = (self.length_, (self.n_channels_ or 1) + 1)
        X = as_samples(self, as_numbers(X, dtype=np.float64, allow_inf=False), shape)
        if np.isnan(X[:, :, -1]).any():
            raise ValueError(
                "The last channel of X, which says where a series ends, contains NaN. Pass "
                "what transform or an autoencoder returned."
            )
        lengths = 1 + np.cumsum(X[:, :, -1] - self.scale_ / 2, axis=1).argmax(axis=1)
        series = np.empty(len(X), dtype=object)
        for i, (x, n) in enumerate(zip(X, lengths, strict=True)):
            series[i] = x[:n, :-1].reshape(n, *self._shape)
        return series

    @property
    def _shape(self):
        return () if self.n_channels_ is None else (self.n_channels_,)


def _series(X):
    """Return ``X`` as a list of float64 arrays, without the padding of an array of all."""
    entries = entries_of(X, "series", "Pass a list of arrays, or one column of them.")
    if isinstance(X, np.ndarray) and X.dtype != object:
        return [_without_padding(x) for x in as_numbers(X, dtype=np.float64, allow_inf=False)]
    return [
        as_numbers(x, name=f"X[{i}]", dtype=np.float64, allow_inf=False, if_ragged=RAGGED)
        for i, x in enumerate(entries)
    ]


def _without_padding(x):
    if x.ndim == 0 or x.size == 0:
        return x
    is_there = ~np.isnan(x.reshape(len(x), -1)).all(axis=1)
    return x[: len(x) - is_there[::-1].argmax()] if is_there.any() else x[:0]


def _check(series, n_channels, length):
    for x in series:
        if x.ndim not in (1, 2) or x.size == 0:
            raise ValueError(
                "Series must be of shape (n_timepoints,) or (n_timepoints, n_channels) with at "
                f"least one timepoint and channel, got {x.shape}."
            )
        if x.shape[1:] != tuple(n_channels):
            raise ValueError(
                f"X has series of different channels: {x.shape[1:]} and {tuple(n_channels)}. "
                "Pass series of the same ones; cells may be NaN."
            )
        if len(x) > length:
            raise ValueError(
                f"X has a series of {len(x)} timepoints, but the length is {length}. Cut it, "
                "or fit with a greater length."
            )
