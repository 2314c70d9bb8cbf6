"""Networks as nodes give what JAX computes, with weights that are all but zero."""

import jax
import numpy as np
import onnx
import onnxruntime
import pytest

from skae._onnx.graph import Affine, Graph
from skae._onnx.nets import NETS, layers_of_prefix
from skae.architectures import Conv1d, Conv2d, Dense

K, N_KEPT, N = 4, 3, 5
SAMPLES = {
    "dense": (Dense(), (6,)),
    "no skip": (Dense(skip=False), (6,)),
    "conv2d": (Conv2d(channels=(3, 4)), (9, 7)),
    "conv2d channels": (Conv2d(channels=(3,)), (8, 5, 2)),
    "conv2d first": (Conv2d(channels=(3, 2, 4), kernel_size=5, channels_first=True), (2, 9, 7)),
    "conv1d": (Conv1d(channels=(3, 4)), (13, 2)),
    "conv1d pooled": (Conv1d(channels=(3, 4, 2), pooling="mean", kernel_size=1), (13,)),
    "conv2d pooled": (Conv2d(channels=(3, 2), pooling="mean"), (7, 5, 2)),
}


def run(graph, output, **inputs):
    """Return what the node ``output`` of a graph of float32 inputs is."""
    graph, helper = graph.ended(output, "out"), onnx.helper
    nodes = [helper.make_node(n.op, n.inputs, n.outputs, **n.attributes) for n in graph.nodes]
    constants = [onnx.numpy_helper.from_array(a, name) for name, a in graph.constants.items()]
    given = [helper.make_tensor_value_info(x, 1, [None, r.shape[1]]) for x, r in inputs.items()]
    ends = given, [helper.make_tensor_value_info("out", 1, [None, None])]
    opset = {"opset_imports": [helper.make_opsetid("", 17)], "ir_version": 8}
    model = helper.make_model(helper.make_graph(nodes, "net", *ends, constants), **opset)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, inputs)[0]


def assert_close(found, expected):
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def network_of(name, *, missing=False, activation="tanh", hidden=(5, 6)):
    architecture, shape = SAMPLES[name]
    d = int(np.prod(shape))
    sizes = {"n_inputs": 2 * d if missing else d, "n_outputs": d, "n_components": K}
    choices = {"hidden_layer_sizes": hidden, "activation": activation, "reads_mask": True}
    network = architecture.network(
        **sizes, **choices, n_encoded=K, sample_shape=shape, zero_start=False
    )
    rng = np.random.default_rng(0)
    noise = rng.normal(scale=0.1, size=10_000).astype(np.float32)
    params = jax.tree.map(
        lambda leaf: leaf + noise[: leaf.size].reshape(leaf.shape), network.init(rng)
    )
    return network, params, rng.normal(size=(N, d)).astype(np.float32)


def assert_same(network, params, X):
    """Compare the encoder on complete rows, and the decoder on the first entries of codes."""
    graph, net, d = Graph(), NETS[type(network)], X.shape[1]
    inputs = np.pad(X, ((0, 0), (0, network.n_inputs - d)))  # none is missing
    expected = np.asarray(jax.jit(jax.vmap(lambda x: network.encode(params, x)))(inputs))
    total = net.encode(graph, network, params["encoder"], "x", d)
    assert_close(run(graph, graph.written(total), x=X), expected)

    rng, graph = np.random.default_rng(1), Graph()
    scale = np.float32([2.0, 0.5, 1e-3, 1.0])
    Z = rng.normal(size=(N, K)).astype(np.float32)[:, :N_KEPT] * scale[:N_KEPT]
    loadings = rng.normal(size=(N_KEPT, d)).astype(np.float32)
    codes = np.pad(Z / scale[:N_KEPT], ((0, 0), (0, K - N_KEPT)))
    mask = (np.arange(K) < N_KEPT).astype(np.float32)
    decode = jax.vmap(lambda z, linear: network.decode(params, z, mask, linear))
    expected = np.asarray(jax.jit(decode)(codes, Z @ loadings))
    layers = params["decoder"]
    dense = layers_of_prefix(net.dense_of(layers), N_KEPT, network, scale)
    linear = Affine.product("z", loadings)
    layers = net.with_dense(layers, dense)
    linear, total = net.decode(graph, network, layers, "z", linear)
    assert_close(run(graph, graph.written(total), z=Z), expected)
    assert_close(run(graph, graph.written(linear), z=Z), Z @ loadings)


@pytest.mark.parametrize("name", SAMPLES)
def test_architectures(name):
    assert_same(*network_of(name))


@pytest.mark.parametrize("name", ["dense", "conv2d channels", "conv1d pooled"])
def test_nothing_is_missing(name):
    """Nets that read which values are missing read zeros."""
    assert_same(*network_of(name, missing=True))


@pytest.mark.parametrize("hidden", [(), (5,)])
def test_no_layers(hidden):
    assert_same(*network_of("dense", hidden=hidden))


@pytest.mark.parametrize("activation", ["identity", "relu", "logistic", "silu", "gelu"])
def test_activations(activation):
    assert_same(*network_of("dense", activation=activation))
