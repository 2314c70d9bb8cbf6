"""Draw the figures of "How it works" from fits on bundled data: python docs/figures.py.

It prints what it draws, and takes about a minute on one core.
"""

import contextlib
import io
import re
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer

STATIC = Path(__file__).parent / "_static"
STYLE = {"font.size": 9, "svg.fonttype": "path", "svg.hashsalt": "skae", "path.simplify": True}
INK, MUTED, LINE, RULE = "#1b2430", "#5c6675", "#98a2af", "#e3e7ec"
ACCENT, FILL, WARM, BOX = "#0d7d72", "#dcf1ec", "#b4541a", "#f1f3f6"
WIDTH = 5.0  # inches: readable on a telephone, too


def main():
    """Draw all three figures."""
    with matplotlib.rc_context(STYLE):
        draw_model()
        draw_selection()
        draw_order()


def draw_model():
    """Draw the model: PCA along the top, what the nets add below."""
    height, top, middle, low = 2.6, 2.0, 1.3, 0.6
    figure = Figure(figsize=(WIDTH, height), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, height))
    axes.set_axis_off()
    for x, above, below in (
        (1.2, "projection on\nk axes", "net f of all axes,\ntimes a · s"),
        (3.24, "back along\nthe k axes", "net g of z / s and\nmask, times a · r"),
    ):
        for y, text, colors in ((top, above, (BOX, INK)), (low, below, (FILL, ACCENT))):
            _arrow(axes, (x - 0.8, middle), (x - 0.58, y))
            _arrow(axes, (x + 0.58, y), (x + 0.81, middle + 0.12 * np.sign(y - middle)))
            _box(axes, (x, y), text, *colors)
        axes.add_patch(Circle((x + 0.87, middle), 0.1, facecolor="white", edgecolor=INK))
        _text(axes, x + 0.87, middle - 0.01, "+")
    for x, name, note in (
        (0.24, "x", "sample"),
        (2.3, "z", "code"),
        (4.5, "x̂", "reconstruction"),
    ):
        _text(axes, x, middle, name, size=15, style="italic")
        _text(axes, x, middle - 0.28, note, color=MUTED, size=8)
    _text(axes, 2.22, height - 0.14, "PCA of the training samples", weight="bold")
    _text(axes, 2.22, 0.14, "two nets, which begin at zero", color=ACCENT, weight="bold")
    _save(figure, "model.svg")


def _box(axes, center, text, color, edge):
    x, y = center
    corner, size = (x - 0.55, y - 0.22), (1.1, 0.44)
    style = "round,pad=0.02,rounding_size=0.06"
    axes.add_patch(FancyBboxPatch(corner, *size, style, facecolor=color, edgecolor=edge))
    _text(axes, x, y, text, size=8, linespacing=1.3)


def _text(axes, x, y, text, color=INK, **style):
    axes.text(x, y, text, ha="center", va="center", color=color, **style)


def _arrow(axes, start, end):
    style = {
        "arrowstyle": "-|>",
        "mutation_scale": 8,
        "color": LINE,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    axes.add_patch(FancyArrowPatch(start, end, **style))


def draw_selection():
    """Draw held-out errors over the training, once if a net is kept and once if PCA is."""
    wine = StandardScaler().fit_transform(load_wine().data)
    cases = (
        ("Wine, standardised: a net is kept", wine),
        ("Iris: PCA is kept, since the gain is not clear", load_iris().data),
    )
    figure = Figure(figsize=(WIDTH, 5.2), facecolor="white", layout="constrained")
    for axes, (title, X) in zip(figure.subplots(2, 1), cases, strict=True):
        ae, folds = fit_and_listen(X, n_components=2)
        kept = f"{len(folds)} folds, {ae.selected_model_} of epoch {ae.best_iter_}"
        print(f"{title}: {kept}, error_ratio_ {ae.error_ratio_:.3f}")
        for i, (epochs, ratios) in enumerate(folds):
            axes.plot(epochs, ratios, color=LINE, lw=1, label="each fold" if i == 0 else None)
        epochs, curve = ae.validation_epochs_, ae.validation_curve_
        axes.plot(epochs, curve, color=ACCENT, lw=2, label="all folds together")
        axes.axhline(1, color=INK, lw=1, ls=(0, (4, 3)), label="PCA")
        at = int(np.abs(epochs - ae.best_iter_).argmin())
        axes.plot(epochs[at], curve[at], "o", color=WARM, ms=7, label="kept", zorder=3)
        axes.set_title(title, loc="left", size=10, weight="bold", color=INK)
        axes.set_ylabel("held-out error / PCA's", color=MUTED)
        _frame(axes)
    axes.set_xlabel("epochs", color=MUTED)
    figure.axes[0].legend(loc=(0.62, 0.52), frameon=False, labelcolor=INK, fontsize=8.5)
    _save(figure, "selection.svg")


def fit_and_listen(X, n_components):
    """Return a fit and its folds' (epochs, held-out criterion), from what it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        ae = AutoencoderTransformer(n_components, random_state=0, verbose=1).fit(X)
    found = re.findall(r"fold (\d+), epoch (\S+) of .*criterion (\S+)", said.getvalue())
    lines = np.array(found, float)
    folds = [lines[lines[:, 0] == fold, 1:] for fold in np.unique(lines[:, 0])]
    return ae, [np.vstack([[0, 1], fold]).T for fold in folds]


def draw_order(n_components=8):
    """Draw the test error of the first components: PCA's, and with and without order."""
    X = load_digits().data
    X_train, X_test = train_test_split(X, test_size=0.3, random_state=0)
    names = "PCA", "ordered=False", "ordered=True (default)"
    models = (
        PCA(n_components).fit(X_train),
        *(
            AutoencoderTransformer(n_components, ordered=ordered, random_state=0).fit(X_train)
            for ordered in (False, True)
        ),
    )
    figure = Figure(figsize=(WIDTH, 3.3), facecolor="white", layout="constrained")
    axes, lengths = figure.subplots(), np.arange(1, n_components + 1)
    for name, model, color, mark in zip(names, models, (INK, WARM, ACCENT), "s^o", strict=True):
        errors = prefix_errors(model, X_test)
        print(f"{name}:", *(f"{error:.3f}" for error in errors))
        axes.plot(lengths, errors, color=color, marker=mark, ms=5, lw=1.7, label=name)
    axes.set_title("Digits, one fit of 8 components", loc="left", size=10, weight="bold")
    axes.set_xlabel("components used", color=MUTED)
    axes.set_ylabel("test error / variance", color=MUTED)
    axes.set_ylim(0)
    _frame(axes)
    axes.legend(frameon=False, labelcolor=INK, fontsize=8.5)
    _save(figure, "order.svg")


def prefix_errors(model, X):
    """Return the error (k,) on ``X`` of the first 1..k components, over the variance."""
    Z, total = model.transform(X), np.square(X - model.mean_).sum()
    backs = []
    for m in range(1, Z.shape[1] + 1):
        if isinstance(model, PCA):
            backs.append(Z[:, :m] @ model.components_[:m] + model.mean_)
        else:
            backs.append(model.inverse_transform(Z[:, :m]))
    return np.array([np.square(X - back).sum() / total for back in backs])


def _frame(axes):
    axes.grid(axis="y", color=RULE, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=MUTED)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(LINE)


def _save(figure, name):
    STATIC.mkdir(exist_ok=True)
    figure.savefig(STATIC / name, metadata={"Date": None})
    print(f"{name}: {(STATIC / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
