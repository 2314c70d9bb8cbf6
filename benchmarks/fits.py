"""Whole fits at defaults, skae's and its peers': ``python -m benchmarks.fits``.

Each fit is a process of its own, in which the same fit follows once more: fresh seconds are
those of imports, compilation and the first fit, warm seconds and CPU seconds those of the
second. The error is that of held-out rows over PCA's. ``--settings`` names settings of skae,
``--against`` another checkout of it, which takes turns with this one; ``--python`` names the
interpreters of the peers (``benchmarks.peers`` says how to make one). Peers have their own
defaults, and each library its own number of threads. Ratios are taken within a turn.
"""

import tempfile
from functools import lru_cache
from itertools import product
from pathlib import Path
from statistics import geometric_mean

import numpy as np
from sklearn.decomposition import PCA

from benchmarks._cases import CASES, keys_of, pca_errors, samples
from benchmarks._harness import SPLIT, Run, Table, grouped
from benchmarks._process import N_CORES, ROOT, WorkerError, in_fresh_process
from benchmarks.peers.models import MODELS
from benchmarks.peers.pool import NEEDED, WORK, Pool

# Parameters of AutoencoderTransformer.
SETTINGS = {"defaults": {}, "quick": {"max_iter": 0.5, "cv": None}}
SETS = ["iris", "wine", "breast cancer", "digits", "cells", "mfeat", "MNIST 5k"]
PEERS = ["torch", "keras-jax", "MLPRegressor", "dimkit"]
HERE, THERE = "skae", "against"
MEASURED = ("fresh s", "warm s", "warm CPU s", "error / PCA's")
FIGURES = dict.fromkeys(MEASURED, "10.3f")
# The path gives skae alone: the package of benchmarks is there before it.
FIRST = "import sys, benchmarks._process\nsys.path.insert(0, {!r})"


def main(arguments=None):
    run = Run(
        *(__doc__, "Whole fits of skae and its peers, each in a fresh process", arguments),
        conditions={"split": SPLIT, "cores": N_CORES},
        among={"sets": CASES, "models": MODELS, "settings": SETTINGS},
        help={
            "against": "another checkout of skae",
            "ks": "numbers of components, such as 2,8,32",
            "repeats": "turns of all fits of a case",
            "limit": "seconds after which a process is stopped",
        },
        sets=SETS,
        ks=[2, 8, 32],
        seeds=[0],
        models=["skae", *PEERS],
        settings=["defaults"],
        against=str,
        python=(),
        repeats=1,
        limit=600,
    )
    fits = fits_of(run)
    table = Table({"set": "<13", "k": "3", "seed": "4", "model": "<17"} | FIGURES)
    cases, done = keys_of(run, run.sets, run.ks, run.seeds), []
    turns = [(case, turn) for case in cases for turn in range(run.repeats)]
    keys = [{**case, "turn": turn, "model": m, **fits[m]} for case, turn in turns for m in fits]
    with tempfile.TemporaryDirectory() as folder:
        for record in run.measured(keys, measure, folder=Path(folder), limit=run.limit):
            done.append(record)
            table.record(record)
            if "error" in record:
                print(f"  {record['error']}")
    compare(done)


def fits_of(run):
    """Return by name which interpreter fits what, with which settings, in turn."""
    with Pool(run.python, dict.fromkeys([*NEEDED, *run.models])) as pool:
        print(*(f"{name}: {found}" for name, found in pool.packages.items()), "", sep="\n")
    fits, places = {}, {HERE: str(ROOT)}
    if run.against:
        places[THERE] = str(Path(run.against).resolve())
    for name in (name for name in run.models if name in pool.pythons):
        one = {"name": name, "python": pool.pythons[name], "packages": pool.packages[name]}
        if name != "skae":
            fits[name] = one | {"settings": {}, "path": None}
            continue
        for way, (place, path) in product(run.settings, places.items()):
            fits[f"{place}, {way}"] = one | {"settings": SETTINGS[way], "path": path}
    return fits


def measure(set, k, seed, name, python, settings, path, *, folder, limit, **others):
    """Return what the process of one fit measured, or the error that ended it."""
    request = {"do": "fit_twice", "name": name, "k": k, "seed": seed, "settings": settings}
    place = {"python": python, "first": FIRST.format(path) if path else ""}
    file, of_pca = prepared(folder, set, seed), pca_error(set, k, seed)
    try:
        found = in_fresh_process(WORK, **request, **place, file=file, deadline=limit)
    except WorkerError as error:
        return {"error": str(error)}
    if path and not found["source"].startswith(path + "/"):
        raise SystemExit(f"{path} has no skae: {found['source']} was imported")
    return found | {"error / PCA's": found["squared_error"] / of_pca}


def prepared(folder, name, seed):
    """Return the file that has a case's training and test samples."""
    path = folder / f"{name}-{seed}.npz"
    if not path.exists():
        train, test = samples(CASES[name], seed)
        np.savez(path, train=train, test=test)
    return str(path)


@lru_cache(maxsize=1)
def pca_error(name, k, seed):
    train, test = samples(CASES[name], seed)
    return float(pca_errors(PCA(k, svd_solver="full").fit(train), test)[-1])


def compare(records):
    """Print skae's figures over those of each other model, and over another checkout's."""
    print("\nskae's figures over those of others\n")
    table = Table({"skae": "<14", "over": "<17", "set k, seed, turn": "<23"} | FIGURES)
    for (mine, other), ratios in pairs_of(records).items():
        if other.startswith(THERE):
            for case, figures in ratios.items():
                table.row(mine, other, case, *figures)
        means = (geometric_mean(column) for column in zip(*ratios.values(), strict=True))
        table.row(mine, other, f"geometric mean of {len(ratios)}", *means)


def pairs_of(records):
    """Return {(model, other): {case: ratios}}, ratios in the order of ``MEASURED``."""
    pairs, names = {}, ("set", "k", "seed", "turn")
    for (name, k, seed, turn), some in grouped(records, *names).items():
        found = {record["model"]: record for record in some if "error" not in record}
        for mine, other in product(found, found):
            if is_compared(mine, other):
                ratios = [found[mine][m] / found[other][m] for m in MEASURED]
                case = f"{name} {k}, {seed}, {turn}"
                pairs.setdefault((mine, other), {})[case] = ratios
    return dict(sorted(pairs.items()))


def is_compared(mine, other):
    """Tell whether ``mine`` is skae of this checkout, and ``other`` what it is held against."""
    (place, _, way), (there, _, namesake) = mine.partition(", "), other.partition(", ")
    if place != HERE or mine == other:
        return False
    return {THERE: namesake == way, HERE: namesake == "defaults"}.get(there, True)


if __name__ == "__main__":
    main()
