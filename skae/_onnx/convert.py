"""``to_onnx`` and ``register_onnx_converter``: the face of this room."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from skae._data.parameters import is_count
from skae._estimator.autoencoder import AutoencoderTransformer
from skae._estimator.fitted import FittedAutoencoder
from skae._onnx import maps
from skae._onnx.graph import Graph
from skae._onnx.nets import NETS
from skae._onnx.outputs import can_be_written
from skae._runtime.version import __version__

if TYPE_CHECKING:
    import onnx

PARTS = {"encoder": ("X", "codes"), "decoder": ("codes", "X"), "autoencoder": ("X", "X_back")}
OPSET, IR_VERSION = 17, 8  # of 2022: any runtime since then reads them
DOCUMENTATION = (
    "{part} of skae {version}. Samples must be complete: missing values (NaN) are not filled, "
    "and what the graph makes of them has no meaning. Nothing is checked: neither infinite "
    "values nor the units of X."
)


def to_onnx(
    estimator: AutoencoderTransformer,
    part: str = "encoder",
    *,
    n_components: int | None = None,
    dtype: str | None = None,
) -> "onnx.ModelProto":
    """Return a fitted estimator, or a half of it, as an ONNX graph for any number of samples.

    Scaling, PCA, nets, ranges and bounds are in it. Dense and convolutional architectures can
    be written. Products that follow each other are multiplied once, so that results differ from
    the estimator's by the rounding of float32.

    Parameters
    ----------
    estimator : AutoencoderTransformer
        A fitted estimator.
    part : {"encoder", "decoder", "autoencoder"}, default="encoder"
        What the graph computes: ``transform``, ``inverse_transform`` or ``reconstruct``.
    n_components : int, default=None
        Number of leading components that the encoder returns, the decoder reads, or the
        autoencoder has between both. None means ``n_components_``.
    dtype : {"float32", "float64"}, default=None
        Type of the graph's input and output. None means that of the training samples. The nets
        compute in float32 in any case.

    Returns
    -------
    model : onnx.ModelProto
        Input "X" (n_samples, n_features) and output "codes" (n_samples, n_components) for the
        encoder; input "codes" and output "X" for the decoder; "X" and "X_back" for the
        autoencoder. Samples have the shape of those that fit got. The opset is 17, and
        ONNX's checker has passed the graph.

    Raises
    ------
    ImportError
        If onnx is not installed: ``pip install "skae[onnx]"``.
    TypeError
        If ``estimator`` is not an AutoencoderTransformer. The estimators around one hold it as
        ``autoencoder_``.
    ValueError
        If ``part``, ``dtype`` or ``n_components`` is not valid, or if the estimator cannot be
        written: with the architecture "recurrent" or Blocks, or with architectures or output
        ranges of your own.
    NotFittedError
        If the estimator is not fitted.

    See Also
    --------
    register_onnx_converter : Converts pipelines that hold an AutoencoderTransformer.
    save : Writes the estimator itself.

    Notes
    -----
    Samples must be complete. An estimator that was fitted with missing values can be written,
    but the graph fills none, and what it makes of NaN has no meaning.

    Examples
    --------
    >>> import onnxruntime
    >>> import skae
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> ae = skae.AutoencoderTransformer(2, hidden_layer_sizes=(16,), max_iter=2).fit(X)
    >>> graph = skae.to_onnx(ae, "encoder").SerializeToString()
    >>> session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    >>> (Z,) = session.run(None, {"X": X[:7]})
    >>> bool(abs(Z - ae.transform(X[:7])).max() < 1e-5)
    True
    """
    onnx = _imported("onnx", "to_onnx")
    fitted = _writable(estimator)
    k = _checked(fitted, part, n_components)
    dtype = fitted.dtype if dtype is None else dtype
    if dtype not in ("float32", "float64"):
        raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}.")
    graph, (given, found) = Graph(), PARTS[part]
    shapes = _shapes(estimator, fitted, part, k)
    output = _written(graph, fitted, part, given, k, dtype, shapes)
    model = _model(onnx, graph.ended(output, found), part, dtype, shapes)
    onnx.checker.check_model(model, full_check=True)
    return model


def register_onnx_converter() -> None:
    """Tell skl2onnx how AutoencoderTransformer is written, so that it converts pipelines.

    Call it once in a process, before ``skl2onnx.to_onnx``. It calls
    ``skl2onnx.update_registered_converter``, as for the estimators of other libraries.

    Raises
    ------
    ImportError
        If skl2onnx is not installed: ``pip install "skae[onnx]"``.

    See Also
    --------
    to_onnx : Converts one estimator, also its decoder, also for samples of more dimensions.

    Notes
    -----
    The conversion raises what ``to_onnx`` raises, and missing values are not filled. Codes are
    float64 if the output of the step before is, otherwise float32.

    Examples
    --------
    >>> import skae
    >>> import skl2onnx
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = load_iris(return_X_y=True)
    >>> ae = skae.AutoencoderTransformer(2, hidden_layer_sizes=(16,), max_iter=2)
    >>> pipeline = make_pipeline(StandardScaler(), ae, LogisticRegression()).fit(X, y)
    >>> skae.register_onnx_converter()
    >>> graph = skl2onnx.to_onnx(pipeline, X[:1].astype("float32"))
    >>> [output.name for output in graph.graph.output]
    ['output_label', 'output_probability']
    """
    skl2onnx = _imported("skl2onnx", "register_onnx_converter")
    skl2onnx.update_registered_converter(
        AutoencoderTransformer, "SkaeAutoencoderTransformer", _set_output, _convert
    )


def _imported(name, asked_by):
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ImportError(
            f'{asked_by} needs the package {name}: pip install "skae[onnx]".'
        ) from error


def _writable(estimator) -> FittedAutoencoder:
    """Return the fitted object of an ``estimator`` that can be written."""
    if not isinstance(estimator, AutoencoderTransformer):
        raise TypeError(
            f"A fitted AutoencoderTransformer can be written, got {type(estimator).__name__}. "
            "Estimators around an autoencoder hold it as autoencoder_; for pipelines call "
            "skae.register_onnx_converter() and then skl2onnx.to_onnx."
        )
    fitted = estimator._get_fitted()
    if type(fitted.model.network) not in NETS:
        raise ValueError(
            f"architecture={estimator.architecture!r} cannot be written as an ONNX graph. "
            "Those that can are 'dense', 'conv1d' and 'conv2d'."
        )
    activation = fitted.model.autoencoder.output_activation
    if not can_be_written(activation):
        raise ValueError(f"The output activation {activation!r} of the loss cannot be written.")
    return fitted


def _checked(fitted, part, n_components) -> int:
    if part not in PARTS:
        raise ValueError(f"part must be one of {', '.join(map(repr, PARTS))}, got {part!r}.")
    k = fitted.n_components if n_components is None else n_components
    if not (is_count(k) and k <= fitted.n_components):
        raise ValueError(
            f"n_components must be from 1 to the {fitted.n_components} of the fit, got {k}."
        )
    return int(k)


def _shapes(estimator, fitted, part, k):
    """Return the shape of a sample or code that the graph reads, and of what it writes."""
    d = len(fitted.mean)
    sample = (d,) if fitted.is_table else tuple(estimator.sample_shape_)
    return sample if part != "decoder" else (k,), sample if part != "encoder" else (k,)


def _written(graph, fitted, part, given, k, dtype, shapes):
    """Add the nodes of a ``part`` that reads ``given``; return the last one's output."""
    if part == "decoder":
        z = maps.net_codes_of(graph, fitted, given, k)
    else:
        X = given if fitted.is_table else graph.reshaped(given, len(fitted.mean))
        z = maps.net_codes(graph, fitted, X, k)
    if part == "encoder":
        return maps.codes(graph, fitted, z, k, dtype)
    X = maps.samples(graph, fitted, z, k, dtype)
    return X if fitted.is_table else graph.reshaped(X, *shapes[1])


def _model(onnx, graph, part, dtype, shapes):
    """Return the checked ModelProto of a ``graph`` that reads and writes these ``shapes``."""
    from onnx import helper, numpy_helper

    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    ends = [
        [helper.make_tensor_value_info(name, kind, ["n_samples", *shape])]
        for name, shape in zip(PARTS[part], shapes, strict=True)
    ]
    nodes = [
        helper.make_node(
            node.op, node.inputs, node.outputs, name=node.outputs[0], **node.attributes
        )
        for node in graph.nodes
    ]
    constants = [numpy_helper.from_array(a, name) for name, a in graph.constants.items()]
    told = DOCUMENTATION.format(part=part, version=__version__)
    return helper.make_model(
        helper.make_graph(nodes, f"skae_{part}", *ends, constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="skae",
        producer_version=__version__,
        doc_string=told,
    )


def _set_output(operator: Any) -> None:
    """Tell skl2onnx the type and the shape of the codes."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    given = operator.inputs[0].type
    kind = DoubleTensorType if isinstance(given, DoubleTensorType) else FloatTensorType
    operator.outputs[0].type = kind([given.shape[0], operator.raw_operator.n_components_])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Write the encoder into skl2onnx's ``container``."""
    from skl2onnx.common.data_types import DoubleTensorType
    from skl2onnx.operator_converters.common import concatenate_variables

    fitted, given, end = _writable(operator.raw_operator), operator.inputs, operator.outputs[0]
    X = given[0].full_name
    if len(given) > 1:
        X = concatenate_variables(scope, given, container)
    dtype = "float64" if isinstance(end.type, DoubleTensorType) else "float32"
    graph, k = Graph(), fitted.n_components
    z = maps.net_codes(graph, fitted, X, k)
    output = maps.codes(graph, fitted, z, k, dtype)
    _add_to(scope, container, graph.ended(output, end.full_name), {X, end.full_name})


def _add_to(scope, container, graph, outside):
    """Add a ``graph`` to a ``container``, with names that are new but for those ``outside``."""
    from onnx import numpy_helper

    names = [*graph.constants, *(x for node in graph.nodes for x in node.outputs)]
    new = {name: name for name in outside}
    for name in names:
        if name not in outside:
            new[name] = scope.get_unique_variable_name(f"skae_{name}")
    for name, array in graph.constants.items():
        tensor = numpy_helper.from_array(array, new[name])
        container.add_initializer(new[name], tensor.data_type, list(array.shape), tensor)
    for node in graph.nodes:
        ends = [[new[x] for x in names] for names in (node.inputs, node.outputs)]
        title = scope.get_unique_operator_name(node.op)
        container.add_node(node.op, *ends, name=title, **node.attributes)
