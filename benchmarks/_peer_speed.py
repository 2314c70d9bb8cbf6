"""Speed and memory of skae and its peers: steps, processes, searches, inference, one large fit.

Each part asks the pool's processes, keeps a record of each answer, and prints a table.
"""

import json
import os
import statistics
import sys

import numpy as np
from sklearn.datasets import load_digits

from benchmarks._cases import CASES
from benchmarks._peer_models import MODELS, PEERS
from benchmarks._report import Table
from benchmarks.speed import NETS, default_plan, in_turn, spread

N_CORES = len(os.sched_getaffinity(0))
STEPPED = ("skae", "torch", "skorch", "keras-jax", "keras-torch", "MLPRegressor")
SEARCHED = ("skae", "skorch", "keras-jax", "keras-torch")
LONG_SEARCHES = ("skae, defaults",)  # of --all alone
MOST_SEARCH = 1 / 10  # of the wall time of skorch and of Keras
PLAN = {
    "net": {"k": 8, "hidden": [128, 64], "epochs": 20, "batch_size": 64},
    "grids": {
        "numbers": {
            "rate": [3e-4, 1e-3, 3e-3, 1e-2, 3e-2],
            "decay": [0.0, 1e-3, 1e-2, 1e-1],
        },
        "structures": {
            "rate": [3e-4, 1e-3, 3e-3, 1e-2, 3e-2],
            "hidden": [[64], [128], [64, 32], [128, 64]],
        },
    },
}
ENCODED = {"n_rows": 100_000, "n_features": 784, "k": 16, "hidden": [256]}
LARGE = {"n_rows": 50_000, "n_features": 784}


def run_steps(pool, records, models, repeats):
    """Print the time of a step of the same net and batch, skae's own first."""
    print("Time per step, warm, each model's best number of threads (as benchmarks.speed has")
    print("it; skorch by partial_fit, Keras by fit, whole epochs of 4096 rows)\n")
    table = Table(
        {"net": 32, "model": 12, "threads": 7, "us/step": 8, "least": 8, "/ skae": 24}
    )
    for sizes, batch, n_steps, _ in NETS:
        name = f"{'-'.join(map(str, (*sizes, *sizes[-2::-1])))}, batch {batch}"
        stepped = [m for m in STEPPED if m in models]
        packages = {m: pool.packages[m] for m in stepped}
        key = {"part": "steps", "net": name, "repeats": repeats, "packages": packages}
        record = records.find(**key)
        if record is None:
            request = {"do": "steps", "sizes": sizes, "batch": batch, "n_steps": n_steps}
            seconds = asked_in_turn(pool, stepped, request, repeats)
            record = {**key, "steps": n_steps, "seconds": seconds}
            records.add(record)
        print_steps(table, name, record)
    print()


def asked_in_turn(pool, models, request, repeats):
    """Return the answers of each model, which take turns; who fails is left out."""
    answers = {model: [] for model in models}
    for _ in range(repeats):
        for model in list(answers):
            answer = pool.ask(model, **request)
            if "error" in answer:
                print(f"{model}: {answer['error']}")
                del answers[model]
            else:
                answers[model].append(answer)
    return answers


def print_steps(table, name, record):
    """Print the microseconds of a step for each model."""
    own = None
    for model, answers in record["seconds"].items():
        threads = min(answers[0], key=lambda n: statistics.median(a[n] for a in answers))
        seconds = [answer[threads] for answer in answers]
        own = seconds if model == "skae" else own
        micro = [1e6 * s / record["steps"] for s in seconds]
        ratios = (
            "" if own is None else spread([s / o for s, o in zip(seconds, own, strict=True)])
        )
        middle = f"{statistics.median(micro):.0f}"
        table.row(name, model, threads, middle, f"{min(micro):.0f}", ratios)


def run_process(pool, records, models, folder, repeats):
    """Print the time of whole fresh processes: import, default fit on digits, codes."""
    print("A whole fresh process on digits, k=8: import, fit at defaults, codes. The last one")
    print("is PyTorch training skae's default net for as many steps, no gate\n")
    X = load_digits().data
    file = str(folder / "digits.npy")
    np.save(file, X)
    packages = {m: pool.packages[m] for m in ("skae", *PEERS) if m in models}
    key = {"part": "process", "repeats": repeats, "packages": packages}
    record = records.find(**key)
    if record is None:
        commands = process_commands(pool, models, file, X)
        trial, answers = in_turn(commands, 1)
        for name in [name for name in trial if "error" in answers[name][0]]:
            print(f"{name}: {answers[name][0]['error']}")
            del commands[name]
        seconds, parts = in_turn(commands, repeats)
        record = {**key, "seconds": seconds, "parts": parts}
        records.add(record)
    table = Table({"process": 28, "seconds": 8, "least": 8, "skae's / its": 24, "parts": 40})
    for name, seconds in record["seconds"].items():
        parts = record["parts"][name]
        middle = {k: statistics.median(p[k] for p in parts) for k in parts[0]}
        text = ", ".join(f"{part} {value:.2f}" for part, value in middle.items())
        ratios = [o / s for o, s in zip(record["seconds"]["skae"], seconds, strict=True)]
        times = f"{statistics.median(seconds):.2f}", f"{min(seconds):.2f}"
        table.row(name, *times, spread(ratios), text)
    print()


def process_commands(pool, models, file, X):
    """Return the command of each process, by name; one thread, which small nets like best."""
    commands = {}
    for name in ("skae", *PEERS):
        if name in models:
            worker = [pool.pythons[name], "-m", "benchmarks._peer_workers", name]
            commands[name] = [*worker, "fresh", file, "8", "1"]
    if "torch" in models:
        plan = json.dumps(default_plan(X, 8))
        worker = [pool.pythons["torch"], "-m", "benchmarks._peers", "torch"]
        commands["torch, skae's net and steps"] = [*worker, file, "1", plan]
    return commands


def run_search(pool, records, models, fits, limit, *, searched):
    """Print the wall time of grid searches of 20 candidates x 5 folds on digits."""
    print("GridSearchCV on digits' training rows, 20 candidates x 5 folds, one process, warm:")
    print(
        f"{json.dumps(PLAN['net'])}, AdamW; numbers: 5 rates x 4 decays; structures: 5 rates x"
    )
    print('4 widths. "skae, defaults" (--all) is the default estimator, gate and all\n')
    columns = {
        "grid": 10,
        "model": 14,
        "seconds": 8,
        "CPU s": 6,
        "skae's / its": 12,
        "compiled": 9,
    }
    table, lines = Table(columns | {"MSE": 7, "best": 60}), []
    file = fits.file(CASES["digits"], 0)
    for kind in PLAN["grids"]:
        seconds = {}
        for model in (m for m in searched if m.partition(",")[0] in models):
            record = search_record(pool, records, model, file, kind, limit)
            if "error" in record:
                print(f"{kind}, {model}: {record['error']}")
                continue
            seconds[model] = record["seconds"]
            blocks = record["compiled"].get("jit(train_block)", "-")
            ratio = f"{seconds['skae'] / record['seconds']:.2f}" if "skae" in seconds else "-"
            best = ", ".join(f"{n} {v}" for n, v in record["best"].items())
            score = f"{-record['score']:.4f}"
            times = f"{record['seconds']:.1f}", f"{record['cpu']:.1f}"
            table.row(kind, model, *times, ratio, str(blocks), score, best)
        lines += search_verdicts(kind, seconds)
    print(*lines, sep="\n")
    print()


def search_record(pool, records, model, file, kind, limit):
    """Return the record of one search, the one that is there or a new one."""
    name = model.partition(",")[0]
    key = {"part": "search", "kind": kind, "model": model, "plan": json.dumps(PLAN)}
    key["packages"] = pool.packages[name]
    record = records.find(**key)
    if record is None:
        pool.close()
        request = {"searched": model, "file": file, "kind": kind, "plan": PLAN, "limit": limit}
        record = {**key, **pool.ask(name, do="search", **request)}
        records.add(record)
    return record


def search_verdicts(kind, seconds):
    """Return what holds of skae's wall time over each peer's."""
    if "skae" not in seconds:
        return []
    lines = []
    for peer in (name for name in seconds if not name.startswith("skae")):
        ratio = seconds["skae"] / seconds[peer]
        verdict = "holds" if ratio <= MOST_SEARCH else "DOES NOT HOLD"
        lines.append(
            f"{kind}: skae / {peer} {ratio:.3f} (asked {MOST_SEARCH:.2f}) -> {verdict}"
        )
    return lines


def run_inference(pool, records, models):
    """Print the time of a large transform and of a single row."""
    shape = f"{ENCODED['n_rows']:,} x {ENCODED['n_features']}"
    print(f"transform of {shape}, float32, and of one row, warm; nets of equal widths")
    print(f"({ENCODED['n_features']}-{ENCODED['hidden'][0]}-{ENCODED['k']}); peers on rows")
    print("that are scaled already, skae on raw ones; best number of threads\n")
    columns = {"model": 15, "seconds": 8, "threads": 7, "one row, us": 11, "threads ": 8}
    table = Table(columns)
    for model in (m for m in models if MODELS[m].has_codes):  # a detector transforms nothing
        key = {"part": "inference", "model": model, "asked": json.dumps(ENCODED)}
        key["packages"] = pool.packages[model]
        record = records.find(**key)
        if record is None:
            pool.close()
            record = {**key, **pool.ask(model, do="encode", **ENCODED)}
            records.add(record)
        if "error" in record:
            table.row(model, "-", "-", "-", "-")
            print(f"  {record['error']}")
            continue
        single = f"{record['single_us']:.0f}"
        threads = str(record["threads"]), str(record["single_threads"])
        table.row(model, f"{record['seconds']:.2f}", threads[0], single, threads[1])
    print()


def run_memory(pool, records, models, folder):
    """Print the peak memory of one epoch on a large array, each in a fresh process."""
    shape = f"{LARGE['n_rows']:,} x {LARGE['n_features']}"
    print(f"Peak memory of a fit of one epoch, {shape} float32 (X), k=16, in a process that")
    print("has fitted a small array before; X itself is counted\n")
    file = folder / "large.npy"
    if not file.exists():
        np.save(file, low_rank(**LARGE))
    columns = {"model": 15, "before, MB": 10, "added, MB": 9, "added / X": 9, "fit s": 7}
    table = Table(columns)
    for model in (m for m in models if m != "KernelPCA"):  # its kernel would take 20 GB
        key = {"part": "memory", "model": model, "asked": json.dumps(LARGE)}
        key["packages"] = pool.packages[model]
        record = records.find(**key)
        if record is None:
            pool.close()
            settings = {"epochs": 1} if model in ("skae", *PEERS) else {}
            request = {"file": str(file), "k": 16, "settings": settings}
            record = {**key, **pool.ask(model, warm=False, do="occupy", **request)}
            records.add(record)
        if "error" in record:
            table.row(model, "-", "-", "-", "-")
            print(f"  {record['error']}")
            continue
        megabytes = (f"{record[name] / 1e6:.0f}" for name in ("before", "added"))
        times = f"{record['added'] / record['rows']:.2f}", f"{record['seconds']:.1f}"
        table.row(model, *megabytes, *times)
    print()


def low_rank(n_rows, n_features, rank=64):
    """Return seeded float32 rows near a subspace."""
    rng = np.random.default_rng(0)
    axes = rng.standard_normal((rank, n_features)).astype(np.float32)
    X = rng.standard_normal((n_rows, rank)).astype(np.float32) @ axes
    X += rng.standard_normal(X.shape, np.float32)
    return X


def interpreters(paths, names):
    """Return the first interpreter that runs each model, and the versions or the errors.

    skae is run by this interpreter, which is also the last that is tried for the others.
    """
    pythons, versions = {}, {}
    for name in names:
        answers = {}
        for python in [sys.executable] if name == "skae" else [*paths, sys.executable]:
            command = [str(python), "-m", "benchmarks._peer_workers", name, "versions"]
            answers[python] = probe(command)
            if isinstance(answers[python], str):
                pythons[name] = str(python)
                break
        worked = pythons.get(name)
        first = next(iter(answers.values()))
        versions[name] = answers[worked] if worked in answers else f"left out: {first['error']}"
    return pythons, versions


def probe(command):
    """Return what a process answers, or {"error": ...} where it cannot."""
    try:
        _, answers = in_turn({"it": command}, 1)
    except Exception as error:
        return {"error": str(error)}
    return answers["it"][0]
