"""Series of different lengths to samples of one shape, and back to their own lengths."""

from numbers import Integral

import numpy as np

from skae._data.numbers import as_numbers
from skae._data.parameters import Number
from skae.encoders._base import SampleEncoder, channels_of, list_of, refuse_longer

RAGGED = "Each series needs the same channels at all timepoints."
AXES = ("n_timepoints",)


class SeriesPadder(SampleEncoder):
    """Pad series of different lengths to one length; decoding restores their lengths.

    Values beyond the end of a series are missing (NaN), and an ``AutoencoderTransformer``
    leaves them out of its loss. One more channel marks the observed part, so that a code holds
    the length too: it is ``scale_`` up to the end and 0 beyond. Neither the other series nor
    the padding of an array changes an encoded sample.

    Parameters
    ----------
    length : int or None, default=None
        Number of timepoints of a sample. None takes that of the longest series in ``fit``.
        Longer series are refused.
    channels_first : bool, default=False
        Series are of shape (n_channels, n_timepoints), and a single array of shape
        (n_samples, n_channels, n_timepoints), as in PyTorch, aeon and sktime. Decoded series
        are, too; encoded samples have their channels last in any case, as the architectures
        take them.

    Attributes
    ----------
    length_ : int
        Number of timepoints of a sample.
    n_channels_ : int or None
        Number of channels of a series; None for series without a second dimension.
    scale_ : float
        Standard deviation of all values in ``fit``; 1 if they are all equal.

    See Also
    --------
    TokenEncoder : The same for texts.
    AutoencoderTransformer : Takes and returns such samples.

    Notes
    -----
    X is a sequence of arrays of shape (n_timepoints,) or (n_timepoints, n_channels), in which
    missing values are NaN; or one array of shape (n_samples, n_timepoints, n_channels), in
    which a series ends at its last timepoint that has a value. Anything else raises TypeError.
    Series raise ValueError if they are empty, of different numbers of channels or longer than
    the length, or hold times, text (also numbers as text) or numbers beyond float32.

    ``transform`` returns float64 of shape (n_samples, `length_`, `n_channels_` + 1).
    ``inverse_transform`` returns an object array of shape (n_samples,) of series. A series ends
    when its last channel falls below half of ``scale_``. If it does so more than once, the
    series ends at the timepoint that contradicts the fewest values of that channel. No series
    is empty. It raises ValueError if the last channel is missing.

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

    length_: int
    n_channels_: int | None
    scale_: float

    _parameter_constraints = {
        "length": [Number(Integral, 1, None, closed="left"), None],
        "channels_first": ["boolean"],
    }
    _input_tags = {"two_d_array": False, "three_d_array": True}
    _refused = {"dtype": np.float64, "allow_inf": False}

    def __init__(self, length: int | None = None, *, channels_first: bool = False):
        self.length = length
        self.channels_first = channels_first

    def _learn(self, X):
        series = _read(X, channels_first=self.channels_first)
        channels = channels_of(series, AXES)
        longest = max(map(len, series))
        self.length_ = longest if self.length is None else int(self.length)
        refuse_longer(map(len, series), self.length_, "timepoints")
        values = np.concatenate([x.ravel() for x in series])
        spread = float(np.nanstd(values)) if np.isfinite(values).any() else 0.0
        self.n_channels_ = channels[0] if channels else None
        self.scale_ = spread if spread > 0 else 1.0

    def _encode(self, X):
        series = _read(X, channels_first=self.channels_first)
        channels_of(series, AXES, self._channels)
        refuse_longer(map(len, series), self.length_, "timepoints")
        padded = np.full(self._checked_shape(len(series)), np.nan)
        padded[:, :, -1] = 0.0
        for sample, x in zip(padded, series, strict=True):
            sample[: len(x), :-1] = x.reshape(len(x), -1)
            sample[: len(x), -1] = self.scale_
        return padded

    def _decode(self, samples):
        if np.isnan(samples[:, :, -1]).any():
            raise ValueError(
                "The last channel of X, which marks the end of a series, contains NaN. Pass "
                "what transform or an autoencoder returned."
            )
        lengths = 1 + np.cumsum(samples[:, :, -1] - self.scale_ / 2, axis=1).argmax(axis=1)
        series = np.empty(len(samples), dtype=object)
        for i, (x, n) in enumerate(zip(samples, lengths, strict=True)):
            one = x[:n, :-1].reshape(n, *self._channels)
            series[i] = np.ascontiguousarray(one.T) if self.channels_first else one
        return series

    @property
    def _channels(self):
        return () if self.n_channels_ is None else (self.n_channels_,)

    @property
    def _sample_shape(self):
        return self.length_, (self.n_channels_ or 1) + 1


def _read(X, *, channels_first):
    """Return series as a list of float64 arrays, without the padding of a single array.

    Their channels are last.
    """
    entries = list_of("series", X)
    if isinstance(X, np.ndarray) and X.dtype != object:
        X = as_numbers(X, dtype=np.float64, allow_inf=False)
        return [_without_padding(x.T if channels_first else x) for x in X]
    given = {"dtype": np.float64, "allow_inf": False, "if_ragged": RAGGED}
    series = [as_numbers(x, name=f"X[{i}]", **given) for i, x in enumerate(entries)]
    return [x.T for x in series] if channels_first else series


def _without_padding(x):
    if x.ndim == 0 or x.size == 0:
        return x
    observed = ~np.isnan(x.reshape(len(x), -1)).all(axis=1)
    return x[: len(x) - observed[::-1].argmax()] if observed.any() else x[:0]
