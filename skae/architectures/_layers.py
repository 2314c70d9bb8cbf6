"""Dense layers as pytrees of arrays: what every architecture's trunk is made of.

One sample at a time; nothing here may couple the rows of a batch.
"""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

ACTIVATIONS = {
    "identity": lambda x: x,
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "logistic": jax.nn.sigmoid,
    "silu": jax.nn.silu,
    "gelu": jax.nn.gelu,
}


def init_layers(rng, sizes, *, skip, zero_output):
    """Return float32 layers between consecutive ``sizes``: normal weights, zero biases.

    Hidden layers have He's variance 2 / n_in, the linear output layer Glorot's, 2 over the sum
    of its sizes. With ``skip`` it reads every hidden layer. ``zero_output`` makes it zero, so
    that the net begins as the zero function.
    """
    n_in, *hidden, n_out = sizes
    layers = [_layer(rng, *pair, variance=2 / pair[0]) for pair in pairwise([n_in, *hidden])]
    seen = sum(hidden) if skip and hidden else [n_in, *hidden][-1]
    variance = 0.0 if zero_output else 2 / (seen + n_out)
    return [*layers, _layer(rng, seen, n_out, variance=variance)]


def apply_layers(layers, x, *, activation, skip):
    """Map one vector through ``layers``; the last one is linear."""
    *hidden, output = layers
    seen = []
    for layer in hidden:
        x = ACTIVATIONS[activation](x @ layer["kernel"] + layer["bias"])
        seen.append(x)
    x = jnp.concatenate(seen) if skip and seen else x
    return x @ output["kernel"] + output["bias"]


def _layer(rng, n_in, n_out, *, variance):
    kernel = rng.normal(0.0, np.sqrt(variance), (n_in, n_out))
    return {"kernel": kernel.astype(np.float32), "bias": np.zeros(n_out, np.float32)}
