"""Tables of numbers, yes and no, and categories: to columns of numbers and back; their code."""

from itertools import chain

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from skae._meta import EncodedAutoencoder
from skae._numbers import is_frame, refuse_times, unmasked
from skae.losses import Categorical, Joint


class TableEncoder(TransformerMixin, BaseEstimator):
    """A DataFrame to a matrix of numbers and one-hot columns; the way back is exact.

    Columns of numbers come first, as they are, then one column for each category of each other
    column. A missing cell is NaN, of a category in all its columns.

    Parameters
    ----------
    handle_unknown : {"error", "ignore"}, default="error"
        What is done with categories that fit has not seen: "ignore" takes them as missing.

    Attributes
    ----------
    categories_ : dict of {str: Index}
        The categories of each column that is not of numbers, in the order of their dtype or of
        themselves.
    dtypes_ : Series of shape (n_features_in_,)
        The dtypes of the columns.
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
        X : DataFrame or array-like of shape (n_samples, n_features)
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
            For columns of times, of complex numbers, of one name, or without any observed cell.
        TypeError
            For cells that are no constants.
        ImportError
            Without pandas.
        """
        before = dict(vars(self))
        try:
            self._fit(X)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise
        return self

    def _fit(self, X):
        table = self._table(X, reset=True)
        refuse_times(table)
        for name in table:
            _refuse_column(table[name])
        self._is_frame = is_frame(X)
        self.dtypes_ = X.dtypes if self._is_frame else table.dtypes
        self.categories_ = {
            name: _categories(table[name]) for name in table if not _is_number(table[name])
        }

    def transform(self, X):
        """Return rows as numbers and one-hot columns.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Rows of the same columns.

        Returns
        -------
        X_numbers : ndarray of shape (n_samples, n_columns), float64
            Numbers, then zeros and ones; NaN where a cell is missing.

        Raises
        ------
        ValueError
            For other columns than in fit, text in a column of numbers, or a category that fit
            has not seen where ``handle_unknown="error"``.
        """
        check_is_fitted(self)
        table = self._table(X, reset=False)
        numbers = [_numbers(table[name])[:, None] for name in self._number_names]
        shares = [self._one_hot(table[name], c) for name, c in self.categories_.items()]
        return np.hstack([np.empty((len(table), 0)), *numbers, *shares])

    def inverse_transform(self, X):
        """Return the table that numbers and shares stand for.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns)
            What ``transform`` returned, or a reconstruction of it.

        Returns
        -------
        X_original : DataFrame or ndarray of shape (n_samples, n_features)
            Columns as in fit, with their dtypes: whole numbers rounded, of each column's
            categories the likeliest, missing where a share is NaN (also where an object column
            had None; a missing whole number makes floats of a NumPy column). An array where
            fit got one.

        Raises
        ------
        ValueError
            For another number of columns.
        """
        check_is_fitted(self)
        pd, X, sizes = _pandas(), np.asarray(X, np.float64), self._sizes
        if X.ndim != 2 or X.shape[1] != sum(sizes):
            raise ValueError(
                f"X has shape {X.shape}, but TableEncoder makes rows of {sum(sizes)} columns."
            )
        blocks = np.split(X, np.cumsum(sizes)[:-1], axis=1)
        columns = dict(zip(self._order, blocks, strict=True))
        table = pd.DataFrame(
            {name: self._column(name, columns[name]) for name in self.dtypes_.index}
        )
        return table if self._is_frame else table.to_numpy()

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
        return [name for name in self.dtypes_.index if name not in self.categories_]

    @property
    def _order(self):
        return [*self._number_names, *self.categories_]

    @property
    def _sizes(self):
        return [len(self.categories_.get(name, [None])) for name in self._order]

    def _table(self, X, *, reset):
        """Return ``X`` as a DataFrame of its own columns."""
        if is_frame(X):
            if len(twice := X.columns[X.columns.duplicated()]):
                raise ValueError(f"X has several columns of one name: {twice.tolist()}.")
            validate_data(self, X, reset=reset, skip_check_array=True)
        else:
            X = np.array(X, dtype=object) if isinstance(X, list | tuple) else unmasked(X)
            X = validate_data(self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan")
            X = _pandas().DataFrame(X)
        table = X.infer_objects()  # numbers among objects are numbers
        return table if reset else table.set_axis(self.dtypes_.index, axis=1)

    def _one_hot(self, column, categories):
        """Return zeros and ones (n_samples, n_categories) of a column, NaN where missing."""
        place = categories.get_indexer(column)
        is_unknown = (place < 0) & ~column.isna().to_numpy()
        if is_unknown.any() and self.handle_unknown == "error":
            found = column[is_unknown].unique().tolist()
            raise ValueError(
                f"Found unknown categories {found} in column {column.name!r} during transform. "
                "Set handle_unknown='ignore' to take them as missing."
            )
        rows = np.vstack([np.eye(len(categories)), np.full(len(categories), np.nan)])
        return rows[place]

    def _column(self, name, block):
        """Return a column of the table from its numbers (n_samples, n)."""
        pd, dtype = _pandas(), self.dtypes_[name]
        if name in self.categories_:
            missing = np.isnan(block).any(axis=1)
            place = np.where(missing, -1, np.where(missing[:, None], 0, block).argmax(axis=1))
            values = pd.Categorical.from_codes(place, self.categories_[name])
            return pd.Series(values).astype(dtype)
        values = block[:, 0]
        if dtype.kind in "iu":
            limits = np.iinfo(getattr(dtype, "numpy_dtype", dtype))
            greatest = np.nextafter(float(limits.max), 0) if limits.bits == 64 else limits.max
            values = np.clip(np.rint(values), limits.min, greatest)
            if isinstance(dtype, np.dtype) and np.isnan(values).any():
                dtype = np.float64  # whole numbers of NumPy's have no missing ones
        return pd.Series(values).astype(dtype)


class TableAutoencoder(EncodedAutoencoder):
    """One code of tables whose columns are numbers, booleans and categories, as they come.

    Numbers have the loss of ``autoencoder``, categories come out of a softmax, and every
    column's loss is divided by that of its marginal: each column weighs the same, whatever its
    unit. Missing cells may be anywhere. What comes back is a DataFrame of the same dtypes.

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


def _pandas():
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "Tables of mixed columns need pandas: pip install 'skae[tables]'."
        ) from error
    return pandas


def _refuse_column(column):
    """Raise where a column is neither of numbers nor of categories, or holds nothing."""
    kind = _pandas().api.types.infer_dtype(column, skipna=True)
    if kind.startswith(("date", "time")) or kind in ("complex", "period", "interval"):
        raise ValueError(
            f"Column {column.name!r} holds cells of kind {kind!r}. Convert it to numbers of a "
            "unit that you choose, or to text."
        )
    if column.isna().all():
        raise ValueError(
            f"Input X has no observed value in the columns {[column.name]}. Leave them out."
        )
    if hasattr(column, "sparse"):
        raise TypeError(
            f"Column {column.name!r} is sparse, and dense columns are needed: "
            "X.sparse.to_dense()."
        )


def _is_number(column):
    types = _pandas().api.types
    return types.is_numeric_dtype(column) and not types.is_bool_dtype(column)


def _numbers(column):
    """Return the column (n_samples,) as float64, NaN where missing."""
    try:
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Column {column.name!r} held numbers in fit, but now it does not: {error}"
        ) from error


def _categories(column):
    """Return the Index of the values that are there, in the order of the dtype or their own."""
    try:
        return _pandas().Categorical(column).remove_unused_categories().categories
    except TypeError as error:
        raise TypeError(
            f"Column {column.name!r} holds cells that are no category ({error}): each argument "
            "must be a string, a number or another constant."
        ) from error
