"""Weights of networks whose codes are padded, so that codes of several sizes share programs.

Weights of the padding are zero and stay so: no gradient reaches them.
"""

from functools import lru_cache
from typing import Any

import jax
import numpy as np

from skae.architectures._network import Network


def init_padded(
    network: Network, n_components: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Return fresh weights for codes of ``n_components`` entries and padding.

    Those of the entries are drawn as for a ``network`` without padding. If its shapes do not
    say how they depend on the size of a code, the padding has random weights, too.
    """
    leaves, structure = jax.tree.flatten(network._without_padding(n_components).init(rng))
    if n_components == network.n_components:
        return jax.tree.unflatten(structure, leaves)
    shapes, sizes = _shapes(network), (n_components, network.n_components)
    pairs = list(zip(leaves, shapes, strict=False))
    if len(leaves) != len(shapes) or not all(_is_padded(*pair, *sizes) for pair in pairs):
        return network.init(rng)
    return jax.tree.unflatten(structure, [_padded(*pair, *sizes) for pair in pairs])


def n_weights(network: Network) -> int:
    """Return how many numbers the weights of a ``network`` hold."""
    return sum(int(np.prod(shape)) for shape in _shapes(network))


@lru_cache(maxsize=64)
def _shapes(network):
    return [leaf.shape for leaf in jax.tree.leaves(network.init(np.random.default_rng(0)))]


def _is_padded(leaf, shape, size, padded_size):
    """Say whether the sizes of ``shape`` are those of ``leaf``, or multiples of a code's."""
    return leaf.ndim == len(shape) and all(
        a == b or (a % size == 0 and b * size == a * padded_size)
        for a, b in zip(leaf.shape, shape, strict=True)
    )


def _padded(leaf, shape, size, padded_size):
    """Return ``leaf`` with zeros after every ``size`` rows of an axis that is to be longer."""
    for axis, (a, b) in enumerate(zip(leaf.shape, shape, strict=True)):
        if a != b:
            before, after = leaf.shape[:axis], leaf.shape[axis + 1 :]
            parts = leaf.reshape(*before, a // size, size, *after)
            padding = np.zeros((parts.ndim, 2), int)
            padding[axis + 1, 1] = padded_size - size
            leaf = np.pad(parts, padding).reshape(*before, b, *after)
    return leaf
