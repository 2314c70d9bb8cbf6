"""What each parameter of ``AutoencoderTransformer`` may be, in scikit-learn's terms."""

from numbers import Integral, Real
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import HasMethods, RealNotInt, StrOptions

from skae._data.parameters import LARGEST, Number, Sequence
from skae._net.corruptions import CORRUPTIONS
from skae._net.objective import CODE_ACTIVATIONS
from skae._train.optimizers import OPTIMIZERS, SCHEDULES
from skae.architectures import ARCHITECTURES
from skae.architectures._layers import ACTIVATIONS
from skae.losses import LOSSES
from skae.losses._ranges import OUTPUT_ACTIVATIONS

HEAVIEST = 1e9  # weight of a penalty, whose gradient's square float32 can hold
PARAMETER_CONSTRAINTS: dict[str, list[Any]] = {
    "n_components": [
        Number(Integral, 1, None, closed="left"),
        Number(RealNotInt, 0, 1, closed="neither"),
        None,
    ],
    "whiten": ["boolean"],
    "hidden_layer_sizes": [
        StrOptions({"auto"}),
        Sequence("whole numbers", "(16,) for one hidden layer"),
    ],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "architecture": [StrOptions(set(ARCHITECTURES)), BaseEstimator],
    "sample_shape": [Sequence("whole numbers", "(28, 28)"), None],
    "linear_path": [StrOptions({"pca"}), None],
    "ordered": ["boolean"],
    "scaling": [StrOptions({"global", "standard"}), None],
    "loss": [StrOptions(set(LOSSES)), callable],
    "output_activation": [StrOptions({"auto", "clip"} | set(OUTPUT_ACTIVATIONS))],
    "code_activation": [StrOptions(set(CODE_ACTIVATIONS))],
    "corruption": [StrOptions(set(CORRUPTIONS)), callable, None],
    "corruption_level": [Number(Real, 0, LARGEST, closed="both")],
    "augmentation": [callable, None],
    "n_nonzero_coefs": [Number(Integral, 1, None, closed="left"), None],
    "sparsity": [Number(Real, 0, HEAVIEST, closed="both")],
    "contraction": [Number(Real, 0, HEAVIEST, closed="both")],
    "kl_weight": [Number(Real, 0, HEAVIEST, closed="both")],
    "weight_decay": [StrOptions({"auto"}), Number(Real, 0, LARGEST, closed="both")],
    "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
    "learning_rate": [StrOptions({"auto"}), Number(Real, 0, LARGEST, closed="right")],
    "learning_rate_schedule": [StrOptions(set(SCHEDULES)), callable],
    "n_init": [Number(Integral, 1, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Number(Integral, 1, None, closed="left")],
    "max_iter": [
        StrOptions({"auto"}),
        Number(RealNotInt, 0, 1, closed="neither"),
        Number(Integral, 1, None, closed="left"),
    ],
    "tol": [Number(Real, 0, None, closed="left")],
    "n_iter_no_change": [
        StrOptions({"auto"}),
        Number(Integral, 1, None, closed="left"),
        None,
    ],
    "warm_start": ["boolean"],
    "cv": [
        StrOptions({"auto"}),
        Number(RealNotInt, 0, 1, closed="neither"),
        Number(Integral, 2, None, closed="left"),
        HasMethods(["split", "get_n_splits"]),
        list,
        None,
    ],
    "class_weight": [StrOptions({"balanced"}), dict, None],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
    "device": [str, None],
}
SAMPLE_CONSTRAINTS = {
    "n_samples": [Number(Integral, 1, None, closed="left")],
    "random_state": ["random_state"],
    "noise": ["boolean"],
}
