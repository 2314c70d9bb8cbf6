"""Losses: how far an output is from its target, cell by cell, and the range that outputs keep.

A loss is a function (target, output) -> losses of arrays (..., n_features), for NumPy's arrays
and JAX's alike, 0 where both are equal and positive elsewhere: a deviance. Its attribute
``link`` names the outputs' range, and both arrays are then in units of X; without one they are
in scaled units (``scaling``), and the range is a matter of ``output_activation``.
"""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np

from skae._links import Logistic, Positive, Softmax

SMALLEST = 1e-7  # share or mean of an output, below which its logarithm falls no further


@dataclass(frozen=True)
class SquaredError:
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

    link = None

    def __call__(self, target, output):
        """Return the losses of the cells."""
        return (target - output) ** 2


@dataclass(frozen=True)
class AbsoluteError:
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

    link = None

    def __call__(self, target, output):
        """Return the losses of the cells."""
        return abs(target - output)


@dataclass(frozen=True)
class Huber:
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
    link = None

    def __post_init__(self):
        """Raise ValueError for a ``delta`` that is no number above zero."""
        if not (isinstance(self.delta, Real) and 0 < self.delta < np.inf):
            raise ValueError(f"delta must be a finite number above 0, got {self.delta!r}.")

    def __call__(self, target, output):
        """Return the losses of the cells."""
        xp = output.__array_namespace__()
        distance = abs(target - output)
        near = xp.clip(distance, 0, self.delta)
        return near * (distance - 0.5 * near)


@dataclass(frozen=True)
class BinaryCrossEntropy:
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
        return _part(target, output) + _part(1 - target, 1 - output)

    def draw(self, output, rng):
        """Return cells drawn with the probabilities ``output``.

        Parameters
        ----------
        output : ndarray of shape (n_samples, n_features)
            Reconstructions.
        rng : numpy.random.RandomState
            Source of the draws.

        Returns
        -------
        cells : ndarray of shape (n_samples, n_features)
            0 or 1.
        """
        return (rng.uniform(size=output.shape) < output).astype(np.float64)

    def check(self, X):
        """Raise ValueError where a cell of ``X`` is not in [0, 1].

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows; missing cells are NaN.
        """
        _check_range(X, "binary_cross_entropy", "from 0 to 1", 1.0)


@dataclass(frozen=True)
class Poisson:
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
        return _part(target, output) - target + output

    def draw(self, output, rng):
        """Return counts drawn with the means ``output``.

        Parameters
        ----------
        output : ndarray of shape (n_samples, n_features)
            Reconstructions.
        rng : numpy.random.RandomState
            Source of the draws.

        Returns
        -------
        cells : ndarray of shape (n_samples, n_features)
            Whole numbers.
        """
        return rng.poisson(output).astype(np.float64)

    def check(self, X):
        """Raise ValueError where a cell of ``X`` is negative.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows; missing cells are NaN.
        """
        _check_range(X, "poisson", "that are not negative", np.inf)


@dataclass(frozen=True)
class Categorical:
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
        if not all(isinstance(size, Integral) and size > 0 for size in sizes):
            raise ValueError(f"sizes must hold whole numbers above 0, got {self.sizes!r}.")
        object.__setattr__(self, "sizes", tuple(sizes))

    @property
    def link(self):
        """Softmax over each variable's columns."""
        return Softmax(self.sizes)

    def __call__(self, target, output):
        """Return the losses of the cells, in nats; a variable's add up to its divergence."""
        return _part(target, output) - target + output

    def draw(self, output, rng):
        """Return one-hot columns drawn with the shares ``output``.

        Parameters
        ----------
        output : ndarray of shape (n_samples, n_features)
            Reconstructions.
        rng : numpy.random.RandomState
            Source of the draws.

        Returns
        -------
        cells : ndarray of shape (n_samples, n_features)
            A single 1 in the columns of each variable.
        """
        cells = np.zeros(output.shape)
        for block in self.link.blocks(output.shape[1]):
            ends = output[:, block].cumsum(axis=1)
            place = rng.uniform(size=(len(output), 1)) * ends[:, -1:]
            chosen = block.start + (place >= ends[:, :-1]).sum(axis=1)
            cells[np.arange(len(cells)), chosen] = 1.0
        return cells

    def check(self, X):
        """Raise ValueError where the columns are no shares of a whole.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows; missing cells are NaN.
        """
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
        For a class in place of an instance.
    """
    if isinstance(loss, type):
        raise ValueError(f"loss must be an instance, such as {loss.__name__}(), got the class.")
    loss = LOSSES[loss] if isinstance(loss, str) else loss
    if isinstance(loss, Categorical) and not loss.sizes and len(sample_shape) > 1:
        return Categorical((sample_shape[-1],) * int(np.prod(sample_shape[:-1])))
    return loss


def _part(target, output):
    """Return ``target * log(target / output)``, 0 where the target is."""
    xp = output.__array_namespace__()
    is_some = target > 0
    safe = xp.where(is_some, target, xp.ones_like(target))
    log_ratio = xp.log(safe) - xp.log(xp.clip(output, SMALLEST, None))
    return xp.where(is_some, target * log_ratio, xp.zeros_like(log_ratio))


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
