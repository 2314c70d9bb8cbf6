"""BLAS's threads: a limit for the host's part of a fit, and products that need no limit.

How many threads there are decides how BLAS rounds. NumPy and threadpoolctl only.
"""

from contextlib import contextmanager
from threading import RLock, get_ident

import numpy as np
from threadpoolctl import ThreadpoolController

FEW_PRODUCTS = 2**18  # of numbers in a product of matrices that BLAS leaves to one thread
FEW_NUMBERS = 2**13  # in such a matrix times a vector, or one to be solved
TERM_BYTES, MOST_ROWS = 512, 64  # of blocks of larger ones, which are 64 x 64 x 64 in float64


class _Limit:
    """What limits BLAS to one thread while any thread of the process asks for it.

    What is wanted is noted first, and then done: whatever Ctrl-C cuts short is done by the next
    call. The limit is put on and taken off by whoever is first and last, and controlled by
    nobody in between, so that users' own limits count meanwhile.
    """

    def __init__(self):
        self._lock = RLock()  # not Lock: a signal handler may come back here
        self._depths = {}  # of the threads that ask
        self._blas, self._lowered = None, []

    @property
    def depth(self):
        """How often the present thread asks for it."""
        return self._depths.get(get_ident(), 0)

    def go_to(self, depth):
        """Make this the ``depth`` of the present thread, and the limit what it is to be."""
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
        more = [(lib, n) for lib, n in counts if n > 1]
        if more:
            self._lowered = self._lowered or more
            self._set([(lib, 1) for lib, _ in more])

    def _lift(self):
        """Put back what is still at one thread: the rest has been changed by somebody else."""
        still = [(lib, n) for lib, n in self._lowered if lib.num_threads == 1]
        self._set(still)
        if all(lib.num_threads > 1 for lib, _ in still):
            self._lowered = []  # else another thread has its own limit, and it is tried again

    def _set(self, counts):
        for lib, n in counts:
            lib.set_num_threads(n)
        with self._blas.limit(limits=None):  # sets nothing; its end leaves control to others
            pass


_LIMIT = _Limit()


@contextmanager
def one_thread():
    """Have BLAS use one thread, in parts of a fit: for small matrices more are slower.

    They wait for those of the program that trains, and it for them: OpenBLAS's are busy for a
    while after each product. Beyond a hundred rows sums would depend on their number, too. It
    is the whole process's, until the last caller leaves.
    """
    depth = _LIMIT.depth
    try:
        _LIMIT.go_to(depth + 1)
        yield
    finally:
        _LIMIT.go_to(depth)


@contextmanager
def threads_restored():
    """Leave BLAS as it was, even if Ctrl-C came just when a part ended."""
    depth = _LIMIT.depth
    try:
        yield
    finally:
        _LIMIT.go_to(depth)


def product(A, B):
    """Return ``A @ B`` of arrays of one or two dimensions, the same with any threads.

    BLAS shares a large product among its threads, and rounds by how many there are. Here it
    is cut into blocks, always the same ones, each of which BLAS leaves to one thread.
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


def _thin_product(A, B):
    """Return ``A @ B``, one of them a row or a column: some lines of the other at a time."""
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


def _n_lines(A, axis):
    return 1 if A.ndim == 1 else A.shape[axis]


def solved(grams, right):
    """Return ``np.linalg.solve`` of (r, r) matrices and (r, n), the same with any threads.

    BLAS leaves few numbers to one thread.
    """
    size = max(1, FEW_NUMBERS // len(grams))
    parts = [right[:, i : i + size] for i in range(0, right.shape[1], size)]
    return np.concatenate([np.linalg.solve(grams, part) for part in parts], axis=1)
