"""The next hours of series as missing values: ``python -m benchmarks.forecast``.

A sample is a window of 168 hours and the 24 that follow. The last 24 of a test window are NaN,
and ``impute`` fills them. Windows of the last 30 % of the time are the test, those of the last
fifth of the rest choose the checkpoint, and no two sides share an hour. Figures are root mean
squared errors, over the next hour and over all 24.

Two fits: on whole windows as they are ("impute"), and with a ``corruption`` that puts into the
last 24 hours what a linear model expects there, which is what ``impute`` fills in before the
nets see a window ("trained to"). Ridge regression has the same 168 hours, one output for each
of the 24, and its penalty from the same held-out windows.
"""

import time

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV

from benchmarks import data
from benchmarks._harness import Run, Table, crossed, grouped, holds
from skae import AutoencoderTransformer

PAST, AHEAD, DAY, WEEK = 168, 24, 24, 168
N_COMPONENTS = 128  # two thirds of a window: what a code leaves out is missing in the forecast
SERIES = {
    "demand": data.demand,
    "departures": data.departures,
    "temperature": data.temperature,
}
REPEATED = {"last hour": 1, "yesterday": DAY, "last week": WEEK}  # hours that come again
FITS = ("impute", "impute, trained to")
PENALTIES = np.logspace(-2, 5, 15)


def main(arguments=None):
    run = Run(
        *(__doc__, "Root mean squared error of the next hour and of the next 24", arguments),
        conditions={
            "split": "in time: windows of the first 70 % to train, of the last 30 % to test",
            "window": f"{PAST} hours and the {AHEAD} that follow",
        },
        among={"series": SERIES},
        help={"architectures": "the best on held-out windows is taken"},
        series=list(SERIES),
        architectures=["dense"],
        components=N_COMPONENTS,
        seeds=[0],
    )
    others = {"k": run.components, "architectures": run.architectures}
    keys = crossed(set=run.series, seed=run.seeds, way=["ridge", *REPEATED, *FITS])
    keys = [key | others for key in keys]
    columns = {"set": "<12", "seed": "4", "way": "34", "next hour": "10.4g", "next 24": "9.4g"}
    ridge, table, done = None, Table(columns | {"over ridge": "15", "fit s": "6.0f"}), []
    for record in run.measured(keys, measure):
        ridge = record if record["way"] == "ridge" else ridge
        ratios = (f"{record[name] / ridge[name]:.3f}" for name in ("next hour", "next 24"))
        way = record["way"] + (f" ({record['chosen']})" if "chosen" in record else "")
        table.record(record | {"way": way, "over ridge": " / ".join(ratios)})
        done.append(record)
    for (name, seed), some in grouped(done, "set", "seed").items():
        print(*(f"{name}, seed {seed}, {line}" for line in verdicts(some)), sep="\n")


def measure(set, seed, way, k, architectures):
    series = SERIES[set]()
    cut = int(0.7 * len(series))
    train, test = windows(series[:cut]), windows(series[cut:])
    past, split, start, record = test[:, :PAST], hold_out(len(train)), time.perf_counter(), {}
    if way == "ridge":
        ridge = RidgeCV(PENALTIES, cv=[split]).fit(train[:, :PAST], train[:, PAST:])
        found = ridge.predict(past)
    elif way in REPEATED:
        hours = np.arange(PAST, PAST + AHEAD)
        found = test[:, hours - REPEATED[way] * (1 + (hours - PAST) // REPEATED[way])]
    else:
        corruption = "gaussian" if way == "impute" else expected(train)
        model, record["chosen"] = fit(train, split, corruption, seed, k, architectures)
        record["fit s"] = time.perf_counter() - start
        missing = np.full((len(past), AHEAD), np.nan)
        found = model.impute(np.hstack([past, missing]))[:, PAST:]
    squares = np.square(found - test[:, PAST:])
    record |= {"n_train": len(train), "n_test": len(test)}
    errors = float(np.sqrt(squares[:, 0].mean())), float(np.sqrt(squares.mean()))
    return record | dict(zip(("next hour", "next 24"), errors, strict=True))


def windows(series):
    """Return every window (n, PAST + AHEAD) of a series, each an hour after the one before."""
    return np.lib.stride_tricks.sliding_window_view(series, PAST + AHEAD)


def hold_out(n_windows):
    """Return (train, held out) indices: the last fifth, and those that share no hour."""
    first = int(0.8 * n_windows)
    return np.arange(first - PAST - AHEAD + 1), np.arange(first, n_windows)


def expected(train):
    """Return a ``corruption``: the end of a window becomes what its beginning lets expect.

    The covariance is that of probabilistic PCA, as in ``impute``.
    """
    rank = min(N_COMPONENTS, train.shape[1] - 1)
    covariance = PCA(rank, svd_solver="covariance_eigh").fit(train).get_covariance()
    slopes = np.linalg.solve(covariance[:PAST, :PAST], covariance[:PAST, PAST:])
    slopes = slopes.astype(np.float32)

    def corrupt(key, row, level):
        return row.at[PAST:].set(row[:PAST] @ slopes)  # rows are centred

    return corrupt


def fit(train, split, corruption, seed, k, architectures):
    """Return the model that is best on held-out windows, and its architecture's name."""
    models = {}
    for architecture in architectures:
        models[architecture] = AutoencoderTransformer(
            k,
            architecture=architecture,
            sample_shape=(train.shape[1],),
            ordered=False,
            corruption=corruption,
            cv=[split],
            random_state=seed,
        ).fit(train)
    best = min(models, key=lambda name: models[name].validation_curve_.min())
    return models[best], best


def verdicts(records):
    """Yield whether every fit is better than what merely repeats."""
    for record in (record for record in records if record["way"] in FITS):
        ratios = [
            record[name] / min(r[name] for r in records if r["way"] in REPEATED)
            for name in ("next hour", "next 24")
        ]
        yield (
            f"{record['way']}: {ratios[0]:.3f} and {ratios[1]:.3f} times the best of last "
            f"hour, yesterday and last week (asked: below 1) -> {holds(max(ratios) < 1)}"
        )


if __name__ == "__main__":
    main()
