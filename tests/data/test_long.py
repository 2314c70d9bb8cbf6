"""Rows that are read block by block: from arrays, files, sparse matrices, all the same."""

import copy
import re

import jax
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from skae import (
    AutoencoderImputer,
    AutoencoderOutlierDetector,
)
from skae._data import batches as _sources
from skae._data import rows as _rows
from skae._data.batches import RowSource, gather_complete
from skae._data.chunked import ChunkedRows, chunked, is_long
from skae._data.rows import Rows, fit_scaling
from skae._estimator import autoencoder, fitting, streaming
from skae._pca.axes import principal_axes
from skae._train import config
from skae._train import inputs as _batches
from skae._train import loop as _training

DIGITS = load_digits().data[:600]


@pytest.fixture
def little_memory(monkeypatch):
    """Rows are long beyond 2,000 numbers, and read and loaded in small blocks."""
    for name in ("LEAST_NUMBERS", "MOST_NUMBERS"):
        monkeypatch.setattr(_rows, name, 2_000)
    monkeypatch.setattr(_rows, "BLOCK_NUMBERS", 1_000)
    for name in ("MOST_INPUTS", "PART_NUMBERS"):
        monkeypatch.setattr(_sources, name, 2_000)


@pytest.fixture
def some_memory(monkeypatch):
    """Rows are read in blocks beyond 2,000 numbers, and may be held."""
    monkeypatch.setattr(_rows, "LEAST_NUMBERS", 2_000)
    monkeypatch.setattr(_rows, "BLOCK_NUMBERS", 1_000)
    return monkeypatch


class Sliced:
    """An array-like as HDF5 and zarr have them: slices of rows only; it counts what is read."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.most_read = self.n_read = 0

    def __len__(self):
        return len(self.array)

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        found = self.array[rows]
        self.most_read = max(self.most_read, found.size)
        self.n_read += len(found)
        return found

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("read as a whole")


class BackedSparse:
    """Sparse rows in a file as AnnData has them: a shape, a dtype, slices that are CSR."""

    def __init__(self, array):
        self._rows = sparse.csr_matrix(array)
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, rows):
        return self._rows[rows]


class Changing:
    """Sliced rows that are others from the ``n_reads``-th read on."""

    def __init__(self, array, change, n_reads):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.change, self.n_reads = change, n_reads

    def __getitem__(self, rows):
        self.n_reads -= 1
        found = self.array[rows].copy()
        return found if self.n_reads > 0 else self.change(found)


def held(kind, array, folder):
    """Return the ``array`` in a container of a kind."""
    if kind == "memmap":
        np.save(folder / "rows.npy", array)
        return np.load(folder / "rows.npy", mmap_mode="r")
    if kind == "hdf5":
        h5py = pytest.importorskip("h5py", reason="an extra of the tests")
        file = h5py.File(folder / "rows.h5", "w")
        return file.create_dataset("rows", data=array)
    kinds = {"array": np.asarray, "sliced": Sliced, "backed": BackedSparse}
    return {**kinds, "csr": sparse.csr_array}[kind](array)


KINDS = ["array", "memmap", "sliced", "backed", "hdf5", "csr"]


@pytest.mark.parametrize("method", ["fit", "partial_fit", "score"])
def test_no_pass_is_for_nothing(quick, some_memory, method):
    """Only a loss that says which cells it takes has them looked at."""

    def n_passes(loss):
        rows = Sliced(DIGITS)
        estimator = quick(loss=loss)
        if method == "score":
            estimator.fit(DIGITS[:20])
        getattr(estimator, method)(rows)
        return rows.n_read / len(rows)

    squared, poisson = n_passes("squared_error"), n_passes("poisson")
    for module in (autoencoder, fitting, streaming):
        some_memory.setattr(module, "check_range", lambda *arguments: None)
    assert n_passes("squared_error") == squared
    assert n_passes("poisson") == poisson - 1


def test_scores_read_rows_as_often_as_they_must(quick, some_memory):
    """Once to be checked and once for the errors."""
    some_memory.setattr(_rows, "BLOCK_NUMBERS", 1_000)
    rows, estimator = Sliced(DIGITS), quick().fit(DIGITS[:20])
    for method in (estimator.score, estimator.score_samples):
        rows.n_read = 0
        method(rows)
        assert rows.n_read == 2 * len(rows)


class TestChunkedRows:
    @pytest.mark.parametrize("kind", KINDS)
    def test_rows_are_those_of_the_container(self, kind, tmp_path, little_memory):
        rows = chunked(held(kind, DIGITS, tmp_path))
        assert rows.shape == DIGITS.shape and len(rows) == len(DIGITS)
        some = np.array([400, 3, 3, 599, 0])
        mask = np.arange(len(DIGITS)) % 100 == 7
        for index in (slice(5, 20), slice(None, None, 50), some, mask):
            assert_array_equal(rows[index], DIGITS[index])
        part = rows[mask | (np.arange(len(DIGITS)) < 300)]
        assert isinstance(part, ChunkedRows)
        assert_array_equal(part[290:306], DIGITS[[*range(290, 300), 307, 407, 507]])
        assert_array_equal(np.asarray(rows), DIGITS)

    @pytest.mark.parametrize("kind", ["array", "csr"])
    def test_columns_are_looked_at_in_blocks(self, kind, tmp_path, little_memory):
        X = DIGITS.copy()
        if kind == "array":
            X[::7, 3] = np.nan
        weight = np.arange(1.0, len(X) + 1)
        rows, array = chunked(held(kind, X, tmp_path)).weighted(weight), Rows(X, weight)
        mean = array.means()
        assert_allclose(rows.means(), mean, rtol=1e-12)
        assert_allclose(rows.variances(mean), array.variances(mean), atol=1e-10)
        for found, expected in zip(rows.summary, array.summary, strict=True):
            assert_array_equal(found, expected)
        assert_array_equal(rows.summary.ends, array.summary.ends)
        assert_array_equal(rows.summary.shares_at_ends, array.summary.shares_at_ends)
        assert rows.has_missing == (kind == "array")

    @pytest.mark.parametrize("scaling", ["global", "standard"])
    @pytest.mark.parametrize("kind", ["array", "csr"])
    def test_products_are_those_of_scaled_rows(self, kind, scaling, tmp_path, little_memory):
        fitted = fit_scaling(Rows(DIGITS), scaling, centered=True)
        X = fitted.forward(DIGITS)
        rows = chunked(held(kind, DIGITS, tmp_path)).scaled(fitted)[100:]
        mean = np.random.default_rng(0).normal(size=64)
        V, U = np.random.default_rng(1).normal(size=(64, 3)), X[100:, :2]
        assert_allclose(rows.times(V, mean), (X[100:] - mean) @ V, atol=1e-9)
        assert_allclose(rows.transposed_times(U, mean), (X[100:] - mean).T @ U, atol=1e-9)
        assert_allclose(rows.squares(mean), np.square(X[100:] - mean).sum(axis=1), rtol=1e-9)

    def test_axes_of_wide_sparse_rows(self):
        """Rounds in single precision cost nothing, down to variances of 1e-8 of the first."""
        rng, (n, d, rank) = np.random.default_rng(0), (60, 400, 12)
        scores = rng.normal(size=(n, rank)) * np.geomspace(1, 1e-4, rank)
        X = scores @ (rng.normal(size=(rank, d)) * (rng.random((rank, d)) < 0.05))
        found = principal_axes(chunked(sparse.csr_array(X)), 12)
        _, singular, axes = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
        assert_allclose(found.variances, np.square(singular[:rank]) / n, rtol=1e-6)
        assert_allclose(np.abs(np.sum(found.basis.T * axes[:rank], axis=1)), 1, atol=1e-9)
        assert_allclose(found.basis.T @ found.basis, np.eye(rank), atol=1e-12)

    @pytest.mark.parametrize("is_weighted", [False, True])
    def test_axes_are_those_of_all_rows(self, is_weighted, little_memory):
        weight = np.where(is_weighted, np.arange(1.0, len(DIGITS) + 1), 1.0)
        expected = principal_axes(Rows(DIGITS, weight), 64)
        found = principal_axes(chunked(DIGITS).weighted(weight), 64)
        assert_allclose(found.variances, expected.variances, atol=1e-9)
        assert_allclose(found.mean, expected.mean, atol=1e-9)
        assert_allclose(np.abs(np.sum(found.basis * expected.basis, axis=0))[:40], 1, rtol=1e-6)

    @pytest.mark.parametrize("is_weighted", [False, True])
    def test_leading_axes_know_what_they_leave(self, is_weighted):
        weight = np.where(is_weighted, np.arange(1.0, len(DIGITS) + 1), 1.0)
        rows = Rows(DIGITS, weight)
        expected, found = (principal_axes(rows, n) for n in (64, 20))
        assert_allclose(found.variances, expected.variances[:20], rtol=0.01)
        assert_allclose(found.total, expected.total, rtol=1e-9)


class TestRowSource:
    @pytest.mark.parametrize("n_rows, most", [(100, 16), (103, 16), (33, 4), (40, 39), (9, 1)])
    def test_each_row_once_per_pass(self, n_rows, most):
        x, loaded = np.arange(1.0, n_rows + 1, dtype=np.float32)[:, None], []

        def load(part):
            loaded.append(len(part))
            return gather_complete(x[part], None)

        rng = np.random.default_rng(0)
        source = RowSource(load, np.ones(n_rows), 4, rng, most_rows=most)
        n_batches = -(-n_rows // 4)
        passes = []
        for _ in range(3):
            rows, _, _, weight = source.block(n_batches, n_batches)
            assert weight.sum() == n_rows
            assert_array_equal(np.sort(rows[weight > 0], axis=0), x)
            passes.append(rows[weight > 0].ravel())
        assert not np.array_equal(passes[0], passes[1])
        assert max(loaded) <= max(most, 4) + 3

    def test_labels_are_spread_within_a_part(self):
        labels = np.repeat([0, 1], 80)
        x = labels[:, None].astype(np.float32)
        rng = np.random.default_rng(0)
        load = lambda part: gather_complete(x[part], None)  # noqa: E731
        source = RowSource(load, np.ones(160), 8, rng, strata=labels, most_rows=80)
        assert source.block(20, 20)[0].sum() == 80


class TestFits:
    def test_only_many_numbers_are_long(self, little_memory):
        assert is_long(DIGITS) and not is_long(DIGITS[:20])
        assert not is_long(DIGITS.astype(object)) and not is_long(DIGITS.tolist())
        assert not is_long(np.ma.masked_array(DIGITS))

    @pytest.mark.parametrize(
        "kind, dtype", [("memmap", np.float32), ("sliced", np.float64), ("hdf5", np.uint8)]
    )
    def test_files_and_arrays_give_the_same_bits(
        self, quick, kind, dtype, tmp_path, little_memory
    ):
        X = DIGITS.astype(dtype)
        expected = quick().fit(X)
        container = held(kind, X, tmp_path)
        found = quick().fit(container)
        Z = expected.transform(X)
        assert_array_equal(found.transform(container), Z)
        assert_array_equal(found.inverse_transform(Z), expected.inverse_transform(Z))
        for name in ("explained_variance_ratio_", "loss_curve_", "validation_curve_", "mean_"):
            assert_array_equal(getattr(found, name), getattr(expected, name))
        assert found.score(container) == expected.score(X)
        assert_array_equal(found.score_samples(container), expected.score_samples(X))
        assert Z.dtype == (np.float32 if dtype == np.float32 else np.float64)

    def test_a_sparse_matrix_gives_the_same_fit(self, quick, little_memory):
        X = sparse.coo_array(DIGITS)
        found, expected = quick().fit(X), quick().fit(DIGITS)
        assert_allclose(found.transform(X), expected.transform(DIGITS), atol=1e-2)
        assert_allclose(found.score(X), expected.score(DIGITS), rtol=1e-4)

    def test_never_more_than_a_part_is_read(self, quick, little_memory):
        X = Sliced(DIGITS)
        estimator = quick().fit(X)
        estimator.transform(X)
        assert X.most_read <= 2 * _rows.MOST_NUMBERS  # what is held, and the runs around it

    def test_long_rows_are_fitted_as_well_as_others(self, monkeypatch, quick):
        held_out = load_digits().data[600:900]
        estimator = quick(n_components=4, max_iter=40, output_activation="identity")
        usual = estimator.fit(DIGITS).score(held_out)
        for name in ("LEAST_NUMBERS", "MOST_NUMBERS"):
            monkeypatch.setattr(_rows, name, 20_000)
        for name in ("MOST_INPUTS", "PART_NUMBERS"):
            monkeypatch.setattr(_sources, name, 20_000)
        assert is_long(DIGITS)
        assert abs(estimator.fit(DIGITS).score(held_out) - usual) < 0.02

    @pytest.mark.parametrize(
        "parameters",
        [
            {},
            {"loss": "absolute_error"},
            {"scaling": "standard", "output_activation": "logistic"},
            {"cv": 2},
            {"kl_weight": 0.01},
        ],
        ids=lambda p: ",".join(p),
    )
    @pytest.mark.parametrize("kind", KINDS)
    def test_rows_that_may_be_held_are_fitted_as_others(
        self, quick, parameters, kind, tmp_path, some_memory
    ):
        """They are read in blocks, and that is all: the same folds, the same batches."""
        container, usual = held(kind, DIGITS, tmp_path), quick(**parameters)
        with some_memory.context() as patched:
            patched.setattr(_rows, "LEAST_NUMBERS", 2**22)
            expected = usual.fit(DIGITS)
            curve, Z = expected.validation_curve_, expected.transform(DIGITS)
        assert is_long(container)
        found = quick(**parameters).fit(container)
        assert_allclose(found.validation_curve_, curve, rtol=1e-3)
        assert_allclose(found.transform(container), Z, atol=1e-2 * np.abs(Z).max())

    def test_what_compiling_took_is_given_back_where_rows_are_long(self, quick, some_memory):
        """Once what trains is compiled, and once what judges; for few rows it pays nothing."""
        calls = []
        some_memory.setattr(_training, "return_memory", lambda: calls.append(1))
        quick(max_iter=40).fit(DIGITS[:30])
        assert not calls
        quick(cv=None, max_iter=40).fit(DIGITS)
        assert len(calls) == 2

    @pytest.mark.parametrize("first_gap", [500, None])
    def test_what_trains_is_compiled_before_rows_are_copied(
        self, quick, compiled, monkeypatch, first_gap, little_memory
    ):
        """Compiling takes memory, and so do they; gaps that come late compile nothing else."""
        X, source, seen = DIGITS.copy(), _batches.RowSource, []
        if first_gap is not None:
            X[first_gap:, 3] = np.nan

        def noted(load, weight, *given, **named):
            seen.append((len(weight), compiled.count("jit(train_block)")))
            return source(load, weight, *given, **named)

        monkeypatch.setattr(_batches, "RowSource", noted)
        jax.clear_caches()
        quick(cv=None, batch_size=40, max_iter=4).fit(X)
        assert seen == [(40, 0), (600, 1)]
        assert compiled.count("jit(train_block)") == 1

    def test_missing_cells_and_few_rows_that_may_be_held(self, quick, some_memory):
        X = DIGITS.copy()
        X[np.random.default_rng(0).uniform(size=X.shape) < 0.1] = np.nan
        wide = np.tile(DIGITS[:40], (1, 4)) + np.random.default_rng(0).normal(size=(40, 256))
        for rows in (X, wide):
            with some_memory.context() as patched:
                patched.setattr(_rows, "LEAST_NUMBERS", 2**22)
                expected = quick().fit(rows).explained_variance_ratio_
            assert is_long(rows)
            assert_allclose(quick().fit(rows).explained_variance_ratio_, expected, rtol=1e-3)

    @pytest.mark.parametrize(
        "parameters",
        [
            {"cv": 2},
            {"cv": None},
            {"loss": "absolute_error"},
            {"scaling": "standard", "output_activation": "logistic"},
            {"linear_path": None, "corruption": "masking"},
            {"class_weight": "balanced"},
            {"architecture": "conv2d", "sample_shape": (8, 8)},
            {"kl_weight": 0.01},
        ],
        ids=lambda p: ",".join(p),
    )
    def test_parameters_keep_their_meaning(self, quick, parameters, little_memory):
        y = load_digits().target[:600]
        estimator = quick(max_iter=2, **parameters).fit(DIGITS, y)
        assert estimator.score(DIGITS) > 0
        assert estimator.transform(DIGITS[:5]).shape == (5, 2)
        assert np.isfinite(estimator.sample(3, random_state=0)).all()

    def test_missing_cells_and_weights(self, quick, little_memory):
        X = DIGITS.copy()
        X[np.random.default_rng(0).uniform(size=X.shape) < 0.1] = np.nan
        X[5] = np.nan
        weight = np.arange(len(X)) % 3
        estimator = quick().fit(X, sample_weight=weight)
        assert estimator.score(X) > 0.1
        filled = estimator.impute(X)
        assert_array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])
        assert np.isfinite(filled).all()

    def test_estimators_around_it_take_long_rows_as_arrays(self, quick, little_memory):
        X = DIGITS.copy()
        X[::9, 20] = np.nan
        imputer = AutoencoderImputer(quick(max_iter=1), add_indicator=True).fit(X)
        assert imputer.transform(X).shape == (600, 65)
        detector = AutoencoderOutlierDetector(quick(max_iter=1)).fit(DIGITS)
        assert detector.score_samples(DIGITS).shape == (600,)
        for method in (imputer.transform, imputer.fit):
            with pytest.raises(
                TypeError, match=r"Sparse data was passed.*all values.*observed"
            ):
                method(sparse.csr_array(DIGITS))
        assert imputer.transform(X).shape == (600, 65)

    @pytest.mark.parametrize("contamination", ["auto", 0.1])
    @pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
    def test_the_detector_takes_sparse_rows(self, quick, contamination, loss, monkeypatch):
        """As the autoencoder does, and never all of them at once."""
        given = {"contamination": contamination, "random_state": 0}
        detector = AutoencoderOutlierDetector(quick(loss=loss, max_iter=1), **given)
        rows, X = sparse.csr_array(DIGITS), DIGITS
        expected = copy.deepcopy(detector).fit(X)
        for fitted in (detector.fit(rows), copy.deepcopy(detector).fit(rows.tocoo())):
            assert_array_equal(fitted.score_samples(rows), expected.score_samples(X))
            assert fitted.offset_ == expected.offset_
        monkeypatch.setattr(_rows, "LEAST_NUMBERS", 20_000)
        monkeypatch.setattr(_rows, "BLOCK_NUMBERS", 10_000)
        assert_allclose(expected.score_samples(rows), expected.score_samples(X), rtol=1e-5)
        assert_allclose(detector.fit(rows).offset_, expected.offset_, rtol=0.02)
        monkeypatch.delattr(ChunkedRows, "__array__")
        scores = detector.score_samples(rows)
        assert_array_equal(detector.predict(rows), np.where(scores < detector.offset_, -1, 1))

    @pytest.mark.parametrize("shape", [(64,), (8, 8), (4, 4, 4)], ids=str)
    @pytest.mark.parametrize("least", [2_000, 2**22])
    def test_files_of_any_size_and_number_of_dimensions(
        self, quick, shape, least, tmp_path, monkeypatch
    ):
        """A file is no array: of few rows, too, and for every method."""
        X = DIGITS[:100].reshape(-1, *shape)
        expected = quick().fit(X)
        file = held("hdf5", X, tmp_path)
        monkeypatch.setattr(_rows, "LEAST_NUMBERS", least)
        found = quick().fit(file)
        for method in ("transform", "impute", "score", "score_samples"):
            expected_of = getattr(expected, method)(X)
            assert_allclose(getattr(found, method)(file), expected_of, rtol=1e-5, atol=1e-4)
        assert quick().partial_fit(file).sample_shape_ == shape
        imputer = AutoencoderImputer(quick(max_iter=1)).fit(file)
        assert imputer.transform(file).shape == X.shape
        detector = AutoencoderOutlierDetector(quick(max_iter=1)).fit(file)
        assert detector.predict(file).shape == (100,)
        if len(shape) > 1:
            other = DIGITS[:100].reshape(-1, 2, 32)
            for method in (found.transform, imputer.transform, detector.predict):
                with pytest.raises(
                    ValueError, match=re.escape("X has samples of shape (2, 32)")
                ):
                    method(other)

    @pytest.mark.parametrize("least", [2_000, 2**22])
    def test_backed_sparse_rows_are_as_their_array(self, quick, least, monkeypatch):
        monkeypatch.setattr(_rows, "LEAST_NUMBERS", least)
        expected, rows = quick().fit(DIGITS), BackedSparse(DIGITS)
        found = quick().fit(rows)
        assert_array_equal(found.transform(rows), expected.transform(DIGITS))
        assert found.score(rows) == expected.score(DIGITS)

    @pytest.mark.parametrize(
        "change, words",
        [
            (lambda rows: np.where(rows == 0, np.nan, np.inf), "values became"),
            (lambda rows: rows * np.nan, "values became NaN"),
            (lambda rows: np.where(rows == 16, np.inf, rows), "values became infinite"),
            (lambda rows: rows[:-1], r"rows of shape \(\d+, 64\) became \(\d+, 64\)"),
            (lambda rows: rows[:, :-1], r"became \(\d+, 63\)"),
            (lambda rows: np.pad(rows, ((0, 0), (0, 1))), r"became \(\d+, 65\)"),
        ],
        ids=["inf and NaN", "NaN", "inf", "shorter", "narrower", "wider"],
    )
    @pytest.mark.parametrize("n_reads", [41, 50, 90, 130])
    def test_a_file_that_changes_while_it_is_read(
        self, quick, change, words, n_reads, little_memory
    ):
        """The first 40 reads are the check, the next ones the fit: nothing is lost."""
        fitted = quick().fit(DIGITS)
        before, codes = copy.copy(vars(fitted)), fitted.transform(DIGITS)
        with pytest.raises(ValueError, match=words) as caught:
            fitted.fit(Changing(DIGITS, change, n_reads))
        assert "test_long Changing" in str(caught.value)
        assert vars(fitted) == before
        assert_array_equal(fitted.transform(DIGITS), codes)

    @pytest.mark.parametrize("estimator", [AutoencoderImputer, AutoencoderOutlierDetector])
    @pytest.mark.parametrize("n_reads", [1, 41, -1])
    def test_estimators_around_it_lose_nothing(self, quick, estimator, n_reads, some_memory):
        frame = pd.DataFrame(DIGITS[:, :30]).rename(columns=str)
        fitted, counted = estimator(quick(max_iter=1)).fit(frame), Changing(DIGITS, None, 10**9)
        estimator(quick(max_iter=1)).fit(counted)
        n_reads = n_reads if n_reads > 0 else 10**9 - counted.n_reads  # the last one
        before = copy.copy(vars(fitted))
        with pytest.raises(ValueError, match="became"):
            fitted.fit(Changing(DIGITS, lambda rows: rows[:-1], n_reads))
        assert vars(fitted) == before

    def test_a_file_that_is_closed(self, quick, tmp_path, little_memory):
        file = held("hdf5", DIGITS, tmp_path)
        fitted, rows = quick(max_iter=1).fit(file), chunked(file)
        file.file.close()
        with pytest.raises(
            ValueError, match=r"could not be read from h5py Dataset in .*rows\.h5"
        ):
            rows[:10]
        with pytest.raises(ValueError, match=r"X cannot be read .*h5py Dataset.* closed"):
            fitted.transform(file)

    @pytest.mark.parametrize("least", [10, 2**22])
    @pytest.mark.parametrize(
        "cells, words",
        [
            (["1", "2"], "strings, bytes"),
            ([1j, 2j], "Complex data not supported"),
            (np.zeros(2, "f8,i4"), "Structured arrays"),
        ],
        ids=["text", "complex", "structured"],
    )
    def test_datasets_of_no_numbers(self, quick, cells, words, least, tmp_path, monkeypatch):
        monkeypatch.setattr(_rows, "LEAST_NUMBERS", least)
        h5py = pytest.importorskip("h5py", reason="an extra of the tests")
        with h5py.File(tmp_path / "cells.h5", "w") as file:
            file["X"] = [cells] * 10 if isinstance(cells, list) else np.tile(cells, (10, 1))
            with pytest.raises((ValueError, TypeError), match=words):
                quick().fit(file["X"])
            with pytest.raises(TypeError, match="got File"):
                quick().fit(file)
            with pytest.raises(TypeError, match=r"Input X \(Dataset\) cannot be read"):
                quick().fit(file.create_dataset("empty", dtype="f8"))

    @pytest.mark.parametrize("bad", [np.inf, 1e300])
    def test_cells_beyond_float32(self, quick, bad, little_memory):
        X = DIGITS.copy()
        X[-1, -1] = bad
        with pytest.raises(ValueError, match="Input X contains infinity or a value too large"):
            quick().fit(X)
        fitted = quick().fit(DIGITS)
        with pytest.raises(ValueError, match="Input X contains infinity or a value too large"):
            fitted.transform(X)

    def test_columns_without_cells_and_other_columns(self, quick, little_memory):
        X = DIGITS.copy()
        X[:, 3] = np.nan
        with pytest.warns(UserWarning, match=r"constant 0: \[3\]"):
            estimator = quick().fit(X)
        assert np.isfinite(estimator.transform(X)).all()
        with pytest.raises(ValueError, match="expecting 64 features as input"):
            quick().fit(DIGITS).transform(DIGITS[:, :60])

    def test_a_cell_in_several_entries(self, quick, little_memory):
        """Is their sum, as SciPy has it: for what the columns hold, too."""
        once = sparse.csr_array(DIGITS)
        order = np.repeat(np.arange(once.nnz), 2)
        parts = np.where(np.arange(2 * once.nnz) % 2, once.data[order] - 1.0, 1.0)
        twice = sparse.csr_array((parts, once.indices[order], 2 * once.indptr), once.shape)
        before = twice.nnz
        Z = quick(n_components=3).fit(twice).transform(once)
        assert twice.nnz == before
        assert_array_equal(Z, quick(n_components=3).fit(once).transform(once))

    @pytest.mark.parametrize("n_rows", [10, 600])
    def test_bad_sparse_matrices(self, quick, fitted, n_rows, little_memory):
        X = sparse.csr_array(DIGITS[:n_rows])
        with pytest.raises(ValueError, match="Complex data not supported"):
            quick().fit(X.astype(complex))
        X.data[3] = np.nan
        with pytest.raises(ValueError, match=r"Input X contains NaN in a sparse .*dense X"):
            quick().fit(X)
        with pytest.raises(TypeError, match="Sparse data was passed"):
            fitted.inverse_transform(X)


class TestSparse:
    """What SciPy lets through, small and large."""

    @pytest.fixture(autouse=True, params=[2_000, 2**22])
    def least(self, request, monkeypatch):
        monkeypatch.setattr(_rows, "LEAST_NUMBERS", request.param)

    @pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.int8, bool, ">f8"])
    def test_dtypes(self, quick, dtype):
        cells = (DIGITS[:100] > 8).astype(float)
        X = sparse.csr_array(cells)
        X.data = X.data.astype(dtype)
        expected = quick().fit(sparse.csr_array(cells))
        found = quick().fit(X)
        assert X.data.dtype == dtype
        assert_array_equal(found.transform(X), expected.transform(cells))
        assert_array_equal(found.mean_, expected.mean_)

    @pytest.mark.filterwarnings("ignore:Constructing a DIA matrix")
    @pytest.mark.parametrize("kind", ["csr", "csc", "bsr", "coo", "lil", "dok", "dia"])
    def test_formats(self, quick, kind):
        expected = quick().fit(sparse.csr_array(DIGITS[:100])).mean_
        for container in (sparse.csr_array(DIGITS[:100]), sparse.csr_matrix(DIGITS[:100])):
            assert_array_equal(quick().fit(container.asformat(kind)).mean_, expected)

    BROKEN = {
        "index too large": ("csr", "indices", 0, 64),
        "index below 0": ("csr", "indices", 0, -1),
        "pointers that fall": ("csr", "indptr", 3, 0),
        "pointers beyond": ("csr", "indptr", -1, 10**6),
        "row too large": ("csc", "indices", 0, 100),
        "block too far": ("bsr", "indices", 0, 64),
        "coordinate too large": ("coo", "row", 0, 100),
    }

    @pytest.mark.parametrize("method", ["fit", "transform", "score"])
    @pytest.mark.parametrize("case", BROKEN)
    def test_broken_indices(self, quick, case, method):
        kind, name, place, value = self.BROKEN[case]
        X = sparse.csr_matrix(DIGITS[:100]).asformat(kind)
        if kind == "bsr":
            X = sparse.bsr_matrix(DIGITS[:100], blocksize=(1, 1))
        getattr(X, name)[place] = value
        fitted = quick(max_iter=1).fit(DIGITS)
        with pytest.raises(ValueError, match=rf"X is a broken sparse matrix \({kind}"):
            getattr(fitted, method)(X)

    @pytest.mark.parametrize("method", ["fit", "partial_fit", "transform", "score"])
    def test_missing_cells(self, quick, method):
        X = sparse.csr_array(DIGITS[:100])
        X.data[3] = np.nan
        fitted = quick(max_iter=1).fit(DIGITS)
        with pytest.raises(ValueError, match=r"Input X contains NaN in a sparse .*dense X"):
            getattr(fitted, method)(X)

    def test_too_many_columns_and_dimensions(self, quick):
        for kind in (sparse.csr_array, sparse.coo_array):
            with pytest.raises(ValueError, match="1000000000 columns, and at most"):
                quick().fit(kind((10, 10**9)))
        with pytest.raises(ValueError, match=r"Expected 2D input.*\(100, 8, 8\)"):
            quick().fit(sparse.coo_array(DIGITS[:100].reshape(-1, 8, 8)))

    def test_sparse_columns_of_a_frame(self, quick):
        X = sparse.csr_array(DIGITS[:100])
        names = [f"p{i}" for i in range(64)]
        frame = pd.DataFrame.sparse.from_spmatrix(X, columns=names)
        found, expected = quick().fit(frame), quick().fit(X)
        for method in ("transform", "impute", "score", "score_samples"):
            assert_array_equal(getattr(found, method)(frame), getattr(expected, method)(X))
        assert found.feature_names_in_.tolist() == names
        assert quick().partial_fit(frame).n_features_in_ == 64
        with pytest.raises(ValueError, match="feature names should match"):
            found.transform(frame[names[::-1]])
        for around in (AutoencoderImputer, AutoencoderOutlierDetector):
            inner = around(quick(max_iter=1)).fit(frame).autoencoder_
            assert_array_equal(inner.feature_names_in_, names)

    def test_sparse_columns_with_others_or_with_missing_cells(self, quick):
        dummies = pd.get_dummies(pd.Series(list("abca") * 100), sparse=True)
        table = dummies.assign(z=np.arange(400.0))
        dense = table.astype(float)
        assert_array_equal(
            quick().fit(table).transform(table), quick().fit(dense).transform(dense)
        )
        gappy = pd.DataFrame(DIGITS[:100], columns=[f"p{i}" for i in range(64)])
        gappy.iloc[::9, 5] = np.nan
        few = gappy.astype(pd.SparseDtype(float, np.nan))
        assert_array_equal(quick().fit(few).mean_, quick().fit(gappy.to_numpy()).mean_)


class TestWideRows:
    @pytest.fixture(autouse=True)
    def narrow(self, monkeypatch):
        monkeypatch.setattr(config, "WIDEST", 40)
        monkeypatch.setattr(config, "FEWEST_AXES", 30)

    def test_nets_see_leading_axes(self, quick):
        estimator = quick(n_components=3).fit(DIGITS)
        assert estimator._fitted.model.network.n_inputs == 32
        assert estimator.components_.shape == (3, 64)
        back = estimator.inverse_transform(estimator.transform(DIGITS))
        error = np.square(DIGITS - back).sum() / np.square(DIGITS - DIGITS.mean(axis=0)).sum()
        assert_allclose(estimator.score(DIGITS), 1 - error, rtol=1e-6)

    def test_explained_variance_counts_what_is_left_out(self, quick):
        X, held_out = DIGITS[::2], DIGITS[1::2]
        estimator = quick(n_components=3, cv=2).fit(X)
        explained = estimator.explained_variance_ratio_.sum()
        assert abs(explained - estimator.score(held_out)) < 0.05

    def test_it_starts_at_pca(self, quick):
        estimator = quick(n_components=3, cv=None, learning_rate=1e-30, max_iter=1)
        Z = estimator.fit_transform(DIGITS)
        pca = PCA(3, svd_solver="full").fit(DIGITS)
        expected = pca.inverse_transform(pca.transform(DIGITS))
        found = estimator.inverse_transform(Z)
        assert np.linalg.norm(found - expected) < 0.01 * np.linalg.norm(expected)

    def test_sparse_and_dense_agree(self, quick, little_memory):
        X = sparse.csr_array(DIGITS)
        found, expected = quick(n_components=3).fit(X), quick(n_components=3).fit(DIGITS)
        assert_allclose(found.transform(X), expected.transform(DIGITS), atol=0.05)
        assert_allclose(found.score(X), expected.score(DIGITS), atol=1e-3)
        assert_allclose(found.transform(X), found.transform(DIGITS), atol=1e-4)

    @pytest.mark.parametrize("cv", [None, "auto"])
    def test_sparse_rows_are_never_all_columns_at_once(self, quick, monkeypatch, cv):
        """All rows to train on, or some to judge: they are in the axes before they are held."""
        monkeypatch.setattr(_rows, "LEAST_NUMBERS", 2_000)
        monkeypatch.setattr(_rows, "BLOCK_NUMBERS", 1_000)
        held, hold = [], ChunkedRows.__array__

        def noted(rows, dtype=None, copy=None):
            held.append(rows.shape)
            return hold(rows, dtype, copy)

        monkeypatch.setattr(ChunkedRows, "__array__", noted)
        quick(n_components=3, cv=cv).fit(sparse.csr_array(DIGITS))
        assert held == []

    def test_what_needs_columns_gets_them(self, quick):
        estimator = quick(corruption="masking", output_activation="logistic").fit(DIGITS)
        assert estimator._fitted.model.reduction is None

    def test_cells_may_be_missing_later(self, quick):
        estimator = quick(n_components=3).fit(DIGITS)
        gappy = DIGITS.copy()
        gappy[np.arange(len(gappy)), np.arange(len(gappy)) % 64] = np.nan
        hidden, Z = np.isnan(gappy), estimator.transform(DIGITS)
        assert_allclose(estimator.transform(gappy), Z, atol=0.1 * np.abs(Z).max())
        filled = estimator.impute(gappy)
        assert_array_equal(filled[~hidden], DIGITS[~hidden])
        spread = np.square(DIGITS - DIGITS.mean(axis=0))[hidden].sum()
        assert np.square(filled - DIGITS)[hidden].sum() < 0.8 * spread
        assert_allclose(estimator.score(gappy), estimator.score(DIGITS), atol=0.03)

    @pytest.mark.parametrize("is_read_in_blocks", [False, True])
    def test_cells_may_be_missing_where_rows_judge_or_go_on(
        self, quick, is_read_in_blocks, monkeypatch
    ):
        if is_read_in_blocks:
            for name in ("LEAST_NUMBERS", "BLOCK_NUMBERS"):
                monkeypatch.setattr(_rows, name, 2_000)
        gappy = DIGITS.copy()
        gappy[::3, 20] = np.nan
        complete = quick(warm_start=True).fit(DIGITS, X_val=DIGITS[:100]).validation_curve_
        estimator = quick(warm_start=True).fit(DIGITS, X_val=gappy[:100])
        assert_allclose(estimator.validation_curve_, complete, rtol=0.05)
        before = estimator.score(DIGITS)
        estimator.set_params(cv=None).fit(gappy)
        assert estimator._fitted.model.reduction is not None
        assert estimator.score(DIGITS) > before - 0.02

    def test_a_share_of_variance(self, quick):
        estimator = quick(n_components=0.6, max_iter=10).fit(DIGITS)
        assert estimator.explained_variance_ratio_.sum() >= 0.6

    def test_few_rows_lose_nothing(self, quick):
        estimator = quick(n_components=15, hidden_layer_sizes=(), cv=None).fit(DIGITS[:16])
        assert estimator.score(DIGITS[:16]) > 1 - 1e-4

    def test_warm_start_goes_on(self, quick):
        estimator = quick(warm_start=True, cv=None).fit(DIGITS)
        before = estimator.score(DIGITS)
        estimator.set_params(max_iter=20).fit(DIGITS)
        assert estimator.score(DIGITS) > before
