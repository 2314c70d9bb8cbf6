"""The picture of new rows: a sheet of samples for each set of images. It only draws."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks._picture import INK, MUTED

COLUMNS, ROWS = 8, 5
GAP = 1  # pixels of white between two images
CAPTIONS = {"digits": "Digits, 64 pixels", "MNIST 5k": "MNIST, 784 pixels"}


def draw(file, sheets):
    """Write ``sheets`` {set: samples (COLUMNS * ROWS, n_pixels)} side by side to ``file``."""
    with matplotlib.rc_context({"font.family": "DejaVu Sans", "font.size": 8.5}):
        figure = Figure(figsize=(7.0, 2.95), dpi=200, facecolor="white")
        FigureCanvasAgg(figure)
        figure.text(0.03, 0.92, "New rows", size=13.5, weight="bold", color=INK)
        note = "Drawn by sample() from fits of 8 components: eight numbers make each image."
        figure.text(0.2, 0.925, note, size=8.3, color=MUTED)
        for i, (name, rows) in enumerate(sheets.items()):
            axes = figure.add_axes((0.03 + 0.485 * i, 0.03, 0.455, 0.76))
            axes.imshow(tiled(rows), cmap="gray_r", vmin=0, vmax=rows.max())
            axes.set_title(CAPTIONS[name], loc="left", size=9.5, weight="bold", color=INK)
            axes.set_axis_off()
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file)


def tiled(rows):
    """Return one image of all ``rows`` (n, side * side), COLUMNS beside each other."""
    side = int(np.sqrt(rows.shape[1]))
    images = rows.reshape(ROWS, COLUMNS, side, side)
    images = np.pad(images, ((0, 0), (0, 0), (GAP, GAP), (GAP, GAP)))
    return images.swapaxes(1, 2).reshape(ROWS * (side + 2 * GAP), COLUMNS * (side + 2 * GAP))
