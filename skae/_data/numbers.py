"""The one check of numbers from outside: array-likes become arrays of floats.

NumPy reads dates, texts and categories as numbers, and drops masks and imaginary parts. They
are refused here.
"""

import datetime
from collections.abc import Mapping, Set

import numpy as np
from scipy.sparse import issparse

from skae._data.parameters import LARGEST

DTYPES = (np.float64, np.float32)
# The beginnings of dtype names of pandas, polars, Arrow and NumPy, in lower case.
TIMES = ("date", "duration", "month", "period", "time")
BYTES = ("bin", "bytes", "fixed_size_bin", "large_bin")
TEXTS = (*BYTES, "cat", "dict", "enum", "large_str", "str", "utf8")
TIME_KINDS, TEXT_KINDS = ("m", "M"), ("U", "S", "T")  # of NumPy's dtypes
MOST_NAMES = 10  # of columns in a message
TIME_TYPES = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)
TEXT_TYPES = (str, bytes, bytearray)
NO_VALUES = ("NoneType", "NAType", "MaskedConstant")  # types that stand for a missing value


def as_numbers(X, *, name="X", dtype=None, allow_nan=True, allow_inf=True, if_ragged=""):
    """Return the numbers of ``X`` as an array of floats, NaN where they are missing or masked.

    Every public class uses it. Dimensions, shape and size are the caller's to check. ``X`` is
    never changed; the array that is returned may be ``X`` itself, or share its memory.

    Parameters
    ----------
    X : array-like
        An array of any number of dimensions (also masked, of files, or of a library that NumPy
        can read), a number, a list or nested list, a column or a DataFrame of pandas, polars
        or Arrow. None, NaN, pd.NA and masked values are missing.
    name : str, default="X"
        What messages call it: "Input {name} holds ...".
    dtype : dtype or None, default=None
        The dtype that is returned. None keeps float32 and makes float64 of all others.
    allow_nan : bool, default=True
        Accept missing values.
    allow_inf : bool, default=True
        Accept infinity, and numbers that float32 cannot hold.
    if_ragged : str, default=""
        A sentence for the message if X is a list of rows or arrays of different shapes: what
        to do.

    Returns
    -------
    numbers : ndarray
        Floats of the shape of X.

    Raises
    ------
    ValueError
        For texts and bytes (also those that spell numbers), categories, times of every kind,
        complex numbers, ragged lists, and whole numbers beyond float64.
    TypeError
        For containers without order (dict, set), generators, sparse and structured arrays,
        np.matrix, a LazyFrame, values that are no numbers, and what NumPy cannot read.
    """
    refuse_containers(X, name)
    _refuse_dtypes(X, name)
    A = _as_array(X, name, if_ragged)
    _refuse_dtypes(A, name)
    if A.dtype.kind == "O":
        A = _floats_of_objects(A, name, if_ragged)
    dtype = dtype or (A.dtype if A.dtype in DTYPES else np.float64)
    try:
        with np.errstate(all="ignore"):
            A = A.astype(dtype, copy=False)
    except (TypeError, ValueError) as error:
        raise TypeError(f"Input {name} holds no numbers (dtype {A.dtype}): {error}") from error
    if not allow_nan and np.isnan(A).any():
        raise ValueError(f"Input {name} contains NaN: a value is missing.")
    if not allow_inf:
        refuse_large(A, name)
    return A


def with_nan(X, value):
    """Return the numbers of ``X`` with NaN for each ``value``; refuse NaN before.

    They are as ``as_numbers`` returns them, and in a new array.
    """
    A = as_numbers(X, allow_nan=False)
    return np.where(A.dtype.type(value) == A, A.dtype.type(np.nan), A)


def dense(rows):
    """Return rows, sparse or not, as an array."""
    return rows.toarray() if issparse(rows) else np.asarray(rows)


def refuse_large(A, name="X"):
    """Raise ValueError if float32 cannot hold a number of the array ``A`` of floats."""
    if A.size == 0:
        return
    with np.errstate(invalid="ignore"):  # comparisons with NaN are False
        if np.fmax.reduce(A, axis=None) > LARGEST or np.fmin.reduce(A, axis=None) < -LARGEST:
            raise ValueError(
                f"Input {name} contains infinity or a value too large for dtype('float32')."
            )


def is_frame(X):
    """Say whether ``X`` is a pandas DataFrame, or behaves as one."""
    return hasattr(X, "iloc") and hasattr(X, "columns")


def is_missing(value):
    """Say whether ``value`` stands for a missing one: None, NaN, pd.NA, np.ma.masked."""
    return type(value).__name__ in NO_VALUES or (
        isinstance(value, float | np.floating) and value != value
    )


def unmasked(X):
    """Return ``X``, with NaN for the masked values of a masked array."""
    if np.ma.is_masked(X):
        return np.ma.filled(X.astype(X.dtype if X.dtype.kind in "fcO" else float), np.nan)
    return X


def refuse_times(X, name="X"):
    """Raise ValueError if ``X`` has columns of times."""
    found = [
        (column, dtype) for column, dtype in _columns(X) if _among(dtype, TIMES, TIME_KINDS)
    ]
    if found:
        _refuse_times(name, _listed(found))


def refuse_containers(X, name):
    """Raise if ``X`` is no array although NumPy would make one of it."""
    if issparse(X):
        raise TypeError(
            f"Sparse data was passed for {name}, but dense data is required. Use '.toarray()' "
            "to convert to a dense numpy array."
        )
    if isinstance(X, Mapping | Set) or hasattr(X, "__next__"):
        raise TypeError(
            f"Expected an array, a data frame or a list for {name}, got {type(X).__name__}. "
            "Pass a 2D array-like of shape (n_samples, n_features)."
            if name == "X"
            else f"Expected an array or a list for {name}, got {type(X).__name__}."
        )
    if hasattr(X, "collect_schema") and hasattr(X, "collect"):
        raise TypeError(
            f"{name} is a {type(X).__name__}, which holds a query and no values. Pass "
            f"{name}.collect()."
        )
    if isinstance(X, np.matrix):
        raise TypeError(
            "np.matrix is not supported. Please convert to a numpy array with np.asarray."
        )


def _refuse_dtypes(X, name):
    """Raise if the dtype of ``X``, or of one of its columns, is not one of numbers."""
    columns = _columns(X)
    dtypes = {str(dtype): dtype for _, dtype in columns}
    if all(getattr(dtype, "kind", "O") in "biuf" for dtype in dtypes.values()):
        return
    for dtype in dtypes.values():
        if getattr(dtype, "names", None):
            raise TypeError("Structured arrays are not supported: pass columns as a 2D array.")
        if "complex" in str(dtype).lower():
            _refuse_complex(name, dtype)
    refuse_times(X, name)
    found = [
        (column, dtype)
        for i, (column, dtype) in enumerate(columns)
        if _among(dtype, TEXTS, TEXT_KINDS)
        or (dtype == "object" and is_frame(X) and _holds_text(X.iloc[:, i]))
    ]
    if found:
        _refuse_text(name, _listed(found), in_table=found[0][0] is not None)


def _refuse_times(name, found):
    raise ValueError(
        f"Input {name} holds times ({found}), which have no scale of their own. Convert them "
        "to numbers of a unit that you choose."
    )


def _refuse_complex(name, dtype):
    raise ValueError(
        f"Complex data not supported\nInput {name} is of dtype {dtype}. Pass real and "
        "imaginary parts as columns, or absolute values."
    )


def _refuse_text(name, found, in_table):
    way_out = "Convert what spells numbers"
    if name.startswith("X"):
        way_out += ", and encode the rest, for example with OneHotEncoder"
    if in_table:
        way_out += ", or pass the table to TableAutoencoder, which takes such columns"
    raise ValueError(
        f"Input {name} holds strings, bytes or categories ({found}), not numbers. {way_out}."
    )


def _columns(X):
    """Return the (name, dtype) of a table's columns, or (None, dtype) of anything else."""
    if hasattr(X, "columns") and hasattr(X, "dtypes"):
        return list(zip(X.columns, X.dtypes, strict=True))
    if hasattr(types := getattr(X, "schema", None), "types"):  # of Arrow
        return list(zip(types.names, types.types, strict=True))
    dtype = getattr(X, "dtype", getattr(X, "type", None))
    return [] if dtype is None else [(None, dtype)]


def _listed(found):
    """Return the columns, or the dtype, that were found among the columns of ``_columns``."""
    names = [name for name, _ in found if name is not None]
    what = "dtype " + ", ".join(sorted({str(dtype) for _, dtype in found}))
    if not names:
        return what
    rest = f" and {len(names) - MOST_NAMES} others" if len(names) > MOST_NAMES else ""
    return f"{what} in the columns {names[:MOST_NAMES]}{rest}"


def _among(dtype, names, kinds):
    """Say whether a ``dtype`` begins with one of ``names``, or has one of NumPy's ``kinds``."""
    return str(dtype).lower().startswith(names) or getattr(dtype, "kind", None) in kinds


def _holds_text(column):
    return any(issubclass(kind, TEXT_TYPES) for kind in set(map(type, column)))


def _as_array(X, name, if_ragged):
    """Return ``X`` as an array of whatever dtype it has: NaN where it is masked."""
    if type(X) is np.ndarray:
        return X
    if isinstance(X, np.ma.MaskedArray):
        return np.asarray(unmasked(X))
    try:
        if is_frame(X):
            return _array_of_frame(X, name)
        if isinstance(X, list | tuple):
            return np.asarray(_without_masks(X))
        if not hasattr(X, "__array__") and all(hasattr(X, a) for a in ("shape", "dtype")):
            return dense(X[:])  # it can be sliced and no more, as AnnData's rows in a file
        return np.asarray(X)
    except MemoryError:
        raise
    except OverflowError as error:
        _refuse_too_large(name, error)
    except ValueError as error:
        if isinstance(X, list | tuple):
            _refuse_ragged(name, error, if_ragged)
        raise
    except Exception as error:
        if isinstance(error, TypeError) and str(error).startswith("Input "):
            raise
        raise TypeError(
            f"Input {name} ({type(X).__name__}) cannot be read as a NumPy array: {error} "
            "Convert it first; a tensor by .detach().cpu().numpy()."
        ) from error


def _array_of_frame(X, name):
    """Return the values (n, d) of a DataFrame; columns of objects are read one by one."""
    dtypes = list(X.dtypes)
    if all(getattr(dtype, "kind", "O") in "biuf" for dtype in dtypes):
        if all(isinstance(dtype, np.dtype) for dtype in dtypes):
            common = np.result_type(*dtypes) if dtypes else np.float64
            return np.asarray(X, dtype=common if common in DTYPES else np.float64)
        return X.to_numpy(dtype=np.float64, na_value=np.nan)
    named = [(f"{name}[{column!r}]", X.iloc[:, i]) for i, column in enumerate(X.columns)]
    return np.stack([as_numbers(column, name=own) for own, column in named], axis=1)


def _without_masks(X):
    """Return the list ``X``, with NaN for masked values in what it holds."""
    holds = (list, tuple, np.ma.MaskedArray)
    if not any(issubclass(kind, holds) for kind in set(map(type, X))):
        return X
    return [_without_masks(x) if isinstance(x, list | tuple) else unmasked(x) for x in X]


def _floats_of_objects(A, name, if_ragged):
    """Return an array of objects as floats, NaN for those that stand for a missing value."""
    kinds = set(map(type, A.ravel()))
    for kind in kinds:
        if issubclass(kind, TIME_TYPES) or kind.__name__.startswith(("Period", "Datetime")):
            _refuse_times(name, f"values of type {kind.__name__}")
        if issubclass(kind, TEXT_TYPES):
            _refuse_text(name, f"values of type {kind.__name__}", in_table=False)
        if issubclass(kind, complex | np.complexfloating):
            _refuse_complex(name, kind.__name__)
    if missing := {kind for kind in kinds if kind.__name__ in NO_VALUES}:
        absent = np.frompyfunc(lambda value: type(value) in missing, 1, 1)(A)
        A = np.where(np.asarray(absent, bool), np.nan, A)
    try:
        return A.astype(np.float64)
    except OverflowError as error:
        _refuse_too_large(name, error)
    except TypeError as error:
        raise TypeError(f"Input {name} holds values that are no numbers: {error}") from error
    except ValueError as error:
        _refuse_ragged(name, error, if_ragged)


def _refuse_too_large(name, error):
    raise ValueError(
        f"Input {name} contains a value too large for dtype('float64'): {error}"
    ) from error


def _refuse_ragged(name, error, if_ragged):
    raise ValueError(
        f"Input {name} is ragged, or has arrays as values: {error} {if_ragged}".rstrip()
    ) from error
