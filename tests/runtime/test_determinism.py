"""The same seed gives the same bits, in any process, beside any rows, under any JAX flags."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from _codes import digest
from numpy.testing import assert_array_equal

import skae

CODES = Path(__file__).with_name("_codes.py")
ROOT = Path(skae.__file__).parents[1]


def run_python(*arguments, **environment):
    """Run a fresh interpreter that finds the same skae; return what it prints."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | {"PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"JAX_ENABLE_X64": "1"},
        {"JAX_NUMPY_DTYPE_PROMOTION": "strict", "JAX_NUMPY_RANK_PROMOTION": "raise"},
        {"JAX_DEFAULT_PRNG_IMPL": "rbg", "JAX_DEBUG_NANS": "1", "PYTHONHASHSEED": "1"},
    ],
    ids=lambda environment: " ".join(environment) or "none",
)
def test_another_process_gives_the_same_bits(environment):
    assert run_python(str(CODES), "2", **environment) == digest(2)


IMPORTED = """
import os, sys, jax
before = dict(os.environ), dict(jax.config.values)
import numpy as np
state = np.random.get_state()[1].tolist()
import skae
from jax._src.xla_bridge import backends_are_initialized
assert not backends_are_initialized()
assert before == (dict(os.environ), dict(jax.config.values))
assert np.random.get_state()[1].tolist() == state
assert "optax" not in sys.modules  # a second of its own, which the first fit pays
skae.AutoencoderTransformer()
assert not backends_are_initialized()
"""


def test_import_starts_no_backend_and_sets_nothing():
    run_python("-c", IMPORTED)


def test_one_seed_one_result(quick, X):
    first, second, other = (quick(random_state=seed).fit(X) for seed in (0, 0, 1))
    assert_array_equal(first.transform(X), second.transform(X))
    assert_array_equal(first.loss_curve_, second.loss_curve_)
    assert not np.array_equal(first.loss_curve_, other.loss_curve_)


def test_random_state_none_and_instance(quick, X):
    generator = np.random.RandomState(0)
    curves = [quick(random_state=generator).fit(X).loss_curve_ for _ in range(2)]
    assert not np.array_equal(*curves)
    curves = [quick(random_state=None).fit(X).loss_curve_ for _ in range(2)]
    assert not np.array_equal(*curves)


def test_global_generator_is_left_alone(quick, X):
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the global one is what is meant
    quick().fit(X)
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.fixture(scope="module", params=["identity", "logistic", "plain", "no skip", "digits"])
def trained(request, quick, X):
    """An estimator whose nets have learned something, and rows for it."""
    overrides = {
        "identity": dict(output_activation="identity"),
        "logistic": dict(output_activation="logistic"),
        "plain": dict(linear_path=None),
        "no skip": dict(architecture=skae.architectures.Dense(skip=False)),
        "digits": dict(n_components=8, hidden_layer_sizes=(16, 8)),
    }[request.param]
    if request.param == "digits":
        from sklearn.datasets import load_digits

        X = load_digits().data[:300]
    return quick(cv=None, learning_rate=1e-2, **overrides).fit(X), np.array(X)


def test_rows_do_not_see_each_other(trained):
    """Each row's code and reconstruction is bit-equal alone, in subsets and shuffled."""
    estimator, rows = trained
    Z = estimator.transform(rows)
    rebuilt = estimator.inverse_transform(Z)
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 64, 65, len(rows)):
        some = rng.permutation(len(rows))[:size]
        assert_array_equal(estimator.transform(rows[some]), Z[some])
        assert_array_equal(estimator.inverse_transform(Z[some]), rebuilt[some])
    far = rows.copy()
    far[3] = 1e6
    assert_array_equal(np.delete(estimator.transform(far), 3, axis=0), np.delete(Z, 3, axis=0))


def test_memory_layout_changes_no_bit(trained):
    estimator, rows = trained
    Z = estimator.transform(rows)
    assert_array_equal(estimator.transform(np.asfortranarray(rows)), Z)
    assert_array_equal(
        estimator.inverse_transform(np.asfortranarray(Z)), estimator.inverse_transform(Z)
    )
