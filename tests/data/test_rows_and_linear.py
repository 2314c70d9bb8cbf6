"""Rows and the linear path: plain NumPy, compared with plain PCA."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from skae._data.batches import RowSource, gather_complete, tiles
from skae._data.rows import Rows, fit_scaling
from skae._pca.axes import principal_axes
from skae._pca.path import pca_path, plain_path
from skae.losses._ranges import OUTPUT_ACTIVATIONS

TABLES = {
    "iris": load_iris().data,
    "wine": StandardScaler().fit_transform(load_wine().data),
    "cancer": StandardScaler().fit_transform(load_breast_cancer().data),
    "wide": np.random.default_rng(0).normal(size=(12, 30)),
    "deficient": load_iris().data[:, [0, 1, 2, 0]],
}


def source_of(x, target, batch_size):
    return RowSource(
        lambda part: gather_complete(x, target),
        np.ones(len(x)),
        batch_size,
        np.random.default_rng(0),
    )


@pytest.mark.parametrize("n_rows, batch_size", [(1, 4), (4, 4), (10, 4), (3, 8), (64, 8)])
def test_each_row_once_per_pass(n_rows, batch_size):
    x = np.arange(1.0, n_rows + 1, dtype=np.float32)[:, None]
    source = source_of(x, None, batch_size)
    per_pass = -(-n_rows // batch_size)
    for _ in range(3):
        batch, target, observed, weight = source.block(per_pass, per_pass)
        assert batch.shape == (per_pass, batch_size, 1) and target is observed is None
        assert weight.sum() == n_rows
        assert_array_equal(np.sort(batch[weight > 0], axis=0), x)


def test_stratified_batches_hold_their_share_of_every_class():
    x = np.arange(80.0)[:, None]
    weight = np.where(x[:, 0] < 10, 4.0, 4 / 7)
    rng = np.random.default_rng(0)
    source = RowSource(
        lambda part: gather_complete(x, None), weight, 16, rng, strata=x[:, 0] < 10
    )
    for _ in range(3):
        rows, _, _, found = source.block(5, 5)
        assert_array_equal(np.sort(rows.ravel()), x[:, 0])
        assert_array_equal((rows[:, :, 0] < 10).sum(axis=1), 2)
        assert_allclose(found, np.where(rows[:, :, 0] < 10, 4.0, 4 / 7))


def test_passes_are_shuffled_anew():
    source = source_of(np.arange(64.0)[:, None], None, 8)
    first, second = (source.block(8, 8)[0] for _ in range(2))
    assert not np.array_equal(first, second)


def test_blocks_cut_the_passes_anywhere():
    """The stream of batches is the same however many each block takes."""
    x = np.random.default_rng(1).normal(size=(10, 2)).astype(np.float32)
    one = source_of(x, x * 2, 4).block(9, 9)
    source = source_of(x, x * 2, 4)
    parts = [source.block(n, 4) for n in (1, 4, 2, 2)]
    for i in (0, 1, 3):
        joined = [part[i][:n] for part, n in zip(parts, (1, 4, 2, 2), strict=True)]
        assert_array_equal(np.concatenate(joined), one[i])
    assert all(part[0].shape == (4, 4, 2) for part in parts)
    assert_array_equal(parts[0][3][1:], 0)  # beyond the batches asked for nothing weighs


def test_target_goes_with_its_row():
    x = np.arange(10.0)[:, None]
    batch, target, *_ = source_of(x, -x, 4).block(3, 3)
    assert_array_equal(target, -batch)


@pytest.mark.parametrize("n_rows", [0, 1, 5, 6, 7, 12, 13])
def test_tiles_cover_the_rows_once(n_rows):
    X = np.arange(1.0, 2 * n_rows + 1).reshape(n_rows, 2)
    found = list(tiles(lambda part: X[part], n_rows, (2, 3, 4)))
    assert all(block.shape == (2, 3, 4) and block.dtype == np.float32 for _, block in found)
    rows, padding = [np.empty((0, 2))], []
    for part, block in found:
        block, n = block.reshape(-1, 4), part.stop - part.start
        rows.append(block[:n, :2])
        padding += [block[n:], block[:, 2:]]
    assert_array_equal(np.concatenate(rows), X)
    assert all((rest == 0).all() for rest in padding)


@pytest.mark.parametrize("kind", ["global", "standard", None])
def test_scaling_is_undone(kind):
    X = TABLES["iris"]
    scaling = fit_scaling(Rows(X), kind, centered=True)
    scaled = scaling.forward(X)
    assert_allclose(scaling.backward(scaled), X, rtol=1e-12)
    assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)
    if kind == "standard":
        assert_allclose(scaled.std(axis=0), 1)
    if kind == "global":
        assert_allclose(np.square(scaled).mean(), 1)


@pytest.mark.parametrize("kind", ["global", "standard", None])
def test_constant_columns_are_not_blown_up(kind):
    X = np.column_stack([np.full(20, 0.1), np.linspace(0, 1, 20)])
    assert_allclose(fit_scaling(Rows(X), kind, centered=True).forward(X)[:, 0], 0, atol=1e-12)


@pytest.mark.parametrize("name", TABLES)
def test_errors_are_those_of_pca_at_each_prefix(name):
    X = TABLES[name]
    train, test = X[::2], X[1::2]
    most = min(len(train) - 1, train.shape[1])  # n rows around their mean have n - 1 axes
    axes = principal_axes(Rows(train), most)
    errors = axes.errors(test, most)
    assert_allclose(errors[:, 0], np.square(test - train.mean(axis=0)).sum(axis=1))
    total = errors[:, 0].mean()
    for m in range(1, most + 1):
        pca = PCA(m, svd_solver="full").fit(train)
        rebuilt = pca.inverse_transform(pca.transform(test))
        expected = np.square(test - rebuilt).sum(axis=1)
        # An error is what is left of the total: it is right to the total's rounding.
        assert_allclose(errors[:, m], expected, rtol=1e-9, atol=1e-11 * total)


@pytest.mark.parametrize("rank", [3, 19])
def test_axes_of_wide_rows_are_those_of_an_svd(rank):
    """Down to variances of 1e-10 of the first, and orthonormal even if nothing varies."""
    rng, weight = np.random.default_rng(0), np.linspace(0.5, 1.5, 20)
    scores = rng.normal(size=(20, rank)) * np.geomspace(1, 1e-5, rank)
    X = 3 + scores @ np.linalg.qr(rng.normal(size=(50, rank)))[0].T
    axes = principal_axes(Rows(X, weight), 50)
    centred = np.sqrt(weight / 20)[:, None] * (X - np.average(X, axis=0, weights=weight))
    _, singular, expected = np.linalg.svd(centred, full_matrices=False)
    assert_allclose(np.sqrt(axes.variances[:rank]), singular[:rank], rtol=1e-6)
    assert np.sqrt(axes.variances[rank:]).max() < 1e-14 * 20
    basis = axes.basis[:, :20]
    assert_allclose(basis.T @ basis, np.eye(20), atol=1e-12)
    cosines = np.abs(np.sum(basis.T[:rank] * expected[:rank], axis=1))
    assert_allclose(cosines, 1, atol=1e-9)


@pytest.mark.parametrize("n_axes", [12, 16, 30])
def test_axes_are_padded_with_zeros(n_axes):
    X = TABLES["wide"]
    axes = principal_axes(Rows(X), n_axes)
    assert axes.basis.shape == (30, n_axes) and axes.variances.shape == (n_axes,)
    assert_array_equal(axes.basis[:, 12:], 0)
    assert_allclose(axes.variances.sum(), X.var(axis=0).sum())


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("n_components", [1, 3, 40])
@pytest.mark.parametrize("activation", [*OUTPUT_ACTIVATIONS, None])
def test_path_has_its_shapes_and_only_finite_scales(name, n_components, activation):
    X = TABLES[name]
    axes = principal_axes(Rows(X), X.shape[1])
    if activation is None:
        path = plain_path(
            Rows(X), axes, n_components, activation=OUTPUT_ACTIVATIONS["identity"], clip=True
        )
    else:
        activation = OUTPUT_ACTIVATIONS[activation]
        interval = None if activation.ends is None else np.tile([[0.0], [1.0]], X.shape[1])
        path = pca_path(
            Rows(X),
            axes,
            n_components,
            activation=activation,
            clip="auto",
            interval=interval,
        )
    d = X.shape[1]
    shapes = dict(
        mean=(d,),
        gain=(n_components,),
        loadings=(n_components, d),
        offset=(d,),
        code_scale=(n_components,),
        output_scale=(d,),
        noise_scale=(d,),
        lower=(d,),
        upper=(d,),
        floor=(d,),
        ceiling=(d,),
        origin=(d,),
        unit=(d,),
        margin=(d,),
        code_log_variance=(n_components,),
        prefix_error=(n_components + 1,),
    )
    assert {part: getattr(path, part).shape for part in shapes} == shapes
    for part in path:
        assert part is None or part.dtype == np.float32
    for part in set(shapes) - {"floor", "ceiling"}:
        assert np.isfinite(getattr(path, part)).all()
    assert (path.prefix_error > 0).all() and (np.diff(path.prefix_error) <= 0).all()
    assert (path.code_scale > 0).all()


@pytest.mark.parametrize("n_components", [3, 4])
def test_noise_is_of_the_columns_size_for_few_components(quick, n_components):
    """In every direction alike, less if PCA leaves little; with more it is what PCA leaves."""
    X = TABLES["cancer"]
    path = quick(n_components=n_components, max_iter=1).fit(X)._fitted.model.path
    left, unexplained = (
        np.square(path.noise_scale),
        path.prefix_error[-1] / path.prefix_error[0],
    )
    if n_components == 3:  # scaled columns have a mean square of 1
        assert_allclose(left, min(1.0, 2 * unexplained) ** 2, rtol=1e-5)
    else:
        assert_allclose(left.sum(), path.prefix_error[-1] / (1 - 4 / len(left)), rtol=1e-4)


def test_shares_at_the_ends():
    X = np.array([[0, 0, 5], [0, 1, 5], [3, 2, 5], [1, 2, 5]])
    at_least, at_most = Rows(X).summary.shares_at_ends
    assert_array_equal(at_least, [0.25, 0, 0])  # beyond the one cell that must be there
    assert_array_equal(at_most, [0, 0.25, 0])


def test_clip_auto_bounds_only_the_ends_with_piles():
    X = np.column_stack([np.maximum(np.linspace(-1, 1, 100), 0), np.linspace(0, 1, 100)])
    path = pca_path(
        Rows(X, np.ones(100)),
        principal_axes(Rows(X), 2),
        1,
        activation=OUTPUT_ACTIVATIONS["identity"],
        clip="auto",
    )
    assert_array_equal(path.floor, [0, -np.inf])
    assert_array_equal(path.ceiling, [np.inf, np.inf])
