"""Tables of mixed columns: there and back exactly, and one code of all columns."""

import tracemalloc
import warnings
from datetime import date
from decimal import Decimal

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from polars.testing import assert_frame_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skae import (
    AutoencoderOutlierDetector,
    AutoencoderTransformer,
    TableAutoencoder,
    TableEncoder,
)
from skae.losses import Categorical, Joint

pd = pytest.importorskip("pandas", reason="tables need the extra of that name")

SMALL = dict(hidden_layer_sizes=(4,), max_iter=2, batch_size=32, random_state=0)


@pytest.fixture(scope="module")
def table():
    """Columns of every dtype that all follow one number t, and their missing cells."""
    t = np.random.default_rng(0).uniform(-1, 1, 200)
    place = np.digitize(t, [-0.5, 0.3])
    table = pd.DataFrame(
        {
            "colour": np.array(["red", "green", "blue"], dtype=object)[place],
            "height": t.astype(np.float32),
            "count": np.rint(100 * t).astype(np.int64),
            "positive": t > 0,
            "grade": pd.Categorical.from_codes(place, ["c", "b", "a", "never"], ordered=True),
            "small": pd.array(place, dtype="Int8"),
            "name": pd.array(np.array(["x", "y", "z"])[place], dtype="string"),
        },
        index=np.arange(200) + 7,
    )
    for column in ("colour", "height", "grade", "small", "name"):
        table.loc[table.index[len(column) :: 9], column] = None
    return table


@pytest.fixture(scope="module")
def fitted(table):
    ae = AutoencoderTransformer(2, hidden_layer_sizes=(16,), max_iter=60)
    return TableAutoencoder(ae, random_state=0).fit(table)


class TestEncoder:
    def test_there_and_back_is_exact(self, table):
        encoder = TableEncoder().fit(table)
        back = encoder.inverse_transform(encoder.transform(table))
        pd.testing.assert_frame_equal(back, table.reset_index(drop=True))

    def test_columns_and_their_names(self, table):
        encoder = TableEncoder().fit(table)
        names = encoder.get_feature_names_out().tolist()
        assert names[:3] == ["height", "count", "small"]
        assert names[3:8] == [
            "colour_blue",
            "colour_green",
            "colour_red",
            "positive_False",
            "positive_True",
        ]
        X = encoder.transform(table)
        assert X.shape == (200, len(names)) and X.dtype == np.float64
        sums = X[:, 3:6].sum(axis=1)
        assert_array_equal(np.isnan(sums), table["colour"].isna())
        assert set(sums[~np.isnan(sums)]) == {1.0}

    def test_a_category_that_never_occurs_has_no_column(self, table):
        encoder = TableEncoder().fit(table)
        assert encoder.categories_["grade"].tolist() == ["c", "b", "a"]

    def test_reconstructions_keep_the_dtype(self):
        X = pd.DataFrame({"n": np.array([1, 255], np.uint8), "s": ["a", "b"]})
        back = TableEncoder().fit(X).inverse_transform([[300.2, 0.4, 0.6], [-3.0, 0.9, 0.1]])
        assert back["n"].tolist() == [255, 0] and back["n"].dtype == np.uint8
        assert back["s"].tolist() == ["b", "a"]

    def test_unknown_categories(self, table):
        other = table.iloc[:3].assign(colour="pink")
        with pytest.raises(
            ValueError, match=r"unknown categories \['pink'\] in column 'colour'"
        ):
            TableEncoder().fit(table).transform(other)
        encoder = TableEncoder(handle_unknown="ignore").fit(table)
        assert np.isnan(encoder.transform(other)[:, 3:6]).all()
        assert encoder.inverse_transform(encoder.transform(other))["colour"].isna().all()

    @pytest.mark.parametrize("dtype", [object, "U1", np.dtypes.StringDType()])
    def test_arrays_come_back_as_arrays(self, dtype):
        X = np.array([["a", 1], ["b", 2]], dtype=object).astype(dtype)
        encoder = TableEncoder().fit(X)
        assert_array_equal(encoder.inverse_transform(encoder.transform(X)), X)

    @pytest.mark.parametrize(
        ("columns", "error", "words"),
        [
            ({"t": pd.to_datetime(["2020-01-01"] * 2)}, ValueError, "holds times"),
            ({"e": [None, None]}, ValueError, r"no observed value in the columns \['e'\]"),
            ({"d": [{}, {}]}, TypeError, "Column 'd' holds values that are no category"),
            ({"c": [1j, 2j]}, ValueError, "'c' holds values of kind 'complex'"),
            ({"o": pd.array([date(2020, 1, 1)] * 2, dtype=object)}, ValueError, "kind 'date'"),
            ({"s": pd.arrays.SparseArray([0, 1])}, TypeError, r"X\['s'\].sparse.to_dense"),
            ({"p": pd.period_range("2020", periods=2)}, ValueError, "holds times"),
            ({"m": pd.Series([date(2020, 1, 1), "b"], dtype=object)}, ValueError, "'date'"),
            ({"b": [b"a", b"b"]}, ValueError, "Column 'b' holds bytes. Decode them"),
            ({"b": pd.Series([b"a", "b"], dtype=object)}, ValueError, "'b' holds bytes"),
            ({"i": [np.inf, 1]}, ValueError, r"X\['i'\] contains infinity or a value"),
            ({"i": [1e300, 1]}, ValueError, r"X\['i'\].* too large for dtype"),
            pytest.param(
                *({"i": [10**400, 1]}, ValueError, r"X\['i'\].* too large for dtype"),
                marks=pytest.mark.skipif(pd.__version__ < "3", reason="pandas 2 refuses it"),
            ),
            ({}, ValueError, r"0 sample\(s\) \(shape=\(0, 0\)\)"),
            ({"n": np.zeros(0)}, ValueError, "0 sample.* is required by TableEncoder"),
        ],
    )
    def test_refused_columns(self, columns, error, words):
        with pytest.raises(error, match=words):
            TableEncoder().fit(pd.DataFrame(columns))

    @pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
    def test_objects_come_back_as_they_were(self, missing):
        cells = {"n": [1, missing, 3], "s": ["x", missing, "y"], "b": [True, missing, False]}
        X = pd.DataFrame({name: pd.Series(c, dtype=object) for name, c in cells.items()})
        encoder = TableEncoder().fit(X)
        assert list(encoder.categories_) == ["s", "b"]
        back = encoder.inverse_transform(encoder.transform(X))
        pd.testing.assert_frame_equal(back, X.where(X.notna(), np.nan))
        assert [type(cell) for cell in back["n"]] == [int, float, int]

    @pytest.mark.parametrize("place", ["alone", "beside text"])
    def test_masked_cells_of_all_kinds_are_missing(self, place):
        X = np.ma.masked_array([[True], [False], [True]], mask=[[0], [0], [1]])
        if place != "alone":
            X = [np.ma.masked_array([1, 2], mask=[0, 1]), [3, 4]]
        rows = TableEncoder().fit(X).transform(X)
        expected = [[0, 1], [1, 0], [np.nan] * 2] if place == "alone" else [[1, np.nan], [3, 4]]
        assert_array_equal(rows, expected)

    def test_numbers_among_objects_are_numbers(self):
        rows = [["a", 1.5], ["b", None], ["a", 2.5]]
        for X in (rows, pd.DataFrame(rows, dtype=object)):
            encoder = TableEncoder().fit(X)
            assert_array_equal(encoder.transform(X)[:, 0], [1.5, np.nan, 2.5])
            assert len(encoder.categories_) == 1

    def test_masked_cells_are_missing(self):
        X = np.ma.masked_greater([[1.0, 2.0], [3.0, 0.1]], 2.5)
        assert_array_equal(TableEncoder().fit(X).transform(X), [[1, 2], [np.nan, 0.1]])

    @pytest.mark.parametrize("dtype", ["int64", "uint64", "Int64"])
    def test_great_numbers_do_not_overflow(self, dtype):
        encoder = TableEncoder().fit(pd.DataFrame({"n": pd.array([1, 2], dtype=dtype)}))
        back = encoder.inverse_transform([[1e30], [np.inf], [3.0]])["n"]
        assert back.dtype == dtype and (back[:2] > 2**62).all() and back[2] == 3

    def test_a_missing_whole_number_is_a_float(self):
        encoder = TableEncoder().fit(pd.DataFrame({"n": [1, 2]}))
        assert encoder.inverse_transform([[1.0], [np.nan]])["n"].dtype == np.float64

    def test_refused_tables(self, table):
        encoder = TableEncoder().fit(table)
        with pytest.raises(ValueError, match="several columns of one name: \\['count'\\]"):
            TableEncoder().fit(pd.concat([table, table[["count"]]], axis=1))
        with pytest.raises(ValueError, match="feature names should match"):
            encoder.transform(table.rename(columns={"count": "sum"}))
        with pytest.raises(
            ValueError, match="'count' held numbers in fit, but now it does not"
        ):
            encoder.transform(table.assign(count="many"))
        with pytest.raises(ValueError, match="makes samples of shape \\(14,\\)"):
            encoder.inverse_transform(np.zeros((2, 3)))
        with pytest.raises(ValueError, match="inhomogeneous lengths: 1 to 2 values"):
            TableEncoder().fit([[1, 2], [3]])
        with pytest.raises(TypeError, match="got dict"):
            TableEncoder().fit({"a": [1, 2]})
        with pytest.raises(ValueError, match="0 feature"):
            TableEncoder().fit(pd.DataFrame(index=[1, 2]))

    @pytest.mark.parametrize(
        ("cells", "kind"),
        [
            (["1", "2"], "string"),
            (pd.Series([1, "2"], dtype=object), "mixed-integer"),
            (pd.Categorical([1, 2]), "categorical"),
            ([b"1", b"2"], "bytes"),
        ],
    )
    def test_numeric_text_is_no_number(self, cells, kind):
        encoder = TableEncoder().fit(pd.DataFrame({"n": [1.0, 2.0]}))
        with pytest.raises(ValueError, match=f"'n' held numbers in fit.*of kind '{kind}'"):
            encoder.transform(pd.DataFrame({"n": cells}))

    def test_an_empty_column_of_numbers_is_missing(self):
        encoder = TableEncoder().fit(pd.DataFrame({"n": [1.0, 2.0]}))
        assert np.isnan(encoder.transform(pd.DataFrame({"n": [None, None]}))).all()


def plain(value):
    """Say whether ``value`` is of NumPy and plain Python through and through."""
    if isinstance(value, dict):
        return all(plain(part) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple):
        return all(map(plain, value))
    if type(value) is np.ndarray:
        return value.dtype != object or all(map(plain, value.ravel().tolist()))
    return value is None or type(value) in (str, bytes, int, float, bool)


@pytest.fixture(scope="module")
def polars():
    levels = pl.Enum(["low", "high", "never"])
    return pl.DataFrame(
        {
            "": pl.Series([1, None, 3], dtype=pl.Int16),
            "yes": [True, None, False],
            "word": ["x", None, "y"],
            "level": pl.Series(["high", "low", None], dtype=levels),
            "free": pl.Series(["b", "a", None], dtype=pl.Categorical),
            "half": pl.Series([0.5, None, 1.5], dtype=pl.Float32),
            "price": pl.Series(["1.25", None, "2.50"]).cast(pl.Decimal(5, 2)),
        }
    )


@pytest.fixture(scope="module")
def arrow():
    kinds = {
        "": pa.array([1, None, 3], pa.int16()),
        "yes": pa.array([True, None, False]),
        "word": pa.array(["x", None, "y"], pa.large_string()),
        "level": pa.DictionaryArray.from_arrays(
            pa.array([1, 0, None], pa.int8()), pa.array(["low", "high"]), ordered=True
        ),
        "half": pa.array([0.5, None, 1.5], pa.float16()),
        "price": pa.array([Decimal("1.5"), None, Decimal("2")], pa.decimal128(5, 2)),
        "great": pa.array([2**63, None, 0], pa.uint64()),
    }
    return pa.table(kinds)


class TestLibraries:
    """Tables of pandas on pyarrow, polars and pyarrow: the same library, names and dtypes."""

    def test_polars_there_and_back(self, polars):
        encoder = TableEncoder().fit(polars)
        assert encoder.get_feature_names_out()[:4].tolist() == [
            "",
            "half",
            "price",
            "yes_False",
        ]
        assert encoder.categories_["level"].tolist() == ["low", "high"]
        assert encoder.categories_["free"].tolist() == ["a", "b"]
        assert encoder.dtypes_["yes"] == "Boolean"
        rows = encoder.transform(polars)
        assert_array_equal(rows[:, 0], [1, np.nan, 3])
        assert_frame_equal(encoder.inverse_transform(rows), polars)

    def test_polars_categories_do_not_follow_the_process(self):
        pl.DataFrame({"c": pl.Series(["zebra", "ant"], dtype=pl.Categorical)})
        X = pl.DataFrame({"c": pl.Series(["ant", "zebra"], dtype=pl.Categorical)})
        assert TableEncoder().fit(X).categories_["c"].tolist() == ["ant", "zebra"]

    @pytest.mark.parametrize("of_batches", [False, True])
    def test_arrow_there_and_back(self, arrow, of_batches):
        X = arrow.to_batches()[0] if of_batches else arrow
        encoder = TableEncoder().fit(X)
        assert encoder.categories_["level"].tolist() == ["low", "high"]
        back = encoder.inverse_transform(encoder.transform(X))
        assert type(back) is type(X) and back.schema == X.schema
        assert back.to_pylist() == X.to_pylist()

    def test_chunks_with_other_dictionaries(self):
        chunks = [pa.array(words).dictionary_encode() for words in (["b", "a"], ["c", "b"])]
        X = pa.table({"c": pa.chunked_array(chunks)})
        encoder = TableEncoder().fit(X)
        assert encoder.categories_["c"].tolist() == ["b", "a", "c"]
        back = encoder.inverse_transform(encoder.transform(X))
        assert back["c"].to_pylist() == ["b", "a", "c", "b"]

    def test_pandas_on_pyarrow(self, arrow):
        columns = {
            name or "none": pd.Series(pd.arrays.ArrowExtensionArray(column))
            for name, column in zip(arrow.column_names, arrow.columns, strict=True)
        }
        X = pd.DataFrame(columns)
        encoder = TableEncoder().fit(X)
        assert encoder.transform(X).shape == (3, 4 + 3 * 2)
        pd.testing.assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)

    def test_intervals_and_categories_of_all_kinds(self):
        X = pd.DataFrame(
            {
                ("cut", 1): pd.cut([1.0, 2.0, np.nan], 2),
                ("year", 2): pd.Categorical(pd.to_datetime(["2020-01-01", None, "2021-01-01"])),
                ("size", 3): pd.Categorical([3, 1, 3], [3, 2, 1], ordered=True),
                ("yes", 4): pd.Categorical([True, False, None]),
            }
        )
        encoder = TableEncoder().fit(X)
        assert encoder.categories_["year", 2].tolist() == ["2020-01-01 00:00:00"] + [
            "2021-01-01 00:00:00"
        ]
        assert encoder.categories_["size", 3].tolist() == [3, 1]
        pd.testing.assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)

    def test_reconstructions_keep_within_their_dtypes(self):
        schema = {"n": pl.UInt8, "d": pl.Decimal(3, 2), "f": pl.Float32, "g": pl.Int64}
        X = pl.DataFrame({name: [1, 2] for name in schema}, schema=schema)
        far = [[300.0, 99.0, 1e38, 1e38], [-3.0, -99.0, np.nan, -1e38]]
        for library in (X, X.to_arrow()):
            back = TableEncoder().fit(library).inverse_transform(far)
            back = back if library is X else pl.from_arrow(back)
            assert back.schema == X.schema
            assert back["n"].to_list() == [255, 0]
            assert [str(price) for price in back["d"]] == ["9.99", "-9.99"]
            assert back["f"].to_list() == [pytest.approx(1e38), None]
            assert back["g"].to_list() == [2**63 - 1024, -(2**63)]

    @pytest.mark.parametrize("library", ["polars", "arrow", "pandas"])
    @pytest.mark.parametrize(
        ("cells", "error", "words"),
        [
            ([date(2020, 1, 1)], ValueError, "holds times"),
            ([b"a"], ValueError, "Column 'b' holds bytes"),
            ([[1, 2]], TypeError, "Column 'b' holds values that are no category"),
            ([{"a": 1}], TypeError, "Column 'b' holds values that are no category"),
            ([None], ValueError, r"no observed value in the columns \['b'\]"),
        ],
    )
    def test_refused_columns(self, library, cells, error, words):
        X = pa.table({"a": ["x"], "b": cells})
        if library == "polars":
            X = pl.from_arrow(X)
        elif library == "pandas":
            X = X.to_pandas(types_mapper=pd.ArrowDtype)
        with pytest.raises(error, match=words):
            TableEncoder().fit(X)

    def test_refused_tables(self, arrow):
        with pytest.raises(TypeError, match=r"got a LazyFrame\. Collect it first: X\.collect"):
            TableEncoder().fit(pl.LazyFrame({"a": [1]}))
        with pytest.raises(ValueError, match=r"several columns of one name: \['a'\]"):
            TableEncoder().fit(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]))
        with pytest.raises(ValueError, match="feature names should match"):
            TableEncoder().fit(arrow).transform(arrow.rename_columns(list("abcdefg")))
        encoder = TableEncoder().fit(pl.DataFrame({"n": [1]}))
        for text in (pl.DataFrame({"n": ["1"]}), pa.table({"n": ["1"]})):
            with pytest.raises(
                ValueError, match="'n' held numbers in fit, but now it does not"
            ):
                encoder.transform(text)
        with pytest.raises(ValueError, match="holds times"):
            encoder.transform(pa.table({"n": [date(2020, 1, 1)]}))

    @pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
    def test_fitted_state_is_plain(self, table, polars, arrow, library):
        cut = table.assign(cut=pd.cut(table["count"], 3))
        encoder = TableEncoder().fit({"pandas": cut, "polars": polars, "arrow": arrow}[library])
        assert all(map(plain, vars(encoder).values()))

    @pytest.mark.parametrize("library", ["polars", "arrow"])
    def test_an_autoencoder_of_them(self, table, library):
        X = pl.from_pandas(table[["colour", "height", "positive"]])
        X = X if library == "polars" else X.to_arrow()
        ae = TableAutoencoder(AutoencoderTransformer(1, **SMALL)).fit(X)
        for back in (ae.inverse_transform(ae.transform(X)), ae.impute(X), ae.sample(2)):
            assert type(back) is type(X)
            assert back.schema == X.schema
        filled = pl.DataFrame(ae.impute(X))
        assert filled.null_count().sum_horizontal().item() == 0
        assert_array_equal(filled["positive"].to_numpy(), table["positive"])


class TestMany:
    """Categories cost what they fill, and a column that only names rows is named."""

    def test_no_square_of_the_categories(self):
        ids = pd.DataFrame({"id": np.arange(100_000).astype(str)})
        with pytest.warns(UserWarning, match="'id' has 100000 categories in 100000 samples"):
            encoder = TableEncoder().fit(ids)
        tracemalloc.start()
        rows = encoder.transform(ids[:2])
        back = encoder.inverse_transform(rows)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert rows.shape == (2, 100_000) and rows.sum() == 2
        assert back["id"].tolist() == ["0", "1"]
        assert peak < 200e6

    @pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pa.table])
    def test_a_warning_names_the_column(self, library):
        words = [f"w{i}" for i in range(50)]
        with pytest.warns(
            UserWarning, match="Column 'b' has 26 categories in 50 samples"
        ) as found:
            TableEncoder().fit(library({"a": words[:25] * 2, "b": words[:26] + words[:24]}))
        assert len(found) == 1
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            TableEncoder().fit(library({"a": words[:49], "b": range(49)}))


class TestAutoencoder:
    def test_what_comes_back(self, table, fitted):
        back = fitted.inverse_transform(fitted.transform(table))
        assert back.dtypes.equals(table.dtypes) and not back.isna().any(axis=None)
        for name in ("colour", "positive", "grade", "name"):
            seen = table[name].notna().to_numpy()
            accuracy = np.mean(back[name].to_numpy()[seen] == table[name].to_numpy()[seen])
            assert accuracy > 0.9
        assert np.corrcoef(back["count"], table["count"])[0, 1] > 0.98
        assert fitted.score(table) > 0.8

    def test_each_column_weighs_the_same(self, table, fitted):
        """The mean of a column has a loss of one, whatever its unit or its categories."""
        inner = fitted.autoencoder_
        rows = fitted.encoder_.transform(table)
        objective = inner._fitted.losses(rows, inner.mean_)
        assert_allclose(objective.sum(), rows.shape[0] * 7 - table.isna().sum().sum(), rtol=0.1)

    def test_impute_keeps_what_is_there(self, table, fitted):
        filled = fitted.impute(table)
        assert not filled.isna().any(axis=None)
        known = table.notna().to_numpy()
        assert (filled.to_numpy()[known] == table.to_numpy()[known]).all()
        missing = table["colour"].isna().to_numpy()
        t = table["count"].to_numpy()[missing] / 100
        expected = np.array(["red", "green", "blue"])[np.digitize(t, [-0.5, 0.3])]
        assert np.mean(filled["colour"].to_numpy()[missing] == expected) > 0.8

    @pytest.mark.parametrize("noise", [False, True])
    def test_samples_are_such_rows(self, table, fitted, noise):
        drawn = fitted.sample(30, random_state=0, noise=noise)
        assert drawn.dtypes.equals(table.dtypes) and len(drawn) == 30
        assert set(drawn["colour"]) == {"red", "green", "blue"}
        pd.testing.assert_frame_equal(drawn, fitted.sample(30, random_state=0, noise=noise))

    def test_rows_keep_their_index(self, table, fitted):
        assert fitted.impute(table).index.equals(table.index)
        Z = pd.DataFrame(fitted.transform(table), index=table.index)
        assert fitted.inverse_transform(Z).index.equals(table.index)

    def test_parameters_are_named_when_wrong(self, table):
        for loss in ("foo", 3):
            with pytest.raises(ValueError, match="The 'loss' parameter"):
                TableAutoencoder(AutoencoderTransformer(loss=loss)).fit(table)

    def test_prefixes_and_names(self, table, fitted):
        Z = fitted.set_output(transform="pandas").transform(table)
        assert Z.columns.tolist() == ["tableautoencoder0", "tableautoencoder1"]
        assert fitted.inverse_transform(Z.iloc[:, :1]).shape == table.shape

    def test_held_out_tables_judge(self, table):
        ae = AutoencoderTransformer(1, **SMALL)
        ae = TableAutoencoder(ae).fit(table[:100], X_val=table[100:])
        assert ae.autoencoder_.validation_curve_.size

    def test_unknown_categories_are_filled(self, table, fitted):
        other = table.iloc[:5].assign(colour="pink")
        with pytest.raises(ValueError, match="unknown categories"):
            fitted.transform(other)
        ignoring = clone(fitted).set_params(
            handle_unknown="ignore", autoencoder=AutoencoderTransformer(1, **SMALL)
        )
        filled = ignoring.fit(table).impute(other)
        assert set(filled["colour"]) <= {"red", "green", "blue"}

    def test_grid_search_reaches_both(self, table):
        ae = TableAutoencoder(AutoencoderTransformer(**SMALL), handle_unknown="ignore")
        grid = {"autoencoder__n_components": [1, 2], "autoencoder__loss": ["huber"]}
        found = GridSearchCV(ae, grid, cv=2, error_score="raise").fit(table)
        assert found.best_params_["autoencoder__n_components"] == 2


def test_a_joint_loss_of_named_parts():
    loss = Joint(((2, "squared_error"), (3, Joint(((1, "poisson"), (2, "categorical"))))))
    assert [n for n, _ in loss.parts] == [2, 1, 2]
    assert loss.pools(by_column=False) == [(2, 2), (1, 1), (2, 1)]
    assert loss.pools(by_column=True) == [(1, 1), (1, 1), (1, 1), (2, 1)]
    assert_allclose(loss.weights(np.array([1.0, 3.0, 0.0, 0.2, 0.3])), [0.5, 0.5, 1, 2, 2])
    with pytest.raises(ValueError, match="describes 5 columns, but X has 4"):
        loss.check(np.zeros((3, 4)))
    with pytest.raises(ValueError, match="needs values that are not negative, got -1"):
        loss.check(np.array([[0.0, 0, -1, 0, 1]]))
    with pytest.raises(ValueError, match="columns 3 to 4 of the joint loss"):
        loss.check(np.array([[0.0, 0, 1, 1, 1]]))
    with pytest.raises(ValueError, match="loss must be one of"):
        Joint(((1, "foo"),))
    assert_allclose(loss.weights(np.full(5, 1e-8)), [1e8, 1e8, 1, 1, 1])
    for wrong in ((), 3, ((0, "poisson"),), ((2,),)):
        with pytest.raises(ValueError, match="parts must hold pairs"):
            Joint(wrong)


def test_default_codes_of_one_column():
    X = pd.DataFrame({"n": np.arange(12.0)})
    model = TableAutoencoder(random_state=0).fit(X)
    assert model.transform(X).shape == (12, 1)
    np.testing.assert_allclose(model.inverse_transform(model.transform(X)), X, atol=1e-5)


class TestOutliers:
    """Rows that break what columns have in common, in tables of numbers and categories."""

    @pytest.fixture
    def table(self):
        rng = np.random.default_rng(0)
        kind = rng.integers(0, 3, 90)
        sizes = kind * 10.0 + rng.normal(size=90)
        table = pd.DataFrame(
            {"kind": np.array(["fig", "kiwi", "plum"])[kind], "a": sizes, "b": 2 - sizes}
        )
        table.loc[7, "kind"] = {"fig": "plum", "kiwi": "fig", "plum": "fig"}[table["kind"][7]]
        table.loc[11, "b"] = 60.0
        return table

    @pytest.fixture
    def detector(self, quick, table):
        return AutoencoderOutlierDetector(TableAutoencoder(quick(n_components=1))).fit(table)

    def test_the_planted_rows_are_the_strangest(self, detector, table):
        order = np.argsort(detector.score_samples(table))
        assert set(order[:2].tolist()) == {7, 11}
        assert detector.predict(table)[[7, 11]].tolist() == [-1, -1]
        assert detector.labels_[[7, 11]].tolist() == [1, 1]
        assert_array_equal(detector.decision_scores_, -detector.score_samples(table))
        assert list(detector.feature_names_in_) == ["kind", "a", "b"]

    def test_scores_have_no_unit(self, quick, detector, table):
        other = table.assign(a=1000 * table["a"], b=table["b"] / 1000)
        same = AutoencoderOutlierDetector(TableAutoencoder(quick(n_components=1))).fit(other)
        assert_allclose(same.score_samples(other), detector.score_samples(table), rtol=1e-3)

    def test_missing_values_do_not_count(self, detector, table):
        """A row's mean is over its observed columns, however many categories one has."""
        gaps = table.iloc[[0, 1]].astype({"kind": object})
        gaps.iloc[0, 0], gaps.iloc[1, 1] = None, np.nan
        assert np.isfinite(detector.score_samples(gaps)).all()
        assert (detector.predict(gaps) == 1).all()

    def test_score_samples_is_one_for_the_marginals(self, quick, table):
        """The mean loss of what knows nothing is 1 for each column, so for each row's mean."""
        model = TableAutoencoder(quick(n_components=1)).fit(table)
        scores, inner = model.score_samples(table), model.autoencoder_
        fitted, rows = inner._get_fitted(), model.encoder_.transform(table)
        null = fitted.losses(rows, fitted.mean) / 3
        assert null.mean() == pytest.approx(1.0, rel=1e-3)
        assert 0 < -scores.mean() < 0.8
        assert 1 - scores.mean() / -null.mean() == pytest.approx(model.score(table), abs=1e-6)

    def test_columns_are_refused_as_the_table_does(self, detector, table):
        with pytest.raises(ValueError, match="feature names"):
            detector.predict(table.rename(columns={"a": "c"}))

    def test_variables_that_are_observed(self):
        loss = Joint(((2, "squared_error"), (3, "categorical"), (4, Categorical((2, 2)))))
        observed = np.ones((3, 9), bool)
        observed[1, 2:5] = observed[2, [0, 7, 8]] = False
        assert_array_equal(loss.n_variables(observed), [5, 4, 3])
