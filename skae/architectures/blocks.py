"""Several architectures beside each other: one for each block of a sample's columns."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from sklearn.utils._param_validation import StrOptions

from skae._parameters import Sequence, is_count
from skae.architectures._layers import ACTIVATIONS, apply_layers, init_layers
from skae.architectures._names import find_architecture
from skae.architectures._network import Architecture, Network
from skae.architectures.dense import Dense

N_FEATURES = 64  # that a block hands to the trunk


class Blocks(Architecture):
    """An architecture for each block of columns, fused into one code [1]_.

    For samples that are several things at once, such as an image, a text and some numbers: the
    columns of the first block come first, raveled, then those of the second.

    Parameters
    ----------
    blocks : sequence of (str or architecture, tuple of int) pairs
        Architecture of each block, and the shape of its part of a sample.
    fusion : {"features", "codes"}, default="features"
        What the blocks hand to the joint trunk: 64 features each, or a code of
        ``n_components`` each, made by a trunk of its own. ``hidden_layer_sizes`` are those of
        the joint trunk, or of the blocks' trunks, of which the joint one has the last layer.
    hide : bool, default=True
        Whether the fit learns to do without a block: in half of the rows, at each step and
        where held-out rows judge, one block of several is missing, and told to be so.

    See Also
    --------
    skae.MultimodalAutoencoder : Takes the blocks as they come, by their names.

    References
    ----------
    .. [1] Ngiam, J. et al. (2011). "Multimodal deep learning". ICML.
       `<https://icml.cc/2011/papers/399_icmlpaper.pdf>`_

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer
    >>> from skae.architectures import Blocks
    >>> X = load_digits().data[:100]
    >>> halves = Blocks([("dense", (32,)), ("conv2d", (4, 8))])
    >>> ae = AutoencoderTransformer(2, architecture=halves, max_iter=2).fit(X)
    >>> ae.inverse_transform(ae.transform(X)).shape
    (100, 64)
    """

    in_columns = True
    _parameter_constraints = {
        "blocks": [Sequence("pairs (architecture, shape)", '[("dense", (3,))]')],
        "fusion": [StrOptions({"features", "codes"})],
        "hide": ["boolean"],
    }

    def __init__(self, blocks, *, fusion="features", hide=True):
        self.blocks = blocks
        self.fusion = fusion
        self.hide = hide

    @property
    def hides(self):
        """Whether inputs are followed by marks even where no cell is missing."""
        return bool(self.hide) and len(self._pairs()) > 1

    def _layer_sizes(self, n_components):
        return Dense().layer_sizes(n_components)

    def _network(self, **sizes):
        pairs = [(find_architecture(part), _shape(shape)) for part, shape in self._pairs()]
        for part, _ in pairs:
            part._validate_params()
        n_columns = [int(np.prod(shape)) for _, shape in pairs]
        d = int(np.prod(sizes["sample_shape"]))
        if sum(n_columns) != d:
            raise ValueError(
                f"blocks stand for {' + '.join(map(str, n_columns))} = {sum(n_columns)} "
                f"columns, but the rows of X have {d}."
            )
        has_marks = sizes["n_inputs"] > d
        hidden, is_late = sizes["hidden_layer_sizes"], self.fusion == "codes"
        n = sizes["n_components"] if is_late else N_FEATURES
        parts = tuple(
            part.network(
                n_inputs=(2 if has_marks else 1) * size,
                n_outputs=size,
                n_components=n,
                n_encoded=n,
                sample_shape=shape,
                hidden_layer_sizes=hidden if is_late else (),
                activation=sizes["activation"],
                reads_mask=False,
                zero_start=sizes["zero_start"],
            )
            for (part, shape), size in zip(pairs, n_columns, strict=True)
        )
        sizes["hidden_layer_sizes"] = hidden[-1:] if is_late else hidden
        return BlocksNetwork(**sizes, parts=parts, hides=self.hides)

    def _pairs(self):
        pairs = list(self.blocks)
        if not pairs or not all(isinstance(p, list | tuple) and len(p) == 2 for p in pairs):
            raise ValueError(
                "blocks must hold pairs (architecture, shape), one for each block, got "
                f"{self.blocks!r}."
            )
        return pairs


@dataclass(frozen=True)
class BlocksNetwork(Network):
    """A network for each block, and a dense trunk between them and the code."""

    parts: tuple
    hides: bool

    in_columns = True

    @property
    def n_hidden_together(self):
        """Numbers of columns that are missing together at times."""
        return tuple(part.n_outputs for part in self.parts) if self.hides else ()

    def init(self, rng):
        """Return fresh weights, drawn from the NumPy generator ``rng``."""
        hidden, zero = self.hidden_layer_sizes, self.zero_start
        n_joint = sum(part.n_encoded for part in self.parts)
        encoder, decoder = (n_joint, *hidden, self.n_encoded), (self.n_read, *hidden[::-1])
        stems = [replace(part, zero_start=False).init(rng)["encoder"] for part in self.parts]
        return {
            "encoder": {
                "parts": stems,
                "trunk": init_layers(rng, encoder, skip=True, zero_output=zero),
            },
            "decoder": {
                "trunk": init_layers(rng, (*decoder, n_joint), skip=True, zero_output=False),
                "parts": [part.init(rng)["decoder"] for part in self.parts],
            },
        }

    def encode(self, params, x):
        """Map one sample (n_inputs,) to its code, or code and log variances (n_encoded,)."""
        layers, d = params["encoder"], self.n_outputs
        cells, marks = self._split(x[:d]), self._split(x[d:]) if len(x) > d else None
        inputs = (
            cells if marks is None else map(jnp.concatenate, zip(cells, marks, strict=True))
        )
        found = [
            part.encode({"encoder": own}, block)
            for part, own, block in zip(self.parts, layers["parts"], inputs, strict=True)
        ]
        features = ACTIVATIONS[self.activation](jnp.concatenate(found))
        return apply_layers(layers["trunk"], features, activation=self.activation, skip=True)

    def decode(self, params, z, mask, linear):
        """Map one code (n_components,), of which ``mask`` is present, to (n_outputs,)."""
        layers = params["decoder"]
        x = apply_layers(
            layers["trunk"], self.read(z, mask), activation=self.activation, skip=True
        )
        ends = np.cumsum([part.n_components for part in self.parts])[:-1].tolist()
        features = jnp.split(ACTIVATIONS[self.activation](x), ends)
        outputs = [
            part.decode({"decoder": own}, own_features, jnp.ones_like(own_features), own_linear)
            for part, own, own_features, own_linear in zip(
                self.parts, layers["parts"], features, self._split(linear), strict=True
            )
        ]
        return jnp.concatenate(outputs)

    def _split(self, x):
        return jnp.split(x, np.cumsum([part.n_outputs for part in self.parts])[:-1].tolist())


def _shape(shape):
    sizes = tuple(np.atleast_1d(np.asarray(shape, dtype=object)).tolist())
    if not sizes or not all(map(is_count, sizes)):
        raise ValueError(
            f"The shape of a block must hold whole numbers above 0, got {shape!r}."
        )
    return tuple(int(n) for n in sizes)
