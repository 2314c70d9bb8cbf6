"""Small fits of every kind return what they returned before, see ``golden.py``."""

import json

import golden
import numpy as np
import pytest

BEFORE = json.loads(golden.FIGURES.read_text())
TOLERANCE = (
    3e-3  # of the largest number of a figure: training makes a processor's rounding grow
)


@pytest.mark.parametrize("name", golden.CASES)
def test_a_fit_returns_what_it_did(name):
    found, programs = golden.run(name)
    before = BEFORE[name]
    assert programs == before["programs"]
    assert {"programs", *found} == set(before)
    for part, values in found.items():
        expected = np.array(before[part])
        if values.dtype.kind == "f":
            largest = np.abs(expected).max(initial=1e-3)
            np.testing.assert_allclose(values, expected, 0, TOLERANCE * largest, err_msg=part)
        else:
            assert values.tolist() == expected.tolist(), part
