"""Figures are drawn without a screen, and closed after each test."""

import pytest

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib comes with the test extra")
matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def no_open_figures():
    yield
    from matplotlib import pyplot

    pyplot.close("all")
