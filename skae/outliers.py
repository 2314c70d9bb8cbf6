"""AutoencoderOutlierDetector: samples with a high reconstruction error are outliers."""

import warnings
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import OutlierMixin
from sklearn.utils import Tags
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from skae._data.checks import check_rows, check_weight
from skae._data.parameters import Number
from skae._data.rows import as_rows, parts_of
from skae._estimator.autoencoder import AutoencoderTransformer
from skae._runtime.snapshots import on_snapshots
from skae._wrappers import AroundAutoencoder, Autoencoder, EncodedAutoencoder, Seed

Z_975 = 1.959964  # the normal distribution's 97.5 % quantile
MAD_TO_STD = 1.482602  # standard deviation over median absolute deviation, if normal
RESOLVED = 1e-6  # share of the variance below which float32 does not resolve an error


@on_snapshots("score_samples", "decision_function", "predict")
class AutoencoderOutlierDetector(OutlierMixin, AroundAutoencoder):
    """Detect outliers by the reconstruction error of an autoencoder.

    Samples that follow the common pattern can be reconstructed from short codes. The score of
    a sample is minus its reconstruction error over the mean error of the training samples,
    averaged over the first 1, ..., n_components components (at most five such prefixes, evenly
    spread on a logarithmic scale). Samples with a score below ``offset_`` are outliers. The
    first components are learned from what most samples have in common, the last ones also from
    a few samples that resemble each other; so a sample that needs the whole code is an
    outlier, too. With ``ordered=False`` only the whole code counts.

    Parameters
    ----------
    autoencoder : AutoencoderTransformer or TableAutoencoder, default=None
        The autoencoder to clone and fit. None stands for ``AutoencoderTransformer()`` with two
        components, or one if there are two features: as many components as features
        reconstruct every sample. With a ``TableAutoencoder`` or a ``MultimodalAutoencoder``, X
        is what these take. In a table of numbers and categories each column's error is relative
        to that of its marginal distribution, and all columns weigh the same.
    contamination : "auto" or float, default="auto"
        How to set ``offset_``. A float in (0, 0.5] is the share of outliers among the training
        samples. "auto" takes the bound of [1]_, which 97.5 % of the clean samples pass if the
        cube roots of their errors are normal [2]_, and raises it as far as the errors of new
        samples are larger:

        .. code-block:: text

            offset_ = -growth * (median(e^(1/3)) + 1.96 * 1.4826 * mad(e^(1/3)))^3

        Here e are minus the training samples' scores, mad is the median absolute deviation
        from the median, and growth is the autoencoder's error on held-out samples over that on
        training samples, at least 1, averaged over the prefixes.
    random_state : int, RandomState instance or None, default=None
        Seed of the fitted clone. None keeps that of ``autoencoder``.

    Attributes
    ----------
    autoencoder_ : AutoencoderTransformer or TableAutoencoder
        The fitted clone.
    offset_ : float
        Samples with a score below it are outliers.
    decision_scores_ : ndarray of shape (n_samples,)
        Minus ``score_samples`` of the training samples: higher for outliers, as in PyOD.
    threshold_ : float
        Minus ``offset_``.
    labels_ : ndarray of shape (n_samples,)
        1 for training samples with ``decision_scores_`` above ``threshold_``, 0 for others.
    mean_errors_ : ndarray of shape (n_prefixes,)
        Mean error of the training samples at each prefix, the unit of the scores; at the whole
        code that of the autoencoder's ``score_samples``.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if all are strings.

    See Also
    --------
    AutoencoderTransformer : Its ``score_samples`` are the errors of the whole code.
    sklearn.ensemble.IsolationForest : Outliers by how few random cuts isolate them.
    sklearn.neighbors.LocalOutlierFactor : Outliers by the density around them.

    Notes
    -----
    X is an array-like or sparse matrix of shape (n_samples, n_features), or array-like of shape
    (n_samples, ...), or what a ``TableAutoencoder`` takes. Missing values do not count.
    ``fit``, ``score_samples``, ``decision_function`` and ``predict`` raise ValueError if values
    are infinite, or features or their names differ from those of ``fit``.

    The errors of training samples are smaller than those of new samples: by 2.8 times for eight
    components of 1,200 digits. A float ``contamination`` is a percentile of the training
    samples' scores, for labels of these samples; it flags a larger share of new samples. "auto"
    is for new samples, and flags few training samples.

    Fit on clean samples if you can: outliers among the training samples that resemble each
    other are learned like any other pattern, if not by the first components.

    If ``n_components`` is enough for exact reconstructions, errors are rounding errors and
    labels mean nothing: ``fit`` warns if there are as many components as features. Two or three
    features leave little to reconstruct, and IsolationForest detects more.

    References
    ----------
    .. [1] Hubert, M., Rousseeuw, P. J., Vanden Branden, K. (2005). "ROBPCA: a new approach
       to robust principal component analysis". Technometrics 47, 64-79.
       `doi:10.1198/004017004000000563 <https://doi.org/10.1198/004017004000000563>`_
    .. [2] Wilson, E. B., Hilferty, M. M. (1931). "The distribution of chi-square". PNAS 17,
       684-688. `doi:10.1073/pnas.17.12.684 <https://doi.org/10.1073/pnas.17.12.684>`_

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import AutoencoderOutlierDetector, AutoencoderTransformer
    >>> X = load_iris().data
    >>> X[7] = [9.0, 1.0, 1.0, 4.0]
    >>> ae = AutoencoderTransformer(2, hidden_layer_sizes=(16,), max_iter=20)
    >>> detector = AutoencoderOutlierDetector(ae, contamination=0.02, random_state=0).fit(X)
    >>> int(detector.score_samples(X).argmin())
    7
    >>> int((detector.predict(X) == -1).sum())
    3

    A table with a row whose category and number do not go together:

    >>> import pandas as pd
    >>> from skae import TableAutoencoder
    >>> X = pd.DataFrame({"fruit": ["fig", "kiwi"] * 20, "n": [1, 9] * 20, "g": [40, 80] * 20})
    >>> X.loc[5, "fruit"] = "fig"
    >>> ae = TableAutoencoder(AutoencoderTransformer(1, hidden_layer_sizes=(), max_iter=1))
    >>> detector = AutoencoderOutlierDetector(ae, random_state=0).fit(X)
    >>> int(detector.score_samples(X).argmin())
    5
    """

    offset_: float
    threshold_: float
    decision_scores_: NDArray[np.float64]
    labels_: NDArray[np.int_]
    mean_errors_: NDArray[np.float64]

    _parameter_constraints = {
        **AroundAutoencoder._parameter_constraints,
        "autoencoder": [AutoencoderTransformer, EncodedAutoencoder, None],
        "contamination": [StrOptions({"auto"}), Number(Real, 0, 0.5, closed="right")],
    }

    def __init__(
        self,
        autoencoder: Autoencoder | EncodedAutoencoder = None,
        *,
        contamination: str | float = "auto",
        random_state: Seed = None,
    ):
        self.autoencoder = autoencoder
        self.contamination = contamination
        self.random_state = random_state

    def _learn(self, X, y, params):
        self.autoencoder_ = self._fit_autoencoder(X, y, params)
        autoencoder, all_rows = self._inner, self._rows(X, reset=True)
        counts = as_rows(all_rows).has_values
        if params.get("sample_weight") is not None:
            counts &= check_weight(params["sample_weight"], len(all_rows)) > 0
        X = all_rows if counts.all() else all_rows[counts]
        n_components, n_features = autoencoder.n_components_, autoencoder.n_features_in_
        if n_components >= n_features:
            warnings.warn(
                f"{n_components} components reconstruct {n_features} features exactly, so that "
                f"no sample stands out. Set n_components below {n_features}.",
                UserWarning,
                stacklevel=5,
            )
        fitted = autoencoder._get_fitted()
        self._mean_errors = _mean_errors(fitted, X)  # in the unit of errors
        self.mean_errors_ = self._mean_errors * fitted.error_unit**2
        scores = self._scores(X)
        if self.contamination == "auto":
            self.offset_ = float(_growth(autoencoder, X).mean()) * _lower_bound(scores)
        else:
            self.offset_ = float(np.percentile(scores, 100.0 * self.contamination))
        self.threshold_ = -self.offset_
        self.decision_scores_ = -(scores if counts.all() else self._scores(all_rows))
        self.labels_ = (self.decision_scores_ > self.threshold_).astype(int)

    @property
    def _inner(self):
        """The fitted AutoencoderTransformer, which may be behind an encoder."""
        return getattr(self.autoencoder_, "autoencoder_", self.autoencoder_)

    def _rows(self, X, *, reset):
        """Return samples as rows (n, d) of numbers, encoded if need be."""
        encoder = getattr(self.autoencoder_, "encoder_", None)
        if encoder is None:
            return check_rows(self, X, reset=reset)
        if reset:
            for name in ("n_features_in_", "feature_names_in_"):
                vars(self).pop(name, None)  # of an earlier fit
                if hasattr(encoder, name):
                    setattr(self, name, getattr(encoder, name))
        return check_rows(self._inner, encoder.transform(X), reset=False)

    def _default_components(self, n_features):
        return min(super()._default_components(n_features), n_features - 1)

    def _scores(self, X):
        errors = self._inner._get_fitted().prefix_errors(X)
        return -(errors / self._mean_errors).mean(axis=1)

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return minus the reconstruction error over the mean of the training samples.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or table
            Samples like those of fit. Missing values are NaN.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Lower for outliers.
        """
        check_is_fitted(self)
        return self._scores(self._rows(X, reset=False))

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return ``score_samples(X) - offset_``: negative for outliers.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or table
            Samples like those of fit. Missing values are NaN.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Lower for outliers.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> NDArray[np.int_]:
        """Return -1 for outliers and 1 for all other samples.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or table
            Samples like those of fit. Missing values are NaN.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Integers, -1 if ``decision_function`` is negative.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _lower_bound(scores):
    """Return the score that 97.5 % of the clean samples of ``scores`` (n_samples,) exceed."""
    roots = np.cbrt(-scores)
    middle = np.median(roots)
    spread = MAD_TO_STD * np.median(np.abs(roots - middle))
    # Rounding in the roots may not make outliers of samples that are all alike.
    return float(min(-((middle + Z_975 * spread) ** 3), np.median(scores)))


def _mean_errors(fitted, X):
    """Return the training samples' mean errors (n_prefixes,), none of them mere rounding."""
    errors = [fitted.bounded_errors(X[part], fitted.mean) for part in parts_of(X)]
    floor = RESOLVED * np.concatenate(errors).mean() or 1.0
    return np.maximum(fitted.prefix_errors(X).mean(axis=0), floor)


def _growth(autoencoder, X):
    """Return the error on held-out samples over that on training samples, at each prefix.

    Both are shares of the variance in scaled units, as ``explained_variance_ratio_`` is, or of
    the deviance.
    """
    fitted = autoencoder._get_fitted()
    sums = _sums_of_squares if fitted.is_squared_error else _sums_of_losses
    *error, total = np.sum(list(sums(fitted, X)), axis=0)
    explained = autoencoder.explained_variance_ratio_.cumsum()[fitted.prefixes - 1]
    error, held_out = np.array(error), (1.0 - explained) * total
    resolved = np.minimum(error, held_out) > RESOLVED * total
    growth = np.divide(held_out, error, out=np.ones(len(error)), where=resolved)
    return np.maximum(1.0, growth)


def _sums_of_losses(fitted, X):
    """Yield sums of losses of parts of ``X``: at each prefix, and of the mean."""
    for part in parts_of(X):
        backs = (*fitted.prefix_reconstructions(X[part]), fitted.mean)
        yield [fitted.losses(X[part], back).sum() for back in backs]


def _sums_of_squares(fitted, X):
    """Yield sums of squared errors in scaled units, and of those around the mean of ``X``."""
    forward = fitted.scaling.forward
    scaled = (forward(X[part]) for part in parts_of(X))
    total = np.sum([[np.nansum(r, axis=0), (~np.isnan(r)).sum(axis=0)] for r in scaled], axis=0)
    mean = total[0] / np.maximum(1, total[1])
    for part in parts_of(X):
        rows, backs = forward(X[part]), map(forward, fitted.prefix_reconstructions(X[part]))
        yield [np.nansum(np.square(rows - back)) for back in (*backs, mean)]
