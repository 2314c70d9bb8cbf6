"""Public names of what fitted estimators are made of, for pickles and skops.

The classes live in private modules, which may change; pickles name them by this module, or by
the public one that has them. Nothing here is to be called. ``TYPES`` are the names that
``skops.io.load`` asks to trust:

>>> from skae.records import TYPES
>>> "skae.AutoencoderTransformer" in TYPES, "skae.records.LinearPath" in TYPES
(True, True)
"""

import skae
from skae import architectures, losses
from skae._files.records import CLASSES, ESTIMATORS

__all__ = ["TYPES"]

TYPES: list[str] = []


def _publish() -> None:
    """Give each class the name of the first public module that has it."""
    for kind in (*ESTIMATORS.values(), *CLASSES.values()):
        name = kind.__qualname__ = kind.__name__ = kind.__name__.lstrip("_")
        homes = (m for m in (skae, architectures, losses) if getattr(m, name, None) is kind)
        kind.__module__ = next((m.__name__ for m in homes), __name__)
        if kind.__module__ == __name__:
            globals()[name] = kind
        TYPES.append(f"{kind.__module__}.{name}")
    TYPES.sort()


_publish()
