"""Time skae on a GPU or TPU: ``python -m benchmarks.accelerators``.

Steps of training in each precision, beside PyTorch on the same device and beside this
machine's processor; many nets in one program; and whole fits with their held-out errors. It
needs JAX for the device; PyTorch is left out where it is not there.
"""

import argparse
import os
import statistics
import time
import warnings
from functools import partial

import jax
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from benchmarks._peers import skae_trainer, step_operations, torch_trainer
from benchmarks._report import Table, print_head
from skae import AutoencoderTransformer

NETS = (  # sizes of the encoder, batch, steps in a measurement
    ((64, 32, 8), 32, 512),
    ((64, 512, 256, 8), 64, 512),
    ((784, 256, 16), 256, 256),
    ((784, 1024, 32), 512, 256),
    ((784, 4096, 2048, 64), 2048, 64),
)
PRECISIONS = ("float32", "tensorfloat32", "bfloat16")
SIDE_BY_SIDE = (1, 16, 64)  # nets in one program
STACKED = NETS[:2]
FITS = {
    "default": {"n_components": 8},
    "4096-2048": {"n_components": 8, "hidden_layer_sizes": (4096, 2048)},
}
SEED = 0
PARTS = ("steps", "nets", "fits")


def main(arguments=None):
    """Run the parts that the command line asks for."""
    options = parse(arguments)
    device = jax.devices()[0]
    if device.platform == "cpu":
        raise SystemExit("JAX finds no GPU or TPU here, only processors: see JAX's page on it.")
    print_head(
        "skae on an accelerator",
        device=f"{device.device_kind}, beside {os.cpu_count()} cores",
        pytorch=torch_version(),
        repeats=f"{options.repeats}, in turn; least and median",
        seed=f"{SEED}; 30 % of digits' rows are held out, for fits",
    )
    if "steps" in options.parts:
        run_steps(options.repeats)
    if "nets" in options.parts:
        run_nets(options.repeats)
    if "fits" in options.parts:
        run_fits(options.repeats)


def parse(arguments):
    """Return the command line's options."""
    parser = argparse.ArgumentParser("benchmarks.accelerators", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args(arguments)


def torch_version():
    """Return the version of PyTorch, if it is here and sees the device."""
    try:
        import torch
    except ImportError:
        return None
    return torch.__version__ if torch.cuda.is_available() else None


def run_steps(repeats):
    """Print the time per step of the same net on both kinds of device, and PyTorch's."""
    print("Time per step, warm, as fit runs it; PyTorch's rows are on its device, too.")
    table = Table({"net": 30, "batch": 6, "on": 24, "us least": 9, "median": 9, "TFLOP/s": 8})
    for sizes, batch, steps in NETS:
        trainers = {"processor": skae_trainer(sizes, batch, 0, device="cpu")}
        for precision in PRECISIONS:
            trainers[precision] = skae_trainer(sizes, batch, 0, matmul_precision=precision)
        if torch_version() is not None:
            trainers["PyTorch, float32"] = torch_steps(sizes, batch, "highest")
            trainers["PyTorch, tensorfloat32"] = torch_steps(sizes, batch, "high")
        few = {"processor": min(steps, 8 if max(sizes) > 1024 else 64)}
        seconds = in_turn(trainers, steps, repeats, few)
        name = "-".join(map(str, (*sizes, *sizes[-2::-1])))
        for who, times in seconds.items():
            rate = step_operations(sizes, batch) / statistics.median(times) / 1e12
            table.row(name, batch, who, *microseconds(times), f"{rate:.2f}")


def torch_steps(sizes, batch, precision):
    """Return PyTorch's trainer on the device, its products in a precision of its names."""
    import torch

    train = torch_trainer(sizes, batch, os.cpu_count(), device="cuda")

    def in_precision(n_steps):
        torch.set_float32_matmul_precision(precision)
        train(n_steps)
        torch.cuda.synchronize()

    return in_precision


def in_turn(trainers, steps, repeats, few=None):
    """Return the seconds of a step (repeats,) of each trainer, after one that compiles."""
    counts = {name: (few or {}).get(name, steps) for name in trainers}
    for name, train in trainers.items():
        train(counts[name])
    seconds = {name: [] for name in trainers}
    for _ in range(repeats):
        for name, train in trainers.items():
            start = time.perf_counter()
            train(counts[name])
            seconds[name].append((time.perf_counter() - start) / counts[name])
    return seconds


def microseconds(times):
    """Return the least and the median of some seconds as text, in microseconds."""
    return [f"{1e6 * value:.1f}" for value in (min(times), statistics.median(times))]


def run_nets(repeats):
    """Print the time per step and net where several are trained by one program."""
    print("\nTime per step and net, of nets side by side in one program (n_init).")
    table = Table({"net": 30, "batch": 6, "nets": 6, "on": 10, "us least": 9, "median": 9})
    for sizes, batch, steps in STACKED:
        name = "-".join(map(str, (*sizes, *sizes[-2::-1])))
        for on, device in {"processor": "cpu", "device": None}.items():
            make = partial(skae_trainer, sizes, batch, 0, device=device)
            trainers = {n: make(n_init=n) for n in SIDE_BY_SIDE}
            few = {n: 16 for n in SIDE_BY_SIDE} if device else None
            for n, times in in_turn(trainers, steps, repeats, few).items():
                table.row(name, batch, n, on, *microseconds([t / n for t in times]))


def run_fits(repeats):
    """Print the seconds of whole fits of digits and their error on test rows over PCA's."""
    print("\nWhole fits on digits: the first one compiles.")
    columns = {"fit": 30, "on": 24, "first s": 8, "median s": 8, "error / PCA's": 14}
    table = Table(columns)
    train, test = train_test_split(load_digits().data, test_size=0.3, random_state=SEED)
    settings = {"processor": {"device": "cpu"}}
    settings |= {precision: {"matmul_precision": precision} for precision in PRECISIONS}
    for name, parameters in FITS.items():
        for on, setting in settings.items():
            model = AutoencoderTransformer(**parameters, **setting, random_state=SEED)
            seconds = [seconds_of(model, train) for _ in range(repeats + 1)]
            ratio = error(model, test) / error(PCA(model.n_components).fit(train), test)
            later = f"{statistics.median(seconds[1:]):.2f}"
            table.row(name, on, f"{seconds[0]:.2f}", later, f"{ratio:.4f}")


def seconds_of(model, X):
    """Return the seconds that a fit takes."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X)
    return time.perf_counter() - start


def error(model, X):
    """Return the mean squared error of reconstructed rows."""
    return np.square(X - model.inverse_transform(model.transform(X))).mean()


if __name__ == "__main__":
    main()
