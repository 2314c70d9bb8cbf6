"""PCA's drop-in successor: autoencoders that begin at PCA and stay ahead of it."""

from skae._transformer import AutoencoderTransformer
from skae._version import __version__
from skae.images import ImageResizer
from skae.impute import AutoencoderImputer
from skae.modalities import Modality, MultimodalAutoencoder, Samples
from skae.outliers import AutoencoderOutlierDetector
from skae.series import SeriesPadder
from skae.tables import TableAutoencoder, TableEncoder
from skae.text import TokenEncoder

__all__ = [
    "AutoencoderImputer",
    "AutoencoderOutlierDetector",
    "AutoencoderTransformer",
    "ImageResizer",
    "Modality",
    "MultimodalAutoencoder",
    "Samples",
    "SeriesPadder",
    "TableAutoencoder",
    "TableEncoder",
    "TokenEncoder",
    "__version__",
]
