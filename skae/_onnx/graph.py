"""Graphs while they are written: nodes and constants, and sums that become one product."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

TYPES = {"float32": 1, "float64": 11}  # of onnx.TensorProto
GELU = np.float32(np.sqrt(2 / np.pi)), np.float32(0.044715)


class Node(NamedTuple):
    """One operation: names of its inputs and of its outputs."""

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


@dataclass
class Graph:
    """Nodes in their order, and constants by name."""

    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, NDArray] = field(default_factory=dict)

    def node(self, op: str, *inputs: Any, **attributes: Any) -> str:
        """Add a node, and return the name of its output; arrays become constants."""
        return self._node(1, op, inputs, attributes)[0]

    def largest(self, x: str, n: int) -> str:
        """Return where the ``n`` largest entries of each row are, the first ones if equal."""
        return self._node(2, "TopK", [x, np.array([n], np.int64)], {"axis": 1})[1]

    def _node(self, n_outputs, op, inputs, attributes):
        names = [x if isinstance(x, str) else self._constant(x) for x in inputs]
        outputs = [f"{op}_{len(self.nodes)}_{i}" for i in range(n_outputs)]
        self.nodes.append(Node(op, names, outputs, attributes))
        return outputs

    def _constant(self, array):
        name = f"constant_{len(self.constants)}"
        self.constants[name] = np.asarray(array)
        return name

    def cast(self, x: str, dtype: str) -> str:
        """Return ``x`` as ``dtype``."""
        return self.node("Cast", x, to=TYPES[dtype])

    def reshaped(self, x: str, *shape: int) -> str:
        """Return each row of ``x`` in a ``shape``."""
        return self.node("Reshape", x, np.array([-1, *shape], np.int64))

    def columns(self, x: str, start: int, stop: int) -> str:
        """Return the columns from ``start`` to ``stop`` of ``x`` (n, d)."""
        return self.node("Slice", x, *np.array([[start], [stop], [1]], np.int64))

    def clipped(self, x: str, lower: NDArray, upper: NDArray) -> str:
        """Return columns ``x`` (n, d) within ends of their dtype, if any is finite."""
        if np.isfinite(lower).any():
            x = self.node("Max", x, lower)
        return self.node("Min", x, upper) if np.isfinite(upper).any() else x

    def activated(self, x: str, activation: str) -> str:
        """Return the nonlinearity of ``x``; gelu is JAX's default, approximated by tanh."""
        if activation == "identity":
            return x
        if activation == "silu":
            return self.node("Mul", x, self.node("Sigmoid", x))
        if activation == "gelu":
            slope, cubic = GELU
            cube = self.node("Mul", self.node("Mul", x, x), x)
            inner = self.node("Add", x, self.node("Mul", cube, cubic))
            gate = self.node("Tanh", self.node("Mul", inner, slope))
            half = self.node("Mul", x, np.float32(0.5))
            return self.node("Mul", half, self.node("Add", gate, np.float32(1)))
        ops = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid", "softmax": "Softmax"}
        return self.node(ops[activation], x)

    def written(self, total: "Affine") -> str:
        """Return a sum (n, m): one product of all that is multiplied, then what is added."""
        kernels: dict[str, NDArray] = {}
        for x, kernel in total.terms:
            kernels[x] = kernels[x] + kernel if x in kernels else kernel
        needed = {x: kernel for x, kernel in kernels.items() if kernel.any()}
        added = [(x, factor) for x, factor in total.added if factor.any()]
        if not (needed or added):
            needed = kernels
        parts = [x if (factor == 1).all() else self._times(x, factor) for x, factor in added]
        if needed:
            parts.append(self._product(needed, total.bias))
        elif total.bias.any():
            parts[0] = self.node("Add", parts[0], total.bias.astype(np.float32))
        out, *others = parts
        for other in others:
            out = self.node("Add", out, other)
        return out

    def _times(self, x, factor):
        return self.node("Mul", x, factor.astype(np.float32))

    def _product(self, kernels, bias):
        names = list(kernels)
        read = names[0] if len(names) == 1 else self.node("Concat", *names, axis=1)
        kernel = np.concatenate([kernels[name] for name in names]).astype(np.float32)
        return self.node("Gemm", read, kernel, bias.astype(np.float32))

    def ended(self, output: str, name: str) -> "Graph":
        """Return the part that leads to the node ``output``, which gets that ``name``."""
        needed, nodes = {output}, []
        for node in reversed(self.nodes):
            if not needed.isdisjoint(node.outputs):
                needed.update(node.inputs)
                nodes.append(node)
        nodes[0] = nodes[0]._replace(outputs=[name])
        constants = {name: part for name, part in self.constants.items() if name in needed}
        return Graph(nodes[::-1], constants)


class Affine(NamedTuple):
    """A sum not yet written: x @ kernel for ``terms``, y * factor for ``added``, and a bias.

    It is (n, m) for x (n, a), kernel (a, m), y (n, m), factor (m,) and ``bias`` (m,), which
    are added up in float64 and written as float32.
    """

    terms: tuple[tuple[str, NDArray], ...]
    bias: NDArray
    added: tuple[tuple[str, NDArray], ...] = ()

    @classmethod
    def product(cls, x: str, kernel: NDArray) -> "Affine":
        """Return x @ kernel."""
        return cls(((x, kernel.astype(np.float64)),), np.zeros(kernel.shape[1]))

    @classmethod
    def tensor(cls, x: str, n_columns: int) -> "Affine":
        """Return ``x`` itself."""
        return cls((), np.zeros(n_columns), ((x, np.ones(n_columns)),))

    def times(self, factor: NDArray) -> "Affine":
        """Return the sum times ``factor`` (m,)."""
        terms = tuple((x, kernel * factor) for x, kernel in self.terms)
        added = tuple((x, own * factor) for x, own in self.added)
        return Affine(terms, self.bias * factor, added)

    def plus(self, constant: NDArray) -> "Affine":
        """Return the sum plus a ``constant`` (m,)."""
        return self._replace(bias=self.bias + constant)

    def columns(self, n_columns: int) -> "Affine":
        """Return the first columns of a sum of products."""
        terms = tuple((x, kernel[:, :n_columns]) for x, kernel in self.terms)
        return Affine(terms, self.bias[:n_columns])

    def and_(self, other: "Affine") -> "Affine":
        """Return the sum of both."""
        terms, added = self.terms + other.terms, self.added + other.added
        return Affine(terms, self.bias + other.bias, added)
