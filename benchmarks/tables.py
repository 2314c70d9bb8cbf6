"""A mixed table through a short code and back: ``python -m benchmarks.tables``.

Flights out of New York in 2013: 50,000 of them, 70 % to train. For each column the share of
variance explained, or the share of the values whose likeliest category is the right one, over
the observed values of test samples. PCA acts on the same one-hot columns, numbers standardised
and categories scaled in three ways: not at all ("0/1"), to a variance of 1 for all columns of
one ("table"), or for each column ("cells"). Its missing values hold the column's mean, and the
largest of a category's columns is taken.
"""

import time

import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from benchmarks._harness import Run, Table, crossed, holds
from benchmarks.data import flights
from skae import AutoencoderTransformer, TableAutoencoder, TableEncoder


def number_scale(encoder, X):
    """Return the scale (n_columns,) that standardises numbers alone."""
    n_numbers = X.shape[1] - sum(map(len, encoder.categories_.values()))
    return np.append(np.nanstd(X[:, :n_numbers], axis=0), np.ones(X.shape[1] - n_numbers))


def table_scale(encoder, X):
    """Return the scale (n_columns,) with which each column of the table has variance 1."""
    variances = np.nanvar(X, axis=0)
    sizes = [size for size, _ in encoder.make_loss().parts]
    sums = np.add.reduceat(variances, np.cumsum(sizes) - sizes)
    return np.sqrt(np.repeat(sums, sizes))


SCALES = {
    "0/1": number_scale,
    "table": table_scale,
    "cells": lambda encoder, X: np.nanstd(X, axis=0),
}


def main(arguments=None):
    run = Run(
        *(__doc__, "Columns of flights that come back", arguments),
        conditions={"split": "70 % of the samples to train, 30 % to test"},
        rows=50_000,
        components=[8],
        seeds=[0],
    )
    keys = crossed(rows=[run.rows], seed=run.seeds, k=run.components)
    for record in run.measured(keys, measure):
        report(record)


def report(record):
    columns = record["columns"]
    print(f"\nk = {record['k']}, seed {record['seed']}: {record['n_train']} training samples")
    ways = [f"PCA {name}" for name in SCALES]
    table = Table({"column": "<16", "sort": "10"} | dict.fromkeys([*ways, "skae"], "10.4f"))
    for column in columns:
        table.record(column)
    print(f"fit {record['seconds']:.0f} s, {record['epochs']} epochs")
    for way in ways:
        n = sum(column["skae"] >= column[way] for column in columns)
        print(f"at least {way} in {n} of {len(columns)} columns -> {holds(n == len(columns))}")
    print(f"dtypes come back: {record['same dtypes']}; ", end="")
    print(f"training samples by the encoder, exactly: {record['exact']}")


def measure(rows, seed, k):
    train, test = train_test_split(flights(rows), test_size=0.3, random_state=seed)
    encoder = TableEncoder(handle_unknown="ignore").fit(train)
    rebuilt = {f"PCA {name}": by_pca(encoder, train, test, k, name) for name in SCALES}
    start, ae = time.perf_counter(), AutoencoderTransformer(k)
    model = TableAutoencoder(ae, handle_unknown="ignore", random_state=seed).fit(train)
    seconds = time.perf_counter() - start
    rebuilt["skae"] = model.inverse_transform(model.transform(test))
    columns = []
    for name in train:
        is_category = name in encoder.categories_
        column = {"column": name, "sort": "categories" if is_category else "numbers"}
        for way, back in rebuilt.items():
            column[way] = quality(train[name], test[name], back[name], is_category)
        columns.append(column)
    back = encoder.inverse_transform(encoder.transform(train))
    return {
        "n_train": len(train),
        "columns": columns,
        "seconds": seconds,
        "epochs": f"{model.autoencoder_.best_iter_}/{model.autoencoder_.n_iter_}",
        "same dtypes": bool(test.dtypes.equals(rebuilt["skae"].dtypes)),
        "exact": bool(train.reset_index(drop=True).equals(back)),
    }


def by_pca(encoder, train, test, k, scaling):
    """Return ``test`` through PCA's code of ``k`` components."""
    X_train, X_test = encoder.transform(train), encoder.transform(test)
    mean, scale = np.nanmean(X_train, axis=0), SCALES[scaling](encoder, X_train)
    scale = np.where(scale > 0, scale, 1.0)
    X_train, X_test = (np.nan_to_num((X - mean) / scale) for X in (X_train, X_test))
    pca = PCA(k, svd_solver="full").fit(X_train)
    back = pca.inverse_transform(pca.transform(X_test))
    return encoder.inverse_transform(back * scale + mean)


def quality(train, test, back, is_category):
    """Return R2 or accuracy over the observed values of a ``test`` column."""
    seen = test.notna().to_numpy()
    if is_category:
        return float(np.mean(test.to_numpy()[seen] == back.to_numpy()[seen]))
    true, found = (column.to_numpy(dtype=np.float64)[seen] for column in (test, back))
    variance = np.square(true - train.mean()).sum()
    return float(1 - np.square(true - found).sum() / variance)


if __name__ == "__main__":
    main()
