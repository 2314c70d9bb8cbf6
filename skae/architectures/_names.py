"""The architectures that have a name, and what a name or an instance stands for."""

from typing import Any

from skae.architectures.conv import Conv1d, Conv2d
from skae.architectures.dense import Dense
from skae.architectures.recurrent import Recurrent

ARCHITECTURES = {"dense": Dense, "conv1d": Conv1d, "conv2d": Conv2d, "recurrent": Recurrent}


def find_architecture(architecture: Any) -> Any:
    """Return the architecture that a name stands for; raise TypeError if it is none."""
    if isinstance(architecture, str) and architecture in ARCHITECTURES:
        return ARCHITECTURES[architecture]()
    if not hasattr(architecture, "network"):
        raise TypeError(
            f"architecture must be one of {sorted(ARCHITECTURES)} or an instance of an "
            f"architecture such as skae.architectures.Dense, got {architecture!r}."
        )
    return architecture
