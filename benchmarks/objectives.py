"""Measure what each objective is for: ``python -m benchmarks.objectives``.

Denoising, sparse codes, distributions of codes, losses for counts and for yes and no, and
rare classes, each beside PCA or beside the fit without it. Parameters not named in a line
are the defaults; nothing is tuned on test rows.
"""

import jax
import numpy as np
from sklearn.decomposition import PCA

from benchmarks._cases import fit
from benchmarks._harness import SPLIT, DataMissing, Run, holds
from benchmarks.data import Dataset, load, newsgroups, split

BEST_OF = (2, 4, 8, 12, 16, 20, 24, 32, 48, 64, 96)  # components that PCA may denoise with
N_CODES = 32  # of the denoising fits
NOISE = 0.25  # of the range: standard deviation
HIT = 0.2  # share of the cells
NEGLIGIBLE = 1.01  # growth of the error that setting small entries of codes to zero may cost
FAR_FEWER = 2 / 3  # of the entries
SPARSE = {"digits": (128, (30.0, 100.0)), "MNIST 5k": (256, (10.0, 30.0))}  # sizes, weights
SMALL = 1e-5  # least probability that PCA's clipped reconstruction is tried with
RARE, RARE_SHARE = (3, 8), 0.05  # digits that are made rare, and their share


def main(arguments=None):
    run = Run(
        *(__doc__, "Objectives of AutoencoderTransformer", arguments),
        head={"split": SPLIT},
        among={"parts": PARTS},
        parts=list(PARTS),
        seeds=[0],
    )
    for part in run.parts:
        print(PARTS[part].__doc__.splitlines()[0])
        for seed in run.seeds:
            try:
                for line in PARTS[part](seed):
                    print(f"  seed {seed}: {line}", flush=True)
            except DataMissing as reason:
                run.leave_out(part, reason)
        print()


def denoising(seed):
    """Denoising: PSNR of corrupted test rows once rebuilt; PCA with its best k."""
    for name in ("digits", "MNIST 5k"):
        X_train, X_test, *_ = split(load(name), seed)
        for kind, (corrupt, settings) in corruptions(X_train).items():
            noisy = corrupt(X_test, np.random.default_rng(seed))
            at_best, k = max((psnr(pca_rebuilt(X_train, noisy, k), X_test), k) for k in BEST_OF)
            model, seconds = fit(X_train, N_CODES, seed, **settings)
            ours = psnr(model.inverse_transform(model.transform(noisy)), X_test)
            yield (
                f"{name}, {kind}: {psnr(noisy, X_test):.2f} dB as it is, PCA({k}) "
                f"{at_best:.2f}, skae({N_CODES}) {ours:.2f}, {ours - at_best:+.2f} "
                f"(asked +1) -> {holds(ours - at_best >= 1)}; fit {seconds:.0f} s"
            )


def corruptions(X_train):
    """Return for each kind how test rows are corrupted, and the parameters that undo it."""
    lower, upper, mean = X_train.min(axis=0), X_train.max(axis=0), X_train.mean(axis=0)
    size = NOISE * np.ptp(X_train)
    unit = np.sqrt(np.square(X_train - mean).mean())  # of scaling="global"

    def white(key, row, level):
        return row + level * jax.random.normal(key, row.shape)

    def ends(X, rng):
        return np.where(rng.random(X.shape) < 0.5, lower, upper)

    def hit(X, rng, replaced):
        return np.where(rng.random(X.shape) < HIT, replaced, X)

    return {
        "Gaussian noise": (
            lambda X, rng: X + size * rng.normal(size=X.shape),
            {"corruption": white, "corruption_level": size / unit},
        ),
        "salt and pepper": (
            lambda X, rng: hit(X, rng, ends(X, rng)),
            {"corruption": "salt_and_pepper", "corruption_level": HIT},
        ),
        "masking": (
            lambda X, rng: hit(X, rng, mean),
            {"corruption": "masking", "corruption_level": HIT},
        ),
    }


def pca_rebuilt(X_train, X, k):
    k = min(k, *X_train.shape)
    pca = PCA(k, svd_solver="covariance_eigh").fit(X_train)
    return pca.inverse_transform(pca.transform(X))


def psnr(X, truth):
    """Return the peak signal-to-noise ratio in decibels; the peak is the range of the truth."""
    return 10 * np.log10(np.ptp(truth) ** 2 / np.square(X - truth).mean())


def sparse(seed):
    """Sparse codes: entries that a code needs, at equal error, with the penalty and without."""
    for name, (k, weights) in SPARSE.items():
        X_train, X_test, *_ = split(load(name), seed)
        settings = {"code_activation": "relu", "ordered": False}
        plain, _ = fit(X_train, k, seed, **settings)
        active = np.count_nonzero(plain.transform(X_test), axis=1).mean()
        yield f"{name}, relu({k}): R2 {plain.score(X_test):.4f}, {active:.1f} entries of {k}"
        for weight in weights:
            model, _ = fit(X_train, k, seed, sparsity=weight, **settings)
            most = NEGLIGIBLE * -model.score_samples(X_test).mean()
            few, many = (entries_needed(m, X_test, most) for m in (model, plain))
            yield (
                f"{name}, relu({k}), sparsity={weight:g}: R2 {model.score(X_test):.4f} with "
                f"{few:.1f} entries, without the penalty {many:.1f} (asked: at most two "
                f"thirds of them) -> {holds(few <= FAR_FEWER * many)}"
            )
        for n_nonzero in (8, 16):
            model, _ = fit(X_train, k, seed, n_nonzero_coefs=n_nonzero, ordered=False)
            counts = np.count_nonzero(model.transform(X_test), axis=1)
            exact = holds((counts == n_nonzero).all())
            yield (
                f"{name}, n_nonzero_coefs={n_nonzero} of {k}: R2 {model.score(X_test):.4f}, "
                f"from {counts.min()} to {counts.max()} entries -> {exact}"
            )


def entries_needed(model, X, most):
    """Return the mean number of entries of a code with which the error is at ``most`` so much.

    The smallest entries are set to zero, by the size that each has among all codes. NaN where
    the error is larger with all of them.
    """
    Z = model.transform(X)
    if np.square(X - model.inverse_transform(Z)).mean() > most:
        return np.nan
    size, needed = np.abs(Z), np.count_nonzero(Z, axis=1).mean()
    for share in np.linspace(0.01, 0.99, 99):
        pruned = np.where(size < np.quantile(size, share), 0.0, Z)
        if np.square(X - model.inverse_transform(pruned)).mean() > most:
            break
        needed = min(needed, np.count_nonzero(pruned, axis=1).mean())
    return needed


def variational(seed):
    """Variational codes: divergence of each from the prior, none collapsed at kl_weight=1."""
    for name in ("digits", "MNIST 5k"):
        X_train, X_test, *_ = split(load(name), seed)
        for weight in (1.0, 4.0):
            model, seconds = fit(X_train, 8, seed, kl_weight=weight)
            nats = divergence(model, X_test)
            verdict = f" (asked 6) -> {holds((nats > 0.1).sum() >= 6)}" if weight == 1 else ""
            yield (
                f"{name}, kl_weight={weight:g}: nats {np.round(nats, 2)}; above 0.1: "
                f"{(nats > 0.1).sum()} of 8{verdict}; R2 {model.score(X_test):.3f}, PCA "
                f"{pca_r2(X_train, X_test, 8):.3f}; fit {seconds:.0f} s"
            )


def divergence(model, X):
    """Return an estimate of the mean divergence (k,) of each code from the prior, in nats.

    At the optimum a code's variance v, given the sample, is what the decoder's slope and the
    noise leave of the prior's, which is about that of all codes together: of their means and v.
    """
    Z = model.transform(X)
    spread, left = Z.std(axis=0), np.empty(Z.shape[1])
    for i, step in enumerate(0.1 * spread):
        ends = (
            model.inverse_transform(Z + sign * step * np.eye(len(left))[i]) for sign in (1, -1)
        )
        slope = np.subtract(*ends) / (2 * step)
        known = np.square(slope).sum(axis=1).mean() / model.decoder_variance_
        left[i] = 1 / (known + 1 / (spread[i] ** 2 + 1 / known))
    return 0.5 * np.log((spread**2 + left) / left)


def pca_r2(X_train, X_test, k):
    error = np.square(X_test - pca_rebuilt(X_train, X_test, k)).sum()
    return 1 - error / np.square(X_test - X_train.mean(axis=0)).sum()


def counts(seed):
    """Poisson counts: share of the deviance explained, beside PCA on their square roots."""
    X, groups = newsgroups()
    X_train, X_test, *_ = split(Dataset("20 Newsgroups", X, groups), seed)
    null = poisson_loss(X_test, X_train.mean(axis=0))
    for k in (8, 32):
        roots = pca_rebuilt(np.sqrt(X_train), np.sqrt(X_test), k)
        # The square of an estimated root is too small on average: its mean is put right.
        squares = np.maximum(roots, 0.0) ** 2
        bias = (
            X_train.sum() / (np.maximum(pca_rebuilt(*[np.sqrt(X_train)] * 2, k), 0) ** 2).sum()
        )
        least = best_floor(X_train, X_test, bias * squares)
        model, seconds = fit(X_train, k, seed, loss="poisson")
        ours = model.score(X_test)
        yield (
            f"20 Newsgroups {X_train.shape}, k={k}: PCA {1 - least / null:.4f}, skae "
            f"{ours:.4f} (asked more) -> {holds(ours > 1 - least / null)}; fit {seconds:.0f} s"
        )


def best_floor(X_train, X_test, means):
    """Return the least loss of ``means`` over floors, shares of each column's mean.

    The floor is chosen on the test rows, in PCA's favour.
    """
    floors = (share * X_train.mean(axis=0) for share in (0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.8))
    return min(poisson_loss(X_test, np.maximum(means, floor)) for floor in floors)


def poisson_loss(X, means):
    logs = np.log(np.where(X > 0, X, 1.0) / np.maximum(means, 1e-12))
    return (X * logs - X + means).sum()


def yes_or_no(seed):
    """Yes or no: log loss per cell on binarised MNIST, beside PCA's clipped reconstruction."""
    dataset = load("MNIST 5k")
    X = (dataset.X > 127).astype(np.float64)
    X_train, X_test, *_ = split(Dataset("binarised", X, dataset.y), seed)
    for k in (8, 32):
        rebuilt = pca_rebuilt(X_train, X_test, k)
        floors = np.geomspace(SMALL, 0.1, 13)  # chosen on the test rows, in PCA's favour
        least = min(cross_entropy(X_test, np.clip(rebuilt, e, 1 - e)) for e in floors)
        model, seconds = fit(X_train, k, seed, loss="binary_cross_entropy")
        ours = cross_entropy(X_test, model.inverse_transform(model.transform(X_test)))
        yield (
            f"k={k}: PCA {least:.4f}, skae {ours:.4f} (asked less) -> {holds(ours < least)}; "
            f"fit {seconds:.0f} s"
        )


def cross_entropy(X, shares):
    """Return the mean log loss of cells that are 0 or 1."""
    return -np.log(np.clip(np.where(X > 0, shares, 1 - shares), 1e-7, None)).mean()


def rare_classes(seed):
    """Rare classes: mean squared error of two digits at 5 %, and of the others."""
    dataset = load("digits")
    X_train, X_test, train, test = split(dataset, seed)
    y_train, y_test = dataset.y[train], dataset.y[test]
    others = np.flatnonzero(~np.isin(y_train, RARE))
    n_rare = round(RARE_SHARE / (1 - RARE_SHARE) * len(others) / len(RARE))
    few = [np.flatnonzero(y_train == label)[:n_rare] for label in RARE]
    kept = np.concatenate([others, *few])
    is_rare, errors = np.isin(y_test, RARE), {}
    for weight in (None, "balanced"):
        model, _ = fit(X_train[kept], 8, seed, class_weight=weight, y=y_train[kept])
        found = -model.score_samples(X_test)
        errors[weight] = found[is_rare].mean()
        yield (
            f"class_weight={weight}: rare {found[is_rare].mean():.3f}, "
            f"others {found[~is_rare].mean():.3f}"
        )
    verdict = holds(errors["balanced"] < errors[None])
    yield f"rare ones {errors['balanced'] / errors[None] - 1:+.1%} (asked less) -> {verdict}"


PARTS = {
    "denoising": denoising,
    "sparse": sparse,
    "variational": variational,
    "counts": counts,
    "yes or no": yes_or_no,
    "rare classes": rare_classes,
}


if __name__ == "__main__":
    main()
