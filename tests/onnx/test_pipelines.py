"""skl2onnx writes pipelines with an AutoencoderTransformer as one graph."""

import sys

import numpy as np
import onnxruntime
import pytest
import skl2onnx
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
from skae import AutoencoderTransformer


@pytest.fixture(scope="module")
def pipeline():
    X, y = load_digits(return_X_y=True)
    given = {"hidden_layer_sizes": (8, 6), "max_iter": 2, "random_state": 0, "cv": None}
    ae = AutoencoderTransformer(8, **given)
    return make_pipeline(StandardScaler(), ae, LogisticRegression(max_iter=1000)).fit(X, y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_labels_are_the_same(pipeline, dtype):
    X = load_digits().data.astype(dtype)
    skae.register_onnx_converter()
    model = skl2onnx.to_onnx(pipeline, X[:1], options={"zipmap": False})
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for n in (1, 7, len(X)):
        labels, proba = session.run(None, {"X": X[:n]})
        assert np.array_equal(labels, pipeline.predict(X[:n]))
        assert np.abs(proba - pipeline.predict_proba(X[:n])).max() < 1e-4


def test_the_graph_holds_names_once(pipeline):
    """Two autoencoders in one pipeline do not share constants."""
    X = load_digits().data
    first, second = pipeline[:2], pipeline[1]
    Z = first.transform(X)
    second = AutoencoderTransformer(2, hidden_layer_sizes=(), max_iter=1, cv=None).fit(Z)
    skae.register_onnx_converter()
    both = make_pipeline(*first, second)
    model = skl2onnx.to_onnx(both, X[:1])
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, {"X": X[:7]})
    expected = second.transform(Z[:7])
    assert found.dtype == np.float64
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match=r"pip install \"skae\[onnx\]\""):
        skae.register_onnx_converter()
