"""Architectures: how one sample becomes a code, and a code a sample.

An architecture is two small classes in one file of this folder, and one line in ``_names.py``.

- A *holder*: an ``Architecture`` (a ``sklearn.base.BaseEstimator``) whose constructor only
  assigns, with ``_parameter_constraints`` in scikit-learn's form, ``layer_sizes`` (the trunk's
  widths by default) and a method ``network(**sizes)``, called by ``fit``.
- A *network*, which that method returns: a ``Network`` (a frozen dataclass, hashable: it is a
  static argument of compiled programs) with ``init(rng)`` (a pytree of NumPy arrays under the
  keys "encoder" and "decoder"), ``encode(params, x)``, which returns ``n_encoded`` numbers
  (the code, and of a variational one as many log variances), and ``decode(params, z, mask,
  linear)``, both for one sample; ``linear`` is PCA's part of the reconstruction, centred. With
  ``zero_start`` both functions return zeros for fresh weights, which is what makes the fit
  begin at PCA.

A sample reaches the network in the principal axes of the training rows (in its own columns for
``linear_path=None``), and leaves it in the same, or in columns for the logistic link. Dense
layers do not mind; an architecture that needs neighbouring columns beside each other says
``in_columns`` and gets and gives centred columns, in the order of the raveled sample.
"""

from skae.architectures._names import ARCHITECTURES
from skae.architectures._network import Architecture, Network
from skae.architectures.blocks import Blocks
from skae.architectures.conv import Conv1d, Conv2d
from skae.architectures.dense import Dense
from skae.architectures.recurrent import Recurrent

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "Blocks",
    "Conv1d",
    "Conv2d",
    "Dense",
    "Network",
    "Recurrent",
]
