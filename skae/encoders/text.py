"""Strings to sequences of one-hot tokens and back, exactly."""

import re
from collections import Counter
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from skae._data.checks import as_samples, entries_of, refuse_size
from skae._data.numbers import as_numbers
from skae._parameters import Number
from skae.losses import Categorical

END = ""  # the token after the last one of a text
UNKNOWN = "\N{REPLACEMENT CHARACTER}"
WORDS = re.compile(r"\w+|\W", flags=re.DOTALL)  # and every character between them


class TokenEncoder(TransformerMixin, BaseEstimator):
    """Texts to one-hot sequences of characters or words; the way back is exact.

    Every text becomes a sample of shape (length, n_tokens), in which each row holds a single 1:
    what an ``AutoencoderTransformer`` with ``architecture="recurrent"`` and
    ``loss="categorical"`` learns from. Shorter texts are filled up with the token for the end.

    Parameters
    ----------
    analyzer : {"char", "word"}, default="char"
        What a token is: one character; or one word, or one character between words.
    length : int or None, default=None
        Tokens in a sample; None takes those of the longest text in ``fit``.
    max_tokens : int or None, default=None
        How many tokens of ``fit`` are kept, the most frequent ones; None keeps all. The others
        are unknown, which wants ``handle_unknown="replace"``.
    handle_unknown : {"error", "replace"}, default="error"
        What is done with tokens that are not in the vocabulary: "replace" makes one token of
        all of them, of which the way back makes the replacement character U+FFFD.

    Attributes
    ----------
    tokens_ : ndarray of str objects of shape (n_tokens,)
        The vocabulary: the empty string for the end, U+FFFD where unknown tokens are replaced,
        then the tokens of ``fit`` in the order of their characters.
    length_ : int
        Tokens in a sample.

    See Also
    --------
    sklearn.feature_extraction.text.CountVectorizer : Counts of words, without their order.
    AutoencoderTransformer : Takes such samples and gives their like back.

    Examples
    --------
    >>> from skae.encoders.text import TokenEncoder
    >>> encoder = TokenEncoder().fit(["tea", "oats"])
    >>> encoder.tokens_.tolist()
    ['', 'a', 'e', 'o', 's', 't']
    >>> X = encoder.transform(["seat"])
    >>> X.shape
    (1, 4, 6)
    >>> encoder.inverse_transform(X).tolist()
    ['seat']
    """

    _parameter_constraints = {
        "analyzer": [StrOptions({"char", "word"})],
        "length": [Number(Integral, 1, None, closed="left"), None],
        "max_tokens": [Number(Integral, 1, None, closed="left"), None],
        "handle_unknown": [StrOptions({"error", "replace"})],
    }

    def __init__(
        self, analyzer="char", *, length=None, max_tokens=None, handle_unknown="error"
    ):
        self.analyzer = analyzer
        self.length = length
        self.max_tokens = max_tokens
        self.handle_unknown = handle_unknown

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the vocabulary and the length.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,)
            Texts.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : TokenEncoder
            The fitted transformer.

        Raises
        ------
        ValueError
            For texts that are all empty, or longer than ``length``. No message quotes a text.
        TypeError
            For anything but a sequence of strings.
        """
        texts = [self._split(text) for text in _texts(X)]
        longest = max(map(len, texts))
        if longest == 0:
            raise ValueError("empty vocabulary: X holds no text but empty strings.")
        special = [END, UNKNOWN] if self.handle_unknown == "replace" else [END]
        tokens = np.array([*special, *self._vocabulary(texts, special)], dtype=object)
        length = longest if self.length is None else int(self.length)
        self._places(texts, tokens, length)  # refuses what transform would
        self.tokens_, self.length_ = tokens, length
        return self

    def transform(self, X):
        """Return texts as one-hot sequences.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,)
            Texts.

        Returns
        -------
        X_tokens : ndarray of shape (n_samples, length_, n_tokens), float32
            A single 1 for each place of each text.

        Raises
        ------
        ValueError
            For a text of more than ``length_`` tokens, or with a token that is not in the
            vocabulary where ``handle_unknown="error"``; for an array of more than 2**31
            numbers. No message quotes a text.
        TypeError
            For anything but a sequence of strings.
        """
        check_is_fitted(self)
        texts = [self._split(text) for text in _texts(X)]
        places = self._places(texts, self.tokens_, self.length_)
        shape = (len(texts), self.length_, len(self.tokens_))
        refuse_size(
            shape,
            f"The longest text decides (length_={self.length_}): cut long ones and set length, "
            "or transform fewer texts at once.",
        )
        X = np.zeros(shape, np.float32)
        for x, row in zip(X, places, strict=True):
            x[np.arange(len(row)), row] = 1.0
            x[len(row) :, 0] = 1.0
        return X

    def inverse_transform(self, X):
        """Return the texts of the likeliest tokens.

        Parameters
        ----------
        X : array-like of shape (n_samples, length_, n_tokens)
            One-hot sequences, or shares; also as rows of raveled samples.

        Returns
        -------
        X_original : ndarray of str objects of shape (n_samples,)
            Texts, up to the first token for the end.

        Raises
        ------
        ValueError
            For arrays of another shape, and for cells that are missing or no finite numbers.
        """
        check_is_fitted(self)
        X = as_numbers(X, allow_nan=False, allow_inf=False)
        X = as_samples(self, X, (self.length_, len(self.tokens_)))
        chosen = self.tokens_[X.argmax(axis=2)]
        is_past = np.logical_or.accumulate(chosen == END, axis=1)
        texts = ["".join(row[~past]) for row, past in zip(chosen, is_past, strict=True)]
        return np.array(texts, dtype=object)

    def make_loss(self, of_numbers=None):
        """Return the loss of an AutoencoderTransformer for rows of raveled samples.

        Parameters
        ----------
        of_numbers : object, default=None
            Ignored: there are no numbers.

        Returns
        -------
        loss : skae.losses.Categorical
            One variable for each place.
        """
        check_is_fitted(self)
        return Categorical((len(self.tokens_),) * self.length_)

    def _vocabulary(self, texts, special):
        """Return the tokens of ``texts`` but the ``special`` ones, sorted."""
        counts = Counter(token for text in texts for token in text if token not in special)
        if self.max_tokens is None or len(counts) <= self.max_tokens:
            return sorted(counts)
        if self.handle_unknown == "error":
            raise ValueError(
                f"max_tokens={self.max_tokens} leaves out some of the {len(counts)} tokens of "
                "X, which handle_unknown='error' refuses. Set handle_unknown='replace'."
            )
        kept = sorted(counts, key=lambda token: (-counts[token], token))[: self.max_tokens]
        return sorted(kept)

    def _split(self, text):
        return list(text) if self.analyzer == "char" else WORDS.findall(text)

    def _places(self, texts, tokens, length):
        """Return the places in the vocabulary of each text's tokens; raise if one has none."""
        place = {token: i for i, token in enumerate(tokens.tolist())}
        other = place.get(UNKNOWN) if self.handle_unknown == "replace" else None
        places = []
        for i, text in enumerate(texts):
            if len(text) > length:
                raise ValueError(
                    f"X has a text of {len(text)} tokens in row {i}, but the length is "
                    f"{length}. Cut it, or fit with a greater length."
                )
            row = [place.get(token, other) for token in text]
            if None in row:
                unknown = text[row.index(None)]
                raise ValueError(
                    f"Found unknown token {unknown!r:.20} in row {i}. Fit on texts that have "
                    "it, or set handle_unknown='replace'."
                )
            places.append(np.array(row, np.intp))
        return places

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        return tags


def _texts(X):
    """Return ``X`` as a list of strings, or raise TypeError."""
    advice = "Pass a list of texts, or one column."
    if getattr(X, "ndim", 1) > 1:
        raise TypeError(
            f"Expected a sequence of strings, got {X.ndim} dimensions of them. {advice}"
        )
    texts = entries_of(X, "strings", advice)
    wrong = [i for i, text in enumerate(texts) if not isinstance(text, str)]
    if wrong:
        raise TypeError(
            f"Expected a sequence of strings, got {type(texts[wrong[0]]).__name__} in row "
            f"{wrong[0]}. Convert the texts first."
        )
    return texts
