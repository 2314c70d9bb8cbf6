"""BLAS's threads: a limit for parts of a fit, and products that do not depend on them.

BLAS rounds differently with another number of threads. NumPy and threadpoolctl only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock, get_ident
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

FEW_PRODUCTS = 2**18  # multiplications of a matrix product that BLAS leaves to one thread
FEW_NUMBERS = 2**13  # in a matrix that is multiplied by a vector, or solved, in one thread
TERM_BYTES, MOST_ROWS = 512, 64  # of blocks of larger ones, which are 64 x 64 x 64 in float64


class _Limit:
    """Limits BLAS to one thread while any thread of the process asks for it.

    The first to ask sets the limit and the last lifts it. In between nobody controls it: users'
    own limits count. What is wanted is noted before it is done, so that the next call does what
    Ctrl-C has cut short.
    """

    def __init__(self) -> None:
        self._lock = RLock()  # not Lock: a signal handler may come back here
        self._depths: dict[int, int] = {}  # of the threads that ask
        self._blas: Any = None
        self._lowered: list[tuple[Any, int]] = []  # libraries and their numbers of threads

    @property
    def depth(self) -> int:
        """How often the present thread has asked for it."""
        return self._depths.get(get_ident(), 0)

    def go_to(self, depth: int) -> None:
        """Set the ``depth`` of the present thread, and set or lift the limit."""
        try:
            self._go_to(depth)
        except BaseException:  # Ctrl-C at this very moment
            self._go_to(depth)
            raise

    def _go_to(self, depth):
        with self._lock:
            if depth:
                self._depths[get_ident()] = depth
            else:
                self._depths.pop(get_ident(), None)
            if self._depths:
                self._lower()
            elif self._lowered:
                self._lift()

    def _lower(self):
        if self._blas is None:
            self._blas = ThreadpoolController().select(user_api="blas")
        counts = [(lib, lib.num_threads) for lib in self._blas.lib_controllers]
        if more := [(lib, n) for lib, n in counts if n > 1]:
            self._lowered = self._lowered or more
            self._set([(lib, 1) for lib, _ in more])

    def _lift(self):
        """Restore what is still at one thread: somebody else has changed the rest."""
        still = [(lib, n) for lib, n in self._lowered if lib.num_threads == 1]
        self._set(still)
        if all(lib.num_threads > 1 for lib, _ in still):
            self._lowered = []  # else another thread has its own limit, and the next call tries

    def _set(self, counts):
        for lib, n in counts:
            lib.set_num_threads(n)
        with self._blas.limit(limits=None):  # sets nothing; its end leaves control to others
            pass


_LIMIT = _Limit()


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit BLAS to one thread, in the whole process, until the last caller leaves.

    Small matrices are slower with more: OpenBLAS's threads stay busy after each product, and
    compete with the program that trains. Sums over more than a hundred rows would also depend
    on their number.
    """
    depth = _LIMIT.depth
    try:
        _LIMIT.go_to(depth + 1)
        yield
    finally:
        _LIMIT.go_to(depth)


@contextmanager
def threads_restored() -> Iterator[None]:
    """Leave BLAS as it was, even if Ctrl-C comes while ``one_thread`` ends."""
    depth = _LIMIT.depth
    try:
        yield
    finally:
        _LIMIT.go_to(depth)


def product(A: NDArray, B: NDArray) -> NDArray:
    """Return ``A @ B`` of arrays of one or two dimensions, the same with any threads.

    Large products are split into blocks, always the same ones, that BLAS leaves to one thread.
    """
    n_rows, n_columns = _n_lines(A, 0), _n_lines(B, 1)
    dtype = np.result_type(A, B)
    A = A.astype(dtype, copy=False)  # blocks of B are cast one by one
    if min(n_rows, n_columns) == 1:
        return _thin_product(A, B)
    if n_rows * n_columns * len(B) <= FEW_PRODUCTS:
        return A @ B
    n_terms, size = TERM_BYTES // dtype.itemsize, min(n_rows, MOST_ROWS)
    width = max(MOST_ROWS // 4, FEW_PRODUCTS // (n_terms * size))
    out = np.zeros((n_rows, n_columns), dtype)
    for rows in (slice(n_rows - n_rows % size), slice(n_rows - n_rows % size, None)):
        blocks = A[rows].reshape(-1, min(size, len(A[rows])) or 1, len(B))
        sums = out[rows].reshape(*blocks.shape[:2], n_columns)
        for first in range(0, n_columns, width):
            columns = slice(first, first + width)
            for start in range(0, len(B), n_terms):
                terms = slice(start, start + n_terms)
                block = B[terms, columns].astype(dtype, copy=False)
                sums[:, :, columns] += blocks[:, :, terms] @ block
    return out


def _n_lines(A, axis):
    return 1 if A.ndim == 1 else A.shape[axis]


def _thin_product(A, B):
    """Return ``A @ B`` if one is a row or a column: some lines of the other at a time."""
    n_lines = max(_n_lines(A, 0), _n_lines(B, 1))
    width = max(2 * MOST_ROWS, FEW_NUMBERS // max(1, len(B)))
    if n_lines > width:
        lines = [slice(start, start + width) for start in range(0, n_lines, width)]
        if _n_lines(A, 0) == 1:
            return np.concatenate([_thin_product(A, B[:, part]) for part in lines], axis=-1)
        return np.concatenate([_thin_product(A[part], B) for part in lines])
    B, n_terms = B.astype(A.dtype, copy=False), FEW_NUMBERS // n_lines
    out = A[..., :n_terms] @ B[:n_terms]
    for start in range(n_terms, len(B), n_terms):
        out += A[..., start : start + n_terms] @ B[start : start + n_terms]
    return out


def solved(grams: NDArray, right: NDArray) -> NDArray:
    """Return ``np.linalg.solve`` of (r, r) matrices and (r, n), the same with any threads."""
    size = max(1, FEW_NUMBERS // len(grams))
    parts = [right[:, i : i + size] for i in range(0, right.shape[1], size)]
    return np.concatenate([np.linalg.solve(grams, part) for part in parts], axis=1)
