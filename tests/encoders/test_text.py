"""Texts become one-hot tokens and come back as they were."""

import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from sklearn.pipeline import make_pipeline

from skae.architectures import Recurrent
from skae.encoders.text import END, UNKNOWN, TokenEncoder

WORDS = ["tea", "oats", "toast", "", "stet", "seat", "tree"]
LINES = [
    "\x00\ufffd",
    "Don't panic, Arthur!",
    "  two  spaces\tand\na break",
    "Grüße — ¿qué? 日本 🙂",
    "",
]


@pytest.mark.parametrize("analyzer", ["char", "word"])
@pytest.mark.parametrize("texts", [WORDS, LINES])
def test_the_way_back_is_exact(analyzer, texts):
    encoder = TokenEncoder(analyzer)
    X = encoder.fit_transform(texts)
    assert X.dtype == np.float32 and X.shape[1:] == (encoder.length_, len(encoder.tokens_))
    assert_array_equal(X.sum(axis=2), 1)
    assert encoder.inverse_transform(X).tolist() == texts
    assert encoder.inverse_transform(X.reshape(len(X), -1)).tolist() == texts


def test_tokens_are_characters_or_words():
    encoder = TokenEncoder("word").fit(["tea, or tea", "oats"])
    assert encoder.tokens_.tolist() == [END, " ", ",", "oats", "or", "tea"]
    assert encoder.length_ == 6
    assert TokenEncoder().fit(["tea"]).tokens_.tolist() == [END, "a", "e", "t"]


@pytest.mark.parametrize("container", [np.array, pd.Series, tuple, pl.Series, pa.array])
def test_containers(container):
    texts = container(WORDS)
    encoder = TokenEncoder().fit(texts)
    assert encoder.inverse_transform(encoder.transform(texts)).tolist() == WORDS


def test_unknown_tokens():
    with pytest.raises(ValueError, match=r"Found unknown token 'z' in sample 0\. Fit on texts"):
        TokenEncoder().fit(WORDS).transform(["zest"])
    encoder = TokenEncoder(handle_unknown="replace").fit(WORDS)
    assert encoder.tokens_[:2].tolist() == [END, UNKNOWN]
    assert encoder.inverse_transform(encoder.transform(["zest"])).tolist() == [UNKNOWN + "est"]


def test_the_most_frequent_tokens_are_kept():
    encoder = TokenEncoder(max_tokens=2, handle_unknown="replace").fit(["abba", "ac"])
    assert encoder.tokens_.tolist() == [END, UNKNOWN, "a", "b"]
    with pytest.raises(ValueError, match="max_tokens=2 leaves out some of the 3 tokens"):
        TokenEncoder(max_tokens=2).fit(["abba", "ac"])
    encoder = TokenEncoder(max_tokens=2, handle_unknown="replace").fit(["tea" + 2 * UNKNOWN])
    assert encoder.tokens_.tolist() == [END, UNKNOWN, "a", "e"]


def test_long_texts_are_refused():
    words = "Sample {} of X has 5 tokens, but the length is 4. Truncate it"
    with pytest.raises(ValueError, match=words.format(2)):
        TokenEncoder(length=4).fit(WORDS)
    with pytest.raises(ValueError, match=words.format(0)):
        TokenEncoder().fit(["seat"]).transform(["toast"])


@pytest.mark.parametrize("analyzer", ["char", "word"])
def test_messages_do_not_quote_texts(analyzer):
    secret = "a secret of 63 letters, which must not be read in anybody's logs"
    encoder = TokenEncoder(analyzer).fit(["a b"])
    for text in (secret, secret[:3].upper()):
        with pytest.raises(ValueError, match="ample 1") as error:
            encoder.transform(["a", text])
        assert "secret" not in str(error.value) and text not in str(error.value)
    with pytest.raises(
        ValueError, match="Found unknown token 'zzzzzzzzzzzzzzzzzzz in sample 0"
    ):
        TokenEncoder("word").fit(["a"]).transform(["z" * 99])


def test_a_replacement_character_of_the_texts_replaces_nothing():
    encoder = TokenEncoder().fit(["tea" + UNKNOWN])
    with pytest.raises(ValueError, match="unknown token 's'"):
        encoder.transform(["sea"])


def test_one_long_text_among_short_ones():
    """No memory is taken for what cannot be held, nor a square of the vocabulary."""
    texts = ["ab"] * 1000 + ["ab" * 10**6]
    encoder = TokenEncoder().fit(texts)
    tracemalloc.start()
    words = r"shape \(1001, 2000000, 3\), of more than 2\*\*31 numbers.*set a smaller length"
    with pytest.raises(ValueError, match=words):
        encoder.transform(texts)
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()


def test_no_square_of_the_tokens():
    text = " ".join(f"w{i}" for i in range(20_000))
    encoder = TokenEncoder("word").fit([text])
    tracemalloc.start()
    X = TokenEncoder("word", length=1).fit(text.split()).transform(["w7", "w9"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert X.sum() == 2 and len(encoder.tokens_) == 20_002
    assert peak < 100e6  # an identity of the tokens: 1,600e6


@pytest.mark.parametrize(
    "bad",
    [
        *("tea", [1, 2], [b"tea"], [None], [], 3, [["tea"]], {"text": ["tea"]}, {"tea"}),
        *(pd.DataFrame({"text": ["tea"]}), np.array([["tea"]])),
        *(pl.DataFrame({"text": ["tea"]}), pa.table({"text": ["tea"]}), bytearray(b"tea")),
        *(np.array("tea"), pd.Series([b"tea"]), pa.array(["tea", None])),
    ],
    ids=str,
)
def test_not_texts(bad):
    with pytest.raises(TypeError, match="Expected a sequence of strings, got"):
        TokenEncoder().fit(bad)


def test_bad_arguments():
    with pytest.raises(ValueError, match="empty vocabulary"):
        TokenEncoder().fit(["", ""])
    encoder = TokenEncoder().fit(WORDS)
    with pytest.raises(ValueError, match=r"X has samples of shape \(4, 4\), but TokenEncoder"):
        encoder.inverse_transform(np.ones((2, 4, 4)))


def test_a_pipeline_of_strings(quick):
    """Strings go in, strings come out; each place is one variable of the loss."""
    ae = quick(architecture=Recurrent(units=4), loss="categorical", n_components=3)
    pipeline = make_pipeline(TokenEncoder(), ae).fit(WORDS * 6)
    Z = pipeline.transform(WORDS)
    assert Z.shape == (7, 3)
    back = pipeline.inverse_transform(Z)
    assert back.shape == (7,) and all(isinstance(text, str) for text in back)
    shares = ae.inverse_transform(Z)
    np.testing.assert_allclose(shares.sum(axis=2), 1, rtol=1e-5)
    encoder = pipeline[0]
    drawn = encoder.inverse_transform(ae.sample(5, random_state=0))
    assert all(isinstance(text, str) and len(text) <= encoder.length_ for text in drawn)


def test_words_are_learned(quick):
    """A few words, each many times: a code of two numbers tells them apart."""
    settings = {"loss": "categorical", "cv": None, "max_iter": 60, "learning_rate": 1e-2}
    pipeline = make_pipeline(TokenEncoder(), quick(n_components=2, **settings))
    pipeline.fit(WORDS * 10)
    assert pipeline.inverse_transform(pipeline.transform(WORDS)).tolist() == WORDS
