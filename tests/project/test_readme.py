"""README and docs are true: their Python runs, their links and commands exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = {path.relative_to(ROOT): path.read_text() for path in ROOT.glob("docs/**/*.md")}
PAGES[Path("README.md")] = README
PYTHON = [
    pytest.param(block, id=f"{path}-{i}")
    for path, page in PAGES.items()
    for i, block in enumerate(re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL))
]
LINKS = [
    (path.parent / link)
    for path, page in PAGES.items()
    for link in re.findall(r"\]\((?!https?:|#)([^)]+)\)", page)
]
SHELL = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("block", PYTHON)
def test_python_runs(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write a file
    exec(compile(block, "page", "exec"), {"__name__": "page"})


def test_there_is_an_example():
    assert PYTHON


def test_two_commands_of_one_line():
    main, tests = [block.strip() for block in SHELL if "-m venv" in block]
    assert "\n" not in main and "\n" not in tests
    assert "-m benchmarks.pca" in main
    assert tests.endswith("-m pytest -n 2 --dist loadfile")


def test_ci_runs_the_test_command():
    pattern = re.search(r"grep -E '(.*?)' README.md", (ROOT / ".ci" / "run").read_text())
    (line,) = [row for row in README.splitlines() if re.search(pattern[1], row)]
    assert line.endswith("-m pytest -n 2 --dist loadfile")


@pytest.mark.parametrize("link", LINKS, ids=str)
def test_local_links_exist(link):
    path, _, heading = str(link).partition("#")
    assert (ROOT / path).exists()
    titles = re.findall(r"^#+ (.*)", (ROOT / path).read_text(), flags=re.M) if heading else []
    assert not heading or heading in [t.lower().replace(" ", "-") for t in titles]
