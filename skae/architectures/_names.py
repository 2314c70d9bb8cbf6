"""The architectures that have a name, and what a name or an instance stands for."""

from skae.architectures.conv import Conv1d, Conv2d
from skae.architectures.dense import Dense
from skae.architectures.recurrent import Recurrent

ARCHITECTURES = {"dense": Dense, "conv1d": Conv1d, "conv2d": Conv2d, "recurrent": Recurrent}


def find_architecture(architecture):
    """Return the architecture that a name stands for; an instance stays itself.

    Raises TypeError for anything else.
    """
    if isinstance(architecture, str) and architecture in ARCHITECTURES:
        return ARCHITECTURES[architecture]()
    if not hasattr(architecture, "network"):
        raise TypeError(
            f"architecture must be one of {sorted(ARCHITECTURES)} or an instance of an "
            f"architecture such as skae.architectures.Dense, got {architecture!r}."
        )
    return architecture
