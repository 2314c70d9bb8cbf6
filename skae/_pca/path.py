"""What the nets are added to: PCA, and the scales that corrections have.

NumPy only. A ``LinearPath`` holds arrays, never functions: compiled programs take it as data.
"""

from typing import NamedTuple

import numpy as np

from skae._pca.axes import NOISE_FLOOR

ERROR_FLOOR = 1e-12
NO_VARIANCE = 1e-31  # of scaled rows, up to which all that varies is rounding
SMALLEST_SPREAD = 1e-3  # of the codes, below which one is not blown up to unit size
SMALLEST_SCALE = 1e-30  # of codes: one of 0 is that of padding
THICK = 0.5  # share of the variance that PCA leaves, below which even noise is smaller
PILE_SHARE = 0.05  # of a column's values at one end of its range


class LinearPath(NamedTuple):
    """What the learned corrections are added to, as float32 arrays.

    The nets' inputs are ``(x - mean) @ basis``: d columns become n_inputs axes. Codes may
    end with padding, so that those of several sizes share programs: it has a scale of 0.
    """

    mean: np.ndarray  # (d,)
    basis: np.ndarray | None  # (d, n_inputs); None: no rotation
    projection: np.ndarray | None  # (d, k) of PCA's codes; None: they are the first k inputs
    gain: np.ndarray  # (k,) on PCA's codes: 1, or 0 if a code takes nothing from PCA
    loadings: np.ndarray  # (k, n_outputs): PCA's way back
    offset: np.ndarray  # (n_outputs,)
    code_scale: np.ndarray  # (k,)
    output_scale: np.ndarray  # (n_outputs,) of the decoder's correction
    noise_scale: np.ndarray  # (n_inputs,)
    lower: np.ndarray  # (d,): the range of the columns
    upper: np.ndarray
    floor: np.ndarray  # (d,): outputs are clipped here
    ceiling: np.ndarray
    origin: np.ndarray  # (d,): the range of the output activation begins here
    unit: np.ndarray  # (d,): and is as wide
    margin: np.ndarray  # (n_outputs,) between its ends and PCA's reconstruction, as a share
    prefix_error: np.ndarray  # (k + 1,): PCA's mean error per row with the first m components
    code_log_variance: np.ndarray  # (k,) of a variational code over its scale's square
    strength: np.ndarray  # () of both corrections: 1, or less after a warm start
    value_weight: np.ndarray | None = None  # (d,) of the losses; None: all 1

    @property
    def n_components(self):
        """The number of entries of a code that are no padding; of JAX's arrays, too."""
        return (self.code_scale > 0).sum()

    def scaled(self, z):
        """Return a code ``z`` (k,), an array of JAX, in units of its scale; padding stays."""
        return z / (self.code_scale + (self.code_scale == 0))

    def only(self, names):
        """Return the path with None for all but ``names``: each array costs a call time."""
        return self._replace(**dict.fromkeys(set(self._fields).difference(names)))


def pca_path(
    rows,
    axes,
    n_components,
    *,
    activation,
    clip,
    filled=None,
    interval=None,
    in_columns=False,
    even_noise=False,
):
    """Return the LinearPath that begins at PCA of ``rows`` (n, d).

    ``filled`` are the rows with missing values filled. ``interval`` (2, d) is the range of the
    ``activation`` if it differs from the columns'. The nets' inputs are principal axes, or
    centred columns if ``in_columns``; so are the outputs if the activation is the identity.
    Noise has the size of PCA's residual, or with ``even_noise`` that of an average column. It
    is smaller if PCA leaves less than half of the variance: it would blur a thin surface.
    """
    n_axes = axes.basis.shape[1]
    k = min(n_components, n_axes)
    prefix_error = prefix_errors(axes, n_components)
    deviations = np.sqrt(axes.variances)
    mean_residual = np.sqrt(prefix_error[n_components] / max(1, n_axes - k))
    noise_scale = np.where(np.arange(n_axes) < k, mean_residual, deviations)
    loadings, ranges = np.eye(n_axes), _ranges(rows, clip, interval)
    if in_columns or not activation.in_axes:
        residual = _column_residuals(rows, axes, k, filled)
    if in_columns:
        loadings, noise_scale = axes.basis.T, residual
    output_scale, (offset, margin) = noise_scale, np.zeros((2, loadings.shape[1]))
    if not activation.in_axes:
        loadings, offset = axes.basis.T, axes.mean
        scales = residual, axes.mean, ranges["origin"], ranges["unit"]
        output_scale, margin = _activation_scales(activation, *scales)
    if even_noise:
        thickness = thickness_of(prefix_error[n_components], prefix_error[0])
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
        prefix_error=prefix_error,
        **ranges,
    )


def thickness_of(residual, total):
    """Return PCA's ``residual`` over half of the ``total`` variance, at most 1.

    It takes JAX's numbers, too.
    """
    share = residual / total / THICK
    return share - (share - 1.0) * (share > 1.0)


def path_with_indicator(path):
    """Return ``path`` for inputs followed by missing indicators, which have no noise."""
    return path._replace(noise_scale=np.pad(path.noise_scale, (0, len(path.mean))))


def padded_path(path, width):
    """Return ``path`` for codes with further entries up to ``width``: PCA adds nothing there.

    A prefix as long as the padded code has the error of the whole code.
    """
    more = width - len(path.gain)
    if more == 0:
        return path
    projection = path.projection
    return path._replace(
        projection=None if projection is None else np.pad(projection, ((0, 0), (0, more))),
        gain=np.pad(path.gain, (0, more)),
        loadings=np.pad(path.loadings, ((0, more), (0, 0))),
        code_scale=np.pad(path.code_scale, (0, more)),
        prefix_error=np.pad(path.prefix_error, (0, more), mode="edge"),
        code_log_variance=np.pad(path.code_log_variance, (0, more)),
    )


def continued_path(path, before, *, own_range):
    """Return ``path``, of the latest rows, for a model that had the path ``before``.

    Ranges hold all rows, unless the activation has its ``own_range``. No bound is added, and
    the strength of the corrections stays.
    """
    path = widened_path(path._replace(floor=before.floor, ceiling=before.ceiling), before)
    path = path._replace(strength=before.strength)
    if own_range:
        return path
    return path._replace(origin=path.lower, unit=path.upper - path.lower)


def widened_path(path, before):
    """Return ``path`` with ranges that include those of ``before``; no bound is added."""
    lower, upper = np.minimum(path.lower, before.lower), np.maximum(path.upper, before.upper)
    floor = np.where(np.isfinite(path.floor), lower, -np.inf)
    ceiling = np.where(np.isfinite(path.ceiling), upper, np.inf)
    return path._replace(
        lower=lower,
        upper=upper,
        floor=floor.astype(np.float32),
        ceiling=ceiling.astype(np.float32),
    )


def rescaled_path(path, error, squared, activation):
    """Return ``path`` with the errors (k + 1,), and scales for ``squared`` errors per row.

    If values are hidden, PCA leaves an error even with a code as long as the row.
    """
    scale = np.sqrt(squared / len(path.mean))  # of each column
    if not activation.in_axes:
        scale, _ = _activation_scales(activation, scale, path.mean, path.origin, path.unit)
    return path._replace(
        prefix_error=above_zero(error).astype(np.float32),
        output_scale=np.maximum(path.output_scale, scale).astype(np.float32),
    )


def unscaled_path(path):
    """Return ``path`` for codes in the range of an activation instead of PCA's."""
    varies = path.code_scale > SMALLEST_SPREAD * path.code_scale.max()
    return path._replace(
        gain=np.where(varies, path.gain / path.code_scale, 0.0).astype(np.float32),
        loadings=path.loadings * path.code_scale[:, None],
        code_scale=np.ones_like(path.code_scale),
    )


def paired_path(path, axes, n_components):
    """Return ``path`` for codes without negative entries: two for each axis, one per sign.

    Both are rectified; their difference is PCA's score. The projection keeps as many axes as
    PCA is compared with.
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

    In units of their scale, codes are normal: a priori with variance 1, given a row with the
    variance noise / variance of the axis (Tipping and Bishop 1999, "Probabilistic principal
    component analysis", doi:10.1111/1467-9868.00196). If the loss ``is_squared``, so are the
    path's errors, and none is less than the noise.
    """
    d, k = len(path.mean), len(path.gain)
    if not path.gain.any():
        return path
    total = axes.total or 1.0
    residual = path.prefix_error[k] if is_squared else axes.variances[k:].sum()
    noise = max(residual / max(1, d - k), NOISE_FLOOR * total / d)
    variances = _with_rows(axes.variances[:k], k)
    share = np.minimum(noise / np.maximum(variances, noise), 1.0)
    kept = np.sqrt(1.0 - share).astype(np.float32)
    least = np.float32(d * noise if is_squared else 0.0)
    return path._replace(
        gain=path.gain * kept,
        loadings=path.loadings * kept[:, None],
        prefix_error=np.maximum(path.prefix_error, least),
        code_log_variance=np.log(share).astype(np.float32),
    )


def plain_path(rows, axes, n_components, *, activation, clip, filled=None, interval=None):
    """Return the LinearPath of a plain autoencoder, to which PCA contributes nothing."""
    d = len(axes.mean)
    margin, ranges = np.zeros(d), _ranges(rows, clip, interval)
    if not activation.in_axes:
        residual = _column_residuals(rows, axes, 0, filled)
        scales = residual, axes.mean, ranges["origin"], ranges["unit"]
        _, margin = _activation_scales(activation, *scales)
    return _float32(
        mean=np.zeros(d),
        basis=None,
        projection=None,
        gain=np.zeros(n_components),
        loadings=np.zeros((n_components, d)),
        offset=np.zeros(d) if activation.in_axes else axes.mean,
        code_scale=np.ones(n_components),
        output_scale=np.ones(d),
        noise_scale=np.ones(d),
        margin=margin,
        prefix_error=prefix_errors(axes, n_components),
        **ranges,
    )


def _ranges(rows, clip, interval=None):
    """Return the columns' and the activation's range, and the bounds that ``clip`` sets.

    With ``clip="auto"`` an end of the range is a bound only if many values are equal to it.
    Otherwise it is an accident of the sample, and clipping to it would cost at rare values.
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


def prefix_errors(axes, n_components):
    """Return PCA's mean squared error per row at 0..n_components, kept above zero."""
    total = axes.total
    explained = np.concatenate([[0.0], axes.variances.cumsum()])
    explained = _with_rows(explained[: n_components + 1], n_components + 1, explained[-1])
    return above_zero(np.maximum(total - explained, 0.0), total)


def above_zero(errors, total=None):
    """Return PCA's ``errors`` (k + 1,) with a floor: others are divided by them."""
    total = errors[0] if total is None else total
    floor = ERROR_FLOOR * total if total > NO_VARIANCE else 1.0
    return np.maximum(errors, floor).astype(errors.dtype)


def _code_scale(deviations, n_components):
    """Return the codes' standard deviations; components beyond the rank get a small one."""
    largest = deviations.max(initial=0.0) or 1.0
    least = max(1e-6 * largest, SMALLEST_SCALE)
    return np.maximum(_with_rows(deviations, n_components), least)


def _activation_scales(activation, residual, mean, origin, unit):
    """Return the output scales and margins for the ``residual`` of each column."""
    d, varies = len(mean), unit > 0
    residual_share = np.divide(residual, unit, out=np.zeros(d), where=varies)
    mean_share = np.divide(mean - origin, unit, out=np.zeros(d), where=varies)
    return activation.scales(residual_share, mean_share)


def _column_residuals(rows, axes, k, filled):
    """Return the root mean square (d,) of what PCA leaves of each column."""
    if not rows.in_memory:
        squares = np.square(axes.basis[:, k:]) @ axes.variances[k:]
        return np.sqrt(squares + axes.residual / len(squares))
    centred = (rows.values if filled is None else filled) - axes.mean
    basis = axes.basis[:, :k]
    squares = np.square(centred - centred @ basis @ basis.T)
    return np.sqrt(np.average(squares, axis=0, weights=rows.weight))


def _with_rows(array, n_rows, fill=0.0):
    """Append rows of ``fill`` up to ``n_rows``."""
    missing = (n_rows - len(array), *array.shape[1:])
    return np.concatenate([array, np.full(missing, fill)])


def _float32(**arrays):
    cast = {k: None if v is None else v.astype(np.float32) for k, v in arrays.items()}
    k = len(cast["gain"])
    return LinearPath(**cast, code_log_variance=np.zeros(k, np.float32), strength=np.float32(1))
