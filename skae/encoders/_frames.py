"""Tables of pandas, polars and pyarrow: read as pandas ones, and made again.

What is remembered of a table is plain Python and NumPy arrays, so that any serializer takes it.
Columns are made again of float64 numbers, NaN if missing, or of labels, None if missing.
"""

import io
import re
import sys
from collections import Counter

import numpy as np

from skae._data.numbers import is_frame, refuse_times

CLASSES = {"polars": ("DataFrame",), "pyarrow": ("Table", "RecordBatch")}


def library_of(X):
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


def pandas():
    """Return the module pandas, or raise ImportError with what to install."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "Tables of mixed columns need pandas: pip install 'skae[tables]'."
        ) from error
    return pandas


def names_of(X):
    """Return the names of the columns of a table, or raise ValueError if one comes twice."""
    names = list(X.schema.names if library_of(X) == "pyarrow" else X.columns)
    if twice := [name for name, n in Counter(names).items() if n > 1]:
        raise ValueError(f"X has several columns of one name: {twice}.")
    return names


def as_pandas(X):
    """Return a table of any of the libraries as a DataFrame of pandas' own columns."""
    pd, library = pandas(), library_of(X)
    if library != "pandas":
        columns = {name: as_column(X[name]) for name in names_of(X)}
        return pd.DataFrame(columns, columns=list(columns))
    arrow = [name for name, dtype in X.dtypes.items() if hasattr(dtype, "pyarrow_dtype")]
    if not arrow:
        return X
    table = X.copy(deep=False)
    for name in arrow:
        table[name] = as_column(X[name])
    return table


def as_column(column):
    """Return a column of polars, of pyarrow, or of pandas on pyarrow as one of pandas' own.

    Numbers become float64, whatever is no number or category becomes objects.
    """
    if hasattr(column, "to_pylist"):
        return _of_arrow(column)
    if hasattr(getattr(column, "dtype", None), "pyarrow_dtype"):
        read = _of_arrow(column.array.__arrow_array__())
        return read.set_axis(column.index).rename(column.name)
    return _of_polars(column)


def is_column(part):
    """Say whether ``part`` is a column of polars or of pyarrow."""
    polars = sys.modules.get("polars")
    is_arrow = hasattr(part, "to_pylist") and not hasattr(part, "schema")
    return is_arrow or (polars is not None and isinstance(part, polars.Series))


def _of_polars(column):
    import polars as pl

    pd, dtype = pandas(), column.dtype
    if dtype.is_numeric():
        return pd.Series(column.cast(pl.Float64).to_numpy(), name=column.name)
    cells = pd.Series(column.to_list(), name=column.name, dtype=object)
    if isinstance(dtype, pl.Enum):
        return cells.astype(pd.CategoricalDtype(dtype.categories.to_list(), ordered=True))
    return cells


def _of_arrow(column):
    import pyarrow as pa

    pd, kind = pandas(), column.type
    if isinstance(column, pa.Array):
        column = pa.chunked_array([column])
    refuse_times(column)
    if is_arrow_number(kind):
        return pd.Series(column.cast(pa.float64(), safe=False).to_numpy())
    if not pa.types.is_dictionary(kind):
        return pd.Series(column.to_pylist(), dtype=object)
    chunks = column.unify_dictionaries().chunks
    known = chunks[0].dictionary.to_pylist() if chunks else []
    known = [label for label in dict.fromkeys(known) if label is not None]
    return pd.Series(pd.Categorical(column.to_pylist(), known, ordered=kind.ordered))


def is_arrow_number(kind):
    """Say whether a type of pyarrow is one of numbers."""
    from pyarrow import types

    return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)


def dtypes_of(X):
    """Return the dtypes {name: dtype} of a table's columns, as its library has them."""
    if library_of(X) == "pyarrow":
        return dict(zip(X.schema.names, X.schema.types, strict=True))
    return dict(zip(X.columns, X.dtypes, strict=True))


def selected(X, names):
    """Return the table of some columns of a table."""
    return X.select(names) if library_of(X) == "pyarrow" else X[names]


def beside(columns, library):
    """Return a table of a library with ``columns`` {name: a column, or entries of any kind}."""
    if library == "pandas":
        return pandas().DataFrame(columns)
    lists = {
        name: column if is_column(column) else _listed(column)
        for name, column in columns.items()
    }
    if library == "polars":
        import polars as pl

        return pl.DataFrame(lists)
    import pyarrow as pa

    return pa.table(lists)


def _listed(entries):
    return [entry.tolist() if hasattr(entry, "tolist") else entry for entry in entries]


def remembered(X):
    """Return what is needed to make a table like ``X``, of plain Python and NumPy arrays."""
    library = library_of(X)
    if library == "pandas":
        columns = [_plain(name, dtype) for name, dtype in X.dtypes.items()]
        return {"library": library, "names": list(X.columns), "columns": columns}
    schema = io.BytesIO()
    if library == "polars":
        X.clear().write_ipc(schema)
    else:
        schema.write(X.schema.remove_metadata().serialize())
    return {"library": library, "schema": schema.getvalue(), "class": type(X).__name__}


def remade(memory, columns):
    """Return a table of ``columns`` {name: numbers or labels} like the one remembered."""
    library = memory["library"]
    make = {"pandas": _make_pandas, "polars": _make_polars, "pyarrow": _make_arrow}
    return make[library](memory, columns)


def _make_pandas(memory, columns):
    names = memory["names"]
    plain = zip(names, memory["columns"], strict=True)
    made = {name: _pandas_column(columns[name], _dtype(dtype)) for name, dtype in plain}
    return pandas().DataFrame(made)


def _pandas_column(cells, dtype):
    pd = pandas()
    if isinstance(dtype, pd.CategoricalDtype):
        known = pd.Index(labels_of(dtype.categories), dtype=object)
        return pd.Series(pd.Categorical.from_codes(known.get_indexer(cells), dtype=dtype))
    if hasattr(dtype, "pyarrow_dtype"):
        array = _arrow_array(cells, dtype.pyarrow_dtype)
        return pd.Series(pd.arrays.ArrowExtensionArray(array))
    if isinstance(dtype, np.dtype):
        column = pd.Series(cells, dtype=cells.dtype)
        is_missing = column.isna()
        if dtype.kind in "bO" and is_missing.any():
            return column.astype(object).mask(is_missing, np.nan)
        return column.astype(np.float64 if dtype.kind in "iu" and is_missing.any() else dtype)
    return pd.Series(cells).astype(dtype)


def _make_polars(memory, columns):
    import polars as pl

    schema = pl.read_ipc(io.BytesIO(memory["schema"])).schema
    return pl.DataFrame({n: _polars_column(columns[n], dtype) for n, dtype in schema.items()})


def _polars_column(cells, dtype):
    import polars as pl

    if cells.dtype == object:
        return pl.Series(cells.tolist(), dtype=dtype)
    return pl.Series(cells, nan_to_null=True).cast(dtype)


def _make_arrow(memory, columns):
    import pyarrow as pa

    schema = pa.ipc.read_schema(pa.py_buffer(memory["schema"]))
    arrays = [_arrow_array(columns[field.name], field.type) for field in schema]
    return getattr(pa, memory["class"]).from_arrays(arrays, schema=schema)


def _arrow_array(cells, kind):
    import pyarrow as pa

    if cells.dtype != object:
        return pa.array(cells, from_pandas=True).cast(kind, safe=False)
    if not pa.types.is_dictionary(kind):
        return pa.array(cells.tolist(), kind)
    places, known = pandas().factorize(cells, sort=True)
    places = pa.array(places, kind.index_type, mask=places < 0)
    known = pa.array(known.tolist(), kind.value_type)
    return pa.DictionaryArray.from_arrays(places, known, ordered=kind.ordered)


def _plain(name, dtype):
    """Return a dtype of pandas as plain Python, see ``_dtype``."""
    pd = pandas()
    if isinstance(dtype, pd.CategoricalDtype):
        return {"categories": _plain_index(name, dtype.categories), "ordered": dtype.ordered}
    if isinstance(dtype, pd.StringDtype):
        return {"storage": dtype.storage, "is_nan": dtype.na_value is not pd.NA}
    if hasattr(dtype, "pyarrow_dtype"):
        import pyarrow as pa

        return {"schema": pa.schema([("", dtype.pyarrow_dtype)]).serialize().to_pybytes()}
    try:
        is_named = pd.api.types.pandas_dtype(str(dtype)) == dtype
    except TypeError:
        is_named = False
    if not is_named:
        raise TypeError(
            f"Column {name!r} is of dtype {dtype}, which its name does not say in full. "
            "Convert it to numbers, strings or categories."
        )
    return {"name": str(dtype)}


def _plain_index(name, index):
    if hasattr(index, "left"):
        ends = {side: getattr(index, side).to_numpy() for side in ("left", "right")}
        return {**ends, "closed": index.closed, "dtype": {"name": str(index.dtype)}}
    return {"values": index.to_numpy(), "dtype": _plain(name, index.dtype)}


def _dtype(plain):
    """Return the dtype of pandas that ``_plain`` described."""
    pd = pandas()
    if "categories" in plain:
        return pd.CategoricalDtype(_index(plain["categories"]), plain["ordered"])
    if "storage" in plain:
        missing = {"na_value": np.nan} if plain["is_nan"] else {}
        return pd.StringDtype(plain["storage"], **missing)
    if "schema" in plain:
        import pyarrow as pa

        return pd.ArrowDtype(pa.ipc.read_schema(pa.py_buffer(plain["schema"])).field(0).type)
    return pd.api.types.pandas_dtype(plain["name"])


def _index(plain):
    pd, dtype = pandas(), _dtype(plain["dtype"])
    if "closed" in plain:
        ends = plain["left"], plain["right"]
        return pd.IntervalIndex.from_arrays(*ends, closed=plain["closed"], dtype=dtype)
    return pd.Index(plain["values"], dtype=dtype)


def labels_of(index):
    """Return categories as an array of plain values; intervals and times as their text."""
    if hasattr(index, "left") or getattr(index.dtype, "kind", "O") in "mM":
        return np.array([str(label) for label in index], dtype=object)
    return index.to_numpy()


def limits_of(dtype):
    """Return the least and greatest number of a dtype and whether it is of whole ones.

    None is without limits: of 64 bits and more, or not of numbers.
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
