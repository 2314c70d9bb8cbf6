"""The version of skae, which fitted estimators carry."""

__version__ = "0.2.0.dev0"
