"""Dense layers as pytrees of arrays, for one sample at a time."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

ACTIVATIONS: dict[str, Callable] = {
    "identity": lambda x: x,
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "logistic": jax.nn.sigmoid,
    "silu": jax.nn.silu,
    "gelu": jax.nn.gelu,
}


def init_layers(
    rng: np.random.Generator, sizes: Sequence[int], *, skip: bool = True, zero: bool = False
) -> list[dict[str, Any]]:
    """Return float32 layers between consecutive ``sizes``: normal weights, zero biases.

    Hidden layers have He's variance 2 / n_in, the linear output layer Glorot's, 2 over the sum
    of its sizes, or 0 if the net is to begin as the ``zero`` function. With ``skip`` the output
    layer reads every hidden layer.
    """
    n_in, *hidden, n_out = sizes
    layers = [normal_layer(rng, pair, 2 / pair[0]) for pair in pairwise([n_in, *hidden])]
    n_read = sum(hidden) if skip and hidden else [n_in, *hidden][-1]
    variance = 0.0 if zero else 2 / (n_read + n_out)
    return [*layers, normal_layer(rng, (n_read, n_out), variance)]


def apply_layers(layers: list, x: jax.Array, activation: str, *, skip: bool = True) -> Any:
    """Map one vector through ``layers``; the last one is linear."""
    *hidden, output = layers
    found = []
    for layer in hidden:
        x = ACTIVATIONS[activation](x @ layer["kernel"] + layer["bias"])
        found.append(x)
    x = jnp.concatenate(found) if skip and found else x
    return x @ output["kernel"] + output["bias"]


def normal_layer(
    rng: np.random.Generator, shape: tuple[int, ...], variance: float
) -> dict[str, Any]:
    """Return a layer with a normal kernel of this shape and variance, and zero biases."""
    kernel = rng.normal(0.0, np.sqrt(variance), shape)
    return {"kernel": kernel.astype(np.float32), "bias": np.zeros(shape[-1], np.float32)}
