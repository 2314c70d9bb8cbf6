"""Output activations: PCA's linear reconstruction and the nets' correction to one output.

Each adds the correction on an unbounded scale, and maps the sum back into the range of the
outputs. It takes NumPy's arrays and JAX's, with columns along the last axis. ``path`` is the
LinearPath: the range begins at ``origin`` and is ``unit`` wide. ``scales`` returns the scales
of the corrections and the margins that PCA's reconstruction keeps from the ends of the range,
as proportions of it. ``ends`` are the range in X's units, None that of the training columns.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = Any  # of NumPy or of JAX

LOGIT_SLOPE = 4.0  # logits per proportion, in the middle of the range
MARGIN = 0.5  # of PCA's residual, that its reconstruction keeps from the ends of the range
SMALLEST_MARGIN, LARGEST_MARGIN = 1e-3, 0.4
SMALLEST_SHARE = 1e-4  # least PCA reconstruction of a probability, mean or proportion
STEEPEST = 30.0  # logarithm of the greatest factor of a correction


@dataclass(frozen=True)
class Identity:
    """Any real number; the outputs may be principal axes instead of columns."""

    in_axes = True
    ends: ClassVar[tuple[float, float] | None] = None

    def __call__(self, path: Any, linear: Array, correction: Array) -> Array:
        return linear + correction

    def scales(self, residual: NDArray, mean: NDArray) -> tuple[NDArray, NDArray]:
        """Return the residual itself, and no margin."""
        return residual, np.zeros_like(residual)


@dataclass(frozen=True)
class Logistic:
    """Numbers in an interval: the correction is added to the logit of the position in it."""

    ends: tuple[float, float] | None = None
    in_axes = False

    def __call__(self, path: Any, linear: Array, correction: Array) -> Array:
        xp = correction.__array_namespace__()
        share = xp.clip(shares(path, linear), path.margin, 1 - path.margin)
        logit = xp.log(share) - xp.log1p(-share)
        return path.origin + path.unit * (0.5 + 0.5 * xp.tanh(0.5 * (logit + correction)))

    def scales(self, residual: NDArray, mean: NDArray) -> tuple[NDArray, NDArray]:
        """Return scales in logits; both arguments are proportions of the range (d,)."""
        margin = np.clip(MARGIN * residual, SMALLEST_MARGIN, LARGEST_MARGIN)
        if self.ends is not None:  # probabilities: as small as the rarest column's
            rare = MARGIN * np.minimum(mean, 1 - mean)
            margin = np.maximum(np.minimum(margin, rare), SMALLEST_SHARE)
        return LOGIT_SLOPE * residual, margin


@dataclass(frozen=True)
class Positive:
    """Numbers above zero: the correction is added to the logarithm."""

    ends = (0.0, np.inf)
    in_axes = False

    def __call__(self, path: Any, linear: Array, correction: Array) -> Array:
        xp = correction.__array_namespace__()
        mean = xp.maximum(shares(path, linear), path.margin)
        factor = xp.exp(xp.clip(correction, -STEEPEST, STEEPEST))
        return path.origin + path.unit * mean * factor

    def scales(self, residual: NDArray, mean: NDArray) -> tuple[NDArray, NDArray]:
        """Return scales in logarithms: residuals relative to each column's mean."""
        return _log_scales(residual, mean)


@dataclass(frozen=True)
class Rectified(Identity):
    """Numbers from zero on."""

    ends = (0.0, np.inf)
    in_axes = False

    def __call__(self, path: Any, linear: Array, correction: Array) -> Array:
        xp = correction.__array_namespace__()
        return xp.maximum(linear + path.unit * correction, path.origin)


@dataclass(frozen=True)
class Softmax:
    """Proportions: each block of ``sizes`` consecutive columns adds up to one."""

    sizes: tuple[int, ...] = ()  # () is one block of all columns
    ends = (0.0, 1.0)
    in_axes = False

    def __call__(self, path: Any, linear: Array, correction: Array) -> Array:
        xp = correction.__array_namespace__()
        logit = xp.log(xp.maximum(shares(path, linear), path.margin)) + correction
        return path.origin + path.unit * self._normalised(xp, logit)

    def _normalised(self, xp, logit):
        if len(set(self.sizes)) == 1:  # alike: one program for all, however many there are
            stacked = logit.reshape(*logit.shape[:-1], -1, self.sizes[0])
            return _normalised(xp, stacked).reshape(logit.shape)
        parts = [_normalised(xp, logit[..., b]) for b in self.blocks(logit.shape[-1])]
        return parts[0] if len(parts) == 1 else xp.concat(parts, axis=-1)

    def blocks(self, n_columns: int) -> list[slice]:
        """Return the slice of columns of each block."""
        return _blocks(self.sizes or (n_columns,))

    def scales(self, residual: NDArray, mean: NDArray) -> tuple[NDArray, NDArray]:
        """Return scales in logarithms: residuals relative to each column's mean."""
        return _log_scales(residual, mean)


@dataclass(frozen=True)
class Joint:
    """One for each of ``parts``, pairs of a number of consecutive columns and its own.

    If a part has no range of its own, its columns are unbounded.
    """

    parts: tuple[tuple[int, Any], ...]
    in_axes = False

    def __call__(self, path: Any, linear: Array, correction: Array) -> Array:
        xp = correction.__array_namespace__()
        outputs = []
        for block, activation in slices(self.parts):
            names = "origin", "unit", "margin"
            part = path._replace(**{name: getattr(path, name)[block] for name in names})
            outputs.append(activation(part, linear[..., block], correction[..., block]))
        return xp.concat(outputs, axis=-1)

    @property
    def ends(self) -> tuple[NDArray, NDArray]:
        """The ends (d,), (d,) of each column; infinite if there is none."""
        pairs = [activation.ends or (-np.inf, np.inf) for _, activation in self.parts]
        sizes = [n for n, _ in self.parts]
        lower, upper = np.repeat(np.array(pairs), sizes, axis=0).T
        return lower, upper

    def scales(self, residual: NDArray, mean: NDArray) -> tuple[NDArray, NDArray]:
        """Return the scales and the margins (d,), part by part."""
        found = [part.scales(residual[b], mean[b]) for b, part in slices(self.parts)]
        scales, margins = zip(*found, strict=True)
        return np.concatenate(scales), np.concatenate(margins)


def slices(parts: Iterable[tuple[int, Any]]) -> Iterable[tuple[slice, Any]]:
    """Return the slice of columns of each of ``parts`` (n_columns, what), and what it is."""
    sizes, things = zip(*parts, strict=True)
    return zip(_blocks(sizes), things, strict=True)


def shares(path: Any, x: Array) -> Array:
    """Return scaled columns ``x`` (..., d) as proportions of their range."""
    xp = x.__array_namespace__()
    unit = xp.where(path.unit > 0, path.unit, xp.ones_like(path.unit))
    return (x - path.origin) / unit


def _blocks(sizes):
    return [slice(*pair) for pair in pairwise(np.cumsum((0, *sizes)).tolist())]


def _log_scales(residual, mean):
    margin = np.maximum(MARGIN * np.minimum(residual, mean), SMALLEST_SHARE)
    return np.minimum(residual / np.maximum(mean, margin), 1.0), margin


def _normalised(xp, logit):
    weight = xp.exp(logit - xp.max(logit, axis=-1, keepdims=True))
    return weight / xp.sum(weight, axis=-1, keepdims=True)


OUTPUT_ACTIVATIONS = {
    "identity": Identity(),
    "logistic": Logistic(),
    "sigmoid": Logistic((0.0, 1.0)),
    "tanh": Logistic((-1.0, 1.0)),
    "relu": Rectified(),
    "softmax": Softmax(),
}
