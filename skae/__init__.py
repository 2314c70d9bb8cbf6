"""PCA's drop-in successor: autoencoders that begin at PCA and stay ahead of it."""

from skae._transformer import AutoencoderTransformer
from skae.outliers import AutoencoderOutlierDetector

__all__ = ["AutoencoderOutlierDetector", "AutoencoderTransformer"]
__version__ = "0.1.0"
