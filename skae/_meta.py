"""What estimators around an AutoencoderTransformer share: the clone and the routing."""

from sklearn import get_config
from sklearn.base import BaseEstimator, clone
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing

from skae._transformer import AutoencoderTransformer


class AroundAutoencoder(BaseEstimator):
    """An estimator with the parameters ``autoencoder`` and ``random_state``."""

    _parameter_constraints = {
        "autoencoder": [AutoencoderTransformer, None],
        "random_state": ["random_state"],
    }
    _default = AutoencoderTransformer()

    def _fit_autoencoder(self, X, y, params):
        """Return a fitted clone; what ``fit`` was passed goes to its ``fit``."""
        if get_config()["enable_metadata_routing"]:
            params = process_routing(self, "fit", **params).autoencoder.fit
        return self._suited(X).fit(X, y, **params)

    def _suited(self, X):
        """Return what is to be fitted on ``X``."""
        return self._unfitted()

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
