"""Time data-parallel training: ``python -m benchmarks.devices``.

One process pinned to one core against two of them, each pinned to a core of its own, that train
one net together (``device="all"``). They take turns, so that a busy machine is busy for both,
and a ratio is taken within a turn.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time

from benchmarks._peers import skae_trainer
from benchmarks._report import print_head
from benchmarks.speed import ENVIRONMENT, PAUSE, ROOT, spread

SIZES = (784, 1024, 32)
ASKED = 1.6  # times the rows per second of one process
STEPS = 16  # in one measurement
DEADLINE = 180  # seconds without an answer, after which all processes are killed


def main(arguments=None):
    """Print the rows per second of one process and of two."""
    options = parse(arguments)
    if options.worker is not None:
        work(*json.loads(options.worker))
        return
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SystemExit(f"Two cores are needed; this process may use {cores} only.")
    net = "-".join(map(str, (*SIZES, *SIZES[-2::-1])))
    print_head(
        "Data-parallel training: two processes of one core each against one",
        cores=f"{os.cpu_count()}; processes are pinned to {cores}",
        threads="JAX's own choice, on one core",
        net=f"{net}, float32, Adam, the training block as fit runs it",
        repeats=f"{options.repeats} turns of {STEPS} steps, after one that compiles",
        seed="0; no split: nothing is scored here",
    )
    batch = options.batch
    compare("one batch, half of it each", cores, batch, batch, options.repeats)
    compare("a batch for each", cores, batch, 2 * batch, options.repeats)
    compare("two batches for each", cores, 2 * batch, 4 * batch, options.repeats)


def parse(arguments):
    """Return the command line's options."""
    parser = argparse.ArgumentParser("benchmarks.devices", description=__doc__)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def compare(title, cores, alone, together, repeats):
    """Print the speed at ``alone`` rows a step of one process, at ``together`` of two."""
    teams = {"one process": (Team(cores[:1]), alone), "two": (Team(cores), together)}
    try:
        for team, batch in teams.values():
            team.seconds(batch)
        turns = [
            [team.seconds(batch) for team, batch in teams.values()] for _ in range(repeats)
        ]
    finally:
        for team, _ in teams.values():
            team.kill()
    print(title)
    rates = []
    for (name, (_, batch)), times in zip(teams.items(), zip(*turns, strict=True), strict=True):
        rates.append([STEPS * batch / seconds for seconds in times])
        middle, most = statistics.median(rates[-1]), max(rates[-1])
        print(
            f"  {name:<12} batch {batch:4}  {middle:7.0f} rows/s median, {most:7.0f} at most, "
            f"{1e3 * batch / middle:6.1f} ms/step median"
        )
    ratios = [two / one for one, two in zip(*rates, strict=True)]
    verdict = "holds" if statistics.median(ratios) >= ASKED else "DOES NOT HOLD"
    print(f"  two / one: {spread(ratios)} (asked {ASKED}) -> {verdict}\n", flush=True)


class Team:
    """Processes that train one net together, each pinned to one of ``cores``."""

    def __init__(self, cores):
        address = f"127.0.0.1:{free_port()}"
        self.processes = [
            start([core, address, len(cores), rank]) for rank, core in enumerate(cores)
        ]

    def seconds(self, batch):
        """Return how long the slowest took for the steps; kill all where one is silent."""
        time.sleep(PAUSE)
        deadline = threading.Timer(DEADLINE, self.kill)
        deadline.start()
        for process in self.processes:
            process.stdin.write(f"{batch}\n")
            process.stdin.flush()
        answers = [process.stdout.readline() for process in self.processes]
        deadline.cancel()
        if not all(answers):
            raise RuntimeError("a process ended or was silent for too long, see above")
        return max(map(float, answers))

    def kill(self):
        """End all processes: hard, since those of a cluster do not listen to SIGTERM."""
        for process in self.processes:
            process.kill()
            process.wait()


def start(place):
    """Return a process that trains at a ``place``: core, address, processes, its number."""
    command = [sys.executable, "-m", "benchmarks.devices", "--worker", json.dumps(place)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, **pipes)


def free_port():
    """Return a port of this machine that nothing listens to."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def work(core, address, n_processes, rank):
    """Train as many rows a step as each line on stdin says; print the seconds."""
    os.sched_setaffinity(0, {core})
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what gloo prints is no answer
    if n_processes > 1:
        import jax

        jax.distributed.initialize(address, n_processes, rank)
    train = {}
    for line in sys.stdin:
        batch = int(line)
        if batch not in train:
            train[batch] = skae_trainer(SIZES, batch, threads=0, device="all")
        start = time.perf_counter()
        train[batch](STEPS)
        print(time.perf_counter() - start, file=answers, flush=True)


if __name__ == "__main__":
    main()
