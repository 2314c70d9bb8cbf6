"""Every example runs, warns of nothing, leaves no file behind and draws a picture.

Building the documentation runs the gallery with full budgets, and fails if an example does.
Here its fits end after two epochs: that is enough to see that names, shapes and plots hold, and
that nothing warns, in half of the time.
"""

import ast
import functools
import runpy
import tempfile
from pathlib import Path

import pytest

from skae import AutoencoderTransformer

EXAMPLES = Path(__file__).parents[2] / "examples"
GALLERY = sorted(EXAMPLES.glob("plot_*.py"))
EPOCHS = 2


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """The folder that temporary files go to; an example runs in another one, as anywhere."""
    (tmp_path / "files").mkdir()
    (tmp_path / "anywhere").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "files"))
    monkeypatch.chdir(tmp_path / "anywhere")
    yield
    assert not [path for path in tmp_path.rglob("*") if path.parent != tmp_path]


@pytest.fixture
def brief_fits(monkeypatch):
    fit = AutoencoderTransformer.fit

    @functools.wraps(fit)
    def fit_briefly(self, *args, **params):
        self.max_iter = EPOCHS
        return fit(self, *args, **params)

    monkeypatch.setattr(AutoencoderTransformer, "fit", fit_briefly)


@pytest.fixture
def figures():
    """Matplotlib's pyplot, with a backend that opens no window."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.close("all")
    yield pyplot
    pyplot.close("all")


def test_there_is_a_gallery():
    assert len(GALLERY) >= 16


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_example_has_a_title_and_an_introduction(path):
    title, line, blank, *introduction = ast.get_docstring(ast.parse(path.read_text())).split(
        "\n"
    )
    assert line == "=" * len(title) and not blank and introduction
    assert len(title) <= 45  # in the gallery it stands below a small picture


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_example_of_the_gallery_runs(path, capsys, brief_fits, figures):
    runpy.run_path(str(path), run_name="__main__")
    assert figures.get_fignums()
    assert capsys.readouterr().out


def test_script_for_several_processes_runs(capsys):
    runpy.run_path(str(EXAMPLES / "several_processes.py"), run_name="__main__")
    assert "2 processes, 2 devices" in capsys.readouterr().out
