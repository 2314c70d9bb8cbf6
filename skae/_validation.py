"""What scikit-learn's own validation lets through and a net cannot take.

Every message says what was got, what is allowed and what to do.
"""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_array, validate_data

DTYPES = (np.float64, np.float32)
LARGEST = float(np.finfo(np.float32).max)


class Number(Interval):
    """An interval of numbers that a bool is not in."""

    def is_satisfied_by(self, val):
        """Say whether ``val`` is a number, not a bool, and in the interval."""
        return not isinstance(val, bool | np.bool_) and super().is_satisfied_by(val)


def check_rows(estimator, X, *, reset, minimum=1):
    """Return ``X`` (n_samples, n_features) as finite floats that float32 can hold.

    Raises scikit-learn's errors, and a TypeError or ValueError for what it lets through.
    """
    return _checked(
        X,
        lambda: validate_data(
            estimator, X, reset=reset, dtype=DTYPES, ensure_min_samples=minimum
        ),
    )


def check_codes(estimator, X, most):
    """Return codes ``X`` (n_samples, n_kept) likewise; at most ``most`` columns."""
    Z = _checked(X, lambda: check_array(X, dtype=DTYPES, input_name="X", estimator=estimator))
    if Z.shape[1] > most:
        raise ValueError(
            f"X has {Z.shape[1]} columns, but {type(estimator).__name__} has codes of {most} "
            "components. Pass what transform returned, or its leading columns."
        )
    return Z


def _checked(X, check):
    if not issparse(X):
        _refuse_containers(X)
        _refuse_times(X)
    try:
        with np.errstate(over="ignore", under="ignore"):
            checked = check()
    except OverflowError as error:
        raise ValueError(
            f"Input X contains a value too large for dtype('float64'): {error}"
        ) from error
    _refuse_text(X)
    if checked.dtype != np.float32 and max(checked.max(), -checked.min()) > LARGEST:
        raise ValueError("Input X contains infinity or a value too large for dtype('float32').")
    return checked


def _refuse_containers(X):
    """Raise where ``X`` is no table although NumPy would make one of it."""
    if isinstance(X, dict | set | frozenset) or hasattr(X, "__next__"):
        raise TypeError(
            f"Expected an array, a data frame or a list of rows, got {type(X).__name__}. "
            "Pass a 2D array-like of shape (n_samples, n_features)."
        )
    if getattr(getattr(X, "dtype", None), "names", None):
        raise TypeError("Structured arrays are not supported: pass columns as a 2D array.")
    if np.ma.is_masked(X):
        raise ValueError(
            "Input X is a masked array with masked cells, and AutoencoderTransformer does not "
            "accept missing values. Fill them first, for example with SimpleImputer."
        )


def _refuse_times(X):
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
