"""The version of skae, which fitted estimators carry, and those that its results depend on."""

from importlib.metadata import version

__version__ = "0.2.0"
DEPENDENCIES = "jax", "jaxlib", "numpy", "optax", "scikit-learn"


def versions() -> dict[str, str]:
    """Return the versions of skae and of what its results depend on, by name."""
    return {"skae": __version__, **{name: version(name) for name in DEPENDENCIES}}
