"""A loss of columns that are of several kinds."""

from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skae._data.parameters import is_count
from skae.losses import _ranges
from skae.losses._losses import (
    SMALLEST,
    Categorical,
    Loss,
    SquaredError,
    check_width,
    find_loss,
)
from skae.losses._ranges import Array, Identity

CONSTANT = 1e-18  # mean loss around a column's mean below which it is rounding


@dataclass(frozen=True)
class Joint(Loss):
    """Losses of consecutive groups of columns, each relative to its marginal loss.

    The losses of a group are divided by their mean at the columns' means. A categorical
    feature then weighs as much as a number, whatever the number of its categories.
    ``scaling`` acts on each group separately.

    Parameters
    ----------
    parts : tuple of (int, str or loss) pairs
        Number of columns and loss of each group. A joint loss among them is replaced by its own
        groups.

    Raises
    ------
    ValueError
        If ``parts`` is not a nonempty sequence of such pairs.

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

    parts: tuple[tuple[int, Any], ...]

    def __post_init__(self):
        parts = self.parts if isinstance(self.parts, list | tuple) else ()
        are_pairs = all(isinstance(part, list | tuple) and len(part) == 2 for part in parts)
        if not (parts and are_pairs and all(is_count(part[0]) for part in parts)):
            raise ValueError(
                "parts must hold pairs (number of columns, loss) with whole numbers above 0, "
                f"got {self.parts!r}."
            )
        found = [(int(n), find_loss(loss)) for n, loss in parts]
        flat = (loss.parts if isinstance(loss, Joint) else ((n, loss),) for n, loss in found)
        object.__setattr__(self, "parts", tuple(chain.from_iterable(flat)))

    @property
    def output_activation(self) -> _ranges.Joint:
        """Those of the groups."""
        runs = (
            (n, getattr(loss, "output_activation", None) or Identity())
            for n, loss in self._runs
        )
        return _ranges.Joint(tuple(runs))

    @property
    def _runs(self):
        """The groups, with neighbours of one loss joined unless it groups columns itself."""
        runs = []
        for n, loss in self.parts:
            goes_on = runs and runs[-1][1] == loss and not isinstance(loss, Categorical)
            before = runs.pop()[0] if goes_on else 0
            runs.append((before + n, loss))
        return tuple(runs)

    def __call__(self, target: Array, output: Array) -> Array:
        """Return the losses before they are divided by their marginals'."""
        parts = _ranges.slices(self._runs)
        losses = [loss(target[..., b], output[..., b]) for b, loss in parts]
        return output.__array_namespace__().concat(losses, axis=-1)

    def pools(self, *, by_column: bool) -> list[tuple[int, int]]:
        """Return the blocks of columns that share one scale.

        Parameters
        ----------
        by_column : bool
            Whether columns that are variables by themselves have scales of their own.

        Returns
        -------
        pools : list of (int, int)
            Number of columns of each block, and of the variables in it.
        """
        pools: list[tuple[int, int]] = []
        for n, loss in self.parts:
            n_variables = _n_variables(n, loss)
            pools += [(1, 1)] * n if by_column and n_variables == n else [(n, n_variables)]
        return pools

    def weights(self, marginal: NDArray) -> NDArray[np.float64]:
        """Return the factors by which the mean loss of a variable at its mean becomes 1.

        Parameters
        ----------
        marginal : ndarray of shape (n_features,)
            Mean loss of each column if outputs are the columns' means.

        Returns
        -------
        weights : ndarray of shape (n_features,)
            One number for all columns of a group; 1 if they are all constant.
        """
        weights = np.ones(len(marginal))
        for (block, loss), (n, _) in zip(_ranges.slices(self.parts), self.parts, strict=True):
            total = marginal[block].sum()
            floor = SMALLEST if getattr(loss, "output_activation", None) else CONSTANT
            weights[block] = _n_variables(n, loss) / total if total > floor else 1.0
        return weights

    def n_variables(self, observed: NDArray[np.bool_]) -> NDArray[np.int_]:
        """Return how many variables of each sample are observed.

        Parameters
        ----------
        observed : ndarray of bool of shape (n_samples, n_features)
            Which columns hold a value.

        Returns
        -------
        counts : ndarray of int of shape (n_samples,)
            The columns of a category count as one variable.
        """
        counts = np.zeros(len(observed), int)
        for block, loss in _ranges.slices(self.parts):
            found = observed[:, block]
            if isinstance(loss, Categorical):
                sizes = loss.sizes or (found.shape[1],)
                found = found[:, np.cumsum(sizes) - sizes]
            counts += found.sum(axis=1)
        return counts

    def _draw(self, output, residual, rng):
        drawn = []
        for b, loss in _ranges.slices(self._runs):
            draw = getattr(loss, "draw", SquaredError().draw)
            drawn.append(draw(output[:, b], residual[b], rng))
        return np.concatenate(drawn, axis=1)

    def _check(self, X):
        check_width(self, sum(n for n, _ in self.parts), X.shape[1])
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
