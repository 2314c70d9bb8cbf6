"""Copies of estimators: a fit works on one, and methods read one, whatever other threads do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

T = TypeVar("T")


def snapshot(estimator: T) -> T:
    """Return a copy that shares what ``estimator`` holds at this moment."""
    copy = object.__new__(type(estimator))
    vars(copy).update(vars(estimator))
    return copy


@contextmanager
def fitted_copy(estimator: T) -> Iterator[T]:
    """Yield a copy to fit; if nothing fails, what it changed is the ``estimator``'s at once.

    What else was set on the estimator meanwhile, by a callback for example, stays. Two fits of
    one estimator at once are not kept apart.
    """
    copy = snapshot(estimator)
    before = dict(vars(copy))
    yield copy
    fitted, state = vars(copy), dict(vars(estimator))
    for name in before.keys() - fitted.keys():
        state.pop(name, None)
    state |= {
        n: value for n, value in fitted.items() if n not in before or value is not before[n]
    }
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
