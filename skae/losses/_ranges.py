"""Links: from PCA's linear reconstruction and the nets' correction to an output in its range.

A link adds the correction on a scale without ends, and brings the sum back into the range of
the outputs. Each is written for arrays of NumPy and of JAX alike, with columns along the last
axis. ``path`` is the LinearPath: ``origin`` is where the range begins, ``unit`` how wide it is.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

LOGIT_SLOPE = 4.0  # logits per unit of share, in the middle of the range
MARGIN = 0.5  # of PCA's residual, that its reconstruction keeps from the ends of the range
SMALLEST_MARGIN, LARGEST_MARGIN = 1e-3, 0.4
SMALLEST_SHARE = 1e-4  # that PCA's reconstruction of a probability, count or part keeps
STEEPEST = 30.0  # logarithm of the greatest factor of a correction


@dataclass(frozen=True)
class Identity:
    """Any numbers; the outputs may be principal axes instead of columns."""

    in_axes = True
    ends = None  # of the outputs, in X's units: None is the columns' range in training

    def __call__(self, path, linear, correction):
        """Return the outputs."""
        return linear + correction

    def scales(self, residual, mean):
        """Return the correction's scale and the margin, which there is none of."""
        return residual, np.zeros_like(residual)


@dataclass(frozen=True)
class Logistic:
    """Numbers of an interval: the correction is added to the logit of the place in it."""

    ends: tuple | None = None
    in_axes = False

    def __call__(self, path, linear, correction):
        """Return the outputs."""
        xp = correction.__array_namespace__()
        share = xp.clip(shares(path, linear), path.margin, 1 - path.margin)
        logit = xp.log(share) - xp.log1p(-share)
        return path.origin + path.unit * (0.5 + 0.5 * xp.tanh(0.5 * (logit + correction)))

    def scales(self, residual, mean):
        """Return the correction's scale and the margin, from shares of the range (d,)."""
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

    def __call__(self, path, linear, correction):
        """Return the outputs."""
        xp = correction.__array_namespace__()
        mean = xp.maximum(shares(path, linear), path.margin)
        factor = xp.exp(xp.clip(correction, -STEEPEST, STEEPEST))
        return path.origin + path.unit * mean * factor

    def scales(self, residual, mean):
        """Return likewise what belongs to logarithms: relative to each column's mean."""
        margin = np.maximum(MARGIN * np.minimum(residual, mean), SMALLEST_SHARE)
        return np.minimum(residual / np.maximum(mean, margin), 1.0), margin


@dataclass(frozen=True)
class Rectified:
    """Numbers from zero on."""

    ends = (0.0, np.inf)
    in_axes = False

    def __call__(self, path, linear, correction):
        """Return the outputs."""
        xp = correction.__array_namespace__()
        return xp.maximum(linear + path.unit * correction, path.origin)

    def scales(self, residual, mean):
        """Return likewise what belongs to the numbers themselves."""
        return residual, np.zeros_like(residual)


@dataclass(frozen=True)
class Softmax:
    """Shares of a whole: each block of ``sizes`` consecutive columns adds up to one."""

    sizes: tuple = ()  # () is one block of all columns
    ends = (0.0, 1.0)
    in_axes = False

    def __call__(self, path, linear, correction):
        """Return the outputs."""
        xp = correction.__array_namespace__()
        logit = xp.log(xp.maximum(shares(path, linear), path.margin)) + correction
        return path.origin + path.unit * self._normalised(xp, logit)

    def _normalised(self, xp, logit):
        if len(set(self.sizes)) == 1:  # alike: one program for all, however many there are
            blocks = logit.reshape(*logit.shape[:-1], -1, self.sizes[0])
            return _normalised(xp, blocks).reshape(logit.shape)
        blocks = [_normalised(xp, logit[..., b]) for b in self.blocks(logit.shape[-1])]
        return blocks[0] if len(blocks) == 1 else xp.concat(blocks, axis=-1)

    def blocks(self, n_columns):
        """Return the slice of columns of each block."""
        starts = np.cumsum((0, *(self.sizes or (n_columns,)))).tolist()
        return [slice(*pair) for pair in pairwise(starts)]

    scales = Positive.scales


@dataclass(frozen=True)
class Joint:
    """A link for each of ``parts``, pairs of a number of consecutive columns and their link.

    Where a part's link has no range of its own, its columns have no ends.
    """

    parts: tuple
    in_axes = False

    def __call__(self, path, linear, correction):
        """Return the outputs."""
        xp = correction.__array_namespace__()
        outputs = []
        for block, link in slices(self.parts):
            names = "origin", "unit", "margin"
            part = path._replace(**{name: getattr(path, name)[block] for name in names})
            outputs.append(link(part, linear[..., block], correction[..., block]))
        return xp.concat(outputs, axis=-1)

    @property
    def ends(self):
        """The ends (d,), (d,) of each column; infinite where there is none."""
        pairs = [link.ends or (-np.inf, np.inf) for _, link in self.parts]
        sizes = [n for n, _ in self.parts]
        return tuple(np.repeat(np.array(pairs), sizes, axis=0).T)

    def scales(self, residual, mean):
        """Return the corrections' scales and the margins (d,), part by part."""
        found = [link.scales(residual[b], mean[b]) for b, link in slices(self.parts)]
        return tuple(np.concatenate(arrays) for arrays in zip(*found, strict=True))


def slices(parts):
    """Yield the slice of columns of each of ``parts`` (n_columns, what), and what it is."""
    starts = np.cumsum((0, *(n for n, _ in parts))).tolist()
    for pair, (_, what) in zip(pairwise(starts), parts, strict=True):
        yield slice(*pair), what


def shares(path, x):
    """Return scaled columns ``x`` (..., d) as shares of the link's range, 1 at its end."""
    xp = x.__array_namespace__()
    unit = xp.where(path.unit > 0, path.unit, xp.ones_like(path.unit))
    return (x - path.origin) / unit


def _normalised(xp, logit):
    weight = xp.exp(logit - xp.max(logit, axis=-1, keepdims=True))
    return weight / xp.sum(weight, axis=-1, keepdims=True)


LINKS = {
    "identity": Identity(),
    "logistic": Logistic(),
    "sigmoid": Logistic((0.0, 1.0)),
    "tanh": Logistic((-1.0, 1.0)),
    "relu": Rectified(),
    "softmax": Softmax(),
}
