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
    """Return float32 layers between consecutive ``sizes``, He-normal, with zero biases.

    With ``skip`` the output layer reads every hidden layer. ``zero_output`` makes it zero,
    so that the net begins as the zero function.
    """
    n_in, *hidden, n_out = sizes
    layers = [_layer(rng, *pair, gain=2.0) for pair in pairwise([n_in, *hidden])]
    seen = sum(hidden) if skip and hidden else [n_in, *hidden][-1]
    return [*layers, _layer(rng, seen, n_out, gain=0.0 if zero_output else 1.0)]


def apply_layers(layers, x, *, activation, skip):
    """Map one vector through ``layers``; the last one is linear."""
    *hidden, output = layers
    seen = []
    for layer in hidden:
        x = ACTIVATIONS[activation](x @ layer["kernel"] + layer["bias"])
        seen.append(x)
    x = jnp.concatenate(seen) if skip and seen else x
    return x @ output["kernel"] + output["bias"]


def _layer(rng, n_in, n_out, *, gain):
    kernel = rng.normal(0.0, np.sqrt(gain / n_in), (n_in, n_out))
    return {"kernel": kernel.astype(np.float32), "bias": np.zeros(n_out, np.float32)}
