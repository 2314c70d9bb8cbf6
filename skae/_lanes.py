"""A second lane for trainings, beside the thread that asked for them.

The products of small nets are too small for many cores: two nets train at once in little more
than the time of one, and a program is compiled while another runs. What comes out is the same,
to the bit, with a second lane or without.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from joblib import cpu_count

from skae._device import computing, is_processor
from skae._long import LongRows

LEAST_WORK = 2**30  # multiplications of a training, below which a thread is not worth it
MOST_NUMBERS = 2**25  # in the weights of all checkpoints of a training, above which it waits


@contextmanager
def second_lane(recipe, rows, device):
    """Give a Lane for trainings on ``rows`` on a processor; None where one lane is enough.

    A training that goes ahead holds its own rows, and keeps all its checkpoints.
    """
    plan = recipe.plan
    is_small = plan.n_numbers * plan.n_checks <= MOST_NUMBERS
    is_small &= recipe.is_reduced or not isinstance(rows.values, LongRows)
    is_one_device = recipe.program.mesh is None and is_processor()
    if not (is_small and is_one_device and plan.work >= LEAST_WORK and cpu_count() > 1):
        yield None
        return
    lane = Lane(device)
    try:
        yield lane
    finally:
        lane.close()


class Lane:
    """A thread that does one thing after another, as ``device`` asks for."""

    def __init__(self, device):
        self.device = device
        self._thread = ThreadPoolExecutor(1, "skae")
        self._runs = []

    def submit(self, function, *arguments):
        """Have ``function`` called after all that was submitted before; return its Future."""
        return self._thread.submit(self._compute, function, *arguments)

    def also(self, function, items):
        """Return ``function`` of one or two ``items``, the second one's from this lane."""
        first, *others = items
        there = [self.submit(function, item) for item in others]
        return [function(first), *(future.result() for future in there)]

    def stops(self, run):
        """Have ``run`` cancelled where this lane is left before it ended."""
        self._runs.append(run)

    def close(self):
        """Leave: what has not begun never will, what has begun ends soon."""
        for run in self._runs:
            run.cancel()
        self._thread.shutdown(cancel_futures=True)

    def _compute(self, function, *arguments):
        with computing(self.device):
            return function(*arguments)
