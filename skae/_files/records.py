"""What a file may hold: a closed list of records by name, and how each is taken apart.

Names are those of the format: they stay if a class moves.
"""

import dataclasses
import inspect
import re
from typing import Any, NamedTuple

from skae._data.rows import Scaling
from skae._estimator.autoencoder import AutoencoderTransformer
from skae._estimator.fitted import FittedAutoencoder
from skae._estimator.sampling import CodeDensity, Prior
from skae._estimator.streaming import Stream
from skae._net.inference import Model
from skae._net.objective import Autoencoder
from skae._pca.axes import Axes, Filler
from skae._pca.path import LinearPath
from skae._pca.reduction import Reduction
from skae._train.loop import Pause, RunState
from skae.architectures import Blocks, Conv1d, Conv2d, Dense, Recurrent
from skae.architectures._network import Grid
from skae.architectures.blocks import _BlocksNetwork
from skae.architectures.conv import _ConvNetwork
from skae.architectures.dense import _DenseNetwork
from skae.architectures.recurrent import _RecurrentNetwork
from skae.encoders.images import ImageResizer
from skae.encoders.multimodal import Modality, MultimodalAutoencoder, _Part, _PartsEncoder
from skae.encoders.series import SeriesPadder
from skae.encoders.tables import TableAutoencoder, TableEncoder
from skae.encoders.text import TokenEncoder
from skae.impute import AutoencoderImputer
from skae.losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    Categorical,
    Huber,
    Joint,
    Poisson,
    SquaredError,
    _ranges,
)
from skae.outliers import AutoencoderOutlierDetector


class Record(NamedTuple):
    """A class whose instances are their fields: ``names``, and those that are ``optional``."""

    kind: type
    names: tuple[str, ...]
    optional: frozenset[str]

    def make(self, fields: dict[str, Any]) -> Any:
        """Return an instance with these fields; ValueError if they are not those it has."""
        unknown = fields.keys() - set(self.names)
        missing = set(self.names) - fields.keys() - self.optional
        if unknown or missing:
            raise ValueError(
                f"a {self.kind.__name__} has unknown fields {sorted(unknown)}, and lacks "
                f"{sorted(missing)}"
            )
        if self.kind in PLAIN_CLASSES:
            made: Any = object.__new__(self.kind)
            vars(made).update(fields)
        else:
            made = self.kind(**fields)
        if hasattr(made, "check_sizes"):
            made.check_sizes()
        return made


PLAIN_CLASSES = {  # instances of these are their attributes; unfitted ones have only the first
    _PartsEncoder: (("modalities",), ("_from_samples", "_library", "parts_")),
    _Part: (("name", "modality", "encoder_", "flat", "shape_"), ()),
}
CLASSES: dict[str, type] = {
    **{
        kind.__name__: kind
        for kind in (
            Autoencoder,
            Axes,
            CodeDensity,
            Filler,
            FittedAutoencoder,
            Grid,
            LinearPath,
            Modality,
            Model,
            Pause,
            Prior,
            Reduction,
            RunState,
            Scaling,
            Stream,
        )
    },
    **{
        f"losses.{kind.__name__}": kind
        for kind in (
            AbsoluteError,
            BinaryCrossEntropy,
            Categorical,
            Huber,
            Joint,
            Poisson,
            SquaredError,
        )
    },
    **{
        f"ranges.{kind.__name__}": kind
        for kind in (
            _ranges.Identity,
            _ranges.Joint,
            _ranges.Logistic,
            _ranges.Positive,
            _ranges.Rectified,
            _ranges.Softmax,
        )
    },
    "networks.Blocks": _BlocksNetwork,
    "networks.Conv": _ConvNetwork,
    "networks.Dense": _DenseNetwork,
    "networks.Recurrent": _RecurrentNetwork,
    "Part": _Part,
    "PartsEncoder": _PartsEncoder,
}
ESTIMATORS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        AutoencoderImputer,
        AutoencoderOutlierDetector,
        AutoencoderTransformer,
        Blocks,
        Conv1d,
        Conv2d,
        Dense,
        ImageResizer,
        MultimodalAutoencoder,
        Recurrent,
        SeriesPadder,
        TableAutoencoder,
        TableEncoder,
        TokenEncoder,
    )
}
SPLITTERS = {  # of sklearn.model_selection, which is imported when a file holds one
    "GroupKFold",
    "GroupShuffleSplit",
    "KFold",
    "LeaveOneGroupOut",
    "LeaveOneOut",
    "LeavePGroupsOut",
    "LeavePOut",
    "PredefinedSplit",
    "ShuffleSplit",
    "StratifiedGroupKFold",
    "StratifiedKFold",
    "StratifiedShuffleSplit",
    "TimeSeriesSplit",
}
PRIVATE = {  # attributes of estimators; public ones end with "_"
    "_fit_X",
    "_fitted",
    "_from_table",
    "_limits",
    "_mean_errors",
    "_n_features",
    "_precomputed",
    "_schema",
    "_sklearn_output_config",
}
PUBLIC = re.compile(r"[a-zA-Z]\w*_")  # what fitted attributes are called
LEFT_OUT = {"_metadata_request", "_skl_callbacks"}  # the first one is a part of its own


def _record(kind: type) -> Record:
    if kind in PLAIN_CLASSES:
        always, later = PLAIN_CLASSES[kind]
        return Record(kind, (*always, *later), frozenset(later))
    if dataclasses.is_dataclass(kind):
        fields = dataclasses.fields(kind)
        has_default = (f.name for f in fields if f.default is not dataclasses.MISSING)
        return Record(kind, tuple(f.name for f in fields), frozenset(has_default))
    if hasattr(kind, "_fields"):
        defaults = kind._field_defaults  # type: ignore[attr-defined]
        return Record(kind, kind._fields, frozenset(defaults))
    return Record(kind, OWN_FIELDS[kind], frozenset())


OWN_FIELDS: dict[type, tuple[str, ...]] = {CodeDensity: ("codes", "seed"), Prior: ("scale",)}
RECORDS = {name: _record(kind) for name, kind in CLASSES.items()}
NAME_OF = {kind: name for name, kind in CLASSES.items()}


def is_attribute(kind: type, name: str) -> bool:
    """Say whether a file may hold an attribute of this ``name`` of an estimator."""
    if name in PRIVATE:
        return True
    return bool(PUBLIC.fullmatch(name)) and not hasattr(kind, name)


def is_computed(kind: type, name: str) -> bool:
    """Say whether an estimator computes this attribute now, which it kept in earlier files."""
    found = inspect.getattr_static(kind, name, None)
    return bool(PUBLIC.fullmatch(name)) and hasattr(found, "__get__") and not callable(found)


def estimator_class(name: str) -> type | None:
    """Return the class of an estimator by its name in files, None if there is none."""
    if name == "MissingIndicator":
        from sklearn.impute import MissingIndicator  # slow to import

        return MissingIndicator
    return ESTIMATORS.get(name)


def splitter_class(name: str) -> type | None:
    """Return the class of a splitter of scikit-learn by its name, None if there is none."""
    if name not in SPLITTERS:
        return None
    from sklearn import model_selection  # slow to import

    return getattr(model_selection, name)


def parameter_names(kind: type) -> list[str]:
    """Return the names of the parameters of an estimator or a splitter."""
    return sorted(inspect.signature(kind).parameters)
