"""Samples that are several things at once, such as an image and a text: one code of all."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.utils._param_validation import StrOptions

from skae._meta import EncodedAutoencoder
from skae._numbers import is_frame, unmasked
from skae.architectures import Blocks
from skae.losses import Joint
from skae.tables import TableEncoder


@dataclass(frozen=True)
class Modality:
    """How one part of a sample is read.

    An encoder makes numbers of it where it is none, and an architecture features of these.

    Parameters
    ----------
    architecture : str or architecture, default="dense"
        What maps the part to features and back, see ``AutoencoderTransformer``.
    encoder : transformer or None, default=None
        What makes an array of shape (n_samples, ...) of the part, and has an
        ``inverse_transform``: TokenEncoder, SeriesPadder, ImageResizer, TableEncoder. None
        takes arrays as they are, and a TableEncoder for DataFrames. Images that were resized
        come back in the fitted size.
    columns : list or None, default=None
        The part's columns, where X is a DataFrame; None takes ``X[name]``.

    See Also
    --------
    MultimodalAutoencoder : Takes one for each part.

    Examples
    --------
    >>> from skae import Modality
    >>> Modality("conv2d").architecture
    'conv2d'
    """

    architecture: object = "dense"
    encoder: object = None
    columns: object = None


class MultimodalAutoencoder(EncodedAutoencoder):
    """One code of samples that are several things at once; what is missing is filled.

    Each modality has its own architecture, and its own loss, in units of what is known without
    a code; what they find is fused by a joint trunk. The fit begins at PCA of all modalities
    beside each other. In half of the rows one of them is hidden while training, so that
    ``impute`` fills modalities that are missing from those that are there.

    Parameters
    ----------
    modalities : dict of {str: Modality or str}
        How each part of a sample is read; a name stands for ``Modality(name)``.
    autoencoder : AutoencoderTransformer, default=None
        What is cloned and fitted, with an architecture and a loss of these modalities; its own
        ``loss`` is that of numbers. None is ``AutoencoderTransformer()``.
    fusion : {"features", "codes"}, default="features"
        What the modalities hand to the joint trunk, see ``skae.architectures.Blocks``.
    random_state : int, RandomState instance or None, default=None
        Seed of the fitted clone; None leaves it the one that ``autoencoder`` has.

    Attributes
    ----------
    autoencoder_ : AutoencoderTransformer
        The fitted clone.
    encoder_ : object
        What makes rows of the parts and parts of the rows.

    See Also
    --------
    TableAutoencoder : For tables alone.
    skae.architectures.Blocks : The architecture, for arrays.

    Notes
    -----
    X is a dict of the parts by name, or a pandas DataFrame whose columns they are; a column of
    objects may hold texts or arrays, so that rows can be taken for a search. A part is missing
    where its cells are NaN, where an entry of a list or an object column is None, or, from all
    samples, where the dict has no such part. Missing modalities come back filled.

    Examples
    --------
    >>> import numpy as np
    >>> from skae import AutoencoderTransformer, Modality, MultimodalAutoencoder, TokenEncoder
    >>> t = np.linspace(-1, 1, 40)
    >>> X = {"sign": np.where(t > 0, "yes", "no").tolist(), "curve": np.outer(t, [1, 2, 3])}
    >>> modalities = {"sign": Modality(encoder=TokenEncoder()), "curve": "dense"}
    >>> ae = AutoencoderTransformer(2, hidden_layer_sizes=(16,), max_iter=40)
    >>> ae = MultimodalAutoencoder(modalities, ae, random_state=0).fit(X)
    >>> ae.impute({"curve": [[0.9, 1.8, 2.7]]})["sign"].tolist()
    ['yes']
    """

    _parameter_constraints = {
        **EncodedAutoencoder._parameter_constraints,
        "modalities": [dict],
        "fusion": [StrOptions({"features", "codes"})],
    }

    def __init__(self, modalities, autoencoder=None, *, fusion="features", random_state=None):
        self.modalities = modalities
        self.autoencoder = autoencoder
        self.fusion = fusion
        self.random_state = random_state

    def _new_encoder(self):
        return _Stacker(self.modalities)

    def _settings(self, encoder, autoencoder):
        loss = autoencoder.loss
        blocks = [(part.architecture, part.shape_) for part in encoder.parts_.values()]
        parts = [(part.n_columns, part.make_loss(loss)) for part in encoder.parts_.values()]
        return {"architecture": Blocks(blocks, fusion=self.fusion), "loss": Joint(parts)}


class _Stacker:
    """Parts of samples beside each other as rows, and back."""

    def __init__(self, modalities):
        self.modalities = modalities

    def fit(self, X):
        """Fit the encoders of the parts."""
        if not self.modalities:
            raise ValueError("modalities is empty: name at least one part of X.")
        self._is_frame = is_frame(X)
        self.parts_ = {}
        for name, modality in self.modalities.items():
            modality = Modality(modality) if isinstance(modality, str) else modality
            if not isinstance(modality, Modality):
                raise TypeError(
                    "modalities must map names to instances of Modality or names of "
                    f"architectures, got {modality!r} for {name!r}."
                )
            self.parts_[name] = _Part(name, modality).fit(_part_of(X, name, modality))
        return self

    def transform(self, X):
        """Return rows (n_samples, n_columns), NaN where a part is missing."""
        found = {n: _part_of(X, n, part.modality, True) for n, part in self.parts_.items()}
        lengths = {name: len(part) for name, part in found.items() if part is not None}
        if len(set(lengths.values())) != 1:
            raise ValueError(
                f"The parts of X must have the same number of samples, got {lengths}."
            )
        n_samples = next(iter(lengths.values()))
        return np.hstack([part.encode(found[n], n_samples) for n, part in self.parts_.items()])

    def inverse_transform(self, X):
        """Return the parts of samples that rows (n_samples, n_columns) stand for."""
        ends = np.cumsum([part.n_columns for part in self.parts_.values()])[:-1]
        blocks = np.split(X, ends, axis=1)
        pairs = zip(self.parts_.items(), blocks, strict=True)
        found = {name: part.decode(block) for (name, part), block in pairs}
        return _as_frame(found) if self._is_frame else found


class _Part:
    """One part of samples: its encoder, and the shape of what that makes."""

    def __init__(self, name, modality):
        self.name, self.modality, self.architecture = name, modality, modality.architecture

    def fit(self, part):
        """Fit the encoder on the samples of which the part is there."""
        encoder = self.modality.encoder
        if encoder is None and is_frame(part):
            encoder = TableEncoder()
        known = _known(part)
        if len(known) == 0:
            raise ValueError(
                f"The part {self.name!r} is missing in all samples of X. Leave it out."
            )
        self.encoder_ = None
        if encoder is not None:
            self.encoder_ = _plain_output(clone(encoder)).fit(known)
        array = self._array(known)
        self.is_flat, self.shape_ = array.ndim == 1, array.shape[1:] or (1,)
        return self

    @property
    def n_columns(self):
        """Columns of the part in a row."""
        return int(np.prod(self.shape_))

    def make_loss(self, of_numbers):
        """Return the loss of the part's columns."""
        own = getattr(self.encoder_, "make_loss", None)
        return of_numbers if own is None else own(of_numbers)

    def encode(self, part, n_samples):
        """Return rows (n_samples, n_columns), NaN where the part is missing."""
        rows = np.full((n_samples, self.n_columns), np.nan)
        there = np.zeros(n_samples, bool) if part is None else _is_there(part)
        if not there.any():
            return rows
        array = self._array(_known(part))
        if (array.shape[1:] or (1,)) != self.shape_:
            raise ValueError(
                f"The part {self.name!r} has samples of shape {array.shape[1:]}, but in fit "
                f"they had {self.shape_}."
            )
        rows[there] = array.reshape(len(array), -1)
        return rows

    def decode(self, rows):
        """Return the part that ``rows`` (n_samples, n_columns) stand for."""
        array = rows.ravel() if self.is_flat else rows.reshape(len(rows), *self.shape_)
        return array if self.encoder_ is None else self.encoder_.inverse_transform(array)

    def _array(self, part):
        """Return the part of samples that have it as an array (n_samples, ...) of numbers."""
        if self.encoder_ is not None:
            part = self.encoder_.transform(part)
        if issparse(part):
            raise TypeError(
                f"The encoder of the part {self.name!r} makes sparse matrices, and arrays are "
                "needed. Set its sparse_output=False."
            )
        try:
            part = list(part) if _is_object(part) else part
            return unmasked(part if np.ma.isMaskedArray(part) else np.asarray(part, np.float64))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"The part {self.name!r} is no array of numbers ({error}). Name an encoder, "
                "such as Modality(encoder=TokenEncoder())."
            ) from error


def _part_of(X, name, modality, may_be_missing=False):
    """Return a named part of ``X``, or None where it may be missing and is."""
    if not (isinstance(X, dict) or is_frame(X)):
        raise TypeError(
            f"X must be a dict of parts or a pandas DataFrame, got {type(X).__name__}."
        )
    asked = [name] if modality.columns is None else list(modality.columns)
    if modality.columns is not None and not is_frame(X):
        raise TypeError(
            f"The part {name!r} has columns, so X must be a pandas DataFrame, got "
            f"{type(X).__name__}. Leave columns=None for a dict."
        )
    if not (absent := [key for key in asked if key not in X]):
        return X[name] if modality.columns is None else X[asked]
    if may_be_missing and len(absent) == len(asked):
        return None
    what = f"part {name!r}" if modality.columns is None else f"columns {absent}"
    raise ValueError(f"X has no {what}; its parts are {list(X)}.")


def _plain_output(encoder):
    """Return ``encoder``, told to return arrays whatever scikit-learn's configuration says."""
    return (
        encoder.set_output(transform="default") if hasattr(encoder, "set_output") else encoder
    )


def _is_object(part):
    return isinstance(part, list | tuple) or str(getattr(part, "dtype", "")) == "object"


def _is_there(part):
    """Say of each sample (n_samples,) whether the part is there."""
    if is_frame(part):
        return np.ones(len(part), bool)
    if hasattr(part, "isna"):  # a column
        return ~np.asarray(part.isna())
    if not _is_object(part):
        return np.ones(len(part), bool)
    return np.array([not _is_nothing(entry) for entry in part], bool)


def _is_nothing(entry):
    is_nan = isinstance(entry, float | np.floating) and np.isnan(entry)
    return entry is None or is_nan or type(entry).__name__ == "NAType"


def _known(part):
    """Return the part of the samples that have it."""
    there = _is_there(part)
    if there.all():
        return part
    return [entry for entry, is_there in zip(part, there, strict=True) if is_there]


def _as_frame(parts):
    """Return the parts as a DataFrame: tables by their columns, others as object columns."""
    import pandas as pd

    tables = (
        part if is_frame(part) else pd.DataFrame({name: list(part)})
        for name, part in parts.items()
    )
    return pd.concat(list(tables), axis=1)
