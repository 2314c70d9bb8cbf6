"""Tutorials' nets in skae and Keras: ``python -m benchmarks.tutorials --keras-python PATH``.

Dense(50, relu) -> Dense(100, sigmoid) on 100 x 100 uniform numbers, and Dense(5, relu) ->
Dense(10, sigmoid) on 1000 x 10 standard normal ones; MSE, Adam, 100 epochs, batches of 32. In
skae each is one expression (``benchmarks._peers.SkaeTutorial``). The layers are the same, the
fits are not; what ``DIFFERENCES`` names has no parameter in skae that would undo it.

Losses are means of squares over all cells of the training rows, of both in float64. Keras runs
on its JAX backend, in another interpreter; the peers take turns in processes of their own.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks._peers import TUTORIAL
from benchmarks._report import mean_of, numbers, print_head
from benchmarks.speed import Worker, in_turn, spread

ROWS = {  # description and n_components: a function of the generator that draws the rows
    ("100 x 100 uniform in [0, 1)", 50): lambda rng: rng.uniform(size=(100, 100)),
    ("1000 x 10 standard normal", 5): lambda rng: rng.standard_normal((1000, 10)),
}
MOST_LOSS = 1.05  # times Keras's, mean over seeds
DIFFERENCES = """\
The layers, loss, optimizer, rate, epochs and batches are the same. In skae, unlike Keras,
- weights kept are a running average over a thirtieth of the steps (at most 100); Keras keeps
  the last ones. The last epoch's loss is of the weights as they are in both.
- kernels begin normal with Glorot's variance, in Keras uniform with it.
- outputs begin near the column's mean; in Keras near 0.5.
- gradients are of the error over PCA's, Adam's epsilon is 1e-8; in Keras of the MSE, 1e-7.
- the last epoch's loss is the mean over its steps, in Keras over its rows: 100 rows are
  three batches of 32 and one of 4.
- fit also fits PCA, takes 25 checkpoints and measures the error of every prefix of the code.
"""
MISSING = """\
No Keras to compare with. Install it in an environment of its own and name that:
  python3 -m venv keras && keras/bin/pip install keras jax numpy
  python -m benchmarks.tutorials --keras-python keras/bin/python"""


def main(arguments=None):
    """Compare the losses, then the times, of both tutorials."""
    options = parse(arguments)
    keras = options.keras_python and keras_version(options.keras_python)
    print_head(
        "Two tutorials' autoencoders in skae and in Keras",
        keras=keras or "none",
        cores=os.cpu_count(),
        training=", ".join(f"{name} {value}" for name, value in TUTORIAL.items()),
        seeds=f"{options.seeds}, each of the rows (the same for both) and of the weights",
        split="none: losses are of the training rows",
    )
    if not keras:
        print(MISSING)
        return
    print(DIFFERENCES, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, (rows, draw) in enumerate(ROWS.items(), 1):
            title, k = rows
            print(f"Tutorial {number}: {title}, code of {k}")
            files = save_rows(Path(folder), number, draw, options.seeds)
            run_fits(options.keras_python, files, k)
            run_processes(options.keras_python, files[options.seeds[0]], k, options.repeats)


def parse(arguments):
    """Return the command line's options."""
    parser = argparse.ArgumentParser("benchmarks.tutorials", description=__doc__)
    add = parser.add_argument
    add("--keras-python", help="interpreter that imports keras and jax")
    add("--seeds", type=numbers, default=[0, 1, 2, 3, 4])
    add("--repeats", type=int, default=5, help="of fresh processes")
    return parser.parse_args(arguments)


def keras_version(python):
    """Return the versions of Keras and JAX that ``python`` imports, or None."""
    code = "import jax, keras; print(f'{keras.__version__}, its JAX {jax.__version__}')"
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    command = [python, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    return done.stdout.strip() if done.returncode == 0 else None


def save_rows(folder, number, draw, seeds):
    """Return the files by seed that hold a tutorial's rows."""
    files = {seed: str(folder / f"{number}-{seed}.npy") for seed in seeds}
    for seed, file in files.items():
        np.save(file, draw(np.random.default_rng(seed)))
    return files


def run_fits(keras_python, files, n_components):
    """Print losses and times of a fit per seed, in processes that have fitted before."""
    pythons = {"skae": sys.executable, "keras": keras_python}
    workers = [Worker(peer, python, "tutorial", peer) for peer, python in pythons.items()]
    answers = {worker.name: [] for worker in workers}
    try:
        for worker in workers:  # imports and compiles
            worker.ask(file=next(iter(files.values())), n_components=n_components, seed=0)
        for seed, file in files.items():
            for worker in workers:
                answer = worker.ask(file=file, n_components=n_components, seed=seed)
                answers[worker.name].append(answer)
    finally:
        for worker in workers:
            worker.close()
    print_losses(**answers)
    print_times(**answers)


def print_losses(skae, keras):
    """Print both losses of the peers' answers, and their ratio."""
    print("  training loss, MSE, mean of the seeds")
    for name in ("fitted", "last epoch"):
        own, peer = mean_of(skae, name), mean_of(keras, name)
        verdict = "holds" if own <= MOST_LOSS * peer else "DOES NOT HOLD"
        print(
            f"  {name:<20} skae {own:.4f}, keras {peer:.4f}, skae / keras {own / peer:.3f} "
            f"(at most {MOST_LOSS}) -> {verdict}"
        )


def print_times(skae, keras):
    """Print the seconds of fits in a warm process; those of skae never go on from another."""
    own = [answer["again"] for answer in skae]
    print(f"  warm process         skae, a fit from fresh weights: {summary(own)}")
    fits = {"again": "its compiled net goes on", "new": "a new net, which compiles anew"}
    for name, what in fits.items():
        times = [answer[name] for answer in keras]
        print(f"  {'':<20} keras, {what}: {summary(times)}")
        print_ratio(times, own)


def run_processes(keras_python, file, n_components, repeats):
    """Print the time of whole fresh processes: import, compile, fit."""
    pythons = {"skae": sys.executable, "keras": keras_python}
    rest = file, str(n_components)
    commands = {
        peer: [python, "-m", "benchmarks._peers", "tutorial", peer, *rest]
        for peer, python in pythons.items()
    }
    in_turn(commands, 1)  # files are read into the system's cache
    seconds, parts = in_turn(commands, repeats)
    for peer, times in seconds.items():
        print(f"  {'fresh process':<20} {peer}: {summary(times)}")
        middle = {k: statistics.median(p[k] for p in parts[peer]) for k in parts[peer][0]}
        text = ", ".join(f"{part} {value:.2f}" for part, value in middle.items())
        print(f"  {'':<20} median of {text}")
    print_ratio(seconds["keras"], seconds["skae"])
    print(flush=True)


def summary(times):
    """Return the least and the median of some seconds as text."""
    return f"{min(times):.2f} s at least, {statistics.median(times):.2f} median"


def print_ratio(times, own):
    """Print Keras's times over skae's, each pair of one turn."""
    ratios = [t / o for t, o in zip(times, own, strict=True)]
    verdict = "holds" if statistics.median(ratios) > 1 else "DOES NOT HOLD"
    print(f"  {'':<20} keras / skae: {spread(ratios)} (asked above 1) -> {verdict}")


if __name__ == "__main__":
    main()
