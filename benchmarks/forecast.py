"""The next hours of series as missing cells: ``python -m benchmarks.forecast``.

A row is a window of 168 hours and the 24 that follow. The last 24 of a test window are NaN,
and ``impute`` fills them. Windows of the last 30 % of the time are the test, those of the last
fifth of the rest the hold-out of the gate, and no two sides share an hour. Figures are root
mean squared errors, over the next hour and over all 24.

Two fits: on whole windows as they are ("impute"), and with a ``corruption`` that puts into the
last 24 hours what a linear model expects there, which is what ``impute`` fills in before the
nets see a window ("trained to"). Ridge regression has the same 168 hours, one output for each
of the 24, and its penalty from the same hold-out.
"""

import argparse
import time

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV

from benchmarks import data
from benchmarks._report import Table, names, numbers, print_head
from skae import AutoencoderTransformer

PAST, AHEAD, DAY, WEEK = 168, 24, 24, 168
N_COMPONENTS = 128  # two thirds of a window: what a code leaves out is missing in the forecast
SERIES = {
    "demand": data.demand,
    "departures": data.departures,
    "temperature": data.temperature,
}
PENALTIES = np.logspace(-2, 5, 15)


def main(arguments=None):
    """Forecast the series that the command line names."""
    parser = argparse.ArgumentParser("benchmarks.forecast", description=__doc__)
    add = parser.add_argument
    add("--series", type=names, default=list(SERIES), help=", ".join(SERIES))
    add("--architectures", type=names, default=["dense"], help="the best on held-out rows")
    add("--components", type=int, default=N_COMPONENTS)
    add("--seeds", type=numbers, default=[0], help="such as 0,1,2")
    options = parser.parse_args(arguments)
    print_head(
        "Root mean squared error of the next hour and of the next 24",
        split="in time: windows of the first 70 % to train, of the last 30 % to test",
        window=f"{PAST} hours and the {AHEAD} that follow",
        components=options.components,
        seeds=options.seeds,
    )
    for name in options.series:
        try:
            series = SERIES[name]()
        except data.DataMissing as reason:
            print(f"{name}: left out, {reason}")
            continue
        for seed in options.seeds:
            compare(name, series, seed, options)


def compare(name, series, seed, options):
    """Print the errors of every way to forecast one series, and what was promised."""
    cut = int(0.7 * len(series))
    train, test = windows(series[:cut]), windows(series[cut:])
    split = hold_out(len(train))
    print(f"{name}, seed {seed}: {len(train)} windows to train, {len(test)} to test")
    table = Table({"": 34, "next hour": 10, "next 24": 9, "over ridge": 15, "fit s": 6})
    past, following = test[:, :PAST], test[:, PAST:]
    errors = {}

    def add(way, forecast, seconds=0.0):
        errors[way] = found = errors_of(forecast, following)
        ratios = found / errors["ridge"]
        shown = [f"{e:.4g}" for e in found], " / ".join(f"{r:.3f}" for r in ratios)
        table.row(way, *shown[0], shown[1], f"{seconds:.0f}")

    ridge = RidgeCV(PENALTIES, cv=[split]).fit(train[:, :PAST], train[:, PAST:])
    add("ridge", ridge.predict(past))
    add("last hour", np.repeat(past[:, -1:], AHEAD, axis=1))
    for way, season in (("yesterday", DAY), ("last week", WEEK)):
        start = PAST - season
        add(way, past[:, start : start + AHEAD])
    for way, corruption in (("impute", "gaussian"), ("impute, trained to", expected(train))):
        start = time.perf_counter()
        model, chosen = fit(train, split, corruption, seed, options)
        seconds = time.perf_counter() - start
        add(f"{way} ({chosen})", forecast(model, past), seconds)
    verdicts(errors)


def windows(series):
    """Return every window (n, PAST + AHEAD) of a series, each an hour after the one before."""
    return np.lib.stride_tricks.sliding_window_view(series, PAST + AHEAD)


def hold_out(n_windows):
    """Return (train, held out) indices: the last fifth, and those that share no hour."""
    first = int(0.8 * n_windows)
    return np.arange(first - PAST - AHEAD + 1), np.arange(first, n_windows)


def expected(train):
    """Return a ``corruption``: the end of a row becomes what its beginning lets expect.

    The covariance is that of probabilistic PCA, as where ``impute`` fills.
    """
    rank = min(N_COMPONENTS, train.shape[1] - 1)
    covariance = PCA(rank, svd_solver="covariance_eigh").fit(train).get_covariance()
    slopes = np.linalg.solve(covariance[:PAST, :PAST], covariance[:PAST, PAST:])
    slopes = slopes.astype(np.float32)

    def corrupt(key, row, level):
        return row.at[PAST:].set(row[:PAST] @ slopes)  # rows are centred

    return corrupt


def fit(train, split, corruption, seed, options):
    """Return the model that is best on held-out windows, and its architecture's name."""
    best = None
    for architecture in options.architectures:
        model = AutoencoderTransformer(
            options.components,
            architecture=architecture,
            sample_shape=(train.shape[1],),
            ordered=False,
            corruption=corruption,
            cv=[split],
            random_state=seed,
        ).fit(train)
        error = model.validation_curve_.min()
        if best is None or error < best[0]:
            best = error, model, architecture
    return best[1:]


def forecast(model, past):
    """Return the AHEAD values that ``impute`` puts where a window's end is missing."""
    missing = np.full((len(past), AHEAD), np.nan)
    return model.impute(np.hstack([past, missing]))[:, PAST:]


def errors_of(found, following):
    """Return the root mean squared errors of the next hour and of all."""
    squares = np.square(found - following)
    return np.sqrt([squares[:, 0].mean(), squares.mean()])


def verdicts(errors):
    """Print whether every fit is better than what merely repeats."""
    repeated = np.min([errors[w] for w in ("last hour", "yesterday", "last week")], axis=0)
    for way in (way for way in errors if way.startswith("impute")):
        ratios = errors[way] / repeated
        verdict = "holds" if (ratios < 1).all() else "DOES NOT HOLD"
        print(
            f"{way}: {ratios[0]:.3f} and {ratios[1]:.3f} times the best of last hour, "
            f"yesterday and last week (asked: below 1) -> {verdict}"
        )
    print(flush=True)


if __name__ == "__main__":
    main()
