"""Several architectures side by side: one for each block of a sample's columns."""

from collections.abc import Sequence as AnySequence
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from sklearn.utils._param_validation import StrOptions

from skae._data.parameters import Sequence, is_count
from skae.architectures._layers import ACTIVATIONS, apply_layers, init_layers
from skae.architectures._names import find_architecture
from skae.architectures._network import Architecture, Network
from skae.architectures.dense import Dense

N_FEATURES = 64  # that each block passes to the joint layers


class Blocks(Architecture):
    """An architecture for each block of columns, fused into one code.

    It is for samples of several modalities [1]_, such as an image, a text and some numbers. The
    columns of the first block come first, raveled, then those of the second.

    Parameters
    ----------
    blocks : sequence of (str or architecture, tuple of int) pairs
        Architecture of each block, and the shape of its part of a sample.
    fusion : {"features", "codes"}, default="features"
        What the blocks pass to the joint layers: 64 features each, or a code of
        ``n_components`` each. ``hidden_layer_sizes`` are those of the joint layers for
        "features". For "codes" they are those of each block, and the joint net has the last.
    hide : bool, default=True
        Whether the fit learns to do without a block: in half of the samples, at each step and
        on held-out samples, one of several blocks is missing, and marked as missing.

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

    def __init__(
        self,
        blocks: AnySequence[tuple[Any, Any]],
        *,
        fusion: str = "features",
        hide: bool = True,
    ):
        self.blocks = blocks
        self.fusion = fusion
        self.hide = hide

    @property
    def hides(self) -> bool:
        """Whether inputs end with missing indicators even if no value is missing."""
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
                f"columns, but the samples of X have {d}."
            )
        n_read = 2 if sizes["n_inputs"] > d else 1
        hidden, late = sizes["hidden_layer_sizes"], self.fusion == "codes"
        n = sizes["n_components"] if late else N_FEATURES
        common = {name: sizes[name] for name in ("activation", "zero_start")}
        common |= {"n_components": n, "n_encoded": n, "reads_mask": False}
        common["hidden_layer_sizes"] = hidden if late else ()
        parts = tuple(
            part.network(n_inputs=n_read * size, n_outputs=size, sample_shape=shape, **common)
            for (part, shape), size in zip(pairs, n_columns, strict=True)
        )
        sizes["hidden_layer_sizes"] = hidden[-1:] if late else hidden
        return _BlocksNetwork(**sizes, parts=parts, hides=self.hides, joins_codes=late)

    def _pairs(self):
        pairs = list(self.blocks)
        if not pairs or not all(isinstance(p, list | tuple) and len(p) == 2 for p in pairs):
            raise ValueError(
                "blocks must hold pairs (architecture, shape), one for each block, got "
                f"{self.blocks!r}."
            )
        return pairs


@dataclass(frozen=True)
class _BlocksNetwork(Network):
    """A network for each block, and dense layers between them and the code."""

    parts: tuple[Network, ...]
    hides: bool
    joins_codes: bool = False

    in_columns = True

    @property
    def n_hidden_together(self):
        return tuple(part.n_outputs for part in self.parts) if self.hides else ()

    def init(self, rng):
        hidden = self.hidden_layer_sizes
        n_joint = sum(part.n_encoded for part in self.parts)
        encoder = (n_joint, *hidden, self.n_encoded)
        decoder = (self.n_read, *hidden[::-1], n_joint)
        parts = [replace(part, zero_start=False).init(rng)["encoder"] for part in self.parts]
        return {
            "encoder": {
                "parts": parts,
                "trunk": init_layers(rng, encoder, zero=self.zero_start),
            },
            "decoder": {
                "trunk": init_layers(rng, decoder),
                "parts": [part.init(rng)["decoder"] for part in self.parts],
            },
        }

    def encode(self, params, x):
        layers, d = params["encoder"], self.n_outputs
        values_and_indicators = [self._split(x[i : i + d]) for i in range(0, len(x), d)]
        inputs = map(jnp.concatenate, zip(*values_and_indicators, strict=True))
        found = [
            part.encode({"encoder": own}, block)
            for part, own, block in zip(self.parts, layers["parts"], inputs, strict=True)
        ]
        features = ACTIVATIONS[self.activation](jnp.concatenate(found))
        return apply_layers(layers["trunk"], features, self.activation)

    def decode(self, params, z, mask, linear):
        layers = params["decoder"]
        x = apply_layers(layers["trunk"], self.read(z, mask), self.activation)
        ends = np.cumsum([part.n_components for part in self.parts])[:-1].tolist()
        features = jnp.split(ACTIVATIONS[self.activation](x), ends)
        outputs = [
            part.decode({"decoder": own}, code, jnp.ones_like(code), own_linear)
            for part, own, code, own_linear in zip(
                self.parts, layers["parts"], features, self._split(linear), strict=True
            )
        ]
        return jnp.concatenate(outputs)

    def _without_padding(self, n_components):
        parts = self.parts
        if self.joins_codes:
            parts = tuple(part._without_padding(n_components) for part in parts)
        return replace(super()._without_padding(n_components), parts=parts)

    def _split(self, x):
        return jnp.split(x, np.cumsum([part.n_outputs for part in self.parts])[:-1].tolist())


def _shape(shape):
    sizes = tuple(np.atleast_1d(np.asarray(shape, dtype=object)).tolist())
    if not sizes or not all(map(is_count, sizes)):
        raise ValueError(
            f"The shape of a block must hold whole numbers above 0, got {shape!r}."
        )
    return tuple(int(n) for n in sizes)
