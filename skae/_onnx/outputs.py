"""Output activations as nodes: those of ``skae.losses._ranges``."""

from typing import Any

import numpy as np

from skae._onnx.graph import Affine, Graph
from skae.losses import _ranges


def can_be_written(activation: Any) -> bool:
    """Say whether an output activation, and each part of it, is one of skae's own."""
    parts = [part for _, part in getattr(activation, "parts", ())]
    return type(activation) in WRITERS and all(map(can_be_written, parts))


def outputs(
    graph: Graph, activation: Any, path: Any, linear: Affine, correction: Affine
) -> Affine:
    """Return the outputs (n, n_outputs) of PCA's part and the nets', both (n, n_outputs)."""
    return WRITERS[type(activation)](graph, activation, path, linear, correction)


def _identity(graph, activation, path, linear, correction):
    return linear.and_(correction)


def _rectified(graph, activation, path, linear, correction):
    total = graph.written(linear.and_(correction.times(path.unit)))
    return _whole(graph.node("Max", total, path.origin), path)


def _logistic(graph, activation, path, linear, correction):
    share = graph.written(_shares(path, linear))
    share = graph.node("Max", share, path.margin)
    share = graph.node("Min", share, 1 - path.margin)
    other = graph.node("Log", graph.node("Sub", np.float32(1), share))
    logit = graph.node("Sub", graph.node("Log", share), other)
    position = graph.node("Sigmoid", graph.node("Add", logit, graph.written(correction)))
    return _whole(position, path).times(path.unit).plus(path.origin)


def _positive(graph, activation, path, linear, correction):
    mean = graph.node("Max", graph.written(_shares(path, linear)), path.margin)
    steepest = np.float32(_ranges.STEEPEST)
    factor = graph.node("Clip", graph.written(correction), -steepest, steepest)
    position = graph.node("Mul", mean, graph.node("Exp", factor))
    return _whole(position, path).times(path.unit).plus(path.origin)


def _softmax(graph, activation, path, linear, correction):
    share = graph.node("Max", graph.written(_shares(path, linear)), path.margin)
    logit = graph.node("Add", graph.node("Log", share), graph.written(correction))
    d, sizes = len(path.unit), activation.sizes
    if len(sizes) > 1 and len(set(sizes)) == 1:
        position = graph.node("Softmax", graph.reshaped(logit, len(sizes), sizes[0]), axis=-1)
        position = graph.reshaped(position, d)
    else:
        blocks = activation.blocks(d)
        parts = [_columns(graph, logit, block, d) for block in blocks]
        parts = [graph.node("Softmax", part, axis=-1) for part in parts]
        position = _joined(graph, parts)
    return _whole(position, path).times(path.unit).plus(path.origin)


def _joint(graph, activation, path, linear, correction):
    d, found = len(path.unit), []
    totals = graph.written(linear), graph.written(correction)
    for block, own in _ranges.slices(activation.parts):
        names = "origin", "unit", "margin"
        part = path._replace(**{name: getattr(path, name)[block] for name in names})
        width = block.stop - block.start
        pair = (Affine.tensor(_columns(graph, x, block, d), width) for x in totals)
        found.append(graph.written(outputs(graph, own, part, *pair)))
    return _whole(_joined(graph, found), path)


def _whole(x, path):
    return Affine.tensor(x, len(path.unit))


def _shares(path, total):
    """Return scaled columns as proportions of their range."""
    unit = np.where(path.unit > 0, path.unit, 1.0).astype(np.float64)
    return total.plus(-path.origin).times(1 / unit)


def _columns(graph, x, block, n_columns):
    if block == slice(0, n_columns):
        return x
    return graph.columns(x, block.start, block.stop)


def _joined(graph, parts):
    return parts[0] if len(parts) == 1 else graph.node("Concat", *parts, axis=1)


WRITERS = {
    _ranges.Identity: _identity,
    _ranges.Joint: _joint,
    _ranges.Logistic: _logistic,
    _ranges.Positive: _positive,
    _ranges.Rectified: _rectified,
    _ranges.Softmax: _softmax,
}
