"""One net on several devices and in several processes is the net that one device trains."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import skae

FIT = Path(__file__).with_name("_fit_on_devices.py")
ROOT = Path(skae.__file__).parents[1]
DEADLINE = 300  # seconds for a hang, not a measure
UNEVEN = {"batch_size": 30}  # four devices do not divide it
CASES = [
    {},
    UNEVEN,
    {"corruption": "masking", "sample_weight": True, "linear_path": None} | UNEVEN,
    {"kl_weight": 1.0, "n_init": 2} | UNEVEN,
    {"missing": True, "optimizer": "muon"} | UNEVEN,
]
GATED = {"cv": 2, "max_iter": 8, "n_components": 0.9}


def fit(cases, folder, *, n_processes=1, n_devices=1, device="all"):
    """Fit the ``cases`` in fresh processes; return for each process its list of results.

    After ``initialize`` a process does not listen to SIGTERM, and one whose peer is gone may
    wait for ever: all are killed hard, at the deadline at the latest.
    """
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={n_devices}"
    settings = {"PYTHONPATH": path, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    address = f"127.0.0.1:{free_port()}"
    files = [folder / f"{n_processes}x{n_devices} {rank}.npz" for rank in range(n_processes)]
    processes = [
        subprocess.Popen(
            [sys.executable, str(FIT), repr(cases), str(file), device]
            + [address, str(n_processes), str(rank)],
            env=os.environ | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank, file in enumerate(files)
    ]
    try:
        said = [process.communicate(timeout=DEADLINE)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert all(process.returncode == 0 for process in processes), "\n".join(said)
    return [dict(np.load(file)) for file in files]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one device finds in each of the cases, by default as "all"."""
    folder = tmp_path_factory.mktemp("alone")
    return fit(CASES, folder, device="cpu")[0]


def assert_close(found, expected, n_cases):
    assert {name.partition(" ")[0] for name in found} == set(map(str, range(n_cases)))
    for name, value in found.items():
        assert_allclose(value, expected[name], rtol=0, atol=1e-5, err_msg=name)


def test_four_devices_give_the_result_of_one(alone, tmp_path):
    """Corruption, cut codes and noise are drawn for rows, wherever these are."""
    (found,) = fit(CASES, tmp_path, n_devices=4)
    assert found.pop("0 n_devices") == 4 and found["0 n_steps"] >= 200
    assert_close(found, alone, len(CASES))


def test_two_processes_give_the_result_of_one(alone, tmp_path):
    """And both of them have it, to the bit."""
    first, second = fit([{}], tmp_path, n_processes=2)
    assert first["0 n_devices"] == 2 and first["0 n_steps"] >= 200
    for name, value in first.items():
        assert_array_equal(value, second[name], err_msg=name)
    del first["0 n_devices"]
    assert_close(first, alone, 1)


def test_two_processes_of_two_devices_go_through_the_gate(tmp_path):
    """They stop at the same checkpoint, and n_components as a share is the same."""
    first, second = fit([GATED], tmp_path, n_processes=2, n_devices=2)
    (expected,) = fit([GATED], tmp_path, device="cpu")
    for name, value in first.items():
        assert_array_equal(value, second[name], err_msg=name)
    del first["0 n_devices"], expected["0 n_devices"]
    assert_close(first, expected, 1)


def test_processes_that_were_given_different_things(tmp_path):
    """No net is trained on what is not the same everywhere, and nobody waits for ever."""
    cases = {
        "random_state": {"random_state": None},
        "X": {"other_rows": True},
        "parameters": {"max_iter": None},
    }
    first, second = fit([*cases.values()], tmp_path, n_processes=2)
    for i, name in enumerate(cases):
        error = (
            "device='all' trains one net in 2 processes, but they were given different "
            f"['{name}']. Call fit with the same samples and parameters in each of them, and "
            "with an int as random_state."
        )
        assert first[f"{i} error"] == second[f"{i} error"] == error


def test_one_device_is_all(quick, X):
    """Where there is one device only, "all" is that one, to the bit."""
    code = quick().fit(X).transform(X)
    assert_array_equal(quick(device="all").fit(X).transform(X), code)


def test_a_device_that_is_not_there(quick, X):
    with pytest.raises(ValueError, match=r"'cpu:99' is not here; JAX sees \['cpu:0'\]"):
        quick(device="cpu:99").fit(X)
