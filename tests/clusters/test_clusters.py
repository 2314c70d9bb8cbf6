"""Dask and Ray: searches, arrays in blocks, and processes that train one net together.

Not collected by default. Install and run it with one line:
``pip install -e ".[test,clusters]" && python -m pytest tests/clusters``
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

import skae
from skae import AutoencoderTransformer

ROOT = Path(skae.__file__).parents[1]
PAGE = (ROOT / "docs" / "user_guide" / "clusters.md").read_text()
BLOCKS = re.findall(r"```py\n(.*?)```", PAGE, flags=re.DOTALL)
EXTRA = 'pip install -e ".[test,clusters]"'
WHERE = {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
X = load_iris().data


@pytest.fixture(scope="module")
def dask_client():
    distributed = pytest.importorskip("distributed", reason=EXTRA)
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, env=WHERE
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def ray_cluster():
    ray = pytest.importorskip("ray", reason=EXTRA)
    ray.init(num_cpus=2, include_dashboard=False, runtime_env={"env_vars": WHERE})
    yield ray
    ray.shutdown()


def search():
    ae = AutoencoderTransformer(2, hidden_layer_sizes=(8,), max_iter=3, random_state=0)
    grid = {"learning_rate": [1e-3, 1e-2], "weight_decay": [0.0, 0.3]}
    return GridSearchCV(ae, grid, cv=2, error_score="raise").fit(X)


@pytest.fixture(scope="module")
def serial():
    return search()


def assert_same_results(found, serial):
    for name, values in serial.cv_results_.items():
        if "time" not in name:
            assert_array_equal(found.cv_results_[name], values, err_msg=name)
    codes = serial.best_estimator_.transform(X)
    assert_array_equal(found.best_estimator_.transform(X), codes)


def test_a_search_on_dask(dask_client, serial):
    with joblib.parallel_config("dask"):
        assert_same_results(search(), serial)


def test_a_search_on_ray(ray_cluster, serial):
    from ray.util.joblib import register_ray

    register_ray()
    with joblib.parallel_config("ray", n_jobs=2):
        assert_same_results(search(), serial)


def test_dask_arrays_in_blocks(dask_client, serial):
    da = pytest.importorskip("dask.array", reason=EXTRA)
    ae, rows = serial.best_estimator_, da.from_array(X, chunks=(40, 4))
    codes = rows.map_blocks(
        ae.transform, chunks=(rows.chunks[0], (2,)), meta=np.empty((0, 2), X.dtype)
    )
    back = codes.map_blocks(
        ae.inverse_transform, chunks=rows.chunks, meta=np.empty((0, 4), X.dtype)
    )
    assert codes.shape == (150, 2) and codes.dtype == X.dtype
    expected = ae.transform(X)
    assert_array_equal(codes.compute(), expected)
    assert_array_equal(back.compute(), ae.inverse_transform(expected))


def test_parallel_post_fit(dask_client, serial):
    wrappers = pytest.importorskip("dask_ml.wrappers", reason=EXTRA)
    da = pytest.importorskip("dask.array", reason=EXTRA)
    ae = serial.best_estimator_
    meta = np.empty((0, 2), X.dtype)
    lazy = wrappers.ParallelPostFit(ae, transform_meta=meta)
    codes = lazy.transform(da.from_array(X, chunks=(40, 4)))
    assert_array_equal(codes.compute(), ae.transform(X))


@pytest.mark.parametrize("block", BLOCKS)
def test_the_page_runs(block, tmp_path):
    """Those of its examples that need a cluster, as scripts of their own."""
    pytest.importorskip("dask", reason=EXTRA)
    pytest.importorskip("ray", reason=EXTRA)
    script = tmp_path / "page.py"
    script.write_text(block)
    process = subprocess.Popen(
        [sys.executable, script],
        env=os.environ | WHERE,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        said, errors = process.communicate(timeout=400)  # a deadline for a hang, no measure
    finally:
        process.kill()
    assert process.returncode == 0, errors
    if "several_processes.py" in block:
        assert "2 processes, 2 devices" in said and "variance explained, skae" in said
