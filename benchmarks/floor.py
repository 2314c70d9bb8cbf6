"""How near to the limit, if the limit is known: ``python -m benchmarks.floor``.

Data are surfaces of known dimension in noise, see ``benchmarks._surfaces``; figures are the
squared error per sample on 4,000 new samples over the floor, which no code of as many numbers
can fall below. A ratio to PCA does not say how much is left to gain; this one does. Every model
has its defaults. Peers are taken with ``--python build/peers/bin/python``, each in a process of
its own, as in ``benchmarks.peers``.
"""

import tempfile
from pathlib import Path

import numpy as np

from benchmarks._harness import Run, Table, crossed, grouped, holds
from benchmarks._surfaces import SURFACES
from benchmarks.peers.models import MODELS
from benchmarks.peers.pool import NEEDED, Pool
from benchmarks.peers.quality import SHORT, decimal, failures

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
    known = {surface.name: surface for surface in SURFACES}
    run = Run(
        *(__doc__, "Error on new samples over the floor, every model at its defaults"),
        arguments,
        conditions={"split": f"{N_NEW} new samples of the same surface"},
        among={"surfaces": known, "models": MODELS},
        surfaces=list(known),
        rows=SIZES,
        seeds=[0],
        python=(),
        models=PEERS,
    )
    done, models = [], list(dict.fromkeys([*NEEDED, *run.models]))
    with Pool(run.python, models) as pool, tempfile.TemporaryDirectory() as folder:
        print(*(f"{name}: {found}" for name, found in pool.packages.items()), "", sep="\n")
        models = [name for name in models if name in pool.pythons]
        columns = {"surface": "<14", "rows": "5", "k": "2", "seed": "4"}
        table = Table(columns | {SHORT.get(m, m): "7" for m in models})
        for key in crossed(set=run.surfaces, rows=run.rows, seed=run.seeds):
            pool.keep_for(key["set"])
            some = [record(run, pool, Path(folder), m, known[key["set"]], key) for m in models]
            done += some
            values = (decimal(one.get("over")) for one in some)
            table.row(key["set"], key["rows"], some[0]["k"], key["seed"], *values)
    print(*failures(done), *verdicts(done), sep="\n")


def record(run, pool, folder, model, surface, key):
    """Return the record of one fit: the one that is there, or a new one."""
    key = {**key, "k": surface.n_components, "model": model}
    key["packages"] = pool.packages[model]
    if (found := run.records.find(**key)) is not None:
        return found
    file = folder / f"{surface.name}-{key['rows']}-{key['seed']}.npz"
    if not file.exists():
        rng = np.random.default_rng([key["seed"], key["rows"]])
        train, test = (surface.samples(n, rng) for n in (key["rows"], N_NEW))
        np.savez(file, train=train, test=test)
    given = {"file": str(file), "k": key["k"], "seed": key["seed"], "settings": {}}
    new = {**key, **pool.ask(model, do="fit", deadline=600, **given)}
    if "squared_error" in new:
        new["over"] = new["squared_error"] / N_NEW / surface.floor
    run.records.add(new)
    return new


def verdicts(records):
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
    return f"(asked at most {asked}) -> {holds(mean <= asked)}"


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
