"""Convolutions: for images and series, whose neighbouring columns are related.

The encoder halves the grid at each stage. The decoder doubles it by nearest neighbours and
then convolves, which leaves no checkerboards (Odena, Dumoulin and Olah 2016, "Deconvolution and
checkerboard artifacts", doi:10.23915/distill.00003). Both are slices and matrix products, since
XLA's own convolutions are slow inside loops on CPU.
"""

from collections.abc import Sequence as AnySequence
from dataclasses import dataclass
from itertools import pairwise, product
from numbers import Integral

import jax.numpy as jnp
import numpy as np
from sklearn.utils._param_validation import StrOptions

from skae._data.parameters import Number, Sequence, is_count
from skae.architectures._layers import ACTIVATIONS, apply_layers, init_layers, normal_layer
from skae.architectures._network import Architecture, Grid, Network

FIRST_CHANNELS, MOST_CHANNELS = 16, 64
SMALLEST_SIDE = 7  # of the grid, up to which it is halved
SMALLEST_AREA = 1e-6  # of the last grid: a sample with every value missing has features of 0


class _Conv(Architecture):
    """Parameters of both convolutional architectures."""

    in_columns = True
    _parameter_constraints = {
        "channels": [Sequence("whole numbers", "(16, 32)"), None],
        "kernel_size": [Number(Integral, 1, None, closed="left")],
        "pooling": [StrOptions({"mean"}), None],
        "channels_first": ["boolean"],
    }
    _n_axes: int
    _name: str

    def __init__(
        self,
        channels: AnySequence[int] | None = None,
        kernel_size: int = 3,
        channels_first: bool = False,
        pooling: str | None = None,
    ):
        self.channels = channels
        self.kernel_size = kernel_size
        self.pooling = pooling
        self.channels_first = channels_first

    def _network(self, **sizes):
        shape, first = sizes["sample_shape"], bool(self.channels_first)
        grid = Grid.of(shape, self._n_axes, channels_first=first, name=self._name)
        kernel, least = int(self.kernel_size), min(grid.sizes)
        if kernel % 2 == 0 or kernel > least:
            raise ValueError(
                f"kernel_size must be odd, and at most the {least} values along the "
                f"shortest side of a sample of shape {tuple(shape)}, got {kernel}."
            )
        if self.channels is None:
            n_stages = max(1, int(np.ceil(np.log2(least / SMALLEST_SIDE))))
            channels = tuple(min(FIRST_CHANNELS * 2**i, MOST_CHANNELS) for i in range(n_stages))
        else:
            channels = tuple(self.channels)
        if not channels or not all(map(is_count, channels)):
            raise ValueError(
                f"channels must hold whole numbers above 0, one for each stage, got {channels}."
            )
        channels = tuple(map(int, channels))
        return _ConvNetwork(
            **sizes, grid=grid, channels=channels, kernel_size=kernel, pooling=self.pooling
        )


class Conv1d(_Conv):
    """Convolutions along time, for series of shape (n_timepoints, n_channels).

    Series without a second dimension have one channel.

    Parameters
    ----------
    channels : sequence of int or None, default=None
        Channels after each stage of the encoder, which halves the length; the decoder mirrors
        them. None means 16, 32, 64, 64, ... until the length is at most 7.
    kernel_size : int, default=3
        Length of the kernels; odd.
    channels_first : bool, default=False
        Whether samples are (n_channels, n_timepoints), as in aeon.
    pooling : {"mean"} or None, default=None
        What the dense layers read: every position of the last stage, or the means over those
        that are not missing. "mean" is for series of several lengths in one array, padded by
        NaN.

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

    Convolutions make the decoder's correction; PCA acts on the pixels.

    Parameters
    ----------
    channels : sequence of int or None, default=None
        Channels after each stage of the encoder, which halves both sides; the decoder mirrors
        them. None means 16, 32, 64, 64, ... until the shorter side is at most 7.
    kernel_size : int, default=3
        Height and width of the kernels; odd.
    channels_first : bool, default=False
        Whether samples are (channels, height, width), as in PyTorch.
    pooling : {"mean"} or None, default=None
        What the dense layers read: every position of the last stage, or the means over those
        that are not missing. "mean" is for images of several sizes in one array, padded by
        NaN.

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
class _ConvNetwork(Network):
    """Stages of strided convolutions around dense layers."""

    grid: Grid
    channels: tuple[int, ...]
    kernel_size: int
    pooling: str | None

    in_columns = True

    @property
    def grids(self):
        """The sizes of the grid before each stage of the encoder, and after the last."""
        grids = [self.grid.sizes]
        for _ in self.channels:
            grids.append(tuple(-(-size // 2) for size in grids[-1]))
        return grids

    def init(self, rng):
        hidden, zero = self.hidden_layer_sizes, self.zero_start
        n_features = int(np.prod(self.grids[-1])) * self.channels[-1]
        n_seen = n_features if self.pooling is None else self.channels[-1]
        n_inputs = self.n_inputs // int(np.prod(self.grid.sizes))  # indicators are channels
        n_linear = 2 ** len(self.grid.sizes) * self.grid.n_channels
        encoder = (n_seen, *hidden, self.n_encoded)
        decoder = (self.n_read, *hidden[::-1], n_features)
        last = self.channels[0]
        output = self._kernel(rng, last, self.grid.n_channels)
        if zero:
            output = {name: np.zeros_like(leaf) for name, leaf in output.items()}
        down, up = pairwise([n_inputs, *self.channels]), pairwise(self.channels[::-1])
        return {
            "encoder": {
                "stages": [self._kernel(rng, *pair) for pair in down],
                "trunk": init_layers(rng, encoder, zero=zero),
            },
            "decoder": {
                "trunk": init_layers(rng, decoder),
                "stages": [self._kernel(rng, *pair) for pair in up],
                "mixed": self._kernel(rng, last + n_linear, last),
                "output": output,
            },
        }

    def _kernel(self, rng, n_in, n_out):
        taps = (self.kernel_size,) * len(self.grid.sizes)
        return normal_layer(rng, (*taps, n_in, n_out), 2 / (np.prod(taps) * n_in))

    def encode(self, params, x):
        grids, activation = self.grid.split(x), ACTIVATIONS[self.activation]
        x = jnp.concatenate(grids, axis=-1)
        for layer in params["encoder"]["stages"]:
            x = activation(_convolved(x, layer["kernel"], 2) + layer["bias"])
        read = x.ravel() if self.pooling is None else self._pooled(x, grids[1:])
        return apply_layers(params["encoder"]["trunk"], read, self.activation)

    def _pooled(self, x, missing):
        """Return the means (n,) of the last grid ``x`` (*sizes, n) over what is not missing."""
        sizes = self.grid.sizes
        there = 1.0 - sum(missing, jnp.zeros((*sizes, 1))).mean(axis=-1, keepdims=True)
        for _ in self.channels:
            there = _folded(there).mean(axis=-1, keepdims=True)
        axes = tuple(range(len(sizes)))
        return (there * x).sum(axis=axes) / (there.sum() + SMALLEST_AREA)

    def decode(self, params, z, mask, linear):
        activation, layers = ACTIVATIONS[self.activation], params["decoder"]
        x = apply_layers(layers["trunk"], self.read(z, mask), self.activation)
        x = x.reshape(*self.grids[-1], self.channels[-1])
        for layer, sizes in zip(layers["stages"], self.grids[-2:0:-1], strict=True):
            x = _doubled(activation(x), layer["kernel"], sizes) + layer["bias"]
        (linear,) = self.grid.split(linear)
        x, mixed = jnp.concatenate([activation(x), _folded(linear)], axis=-1), layers["mixed"]
        x = activation(_convolved(x, mixed["kernel"]) + mixed["bias"])
        x = _doubled(x, layers["output"]["kernel"], self.grid.sizes) + layers["output"]["bias"]
        return self.grid.join(x)


def _folded(x):
    """Return the grid ``x`` (*sizes, n) halved: 2 x ... x 2 cells become channels of one."""
    n_axes, n = x.ndim - 1, x.shape[-1]
    x = jnp.pad(x, [(0, size % 2) for size in x.shape[:-1]] + [(0, 0)])
    halves = [part for size in x.shape[:-1] for part in (size // 2, 2)]
    order = [*range(0, 2 * n_axes, 2), *range(1, 2 * n_axes, 2), 2 * n_axes]
    x = x.reshape(*halves, n).transpose(order)
    return x.reshape(*x.shape[:n_axes], -1)


def _convolved(x, kernel, stride=1):
    """Return the grid ``x`` (*sizes, n_in) convolved at every ``stride``-th cell."""
    return _neighbours(x, kernel.shape[0], stride) @ kernel.reshape(-1, kernel.shape[-1])


def _doubled(x, kernel, sizes):
    """Return the grid ``x`` (*, n_in) doubled by nearest neighbours and convolved.

    It is truncated to ``sizes``. Neighbours in a doubled grid are repeated, so that their
    weights are added first. The products are then those of the small grid, with an output for
    each of the cells that a cell becomes.
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
    """Return (2, n, kernel_size): 1 where a tap at a doubled cell reads a small neighbour.

    The axes are the first and the second of two cells, n neighbours, and the kernel's taps.
    """
    half = kernel_size // 2
    reach = (half + 1) // 2
    folds = np.zeros((2, 2 * reach + 1, kernel_size), np.float32)
    for cell, tap in product(range(2), range(kernel_size)):
        folds[cell, (cell + tap - half) // 2 + reach, tap] = 1.0
    return folds


def _neighbours(x, kernel_size, stride):
    """Return what a kernel reads at every ``stride``-th cell of ``x`` (*sizes, n).

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
