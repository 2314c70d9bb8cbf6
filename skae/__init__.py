"""PCA's drop-in successor: autoencoders that begin at PCA and stay ahead of it."""

from skae._estimator.autoencoder import AutoencoderTransformer
from skae._files.backup import FitBackup
from skae._files.files import load, save
from skae._onnx.convert import register_onnx_converter, to_onnx
from skae._runtime.version import __version__
from skae.display import (
    CodesDisplay,
    ExplainedVarianceDisplay,
    LoadingsDisplay,
    ReconstructionsDisplay,
    TrainingCurvesDisplay,
    TraversalsDisplay,
    compare_reconstructions,
    component_loadings,
    component_traversals,
    explained_variance_curves,
)
from skae.encoders.images import ImageResizer
from skae.encoders.multimodal import Modality, MultimodalAutoencoder, Samples
from skae.encoders.series import SeriesPadder
from skae.encoders.tables import TableAutoencoder, TableEncoder
from skae.encoders.text import TokenEncoder
from skae.impute import AutoencoderImputer
from skae.outliers import AutoencoderOutlierDetector

__all__ = [
    "AutoencoderImputer",
    "AutoencoderOutlierDetector",
    "AutoencoderTransformer",
    "CodesDisplay",
    "ExplainedVarianceDisplay",
    "FitBackup",
    "ImageResizer",
    "LoadingsDisplay",
    "Modality",
    "MultimodalAutoencoder",
    "ReconstructionsDisplay",
    "Samples",
    "SeriesPadder",
    "TableAutoencoder",
    "TableEncoder",
    "TokenEncoder",
    "TrainingCurvesDisplay",
    "TraversalsDisplay",
    "__version__",
    "compare_reconstructions",
    "component_loadings",
    "component_traversals",
    "explained_variance_curves",
    "load",
    "register_onnx_converter",
    "save",
    "to_onnx",
]

from skae import records  # noqa: F401 the classes get their public names
