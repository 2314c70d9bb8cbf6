"""Tables of pandas, polars and pyarrow: read as pandas ones, and made again.

What is kept of a table is plain Python and NumPy arrays, which any serializer takes. Columns
are made again from float64 numbers, NaN if missing, or from labels, None if missing.
"""

import io
import re
import sys
from collections import Counter
from typing import Any

import numpy as np

from skae._data.numbers import is_frame

CLASSES = {"polars": ("DataFrame",), "pyarrow": ("Table", "RecordBatch")}


def library_of(X: Any) -> str | None:
    """Return "pandas", "polars" or "pyarrow" for a table of theirs, None for anything else."""
    if type(X).__name__ == "LazyFrame":
        raise TypeError("Expected a table, got a LazyFrame. Collect it first: X.collect().")
    if is_frame(X):
        return "pandas"
    for library, names in CLASSES.items():
        module = sys.modules.get(library)  # who passes its table has imported it
        if module and isinstance(X, tuple(getattr(module, name) for name in names)):
            return library
    return None


def import_pandas():
    """Return the module pandas, or raise ImportError with what to install."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "Tables of mixed columns need pandas: pip install 'skae[tables]'."
        ) from error
    return pandas


def dtypes_of(X: Any) -> dict:
    """Return the dtypes {name: dtype} of a table's columns, as its library has them."""
    dtypes = X.schema.types if library_of(X) == "pyarrow" else X.dtypes
    return dict(zip(names_of(X), dtypes, strict=True))


def names_of(X: Any) -> list:
    """Return the names of a table's columns, or raise ValueError if a name is repeated."""
    names = list(X.schema.names if library_of(X) == "pyarrow" else X.columns)
    if repeated := [name for name, n in Counter(names).items() if n > 1]:
        raise ValueError(f"X has several columns of one name: {repeated}.")
    return names


def select(X: Any, names: list) -> Any:
    """Return the table of some columns of a table."""
    return X.select(names) if library_of(X) == "pyarrow" else X[names]


def as_pandas(X: Any) -> Any:
    """Return a table of any library as a DataFrame, with no column of pyarrow's dtypes."""
    if library_of(X) == "pandas":
        table = X.copy(deep=False)
        for name, dtype in X.dtypes.items():
            if hasattr(dtype, "pyarrow_dtype"):
                table[name] = as_column(X[name])
        return table
    return import_pandas().DataFrame({name: as_column(X[name]) for name in names_of(X)})


def as_column(column: Any) -> Any:
    """Return a column as a Series of pandas' own dtypes; anything else is returned as it is.

    Numbers of polars and pyarrow become float64, other values objects or categories.
    """
    if not _foreign(column):
        return column
    if hasattr(column, "to_pylist"):
        return _of_arrow(column)
    if hasattr(column, "iloc"):
        read = _of_arrow(column.array.__arrow_array__())
        return read.set_axis(column.index).rename(column.name)
    return _of_polars(column)


def _foreign(part):
    """Say whether ``part`` is a column of polars, of pyarrow, or of pandas on pyarrow."""
    polars = sys.modules.get("polars")
    return (
        (polars is not None and isinstance(part, polars.Series))
        or hasattr(getattr(part, "dtype", None), "pyarrow_dtype")
        or (hasattr(part, "to_pylist") and not hasattr(part, "schema"))
    )


def _of_polars(column):
    import polars as pl

    pd, dtype = import_pandas(), column.dtype
    if dtype.is_numeric():
        return pd.Series(column.cast(pl.Float64).to_numpy(), name=column.name)
    values = pd.Series(column.to_list(), name=column.name, dtype=object)
    if isinstance(dtype, pl.Enum):
        return values.astype(pd.CategoricalDtype(dtype.categories.to_list(), ordered=True))
    return values


def _of_arrow(column):
    import pyarrow as pa

    pd, kind = import_pandas(), column.type
    if isinstance(column, pa.Array):
        column = pa.chunked_array([column])
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pd.Series(column.cast(pa.float64(), safe=False).to_numpy())
    if not pa.types.is_dictionary(kind):
        return pd.Series(column.to_pylist(), dtype=object)
    chunks = column.unify_dictionaries().chunks
    labels = chunks[0].dictionary.to_pylist() if chunks else []
    labels = [label for label in dict.fromkeys(labels) if label is not None]
    return pd.Series(pd.Categorical(column.to_pylist(), labels, ordered=kind.ordered))


def table_of(columns: dict, library: str) -> Any:
    """Return a table of a library with ``columns`` {name: a column, or entries of any kind}."""
    if library == "pandas":
        return import_pandas().DataFrame(columns)
    lists = {
        name: column
        if _foreign(column)
        else [entry.tolist() if hasattr(entry, "tolist") else entry for entry in column]
        for name, column in columns.items()
    }
    if library == "polars":
        import polars as pl

        return pl.DataFrame(lists)
    import pyarrow as pa

    return pa.table(lists)


def schema_of(X: Any) -> dict[str, Any]:
    """Return what ``make_table`` needs to make a table like ``X``: plain Python and arrays."""
    library = library_of(X)
    if library == "pandas":
        dtypes = [_plain(name, dtype) for name, dtype in X.dtypes.items()]
        return {"library": library, "names": list(X.columns), "dtypes": dtypes}
    if library == "pyarrow":
        schema = X.schema.remove_metadata().serialize().to_pybytes()
        return {"library": library, "schema": schema, "class": type(X).__name__}
    schema = io.BytesIO()
    X.clear().write_ipc(schema)
    return {"library": library, "schema": schema.getvalue()}


def make_table(schema: dict[str, Any], columns: dict) -> Any:
    """Return a table of ``columns`` {name: numbers or labels} with the given schema."""
    if schema["library"] == "pandas":
        pairs = zip(schema["names"], schema["dtypes"], strict=True)
        made = {name: _pandas_column(columns[name], _dtype(plain)) for name, plain in pairs}
        return import_pandas().DataFrame(made)
    if schema["library"] == "polars":
        import polars as pl

        dtypes = pl.read_ipc(io.BytesIO(schema["schema"])).schema
        return pl.DataFrame({n: _polars_column(columns[n], d) for n, d in dtypes.items()})
    import pyarrow as pa

    fields = pa.ipc.read_schema(pa.py_buffer(schema["schema"]))
    arrays = [_arrow_array(columns[field.name], field.type) for field in fields]
    return getattr(pa, schema["class"]).from_arrays(arrays, schema=fields)


def _pandas_column(values, dtype):
    pd = import_pandas()
    if isinstance(dtype, pd.CategoricalDtype):
        known = pd.Index(labels_of(dtype.categories), dtype=object)
        return pd.Series(pd.Categorical.from_codes(known.get_indexer(values), dtype=dtype))
    if hasattr(dtype, "pyarrow_dtype"):
        array = _arrow_array(values, dtype.pyarrow_dtype)
        return pd.Series(pd.arrays.ArrowExtensionArray(array))
    column = pd.Series(values, dtype=values.dtype)
    if isinstance(dtype, np.dtype) and column.isna().any():
        if dtype.kind in "bO":
            return column.astype(object).mask(column.isna(), np.nan)
        if dtype.kind in "iu":
            return column
    return column.astype(dtype)


def _polars_column(values, dtype):
    import polars as pl

    if values.dtype == object:
        return pl.Series(values.tolist(), dtype=dtype)
    return pl.Series(values, nan_to_null=True).cast(dtype)


def _arrow_array(values, kind):
    import pyarrow as pa

    if values.dtype != object:
        return pa.array(values, from_pandas=True).cast(kind, safe=False)
    if not pa.types.is_dictionary(kind):
        return pa.array(values.tolist(), kind)
    indices, known = import_pandas().factorize(values, sort=True)
    indices = pa.array(indices, kind.index_type, mask=indices < 0)
    known = pa.array(known.tolist(), kind.value_type)
    return pa.DictionaryArray.from_arrays(indices, known, ordered=kind.ordered)


def _plain(name, dtype):
    """Return a dtype of pandas as plain Python and arrays, which ``_dtype`` reads."""
    pd = import_pandas()
    if isinstance(dtype, pd.CategoricalDtype):
        index, plain = dtype.categories, {"ordered": dtype.ordered}
        if not hasattr(index, "left"):
            return {**plain, "values": index.to_numpy(), "dtype": _plain(name, index.dtype)}
        ends = {side: getattr(index, side).to_numpy() for side in ("left", "right")}
        return {**plain, **ends, "closed": index.closed, "dtype": {"name": str(index.dtype)}}
    if isinstance(dtype, pd.StringDtype):
        return {"storage": dtype.storage, "is_nan": dtype.na_value is not pd.NA}
    if hasattr(dtype, "pyarrow_dtype"):
        import pyarrow as pa

        return {"schema": pa.schema([("", dtype.pyarrow_dtype)]).serialize().to_pybytes()}
    try:
        named = pd.api.types.pandas_dtype(str(dtype)) == dtype
    except TypeError:
        named = False
    if not named:
        raise TypeError(
            f"Column {name!r} is of dtype {dtype}, which its name does not say in full. "
            "Convert it to numbers, strings or categories."
        )
    return {"name": str(dtype)}


def _dtype(plain):
    """Return the dtype of pandas that ``_plain`` described."""
    pd = import_pandas()
    if "ordered" in plain:
        index_dtype = _dtype(plain["dtype"])
        if "closed" in plain:
            ends = {key: plain[key] for key in ("left", "right", "closed")}
            index = pd.IntervalIndex.from_arrays(**ends, dtype=index_dtype)
        else:
            index = pd.Index(plain["values"], dtype=index_dtype)
        return pd.CategoricalDtype(index, plain["ordered"])
    if "storage" in plain:
        missing = {"na_value": np.nan} if plain["is_nan"] else {}
        return pd.StringDtype(plain["storage"], **missing)
    if "schema" in plain:
        import pyarrow as pa

        return pd.ArrowDtype(pa.ipc.read_schema(pa.py_buffer(plain["schema"])).field(0).type)
    return pd.api.types.pandas_dtype(plain["name"])


def labels_of(index: Any) -> np.ndarray:
    """Return categories as an array of plain values; intervals and times as their text."""
    if hasattr(index, "left") or getattr(index.dtype, "kind", "O") in "mM":
        return np.array([str(label) for label in index], dtype=object)
    return index.to_numpy()


def limits_of(dtype: Any) -> tuple[float, float, bool] | None:
    """Return the least and greatest number of a dtype, and whether numbers are whole.

    None stands for no limits: for floats of 64 bits, and dtypes that do not hold numbers.
    """
    name = dtype.name if isinstance(dtype, np.dtype) else str(dtype).lower()
    if found := re.search(r"(u?)int(\d+)", name):
        bits = int(found[2]) - (not found[1])
        greatest = 2.0**bits - 1 if bits < 53 else np.nextafter(2.0**bits, 0)
        return 0.0 if found[1] else -(2.0**bits), float(greatest), True
    if found := re.search(r"decimal\d*[(\[](?:precision=)?(\d+),\s*(?:scale=)?(\d+)", name):
        precision, scale = int(found[1]), int(found[2])
        end = 10.0 ** (precision - scale)
        end = min(end - 10.0**-scale, float(np.nextafter(end, 0)))
        return -end, end, False
    if found := re.search(r"(float(?:16|32)|halffloat|^float\b)", name):
        half = found[1] in ("float16", "halffloat")
        end = float(np.finfo(np.float16 if half else np.float32).max)
        return -end, end, False
    return None
