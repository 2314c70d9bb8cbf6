"""Imports point down one list of modules only, and each library has its rooms."""

import ast
from pathlib import Path

import pytest

import skae

ROOT = Path(skae.__file__).parent
LAYERS = [
    "skae",
    "skae.outliers",
    "skae.impute",
    "skae.modalities",
    "skae.tables",
    "skae.text",
    "skae.series",
    "skae.images",
    "skae._meta",
    "skae._transformer",
    "skae._choices",
    "skae._streams",
    "skae._selection",
    "skae._choose",
    "skae._lanes",
    "skae._trials",
    "skae._progress",
    "skae._training",
    "skae._packing",
    "skae._inference",
    "skae._sampling",
    "skae._objective",
    "skae._linear",
    "skae._reduction",
    "skae._axes",
    "skae._rows",
    "skae._frames",
    "skae._validation",
    "skae._numbers",
    "skae._columns",
    "skae._long",
    "skae.losses",
    "skae._links",
    "skae._device",
    "skae.optimizers",
    "skae.corruptions",
    "skae.architectures",
    "skae.architectures.blocks",
    "skae.architectures._names",
    "skae.architectures.dense",
    "skae.architectures.conv",
    "skae.architectures.recurrent",
    "skae.architectures._layers",
    "skae.architectures._network",
    "skae._blas",
    "skae._parameters",
    "skae._interrupts",
    "skae._version",
]
ROOMS = {
    "optax": {"skae.optimizers"},
    "jax": {
        "skae._choices",
        "skae._trials",
        "skae._training",
        "skae._packing",
        "skae._inference",
        "skae._objective",
        "skae._device",
        "skae.optimizers",
        "skae.corruptions",
        "skae.architectures.blocks",
        "skae.architectures.conv",
        "skae.architectures.recurrent",
        "skae.architectures._layers",
        "skae.architectures._network",
    },
    "sklearn": {
        "skae._columns",
        "skae.outliers",
        "skae.impute",
        "skae.modalities",
        "skae.tables",
        "skae.text",
        "skae.series",
        "skae.images",
        "skae._meta",
        "skae._transformer",
        "skae._progress",
        "skae._sampling",
        "skae._axes",
        "skae._parameters",
        "skae._validation",
        "skae.architectures.blocks",
        "skae.architectures.conv",
        "skae.architectures.recurrent",
        "skae.architectures._network",
    },
}


def module_name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


TREES = {module_name(path): ast.parse(path.read_text()) for path in ROOT.rglob("*.py")}


def imported(tree):
    """Yield the modules that a syntax tree imports, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from parts & set(TREES) or {node.module}


def test_every_module_has_its_layer():
    assert set(TREES) == set(LAYERS)


@pytest.mark.parametrize("name", LAYERS)
def test_imports_point_down(name):
    own = {module for module in imported(TREES[name]) if module.partition(".")[0] == "skae"}
    assert own <= set(LAYERS[LAYERS.index(name) + 1 :])


@pytest.mark.parametrize("library", ROOMS)
def test_library_stays_in_its_rooms(library):
    users = {
        name
        for name, tree in TREES.items()
        if library in {module.partition(".")[0] for module in imported(tree)}
    }
    assert users <= ROOMS[library]


@pytest.mark.parametrize("name", LAYERS)
def test_nothing_global_is_set(name):
    """No JAX flag, environment variable or global seed is touched."""
    source = ast.unparse(TREES[name])
    for setting in ("config.update", "os.environ", "random.seed", "putenv"):
        assert setting not in source
