"""What scikit-learn's own validation lets through and a net cannot take.

Every message says what was got, what is allowed and what to do.
"""

import warnings

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import _safe_indexing, assert_all_finite, get_tags
from sklearn.utils.validation import check_array, validate_data

from skae._columns import has_cells, survey
from skae._device import refuse_traced
from skae._long import LongRows, blocks_of, is_long
from skae._parameters import LARGEST, is_count
from skae.losses import find_loss

DTYPES = (np.float64, np.float32)
FEW_NUMBERS = 2**14  # in a table whose check is quick


def check_rows(estimator, X, *, reset, minimum=1):
    """Return ``X`` (n_samples, n_features) as floats that float32 can hold, NaN where missing.

    Samples of more dimensions become rows, and many of them LongRows. A
    sparse matrix is taken where the estimator's tags say so. Raises scikit-learn's errors, and
    a TypeError or ValueError for what it lets through.
    """
    if not reset and _is_plain(X) and _is_like_those_of_fit(estimator, X):
        return X
    refuse_traced(X)
    is_taken = not issparse(X) or get_tags(estimator).input_tags.sparse
    if issparse(X) and is_taken:
        given = {"estimator": estimator, "input_name": "X"}
        X = check_array(X, accept_sparse="csr", dtype=None, **given)
        if not X.has_canonical_format:  # a cell may be the sum of several entries
            X = X.copy()
            X.sum_duplicates()
        X = X if is_long(X) else X.toarray()
    if is_taken and is_long(X):
        return _check_long(estimator, X, reset=reset, minimum=minimum)
    if n_dimensions(X) > 2:
        X = _as_rows(estimator, X, None if reset else getattr(estimator, "sample_shape_", None))
    return _checked(
        X,
        lambda X: validate_data(
            estimator,
            X,
            reset=reset,
            dtype=DTYPES,
            ensure_min_samples=minimum,
            ensure_all_finite="allow-nan",
        ),
    )


def _check_long(estimator, X, *, reset, minimum):
    """Return ``X`` as LongRows, looked at once, block by block."""
    shape = X.shape[1:]
    if not reset and len(shape) > 1 and shape != estimator.sample_shape_:
        _refuse_shape(estimator, shape, estimator.sample_shape_)
    rows = LongRows(X)
    validate_data(estimator, rows, reset=reset, skip_check_array=True)
    name = type(estimator).__name__
    if len(rows) < minimum:
        raise ValueError(
            f"Found array with {len(rows)} sample(s) (shape={rows.shape}) while a minimum of "
            f"{minimum} is required by {name}."
        )
    for block in [X.data] if issparse(X) else rows.blocks():
        assert_all_finite(block, allow_nan=True, estimator_name=name, input_name="X")
        _refuse_large(block)
    return rows


def shape_of_samples(X, sample_shape):
    """Return the shape of one sample of ``X``: its own, or as it was named; None for a table.

    Raises ValueError for a name that is no shape, or another than that of X.
    """
    given = np.shape(X)[1:] if n_dimensions(X) > 2 else None
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


def _as_rows(estimator, X, shape):
    """Return samples (n_samples, ...) as rows; all of them are of ``shape``, if it is known."""
    X = np.asarray(X) if isinstance(X, list | tuple) else X
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


def n_dimensions(X):
    """Return how many dimensions an array, or a list of arrays or of lists, has."""
    if isinstance(X, list | tuple):
        return 1 + max((n_dimensions(x) for x in X[:1]), default=0)
    return getattr(X, "ndim", len(getattr(X, "shape", ())))


def drop_rows(X, y, groups, weight):
    """Return all four without the rows that say nothing, and which rows were kept (n,).

    The weights are then of mean 1. Left out are the rows of weight 0 and the rows without any
    observed cell. Raises ValueError where too little is left: fewer than two rows, or a column
    without an observed cell.
    """
    keep = (weight > 0) & has_cells(X)
    if keep.sum() < 2:
        raise ValueError(
            f"Found array with n_samples={keep.sum()} of positive weight and with an observed "
            "cell, while a minimum of 2 is required by AutoencoderTransformer."
        )
    X = X if keep.all() else X[keep]
    if len(empty := np.flatnonzero(survey(X).n_observed == 0)):
        raise ValueError(
            f"Input X has no observed value in the columns {empty.tolist()} (counted from 0). "
            "Leave them out."
        )
    if not keep.all():
        weight = weight[keep]
        y, groups = (p if p is None else _safe_indexing(p, keep) for p in (y, groups))
    return X, y, groups, weight / weight.mean(), keep


def check_range(loss, X, sample_shape):
    """Raise ValueError where ``X`` (n, d) has cells that the ``loss`` is not defined for."""
    loss = find_loss(loss, sample_shape)
    if hasattr(loss, "check") and not getattr(loss, "takes_any_cell", False):
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


def check_codes(estimator, X, most):
    """Return codes ``X`` (n_samples, n_kept) likewise; at most ``most`` columns."""
    if _is_plain(X) and X.shape[1] <= most and not np.isnan(X).any():
        return X
    refuse_traced(X)
    Z = _checked(X, lambda X: check_array(X, dtype=DTYPES, input_name="X", estimator=estimator))
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


def _checked(X, check):
    if not issparse(X):
        _refuse_containers(X)
        refuse_times(X)
    X = unmasked(X)
    try:
        with np.errstate(over="ignore", under="ignore"):
            checked = check(X)
    except OverflowError as error:
        raise ValueError(
            f"Input X contains a value too large for dtype('float64'): {error}"
        ) from error
    _refuse_text(X)
    _refuse_large(checked)
    return checked


def _refuse_large(X):
    """Raise ValueError where float32 cannot hold a cell of ``X``."""
    if X.dtype == np.float32 or X.size == 0:
        return
    with np.errstate(invalid="ignore"):  # comparisons with NaN are False
        if np.fmax.reduce(X, axis=None) > LARGEST or np.fmin.reduce(X, axis=None) < -LARGEST:
            message = "Input X contains infinity or a value too large for dtype('float32')."
            raise ValueError(message)


def unmasked(X):
    """Return ``X``, with NaN in the masked cells of a masked array."""
    if np.ma.is_masked(X):
        return np.ma.filled(X.astype(X.dtype if X.dtype.kind in "fcO" else float), np.nan)
    return X


def _refuse_containers(X):
    """Raise where ``X`` is no table although NumPy would make one of it."""
    if isinstance(X, dict | set | frozenset) or hasattr(X, "__next__"):
        raise TypeError(
            f"Expected an array, a data frame or a list of rows, got {type(X).__name__}. "
            "Pass a 2D array-like of shape (n_samples, n_features)."
        )
    if getattr(getattr(X, "dtype", None), "names", None):
        raise TypeError("Structured arrays are not supported: pass columns as a 2D array.")


def is_frame(X):
    """Say whether ``X`` is a pandas DataFrame, or behaves as one."""
    return hasattr(X, "columns") and hasattr(X, "iloc")


def refuse_times(X):
    """Raise ValueError where ``X`` has times among its cells."""
    for dtype in _dtypes(X):
        is_time = str(dtype).lower().startswith(("date", "duration", "time"))
        if is_time or getattr(dtype, "kind", None) in ("m", "M"):
            raise ValueError(
                f"Input X holds times (dtype {dtype}), which have no scale of their own. "
                "Convert them to numbers of a unit that you choose."
            )


def _refuse_text(X):
    """Raise where text or categories were read as the numbers that they spell."""
    for dtype in _dtypes(X):
        is_text = str(dtype).lower().startswith(("str", "cat", "enum", "binary"))
        is_text |= getattr(dtype, "kind", None) in ("U", "S")
        if getattr(dtype, "kind", None) == "O":
            cells = np.ravel(np.asarray(X, dtype=object))
            is_text |= any(isinstance(cell, str | bytes) for cell in cells)
        if is_text:
            raise ValueError(
                f"Input X holds strings, bytes or categories (dtype {dtype}), not numbers. "
                "Encode them first, for example with OneHotEncoder or OrdinalEncoder."
            )


def _dtypes(X):
    """Return the dtypes of an array's, a list's or a data frame's columns."""
    if hasattr(X, "dtypes"):
        return list(np.ravel(X.dtypes))
    if isinstance(X, list | tuple):
        try:
            return [np.asarray(X).dtype]
        except (ValueError, OverflowError):  # ragged or too large: scikit-learn says so
            return []
    return [getattr(X, "dtype", None)]
