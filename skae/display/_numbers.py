"""The numbers that displays draw: of a fit, and of the PCA that it began at."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch

from skae._data.checks import check_rows
from skae._data.rows import most_rows, parts_of
from skae._estimator.autoencoder import AutoencoderTransformer
from skae._estimator.fitted import FittedAutoencoder
from skae._estimator.pca_attributes import axis_unit, explained_variance, noise_variance

STEP = 1e-2  # of a code's deviation: rounding of float32 and curvature both count 1e-5 then
MOST_SAMPLES = 1_000  # in a mean over Jacobians
TAILS = 0.05  # share of the codes beyond each end of a traversal
SMALLEST_NOISE = 1e-9  # of the largest variance, so that equations of few values are solvable


def explained_variance_curves(
    estimator: AutoencoderTransformer, X: ArrayLike | None = None
) -> Bunch:
    """Return the share of variance that the first 1, 2, ... components explain, and PCA's.

    Parameters
    ----------
    estimator : AutoencoderTransformer
        A fitted estimator.
    X : array-like of shape (n_samples, n_features), default=None
        Samples that ``fit`` did not see, on which both are measured. Missing values are left
        out. None takes what ``fit`` measured on the samples that it held out.

    Returns
    -------
    curves : Bunch
        ``autoencoder`` and ``pca``, float64 arrays of shape (`n_components_`,). For ``X`` they
        are shares of its variance around ``mean_``, of standardised features if ``scaling`` is
        "standard", and ``pca`` is None if ``linear_path`` is.
        Without ``X`` they are shares of deviance if the loss is not squared_error.

    Raises
    ------
    TypeError
        If ``estimator`` is not an AutoencoderTransformer.
    ValueError
        If samples differ from those of fit in features or names, or are infinite.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import AutoencoderTransformer, explained_variance_curves
    >>> X = load_iris().data
    >>> ae = AutoencoderTransformer(2, hidden_layer_sizes=(), max_iter=1, cv=None).fit(X[::2])
    >>> explained_variance_curves(ae, X[1::2]).pca.round(3)
    array([0.92, 0.98])
    """
    fitted = checked_fit(estimator)
    if X is None:
        own = np.cumsum(estimator.explained_variance_ratio_, dtype=np.float64)
        pca = np.cumsum(estimator.pca_explained_variance_ratio_, dtype=np.float64)
        return Bunch(autoencoder=own, pca=pca)
    rows = check_rows(estimator, X, reset=False)
    k, has_pca = fitted.n_components, fitted.components is not None
    scale = fitted.scaling.scale
    total, left, left_by_pca = 0.0, np.zeros(k), np.zeros(k)
    for x in (np.asarray(rows[part], np.float64) for part in parts_of(rows)):
        total += np.nansum(np.square((x - fitted.mean) / scale))
        Z = fitted.encode(x)
        parts = (x - fitted.decode(Z[:, :m]) for m in range(1, k + 1))
        left += [np.nansum(np.square(part / scale)) for part in parts]
        if has_pca:
            left_by_pca += _errors_of_pca(fitted, x)
    total = total or 1.0
    return Bunch(autoencoder=1 - left / total, pca=1 - left_by_pca / total if has_pca else None)


def compare_reconstructions(
    estimator: AutoencoderTransformer, X: ArrayLike, *, n_samples: int | None = None
) -> Bunch:
    """Return samples, and what the fit and PCA make of them.

    Parameters
    ----------
    estimator : AutoencoderTransformer
        A fitted estimator.
    X : array-like of shape (n_samples, n_features)
        Samples. Missing values are filled in the reconstructions, PCA's by the mean of the
        codes under probabilistic PCA, given the observed values.
    n_samples : int, default=None
        Number of samples to take from the start of ``X``. None takes all.

    Returns
    -------
    found : Bunch
        ``samples``, ``autoencoder`` and ``pca``, float64 arrays of shape (n_samples,
        n_features), raveled for samples of more dimensions. ``pca`` has as many components, and
        is None if ``linear_path`` is.

    Raises
    ------
    TypeError
        If ``estimator`` is not an AutoencoderTransformer.
    ValueError
        If ``n_samples`` is below 1, or if samples differ from those of fit in features or
        names, or are infinite.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import AutoencoderTransformer, compare_reconstructions
    >>> X = load_iris().data
    >>> ae = AutoencoderTransformer(2, hidden_layer_sizes=(), max_iter=1).fit(X)
    >>> compare_reconstructions(ae, X[:1]).pca.round(1)
    array([[5.1, 3.5, 1.4, 0.2]])
    """
    fitted = checked_fit(estimator)
    if n_samples is not None:
        _check_count(n_samples, "n_samples")
    rows = _dense(check_rows(estimator, X, reset=False)[:n_samples])
    pca = None
    if fitted.components is not None:
        pca = fitted.mean + _codes_of_pca(fitted, rows) @ _axes_of_pca(fitted)
    return Bunch(samples=rows, autoencoder=fitted.reconstruct(rows), pca=pca)


def component_loadings(estimator: AutoencoderTransformer, X: ArrayLike) -> Bunch:
    """Return by how much each feature changes per unit of each component, and PCA's axes.

    It is the mean of the decoder's Jacobian over the codes of samples. The derivatives are
    central differences of ``inverse_transform`` with steps of a hundredth of each code's
    standard deviation, exact to some 1e-4 of the largest loading.

    Parameters
    ----------
    estimator : AutoencoderTransformer
        A fitted estimator.
    X : array-like of shape (n_samples, n_features)
        Samples over whose codes the mean is taken, mostly those of ``fit``: 1,000 of them at
        most, evenly spaced. Missing values are filled first.

    Returns
    -------
    loadings : Bunch
        ``autoencoder`` and ``pca``, float64 arrays of shape (`n_components_`, n_features), in
        units of X per unit of a code, or in standard deviations of the features if ``scaling``
        is "standard". ``pca`` is ``components_``, times their deviations if codes are
        whitened, and None if ``linear_path`` is.

    Raises
    ------
    TypeError
        If ``estimator`` is not an AutoencoderTransformer.
    ValueError
        If samples differ from those of fit in features or names, or are infinite.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import AutoencoderTransformer, component_loadings
    >>> X = load_iris().data
    >>> ae = AutoencoderTransformer(2, hidden_layer_sizes=(), max_iter=1).fit(X)
    >>> component_loadings(ae, X).pca.round(2)
    array([[ 0.36, -0.08,  0.86,  0.36],
           [ 0.66,  0.73, -0.17, -0.08]])
    """
    fitted = checked_fit(estimator)
    rows = check_rows(estimator, X, reset=False)
    most = max(1, min(MOST_SAMPLES, most_rows(len(fitted.mean))))
    Z = fitted.encode(_dense(rows[:: -(-len(rows) // most)]))
    steps = STEP * _spreads(Z)
    found = np.empty((fitted.n_components, len(fitted.mean)))
    for j, step in enumerate(steps):
        ahead, behind = Z.copy(), Z.copy()
        ahead[:, j] += step
        behind[:, j] -= step
        change = fitted.decode(ahead) - fitted.decode(behind)
        found[j] = change.mean(axis=0) / (2 * step)
    found /= axis_unit(fitted)
    if fitted.components is None:
        return Bunch(autoencoder=found, pca=None)
    axes = np.array(fitted.components, np.float64)
    if fitted.deviations is not None:
        axes = axes * np.sqrt(np.asarray(estimator.explained_variance_, np.float64))[:, None]
    return Bunch(autoencoder=found, pca=axes)


def component_traversals(
    estimator: AutoencoderTransformer,
    X: ArrayLike,
    components: Sequence[int] | None = None,
    *,
    n_steps: int = 7,
    sample: int | None = None,
) -> Bunch:
    """Return decoded samples along single components, with the other components held fixed.

    Parameters
    ----------
    estimator : AutoencoderTransformer
        A fitted estimator.
    X : array-like of shape (n_samples, n_features)
        Samples whose codes say how far to go: from the 5 % to the 95 % quantile of each
        component. Missing values are filled first.
    components : sequence of int, default=None
        Components to follow, counted from 0. None is the first four at most.
    n_steps : int, default=7
        Number of values of each component, evenly spaced.
    sample : int, default=None
        Index of the sample of ``X`` whose code the other components keep. None keeps the mean
        code.

    Returns
    -------
    found : Bunch
        ``components`` (n_traversed,), ``codes`` (n_traversed, n_steps), their values, and
        ``samples`` (n_traversed, n_steps, n_features), raveled; float64.

    Raises
    ------
    TypeError
        If ``estimator`` is not an AutoencoderTransformer.
    ValueError
        If a component does not exist, if ``n_steps`` is below 1, or if samples differ from
        those of fit.
    IndexError
        If ``X`` has no such ``sample``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import AutoencoderTransformer, component_traversals
    >>> X = load_iris().data
    >>> ae = AutoencoderTransformer(2, hidden_layer_sizes=(), max_iter=1).fit(X)
    >>> component_traversals(ae, X, [0], n_steps=3).samples.shape
    (1, 3, 4)
    """
    fitted = checked_fit(estimator)
    chosen = check_components(fitted, components, 4)
    _check_count(n_steps, "n_steps")
    Z = fitted.encode(check_rows(estimator, X, reset=False))
    start = Z.mean(axis=0) if sample is None else Z[sample]
    low, high = np.quantile(Z[:, chosen], [TAILS, 1 - TAILS], axis=0)
    values = np.linspace(low, high, int(n_steps), axis=1)
    codes = np.tile(start, (len(chosen), int(n_steps), 1))
    for i, component in enumerate(chosen):
        codes[i, :, component] = values[i]
    rows = fitted.decode(codes.reshape(-1, fitted.n_components))
    return Bunch(
        components=np.array(chosen), codes=values, samples=rows.reshape(*codes.shape[:2], -1)
    )


def checked_fit(estimator: Any) -> FittedAutoencoder:
    """Return the fitted object, or raise TypeError if it is of no AutoencoderTransformer."""
    if not isinstance(estimator, AutoencoderTransformer):
        raise TypeError(
            f"Displays show a fitted AutoencoderTransformer, got {type(estimator).__name__}. "
            "Of a pipeline pass the last step, and samples as it gets them: pipeline[-1] and "
            "pipeline[:-1].transform(X). Of other estimators of skae pass autoencoder_."
        )
    return estimator._get_fitted()


def check_components(fitted: Any, components: Any, most: int) -> list[int]:
    """Return ``components`` as a list of int, the first ``most`` for None."""
    k = fitted.n_components
    if components is None:
        return list(range(min(k, most)))
    chosen = list(components)
    if not chosen or not all(c in range(k) for c in chosen):
        raise ValueError(
            f"components must be whole numbers from 0 to {k - 1}, for the {k} components of "
            f"this fit, got {components!r}."
        )
    return [int(c) for c in chosen]


def _check_count(n, name):
    if not isinstance(n, Integral) or n < 1:
        raise ValueError(f"{name} must be an int of at least 1, got {n!r}.")


def _dense(rows: Any) -> NDArray[np.float64]:
    return np.asarray(rows[:], np.float64)


def _spreads(Z):
    """Return the deviation (k,) of each code, the largest one for those that do not vary."""
    deviations = Z.std(axis=0)
    largest = deviations.max(initial=0.0) or 1.0
    return np.where(deviations > 1e-6 * largest, deviations, largest)


def _axes_of_pca(fitted):
    """Return PCA's axes (k, d) in units of X per unit of a code."""
    return fitted.components * axis_unit(fitted)


def _codes_of_pca(fitted, X):
    """Return PCA's codes (n, k) of X, given their observed values only."""
    unit = fitted.scaling.code_unit
    centred = (X - fitted.mean) / fitted.scaling.scale
    missing, C = np.isnan(centred), fitted.components
    Z = np.where(missing, 0.0, centred) @ C.T
    holes = np.flatnonzero(missing.any(axis=1))
    if len(holes):  # the posterior mean of probabilistic PCA
        variances, noise = explained_variance(fitted), noise_variance(fitted)
        noise = max(noise, SMALLEST_NOISE * variances.max(initial=0.0), np.finfo(float).tiny)
        prior = np.diag(noise / np.maximum(variances, noise))
        for i in holes:
            seen = C[:, ~missing[i]]
            Z[i] = np.linalg.solve(seen @ seen.T + prior, Z[i])
    return Z * unit


def _errors_of_pca(fitted, X):
    """Return PCA's squared errors (k,) with the first 1..k components, of scaled values."""
    left, errors = X - fitted.mean, []
    for z, axis in zip(_codes_of_pca(fitted, X).T, _axes_of_pca(fitted), strict=True):
        left -= np.outer(z, axis)
        errors.append(np.nansum(np.square(left / fitted.scaling.scale)))
    return np.array(errors)
