"""Tables of numbers, booleans and categories to columns of numbers, and back; their code."""

import warnings
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from skae._data.numbers import (
    TIME_TYPES,
    refuse_containers,
    refuse_large,
    refuse_times,
    unmasked,
)
from skae._wrappers import Autoencoder, EncodedAutoencoder, Seed
from skae.encoders import _frames as frames
from skae.encoders._base import SampleEncoder
from skae.losses import Categorical, Joint

NUMBERS = ("integer", "floating", "mixed-integer-float")  # kinds of values, named by pandas
ENOUGH_SAMPLES = 50  # to say that a column has many categories


class TableEncoder(SampleEncoder):
    """Encode a table of mixed columns as numbers and one-hot columns; decoding is exact.

    Columns of numbers come first, unchanged, then one column for each category of each other
    column. A missing number is NaN, and a missing category is NaN in all its columns.

    Parameters
    ----------
    handle_unknown : {"error", "ignore"}, default="error"
        Refuse categories that ``fit`` has not seen, or take them as missing.

    Attributes
    ----------
    categories_ : dict of {str: ndarray}
        The categories of each column that does not hold numbers, in the order of their dtype,
        or sorted. Intervals and times that are categories are text here.
    dtypes_ : dict of {str: str}
        The dtypes of the columns, as they are printed.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if all are strings.

    See Also
    --------
    TableAutoencoder : An autoencoder of such tables.
    sklearn.preprocessing.OneHotEncoder : Makes a missing value a category of its own.

    Notes
    -----
    X is a DataFrame of pandas or polars, a Table or RecordBatch of pyarrow, or an array-like of
    shape (n_samples, n_features). pandas must be installed. ``fit`` raises ValueError for
    columns of times, bytes, complex or infinite numbers, for repeated names and for columns
    without an observed value; TypeError for sparse columns and for values that are not
    constants. It warns if a column has about as many categories as samples. ``transform``
    raises ValueError if columns differ from those of ``fit``, if a column of numbers holds text
    or infinity, or if a category is unknown and ``handle_unknown="error"``.

    ``transform`` returns float64 of shape (n_samples, n_columns). ``inverse_transform`` returns
    a table of the same library, names and dtypes as in ``fit``, or an array if ``fit`` got one:
    numbers are rounded and clipped to what their dtype holds, and categories are the likeliest
    ones. NaN becomes a missing value. A NumPy column of whole numbers then becomes floats, and
    None in a column of objects comes back as NaN.

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

    categories_: dict[Any, NDArray]
    dtypes_: dict[Any, str]
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    _parameter_constraints = {"handle_unknown": [StrOptions({"error", "ignore"})]}
    _input_tags = {"string": True, "categorical": True}
    _refused = {"dtype": np.float64}  # infinity is clipped to the limits of a dtype

    def __init__(self, *, handle_unknown: str = "error"):
        self.handle_unknown = handle_unknown

    def _learn(self, X):
        table = self._table(X, reset=True)
        X = X if frames.library_of(X) else table
        dtypes, kinds = frames.dtypes_of(X), {name: _kind(table[name]) for name in table}
        self.dtypes_ = {name: str(dtype) for name, dtype in dtypes.items()}
        self.categories_, self._limits = {}, {}
        for name, kind in kinds.items():
            if kind not in NUMBERS:
                self.categories_[name] = _categories(table[name])
                continue
            _numbers(table[name])  # refuses what transform would
            whole = self.dtypes_[name] == "object" and _infer(X[name]) == "integer"
            self._limits[name] = frames.limits_of("int64" if whole else dtypes[name])
        self._schema, self._from_table = frames.schema_of(X), X is not table

    def _encode(self, X):
        table = self._table(X, reset=False)
        encoded = np.zeros((len(table), *self._sample_shape))
        for name, block in self._blocks(encoded):
            if name in self.categories_:
                self._encode_categories(table[name], block)
            else:
                block[:, 0] = _numbers(table[name])
        return encoded

    def _decode(self, samples):
        columns = {name: self._values(name, block) for name, block in self._blocks(samples)}
        table = frames.make_table(self._schema, columns)
        return table if self._from_table else table.to_numpy()

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
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
        one_hot = ([f"{name}_{c}" for c in cs] for name, cs in self.categories_.items())
        return np.array([*map(str, self._limits), *chain.from_iterable(one_hot)], dtype=object)

    def _loss(self, of_numbers):
        """Return a joint loss in which each column of the table has the same weight."""
        numbers = [(1, of_numbers)] * len(self._limits)
        categories = [(len(c), Categorical()) for c in self.categories_.values()]
        return Joint((*numbers, *categories))

    def _widths(self):
        """Return the number of encoded columns of each column."""
        return dict.fromkeys(self._limits, 1) | {n: len(c) for n, c in self.categories_.items()}

    @property
    def _sample_shape(self):
        return (sum(self._widths().values()),)

    def _blocks(self, samples):
        """Return pairs of a column's name and its encoded columns in ``samples``."""
        widths = self._widths()
        ends = np.cumsum(list(widths.values()))[:-1]
        return zip(widths, np.split(samples, ends, axis=1), strict=True)

    def _table(self, X, *, reset):
        """Return ``X`` as a pandas DataFrame of dtypes that pandas has without pyarrow."""
        if frames.library_of(X):
            frames.names_of(X)  # refuses repeated ones
            refuse_times(X)
            table = frames.as_pandas(X)
            validate_data(self, table, reset=reset, skip_check_array=True)
            for n, what in zip(table.shape, ("sample(s)", "feature(s)"), strict=True):
                if n == 0:
                    raise ValueError(
                        f"Found array with 0 {what} (shape={table.shape}) while a minimum of 1 "
                        "is required by TableEncoder."
                    )
        else:
            settings = {"dtype": None, "ensure_all_finite": "allow-nan"}
            X = validate_data(self, _objects(X), reset=reset, **settings)
            refuse_times(X)
            X = X.astype(object) if X.dtype.kind == "S" else X
            table = frames.import_pandas().DataFrame(X)
        table = table.infer_objects()  # numbers among objects are numbers
        return table if reset else table.set_axis(list(self.dtypes_), axis=1)

    def _encode_categories(self, column, block):
        """Write a column of categories to a ``block`` (n_samples, n_categories) of zeros."""
        indices, labels = _indices(column, self.categories_[column.name])
        unknown = (indices < 0) & column.notna().to_numpy()
        if unknown.any() and self.handle_unknown == "error":
            found = list(dict.fromkeys(labels[unknown].tolist()))
            raise ValueError(
                f"Found unknown categories {found} in column {column.name!r} during transform. "
                "Set handle_unknown='ignore' to take them as missing."
            )
        known = indices >= 0
        block[np.flatnonzero(known), indices[known]] = 1.0
        block[~known] = np.nan

    def _values(self, name, block):
        """Return the numbers or labels that a block (n_samples, n_columns) stands for."""
        if name in self.categories_:
            missing = np.isnan(block).any(axis=1)
            likeliest = np.where(missing[:, None], 0, block).argmax(axis=1)
            labels = np.array([*self.categories_[name].tolist(), None], dtype=object)
            return labels[np.where(missing, -1, likeliest)]
        values = block[:, 0]
        if self._limits[name] is None:
            return values
        lower, upper, whole = self._limits[name]
        values = np.clip(np.rint(values) if whole else values, lower, upper)
        if self.dtypes_[name] == "object":
            return np.array([None if v != v else int(v) for v in values], dtype=object)
        return values


class TableAutoencoder(EncodedAutoencoder):
    """An autoencoder of tables of numbers, booleans and categories.

    Numbers have the loss of ``autoencoder``, and categories a softmax. The loss of each column
    is divided by that of its marginal distribution: all columns weigh the same, whatever their
    units. Values may be missing anywhere. Reconstructions are tables of the same library and
    dtypes, see ``TableEncoder``.

    Parameters
    ----------
    autoencoder : AutoencoderTransformer, default=None
        The autoencoder to clone and fit. None stands for ``AutoencoderTransformer()``.
    handle_unknown : {"error", "ignore"}, default="error"
        Refuse categories that ``fit`` has not seen, or take them as missing.
    random_state : int, RandomState instance or None, default=None
        Seed of the fitted clone. None keeps that of ``autoencoder``.

    Attributes
    ----------
    autoencoder_ : AutoencoderTransformer
        The fitted clone.
    encoder_ : TableEncoder
        The fitted encoder of the columns.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if all are strings.

    See Also
    --------
    MultimodalAutoencoder : Tables together with images, series and texts.

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

    def __init__(
        self,
        autoencoder: Autoencoder = None,
        *,
        handle_unknown: str = "error",
        random_state: Seed = None,
    ):
        self.autoencoder = autoencoder
        self.handle_unknown = handle_unknown
        self.random_state = random_state

    def _new_encoder(self):
        return TableEncoder(handle_unknown=self.handle_unknown)

    def _settings(self, encoder, autoencoder):
        return {"loss": encoder.make_loss(autoencoder.loss)}


def _objects(X):
    """Return what is not a table as an array in which a missing value is NaN or None."""
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
            f"X has samples of inhomogeneous lengths: {sizes[0]} to {sizes[-1]} values. Fill "
            "short ones up with None."
        )
    return array


def _filled(X):
    """Return a masked array with NaN in place of masked numbers, None of masked objects."""
    if X.dtype.kind in "iufc":
        return unmasked(X)
    values = np.array(X.data, dtype=object)
    values[np.ma.getmaskarray(X)] = None
    return values


def _kind(column):
    """Return what pandas calls the values of a column; raise if they are not to be encoded."""
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
    return kind


def _infer(column):
    return frames.import_pandas().api.types.infer_dtype(column, skipna=True)


def _refuse_kind(name, kind):
    raise ValueError(
        f"Column {name!r} holds values of kind {kind!r}. Convert them to numbers of a unit "
        "that you choose, or to text."
    )


def _numbers(column):
    """Return a column (n_samples,) of numbers as float64, NaN if missing."""
    kind = _infer(column)
    if kind not in (*NUMBERS, "boolean", "empty") and not column.isna().all():
        raise ValueError(
            f"Column {column.name!r} held numbers in fit, but now it does not: its values are "
            f"of kind {kind!r}. Convert them to numbers first."
        )
    try:
        with np.errstate(over="ignore"):
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except OverflowError:
        values = np.array([np.inf])
    refuse_large(values, f"X[{column.name!r}]")
    return values


def _categories(column):
    """Return the observed categories (n,) in the order of the dtype, or sorted."""
    name = column.name
    try:
        categories = frames.import_pandas().Categorical(column).remove_unused_categories()
    except (TypeError, NotImplementedError) as error:
        raise _not_constant(name, error) from error
    labels = frames.labels_of(categories.categories)
    for label in labels.tolist():
        if isinstance(label, bytes | bytearray):
            raise ValueError(f"Column {name!r} holds bytes. Decode them to text first.")
        if isinstance(label, (*TIME_TYPES, complex)):
            _refuse_kind(name, type(label).__name__)
    n_samples = column.count()
    if n_samples >= ENOUGH_SAMPLES and len(labels) > n_samples / 2:
        warnings.warn(
            f"Column {name!r} has {len(labels)} categories in {n_samples} samples, and each "
            "becomes a column. Leave it out if it only names the samples, or group its values.",
            UserWarning,
            stacklevel=2,
        )
    return labels


def _indices(column, categories):
    """Return the index (n,) of each value in ``categories``, -1 for none; and its label."""
    known = frames.import_pandas().Index(categories, dtype=object)
    if hasattr(column, "cat"):
        codes = column.cat.codes.to_numpy()
        labels = frames.labels_of(column.cat.categories).astype(object)
        return np.append(known.get_indexer(labels), -1)[codes], np.append(labels, None)[codes]
    labels = column.to_numpy(dtype=object)
    try:
        return known.get_indexer(labels), labels
    except TypeError as error:
        raise _not_constant(column.name, error) from error


def _not_constant(name, error):
    return TypeError(
        f"Column {name!r} holds values that are no category ({error}): each argument must be a "
        "string, a number or another constant."
    )
