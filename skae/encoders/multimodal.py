"""Samples of several parts, such as an image and a text: one code of all of them."""

from collections.abc import ItemsView, Iterator, KeysView, Mapping, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import StrOptions

from skae._data.numbers import as_numbers, is_missing, refuse_large
from skae._wrappers import Autoencoder, EncodedAutoencoder, Seed
from skae.architectures import Blocks
from skae.encoders._frames import as_column, library_of, names_of, select, table_of
from skae.encoders.tables import TableEncoder
from skae.losses import Joint


@dataclass(frozen=True)
class Modality:
    """How to read one part of a sample.

    An encoder, if there is one, turns the part into numbers, and an architecture turns these
    into features.

    Parameters
    ----------
    architecture : str or architecture, default="dense"
        What maps the part to features and back, see ``AutoencoderTransformer``.
    encoder : transformer or None, default=None
        Transformer with an ``inverse_transform`` that turns the part into an array of shape
        (n_samples, ...): TokenEncoder, SeriesPadder, ImageResizer, TableEncoder. None takes
        arrays as they are, and encodes DataFrames by a TableEncoder. Resized images come back
        in the fitted size.
    columns : list or None, default=None
        The part's columns, if X is a DataFrame. None takes ``X[name]``.

    See Also
    --------
    MultimodalAutoencoder : Takes one for each part.

    Examples
    --------
    >>> from skae import Modality
    >>> Modality("conv2d").architecture
    'conv2d'
    """

    architecture: Any = "dense"
    encoder: Any = None
    columns: list | None = None


class Samples:
    """A dict of parts that scikit-learn can split into samples.

    ``train_test_split``, ``cross_val_score``, ``GridSearchCV`` and similar functions take
    samples of X by index, which a dict does not allow. Indexing by a string returns a part;
    indexing by indices, a mask or a slice returns the Samples chosen.

    Parameters
    ----------
    parts : dict of {str: array-like}
        The parts by name, each with one entry for each sample: arrays, lists, columns or
        tables.

    Attributes
    ----------
    shape : tuple of int (n_samples, n_parts)
        Number of samples and of parts.

    Raises
    ------
    TypeError
        If ``parts`` is not a dict of named parts.
    ValueError
        If there is no part, or parts have different numbers of samples.

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
    3 samples of word, curve
    >>> X[[3, 0]]["word"]
    ['d', 'a']
    """

    shape: tuple[int, int]

    def __init__(self, parts: Mapping[str, Any]):
        if not isinstance(parts, Mapping) or not all(isinstance(name, str) for name in parts):
            raise TypeError(
                f"Samples are made of a dict of parts by their names, got {parts!r:.80}."
            )
        if not parts:
            raise ValueError("Samples need at least one part, got none.")
        self._parts = {name: _checked_part(name, part) for name, part in parts.items()}
        self.shape = (_common_length(self._parts), len(parts))

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __contains__(self, name: object) -> bool:
        return name in self._parts

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self._parts[key]
        key = key[0] if isinstance(key, tuple) else key  # scikit-learn asks for [indices, ...]
        indices = np.atleast_1d(np.arange(len(self))[key])
        return Samples({n: _safe_indexing(part, indices) for n, part in self._parts.items()})

    def __repr__(self) -> str:
        return f"{len(self)} samples of {', '.join(self)}"

    def keys(self) -> KeysView[str]:
        """Return the names of the parts.

        Returns
        -------
        names : dict_keys
            As of a dict.
        """
        return self._parts.keys()

    def items(self) -> ItemsView[str, Any]:
        """Return the names and the parts.

        Returns
        -------
        items : dict_items
            As of a dict.
        """
        return self._parts.items()


class MultimodalAutoencoder(EncodedAutoencoder):
    """An autoencoder of samples that consist of several parts; missing parts are imputed.

    Each part has its own architecture and its own loss, in units of its loss without a code. A
    joint network fuses their features. The fit starts at PCA of all parts side by side. While
    training, one part is hidden in half of the samples, so that ``impute`` learns to fill
    missing parts from the others.

    Parameters
    ----------
    modalities : dict of {str: Modality or str}
        How to read each part of a sample; a string stands for ``Modality(string)``.
    autoencoder : AutoencoderTransformer, default=None
        The autoencoder to clone and fit, with an architecture and a loss of these modalities;
        its own ``loss`` is that of numbers. None stands for ``AutoencoderTransformer()``.
    fusion : {"features", "codes"}, default="features"
        What the modalities pass to the joint network, see ``skae.architectures.Blocks``.
    random_state : int, RandomState instance or None, default=None
        Seed of the fitted clone. None keeps that of ``autoencoder``.

    Attributes
    ----------
    autoencoder_ : AutoencoderTransformer
        The fitted clone.
    encoder_ : object
        The fitted encoder of the parts.

    See Also
    --------
    Samples : A dict of parts that can be split.
    TableAutoencoder : For tables alone.
    skae.architectures.Blocks : The architecture, for arrays.

    Notes
    -----
    X is a dict of parts by name, or a DataFrame of pandas or polars or a Table of pyarrow whose
    columns are the parts; a column of objects may hold texts or arrays. A part is missing if
    its values are NaN or its entry in a list or an object column is None. It is missing from
    all samples if the dict does not have it.

    To split, cross-validate or search, wrap the dict: ``Samples(X)``. scikit-learn selects
    samples by index; it takes the parts of a plain dict for samples, or raises KeyError.

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

    def __init__(
        self,
        modalities: dict[str, Modality | str],
        autoencoder: Autoencoder = None,
        *,
        fusion: str = "features",
        random_state: Seed = None,
    ):
        self.modalities = modalities
        self.autoencoder = autoencoder
        self.fusion = fusion
        self.random_state = random_state

    def _new_encoder(self):
        return _PartsEncoder(self.modalities)

    def _settings(self, encoder, autoencoder):
        parts, loss = encoder.parts_.values(), autoencoder.loss
        blocks = [(part.modality.architecture, part.shape_) for part in parts]
        losses = [(part.n_columns, part.make_loss(loss)) for part in parts]
        return {"architecture": Blocks(blocks, fusion=self.fusion), "loss": Joint(losses)}


class _PartsEncoder:
    """All parts of samples to arrays side by side, and back."""

    def __init__(self, modalities):
        self.modalities = modalities

    def fit(self, X):
        """Fit the encoder of each part."""
        if not self.modalities:
            raise ValueError("modalities is empty: name at least one part of X.")
        self._from_samples, self._library = isinstance(X, Samples), library_of(X)
        self.parts_ = {}
        for name, modality in self.modalities.items():
            modality = Modality(modality) if isinstance(modality, str) else modality
            _check_modality(name, modality)
            self.parts_[name] = _Part(name, modality).fit(_part_of(X, name, modality))
        return self

    def transform(self, X):
        """Return an array (n_samples, n_columns), NaN if a part is missing."""
        found = {n: _part_of(X, n, part.modality, True) for n, part in self.parts_.items()}
        n_samples = _common_length(found)
        return np.hstack([part.encode(found[n], n_samples) for n, part in self.parts_.items()])

    def inverse_transform(self, X):
        """Return the parts that an array (n_samples, n_columns) stands for."""
        ends = np.cumsum([part.n_columns for part in self.parts_.values()])[:-1]
        blocks = zip(self.parts_.items(), np.split(X, ends, axis=1), strict=True)
        found = {name: part.decode(block) for (name, part), block in blocks}
        if self._from_samples:
            return Samples(found)
        if self._library is None:
            return found
        columns = {}
        for name, part in found.items():
            if library_of(part):
                columns |= {n: part[n] for n in names_of(part)}
            else:
                columns[name] = list(part)
        return table_of(columns, self._library)


class _Part:
    """One part of samples: its encoder, and the shape of an encoded sample."""

    def __init__(self, name, modality):
        self.name, self.modality = name, modality

    def fit(self, part):
        """Fit the encoder on the samples that have the part."""
        encoder = self.modality.encoder
        if encoder is None and library_of(part):
            encoder = TableEncoder()
        part = _observed(part, _which_observed(part))
        if len(part) == 0:
            raise ValueError(
                f"The part {self.name!r} is missing in all samples of X. Leave it out."
            )
        self.encoder_ = None
        if encoder is not None:
            encoder = clone(encoder)
            if hasattr(encoder, "set_output"):  # an array, whatever scikit-learn's settings say
                encoder.set_output(transform="default")
            self.encoder_ = encoder.fit(part)
        array = self._array(part)
        self.flat, self.shape_ = array.ndim == 1, array.shape[1:] or (1,)
        return self

    @property
    def n_columns(self):
        """Number of columns of the encoded part."""
        return int(np.prod(self.shape_))

    def make_loss(self, of_numbers):
        """Return the loss of the part's columns."""
        own = getattr(self.encoder_, "make_loss", None)
        return of_numbers if own is None else own(of_numbers)

    def encode(self, part, n_samples):
        """Return an array (n_samples, n_columns), NaN if the part is missing."""
        encoded = np.full((n_samples, self.n_columns), np.nan)
        observed = np.zeros(n_samples, bool) if part is None else _which_observed(part)
        if not observed.any():
            return encoded
        array = self._array(_observed(part, observed))
        if (array.shape[1:] or (1,)) != self.shape_:
            raise ValueError(
                f"The part {self.name!r} has samples of shape {array.shape[1:]}, but in fit "
                f"they had {self.shape_}."
            )
        encoded[observed] = array.reshape(len(array), -1)
        return encoded

    def decode(self, encoded):
        """Return the part that an array (n_samples, n_columns) stands for."""
        array = encoded.ravel() if self.flat else encoded.reshape(-1, *self.shape_)
        return array if self.encoder_ is None else self.encoder_.inverse_transform(array)

    def _array(self, part):
        """Return a part without missing entries as an array (n_samples, ...) of numbers."""
        if self.encoder_ is not None:
            part = self.encoder_.transform(part)
        if issparse(part):
            raise TypeError(
                f"The encoder of the part {self.name!r} makes sparse matrices, and arrays are "
                "needed. Set its sparse_output=False."
            )
        try:
            numbers = as_numbers(list(part) if _of_objects(part) else part, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"The part {self.name!r} is no array of numbers ({error}). Name an encoder, "
                "such as Modality(encoder=TokenEncoder())."
            ) from error
        refuse_large(numbers, f"X[{self.name!r}]")
        return numbers


def _check_modality(name, modality):
    """Raise TypeError if a modality, its encoder or its columns are of the wrong kind."""
    if not isinstance(modality, Modality):
        raise TypeError(
            "modalities must map names to instances of Modality or names of architectures, "
            f"got {modality!r} for {name!r}."
        )
    encoder, columns = modality.encoder, modality.columns
    methods = ("fit", "transform", "inverse_transform")
    encodes = not isinstance(encoder, type) and all(hasattr(encoder, m) for m in methods)
    if encoder is not None and not encodes:
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
    library_of(part)  # refuses a LazyFrame
    if issparse(part):
        raise TypeError(f"The part {name!r} is sparse, and arrays are needed: .toarray().")
    sized = hasattr(part, "__len__") and getattr(part, "ndim", 1) != 0
    if not sized or isinstance(part, str | bytes | Mapping | Set):
        raise TypeError(
            f"The part {name!r} must have one entry for each sample, got "
            f"{type(part).__name__}. Pass an array, a list, a column or a table."
        )
    return part


def _part_of(X, name, modality, may_be_missing=False):
    """Return a named part of ``X``, or None if it may be missing and is."""
    library, columns = library_of(X), modality.columns
    if library is None and not isinstance(X, Mapping | Samples):
        raise TypeError(
            f"X must be a dict of parts, Samples or a DataFrame, got {type(X).__name__}."
        )
    if columns is not None and library is None:
        raise TypeError(
            f"The part {name!r} has columns, so X must be a DataFrame, got {type(X).__name__}. "
            "Leave columns=None for a dict."
        )
    names = names_of(X) if library else list(X)
    asked = [name] if columns is None else list(columns)
    if not (absent := [key for key in asked if key not in names]):
        part = _checked_part(name, X[name]) if columns is None else select(X, asked)
        return as_column(part)
    if may_be_missing and len(absent) == len(asked):
        return None
    what = f"part {name!r}" if columns is None else f"columns {absent}"
    raise ValueError(f"X has no {what}; its parts are {names}.")


def _of_objects(part):
    return isinstance(part, list | tuple) or str(getattr(part, "dtype", "")) == "object"


def _which_observed(part):
    """Return of each sample (n_samples,) whether it has the part."""
    if hasattr(part, "isna") and not library_of(part):  # a column
        return ~np.asarray(part.isna())
    if (
        np.ma.is_masked(part) and part.dtype.kind not in "biufc"
    ):  # numbers are masked one by one
        return ~np.ma.getmaskarray(part).reshape(len(part), -1).all(axis=1)
    if library_of(part) or not _of_objects(part):
        return np.ones(len(part), bool)
    return np.array([not is_missing(entry) for entry in part], bool)


def _observed(part, observed):
    """Return the entries of the samples that have the part."""
    if observed.all():
        return part
    return [entry for entry, kept in zip(part, observed, strict=True) if kept]
