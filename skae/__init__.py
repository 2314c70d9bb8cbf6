"""PCA's drop-in successor: autoencoders that begin at PCA and stay ahead of it."""

from skae._transformer import AutoencoderTransformer
from skae.impute import AutoencoderImputer
from skae.outliers import AutoencoderOutlierDetector

__all__ = ["AutoencoderImputer", "AutoencoderOutlierDetector", "AutoencoderTransformer"]
__version__ = "0.1.0"
