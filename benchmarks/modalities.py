"""Six views of handwritten digits, one of them hidden: ``python -m benchmarks.modalities``.

The views of mfeat (Fourier coefficients, profile correlations, Karhunen-Loeve coefficients,
pixel means, Zernike moments, morphology), standardised on the training rows. Each view in turn
is hidden from test rows and filled from the others: by its mean, by EM-PCA (what probabilistic
PCA expects, given the other views) of as many components and of 128, by a dense fit that never
saw a view missing, and by ``Blocks`` with fusion of features and of codes. Figures are squared
errors over those of the view's mean; then the share of variance explained where nothing is
hidden.
"""

import argparse
from functools import partial

import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks._cases import fit
from benchmarks._report import Table, numbers, print_head
from benchmarks.data import DataMissing, mfeat_views
from skae.architectures import Blocks

MANY = 128  # components of the other EM-PCA


def main(arguments=None):
    """Run the benchmark that the command line asks for."""
    parser = argparse.ArgumentParser("benchmarks.modalities", description=__doc__)
    add = parser.add_argument
    add("--components", type=numbers, default=[32])
    add("--seeds", type=numbers, default=[0], help="such as 0,1,2")
    options = parser.parse_args(arguments)
    print_head(
        "Views filled from the other views: error over that of the mean",
        split="70 % of the rows to train, 30 % to test",
        seeds=options.seeds,
    )
    try:
        views = mfeat_views()
    except DataMissing as reason:
        print(f"left out, {reason}")
        return
    for k in options.components:
        for seed in options.seeds:
            compare(views, k, seed)


def compare(views, k, seed):
    """Print a line for each way to fill, and the verdicts."""
    print(f"\nk = {k}, seed {seed}")
    sizes = {name: view.shape[1] for name, view in views.items()}
    train, test = train_test_split(
        np.hstack(list(views.values())), test_size=0.3, random_state=seed
    )
    scaler = StandardScaler().fit(train)
    X_train, X_test = scaler.transform(train), scaler.transform(test)
    table = Table({"filled by": 16} | {name: 7 for name in sizes} | {"R2": 7, "fit s": 7})
    found = {}
    for n_axes in (k, MANY):
        pca = PCA(n_axes, svd_solver="full").fit(X_train)
        left = np.square(X_test - pca.inverse_transform(pca.transform(X_test))).sum()
        r2 = 1 - left / np.square(X_test - pca.mean_).sum()
        name = f"EM-PCA ({n_axes})"
        found[name] = report(table, name, partial(em_pca, pca), X_test, sizes, r2)
    for name, settings in ways(sizes).items():
        model, seconds = fit(X_train, k, seed, **settings)
        r2 = model.score(X_test)
        found[name] = report(table, name, model.impute, X_test, sizes, r2, seconds)
    equal, many, *_ = found
    for name in list(found)[2:]:
        n_better = [sum(found[name] < np.minimum(found[pca], 1.0)) for pca in (equal, many)]
        verdict = "holds" if n_better[0] == len(sizes) else "DOES NOT HOLD"
        print(
            f"{name}: below the mean and {equal} in {n_better[0]} of {len(sizes)} views -> "
            f"{verdict}; {many} in {n_better[1]}"
        )


def ways(sizes):
    """Return the settings of each fit."""
    shapes = {"pix": ("conv2d", (16, 15))}
    blocks = [shapes.get(name, ("dense", (n,))) for name, n in sizes.items()]
    return {
        "dense": {},
        "Blocks, features": {"architecture": Blocks(blocks)},
        "Blocks, codes": {"architecture": Blocks(blocks, fusion="codes")},
    }


def report(table, name, fill, X, sizes, r2, seconds=0.0):
    """Print a line and return its errors (n_views,) over those of the mean, which is 0."""
    ratios, start = [], 0
    for n in sizes.values():
        view = slice(start, start + n)
        hidden = X.copy()
        hidden[:, view] = np.nan
        error = np.square(fill(hidden)[:, view] - X[:, view]).sum()
        ratios.append(error / np.square(X[:, view]).sum())
        start += n
    table.row(name, *(f"{r:.3f}" for r in ratios), f"{r2:.3f}", f"{seconds:.0f}")
    return np.array(ratios)


def em_pca(pca, X):
    """Return ``X`` with its missing columns, the same in all rows, as PCA expects them."""
    hidden, covariance = np.isnan(X[0]), pca.get_covariance()
    cross = covariance[np.ix_(~hidden, hidden)]
    weights = np.linalg.solve(covariance[np.ix_(~hidden, ~hidden)], cross)
    out = X.copy()
    out[:, hidden] = pca.mean_[hidden] + (X - pca.mean_)[:, ~hidden] @ weights
    return out


if __name__ == "__main__":
    main()
