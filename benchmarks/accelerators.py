"""Time skae on a GPU or TPU: ``python -m benchmarks.accelerators``.

Steps of training in each precision, next to PyTorch on the same device and to this machine's
processor; many nets in one program; and whole fits with their held-out errors. It needs JAX for
the device; PyTorch is left out if it is not there.
"""

import os
import statistics
import warnings
from functools import partial

import jax
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from benchmarks._harness import Run, Table
from benchmarks._process import by_turns, seconds_of
from benchmarks.peers.steps import skae_trainer, step_operations, torch_trainer
from benchmarks.speed import name_of
from skae import AutoencoderTransformer

NETS = (  # sizes of the encoder, batch, steps in a measurement
    ((64, 32, 8), 32, 512),
    ((64, 512, 256, 8), 64, 512),
    ((784, 256, 16), 256, 256),
    ((784, 1024, 32), 512, 256),
    ((784, 4096, 2048, 64), 2048, 64),
)
PRECISIONS = {  # names of JAX's: of "bfloat16" factors are rounded, and summed in float32
    "float32": "float32",
    "tensorfloat32": "tensorfloat32",
    "bfloat16": "BF16_BF16_F32",
}
SIDE_BY_SIDE = (1, 16, 64)  # nets in one program
FITS = {
    "default": {"n_components": 8},
    "4096-2048": {"n_components": 8, "hidden_layer_sizes": (4096, 2048)},
}
SEED = 0


def main(arguments=None):
    parts = {"steps": run_steps, "nets": run_nets, "fits": run_fits}
    device = jax.devices()[0]
    run = Run(
        *(__doc__, "skae on an accelerator", arguments),
        head={
            "device": f"{device.device_kind}, with {os.cpu_count()} cores",
            "pytorch": torch_version(),
            "turns": "least and median; 30 % of digits are held out, for fits",
        },
        among={"parts": parts},
        parts=list(parts),
        repeats=5,
    )
    if device.platform == "cpu":
        raise SystemExit("JAX finds no GPU or TPU here, only processors: see JAX's page on it.")
    for part in run.parts:
        parts[part](run.repeats)


def torch_version():
    try:
        import torch
    except ImportError:
        return None
    return torch.__version__ if torch.cuda.is_available() else None


def run_steps(repeats):
    """Print the time per step of the same net on both kinds of device, and PyTorch's."""
    print("Time per step, warm, as fit runs it; PyTorch's samples are on its device as well.")
    columns = {"net": "<30", "batch": "6", "on": "24", "us least": "9.1f", "median": "9.1f"}
    table = Table(columns | {"TFLOP/s": "8.2f"})
    for sizes, batch, steps in NETS:
        trainers = {"processor": skae_trainer(sizes, batch, device="cpu")}
        for name, precision in PRECISIONS.items():
            trainers[name] = skae_trainer(sizes, batch, precision=precision)
        if torch_version() is not None:
            trainers["PyTorch, float32"] = torch_steps(sizes, batch, "highest")
            trainers["PyTorch, tensorfloat32"] = torch_steps(sizes, batch, "high")
        few = {"processor": min(steps, 8 if max(sizes) > 1024 else 64)}
        for who, times in in_turn(trainers, steps, repeats, few).items():
            rate = step_operations(sizes, batch) / statistics.median(times) / 1e12
            table.row(name_of(sizes), batch, who, *microseconds(times), rate)


def torch_steps(sizes, batch, precision):
    """Return PyTorch's trainer on the device, its products in a precision of its names."""
    import torch

    train = torch_trainer(sizes, batch, device="cuda")

    def in_precision(n_steps):
        torch.set_float32_matmul_precision(precision)
        train(n_steps)
        torch.cuda.synchronize()

    return partial(seconds_of, in_precision)


def in_turn(trainers, steps, repeats, few=None):
    """Return the seconds of a step (repeats,) of each trainer; ``few`` steps for some."""
    counts = {name: (few or {}).get(name, steps) for name in trainers}
    asks = {
        name: lambda train=train, n=counts[name]: train(n) / n
        for name, train in trainers.items()
    }
    return by_turns(asks, repeats)


def microseconds(times):
    return 1e6 * min(times), 1e6 * statistics.median(times)


def run_nets(repeats):
    """Print the time per step and net if several are trained by one program."""
    print("\nTime per step and net, of nets side by side in one program (n_init).")
    columns = {"net": "<30", "batch": "6", "nets": "6", "on": "10", "us least": "9.1f"}
    table = Table(columns | {"median": "9.1f"})
    for sizes, batch, steps in NETS[:2]:
        for on, device in {"processor": "cpu", "device": None}.items():
            make = partial(skae_trainer, sizes, batch, device=device)
            trainers = {str(n): make(n_init=n) for n in SIDE_BY_SIDE}
            few = dict.fromkeys(trainers, 16) if device else None
            for n, times in in_turn(trainers, steps, repeats, few).items():
                per_net = [t / int(n) for t in times]
                table.row(name_of(sizes), batch, n, on, *microseconds(per_net))


def run_fits(repeats):
    """Print the seconds of whole fits of digits and their error on test samples over PCA's."""
    print("\nWhole fits on digits: the first one compiles.")
    columns = {"fit": "<30", "on": "24", "first s": "8.2f", "median s": "8.2f"}
    table = Table(columns | {"error / PCA's": "14.4f"})
    train, test = train_test_split(load_digits().data, test_size=0.3, random_state=SEED)
    settings = {"processor": ("cpu", "float32")}
    settings |= {name: (None, precision) for name, precision in PRECISIONS.items()}
    for name, parameters in FITS.items():
        for on, (device, precision) in settings.items():
            model = AutoencoderTransformer(**parameters, device=device, random_state=SEED)
            with warnings.catch_warnings(), jax.default_matmul_precision(precision):
                warnings.simplefilter("ignore")
                seconds = [seconds_of(model.fit, train) for _ in range(repeats + 1)]
            ratio = error(model, test) / error(PCA(model.n_components).fit(train), test)
            table.row(name, on, seconds[0], statistics.median(seconds[1:]), ratio)


def error(model, X):
    return np.square(X - model.inverse_transform(model.transform(X))).mean()


if __name__ == "__main__":
    main()
