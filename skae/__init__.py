"""PCA's drop-in successor: autoencoders that begin at PCA and stay ahead of it."""

from skae._transformer import AutoencoderTransformer

__all__ = ["AutoencoderTransformer"]
__version__ = "0.1.0"
