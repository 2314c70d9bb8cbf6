"""Never worse than PCA, and honest about it: ``python -m benchmarks.promise``.

Small and famous tables, raw and standardised, surfaces of known dimension, noise, 40 training
rows and rows with one far value, five or ten seeds, every one at the defaults. Printed are the
fits in which the full code or a prefix is worse than PCA's on test rows, and how far test
errors are from what the fit says of itself (``error_ratio_``). ``--json FILE --resume`` goes on
where a run was stopped.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
)
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks._cases import pca_errors, prefix_errors
from benchmarks._report import Records, Table, grouped, numbers, print_head, versions
from benchmarks._surfaces import SURFACES
from skae import AutoencoderTransformer

TABLES = {
    "iris": load_iris,
    "breast cancer": load_breast_cancer,
    "wine": load_wine,
    "diabetes": load_diabetes,
    "digits": load_digits,
}
STANDARDISED = ", standardised"
COMPONENTS = [1, 2, 3, 8]
N_SURFACE, N_FEW = 600, 40
FAR = [1e3, 1e4, 1e6]
SMALL = {"hidden_layer_sizes": (16,), "max_iter": 2}
USUAL, WORST, FLOAT32 = 1.005, 1.02, 1e-6
PARTS = ("tables", "surfaces", "few", "far")


def main(arguments=None):
    """Run the parts that the command line asks for."""
    options = parse(arguments)
    records = Records(options.json, {"versions": versions()}, resume=options.resume)
    print_head(
        "AutoencoderTransformer(n_components=k, random_state=seed) against PCA(k)",
        split="30 % of the rows are test rows; random_state=seed",
        seeds=options.seeds,
        processes=options.processes,
    )
    keys = [key for part in options.parts for key in CASES[part](options.seeds)]
    run(keys, records, options.processes)
    found = [records.find(**key) for key in keys]
    for line in verdicts(found):
        print(line)


def parse(arguments):
    """Return the command line's options."""
    parser = argparse.ArgumentParser("benchmarks.promise", description=__doc__)
    add = parser.add_argument
    add("--parts", nargs="+", choices=PARTS, default=PARTS)
    add("--seeds", type=numbers, default=[0, 1, 2, 3, 4], help="such as 0,1,2")
    add("--processes", type=int, default=2, help="fits at a time")
    add("--json", type=Path, help="file for all records, written after each fit")
    add("--resume", action="store_true", help="keep the fits that are in the file already")
    options = parser.parse_args(arguments)
    if options.resume and options.json is None:
        parser.error("--resume needs --json FILE")
    return options


def tables(seeds):
    """Return the keys of the tables, raw and standardised, and of noise."""
    sets = [name + scale for name in TABLES for scale in ("", STANDARDISED)]
    sets.remove("digits" + STANDARDISED)  # its columns have one unit
    return _keys("tables", [*sets, "noise"], seeds)


def surfaces(seeds):
    """Return the keys of the surfaces."""
    return _keys("surfaces", [surface.name for surface in SURFACES], seeds)


def few(seeds):
    """Return the keys of fits on few rows."""
    return _keys(
        "few", ["digits", *(f"{n}{STANDARDISED}" for n in TABLES if n != "digits")], seeds
    )


def far(seeds):
    """Return the keys of rows with one far value, ten seeds whatever ``seeds`` are."""
    return [
        {"part": "far", "set": f"{value:.0e}, {net}, cv={cv!r}", "k": 1, "seed": seed}
        for value in FAR
        for net in ("small", "defaults")
        for cv in (2, "auto")
        for seed in range(10)
    ]


CASES = {"tables": tables, "surfaces": surfaces, "few": few, "far": far}


def _keys(part, sets, seeds):
    keys = []
    for name in sets:
        rank = min(rows(part, name, 0)[0].shape) - 1 + (part == "tables" and name == "noise")
        possible = [k for k in COMPONENTS if k <= rank]
        keys += [
            {"part": part, "set": name, "k": k, "seed": seed}
            for k in possible
            for seed in seeds
        ]
    return keys


def rows(part, name, seed):
    """Return (X_train, X_test) of a case."""
    base, is_standardised = name.removesuffix(STANDARDISED), name.endswith(STANDARDISED)
    if part == "surfaces":
        (surface,) = (one for one in SURFACES if one.name == name)
        X = surface.rows(N_SURFACE, np.random.default_rng(seed))
    elif name == "noise":
        X = np.random.default_rng(seed).normal(size=(400, 20))
    else:
        X = TABLES[base]().data
    size = {"train_size": N_FEW} if part == "few" else {"test_size": 0.3}
    X_train, X_test = train_test_split(X, random_state=seed, **size)
    if is_standardised:
        scaler = StandardScaler().fit(X_train)
        X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
    return X_train, X_test


def run(keys, records, processes):
    """Fit what is not in the records yet, and print a row for each."""
    left = [key for key in keys if records.find(**key) is None]
    table = Table({"set": 32, "k": 2, "seed": 4, "ratio": 7, "worst prefix": 12, "own": 7})
    jobs = (delayed(measure)(key) for key in left)
    for record in Parallel(processes, return_as="generator_unordered")(jobs):
        records.add(record)
        figures = record["ratios"][-1], max(record["ratios"]), record["own"]
        name = f"{record['set']} ({record['part']})"
        cells = (f"{figure:.4f}" for figure in figures)
        table.row(name, str(record["k"]), str(record["seed"]), *cells)


def measure(key):
    """Return the record of one fit: errors over PCA's of the prefixes, and its own figure."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {**key, **(_far(key) if key["part"] == "far" else _compared(key))}


def _compared(key):
    X_train, X_test = rows(key["part"], key["set"], key["seed"])
    model = AutoencoderTransformer(key["k"], random_state=key["seed"]).fit(X_train)
    return _record(model, PCA(key["k"], svd_solver="full").fit(X_train), X_test)


def _far(key):
    """Return the record of a fit on 60 rows, one of them far away; ordinary ones are judged."""
    value, net, cv = key["set"].split(", ")
    X = np.random.default_rng(key["seed"]).normal(size=(60, 4))
    X[3, 2] = float(value)
    parameters = SMALL if net == "small" else {}
    cv = 2 if cv == "cv=2" else "auto"
    model = AutoencoderTransformer(1, cv=cv, random_state=key["seed"] + 1, **parameters).fit(X)
    return _record(model, PCA(1).fit(X), np.delete(X, 3, axis=0))


def _record(model, pca, X):
    ratios = prefix_errors(model, X) / pca_errors(pca, X)
    kept = {"own": float(model.error_ratio_), "selected": model.selected_model_}
    return {"ratios": ratios.tolist(), **kept}


def verdicts(records):
    """Return the lines on each point of the promise."""
    lines = [""]
    for part, share in (("tables", 0.98), ("surfaces", 0.98), ("few", 0.95)):
        some = [record for record in records if record["part"] == part]
        lines += _never_worse(part, some, share) if some else []
    if some := [record for record in records if record["part"] == "far"]:
        worst = max(some, key=lambda record: record["ratios"][-1])
        lines.append(
            f"far values: ordinary rows' error / PCA's at most {worst['ratios'][-1]:.4f} "
            f"({worst['set']}, seed {worst['seed']}), asked 1.05"
        )
    if own := [record["own"] for record in records if record["part"] != "far"]:
        lines.append(f"own figures: error_ratio_ at most {max(own):.6f}, asked 1")
    lines += _honest([record for record in records if record["part"] in ("tables", "surfaces")])
    return lines


def _never_worse(part, records, share):
    full = [(record["ratios"][-1], _label(record)) for record in records]
    prefixes = [
        (ratio, f"{_label(record)} m={m}")
        for record in records
        for m, ratio in enumerate(record["ratios"], 1)
    ]
    means = {
        key: np.mean([record["ratios"][-1] for record in some])
        for key, some in grouped(records, "set", "k").items()
    }
    above = [f"{name} k={k} {m:.4f}" for (name, k), m in means.items() if m > 1 + FLOAT32]
    n_pca = sum(record["selected"] == "pca" for record in records)
    return [
        _shares(f"{part}, full codes", full, share),
        _shares(f"{part}, prefixes", prefixes, share),
        f"{part}: mean above 1 on: {'; '.join(above) or 'none'}; PCA was kept in {n_pca} fits",
    ]


def _shares(title, ratios, share):
    within = np.mean([ratio <= USUAL for ratio, _ in ratios])
    over = sorted((one for one in ratios if one[0] > WORST), reverse=True)
    worst, label = max(ratios)
    return (
        f"{title} ({len(ratios)}): <= {USUAL} in {within:.1%} (asked {share:.0%}), largest "
        f"{worst:.4f} at {label}, {len(over)} above {WORST}"
        + "".join(f"\n    {ratio:.4f} {label}" for ratio, label in over[1:])
    )


def _honest(records):
    if not records:
        return []
    shares = [record["ratios"][-1] / record["own"] for record in records]
    return [
        f"test figure over the fit's own ({len(shares)}): median {np.median(shares):.3f} "
        f"(asked .97 to 1.03), above 1.3 in {np.mean(np.array(shares) > 1.3):.1%} (asked 2 %)"
    ]


def _label(record):
    return f"{record['set']} k={record['k']} seed={record['seed']}"


if __name__ == "__main__":
    main()
