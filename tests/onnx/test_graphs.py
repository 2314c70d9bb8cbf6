"""ONNX graphs compute what the estimator does, for any number of samples."""

import sys
from copy import copy
from dataclasses import replace

import jax
import numpy as np
import onnxruntime
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

import skae
from skae import AutoencoderTransformer
from skae.architectures import Conv2d, Dense
from skae.losses._ranges import Identity, Joint, Logistic, Positive, Rectified, Softmax

MOST = 1e-5  # of the size of what is computed
SMALL = {"hidden_layer_sizes": (8, 6), "max_iter": 1, "random_state": 0, "cv": None}
DIGITS = load_digits().data[:90] / 16
IMAGES = DIGITS.reshape(-1, 8, 8)


def fitted(X, n_components=3, **given):
    """Return a fit whose nets have other weights than their first, which are near zero."""
    ae = AutoencoderTransformer(n_components, **(SMALL | given)).fit(X)
    rng = np.random.default_rng(0)

    def moved(leaf):
        return leaf + rng.normal(scale=0.1, size=leaf.shape).astype(np.float32)

    return with_model(ae, params=jax.tree.map(moved, ae._fitted.model.params))


def with_model(ae, **parts):
    """Return the same estimator with other ``parts`` of its model."""
    ae = copy(ae)
    ae._fitted = replace(ae._fitted, model=replace(ae._fitted.model, **parts))
    return ae


def with_choices(ae, **choices):
    """Return the same estimator with other ``choices`` of its autoencoder."""
    return with_model(ae, autoencoder=replace(ae._fitted.model.autoencoder, **choices))


def run(model, rows):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (given,) = session.get_inputs()
    (found,) = session.run(None, {given.name: rows})
    return found


def assert_close(found, expected):
    assert found.shape == expected.shape and found.dtype == expected.dtype
    assert np.abs(found - expected).max() <= MOST * np.abs(expected).max()


def assert_same(ae, X, sizes=(7,), n_components=None):
    """Compare all three parts for several numbers of samples."""
    Z = ae.transform(X)[:, :n_components]
    parts = {
        "encoder": (lambda X: ae.transform(X)[:, :n_components], X),
        "decoder": (ae.inverse_transform, Z),
        "autoencoder": (
            lambda X: ae.inverse_transform(ae.transform(X)[:, :n_components]),
            X,
        ),
    }
    for part, (function, rows) in parts.items():
        model = skae.to_onnx(ae, part, n_components=n_components, dtype=X.dtype.name)
        for n in sizes:
            given = np.resize(rows, (n, *rows.shape[1:]))
            assert_close(run(model, given), function(given))


@pytest.fixture(scope="module")
def digits():
    return fitted(DIGITS, 5)


@pytest.fixture(scope="module")
def in_range():
    return fitted(DIGITS, output_activation="logistic")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_number_of_samples(digits, dtype):
    assert_same(digits, DIGITS.astype(dtype), sizes=(1, 7, 1000))


def test_nets_matter(digits):
    """The tests above and below would see it if a net were wrong."""
    pca = with_model(digits, path=digits._fitted.model.path._replace(strength=np.float32(0)))
    Z = digits.transform(DIGITS)
    assert np.abs(pca.transform(DIGITS) - Z).max() > 0.01 * np.abs(Z).max()
    assert_same(pca, DIGITS)
    n_nodes = [len(skae.to_onnx(ae).graph.node) for ae in (pca, digits)]
    assert n_nodes[0] < n_nodes[1] - 10


def test_what_the_graph_says(digits):
    model = skae.to_onnx(digits, "autoencoder")
    assert "missing values (NaN) are not filled" in model.doc_string
    for end in (*model.graph.input, *model.graph.output):
        assert end.type.tensor_type.shape.dim[0].dim_param == "n_samples"


def test_leading_components(digits):
    assert_same(digits, DIGITS, n_components=2)


@pytest.mark.parametrize(
    "choices",
    [
        {"code_activation": "relu"},
        {"code_activation": "tanh"},
        {"code_activation": "logistic"},
        {"code_activation": "softmax"},
        {"n_nonzero_coefs": 2},
        {"n_nonzero_coefs": 2, "code_activation": "relu"},
    ],
    ids=str,
)
def test_codes(digits, choices):
    ae = with_choices(digits, **choices)
    assert_same(ae, DIGITS)
    assert_same(ae, DIGITS, n_components=2)


ACTIVATIONS = [
    Logistic(),
    Positive(),
    Rectified(),
    Softmax(),
    Softmax((32, 32)),
    Softmax((10, 54)),
    Joint(((10, Identity()), (20, Softmax((5, 15))), (30, Logistic()), (4, Rectified()))),
]


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_output_activations(in_range, activation):
    ae = with_choices(in_range, output_activation=activation)
    for part in ("decoder", "autoencoder"):
        function = ae.reconstruct if part == "autoencoder" else ae.inverse_transform
        rows = DIGITS if part == "autoencoder" else ae.transform(DIGITS)
        assert_close(run(skae.to_onnx(ae, part), rows), function(rows))


FITS = {
    "clip": {"output_activation": "clip"},
    "whiten": {"whiten": True, "scaling": "standard"},
    "unscaled": {"scaling": None, "linear_path": None, "ordered": False},
    "variational": {"kl_weight": 1.0, "architecture": Dense(skip=False)},
    "no layers, signs": {"hidden_layer_sizes": (), "code_activation": "relu"},
}


@pytest.mark.parametrize("name", FITS)
def test_fits(name):
    assert_same(fitted(DIGITS + 100, **FITS[name]), DIGITS + 100)


def test_kept_pca():
    ae = AutoencoderTransformer(3, **(SMALL | {"cv": 2, "learning_rate": 1e-9})).fit(DIGITS)
    assert ae.selected_model_ == "pca"
    assert_same(ae, DIGITS)


def test_fitted_with_missing_values():
    """Complete samples can be encoded; the indicator of what is missing is 0."""
    X = DIGITS.copy()
    X[::3, 20] = np.nan
    ae = fitted(X)
    assert ae._fitted.model.reads_missing_indicator
    assert_same(ae, DIGITS)


def test_wide_samples():
    X = np.random.default_rng(0).normal(size=(30, 5000)) + 50
    ae = fitted(X)
    assert ae._fitted.model.reduction is not None
    assert_same(ae, X)


def test_images():
    ae = fitted(IMAGES, architecture=Conv2d(channels=(3,)), output_activation="clip")
    assert_same(ae, IMAGES)


def test_what_is_refused(digits, monkeypatch):
    with pytest.raises(ValueError, match="part must be one of 'encoder'"):
        skae.to_onnx(digits, "both")
    with pytest.raises(ValueError, match="from 1 to the 5 of the fit, got 6"):
        skae.to_onnx(digits, n_components=6)
    with pytest.raises(ValueError, match="dtype must be"):
        skae.to_onnx(digits, dtype="float16")
    with pytest.raises(TypeError, match="hold it as autoencoder_"):
        skae.to_onnx(skae.AutoencoderImputer())
    with pytest.raises(NotFittedError):
        skae.to_onnx(AutoencoderTransformer())
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install \"skae\[onnx\]\""):
        skae.to_onnx(digits)


def test_other_architectures_are_refused(digits):
    class Own(type(digits._fitted.model.network)):
        """A class that may do anything."""

    network = Own(**vars(digits._fitted.model.network))
    with pytest.raises(ValueError, match="'dense', 'conv1d' and 'conv2d'"):
        skae.to_onnx(with_choices(digits, network=network))


def test_other_outputs_are_refused(in_range):
    class Own(Logistic):
        """A class that may do anything."""

    ae = with_choices(in_range, output_activation=Joint(((60, Identity()), (4, Own()))))
    with pytest.raises(ValueError, match=r"output activation .* cannot be written"):
        skae.to_onnx(ae, "decoder")
