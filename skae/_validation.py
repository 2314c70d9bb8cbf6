"""What scikit-learn's own validation lets through and a net cannot take.

Every message says what was got, what is allowed and what to do.
"""

import numpy as np
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import validate_data

DTYPES = (np.float64, np.float32)


class Number(Interval):
    """An interval of numbers that a bool is not in."""

    def is_satisfied_by(self, val):
        """Say whether ``val`` is a number, not a bool, and in the interval."""
        return not isinstance(val, bool | np.bool_) and super().is_satisfied_by(val)


def check_rows(estimator, X, *, reset, minimum=1):
    """Return ``X`` as a finite float array (n_samples, n_features), and its float dtype.

    Raises scikit-learn's errors, and its TypeError or ValueError for what it would let
    through: containers without order, times, masked cells, numbers beyond float32.
    """
    refuse_containers(X)
    try:
        with np.errstate(over="ignore", under="ignore"):
            X = validate_data(
                estimator, X, reset=reset, dtype=DTYPES, ensure_min_samples=minimum
            )
    except OverflowError as error:
        raise ValueError(f"Input X holds a number too large for float64: {error}") from error
    refuse_huge(X, "X")
    return X


def refuse_containers(X):
    """Raise where ``X`` is no table of numbers although NumPy would make one of it."""
    if isinstance(X, dict | set | frozenset) or hasattr(X, "__next__"):
        raise TypeError(
            f"Expected an array, a data frame or a list of rows, got {type(X).__name__}. "
            "Pass a 2D array-like of shape (n_samples, n_features)."
        )
    if np.ma.is_masked(X):
        raise ValueError(
            "Input X is a masked array with masked cells, and AutoencoderTransformer does not "
            "accept missing values. Fill them first, for example with SimpleImputer."
        )
    dtypes = [getattr(X, "dtype", None), *np.ravel(getattr(X, "dtypes", []))]
    for dtype in dtypes:
        if getattr(dtype, "names", None):
            raise TypeError("Structured arrays are not supported: pass columns as a 2D array.")
        if getattr(dtype, "kind", "") in "mM" or "date" in str(dtype).lower():
            raise ValueError(
                f"Input X holds times (dtype {dtype}), which have no scale of their own. "
                "Convert them to numbers of a unit that you choose."
            )


def refuse_huge(X, name):
    """Raise where a number of ``X`` does not fit in float32."""
    limit = np.finfo(np.float32).max
    if X.dtype != np.float32 and X.size and max(X.max(), -X.min()) > limit:
        raise ValueError(
            f"Input {name} contains infinity or a value too large for dtype('float32')."
        )
