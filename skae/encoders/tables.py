"""Tables of numbers, yes and no, and categories: to columns of numbers and back; their code."""

import warnings
from itertools import chain

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from skae._data.numbers import (
    LARGEST,
    TIME_CELLS,
    as_numbers,
    refuse_containers,
    refuse_times,
    unmasked,
)
from skae._runtime.interrupts import unchanged_by_failure
from skae._wrappers import EncodedAutoencoder
from skae.encoders._frames import (
    as_pandas,
    dtypes_of,
    labels_of,
    library_of,
    limits_of,
    names_of,
    pandas,
    remade,
    remembered,
)
from skae.losses import Categorical, Joint

NUMBERS = ("integer", "floating", "mixed-integer-float")  # as pandas calls kinds of cells
ENOUGH_ROWS = 50  # to say that a column has many categories


class TableEncoder(TransformerMixin, BaseEstimator):
    """A table to a matrix of numbers and one-hot columns; the way back is exact.

    Columns of numbers come first, as they are, then one column for each category of each other
    column. A missing cell is NaN, of a category in all its columns. Tables are DataFrames of
    pandas or polars, or Tables of pyarrow; what comes back is of the same library and dtypes.

    Parameters
    ----------
    handle_unknown : {"error", "ignore"}, default="error"
        What is done with categories that fit has not seen: "ignore" takes them as missing.

    Attributes
    ----------
    categories_ : dict of {str: ndarray}
        The categories of each column that is not of numbers, in the order of their dtype or of
        themselves. Intervals and times that a categorical column holds are text here.
    dtypes_ : dict of {str: str}
        The dtypes of the columns, as they are printed.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where they are all strings.

    See Also
    --------
    TableAutoencoder : The code of such rows.
    sklearn.preprocessing.OneHotEncoder : A category of its own for what is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> from skae import TableEncoder
    >>> X = pd.DataFrame({"fruit": ["fig", None, "kiwi"], "n": [1, 2, 3], "ripe": [True] * 3})
    >>> encoder = TableEncoder().fit(X)
    >>> encoder.transform(X)
    array([[ 1.,  1.,  0.,  1.],
           [ 2., nan, nan,  1.],
           [ 3.,  0.,  1.,  1.]])
    >>> encoder.inverse_transform([[2.2, 0.1, 0.9, 1.0]])
      fruit  n  ripe
    0  kiwi  2  True
    """

    _parameter_constraints = {"handle_unknown": [StrOptions({"error", "ignore"})]}

    def __init__(self, *, handle_unknown="error"):
        self.handle_unknown = handle_unknown

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the columns, their dtypes and categories.

        Parameters
        ----------
        X : DataFrame, pyarrow.Table or array-like of shape (n_samples, n_features)
            Columns of numbers, booleans, strings, categories or objects.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : TableEncoder
            The fitted transformer.

        Raises
        ------
        ValueError
            For columns of times, of bytes, of complex or infinite numbers, of one name, or
            without any observed cell.
        TypeError
            For cells that are no constants, and for sparse columns.
        ImportError
            Without pandas.

        Warns
        -----
        UserWarning
            Where a column has about as many categories as rows.
        """
        with unchanged_by_failure(self):
            self._fit(X)
        return self

    def _fit(self, X):
        table = self._table(X, reset=True)
        X = X if library_of(X) else table
        kinds = {name: _kind(table[name]) for name in table}
        numbers = [name for name, kind in kinds.items() if kind == "numbers"]
        for name in numbers:
            _numbers(table[name])  # refuses what transform would
        self.categories_ = {n: _categories(table[n]) for n in table if n not in numbers}
        dtypes = dtypes_of(X)
        self.dtypes_ = {name: str(dtype) for name, dtype in dtypes.items()}
        self._limits = {name: _limits(X[name], dtypes[name]) for name in numbers}
        self._memory, self._is_table = remembered(X), X is not table
        for name, categories in self.categories_.items():
            _warn_of_many(name, len(categories), table[name].count())

    def transform(self, X):
        """Return rows as numbers and one-hot columns.

        Parameters
        ----------
        X : DataFrame, pyarrow.Table or array-like of shape (n_samples, n_features)
            Rows of the same columns.

        Returns
        -------
        X_numbers : ndarray of shape (n_samples, n_columns), float64
            Numbers, then zeros and ones; NaN where a cell is missing.

        Raises
        ------
        ValueError
            For other columns than in fit, text or infinity in a column of numbers, or a
            category that fit has not seen where ``handle_unknown="error"``.
        """
        check_is_fitted(self)
        table = self._table(X, reset=False)
        rows = np.zeros((len(table), sum(self._sizes)))
        blocks = np.split(rows, np.cumsum(self._sizes)[:-1], axis=1)
        for name, block in zip(self._order, blocks, strict=True):
            if name in self.categories_:
                self._mark(block, table[name])
            else:
                block[:, 0] = _numbers(table[name])
        return rows

    def inverse_transform(self, X):
        """Return the table that numbers and shares stand for.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns)
            What ``transform`` returned, or a reconstruction of it.

        Returns
        -------
        X_original : DataFrame, pyarrow.Table or ndarray of shape (n_samples, n_features)
            Columns as in fit, with their dtypes: whole numbers rounded, of each column's
            categories the likeliest, missing where a share is NaN (also where an object column
            had None; a missing whole number makes floats of a NumPy column). An array where
            fit got one.

        Raises
        ------
        ValueError
            For another number of columns, and for cells that are no numbers.
        """
        check_is_fitted(self)
        X, sizes = as_numbers(X, dtype=np.float64), self._sizes
        if X.ndim != 2 or X.shape[1] != sum(sizes):
            raise ValueError(
                f"X has shape {X.shape}, but TableEncoder makes rows of {sum(sizes)} columns."
            )
        blocks = np.split(X, np.cumsum(sizes)[:-1], axis=1)
        pairs = zip(self._order, blocks, strict=True)
        table = remade(self._memory, {name: self._cells(name, block) for name, block in pairs})
        return table if self._is_table else table.to_numpy()

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns that ``transform`` returns.

        Parameters
        ----------
        input_features : object, default=None
            Ignored: the names are those of fit.

        Returns
        -------
        names : ndarray of str objects
            The columns' own names, and ``<name>_<category>`` for each category.
        """
        check_is_fitted(self)
        of_categories = ([f"{n}_{c}" for c in cats] for n, cats in self.categories_.items())
        names = [*map(str, self._number_names), *chain.from_iterable(of_categories)]
        return np.array(names, dtype=object)

    def make_loss(self, of_numbers="squared_error"):
        """Return the loss of an AutoencoderTransformer for what ``transform`` returns.

        Parameters
        ----------
        of_numbers : str or loss, default="squared_error"
            The loss of the columns of numbers; that of the others is categorical.

        Returns
        -------
        loss : skae.losses.Joint
            In which every column of the table weighs the same.
        """
        check_is_fitted(self)
        numbers = [(1, of_numbers)] * len(self._number_names)
        categories = [(len(c), Categorical()) for c in self.categories_.values()]
        return Joint((*numbers, *categories))

    @property
    def _number_names(self):
        return list(self._limits)

    @property
    def _order(self):
        return [*self._number_names, *self.categories_]

    @property
    def _sizes(self):
        return [len(self.categories_.get(name, [None])) for name in self._order]

    def _table(self, X, *, reset):
        """Return ``X`` as a DataFrame of its own columns."""
        if library_of(X):
            names_of(X)  # refuses one that comes twice
            refuse_times(X)
            table = as_pandas(X)
            validate_data(self, table, reset=reset, skip_check_array=True)
            _refuse_empty(table)
        else:
            X = validate_data(
                self, _objects(X), reset=reset, dtype=None, ensure_all_finite="allow-nan"
            )
            refuse_times(X)
            table = pandas().DataFrame(X.astype(object) if X.dtype.kind == "S" else X)
        table = table.infer_objects()  # numbers among objects are numbers
        return table if reset else table.set_axis(list(self.dtypes_), axis=1)

    def _mark(self, block, column):
        """Put ones where the categories of a column are, NaN in all places where it misses."""
        place, labels = _places(column, self.categories_[column.name])
        is_missing = column.isna().to_numpy()
        is_unknown = (place < 0) & ~is_missing
        if is_unknown.any() and self.handle_unknown == "error":
            found = list(dict.fromkeys(labels[is_unknown].tolist()))
            raise ValueError(
                f"Found unknown categories {found} in column {column.name!r} during transform. "
                "Set handle_unknown='ignore' to take them as missing."
            )
        known = place >= 0
        block[np.flatnonzero(known), place[known]] = 1.0
        block[~known] = np.nan

    def _cells(self, name, block):
        """Return what a block (n_samples, n) of columns stands for: numbers or labels."""
        if name in self.categories_:
            missing = np.isnan(block).any(axis=1)
            place = np.where(missing, -1, np.where(missing[:, None], 0, block).argmax(axis=1))
            return np.array([*self.categories_[name].tolist(), None], dtype=object)[place]
        values = block[:, 0]
        if self._limits[name] is None:
            return values
        lower, upper, is_whole = self._limits[name]
        values = np.clip(np.rint(values) if is_whole else values, lower, upper)
        if self.dtypes_[name] == "object":  # of Python's whole numbers
            return np.array([None if v != v else int(v) for v in values], dtype=object)
        return values


class TableAutoencoder(EncodedAutoencoder):
    """One code of tables whose columns are numbers, booleans and categories, as they come.

    Numbers have the loss of ``autoencoder``, categories come out of a softmax, and every
    column's loss is divided by that of its marginal: each column weighs the same, whatever its
    unit. Missing cells may be anywhere. What comes back is a table
    of the same library and dtypes.

    Parameters
    ----------
    autoencoder : AutoencoderTransformer, default=None
        What is cloned and fitted; None is ``AutoencoderTransformer()``.
    handle_unknown : {"error", "ignore"}, default="error"
        What is done with categories that fit has not seen: "ignore" takes them as missing.
    random_state : int, RandomState instance or None, default=None
        Seed of the fitted clone; None leaves it the one that ``autoencoder`` has.

    Attributes
    ----------
    autoencoder_ : AutoencoderTransformer
        The fitted clone.
    encoder_ : TableEncoder
        What makes numbers of the columns.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where they are all strings.

    See Also
    --------
    MultimodalAutoencoder : Tables beside images, series and texts.

    Examples
    --------
    >>> import pandas as pd
    >>> from skae import AutoencoderTransformer, TableAutoencoder
    >>> X = pd.DataFrame({"fruit": ["fig", "kiwi"] * 20, "n": [1, 9] * 20})
    >>> ae = AutoencoderTransformer(1, hidden_layer_sizes=(), max_iter=1)
    >>> ae = TableAutoencoder(ae, random_state=0).fit(X)
    >>> ae.inverse_transform(ae.transform(X))[:2]
      fruit  n
    0   fig  1
    1  kiwi  9
    """

    _parameter_constraints = {
        **EncodedAutoencoder._parameter_constraints,
        **TableEncoder._parameter_constraints,
    }

    def __init__(self, autoencoder=None, *, handle_unknown="error", random_state=None):
        self.autoencoder = autoencoder
        self.handle_unknown = handle_unknown
        self.random_state = random_state

    def _new_encoder(self):
        return TableEncoder(handle_unknown=self.handle_unknown)

    def _settings(self, encoder, autoencoder):
        return {"loss": encoder.make_loss(autoencoder.loss)}


def _refuse_empty(table):
    for n, what in zip(table.shape, ("sample(s)", "feature(s)"), strict=True):
        if n == 0:
            raise ValueError(
                f"Found array with 0 {what} (shape={table.shape}) while a minimum of 1 is "
                "required by TableEncoder."
            )


def _objects(X):
    """Return what is no table as an array in which a missing cell is NaN or None."""
    refuse_containers(X, "X")
    if not isinstance(X, list | tuple):
        X = _filled(X) if np.ma.is_masked(X) else X
        kind = getattr(getattr(X, "dtype", None), "kind", None)
        return X.astype(object) if kind == "T" else X  # NumPy's StringDType is new
    X = [_filled(row).tolist() if isinstance(row, np.ma.MaskedArray) else row for row in X]
    array = np.array(X, dtype=object)
    if array.ndim < 2 and any(np.ndim(row) for row in X):
        sizes = sorted({np.size(row) for row in X})
        raise ValueError(
            f"X has rows of inhomogeneous lengths: {sizes[0]} to {sizes[-1]} cells. Fill short "
            "ones up with None."
        )
    return array


def _filled(X):
    """Return a masked array with NaN in the masked cells, None where it is not of numbers."""
    if X.dtype.kind in "iufc":
        return unmasked(X)
    cells = np.array(X.data, dtype=object)
    cells[np.ma.getmaskarray(X)] = None
    return cells


def _kind(column):
    """Return "numbers" or "categories"; raise where a column holds neither, or nothing."""
    name, kind = column.name, _infer(column)
    if hasattr(column, "sparse"):
        raise TypeError(
            f"Column {name!r} is sparse, and dense columns are needed: "
            f"X[{name!r}].sparse.to_dense()."
        )
    if kind.startswith(("date", "time")) or kind in ("complex", "period", "interval"):
        _refuse_kind(name, kind)
    if column.isna().all():
        raise ValueError(
            f"Input X has no observed value in the columns [{name!r}]. Leave them out."
        )
    return "numbers" if kind in NUMBERS else "categories"


def _infer(column):
    return pandas().api.types.infer_dtype(column, skipna=True)


def _refuse_kind(name, kind):
    raise ValueError(
        f"Column {name!r} holds cells of kind {kind!r}. Convert it to numbers of a unit that "
        "you choose, or to text."
    )


def _numbers(column):
    """Return a column (n_samples,) of numbers as float64, NaN where missing."""
    kind = _infer(column)
    if kind not in (*NUMBERS, "boolean", "empty") and not column.isna().all():
        raise ValueError(
            f"Column {column.name!r} held numbers in fit, but now it does not: its cells are "
            f"of kind {kind!r}. Convert them to numbers first."
        )
    try:
        with np.errstate(over="ignore"):
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except OverflowError:
        values = np.array([np.inf])
    if (np.abs(values) > LARGEST).any():
        raise ValueError(
            "Input X contains infinity or a value too large for dtype('float32') in column "
            f"{column.name!r}."
        )
    return values


def _limits(column, dtype):
    """Return ``limits_of`` a dtype, of objects those of int64 where all are whole."""
    if not _is_object(dtype):
        return limits_of(dtype)
    return limits_of("int64") if _infer(column) == "integer" else None


def _is_object(dtype):
    return isinstance(dtype, np.dtype) and dtype.kind == "O"


def _categories(column):
    """Return the values (n,) that are there, in the order of the dtype or their own."""
    name = column.name
    try:
        categories = pandas().Categorical(column).remove_unused_categories().categories
    except (TypeError, NotImplementedError) as error:
        raise _no_category(name, error) from error
    labels = labels_of(categories)
    for label in labels.tolist():
        if isinstance(label, bytes | bytearray):
            raise ValueError(f"Column {name!r} holds bytes. Decode them to text first.")
        if isinstance(label, (*TIME_CELLS, complex)):
            _refuse_kind(name, type(label).__name__)
    return labels


def _no_category(name, error):
    return TypeError(
        f"Column {name!r} holds cells that are no category ({error}): each argument must be a "
        "string, a number or another constant."
    )


def _places(column, categories):
    """Return the places (n,) of a column's cells in ``categories``, -1 for none; and labels."""
    known = pandas().Index(categories, dtype=object)
    if hasattr(column, "cat"):
        codes = column.cat.codes.to_numpy()
        labels = labels_of(column.cat.categories).astype(object)
        places = np.append(known.get_indexer(labels), -1)
        return places[codes], np.append(labels, None)[codes]
    labels = column.to_numpy(dtype=object)
    try:
        return known.get_indexer(labels), labels
    except TypeError as error:
        raise _no_category(column.name, error) from error


def _warn_of_many(name, n_categories, n_rows):
    if n_rows >= ENOUGH_ROWS and n_categories > n_rows / 2:
        warnings.warn(
            f"Column {name!r} has {n_categories} categories in {n_rows} rows, and each becomes "
            "a column. Leave it out if it only names the rows, or group its values.",
            UserWarning,
            stacklevel=2,
        )
