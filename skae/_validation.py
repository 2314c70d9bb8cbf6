"""What scikit-learn's own validation lets through and a net cannot take.

Every message says what was got, what is allowed and what to do.
"""

import math
import warnings
from collections.abc import Mapping, Set
from contextlib import contextmanager
from numbers import Integral

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import _safe_indexing, assert_all_finite, get_tags
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_feature_names, _check_n_features, check_array

from skae._columns import has_cells, survey
from skae._long import LongRows, blocks_of, is_long
from skae._numbers import DTYPES, LARGEST, as_numbers, refuse_large
from skae.losses import find_loss

SMALLEST_SIZE, LARGEST_SIZE = 1e-15, 1e15  # of unscaled values
ROUNDING = 10 * np.finfo(np.float64).eps  # of values, up to which they are constant
FEW_NUMBERS = 2**14  # in a table whose check is quick
IF_RAGGED = (
    "Images and series of different sizes become samples of one shape by ImageResizer and "
    "SeriesPadder."
)


NO_SEQUENCES = (str, bytes, bytearray, Mapping, Set, np.matrix)
MOST_NUMBERS = 2**31  # in an array of texts, series or images of one size


class Number(Interval):
    """An interval of numbers that a bool is not in."""

    def is_satisfied_by(self, val):
        """Say whether ``val`` is a number, not a bool, and in the interval."""
        return not isinstance(val, bool | np.bool_) and super().is_satisfied_by(val)


def check_rows(estimator, X, *, reset, minimum=1):
    """Return ``X`` (n_samples, n_features) as floats that float32 can hold, NaN where missing.

    Samples of more dimensions become rows, and many of them LongRows. A
    sparse matrix is taken where the estimator's tags say so. Raises scikit-learn's errors, and
    a TypeError or ValueError for what it lets through.
    """
    if not reset and _is_plain(X) and _is_like_those_of_fit(estimator, X):
        return X
    table = X
    is_taken = not issparse(X) or get_tags(estimator).input_tags.sparse
    if issparse(X) and is_taken:
        given = {"estimator": estimator, "input_name": "X"}
        X = check_array(X, accept_sparse="csr", dtype=None, **given)
        if not X.has_canonical_format:  # a cell may be the sum of several entries
            X = X.copy()
            X.sum_duplicates()
        X = X if is_long(X) else X.toarray()
    if is_taken and is_long(X):
        return _check_long(estimator, X, table, reset=reset, minimum=minimum)
    X = as_numbers(X, if_ragged=IF_RAGGED)
    if X.ndim > 2:
        X = _as_rows(estimator, X, None if reset else getattr(estimator, "sample_shape_", None))
    _check_feature_names(estimator, table, reset=reset)
    with np.errstate(all="ignore"):  # it sums float32, however large
        X = check_array(
            X,
            dtype=DTYPES,
            ensure_min_samples=minimum,
            ensure_all_finite="allow-nan",
            estimator=estimator,
            input_name="X",
        )
    refuse_large(X)
    _check_n_features(estimator, X, reset=reset)
    return X


def _check_long(estimator, X, table, *, reset, minimum):
    """Return ``X`` as LongRows, looked at once, block by block."""
    shape = X.shape[1:]
    if not reset and len(shape) > 1 and shape != estimator.sample_shape_:
        _refuse_shape(estimator, shape, estimator.sample_shape_)
    rows = LongRows(X)
    _check_feature_names(estimator, table, reset=reset)
    _check_n_features(estimator, rows, reset=reset)
    name = type(estimator).__name__
    if len(rows) < minimum:
        raise ValueError(
            f"Found array with {len(rows)} sample(s) (shape={rows.shape}) while a minimum of "
            f"{minimum} is required by {name}."
        )
    for block in [X.data] if issparse(X) else rows.blocks():
        assert_all_finite(block, allow_nan=True, estimator_name=name, input_name="X")
        refuse_large(block)
    return rows


def shape_of_samples(X, sample_shape):
    """Return the shape of one sample of ``X``: its own, or as it was named; None for a table.

    Raises ValueError for a name that is no shape, or another than that of X.
    """
    given = np.shape(X)[1:] if n_dimensions(X) > 2 else None
    if sample_shape is None:
        return given
    is_size = [
        isinstance(n, Integral) and not isinstance(n, bool) and n > 0 for n in sample_shape
    ]
    if not is_size or not all(is_size):
        raise ValueError(f"sample_shape must hold whole numbers above 0, got {sample_shape}.")
    shape = tuple(int(n) for n in sample_shape)
    if given not in (None, shape):
        raise ValueError(
            f"sample_shape={shape}, but the samples of X are of shape {given}. Leave "
            "sample_shape=None: X of more than two dimensions says it itself."
        )
    return shape


def _as_rows(estimator, X, shape):
    """Return samples (n_samples, ...) as rows; all of them are of ``shape``, if it is known."""
    if shape not in (None, X.shape[1:]):
        _refuse_shape(estimator, X.shape[1:], shape)
    return X.reshape(len(X), int(np.prod(X.shape[1:])))


def _refuse_shape(estimator, got, fitted):
    raise ValueError(
        f"X has samples of shape {got}, but {type(estimator).__name__} was fitted "
        f"with samples of shape {tuple(fitted)}."
    )


def as_samples(estimator, X, shape):
    """Return the array ``X`` as samples (n_samples, *shape); raveled ones get their shape back.

    Raises ValueError for samples of another shape.
    """
    if X.shape[1:] not in (tuple(shape), (int(np.prod(shape)),)):
        raise ValueError(
            f"X has samples of shape {X.shape[1:]}, but {type(estimator).__name__} makes "
            f"samples of shape {tuple(shape)}. Pass such samples, or rows of raveled ones."
        )
    return X.reshape(len(X), *shape)


def entries_of(X, what, advice):
    """Return a sequence of ``what`` as a list, or raise TypeError with an ``advice``."""
    is_sequence = hasattr(X, "__len__") and not isinstance(X, NO_SEQUENCES)
    if not is_sequence or issparse(X) or hasattr(X, "columns") or hasattr(X, "schema"):
        got = type(X).__name__
    elif getattr(X, "ndim", 1) == 0 or len(X) == 0:
        got = "nothing"
    else:
        return X.to_pylist() if hasattr(X, "to_pylist") else list(X)
    raise TypeError(f"Expected a sequence of {what}, got {got}. {advice}")


def refuse_size(shape, advice):
    """Raise ValueError with an ``advice`` where an array of a shape would fill the memory."""
    if math.prod(shape) > MOST_NUMBERS:
        raise ValueError(
            f"X would become an array of shape {tuple(shape)}, of more than 2**31 numbers. "
            f"{advice}"
        )


def n_dimensions(X):
    """Return how many dimensions an array, or a list of arrays or of lists, has."""
    if isinstance(X, list | tuple):
        return 1 + max((n_dimensions(x) for x in X[:1]), default=0)
    return getattr(X, "ndim", len(getattr(X, "shape", ())))


def drop_rows(X, y, groups, weight):
    """Return all four without the rows that say nothing, and which rows were kept (n,).

    The weights are then of mean 1. Left out are the rows of weight 0 and the rows without any
    observed cell. Raises ValueError if fewer than two rows are left, or no column with an
    observed cell.
    """
    keep = (weight > 0) & has_cells(X)
    if keep.sum() < 2:
        raise ValueError(
            f"Found array with n_samples={keep.sum()} of positive weight and with an observed "
            "cell, while a minimum of 2 is required by AutoencoderTransformer."
        )
    X = X if keep.all() else X[keep]
    if not keep.all():
        weight = weight[keep]
        y, groups = (p if p is None else _safe_indexing(p, keep) for p in (y, groups))
    return X, y, groups, weight / weight.mean(), keep


def check_size(X, scale, *, centered):
    """Raise ValueError if float32 cannot hold the squares of ``X`` (n, d) over its ``scale``.

    A scale of 1 is that of unscaled rows, and of rows that seem constant as their squares are
    too small for float64. If not ``centered``, the values count, not how they vary.
    """
    if not np.all(scale == 1.0):
        return
    found = survey(X)
    ends = np.abs([found.lower, found.upper])
    with np.errstate(over="ignore"):
        size = found.upper - found.lower if centered else ends.max(axis=0)
    is_there = (found.n_observed > 0) & (size > ROUNDING * ends.max(axis=0))
    size = size.max(initial=0.0, where=is_there)
    if size > 0 and not SMALLEST_SIZE <= size <= LARGEST_SIZE:
        raise ValueError(
            f"Values of size {size:.2g} cannot be squared in float32 unless they are scaled: "
            f"they must be from {SMALLEST_SIZE:.0e} to {LARGEST_SIZE:.0e}. Set "
            "scaling='global', or change the unit of X."
        )


@contextmanager
def within(dtype):
    """Raise ValueError if a number that is written is too large for an array of ``dtype``."""
    if dtype != np.float32:
        yield
        return
    try:
        with np.errstate(over="raise"):
            yield
    except FloatingPointError:
        raise ValueError(
            "Codes or reconstructions contain a value too large for dtype('float32'). Pass "
            "float64, or change the unit of X."
        ) from None


def warn_of_empty_columns(X, names=None):
    """Warn if columns of ``X`` (n, d) have no observed cell; ``names`` (d,) tell which."""
    empty = np.flatnonzero(survey(X).n_observed == 0)
    if len(empty):
        told = (empty if names is None else names[empty]).tolist()
        warnings.warn(
            f"Features without any observed value count as constant 0: {told}. Leave them "
            "out if other rows have values there.",
            UserWarning,
            stacklevel=2,
        )


def check_range(loss, X, sample_shape):
    """Raise ValueError where ``X`` (n, d) has cells that the ``loss`` is not defined for."""
    loss = find_loss(loss, sample_shape)
    if hasattr(loss, "check"):
        for block in blocks_of(X):
            loss.check(block)


def warn_of_range(link, name, X):
    """Warn where ``X`` (n, d) has cells that a link of the user's choice cannot reach."""
    if link.ends is None or name == "auto":
        return
    found, (lower, upper) = survey(X), link.ends
    least, greatest = found.lower.min(), found.upper.max()
    if least < lower or greatest > upper:
        warnings.warn(
            f"output_activation={name!r} reaches from {lower:g} to {upper:g}, but X holds "
            f"cells from {least:.4g} to {greatest:.4g}. Rescale X (MinMaxScaler), or choose "
            "'logistic', which takes each column's own range.",
            UserWarning,
            stacklevel=2,
        )


def check_codes(estimator, X, most, unit):
    """Return codes ``X`` (n_samples, n_kept) likewise; at most ``most`` columns.

    Those of large values are large as well: float32 holds them once divided by their ``unit``.
    """
    if _is_plain(X) and X.shape[1] <= most and not np.isnan(X).any():
        return X
    Z = as_numbers(X, if_ragged="Pass codes of one length.")
    Z = check_array(Z, dtype=DTYPES, input_name="X", estimator=estimator)
    refuse_large(Z / max(1.0, unit))
    if Z.shape[1] > most:
        raise ValueError(
            f"X has {Z.shape[1]} columns, but {type(estimator).__name__} has codes of {most} "
            "components. Pass what transform returned, or its leading columns."
        )
    return Z


def _is_plain(X):
    """Say whether ``X`` is a small table that scikit-learn's checks would return as it is.

    For one row they take longer than its code.
    """
    return (
        type(X) is np.ndarray
        and X.dtype in DTYPES
        and X.ndim == 2
        and 0 < X.size <= FEW_NUMBERS
        and not (np.abs(X) > LARGEST).any()
    )


def _is_like_those_of_fit(estimator, X):
    """Say whether ``X`` has the columns of fit, and none of them needs a name."""
    has_names = hasattr(estimator, "feature_names_in_")
    return not has_names and X.shape[1] == estimator.n_features_in_
