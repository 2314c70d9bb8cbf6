"""skae beside its peers: ``python -m benchmarks.peers --python build/peers/bin/python``.

The peers (a plain PyTorch loop, skorch, Keras 3 on JAX and on PyTorch, MLPRegressor, encdr,
dimkit, pythae, pyod) live in an environment of their own, which the first lines of
``benchmarks/peers-requirements.txt`` make; ``--python`` names its interpreter, or several
where they conflict. Each peer runs in a process of its own, skae in one of this interpreter.
What cannot be imported, or fails, is named with its error, and the benchmark goes on. PCA,
IncrementalPCA, TruncatedSVD and KernelPCA stand beside them.

Parts: steps (time per step), process (a whole fresh one), search (GridSearchCV), inference,
memory, quality (held-out error / PCA's, all at defaults), grid (the peers to beat at the best
of a small grid), time (to the best peer's error). Without ``--parts`` and ``--sets`` the
default run is quality on the sets that come with scikit-learn, k = 2, 8, 32: half an hour on
two cores that other work keeps busy. ``--all`` runs every part and set: estimated at ten hours
and more, most of them the grids. ``--json FILE --resume`` goes on where a run was stopped, and
adds parts, sets and models to it.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks._cases import BUNDLED, SETS
from benchmarks._peer_models import MODELS
from benchmarks._peer_quality import Fits, cases, run_grid, run_quality, run_time, verdicts
from benchmarks._peer_speed import (
    LONG_SEARCHES,
    N_CORES,
    SEARCHED,
    interpreters,
    run_inference,
    run_memory,
    run_process,
    run_search,
    run_steps,
)
from benchmarks._report import SPLIT, Records, names, numbers, print_head, versions
from benchmarks.speed import Worker

SCALES = {
    "own": "raw rows, which it scales itself or not",
    "one number": "columns centred, all divided by one number, which keeps the proportions of "
    "squared errors",
    "range": "each column brought to [0, 1], as its sigmoid puts out (the grid's other nets: "
    "one number)",
}
PARTS = ("steps", "process", "search", "inference", "memory", "quality", "grid", "time")
NEEDED = ("skae", "PCA")  # what every ratio is of


def main(arguments=None):
    """Run the parts that the command line asks for."""
    options = parse(arguments)
    pythons, found = interpreters(options.python, options.models)
    settings = {"versions": versions(), "split": SPLIT, "cores": N_CORES}
    records = Records(options.json, settings, resume=options.resume)
    print_head(
        "skae and its peers",
        **found,
        cores=f"{N_CORES}; threads: the better of 1 and {N_CORES} in a trial, JAX's own choice",
        split=f"{SPLIT}; random_state=seed",
        seeds=options.seeds,
        scales=f"as each model's rows come, errors always in X's units: {scales()}",
    )
    models = [name for name in options.models if name in pythons]
    if missing := [name for name in NEEDED if name not in pythons]:
        raise SystemExit(f"{missing} must work: see above.")
    pool = Pool(pythons, found)
    try:
        with tempfile.TemporaryDirectory() as folder:
            fits = Fits(pool, records, Path(folder), options.limit)
            run_parts(options, pool, records, models, fits)
    finally:
        pool.close()
    for line in verdicts(records.rows):
        print(line)


def scales():
    """Return which models see their rows in which scale, as text."""
    groups = {}
    for name, model in MODELS.items():
        groups.setdefault(model.scale, []).append(name)
    return "; ".join(f"{', '.join(some)}: {SCALES[scale]}" for scale, some in groups.items())


def parse(arguments):
    """Return the command line's options."""
    parser = argparse.ArgumentParser("benchmarks.peers", description=__doc__)
    add = parser.add_argument
    add("--python", nargs="+", default=[], help="interpreters that have the peers")
    add("--parts", nargs="+", choices=PARTS, default=["quality"])
    add("--sets", type=names, default=[case.name for case in BUNDLED], help="digits,wine,...")
    add(
        "--models", type=names, default=list(MODELS), help="dimkit,pythae,...; skae and PCA too"
    )
    add("--components", type=numbers, help="such as 2,8,32")
    add("--seeds", type=numbers, default=[0], help="such as 0,1,2")
    add("--all", action="store_true", help="every part and set")
    add("--repeats", type=int, default=3, help="of timings")
    add("--limit", type=int, default=300, help="seconds after which a fit is stopped")
    add("--json", type=Path, help="file for all records, written after each fit")
    add("--resume", action="store_true", help="keep what is in the file already")
    options = parser.parse_args(arguments)
    if options.resume and options.json is None:
        parser.error("--resume needs --json FILE")
    if options.all:
        options.parts, options.sets = PARTS, [case.name for case in SETS]
    options.models = list(dict.fromkeys([*NEEDED, *options.models]))
    for chosen, there in ((options.sets, [c.name for c in SETS]), (options.models, MODELS)):
        if unknown := [name for name in chosen if name not in there]:
            parser.error(f"unknown: {unknown}; there are {list(there)}")
    return options


def run_parts(options, pool, records, models, fits):
    """Run the chosen parts, in the order of PARTS."""
    searched = (*SEARCHED, *LONG_SEARCHES) if options.all else SEARCHED
    jobs = list(cases(options.sets, options.components, options.seeds))
    parts = {
        "steps": lambda: run_steps(pool, records, models, options.repeats),
        "process": lambda: run_process(pool, records, models, fits.folder, options.repeats),
        "search": lambda: run_search(
            pool, records, models, fits, 10 * options.limit, searched=searched
        ),
        "inference": lambda: run_inference(pool, records, models),
        "memory": lambda: run_memory(pool, records, models, fits.folder),
        "quality": lambda: run_quality(fits, models, jobs),
        "grid": lambda: run_grid(fits, models, jobs),
        "time": lambda: run_time(fits, models, options.sets, options.repeats),
    }
    for part in (part for part in PARTS if part in options.parts):
        parts[part]()
        pool.close()


class Pool:
    """A process for each model, begun when it is first asked."""

    def __init__(self, pythons, packages):
        self.pythons, self.packages = pythons, packages
        self.workers = {}
        self.purpose = None

    def keep_for(self, purpose):
        """Close the processes where they served another purpose, and their memory grew."""
        if purpose != self.purpose:
            self.close()
        self.purpose = purpose

    def ask(self, name, *, warm=True, **request):
        """Return a model's answer; a process that ended is an error too."""
        if name not in self.workers:
            module = "benchmarks._peer_workers"
            self.workers[name] = Worker(name, self.pythons[name], name, module=module)
            if warm:
                self.workers[name].ask(do="warm up")
        try:
            return self.workers[name].ask(**request)
        except RuntimeError as error:
            self.workers.pop(name).close()
            return {"error": str(error)}

    def close(self):
        """End all processes."""
        while self.workers:
            self.workers.popitem()[1].close()


if __name__ == "__main__":
    main()
