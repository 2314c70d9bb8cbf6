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


def init_layers(rng, sizes, *, zero_output):
    """Return float32 layers between consecutive ``sizes``: He-normal, and zero biases.

    ``zero_output`` makes the last one zero, so that the net begins as the zero function.
    """
    layers = []
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        is_output = i == len(sizes) - 2
        variance = (1.0 if is_output else 2.0) / n_in
        kernel = rng.normal(0.0, np.sqrt(variance), (n_in, n_out)).astype(np.float32)
        if is_output and zero_output:
            kernel = np.zeros_like(kernel)
        layers.append({"kernel": kernel, "bias": np.zeros(n_out, np.float32)})
    return layers


def apply_layers(layers, x, *, activation, layer_norm=False):
    """Map one vector through ``layers``; the last one is linear."""
    for layer in layers[:-1]:
        x = x @ layer["kernel"] + layer["bias"]
        x = ACTIVATIONS[activation](standardised(x) if layer_norm else x)
    return x @ layers[-1]["kernel"] + layers[-1]["bias"]


def standardised(x, eps=1e-5):
    """Return one vector at mean 0 and variance 1 (Ba, Kiros, Hinton 2016, 1607.06450)."""
    x = x - x.mean()
    return x * jax.lax.rsqrt(jnp.square(x).mean() + eps)
