"""The pictures: PCA and skae compared, new samples, images in eight numbers."""

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.decomposition import PCA

from benchmarks._cases import CASES, fit_case, pca_explained, samples
from benchmarks.data import load, split

SEED = 0
SHOWN = 8  # components in the strip of digits
MOST = 32  # components on the axis
CAPTIONS = {
    "digits": "Digits, 64 pixels",
    "cells": "Cells, 56 measurements",
    "breast cancer": "Breast cancer, 30 measurements",
}
INK, MUTED, LINE, RULE = "#1b2430", "#6b7685", "#98a2af", "#e9ecf0"
ACCENT, FILL = "#0d7d72", "#dcf1ec"


@dataclass(frozen=True)
class Panel:
    """Held-out R2 of one set: PCA's with m = 1.. components, and each fit's prefixes by k."""

    name: str
    pca: np.ndarray
    fits: dict

    @property
    def best(self):
        """The greatest R2 with at most m components, over the fits and PCA: (n,)."""
        best = self.pca.copy()
        for curve in self.fits.values():
            best[: len(curve)] = np.maximum(best[: len(curve)], curve)
        return np.maximum.accumulate(best)


@contextmanager
def canvas(file, height):
    """Give a figure 1400 pixels wide, and write it to ``file`` in the end."""
    with matplotlib.rc_context({"font.family": "DejaVu Sans", "font.size": 8.5}):
        figure = Figure(figsize=(7.0, height), dpi=200, facecolor="white")
        FigureCanvasAgg(figure)
        yield figure
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file)


def draw_pca(file, records):
    """Draw the R2 of two sets, whose ``records`` ``benchmarks.pca`` makes, and digits."""
    panels = []
    for name in dict.fromkeys(record["set"] for record in records):
        X_train, X_test = samples(CASES[name], SEED)
        pca = pca_explained(PCA(svd_solver="full").fit(X_train), X_test)[:MOST]
        fits = {r["k"]: np.array(r["skae_r2"]) for r in records if r["set"] == name}
        panels.append(Panel(name, pca, fits))
    images = measure_strip()
    with canvas(file, 5.5) as figure:
        _titles(figure)
        for panel, left in zip(panels, (0.075, 0.575), strict=True):
            _curves(figure.add_axes((left, 0.468, 0.395, 0.32)), panel)
        _strip(figure, images, panels[0])


def measure_strip():
    """Return the first test image of each digit (3, 10, 64): itself, by PCA, by skae."""
    dataset = load("digits")
    X_train, X_test, _, test = split(dataset, SEED)
    labels = dataset.y[test]
    X = X_test[[np.flatnonzero(labels == digit)[0] for digit in range(10)]]
    models = PCA(SHOWN, svd_solver="full").fit(X_train), fit_case("digits", SHOWN, SEED)[0]
    return np.stack([X, *(m.inverse_transform(m.transform(X)) for m in models)])


def _titles(figure):
    title = "Same number of components, more of the data"
    note = (
        "Variance explained on held-out samples. A dot is one fit of skae; the line to it,\n"
        "the first components of that same fit."
    )
    figure.text(0.03, 0.94, title, size=13.5, weight="bold", color=INK)
    figure.text(0.03, 0.923, note, size=8.3, color=MUTED, va="top", linespacing=1.45)


def _curves(axes, panel):
    m = np.arange(1, len(panel.pca) + 1)
    reached = m <= max(panel.fits)
    axes.fill_between(m[reached], panel.pca[reached], panel.best[reached], color=FILL, lw=0)
    axes.plot(m, panel.pca, color=LINE, linewidth=2.0)
    for k, curve in panel.fits.items():
        axes.plot(m[:k], curve, color=ACCENT, linewidth=1.3, alpha=0.75)
        axes.plot(k, curve[-1], "o", color=ACCENT, markersize=6.5, markeredgecolor="white")
    _frame(axes, m, panel)
    _label_curves(axes, panel)
    _say_equivalent(axes, panel)


def _frame(axes, m, panel):
    axes.set_xscale("log", base=2)
    ticks = [t for t in (1, 2, 4, 8, 16, 32) if t <= len(m)]
    axes.set_xticks(ticks, [str(t) for t in ticks])
    axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"])
    axes.set_xlim(1, len(m) * 1.06)
    axes.set_ylim(0, 1.03)
    axes.grid(axis="y", color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=MUTED, pad=4)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(LINE)
    axes.set_xlabel("components", color=MUTED, labelpad=2)
    axes.set_title(CAPTIONS[panel.name], loc="left", size=9.5, weight="bold", color=INK, pad=7)


def _label_curves(axes, panel):
    """Name the curves beside them: the estimator at its first dot, PCA to its lower right."""
    k = min(panel.fits)
    style = {"textcoords": "offset points", "weight": "bold", "size": 10}
    axes.annotate("skae", (k, panel.fits[k][-1]), (-4, 7), ha="right", color=ACCENT, **style)
    axes.annotate("PCA", (k + 1, panel.pca[k]), (4, -12), color=MUTED, **style)


def _say_equivalent(axes, panel):
    """Mark how many PCA components explain as much as 8 of the estimator's."""
    share = panel.fits[SHOWN][-1]
    reaches = np.flatnonzero(panel.pca >= share)
    if not len(reaches):
        return
    needed = int(reaches[0]) + 1
    axes.plot([SHOWN, needed], [share, share], color=INK, lw=0.9, ls=(0, (2, 2)), zorder=1)
    axes.plot(needed, share, "o", color="white", markeredgecolor=MUTED, markersize=5.5)
    axes.annotate(
        f"{SHOWN} components of skae\nexplain as much\nas {needed} of PCA",
        (needed, share),
        xytext=(np.clip(needed, 14, 18), share - 0.31),
        arrowprops={"arrowstyle": "-", "color": LINE, "lw": 0.8, "shrinkB": 4},
        ha="center",
        va="top",
        color=INK,
        size=8,
        linespacing=1.35,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
    )


def _strip(figure, images, panel):
    r2 = panel.pca[SHOWN - 1], panel.fits[SHOWN][-1]
    labels = (
        ("held-out digits", "64 pixels", INK),
        (f"PCA, {SHOWN} numbers", f"{r2[0]:.0%} of the variance", MUTED),
        (f"skae, {SHOWN} numbers", f"{r2[1]:.0%} of the variance", ACCENT),
    )
    left, width, top, height = 0.235, 0.745, 0.36, 0.115
    for row, (name, note, color) in enumerate(labels):
        bottom = top - (row + 1) * height
        middle = bottom + height / 2
        figure.text(0.03, middle + 0.004, name, color=color, weight="bold", size=9)
        figure.text(0.03, middle - 0.008, note, color=color, va="top", size=8)
        for column, image in enumerate(images[row]):
            box = (left + column * width / 10, bottom, width / 10, height * 0.9)
            _show(figure, box, image.reshape(8, 8), 16)


def draw_samples(file, sheets):
    """Draw sheets {set: samples (40, n_pixels)} of new images side by side."""
    with canvas(file, 2.95) as figure:
        figure.text(0.03, 0.92, "New rows", size=13.5, weight="bold", color=INK)
        note = "Drawn by sample() from fits of 8 components: eight numbers make each image."
        figure.text(0.2, 0.925, note, size=8.3, color=MUTED)
        for i, (name, X) in enumerate(sheets.items()):
            axes = _show(figure, (0.03 + 0.485 * i, 0.03, 0.455, 0.76), tiled(X), X.max())
            title = {"digits": "Digits, 64 pixels", "MNIST 5k": "MNIST, 784 pixels"}[name]
            axes.set_title(title, loc="left", size=9.5, weight="bold", color=INK)


def draw_images(file, strips, new):
    """Draw ``strips``, (name, note, color, images (10, 28, 28)), and ``new`` images (40, n)."""
    with canvas(file, 2.0) as figure:
        title = "Images in eight numbers"
        figure.text(0.03, 0.865, title, size=13.5, weight="bold", color=INK)
        for left, note in ((0.425, "MNIST, 784 pixels"), (0.655, "new ones: sample(), conv2d")):
            figure.text(left, 0.87, note, size=8.3, color=MUTED)
        for i, (name, note, color, images) in enumerate(strips):
            bottom = 0.595 - 0.19 * i
            figure.text(0.03, bottom + 0.1, name, color=color, weight="bold", size=9)
            figure.text(0.03, bottom + 0.085, note, color=color, va="top", size=8)
            _show(figure, (0.17, bottom, 0.465, 0.18), np.hstack(images), 255)
        _show(figure, (0.65, 0.03, 0.335, 0.75), tiled(new), new.max())


def _show(figure, box, image, most):
    axes = figure.add_axes(box)
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=most)
    axes.set_axis_off()
    return axes


def tiled(X, n_columns=8, gap=1):
    """Return one image of all square images ``X`` (n, side * side), ``n_columns`` in a row."""
    side = int(np.sqrt(X.shape[1]))
    images = X.reshape(-1, n_columns, side, side)
    images = np.pad(images, ((0, 0), (0, 0), (gap, gap), (gap, gap)))
    return images.swapaxes(1, 2).reshape(-1, n_columns * (side + 2 * gap))
