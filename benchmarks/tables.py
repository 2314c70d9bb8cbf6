"""A mixed table through a short code and back: ``python -m benchmarks.tables``.

Flights out of New York in 2013: 50,000 of them, 70 % to train. For each column the share of
variance explained, or the share of the cells whose likeliest category is the right one, over
the observed cells of test rows. PCA acts on the same one-hot columns, numbers standardised and
categories scaled in three ways: not at all ("0/1"), to a variance of 1 for all columns of one
("table"), or for each column ("cells"). Its missing cells hold the column's mean, and the
largest of a category's columns is taken.
"""

import argparse
import time

import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from benchmarks._report import Table, numbers, print_head
from benchmarks.data import DataMissing, flights
from skae import AutoencoderTransformer, TableAutoencoder, TableEncoder


def main(arguments=None):
    """Run the benchmark that the command line asks for."""
    parser = argparse.ArgumentParser("benchmarks.tables", description=__doc__)
    add = parser.add_argument
    add("--rows", type=int, default=50_000)
    add("--components", type=numbers, default=[8])
    add("--seeds", type=numbers, default=[0], help="such as 0,1,2")
    options = parser.parse_args(arguments)
    print_head(
        "Columns of flights that come back",
        rows=options.rows,
        split="70 % of the rows to train, 30 % to test",
        seeds=options.seeds,
    )
    try:
        table = flights(options.rows)
    except DataMissing as reason:
        print(f"left out, {reason}")
        return
    for seed in options.seeds:
        train, test = train_test_split(table, test_size=0.3, random_state=seed)
        for k in options.components:
            compare(train, test, k, seed)


def compare(train, test, k, seed):
    """Print for each column what comes back by PCA in both scalings and by skae."""
    print(f"\nk = {k}, seed {seed}: {len(train)} training rows")
    encoder = TableEncoder(handle_unknown="ignore").fit(train)
    rebuilt = {f"PCA {name}": by_pca(encoder, train, test, k, name) for name in SCALES}
    start = time.perf_counter()
    ae = AutoencoderTransformer(k)
    model = TableAutoencoder(ae, handle_unknown="ignore", random_state=seed).fit(train)
    seconds = time.perf_counter() - start
    rebuilt["skae"] = model.inverse_transform(model.transform(test))
    lines = Table({"column": 16, "sort": 10} | {name: 10 for name in rebuilt})
    n_better = np.zeros(len(SCALES), int)
    for name in train:
        is_category = name in encoder.categories_
        found = [
            quality(train[name], test[name], back[name], is_category)
            for back in rebuilt.values()
        ]
        n_better += [found[-1] >= other for other in found[:-1]]
        sort = "categories" if is_category else "numbers"
        lines.row(name, sort, *(f"{value:.4f}" for value in found))
    epochs = f"{model.autoencoder_.best_iter_}/{model.autoencoder_.n_iter_} epochs"
    print(f"fit {seconds:.0f} s, {epochs}")
    for name, n in zip(SCALES, n_better, strict=True):
        verdict = "holds" if n == train.shape[1] else "DOES NOT HOLD"
        print(f"at least PCA {name} in {n} of {train.shape[1]} columns -> {verdict}")
    same = test.dtypes.equals(rebuilt["skae"].dtypes)
    back = encoder.inverse_transform(encoder.transform(train))
    is_exact = train.reset_index(drop=True).equals(back)
    print(f"dtypes come back: {same}; training rows by the encoder, exactly: {is_exact}")


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
    """Return R2 or accuracy over the observed cells of a ``test`` column."""
    seen = test.notna().to_numpy()
    if is_category:
        return float(np.mean(test.to_numpy()[seen] == back.to_numpy()[seen]))
    true, found = (column.to_numpy(dtype=np.float64)[seen] for column in (test, back))
    variance = np.square(true - train.mean()).sum()
    return float(1 - np.square(true - found).sum() / variance)


if __name__ == "__main__":
    main()
