"""How near to the limit, if the limit is known: ``python -m benchmarks.floor``.

Rows are surfaces of known dimension in noise, see ``benchmarks._surfaces``; figures are the
squared error per row on 4,000 new rows over the floor, which no code of as many numbers can
fall below. A ratio to PCA does not say how much is left to gain; this one does. Every model
has its defaults. Peers are taken with ``--python build/peers/bin/python``, each in a process
of its own, as in ``benchmarks.peers``.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from benchmarks._peer_models import MODELS
from benchmarks._peer_quality import SHORT, decimal, failures
from benchmarks._peer_speed import interpreters
from benchmarks._report import Records, Table, grouped, names, numbers, print_head, versions
from benchmarks._surfaces import SURFACES
from benchmarks.peers import NEEDED, Pool

N_NEW = 4000
SIZES = [150, 600, 3000]
PEERS = ("torch", "skorch", "keras-jax", "MLPRegressor", "encdr", "dimkit", "pythae", "pyod")
ASKED = {  # error over the floor at 3,000 rows, means over seeds
    "parabola": 1.05,
    "helix": 1.05,
    "S-curve": 1.3,
    "smooth map": 1.25,
    "torus": 2.0,
    "swiss roll": 4.0,
}
ASKED_MEANS = {3000: 1.5, 600: 2.5}  # geometric means over these surfaces


def main(arguments=None):
    """Run the benchmark that the command line asks for."""
    options = parse(arguments)
    pythons, found = interpreters(options.python, options.models)
    settings = {"versions": versions(), "new rows": N_NEW}
    records = Records(options.json, settings, resume=options.resume)
    print_head(
        "Error on new rows over the floor, every model at its defaults",
        **found,
        split=f"{N_NEW} new rows of the same surface",
        seeds=options.seeds,
    )
    models = [name for name in options.models if name in pythons]
    pool, done = Pool(pythons, found), []
    table = Table(
        {"surface, rows": 22, "k": 2, "seed": 4} | {SHORT.get(m, m): 7 for m in models}
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            for surface, n_rows, seed in jobs(options):
                pool.keep_for(surface.name)
                file = rows_file(Path(folder), surface, n_rows, seed)
                some = [
                    record(records, pool, model, surface, n_rows, seed, file)
                    for model in models
                ]
                done += some
                cells = [decimal(one.get("over")) for one in some]
                name = f"{surface.name}, {n_rows}"
                table.row(name, str(surface.n_components), str(seed), *cells)
    finally:
        pool.close()
    for line in [*failures(done), *verdicts(done)]:
        print(line)


def parse(arguments):
    """Return the command line's options."""
    known = [surface.name for surface in SURFACES]
    parser = argparse.ArgumentParser("benchmarks.floor", description=__doc__)
    add = parser.add_argument
    add("--surfaces", type=names, default=known, help="parabola,helix,...")
    add("--rows", type=numbers, default=SIZES, help="such as 150,600,3000")
    add("--seeds", type=numbers, default=[0], help="such as 0,1,2")
    add("--python", nargs="+", default=[], help="interpreters that have the peers")
    add("--models", type=names, default=list(PEERS), help="peers: dimkit,pythae,...")
    add("--json", type=Path, help="file for all records, written after each fit")
    add("--resume", action="store_true", help="keep what is in the file already")
    options = parser.parse_args(arguments)
    options.models = list(dict.fromkeys([*NEEDED, *options.models]))
    for chosen, there in ((options.surfaces, known), (options.models, list(MODELS))):
        if unknown := [name for name in chosen if name not in there]:
            parser.error(f"unknown: {unknown}; there are {there}")
    return options


def jobs(options):
    """Yield (surface, n_rows, seed)."""
    for surface in (one for one in SURFACES if one.name in options.surfaces):
        yield from ((surface, n, seed) for n in options.rows for seed in options.seeds)


def rows_file(folder, surface, n_rows, seed):
    """Return a file with rows to train on and new ones."""
    path = folder / f"{surface.name}-{n_rows}-{seed}.npz"
    rng = np.random.default_rng([seed, n_rows])
    np.savez(path, train=surface.rows(n_rows, rng), test=surface.rows(N_NEW, rng))
    return str(path)


def record(records, pool, model, surface, n_rows, seed, file):
    """Return the record of one fit: the one that is there, or a new one."""
    key = {"set": surface.name, "k": surface.n_components, "rows": n_rows, "seed": seed}
    key |= {"model": model, "packages": pool.packages[model]}
    if (found := records.find(**key)) is not None:
        return found
    request = {"file": file, "k": surface.n_components, "seed": seed, "settings": {}}
    answer = pool.ask(model, do="fit", **request, limit=600)
    new = {**key, **answer}
    if "squared_error" in answer:
        new["over"] = answer["squared_error"] / N_NEW / surface.floor
    records.add(new)
    return new


def verdicts(records):
    """Return what the records say about the targets, in lines."""
    lines, fine = [""], [record for record in records if "over" in record]
    means = {
        key: float(np.mean([record["over"] for record in some]))
        for key, some in grouped(fine, "set", "rows", "model").items()
    }
    for (name, n_rows, model), mean in means.items():
        if model == "skae" and n_rows == max(SIZES) and name in ASKED:
            lines.append(f"{name}, {n_rows} rows: {mean:.2f} {_said(mean, ASKED[name])}")
    for n_rows, asked in ASKED_MEANS.items():
        some = [
            means[name, n_rows, "skae"] for name in ASKED if (name, n_rows, "skae") in means
        ]
        if len(some) == len(ASKED):
            mean = float(np.exp(np.mean(np.log(some))))
            lines.append(
                f"geometric mean of these, {n_rows} rows: {mean:.2f} {_said(mean, asked)}"
            )
    return lines + _against_peers(means)


def _said(mean, asked):
    return f"(asked at most {asked}) -> {'holds' if mean <= asked else 'DOES NOT HOLD'}"


def _against_peers(means):
    lines = []
    cases = [(name, n_rows) for name, n_rows, model in means if model == "skae"]
    for peer in sorted({model for *_, model in means} - {"skae"}):
        both = [case for case in cases if (*case, peer) in means]
        ahead = [case for case in both if means[*case, "skae"] <= means[*case, peer]]
        behind = ", ".join(f"{name} {n}" for name, n in both if (name, n) not in ahead)
        line = f"skae is not behind {peer} in {len(ahead)} of {len(both)} cases"
        lines.append(line + (f"; it is at {behind}" if behind else ""))
    return lines


if __name__ == "__main__":
    main()
