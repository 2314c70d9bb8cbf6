"""PCA's attributes of a fit: those of the linear path, which is PCA of the training samples."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError
from sklearn.utils.metaestimators import available_if

from skae._estimator.fitted import FittedAutoencoder

SINGULAR = 1e-14  # of the largest variance, below which a covariance has no inverse


def _has_linear_path(estimator):
    if estimator.linear_path is None:
        raise AttributeError(_absent(estimator, "a covariance"))
    return True


def _absent(estimator, what):
    return (
        f"{type(estimator).__name__} with linear_path=None has no PCA, and so not {what}. Set "
        "linear_path='pca'."
    )


class LinearPathAttributes:
    """What scikit-learn's PCA has after ``fit``, of the linear path that nets are added to.

    It is documented as attributes of ``AutoencoderTransformer``. Without a linear path each
    raises AttributeError.
    """

    _fitted: FittedAutoencoder

    @property
    def components_(self) -> NDArray[Any]:
        """Principal axes of the linear path, in scaled units.

        They are those of PCA of the ``n_samples_`` samples, whatever the nets have learned.
        """
        fitted = self._linear("components_")
        return fitted.components.astype(fitted.dtype, copy=False)

    @property
    def explained_variance_(self) -> NDArray[Any]:
        """Variance of the training samples along each axis.

        It has ``n_samples_`` - 1 degrees of freedom, and is in squared units of X (of the
        scaled features for ``scaling="standard"``).
        """
        fitted = self._linear("explained_variance_")
        return explained_variance(fitted).astype(fitted.dtype, copy=False)

    @property
    def singular_values_(self) -> NDArray[Any]:
        """Singular values of the centred training samples.

        They are the square roots of ``explained_variance_ * (n_samples_ - 1)``.
        """
        fitted = self._linear("singular_values_")
        squares = explained_variance(fitted) * (fitted.n_samples - 1)
        return np.sqrt(squares).astype(fitted.dtype, copy=False)

    @property
    def noise_variance_(self) -> float:
        """Mean variance along the axes that are left out.

        It is the noise of probabilistic PCA, in the units of ``explained_variance_``. There are
        min(``n_samples_``, n_features) axes in all. It is 0 if none is left out.
        """
        return noise_variance(self._linear("noise_variance_"))

    @property
    def n_samples_(self) -> int:
        """Number of samples that PCA was fitted on."""
        return self._fit_of("n_samples_").n_samples

    @available_if(_has_linear_path)
    def get_covariance(self) -> NDArray[Any]:
        """Return the covariance of samples under the linear path's probabilistic PCA.

        It is that of PCA [1]_ whatever the nets have learned: the covariance along the axes and
        ``noise_variance_`` in all other directions.

        Returns
        -------
        covariance : ndarray of shape (n_features, n_features)
            In squared units of X, for ``scaling="standard"`` too; float32 if fit got float32
            samples, otherwise float64.

        Raises
        ------
        AttributeError
            If ``linear_path`` is None.

        References
        ----------
        .. [1] Tipping, M. E., Bishop, C. M. (1999). "Probabilistic principal component
           analysis". Journal of the Royal Statistical Society B 61(3), 611-622.
           `doi:10.1111/1467-9868.00196 <https://doi.org/10.1111/1467-9868.00196>`_

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skae import AutoencoderTransformer
        >>> ae = AutoencoderTransformer(2, hidden_layer_sizes=(), max_iter=1)
        >>> ae.fit(load_iris().data).get_covariance().round(2)
        array([[ 0.68, -0.04,  1.27,  0.53],
               [-0.04,  0.18, -0.33, -0.14],
               [ 1.27, -0.33,  3.12,  1.28],
               [ 0.53, -0.14,  1.28,  0.59]])
        """
        fitted = self._linear("a covariance")
        noise, variances = noise_variance(fitted), explained_variance(fitted)
        found = _along(fitted.components, np.maximum(variances - noise, 0.0))
        found[np.diag_indices_from(found)] += noise
        unit = axis_unit(fitted)
        return (found * np.outer(unit, unit)).astype(fitted.dtype, copy=False)

    @available_if(_has_linear_path)
    def get_precision(self) -> NDArray[Any]:
        """Return the inverse of ``get_covariance()``.

        Returns
        -------
        precision : ndarray of shape (n_features, n_features)
            In inverse squared units of X, of the dtype of the covariance.

        Raises
        ------
        AttributeError
            If ``linear_path`` is None.
        LinAlgError
            If there is no inverse: the components leave no noise, and do not span all features.
        """
        fitted = self._linear("a precision")
        noise, variances = noise_variance(fitted), explained_variance(fitted)
        d, along = len(fitted.mean), np.maximum(variances, noise)
        if noise == 0 and (len(along) < d or along.min() <= SINGULAR * along.max()):
            raise np.linalg.LinAlgError(
                f"The covariance has no inverse: {len(along)} components without noise do not "
                f"span {d} features. Set a smaller n_components."
            )
        if noise == 0:
            found = _along(fitted.components, 1.0 / along)
        else:
            found = _along(fitted.components, 1.0 / along - 1.0 / noise)
            found[np.diag_indices_from(found)] += 1.0 / noise
        unit = axis_unit(fitted)
        return (found / np.outer(unit, unit)).astype(fitted.dtype, copy=False)

    def _fit_of(self, name):
        """Return the fitted object, or raise the AttributeError of an estimator without it."""
        fitted = vars(self).get("_fitted")
        if fitted is None or not fitted.n_samples:  # as a callback gets it
            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet, and has not "
                f"{name}. Call 'fit' first."
            )
        return fitted

    def _linear(self, name):
        fitted = self._fit_of(name)
        if fitted.components is None:
            raise AttributeError(_absent(self, name))
        return fitted


def explained_variance(fitted: FittedAutoencoder) -> NDArray[np.float64]:
    """Return the unbiased variance (n_components,) along each axis, in squared code units."""
    assert fitted.variances is not None
    kept = fitted.variances[: fitted.n_components]
    kept = np.pad(kept, (0, fitted.n_components - len(kept)))  # beyond the rank of the samples
    return kept * _unbiased(fitted)


def noise_variance(fitted: FittedAutoencoder) -> float:
    """Return the mean unbiased variance of the axes that are left out, 0 if none is."""
    assert fitted.variances is not None
    n_left = min(fitted.n_samples, len(fitted.mean)) - fitted.n_components
    left = fitted.total_variance - fitted.variances[: fitted.n_components].sum()
    return float(max(0.0, left) / n_left * _unbiased(fitted)) if n_left > 0 else 0.0


def _unbiased(fitted):
    """Return what makes a mean square in scaled units a variance in those of the codes."""
    return fitted.scaling.code_unit**2 * fitted.n_samples / max(1, fitted.n_samples - 1)


def _along(components, variances):
    return (components.T * variances) @ components


def axis_unit(fitted: FittedAutoencoder) -> NDArray[np.float64]:
    """Return what turns the units of the components into those of X: (n_features,)."""
    scale = fitted.scaling.scale / fitted.scaling.code_unit
    return np.broadcast_to(scale, len(fitted.mean))
