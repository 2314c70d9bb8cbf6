"""Whatever JAX and NumPy are set to, in whatever process and under whatever transformation."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import skae
from skae import (
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderTransformer,
    MultimodalAutoencoder,
    TableAutoencoder,
)
from skae.encoders.multimodal import Modality

ROOT = Path(skae.__file__).parents[1]
SWITCHES = {
    "jax_debug_nans": True,
    "jax_debug_infs": True,
    "jax_transfer_guard": "disallow",
    "jax_disable_jit": True,
}
CASES = {
    "defaults": {},
    "plateau": dict(learning_rate_schedule="plateau"),
    "restarts": dict(n_init=2),
    "lbfgs": dict(optimizer="lbfgs", batch_size=150),
    "masking": dict(corruption="masking"),
    "poisson": dict(loss="poisson"),
    "variational": dict(kl_weight=1.0),
}


def used(estimator, X):
    """Return what all methods make of ``X``, a cell of which is missing for some."""
    gappy = np.array(X)
    gappy[0, 0] = np.nan
    Z = estimator.transform(X)
    found = [Z, estimator.inverse_transform(Z), estimator.score(X), estimator.impute(gappy)]
    found += [estimator.score_samples(gappy), estimator.sample(5, random_state=0, noise=True)]
    return found


@pytest.fixture
def switched():
    """A function that sets one of JAX's switches, for this test."""
    before = {}

    def switch(name):
        before[name] = "allow" if name == "jax_transfer_guard" else False
        jax.config.update(name, SWITCHES[name])

    yield switch
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("switch", SWITCHES)
def test_jax_switches_do_not_matter(quick, X, switched, switch, case):
    if switch == "jax_disable_jit":  # step by step: one epoch is a hundred times as slow
        X, parameters = X[::5], dict(cv=None, max_iter=1, batch_size=32) | CASES[case]
    else:
        parameters = CASES[case]
    expected = used(quick(**parameters).fit(X), X)
    switched(switch)
    found = used(quick(**parameters).fit(X), X)
    for one, another in zip(found, expected, strict=True):
        if switch == "jax_disable_jit":  # other kernels round otherwise
            np.testing.assert_allclose(one, another, rtol=1e-3, atol=1e-3)
        else:
            assert_array_equal(one, another)


@pytest.mark.parametrize("case", CASES)
def test_numpys_errors_do_not_matter(quick, X, case):
    expected = used(quick(**CASES[case]).fit(X), X)
    with np.errstate(all="raise"):
        found = used(quick(**CASES[case]).fit(X), X)
    for one, another in zip(found, expected, strict=True):
        assert_array_equal(one, another)


def tiny(X):
    """Rows whose squares are below float64, which ``under="raise"`` would raise for."""
    return np.asarray(X) * 1e-170


def test_numpys_errors_do_not_matter_elsewhere(quick, X):
    table = {"a": X[:, 0].tolist(), "b": np.where(X[:, 1] > 3, "high", "low").tolist()}
    pandas = pytest.importorskip("pandas")
    with np.errstate(all="raise"):
        quick().fit(tiny(X)).score(tiny(X))
        estimator = quick()
        detector = AutoencoderOutlierDetector(estimator).fit(tiny(X))
        detector.predict(X)
        detector.score_samples(tiny(X))
        gappy = np.array(X)
        gappy[::4, 1] = np.nan
        AutoencoderImputer(estimator).fit(gappy).transform(gappy)
        encoded = TableAutoencoder(estimator).fit(pandas.DataFrame(table))
        encoded.inverse_transform(encoded.transform(pandas.DataFrame(table)))
        both = {"left": X[:, :2], "right": X[:, 2:]}
        several = MultimodalAutoencoder({"left": Modality(), "right": Modality()}, estimator)
        several.fit(both).transform(both)
        for rows in (X, X[:20]):
            estimator.partial_fit(rows)


def inside(transformation, function, X):
    return {
        "jit": lambda: jax.jit(function)(X),
        "vmap": lambda: jax.vmap(lambda row: function(row[None]))(X),
        "grad": lambda: jax.grad(lambda rows: function(rows).sum())(X),
    }[transformation]()


@pytest.mark.parametrize("transformation", ["jit", "vmap", "grad"])
@pytest.mark.parametrize(
    "method", ["fit", "partial_fit", "transform", "inverse_transform", "score", "impute"]
)
def test_methods_refuse_what_is_traced(quick, fitted, X, transformation, method):
    estimator = quick() if "fit" in method else fitted
    rows = X.astype(np.float32)[:, :2] if method.startswith("inverse") else X.astype(np.float32)
    with pytest.raises(TypeError, match=r"cannot be called inside jax\.jit"):
        inside(transformation, lambda rows: getattr(estimator, method)(rows), rows)


def test_a_call_inside_jit_is_refused(quick, X):
    nets = quick(cv=None).fit(X)
    for call in (lambda: nets.transform(X), lambda: quick().fit(X)):
        with pytest.raises(TypeError, match=r"cannot be called inside jax\.jit"):
            jax.jit(lambda number, call=call: call() + number)(1.0)


FORKED = """
import os, sys, warnings
import numpy as np
from sklearn.datasets import load_iris
warnings.simplefilter("ignore")
from skae import AutoencoderTransformer

X = load_iris().data
ae = AutoencoderTransformer(hidden_layer_sizes=(8,), max_iter=2, random_state=0)
if sys.argv[1] == "skae":
    ae.fit(X)
elif sys.argv[1] == "jax":
    import jax
    jax.devices()


def child(call):
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        call()
    except RuntimeError as error:
        assert "forked" in str(error) and "spawn" in str(error) and "loky" in str(error), error
        os._exit(7)
    except BaseException as error:
        print(repr(error), flush=True)
        os._exit(1)
    os._exit(0)


calls = [lambda: ae.fit(X), lambda: child(lambda: ae.fit(X)) == 7 and ae.fit(X)]
if sys.argv[1] == "skae":
    Z = ae.transform(X)
    calls += [lambda: ae.transform(X), lambda: ae.inverse_transform(Z), lambda: ae.score(X)]
    calls += [lambda: ae.sample(), lambda: ae.partial_fit(X), lambda: ae.impute(X)]
    calls += [lambda: ae.score_samples(X)]
if sys.argv[1] == "nothing":
    calls = calls[:1]
print([child(call) for call in calls])
if sys.argv[1] == "skae":
    assert (ae.transform(X) == Z).all()  # the parent goes on
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("started, codes", [("skae", {7}), ("jax", {7}), ("nothing", {0})])
def test_a_forked_child_refuses_where_it_would_hang(started, codes):
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", FORKED, started],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,  # a deadline for a hang, not a measure
    )
    assert done.returncode == 0, done.stderr
    assert set(eval(done.stdout.splitlines()[-1])) == codes, done.stdout


def test_a_search_in_spawned_processes(quick, X):
    from sklearn.model_selection import cross_val_score

    AutoencoderTransformer(hidden_layer_sizes=(8,), max_iter=1, random_state=0).fit(X)
    scores = [cross_val_score(quick(), X, cv=2, n_jobs=n) for n in (None, 2)]
    assert_array_equal(*scores)
