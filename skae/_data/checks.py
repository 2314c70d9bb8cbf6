"""Checks beyond scikit-learn's own: what a net cannot take.

Every message says what was got, what is allowed and what to do.
"""

import warnings
from contextlib import contextmanager

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import _safe_indexing, assert_all_finite, get_tags
from sklearn.utils.validation import _check_feature_names, _check_n_features, check_array

from skae._data import rows as sizes
from skae._data.chunked import attribute, chunked, is_long
from skae._data.numbers import (
    DTYPES,
    LARGEST,
    as_numbers,
    dense,
    is_frame,
    is_missing,
    refuse_large,
)
from skae._data.parameters import is_count
from skae._data.rows import as_rows
from skae._runtime.devices import refuse_traced

SMALLEST_SIZE, LARGEST_SIZE = 1e-15, 1e15  # of unscaled values
ROUNDING = 10 * np.finfo(np.float64).eps  # of values, up to which they are constant
LEAST_WEIGHT = 1e-30  # if the largest is 1 or 2: float32 holds it, but not its square
FEW_NUMBERS = 2**14  # in a table whose check is quick
IF_RAGGED = (
    "Images and series of different sizes become samples of one shape by ImageResizer and "
    "SeriesPadder."
)


def check_rows(estimator, X, *, reset, minimum=1):
    """Return ``X`` (n_samples, n_features) as floats that float32 can hold, NaN if missing.

    Samples of more dimensions are raveled, and large X become ChunkedRows. Sparse matrices are
    accepted if the estimator's tags say so. Raises scikit-learn's errors, and TypeError or
    ValueError for what these leave out.
    """
    named = hasattr(estimator, "feature_names_in_")
    if not (reset or named) and _needs_no_check(X) and X.shape[1] == estimator.n_features_in_:
        return X
    refuse_traced(X)
    table = X
    if _holds_sparse_columns(X) and _takes_sparse(estimator):
        X = X.sparse.to_coo()
    if issparse(X) and _takes_sparse(estimator):
        X = _checked_sparse(estimator, X)
    if is_long(X) and (not issparse(X) or _takes_sparse(estimator)):
        rows = _check_long(estimator, X, reset=reset, minimum=minimum)
    else:
        rows = _check_array(estimator, X, reset=reset, minimum=minimum)
    _check_feature_names(estimator, table, reset=reset)
    _check_n_features(estimator, rows, reset=reset)
    return rows


def _check_array(estimator, X, *, reset, minimum):
    """Return ``X`` as an array of rows (n, d)."""
    X = as_numbers(X, if_ragged=IF_RAGGED)
    if X.ndim > 2:
        _check_shape_of_samples(estimator, X.shape[1:], reset=reset)
        X = X.reshape(len(X), int(np.prod(X.shape[1:])))
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
    return X


def _check_long(estimator, X, *, reset, minimum):
    """Return ``X`` as ChunkedRows, checked block by block."""
    _check_shape_of_samples(estimator, tuple(X.shape[1:]), reset=reset)
    rows, name = chunked(X), type(estimator).__name__
    if len(rows) < minimum:
        raise ValueError(
            f"Found array with {len(rows)} sample(s) (shape={rows.shape}) while a minimum of "
            f"{minimum} is required by {name}."
        )
    has_missing = False
    blocks = [X.data] if issparse(X) else (block for _, block in rows.blocks())
    for block in blocks:
        assert_all_finite(block, allow_nan=True, estimator_name=name, input_name="X")
        refuse_large(block)
        has_missing = has_missing or bool(np.isnan(block).any())
    rows.source.checked, rows.source.has_missing = True, has_missing
    return rows


def _check_shape_of_samples(estimator, shape, *, reset):
    """Raise ValueError if samples of more dimensions differ in ``shape`` from those of fit."""
    fitted = getattr(getattr(estimator, "autoencoder_", estimator), "sample_shape_", None)
    if not reset and len(shape) > 1 and fitted not in (None, shape):
        raise ValueError(
            f"X has samples of shape {shape}, but {type(estimator).__name__} was fitted "
            f"with samples of shape {tuple(fitted)}."
        )


def _takes_sparse(estimator):
    return get_tags(estimator).input_tags.sparse


def _holds_sparse_columns(X):
    """Say whether ``X`` is a large table of sparse numbers, most of them 0 and none missing."""
    if not (is_frame(X) and np.prod(X.shape, dtype=float) > sizes.LEAST_NUMBERS):
        return False
    return all(
        getattr(dtype, "fill_value", None) == 0 and dtype.subtype.kind in "biuf"
        for dtype in X.dtypes
    )


def _checked_sparse(estimator, X):
    """Return a sparse ``X`` as CSR without duplicate entries, or as an array if it is small."""
    if len(X.shape) == 2 and X.shape[1] > sizes.MOST_NUMBERS:
        raise ValueError(
            f"X has {X.shape[1]} columns, and at most {sizes.MOST_NUMBERS} are possible: a "
            "reconstruction is dense. Leave out or merge columns first, for example by "
            "FeatureHasher or SelectKBest."
        )
    if len(X.shape) > 2:
        raise ValueError(
            f"Expected 2D input, got a sparse array of shape {X.shape}. Pass raveled samples, "
            "X.reshape(len(X), -1), with their sample_shape."
        )
    if X.dtype.kind not in "biufc":
        raise ValueError(f"X is a sparse matrix of dtype {X.dtype}. Convert it to float64.")
    X = _unbroken_csr(X)
    if X.dtype.kind == "f" and np.isnan(X.data).any():
        raise ValueError(
            "Input X contains NaN in a sparse matrix. Missing values are supported in dense X "
            "only: pass X.toarray(), or fill them."
        )
    X = check_array(X, accept_sparse="csr", dtype=None, estimator=estimator, input_name="X")
    if not X.has_canonical_format:  # a value may be the sum of several entries
        X = X.copy()
        X.sum_duplicates()
    return X if is_long(X) else dense(X)


def _unbroken_csr(X):
    """Return a sparse ``X`` as CSR, of a dtype that SciPy computes with; it shares its memory.

    Raises ValueError for indices out of range and falling pointers: SciPy would read and
    write beyond the arrays.
    """
    kind = X.format
    try:
        X = _unbroken(X)
        return X if kind == "csr" else _unbroken(X.tocsr())
    except (ValueError, RuntimeError, IndexError) as error:
        raise ValueError(
            f"X is a broken sparse matrix ({kind}, dtype {X.dtype}): {error}. Build it again."
        ) from error


def _unbroken(X):
    if X.format in ("csr", "csc", "bsr"):
        X = type(X)((_native(X.data), X.indices, X.indptr), shape=X.shape)
        X.check_format(full_check=True)
    elif X.format == "coo":
        X = type(X)((_native(X.data), X.coords), shape=X.shape)
    return X


def _native(data):
    """Return the entries of a sparse matrix as floats that SciPy computes with."""
    if data.dtype in DTYPES or data.dtype.kind != "f":
        return data
    with np.errstate(over="ignore"):  # infinity is refused afterwards
        return data.astype(np.float64)


def shape_of_samples(X, sample_shape):
    """Return the shape of one sample of ``X``, or ``sample_shape``; None for a table.

    Raises ValueError if ``sample_shape`` is no shape, or differs from that of X.
    """
    given = shape_of(X)[1:] if n_dimensions(X) > 2 else None
    if sample_shape is None:
        return given
    if not len(sample_shape) or not all(map(is_count, sample_shape)):
        raise ValueError(f"sample_shape must hold whole numbers above 0, got {sample_shape}.")
    shape = tuple(int(n) for n in sample_shape)
    if given not in (None, shape):
        raise ValueError(
            f"sample_shape={shape}, but the samples of X are of shape {given}. Leave "
            "sample_shape=None: X of more than two dimensions says it itself."
        )
    return shape


def n_dimensions(X):
    """Return how many dimensions an array, or a list of arrays or of lists, has."""
    if isinstance(X, list | tuple):
        return 1 + max((n_dimensions(x) for x in X[:1]), default=0)
    shape = attribute(X, "shape")
    return len(shape) if isinstance(shape, tuple) else 0


def shape_of(X):
    """Return the shape of an array, or of a list of arrays or of lists, all of one shape."""
    return as_numbers(X, if_ragged=IF_RAGGED).shape if isinstance(X, list | tuple) else X.shape


def check_weight(sample_weight, n_samples):
    """Return the weights (n_samples,) of rows, the largest between 1 and 2.

    A number is the weight of every row; None is 1. Weights too small for float32 become 0.
    Raises scikit-learn's ValueErrors.
    """
    weight = 1.0 if sample_weight is None else sample_weight
    weight = as_numbers(weight, name="sample_weight", dtype=np.float64)
    if weight.ndim == 0:
        weight = np.full(n_samples, weight)
    if weight.ndim != 1:
        raise ValueError(
            f"Sample weights must be 1D array or scalar, got {weight.ndim}D array. Expected "
            f"either a scalar value or a 1D array of length {n_samples}."
        )
    if len(weight) != n_samples:
        raise ValueError(
            f"sample_weight.shape == {weight.shape}, expected {(n_samples,)}, a weight for "
            "each sample of X."
        )
    assert_all_finite(weight, input_name="sample_weight")
    if (weight < 0).any():
        raise ValueError("Negative values in data passed to `sample_weight`.")
    if not weight.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return rescaled_weight(weight)


def rescaled_weight(weight):
    """Return weights (n,) times a power of 2, which is exact; those too small become 0."""
    largest = weight.max()
    with np.errstate(under="ignore"):
        scaled = np.ldexp(weight, 1 - np.frexp(largest)[1])
    return np.where(scaled < LEAST_WEIGHT, 0.0, scaled)


def check_labels(labels, name, n_samples):
    """Return ``labels``, one for each row, as an array (n_samples,), or None.

    Raises ValueError, with the ``name``, if labels are missing or cannot be compared.
    """
    if labels is None:
        return None
    try:
        array = np.asarray(labels)
    except ValueError as error:
        raise ValueError(
            f"{name} must be 1D, a label for each sample of X: {error}."
        ) from error
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"{name} must be 1D, a label for each sample of X, got an array of shape "
            f"{array.shape}."
        )
    if len(array) != n_samples:
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"{[n_samples, len(array)]}, those of X and {name}."
        )
    missing = []
    if array.dtype.kind in "fO":
        missing = np.flatnonzero([is_missing(label) for label in array.tolist()])
    if len(missing):
        raise ValueError(
            f"{name} holds no label (None or NaN) for {len(missing)} samples, the first "
            f"one {missing[0]} (counted from 0). Give each sample one."
        )
    try:
        np.unique(array)
    except TypeError as error:
        raise ValueError(f"{name} must hold labels of one sort: {error}.") from error
    return array


def drop_rows(X, y, groups, weight):
    """Return weighted Rows of ``X``, their y and groups, and which rows (n,) were kept.

    Rows of weight 0, and rows without an observed value, are left out. Raises ValueError if
    fewer than two remain.
    """
    rows = as_rows(X)
    keep = (weight > 0) & rows.has_values
    if keep.sum() < 2:
        raise ValueError(
            f"Found array with n_samples={keep.sum()} of positive weight and with an observed "
            "value, while a minimum of 2 is required by AutoencoderTransformer. Weights below "
            f"{LEAST_WEIGHT:g} times the largest one count as 0."
        )
    if not keep.all():
        rows, weight = rows.take(keep), weight[keep]
        y, groups = (p if p is None else _safe_indexing(p, keep) for p in (y, groups))
    return rows.weighted(weight / weight.mean()), y, groups, keep


def check_size(rows, *, centered):
    """Raise ValueError if float32 cannot hold the squares of ``rows``, which are not scaled.

    If they are not ``centered``, the size of the values counts, otherwise their range.
    """
    found = rows.summary
    ends = np.abs([found.lower, found.upper])
    with np.errstate(over="ignore"):
        size = found.upper - found.lower if centered else ends.max(axis=0)
    varies = (found.n_observed > 0) & (size > ROUNDING * ends.max(axis=0))
    size = size.max(initial=0.0, where=varies)
    if size > 0 and not SMALLEST_SIZE <= size <= LARGEST_SIZE:
        raise ValueError(
            f"scaling=None leaves values of size {size:.2g}, which cannot be squared in "
            f"float32: they must be from {SMALLEST_SIZE:.0e} to {LARGEST_SIZE:.0e}. Set "
            "scaling='global', or change the unit of X."
        )


@contextmanager
def within(dtype):
    """Raise ValueError if a number written within is too large for ``dtype``."""
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


def warn_of_empty_columns(rows, names=None):
    """Warn if columns of ``rows``, called ``names`` (d,), have no observed value."""
    empty = np.flatnonzero(rows.summary.is_empty)
    if len(empty):
        told = (empty if names is None else names[empty]).tolist()
        warnings.warn(
            f"Features without any observed value count as constant 0: {told}. Leave them "
            "out if other samples have values there.",
            UserWarning,
            stacklevel=2,
        )


def check_range(loss, X):
    """Raise ValueError if the ``loss`` is not defined for values of ``X`` (n, d)."""
    if hasattr(loss, "check") and not getattr(loss, "takes_any_value", False):
        for _, block in as_rows(X).blocks():
            loss.check(block)


def warn_of_range(activation, name, rows):
    """Warn if ``rows`` have values that the chosen output activation cannot reach."""
    if activation.ends is None or name == "auto":
        return
    found, (lower, upper) = rows.summary, activation.ends
    least, greatest = found.lower.min(), found.upper.max()
    if least < lower or greatest > upper:
        warnings.warn(
            f"output_activation={name!r} reaches from {lower:g} to {upper:g}, but X holds "
            f"values from {least:.4g} to {greatest:.4g}. Rescale X (MinMaxScaler), or choose "
            "'logistic', which takes each column's own range.",
            UserWarning,
            stacklevel=2,
        )


def check_codes(estimator, X, most, unit):
    """Return codes ``X`` (n_samples, n_kept), of at most ``most`` columns, as floats.

    float32 must hold them once they are divided by their ``unit``.
    """
    if _needs_no_check(X) and X.shape[1] <= most and not np.isnan(X).any():
        return X
    refuse_traced(X)
    Z = as_numbers(X, if_ragged="Pass codes of one length.")
    Z = check_array(Z, dtype=DTYPES, input_name="X", estimator=estimator)
    refuse_large(Z / max(1.0, unit))
    if Z.shape[1] > most:
        raise ValueError(
            f"X has {Z.shape[1]} columns, but {type(estimator).__name__} has codes of {most} "
            "components. Pass what transform returned, or its leading columns."
        )
    return Z


def _needs_no_check(X):
    """Say whether ``X`` is a small array that scikit-learn's checks would return as it is.

    For one row these checks take longer than encoding it.
    """
    return (
        type(X) is np.ndarray
        and X.dtype in DTYPES
        and X.ndim == 2
        and 0 < X.size <= FEW_NUMBERS
        and not (np.abs(X) > LARGEST).any()
    )
