"""Packed weights are the same weights, and train to the same ones."""

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skae._train import packing as _packing
from skae._train.packing import Packing

SHAPES = {"tall": (5, 2), "wide": (2, 5), "bias": (3,), "one": (), "filter": (3, 2, 4)}


def tree(stack=()):
    rng = np.random.default_rng(0)
    shapes = SHAPES.items()
    return {
        name: rng.normal(size=(*stack, *shape)).astype(np.float32) for name, shape in shapes
    }


@pytest.mark.parametrize("n_init", [1, 3])
@pytest.mark.parametrize("most", [0, 1000])
@pytest.mark.parametrize("allowed", [True, False])
def test_unpack_is_the_way_back(monkeypatch, n_init, most, allowed):
    monkeypatch.setattr(_packing, "MOST_IN_VECTOR", most)
    params = tree(() if n_init == 1 else (n_init,))
    packing = Packing.of(params, n_init, allowed=allowed)
    packed = packing.pack(params)
    jax.tree.map(assert_array_equal, packing.unpack(packed), params)
    if packing.one_vector:
        size = sum(int(np.prod(shape)) for shape in SHAPES.values())
        assert packed.shape == ((size,) if n_init == 1 else (n_init, size))
    if n_init > 1:  # what is packed together is what each would be alone
        alone = Packing.of(tree(), 1, allowed=allowed)
        first = alone.pack(jax.tree.map(lambda leaf: leaf[0], params))
        jax.tree.map(assert_array_equal, jax.tree.map(lambda leaf: leaf[0], packed), first)


def test_is_static():
    first, second = (Packing.of(tree(), 1, allowed=True) for _ in range(2))
    assert first == second and hash(first) == hash(second)


@pytest.mark.parametrize("optimizer", ["adamw", "schedule_free", "lbfgs"])
@pytest.mark.parametrize("n_init", [1, 2])
def test_same_weights_in_any_packing(monkeypatch, quick, X, optimizer, n_init):
    """Equal to rounding: sums run in other orders."""
    fits = []
    for most in (0, 10**9):
        monkeypatch.setattr(_packing, "MOST_IN_VECTOR", most)
        jax.clear_caches()
        fits.append(quick(optimizer=optimizer, n_init=n_init, max_iter=4, cv=None).fit(X))
    codes = [fit.transform(X) for fit in fits]
    assert_allclose(*codes, rtol=1e-3, atol=1e-3 * np.abs(codes[0]).max())
