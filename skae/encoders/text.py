"""Texts to sequences of one-hot tokens, and back exactly."""

import re
from collections import Counter
from numbers import Integral

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import StrOptions

from skae._data.parameters import Number
from skae.encoders._base import SampleEncoder, list_of, refuse_longer
from skae.losses import Categorical

END = ""  # the token after the last one of a text
UNKNOWN = "\N{REPLACEMENT CHARACTER}"
WORDS = re.compile(r"\w+|\W", flags=re.DOTALL)  # and every character between them


class TokenEncoder(SampleEncoder):
    """One-hot encode texts as sequences of characters or words; decoding is exact.

    Each text becomes a sample of shape (length, n_tokens) with a single 1 in each row: what
    ``AutoencoderTransformer(architecture="recurrent", loss="categorical")`` learns from.
    Shorter texts are padded with the end token.

    Parameters
    ----------
    analyzer : {"char", "word"}, default="char"
        What a token is: one character; or one word, or one character between words.
    length : int or None, default=None
        Number of tokens in a sample. None takes that of the longest text in ``fit``.
    max_tokens : int or None, default=None
        Keep only this many tokens of ``fit``, the most frequent ones. The others are unknown,
        which requires ``handle_unknown="replace"``. None keeps all.
    handle_unknown : {"error", "replace"}, default="error"
        Refuse tokens that are not in the vocabulary, or replace each by one common token. It is
        decoded as the replacement character U+FFFD.

    Attributes
    ----------
    tokens_ : ndarray of str objects of shape (n_tokens,)
        The vocabulary: the empty string for the end, U+FFFD if unknown tokens are replaced,
        then the tokens of ``fit`` in the order of their characters.
    length_ : int
        Number of tokens in a sample.

    See Also
    --------
    sklearn.feature_extraction.text.CountVectorizer : Counts of words, without their order.
    AutoencoderTransformer : Takes and returns such samples.

    Notes
    -----
    X is a sequence of n_samples strings; anything else raises TypeError. ``fit`` raises
    ValueError if all texts are empty, or one is longer than ``length``; ``transform`` if a text
    is longer than ``length_``, or has an unknown token and ``handle_unknown="error"``. No
    message quotes a text.

    ``transform`` returns float32 of shape (n_samples, `length_`, n_tokens).
    ``inverse_transform`` takes one-hot samples or probabilities, none of them missing, and
    returns an array of str objects of shape (n_samples,): the likeliest tokens up to the first
    end token.

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

    tokens_: NDArray[np.object_]
    length_: int

    _parameter_constraints = {
        "analyzer": [StrOptions({"char", "word"})],
        "length": [Number(Integral, 1, None, closed="left"), None],
        "max_tokens": [Number(Integral, 1, None, closed="left"), None],
        "handle_unknown": [StrOptions({"error", "replace"})],
    }
    _input_tags = {
        "string": True,
        "one_d_array": True,
        "two_d_array": False,
        "allow_nan": False,
    }
    _refused = {"allow_nan": False, "allow_inf": False}

    def __init__(
        self,
        analyzer: str = "char",
        *,
        length: int | None = None,
        max_tokens: int | None = None,
        handle_unknown: str = "error",
    ):
        self.analyzer = analyzer
        self.length = length
        self.max_tokens = max_tokens
        self.handle_unknown = handle_unknown

    def _learn(self, X):
        texts = self._split(X)
        longest = max(map(len, texts))
        if longest == 0:
            raise ValueError("empty vocabulary: X holds no text but empty strings.")
        special = [END, UNKNOWN] if self.handle_unknown == "replace" else [END]
        self.tokens_ = np.array([*special, *self._vocabulary(texts, special)], dtype=object)
        self.length_ = longest if self.length is None else int(self.length)
        self._indices(texts)  # refuses what transform would

    def _encode(self, X):
        texts = self._split(X)
        indices = self._indices(texts)
        encoded = np.zeros(self._checked_shape(len(texts)), np.float32)
        for sample, tokens in zip(encoded, indices, strict=True):
            sample[np.arange(len(tokens)), tokens] = 1.0
            sample[len(tokens) :, 0] = 1.0
        return encoded

    def _decode(self, samples):
        chosen = self.tokens_[samples.argmax(axis=2)]
        ended = np.logical_or.accumulate(chosen == END, axis=1)
        texts = ["".join(row[~past]) for row, past in zip(chosen, ended, strict=True)]
        return np.array(texts, dtype=object)

    @property
    def _sample_shape(self):
        return self.length_, len(self.tokens_)

    def _loss(self, of_numbers):
        return Categorical((len(self.tokens_),) * self.length_)

    def _split(self, X):
        """Return the tokens of each text."""
        texts = list_of("strings", X)
        for i, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(
                    f"Expected a sequence of strings, got {type(text).__name__} in sample {i}. "
                    "Convert the texts first."
                )
        return [list(t) if self.analyzer == "char" else WORDS.findall(t) for t in texts]

    def _vocabulary(self, texts, special):
        """Return the tokens of ``texts`` except the ``special`` ones, sorted."""
        counts = Counter(token for text in texts for token in text if token not in special)
        if self.max_tokens is None or len(counts) <= self.max_tokens:
            return sorted(counts)
        if self.handle_unknown == "error":
            raise ValueError(
                f"max_tokens={self.max_tokens} leaves out some of the {len(counts)} tokens of "
                "X, which handle_unknown='error' refuses. Set handle_unknown='replace'."
            )
        return sorted(sorted(counts, key=lambda t: (-counts[t], t))[: self.max_tokens])

    def _indices(self, texts):
        """Return the index in the vocabulary of each token of each text."""
        refuse_longer(map(len, texts), self.length_, "tokens")
        index = {token: i for i, token in enumerate(self.tokens_.tolist())}
        replacement = index.get(UNKNOWN) if self.handle_unknown == "replace" else None
        indices = []
        for i, text in enumerate(texts):
            found = [index.get(token, replacement) for token in text]
            if None in found:
                unknown = text[found.index(None)]
                raise ValueError(
                    f"Found unknown token {unknown!r:.20} in sample {i}. Fit on texts that "
                    "have it, or set handle_unknown='replace'."
                )
            indices.append(np.array(found, np.intp))
        return indices
