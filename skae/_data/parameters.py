"""What parameters may be, beyond scikit-learn's constraints, and what is made of them.

Numbers become Python's, so that those of NumPy neither wrap nor overflow.
"""

import pickle
import sys
from collections.abc import Sequence as AnySequence
from functools import lru_cache, partial
from numbers import Integral, Real
from types import FunctionType, SimpleNamespace

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval

LARGEST = float(np.finfo(np.float32).max)
MOST = sys.maxsize  # of what is counted
MOST_CONTENTS = 2**20  # bytes of a user's object that are kept to compare it with others


class Number(Interval):
    """An interval of numbers that a bool is not in."""

    def is_satisfied_by(self, val):
        """Say whether ``val`` is a number, not a bool, and in the interval.

        Whole numbers that no array can have as its size are not.
        """
        if isinstance(val, bool | np.bool_):
            return False
        val = plain_number(val)
        return super().is_satisfied_by(val) and not (self.type is Integral and val > MOST)


class Sequence(HasMethods):
    """A list, a tuple or an array: what has an order, unlike sets and dicts."""

    def __init__(self, of, example):
        super().__init__("__len__")
        self.of, self.example = of, example

    def is_satisfied_by(self, val):
        if isinstance(val, str | bytes):
            return False
        return isinstance(val, AnySequence) or getattr(val, "ndim", 0) > 0

    def __str__(self):
        return f"a sequence of {self.of}, such as {self.example}"


def is_count(value):
    """Say whether ``value`` is a whole number above 0, and no bool."""
    return isinstance(value, Integral) and not isinstance(value, bool | np.bool_) and value > 0


def is_weight(value):
    """Say whether ``value`` is a finite number of at least 0, and no bool."""
    number = plain_number(value)
    if not isinstance(number, int | float) or isinstance(number, bool):
        return False
    return 0 <= number <= sys.float_info.max


def plain_number(value):
    """Return a number of NumPy's, or a fraction, as Python's int or float; others unchanged."""
    if isinstance(value, bool | np.bool_ | int | float):
        return value
    if isinstance(value, Integral):
        return int(value)
    if not isinstance(value, Real):
        return value
    try:
        return float(value)
    except OverflowError:  # a fraction beyond all floats
        return np.inf if value > 0 else -np.inf


def plain_parameters(estimator):
    """Return the parameters of an ``estimator``, numbers plain, callables comparable."""
    given = estimator.get_params(deep=False)
    return SimpleNamespace(**{name: plain_number(value) for name, value in given.items()})


def comparable(function):
    """Return a user's callable so that its copies, such as ``clone`` makes, are equal.

    Functions, and objects that cannot be pickled or hold much, stay themselves.
    """
    given, kind = function, type(function)
    if isinstance(function, str | None | FunctionType | type):
        return function
    if kind.__module__.partition(".")[0] == "skae":
        return function
    if kind is partial:  # a new one, as copies are pickled with an empty dict more
        function = partial(comparable(function.func), *function.args, **function.keywords)
    try:
        contents = pickle.dumps(function)
        return _one_of(kind, contents) if len(contents) <= MOST_CONTENTS else given
    except Exception:  # whatever an object of the user's raises when it is pickled
        return given


@lru_cache(maxsize=32)
def _one_of(kind, contents):
    """Return the one object of a type and its pickled contents, which nobody else changes."""
    found = pickle.loads(contents)
    return found if kind.__hash__ is not None else _Hashable(found)


class _Hashable:
    """Stands for a callable that compares by contents and therefore has no hash."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *arguments, **settings):
        return self.function(*arguments, **settings)

    def __getattr__(self, name):
        if name.startswith("__") or name == "function":
            raise AttributeError(name)
        return getattr(self.function, name)


def plain_value(value):
    """Return a parameter as plain Python, equal for equal meanings."""
    if callable(value) and type(value).__repr__ in (object.__repr__, FunctionType.__repr__):
        return getattr(value, "__qualname__", type(value).__qualname__)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, list | tuple | np.ndarray):
        return [plain_value(item) for item in value]
    return repr(value)
