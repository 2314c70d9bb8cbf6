"""Six views of handwritten digits, one of them hidden: ``python -m benchmarks.modalities``.

The views of mfeat (Fourier coefficients, profile correlations, Karhunen-Loeve coefficients,
pixel means, Zernike moments, morphology), standardised on the training rows. Each view in turn
is hidden from test rows and filled from the others: by its mean, by PCA fitted to the observed
cells (EM-PCA: skae's own filling, without nets), by a dense fit that never saw a view missing,
and by ``Blocks`` with fusion of features and of codes. Figures are squared errors over those of
the view's mean. The last column is the share of variance explained where nothing is hidden.
"""

import argparse

import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks._cases import fit
from benchmarks._report import Table, numbers, print_head
from benchmarks.data import DataMissing, mfeat_views
from skae.architectures import Blocks


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
    for name, settings in ways(sizes).items():
        model, seconds = fit(X_train, k, seed, **settings)
        if "EM-PCA" not in found:
            found["EM-PCA"] = report(
                table, "EM-PCA", em_pca(model), X_test, sizes, pca_r2(X_train, X_test, k), 0
            )
        found[name] = report(
            table, name, model.impute, X_test, sizes, model.score(X_test), seconds
        )
    n = len(sizes)
    for name in list(found)[1:]:
        n_better = sum(found[name] < np.minimum(found["EM-PCA"], 1.0))
        verdict = "holds" if n_better == n else "DOES NOT HOLD"
        print(f"{name}: below the mean and EM-PCA in {n_better} of {n} views -> {verdict}")


def ways(sizes):
    """Return the settings of each fit."""
    shapes = {"pix": ("conv2d", (16, 15))}
    blocks = [shapes.get(name, ("dense", (n,))) for name, n in sizes.items()]
    return {
        "dense": {},
        "Blocks, features": {"architecture": Blocks(blocks)},
        "Blocks, codes": {"architecture": Blocks(blocks, fusion="codes")},
    }


def report(table, name, fill, X, sizes, r2, seconds):
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


def em_pca(model):
    """Return a function that fills rows as the fitted ``model`` does before its nets begin."""
    scaling, filler = model._scaling, model._model.filler
    return lambda X: scaling.backward(filler.fill(scaling.forward(X)))


def pca_r2(X_train, X_test, k):
    """Return the share of variance that PCA explains of complete test rows."""
    pca = PCA(k, svd_solver="full").fit(X_train)
    left = np.square(X_test - pca.inverse_transform(pca.transform(X_test))).sum()
    return 1 - left / np.square(X_test - pca.mean_).sum()


if __name__ == "__main__":
    main()
