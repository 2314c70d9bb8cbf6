"""What all tests share: small data, a quick estimator, a count of compiled programs."""

import os

os.environ["SCIPY_ARRAY_API"] = "1"  # before SciPy: scikit-learn then skips no check
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: workers share the cores
# Before JAX: tests compile much and train little. Without LLVM's optimisation they take two
# thirds of the time; what the programs compute is the same but for rounding.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import jax
import numpy as np
import pytest
from sklearn.datasets import load_iris

import skae
from skae import AutoencoderTransformer
from skae._runtime import interrupts as _interrupts

COMPILED = "/jax/core/compile/backend_compile_duration"
# The same lines again and again: counting them would cost a tenth of the suite's time.
NOT_COUNTED = {"test_golden.py", "test_laws.py", "test_promise.py"}
NOT_COUNTED |= {"test_sklearn_contract.py", "test_sklearn_pca.py", "test_switches.py"}
# They install trace functions of their own, in threads, which fight with those of coverage.
NOT_COUNTED |= {"test_threads.py", "test_interruption.py"}


def pytest_collection_modifyitems(config, items):
    """Leave tests out of coverage whose lines others run too."""
    if config.pluginmanager.hasplugin("_cov"):
        for item in items:
            if item.path.name in NOT_COUNTED:
                item.add_marker("no_cover")


@pytest.fixture(scope="module", autouse=True)
def few_programs():
    """Compiled programs live in mappings of memory, of which a process has some 65,000."""
    yield
    jax.clear_caches()


@pytest.fixture(autouse=True)
def no_ctrl_c_before(monkeypatch):
    """Ctrl-C of the test before, less than two seconds ago, is none of this test's."""
    monkeypatch.setattr(_interrupts._Latest, "at", -np.inf)


@pytest.fixture(scope="session")
def quick():
    """A function that returns a small, seeded estimator; its arguments override."""

    def make(**overrides):
        small = dict(hidden_layer_sizes=(8,), max_iter=3, batch_size=32, random_state=0)
        return AutoencoderTransformer(**(small | overrides))

    return make


@pytest.fixture
def filed(tmp_path):
    """A function that returns what ``load`` makes of the file that ``save`` writes."""

    def travel(estimator):
        skae.save(estimator, tmp_path / "model.safetensors")
        return skae.load(tmp_path / "model.safetensors")

    return travel


@pytest.fixture(scope="session")
def X():
    """Iris (150, 4), read-only: most tests use it, so that they share compiled programs."""
    rows = load_iris().data
    rows.setflags(write=False)
    return rows


@pytest.fixture(scope="session")
def fitted(quick, X):
    """A fitted estimator. Whoever changes it takes a copy."""
    return quick().fit(X)


_compiled = []


def _listen(event, duration, **labels):
    if event == COMPILED:
        _compiled.append(labels.get("fun_name", "?"))


jax.monitoring.register_event_duration_secs_listener(_listen)


@pytest.fixture
def compiled():
    """The names of the programs compiled since the test began, eager ones among them."""
    _compiled.clear()
    return _compiled


@pytest.fixture(scope="session")
def curve():
    """Points near a curve, on which a net soon beats PCA."""
    t = np.random.default_rng(0).uniform(-1, 1, 150)
    return np.column_stack([t, t**2, t**3 - t, np.sin(4 * t)])


@pytest.fixture(scope="session")
def noise():
    """Pure Gaussian noise (60, 6): nothing to learn beyond PCA."""
    return np.random.default_rng(0).normal(size=(60, 6))
