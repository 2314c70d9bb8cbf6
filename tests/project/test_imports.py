"""What importing skae must not do; import-linter checks its layers, see pyproject.toml."""

from pathlib import Path

import pytest

import skae

MODULES = sorted(Path(skae.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_nothing_global_is_set(path):
    """No JAX flag, environment variable or global seed is touched."""
    source = path.read_text()
    for setting in ("config.update", "os.environ", "random.seed", "putenv"):
        assert setting not in source
