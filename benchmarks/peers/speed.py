"""Speed and memory of skae and its peers: steps, searches, inference, one large fit.

Each part asks the pool's processes, keeps a record of each answer, and prints a table.
"""

import json
import statistics
from functools import partial

import numpy as np

from benchmarks._cases import CASES
from benchmarks._harness import Table, holds
from benchmarks._process import quotients, spread
from benchmarks.peers.models import MODELS, PEERS
from benchmarks.speed import NETS, name_of

STEPPED = ("skae", "torch", "skorch", "keras-jax", "keras-torch", "MLPRegressor")
SEARCHED = ("skae", "skorch", "keras-jax", "keras-torch")
LONG_SEARCHES = ("skae, defaults",)  # of --all alone
MOST_SEARCH = 1 / 10  # of the wall time of skorch and of Keras
NET = {"k": 8, "hidden": [128, 64], "epochs": 20, "batch_size": 64}
RATES = [3e-4, 1e-3, 3e-3, 1e-2, 3e-2]
GRIDS = {
    "numbers": {"rate": RATES, "decay": [0.0, 1e-3, 1e-2, 1e-1]},
    "structures": {"rate": RATES, "hidden": [[64], [128], [64, 32], [128, 64]]},
}
ENCODED = {"n": 100_000, "n_features": 784, "k": 16, "hidden": [256]}
LARGE = 50_000, 784


def recorded(run, key, make):
    """Return the record with this key: the one that is there, or what ``make`` returns."""
    record = run.records.find(**key)
    if record is None:
        record = {**key, **make()}
        run.records.add(record)
    return record


def run_steps(run, pool, models):
    print("Time per step, warm, each model's best number of threads (as benchmarks.speed has")
    print("it; skorch by partial_fit, Keras by fit, whole epochs of 4096 samples)\n")
    columns = {"net": "<32", "model": "12", "threads": "7", "us/step": "8.0f"}
    table = Table(columns | {"least": "8.0f", "/ skae": "24"})
    stepped = [m for m in STEPPED if m in models]
    packages = {m: pool.packages[m] for m in stepped}
    for sizes, batch, n_steps, _ in NETS:
        name = f"{name_of(sizes)}, batch {batch}"
        key = {"part": "steps", "net": name, "repeats": run.repeats, "packages": packages}
        request = {"do": "steps", "sizes": sizes, "batch": batch, "n_steps": n_steps}
        record = recorded(run, key, partial(asked_in_turn, run, pool, stepped, request))
        own = None
        for model, answers in record["seconds"].items():
            threads = min(answers[0], key=lambda n: statistics.median(a[n] for a in answers))
            seconds = [answer[threads] for answer in answers]
            own = seconds if model == "skae" else own
            micro = [1e6 * s / n_steps for s in seconds]
            ratios = "" if own is None else spread(quotients(seconds, own))
            middle = statistics.median(micro)
            table.row(name, model, threads, middle, min(micro), ratios)
    print()


def asked_in_turn(run, pool, models, request):
    """Return the answers of each model, which take turns; who fails is left out."""
    seconds = {model: [] for model in models}
    for turn in range(run.repeats + 1):
        for model in list(seconds):
            answer = pool.ask(model, **request)
            if "error" in answer:
                print(f"{model}: {answer['error']}")
                del seconds[model]
            elif turn > 0:  # the first compiles
                seconds[model].append(answer)
    return {"seconds": seconds}


def run_search(run, pool, models, fits, searched):
    print("GridSearchCV on digits' training samples, 20 candidates x 5 folds, one process,")
    print(f"warm: {json.dumps(NET)}, AdamW; numbers: 5 rates x 4 decays; structures: 5 rates")
    print('x 4 widths. "skae, defaults" (--all) is the default estimator, gate and all\n')
    columns = {"grid": "<10", "model": "14", "seconds": "8.1f", "CPU s": "6.1f"}
    columns |= {"skae's / its": "12.2f", "programs": "9", "MSE": "7.4f", "best": "<60"}
    table, lines, file = Table(columns), [], fits.file(CASES["digits"], 0)
    for kind, grid in GRIDS.items():
        own = None
        for model in (m for m in searched if m.partition(",")[0] in models):
            name = model.partition(",")[0]
            key = {"part": "search", "grid": kind, "model": model, "net": json.dumps(NET)}
            key["packages"] = pool.packages[name]
            request = {"searched": model, "file": file, "grid": grid, "net": NET}
            record = recorded(
                run, key, partial(asked_alone, run, pool, name, "search", request)
            )
            if "error" in record:
                print(f"{kind}, {model}: {record['error']}")
                continue
            own = record["seconds"] if model == "skae" else own
            ratio = None if own is None else own / record["seconds"]
            programs = record["compiled"].get("jit(train_block)")
            table.record(record | {"skae's / its": ratio, "programs": programs})
            if own is not None and not model.startswith("skae"):
                asked = f"(asked {MOST_SEARCH:.2f}) -> {holds(ratio <= MOST_SEARCH)}"
                lines.append(f"{kind}: skae / {model} {ratio:.3f} {asked}")
    print(*lines, "", sep="\n")


def asked_alone(run, pool, name, do, request, **others):
    pool.close()
    return pool.ask(name, do=do, deadline=10 * run.limit, **request, **others)


def run_inference(run, pool, models):
    d, (width,), k = (ENCODED[name] for name in ("n_features", "hidden", "k"))
    print(f"transform of {ENCODED['n']:,} x {d}, float32, and of one, warm; nets of equal")
    print(f"widths ({d}-{width}-{k}); peers on samples that are scaled already, skae on raw")
    print("ones; best number of threads\n")
    columns = {"model": "<15", "seconds": "8.2f", "threads": "7", "one, us": "11.0f"}
    columns |= {"threads of one": "8"}
    models = [m for m in models if MODELS[m].has_codes]  # a detector transforms nothing
    each_alone(run, pool, columns, "inference", {m: ENCODED for m in models}, "encode")


def run_memory(run, pool, models, folder):
    print("Memory that a fit of one epoch writes, {:,} x {} float32 (X), k=16,".format(*LARGE))
    print("in a process that has fitted a small array before; X itself is counted\n")
    file = folder / "large.npy"
    if not file.exists():
        np.save(file, low_rank(*LARGE))
    columns = {"model": "<15", "before, MB": "10.0f", "added, MB": "9.0f"}
    columns |= {"added / X": "9.2f", "seconds": "7.1f"}
    requests = {}
    for model in (m for m in models if m != "KernelPCA"):  # its kernel would take 20 GB
        settings = {"epochs": 1} if model in ("skae", *PEERS) else {}
        requests[model] = {"file": str(file), "k": 16, "settings": settings}
    each_alone(run, pool, columns, "memory", requests, "occupy", warm=False)


def each_alone(run, pool, columns, part, requests, do, **others):
    """Print a row for each model's answer to its request, in a process of its own."""
    table = Table(columns)
    for model, request in requests.items():
        key = {"part": part, "model": model, "packages": pool.packages[model]}
        make = partial(asked_alone, run, pool, model, do, request, **others)
        record = recorded(run, key, make)
        table.record(record)
        if "error" in record:
            print(f"  {record['error']}")
    print()


def low_rank(n, n_features, rank=64):
    rng = np.random.default_rng(0)
    axes = rng.standard_normal((rank, n_features)).astype(np.float32)
    X = rng.standard_normal((n, rank)).astype(np.float32) @ axes
    X += rng.standard_normal(X.shape, np.float32)
    return X
