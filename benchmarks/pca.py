"""Compare AutoencoderTransformer with PCA on real data: ``python -m benchmarks.pca``.

By default the sets that come with scikit-learn, one seed, and the picture; ``--all`` takes
every set, three seeds, and the further cases (Gaussian noise, 40 training rows).
"""

import argparse
from functools import partial
from pathlib import Path

from benchmarks import _picture
from benchmarks._cases import (
    BUNDLED,
    CASES,
    SHARE,
    measure,
    measure_share,
    measure_start,
    possible_components,
)
from benchmarks._report import (
    SPLIT,
    Records,
    Table,
    grouped,
    mean_of,
    names,
    numbers,
    print_head,
    versions,
)
from benchmarks._verdicts import missing, share_verdict, start_verdict, verdicts
from benchmarks.data import DataMissing
from skae import AutoencoderTransformer

SEEDS = [0, 1, 2]
SHARE_SETS = ["digits", "MNIST 5k", "mfeat", "PBMC"]
COLUMNS = {
    "set": 23,
    "k": 3,
    "seed": 4,
    "train x columns": 15,
    "PCA R2": 7,
    "skae R2": 7,
    "ratio": 6,
    "worst prefix": 12,
    "over": 5,
    "R2 gap": 6,
    "fit s": 6,
    "best/run": 9,
}
LEGEND = (
    "ratio: held-out squared error / PCA's; worst prefix: that ratio at its worst over the "
    "first m components;\nover: share of prefixes above 1.005; R2 gap: cumulative "
    "explained_variance_ratio_ against R2 on test rows;\nfit s: compilation included; "
    "best/run: epoch kept (0 is PCA) and epochs run\n"
)


def main(arguments=None):
    """Run the benchmark that the command line asks for."""
    options = parse(arguments)
    settings = {"versions": versions(), "defaults": _defaults(), "split": SPLIT}
    records = Records(options.json, settings, resume=options.resume)
    if options.share:
        return run_share(options, records)
    if options.start:
        return run_start(options)
    print_head(
        "AutoencoderTransformer(n_components=k, random_state=seed) against PCA(k)",
        split=f"{SPLIT}; random_state=seed",
        seeds=options.seeds,
    )
    run_cases(options, records)
    if options.picture is not None:
        draw_picture(options, records)
    return None


def parse(arguments):
    """Return the command line's options, with the defaults that depend on each other."""
    parser = argparse.ArgumentParser("benchmarks.pca", description=__doc__)
    add = parser.add_argument
    add("--all", action="store_true", help="every set, three seeds, further cases")
    add("--sets", type=names, help=f"some of: {', '.join(CASES)}")
    add("--seeds", type=numbers, help="such as 0,1,2")
    add("--components", type=numbers, help="such as 2,8,32")
    add("--unordered", action="store_true", help="fit ordered=False beside it")
    add("--share", action="store_true", help=f"measure n_components={SHARE} instead")
    add("--start", action="store_true", help="measure the distance of step 0 from PCA instead")
    add("--json", type=Path, help="file for all records, written after each case")
    add("--resume", action="store_true", help="keep the cases that are in the file already")
    add(
        "--picture",
        type=Path,
        help=f"file (default {_picture.FILE} where no set is chosen)",
    )
    add("--no-picture", action="store_true")
    options = parser.parse_args(arguments)
    if options.resume and options.json is None:
        parser.error("--resume needs --json FILE")
    if options.picture is None and options.sets is None:
        options.picture = _picture.FILE
    if options.no_picture:
        options.picture = None
    options.seeds = options.seeds or (SEEDS if options.all else SEEDS[:1])
    options.chosen = _chosen(parser, options)
    return options


def _chosen(parser, options):
    """Return the names of the sets to run."""
    if options.sets is None:
        everything = SHARE_SETS if options.share else list(CASES)
        few = SHARE_SETS[:1] if options.share else [case.name for case in BUNDLED]
        return everything if options.all else few
    if unknown := [name for name in options.sets if name not in CASES]:
        parser.error(f"no set is called {unknown}; there are {list(CASES)}")
    return options.sets


def _defaults():
    parameters = AutoencoderTransformer().get_params(deep=False)
    return {name: repr(value) for name, value in parameters.items()}


def run_cases(options, records):
    """Measure the chosen cases one by one, print each, then means and verdicts."""
    table = Table(COLUMNS)
    done = []
    for case, k, seed in _jobs(options):
        record = record_of(records, case, k, seed, unordered=options.unordered)
        done.append(record)
        print_record(table, record)
    print(f"\n{LEGEND}")
    if len(options.seeds) > 1:
        print(f"Means over seeds {options.seeds}\n")
        print_means(done)
    for line in verdicts(done):
        print(line)
    if left := missing(done):
        print(f"\nnot run: {'; '.join(left)}")


def record_of(records, case, k, seed, *, unordered=False):
    """Return the record of one fit: the one that is there, or a new one."""
    found = records.find(set=case.name, k=k, seed=seed)
    if found is not None and (not unordered or "unordered_ratio" in found):
        return found
    record = measure(case, k, seed, unordered=unordered)
    records.add(record, instead_of=found)
    return record


def draw_picture(options, records):
    """Draw digits beside cells where they were run, else beside breast cancer."""
    second = "cells" if records.find(set="cells") else "breast cancer"
    _picture.draw(options.picture, second, partial(record_of, records))
    print(f"\npicture: {options.picture}")


def _jobs(options):
    """Yield (case, k, seed); a set whose package is missing is named and left out."""
    for case in (CASES[name] for name in options.chosen):
        try:
            components = possible_components(case, options.components or case.components)
        except DataMissing as reason:
            print(f"{case.name}: left out, {reason}")
            continue
        yield from ((case, k, seed) for k in components for seed in options.seeds)


def print_record(table, record, *, seed=None):
    """Print one record as a row of the table."""
    table.row(
        record["set"],
        str(record["k"]),
        str(record["seed"] if seed is None else seed),
        f"{record['n_train']} x {record['n_features']}",
        f"{record['pca_r2'][-1]:.4f}",
        f"{record['skae_r2'][-1]:.4f}",
        f"{record['ratio']:.3f}",
        f"{record['worst_prefix']:.3f} ({record['worst_prefix_m']})",
        f"{record['prefixes_over']:.0%}",
        f"{record['r2_gap']:.3f}",
        f"{record['fit_seconds']:.1f}",
        f"{record['best_iter']}/{record['n_iter']}",
    )


def print_means(records):
    """Print a row of means for each set and number of components."""
    table = Table({"set": 23, "k": 3, "PCA R2": 7, "skae R2": 7, "ratio": 6, "fit s": 6})
    for (name, k), some in grouped(records, "set", "k").items():
        pca_r2 = sum(record["pca_r2"][-1] for record in some) / len(some)
        skae_r2 = sum(record["skae_r2"][-1] for record in some) / len(some)
        means = f"{mean_of(some, 'ratio'):.3f}", f"{mean_of(some, 'fit_seconds'):.1f}"
        table.row(name, str(k), f"{pca_r2:.4f}", f"{skae_r2:.4f}", *means)
    print()


def run_start(options):
    """Measure how near to PCA fits on the chosen sets begin, and linear maps end."""
    print_head(
        "Step 0, and hidden_layer_sizes=(), beside PCA on the training rows",
        split=SPLIT,
        seeds=options.seeds,
    )
    for case, k, seed in _jobs(options):
        print(start_verdict(measure_start(case, k, seed)), flush=True)


def run_share(options, records):
    """Measure ``n_components=0.9`` on the chosen sets."""
    print_head(
        f"AutoencoderTransformer(n_components={SHARE})", split=SPLIT, seeds=options.seeds
    )
    for name in options.chosen:
        for seed in options.seeds:
            record = records.find(set=name, share=SHARE, seed=seed)
            if record is None:
                try:
                    record = measure_share(name, seed)
                except DataMissing as reason:
                    print(f"{name}: left out, {reason}")
                    break
                records.add(record)
            print(share_verdict(record), *record["warnings"], sep="\n   warning: ", flush=True)


if __name__ == "__main__":
    main()
