"""Measuring in processes: a fresh one each, by turns, with peak memory and a deadline.

A worker imports one module and answers lines of JSON on stdin: which function of the module to
call, and its arguments. What a function raises is an answer, so that a benchmark goes on.
Nothing here but the standard library is imported: a peer's interpreter has little else.
"""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

BEGAN = time.perf_counter()
ROOT = Path(__file__).parents[1]
PAUSE = 0.3  # seconds in which the threads of the process before go to sleep
EVERY = 0.01  # seconds between two looks at the memory
N_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
THREADS = sorted({1, 2, os.cpu_count() or 1})
HOPELESS = 3.0  # times a peer's best number of threads, in a trial: not measured further
OPENBLAS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # stop it from choosing its own kernels
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in OPENBLAS}
MB = 2**20


class WorkerError(Exception):
    """What went wrong in a worker."""


class Worker:
    """A process that calls functions of ``module``; a context that ends it.

    ``first`` is code that it runs before all else.
    """

    def __init__(self, module, python=sys.executable, *, name="", first=""):
        self.name, self.is_late = name or module, False
        code = f"{first}\nfrom benchmarks._process import serve\nserve({module!r})"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        command = [str(python), "-c", code]
        self.process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, **pipes)

    def send(self, do, **request):
        """Ask for a call of the function ``do``."""
        try:
            self.process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # reading the answer raises if the process has ended

    def receive(self, deadline=None):
        """Return the answer; raise WorkerError for an error, or if the deadline passes."""
        timer = threading.Timer(deadline or 1e6, self._stop)
        timer.daemon = True
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        if not line:
            late = f"TimeoutError: stopped after {deadline} s"
            raise WorkerError(late if self.is_late else f"the process of {self.name} ended")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer["answer"]

    def ask(self, do, deadline=None, **request):
        """Return what the function answers, the threads of the process before being asleep."""
        time.sleep(PAUSE)
        self.send(do, **request)
        return self.receive(deadline)

    def _stop(self):
        self.is_late = True
        self.kill()

    def kill(self):
        """End the process hard: those of a cluster do not listen to SIGTERM."""
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        if reason[0] is not None:
            self.kill()
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def serve(module):
    """Be a worker. Libraries print what they like: only answers go to the real stdout."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            function = getattr(import_module(module), request.pop("do"))
            answer = {"answer": function(**request)}
        except Exception as error:
            first = (str(error).strip().splitlines() or [""])[0]
            answer = {"error": f"{type(error).__name__}: {first}"[:300]}
        print(json.dumps(answer), file=answers, flush=True)


def in_fresh_process(module, do, *, python=sys.executable, first="", deadline=None, **request):
    """Return what a function of ``module`` answers in a process of its own."""
    with Worker(module, python, first=first) as worker:
        worker.send(do, **request)
        return worker.receive(deadline)


def whole_processes(jobs, repeats):
    """Run each job, a fresh process, once a repeat; return seconds and answers by name.

    A job is (interpreter, module, function, arguments).
    """
    seconds, answers = {name: [] for name in jobs}, {name: [] for name in jobs}
    for _ in range(repeats):
        for name, (python, module, do, request) in jobs.items():
            start = time.perf_counter()
            answers[name].append(in_fresh_process(module, do, python=python, **request))
            seconds[name].append(time.perf_counter() - start)
    return seconds, answers


def by_turns(asks, repeats):
    """Return what each of ``asks`` {name: function} answers, by turns: lists of seconds.

    The first answers compile, the second ones are a trial, after which hopeless numbers of
    threads are left out; neither is returned.
    """
    trial = [{name: ask() for name, ask in asks.items()} for _ in range(2)][1]
    seconds = {name: [] for name in worth_measuring(trial)}
    for _ in range(repeats):
        for name in seconds:
            seconds[name].append(asks[name]())
    return seconds


def opened(workers):
    """Return a context of several workers."""
    stack = ExitStack()
    for worker in workers:
        stack.enter_context(worker)
    return stack


def worth_measuring(trial):
    """Return the names in ``trial`` (seconds by "peer, threads=n") without hopeless threads.

    Two threads that wait for each other on a busy machine can cost a hundred times one.
    """
    best = {}
    for name, seconds in trial.items():
        peer = name.partition(",")[0]
        best[peer] = min(seconds, best.get(peer, seconds))
    names = [n for n, s in trial.items() if s <= HOPELESS * best[n.partition(",")[0]]]
    if left := sorted(set(trial) - set(names)):
        print(f"more than {HOPELESS:.0f} times the peer's best in a trial, left out: {left}")
    return names


def best_threads(seconds, peer):
    """Return the name of the peer's entry with the least median time, or None."""
    entries = [name for name in seconds if peer in name.partition(",")[0]]
    return min(entries, key=lambda name: statistics.median(seconds[name]), default=None)


def import_seconds(statement):
    start = time.perf_counter()
    exec(statement)
    return time.perf_counter() - start


def seconds_of(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def quotients(some, others):
    """Return the quotients of two lists, one by one."""
    return [a / b for a, b in zip(some, others, strict=True)]


def spread(ratios):
    """Return the least and the median of some ratios as text."""
    return f"min {min(ratios):.2f}, median {statistics.median(ratios):.2f}"


def medians(parts):
    """Return the medians of some seconds by name as text, from one dict for each repeat."""
    middle = {name: statistics.median(part[name] for part in parts) for name in parts[0]}
    return ", ".join(f"{name} {value:.2f}" for name, value in middle.items())


def summary(seconds):
    """Return the least and the median of some seconds as text."""
    return f"{min(seconds):.2f} s at least, {statistics.median(seconds):.2f} median"


class Peak:
    """While it is entered, the most memory that this process has written, in bytes.

    Pages of mapped files are not counted: the system takes them back at will.
    """

    def __enter__(self):
        self.before = self.bytes = anonymous_bytes()
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def _watch(self):
        while not self.is_over.wait(EVERY):
            self.bytes = max(self.bytes, anonymous_bytes())

    def __exit__(self, *reason):
        self.is_over.set()
        self.thread.join()
        self.bytes = max(self.bytes, anonymous_bytes())


def anonymous_bytes():
    with open("/proc/self/status") as status:
        (line,) = (line for line in status if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024
