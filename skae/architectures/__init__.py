"""Architectures: what is added to the code of one sample, and to its reconstruction.

An architecture is two small classes:

- an ``Architecture`` holds parameters, as every scikit-learn estimator does. ``fit`` validates
  them and calls ``_network(**sizes)``;
- the ``Network`` that this returns has three functions: ``init(rng)`` draws weights,
  ``encode(params, x)`` returns what is added to PCA's code of one sample, and
  ``decode(params, z, mask, linear)`` what is added to its reconstruction ``linear``; ``mask``
  is 1 for the components of ``z`` that are present. It is a frozen dataclass, because it is
  part of the key of a compiled program.

Write for one sample: JAX vectorises. Nothing may couple the samples of a batch. Draw weights
as float32 NumPy arrays. If ``zero_start``, both functions must return zeros at first: the nets
are added to PCA, so that the fit begins there. A complete example:

>>> from dataclasses import dataclass
>>> from numbers import Integral
>>> import jax.numpy as jnp
>>> import numpy as np
>>> from sklearn.utils._param_validation import Interval
>>> from skae.architectures import Architecture, Network
>>> class Sines(Architecture):
...     _parameter_constraints = {"n_waves": [Interval(Integral, 1, None, closed="left")]}
...
...     def __init__(self, n_waves=32):
...         self.n_waves = n_waves
...
...     def _network(self, **sizes):
...         return SinesNetwork(**sizes, n_waves=self.n_waves)
>>> @dataclass(frozen=True)
... class SinesNetwork(Network):
...     n_waves: int
...
...     def init(self, rng):
...         def net(n_in, n_out):
...             shapes = {"waves": (n_in, self.n_waves), "output": (self.n_waves, n_out)}
...             net = {name: rng.normal(size=s) / np.sqrt(s[0]) for name, s in shapes.items()}
...             net["output"] *= not self.zero_start
...             return {name: leaf.astype(np.float32) for name, leaf in net.items()}
...         decoder = net(self.n_read, self.n_outputs)
...         return {"encoder": net(self.n_inputs, self.n_encoded), "decoder": decoder}
...
...     def encode(self, params, x):
...         return jnp.sin(x @ params["encoder"]["waves"]) @ params["encoder"]["output"]
...
...     def decode(self, params, z, mask, linear):
...         waves = jnp.sin(self.read(z, mask) @ params["decoder"]["waves"])
...         return waves @ params["decoder"]["output"]

An instance goes to the estimator:

>>> from sklearn.datasets import load_iris
>>> from skae import AutoencoderTransformer
>>> X = load_iris().data
>>> AutoencoderTransformer(2, architecture=Sines(), max_iter=2).fit_transform(X).shape
(150, 2)

To give it a name, put it in a file of this folder, where ``Architecture`` and ``Network`` come
from ``skae.architectures._network``, and add a line to ``_names.py``. ``Network`` has
``hidden_layer_sizes`` and ``activation`` as fields; ``_layers.py`` makes and applies such
layers, and ``dense.py`` uses them.

Inputs are a sample's principal axes (its columns for ``linear_path=None``), followed by one
indicator for each column if values may be missing. An architecture whose columns have an order,
such as pixels, sets ``in_columns = True`` in both classes: it then gets and returns centred
columns, in the order of the raveled sample.
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
