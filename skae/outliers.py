"""AutoencoderOutlierDetector: rows that the autoencoder reconstructs badly are strange.

Errors are those of ``AutoencoderTransformer.score_samples``, at several prefixes of the code;
here they become one score, and the threshold stands here.
"""

import warnings
from numbers import Real

import numpy as np
from sklearn.base import OutlierMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from skae._data.checks import check_rows, check_weight
from skae._data.columns import has_cells
from skae._data.rows import parts_of
from skae._parameters import Number
from skae._runtime.devices import default_errors
from skae._select.evaluate import evaluated_prefixes
from skae._wrappers import AroundAutoencoder
from skae.losses import SquaredError

Z_975 = 1.959964  # the normal distribution's 97.5 % quantile
MAD_TO_STD = 1.482602  # standard deviation over median absolute deviation, if normal
FARTHEST = 1e200  # loss of a row, in units of the training rows' own
RESOLVED = 1e-6  # share of the variance below which float32 does not resolve an error


class AutoencoderOutlierDetector(OutlierMixin, AroundAutoencoder):
    """Outlier detection by the reconstruction error of an autoencoder.

    Rows that follow the others' pattern can be coded in few numbers and reconstructed. The
    score of a row is minus its reconstruction error over the mean of the training rows,
    averaged over the first 1, ..., n_components components (at most five such prefixes,
    spread evenly on a logarithmic scale); rows whose score lies below ``offset_`` are
    outliers. The first components are learned by what most rows have in common, the last
    ones also by few rows that resemble one another: so a row that only the whole code
    explains is strange too. With ``ordered=False`` the whole code alone counts.

    Parameters
    ----------
    autoencoder : AutoencoderTransformer, default=None
        What is cloned and fitted; None is ``AutoencoderTransformer()`` with two components,
        or one for tables of two columns: as many components as columns reconstruct every row.
    contamination : "auto" or float, default="auto"
        Where ``offset_`` lies. A float in (0, 0.5] is the share of the training rows that
        are to be outliers. "auto" takes the bound of [1]_, which lets 97.5 % of the clean
        rows pass if the cube roots of their errors are normal [2]_, and raises it as new
        rows' errors are larger:

        .. code-block:: text

            offset_ = -growth * (median(e^(1/3)) + 1.96 * 1.4826 * mad(e^(1/3)))^3

        where e are minus the training rows' scores, mad is the median absolute deviation
        from the median, and growth is the autoencoder's error on held-out rows over that on
        training rows, at least 1, averaged over the prefixes.
    random_state : int, RandomState instance or None, default=None
        Seed of the fitted clone; None leaves it the one that ``autoencoder`` has.

    Attributes
    ----------
    autoencoder_ : AutoencoderTransformer
        The fitted clone.
    offset_ : float
        Scores below it are outliers.
    decision_scores_ : ndarray of shape (n_samples,)
        Minus ``score_samples`` of the training rows: the higher, the more of an outlier, as in
        PyOD.
    threshold_ : float
        Minus ``offset_``.
    labels_ : ndarray of shape (n_samples,)
        1 for training rows whose ``decision_scores_`` are above ``threshold_``, 0 for others.
    mean_errors_ : ndarray of shape (n_prefixes,)
        Mean error of the training rows at each prefix, as ``score_samples`` of the
        autoencoder has them for the whole code: the units of the scores.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where they are all strings.

    See Also
    --------
    AutoencoderTransformer : Its ``score_samples`` are the errors of the whole code.
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
    another are learnt like any other pattern, if not by the first components.

    If ``n_components`` is enough for exact reconstructions, errors are rounding errors and
    labels mean nothing: ``fit`` warns if there are as many components as columns. Of two or
    three columns there is little to reconstruct, and IsolationForest sees more.

    Missing cells count nowhere, as in the autoencoder. Sparse matrices are taken, too.

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
    @default_errors
    def fit(self, X, y=None, **params):
        """Fit the autoencoder on ``X`` and set the threshold by its scores there.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
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
            For containers without order.
        """
        with self._whole_or_not_at_all():
            self._fit(X, y, params)
        return self

    def _fit(self, X, y, params):
        autoencoder = self._fit_autoencoder(X, y, params)
        all_rows = check_rows(self, X, reset=True)
        counts = has_cells(all_rows)
        if params.get("sample_weight") is not None:
            counts &= check_weight(params["sample_weight"], len(all_rows)) > 0
        X = all_rows if counts.all() else all_rows[counts]
        _warn_of_exact_codes(autoencoder)
        self.autoencoder_ = autoencoder
        self._mean_losses = _mean_errors(autoencoder, X)
        self.mean_errors_ = self._mean_losses * _unit(autoencoder) ** 2
        scores = self._scores(X)
        if self.contamination == "auto":
            self.offset_ = float(_growth(autoencoder, X).mean()) * _lower_bound(scores)
        else:
            self.offset_ = float(np.percentile(scores, 100.0 * self.contamination))
        self.threshold_ = -self.offset_
        self.decision_scores_ = -(scores if counts.all() else self._scores(all_rows))
        self.labels_ = (self.decision_scores_ > self.threshold_).astype(int)

    def _default_components(self, n_features):
        return min(self._default.n_components, n_features - 1)

    def score_samples(self, X):
        """Return minus each row's reconstruction error over the mean of the training rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
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
        return self._scores(check_rows(self, X, reset=False))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _scores(self, X):
        return -(_errors(self.autoencoder_, X) / self._mean_losses).mean(axis=1)

    def decision_function(self, X):
        """Return ``score_samples(X) - offset_``: negative for outliers.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows. Missing cells are NaN.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            The lower, the stranger.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Return -1 for outliers and 1 for all other rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows. Missing cells are NaN.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Integers, -1 where ``decision_function`` is negative.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)


def _warn_of_exact_codes(autoencoder):
    """Warn if the code is as long as a row: errors are then mere rounding."""
    n_components, n_features = autoencoder.n_components_, autoencoder.n_features_in_
    if n_components >= n_features:
        warnings.warn(
            f"{n_components} components reconstruct {n_features} columns exactly, so that no "
            f"row stands out. Set n_components below {n_features}.",
            UserWarning,
            stacklevel=4,
        )


def _lower_bound(scores):
    """Return the score that 97.5 % of the clean rows of ``scores`` (n_samples,) exceed."""
    roots = np.cbrt(-scores)
    middle = np.median(roots)
    spread = MAD_TO_STD * np.median(np.abs(roots - middle))
    # Rounding in the roots may not make outliers of rows that are all alike.
    return float(min(-((middle + Z_975 * spread) ** 3), np.median(scores)))


def _rebuilt(autoencoder, X):
    """Yield the reconstructions (n_samples, n_features) of ``X`` from each prefix."""
    Z = autoencoder._encode(X)
    for n_kept in evaluated_prefixes(Z.shape[1], autoencoder.ordered):
        yield autoencoder._decode(Z[:, :n_kept])


def _errors(autoencoder, X):
    """Return the rows' mean losses of observed cells (n_samples, n_prefixes)."""
    return np.concatenate(
        [
            np.stack(
                [_losses(autoencoder, X[part], b) for b in _rebuilt(autoencoder, X[part])], 1
            )
            for part in parts_of(X)
        ]
    )


def _unit(autoencoder):
    """Return the unit of values whose squares are errors: small ones would be nothing.

    It is a power of two, so that ratios of errors are the same to the bit.
    """
    if not isinstance(autoencoder._loss, SquaredError):
        return 1.0
    return 2.0 ** np.frexp(autoencoder._scaling.scale.max())[1]


def _losses(autoencoder, X, back):
    """Return the rows' mean losses (n_samples,) of observed cells, rebuilt as ``back``."""
    with np.errstate(over="ignore"):  # a row that far away needs no exact score
        losses = np.minimum(autoencoder._losses(X, back, _unit(autoencoder)), FARTHEST)
    return losses / np.maximum(1, (~np.isnan(X)).sum(axis=1))


def _mean_errors(autoencoder, X):
    """Return the training rows' mean errors (n_prefixes,), of which none is mere rounding."""
    mean = autoencoder.mean_
    losses = [_losses(autoencoder, X[part], mean) for part in parts_of(X)]
    total = np.concatenate(losses).mean()
    return np.maximum(_errors(autoencoder, X).mean(axis=0), RESOLVED * total or 1.0)


def _growth(autoencoder, X):
    """Return the held-out error over that of the training rows X, at each prefix.

    Both are shares of the variance in scaled units, as ``explained_variance_ratio_`` is, or of
    the deviance.
    """
    explained = autoencoder.explained_variance_ratio_.cumsum()
    kept = evaluated_prefixes(len(explained), autoencoder.ordered)
    sums = _squares if isinstance(autoencoder._loss, SquaredError) else _sums
    *error, total = sums(autoencoder, X)
    error, held_out = np.array(error), (1.0 - explained[kept - 1]) * total
    is_resolved = np.minimum(error, held_out) > RESOLVED * total
    growth = np.divide(held_out, error, out=np.ones(len(kept)), where=is_resolved)
    return np.maximum(1.0, growth)


def _sums(autoencoder, X):
    """Return the losses (n_prefixes + 1,) of ``X``: from each prefix, and as the mean."""
    sums = [
        [autoencoder._losses(X[part], out).sum() for out in outs]
        for part, outs in _parts(autoencoder, X)
    ]
    return np.sum(sums, axis=0)


def _squares(autoencoder, X):
    """Return what ``_sums`` does, as squares in scaled units, and around the mean of ``X``."""
    forward, sums = autoencoder._scaling.forward, []
    scaled = (forward(X[part]) for part in parts_of(X))
    total = np.sum([[np.nansum(r, axis=0), (~np.isnan(r)).sum(axis=0)] for r in scaled], axis=0)
    mean = total[0] / np.maximum(1, total[1])
    for part, (*backs, _) in _parts(autoencoder, X):
        rows, outs = forward(X[part]), [*map(forward, backs), mean]
        sums.append([np.nansum(np.square(rows - out)) for out in outs])
    return np.sum(sums, axis=0)


def _parts(autoencoder, X):
    """Yield slices of rows with what they are rebuilt as: from each prefix, and as the mean."""
    for part in parts_of(X):
        yield part, (*_rebuilt(autoencoder, X[part]), autoencoder.mean_)
