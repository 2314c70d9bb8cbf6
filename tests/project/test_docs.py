"""The documentation is whole: pages are in toctrees, public names and parameters in the API."""

import inspect
import re
from pathlib import Path

import pytest

import skae
import skae.architectures
import skae.display
import skae.losses
import skae.records

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {
    path.relative_to(DOCS).with_suffix("").as_posix(): path.read_text()
    for path in DOCS.rglob("*.md")
    if path.relative_to(DOCS).parts[0] not in ("_build", "_static", "auto_examples")
}
REFERENCE = {name: page for name, page in PAGES.items() if name.startswith("api/")}
MODULES = [skae, skae.display, skae.losses, skae.architectures, skae.records]
AUTOSUMMARY = re.compile(r"^\.\. autosummary::\n((?: .*\n|\n)*)", re.MULTILINE)
DATA = re.compile(r"^\.\. data:: (?:skae\.records\.)?(\w+)$", re.MULTILINE)
TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```", re.MULTILINE | re.DOTALL)
PARAMETER = re.compile(r"^\| `(\w+)` \| `(.*?)` \| (.*) \|$", re.MULTILINE)


def entries(directive, page):
    """Return the names in all directives of one kind, without options and titles."""
    lines = [line.strip() for body in directive.findall(page) for line in body.splitlines()]
    lines = [line for line in lines if line and not line.startswith(":")]
    return [re.sub(r".*<(.*)>", r"\1", line) for line in lines]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_public_names_have_pages(module):
    shown = {name for page in REFERENCE.values() for name in entries(AUTOSUMMARY, page)}
    shown |= {name for page in REFERENCE.values() for name in entries(DATA, page)}
    assert set(module.__all__) <= shown


@pytest.mark.parametrize("name", REFERENCE)
def test_names_of_the_reference_are_public(name):
    names = entries(AUTOSUMMARY, REFERENCE[name])
    module = re.search(r"^\.\. currentmodule:: (\S+)$", REFERENCE[name], re.MULTILINE)
    public = {m.__name__: m.__all__ for m in MODULES}[module[1]] if names else []
    assert set(names) <= set(public)


def test_toctrees_name_every_page():
    named = {"index"}
    for name, page in PAGES.items():
        folder = (DOCS / name).parent
        found = [(folder / entry).relative_to(DOCS) for entry in entries(TOCTREE, page)]
        named.update(path.as_posix() for path in found)
    assert named - {"auto_examples/index"} == set(PAGES)  # the gallery is built


def test_parameters_stand_in_groups():
    rows = PARAMETER.findall(REFERENCE["api/parameters"])
    expected = inspect.signature(skae.AutoencoderTransformer).parameters.values()
    assert [(name, eval(default)) for name, default, _ in rows] == [
        (parameter.name, parameter.default) for parameter in expected
    ]
