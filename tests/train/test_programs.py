"""Compiled programs: the least recently used ones go, and nothing depends on that."""

import sys
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skae._net import inference as _inference
from skae._runtime import devices as _device
from skae._train import loop as _training

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="mappings are read from /proc")


def n_mappings():
    with open("/proc/self/maps") as mappings:
        return sum(1 for _ in mappings)


@pytest.fixture
def few(monkeypatch):
    """Two programs of each function stay compiled."""
    monkeypatch.setattr(_device, "MOST_PROGRAMS", 2)
    blocks = _inference._shape_of_block
    train = _device.compiled(2, shape_of=_training._block_shape, donate_argnames="state")
    monkeypatch.setattr(_training, "train_block", train(_training.train_block.__wrapped__))
    for name in ("_encode_tiles", "_decode_tiles"):
        function = getattr(_inference, name).__wrapped__
        monkeypatch.setattr(_inference, name, _device.compiled(1, shape_of=blocks)(function))
    return _training.train_block.programs


def rows_of(n_columns):
    return np.random.default_rng(0).normal(size=(60, n_columns))


@LINUX
def test_structures_do_not_pile_up(quick, few):
    """Columns, widths, batches and losses that are new each time."""
    changes = [{}, {"hidden_layer_sizes": (5,)}, {"batch_size": 16}, {"n_components": 1}]
    changes += [{"loss": lambda target, output: (target - output) ** 4}] * 2
    found = []
    for n_columns, change in enumerate(changes, start=3):
        X = rows_of(n_columns)
        estimator = quick(**change).fit(X)
        found.append((n_mappings(), estimator.inverse_transform(estimator.transform(X))))
    assert few.cache_info().currsize == 2
    counts = [count for count, _ in found]
    one = counts[1] - counts[0]
    assert one > 50  # mappings of the second structure
    assert counts[-1] - counts[1] < 2 * one  # of four more

    X = rows_of(3)
    again = quick().fit(X)
    assert_array_equal(again.inverse_transform(again.transform(X)), found[0][1])


def test_a_batch_size_is_a_program_of_its_own(quick, X, few):
    for batch_size in (8, 16, 32, 8, 16):
        quick(batch_size=batch_size).fit(X)
    assert few.cache_info().misses == 5 and few.cache_info().currsize == 2


def test_more_programs_of_inference_stay_than_of_training():
    """A server may hold many models; it trains none."""
    n_encoders = _inference._encode_tiles.programs.cache_info().maxsize
    n_decoders = _inference._decode_tiles.programs.cache_info().maxsize
    assert n_encoders == n_decoders == 128
    assert _training.train_block.programs.cache_info().maxsize == 32


def test_programs_are_dropped_while_threads_use_them(quick, few):
    def codes(width):
        estimator = quick(hidden_layer_sizes=(width,), cv=None, max_iter=1)
        return estimator.fit(X).transform(X)

    X, widths = rows_of(4), [3, 4, 5, 3, 4, 5]
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(codes, widths))
    for width, Z in zip(widths, found, strict=True):
        assert_array_equal(Z, codes(width))


def test_arguments_that_are_static_are_compared_before_jax_sees_them():
    """What their comparison raises is raised, and not JAX's ValueError."""

    class Interrupted:
        def __hash__(self):
            return 1

        def __eq__(self, other):
            raise KeyboardInterrupt

    def shape_of(static, x):
        return x.shape

    negated = _device.compiled(1, shape_of=shape_of)(lambda static, x: jnp.negative(x))
    x = np.ones(3, np.float32)
    negated(Interrupted(), x)
    with pytest.raises(KeyboardInterrupt):
        negated(Interrupted(), x)
    jax.block_until_ready(negated(3, x))
