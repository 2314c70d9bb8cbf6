"""Time data-parallel training: ``python -m benchmarks.devices``.

One process pinned to one core against two of them, each pinned to a core of its own, that train
one net together (``device="all"``). They take turns, so that a busy machine is busy for both,
and a ratio is taken within a turn.
"""

import os
import socket
import statistics
import time

from benchmarks._harness import Run, at_least
from benchmarks._process import PAUSE, Worker, opened, quotients, spread
from benchmarks.peers.steps import steps
from benchmarks.speed import name_of

SELF, SIZES = "benchmarks.devices", (784, 1024, 32)
ASKED = 1.6  # times the samples per second of one process
STEPS = 16  # in one measurement
DEADLINE = 180  # seconds without an answer, after which all processes are killed


def main(arguments=None):
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SystemExit(f"Two cores are needed; this process may use {cores} only.")
    run = Run(
        *(__doc__, "Data-parallel training: two processes of one core each against one"),
        arguments,
        head={
            "cores": f"{os.cpu_count()}; processes are pinned to {cores}, threads by JAX",
            "net": f"{name_of(SIZES)}, float32, Adam, as fit trains between two checkpoints",
            "turns": f"{STEPS} steps, after one turn that compiles",
        },
        batch=512,
        repeats=9,
    )
    batch = run.batch
    compare("one batch, half of it each", cores, batch, batch, run.repeats)
    compare("a batch for each", cores, batch, 2 * batch, run.repeats)
    compare("two batches for each", cores, 2 * batch, 4 * batch, run.repeats)


def compare(title, cores, alone, together, repeats):
    """Print the speed at ``alone`` samples a step of one process, at ``together`` of two."""
    rates, batches = {"one process": [], "two": []}, {"one process": alone, "two": together}
    teams = {"one process": Team(cores[:1]), "two": Team(cores)}
    with opened(worker for team in teams.values() for worker in team.workers):
        for turn in range(repeats + 1):
            for name, team in teams.items():
                rate = STEPS * batches[name] / team.seconds(batches[name])
                rates[name] += [rate] if turn > 0 else []
    print(title)
    for name, batch in batches.items():
        middle, most = statistics.median(rates[name]), max(rates[name])
        print(
            f"  {name:<12} batch {batch:4}  {middle:7.0f} samples/s median, {most:7.0f} at "
            f"most, {1e3 * batch / middle:6.1f} ms/step median"
        )
    ratios = quotients(rates["two"], rates["one process"])
    print(f"  two / one: {spread(ratios)} ({at_least(statistics.median(ratios), ASKED)})\n")


class Team:
    """Processes that train one net together, each pinned to one of ``cores``."""

    def __init__(self, cores):
        with socket.socket() as listener:  # a port that nothing listens to
            listener.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{listener.getsockname()[1]}"
        self.workers = [Worker(SELF) for _ in cores]
        place = {"address": address, "n_processes": len(cores)}
        self._all("join", [{"core": core, "rank": i, **place} for i, core in enumerate(cores)])

    def seconds(self, batch):
        time.sleep(PAUSE)
        return max(self._all("train", [{"batch": batch}] * len(self.workers)))

    def _all(self, do, requests):
        """Return all answers; kill all processes if one fails or is silent."""
        for worker, request in zip(self.workers, requests, strict=True):
            worker.send(do, **request)
        try:
            return [worker.receive(DEADLINE) for worker in self.workers]
        except BaseException:
            for worker in self.workers:
                worker.kill()
            raise


def join(core, address, n_processes, rank):
    """Take a core, and a place among the processes."""
    os.sched_setaffinity(0, {core})
    if n_processes > 1:
        import jax

        jax.distributed.initialize(address, n_processes, rank)


def train(batch):
    return steps("skae", STEPS, 1, SIZES, batch, device="all")


if __name__ == "__main__":
    main()
