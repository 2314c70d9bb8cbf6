"""PCA of rows: their principal axes, and the filling of missing values along them.

NumPy only. ``start`` makes of them what the nets are added to.
"""

from contextlib import nullcontext, suppress
from typing import NamedTuple

import numpy as np

from skae._data.columns import observed_values
from skae._data.rows import BLOCK_NUMBERS, Rows
from skae._runtime.blas import FEW_PRODUCTS, one_thread, product, solved

NOISE_FLOOR = 1e-3  # of the mean variance of a column
MOST_FILLING = 32  # axes that missing values are filled along, if more are expensive
LONGEST_FILLING = 96  # axes at most: BLAS has one thread for them
FILL_WORK = 2**32  # multiplications of one round, up to which more axes are cheap
WIDEST = 1024  # columns whose covariance is made if values are missing
UNCERTAINTY_WORK = 2**32  # multiplications in the covariance of filled values
FILL_NUMBERS = 2**22  # in the Gram matrices of the rows filled at once
PRECISION_NUMBERS = 2**17  # in the smaller matrices of rows that miss few values, 1 MB
SMALLEST_SHARE = 1e-13  # of the first variance, below which an axis is only rounding
WELL_CONDITIONED = 1e-5  # the shortest over the longest column, each without the ones before
POWER_ROUNDS, OVERSAMPLED = 4, 10  # rounds, and further axes, of the randomised iteration
FILL_ROUNDS, FILL_TOL = 30, 1e-4  # rounds at most; relative squared change at which they end


class Axes(NamedTuple):
    """Principal axes of rows: mean (d,), basis (d, n_axes), variances (n_axes,).

    ``residual`` is the variance outside of them.
    """

    mean: np.ndarray
    basis: np.ndarray
    variances: np.ndarray
    residual: float = 0.0

    @property
    def total(self):
        return self.variances.sum() + self.residual

    def errors(self, X, n_components):
        """Return PCA's squared error of each row at 0..n_components: (n, n_components + 1)."""
        centred = X - self.mean
        total = np.square(centred).sum(axis=1, keepdims=True)
        captured = np.zeros((len(X), n_components + 1))
        k = min(n_components, self.basis.shape[1])
        captured[:, 1 : k + 1] = np.square(centred @ self.basis[:, :k])
        return np.maximum(total - captured.cumsum(axis=1), 0.0)

    def observed_errors(self, X, filled, n_components, losses=None):
        """Return those errors on the observed values of ``X``, encoded as ``filled``.

        ``losses`` is a function (target, out) -> (n, d), by default of squared errors.
        """
        losses = losses or (lambda target, out: np.square(target - out))
        target, observed = observed_values(X, self.mean)
        errors = np.empty((len(X), n_components + 1))
        codes = (filled - self.mean) @ self.basis
        out = np.tile(self.mean, (len(X), 1))
        for m in range(n_components + 1):
            if 0 < m <= codes.shape[1]:
                out += np.outer(codes[:, m - 1], self.basis[:, m - 1])
            errors[:, m] = np.where(observed, losses(target, out), 0.0).sum(axis=1)
        return errors


class Filler(NamedTuple):
    """Fills missing values with their mean given the observed ones, under probabilistic PCA.

    ``loadings`` (d, r) are the principal axes, orthonormal or zero, ``ridge`` (r,) the noise
    over each axis's variance. With r = 0 values are filled with the ``mean`` (d,).
    ``by_pattern`` is quicker if many rows miss the same columns.

    The equations of a row are as many as its missing values, or as its axes if these are fewer.
    """

    mean: np.ndarray
    loadings: np.ndarray
    ridge: np.ndarray
    by_pattern: bool = False

    def fill(self, X):
        """Return ``X`` (n, d) with missing values filled."""
        missing = np.isnan(X)
        rows = np.flatnonzero(missing.any(axis=1))
        if len(rows) == 0:
            return X
        out, few = np.array(X), rows[:0]
        if not self.by_pattern:
            few, rows = self._by_number(missing, rows)
            self._fill_few(X, missing, few, out)
        codes = self._codes_by_pattern if self.by_pattern else self._codes_by_row
        for part, found in codes(X, missing, rows):
            expected = self.mean + product(found, self.loadings.T)
            out[part] = np.where(missing[part], expected, X[part])
        return out

    def uncertainty(self, missing, weight):
        """Return the mean covariance (d, d) of filled values, in units of the noise.

        ``missing`` is (n, d). Of many rows, an even subsample stands for all.
        """
        rows, (d, rank) = np.flatnonzero(missing.any(axis=1)), self.loadings.shape
        n_missing = missing[rows].sum(axis=1)
        work = rank * np.where(n_missing <= rank, n_missing, d).astype(float) ** 2
        subsample = rows[:: max(1, int(work.sum() / UNCERTAINTY_WORK))]
        few, many = self._by_number(missing, subsample)
        covariance = np.diag(weight[many] @ missing[many])
        for part, columns, precision in self._precisions(missing, few):
            spread = weight[part, None, None] * np.linalg.inv(precision)
            places = columns[:, :, None] * d + columns[:, None, :]
            found = np.bincount(places.ravel(), spread.ravel(), d * d)
            covariance += found.reshape(d, d)
        for part, gram in self._grams(missing, many):
            filled = missing[part][:, :, None] * self.loadings
            spread = weight[part][:, None, None] * (filled @ np.linalg.inv(gram))
            sides = (a.transpose(1, 0, 2).reshape(d, -1) for a in (spread, filled))
            covariance += next(sides) @ next(sides).T
        share = weight[rows].sum() / max(weight[subsample].sum(), np.finfo(float).tiny)
        return covariance * share / weight.sum()

    def _by_number(self, missing, rows):
        """Return those of ``rows`` that miss no more values than there are axes, and others."""
        are_few = missing[rows].sum(axis=1) <= self.loadings.shape[1]
        return rows[are_few], rows[~are_few]

    def _fill_few(self, X, missing, rows, out):
        """Fill ``rows`` of ``X`` that miss few values, in ``out``."""
        for part, columns, precision in self._precisions(missing, rows):
            centred = np.where(missing[part], 0.0, X[part] - self.mean)
            codes = product(centred, self.loadings) / (1.0 + self.ridge)
            right = np.einsum("nmr,nr->nm", self.loadings[columns], codes)
            found = np.linalg.solve(precision, right[:, :, None])[:, :, 0]
            out[part[:, None], columns] = self.mean[columns] + found

    def _precisions(self, missing, rows):
        """Yield parts of the ``rows``, the columns (n_part, m) that they miss, and precisions.

        These (n_part, m, m) are the inverse covariances of the missing values given the
        others, in units of the noise. They are blocks of the inverse of all values' covariance.
        """
        counts, (d, rank) = missing[rows].sum(axis=1), self.loadings.shape
        shrunk = self.loadings / (1.0 + self.ridge)
        of_all = None
        if d * d <= np.square(counts, dtype=float).sum():  # less work than of each row
            of_all = np.eye(d) - product(self.loadings, shrunk.T)
        for count in np.unique(counts):
            same = rows[counts == count]
            size = max(1, PRECISION_NUMBERS // int(count * max(count, rank)))
            for part in np.array_split(same, -(-len(same) // size)):
                columns = np.nonzero(missing[part])[1].reshape(len(part), count)
                if of_all is None:
                    left, right = self.loadings[columns], shrunk[columns]
                    yield part, columns, _identity_minus(left, right.transpose(0, 2, 1))
                else:
                    yield part, columns, of_all[columns[:, :, None], columns[:, None]]

    def _codes_by_row(self, X, missing, rows):
        """Yield parts of the ``rows`` of ``X`` and their expected codes (n_part, r)."""
        for part, gram in self._grams(missing, rows):
            centred = np.where(missing[part], 0.0, X[part] - self.mean)
            right = product(centred, self.loadings)[:, :, None]
            yield part, np.linalg.solve(gram, right)[:, :, 0]

    def _codes_by_pattern(self, X, missing, rows):
        patterns, which = np.unique(missing[rows], axis=0, return_inverse=True)
        order, counts = np.argsort(which.ravel(), kind="stable"), np.bincount(which.ravel())
        parts = np.split(rows[order], counts.cumsum()[:-1])
        for pattern, part in zip(patterns, parts, strict=True):
            centred, loadings = (X[part] - self.mean)[:, ~pattern], self.loadings[~pattern]
            gram = product(loadings.T, loadings) + np.diag(self.ridge)
            yield part, solved(gram, product(centred, loadings).T).T

    def _grams(self, missing, rows):
        """Yield parts of the ``rows`` and, for each row, the inverse covariance of its code."""
        d, rank = self.loadings.shape
        if len(rows) == 0:
            return
        pairs = (self.loadings[:, :, None] * self.loadings[:, None, :]).reshape(d, rank**2)
        size = int(np.clip(FILL_NUMBERS // max(1, rank * max(rank, d)), 1, 512))
        for part in np.array_split(rows, -(-len(rows) // size)):
            gram = product((~missing[part]).astype(np.float64), pairs)
            yield part, gram.reshape(len(part), rank, rank) + np.diag(self.ridge)


def _identity_minus(left, right):
    """Return the identity minus each ``left @ right``, the same with any threads."""
    count, rank = left.shape[1:]
    out = np.tile(np.eye(count), (len(left), 1, 1))
    size = max(1, FEW_PRODUCTS // count**2)
    for start in range(0, rank, size):
        terms = slice(start, start + size)
        out -= left[:, :, terms] @ right[:, terms]
    return out


def few_threads(rows):
    """Have BLAS use ``one_thread`` if ``rows`` are in memory, and therefore small."""
    return one_thread() if rows.in_memory else nullcontext()


def fit_axes(rows, n_axes, n_components):
    """Return the Axes of ``rows``, their Filler, and the filled values.

    These are None if no value is missing, or if memory does not hold them. If values are
    missing, filling and fitting take turns until the filled values converge (Ilin and Raiko
    2010, "Practical approaches to principal component analysis in the presence of missing
    values", JMLR 11, 1957-2000). Filled values vary less than observed ones: with at most
    WIDEST columns, their uncertainty is added to the covariance.
    """
    if not rows.has_missing:
        axes = principal_axes(rows, n_axes)
        return axes, filler_along(axes, len(rows), n_components), None
    if not rows.in_memory:
        return *fit_axes(rows.held(), n_axes, n_components)[:2], None
    X, missing = rows.values, np.isnan(rows.values)
    observed = ~missing.all(axis=0)
    filled = np.where(missing, rows.means(), X)
    axes = principal_axes(Rows(filled, rows.weight), n_axes)
    rank = _filling_rank(axes, len(rows), n_components)
    filler, noise = _filler(axes, rank)
    for _ in range(FILL_ROUNDS):
        before, filled = filled, filler.fill(X)
        complete = Rows(filled, rows.weight)
        if X.shape[1] <= WIDEST:
            uncertainty = noise * filler.uncertainty(missing, rows.weight)
            uncertainty *= np.outer(observed, observed)
            axes = _covariance_axes(complete, n_axes, uncertainty)
        else:
            axes = principal_axes(complete, n_axes)
        filler, noise = _filler(axes, rank)
        change = np.square(filled - before).sum()
        if change <= FILL_TOL * np.square((filled - axes.mean)[missing]).sum():
            break
    return axes, filler, filler.fill(X)


def merged_axes(before, n_before, rows, n_axes):
    """Return the Axes of ``n_before`` rows with the Axes ``before``, and of further ``rows``.

    They are exact if all axes are kept. Chan, Golub and LeVeque 1983, "Algorithms for
    computing the sample variance", doi:10.1080/00031305.1983.10483115.
    """
    if before is None:
        return principal_axes(rows, n_axes)
    axes, share = principal_axes(rows, rows.shape[1]), len(rows) / (n_before + len(rows))
    shift = axes.mean - before.mean
    covariance = share * (1 - share) * np.outer(shift, shift)
    for part, of_rows in ((axes, share), (before, 1 - share)):
        covariance += of_rows * (part.basis * part.variances) @ part.basis.T
    merged = _eigen_axes(before.mean + share * shift, covariance, n_axes)
    residual = max(0.0, np.trace(covariance) - merged.variances.sum())
    signs = np.where(np.sum(merged.basis * before.basis, axis=0) < 0, -1.0, 1.0)
    return merged._replace(basis=merged.basis * signs, residual=residual)


def filler_along(axes, n_rows, n_components):
    """Return the Filler of ``n_rows`` complete rows with these ``axes``."""
    return _filler(axes, _filling_rank(axes, n_rows, n_components))[0]


def ridge_along(axes, n_rows, n_components):
    """Return the ``ridge`` of that Filler, without copying the axes."""
    return _ridge(axes, _filling_rank(axes, n_rows, n_components))[0]


def _filling_rank(axes, n, n_components):
    """Return how many axes values are filled along: more if they are cheap."""
    d, n_axes = axes.basis.shape
    most = min(LONGEST_FILLING, max(MOST_FILLING, int(np.sqrt(FILL_WORK / (n * d)))))
    return max(1, min(n_axes - 1, max(n_components, most), LONGEST_FILLING))


def mean_filler(rows):
    """Return the Filler with the columns' means."""
    mean = rows.means()
    return Filler(mean, np.zeros((len(mean), 0)), np.zeros(0))


def _filler(axes, rank):
    """Return the Filler along the first ``rank`` axes, and the noise around them."""
    ridge, noise = _ridge(axes, rank)
    return Filler(axes.mean, np.ascontiguousarray(axes.basis[:, :rank]), ridge), noise


def _ridge(axes, rank):
    """Return the noise over the variances of the first ``rank`` axes (rank,), and the noise."""
    variances, d = axes.variances[:rank], len(axes.mean)
    total = axes.total or 1.0
    residual = axes.variances[rank:].sum() + axes.residual
    noise = max(residual / max(1, d - rank), NOISE_FLOOR * total / d)
    return noise / np.maximum(variances, 1e-9 * total), noise


def principal_axes(rows, n_axes):
    """Return the weighted Axes of complete ``rows``, padded with zeros to ``n_axes``.

    scikit-learn's PCA is not used: MLflow's autolog, for one, would log it as a fit of the
    user's.
    """
    n, d = rows.shape
    if n < d and n <= n_axes and rows.fits_in_memory:
        rows = rows.held()
    if n_axes < min(n, d) or (n < d and not rows.in_memory):
        return _leading_axes(rows, min(n, n_axes), n_axes)
    if n == 1:
        return Axes(rows.values[0], np.zeros((d, n_axes)), np.zeros(n_axes))
    if n >= d:
        return _covariance_axes(rows, n_axes)
    mean = rows.means()
    weighted = np.sqrt(rows.weight / rows.weight.sum())[:, None] * (rows.values - mean)
    turn = np.linalg.eigh(weighted @ weighted.T)[1][:, ::-1]  # quicker than an SVD
    # Axes of small variances are not quite orthogonal yet, and their lengths not in order.
    vectors, triangle = np.linalg.qr(weighted.T @ turn)
    variances = np.square(np.diag(triangle))
    order = np.argsort(-variances, kind="stable")
    return _as_axes(mean, variances[order], vectors[:, order], n_axes)


def _covariance_axes(rows, n_axes, further=0.0):
    """Return the Axes of the covariance of ``rows`` plus a ``further`` one (d, d)."""
    mean, share = rows.means(), rows.weight / rows.weight.sum()
    covariance = np.zeros((len(mean), len(mean)))
    for part, block in rows.blocks():
        weighted = np.sqrt(share[part])[:, None] * (block - mean)
        covariance += weighted.T @ weighted
    return _eigen_axes(mean, covariance + further, n_axes)


def _leading_axes(rows, rank, n_axes):
    """Return the Axes of the ``rank`` greatest variances, by randomised subspace iteration.

    Halko, Martinsson and Tropp 2011, "Finding structure with randomness: probabilistic
    algorithms for constructing approximate matrix decompositions", doi:10.1137/090771806.
    scikit-learn's ``randomized_svd`` takes arrays only, not rows that are read in blocks.
    The subspace is one of rows or of columns, whichever are fewer.
    """
    (n, d), mean = rows.shape, rows.means()
    share = rows.weight / rows.weight.sum()
    width = min(rank + OVERSAMPLED, n, d)
    n_rounds = 1 + (POWER_ROUNDS if width < min(n, d) else 0)
    total = float(share @ rows.squares(mean))
    along, root = np.random.default_rng(0).standard_normal((d, width)), np.sqrt(share)[:, None]
    if n < d:
        for left in reversed(range(n_rounds)):  # only the last round has to be exact
            dtype = rows.rough_dtype if left else np.float64
            across = root * rows.times(along.astype(dtype, copy=False), mean)
            across = _independent(across) if left else np.linalg.qr(across)[0]
            del along  # wide rows make it large
            across = (root * across).astype(dtype, copy=False)
            along = rows.transposed_times(across, mean)
        gram = along.T @ along
    else:
        for _ in range(n_rounds):
            along = np.linalg.qr(rows.covariance_times(along, mean, share))[0]
        gram = along.T @ rows.covariance_times(along, mean, share)
    values, turn = np.linalg.eigh(gram)
    values, turn = values[::-1][:rank], turn[:, ::-1][:, :rank]
    # Contiguous: SciPy copies any other one whenever sparse rows are multiplied by it.
    basis = np.ascontiguousarray(_signed(_orthonormal(along, turn)))
    if rank < n_axes:
        basis = np.pad(basis, ((0, 0), (0, n_axes - rank)))
    variances = np.pad(np.maximum(values, 0.0), (0, n_axes - rank))
    return Axes(mean, basis, variances, max(0.0, total - variances.sum()))


def _independent(Y):
    """Return an orthonormal basis of the columns of ``Y`` (n, r), if Gram's is exact enough."""
    with suppress(np.linalg.LinAlgError):
        factor = np.linalg.cholesky(Y.T @ Y)
        lengths = np.diag(factor)
        if lengths.min() > WELL_CONDITIONED * lengths.max():
            return Y @ np.linalg.inv(factor).T
    return np.linalg.qr(Y)[0]  # several times slower


def _orthonormal(Y, turn):
    """Return ``Y @ turn`` (n, r), whose columns are orthogonal, at length 1.

    Columns that are negligible against the longest become zero. ``Y`` is overwritten.
    """
    vectors = _times_in_place(Y, turn)
    squares = np.square(vectors).sum(axis=0)
    kept = squares > SMALLEST_SHARE * squares.max(initial=0.0)
    vectors *= kept / np.sqrt(np.where(kept, squares, 1.0))
    # Rounding has left them not quite orthogonal: replace them by the nearest that are.
    values, turn = np.linalg.eigh(vectors.T @ vectors)
    scales = np.sqrt(np.where(values > 0.5, values, 1.0))
    return _times_in_place(vectors, (turn / scales) @ turn.T)


def _times_in_place(Y, turn):
    """Return ``Y @ turn`` in the memory of ``Y`` (n, r)."""
    out = Y[:, : turn.shape[1]]
    size = max(1, BLOCK_NUMBERS // Y.shape[1])
    for start in range(0, len(Y), size):
        out[start : start + size] = Y[start : start + size] @ turn
    return out


def _eigen_axes(mean, covariance, n_axes):
    values, vectors = np.linalg.eigh(covariance)
    return _as_axes(mean, values[::-1], vectors[:, ::-1], n_axes)


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
