"""Time skae against its peers: ``python -m benchmarks.speed --torch-python PATH``.

Every peer runs in a process of its own and the peers take turns, so that a busy machine is
busy for all of them. Parts: ``steps`` (time per step of the same net), ``products`` (of a large
net, against its matrix products alone), ``structured`` (convolutional and recurrent nets),
``process`` (whole fresh processes) and ``import``.
"""

import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from benchmarks._harness import Run, at_least, at_most
from benchmarks._process import (
    THREADS,
    Worker,
    WorkerError,
    best_threads,
    by_turns,
    in_fresh_process,
    medians,
    opened,
    quotients,
    spread,
    summary,
    whole_processes,
    worth_measuring,
)
from benchmarks.peers.steps import step_operations

STEPS, WORK = "benchmarks.peers.steps", "benchmarks.peers.work"
NETS = (  # sizes of the encoder, batch, steps, what is asked of peer's time / skae's
    ((64, 32, 8), 32, 1024, 6.0),
    ((64, 128, 8), 128, 256, 3.0),
    ((784, 256, 16), 256, 64, 1.5),
)
LARGE = (784, 1024, 32), 512, 16, 0.75  # of the rate of the same matrix products alone
STRUCTURED = {  # the same, by architecture: the shape of a sample comes first
    "conv2d": ((28, 28, 1), (784, 256, 16), 64, 64, 2 / 3),
    "conv1d": ((100, 6), (600, 256, 16), 64, 64, 1.0),
    "gru": ((100, 6), (600, 256, 16), 64, 64, 1.0),
    "lstm": ((100, 6), (600, 256, 16), 64, 64, None),
}
MOST_PROCESS = 1.0  # times the PyTorch process
MOST_IMPORT = 0.1  # seconds above import jax + import sklearn
IMPORTS = {
    "skae": "import skae",
    "jax": "import jax",
    "sklearn": "import sklearn",
    "what skae uses": "import jax, optax, sklearn.decomposition, sklearn.model_selection",
}


def main(arguments=None):
    parts = {
        "steps": run_steps,
        "products": run_products,
        "structured": run_structured,
        "process": run_processes,
        "import": run_imports,
    }
    run = Run(
        *(__doc__, "Speed of skae against PyTorch and scikit-learn", arguments),
        head={"repeats": "peers in turn; ratios are taken within a repeat", "threads": THREADS},
        among={"parts": parts},
        help={"torch_python": "interpreter that imports torch"},
        torch_python=sys.executable,
        repeats=5,
        parts=list(parts),
    )
    try:
        version = in_fresh_process(WORK, "installed", python=run.torch_python, name="torch")
        print(version, "\n")
        torch = run.torch_python
    except (OSError, WorkerError) as error:
        print(f"PyTorch left out, {error}: pip install torch numpy in {run.torch_python}, or ")
        print("name another interpreter with --torch-python\n")
        torch = None
    for part in run.parts:
        parts[part](torch, run.repeats)


def name_of(sizes):
    return "-".join(map(str, (*sizes, *sizes[-2::-1])))


def time_net(title, net, peers, repeats, asked, compared=("torch", "MLPRegressor")):
    """Let skae and the peers (name: interpreter) train a net in turns; print and return times.

    Each peer has a worker for each number of threads.
    """
    jobs = {"skae": (sys.executable, {"peer": "skae", "threads": 1})}
    for peer, python in peers.items():
        for threads in THREADS if python is not None else ():
            jobs[f"{peer}, threads={threads}"] = python, {"peer": peer, "threads": threads}
    workers = {name: Worker(STEPS, python, name=name) for name, (python, _) in jobs.items()}
    with opened(workers.values()):
        asks = {
            name: lambda name=name, given=given: workers[name].ask("steps", **given, **net)
            for name, (_, given) in jobs.items()
        }
        seconds = by_turns(asks, repeats)
    n_steps = net["n_steps"]
    print(f"{title}, batch {net['batch']}, {n_steps} steps a repeat")
    for name, times in seconds.items():
        micro = [1e6 * t / n_steps for t in times]
        low, middle = min(micro), statistics.median(micro)
        print(f"  {name:<26} {low:8.0f} us/step at least, {middle:8.0f} median")
    for peer in compared:
        if best := best_threads(seconds, peer):
            ratios = quotients(seconds[best], seconds["skae"])
            verdict = at_least(statistics.median(ratios), asked) if asked else "nothing asked"
            print(f"  {best} / skae: {spread(ratios)} ({verdict})")
    print(flush=True)
    return seconds


def run_steps(torch, repeats):
    print("Time per step, warm: skae's fit between two checkpoints (shuffling and gathering")
    print("included; it also clips gradients and averages weights, and its decoder sees the")
    print("mask), MLPRegressor(X, X).partial_fit (with an activation on its code), PyTorch.\n")
    for sizes, batch, n_steps, asked in NETS:
        net = {"sizes": sizes, "batch": batch, "n_steps": n_steps}
        peers = {"MLPRegressor": sys.executable, "torch": torch}
        time_net(name_of(sizes), net, peers, repeats, asked)


def run_products(torch, repeats):
    print("Time per step of a large net, warm, as above, and of its matrix products alone:")
    print("outputs, gradients of the weights and of the inputs, in float32.\n")
    sizes, batch, n_steps, asked = LARGE
    net = {"sizes": sizes, "batch": batch, "n_steps": n_steps}
    peers = {"numpy products": sys.executable, "torch products": torch}
    seconds = time_net(name_of(sizes), net, peers, repeats, asked, ["products"])
    operations = n_steps * step_operations(sizes, batch)
    names = best_threads(seconds, "products"), "skae"
    rates = {name: operations / 1e9 / statistics.median(seconds[name]) for name in names}
    print("  median GFLOP/s: " + ", ".join(f"{n} {r:.0f}" for n, r in rates.items()) + "\n")


def run_structured(torch, repeats):
    print("Time per step, warm, of architectures with the same layers in PyTorch (GRU and LSTM")
    print("read and write four timepoints at each of 25 steps; skae's decoder also reads PCA's")
    print("part of the reconstruction).\n")
    for name, (shape, sizes, batch, n_steps, asked) in STRUCTURED.items():
        net = {"sizes": sizes, "batch": batch, "n_steps": n_steps}
        net |= {"architecture": name, "shape": shape}
        time_net(f"{name}, samples {shape}", net, {"torch": torch}, repeats, asked)


def default_plan(X, n_components=2):
    """Return the net and the full budget of steps that a default fit on ``X`` has.

    As the documentation of hidden_layer_sizes, batch_size and max_iter says.
    """
    n, d = X.shape
    is_short = n_components < 4
    hidden = [64] * 4 if is_short else [256, 128]
    batch = 32 if n < 512 else 64 if n < 8192 else 128
    epoch = -(-n // batch)
    n_steps = (3000 if is_short else 1500) * max(1, np.sqrt(n / 1000))
    sizes = [d, *hidden, n_components]
    plan = {"encoder": sizes, "decoder": sizes[::-1], "batch": batch}
    return plan | {"steps": max(1, round(n_steps / epoch)) * epoch}


def run_processes(torch, repeats):
    X = load_digits().data
    plan = default_plan(X)
    print("A whole fresh process on digits: import, compile, default fit, transform; against")
    print("one that imports torch and trains the same net once (AdamW, no gate, no noise):")
    print(f"{plan}\n")
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "digits.npy")
        np.save(file, X)
        jobs = {"skae": (sys.executable, WORK, "whole", {"file": file})}
        for threads in THREADS if torch else ():
            given = {"file": file, "threads": threads, "plan": plan}
            jobs[f"torch, threads={threads}"] = torch, WORK, "whole_torch", given
        trial, _ = whole_processes(jobs, 1)
        kept = worth_measuring({name: times[0] for name, times in trial.items()})
        seconds, parts = whole_processes({name: jobs[name] for name in kept}, repeats)
    for name, times in seconds.items():
        print(f"  {name:<20} {summary(times)}\n  {'':<20} median of {medians(parts[name])}")
    if best := best_threads(seconds, "torch"):
        ratios = quotients(seconds["skae"], seconds[best])
        verdict = at_most(statistics.median(ratios), MOST_PROCESS)
        print(f"  skae / {best}: {spread(ratios)} ({verdict})")
    print(flush=True)


def run_imports(torch, repeats):
    jobs = {
        name: (
            sys.executable,
            "benchmarks._process",
            "import_seconds",
            {"statement": statement},
        )
        for name, statement in IMPORTS.items()
    }
    whole_processes(jobs, 1)  # files are read into the system's cache
    _, seconds = whole_processes(jobs, repeats)
    print("Imports, each in a fresh interpreter whose own start is not counted\n")
    for name, times in seconds.items():
        print(f"  {IMPORTS[name]:<66} {statistics.median(times):.3f} s median")
    three = zip(*(seconds[name] for name in ("skae", "jax", "sklearn")), strict=True)
    extra = [own - jax - sklearn for own, jax, sklearn in three]
    middle = statistics.median(extra)
    print(f"  skae - jax - sklearn: min {min(extra):+.3f} s, median {middle:+.3f} s", end=" ")
    print(f"({at_most(middle, MOST_IMPORT)})")


if __name__ == "__main__":
    main()
