"""Convolutions: for images and for series, whose neighbouring columns belong together.

The encoder halves the grid stage by stage; the decoder doubles it by nearest neighbours and
then convolves, which leaves no checkerboards (Odena, Dumoulin and Olah 2016, "Deconvolution and
checkerboard artifacts", doi:10.23915/distill.00003). Both are written as slices and matrix
products, since XLA's own convolutions are slow inside loops on CPU.
"""

from dataclasses import dataclass
from itertools import pairwise, product
from numbers import Integral

import jax.numpy as jnp
import numpy as np
from sklearn.utils._param_validation import StrOptions

from skae._parameters import Number, Sequence, is_count
from skae.architectures._layers import ACTIVATIONS, apply_layers, init_layers
from skae.architectures._network import Architecture, Network, as_grid, from_grid, to_grid

FIRST_CHANNELS, MOST_CHANNELS = 16, 64
SMALLEST_SIDE = 7  # of the grid, up to which it is halved
SMALLEST_AREA = 1e-6  # of the last grid: a sample of which nothing is there has features of 0


class _Conv(Architecture):
    """Parameters of both convolutional architectures."""

    in_columns = True
    _parameter_constraints = {
        "channels": [Sequence("whole numbers", "(16, 32)"), None],
        "kernel_size": [Number(Integral, 1, None, closed="left")],
        "pooling": [StrOptions({"mean"}), None],
        "channels_first": ["boolean"],
    }

    def __init__(self, channels=None, kernel_size=3, channels_first=False, pooling=None):
        self.channels = channels
        self.kernel_size = kernel_size
        self.pooling = pooling
        self.channels_first = channels_first

    def _network(self, **sizes):
        first = bool(self.channels_first)
        shape = sizes["sample_shape"]
        grid, n_channels = as_grid(shape, self._n_axes, channels_first=first, name=self._name)
        kernel, least = int(self.kernel_size), min(grid)
        if kernel % 2 == 0 or kernel > least:
            raise ValueError(
                f"kernel_size must be odd, and at most the {least} cells of the "
                f"shortest side of a sample of shape {tuple(shape)}, got {kernel}."
            )
        channels = self._channels(grid)
        return ConvNetwork(
            **sizes,
            grid=tuple(grid),
            n_channels=n_channels,
            channels=channels,
            kernel_size=kernel,
            pooling=self.pooling,
            channels_first=first,
        )

    def _channels(self, grid):
        if self.channels is None:
            n_stages = max(1, int(np.ceil(np.log2(min(grid) / SMALLEST_SIDE))))
            return tuple(min(FIRST_CHANNELS * 2**i, MOST_CHANNELS) for i in range(n_stages))
        channels = tuple(self.channels)
        if not channels or not all(map(is_count, channels)):
            raise ValueError(
                f"channels must hold whole numbers above 0, one for each stage, got {channels}."
            )
        return tuple(int(c) for c in channels)


class Conv1d(_Conv):
    """Convolutions along time, for series of shape (n_timepoints, n_channels).

    Series without a second dimension have one channel.

    Parameters
    ----------
    channels : sequence of int or None, default=None
        Channels after each stage of the encoder, which halves the length; the decoder mirrors
        them. None is 16, 32, 64, 64, ... until the length is at most 7.
    kernel_size : int, default=3
        Length of the kernels; odd.
    channels_first : bool, default=False
        Whether samples are (n_channels, n_timepoints), as in aeon.
    pooling : {"mean"} or None, default=None
        What the trunk sees: each place of the last stage, or the means over the places that are
        there, for series of several lengths in one array, NaN beyond their ends.

    See Also
    --------
    skae.AutoencoderTransformer : The estimator that an architecture is passed to.

    Examples
    --------
    >>> import numpy as np
    >>> from skae import AutoencoderTransformer
    >>> from skae.architectures import Conv1d
    >>> X = np.random.default_rng(0).normal(size=(40, 16, 2)).cumsum(axis=1)
    >>> ae = AutoencoderTransformer(2, architecture=Conv1d(channels=(4,)), max_iter=2)
    >>> ae.fit(X).inverse_transform(ae.transform(X)).shape
    (40, 16, 2)
    """

    _n_axes, _name = 1, "conv1d"


class Conv2d(_Conv):
    """Convolutions over images of shape (height, width) or (height, width, channels).

    The whole of the decoder's correction is convolved; PCA's part acts on the pixels as they
    are.

    Parameters
    ----------
    channels : sequence of int or None, default=None
        Channels after each stage of the encoder, which halves both sides; the decoder mirrors
        them. None is 16, 32, 64, 64, ... until the shorter side is at most 7.
    kernel_size : int, default=3
        Height and width of the kernels; odd.
    channels_first : bool, default=False
        Whether samples are (channels, height, width), as in PyTorch.
    pooling : {"mean"} or None, default=None
        What the trunk sees: each place of the last stage, or the means over the places that are
        there, for images of several resolutions in one array, NaN beyond their edges.

    See Also
    --------
    skae.AutoencoderTransformer : The estimator that an architecture is passed to.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer
    >>> from skae.architectures import Conv2d
    >>> X = load_digits().images[:100]
    >>> ae = AutoencoderTransformer(2, architecture=Conv2d(channels=(4,)), max_iter=2)
    >>> ae.fit(X).inverse_transform(ae.transform(X)).shape
    (100, 8, 8)
    """

    _n_axes, _name = 2, "conv2d"


@dataclass(frozen=True)
class ConvNetwork(Network):
    """Stages of strided convolutions around a dense trunk."""

    grid: tuple
    n_channels: int
    channels: tuple
    kernel_size: int
    pooling: str | None
    channels_first: bool

    in_columns = True

    @property
    def grids(self):
        """The sizes of the grid before each stage of the encoder, and after the last."""
        grids = [self.grid]
        for _ in self.channels:
            grids.append(tuple(-(-size // 2) for size in grids[-1]))
        return grids

    @property
    def n_marks(self):
        """Channels of the input: the sample's, and as many marks of missing cells if any."""
        return self.n_inputs // int(np.prod(self.grid))

    def init(self, rng):
        """Return fresh weights, drawn from the NumPy generator ``rng``."""
        hidden, zero = self.hidden_layer_sizes, self.zero_start
        n_features = int(np.prod(self.grids[-1])) * self.channels[-1]
        n_seen = n_features if self.pooling is None else self.channels[-1]
        down = [self.n_marks, *self.channels]
        up, last = self.channels[::-1], self.channels[0]
        n_linear = 2 ** len(self.grid) * self.n_channels
        encoder = (n_seen, *hidden, self.n_encoded)
        decoder = (self.n_read, *hidden[::-1], n_features)
        output = self._kernel(rng, last, self.n_channels)
        if zero:
            output = {name: np.zeros_like(leaf) for name, leaf in output.items()}
        return {
            "encoder": {
                "stages": [self._kernel(rng, *pair) for pair in pairwise(down)],
                "trunk": init_layers(rng, encoder, skip=True, zero_output=zero),
            },
            "decoder": {
                "trunk": init_layers(rng, decoder, skip=True, zero_output=False),
                "stages": [self._kernel(rng, *pair) for pair in pairwise(up)],
                "mixed": self._kernel(rng, last + n_linear, last),
                "output": output,
            },
        }

    def _kernel(self, rng, n_in, n_out):
        taps = (self.kernel_size,) * len(self.grid)
        spread = np.sqrt(2 / (np.prod(taps) * n_in))
        kernel = rng.normal(0.0, spread, (*taps, n_in, n_out)).astype(np.float32)
        return {"kernel": kernel, "bias": np.zeros(n_out, np.float32)}

    def encode(self, params, x):
        """Map one sample (n_inputs,) to its code, or code and log variances (n_encoded,)."""
        d = self.n_channels * int(np.prod(self.grid))
        grids = [self._grid(x[start : start + d]) for start in range(0, self.n_inputs, d)]
        x, activation = jnp.concatenate(grids, axis=-1), ACTIVATIONS[self.activation]
        for layer in params["encoder"]["stages"]:
            x = activation(_halved(x, layer["kernel"]) + layer["bias"])
        seen = x.ravel() if self.pooling is None else self._pooled(x, grids[1:])
        return apply_layers(
            params["encoder"]["trunk"], seen, activation=self.activation, skip=True
        )

    def _pooled(self, x, marks):
        """Return the means (n,) of the last grid ``x`` (*sizes, n) over what is not missing."""
        there = 1.0 - sum(marks, jnp.zeros((*self.grid, 1))).mean(axis=-1, keepdims=True)
        for _ in self.channels:
            there = _folded(there).mean(axis=-1, keepdims=True)
        places = tuple(range(len(self.grid)))
        return (there * x).sum(axis=places) / (there.sum() + SMALLEST_AREA)

    def decode(self, params, z, mask, linear):
        """Map one code (n_components,), of which ``mask`` is present, to (n_outputs,)."""
        activation, layers = ACTIVATIONS[self.activation], params["decoder"]
        x = apply_layers(
            layers["trunk"], self.read(z, mask), activation=self.activation, skip=True
        )
        x = x.reshape(*self.grids[-1], self.channels[-1])
        for layer, sizes in zip(layers["stages"], self.grids[-2:0:-1], strict=True):
            x = _doubled(activation(x), layer["kernel"], sizes) + layer["bias"]
        linear = self._grid(linear)
        x = jnp.concatenate([activation(x), _folded(linear)], axis=-1)
        x = activation(_convolved(x, layers["mixed"]))
        x = _doubled(x, layers["output"]["kernel"], self.grid) + layers["output"]["bias"]
        return from_grid(x, channels_first=self.channels_first)

    def _grid(self, x):
        layout = {"channels_first": self.channels_first}
        return to_grid(x, self.grid, self.n_channels, **layout)


def _folded(x):
    """Return the grid ``x`` (*sizes, n) halved: 2 x ... x 2 cells become channels of one."""
    n_axes, n = x.ndim - 1, x.shape[-1]
    x = jnp.pad(x, [(0, size % 2) for size in x.shape[:-1]] + [(0, 0)])
    halves = [part for size in x.shape[:-1] for part in (size // 2, 2)]
    order = [*range(0, 2 * n_axes, 2), *range(1, 2 * n_axes, 2), 2 * n_axes]
    x = x.reshape(*halves, n).transpose(order)
    return x.reshape(*x.shape[:n_axes], -1)


def _convolved(x, layer):
    """Return the grid ``x`` (*sizes, n_in) convolved at every cell, plus the bias."""
    kernel = layer["kernel"]
    return (
        _neighbours(x, kernel.shape[0], 1) @ kernel.reshape(-1, kernel.shape[-1])
        + layer["bias"]
    )


def _halved(x, kernel):
    """Return the grid ``x`` (*sizes, n_in) convolved at every other cell."""
    return _neighbours(x, kernel.shape[0], 2) @ kernel.reshape(-1, kernel.shape[-1])


def _doubled(x, kernel, sizes):
    """Return the grid ``x`` (*, n_in) doubled by nearest neighbours and convolved.

    It is cut to ``sizes``. Neighbours of a doubled cell are repeated: their kernels are added
    up first, so that the products are those of the small grid, with an output for each of the
    cells that a cell becomes.
    """
    n_axes, (*_, n_in, n_out) = x.ndim - 1, kernel.shape
    folds = _folds(kernel.shape[0])
    for axis in range(n_axes):
        kernel = jnp.moveaxis(jnp.tensordot(folds, kernel, (2, axis)), (0, 1), (-1, axis))
    kernel = jnp.moveaxis(kernel, n_axes + 1, -1)
    reach = folds.shape[1]
    out = _neighbours(x, reach, 1) @ kernel.reshape(reach**n_axes * n_in, -1)
    out = out.reshape(*x.shape[:-1], *(2,) * n_axes, n_out)
    order = [i for axis in range(n_axes) for i in (axis, n_axes + axis)]
    out = out.transpose(*order, 2 * n_axes)
    out = out.reshape(*(2 * size for size in x.shape[:-1]), n_out)
    return out[tuple(slice(size) for size in sizes)]


def _folds(kernel_size):
    """Return ones (2, n, kernel_size) where a tap of the doubled grid reads the small one's.

    For the first and the second of two cells, n neighbours, and the taps of a kernel.
    """
    half = kernel_size // 2
    reach = (half + 1) // 2
    folds = np.zeros((2, 2 * reach + 1, kernel_size), np.float32)
    for cell, tap in product(range(2), range(kernel_size)):
        folds[cell, (cell + tap - half) // 2 + reach, tap] = 1.0
    return folds


def _neighbours(x, kernel_size, stride):
    """Return for every ``stride``-th cell of ``x`` (*sizes, n) all that a kernel reads of it.

    Beyond the grid there are zeros. The shape is (*sizes / stride, kernel_size**n_axes * n).
    """
    sizes = x.shape[:-1]
    counts = [-(-size // stride) for size in sizes]
    half = kernel_size // 2
    ends = [
        max(0, (count - 1) * stride + kernel_size - half - size)
        for count, size in zip(counts, sizes, strict=True)
    ]
    x = jnp.pad(x, [(half, end) for end in ends] + [(0, 0)])
    places = product(range(kernel_size), repeat=len(sizes))
    lasts = [(count - 1) * stride + 1 for count in counts]

    def at(place):
        return tuple(slice(i, i + last, stride) for i, last in zip(place, lasts, strict=True))

    return jnp.concatenate([x[at(place)] for place in places], axis=-1)
