"""What estimators around an AutoencoderTransformer share: fitting a clone, and its routing."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
    clone,
)
from sklearn.utils import Tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted

from skae._data.checks import n_dimensions, shape_of
from skae._data.numbers import is_frame
from skae._estimator.autoencoder import AutoencoderTransformer
from skae._runtime.devices import default_errors
from skae._runtime.pickles import VersionedPickles
from skae._runtime.snapshots import fitted_copy, on_snapshots

Autoencoder = AutoencoderTransformer | None
Seed = int | np.random.RandomState | None


class AroundAutoencoder(VersionedPickles, BaseEstimator):
    """Base of estimators with the parameters ``autoencoder`` and ``random_state``.

    Subclasses define ``_learn(X, y, params)``, which sets the fitted attributes.
    """

    autoencoder_: AutoencoderTransformer
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    _parameter_constraints = {
        "autoencoder": [AutoencoderTransformer, None],
        "random_state": ["random_state"],
    }
    _default: dict = {}  # parameters of the autoencoder that None stands for

    @_fit_context(prefer_skip_nested_validation=False)
    @default_errors
    def fit(self, X: Any, y: ArrayLike | None = None, **params: Any) -> Self:
        """Fit a clone of the autoencoder on ``X``.

        Parameters
        ----------
        X : DataFrame, dict or array-like
            Training samples, as the class describes them. Missing values are NaN.
        y : array-like of shape (n_samples,), default=None
            Passed to the autoencoder, whose ``cv`` may need it.
        **params : dict
            ``sample_weight``, ``X_val`` (like X) and ``groups`` for the autoencoder's ``fit``;
            routed if scikit-learn's metadata routing is on.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If samples or parameters are not valid. The estimator is then what it was before.
        TypeError
            If ``X`` is a container without order, or of a kind that the class does not take.
        """
        with fitted_copy(self) as fitted:
            fitted._learn(X, y, params)
        return self

    def _fit_autoencoder(self, X, y, params, **settings):
        """Return a fitted clone with ``settings``; ``params`` are what ``fit`` was passed."""
        if get_config()["enable_metadata_routing"]:
            params = process_routing(self, "fit", **params).autoencoder.fit
        return self._new_autoencoder(X).set_params(**settings).fit(X, y, **params)

    def _new_autoencoder(self, X=None):
        """Return what is to be fitted on ``X``; a default code is no longer than PCA's."""
        default = AutoencoderTransformer(**self._default)
        autoencoder = default if self.autoencoder is None else clone(self.autoencoder)
        if self.random_state is not None:
            autoencoder.set_params(random_state=self.random_state)
        if self.autoencoder is None and X is not None and n_dimensions(X) >= 2:
            n_samples, *sample_shape = shape_of(X)
            n_features = int(np.prod(sample_shape))
            wanted = self._default_components(n_features)
            autoencoder.n_components = max(1, min(wanted, n_samples, n_features))
        return autoencoder.set_output(transform="default")

    def _default_components(self, n_features):
        return AutoencoderTransformer().n_components

    def get_metadata_routing(self) -> MetadataRouter:
        """Return what ``fit`` passes on to the autoencoder's ``fit``.

        Returns
        -------
        routing : MetadataRouter
            See scikit-learn's guide to metadata routing.
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return MetadataRouter(owner=self).add(
            autoencoder=self._new_autoencoder(), method_mapping=mapping
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


@on_snapshots(
    "transform",
    "inverse_transform",
    "reconstruct",
    "impute",
    "sample",
    "score",
    "score_samples",
    "get_feature_names_out",
)
class EncodedAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, AroundAutoencoder):
    """Base of autoencoders of encoded samples; they return samples like those of ``fit``.

    Subclasses define ``_new_encoder()``, and ``_settings(encoder, autoencoder)``: the
    parameters of the autoencoder that follow from the fitted encoder.
    """

    encoder_: Any

    def _learn(self, X, y, params):
        autoencoder = self._new_autoencoder()
        autoencoder._validate_params()
        self.encoder_ = encoder = self._new_encoder().fit(X)
        if params.get("X_val") is not None:
            params = {**params, "X_val": encoder.transform(params["X_val"])}
        settings = self._settings(encoder, autoencoder)
        self.autoencoder_ = self._fit_autoencoder(encoder.transform(X), y, params, **settings)
        for name in ("n_features_in_", "feature_names_in_"):
            vars(self).pop(name, None)  # of an earlier fit
            if hasattr(encoder, name):
                setattr(self, name, getattr(encoder, name))

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return the codes of samples, the most important component first.

        Parameters
        ----------
        X : DataFrame, dict or array-like
            Samples like those of fit. Missing values are filled from the observed ones.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_components), float64
            Codes.

        Raises
        ------
        ValueError
            If samples differ from those of fit.
        """
        check_is_fitted(self)
        return self.autoencoder_.transform(self.encoder_.transform(X))

    def inverse_transform(self, X: ArrayLike) -> Any:
        """Return the reconstructions of codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_kept)
            Codes, or their first columns.

        Returns
        -------
        X_original : DataFrame, dict or ndarray
            Samples like those of fit; a DataFrame has the index of the codes if they have one.

        Raises
        ------
        ValueError
            If there are more columns than components, or codes are not finite.
        """
        check_is_fitted(self)
        return self._decoded(np.asarray(self.autoencoder_.inverse_transform(X)), X)

    def reconstruct(self, X: Any) -> Any:
        """Return ``inverse_transform(transform(X))`` in one pass.

        Parameters
        ----------
        X : DataFrame, dict or array-like
            Samples like those of fit. Missing values are filled from the observed ones first.

        Returns
        -------
        X_reconstructed : DataFrame, dict or ndarray
            Samples like those of fit; a DataFrame has the index of ``X``.

        Raises
        ------
        ValueError
            If samples differ from those of fit.
        """
        check_is_fitted(self)
        return self._decoded(self.autoencoder_.reconstruct(self.encoder_.transform(X)), X)

    def impute(self, X: Any) -> Any:
        """Return ``X`` with missing values filled by their reconstructions.

        Parameters
        ----------
        X : DataFrame, dict or array-like
            Samples like those of fit.

        Returns
        -------
        X_filled : DataFrame, dict or ndarray
            The same samples, observed values unchanged (whole numbers up to 2**53).

        Raises
        ------
        ValueError
            If samples differ from those of fit.
        """
        check_is_fitted(self)
        return self._decoded(self.autoencoder_.impute(self.encoder_.transform(X)), X)

    def _decoded(self, encoded, X):
        """Return decoded samples, a DataFrame with the index of ``X`` if that has one."""
        samples = self.encoder_.inverse_transform(encoded)
        if is_frame(samples) and is_frame(X):
            return samples.set_axis(X.index, axis=0)
        return samples

    def sample(
        self,
        n_samples: int = 1,
        random_state: Seed = None,
        *,
        noise: bool = False,
    ) -> Any:
        """Return new samples, see ``AutoencoderTransformer.sample``.

        Parameters
        ----------
        n_samples : int, default=1
            Number of samples.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws: the same seed gives the same samples.
        noise : bool, default=False
            Draw values around their reconstructions, categories with their probabilities.

        Returns
        -------
        X : DataFrame, dict or ndarray
            Samples like those of fit.

        Raises
        ------
        ValueError
            If ``n_samples`` is not an int of at least 1.
        """
        check_is_fitted(self)
        encoded = self.autoencoder_.sample(n_samples, random_state, noise=noise)
        return self.encoder_.inverse_transform(encoded)

    def score(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> float:
        """Return the share of deviance explained, see ``AutoencoderTransformer.score``.

        Parameters
        ----------
        X : DataFrame, dict or array-like
            Samples like those of fit.
        y : object, default=None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample.

        Returns
        -------
        score : float
            1 for perfect reconstructions, 0 for the mean of the training samples.
        """
        check_is_fitted(self)
        encoded = self.encoder_.transform(X)
        return self.autoencoder_.score(encoded, sample_weight=sample_weight)

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Return minus each sample's mean loss, see ``AutoencoderTransformer.score_samples``.

        Parameters
        ----------
        X : DataFrame, dict or array-like
            Samples like those of fit. Missing values do not count.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Of a table, minus the mean over its columns of the loss relative to that of the
            column's marginal distribution: -1 is as bad as knowing nothing of the sample.

        Raises
        ------
        ValueError
            If samples differ from those of fit.
        """
        check_is_fitted(self)
        return self.autoencoder_.score_samples(self.encoder_.transform(X))

    @property
    def _n_features_out(self):
        return self.autoencoder_.n_components_
