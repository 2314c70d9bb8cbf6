"""What the encoders share: fit, transform and inverse_transform around hooks; their checks."""

import math
from collections.abc import Iterable, Mapping, Set
from copy import copy
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skae._data.numbers import as_numbers
from skae._runtime.pickles import VersionedPickles

NO_SEQUENCES = (str, bytes, bytearray, Mapping, Set, np.matrix)
MOST_NUMBERS = 2**31  # in an array of encoded samples


class SampleEncoder(VersionedPickles, TransformerMixin, BaseEstimator):
    """Base of the encoders: samples to an array of numbers, and back.

    Subclasses define ``_learn(X)``, which sets the fitted attributes, ``_encode(X)``,
    ``_decode(numbers)`` and ``_sample_shape``, the shape of an encoded sample.
    """

    _size = "length"  # the parameter that sets the size of encoded samples
    _input_tags: dict = {}
    _refused: dict = {"allow_inf": False}  # by inverse_transform

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn how to encode samples like ``X``.

        Parameters
        ----------
        X : object
            Training samples, as the class describes them.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : object
            The fitted encoder.

        Raises
        ------
        ValueError
            If samples are not valid, see the notes of the class. The encoder is then what it
            was before.
        TypeError
            If ``X`` is not a container of samples.
        """
        fitted = copy(self)
        fitted._learn(X)
        self.__dict__ = fitted.__dict__
        return self

    def transform(self, X: Any) -> NDArray:
        """Encode samples.

        Parameters
        ----------
        X : object
            Samples like those of ``fit``.

        Returns
        -------
        X_encoded : ndarray of shape (n_samples, ...)
            Encoded samples, as the class describes them.

        Raises
        ------
        ValueError
            If samples differ from those of ``fit``, or would become an array of more than
            2**31 numbers.
        TypeError
            If ``X`` is not a container of samples.
        """
        check_is_fitted(self)
        return self._encode(X)

    def inverse_transform(self, X: Any) -> Any:
        """Decode samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            What ``transform`` returned, or a reconstruction of it; or its raveled samples.

        Returns
        -------
        X_original : object
            Samples like those of ``fit``, as the class describes them.

        Raises
        ------
        ValueError
            If samples have another shape, or their values are not numbers that float32 holds.
        """
        check_is_fitted(self)
        return self._decode(self._samples(X))

    def make_loss(self, of_numbers: Any = "squared_error") -> Any:
        """Return the loss with which an AutoencoderTransformer fits encoded samples.

        Parameters
        ----------
        of_numbers : str or loss, default="squared_error"
            The loss of numbers. Categories and tokens have the categorical loss.

        Returns
        -------
        loss : str or loss
            To be passed as the autoencoder's ``loss``.
        """
        check_is_fitted(self)
        return self._loss(of_numbers)

    def _loss(self, of_numbers):
        return of_numbers

    def _samples(self, X):
        """Return encoded samples (n_samples, *_sample_shape), given as such or raveled."""
        X, shape = as_numbers(X, **self._refused), self._sample_shape
        if X.shape[1:] not in (shape, (math.prod(shape),)):
            raise ValueError(
                f"X has samples of shape {X.shape[1:]}, but {type(self).__name__} makes "
                f"samples of shape {shape}. Pass such samples, or their raveled rows."
            )
        return X.reshape(len(X), *shape)

    def _checked_shape(self, n_samples):
        """Return the shape of ``n_samples`` encoded samples; raise ValueError if too large."""
        size = f"{self._size}_={getattr(self, self._size + '_')}"
        advice = f"Every sample has {size}: set a smaller {self._size}, or transform fewer "
        return refuse_large_array((n_samples, *self._sample_shape), advice + "at once.")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        for name, value in {"allow_nan": True, **self._input_tags}.items():
            setattr(tags.input_tags, name, value)
        return tags


def refuse_large_array(shape, advice):
    """Return ``shape``, or raise ValueError if an array of that shape would fill the memory."""
    if math.prod(shape) > MOST_NUMBERS:
        raise ValueError(
            f"X would become an array of shape {shape}, of more than 2**31 numbers. {advice}"
        )
    return shape


def list_of(what: str, X: Any) -> list:
    """Return a sequence of ``what`` as a list that is not empty, or raise TypeError."""
    sized = hasattr(X, "__len__") and not isinstance(X, NO_SEQUENCES)
    if not sized or issparse(X) or hasattr(X, "columns") or hasattr(X, "schema"):
        got = type(X).__name__
    elif getattr(X, "ndim", 1) == 0 or len(X) == 0:
        got = "nothing"
    else:
        return X.to_pylist() if hasattr(X, "to_pylist") else list(X)
    raise TypeError(
        f"Expected a sequence of {what}, got {got}. Pass a list of {what}, or one column of "
        "them."
    )


def refuse_longer(lengths: Iterable[int], most: int, of: str):
    """Raise ValueError if one of the ``lengths`` of samples exceeds ``most``."""
    for i, length in enumerate(lengths):
        if length > most:
            raise ValueError(
                f"Sample {i} of X has {length} {of}, but the length is {most}. Truncate it, or "
                "fit with a greater length."
            )


def channels_of(arrays: list[NDArray], axes: tuple[str, ...], fitted=None) -> tuple[int, ...]:
    """Return the shape of the channels of series or images: () or (n_channels,).

    ``axes`` name the other dimensions. Raises ValueError if an array has other dimensions or
    no values, or if channels differ between arrays, or from the ``fitted`` ones.
    """
    n_axes = len(axes)
    expected = arrays[0].shape[n_axes:] if fitted is None else fitted
    for i, x in enumerate(arrays):
        if x.ndim not in (n_axes, n_axes + 1) or x.size == 0:
            shapes = f"{axes} or {(*axes, 'n_channels')}".replace("'", "")
            raise ValueError(
                f"Samples must be of shape {shapes}, with at least one value, got {x.shape} in "
                f"sample {i}. Pass a list, also of a single sample."
            )
        if x.shape[n_axes:] != expected:
            raise ValueError(
                f"X has samples of different channels: {x.shape[n_axes:]} in sample {i}, and "
                f"{expected}. Give all samples the same channels; values may be NaN, and "
                "colours become grey by their mean."
            )
    return expected
