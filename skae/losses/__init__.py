"""Losses: how far an output is from its target, for each value.

A loss is a function ``(target, output) -> losses`` of arrays ``(..., n_features)``. It takes
NumPy's arrays and JAX's (functions come from ``output.__array_namespace__()``), is 0 if both
are equal, and positive otherwise; small differences must not cancel in float32. ``loss``
accepts any such function. A ``Loss`` adds what a function does not know:

- ``output_activation``, the range that outputs keep, from ``skae.losses._ranges``. With one,
  target and output are in units of X. Without one they are in scaled units (parameter
  ``scaling``), and the estimator's ``output_activation`` chooses the range;
- ``_check(X)``, which raises ValueError if values of X are outside of the loss's domain;
- ``_draw(output, residual, rng)``, which draws values around reconstructions.

It is part of the key of a compiled program. Make it a frozen dataclass, so that equal losses
share one. The pinball loss, whose optimum is a quantile:

>>> from dataclasses import dataclass
>>> from sklearn.datasets import load_iris
>>> from skae import AutoencoderTransformer
>>> from skae.losses import Loss
>>> @dataclass(frozen=True)
... class Pinball(Loss):
...     level: float = 0.5
...
...     def __call__(self, target, output):
...         error = target - output
...         return (self.level - (error < 0)) * error
>>> X = load_iris().data
>>> AutoencoderTransformer(2, loss=Pinball(0.9), max_iter=2).fit_transform(X).shape
(150, 2)

To give it a name, put it in ``_losses.py`` and add a line to ``LOSSES``.
"""

from skae.losses._joint import Joint
from skae.losses._losses import (
    LOSSES,
    AbsoluteError,
    BinaryCrossEntropy,
    Categorical,
    Huber,
    Loss,
    Poisson,
    SquaredError,
)
from skae.losses._losses import find_loss as find_loss

__all__ = [
    "LOSSES",
    "AbsoluteError",
    "BinaryCrossEntropy",
    "Categorical",
    "Huber",
    "Joint",
    "Loss",
    "Poisson",
    "SquaredError",
]
