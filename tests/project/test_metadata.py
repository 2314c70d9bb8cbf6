"""pyproject.toml and its neighbours are true: what is imported is declared."""

import ast
import re
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest

import skae

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DISTRIBUTIONS = {  # if not the name that is imported
    "PIL": "pillow",
    "dask_ml": "dask-ml",
    "sklearn": "scikit-learn",
    "sphinx_gallery": "sphinx-gallery",
}
OWN = {"skae", "benchmarks", "golden", "test_contract", "_codes", "_make"}
IMPORTS = ast.Import | ast.ImportFrom
USERS = {"polars", "pyarrow"}  # imported for tables that are theirs, and so installed


def name_of(requirement):
    return re.match(r"[\w.-]+", requirement)[0].lower()


def declared(*extras):
    """Return the names of what is installed with these extras, apart from dependencies' own."""
    found = {name_of(requirement) for requirement in PROJECT["dependencies"]}
    lists = [PROJECT["optional-dependencies"][name] for name in extras]
    for requirement in chain.from_iterable(lists):
        if inner := re.fullmatch(r"skae\[(.*)\]", requirement):
            found |= declared(*inner[1].split(","))
        else:
            found.add(name_of(requirement))
    return found


def listed(file):
    lines = (ROOT / "benchmarks" / file).read_text().splitlines()
    return {name_of(line) for line in lines if line and not line.startswith("#")}


def imported(tree):
    """Yield what the statements of a syntax tree import, by names of distributions."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
        for name in {name.split(".")[0] for name in names}:
            if name not in sys.stdlib_module_names and name not in OWN:
                yield DISTRIBUTIONS.get(name, name).lower()


def imports_of(folder, *, top=False, without=()):
    """Return {what the files of a folder import: a file that does}, or what they do at once."""
    found = {}
    for path in (ROOT / folder).rglob("*.py"):
        tree = ast.parse(path.read_text())
        if top:
            tree.body = [node for node in tree.body if isinstance(node, IMPORTS)]
        if not any(part in path.parts for part in without):
            found |= dict.fromkeys(imported(tree), str(path.relative_to(ROOT)))
    return found


def undeclared(found, known):
    return {name: path for name, path in found.items() if name not in known}


def test_what_skae_imports_is_declared():
    found = imports_of("skae")
    known = declared("display", "onnx", "tables") | USERS
    assert undeclared(found, known) == {}
    assert declared() <= set(found)  # no dependency is without a use


def test_importing_skae_needs_no_extra():
    assert undeclared(imports_of("skae", top=True), declared()) == {}


@pytest.mark.parametrize(
    ("folder", "extras", "without"),
    [
        ("tests", ["test"], ["clusters", "clients"]),
        ("tests/clusters", ["test", "clusters"], []),
        ("tests/clients", ["test", "clients"], []),
        ("docs", ["docs"], ["_build", "look.py"]),  # CONTRIBUTING.md says what it needs
        ("examples", ["docs"], []),
        ("examples", ["test"], []),
    ],
)
def test_what_is_imported_is_in_an_extra(folder, extras, without):
    assert undeclared(imports_of(folder, without=without), declared(*extras)) == {}


def test_what_benchmarks_import_is_in_their_lists():
    """Functions import peers and what holds data; a module imports what the extra has."""
    known = declared("benchmarks")
    assert undeclared(imports_of("benchmarks", top=True, without=["peers"]), known) == {}
    known |= listed("peers-requirements.txt") | listed("data-requirements.txt")
    assert undeclared(imports_of("benchmarks"), known) == {}


def test_a_release_is_cited_by_its_version():
    cited = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), flags=re.M)
    assert skae.__version__.partition(".dev")[0] == cited[1]
