"""How a training block holds weights: in the shape in which their steps are quickest.

Most optimizers do the same to every number. With one vector that takes a few kernels, with
arrays a few for each: a third of a small net's step and more of its compile time.
"""

from dataclasses import dataclass

import jax
import numpy as np

MOST_IN_VECTOR = 3 * 2**17  # numbers: with more, some nets take twice as long for a step


@dataclass(frozen=True)
class Packing:
    """The shapes of a tree of weights, and whether they may be packed at all."""

    structure: object
    shapes: tuple
    allowed: bool

    @classmethod
    def of(cls, params, n_init, *, allowed):
        """Return the Packing of one net's ``params``; those of ``n_init`` > 1 are stacked."""
        leaves, structure = jax.tree.flatten(params)
        shapes = tuple(leaf.shape if n_init == 1 else leaf.shape[1:] for leaf in leaves)
        return cls(structure, shapes, allowed)

    @property
    def one_vector(self):
        return self.allowed and sum(map(np.prod, self.shapes)) <= MOST_IN_VECTOR

    def pack(self, params):
        """Return the tree ``params`` as one vector, or as a tree; stacks stay stacks."""
        if not self.allowed:
            return params
        leaves = self.structure.flatten_up_to(params)
        turned = [_turned(*pair) for pair in zip(leaves, self.shapes, strict=True)]
        if not self.one_vector:
            return self.structure.unflatten(turned)
        stack = leaves[0].shape[: leaves[0].ndim - len(self.shapes[0])]
        xp = leaves[0].__array_namespace__()
        return xp.concatenate([leaf.reshape(*stack, -1) for leaf in turned], axis=-1)

    def unpack(self, packed):
        """Return packed weights as a tree again."""
        if not self.allowed:
            return packed
        leaves = (
            self._split(packed) if self.one_vector else self.structure.flatten_up_to(packed)
        )
        shapes = zip(leaves, self.shapes, strict=True)
        return self.structure.unflatten([_turned(*pair) for pair in shapes])

    def _split(self, vector):
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes])
        for shape, end in zip(self.shapes, ends.tolist(), strict=True):
            part = vector[..., end - int(np.prod(shape)) : end]
            shape = shape[::-1] if _tall(shape) else shape
            yield part.reshape((*vector.shape[:-1], *shape))


def _tall(shape):
    return len(shape) == 2 and shape[0] > shape[1]


def _turned(leaf, shape):
    """Return a tall matrix transposed: its gradient, a product, is quicker."""
    return leaf.swapaxes(-1, -2) if _tall(shape) else leaf
