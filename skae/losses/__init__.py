"""Losses: how far an output is from its target, cell by cell, and the range that outputs keep.

A loss is a function (target, output) -> losses of arrays (..., n_features), for NumPy's arrays
and JAX's alike, 0 where both are equal and positive elsewhere: a deviance. Its attribute
``link`` names the outputs' range, and both arrays are then in units of X; without one they are
in scaled units (``scaling``), and the range is a matter of ``output_activation``.
"""

from dataclasses import dataclass
from itertools import chain
from numbers import Real

import numpy as np

from skae._parameters import LARGEST, is_count, plain_number
from skae.losses import _ranges
from skae.losses._ranges import Identity, Logistic, Positive, Softmax

SMALLEST = 1e-7  # share or mean of an output, below which its logarithm falls no further
TINY = 1e-30  # target, below which it is zero: float32 cannot divide by it
SERIES = 0.01  # relative difference, below which a deviance is summed as a series
CONSTANT = 1e-18  # mean loss around a column's mean, below which it is rounding


class _Loss:
    """What every loss has beside its cells: a range, a check of it, and a distribution."""

    link = None

    @property
    def takes_any_cell(self):
        """Whether ``check`` never raises, so that no rows need be read for it."""
        return type(self)._check is _Loss._check

    def check(self, X):
        """Raise ValueError where cells of ``X`` are not what the loss speaks of.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows; missing cells are NaN.
        """
        self._check(X)

    def _check(self, X):
        pass

    def draw(self, output, residual, rng):
        """Return cells drawn around their reconstructions.

        Parameters
        ----------
        output : ndarray of shape (n_samples, n_features)
            Reconstructions.
        residual : ndarray of shape (n_features,)
            Root mean square of what reconstructions leave out.
        rng : numpy.random.RandomState
            Source of the draws.

        Returns
        -------
        cells : ndarray of shape (n_samples, n_features)
            0 or 1 for binary_cross_entropy, whole numbers for poisson, a single 1 in the
            columns of each variable for categorical; normal errors are added for the others.
        """
        return self._draw(output, residual, rng)

    def _draw(self, output, residual, rng):
        return output + residual * rng.standard_normal(output.shape)


@dataclass(frozen=True)
class SquaredError(_Loss):
    """Squared difference, whose optimum is the mean.

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

    def __call__(self, target, output):
        """Return the losses of the cells."""
        return (target - output) ** 2


@dataclass(frozen=True)
class AbsoluteError(_Loss):
    """Absolute difference, whose optimum is the median.

    Strange cells count less than with squared differences.

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

    def __call__(self, target, output):
        """Return the losses of the cells."""
        return abs(target - output)


@dataclass(frozen=True)
class Huber(_Loss):
    """Half the squared difference up to ``delta``, and linear beyond [1]_.

    A mean for what is near, a median for what is strange.

    Parameters
    ----------
    delta : float, default=1.0
        Where the line begins, in scaled units: 1 is the spread of a column for
        ``scaling="standard"``, of all columns together for "global". Another one is another
        program.

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
        """Raise ValueError for a ``delta`` that is no number above zero."""
        is_number = isinstance(self.delta, Real) and not isinstance(self.delta, bool | np.bool_)
        if not (is_number and 0 < plain_number(self.delta) <= LARGEST):
            raise ValueError(
                f"delta must be a finite number above 0, got {_shortened(self.delta)}; the "
                f"largest in float32 is {LARGEST:.1e}."
            )
        object.__setattr__(self, "delta", float(self.delta))

    def __call__(self, target, output):
        """Return the losses of the cells."""
        xp = output.__array_namespace__()
        distance = abs(target - output)
        near = xp.clip(distance, 0, self.delta)
        return near * (distance - 0.5 * near)


@dataclass(frozen=True)
class BinaryCrossEntropy(_Loss):
    """Kullback-Leibler divergence of yes and no: log loss, less the target's own entropy.

    For cells from 0 to 1. Outputs lie between the two: they are probabilities.

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

    link = Logistic((0.0, 1.0))

    def __call__(self, target, output):
        """Return the losses of the cells, in nats."""
        return _deviance(target, output) + _deviance(1 - target, 1 - output)

    def _draw(self, output, residual, rng):
        return (rng.uniform(size=output.shape) < output).astype(np.float64)

    def _check(self, X):
        _check_range(X, "binary_cross_entropy", "from 0 to 1", 1.0)


@dataclass(frozen=True)
class Poisson(_Loss):
    """Half the Poisson deviance [1]_: log likelihood of counts, less the best there can be.

    For cells that are not negative. Outputs are means, and positive.

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

    link = Positive()

    def __call__(self, target, output):
        """Return the losses of the cells, in nats."""
        return _deviance(target, output)

    def _draw(self, output, residual, rng):
        return rng.poisson(output).astype(np.float64)

    def _check(self, X):
        _check_range(X, "poisson", "that are not negative", np.inf)


@dataclass(frozen=True)
class Categorical(_Loss):
    """Kullback-Leibler divergence of shares that add up to one: cross-entropy of a softmax.

    Its sum over a whole row is the divergence; each cell has a part that is least, 0, at the
    target, so that missing cells may be left out of the sum.

    Parameters
    ----------
    sizes : tuple of int, default=()
        Numbers of consecutive columns that are one variable each, such as the one-hot columns
        of each category; () is one variable of all columns, and of samples with more than one
        axis, such as the tokens of texts, one for each place, along the last axis.

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

    sizes: tuple = ()

    def __post_init__(self):
        """Raise ValueError for sizes that are no positive whole numbers."""
        sizes = self.sizes if isinstance(self.sizes, list | tuple) else (None,)
        if not all(map(is_count, sizes)):
            raise ValueError(f"sizes must hold whole numbers above 0, got {self.sizes!r}.")
        object.__setattr__(self, "sizes", tuple(int(size) for size in sizes))

    @property
    def link(self):
        """Softmax over each variable's columns."""
        return Softmax(self.sizes)

    def __call__(self, target, output):
        """Return the losses of the cells, in nats; a variable's add up to its divergence."""
        return _deviance(target, output)

    def _draw(self, output, residual, rng):
        cells = np.zeros(output.shape)
        for block in self.link.blocks(output.shape[1]):
            ends = output[:, block].cumsum(axis=1)
            place = rng.uniform(size=(len(output), 1)) * ends[:, -1:]
            chosen = block.start + (place >= ends[:, :-1]).sum(axis=1)
            cells[np.arange(len(cells)), chosen] = 1.0
        return cells

    def _check(self, X):
        n_columns = X.shape[1]
        if self.sizes and sum(self.sizes) != n_columns:
            raise ValueError(
                f"loss={self} describes {sum(self.sizes)} columns, but X has {n_columns}."
            )
        _check_range(X, "categorical", "from 0 to 1", 1.0)
        for block in self.link.blocks(n_columns):
            totals = X[:, block].sum(axis=1)
            totals = totals[~np.isnan(totals)]
            if len(wrong := totals[~np.isclose(totals, 1.0, atol=1e-3)]):
                raise ValueError(
                    "loss='categorical' needs shares of a whole, such as one-hot columns: the "
                    f"columns {block.start} to {block.stop - 1} add up to {wrong[0]:.4g} in "
                    "some row. Name the sizes of several variables by "
                    "skae.losses.Categorical(sizes=...), or divide each row by its sum."
                )


@dataclass(frozen=True)
class Joint(_Loss):
    """Losses of consecutive parts of the columns, each in units of its marginal's.

    The losses of a part are divided by their mean where nothing but the columns' means is
    known, so that a category weighs as much as a number, however many categories there are.
    ``scaling`` acts on each part for itself.

    Parameters
    ----------
    parts : tuple of (int, str or loss) pairs
        The number of columns of each part, and their loss. Parts of a part that is joint itself
        take its place.

    See Also
    --------
    skae.TableAutoencoder : Makes such losses for the columns of a DataFrame.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.losses import Joint
    >>> loss = Joint(((1, "squared_error"), (2, "categorical")))
    >>> loss(np.array([3.0, 0.0, 1.0]), np.array([1.0, 0.5, 0.5])).round(3)
    array([4.   , 0.5  , 0.193])
    """

    parts: tuple

    def __post_init__(self):
        """Raise ValueError for parts that are no pairs of a size and a loss."""
        parts = self.parts if isinstance(self.parts, list | tuple) else ()
        are_pairs = [isinstance(part, list | tuple) and len(part) == 2 for part in parts]
        sizes = [part[0] for part in parts] if all(are_pairs) else [None]
        if not sizes or not all(map(is_count, sizes)):
            raise ValueError(
                "parts must hold pairs (number of columns, loss) with whole numbers above 0, "
                f"got {self.parts!r}."
            )
        parts = [(int(n), find_loss(loss)) for n, loss in parts]
        nested = (loss.parts if isinstance(loss, Joint) else ((n, loss),) for n, loss in parts)
        object.__setattr__(self, "parts", tuple(chain.from_iterable(nested)))

    @property
    def link(self):
        """The links of the parts."""
        runs = ((n, getattr(loss, "link", None) or Identity()) for n, loss in self._runs)
        return _ranges.Joint(tuple(runs))

    @property
    def _runs(self):
        """The parts, those of one loss beside each other as one where cells stand alone."""
        runs = []
        for n, loss in self.parts:
            goes_on = runs and runs[-1][1] == loss and not isinstance(loss, Categorical)
            before = runs.pop()[0] if goes_on else 0
            runs.append((before + n, loss))
        return tuple(runs)

    def __call__(self, target, output):
        """Return the losses of the cells, before they are divided by their marginals'."""
        xp = output.__array_namespace__()
        parts = _ranges.slices(self._runs)
        return xp.concat([loss(target[..., b], output[..., b]) for b, loss in parts], axis=-1)

    def pools(self, *, by_column):
        """Return the blocks of columns that have one scale.

        Parameters
        ----------
        by_column : bool
            Whether columns that are variables by themselves have scales of their own.

        Returns
        -------
        pools : list of (int, int)
            Numbers of columns, and of the variables that they are.
        """
        pools = []
        for n, loss in self.parts:
            n_variables = _n_variables(n, loss)
            pools += [(1, 1)] * n if by_column and n_variables == n else [(n, n_variables)]
        return pools

    def weights(self, marginal):
        """Return the factors of the losses: a variable's is 1 where its mean alone is known.

        Parameters
        ----------
        marginal : ndarray of shape (n_features,)
            Mean loss of each column where outputs are the columns' means.

        Returns
        -------
        weights : ndarray of shape (n_features,)
            One number for all columns of a part; 1 where they are all constant.
        """
        weights = np.ones(len(marginal))
        for (block, loss), (n, _) in zip(_ranges.slices(self.parts), self.parts, strict=True):
            total = marginal[block].sum()
            floor = SMALLEST if getattr(loss, "link", None) else CONSTANT
            weights[block] = _n_variables(n, loss) / total if total > floor else 1.0
        return weights

    def _draw(self, output, residual, rng):
        drawn = []
        for b, loss in _ranges.slices(self._runs):
            draw = getattr(loss, "draw", SquaredError().draw)
            drawn.append(draw(output[:, b], residual[b], rng))
        return np.concatenate(drawn, axis=1)

    def _check(self, X):
        if (total := sum(n for n, _ in self.parts)) != X.shape[1]:
            raise ValueError(f"loss={self} describes {total} columns, but X has {X.shape[1]}.")
        for block, loss in _ranges.slices(self._runs):
            try:
                if hasattr(loss, "check"):
                    loss.check(X[:, block])
            except ValueError as error:
                place = f"columns {block.start} to {block.stop - 1} of the joint loss"
                raise ValueError(f"In the {place}: {error}") from error


def _n_variables(n_columns, loss):
    """Return how many variables ``n_columns`` are: the columns of a category are one."""
    return len(loss.sizes) or 1 if isinstance(loss, Categorical) else n_columns


def _shortened(value):
    """Return a value as an error shows it: some whole numbers have too many digits."""
    return (
        f"an int of {value.bit_length()} bits"
        if type(value) is int and value > LARGEST
        else repr(value)
    )


def find_loss(loss, sample_shape=()):
    """Return the loss that a name stands for; an instance or a function stays itself.

    Categorical without sizes is about the last axis of samples that have more than one.

    Parameters
    ----------
    loss : str or callable
        A key of ``LOSSES``, an instance of a loss, or a function (target, output) -> losses.
    sample_shape : tuple of int, default=()
        Shape of one sample.

    Returns
    -------
    loss : callable
        The loss.

    Raises
    ------
    ValueError
        For a class in place of an instance, an unknown name, or what is no function.
    """
    if isinstance(loss, type):
        raise ValueError(f"loss must be an instance, such as {loss.__name__}(), got the class.")
    if not (callable(loss) or (isinstance(loss, str) and loss in LOSSES)):
        raise ValueError(
            f"loss must be one of {sorted(LOSSES)}, an instance of a loss or a function "
            f"(target, output) -> losses, got {loss!r}."
        )
    loss = LOSSES[loss] if isinstance(loss, str) else loss
    if isinstance(loss, Categorical) and not loss.sizes and len(sample_shape) > 1:
        return Categorical((sample_shape[-1],) * int(np.prod(sample_shape[:-1])))
    return loss


def _deviance(target, output):
    """Return ``target * log(target / output) - target + output`` to rounding; least is 0.

    With d = (output - target) / target it is ``target * (d - log1p(d))``. Of a small d, the
    difference is a series: large counts that vary little would cancel each other.
    """
    xp = output.__array_namespace__()
    is_some = target > TINY
    safe = xp.where(is_some, target, xp.ones_like(target))
    d = (xp.clip(output, SMALLEST, None) - safe) / safe
    is_small = abs(d) < SERIES
    near = xp.where(is_small, d, xp.zeros_like(d))
    far = xp.where(is_small, xp.ones_like(d), d)
    series = near * near * (0.5 - near * (1 / 3 - near / 4))
    return xp.where(is_some, safe * xp.where(is_small, series, far - xp.log1p(far)), output)


def _check_range(X, name, words, upper):
    """Raise ValueError where an observed cell is below 0 or above ``upper``."""
    least, greatest = np.nanmin(X, initial=0.0), np.nanmax(X, initial=0.0)
    if least < 0 or greatest > upper:
        wrong = least if least < 0 else greatest
        raise ValueError(
            f"loss={name!r} needs cells {words}, got {wrong:.4g}. Rescale X, or choose "
            "another loss."
        )


LOSSES = {
    "squared_error": SquaredError(),
    "absolute_error": AbsoluteError(),
    "huber": Huber(),
    "binary_cross_entropy": BinaryCrossEntropy(),
    "poisson": Poisson(),
    "categorical": Categorical(),
}
