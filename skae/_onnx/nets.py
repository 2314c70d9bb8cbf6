"""Networks as nodes: dense layers and convolutions, for rows without missing values.

``skae.architectures`` computes the same for one sample. Channels come first here, as ONNX
has them.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skae._onnx.graph import Affine, Graph
from skae.architectures.conv import SMALLEST_AREA, _ConvNetwork
from skae.architectures.dense import _DenseNetwork


class Net(NamedTuple):
    """How a network is written.

    ``encode`` is (graph, network, layers, x, n_axes) -> Affine (n, n_encoded) of inputs x.
    ``decode`` is (graph, network, layers, z, linear) -> linear, Affine (n, n_outputs): codes
    z (n, k) are read by ``layers`` without a mask, linear is PCA's part, an Affine.
    ``dense_of`` and ``with_dense`` return the dense ones of the decoder's layers, and the
    layers with others in their place.
    """

    encode: Callable
    decode: Callable
    dense_of: Callable
    with_dense: Callable


def layers_of_prefix(layers: list, n_kept: int, network: Any, scale: NDArray) -> list:
    """Return dense ``layers`` that read the first ``n_kept`` entries of a code, unscaled.

    The mask of the entries that are present is constant, and becomes a part of the bias.
    """
    first, *others = layers
    kernel, k = first["kernel"].astype(np.float64), network.n_components
    mask = kernel[k : k + n_kept].sum(axis=0) if network.reads_mask else 0.0
    first = {"kernel": kernel[:n_kept] / scale[:n_kept, None], "bias": first["bias"] + mask}
    return [first, *others]


def _dense(graph: Graph, layers: Sequence, x: str, activation: str, *, skip=True) -> Affine:
    """Return what ``layers`` make of ``x``; the last one is linear, and not yet written."""
    *hidden, output = layers
    found = []
    for layer in hidden:
        total = Affine.product(x, layer["kernel"]).plus(layer["bias"])
        x = graph.activated(graph.written(total), activation)
        found.append(x)
    read = found if skip and found else [x]
    sizes = [len(layer["bias"]) for layer in hidden][-len(read) :]
    kernels = np.split(output["kernel"].astype(np.float64), np.cumsum(sizes)[:-1])
    return Affine(tuple(zip(read, kernels, strict=True)), output["bias"].astype(np.float64))


def _encode_dense(graph, network, layers, x, n_axes):
    first, *others = layers
    layers = [{**first, "kernel": first["kernel"][:n_axes]}, *others]
    return _dense(graph, layers, x, network.activation, skip=network.skip)


def _decode_dense(graph, network, layers, z, linear):
    return linear, _dense(graph, layers, z, network.activation, skip=network.skip)


def _encode_conv(graph, network, layers, x, n_axes):
    x, n_channels = _grid(graph, network, x), network.grid.n_channels
    for layer, sizes in zip(layers["stages"], network.grids[:-1], strict=True):
        kernel = layer["kernel"][..., :n_channels, :]  # and not what is missing
        x = graph.activated(_halved(graph, x, kernel, layer["bias"], sizes), network.activation)
        n_channels = kernel.shape[-1]
    first, *others = layers["trunk"]
    sizes = network.grids[-1]
    kernel, width = first["kernel"], first["kernel"].shape[1]
    if network.pooling is not None:
        kernel = _areas(network)[:, None, None] * kernel
    kernel = kernel.reshape(-1, n_channels, width).swapaxes(0, 1).reshape(-1, width)
    x = graph.reshaped(x, int(np.prod(sizes)) * n_channels)
    return _dense(graph, [{**first, "kernel": kernel}, *others], x, network.activation)


def _areas(network):
    """Return the share (n,) of each position of the last grid in the means over it."""
    areas = np.ones(1)
    for size in network.grid.sizes:
        own = np.ones(size)
        for _ in network.channels:
            own = np.pad(own, (0, len(own) % 2)).reshape(-1, 2).mean(axis=1)
        areas = np.outer(areas, own).ravel()
    return areas / (areas.sum() + SMALLEST_AREA)


def _decode_conv(graph, network, layers, z, linear):
    d, output = network.n_outputs, layers["output"]
    linear = Affine.tensor(graph.written(linear), d)
    if not (output["kernel"].any() or output["bias"].any()):
        return linear, linear.times(np.zeros(d))
    grids = network.grids
    total = _dense(graph, _channels_first(layers["trunk"], network), z, network.activation)
    x = graph.reshaped(graph.written(total), network.channels[-1], *grids[-1])
    steps = zip(layers["stages"], grids[:1:-1], grids[-2:0:-1], strict=True)
    for layer, sizes, after in steps:
        x = graph.activated(x, network.activation)
        x = _doubled(graph, x, layer, sizes, after)
    x = graph.activated(x, network.activation)
    mixed, n = layers["mixed"]["kernel"], network.channels[0]
    of_linear = _interleaved(mixed[..., n:, :], network.grid.n_channels)
    ((name, _),) = linear.added
    seen = _grid(graph, network, name)
    seen = _halved(graph, seen, of_linear, layers["mixed"]["bias"], grids[0])
    x = graph.node("Add", _convolved(graph, x, mixed[..., :n, :]), seen)
    x = graph.activated(x, network.activation)
    x = _doubled(graph, x, output, grids[1], grids[0])
    return linear, Affine.tensor(_samples(graph, network, x), d)


def _channels_first(layers, network):
    """Return dense ``layers`` that write a grid with its channels first."""
    *others, last = layers
    n = network.channels[-1]

    def moved(leaf):
        return leaf.reshape(*leaf.shape[:-1], -1, n).swapaxes(-1, -2).reshape(leaf.shape)

    return [*others, {name: moved(leaf) for name, leaf in last.items()}]


def _grid(graph, network, x):
    """Return samples ``x`` (n, d) as (n, n_channels, *sizes)."""
    sizes, n_channels, channels_first = network.grid
    if channels_first or n_channels == 1:
        return graph.reshaped(x, n_channels, *sizes)
    n_axes = len(sizes)
    order = [0, n_axes + 1, *range(1, n_axes + 1)]
    return graph.node("Transpose", graph.reshaped(x, *sizes, n_channels), perm=order)


def _samples(graph, network, x):
    """Return grids (n, n_channels, *sizes) as samples (n, d)."""
    sizes, n_channels, channels_first = network.grid
    if not channels_first and n_channels > 1:
        x = graph.node("Transpose", x, perm=[0, *range(2, len(sizes) + 2), 1])
    return graph.reshaped(x, network.n_outputs)


def _halved(graph, x, kernel, bias, sizes):
    """Return the convolution of grids of ``sizes`` at every second position.

    A kernel of odd length reads as many positions before as behind, one of even length
    2 * (2 m + 1) reads 2 m before and 2 m + 2 behind.
    """
    length = kernel.shape[0]
    before = length // 2 if length % 2 else length // 2 - 1
    ends = [max(0, size % 2 - 2 + length - before) for size in sizes]
    pads = [before] * len(sizes) + ends
    return _conv(graph, x, kernel, bias, pads=pads, strides=[2] * len(sizes))


def _convolved(graph, x, kernel):
    n_axes, bias = kernel.ndim - 2, np.zeros(kernel.shape[-1], np.float32)
    return _conv(graph, x, kernel, bias, pads=[kernel.shape[0] // 2] * 2 * n_axes)


def _conv(graph, x, kernel, bias, **attributes):
    weights = np.ascontiguousarray(np.moveaxis(kernel, (-1, -2), (0, 1)), np.float32)
    return graph.node("Conv", x, weights, bias.astype(np.float32), **attributes)


def _doubled(graph, x, layer, sizes, after):
    """Return grids of ``sizes`` doubled by nearest neighbours, convolved and cut to ``after``.

    That is one transposed convolution: each tap writes to the two positions that read it.
    """
    kernel, n_axes = layer["kernel"], len(sizes)
    for axis in range(n_axes):
        flipped, pad = np.flip(kernel, axis), np.zeros((kernel.ndim, 2), int)
        pad[axis] = 0, 1
        kernel = np.pad(flipped, pad) + np.pad(flipped, pad[:, ::-1])
    half = layer["kernel"].shape[0] // 2
    ends = [half + 2 * size - end for size, end in zip(sizes, after, strict=True)]
    weights = np.ascontiguousarray(np.moveaxis(kernel, (-2, -1), (0, 1)), np.float32)
    pads, strides = [half] * n_axes + ends, [2] * n_axes
    return graph.node("ConvTranspose", x, weights, layer["bias"], pads=pads, strides=strides)


def _interleaved(kernel, n_channels):
    """Return a kernel for halved grids as one of twice the length for whole grids.

    Its inputs are 2 x ... x 2 positions that became channels of one.
    """
    *taps, _, n_out = kernel.shape
    n_axes = len(taps)
    kernel = kernel.reshape(*taps, *(2,) * n_axes, n_channels, n_out)
    order = [i for axis in range(n_axes) for i in (axis, n_axes + axis)]
    kernel = kernel.transpose(*order, 2 * n_axes, 2 * n_axes + 1)
    return kernel.reshape(*(2 * n for n in taps), n_channels, n_out)


NETS: dict[type, Net] = {
    _DenseNetwork: Net(
        _encode_dense, _decode_dense, lambda layers: layers, lambda layers, dense: dense
    ),
    _ConvNetwork: Net(
        _encode_conv,
        _decode_conv,
        lambda layers: layers["trunk"],
        lambda layers, dense: {**layers, "trunk": dense},
    ),
}
