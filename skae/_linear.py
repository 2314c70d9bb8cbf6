"""The linear path: PCA of the training rows, and the scales that the nets work in.

NumPy and scikit-learn only. A ``LinearPath`` holds arrays, never functions: compiled
programs take it as data.
"""

from typing import NamedTuple

import numpy as np

from skae._rows import column_means

ERROR_FLOOR = 1e-12
LOGIT_SLOPE = 4.0  # logits per unit of share, in the middle of the range
LOGIT_MARGIN = 0.5  # of PCA's residual
PLAIN_MARGIN = 0.02
NOISE_FLOOR = 1e-3  # of the mean variance of a column
MOST_FILLING = 32  # axes that missing cells are filled along, where the code is not longer
LONGEST_FILLING = 128  # axes that they are filled along at most
FILL_NUMBERS = 2**22  # in the Gram matrices of the rows filled at once
FILL_ROUNDS, FILL_TOL = 30, 1e-4  # of axes and filling; squared change at which they end
PILE_SHARE = 0.05  # of a column's cells at one end of its range


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

    def errors_seen(self, X, filled, n_components):
        """Return likewise the errors on the observed cells of ``X``, encoded as ``filled``."""
        left = np.where(np.isnan(X), 0.0, X - self.mean)
        errors = np.empty((len(X), n_components + 1))
        errors[:, 0] = np.square(left).sum(axis=1)
        codes = (filled - self.mean) @ self.basis
        for m in range(1, n_components + 1):
            if m <= codes.shape[1]:
                left -= np.where(
                    np.isnan(X), 0.0, np.outer(codes[:, m - 1], self.basis[:, m - 1])
                )
            errors[:, m] = np.square(left).sum(axis=1)
        return errors


class Filler(NamedTuple):
    """Fills missing cells with their mean given the observed ones, under a linear model.

    The model is probabilistic PCA: ``mean`` (d,), principal axes ``loadings`` (d, r) and, for
    each of them, ``ridge`` (r,), the noise over the axis's variance. With r = 0 it is the mean.
    """

    mean: np.ndarray
    loadings: np.ndarray
    ridge: np.ndarray

    def fill(self, X):
        """Return ``X`` (n, d) without NaN; what is observed stays."""
        missing = np.isnan(X)
        rows = np.flatnonzero(missing.any(axis=1))
        if len(rows) == 0:
            return X
        out, rank = np.array(X), len(self.ridge)
        pairs = self.loadings[:, :, None] * self.loadings[:, None, :]
        pairs = pairs.reshape(len(pairs), rank**2)
        size = int(np.clip(FILL_NUMBERS // max(1, rank**2), 1, 512))
        for part in np.array_split(rows, -(-len(rows) // size)):
            expected = self._expected(X[part], missing[part], pairs)
            out[part] = np.where(missing[part], expected, X[part])
        return out

    def _expected(self, X, missing, pairs):
        rank = len(self.ridge)
        if rank == 0:
            return self.mean
        centred = np.where(missing, 0.0, X - self.mean)
        gram = (~missing).astype(np.float64) @ pairs
        gram = gram.reshape(-1, rank, rank) + np.diag(self.ridge)
        codes = np.linalg.solve(gram, (centred @ self.loadings)[:, :, None])[:, :, 0]
        return self.mean + codes @ self.loadings.T


class LinearPath(NamedTuple):
    """What the learned corrections are added to, as float32 arrays.

    The nets' inputs are ``(x - mean) @ basis``, d columns to n_inputs axes (no rotation where
    ``basis`` is None). ``gain`` (k,) is 1 where a code takes PCA's projection; ``loadings``
    (k, n_outputs) and ``offset`` (n_outputs,) are PCA's way back, in the space of the outputs.
    ``code_scale`` (k,), ``output_scale`` (n_outputs,) and ``noise_scale`` (n_inputs,) are the
    sizes of the codes, of the decoder's correction and of the input noise; ``lower`` and
    ``upper`` (d,) the range of the columns, ``floor`` and ``ceiling`` (d,) where outputs are
    clipped; ``margin`` (n_outputs,) how far from the ends of its range, as a share of it, PCA's
    reconstruction is kept by the logistic link; ``cut_error`` (k + 1,) PCA's mean squared error
    per row with the first m components; ``strength`` () the share of both corrections that is
    applied: 1 while training, but where a warm start goes on from less.
    """

    mean: np.ndarray
    basis: np.ndarray | None
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
    margin: np.ndarray
    cut_error: np.ndarray
    strength: np.ndarray


def fit_axes(rows, n_axes, n_components):
    """Return the Axes of ``rows``, the Filler that goes with them, and the filled values.

    Where cells are missing, filling them and fitting the axes take turns (Ilin and Raiko 2010,
    "Practical approaches to principal component analysis in the presence of missing values",
    JMLR 11, 1957-2000) until the filled cells stay where they are.
    """
    X, missing = rows.values, np.isnan(rows.values)
    filled = np.where(missing, column_means(X, rows.weight), X) if missing.any() else X
    axes = principal_axes(filled, n_axes, rows)
    rank = min(n_axes, LONGEST_FILLING, max(n_components, min(n_axes // 4, MOST_FILLING)))
    filler = _filler(axes, rank)
    for _ in range(FILL_ROUNDS if missing.any() else 0):
        before, filled = filled, filler.fill(X)
        axes = principal_axes(filled, n_axes, rows)
        filler = _filler(axes, rank)
        change = np.square(filled - before).sum()
        if change <= FILL_TOL * np.square((filled - axes.mean)[missing]).sum():
            break
    return axes, filler, filler.fill(X)


def mean_filler(rows):
    """Return the Filler that puts the column's mean into missing cells."""
    mean = column_means(rows.values, rows.weight)
    return Filler(mean, np.zeros((len(mean), 0)), np.zeros(0))


def _filler(axes, rank):
    """Return the Filler along the first ``rank`` axes; what is left is noise."""
    variances, d = axes.variances[:rank], len(axes.mean)
    total = axes.variances.sum() or 1.0
    noise = max(axes.variances[rank:].sum() / max(1, d - rank), NOISE_FLOOR * total / d)
    ridge = noise / np.maximum(variances, 1e-9 * total)
    return Filler(axes.mean, np.ascontiguousarray(axes.basis[:, :rank]), ridge)


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
    rank = min(n, d, n_axes)
    mean = np.average(X, axis=0, weights=weight)
    weighted = np.sqrt(weight / weight.sum())[:, None] * (X - mean)
    if n >= d:
        values, vectors = np.linalg.eigh(weighted.T @ weighted)
        values, vectors = values[::-1], vectors[:, ::-1]
    else:
        _, singular, transposed = np.linalg.svd(weighted, full_matrices=False)
        values, vectors = np.square(singular), transposed.T
    basis, variances = np.zeros((d, n_axes)), np.zeros(n_axes)
    # The largest loading of each axis is positive, as in scikit-learn's PCA.
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
    basis[:, :rank] = (vectors * np.where(signs == 0, 1.0, signs))[:, :rank]
    variances[:rank] = np.maximum(values[:rank], 0.0)
    return Axes(mean, basis, variances)


def pca_path(X, axes, n_components, *, link, clip, filled=None):
    """Return the LinearPath that begins at PCA of the rows ``X`` (n, d).

    Where cells of ``X`` are missing, ``filled`` has them filled.
    """
    n_axes = axes.basis.shape[1]
    k = min(n_components, n_axes)
    cut_error = _cut_error(axes, n_components)
    deviations = np.sqrt(axes.variances)
    left = np.sqrt(cut_error[n_components] / max(1, n_axes - k))
    residual = np.where(np.arange(n_axes) < k, left, deviations)
    loadings, offset, output_scale = np.eye(n_axes), np.zeros(n_axes), residual
    margin = np.zeros(n_axes)
    if link == "logistic":
        loadings, offset = axes.basis.T, axes.mean
        share = _residual_share(X if filled is None else filled, axes, k)
        output_scale, margin = LOGIT_SLOPE * share, np.clip(LOGIT_MARGIN * share, 1e-3, 0.4)
    return _float32(
        mean=axes.mean,
        basis=axes.basis,
        gain=np.ones(n_components),
        loadings=_with_rows(loadings[:k], n_components),
        offset=offset,
        code_scale=_code_scale(deviations[:k], n_components),
        output_scale=output_scale,
        noise_scale=residual,
        margin=margin,
        cut_error=cut_error,
        **_ranges(X, clip),
    )


def marked_path(path, error, link):
    """Return ``path`` for inputs with marks, and for PCA's ``error`` (k + 1,) when cells hide.

    With hidden cells PCA leaves an error even where the code is as long as the row.
    """
    d = len(path.mean)
    error = np.maximum(error, path.cut_error).astype(np.float32)
    left = np.sqrt(error[-1] / d)  # in each column
    if link == "logistic":
        width = path.upper - path.lower
        left = LOGIT_SLOPE * np.divide(left, width, out=np.zeros(d), where=width > 0)
    return path._replace(
        noise_scale=np.pad(path.noise_scale, (0, d)),
        cut_error=error,
        output_scale=np.maximum(path.output_scale, left).astype(np.float32),
    )


def plain_path(X, axes, n_components, *, clip):
    """Return the LinearPath of a plain autoencoder: no rotation, nothing but the nets."""
    d = X.shape[1]
    return _float32(
        mean=np.zeros(d),
        basis=None,
        gain=np.zeros(n_components),
        loadings=np.zeros((n_components, d)),
        offset=np.zeros(d),
        code_scale=np.ones(n_components),
        output_scale=np.ones(d),
        noise_scale=np.ones(d),
        margin=np.full(d, PLAIN_MARGIN),
        cut_error=_cut_error(axes, n_components),
        **_ranges(X, clip),
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


def _ranges(X, clip):
    """Return the columns' range, and the bounds that ``clip`` (True, False, "auto") sets.

    An end of the range in training is a bound of the quantity where cells pile up at it;
    elsewhere it is the accident of a sample, and clipping there costs where data are rare.
    """
    lower, upper = ends(X)
    at_lower, at_upper = piles(X) if clip == "auto" else (np.full(len(lower), clip),) * 2
    return {
        "lower": lower,
        "upper": upper,
        "floor": np.where(at_lower >= PILE_SHARE, lower, -np.inf),
        "ceiling": np.where(at_upper >= PILE_SHARE, upper, np.inf),
    }


def _cut_error(axes, n_components):
    """PCA's mean squared error per row at 0..n_components, kept above zero."""
    total = axes.variances.sum()
    explained = np.concatenate([[0.0], axes.variances.cumsum()])
    explained = _with_rows(explained[: n_components + 1], n_components + 1, total)
    floor = ERROR_FLOOR * total if total > 0 else 1.0
    return np.maximum(total - explained, floor)


def _code_scale(deviations, n_components):
    """Return the codes' standard deviations; components beyond the rank get a small one."""
    largest = deviations.max(initial=0.0) or 1.0
    return np.maximum(_with_rows(deviations, n_components), 1e-6 * largest)


def _residual_share(X, axes, k):
    """PCA's residual of each column (its root mean square) as a share of the column's range."""
    centred = X - axes.mean
    basis = axes.basis[:, :k]
    residual = np.sqrt(np.square(centred - centred @ basis @ basis.T).mean(axis=0))
    width = np.ptp(X, axis=0)
    return np.divide(residual, width, out=np.zeros_like(width), where=width > 0)


def _with_rows(array, n_rows, fill=0.0):
    """Append rows of ``fill`` up to ``n_rows``."""
    missing = (n_rows - len(array), *array.shape[1:])
    return np.concatenate([array, np.full(missing, fill)])


def _float32(**arrays):
    cast = {k: None if v is None else v.astype(np.float32) for k, v in arrays.items()}
    return LinearPath(**cast, strength=np.float32(1))
