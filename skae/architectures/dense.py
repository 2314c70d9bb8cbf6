"""The dense architecture: a row of numbers straight into the trunk."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from skae._runtime.blas import product
from skae.architectures._layers import apply_layers, init_layers
from skae.architectures._network import Architecture, Network

FEW = 4  # components, below which depth, a high rate and much noise serve best; then width
TILE_WORK = 2**22  # multiplications by both nets: some 0.05 ms of a core for either
LEAST_ROWS, MOST_ROWS = 8, 64  # in a tile; fewer are slower each


class Dense(Architecture):
    """Fully connected layers, for tables.

    The encoder's hidden layers are mirrored in the decoder; the code itself is linear.

    Parameters
    ----------
    skip : bool, default=True
        Let the output layers of encoder and decoder read every hidden layer, not the last
        one alone: deep where depth helps, shallow where it does not.

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

    def __init__(self, skip=True):
        self.skip = skip

    def _layer_sizes(self, n_components):
        return (128, 128, 128, 128) if n_components < FEW else (512, 256)

    def _network(self, **sizes):
        return DenseNetwork(**sizes, skip=bool(self.skip))


@dataclass(frozen=True)
class DenseNetwork(Network):
    """One dense encoder-decoder."""

    skip: bool

    def init(self, rng):
        """Return fresh weights, drawn from the NumPy generator ``rng``."""
        hidden = self.hidden_layer_sizes
        encoder = (self.n_inputs, *hidden, self.n_encoded)
        decoder = (self.n_read, *hidden[::-1], self.n_outputs)
        return {
            "encoder": init_layers(rng, encoder, skip=self.skip, zero_output=self.zero_start),
            "decoder": init_layers(rng, decoder, skip=self.skip, zero_output=self.zero_start),
        }

    def encode(self, params, x):
        """Map one sample (n_inputs,) to its code, or code and log variances (n_encoded,)."""
        return self._apply(params["encoder"], x)

    def decode(self, params, z, mask, linear):
        """Map one code (n_components,), of which ``mask`` is present, to (n_outputs,)."""
        return self._apply(params["decoder"], self.read(z, mask))

    @property
    def tile_rows(self):
        """Rows that run together: few where a row is much work, so that one is answered soon.

        It is a power of two.
        """
        n_inputs, hidden = self.n_inputs, self.hidden_layer_sizes
        sizes = (n_inputs, *hidden, *hidden[::-1], self.n_outputs)
        work = sum(a * b for a, b in pairwise(sizes))
        return int(2 ** np.clip(np.log2(TILE_WORK / work), 3, 6).astype(int))

    def read_columns(self, layers, basis):
        """Return ``layers`` with the first multiplied by ``basis``, if that is less work."""
        first, *others = layers
        kernel, (d, n_axes) = first["kernel"], basis.shape
        width = kernel.shape[1]
        if d * (width + self.n_components) > n_axes * (d + width):
            return None
        kernel = np.concatenate([product(basis, kernel[:n_axes]), kernel[n_axes:]])
        return [{**first, "kernel": kernel}, *others]

    def write_columns(self, layers, basis):
        """Return ``layers`` with the last multiplied by ``basis``, if that is less work."""
        *others, last = layers
        kernel, (n_axes, d) = last["kernel"], basis.shape
        if len(kernel) * d > n_axes * (len(kernel) + d):
            return None
        return [*others, {name: product(leaf, basis) for name, leaf in last.items()}]

    def _apply(self, layers, x):
        return apply_layers(layers, x, activation=self.activation, skip=self.skip)
