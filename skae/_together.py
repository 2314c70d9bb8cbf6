"""Several fits in one program: threads that train nets of one kind meet before each block.

A small net leaves most of an accelerator idle, and many of them take little longer than one.
Nothing here knows what is computed: whoever comes last has it done for all who wait.
"""

import threading
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from numbers import Integral

import joblib

_meeting = None  # of all threads: those that joblib starts know nothing of each other


@contextmanager
def train_together(n_fits):
    """Train up to ``n_fits`` nets of the same kind in one program, for a search on a GPU.

    Inside of it joblib runs ``n_fits`` threads unless it is told otherwise, so that
    ``GridSearchCV``, ``cross_validate`` or ``HalvingGridSearchCV`` fit so many candidates and
    folds at once, and return their own tables of results. Nets that differ in numbers only
    (rates, penalties, noise, seeds, folds), not in structure, are trained by one program, block
    by block. Each fit decides for itself when to stop.

    It pays where a device is far from busy with one net. On a processor it does not: there,
    ``n_jobs`` of a search starts processes.

    Parameters
    ----------
    n_fits : int
        How many fits go on at once, at least 2. Each number of them is another program.

    Notes
    -----
    Results are those of fits one after another but for rounding, and the same each time.
    Callbacks are called from several threads. It applies to all threads of the process, and
    trainings over several devices (``device="all"``) and ``partial_fit`` go on alone.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skae import AutoencoderTransformer, train_together
    >>> ae = AutoencoderTransformer(2, hidden_layer_sizes=(8,), max_iter=2, random_state=0)
    >>> search = GridSearchCV(ae, {"learning_rate": [0.001, 0.01]}, cv=2)
    >>> with train_together(4):
    ...     search = search.fit(load_iris().data)
    >>> len(search.cv_results_["mean_test_score"])
    2
    """
    global _meeting
    if not isinstance(n_fits, Integral) or n_fits < 2:
        raise ValueError(f"n_fits must be an int of at least 2, got {n_fits!r}.")
    if _meeting is not None:
        raise RuntimeError("train_together is in use already: leave it before another one.")
    _meeting = Meeting(n_fits)
    try:
        with joblib.parallel_config("threading", n_jobs=n_fits):
            yield
    finally:
        _meeting = None


def meeting():
    """Return the Meeting that this thread attends, None where it trains alone."""
    return _meeting if _meeting is not None and _meeting.is_attended else None


def attending():
    """Return a context in which this thread attends the meeting, if there is one."""
    return nullcontext() if _meeting is None else _meeting.attended()


@dataclass(frozen=True, eq=False)
class Request:
    """What one thread wants to have computed: ``function([arguments, ...])`` does it for many.

    Requests of equal ``key`` may be answered by the function of one of them.
    """

    key: object
    function: object
    arguments: object
    answer: Future = field(default_factory=Future)


class Meeting:
    """Where threads wait for each other before each piece of work, ``n_seats`` at a time."""

    def __init__(self, n_seats):
        self.n_seats = n_seats
        self._changed = threading.Condition()
        self._present = {}  # threads, and how many of their fits attend
        self._waiting = []

    @property
    def is_attended(self):
        """Whether the calling thread is here."""
        return threading.get_ident() in self._present

    @contextmanager
    def attended(self):
        """Be counted among those that the others wait for."""
        me = threading.get_ident()
        with self._changed:
            self._present[me] = self._present.get(me, 0) + 1
        try:
            yield
        finally:
            with self._changed:
                self._present[me] -= 1
                if not self._present[me]:
                    del self._present[me]
                self._changed.notify_all()

    def ask(self, key, function, arguments):
        """Return this thread's part of ``function([arguments, ...])``, when all are here."""
        mine, requests = Request(key, function, arguments), []
        with self._changed:
            self._waiting.append(mine)
            self._changed.notify_all()
            try:
                self._changed.wait_for(lambda: mine not in self._waiting or self._is_complete)
                if mine in self._waiting:
                    requests, self._waiting = self._waiting, []
                    self._changed.notify_all()
            finally:
                if mine in self._waiting:  # interrupted: nobody waits for the answer
                    self._waiting.remove(mine)
        while requests:
            requests = self._answer_some(requests)
        return mine.answer.result()

    @property
    def _is_complete(self):
        return len(self._waiting) >= len(self._present)

    def _answer_some(self, requests):
        """Answer as many as have the first one's key and a seat; return the others."""
        key = requests[0].key
        some = [request for request in requests if request.key == key][: self.n_seats]
        try:
            answers = some[0].function([request.arguments for request in some])
        except BaseException as error:  # each of them raises it
            for request in some:
                request.answer.set_exception(error)
        else:
            for request, answer in zip(some, answers, strict=True):
                request.answer.set_result(answer)
        return [request for request in requests if request not in some]
