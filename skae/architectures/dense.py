"""The dense architecture: a row of numbers straight into the trunk."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from skae._runtime.blas import product
from skae.architectures._layers import apply_layers, init_layers
from skae.architectures._network import Architecture, Network

FEW = 4  # components below which depth, a high rate and much noise serve best; then width
TILE_WORK = 2**22  # multiplications by both nets: some 0.05 ms of a core for either
LEAST_ROWS, MOST_ROWS = 8, 64  # in a tile; fewer are slower each


class Dense(Architecture):
    """Fully connected layers, for tables.

    The encoder's hidden layers are mirrored in the decoder; the code itself is linear.

    Parameters
    ----------
    skip : bool, default=True
        Whether the output layers of encoder and decoder read every hidden layer, not the last
        one alone: the net is deep if depth helps, and shallow if it does not.

    See Also
    --------
    skae.AutoencoderTransformer : The estimator that an architecture is passed to.

    Examples
    --------
    >>> from skae import AutoencoderTransformer
    >>> from skae.architectures import Dense
    >>> AutoencoderTransformer(architecture=Dense(skip=False))
    AutoencoderTransformer(architecture=Dense(skip=False))
    """

    _parameter_constraints = {"skip": ["boolean"]}

    def __init__(self, skip: bool = True):
        self.skip = skip

    def _layer_sizes(self, n_components):
        return (64, 64, 64, 64) if n_components < FEW else (256, 128)

    def _network(self, **sizes):
        return _DenseNetwork(**sizes, skip=bool(self.skip))


@dataclass(frozen=True)
class _DenseNetwork(Network):
    skip: bool

    def init(self, rng):
        hidden, choices = self.hidden_layer_sizes, {"skip": self.skip, "zero": self.zero_start}
        encoder = (self.n_inputs, *hidden, self.n_encoded)
        decoder = (self.n_read, *hidden[::-1], self.n_outputs)
        return {
            "encoder": init_layers(rng, encoder, **choices),
            "decoder": init_layers(rng, decoder, **choices),
        }

    def encode(self, params, x):
        return apply_layers(params["encoder"], x, self.activation, skip=self.skip)

    def decode(self, params, z, mask, linear):
        read = self.read(z, mask)
        return apply_layers(params["decoder"], read, self.activation, skip=self.skip)

    @property
    def tile_rows(self):
        """A power of two, small if a sample is much work, so that one is answered soon."""
        hidden = self.hidden_layer_sizes
        sizes = (self.n_inputs, *hidden, *hidden[::-1], self.n_outputs)
        work = sum(a * b for a, b in pairwise(sizes))
        least, most = np.log2((LEAST_ROWS, MOST_ROWS))
        return int(2 ** np.clip(np.log2(TILE_WORK / work), least, most).astype(int))

    def _read_columns(self, layers, basis):
        first, *others = layers
        kernel, (d, n_axes) = first["kernel"], basis.shape
        width = kernel.shape[1]
        if d * (width + self.n_components) > n_axes * (d + width):
            return None
        kernel = np.concatenate([product(basis, kernel[:n_axes]), kernel[n_axes:]])
        return [{**first, "kernel": kernel}, *others]

    def _write_columns(self, layers, basis):
        *others, last = layers
        kernel, (n_axes, d) = last["kernel"], basis.shape
        if len(kernel) * d > n_axes * (len(kernel) + d):
            return None
        return [*others, {name: product(leaf, basis) for name, leaf in last.items()}]
