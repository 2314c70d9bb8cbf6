"""Time skae against its peers: ``python -m benchmarks.speed --torch-python PATH``.

Every peer runs in a process of its own and the peers take turns, so that a busy machine is
busy for all of them. Steps per second, whole fresh processes, and imports.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from benchmarks._peers import step_operations
from benchmarks._report import print_head
from skae import AutoencoderTransformer
from skae._data.rows import Rows, fit_scaling
from skae._train.config import make_config

ROOT = Path(__file__).parents[1]
PAUSE = 0.3  # seconds in which the threads of the peer before go to sleep
THREADS = sorted({1, 2, os.cpu_count() or 1})
NETS = (  # sizes of the encoder, batch, steps, what is asked of peer's time / skae's
    ((64, 32, 8), 32, 1024, 6.0),
    ((64, 128, 8), 128, 256, 3.0),
    ((784, 256, 16), 256, 64, 1.5),
)
LARGE = (784, 1024, 32), 512, 16, 0.75  # of the rate of the same matrix products alone
STRUCTURED = {  # likewise, by architecture: the shape of a sample comes first
    "conv2d": ((28, 28, 1), (784, 256, 16), 64, 64, 2 / 3),
    "conv1d": ((100, 6), (600, 256, 16), 64, 64, 1.0),
    "gru": ((100, 6), (600, 256, 16), 64, 64, 1.0),
    "lstm": ((100, 6), (600, 256, 16), 64, 64, None),
}
HOPELESS = 3.0  # times a peer's best thread count, in the trial: not measured further
MOST_PROCESS = 1.0  # times the PyTorch process
MOST_IMPORT = 0.1  # seconds above import jax + import sklearn
# Settings that stop OpenBLAS from choosing its own kernels.
OPENBLAS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in OPENBLAS}
PARTS = ("steps", "products", "structured", "process", "import")


def main(arguments=None):
    """Run the parts that the command line asks for."""
    options = parse(arguments)
    torch = torch_version(options.torch_python)
    print_head(
        "Speed of skae against PyTorch and scikit-learn",
        pytorch=torch
        or f"not in {options.torch_python}: pip install torch numpy there, or "
        "name another interpreter with --torch-python",
        cores=os.cpu_count(),
        repeats=f"{options.repeats}, peers in turn; ratios are taken within a repeat",
        seed="0; no split: nothing is scored here",
    )
    interpreter = options.torch_python if torch else None
    if "steps" in options.parts:
        run_steps(interpreter, options.repeats)
    if "products" in options.parts:
        run_products(interpreter, options.repeats)
    if "structured" in options.parts:
        run_structured(interpreter, options.repeats)
    if "process" in options.parts:
        run_processes(interpreter, options.repeats)
    if "import" in options.parts:
        run_imports(options.repeats)


def parse(arguments):
    """Return the command line's options."""
    parser = argparse.ArgumentParser("benchmarks.speed", description=__doc__)
    add = parser.add_argument
    add("--torch-python", default=sys.executable, help="interpreter that imports torch")
    add("--repeats", type=int, default=5)
    add("--parts", nargs="+", choices=PARTS, default=PARTS)
    return parser.parse_args(arguments)


def torch_version(python):
    """Return the version of torch that ``python`` imports, or None."""
    code = "import torch; print(torch.__version__)"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


class Worker:
    """A peer in a process of its own that answers lines of JSON."""

    def __init__(self, name, python, *arguments, module="benchmarks._peers"):
        self.name = name
        self.process = subprocess.Popen(
            [python, "-m", module, *arguments],
            cwd=ROOT,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request):
        """Return the answer; the first one about a net waits until that is compiled."""
        time.sleep(PAUSE)
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process of {self.name} ended, see above")
        return json.loads(answer)

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def start_workers(peers):
    """Return skae's worker and one for each peer (name: interpreter) and number of threads."""
    workers = [Worker("skae", sys.executable, "steps", "skae", "0")]
    for peer, python in peers.items():
        for threads in THREADS if python is not None else ():
            name = f"{peer}, threads={threads}"
            workers.append(Worker(name, python, "steps", peer, str(threads)))
    return workers


def run_steps(torch_python, repeats):
    """Print the time per step of the same net, batch and number of steps."""
    print("Time per step, warm: skae's training block as fit runs it (shuffling and gathering")
    print("included; it also clips gradients and averages weights, and its decoder sees the")
    print("mask), MLPRegressor(X, X).partial_fit (with an activation on its code), PyTorch.\n")
    workers = start_workers({"sklearn": sys.executable, "torch": torch_python})
    try:
        for sizes, batch, steps, asked in NETS:
            net = {"sizes": sizes, "batch": batch, "steps": steps}
            name = "-".join(map(str, (*sizes, *sizes[-2::-1])))
            time_net(name, net, workers, repeats, asked)
    finally:
        for worker in workers:
            worker.close()


def run_products(torch_python, repeats):
    """Print the rate of a large net's steps against that of their matrix products alone."""
    print("Time per step of a large net, warm, as above, and of its matrix products alone:")
    print("outputs, gradients of the weights and of the inputs, in float32.\n")
    sizes, batch, steps, asked = LARGE
    net = {"sizes": sizes, "batch": batch, "steps": steps}
    peers = {"numpy_products": sys.executable, "torch_products": torch_python}
    workers = start_workers(peers)
    try:
        name = "-".join(map(str, (*sizes, *sizes[-2::-1])))
        seconds = time_net(name, net, workers, repeats, asked, ["products"])
    finally:
        for worker in workers:
            worker.close()
    best, operations = best_threads(seconds, "products"), step_operations(sizes, batch)
    rates = {
        n: steps * operations / 1e9 / statistics.median(seconds[n]) for n in (best, "skae")
    }
    print("  median GFLOP/s: " + ", ".join(f"{n} {r:.0f}" for n, r in rates.items()) + "\n")


def run_structured(torch_python, repeats):
    """Print the time per step of convolutional and recurrent nets, and PyTorch's."""
    print("Time per step, warm, of architectures with the same layers in PyTorch (GRU and LSTM")
    print("read and write four timepoints at each of 25 steps; skae's decoder also reads PCA's")
    print("part of the reconstruction).\n")
    workers = start_workers({"torch": torch_python})
    try:
        for name, (shape, sizes, batch, steps, asked) in STRUCTURED.items():
            net = {"sizes": sizes, "batch": batch, "steps": steps}
            net |= {"architecture": name, "shape": shape}
            time_net(f"{name}, samples {shape}", net, workers, repeats, asked)
    finally:
        for worker in workers:
            worker.close()


def time_net(name, net, workers, repeats, asked, peers=("torch", "sklearn")):
    """Let the workers train a net in turns; print and return how long they took."""
    first = {w.name: w.ask(**net) for w in workers}
    trial = {w.name: w.ask(**net) for w in workers}
    seconds = {name: [] for name in worth_measuring(trial)}
    for _ in range(repeats):
        for worker in (w for w in workers if w.name in seconds):
            seconds[worker.name].append(worker.ask(**net))
    print_steps(name, net["batch"], net["steps"], asked, seconds, first["skae"], peers)
    return seconds


def worth_measuring(trial):
    """Return the names in ``trial`` (seconds by name) without hopeless numbers of threads.

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


def print_steps(net, batch, steps, asked, seconds, first, peers):
    """Print one net: microseconds per step of all, then the ratios to each peer's best."""
    print(f"{net}, batch {batch}, {steps} steps a repeat")
    for name, times in seconds.items():
        micro = [1e6 * t / steps for t in times]
        note = f"; first call, compiling included, {first:.2f} s" if name == "skae" else ""
        low, middle = min(micro), statistics.median(micro)
        print(f"  {name:<20} {low:8.0f} us/step at least, {middle:8.0f} median{note}")
    for peer in peers:
        if best := best_threads(seconds, peer):
            ratios = [t / own for t, own in zip(seconds[best], seconds["skae"], strict=True)]
            verdict = "nothing asked"
            if asked is not None:
                holds = statistics.median(ratios) >= asked
                verdict = f"asked {asked:.2g}: {'holds' if holds else 'DOES NOT HOLD'}"
            print(f"  {best} / skae: {spread(ratios)} -> {verdict}")
    print(flush=True)


def best_threads(seconds, peer):
    """Return the name of the peer's entry with the least median time, or None."""
    entries = [name for name in seconds if peer in name.partition(",")[0]]
    return min(entries, key=lambda name: statistics.median(seconds[name]), default=None)


def spread(ratios):
    """Return the least and the median of some ratios as text."""
    return f"min {min(ratios):.2f}, median {statistics.median(ratios):.2f}"


def default_plan(X, n_components=2):
    """Return the net and the full budget of steps that a default fit on ``X`` resolves to."""
    rows = Rows(X, np.ones(len(X)))
    scaling = fit_scaling(X, rows.weight, "global", centered=True)
    config = make_config(AutoencoderTransformer(n_components), rows, scaling, 0)
    network, budget = config.network, config.budget
    return {
        "encoder": [network.n_inputs, *network.hidden_layer_sizes, network.n_components],
        "decoder": [network.n_components, *network.hidden_layer_sizes[::-1], network.n_outputs],
        "skip": network.skip,
        "batch": budget.batch_size,
        "steps": budget.n_steps,
    }


def run_processes(torch_python, repeats):
    """Print the time of whole fresh processes: skae's default fit, PyTorch's training."""
    X = load_digits().data
    plan = default_plan(X)
    print("A whole fresh process on digits: import, compile, default fit, transform; against")
    print("one that imports torch and trains the same net once (AdamW, no gate, no noise):")
    print(f"{json.dumps(plan)}\n")
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "digits.npy")
        np.save(file, X)
        peers = {"skae": [sys.executable, "-m", "benchmarks._peers", "skae", file]}
        for threads in THREADS if torch_python else ():
            peers[f"torch, threads={threads}"] = [
                *(torch_python, "-m", "benchmarks._peers", "torch"),
                *(file, str(threads), json.dumps(plan)),
            ]
        trial, _ = in_turn(peers, 1)
        kept = worth_measuring({name: times[0] for name, times in trial.items()})
        seconds, parts = in_turn({name: peers[name] for name in kept}, repeats)
    for name, times in seconds.items():
        middle = {k: statistics.median(p[k] for p in parts[name]) for k in parts[name][0]}
        text = ", ".join(f"{part} {value:.2f}" for part, value in middle.items())
        print(
            f"  {name:<20} {min(times):6.2f} s at least, {statistics.median(times):6.2f} median"
        )
        print(f"  {'':<20} median of {text}")
    if best := best_threads(seconds, "torch"):
        ratios = [own / t for own, t in zip(seconds["skae"], seconds[best], strict=True)]
        holds = statistics.median(ratios) <= MOST_PROCESS
        verdict = "holds" if holds else "DOES NOT HOLD"
        print(f"  skae / {best}: {spread(ratios)} (at most {MOST_PROCESS:.0f}) -> {verdict}")
    print(flush=True)


def in_turn(commands, repeats):
    """Run each command once a repeat; return wall-clock seconds and printed JSON by name."""
    seconds = {name: [] for name in commands}
    answers = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            start = time.perf_counter()
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=ENVIRONMENT,
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            seconds[name].append(time.perf_counter() - start)
            answers[name].append(json.loads(done.stdout))
    return seconds, answers


def run_imports(repeats):
    """Print what ``import skae`` costs, against ``import jax`` and ``import sklearn``."""
    statements = {
        "skae": "import skae",
        "jax": "import jax",
        "sklearn": "import sklearn",
        "what skae uses": "import jax, optax, sklearn.decomposition, sklearn.model_selection",
    }
    timed = "import time; s = time.perf_counter(); {}; print(time.perf_counter() - s)"
    commands = {k: [sys.executable, "-c", timed.format(v)] for k, v in statements.items()}
    in_turn(commands, 1)  # files are read into the system's cache
    _, seconds = in_turn(commands, repeats)
    print("Imports, each in a fresh interpreter whose own start is not counted\n")
    for name, times in seconds.items():
        print(f"  {statements[name]:<66} {statistics.median(times):.3f} s median")
    extra = [
        own - jax - sklearn
        for own, jax, sklearn in zip(
            *(seconds[k] for k in ("skae", "jax", "sklearn")), strict=True
        )
    ]
    middle = statistics.median(extra)
    verdict = "holds" if middle <= MOST_IMPORT else "DOES NOT HOLD"
    print(
        f"  skae - jax - sklearn: min {min(extra):+.3f} s, median {middle:+.3f} s "
        f"(at most +{MOST_IMPORT}) -> {verdict}"
    )


if __name__ == "__main__":
    main()
