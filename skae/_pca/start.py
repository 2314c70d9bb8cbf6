"""The linear path: how the nets stand on PCA, and the scales that they work in.

NumPy only. A ``LinearPath`` holds arrays, never functions: compiled programs take it as data.
"""

from typing import NamedTuple

import numpy as np

from skae._pca.axes import NOISE_FLOOR

ERROR_FLOOR = 1e-12
NO_VARIANCE = 1e-31  # of scaled rows, up to which all that varies is rounding
SMALLEST_SPREAD = 1e-3  # of the codes, below which one is not blown up to unit size
THICK = 0.5  # share of the variance that PCA leaves, below which even noise is smaller
PILE_SHARE = 0.05  # of a column's cells at one end of its range


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

    def only(self, names):
        """Return the path with None for all but ``names``: each array costs a call time."""
        return self._replace(**dict.fromkeys(set(self._fields).difference(names)))


def pca_path(
    rows,
    axes,
    n_components,
    *,
    link,
    clip,
    filled=None,
    interval=None,
    in_columns=False,
    even_noise=False,
):
    """Return the LinearPath that begins at PCA of ``rows`` (n, d).

    Where cells are missing, ``filled`` has them filled. ``interval`` (2, d) is the range of
    the ``link`` where it is not that of the columns. The nets' inputs, and the outputs of an
    identity link, are principal axes, or centred columns where ``in_columns``. Noise has the
    size of what PCA leaves, or with ``even_noise`` of the columns themselves, on average, and
    less if PCA leaves less than half of the variance: it would drown a thin surface.
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
        _ranges(rows, clip, interval),
    )
    if in_columns:
        loadings, noise_scale = axes.basis.T, _column_residuals(rows, axes, k, filled)
    output_scale, (offset, margin) = noise_scale, np.zeros((2, loadings.shape[1]))
    if not link.in_axes:
        loadings, offset = axes.basis.T, axes.mean
        output_scale, margin = _link_scales(rows, axes, k, link, filled, ranges)
    if even_noise:
        thickness = thickness_of(cut_error[n_components], cut_error[0])
        even = thickness * np.sqrt(axes.total / len(axes.mean))
        noise_scale = np.full_like(noise_scale, even)
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


def thickness_of(left, total):
    """Return how far rows are from a plane: PCA's error ``left`` over a half of ``total``.

    It is 1 at most. JAX's numbers are taken too.
    """
    share = left / total / THICK
    return share - (share - 1.0) * (share > 1.0)


def marked_path(path):
    """Return ``path`` for inputs that are followed by marks: they have no noise."""
    return path._replace(noise_scale=np.pad(path.noise_scale, (0, len(path.mean))))


def continued_path(path, before, *, has_interval):
    """Return ``path``, of the latest rows, for a model that had the path ``before``.

    Ranges are of all rows, where the link has no interval of its own; what was no bound is
    none, and the share of the corrections that is applied stays.
    """
    path = widened_path(path._replace(floor=before.floor, ceiling=before.ceiling), before)
    path = path._replace(strength=before.strength)
    if has_interval:
        return path
    return path._replace(origin=path.lower, unit=path.upper - path.lower)


def widened_path(path, before):
    """Return ``path`` with ranges that hold those of ``before`` too; no bound is added."""
    lower, upper = np.minimum(path.lower, before.lower), np.maximum(path.upper, before.upper)
    is_low, is_high = np.isfinite(path.floor), np.isfinite(path.ceiling)
    return path._replace(
        lower=lower,
        upper=upper,
        floor=np.where(is_low, lower, -np.inf).astype(np.float32),
        ceiling=np.where(is_high, upper, np.inf).astype(np.float32),
    )


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
    total = axes.total or 1.0
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
    margin, ranges = np.zeros(d), _ranges(rows, clip, interval)
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


def _ranges(rows, clip, interval=None):
    """Return the columns' and the link's range, and the bounds that ``clip`` sets.

    With ``clip="auto"`` an end of the range in training is a bound of the quantity where cells
    pile up at it; elsewhere it is the accident of a sample, and clipping there costs where
    data are rare.
    """
    lower, upper = rows.summary.ends
    origin, end = (lower, upper) if interval is None else interval
    at_lower, at_upper = (
        rows.summary.shares_at_ends if clip == "auto" else (np.full(len(lower), clip),) * 2
    )
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
    total = axes.total
    explained = np.concatenate([[0.0], axes.variances.cumsum()])
    explained = _with_rows(explained[: n_components + 1], n_components + 1, explained[-1])
    return above_zero(np.maximum(total - explained, 0.0), total)


def above_zero(errors, total=None):
    """Return PCA's ``errors`` (k + 1,) with a floor: what they are relative to."""
    total = errors[0] if total is None else total
    floor = ERROR_FLOOR * total if total > NO_VARIANCE else 1.0
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
    if not rows.in_memory:
        squares = np.square(axes.basis[:, k:]) @ axes.variances[k:]
        return np.sqrt(squares + axes.residual / len(squares))
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
