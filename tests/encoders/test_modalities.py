"""Several things at once: each comes back as it was, and what is missing is filled."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_matrix
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.preprocessing import OneHotEncoder
from threadpoolctl import threadpool_limits

from skae import (
    AutoencoderImputer,
    AutoencoderTransformer,
    Modality,
    MultimodalAutoencoder,
    Samples,
    TokenEncoder,
)
from skae._data.batches import hide_blocks
from skae._pca.axes import Filler
from skae.architectures import Blocks, Conv2d, Dense
from skae.losses import Categorical, Joint

pd = pytest.importorskip("pandas", reason="tables need the extra of that name")

MODALITIES = {
    "image": Modality(Conv2d(channels=(3,))),
    "word": Modality(encoder=TokenEncoder()),
    "curve": "dense",
    "table": Modality(),
}


@pytest.fixture(scope="module")
def parts():
    """Four views (150) of one number t."""
    t = np.random.default_rng(0).uniform(-1, 1, 150)
    words = np.array(["ice", "rain", "sun"])[np.digitize(t, [-0.3, 0.3])]
    return {
        "image": np.sin(np.arange(3)[:, None] + np.arange(4) + 2 * t[:, None, None]),
        "word": words.tolist(),
        "curve": np.outer(t, [1.0, -2.0]),
        "table": pd.DataFrame({"warm": t > 0, "n": np.rint(10 * t).astype(int)}),
    }


@pytest.fixture(scope="module")
def fitted(parts):
    ae = AutoencoderTransformer(2, hidden_layer_sizes=(16,), max_iter=60)
    return MultimodalAutoencoder(MODALITIES, ae, random_state=0).fit(parts)


def test_every_part_comes_back(parts, fitted):
    Z = fitted.transform(parts)
    assert Z.shape == (150, 2)
    back = fitted.inverse_transform(Z)
    assert list(back) == list(parts)
    assert back["image"].shape == (150, 3, 4)
    assert np.abs(back["image"] - parts["image"]).max() < 0.5
    assert np.mean(back["word"] == np.array(parts["word"])) > 0.95
    assert back["table"].dtypes.equals(parts["table"].dtypes)
    assert np.mean(back["table"]["warm"] == parts["table"]["warm"]) > 0.95
    assert fitted.score(parts) > 0.9


def test_architecture_and_loss_follow_the_parts(fitted):
    inner = fitted.autoencoder_
    assert [shape for _, shape in inner.architecture.blocks] == [(3, 4), (4, 9), (2,), (3,)]
    losses = [loss for _, loss in inner.loss.parts]
    assert [n for n, _ in inner.loss.parts] == [12, 36, 2, 1, 2]
    assert losses[1] == Categorical((9,) * 4) and losses[4] == Categorical()


@pytest.mark.parametrize("name", MODALITIES)
def test_a_part_that_is_missing_is_filled(parts, fitted, name):
    others = {n: part for n, part in parts.items() if n != name}
    filled = fitted.impute(others)
    assert_array_equal(
        filled["curve" if name != "curve" else "image"],
        parts["curve" if name != "curve" else "image"],
    )
    if name == "word":
        assert np.mean(filled["word"] == np.array(parts["word"])) > 0.9
    elif name == "table":
        assert np.mean(filled["table"]["warm"] == parts["table"]["warm"]) > 0.9
    else:
        left = np.square(filled[name] - parts[name]).sum()
        assert left < 0.2 * np.square(parts[name] - parts[name].mean(axis=0)).sum()


def test_entries_may_be_missing(parts, fitted):
    words = [None, *parts["word"][1:]]
    image = parts["image"].copy()
    image[1] = np.nan
    filled = fitted.impute({**parts, "word": words, "image": image})
    assert filled["word"][0] == parts["word"][0]
    assert filled["word"][1:].tolist() == words[1:]
    assert np.isfinite(filled["image"]).all()
    assert_array_equal(filled["image"][2:], parts["image"][2:])


@pytest.fixture(scope="module")
def small(quick):
    """A fit of two columns of a DataFrame, one of numbers and one of words."""
    frame = pd.DataFrame({"age": np.arange(30.0), "word": ["ab", "c"] * 15})
    modalities = {"age": "dense", "word": Modality(encoder=TokenEncoder())}
    return MultimodalAutoencoder(modalities, quick()).fit(frame)


@pytest.mark.parametrize("age", [None, [None], pd.array([None], dtype="Float64"), [np.nan]])
def test_a_batch_may_miss_a_part_altogether(small, age):
    word = pd.array(["ab"], dtype="string")
    X = {"word": word} if age is None else {"age": age, "word": word}
    filled = small.impute(X if isinstance(age, list) else pd.DataFrame(X))
    assert filled["word"].tolist() == ["ab"] if isinstance(filled, dict) else True
    nothing = pd.DataFrame({"age": [1.0], "word": pd.array([None], dtype="string")})
    back = small.impute(nothing)
    assert back["age"].tolist() == [1.0] and isinstance(back["word"][0], str)


def test_columns_come_back_as_columns(small):
    frame = pd.DataFrame({"age": [3.0, 4.0], "word": ["ab", None]}, index=[7, 9])
    back = small.impute(frame)
    assert back["age"].tolist() == [3.0, 4.0] and back.index.tolist() == [7, 9]


def test_masked_cells_are_missing(small, quick):
    ages = np.ma.masked_greater(np.arange(30.0), 20)
    filled = MultimodalAutoencoder({"age": "dense", "twice": "dense"}, quick()).fit(
        {"age": ages, "twice": 2 * np.arange(30.0)}
    )
    back = filled.impute({"age": ages, "twice": 2 * np.arange(30.0)})["age"]
    assert back[:21].tolist() == list(range(21)) and not (back[21:] == np.arange(21, 30)).all()


def test_one_part_alone_is_not_hidden(quick):
    ae = MultimodalAutoencoder({"t": "dense"}, quick()).fit({"t": np.eye(20)[:, :4]})
    assert not ae.autoencoder_._fitted.model.reads_missing_indicator


def test_containers_of_the_configuration_stay_outside(parts, quick):
    with config_context(transform_output="pandas"):
        ae = MultimodalAutoencoder({"rest": Modality(columns=["warm", "n"])}, quick())
        Z = ae.fit_transform(parts["table"])
    pd.testing.assert_frame_equal(ae.inverse_transform(Z), parts["table"])


def test_samples_have_all_parts(fitted):
    drawn = fitted.sample(5, random_state=0)
    assert {name: len(part) for name, part in drawn.items()} == dict.fromkeys(MODALITIES, 5)


@pytest.mark.parametrize("fusion", ["features", "codes"])
def test_frames_of_objects_come_back(parts, quick, fusion):
    frame = parts["table"].assign(image=list(parts["image"]), word=parts["word"])
    modalities = {
        "image": Modality(Conv2d(channels=(2,))),
        "word": Modality(encoder=TokenEncoder()),
        "rest": Modality(columns=["warm", "n"]),
    }
    ae = MultimodalAutoencoder(modalities, quick(), fusion=fusion)
    back = clone(ae).fit(frame)
    back = back.inverse_transform(back.transform(frame))
    assert back.columns.tolist() == ["image", "word", "warm", "n"]
    found, image = np.stack(back["image"]), parts["image"]
    assert np.square(found - image).sum() < 0.5 * np.square(image - image.mean(axis=0)).sum()


def test_frames_are_searched(quick):
    frame = pd.DataFrame({"age": np.arange(30.0), "word": ["ab", "c"] * 15})
    modalities = {"age": "dense", "word": Modality(encoder=TokenEncoder())}
    ae = MultimodalAutoencoder(modalities, quick())
    assert (cross_val_score(ae, frame, cv=2, error_score="raise") > 0.99).all()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"curve": np.zeros((3, 2))}, ValueError, "the same number of samples, got"),
        (
            {"curve": np.zeros((150, 5))},
            ValueError,
            r"of shape \(5,\), but in fit they had \(2,\)",
        ),
        ({"curve": [["a"]] * 150}, ValueError, "'curve' is no array of numbers"),
        ({"curve": [["1", "2"]] * 150}, ValueError, "'curve' is no array of numbers"),
        ({"curve": np.full((150, 2), 1j)}, ValueError, "Complex data not supported"),
        ({"curve": np.zeros((150, 2), "M8[s]")}, ValueError, "holds times"),
        ({"curve": [[1], [2, 3]] * 75}, ValueError, "ragged"),
        ({"curve": [[10**400, 1]] * 150}, ValueError, "too large"),
        ({"curve": np.full((150, 2), np.inf)}, ValueError, r"Input X\['curve'\] .* infinity"),
        ({"curve": 3}, TypeError, "'curve' must have one entry for each sample, got int"),
        ({"curve": "ab"}, TypeError, "'curve' must have one entry for each sample, got str"),
        ({"curve": {"a": 1}}, TypeError, "must have one entry for each sample, got dict"),
        ({"curve": np.array(3.0)}, TypeError, "one entry for each sample, got ndarray"),
        ({"curve": csr_matrix(np.eye(150)[:, :2])}, TypeError, "'curve' is sparse"),
        ({"table": pl.LazyFrame({"warm": [True]})}, TypeError, "Collect it first"),
        ({"table": pd.DataFrame()}, ValueError, "same number of samples.*'table': 0"),
    ],
)
def test_refused_parts(parts, fitted, change, error, words):
    with pytest.raises(error, match=words):
        fitted.transform({**parts, **change})


def test_refused_modalities(parts, quick):
    for modalities, error, words in (
        ({}, ValueError, "modalities is empty"),
        (
            {"x": Modality(columns=["n"])},
            TypeError,
            "so X must be a DataFrame, got dict",
        ),
        ({"table": Modality(encoder=OneHotEncoder())}, TypeError, "makes sparse matrices"),
        ({"sound": "dense"}, ValueError, "X has no part 'sound'; its parts are"),
        ({"curve": 3}, TypeError, "modalities must map names to instances of Modality"),
        ({"curve": Modality(encoder=[])}, TypeError, r"encoder of the part 'curve'.*got \[\]"),
        ({"curve": Modality(encoder=TokenEncoder)}, TypeError, "must be an instance with fit"),
        ({"curve": Modality(encoder=AutoencoderImputer())}, TypeError, "inverse_transform"),
        ({"curve": Modality(columns="n")}, TypeError, "must be a list of names.*got 'n'"),
        ({"curve": Modality(columns=3)}, TypeError, "must be a list of names"),
        ({"curve": "wide"}, TypeError, "architecture must be one of"),
    ):
        with pytest.raises(error, match=words):
            MultimodalAutoencoder(modalities, quick()).fit(parts)
    with pytest.raises(TypeError, match="X must be a dict of parts, Samples or a DataFrame"):
        MultimodalAutoencoder({"curve": "dense"}, quick()).fit(parts["curve"])


def test_numeric_text_in_a_masked_part_is_missing(fitted, parts):
    words = np.ma.masked_array(parts["word"], mask=np.arange(150) < 2)
    filled = fitted.impute({**parts, "word": words})
    assert filled["word"][2:].tolist() == parts["word"][2:]
    assert_array_equal(
        filled["word"], fitted.impute({**parts, "word": [None] * 2 + parts["word"][2:]})["word"]
    )


@pytest.fixture(scope="module", params=["polars", "arrow"])
def frame(request):
    X = pl.DataFrame(
        {
            "age": [float(i) for i in range(30)],
            "word": ["ab", "c"] * 15,
            "curve": [[i, -i] for i in range(30)],
            "yes": [True, False] * 15,
            "level": pl.Series(["low", "high"] * 15, dtype=pl.Enum(["low", "high"])),
        }
    )
    return X if request.param == "polars" else X.to_arrow()


class TestLibraries:
    """X of polars and of pyarrow, whole and in parts."""

    def test_columns_are_parts(self, frame, quick):
        modalities = {
            "word": Modality(encoder=TokenEncoder()),
            "curve": "dense",
            "rest": Modality(columns=["yes", "level"]),
        }
        ae = MultimodalAutoencoder(modalities, quick()).fit(frame)
        back = ae.impute(frame)
        assert type(back) is type(frame)
        left = pl.DataFrame(back)
        assert left.columns == ["word", "curve", "yes", "level"]
        expected = pl.DataFrame(frame).select(left.columns)
        assert left["yes"].dtype == pl.Boolean and left["level"].to_list()[0] == "low"
        assert left.cast({"curve": pl.List(pl.Int64)}).to_dicts() == expected.to_dicts()

    def test_tables_and_columns_are_parts(self, frame, quick):
        X = {"word": frame["word"], "table": frame.select(["age", "yes"])}
        modalities = {"word": Modality(encoder=TokenEncoder()), "table": Modality()}
        back = MultimodalAutoencoder(modalities, quick()).fit(X).impute(X)
        assert type(back["table"]) is type(frame)
        assert pl.DataFrame(back["table"]).equals(pl.DataFrame(X["table"]))
        assert back["word"].tolist() == ["ab", "c"] * 15

    def test_they_are_searched(self, frame, quick):
        ae = MultimodalAutoencoder({"rest": Modality(columns=["age", "yes"])}, quick())
        assert (cross_val_score(ae, frame, cv=2, error_score="raise") > 0.99).all()


@pytest.fixture(scope="module")
def samples(parts):
    return Samples(parts)


class TestSamples:
    """A dict of parts that scikit-learn can take rows of."""

    @pytest.mark.parametrize(
        "rows",
        [
            [3, 0, 3],
            [],
            -1,
            np.array([7, 1]),
            np.arange(150) % 2 == 0,
            slice(5, 9),
            range(2),
            (4, 2),
        ],
        ids=str,
    )
    def test_rows_of_all_parts(self, parts, samples, rows):
        chosen = samples[rows] if not isinstance(rows, tuple) else samples[list(rows), ...]
        numbers = np.atleast_1d(
            np.arange(150)[list(rows) if isinstance(rows, range | tuple) else rows]
        )
        assert isinstance(chosen, Samples) and len(chosen) == len(numbers)
        assert chosen.shape == (len(numbers), 4)
        assert_array_equal(chosen["image"], parts["image"][numbers])
        assert chosen["word"] == [parts["word"][i] for i in numbers]
        pd.testing.assert_frame_equal(chosen["table"], parts["table"].iloc[numbers])

    @pytest.mark.parametrize("key", [150, [0, 150], [0.5], [True, False], ["word"]], ids=str)
    def test_no_rows(self, samples, key):
        with pytest.raises(IndexError):
            samples[key]
        with pytest.raises(KeyError, match="sound"):
            samples["sound"]

    def test_it_is_a_dict_otherwise(self, parts, samples):
        assert list(samples) == list(parts) and "word" in samples and "sound" not in samples
        assert dict(samples).keys() == parts.keys()
        assert samples["image"] is parts["image"]
        assert samples[4]["word"] == parts["word"][4:5]
        assert repr(samples) == "150 samples of image, word, curve, table"

    def test_a_fit_is_that_of_the_dict(self, parts, samples, quick):
        modalities = {"word": MODALITIES["word"], "curve": "dense"}
        ae = MultimodalAutoencoder(modalities, quick())
        one, other = clone(ae).fit(samples), clone(ae).fit(parts)
        Z = one.transform(samples)
        assert_array_equal(Z, other.transform(parts))
        back = one.inverse_transform(Z)
        assert isinstance(back, Samples) and back["word"].tolist()
        assert_array_equal(back["curve"], other.inverse_transform(Z)["curve"])

    def test_cross_validation_and_search(self, samples, quick):
        ae = MultimodalAutoencoder({"word": MODALITIES["word"], "curve": "dense"}, quick())
        scores = cross_val_score(ae, samples, cv=3, error_score="raise")
        assert np.isfinite(scores).all() and len(scores) == 3
        grid = {"autoencoder__n_components": [1, 2]}
        found = GridSearchCV(ae, grid, cv=2, error_score="raise").fit(samples)
        assert found.best_params_ == {"autoencoder__n_components": 2}
        train, test = train_test_split(samples, test_size=50, random_state=0)
        assert len(train) == 100 and np.isfinite(found.score(test))
        by_hand = clone(ae).fit(samples[np.arange(50, 150)]).score(samples[np.arange(50)])
        assert by_hand == scores[0]

    def test_held_out_samples(self, samples, quick):
        ae = MultimodalAutoencoder({"curve": "dense"}, quick())
        ae.fit(samples[:100], X_val=samples[100:])
        assert ae.autoencoder_.validation_curve_.size

    @pytest.mark.parametrize(
        ("parts", "error", "words"),
        [
            ({}, ValueError, "at least one part"),
            ([1, 2], TypeError, r"Samples are made of a dict of parts.*got \[1, 2\]"),
            ({1: [2]}, TypeError, "by their names"),
            ({"a": 3}, TypeError, "'a' must have one entry for each sample, got int"),
            ({"a": "abc"}, TypeError, "got str"),
            (
                {"a": [1], "b": [1, 2]},
                ValueError,
                "same number of samples, got {'a': 1, 'b': 2}",
            ),
            ({"a": csr_matrix(np.eye(2))}, TypeError, "'a' is sparse"),
        ],
    )
    def test_refused(self, parts, error, words):
        with pytest.raises(error, match=words):
            Samples(parts)


class TestBlocks:
    def test_refused_blocks(self, quick, X):
        for blocks, words in (
            ([], "blocks must hold pairs"),
            ([("dense", (3,))], "blocks stand for 3 = 3 columns, but the samples of X have 4"),
            ([("wide", (4,))], "architecture must be one of"),
            ([("dense", (4, 0))], "shape of a block must hold whole numbers above 0"),
        ):
            with pytest.raises((ValueError, TypeError), match=words):
                quick(architecture=Blocks(blocks)).fit(X)

    def test_one_block_is_hidden_in_half_of_the_rows(self):
        hidden = np.isnan(hide_blocks(np.zeros((900, 5)), (2, 3), np.random.default_rng(0)))
        first, second = hidden[:, :2], hidden[:, 2:]
        assert (first.all(axis=1) == first.any(axis=1)).all()
        assert (second.all(axis=1) == second.any(axis=1)).all()
        assert not (first.any(axis=1) & second.any(axis=1)).any()
        assert abs(hidden.any(axis=1).mean() - 0.5) < 0.05

    def test_hiding_is_a_choice(self, quick, X):
        halves = [("dense", (2,)), (Dense(skip=False), (2,))]
        hiding = quick(architecture=Blocks(halves)).fit(X)
        plain = quick(architecture=Blocks(halves, hide=False)).fit(X)
        assert (
            hiding._fitted.model.reads_missing_indicator
            and not plain._fitted.model.reads_missing_indicator
        )

    def test_filling_by_pattern_is_filling(self):
        rng = np.random.default_rng(0)
        X = np.where(rng.uniform(size=(40, 6)) < 0.3, np.nan, rng.normal(size=(40, 6)))
        X[::2] = np.where(np.arange(6) < 3, np.nan, X[::2])
        loadings = np.linalg.qr(rng.normal(size=(6, 2)))[0]
        filler = Filler(rng.normal(size=6), loadings, np.array([0.1, 0.2]))
        np.testing.assert_allclose(filler._replace(by_pattern=True).fill(X), filler.fill(X))

    @pytest.mark.parametrize("by_pattern", [False, True])
    def test_filling_does_not_depend_on_threads(self, by_pattern):
        rng, d, rank = np.random.default_rng(0), 200, 128
        X = np.where(np.arange(d) < 60, np.nan, rng.normal(size=(3, d)))
        loadings = np.linalg.qr(rng.normal(size=(d, rank)))[0]
        filler = Filler(np.zeros(d), loadings, np.full(rank, 0.1), by_pattern)
        with threadpool_limits(1, "blas"):
            alone = filler.fill(X)
        assert_array_equal(filler.fill(X), alone)


def test_a_joint_loss_goes_with_any_architecture(quick, X):
    loss = Joint(((2, "squared_error"), (2, "huber")))
    ae = quick(loss=loss, max_iter=10).fit(X)
    assert ae.score(X) > 0.5 and ae.sample(3, random_state=0, noise=True).shape == (3, 4)
