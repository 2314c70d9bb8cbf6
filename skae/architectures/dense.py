"""The dense architecture: a row of numbers straight into the trunk."""

from dataclasses import dataclass

import jax.numpy as jnp
from sklearn.base import BaseEstimator

from skae.architectures._layers import apply_layers, init_layers


class Dense(BaseEstimator):
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

    def network(
        self,
        n_inputs,
        n_outputs,
        n_components,
        n_encoded,
        hidden_layer_sizes,
        activation,
        reads_mask,
        zero_start,
    ):
        """Return the static record of this architecture at the given sizes.

        Parameters
        ----------
        n_inputs, n_outputs, n_components : int
            Sizes of a sample, of a reconstruction and of the code.
        n_encoded : int
            How many numbers the encoder returns: the code, and more where it has a variance.
        hidden_layer_sizes : tuple of int
            Widths of the encoder's hidden layers, mirrored in the decoder.
        activation : str
            Nonlinearity of the hidden layers.
        reads_mask : bool
            Whether the decoder is told which components are present.
        zero_start : bool
            Whether both output layers begin at zero.

        Returns
        -------
        network : DenseNetwork
            A frozen, hashable record.
        """
        return DenseNetwork(
            n_inputs=n_inputs,
            n_outputs=n_outputs,
            n_components=n_components,
            n_encoded=n_encoded,
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            reads_mask=reads_mask,
            zero_start=zero_start,
            skip=bool(self.skip),
        )


@dataclass(frozen=True)
class DenseNetwork:
    """Sizes and functions of one dense encoder-decoder; hashable, so static in a jit."""

    n_inputs: int
    n_outputs: int
    n_components: int
    n_encoded: int
    hidden_layer_sizes: tuple
    activation: str
    reads_mask: bool
    zero_start: bool
    skip: bool

    def init(self, rng):
        """Return fresh weights, drawn from the NumPy generator ``rng``."""
        hidden = self.hidden_layer_sizes
        encoder = (self.n_inputs, *hidden, self.n_encoded)
        n_read = 2 * self.n_components if self.reads_mask else self.n_components
        decoder = (n_read, *hidden[::-1], self.n_outputs)
        return {
            "encoder": init_layers(rng, encoder, skip=self.skip, zero_output=self.zero_start),
            "decoder": init_layers(rng, decoder, skip=self.skip, zero_output=self.zero_start),
        }

    def encode(self, params, x):
        """Map one sample (n_inputs,) to its code, or code and log variances (n_encoded,)."""
        return self._apply(params["encoder"], x)

    def decode(self, params, z, mask):
        """Map one code (n_components,) and the mask of its present part to (n_outputs,)."""
        read = jnp.concatenate([z * mask, mask]) if self.reads_mask else z * mask
        return self._apply(params["decoder"], read)

    def _apply(self, layers, x):
        return apply_layers(layers, x, activation=self.activation, skip=self.skip)
