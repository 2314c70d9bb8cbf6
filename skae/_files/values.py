"""Values to what JSON takes and arrays, and back, by the closed list in ``records``.

JSON's own types stand for themselves, but for objects: these have one key, which says what
they are. Numbers that JSON has not, such as NaN, are texts.
"""

import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context

from skae._files import records
from skae._files.container import NAMES, is_shape

VIEWED = re.compile(r"<(U\d{1,9}|[Mm]8\[(\d{1,9})?[a-zA-Zμ]{1,7}\])")  # dtypes without a name
LAST_CHARACTER = 0x10FFFF
PICKLED = b"arrow.py_extension_type"  # in a schema, which pyarrow below 14.0.1 unpickles
N_STATE = 624  # numbers in the state of a RandomState
NO_CODE = (
    "a file holds no code, and so nothing but skae's own classes, numbers, texts and arrays. "
    "Use pickle or skops for this estimator, or pass what has a name"
)


class Encoder:
    """Takes values apart; ``arrays`` are those found so far, each of them once."""

    def __init__(self) -> None:
        self.arrays: list[NDArray] = []
        self._places: dict[int, int] = {}
        self._kept: list[Any] = []  # so that no other object gets the id of one

    def __call__(self, value: Any, label: str) -> Any:
        """Return what JSON takes; ``label`` names the value in errors."""
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            return value if math.isfinite(value) else {"float": str(value)}
        if kind is list:
            return self._items(value, label)
        if kind is tuple:
            return {"tuple": self._items(value, label)}
        if kind is dict:
            return {"dict": [self._pair(key, value[key], label) for key in value]}
        if kind is np.ndarray:
            return self._array(value, label)
        if isinstance(value, np.generic) and kind.__module__ == "numpy":
            return {"scalar": self._array(np.asarray(value), label)}
        if kind is bytes:
            return {"bytes": self._stored(np.frombuffer(value, np.uint8), value)}
        return self._object(value, kind, label)

    def _pair(self, key, value, label):
        return [self(key, label), self(value, f"{label}[{key!r:.40}]")]

    def _items(self, items, label):
        return [self(item, f"{label}[{i}]") for i, item in enumerate(items)]

    def _array(self, array, label):
        if array.dtype == object:
            values = self._items(array.ravel().tolist(), label)
            return {"objects": {"shape": list(array.shape), "values": values}}
        dtype = array.dtype.newbyteorder("<")
        if VIEWED.fullmatch(dtype.str):
            numbers = np.array(array, dtype, order="C").reshape(-1)
            numbers = numbers.view("<u4" if dtype.kind == "U" else "<i8")
            place = self._stored(numbers, array)
            return {"viewed": {"dtype": dtype.str, "shape": list(array.shape), "array": place}}
        if dtype.str not in NAMES:
            refuse_value(label, f"an array of dtype {array.dtype}")
        if array.flags.f_contiguous and not array.flags.c_contiguous:
            return {"transposed": self._stored(np.asarray(array.T, dtype), array)}
        return {"array": self._stored(np.asarray(array, dtype, order="C"), array)}

    def _stored(self, array, source):
        if id(source) not in self._places:
            self._places[id(source)] = len(self.arrays)
            self._kept.append(source)
            self.arrays.append(array)
        return self._places[id(source)]

    def _object(self, value, kind, label):
        name, module = kind.__name__, kind.__module__
        if kind in records.NAME_OF:
            return {"record": self._record(value, records.NAME_OF[kind], label)}
        if kind is np.random.RandomState:
            return {"random_state": self._items(value.get_state(legacy=True), label)}
        ours = module.partition(".")[0] in ("skae", "sklearn")
        if ours and kind is records.splitter_class(name):
            names = records.parameter_names(kind)
            given = {n: self(getattr(value, n), f"{label}.{n}") for n in names}
            return {"splitter": {"name": name, "parameters": given}}
        if ours and kind is records.estimator_class(name):
            return {"estimator": self._estimator(value, kind, label)}
        what = f"an object of the class {name}"
        if callable(value) and hasattr(value, "__qualname__"):
            what = "a function"
        return refuse_value(label, f"{what}, {value!r:.80}")

    def _record(self, value, name, label):
        names, optional = records.RECORDS[name].names, records.RECORDS[name].optional
        has = [n for n in names if n not in optional or hasattr(value, n)]
        fields = {n: self(getattr(value, n), f"{label}.{n}") for n in has}
        return {"name": name, "fields": fields}

    def _estimator(self, estimator, kind, label):
        prefix = f"{label}." if label else ""
        given = estimator.get_params(deep=False)
        parameters = {n: self(value, prefix + n) for n, value in sorted(given.items())}
        state = {}
        for name, value in vars(estimator).items():
            if name in given or name in records.LEFT_OUT:
                continue
            if not records.is_attribute(kind, name):
                refuse_value(prefix + name, "no attribute that fit sets")
            state[name] = self(value, prefix + name)
        requests = _requests_of(estimator)
        found = {"name": kind.__name__, "parameters": parameters, "state": state}
        return found | ({"requests": requests} if requests else {})


class Decoder:
    """Puts values together again; raises ValueError for all that an Encoder does not write."""

    def __init__(self, arrays: list[NDArray]) -> None:
        self._arrays, self._used = arrays, set[int]()
        self._makers: dict[str, Callable] = {
            "array": self._array,
            "bytes": self._bytes,
            "dict": self._dict,
            "estimator": self._estimator,
            "float": _float,
            "objects": self._objects,
            "random_state": self._random_state,
            "record": self._record,
            "scalar": self._scalar,
            "splitter": self._splitter,
            "transposed": lambda what: self._array(what).T,
            "tuple": lambda what: tuple(self._items(what)),
            "viewed": self._viewed,
        }

    def __call__(self, found: Any) -> Any:
        """Return the value that JSON's ``found`` stands for."""
        if isinstance(found, list):
            return self._items(found)
        if not isinstance(found, dict):
            return found
        if len(found) != 1:
            raise ValueError(f"an object has {len(found)} keys, and one says what it is")
        ((kind, what),) = found.items()
        if kind not in self._makers:
            raise ValueError(f"it holds something called {kind!r:.40}, which is unknown")
        return self._makers[kind](what)

    @property
    def unused(self) -> int:
        """How many arrays nothing has referred to."""
        return len(self._arrays) - len(self._used)

    def _items(self, found):
        if not isinstance(found, list):
            raise ValueError("a list was expected")
        return [self(item) for item in found]

    def _fields(self, found):
        if not isinstance(found, dict):
            raise ValueError("named fields were expected")
        return {name: self(value) for name, value in found.items()}

    def _dict(self, found):
        pairs = [(self(key), self(value)) for key, value in found]
        return dict(pairs)

    def _array(self, place):
        if type(place) is not int or not 0 <= place < len(self._arrays):
            raise ValueError(f"it has no array {place!r:.40}")
        self._used.add(place)
        return self._arrays[place]

    def _bytes(self, place):
        found = self._array(place).tobytes()
        if PICKLED in found:
            raise ValueError("it holds a type of pyarrow that old versions of it unpickle")
        return found

    def _scalar(self, found):
        array = self(found)
        if not isinstance(array, np.ndarray) or array.shape != ():
            raise ValueError("a scalar has no number")
        return array[()]

    def _objects(self, found):
        shape, values = _parts(found, "shape", "values")
        if not is_shape(shape) or math.prod(shape) != len(values):
            raise ValueError("an array of objects has another size than its shape says")
        array = np.empty(len(values), object)
        for i, value in enumerate(self._items(values)):
            array[i] = value
        return array.reshape(shape)

    def _viewed(self, found):
        dtype, shape, place = _parts(found, "dtype", "shape", "array")
        if not isinstance(dtype, str) or not VIEWED.fullmatch(dtype) or not is_shape(shape):
            raise ValueError(f"an array is of the unknown dtype {dtype!r:.40}")
        numbers = self._array(place)
        if dtype[1] == "U" and numbers.max(initial=0) > LAST_CHARACTER:
            raise ValueError("a text has characters that do not exist")
        return numbers.view(np.dtype(dtype)).reshape(shape)

    def _random_state(self, found):
        name, numbers, place, *gauss = self._items(found)
        if type(place) is not int or not 0 <= place <= N_STATE:  # NumPy would read beyond
            raise ValueError("a RandomState is at a place that it has not")
        rng = np.random.RandomState()
        rng.set_state((name, numbers, place, *gauss))
        return rng

    def _record(self, found):
        name, fields = _parts(found, "name", "fields")
        if name not in records.RECORDS:
            raise ValueError(f"it holds a record called {name!r:.40}, which is unknown")
        return records.RECORDS[name].make(self._fields(fields))

    def _splitter(self, found):
        name, parameters = _parts(found, "name", "parameters")
        kind = records.splitter_class(name)
        if kind is None:
            raise ValueError(f"it holds a splitter called {name!r:.40}, which is unknown")
        return kind(**self._fields(parameters))

    def _estimator(self, found):
        requests = found.pop("requests", {}) if isinstance(found, dict) else {}
        name, parameters, state = _parts(found, "name", "parameters", "state")
        kind = records.estimator_class(name)
        if kind is None:
            raise ValueError(f"it holds an estimator called {name!r:.40}, which is unknown")
        given, state = self._fields(parameters), self._fields(state)
        if unknown := given.keys() - set(records.parameter_names(kind)):
            raise ValueError(f"{name} has no parameters {sorted(unknown)!r:.80}")
        state = {n: v for n, v in state.items() if not records.is_computed(kind, n)}
        for attribute in state:
            if not records.is_attribute(kind, attribute):
                raise ValueError(f"{name} has no attribute {attribute!r:.40}")
        estimator = kind(**given)
        vars(estimator).update(state)
        _request(estimator, requests)
        return estimator


def refuse_value(label: str, what: str) -> NoReturn:
    """Raise ValueError: the value called ``label`` is ``what`` no file may hold."""
    raise ValueError(f"{label} is {what}; {NO_CODE}.")


def _parts(found, *names):
    if not isinstance(found, dict) or found.keys() != set(names):
        raise ValueError(f"an object with the parts {', '.join(names)} was expected")
    return (found[name] for name in names)


def _float(text):
    if text not in ("nan", "inf", "-inf"):
        raise ValueError(f"{text!r:.40} is no number")
    return float(text)


def _requests_of(estimator):
    """Return what ``fit`` asks of metadata routing, if ``set_fit_request`` was called."""
    if not hasattr(estimator, "_metadata_request"):
        return {}
    return dict(estimator._metadata_request.fit.requests)


def _request(estimator, requests):
    if requests:
        with config_context(enable_metadata_routing=True):
            estimator.set_fit_request(**requests)
