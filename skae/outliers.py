"""AutoencoderOutlierDetector: rows that the autoencoder reconstructs badly are strange.

What a score is stands in ``AutoencoderTransformer.score_samples``; here stands the threshold.
"""

from numbers import Real

import numpy as np
from sklearn.base import OutlierMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from skae._meta import AroundAutoencoder
from skae._validation import Number, check_rows
from skae.losses import SquaredError

Z_975 = 1.959964  # the normal distribution's 97.5 % quantile
MAD_TO_STD = 1.482602  # standard deviation over median absolute deviation, if normal
RESOLVED = 1e-6  # share of the variance below which float32 does not resolve an error


class AutoencoderOutlierDetector(OutlierMixin, AroundAutoencoder):
    """Outlier detection by the reconstruction error of an autoencoder.

    Rows that follow the others' pattern can be coded in few numbers and reconstructed; the
    score of a row is minus its mean squared reconstruction error, and rows whose score lies
    below ``offset_`` are outliers.

    Parameters
    ----------
    autoencoder : AutoencoderTransformer, default=None
        What is cloned and fitted; None is ``AutoencoderTransformer()``, with two components.
    contamination : "auto" or float, default="auto"
        Where ``offset_`` lies. A float in (0, 0.5] is the share of the training rows that
        are to be outliers. "auto" takes the bound of [1]_, which lets 97.5 % of the clean
        rows pass if the cube roots of their errors are normal [2]_, and raises it as new
        rows' errors are larger:

        .. code-block:: text

            offset_ = -growth * (median(e^(1/3)) + 1.96 * 1.4826 * mad(e^(1/3)))^3

        where e are the training rows' errors, mad is the median absolute deviation from the
        median, and growth is the autoencoder's error on held-out rows over that on training
        rows, at least 1.
    random_state : int, RandomState instance or None, default=None
        Seed of the fitted clone; None leaves it the one that ``autoencoder`` has.

    Attributes
    ----------
    autoencoder_ : AutoencoderTransformer
        The fitted clone.
    offset_ : float
        Scores below it are outliers, in squared units of X.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where they are all strings.

    See Also
    --------
    AutoencoderTransformer : Its ``score_samples`` are the scores.
    sklearn.ensemble.IsolationForest : Outliers by how few random cuts single them out.
    sklearn.neighbors.LocalOutlierFactor : Outliers by the density around them.

    Notes
    -----
    The net has seen the training rows, and their errors are smaller than those of new rows:
    by 2.8 times for eight components of 1,200 digits. So the two thresholds serve two ends. A
    float ``contamination`` is a percentile of the training rows' scores, and for labels of
    those rows; of new rows it calls more outliers than it says. "auto" is for new rows, and
    calls few training rows outliers.

    Fit on clean rows where you can: outliers among the training rows that resemble one
    another are learnt like any other pattern, and then found no better than by PCA, or worse.

    Where ``n_components`` is enough for exact reconstructions, errors are rounding errors
    and labels mean nothing.

    Missing cells count nowhere, as in the autoencoder; sparse matrices are refused.

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
    """

    _parameter_constraints = {
        **AroundAutoencoder._parameter_constraints,
        "contamination": [StrOptions({"auto"}), Number(Real, 0, 0.5, closed="right")],
    }

    def __init__(self, autoencoder=None, *, contamination="auto", random_state=None):
        self.autoencoder = autoencoder
        self.contamination = contamination
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, **params):
        """Fit the autoencoder on ``X`` and set the threshold by its scores there.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, some outliers among them or none. Missing cells are NaN.
        y : array-like of shape (n_samples,), default=None
            Used only by a ``cv`` splitter of the autoencoder that needs it.
        **params : dict
            ``sample_weight``, ``X_val`` and ``groups`` for the autoencoder's ``fit``; routed
            where scikit-learn's metadata routing is on.

        Returns
        -------
        self : AutoencoderOutlierDetector
            The fitted detector.

        Raises
        ------
        ValueError
            For rows or parameters that the autoencoder refuses; the detector is then what it
            was before.
        TypeError
            For sparse matrices and containers without order.
        """
        autoencoder = self._fit_autoencoder(X, y, params)
        scores = autoencoder.score_samples(X)
        X = check_rows(self, X, reset=True)
        counts = ~np.isnan(X).all(axis=1)
        if params.get("sample_weight") is not None:
            counts &= np.asarray(params["sample_weight"]) > 0
        X, scores = X[counts], scores[counts]
        self.autoencoder_ = autoencoder
        if self.contamination == "auto":
            self.offset_ = _growth(autoencoder, X) * _lower_bound(scores)
        else:
            self.offset_ = float(np.percentile(scores, 100.0 * self.contamination))
        return self

    def score_samples(self, X):
        """Return minus each row's mean squared reconstruction error, in squared units of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows. Missing cells are NaN.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            The lower, the stranger.

        Raises
        ------
        ValueError
            For rows that differ from those of fit in columns or names, or are infinite.
        """
        check_is_fitted(self)
        return self.autoencoder_.score_samples(X)

    def decision_function(self, X):
        """Return ``score_samples(X) - offset_``: negative for outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows. Missing cells are NaN.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            The lower, the stranger; in squared units of X.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Return -1 for outliers and 1 for all other rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows. Missing cells are NaN.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Integers, -1 where ``decision_function`` is negative.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)


def _lower_bound(scores):
    """Return the score that 97.5 % of the clean rows of ``scores`` (n_samples,) exceed."""
    roots = np.cbrt(-scores)
    middle = np.median(roots)
    spread = MAD_TO_STD * np.median(np.abs(roots - middle))
    # Rounding in the roots may not make outliers of rows that are all alike.
    return float(min(-((middle + Z_975 * spread) ** 3), np.median(scores)))


def _growth(autoencoder, X):
    """Return the held-out error over that of the training rows X (n_samples, n_features).

    Both are shares of the variance in scaled units, as ``explained_variance_ratio_`` is, or of
    the deviance.
    """
    back = autoencoder._decode(autoencoder._encode(X))
    if isinstance(autoencoder._loss, SquaredError):
        rows, back = (autoencoder._scaling.forward(part) for part in (X, back))
        error = np.nansum(np.square(rows - back))
        total = np.nansum(np.square(rows - np.nanmean(rows, axis=0)))
    else:
        outs = back, autoencoder.mean_
        error, total = (autoencoder._losses(X, out).sum() for out in outs)
    unexplained = 1.0 - autoencoder.explained_variance_ratio_.sum()
    if min(error, unexplained * total) <= RESOLVED * total:
        return 1.0
    return float(max(1.0, unexplained * total / error))
