"""AutoencoderImputer: missing values filled by the reconstruction of an autoencoder."""

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import TransformerMixin
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, MissingValues
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from skae._data.checks import check_rows, n_dimensions
from skae._data.numbers import as_numbers, is_missing, with_nan
from skae._runtime.snapshots import on_snapshots
from skae._wrappers import AroundAutoencoder, Autoencoder, Seed

MOST_COMPONENTS = 32


@on_snapshots("transform", "get_feature_names_out")
class AutoencoderImputer(TransformerMixin, AroundAutoencoder):
    """Impute missing values by an autoencoder's reconstruction of their sample.

    A drop-in replacement of KNNImputer and IterativeImputer. If training samples have missing
    values, the autoencoder learns to impute: at each step, other observed values are hidden,
    twice as many as are missing, but at least 5 % and at most 20 % of them. Fitted on complete
    samples, it imputes by probabilistic PCA of the observed values.

    Parameters
    ----------
    autoencoder : AutoencoderTransformer, default=None
        The autoencoder to clone and fit. None stands for
        ``AutoencoderTransformer(k, scaling="standard")``: features weigh the same whatever
        their units, and k is half of their number, at most 32.
    missing_values : float or int, default=np.nan
        What stands for a missing value. If it is another number than NaN, NaN in X is refused,
        as by scikit-learn's imputers. pd.NA is the same as NaN.
    min_value : float or array-like of shape (n_features,), default=-np.inf
        Least value to impute, of all features or of each; observed values stay.
    max_value : float or array-like of shape (n_features,), default=np.inf
        Greatest value to impute.
    add_indicator : bool, default=False
        Append a column of zeros and ones for each feature that had missing values in fit.
    keep_empty_features : bool, default=False
        Return features without an observed value in ``fit``, filled with 0, instead of
        dropping them, as scikit-learn's imputers do. Samples that are not 1-D keep them.
    random_state : int, RandomState instance or None, default=None
        Seed of the fitted clone. None keeps that of ``autoencoder``.

    Attributes
    ----------
    autoencoder_ : AutoencoderTransformer
        The fitted clone.
    min_value_, max_value_ : ndarray of shape (`n_features_in_`,)
        Bounds of imputed values.
    indicator_ : MissingIndicator or None
        Fitted if ``add_indicator=True``.
    is_kept_ : ndarray of bool of shape (`n_features_in_`,)
        Which features ``transform`` returns.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if all are strings.

    See Also
    --------
    AutoencoderTransformer.impute : Imputes with a fitted autoencoder.
    sklearn.impute.IterativeImputer : Regresses each feature on the others, in turns.
    sklearn.impute.KNNImputer : Means of the nearest samples.

    Notes
    -----
    X is array-like of shape (n_samples, n_features) or (n_samples, ...). ``fit`` warns of
    features without an observed value. Infinite values raise ValueError. A sample without an
    observed value gets the reconstruction of the mean. Sparse matrices raise TypeError, as all
    their values are observed.

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

    indicator_: Any
    is_kept_: NDArray[np.bool_]
    min_value_: NDArray[np.float64]
    max_value_: NDArray[np.float64]

    _parameter_constraints = {
        **AroundAutoencoder._parameter_constraints,
        "missing_values": [MissingValues(numeric_only=True)],
        "min_value": [Interval(Real, None, None, closed="both"), "array-like"],
        "max_value": [Interval(Real, None, None, closed="both"), "array-like"],
        "add_indicator": ["boolean"],
        "keep_empty_features": ["boolean"],
    }
    _default = {"scaling": "standard"}

    def __init__(
        self,
        autoencoder: Autoencoder = None,
        *,
        missing_values: float = np.nan,
        min_value: float | ArrayLike = -np.inf,
        max_value: float | ArrayLike = np.inf,
        add_indicator: bool = False,
        keep_empty_features: bool = False,
        random_state: Seed = None,
    ):
        self.autoencoder = autoencoder
        self.missing_values = missing_values
        self.min_value = min_value
        self.max_value = max_value
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features
        self.random_state = random_state

    def _learn(self, X, y, params):
        _refuse_sparse(X)
        if params.get("X_val") is not None:
            params = {**params, "X_val": self._marked(params["X_val"])}
        autoencoder = self._fit_autoencoder(self._marked(X), y, params)
        rows = self._rows(X, reset=True)
        self.autoencoder_ = autoencoder
        self.min_value_, self.max_value_ = self._bounds()
        keeps_all = self.keep_empty_features or n_dimensions(X) > 2
        self.is_kept_ = keeps_all | ~np.isnan(rows).all(axis=0)
        self.indicator_ = None
        if self.add_indicator:
            from sklearn.impute import MissingIndicator  # slow to import

            indicator = MissingIndicator(error_on_new=False).set_output(transform="default")
            self.indicator_ = indicator.fit(rows)

    def _default_components(self, n_features):
        return default_components(n_features)

    def _marked(self, X):
        """Return ``X`` with NaN for what stands for a missing value; itself if that is NaN."""
        return X if is_missing(self.missing_values) else with_nan(X, self.missing_values)

    def _rows(self, X, *, reset):
        """Return checked rows (n, d), NaN if missing."""
        return self._marked(np.asarray(check_rows(self, X, reset=reset)))

    def _bounds(self):
        """Return the least and greatest imputed value (n_features_in_,) of each feature."""
        bounds = []
        for name in ("min_value", "max_value"):
            bound = as_numbers(getattr(self, name), name=name, allow_nan=False)
            if bound.shape not in ((), (self.n_features_in_,)):
                raise ValueError(
                    f"{name} must be a number or one for each of the {self.n_features_in_} "
                    f"features, got an array of shape {bound.shape}."
                )
            bounds.append(np.broadcast_to(bound, self.n_features_in_).astype(np.float64))
        if not (bounds[0] < bounds[1]).all():
            raise ValueError("One (or more) features have min_value >= max_value.")
        return bounds

    def transform(self, X: ArrayLike) -> NDArray:
        """Return ``X`` with missing values imputed.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples; missing values are ``missing_values``.

        Returns
        -------
        X_filled : ndarray of shape (n_samples, n_features_out)
            Samples with observed values unchanged, without the features that were empty in
            ``fit`` (see ``keep_empty_features``), followed by the columns of the indicator;
            float32 for float32 samples, otherwise float64. Samples that are not 1-D keep their
            shape if there is no indicator.

        Raises
        ------
        ValueError
            If features or names differ from those of fit, or values are infinite.
        TypeError
            If X is sparse.
        """
        check_is_fitted(self)
        _refuse_sparse(X)
        rows = self._rows(X, reset=False)
        filled = self.autoencoder_.impute(self._marked(X))
        within = np.clip(filled.reshape(rows.shape), self.min_value_, self.max_value_)
        np.copyto(
            filled, within.reshape(filled.shape), where=np.isnan(rows).reshape(filled.shape)
        )
        filled = filled if self.is_kept_.all() else filled[:, self.is_kept_]
        if self.indicator_ is None:
            return filled
        indicator = self.indicator_.transform(rows).astype(rows.dtype)
        return np.hstack([filled.reshape(len(rows), -1), indicator])

    def get_feature_names_out(
        self, input_features: ArrayLike | None = None
    ) -> NDArray[np.object_]:
        """Return the names of the features that ``transform`` returns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the features of ``X``, if fit has seen none.

        Returns
        -------
        names : ndarray of str objects
            The features' own names, and ``missingindicator_<name>`` for those of the indicator.
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        kept = names[self.is_kept_]
        if self.indicator_ is None:
            return kept
        return np.concatenate([kept, self.indicator_.get_feature_names_out(names)])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def default_components(n_features: int) -> int:
    """Return the number of components that imputes best, of those tried."""
    return min(MOST_COMPONENTS, max(1, -(-n_features // 2)))


def _refuse_sparse(X: Any) -> None:
    if issparse(X):
        raise TypeError(
            "Sparse data was passed for X, but AutoencoderImputer needs dense data: all values "
            "of a sparse matrix are observed, its zeros too, and nothing would be filled. If "
            "zeros stand for missing values, pass an array with NaN in their places."
        )
