"""Samples: reconstructed by PCA and by the fit, and decoded along a component."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch

from skae._estimator.autoencoder import AutoencoderTransformer
from skae.display._draw import (
    ALONG,
    CLASSES,
    INK,
    OWN,
    PCA,
    SMALL,
    Layout,
    draw_mosaic,
    draw_series,
    grid_of_axes,
    layout_of,
    one_axes,
    pyplot,
    shortened,
    size_of_mosaic,
    tidy,
)
from skae.display._numbers import checked_fit, compare_reconstructions, component_traversals

MOST_BARS = 32  # of a table's features, those that vary most
MOST_LINES = 6  # of a table's features along a component
COLORS = {"samples": INK, "PCA": PCA, "autoencoder": OWN}


class ReconstructionsDisplay:
    """Samples, and below them what PCA and the fit make of them.

    Make one by ``from_estimator``; parameters are stored as attributes. Images are drawn as
    images, series as lines, tables as bars (for ``scaling="standard"`` in deviations from the
    mean), of 32 features at most: those that vary most in the samples shown. Missing values are
    left empty in the samples.

    Parameters
    ----------
    rows : dict of ndarray of shape (n_shown, n_features)
        What to draw, from the top down: "samples", "PCA" if there is one, "autoencoder".
    layout : Layout
        Kind and shape of samples, and names of features.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The first of the axes.
    axes_ : ndarray of matplotlib Axes
        A row of axes for each of ``rows``; a single one for images.
    figure_ : matplotlib Figure
        Figure of the axes.
    image_ : matplotlib AxesImage or None
        All images in one.
    lines_ : dict of list of list of matplotlib Line2D
        Lines of series: for each of ``rows`` a list of channels for each sample.
    bars_ : dict of list of matplotlib BarContainer
        Bars of tables: for each of ``rows`` a container for each sample.
    shown_ : ndarray of int
        The features that bars show, from the top down.

    See Also
    --------
    compare_reconstructions : The numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderTransformer, ReconstructionsDisplay
    >>> X = load_digits().data
    >>> ae = AutoencoderTransformer(2, hidden_layer_sizes=(), max_iter=1, cv=None).fit(X)
    >>> display = ReconstructionsDisplay.from_estimator(ae, X, n_samples=3, sample_shape=(8, 8))
    >>> list(display.rows), display.image_.get_array().shape
    (['samples', 'PCA', 'autoencoder'], (26, 26))
    """

    def __init__(self, *, rows: dict[str, NDArray[Any]], layout: Layout):
        self.rows = rows
        self.layout = layout

    @classmethod
    def from_estimator(
        cls,
        estimator: AutoencoderTransformer,
        X: ArrayLike,
        *,
        n_samples: int | None = None,
        kind: str = "auto",
        sample_shape: Sequence[int] | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw samples and their reconstructions.

        Parameters
        ----------
        estimator : AutoencoderTransformer
            A fitted estimator.
        X : array-like of shape (n_samples, n_features)
            Samples. The first ones are shown.
        n_samples : int, default=None
            How many. None is 10 images, or 3 samples of other kinds.
        kind : {"auto", "image", "series", "table"}, default="auto"
            How samples are drawn. "auto" goes by their shape and by the architecture.
        sample_shape : sequence of int, default=None
            Shape of one sample, such as (8, 8) for images that were passed as a table.
        ax : matplotlib Axes or array of them, default=None
            Axes to draw on. None makes a figure.

        Returns
        -------
        display : ReconstructionsDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If ``estimator`` is not an AutoencoderTransformer.
        ValueError
            If samples cannot be drawn as this kind or in this shape, or differ from those of
            fit.
        ImportError
            If matplotlib is not installed.
        """
        fitted, layout = checked_fit(estimator), layout_of(estimator, kind, sample_shape)
        n = (10 if layout.kind == "image" else 3) if n_samples is None else n_samples
        found = compare_reconstructions(estimator, X, n_samples=n)
        rows = {"samples": found.samples, "PCA": found.pca, "autoencoder": found.autoencoder}
        rows = {name: part for name, part in rows.items() if part is not None}
        if layout.kind == "table" and np.ndim(fitted.scaling.scale):
            rows = {name: fitted.scaling.forward(part) for name, part in rows.items()}
        return cls(rows=rows, layout=layout).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the samples.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            Axes to draw on. None makes a figure.

        Returns
        -------
        display : ReconstructionsDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.image_: Any = None
        self.lines_: dict[str, Any] = {}
        self.bars_: dict[str, Any] = {}
        n_rows, n = len(self.rows), len(self.rows["samples"])
        self.shown_ = _most_varied(self.rows["samples"], MOST_BARS)
        if self.layout.kind == "image":
            size = size_of_mosaic(n_rows, n, self.layout.shape)
            self.axes_ = np.array([[one_axes(ax, size)]], dtype=object)
            samples = self.rows["samples"]
            ends = {"vmin": np.nanmin(samples), "vmax": np.nanmax(samples)}
            given = list(self.rows.values()), self.layout, list(self.rows)
            self.image_ = draw_mosaic(self.axes_[0, 0], *given, **ends)
        else:
            is_table = self.layout.kind == "table"
            high = 0.25 + 0.14 * len(self.shown_) if is_table else 0.0
            size = 0.9 + 1.4 * n, 0.3 + max(0.9, high) * n_rows
            shared = {"sharex": True, "sharey": True}
            self.axes_ = grid_of_axes(ax, (n_rows, n), size, **shared)
            for axes, (name, part) in zip(self.axes_, self.rows.items(), strict=True):
                self._draw_row(axes, name, part, is_table)
        self.ax_, self.figure_ = self.axes_.flat[0], self.axes_.flat[0].figure
        return self

    def _draw_row(self, axes, name, part, is_table):
        color, drawn = COLORS[name], []
        for ax, row in zip(axes, part, strict=True):
            if is_table:
                widths = np.nan_to_num(row[self.shown_])
                drawn.append(ax.barh(np.arange(len(widths)), widths, color=color))
            else:
                drawn.append(draw_series(ax, row, self.layout, color))
            tidy(ax)
        (self.bars_ if is_table else self.lines_)[name] = drawn
        axes[0].set_ylabel(name, fontsize=SMALL + 1, color=color)
        if is_table:
            names = [shortened(self.layout.names[j]) for j in self.shown_]
            axes[0].set_yticks(range(len(names)), names)
            axes[0].set_ylim(len(names) - 0.5, -0.5)


class TraversalsDisplay:
    """Decoded samples along single components, with the other components held fixed.

    Make one by ``from_estimator``; parameters are stored as attributes. Images are drawn in a
    row for each component, and series as lines from dark (low) to light (high). Tables are
    drawn as the values of the six features that change most over the component, for
    ``scaling="standard"`` in deviations from the mean.

    Parameters
    ----------
    components : ndarray of shape (n_shown,)
        Components, counted from 0.
    codes : ndarray of shape (n_shown, n_steps)
        Values of each component.
    samples : ndarray of shape (n_shown, n_steps, n_features)
        Decoded samples.
    layout : Layout
        Kind and shape of samples, and names of features.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The first of the axes.
    axes_ : ndarray of matplotlib Axes
        One for each component; a single one for images.
    figure_ : matplotlib Figure
        Figure of the axes.
    image_ : matplotlib AxesImage or None
        All images in one.
    lines_ : list of list of matplotlib Line2D
        For each component the lines of its steps and channels, or of a table's features.

    See Also
    --------
    component_traversals : The numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import AutoencoderTransformer, TraversalsDisplay
    >>> X = load_iris().data
    >>> ae = AutoencoderTransformer(2, hidden_layer_sizes=(), max_iter=1).fit(X)
    >>> [len(lines) for lines in TraversalsDisplay.from_estimator(ae, X).lines_]
    [4, 4]
    """

    def __init__(
        self,
        *,
        components: NDArray[Any],
        codes: NDArray[Any],
        samples: NDArray[Any],
        layout: Layout,
    ):
        self.components = components
        self.codes = codes
        self.samples = samples
        self.layout = layout

    @classmethod
    def from_estimator(
        cls,
        estimator: AutoencoderTransformer,
        X: ArrayLike,
        *,
        components: Sequence[int] | None = None,
        n_steps: int = 9,
        sample: int | None = None,
        kind: str = "auto",
        sample_shape: Sequence[int] | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw decoded samples along components.

        Parameters
        ----------
        estimator : AutoencoderTransformer
            A fitted estimator.
        X : array-like of shape (n_samples, n_features)
            Samples whose codes say how far to go: from the 5 % to the 95 % quantile.
        components : sequence of int, default=None
            Components, counted from 0. None is the first four at most.
        n_steps : int, default=9
            Number of values of each component.
        sample : int, default=None
            Index of the sample of ``X`` whose code the other components keep. None keeps the
            mean code.
        kind : {"auto", "image", "series", "table"}, default="auto"
            How samples are drawn. "auto" goes by their shape and by the architecture.
        sample_shape : sequence of int, default=None
            Shape of one sample, such as (8, 8) for images that were passed as a table.
        ax : matplotlib Axes or array of them, default=None
            Axes to draw on. None makes a figure.

        Returns
        -------
        display : TraversalsDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If ``estimator`` is not an AutoencoderTransformer.
        ValueError
            If a component does not exist, or samples cannot be drawn as this kind or in this
            shape.
        IndexError
            If ``X`` has no such ``sample``.
        ImportError
            If matplotlib is not installed.
        """
        fitted, layout = checked_fit(estimator), layout_of(estimator, kind, sample_shape)
        found: Bunch = component_traversals(
            estimator, X, components, n_steps=n_steps, sample=sample
        )
        if layout.kind == "table" and np.ndim(fitted.scaling.scale):
            found.samples = fitted.scaling.forward(found.samples)
        return cls(**found, layout=layout).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the samples.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            Axes to draw on. None makes a figure.

        Returns
        -------
        display : TraversalsDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.image_, self.lines_ = None, []
        n, n_steps = self.codes.shape
        labels = [f"component {component}" for component in self.components]
        if self.layout.kind == "image":
            size = size_of_mosaic(n, n_steps, self.layout.shape)
            self.axes_ = np.array([one_axes(ax, size)], dtype=object)
            self.image_ = draw_mosaic(self.axes_[0], list(self.samples), self.layout, labels)
        elif self.layout.kind == "series":
            self.axes_ = grid_of_axes(ax, (n, 1), (4.8, 0.4 + 1.3 * n), sharex=True)[:, 0]
            colors = pyplot().get_cmap(ALONG)(np.linspace(0.0, 0.9, n_steps))
            for axes, rows, label in zip(self.axes_, self.samples, labels, strict=True):
                drawn = [draw_series(axes, *of) for of in self._of(rows, colors)]
                self.lines_.append([line for lines in drawn for line in lines])
                tidy(axes, ylabel=label)
            tidy(self.axes_[-1], xlabel="time")
        else:
            self.axes_ = grid_of_axes(ax, (n, 1), (4.8, 0.3 + 1.7 * n))[:, 0]
            for i, axes in enumerate(self.axes_):
                self.lines_.append(self._features(axes, self.codes[i], self.samples[i]))
                tidy(axes, xlabel=labels[i], ylabel="value")
        self.ax_, self.figure_ = self.axes_.flat[0], self.axes_.flat[0].figure
        return self

    def _of(self, rows, colors):
        return [(row, self.layout, color) for row, color in zip(rows, colors, strict=True)]

    def _features(self, ax, codes, rows):
        """Draw the features that change most over a component, those that do most first."""
        lines = []
        for j in _most_changed(rows):
            name = shortened(self.layout.names[j])
            lines += ax.plot(
                codes, rows[:, j], color=self._colors[j], linewidth=1.4, label=name
            )
        beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
        ax.legend(fontsize=SMALL, frameon=False, handlelength=1.2, **beside)
        return lines

    @property
    def _colors(self):
        """A colour for each feature that is drawn, the same along all components."""
        drawn = dict.fromkeys(j for rows in self.samples for j in sorted(_most_changed(rows)))
        return {j: CLASSES[i % len(CLASSES)] for i, j in enumerate(drawn)}


def _most_changed(rows):
    """Return the columns of rows (n_steps, n_features) that change most, the first one most."""
    return [int(j) for j in np.argsort(-np.ptp(rows, axis=0), kind="stable")[:MOST_LINES]]


def _most_varied(rows, most):
    """Return ``most`` columns of rows (n_samples, n_features) that vary most, in order."""
    if rows.shape[1] <= most:
        return np.arange(rows.shape[1])
    spread = np.nan_to_num(np.nanmax(rows, axis=0) - np.nanmin(rows, axis=0))
    return np.sort(np.argsort(-spread, kind="stable")[:most])
