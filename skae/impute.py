"""AutoencoderImputer: missing cells filled by the autoencoder's reconstruction.

How cells are filled stands in ``AutoencoderTransformer.impute``; here stands the interface of
scikit-learn's imputers.
"""

import numpy as np
from scipy.sparse import issparse
from sklearn.base import TransformerMixin, _fit_context
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from skae._autoencoder import AutoencoderTransformer
from skae._data.checks import check_rows, n_dimensions
from skae._wrappers import AroundAutoencoder

MOST_COMPONENTS = 32


class AutoencoderImputer(TransformerMixin, AroundAutoencoder):
    """Fill missing cells (NaN) with an autoencoder's reconstruction of their row.

    To be put where KNNImputer or IterativeImputer stands. Fitted on rows with missing cells,
    the autoencoder learns to fill: observed cells are hidden anew at each step, twice as many
    as are missing, but at least a twentieth and at most a fifth of them.
    Fitted on complete rows, it fills by what probabilistic PCA makes of the observed cells.

    Parameters
    ----------
    autoencoder : AutoencoderTransformer, default=None
        What is cloned and fitted; None is ``AutoencoderTransformer(k, scaling="standard")``,
        whose columns weigh alike whatever their units, and whose k is half the number of
        columns, at most 32.
    add_indicator : bool, default=False
        Append a column of zeros and ones for each column that had missing cells in fit.
    keep_empty_features : bool, default=False
        Return the columns without any observed value in ``fit``, filled with 0, instead of
        leaving them out, as scikit-learn's imputers do. Samples of more dimensions keep them.
    random_state : int, RandomState instance or None, default=None
        Seed of the fitted clone; None leaves it the one that ``autoencoder`` has.

    Attributes
    ----------
    autoencoder_ : AutoencoderTransformer
        The fitted clone.
    indicator_ : MissingIndicator or None
        Fitted where ``add_indicator`` asks for it.
    is_kept_ : ndarray of bool of shape (n_features_in_,)
        Which columns ``transform`` returns.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where they are all strings.

    See Also
    --------
    AutoencoderTransformer.impute : What fills.
    sklearn.impute.IterativeImputer : Regresses each column on the others, in turns.
    sklearn.impute.KNNImputer : Means of the nearest rows.

    Notes
    -----
    Of a column without any observed cell ``fit`` warns, see ``keep_empty_features``; an
    infinite cell is refused. A row without any observed cell gets the reconstruction of the
    mean. Sparse matrices are refused, as all of their cells are observed.

    Examples
    --------
    >>> import numpy as np
    >>> from skae import AutoencoderImputer, AutoencoderTransformer
    >>> X = np.outer(np.arange(20.0), [1, 2, 3])
    >>> X[4, 1] = np.nan
    >>> ae = AutoencoderTransformer(1, hidden_layer_sizes=(), max_iter=1)
    >>> AutoencoderImputer(ae, random_state=0).fit_transform(X)[4].round(1)
    array([ 4.,  8., 12.])
    """

    _parameter_constraints = {
        **AroundAutoencoder._parameter_constraints,
        "add_indicator": ["boolean"],
        "keep_empty_features": ["boolean"],
    }
    _default = AutoencoderTransformer(scaling="standard")

    def __init__(
        self,
        autoencoder=None,
        *,
        add_indicator=False,
        keep_empty_features=False,
        random_state=None,
    ):
        self.autoencoder = autoencoder
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, **params):
        """Fit the autoencoder on the observed cells of ``X``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows; missing cells are NaN.
        y : array-like of shape (n_samples,), default=None
            Handed to the autoencoder.
        **params : dict
            ``sample_weight``, ``X_val`` and ``groups`` for the autoencoder's ``fit``; routed
            where scikit-learn's metadata routing is on.

        Returns
        -------
        self : AutoencoderImputer
            The fitted imputer.

        Raises
        ------
        ValueError
            For rows or parameters that the autoencoder refuses; the imputer is then what it
            was before.
        TypeError
            For sparse matrices and containers without order.
        """
        with self._whole_or_not_at_all():
            self._fit(X, y, params)
        return self

    def _fit(self, X, y, params):
        _refuse_sparse(X)
        autoencoder = self._fit_autoencoder(X, y, params)
        rows = np.asarray(check_rows(self, X, reset=True))
        self.autoencoder_ = autoencoder
        keeps_all = self.keep_empty_features or n_dimensions(X) > 2
        self.is_kept_ = keeps_all | ~np.isnan(rows).all(axis=0)
        self.indicator_ = None
        if self.add_indicator:
            from sklearn.impute import MissingIndicator  # slow to import

            indicator = MissingIndicator(error_on_new=False).set_output(transform="default")
            self.indicator_ = indicator.fit(rows)

    def _default_components(self, n_features):
        return default_components(n_features)

    def transform(self, X):
        """Return ``X`` with its missing cells filled.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; missing cells are NaN.

        Returns
        -------
        X_filled : ndarray of shape (n_samples, n_features_out)
            The rows, observed cells as they were, without the columns that were empty in fit
            (see ``keep_empty_features``), and the indicator's columns after them: float32 for
            float32 rows, otherwise float64. Samples of more dimensions keep their shape, but
            where the indicator's columns follow them.

        Raises
        ------
        ValueError
            For rows that differ from those of fit in columns or names, or are infinite.
        """
        check_is_fitted(self)
        _refuse_sparse(X)
        rows = np.asarray(check_rows(self, X, reset=False))
        filled = self.autoencoder_.impute(X)
        filled = filled if self.is_kept_.all() else filled[:, self.is_kept_]
        if self.indicator_ is None:
            return filled
        marks = self.indicator_.transform(rows).astype(rows.dtype)
        return np.hstack([filled.reshape(len(rows), -1), marks])

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns that ``transform`` returns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of ``X``, where fit has seen none.

        Returns
        -------
        names : ndarray of str objects
            The columns' own names, and ``missingindicator_<name>`` for the indicator's.
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        kept = names[self.is_kept_]
        if self.indicator_ is None:
            return kept
        return np.concatenate([kept, self.indicator_.get_feature_names_out(names)])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _refuse_sparse(X):
    if issparse(X):
        raise TypeError(
            "Sparse data was passed for X, but AutoencoderImputer needs dense data: all cells "
            "of a sparse matrix are observed, its zeros too, and nothing would be filled. "
            "Where zeros stand for missing cells, pass an array with NaN in their places."
        )


def default_components(n_features):
    """Return how many components fill best, of those tried: a code need not be short for it."""
    return min(MOST_COMPONENTS, max(1, -(-n_features // 2)))
