"""The two maps of a fit as nodes: from samples to codes, and from codes to samples.

``skae._estimator.fitted`` computes the same: in X's units in float64, within the nets in
float32.
"""

from typing import Any

import numpy as np

from skae._data.rows import BOUND
from skae._estimator.fitted import FittedAutoencoder
from skae._net.inference import decoder_of, encoder_of
from skae._onnx.graph import Affine, Graph
from skae._onnx.nets import NETS, layers_of_prefix
from skae._onnx.outputs import outputs

LIMIT = np.float64(BOUND)


def net_codes(graph: Graph, fitted: FittedAutoencoder, X: str, n_kept: int) -> str:
    """Return the nets' float32 codes (n, n_kept) of samples ``X`` (n, d) of any dtype."""
    model, auto = fitted.model, fitted.model.autoencoder
    x = _net_inputs(graph, fitted, X)
    path, params = encoder_of(model.without_reduction)
    n_axes = len(path.mean)
    if path.mean.any():
        x = graph.node("Sub", x, path.mean)
    if path.basis is not None:
        x, n_axes = graph.node("MatMul", x, path.basis), path.basis.shape[1]
    is_each_alone = auto.code_activation != "softmax" and auto.n_nonzero_coefs is None
    k = n_kept if is_each_alone else len(path.code_scale.nonzero()[0])  # no padding
    encode = NETS[type(model.network)].encode
    found = encode(graph, model.network, params["encoder"], x, n_axes)
    correction = found.columns(k).times((path.strength * path.code_scale)[:k])
    linear = _projected(graph, auto, path, x, n_axes, k)
    z = graph.activated(graph.written(linear.and_(correction)), auto.code_activation)
    if auto.n_nonzero_coefs is not None and auto.n_nonzero_coefs < k:
        z = _sparse(graph, z, path.code_scale[:k], auto.n_nonzero_coefs)
    return z if k == n_kept else graph.columns(z, 0, n_kept)


def _net_inputs(graph, fitted, X):
    """Return scaled samples, in their leading axes if they are wide."""
    x, scaling, reduction = graph.cast(X, "float64"), fitted.scaling, fitted.model.reduction
    if scaling.center.any():
        x = graph.node("Sub", x, scaling.center)
    if (scaling.scale != 1).any():
        x = graph.node("Div", x, scaling.scale)
    x = graph.node("Clip", x, -LIMIT, LIMIT)
    if reduction is None:
        return graph.cast(x, "float32")
    x = graph.cast(graph.node("Sub", x, reduction.mean.astype(np.float64)), "float32")
    return graph.node("MatMul", x, reduction.basis.astype(np.float32))


def _projected(graph, autoencoder, path, x, n_axes, k):
    """Return PCA's part of the codes: several entries may belong to one axis."""
    axis = np.arange(k) // autoencoder.entries_per_axis
    basis = path.projection
    if basis is None:
        n = min(n_axes, axis[-1] + 1)
        x, basis = x if n == n_axes else graph.columns(x, 0, n), np.eye(n)
    is_one = axis < basis.shape[1]
    kernel = np.zeros((len(basis), k))
    kernel[:, is_one] = basis[:, axis[is_one]]
    return Affine.product(x, kernel * path.gain[:k])


def _sparse(graph, z, scale, n_nonzero):
    """Return codes ``z`` with all but their largest entries set to zero."""
    size = graph.node("Abs", graph.node("Div", z, scale))
    places = graph.largest(size, n_nonzero)
    kept = graph.node("GatherElements", z, places, axis=1)
    zeros = graph.node("Mul", z, np.float32(0))
    return graph.node("ScatterElements", zeros, places, kept, axis=1)


def codes(graph: Graph, fitted: FittedAutoencoder, z: str, n_kept: int, dtype: str) -> str:
    """Return the nets' codes ``z`` (n, n_kept) in the units of ``transform``."""
    unit = _units(fitted, n_kept)
    if (unit != 1).any():
        z = graph.node("Mul", graph.cast(z, "float64"), unit)
    return graph.cast(z, dtype)


def net_codes_of(graph: Graph, fitted: FittedAutoencoder, Z: str, n_kept: int) -> str:
    """Return codes ``Z`` (n, n_kept) of any dtype in the nets' units, as float32."""
    z, unit = graph.cast(Z, "float64"), _units(fitted, n_kept)
    if (unit != 1).any():
        z = graph.node("Div", z, unit)
    return graph.cast(graph.node("Clip", z, -LIMIT, LIMIT), "float32")


def _units(fitted, n_kept):
    """Return what the nets' codes are multiplied by: (n_kept,)."""
    unit = np.full(n_kept, fitted.code_unit)
    return unit if fitted.deviations is None else unit / fitted.deviations[:n_kept]


def samples(graph: Graph, fitted: FittedAutoencoder, z: str, n_kept: int, dtype: str) -> str:
    """Return the samples (n, d) of the nets' codes ``z`` (n, n_kept)."""
    x = _net_outputs(graph, fitted.model.without_reduction, z, n_kept)
    reduction, scaling = fitted.model.reduction, fitted.scaling
    if reduction is not None:
        back = Affine.product(x, reduction.basis.T).plus(reduction.mean)
        x = graph.written(back)
    x = graph.cast(x, "float64")
    if (scaling.scale != 1).any():
        x = graph.node("Mul", x, scaling.scale)
    if scaling.center.any():
        x = graph.node("Add", x, scaling.center)
    bounds = (np.asarray(end, np.float64) for end in fitted.bounds)
    return graph.cast(graph.clipped(x, *bounds), dtype)


def _net_outputs(graph: Graph, model: Any, z: str, n_kept: int) -> str:
    """Return scaled rows (n, d) of codes ``z``, or their leading axes if they are wide."""
    path, params = decoder_of(model)
    activation, net = model.autoencoder.output_activation, NETS[type(model.network)]
    scale = path.code_scale.astype(np.float64)
    dense = layers_of_prefix(net.dense_of(params["decoder"]), n_kept, model.network, scale)
    layers = net.with_dense(params["decoder"], dense)
    linear = Affine.product(z, path.loadings[:n_kept])
    linear, correction = net.decode(graph, model.network, layers, z, linear)
    correction = correction.times(path.strength * path.output_scale)
    out = outputs(graph, activation, path, linear.plus(path.offset), correction)
    if activation.in_axes and path.basis is not None:
        out = Affine.product(graph.written(out), path.basis.T)
    if activation.in_axes:
        out = out.plus(path.mean)
    return graph.clipped(graph.written(out), path.floor, path.ceiling)
