"""On an accelerator some is done otherwise: here a processor says it is one. Same results."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skae._net import inference as _inference
from skae._runtime import devices as _device
from skae._select import background as _background
from skae._train import budget as _budget
from skae._train import inputs as _batches
from skae._train import loop as _training


@pytest.fixture
def accelerator(monkeypatch):
    """A function after which the processor is treated as an accelerator."""

    def pretend():
        half = _inference.Model._half
        for module in (_device, _background, _budget, _batches):
            monkeypatch.setattr(module, "is_processor", lambda: False)
        monkeypatch.setattr(
            _inference.Model,
            "_half",
            lambda self, *given: half(self, *given)._replace(tile_rows=None),
        )

    return pretend


@pytest.fixture
def gathered(monkeypatch):
    """The numbers of rows of each table that a device gathered from."""
    gather, sizes = _training._rows_at, []

    def noted(table, index):
        sizes.append(len(table[0]))
        return gather(table, index)

    monkeypatch.setattr(_training, "_rows_at", noted)
    return sizes


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"n_init": 2, "linear_path": None},
        {"loss": "absolute_error"},
        {"output_activation": "clip"},
    ],
    ids=lambda parameters: "-".join(parameters) or "defaults",
)
def test_fits_are_those_of_a_processor(quick, X, accelerator, gathered, parameters):
    """Rows stay on the device, and are the same ones in the same order."""
    estimator = quick(learning_rate=1e-2, cv=None, **parameters)
    expected = clone(estimator).fit(X)
    assert not gathered
    accelerator()
    found = estimator.fit(X)
    assert len(X) in gathered
    assert_array_equal(found.loss_curve_, expected.loss_curve_)
    assert_allclose(found.transform(X), expected.transform(X), rtol=1e-5, atol=1e-6)


def test_rows_with_missing_cells_are_gathered_on_the_host(quick, X, accelerator, gathered):
    """Cells are hidden anew each time."""
    gappy = np.where(np.arange(X.size).reshape(X.shape) % 7, X, np.nan)
    expected = quick().fit(gappy)
    accelerator()
    assert_array_equal(quick().fit(gappy).loss_curve_, expected.loss_curve_)
    assert not gathered


def test_rows_beyond_what_a_device_holds_are_gathered_on_the_host(
    quick, X, accelerator, gathered, monkeypatch
):
    accelerator()
    monkeypatch.setattr(_batches, "MOST_RESIDENT", 100)
    quick().fit(X)
    assert not gathered


@pytest.mark.parametrize(
    ("row_numbers", "steps"), [(10, 64), (2**15, 16), (2**20, 1)], ids=["few", "many", "more"]
)
def test_blocks_of_rows_fit_into_a_device(accelerator, row_numbers, steps):
    """A block takes little time, and no more memory than 256 MB."""
    assert _budget._block_steps(2**20, 128, row_numbers) == 8
    accelerator()
    assert _budget._block_steps(2**20, 128, row_numbers) == steps


@pytest.mark.parametrize("n_rows", [1, 2, 149])
def test_a_row_is_the_same_beside_any_others(fitted, X, accelerator, n_rows):
    accelerator()
    Z = fitted.transform(X)
    assert_array_equal(fitted.transform(X[-n_rows:]), Z[-n_rows:])


@pytest.mark.parametrize(
    ("width", "shape"), [(4, (1, 1024)), (784, (1, 512)), (2**14, (1, 64)), (2**20, (1, 64))]
)
def test_blocks_of_an_accelerator_are_bounded(width, shape):
    assert _inference._block_shape(None, width) == shape
