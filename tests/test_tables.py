"""Tables of mixed columns: there and back exactly, and one code of all columns."""

from datetime import date

import numpy as np
import pytest
from _contract import TRANSFORMER_CHECKS, run
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import AutoencoderTransformer, TableAutoencoder, TableEncoder
from skae.losses import Joint

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

    def test_arrays_come_back_as_arrays(self):
        X = np.array([["a", 1], ["b", 2]], dtype=object)
        encoder = TableEncoder().fit(X)
        assert_array_equal(encoder.inverse_transform(encoder.transform(X)), X)

    @pytest.mark.parametrize(
        ("columns", "error", "words"),
        [
            ({"t": pd.to_datetime(["2020-01-01"] * 2)}, ValueError, "holds times"),
            ({"e": [None, None]}, ValueError, r"no observed value in the columns \['e'\]"),
            ({"d": [{}, {}]}, TypeError, "Column 'd' holds cells that are no category"),
            ({"c": [1j, 2j]}, ValueError, "'c' holds cells of kind 'complex'"),
            ({"o": pd.array([date(2020, 1, 1)] * 2, dtype=object)}, ValueError, "kind 'date'"),
            ({"s": pd.arrays.SparseArray([0, 1])}, TypeError, "Column 's' is sparse"),
        ],
    )
    def test_refused_columns(self, columns, error, words):
        with pytest.raises(error, match=words):
            TableEncoder().fit(pd.DataFrame(columns))

    def test_a_failed_fit_leaves_the_encoder(self, table):
        encoder = TableEncoder().fit(table)
        with pytest.raises(ValueError, match="holds times"):
            encoder.fit(table.assign(when=pd.Timestamp("2020-01-01")))
        pd.testing.assert_frame_equal(
            encoder.inverse_transform(encoder.transform(table)), table.reset_index(drop=True)
        )

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
        with pytest.raises(ValueError, match="makes rows of 14 columns"):
            encoder.inverse_transform(np.zeros((2, 3)))


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
        objective = inner._losses(rows, inner.mean_)
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

    def test_a_failed_fit_leaves_the_model(self, table, fitted):
        before = fitted.encoder_, fitted.autoencoder_
        with pytest.raises(ValueError, match="holds times"):
            fitted.fit(table.assign(when=pd.Timestamp("2020-01-01")))
        assert (fitted.encoder_, fitted.autoencoder_) == before

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
    with pytest.raises(ValueError, match="needs cells that are not negative, got -1"):
        loss.check(np.array([[0.0, 0, -1, 0, 1]]))
    with pytest.raises(ValueError, match="columns 3 to 4 of the joint loss"):
        loss.check(np.array([[0.0, 0, 1, 1, 1]]))
    with pytest.raises(ValueError, match="loss must be one of"):
        Joint(((1, "foo"),))
    assert_allclose(loss.weights(np.full(5, 1e-8)), [1e8, 1e8, 1, 1, 1])
    for wrong in ((), 3, ((0, "poisson"),), ((2,),)):
        with pytest.raises(ValueError, match="parts must hold pairs"):
            Joint(wrong)


@parametrize_with_checks([TableAutoencoder(AutoencoderTransformer(**SMALL))])
def test_estimator_check(estimator, check):
    run(check, estimator)


@pytest.mark.parametrize("name", TRANSFORMER_CHECKS)
def test_transformer_check(name):
    estimator = TableAutoencoder(AutoencoderTransformer(**SMALL))
    run(getattr(estimator_checks, name), "TableAutoencoder", estimator)
