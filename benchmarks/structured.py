"""Images and series with the architecture made for them: ``python -m benchmarks.structured``.

The share of variance explained on test samples by PCA, by the dense architecture and by those
that know what is next to what, at equal numbers of components. Defaults throughout. Faces are
split by person, patches by image, watch by subject, weather by date; ``fit`` gets these groups.
"""

import numpy as np
from sklearn.decomposition import PCA

from benchmarks._cases import fit, pca_errors, prefix_errors
from benchmarks._harness import SPLIT, Run, Table, crossed
from benchmarks.data import load, split
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
IMAGES, SERIES = ("MNIST 5k", "faces", "patches"), ("watch", "weather", "fermentation")
SUITED = {
    "dense": SHAPES,
    "conv2d": IMAGES,
    "conv1d": SERIES,
    "recurrent": SERIES,
    "blocks": BLOCKS,
}


def main(arguments=None):
    run = Run(
        *(__doc__, "R2 of test samples, by architecture", arguments),
        conditions={"split": SPLIT},
        among={"sets": SHAPES, "architectures": ARCHITECTURES},
        sets=list(SHAPES),
        components=[8, 32],
        seeds=[0],
        architectures=ARCHITECTURES,
    )
    columns = {"set": "<14", "k": "3", "seed": "4", "training": "14", "architecture": "12"}
    columns |= {"PCA": "7.4f", "skae": "7.4f", "ratio": "6.3f", "worst prefix": "12"}
    table = Table(columns | {"fit s": "7.0f", "epochs": "8"})
    keys = crossed(
        set=run.sets, k=run.components, seed=run.seeds, architecture=run.architectures
    )
    suited = [key for key in keys if key["set"] in SUITED[key["architecture"]]]
    for record in run.measured(suited, measure):
        table.record(record)


def measure(set, k, seed, architecture):
    dataset = load(set)
    X_train, X_test, train, _ = split(dataset, seed)
    groups = None if dataset.groups is None else dataset.groups[train]
    reference = pca_errors(PCA(k, svd_solver="full").fit(X_train), X_test)
    variance = np.square(X_test - X_train.mean(axis=0)).sum()
    chosen = BLOCKS[set] if architecture == "blocks" else architecture
    settings = {"architecture": chosen, "sample_shape": SHAPES[set]}
    model, seconds = fit(X_train, k, seed, groups=groups, **settings)
    errors = prefix_errors(model, X_test)
    ratios = errors / reference
    return {
        "training": f"{len(X_train)} x {X_train.shape[1]}",
        "PCA": 1 - reference[-1] / variance,
        "skae": 1 - errors[-1] / variance,
        "ratio": ratios[-1],
        "worst prefix": f"{ratios.max():.3f} ({ratios.argmax() + 1})",
        "fit s": seconds,
        "epochs": f"{model.best_iter_}/{model.n_iter_}",
    }


if __name__ == "__main__":
    main()
