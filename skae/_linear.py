"""The linear path: PCA of the training rows, and the scales that the nets work in.

NumPy and scikit-learn only. A ``LinearPath`` holds arrays, never functions: compiled
programs take it as data.
"""

from functools import lru_cache
from threading import Lock
from typing import NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

from skae._rows import column_means

ERROR_FLOOR = 1e-12
SMALLEST_SPREAD = 1e-3  # of the codes, below which one is not blown up to unit size
NOISE_FLOOR = 1e-3  # of the mean variance of a column
MOST_FILLING = 32  # axes that missing cells are filled along, where more cost much
LONGEST_FILLING = 128  # axes that they are filled along at most
FILL_WORK = 2**32  # multiplications of one round, up to which more axes cost little
WIDEST = 1024  # columns whose covariance is made where cells are missing
UNCERTAINTY_WORK = 2**32  # multiplications in the covariance of what is filled
FILL_NUMBERS = 2**22  # in the Gram matrices of the rows filled at once
FILL_ROUNDS, FILL_TOL = 30, 1e-4  # of axes and filling; squared change at which they end
PILE_SHARE = 0.05  # of a column's cells at one end of its range
_ONE_AT_A_TIME = Lock()  # the number of threads is the whole process's


class Axes(NamedTuple):
    """Principal axes of some rows: mean (d,), basis (d, n_axes), variances (n_axes,)."""

    mean: np.ndarray
    basis: np.ndarray
    variances: np.ndarray

    def errors(self, X, n_components):
        """Return PCA's squared error of each row at 0..n_components: (n, n_components + 1)."""
        centred = X - self.mean
        total = np.square(centred).sum(axis=1, keepdims=True)
        captured = np.zeros((len(X), n_components + 1))
        k = min(n_components, self.basis.shape[1])
        captured[:, 1 : k + 1] = np.square(centred @ self.basis[:, :k])
        return np.maximum(total - captured.cumsum(axis=1), 0.0)

    def errors_seen(self, X, filled, n_components, losses=None):
        """Return likewise the errors on the observed cells of ``X``, encoded as ``filled``.

        ``losses`` (target, out) -> (n, d) are squared errors by default.
        """
        losses = losses or (lambda target, out: np.square(target - out))
        observed = ~np.isnan(X)
        target = np.where(observed, X, self.mean)
        errors = np.empty((len(X), n_components + 1))
        codes = (filled - self.mean) @ self.basis
        out = np.tile(self.mean, (len(X), 1))
        for m in range(n_components + 1):
            if 0 < m <= codes.shape[1]:
                out += np.outer(codes[:, m - 1], self.basis[:, m - 1])
            errors[:, m] = np.where(observed, losses(target, out), 0.0).sum(axis=1)
        return errors


class Filler(NamedTuple):
    """Fills missing cells with their mean given the observed ones, under a linear model.

    The model is probabilistic PCA: ``mean`` (d,), principal axes ``loadings`` (d, r) and, for
    each of them, ``ridge`` (r,), the noise over the axis's variance. With r = 0 it is the mean.
    ``by_pattern`` is the quicker way where many rows miss the same cells.
    """

    mean: np.ndarray
    loadings: np.ndarray
    ridge: np.ndarray
    by_pattern: bool = False

    def fill(self, X):
        """Return ``X`` (n, d) without NaN; what is observed stays."""
        missing = np.isnan(X)
        rows = np.flatnonzero(missing.any(axis=1))
        if len(rows) == 0:
            return X
        out = np.array(X)
        codes = self._codes_by_pattern if self.by_pattern else self._codes_by_row
        for part, found in codes(X, missing, rows):
            expected = self.mean + found @ self.loadings.T
            out[part] = np.where(missing[part], expected, X[part])
        return out

    def _codes_by_row(self, X, missing, rows):
        """Yield some of the ``rows`` of ``X`` and their expected codes (n_some, r)."""
        for part, gram in self._grams(missing, rows):
            centred = np.where(missing[part], 0.0, X[part] - self.mean)
            yield part, _solve(gram, (centred @ self.loadings)[:, :, None])[:, :, 0]

    def _codes_by_pattern(self, X, missing, rows):
        patterns, which = np.unique(missing[rows], axis=0, return_inverse=True)
        order, counts = np.argsort(which.ravel(), kind="stable"), np.bincount(which.ravel())
        parts = np.split(rows[order], counts.cumsum()[:-1])
        for pattern, part in zip(patterns, parts, strict=True):
            seen = self.loadings[~pattern]
            yield part, _regression((X[part] - self.mean)[:, ~pattern], seen, self.ridge)

    def uncertainty(self, missing, weight):
        """Return the mean covariance (d, d) of cells once filled, in units of the noise.

        ``missing`` is (n, d). Of many rows, some that are spread evenly stand for all.
        """
        rows, (d, rank) = np.flatnonzero(missing.any(axis=1)), self.loadings.shape
        some = rows[:: max(1, int(len(rows) * rank * d**2 / UNCERTAINTY_WORK))]
        covariance = np.diag(weight[some] @ missing[some])
        for part, gram in self._grams(missing, some):
            filled = missing[part][:, :, None] * self.loadings
            spread = weight[part][:, None, None] * (filled @ np.linalg.inv(gram))
            sides = (a.transpose(1, 0, 2).reshape(d, -1) for a in (spread, filled))
            covariance += next(sides) @ next(sides).T
        share = weight[rows].sum() / max(weight[some].sum(), np.finfo(float).tiny)
        return covariance * share / weight.sum()

    def _grams(self, missing, rows):
        """Yield some of the ``rows`` and, for each, the inverse covariance of its code."""
        d, rank = self.loadings.shape
        pairs = (self.loadings[:, :, None] * self.loadings[:, None, :]).reshape(d, rank**2)
        size = int(np.clip(FILL_NUMBERS // max(1, rank * max(rank, d)), 1, 512))
        for part in np.array_split(rows, -(-len(rows) // size)):
            gram = (~missing[part]).astype(np.float64) @ pairs
            yield part, gram.reshape(len(part), rank, rank) + np.diag(self.ridge)


def _regression(centred, loadings, ridge):
    """Return the codes (n, r) that ``centred`` rows (n, d) have along ``loadings`` (d, r)."""
    with _ONE_AT_A_TIME, _threads().limit(limits=1, user_api="blas"):
        gram = loadings.T @ loadings + np.diag(ridge)
        return np.linalg.solve(gram, (centred @ loadings).T).T


def _solve(matrices, right):
    """Return what NumPy's ``solve`` does, by one thread.

    For small matrices more are slower: they wait for those of the program that trains. Beyond
    a hundred rows their sums would also depend on the number of threads.
    """
    with _ONE_AT_A_TIME, _threads().limit(limits=1, user_api="blas"):
        return np.linalg.solve(matrices, right)


@lru_cache(maxsize=1)
def _threads():
    return ThreadpoolController()


class LinearPath(NamedTuple):
    """What the learned corrections are added to, as float32 arrays.

    The nets' inputs are ``(x - mean) @ basis``, d columns to n_inputs axes (no rotation where
    ``basis`` is None). The first d of them times ``projection`` (d, k) are PCA's codes, where
    these are not the first k. ``gain`` (k,) is 1 where a code takes PCA's; ``loadings``
    (k, n_outputs) and ``offset`` (n_outputs,) are PCA's way back, in the space of the outputs.
    ``code_scale`` (k,), ``output_scale`` (n_outputs,) and ``noise_scale`` (n_inputs,) are the
    sizes of the codes, of the decoder's correction and of the input noise; ``lower`` and
    ``upper`` (d,) the range of the columns, ``floor`` and ``ceiling`` (d,) where outputs are
    clipped; ``origin`` and ``unit`` (d,) where the range of the link begins and how wide it is;
    ``margin`` (n_outputs,) how far from its ends, as a share of it, PCA's reconstruction is
    kept by the link; ``cut_error`` (k + 1,) PCA's mean error per row with the first m
    components; ``code_log_variance`` (k,) the logarithm of the variance of a variational code
    over its scale's square, as PCA has it; ``strength`` () the share of both corrections that
    is applied: 1 while training, but where a warm start goes on from less; ``cell_weight`` (d,)
    factors of the cells' losses, where they are not all 1.
    """

    mean: np.ndarray
    basis: np.ndarray | None
    projection: np.ndarray | None
    gain: np.ndarray
    loadings: np.ndarray
    offset: np.ndarray
    code_scale: np.ndarray
    output_scale: np.ndarray
    noise_scale: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    floor: np.ndarray
    ceiling: np.ndarray
    origin: np.ndarray
    unit: np.ndarray
    margin: np.ndarray
    cut_error: np.ndarray
    code_log_variance: np.ndarray
    strength: np.ndarray
    cell_weight: np.ndarray | None = None


def fit_axes(rows, n_axes, n_components):
    """Return the Axes of ``rows``, the Filler that goes with them, and the filled values.

    Where cells are missing, filling them and fitting the axes take turns (Ilin and Raiko 2010,
    "Practical approaches to principal component analysis in the presence of missing values",
    JMLR 11, 1957-2000) until the filled cells stay where they are. What is filled varies less
    than what was there: its uncertainty is added to the covariance, in tables of at most
    WIDEST columns.
    """
    X, missing = rows.values, np.isnan(rows.values)
    n, d = X.shape
    filled = np.where(missing, column_means(X, rows.weight), X) if missing.any() else X
    axes = principal_axes(filled, n_axes, rows)
    rank = _filling_rank(n, d, n_axes, n_components)
    filler, noise = _filler(axes, rank)
    for _ in range(FILL_ROUNDS if missing.any() else 0):
        before, filled = filled, filler.fill(X)
        if d <= WIDEST:
            uncertainty = noise * filler.uncertainty(missing, rows.weight)
            axes = _covariance_axes(filled, n_axes, rows.weight, uncertainty)
        else:
            axes = principal_axes(filled, n_axes, rows)
        filler, noise = _filler(axes, rank)
        change = np.square(filled - before).sum()
        if change <= FILL_TOL * np.square((filled - axes.mean)[missing]).sum():
            break
    return axes, filler, filler.fill(X)


def _filling_rank(n, d, n_axes, n_components):
    """Return the axes that missing cells are filled along: many, while that costs little."""
    most = min(LONGEST_FILLING, max(MOST_FILLING, int(np.sqrt(FILL_WORK / (n * d)))))
    return max(1, min(n_axes - 1, max(n_components, most), LONGEST_FILLING))


def mean_filler(rows):
    """Return the Filler that puts the column's mean into missing cells."""
    mean = column_means(rows.values, rows.weight)
    return Filler(mean, np.zeros((len(mean), 0)), np.zeros(0))


def _filler(axes, rank):
    """Return the Filler along the first ``rank`` axes, and the noise: what is left."""
    variances, d = axes.variances[:rank], len(axes.mean)
    total = axes.variances.sum() or 1.0
    noise = max(axes.variances[rank:].sum() / max(1, d - rank), NOISE_FLOOR * total / d)
    ridge = noise / np.maximum(variances, 1e-9 * total)
    return Filler(axes.mean, np.ascontiguousarray(axes.basis[:, :rank]), ridge), noise


def principal_axes(X, n_axes, rows=None):
    """Return the Axes of ``X`` (n, d) in float64, padded with zeros to ``n_axes``.

    The weights of ``rows`` count, where they differ.
    """
    if rows is not None and rows.is_weighted:
        return _weighted_axes(X, n_axes, rows.weight)
    from sklearn.decomposition import PCA  # here, so that importing skae stays quick

    n, d = X.shape
    if n == 1:
        return Axes(X[0], np.zeros((d, n_axes)), np.zeros(n_axes))
    rank = min(n, d, n_axes)
    with np.errstate(all="ignore"):  # constant rows: PCA divides zero by zero
        pca = PCA(rank, svd_solver="covariance_eigh" if n >= d else "full").fit(X)
    basis = np.zeros((d, n_axes))
    basis[:, :rank] = pca.components_.T
    variances = np.zeros(n_axes)
    variances[:rank] = pca.singular_values_**2 / n
    return Axes(pca.mean_, basis, variances)


def _weighted_axes(X, n_axes, weight):
    n, d = X.shape
    if n >= d:
        return _covariance_axes(X, n_axes, weight, 0.0)
    mean, weighted = _weighted_rows(X, weight)
    _, singular, transposed = np.linalg.svd(weighted, full_matrices=False)
    return _as_axes(mean, np.square(singular), transposed.T, n_axes)


def _covariance_axes(X, n_axes, weight, further):
    """Return the Axes of the covariance of ``X`` (n, d) plus a ``further`` one (d, d), or 0."""
    mean, weighted = _weighted_rows(X, weight)
    values, vectors = np.linalg.eigh(weighted.T @ weighted + further)
    return _as_axes(mean, values[::-1], vectors[:, ::-1], n_axes)


def _weighted_rows(X, weight):
    mean = np.average(X, axis=0, weights=weight)
    return mean, np.sqrt(weight / weight.sum())[:, None] * (X - mean)


def _as_axes(mean, values, vectors, n_axes):
    d, rank = len(mean), min(len(values), n_axes)
    basis, variances = np.zeros((d, n_axes)), np.zeros(n_axes)
    # The largest loading of each axis is positive, as in scikit-learn's PCA.
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
    basis[:, :rank] = (vectors * np.where(signs == 0, 1.0, signs))[:, :rank]
    variances[:rank] = np.maximum(values[:rank], 0.0)
    return Axes(mean, basis, variances)


def pca_path(
    rows, axes, n_components, *, link, clip, filled=None, interval=None, in_columns=False
):
    """Return the LinearPath that begins at PCA of ``rows`` (n, d).

    Where cells are missing, ``filled`` has them filled. ``interval`` (2, d) is the range of
    the ``link`` where it is not that of the columns. The nets' inputs, and the outputs of an
    identity link, are principal axes, or centred columns where ``in_columns``.
    """
    n_axes = axes.basis.shape[1]
    k = min(n_components, n_axes)
    cut_error = cut_errors(axes, n_components)
    deviations = np.sqrt(axes.variances)
    left = np.sqrt(cut_error[n_components] / max(1, n_axes - k))
    residual = np.where(np.arange(n_axes) < k, left, deviations)
    loadings, noise_scale, ranges = (
        np.eye(n_axes),
        residual,
        _ranges(rows.values, clip, interval),
    )
    if in_columns:
        loadings, noise_scale = axes.basis.T, _column_residuals(rows, axes, k, filled)
    output_scale, offset, margin = noise_scale, *np.zeros((2, loadings.shape[1]))
    if not link.in_axes:
        loadings, offset = axes.basis.T, axes.mean
        output_scale, margin = _link_scales(rows, axes, k, link, filled, ranges)
    return _float32(
        mean=axes.mean,
        basis=None if in_columns else axes.basis,
        projection=axes.basis[:, :k] if in_columns else None,
        gain=_with_rows(np.ones(k), n_components),
        loadings=_with_rows(loadings[:k], n_components),
        offset=offset,
        code_scale=_code_scale(deviations[:k], n_components),
        output_scale=output_scale,
        noise_scale=noise_scale,
        margin=margin,
        cut_error=cut_error,
        **ranges,
    )


def marked_path(path):
    """Return ``path`` for inputs that are followed by marks: they have no noise."""
    return path._replace(noise_scale=np.pad(path.noise_scale, (0, len(path.mean))))


def rescaled_path(path, error, squared, link):
    """Return ``path`` with the errors (k + 1,), and scales for ``squared`` errors per row.

    With hidden cells PCA leaves an error even where the code is as long as the row.
    """
    d = len(path.mean)
    left = np.sqrt(squared / d)  # in each column
    if not link.in_axes:
        share = np.divide(left, path.unit, out=np.zeros(d), where=path.unit > 0)
        ranges = {"origin": path.origin, "unit": path.unit}
        left, _ = link.scales(share, _mean_share(path.mean, ranges))
    return path._replace(
        cut_error=above_zero(error).astype(np.float32),
        output_scale=np.maximum(path.output_scale, left).astype(np.float32),
    )


def unscaled_path(path):
    """Return ``path`` for codes that an activation makes: they have its range, not PCA's."""
    has_variance = path.code_scale > SMALLEST_SPREAD * path.code_scale.max()
    return path._replace(
        gain=np.where(has_variance, path.gain / path.code_scale, 0.0).astype(np.float32),
        loadings=path.loadings * path.code_scale[:, None],
        code_scale=np.ones_like(path.code_scale),
    )


def paired_path(path, axes, n_components):
    """Return ``path`` for codes without negative entries: two for each axis, one of each sign.

    Both are rectified, and together they are what PCA projects on the axis. The projection
    keeps as many axes as PCA is compared with.
    """
    projection = path.projection
    if projection is not None:
        projection = axes.basis[:, :n_components].astype(np.float32)
    axis, sign = np.arange(n_components) // 2, np.resize(np.float32([1, -1]), n_components)
    return path._replace(
        projection=projection,
        gain=path.gain[axis] * sign,
        loadings=path.loadings[axis] * sign[:, None],
        code_scale=path.code_scale[axis],
        code_log_variance=path.code_log_variance[axis],
    )


def variational_path(path, axes, *, is_squared):
    """Return ``path`` for codes that are distributions: probabilistic PCA.

    Its codes in units of their scale are normal with variance 1 before a row is seen, and
    with the variance noise / variance of the axis once it is (Tipping and Bishop 1999,
    "Probabilistic principal component analysis", doi:10.1111/1467-9868.00196). Where
    ``is_squared`` holds, the path's errors are squared too, and none is less than the noise.
    """
    d, k = len(path.mean), len(path.gain)
    if not path.gain.any():
        return path
    total = axes.variances.sum() or 1.0
    left = path.cut_error[k] if is_squared else axes.variances[k:].sum()
    noise = max(left / max(1, d - k), NOISE_FLOOR * total / d)
    variances = _with_rows(axes.variances[:k], k)
    share = np.minimum(noise / np.maximum(variances, noise), 1.0)
    kept = np.sqrt(1.0 - share).astype(np.float32)
    least = np.float32(d * noise if is_squared else 0.0)
    return path._replace(
        gain=path.gain * kept,
        loadings=path.loadings * kept[:, None],
        cut_error=np.maximum(path.cut_error, least),
        code_log_variance=np.log(share).astype(np.float32),
    )


def plain_path(rows, axes, n_components, *, link, clip, filled=None, interval=None):
    """Return the LinearPath of a plain autoencoder: no rotation, nothing but the nets."""
    d = len(axes.mean)
    margin, ranges = np.zeros(d), _ranges(rows.values, clip, interval)
    if not link.in_axes:
        _, margin = _link_scales(rows, axes, 0, link, filled, ranges)
    return _float32(
        mean=np.zeros(d),
        basis=None,
        projection=None,
        gain=np.zeros(n_components),
        loadings=np.zeros((n_components, d)),
        offset=np.zeros(d) if link.in_axes else axes.mean,
        code_scale=np.ones(n_components),
        output_scale=np.ones(d),
        noise_scale=np.ones(d),
        margin=margin,
        cut_error=cut_errors(axes, n_components),
        **ranges,
    )


def piles(X):
    """Return the shares (d,), (d,) of cells at the least and at the greatest of each column.

    One cell must be there, and does not count. A column of one value has no range, no pile.
    """
    lower, upper = ends(X)
    varies = np.where(upper > lower, 1.0, 0.0)
    n_observed = np.maximum(1, (~np.isnan(X)).sum(axis=0))
    at_lower, at_upper = (np.equal(X, end).sum(axis=0) - 1.0 for end in (lower, upper))
    return varies * at_lower / n_observed, varies * at_upper / n_observed


def ends(X):
    """Return the least and the greatest observed cell (d,), (d,) of each column, or 0."""
    missing = np.isnan(X)
    if not missing.any():
        return X.min(axis=0), X.max(axis=0)
    is_empty = missing.all(axis=0)
    lower = np.where(missing, np.inf, X).min(axis=0)
    upper = np.where(missing, -np.inf, X).max(axis=0)
    return np.where(is_empty, 0.0, lower), np.where(is_empty, 0.0, upper)


def _ranges(X, clip, interval=None):
    """Return the columns' and the link's range, and the bounds that ``clip`` sets.

    With ``clip="auto"`` an end of the range in training is a bound of the quantity where cells
    pile up at it; elsewhere it is the accident of a sample, and clipping there costs where
    data are rare.
    """
    lower, upper = ends(X)
    origin, end = (lower, upper) if interval is None else interval
    at_lower, at_upper = piles(X) if clip == "auto" else (np.full(len(lower), clip),) * 2
    return {
        "lower": lower,
        "upper": upper,
        "floor": np.where(at_lower >= PILE_SHARE, lower, -np.inf),
        "ceiling": np.where(at_upper >= PILE_SHARE, upper, np.inf),
        "origin": origin,
        "unit": end - origin,
    }


def cut_errors(axes, n_components):
    """Return PCA's mean squared error per row at 0..n_components, kept above zero."""
    total = axes.variances.sum()
    explained = np.concatenate([[0.0], axes.variances.cumsum()])
    explained = _with_rows(explained[: n_components + 1], n_components + 1, total)
    return above_zero(np.maximum(total - explained, 0.0), total)


def above_zero(errors, total=None):
    """Return PCA's ``errors`` (k + 1,) with a floor: what they are relative to."""
    total = errors[0] if total is None else total
    floor = ERROR_FLOOR * total if total > 0 else 1.0
    return np.maximum(errors, floor).astype(errors.dtype)


def _code_scale(deviations, n_components):
    """Return the codes' standard deviations; components beyond the rank get a small one."""
    largest = deviations.max(initial=0.0) or 1.0
    return np.maximum(_with_rows(deviations, n_components), 1e-6 * largest)


def _link_scales(rows, axes, k, link, filled, ranges):
    """Return what the ``link`` makes of the residuals that PCA leaves with ``k`` components."""
    residual, unit = _column_residuals(rows, axes, k, filled), ranges["unit"]
    share = np.divide(residual, unit, out=np.zeros_like(residual), where=unit > 0)
    return link.scales(share, _mean_share(axes.mean, ranges))


def _column_residuals(rows, axes, k, filled):
    """Return the root mean square (d,) of what PCA leaves of each column."""
    centred = (rows.values if filled is None else filled) - axes.mean
    basis = axes.basis[:, :k]
    squares = np.square(centred - centred @ basis @ basis.T)
    return np.sqrt(np.average(squares, axis=0, weights=rows.weight))


def _mean_share(mean, ranges):
    origin, unit = ranges["origin"], ranges["unit"]
    return np.divide(mean - origin, unit, out=np.zeros(len(mean)), where=unit > 0)


def _with_rows(array, n_rows, fill=0.0):
    """Append rows of ``fill`` up to ``n_rows``."""
    missing = (n_rows - len(array), *array.shape[1:])
    return np.concatenate([array, np.full(missing, fill)])


def _float32(**arrays):
    cast = {k: None if v is None else v.astype(np.float32) for k, v in arrays.items()}
    k = len(cast["gain"])
    return LinearPath(**cast, code_log_variance=np.zeros(k, np.float32), strength=np.float32(1))
