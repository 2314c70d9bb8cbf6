"""A file of arrays and a JSON document: safetensors, with a digest over all of it.

Layout: the length of the header (8 bytes, little-endian), the header (JSON), the arrays. The
header begins with the number of the format and the digest, at fixed places; the document is a
text in it. Nothing here knows what documents say.
"""

import hashlib
import json
import math
import os
import re
import secrets
from collections.abc import Iterable
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

FORMAT = 1
DTYPES = {  # names in safetensors
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
START = re.compile(rb'\{"__metadata__":\{"skae_format":"(\d{1,9})","sha256":"([0-9a-f]{64})",')
NO_DIGEST = b"0" * 64
ALIGNED = 8  # bytes, that arrays begin at a multiple of
MOST_DIMENSIONS = 32


def write(path: Any, document: Any, arrays: list[NDArray]) -> None:
    """Write a ``document`` that JSON takes, and arrays of dtypes in DTYPES; all or nothing."""
    table, end = {}, 0
    for i, array in enumerate(arrays):
        begin, end = end, end + array.nbytes
        name = NAMES[array.dtype.str]
        table[str(i)] = {"dtype": name, "shape": array.shape, "data_offsets": [begin, end]}
    metadata = {
        "skae_format": str(FORMAT),
        "sha256": NO_DIGEST.decode(),
        "document": _dumps(document),
    }
    header = _dumps({"__metadata__": metadata, **table}).encode()
    header += b" " * (-len(header) % ALIGNED)
    length, parts = len(header).to_bytes(8, "little"), [_bytes_of(array) for array in arrays]
    digest = _digest([length, header, *parts])
    _replace(path, [length, _with_digest(header, digest.encode()), *parts])


def read(path: Any) -> tuple[Any, list[NDArray]]:
    """Return the document and the arrays of a file, or raise ValueError if it is not whole.

    It takes no more memory for arrays than the file has bytes.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        length, header = _read_header(file, size)
        document, table = _parsed(header, size - 8 - len(header))
        arrays = [_read_array(file, *entry) for entry in table]
    parts = [length, _with_digest(header, NO_DIGEST), *map(_bytes_of, arrays)]
    if _digest(parts).encode() != _start(header)[2]:
        refuse("its digest does not match: it was changed or damaged")
    return parsed_json(document), arrays


def refuse(why: str) -> NoReturn:
    """Raise ValueError: a file is refused, and ``why``."""
    raise ValueError(why)


def parsed_json(text: str) -> Any:
    """Return what a JSON text says, or raise ValueError: also for NaN and repeated names."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its header is not JSON as skae writes it ({error})") from None


def _read_header(file: BinaryIO, size: int) -> tuple[bytes, bytes]:
    length = file.read(8)
    n_bytes = int.from_bytes(length, "little")
    if len(length) < 8 or n_bytes > size - 8:
        refuse(f"it has {size} bytes, and is cut off or no file of skae.save")
    header = file.read(n_bytes)
    found = _start(header)
    if int(found[1]) != FORMAT:
        refuse(
            f"it is of format {int(found[1])}, and this version of skae reads format {FORMAT}. "
            "Upgrade skae"
        )
    return length, header


def _start(header: bytes) -> re.Match[bytes]:
    found = START.match(header)
    if found is None:
        refuse("it is no file of skae.save")
    return found


def _parsed(header: bytes, n_bytes: int) -> tuple[str, list]:
    """Return the document's text, and the dtype and shape of each array of ``n_bytes``."""
    try:
        entries = parsed_json(header.decode("ascii"))
    except UnicodeDecodeError:
        refuse("its header is not text")
    document = entries.pop("__metadata__").get("document")
    if not isinstance(document, str):
        refuse("its header has no document")
    table, end = [], 0
    for i, (name, entry) in enumerate(entries.items()):
        if name != str(i):
            refuse(f"its array {i} is called {name!r:.40}")
        dtype, shape, size = _checked(name, entry, end)
        table.append((dtype, shape))
        end += size
    if end != n_bytes:
        refuse(f"its arrays have {n_bytes} bytes, and its header speaks of {end}")
    return document, table


def _checked(name: str, entry: Any, begin: int) -> tuple[np.dtype, tuple[int, ...], int]:
    """Return the dtype, the shape and the bytes of an array that is to ``begin`` there."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        refuse(f"its header does not describe the array {name}")
    shape, dtype = entry["shape"], entry["dtype"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        refuse(f"the array {name} is of the unknown dtype {dtype!r:.40}")
    if not is_shape(shape):
        refuse(f"the array {name} has no shape")
    size = math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize
    if entry["data_offsets"] != [begin, begin + size]:
        refuse(f"the array {name} is not at the place that its shape gives")
    return np.dtype(DTYPES[dtype]), tuple(shape), size


def is_shape(shape: Any) -> bool:
    """Say whether ``shape`` is a list of sizes that an array may have."""
    if not isinstance(shape, list) or len(shape) > MOST_DIMENSIONS:
        return False
    if not all(type(n) is int and n >= 0 for n in shape):
        return False
    return math.prod(n for n in shape if n) < 2**60


def _read_array(file: BinaryIO, dtype: np.dtype, shape: tuple[int, ...]) -> NDArray:
    array = np.empty(shape, dtype)
    into = _bytes_of(array)
    if file.readinto(into.data) != len(into):  # type: ignore[attr-defined]
        refuse("it is cut off")
    if dtype.kind == "b" and into.max(initial=0) > 1:
        refuse("a boolean array holds other bytes than 0 and 1")
    return array


def _bytes_of(array: NDArray) -> NDArray[np.uint8]:
    """Return the bytes of a C-contiguous array, which share its memory."""
    return array.reshape(-1).view(np.uint8)


def _digest(parts: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _with_digest(header: bytes, digest: bytes) -> bytes:
    begin, end = _start(header).span(2)
    return header[:begin] + digest + header[end:]


def _replace(path: Any, parts: Iterable[Any]) -> None:
    """Write ``parts`` to a new file beside ``path`` and put it in its place at once."""
    folder, name = os.path.split(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            f"There is no folder {folder} to write {name} to. Make it first."
        )
    temporary = os.path.join(folder, f".{name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    if os.name == "posix":  # the folder's entry has to reach the disk, too
        entry = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)


def _dumps(thing: Any) -> str:
    return json.dumps(thing, separators=(",", ":"), allow_nan=False)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is repeated")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
