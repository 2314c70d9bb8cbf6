"""Copies of estimators: a fit works on one, and methods read one, whatever other threads do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

CALLBACKS = "_callback", "_skl", "_parent_callback"  # how scikit-learn's own names begin
T = TypeVar("T")


def snapshot(estimator: T) -> T:
    """Return a copy that shares what ``estimator`` holds at this moment."""
    copy = object.__new__(type(estimator))
    vars(copy).update(vars(estimator))
    return copy


@contextmanager
def fitted_copy(estimator: T) -> Iterator[T]:
    """Yield a copy to fit; if nothing fails, its state becomes the ``estimator``'s at once."""
    copy = snapshot(estimator)
    yield copy
    fitted, own = dict(vars(copy)), dict(vars(estimator))
    state = {name: value for name, value in fitted.items() if not name.startswith(CALLBACKS)}
    state |= {name: value for name, value in own.items() if name.startswith(CALLBACKS)}
    estimator.__dict__ = state


def on_snapshots(*names: str) -> Callable[[type[T]], type[T]]:
    """Return a class decorator: methods of these ``names`` read the state of one moment."""

    def decorate(cls: type[T]) -> type[T]:
        for name in names:
            setattr(cls, name, _on_snapshot(getattr(cls, name)))
        return cls

    return decorate


def _on_snapshot(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(self, *arguments, **named):
        return method(snapshot(self), *arguments, **named)

    return call
