"""A background thread for trainings, with the same results to the bit as without.

The products of small nets are too small for many cores: two nets train at once in little more
than the time of one, and a program is compiled while another runs.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from joblib import cpu_count
from threadpoolctl import threadpool_info

from skae._runtime.devices import is_processor, on_same_device

LEAST_WORK = 2**30  # multiplications of a training; for less no thread is worth it
MOST_NUMBERS = 2**25  # in the weights of all checkpoints of a speculative training


@contextmanager
def background_worker(config, rows):
    """Give a BackgroundWorker for trainings on ``rows``, or None if one thread is enough.

    A speculative training holds its own rows, and keeps all its checkpoints.
    """
    budget = config.budget
    n_kept = config.n_init * budget.n_numbers * budget.n_checkpoints
    affordable = n_kept <= MOST_NUMBERS and (config.is_reduced or rows.in_memory)
    useful = config.n_init * budget.work >= LEAST_WORK and is_processor() and n_threads() > 1
    if config.mesh is not None or not (affordable and useful):
        yield None
        return
    worker = BackgroundWorker()
    try:
        yield worker
    finally:
        worker.close()


def n_threads():
    """Return how many threads may be busy: as many as cores, or as BLAS was told to use."""
    told = [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]
    return min([cpu_count(), *told])


class BackgroundWorker:
    """A thread that does one thing after another, on the device of whoever asks."""

    def __init__(self):
        self._thread = ThreadPoolExecutor(1, "skae")
        self._runs, self._moves = [], []

    def submit(self, function, *arguments):
        """Call ``function`` after all that was submitted before; return its Future."""
        return self._thread.submit(on_same_device(function), *arguments)

    def cancel_at_end(self, run):
        """Cancel ``run`` if this worker is closed before it ends."""
        self._runs.append(run)

    def train_ahead(self, run, checkpoint):
        """Train the one speculative ``run`` up to a checkpoint, without waiting for it."""
        while len(self._moves) < checkpoint:
            self._moves.append(self.submit(run.advance))

    def end_at(self, run, checkpoint):
        """Wait for a checkpoint of it, if it was requested; forget what came later."""
        for move in self._moves[:checkpoint]:
            move.result()
        if len(self._moves) > checkpoint:
            self.close()
        run.rewind(checkpoint)

    def close(self):
        """Drop what has not begun, and wait for the rest, which ends soon."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        while self._runs:
            self._runs.pop().is_cancelled = True
        self._thread.shutdown()
