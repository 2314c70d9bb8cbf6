"""Images and series with the architecture made for them: ``python -m benchmarks.structured``.

The share of variance explained on test rows by PCA, by the dense architecture and by those
that know what is beside what, at equal numbers of components. Defaults throughout. Faces are
split by person, patches by image, watch by subject, weather by date, and ``groups`` says so in
``fit`` too.
"""

import argparse

import numpy as np
from sklearn.decomposition import PCA

from benchmarks._cases import fit, pca_errors, prefix_errors
from benchmarks._report import SPLIT, Table, names, numbers, print_head
from benchmarks.data import DataMissing, load, split
from skae.architectures import Blocks

SHAPES = {  # of one sample
    "MNIST 5k": (28, 28),
    "faces": (28, 23),
    "patches": (16, 16),
    "watch": (100, 6),
    "weather": (24, 6),
    "fermentation": (1047,),
    "mfeat": (649,),
}
BLOCKS = {  # halves of images, views of digits
    "MNIST 5k": Blocks([("conv2d", (14, 28))] * 2),
    "mfeat": Blocks([("dense", (n,)) for n in (216, 76, 64, 6, 240, 47)]),
}
ARCHITECTURES = ("dense", "conv2d", "conv1d", "recurrent", "blocks")
IMAGES, TABLES = ("MNIST 5k", "faces", "patches"), ("mfeat",)


def main(arguments=None):
    """Measure the sets that the command line names."""
    parser = argparse.ArgumentParser("benchmarks.structured", description=__doc__)
    add = parser.add_argument
    add("--sets", type=names, default=list(SHAPES), help=", ".join(SHAPES))
    add("--components", type=numbers, default=[8, 32])
    add("--seeds", type=numbers, default=[0], help="such as 0,1,2")
    add("--architectures", type=names, default=list(ARCHITECTURES))
    options = parser.parse_args(arguments)
    print_head("R2 of test rows, by architecture", split=SPLIT, seeds=options.seeds)
    table = Table(
        {"set": 14, "k": 3, "seed": 4, "training": 14, "architecture": 12}
        | {"PCA": 7, "skae": 7, "ratio": 6, "worst prefix": 12, "fit s": 7, "epochs": 8}
    )
    for name in options.sets:
        for k in options.components:
            for seed in options.seeds:
                try:
                    measure(table, name, k, seed, options.architectures)
                except DataMissing as reason:
                    print(f"{name}: left out, {reason}")


def architectures(name):
    """Return those that suit the samples of a set, by name."""
    suited = (
        ("conv2d",) if name in IMAGES else () if name in TABLES else ("conv1d", "recurrent")
    )
    chosen = {architecture: architecture for architecture in ("dense", *suited)}
    return chosen | ({"blocks": BLOCKS[name]} if name in BLOCKS else {})


def measure(table, name, k, seed, allowed):
    """Print a line for each architecture that fits the samples of a set, if it is allowed."""
    dataset = load(name)
    X_train, X_test, train, _ = split(dataset, seed)
    groups = None if dataset.groups is None else dataset.groups[train]
    shape = SHAPES[name]
    reference = pca_errors(PCA(k, svd_solver="full").fit(X_train), X_test)
    variance = np.square(X_test - X_train.mean(axis=0)).sum()
    for label, architecture in architectures(name).items():
        if label not in allowed:
            continue
        settings = {"architecture": architecture, "sample_shape": shape}
        model, seconds = fit(X_train, k, seed, groups=groups, **settings)
        errors = prefix_errors(model, X_test)
        ratios = errors / reference
        table.row(
            name,
            str(k),
            str(seed),
            f"{len(X_train)} x {X_train.shape[1]}",
            label,
            f"{1 - reference[-1] / variance:.4f}",
            f"{1 - errors[-1] / variance:.4f}",
            f"{ratios[-1]:.3f}",
            f"{ratios.max():.3f} ({ratios.argmax() + 1})",
            f"{seconds:.0f}",
            f"{model.best_iter_}/{model.n_iter_}",
        )


if __name__ == "__main__":
    main()
