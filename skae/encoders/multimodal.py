"""Samples that are several things at once, such as an image and a text: one code of all."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import StrOptions

from skae._data.numbers import as_numbers, is_missing, refuse_large
from skae._wrappers import EncodedAutoencoder
from skae.architectures import Blocks
from skae.encoders._frames import as_column, beside, is_column, library_of, names_of, selected
from skae.encoders.tables import TableEncoder
from skae.losses import Joint


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


class Samples:
    """Samples of several parts that scikit-learn can split: a dict of parts that has rows.

    ``train_test_split``, ``cross_val_score``, ``GridSearchCV`` and their like take rows of X by
    their numbers, which a dict has not. With a string it gives a part, with row numbers, a
    mask or a slice the Samples of those rows.

    Parameters
    ----------
    parts : dict of {str: array-like}
        The parts by their names, each with one entry for each sample: arrays, lists, columns or
        tables.

    Attributes
    ----------
    shape : tuple of int (n_samples, n_parts)
        How many samples and parts there are.

    Raises
    ------
    TypeError
        For anything but a dict of named parts.
    ValueError
        For parts of different numbers of samples, or none.

    See Also
    --------
    MultimodalAutoencoder : Takes them as it takes a dict.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import train_test_split
    >>> from skae import Samples
    >>> X = Samples({"word": ["a", "b", "c", "d"], "curve": np.eye(4)})
    >>> train, test = train_test_split(X, test_size=0.25, random_state=0)
    >>> train
    Samples of 3 rows: word, curve
    >>> X[[3, 0]]["word"]
    ['d', 'a']
    """

    def __init__(self, parts):
        if not isinstance(parts, Mapping) or not all(isinstance(name, str) for name in parts):
            raise TypeError(
                f"Samples are made of a dict of parts by their names, got {parts!r:.80}."
            )
        if not parts:
            raise ValueError("Samples need at least one part, got none.")
        self._parts = {name: _checked_part(name, part) for name, part in parts.items()}
        self.shape = (_common_length(self._parts), len(parts))

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, key):
        if isinstance(key, str):
            return self._parts[key]
        key = key[0] if isinstance(key, tuple) else key  # scikit-learn asks for [rows, ...]
        rows = np.atleast_1d(np.arange(len(self))[key])
        return Samples({name: _safe_indexing(part, rows) for name, part in self.items()})

    def __contains__(self, name):
        return name in self._parts

    def __iter__(self):
        return iter(self._parts)

    def __repr__(self):
        return f"Samples of {len(self)} rows: {', '.join(self)}"

    def keys(self):
        """Return the names of the parts.

        Returns
        -------
        names : dict_keys
            As of a dict.
        """
        return self._parts.keys()

    def items(self):
        """Return the names and the parts.

        Returns
        -------
        items : dict_items
            As of a dict.
        """
        return self._parts.items()


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
    Samples : A dict of parts that can be split.
    TableAutoencoder : For tables alone.
    skae.architectures.Blocks : The architecture, for arrays.

    Notes
    -----
    X is a dict of the parts by name, or a DataFrame of pandas or polars or a Table of pyarrow
    whose columns they are; a column of objects may hold texts or arrays. A part is missing
    where its cells are NaN, where an entry of a list or an object column is None, or, from all
    samples, where the dict has no such part. Missing modalities come back filled.

    To split, cross-validate or search, wrap the dict: ``Samples(X)``. scikit-learn takes rows
    of X by their numbers: of a plain dict it counts the parts as samples, or raises KeyError.

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
        self._is_samples, self._library = isinstance(X, Samples), library_of(X)
        self.parts_ = {}
        for name, modality in self.modalities.items():
            modality = Modality(modality) if isinstance(modality, str) else modality
            if not isinstance(modality, Modality):
                raise TypeError(
                    "modalities must map names to instances of Modality or names of "
                    f"architectures, got {modality!r} for {name!r}."
                )
            _check_modality(name, modality)
            self.parts_[name] = _Part(name, modality).fit(_part_of(X, name, modality))
        return self

    def transform(self, X):
        """Return rows (n_samples, n_columns), NaN where a part is missing."""
        found = {n: _part_of(X, n, part.modality, True) for n, part in self.parts_.items()}
        n_samples = _common_length(found)
        return np.hstack([part.encode(found[n], n_samples) for n, part in self.parts_.items()])

    def inverse_transform(self, X):
        """Return the parts of samples that rows (n_samples, n_columns) stand for."""
        ends = np.cumsum([part.n_columns for part in self.parts_.values()])[:-1]
        blocks = np.split(X, ends, axis=1)
        pairs = zip(self.parts_.items(), blocks, strict=True)
        found = {name: part.decode(block) for (name, part), block in pairs}
        if self._is_samples:
            return Samples(found)
        return found if self._library is None else _as_table(found, self._library)


class _Part:
    """One part of samples: its encoder, and the shape of what that makes."""

    def __init__(self, name, modality):
        self.name, self.modality, self.architecture = name, modality, modality.architecture

    def fit(self, part):
        """Fit the encoder on the samples of which the part is there."""
        encoder = self.modality.encoder
        if encoder is None and library_of(part):
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
            numbers = as_numbers(list(part) if _is_object(part) else part, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"The part {self.name!r} is no array of numbers ({error}). Name an encoder, "
                "such as Modality(encoder=TokenEncoder())."
            ) from error
        refuse_large(numbers, f"X[{self.name!r}]")
        return numbers


def _check_modality(name, modality):
    """Raise TypeError where an encoder is none, or columns are no list."""
    encoder, columns = modality.encoder, modality.columns
    methods = ("fit", "transform", "inverse_transform")
    is_encoder = not isinstance(encoder, type) and all(hasattr(encoder, m) for m in methods)
    if encoder is not None and not is_encoder:
        raise TypeError(
            f"The encoder of the part {name!r} must be an instance with {', '.join(methods)}, "
            f"or None, got {encoder!r}."
        )
    if columns is not None and not isinstance(columns, list | tuple | np.ndarray):
        raise TypeError(
            f"The columns of the part {name!r} must be a list of names, or None, got "
            f"{columns!r}."
        )


def _common_length(parts):
    """Return the number of samples of parts that are not None, or raise ValueError."""
    lengths = {name: len(part) for name, part in parts.items() if part is not None}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"The parts of X must have the same number of samples, got {lengths}.")
    return next(iter(lengths.values()))


def _checked_part(name, part):
    """Return a part that has one entry for each sample, or raise TypeError."""
    library_of(part)  # refuses what has to be collected first
    if issparse(part):
        raise TypeError(f"The part {name!r} is sparse, and arrays are needed: .toarray().")
    is_sequence = hasattr(part, "__len__") and getattr(part, "ndim", 1) != 0
    if not is_sequence or isinstance(part, str | bytes | Mapping | Set):
        raise TypeError(
            f"The part {name!r} must have one entry for each sample, got "
            f"{type(part).__name__}. Pass an array, a list, a column or a table."
        )
    return part


def _part_of(X, name, modality, may_be_missing=False):
    """Return a named part of ``X``, or None where it may be missing and is."""
    library = library_of(X)
    if library is None and not isinstance(X, Mapping | Samples):
        raise TypeError(
            f"X must be a dict of parts, Samples or a DataFrame, got {type(X).__name__}."
        )
    asked = [name] if modality.columns is None else list(modality.columns)
    if modality.columns is not None and library is None:
        raise TypeError(
            f"The part {name!r} has columns, so X must be a DataFrame, got {type(X).__name__}. "
            "Leave columns=None for a dict."
        )
    names = names_of(X) if library else list(X)
    if not (absent := [key for key in asked if key not in names]):
        part = _checked_part(name, X[name]) if modality.columns is None else selected(X, asked)
        return as_column(part) if is_column(part) else part
    if may_be_missing and len(absent) == len(asked):
        return None
    what = f"part {name!r}" if modality.columns is None else f"columns {absent}"
    raise ValueError(f"X has no {what}; its parts are {names}.")


def _plain_output(encoder):
    """Return ``encoder``, told to return arrays whatever scikit-learn's configuration says."""
    return (
        encoder.set_output(transform="default") if hasattr(encoder, "set_output") else encoder
    )


def _is_object(part):
    return isinstance(part, list | tuple) or str(getattr(part, "dtype", "")) == "object"


def _is_there(part):
    """Say of each sample (n_samples,) whether the part is there."""
    if library_of(part):
        return np.ones(len(part), bool)
    if hasattr(part, "isna"):  # a column
        return ~np.asarray(part.isna())
    if np.ma.is_masked(part) and part.dtype.kind not in "biufc":  # of numbers it is cells
        return ~np.ma.getmaskarray(part).reshape(len(part), -1).all(axis=1)
    if not _is_object(part):
        return np.ones(len(part), bool)
    return np.array([not is_missing(entry) for entry in part], bool)


def _known(part):
    """Return the part of the samples that have it."""
    there = _is_there(part)
    if there.all():
        return part
    return [entry for entry, is_there in zip(part, there, strict=True) if is_there]


def _as_table(parts, library):
    """Return the parts as one table: tables by their columns, others as a column of entries."""
    columns = {}
    for name, part in parts.items():
        own = names_of(part) if library_of(part) else []
        columns |= {key: part[key] for key in own} if own else {name: list(part)}
    return beside(columns, library)
