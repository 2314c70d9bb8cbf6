"""Held-out errors of skae and its peers, what the records say, and the time to an error.

A record is one fit: the set, k, seed, model and settings that it had, with ``seconds``, ``cpu``
seconds (of the process, whoever else is busy), ``squared_error`` on test rows and ``ratio`` to
PCA's; or with ``error``, what the library said.
"""

import json
import statistics
from itertools import product

import numpy as np

from benchmarks._cases import CASES, samples
from benchmarks._harness import Table, grouped, holds
from benchmarks._process import quotients
from benchmarks.peers.models import GRID, GRIDDED, PEERS, REFERENCES

AHEAD = 0.9  # share of the cases in which skae is asked to be ahead of every peer's defaults
TIMED = ("digits", "MNIST 5k", "mfeat", "watch")
TIMED_K = 8
MOST_WARM, MOST_FRESH = 1 / 5, 1 / 2  # of the best peer's fit time
SHORTER = {  # the same for all sets: what one would set in a hurry, whatever the rows
    "defaults": {},
    "max_iter=30, cv=None": {"epochs": 30, "cv": None},
    "max_iter=10, cv=None": {"epochs": 10, "cv": None},
    "the same, (128, 64)": {"epochs": 10, "cv": None, "hidden": (128, 64)},
}
SHORT = {"MLPRegressor": "MLP", "IncrementalPCA": "IncPCA", "TruncatedSVD": "TSVD"}
SHORT |= {"KernelPCA": "KPCA", "keras-jax": "K-jax", "keras-torch": "K-torch"}
SKAE = "skae"


class Fits:
    """The fits of one run: made by the pool's processes, kept in the run's records."""

    def __init__(self, run, pool, folder):
        self.run, self.records, self.pool, self.folder = run, run.records, pool, folder

    def file(self, case, seed):
        path = self.folder / f"{case.name}-{case.by_group}-{seed}.npz"
        if not path.exists():
            train, test = samples(case, seed)
            np.savez(path, train=train, test=test)
        return str(path)

    def request(self, name, k, seed, settings=None):
        given = {"file": self.file(CASES[name], seed), "k": k, "seed": seed}
        return {"do": "fit", **given, "settings": settings or {}, "deadline": self.run.limit}

    def record(self, name, k, seed, model, settings=None):
        """Return the record of one fit of a case: the one that is there, or a new one."""
        key = {"part": "quality", "set": name, "k": k, "seed": seed, "model": model}
        key["settings"] = json.dumps(settings or {}, sort_keys=True)
        key["packages"] = self.pool.packages[model]
        if (found := self.records.find(**key)) is not None:
            return found
        answer = self.pool.ask(model, **self.request(name, k, seed, settings))
        record = {**key, **answer}
        if "squared_error" in answer:
            pca = answer if model == "PCA" else self.record(name, k, seed, "PCA")
            record["ratio"] = answer["squared_error"] / pca["squared_error"]
        self.records.add(record)
        return record


def run_quality(fits, models, keys):
    """Fit every model of every case at its defaults; print the ratios, then seconds."""
    print("Held-out squared error / PCA's at each model's own defaults (- failed)\n")
    columns, found = {"set": "<22", "k": "3"} | {SHORT.get(m, m): "7" for m in models}, []
    table = Table(columns)
    for key in keys:
        fits.pool.keep_for(key["set"])
        records = [fits.record(key["set"], key["k"], key["seed"], m) for m in models]
        found.append((f"{key['set']}, seed {key['seed']}", key["k"], records))
        table.row(*found[-1][:2], *(decimal(record.get("ratio")) for record in records))
    print("\nSeconds of each fit, compiling included, importing not\n")
    table = Table(columns)
    for name, k, records in found:
        table.row(name, k, *(decimal(record.get("seconds"), 1) for record in records))
    print(*failures([record for *_, some in found for record in some]), "", sep="\n")


def decimal(number, digits=3):
    """Return a number as text of at most seven characters, - for None."""
    if number is None:
        return "-"
    return f"{number:.{digits}f}" if number < 1000 else f"{number:.1e}"


def failures(records):
    failed = grouped([r for r in records if "error" in r], "model", "error")
    return [
        f"{model}: {error} ({', '.join(sorted({f'''{r['set']} k={r['k']}''' for r in some}))})"
        for (model, error), some in failed.items()
    ]


def grid_settings():
    return [dict(zip(GRID, values, strict=True)) for values in product(*GRID.values())]


def run_grid(fits, models, keys):
    """Fit the peers to beat at every point of the small grid; print each one's best."""
    print("The best on TEST samples of a small grid and the defaults (generous to the peers):")
    print(", ".join(f"{name} {values}" for name, values in GRID.items()), "\n")
    columns = {"set": "<22", "k": "3", "peer": "10", "best": "58", "ratio": "7", "fit s": "7"}
    table = Table(columns | {"grid s": "7", "skae": "7", "skae s": "7"})
    for name, k, seed in (tuple(key.values()) for key in keys):
        fits.pool.keep_for(name)
        own = fits.record(name, k, seed, SKAE)
        for peer in (peer for peer in GRIDDED if peer in models):
            for settings in ({}, *grid_settings()):
                fits.record(name, k, seed, peer, settings)
            best, seconds = best_of_grid(of_case(fits.records.rows, name, k, seed), peer)
            if best is None:
                continue
            found = decimal(best["ratio"]), decimal(best["seconds"], 1), decimal(seconds, 1)
            own_found = decimal(own.get("ratio")), decimal(own.get("seconds"), 1)
            table.row(f"{name}, seed {seed}", k, peer, best["settings"], *found, *own_found)
    print()


def of_case(records, name, k, seed):
    key = ("quality", name, k, seed)
    return [r for r in records if (r["part"], r.get("set"), r.get("k"), r.get("seed")) == key]


def best_of_grid(records, peer):
    """Return a peer's record of least error, and the seconds that all of them took."""
    fits = [r for r in records if r["model"] == peer and "ratio" in r]
    best = min(fits, key=lambda r: r["ratio"], default=None)
    return best, sum(r["seconds"] for r in fits)


def verdicts(records):
    """Return lines on who is ahead: defaults against defaults, and against the grids' best."""
    some = [r for r in records if r["part"] == "quality" and "ratio" in r]
    by_case = grouped(some, "set", "k", "seed")
    return against_defaults(by_case) + against_references(by_case) + against_grids(by_case)


def at_defaults(records):
    return {r["model"]: r for r in records if r["settings"] == "{}"}


def pairs_of(by_case, name):
    """Return skae's record and another model's, both at defaults, of the cases with both."""
    found = (at_defaults(records) for records in by_case.values())
    return [(case[SKAE], case[name]) for case in found if SKAE in case and name in case]


def against_defaults(by_case):
    """Return how often skae is ahead of each peer and of all of them, and every loss."""
    ahead, losses = [], []
    for case, records in by_case.items():
        found = at_defaults(records)
        own, peers = found.get(SKAE), [found[p] for p in PEERS if p in found]
        if own is None or not peers:
            continue
        best = min(peers, key=lambda r: r["ratio"])
        ahead.append(own["ratio"] < best["ratio"])
        if not ahead[-1]:
            losses.append(f"  behind at {described(case)}: {compared(own, best)}")
    if not ahead:
        return []
    share, pairs = sum(ahead) / len(ahead), {peer: pairs_of(by_case, peer) for peer in PEERS}
    head = (
        f"skae's defaults ahead of every peer's defaults in {sum(ahead)} of {len(ahead)} "
        f"cases ({share:.0%}, asked {AHEAD:.0%}) -> {holds(share >= AHEAD)}"
    )
    return [head, *losses, *(line_of(peer, some) for peer, some in pairs.items() if some)]


def line_of(peer, pairs):
    """Return how often skae is ahead of one peer, how often faster, and by how much."""
    better = sum(own["ratio"] < other["ratio"] for own, other in pairs)
    faster = sum(own["seconds"] < other["seconds"] for own, other in pairs)
    times = statistics.median(own["seconds"] / other["seconds"] for own, other in pairs)
    cpu = statistics.median(own["cpu"] / other["cpu"] for own, other in pairs)
    return (
        f"  {peer:<13} ahead in {better} of {len(pairs)}, in less time in {faster}; "
        f"skae's seconds / its: median {times:.2f}, CPU seconds {cpu:.2f}"
    )


def against_references(by_case):
    """Return how often skae is ahead of the linear and kernel references."""
    lines = []
    for name in REFERENCES:
        if pairs := [(a["ratio"], b["ratio"]) for a, b in pairs_of(by_case, name)]:
            better, equal = sum(a < b for a, b in pairs), sum(a == b for a, b in pairs)
            lines.append(f"  {name:<13} ahead in {better} of {len(pairs)}, equal in {equal}")
    return lines


def against_grids(by_case):
    """Return how often skae's defaults are ahead of the best point of the peers' grids."""
    rows, lines = [], []
    for case, records in by_case.items():
        own = at_defaults(records).get(SKAE)
        grids = [best_of_grid(records, p) for p in GRIDDED if searched(records, p)]
        if own is None or not grids:
            continue
        best = min((best for best, _ in grids), key=lambda r: r["ratio"])
        seconds = sum(seconds for _, seconds in grids)
        rows.append((own, best, seconds))
        if own["ratio"] >= best["ratio"]:
            lines.append(f"  behind at {described(case)}: {compared(own, best)}")
    if not rows:
        return []
    ahead = sum(own["ratio"] < best["ratio"] for own, best, _ in rows)
    faster = sum(own["seconds"] < best["seconds"] for own, best, _ in rows)
    cheaper = sum(own["seconds"] < seconds for own, _, seconds in rows)
    head = (
        f"skae's defaults ahead of the peers' grids at their best on test rows in {ahead} "
        f"of {len(rows)} cases (asked: most) -> {holds(ahead > len(rows) / 2)}; in less time "
        f"than the grids in {cheaper}, than the best point's fit alone in {faster}"
    )
    return [head, *lines]


def searched(records, peer):
    """Tell whether a peer has points of the grid beside its defaults."""
    return any(r["model"] == peer and r["settings"] != "{}" for r in records)


def described(case):
    return "{}, k={}, seed {}".format(*case)


def compared(own, other):
    settings = "" if other["settings"] == "{}" else f" {other['settings']}"
    return (
        f"skae {own['ratio']:.3f} in {own['seconds']:.1f} s ({own['cpu']:.1f} CPU), "
        f"{other['model']}{settings} {other['ratio']:.3f} in {other['seconds']:.1f} s "
        f"({other['cpu']:.1f} CPU)"
    )


def run_time(fits, models, keys, repeats):
    """Time skae to the held-out error that the best peer ends with, warm and fresh."""
    print("Time to the held-out error that the best peer ends with at its defaults, k = 8")
    print("(warm: a process that has fitted other samples before; compiling counts in both;")
    print("error / target at most 1: reached; medians of seconds, and of ratios in a repeat;")
    print("CPU: ratio of CPU seconds, fresh, which other work on the machine disturbs less)\n")
    columns = {"set": "<10", "skae": "22", "error / target": "14", "peer s": "7"}
    columns |= {"warm s": "7", "ratio": "6", "fresh s": "7", "ratio ": "6", "CPU": "6"}
    table, lines = Table(columns), []
    for name in (key["set"] for key in keys):
        fits.pool.keep_for(name)
        peers = [fits.record(name, TIMED_K, 0, peer) for peer in PEERS if peer in models]
        best = min((r for r in peers if "ratio" in r), key=lambda r: r["ratio"], default=None)
        if best is not None:
            lines += print_times(table, time_record(fits, name, best, repeats))
    print(*lines, "", sep="\n")


def time_record(fits, name, best, repeats):
    """Return all seconds to the best peer's error, the peer and skae taking turns."""
    own = {name: {"warm": [], "fresh": [], "cpu": [], "error": None} for name in SHORTER}
    record = {"set": name, "peer": best["model"], "target": best["squared_error"]}
    record |= {"peer_seconds": [], "peer_cpu": [], "skae": own}
    for repeat in range(repeats):
        answer = timed_fit(fits, best["model"], name, {}, repeat, "warm")
        record["peer_seconds"].append(answer["seconds"])
        record["peer_cpu"].append(answer["cpu"])
        for way, settings in SHORTER.items():
            for state in ("warm", "fresh"):
                answer = timed_fit(fits, SKAE, name, settings, repeat, state)
                own[way][state].append(answer["seconds"])
                own[way]["error"] = answer["squared_error"]
            own[way]["cpu"].append(answer["cpu"])
    return record


def timed_fit(fits, model, name, settings, repeat, state):
    """Return the record of one fit in a new process: the one that is there, or a new one."""
    key = {"part": "time", "set": name, "model": model, "repeat": repeat, "state": state}
    key["settings"] = json.dumps(settings, sort_keys=True)
    key["packages"] = fits.pool.packages[model]
    if found := fits.records.find(**key):
        return found
    fits.pool.close()
    request = fits.request(name, TIMED_K, 0, settings)
    answer = fits.pool.ask(model, warm=state == "warm", **request)
    if "error" in answer:
        raise RuntimeError(f"{model} failed, having worked before: {answer['error']}")
    fits.records.add({**key, **answer})
    return key | answer


def print_times(table, record):
    """Print what was measured of one set; return its verdicts."""
    peer, lines = record["peer_seconds"], {}
    for name, own in record["skae"].items():
        ratios = {s: statistics.median(quotients(own[s], peer)) for s in ("warm", "fresh")}
        relative = own["error"] / record["target"]
        middle = {s: decimal(statistics.median(own[s]), 2) for s in ratios}
        table.row(
            record["set"],
            name,
            decimal(relative),
            decimal(statistics.median(peer), 2),
            *(middle["warm"], decimal(ratios["warm"], 2)),
            *(middle["fresh"], decimal(ratios["fresh"], 2)),
            decimal(statistics.median(quotients(own["cpu"], record["peer_cpu"])), 2),
        )
        if relative <= 1:
            lines[name] = ratios
    out = []
    for name in ("defaults", min(lines, key=lambda n: lines[n]["warm"], default=None)):
        if name in lines:
            fine = lines[name]["warm"] <= MOST_WARM and lines[name]["fresh"] <= MOST_FRESH
            out.append(
                f"{record['set']}, best peer {record['peer']}: skae ({name}) reaches its "
                f"error in {lines[name]['warm']:.2f} of its time warm (asked {MOST_WARM:.2f}), "
                f"{lines[name]['fresh']:.2f} fresh (asked {MOST_FRESH:.2f}) -> {holds(fine)}"
            )
    return list(dict.fromkeys(out)) or [f"{record['set']}: never reached -> DOES NOT HOLD"]
