"""What all displays share: matplotlib, colours, axes, and how one sample looks."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skae.architectures import Conv1d, Recurrent
from skae.architectures._names import find_architecture

OWN, PCA, INK, FAINT = "#2b6cb0", "#8c8c8c", "#333333", "#d9d9d9"
CLASSES = ["#2b6cb0", "#dd8b32", "#3a9c6f", "#b5495b", "#7d6bb0"]
CLASSES += ["#8a6a4f", "#d37fb0", "#6b7280", "#b0a432", "#3fa7b8"]
ALONG = "viridis"
SIGNED = "RdBu_r"
SMALL = 8  # points
KINDS = "image", "series", "table"
LARGEST = 0.9  # inches, of an image
GAP = 0.12  # between images, of their width


class Layout(NamedTuple):
    """How a sample is drawn: its kind, its shape and the names of its features."""

    kind: str
    shape: tuple[int, ...]
    names: list[str]


def pyplot() -> Any:
    """Return matplotlib.pyplot, or raise ImportError with what to install."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Displays are drawn with matplotlib: pip install 'skae[display]'."
        ) from error
    return plt


def layout_of(estimator: Any, kind: str = "auto", sample_shape: Any = None) -> Layout:
    """Return how samples are drawn, by their shape, and by the architecture that reads it."""
    shape = tuple(estimator.sample_shape_ if sample_shape is None else sample_shape)
    d = estimator.n_features_in_
    if int(np.prod(shape)) != d:
        raise ValueError(f"sample_shape={shape} does not hold the {d} features of this fit.")
    if kind == "auto":
        reads_series = isinstance(find_architecture(estimator.architecture), Conv1d | Recurrent)
        kind = "table" if len(shape) == 1 else "image" if len(shape) in (2, 3) else "series"
        kind = "series" if reads_series and sample_shape is None else kind
    if kind not in KINDS or (kind == "image" and len(shape) not in (2, 3)):
        raise ValueError(
            f"kind={kind!r} does not go with samples of shape {shape}. Images have the shape "
            "(height, width) or (height, width, channels); 'series' and 'table' take any."
        )
    names = getattr(estimator, "feature_names_in_", None)
    return Layout(kind, shape, [f"x{i}" for i in range(d)] if names is None else list(names))


def one_axes(ax: Any, size: tuple[float, float] = (4.8, 3.4)) -> Any:
    """Return ``ax``, or the axes of a new figure."""
    if ax is None:
        _, ax = pyplot().subplots(figsize=size, layout="constrained")
    pyplot()
    return ax


def grid_of_axes(ax: Any, shape: tuple[int, int], size: tuple[float, float], **shared) -> Any:
    """Return axes (n_rows, n_columns): new ones, those inside of ``ax``, or an array given."""
    plt = pyplot()
    if ax is None:
        options = {"figsize": size, "layout": "constrained", "squeeze": False}
        return plt.subplots(*shape, **options, **shared)[1]
    if isinstance(ax, plt.Axes):
        if ax.get_subplotspec() is None:
            raise ValueError(
                f"Pass an array of {shape[0] * shape[1]} axes, or one of subplots."
            )
        ax.set_axis_off()
        inside = ax.get_subplotspec().subgridspec(*shape)
        return inside.subplots(squeeze=False, **shared)
    axes = np.asarray(ax, dtype=object)
    if axes.size != shape[0] * shape[1]:
        raise ValueError(
            f"This display needs {shape[0] * shape[1]} axes ({shape[0]} rows of {shape[1]}), "
            f"got {axes.size}."
        )
    return axes.reshape(shape)


def tidy(ax: Any, *, xlabel: str = "", ylabel: str = "", title: str = "") -> None:
    """Take frames and large letters away."""
    ax.spines[["top", "right"]].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color("#999999")
    ax.tick_params(labelsize=SMALL, color="#999999", labelcolor=INK)
    if xlabel:
        ax.set_xlabel(xlabel, fontsize=SMALL + 1, color=INK)
    if ylabel:
        ax.set_ylabel(ylabel, fontsize=SMALL + 1, color=INK)
    if title:
        ax.set_title(title, fontsize=SMALL + 1, color=INK)


def mosaic(rows: list[NDArray], shape: tuple[int, ...]) -> NDArray:
    """Return one image of rows (n_rows) of images (n_columns, n_features), NaN between them.

    Images of other than three channels are shown by the mean of their channels.
    """
    images = np.stack(rows).reshape(len(rows), len(rows[0]), *shape)
    if images.ndim == 5 and shape[-1] != 3:
        images = images.mean(axis=-1)
    height, width = shape[:2]
    gap = max(1, round(GAP * width))
    out = np.full(
        (
            len(rows) * (height + gap) - gap,
            len(rows[0]) * (width + gap) - gap,
            *images.shape[4:],
        ),
        np.nan,
    )
    for i, row in enumerate(images):
        for j, image in enumerate(row):
            top, left = i * (height + gap), j * (width + gap)
            out[top : top + height, left : left + width] = image
    return out


def draw_mosaic(ax: Any, rows: list[NDArray], layout: Layout, labels: list[str], **kw) -> Any:
    """Draw rows of images with their ``labels`` on the left; return the AxesImage."""
    image = mosaic(rows, layout.shape)
    if image.ndim == 3:  # colours, which a range of numbers does not scale
        lowest = kw.get("vmin", np.nanmin(image))
        highest = kw.get("vmax", np.nanmax(image))
        image = np.clip((image - lowest) / ((highest - lowest) or 1.0), 0.0, 1.0)
        image = np.nan_to_num(image, nan=1.0)
    drawn = ax.imshow(image, **{"cmap": "gray_r", "interpolation": "nearest"} | kw)
    height = layout.shape[0]
    gap = max(1, round(GAP * layout.shape[1]))
    ax.set_yticks([i * (height + gap) + (height - 1) / 2 for i in range(len(rows))], labels)
    ax.set_xticks([])
    ax.tick_params(length=0, labelsize=SMALL + 1, labelcolor=INK)
    ax.spines[:].set_visible(False)
    return drawn


def size_of_mosaic(n_rows: int, n_columns: int, shape: tuple[int, ...]) -> tuple[float, float]:
    """Return the size of a figure of ``n_rows`` by ``n_columns`` images, in inches."""
    image = min(LARGEST, (4.8 - 0.9) / n_columns)
    height = n_rows * image * shape[0] / shape[1]
    return 0.9 + image * n_columns, float(np.clip(1.12 * height + 0.15, 0.8, 9.0))


def draw_series(ax: Any, row: NDArray, layout: Layout, color: Any, **kw) -> list[Any]:
    """Draw a series as a line for each channel; return them."""
    channels = row.reshape(layout.shape[0], -1).T
    alphas = np.linspace(1.0, 0.4, len(channels))
    kw = {"linewidth": 1.2, "color": color} | kw
    return [
        ax.plot(line, **{"alpha": a} | kw)[0] for line, a in zip(channels, alphas, strict=True)
    ]


def shortened(name: Any, most: int = 18) -> str:
    """Return a name of at most ``most`` letters."""
    text = str(name)
    return text if len(text) <= most else text[: most - 1] + "…"
