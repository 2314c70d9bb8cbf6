"""Images through short codes: ``python -m benchmarks.compression [--picture]``.

Codes are rounded to whole steps: the same step for all components, and for PCA's codes, in
whose units those of the estimator are. Bytes are the ideal length of the codes of all test
images, one after another, for an arithmetic coder that knows how each component, apart from
the others, was distributed in training. PSNR is that of all pixels of all test images.

PCA and JPEG are read off at as many bytes, between the points of their curves: PCA with as
many components, and with the number among ``ANY`` that is best there. JPEG is Pillow's, grey,
with its standard tables; only the scan is counted, since the headers are the same for all
images. Where its shortest images are longer than the codes, they stand instead, and say
something only if they are worse all the same.
"""

from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image
from scipy.special import ndtr
from sklearn.decomposition import PCA

from benchmarks._cases import fit
from benchmarks._harness import DOCS, SPLIT, Run, Table, crossed, holds
from benchmarks.data import load, split
from benchmarks.structured import SHAPES

PEAKS = {"MNIST 5k": 255.0, "faces": 255.0, "patches": 1.0}  # of pixels, by set
ARCHITECTURES = ("dense", "conv2d")
ADDED = (1 / 64, 1 / 16, 1 / 4, 1.0)  # of PCA's squared error, by rounding its codes to steps
CURVE = tuple(4.0**power for power in range(-4, 4))  # the same, for PCA's curves
ANY = (2, 4, 8, 16, 32, 64, 128)  # numbers of components of PCA's best curve
N_GRID = 1000  # places at which a density is known; between them it is constant
LEAST = 1e-9  # probability
QUALITIES = (1, 3, 5, 8, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 95)
DRAWN = "MNIST 5k", 8  # the set and the components in the picture


COLUMNS = {"set": "<9", "k": "3", "architecture": "12", "added": "9.0%", "bytes": "6.1f"}
COLUMNS |= {"skae": "7.2f", "unrounded": "9.2f", "PCA": "6.2f", "PCA, any k": "10.2f"}
COLUMNS |= {"JPEG (bytes)": "13", "fit s": "6.0f"}


def main(arguments=None):
    run = Run(
        *(__doc__, "PSNR (dB) of test images against bytes, codes of skae, PCA's and JPEG"),
        arguments,
        conditions={"split": SPLIT},
        head={
            "step": "the same for all components; adds the share of PCA's error that is named",
            "bytes": "mean over test images, without what is the same for all images",
        },
        among={"sets": PEAKS},
        sets=list(PEAKS),
        components=[8, 32],
        seed=0,
        picture=DOCS / "_static" / "images.png",
    )
    table, lines = Table(COLUMNS), []
    keys = crossed(set=run.sets, k=run.components, architecture=ARCHITECTURES, seed=[run.seed])
    for record in run.measured(keys, measure):
        for row in record["rows"]:
            jpeg = f"{row['JPEG']:.2f} ({row['JPEG bytes']:.0f})"
            table.record(record | row | {"JPEG (bytes)": jpeg})
        head = f"{record['set']} k={record['k']} {record['architecture']}"
        lines += verdicts(head, record["rows"])
    print("\n" + "\n".join(lines))
    if run.picture:
        draw(run.picture, run.seed)
        print(f"\nPicture: {run.picture}")


@lru_cache(maxsize=1)
def images_of(name, seed):
    return Images(name, seed)


@lru_cache(maxsize=8)
def fit_images(name, seed, k, architecture):
    images = images_of(name, seed)
    settings = {"architecture": architecture, "sample_shape": SHAPES[name]}
    return fit(images.train, k, seed, groups=images.groups, **settings)


class Images:
    """A set of images, split, with the curves (bytes, dB) of PCA and of JPEG on test images."""

    def __init__(self, name, seed):
        dataset = load(name)
        self.name, self.seed, self.peak = name, seed, PEAKS[name]
        self.train, self.test, train, test = split(dataset, seed)
        self.groups = None if dataset.groups is None else dataset.groups[train]
        self.labels = None if dataset.y is None else dataset.y[test]
        self.pca = PCA(max(ANY), svd_solver="full").fit(self.train)
        self.jpeg = jpeg_curve(self)
        densities = [Density(z) for z in self.pca.transform(self.train).T]
        self.curves = {k: self._curve(k, densities[:k]) for k in ANY}

    def by_pca(self, Z):
        return self.pca.mean_ + Z @ self.pca.components_[: Z.shape[1]]

    def _curve(self, k, densities):
        """Return the points (n, 2) of PCA with ``k`` components, shortest first."""
        Z = self.pca.transform(self.test)[:, :k]
        steps = [self.step(k, added) for added in CURVE[::-1]]
        return np.array([measure_step(self, Z, densities, step, self.by_pca) for step in steps])

    def step(self, k, added):
        """Return the step that adds a share of PCA's error to it, on training rows."""
        left = np.square(self.train - self.by_pca(self.pca.transform(self.train)[:, :k]))
        return float(np.sqrt(12 * added * left.sum(axis=1).mean() / k))


def measure(set, k, architecture, seed):
    """Return for each step the share added, bytes, and the PSNR of all methods."""
    images = images_of(set, seed)
    model, seconds = fit_images(set, seed, k, architecture)
    densities = [Density(z) for z in model.transform(images.train).T]
    Z = model.transform(images.test)
    unrounded, rows = psnr(images, model.inverse_transform(Z)), []
    for added in ADDED:
        step = images.step(k, added)
        n_bytes, found = measure_step(images, Z, densities, step, model.inverse_transform)
        row = {"added": added, "bytes": n_bytes, "skae": found, "unrounded": unrounded}
        row["PCA"] = at(images.curves[k], n_bytes)
        reaching = [curve for curve in images.curves.values() if curve[0, 0] <= n_bytes]
        row["PCA, any k"] = max(at(curve, n_bytes) for curve in reaching)
        row["JPEG"] = at(images.jpeg, n_bytes)
        row["JPEG bytes"] = float(max(n_bytes, images.jpeg[0, 0]))
        rows.append(row)
    return {"rows": rows, "fit s": seconds}


def at(curve, n_bytes):
    """Return the PSNR at so many bytes, between the points of a curve, or at its ends."""
    return float(np.interp(n_bytes, *curve.T))


def measure_step(images, Z, densities, step, decode):
    """Return the mean bytes of the rounded codes ``Z`` (n, k), and the PSNR of ``decode``'s."""
    symbols, bits = np.empty(Z.shape), np.zeros(len(Z))
    for i, (z, density) in enumerate(zip(Z.T, densities, strict=True)):
        symbols[:, i], needed = density.coded(z, step)
        bits += needed
    return float(bits.mean() / 8), psnr(images, decode(symbols * step))


class Density:
    """The density of one component in training: normal kernels of Silverman's width."""

    def __init__(self, z):
        z = z.astype(np.float64)
        width = max(1.06 * z.std() * len(z) ** -0.2, 1e-12)
        self.lower, self.upper = z.min(), z.max()
        self.grid = np.linspace(self.lower - 4 * width, self.upper + 4 * width, N_GRID)
        self.below = np.array([ndtr((place - z) / width).mean() for place in self.grid])

    def coded(self, z, step):
        """Return ``z`` (n,) in whole steps, within training's range, and the bits they need."""
        low, high = np.rint(np.array([self.lower, self.upper]) / step)
        symbols = np.clip(np.rint(z / step), low, high)
        after = np.where(symbols == high, 1.0, self._below((symbols + 0.5) * step))
        before = np.where(symbols == low, 0.0, self._below((symbols - 0.5) * step))
        return symbols, -np.log2(np.maximum(after - before, LEAST))

    def _below(self, z):
        return np.interp(z, self.grid, self.below)


def psnr(images, rebuilt):
    """Return the peak signal-to-noise ratio of the test images in dB, over all pixels."""
    error = np.square(images.test - np.clip(rebuilt, 0.0, images.peak)).mean()
    return float(10 * np.log10(images.peak**2 / error))


def jpeg_curve(images):
    """Return the points (n, 2) of JPEG: mean bytes of its scans, and PSNR, shortest first."""
    scale = 255 / images.peak
    pixels = np.clip(np.rint(images.test * scale), 0, 255).astype(np.uint8)
    pixels = pixels.reshape(-1, *SHAPES[images.name])
    points = []
    for quality in QUALITIES:
        files = [BytesIO() for _ in pixels]
        for image, file in zip(pixels, files, strict=True):
            Image.fromarray(image).save(file, "JPEG", quality=quality)
        back = np.stack([np.asarray(Image.open(file)).ravel() for file in files])
        n_bytes = np.mean([scan_bytes(file.getvalue()) for file in files])
        points.append((n_bytes, psnr(images, back / scale)))
    return np.array(sorted(points))


def scan_bytes(file):
    """Return the bytes of a JPEG file between the header of its scan and the end marker."""
    start = file.index(b"\xff\xda")
    header = int.from_bytes(file[start + 2 : start + 4], "big")
    return len(file) - (start + 2 + header) - 2


def compares(row, other):
    """Return whether the other has images as short, or worse ones that are longer."""
    return other != "JPEG" or row["JPEG bytes"] == row["bytes"] or row["skae"] > row["JPEG"]


def verdicts(head, rows):
    lines = []
    for other in ("PCA", "PCA, any k", "JPEG"):
        gains = [row["skae"] - row[other] for row in rows if compares(row, other)]
        if not gains:
            lines.append(f"{head}: {other} has no images as short, and its shortest are better")
            continue
        verdict = holds(min(gains) > 0)
        if len(gains) < len(rows):
            n_left = len(rows) - len(gains)
            verdict += (
                f" ({n_left} left out: shorter than any JPEG, and worse than its shortest)"
            )
        lines.append(
            f"{head}: above {other} at as many bytes, by {min(gains):+.2f} to "
            f"{max(gains):+.2f} dB, at {sum(gain > 0 for gain in gains)} of {len(gains)} steps "
            f"-> {verdict}"
        )
    return lines


def draw(file, seed):
    """Draw the first test image of each label, itself and rebuilt, and new images."""
    from benchmarks._pictures import ACCENT, INK, MUTED, draw_images  # matplotlib

    name, k = DRAWN
    images = images_of(name, seed)
    X = images.test[[np.flatnonzero(images.labels == label)[0] for label in range(10)]]
    total = np.square(images.test - images.train.mean(axis=0)).sum()
    models = {a: fit_images(name, seed, k, a)[0] for a in ARCHITECTURES}
    ways = {"PCA": (lambda X: images.by_pca(images.pca.transform(X)[:, :k]), MUTED)}
    for architecture, model in models.items():
        through = lambda X, m=model: m.inverse_transform(m.transform(X))  # noqa: E731
        ways[architecture] = through, ACCENT
    strips = [("held-out", "784 pixels", INK, X)]
    for way, (rebuild, color) in ways.items():
        r2 = 1 - np.square(images.test - rebuild(images.test)).sum() / total
        strips.append((way, f"{r2:.0%} of variance", color, rebuild(X)))
    strips = [(*rest, Y.reshape(-1, *SHAPES[name])) for *rest, Y in strips]
    draw_images(file, strips, models["conv2d"].sample(40, random_state=seed))


if __name__ == "__main__":
    main()
