"""What estimators around an AutoencoderTransformer share: the clone and the routing."""

import numpy as np
from sklearn import get_config
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
    clone,
)
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted

from skae._autoencoder import AutoencoderTransformer
from skae._data.checks import n_dimensions, shape_of
from skae._data.numbers import is_frame
from skae._runtime.interrupts import unchanged_by_failure


class AroundAutoencoder(BaseEstimator):
    """An estimator with the parameters ``autoencoder`` and ``random_state``."""

    _parameter_constraints = {
        "autoencoder": [AutoencoderTransformer, None],
        "random_state": ["random_state"],
    }
    _default = AutoencoderTransformer()

    def _fit_autoencoder(self, X, y, params, **settings):
        """Return a fitted clone with ``settings``; ``params`` are what ``fit`` was passed."""
        if get_config()["enable_metadata_routing"]:
            params = process_routing(self, "fit", **params).autoencoder.fit
        return self._suited(X).set_params(**settings).fit(X, y, **params)

    def _whole_or_not_at_all(self):
        """Return a context that leaves the estimator as it was where something fails."""
        return unchanged_by_failure(self)

    def _suited(self, X):
        """Return what is to be fitted on ``X``; a default code is no longer than PCA's."""
        autoencoder = self._unfitted()
        if self.autoencoder is None and n_dimensions(X) >= 2:
            n_samples, *sample_shape = shape_of(X)
            n_features = int(np.prod(sample_shape))
            wanted = self._default_components(n_features)
            autoencoder.set_params(n_components=max(1, min(wanted, n_samples, n_features)))
        return autoencoder

    def _default_components(self, n_features):
        return self._default.n_components

    def _unfitted(self):
        """Return a new autoencoder of the parameters asked."""
        autoencoder = clone(self._default if self.autoencoder is None else self.autoencoder)
        if self.random_state is not None:
            autoencoder.set_params(random_state=self.random_state)
        return autoencoder.set_output(transform="default")

    def get_metadata_routing(self):
        """Return what ``fit`` passes on to the autoencoder's.

        Returns
        -------
        routing : MetadataRouter
            See scikit-learn's guide to metadata routing.
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return MetadataRouter(owner=self).add(
            autoencoder=self._unfitted(), method_mapping=mapping
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class EncodedAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, AroundAutoencoder):
    """An autoencoder of what an encoder makes of ``X``; what comes back is as ``X`` is.

    Children say which encoder (``_new_encoder``), and what the autoencoder has to know of it
    once it is fitted (``_settings``).
    """

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, **params):
        """Fit the encoder and the autoencoder.

        Parameters
        ----------
        X : DataFrame, dict or array-like
            Training samples, as the class describes them.
        y : array-like of shape (n_samples,), default=None
            Handed to the autoencoder.
        **params : dict
            ``sample_weight``, ``X_val`` (like X) and ``groups`` for the autoencoder's ``fit``;
            routed where scikit-learn's metadata routing is on.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For samples or parameters that the encoder or the autoencoder refuses; the estimator
            is then what it was before.
        """
        self._unfitted()._validate_params()
        encoder = self._new_encoder().fit(X)
        if params.get("X_val") is not None:
            params = {**params, "X_val": encoder.transform(params["X_val"])}
        rows = encoder.transform(X)
        settings = self._settings(encoder, self._unfitted())
        autoencoder = self._fit_autoencoder(rows, y, params, **settings)
        self._set_fitted(encoder, autoencoder)
        return self

    def _set_fitted(self, encoder, autoencoder):
        """Set every fitted attribute together; those of an earlier fit may be others."""
        names = "n_features_in_", "feature_names_in_"
        found = {name: getattr(encoder, name) for name in names if hasattr(encoder, name)}
        with self._whole_or_not_at_all():
            vars(self).update(found, encoder_=encoder, autoencoder_=autoencoder)
            for name in set(names) - set(found):
                vars(self).pop(name, None)

    def transform(self, X):
        """Return the codes of samples, the most important component first.

        Parameters
        ----------
        X : DataFrame, dict or array-like
            Samples like those of fit; what is missing is filled from what is there.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_components), float64
            Codes.

        Raises
        ------
        ValueError
            For samples that differ from those of fit.
        """
        check_is_fitted(self)
        return self.autoencoder_.transform(self.encoder_.transform(X))

    def inverse_transform(self, X):
        """Return the reconstructions of codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_kept)
            Codes, or their first columns.

        Returns
        -------
        X_original : DataFrame, dict or ndarray
            Samples as in fit, a DataFrame with the codes' index where they have one.

        Raises
        ------
        ValueError
            For more columns than components, or codes that are not finite.
        """
        check_is_fitted(self)
        rows = np.asarray(self.autoencoder_.inverse_transform(X))
        return _indexed(self.encoder_.inverse_transform(rows), X)

    def impute(self, X):
        """Return ``X`` with what is missing filled by its reconstruction.

        Parameters
        ----------
        X : DataFrame, dict or array-like
            Samples like those of fit.

        Returns
        -------
        X_filled : DataFrame, dict or ndarray
            The same samples, what was observed as it was (whole numbers up to 2**53).

        Raises
        ------
        ValueError
            For samples that differ from those of fit.
        """
        check_is_fitted(self)
        filled = self.autoencoder_.impute(self.encoder_.transform(X))
        return _indexed(self.encoder_.inverse_transform(filled), X)

    def sample(self, n_samples=1, random_state=None, *, noise=False):
        """Return new samples, see ``AutoencoderTransformer.sample``.

        Parameters
        ----------
        n_samples : int, default=1
            Number of samples.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws: the same seed gives the same samples.
        noise : bool, default=False
            Draw cells around their reconstructions, categories with their probabilities.

        Returns
        -------
        X : DataFrame, dict or ndarray
            Samples as in fit.

        Raises
        ------
        ValueError
            For ``n_samples`` that is no int of at least 1.
        """
        check_is_fitted(self)
        rows = self.autoencoder_.sample(n_samples, random_state, noise=noise)
        return self.encoder_.inverse_transform(rows)

    def score(self, X, y=None, sample_weight=None):
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
        rows = self.encoder_.transform(X)
        return self.autoencoder_.score(rows, sample_weight=sample_weight)

    @property
    def _n_features_out(self):
        return self.autoencoder_.n_components_


def _indexed(samples, X):
    """Return a DataFrame of samples with the index of ``X``, where both are DataFrames."""
    if is_frame(samples) and is_frame(X):
        return samples.set_axis(X.index, axis=0)
    return samples
