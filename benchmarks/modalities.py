"""Six views of handwritten digits, one of them hidden: ``python -m benchmarks.modalities``.

The views of mfeat (Fourier coefficients, profile correlations, Karhunen-Loeve coefficients,
pixel means, Zernike moments, morphology), standardised on the training samples. Each view in
turn is hidden from test samples and filled from the others: by its mean, by EM-PCA (what
probabilistic PCA expects, given the other views) of as many components and of 128, by a dense
fit that never saw a view missing, and by ``Blocks`` with fusion of features and of codes.
Figures are squared errors over those of the view's mean; then the share of variance explained
if nothing is hidden.
"""

from functools import partial

import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks._cases import fit
from benchmarks._harness import Run, Table, crossed, grouped, holds
from benchmarks.data import mfeat_views
from skae.architectures import Blocks

MANY = 128  # components of the other EM-PCA
VIEWS = {"fac": 216, "fou": 76, "kar": 64, "mor": 6, "pix": 240, "zer": 47}  # features
BLOCKS = [
    ("conv2d", (16, 15)) if name == "pix" else ("dense", (n,)) for name, n in VIEWS.items()
]
WAYS = {
    "EM-PCA": None,
    f"EM-PCA ({MANY})": None,
    "dense": {},
    "Blocks, features": {"architecture": Blocks(BLOCKS)},
    "Blocks, codes": {"architecture": Blocks(BLOCKS, fusion="codes")},
}


def main(arguments=None):
    run = Run(
        *(__doc__, "Views filled from the other views: error over that of the mean", arguments),
        conditions={"split": "70 % of the samples to train, 30 % to test"},
        components=[32],
        seeds=[0],
    )
    columns = {"k": "<3", "seed": "4", "way": "16"} | dict.fromkeys(VIEWS, "7.3f")
    table, done = Table(columns | {"R2": "7.3f", "fit s": "7.0f"}), []
    for record in run.measured(crossed(k=run.components, seed=run.seeds, way=WAYS), measure):
        table.record(record)
        done.append(record)
    for (k, seed), some in grouped(done, "k", "seed").items():
        equal, many, *others = some
        for record in others:
            n = [sum(record[v] < min(pca[v], 1.0) for v in VIEWS) for pca in (equal, many)]
            print(
                f"k={k}, seed {seed}, {record['way']}: below the mean and EM-PCA in {n[0]} of "
                f"{len(VIEWS)} views -> {holds(n[0] == len(VIEWS))}; EM-PCA ({MANY}) in {n[1]}"
            )


def measure(k, seed, way):
    X = np.hstack([view for _, view in sorted(mfeat_views().items())])
    X_train, X_test = train_test_split(X, test_size=0.3, random_state=seed)
    scaler = StandardScaler().fit(X_train)
    X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
    if WAYS[way] is None:
        pca, seconds = PCA(MANY if "(" in way else k, svd_solver="full").fit(X_train), 0.0
        left = np.square(X_test - pca.inverse_transform(pca.transform(X_test))).sum()
        r2, fill = 1 - left / np.square(X_test - pca.mean_).sum(), partial(em_pca, pca)
    else:
        model, seconds = fit(X_train, k, seed, **WAYS[way])
        r2, fill = model.score(X_test), model.impute
    record, start = {"R2": r2, "fit s": seconds}, 0
    for name, n in VIEWS.items():
        view = slice(start, start + n)
        hidden = X_test.copy()
        hidden[:, view] = np.nan
        error = np.square(fill(hidden)[:, view] - X_test[:, view]).sum()
        record[name] = error / np.square(X_test[:, view]).sum()
        start += n
    return record


def em_pca(pca, X):
    """Return ``X`` with its missing features, the same in all samples, as PCA expects them."""
    hidden, covariance = np.isnan(X[0]), pca.get_covariance()
    cross = covariance[np.ix_(~hidden, hidden)]
    weights = np.linalg.solve(covariance[np.ix_(~hidden, ~hidden)], cross)
    out = X.copy()
    out[:, hidden] = pca.mean_[hidden] + (X - pca.mean_)[:, ~hidden] @ weights
    return out


if __name__ == "__main__":
    main()
