"""PCA of rows: their principal axes, and the filling of missing cells along them.

NumPy and scikit-learn only. How the nets stand on PCA is ``_linear``'s.
"""

from contextlib import nullcontext
from typing import NamedTuple

import numpy as np

from skae._data.chunked import BLOCK_NUMBERS, LongRows, placed
from skae._data.columns import column_means, has_missing
from skae._runtime.blas import one_thread, product, solved

NOISE_FLOOR = 1e-3  # of the mean variance of a column
MOST_FILLING = 32  # axes that missing cells are filled along, where more cost much
LONGEST_FILLING = 96  # axes that they are filled along at most: BLAS has one thread for them
FILL_WORK = 2**32  # multiplications of one round, up to which more axes cost little
WIDEST = 1024  # columns whose covariance is made where cells are missing
UNCERTAINTY_WORK = 2**32  # multiplications in the covariance of what is filled
FILL_NUMBERS = 2**22  # in the Gram matrices of the rows filled at once
SMALLEST_SHARE = 1e-13  # of the first variance, below which an axis is none
POWER_ROUNDS, OVERSAMPLED = 4, 10  # of the randomised way to leading axes; axes beyond these
FILL_ROUNDS, FILL_TOL = 30, 1e-4  # of axes and filling; squared change at which they end


class Axes(NamedTuple):
    """Principal axes of some rows: mean (d,), basis (d, n_axes), variances (n_axes,).

    ``left`` is the variance outside of them.
    """

    mean: np.ndarray
    basis: np.ndarray
    variances: np.ndarray
    left: float = 0.0

    @property
    def total(self):
        """The variance of the rows."""
        return self.variances.sum() + self.left

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
            expected = self.mean + product(found, self.loadings.T)
            out[part] = np.where(missing[part], expected, X[part])
        return out

    def _codes_by_row(self, X, missing, rows):
        """Yield some of the ``rows`` of ``X`` and their expected codes (n_some, r)."""
        for part, gram in self._grams(missing, rows):
            centred = np.where(missing[part], 0.0, X[part] - self.mean)
            right = product(centred, self.loadings)[:, :, None]
            yield part, np.linalg.solve(gram, right)[:, :, 0]

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
            gram = product((~missing[part]).astype(np.float64), pairs)
            yield part, gram.reshape(len(part), rank, rank) + np.diag(self.ridge)


def _regression(centred, loadings, ridge):
    """Return the codes (n, r) that ``centred`` rows (n, d) have along ``loadings`` (d, r)."""
    gram = product(loadings.T, loadings) + np.diag(ridge)
    return solved(gram, product(centred, loadings).T).T


def few_threads(X):
    """Have BLAS use ``one_thread`` where rows ``X`` are an array: these are few."""
    return nullcontext() if isinstance(X, LongRows) else one_thread()


def fit_axes(rows, n_axes, n_components):
    """Return the Axes of ``rows``, the Filler that goes with them, and the filled values.

    Where cells are missing, filling them and fitting the axes take turns (Ilin and Raiko 2010,
    "Practical approaches to principal component analysis in the presence of missing values",
    JMLR 11, 1957-2000) until the filled cells stay where they are. What is filled varies less
    than what was there: its uncertainty is added to the covariance, in tables of at most
    WIDEST columns.
    """
    if isinstance(rows.values, LongRows):
        return _fit_long_axes(rows, n_axes, n_components)
    X, missing = rows.values, np.isnan(rows.values)
    (n, d), is_there = X.shape, ~missing.all(axis=0)
    filled = np.where(missing, column_means(X, rows.weight), X) if missing.any() else X
    axes = principal_axes(filled, n_axes, rows)
    rank = _filling_rank(n, d, n_axes, n_components)
    filler, noise = _filler(axes, rank)
    for _ in range(FILL_ROUNDS if missing.any() else 0):
        before, filled = filled, filler.fill(X)
        if d <= WIDEST:
            uncertainty = noise * filler.uncertainty(missing, rows.weight)
            uncertainty *= np.outer(is_there, is_there)
            axes = _covariance_axes(filled, n_axes, rows.weight, uncertainty)
        else:
            axes = principal_axes(filled, n_axes, rows)
        filler, noise = _filler(axes, rank)
        change = np.square(filled - before).sum()
        if change <= FILL_TOL * np.square((filled - axes.mean)[missing]).sum():
            break
    return axes, filler, filler.fill(X)


def _fit_long_axes(rows, n_axes, n_components):
    """Return the same of LongRows, unfilled; with missing cells, of as many as can be held."""
    X = rows.values
    if has_missing(X):
        return *fit_axes(rows.some(len(X)), n_axes, n_components)[:2], X
    axes = principal_axes(X, n_axes, rows)
    return axes, filler_along(axes, len(X), n_components), X


def merged_axes(seen, n_seen, X, n_axes):
    """Return the Axes of rows: ``n_seen`` of them have the Axes ``seen``, the rest are ``X``.

    They are those of all rows where all axes are kept. Chan, Golub and LeVeque 1983,
    "Algorithms for computing the sample variance", doi:10.1080/00031305.1983.10483115.
    """
    if seen is None:
        return principal_axes(X, n_axes)
    axes, share = principal_axes(X, X.shape[1]), len(X) / (n_seen + len(X))
    shift = axes.mean - seen.mean
    covariance = share * (1 - share) * np.outer(shift, shift)
    for part, of_rows in ((axes, share), (seen, 1 - share)):
        covariance += of_rows * (part.basis * part.variances) @ part.basis.T
    values, vectors = np.linalg.eigh(covariance)
    mean = seen.mean + share * shift
    merged = _as_axes(mean, values[::-1], vectors[:, ::-1], n_axes)
    merged = merged._replace(left=max(0.0, values.sum() - merged.variances.sum()))
    signs = np.where(np.sum(merged.basis * seen.basis, axis=0) < 0, -1.0, 1.0)
    return merged._replace(basis=merged.basis * signs)


def filler_along(axes, n_rows, n_components):
    """Return the Filler of ``n_rows`` complete rows that have these ``axes``."""
    return _filler(axes, _filling_rank(n_rows, *axes.basis.shape, n_components))[0]


def ridge_along(axes, n_rows, n_components):
    """Return the ``ridge`` of that Filler: wide axes are not copied for it."""
    return _ridge(axes, _filling_rank(n_rows, *axes.basis.shape, n_components))[0]


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
    ridge, noise = _ridge(axes, rank)
    return Filler(axes.mean, np.ascontiguousarray(axes.basis[:, :rank]), ridge), noise


def _ridge(axes, rank):
    """Return the noise over the variances of the first ``rank`` axes (rank,), and the noise."""
    variances, d = axes.variances[:rank], len(axes.mean)
    total = axes.total or 1.0
    left = axes.variances[rank:].sum() + axes.left
    noise = max(left / max(1, d - rank), NOISE_FLOOR * total / d)
    return noise / np.maximum(variances, 1e-9 * total), noise


def principal_axes(X, n_axes, rows=None):
    """Return the Axes of ``X`` (n, d) in float64, padded with zeros to ``n_axes``.

    The weights of ``rows`` count. scikit-learn's PCA is not fitted here: clients such as
    MLflow's autolog take each fit of an estimator for one of the user's.
    """
    n, d = X.shape
    weight = np.ones(n) if rows is None else rows.weight
    if isinstance(X, LongRows) and n < d and n <= n_axes and X.may_be_held:
        X = np.asarray(X)
    if n_axes < min(n, d) or (isinstance(X, LongRows) and n < d):
        return _leading_axes(X, min(n, n_axes), n_axes, weight)
    if isinstance(X, LongRows):
        return _long_axes(X, n_axes, weight)
    if n == 1:
        return Axes(X[0], np.zeros((d, n_axes)), np.zeros(n_axes))
    if n >= d:
        return _covariance_axes(X, n_axes, weight, 0.0)
    mean, weighted = _weighted_rows(X, weight)
    _, singular, transposed = np.linalg.svd(weighted, full_matrices=False)
    return _as_axes(mean, np.square(singular), transposed.T, n_axes)


def _long_axes(X, n_axes, weight):
    """Return the Axes of LongRows ``X`` from their covariance, added up block by block."""
    mean = column_means(X, weight)
    covariance = np.zeros((len(mean), len(mean)))
    for part, block in placed(X.blocks()):
        weighted = np.sqrt(weight[part] / weight.sum())[:, None] * (block - mean)
        covariance += weighted.T @ weighted
    values, vectors = np.linalg.eigh(covariance)
    return _as_axes(mean, values[::-1], vectors[:, ::-1], n_axes)


def _leading_axes(X, rank, n_axes, weight):
    """Return the Axes of the ``rank`` greatest variances, by randomised subspace iteration.

    Halko, Martinsson and Tropp 2011, "Finding structure with randomness: probabilistic
    algorithms for constructing approximate matrix decompositions", doi:10.1137/090771806.
    scikit-learn's ``randomized_svd`` takes arrays only, not rows that are read in blocks.
    The subspace is one of rows or of columns, whichever are fewer.
    """
    X = X if isinstance(X, LongRows) else LongRows(X)
    (n, d), mean = X.shape, column_means(X, weight)
    share = weight / weight.sum()
    width = min(rank + OVERSAMPLED, n, d)
    n_rounds = POWER_ROUNDS if width < min(n, d) else 0
    total = float(share @ X.squares(mean))
    along, root = np.random.default_rng(0).standard_normal((d, width)), np.sqrt(share)[:, None]
    if n < d:
        for _ in range(1 + n_rounds):
            across = _subspace(root * X.times(along, mean))
            del along  # wide rows make it large
            along = X.transposed_times(root * across, mean)
        values, turn = _descending(along.T @ along)
    else:
        for _ in range(1 + n_rounds):
            along = _subspace(X.covariance_times(along, mean, share))
        values, turn = _descending(along.T @ X.covariance_times(along, mean, share))
    # Contiguous: SciPy copies any other one whenever sparse rows are multiplied by it.
    basis = np.ascontiguousarray(_signed(_orthonormal(along, turn[:, :rank])))
    if rank < n_axes:
        basis = np.pad(basis, ((0, 0), (0, n_axes - rank)))
    variances = np.zeros(n_axes)
    variances[:rank] = values[:rank]
    return Axes(mean, basis, variances, max(0.0, total - variances.sum()))


def _subspace(Y):
    """Return orthonormal columns that span those of ``Y`` (n, r)."""
    return np.linalg.qr(Y)[0]


def _descending(symmetric):
    """Return the eigenvalues (r,) of a matrix, the greatest first, and vectors (r, r)."""
    values, vectors = np.linalg.eigh(symmetric)
    return np.maximum(values[::-1], 0.0), vectors[:, ::-1]


def _orthonormal(Y, turn):
    """Return ``Y @ turn`` (n, r), whose columns are orthogonal, at length 1.

    Columns of length nothing beside the first are zero. ``Y`` is overwritten.
    """
    vectors = _times_in_place(Y, turn)
    squares = np.square(vectors).sum(axis=0)
    is_there = squares > SMALLEST_SHARE * squares.max(initial=0.0)
    vectors *= is_there / np.sqrt(np.where(is_there, squares, 1.0))
    # Rounding has left them a little askew: the nearest orthonormal ones are in their places.
    values, turn = np.linalg.eigh(vectors.T @ vectors)
    scales = np.sqrt(np.where(values > 0.5, values, 1.0))
    return _times_in_place(vectors, (turn / scales) @ turn.T)


def _times_in_place(Y, turn):
    """Return ``Y @ turn`` in the memory of ``Y`` (n, r): some rows after others."""
    out = Y[:, : turn.shape[1]]
    size = max(1, BLOCK_NUMBERS // Y.shape[1])
    for start in range(0, len(Y), size):
        out[start : start + size] = Y[start : start + size] @ turn
    return out


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
    basis[:, :rank], variances[:rank] = vectors[:, :rank], np.maximum(values[:rank], 0.0)
    return Axes(mean, _signed(basis), variances)


def _signed(basis):
    """Turn ``basis`` in place: the largest loading of each axis is positive, as in PCA."""
    for vector in basis.T:
        if vector[np.abs(vector).argmax()] < 0:
            vector *= -1.0
    return basis
