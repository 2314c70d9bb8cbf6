"""Every parameter and every result of the public face has a type."""

import inspect

import pytest

import skae
from skae import architectures, losses


def public_functions():
    """Yield the dotted name and the function of everything public that can be called."""
    for module in (skae, architectures, losses):
        for name in module.__all__:
            found = getattr(module, name)
            if inspect.isfunction(found):
                yield f"{module.__name__}.{name}", found
            if inspect.isclass(found):
                yield from methods(f"{module.__name__}.{name}", found)


def methods(path, kind):
    for name in dir(kind):
        found = inspect.getattr_static(kind, name)
        found = found.fget if isinstance(found, property) else getattr(kind, name)
        is_public = not name.startswith("_") or name in ("__init__", "__call__")
        if is_public and inspect.isroutine(found):
            module = getattr(inspect.unwrap(found), "__module__", None) or ""
            if module.startswith("skae"):
                yield f"{path}.{name}", inspect.unwrap(found)


@pytest.mark.parametrize(
    "function", [pytest.param(f, id=name) for name, f in public_functions()]
)
def test_parameters_and_results_have_types(function):
    signature = inspect.signature(function)
    names = [name for name in signature.parameters if name not in ("self", "cls")]
    missing = [
        n for n in names if signature.parameters[n].annotation is inspect.Parameter.empty
    ]
    if (
        function.__name__ != "__init__"
        and signature.return_annotation is inspect.Signature.empty
    ):
        missing.append("return")
    assert missing == []
