"""Losses of values and of variables; the package's docstring says what a loss is."""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from skae._data.parameters import LARGEST, is_count, plain_number
from skae.losses._ranges import Array, Logistic, Positive, Softmax

SMALLEST = 1e-7  # outputs below this count as this: logarithms stay finite
TINY = 1e-30  # targets up to this count as 0: float32 cannot divide by them
SERIES = 0.01  # relative difference below which a deviance is summed as a series


class Loss:
    """Base class of losses: a range of outputs, a check of X, and a distribution.

    Subclasses define ``__call__(target, output)``, and ``output_activation``, ``_check`` and
    ``_draw`` if the defaults (any real number, normal errors) are wrong for them.

    See Also
    --------
    skae.AutoencoderTransformer : Its parameter ``loss`` takes a name or an instance.

    Examples
    --------
    >>> from skae.losses import Loss, Poisson
    >>> isinstance(Poisson(), Loss), Poisson().takes_any_value
    (True, False)
    """

    output_activation: Any = None  # of skae.losses._ranges; None: the estimator's

    def __call__(self, target: Array, output: Array) -> Array:
        raise NotImplementedError

    @property
    def takes_any_value(self) -> bool:
        """Whether ``check`` never raises, so that X need not be read for it."""
        return type(self)._check is Loss._check

    def check(self, X: NDArray) -> None:
        """Raise ValueError if the loss is not defined for values of ``X``.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Samples; missing values are NaN.
        """
        self._check(X)

    def draw(
        self, output: NDArray, residual: NDArray, rng: np.random.RandomState
    ) -> NDArray[np.float64]:
        """Return values drawn around their reconstructions.

        Parameters
        ----------
        output : ndarray of shape (n_samples, n_features)
            Reconstructions.
        residual : ndarray of shape (n_features,)
            Root mean squared error of the reconstructions.
        rng : numpy.random.RandomState
            Source of the draws.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            0 or 1 for binary_cross_entropy, counts for poisson, one-hot columns of each
            variable for categorical; reconstructions plus normal errors for the others.
        """
        return self._draw(output, residual, rng)

    def _check(self, X):
        pass

    def _draw(self, output, residual, rng):
        return output + residual * rng.standard_normal(output.shape)


@dataclass(frozen=True)
class SquaredError(Loss):
    """Squared difference, minimised by the mean.

    It is the loss that PCA minimises, and the default.

    See Also
    --------
    skae.AutoencoderTransformer : Its parameter ``loss`` takes a name or an instance.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.losses import SquaredError
    >>> SquaredError()(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    array([0., 4.])
    """

    def __call__(self, target: Array, output: Array) -> Array:
        return (target - output) ** 2


@dataclass(frozen=True)
class AbsoluteError(Loss):
    """Absolute difference, minimised by the median.

    Outliers count less than with squared differences.

    See Also
    --------
    skae.AutoencoderTransformer : Its parameter ``loss`` takes a name or an instance.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.losses import AbsoluteError
    >>> AbsoluteError()(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    array([0., 2.])
    """

    def __call__(self, target: Array, output: Array) -> Array:
        return abs(target - output)


@dataclass(frozen=True)
class Huber(Loss):
    """Half the squared difference up to ``delta``, and linear beyond.

    Small errors count as for the mean, outliers as for the median [1]_.

    Parameters
    ----------
    delta : float, default=1.0
        Difference at which the loss becomes linear, in scaled units: 1 is the standard
        deviation of a feature for ``scaling="standard"``, of all features together for
        "global". Each value compiles a program of its own.

    Raises
    ------
    ValueError
        If ``delta`` is not a finite number above 0.

    See Also
    --------
    skae.AutoencoderTransformer : Its parameter ``loss`` takes a name or an instance.

    References
    ----------
    .. [1] Huber, P. J. (1964). "Robust estimation of a location parameter". Annals of
       Mathematical Statistics 35, 73-101. `doi:10.1214/aoms/1177703732
       <https://doi.org/10.1214/aoms/1177703732>`_

    Examples
    --------
    >>> import numpy as np
    >>> from skae.losses import Huber
    >>> Huber(delta=1.0)(np.zeros(2), np.array([1.0, 3.0]))
    array([0.5, 2.5])
    """

    delta: float = 1.0

    def __post_init__(self):
        delta, given = plain_number(self.delta), self.delta
        real = isinstance(given, Real) and not isinstance(given, bool | np.bool_)
        if not (real and 0 < delta <= LARGEST):
            too_long = type(given) is int and given > LARGEST  # some have too many digits
            shown = f"an int of {given.bit_length()} bits" if too_long else repr(given)
            raise ValueError(
                f"delta must be a finite number above 0, got {shown}; the largest in float32 "
                f"is {LARGEST:.1e}."
            )
        object.__setattr__(self, "delta", float(delta))

    def __call__(self, target: Array, output: Array) -> Array:
        distance = abs(target - output)
        near = output.__array_namespace__().clip(distance, 0, self.delta)
        return near * (distance - 0.5 * near)


class _Deviance(Loss):
    """Deviances, in nats, of values from 0 to ``largest``."""

    name: ClassVar[str]
    largest: ClassVar[float] = 1.0

    def __call__(self, target: Array, output: Array) -> Array:
        return _deviance(target, output)

    def _check(self, X):
        least, greatest = np.nanmin(X, initial=0.0), np.nanmax(X, initial=0.0)
        if least < 0 or greatest > self.largest:
            words = "from 0 to 1" if self.largest == 1 else "that are not negative"
            raise ValueError(
                f"loss={self.name!r} needs values {words}, got "
                f"{least if least < 0 else greatest:.4g}. Rescale X, or choose another loss."
            )


@dataclass(frozen=True)
class BinaryCrossEntropy(_Deviance):
    """Log loss of binary values, minus the target's own entropy.

    It is the Kullback-Leibler divergence from the output to the target, in nats. Values must
    lie from 0 to 1. Outputs are probabilities.

    See Also
    --------
    skae.AutoencoderTransformer : Its parameter ``loss`` takes a name or an instance.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.losses import BinaryCrossEntropy
    >>> BinaryCrossEntropy()(np.array([1.0, 0.0]), np.array([0.5, 0.0])).round(3)
    array([0.693, 0.   ])
    """

    name = "binary_cross_entropy"
    output_activation = Logistic((0.0, 1.0))

    def __call__(self, target: Array, output: Array) -> Array:
        return _deviance(target, output) + _deviance(1 - target, 1 - output)

    def _draw(self, output, residual, rng):
        return (rng.uniform(size=output.shape) < output).astype(np.float64)


@dataclass(frozen=True)
class Poisson(_Deviance):
    """Half the Poisson deviance of counts, in nats.

    It is the log likelihood of a perfect reconstruction minus that of the output [1]_. Values
    must not be negative. Outputs are means, and positive.

    See Also
    --------
    skae.AutoencoderTransformer : Its parameter ``loss`` takes a name or an instance.

    References
    ----------
    .. [1] McCullagh, P., Nelder, J. A. (1989). "Generalized linear models". Chapman and Hall.
       `doi:10.1201/9780203753736 <https://doi.org/10.1201/9780203753736>`_

    Examples
    --------
    >>> import numpy as np
    >>> from skae.losses import Poisson
    >>> Poisson()(np.array([0.0, 2.0]), np.array([0.5, 2.0])).round(3)
    array([0.5, 0. ])
    """

    name = "poisson"
    largest = np.inf
    output_activation = Positive()

    def _draw(self, output, residual, rng):
        return rng.poisson(output).astype(np.float64)


@dataclass(frozen=True)
class Categorical(_Deviance):
    """Cross-entropy of proportions that add up to 1, minus the target's own entropy.

    The sum over a variable's columns is the Kullback-Leibler divergence, in nats. The loss of
    each column is least, 0, at the target, so that missing values can be left out of the sum.
    Outputs are a softmax.

    Parameters
    ----------
    sizes : tuple of int, default=()
        Number of consecutive columns of each variable, such as the one-hot columns of each
        categorical feature. () means one variable of all columns, or, if samples have several
        axes (such as texts of one-hot tokens), one variable for each vector along the last.

    Raises
    ------
    ValueError
        If ``sizes`` is not a sequence of whole numbers above 0.

    See Also
    --------
    skae.AutoencoderTransformer : Its parameter ``loss`` takes a name or an instance.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.losses import Categorical
    >>> Categorical(sizes=(2,))(np.array([0.0, 1.0]), np.array([0.5, 0.5])).round(3)
    array([0.5  , 0.193])
    """

    sizes: tuple[int, ...] = ()

    name = "categorical"

    def __post_init__(self):
        sizes = self.sizes if isinstance(self.sizes, list | tuple) else (None,)
        if not all(map(is_count, sizes)):
            raise ValueError(f"sizes must hold whole numbers above 0, got {self.sizes!r}.")
        object.__setattr__(self, "sizes", tuple(int(size) for size in sizes))

    @property
    def output_activation(self) -> Softmax:
        """Softmax over each variable's columns."""
        return Softmax(self.sizes)

    def _draw(self, output, residual, rng):
        drawn = np.zeros(output.shape)
        for block in self.output_activation.blocks(output.shape[1]):
            ends = output[:, block].cumsum(axis=1)
            place = rng.uniform(size=(len(output), 1)) * ends[:, -1:]
            chosen = block.start + (place >= ends[:, :-1]).sum(axis=1)
            drawn[np.arange(len(drawn)), chosen] = 1.0
        return drawn

    def _check(self, X):
        n_columns = X.shape[1]
        check_width(self, sum(self.sizes) or n_columns, n_columns)
        super()._check(X)
        for block in self.output_activation.blocks(n_columns):
            totals = X[:, block].sum(axis=1)
            totals = totals[~np.isnan(totals)]
            if len(wrong := totals[~np.isclose(totals, 1.0, atol=1e-3)]):
                raise ValueError(
                    "loss='categorical' needs proportions, such as one-hot columns: columns "
                    f"{block.start} to {block.stop - 1} add up to {wrong[0]:.4g} in some "
                    "sample. Name the sizes of several variables by "
                    "skae.losses.Categorical(sizes=...), or divide each sample by its sum."
                )


def check_width(loss, n_described, n_columns):
    if n_described != n_columns:
        raise ValueError(f"loss={loss} describes {n_described} columns, but X has {n_columns}.")


def find_loss(loss: str | Callable, sample_shape: tuple[int, ...] = ()) -> Any:
    """Return the loss that a name stands for; raise ValueError if it is none.

    Categorical without sizes is about the last axis of samples that have more than one.
    """
    if isinstance(loss, type):
        raise ValueError(f"loss must be an instance, such as {loss.__name__}(), got the class.")
    if not (callable(loss) or (isinstance(loss, str) and loss in LOSSES)):
        raise ValueError(
            f"loss must be one of {sorted(LOSSES)}, an instance of a loss or a function "
            f"(target, output) -> losses, got {loss!r}."
        )
    found = LOSSES[loss] if isinstance(loss, str) else loss
    if isinstance(found, Categorical) and not found.sizes and len(sample_shape) > 1:
        return Categorical((sample_shape[-1],) * int(np.prod(sample_shape[:-1])))
    return found


def _deviance(target, output):
    """Return ``target * log(target / output) - target + output`` to rounding; least is 0.

    With d = (output - target) / target it is ``target * (d - log(1 + d))``. For a small d the
    difference is a series: large counts that vary little would cancel each other. The
    logarithm is that of the ratio, since d rounds to -1 if the output is far below the target.
    """
    xp = output.__array_namespace__()
    positive = target > TINY
    safe = xp.where(positive, target, xp.ones_like(target))
    mean = xp.clip(output, SMALLEST, None)
    d, ratio = (mean - safe) / safe, xp.clip(mean / safe, TINY, None)
    close = abs(d) < SERIES
    near = xp.where(close, d, xp.zeros_like(d))
    far = xp.where(close, xp.ones_like(ratio), ratio)
    series = near * near * (0.5 - near * (1 / 3 - near / 4))
    return xp.where(positive, safe * xp.where(close, series, d - xp.log(far)), output)


LOSSES: dict[str, Loss] = {
    "squared_error": SquaredError(),
    "absolute_error": AbsoluteError(),
    "huber": Huber(),
    "binary_cross_entropy": BinaryCrossEntropy(),
    "poisson": Poisson(),
    "categorical": Categorical(),
}
