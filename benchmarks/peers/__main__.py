"""skae next to its peers: ``python -m benchmarks.peers --python build/peers/bin/python``.

The peers (a plain PyTorch loop, skorch, Keras 3 on JAX and on PyTorch, MLPRegressor, encdr,
dimkit, pythae, pyod) live in an environment of their own, which the first lines of
``benchmarks/peers-requirements.txt`` make; ``--python`` names its interpreter, or several if
they conflict. Each peer runs in a process of its own, skae in one of this interpreter. What
cannot be imported, or fails, is named with its error, and the benchmark goes on. PCA,
IncrementalPCA, TruncatedSVD and KernelPCA are compared as well.

Parts: steps (time per step), search (GridSearchCV), inference, memory, quality (held-out error
/ PCA's, all at defaults), grid (the peers to beat at the best of a small grid), time (to the
best peer's error); whole processes are ``benchmarks.fits``'s. Without ``--parts`` and
``--sets`` the default run is quality on the sets that come with scikit-learn, k = 2, 8, 32:
half an hour on two cores that other work keeps busy. ``--all`` runs every part and set:
estimated at ten hours and more, most of them the grids. ``--json FILE --resume`` continues a
run that was stopped, and adds parts, sets and models to it.
"""

import tempfile
from pathlib import Path

from benchmarks._cases import BUNDLED, SETS, keys_of
from benchmarks._harness import SPLIT, Run, numbers
from benchmarks._process import N_CORES
from benchmarks.peers.models import MODELS
from benchmarks.peers.pool import NEEDED, Pool
from benchmarks.peers.quality import (
    TIMED,
    TIMED_K,
    Fits,
    run_grid,
    run_quality,
    run_time,
    verdicts,
)
from benchmarks.peers.speed import (
    LONG_SEARCHES,
    SEARCHED,
    run_inference,
    run_memory,
    run_search,
    run_steps,
)

SCALES = {
    "own": "raw samples, which it scales itself or not",
    "one number": "features centred, all divided by one number, which keeps the proportions of "
    "squared errors",
    "range": "each feature brought to [0, 1], as its sigmoid puts out (the grid's other nets: "
    "one number)",
}
PARTS = ("steps", "search", "inference", "memory", "quality", "grid", "time")


def main(arguments=None):
    known = [case.name for case in SETS]
    threads = f"the better of 1 and {N_CORES} in a trial, JAX's own choice"
    run = Run(
        *(__doc__, "skae and its peers", arguments),
        conditions={"split": SPLIT, "cores": N_CORES},
        head={"threads": threads, "scales": f"errors always in X's units: {scales()}"},
        among={"parts": PARTS, "sets": known, "models": MODELS},
        help={"limit": "seconds after which a fit is stopped", "all": "every part and set"},
        python=(),
        parts=["quality"],
        sets=[case.name for case in BUNDLED],
        models=list(MODELS),
        components=numbers,
        seeds=[0],
        all=False,
        repeats=3,
        limit=300,
    )
    parts, sets = (PARTS, known) if run.all else (run.parts, run.sets)
    models = list(dict.fromkeys([*NEEDED, *run.models]))
    with Pool(run.python, models) as pool, tempfile.TemporaryDirectory() as folder:
        print(*(f"{name}: {found}" for name, found in pool.packages.items()), "", sep="\n")
        models = [name for name in models if name in pool.pythons]
        fits, folder = Fits(run, pool, Path(folder)), Path(folder)
        keys = keys_of(run, sets, run.components, run.seeds)
        timed = keys_of(run, [name for name in TIMED if name in sets], [TIMED_K], [0])
        searched = (*SEARCHED, *LONG_SEARCHES) if run.all else SEARCHED
        runs = {
            "steps": lambda: run_steps(run, pool, models),
            "search": lambda: run_search(run, pool, models, fits, searched),
            "inference": lambda: run_inference(run, pool, models),
            "memory": lambda: run_memory(run, pool, models, folder),
            "quality": lambda: run_quality(fits, models, keys),
            "grid": lambda: run_grid(fits, models, keys),
            "time": lambda: run_time(fits, models, timed, run.repeats),
        }
        for part in (part for part in PARTS if part in parts):
            runs[part]()
            pool.close()
    print(*verdicts(run.records.rows), sep="\n")


def scales():
    """Return which models see their samples in which scale, as text."""
    groups = {}
    for name, model in MODELS.items():
        groups.setdefault(model.scale, []).append(name)
    return "; ".join(f"{', '.join(some)}: {SCALES[scale]}" for scale, some in groups.items())


if __name__ == "__main__":
    main()
