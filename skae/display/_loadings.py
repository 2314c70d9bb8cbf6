"""What a unit of each component changes: bars, lines or images."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skae._estimator.autoencoder import AutoencoderTransformer
from skae.display._draw import (
    FAINT,
    OWN,
    PCA,
    SIGNED,
    SMALL,
    Layout,
    draw_mosaic,
    draw_series,
    grid_of_axes,
    layout_of,
    one_axes,
    shortened,
    size_of_mosaic,
    tidy,
)
from skae.display._numbers import check_components, checked_fit, component_loadings

MOST_FEATURES = 20  # of a table, those that change most


class LoadingsDisplay:
    """Mean change of each feature per unit of a component, compared with PCA's axes.

    Make one by ``from_estimator``; parameters are stored as attributes. Tables are drawn as
    bars (of the 20 features that change most), series as lines, images as images, in which red
    is more and blue is less.

    Parameters
    ----------
    autoencoder : ndarray of shape (n_shown, n_features)
        Loadings of the fit.
    pca : ndarray of shape (n_shown, n_features) or None
        PCA's axes in the same units.
    components : sequence of int of length n_shown
        Which components they are, counted from 0.
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
    bars_, pca_bars_ : list of matplotlib BarContainer
        Bars of tables, one container for each component.
    lines_, pca_lines_ : list of list of matplotlib Line2D
        Lines of series: a list of channels for each component.
    image_ : matplotlib AxesImage or None
        The image, PCA above the fit.
    shown_ : ndarray of int
        The features that bars show, from the top down.

    See Also
    --------
    component_loadings : The numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import AutoencoderTransformer, LoadingsDisplay
    >>> X = load_iris().data
    >>> ae = AutoencoderTransformer(2, hidden_layer_sizes=(), max_iter=1).fit(X)
    >>> [len(bars) for bars in LoadingsDisplay.from_estimator(ae, X).bars_]
    [4, 4]
    """

    def __init__(
        self,
        *,
        autoencoder: NDArray[Any],
        pca: NDArray[Any] | None,
        components: Sequence[int],
        layout: Layout,
    ):
        self.autoencoder = autoencoder
        self.pca = pca
        self.components = components
        self.layout = layout

    @classmethod
    def from_estimator(
        cls,
        estimator: AutoencoderTransformer,
        X: ArrayLike,
        *,
        components: Sequence[int] | None = None,
        kind: str = "auto",
        sample_shape: Sequence[int] | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the loadings of a fitted estimator.

        Parameters
        ----------
        estimator : AutoencoderTransformer
            A fitted estimator.
        X : array-like of shape (n_samples, n_features)
            Samples over whose codes the mean is taken, mostly those of ``fit``.
        components : sequence of int, default=None
            Components, counted from 0. None is the first three at most, or eight of images.
        kind : {"auto", "image", "series", "table"}, default="auto"
            How samples are drawn. "auto" goes by their shape and by the architecture.
        sample_shape : sequence of int, default=None
            Shape of one sample, such as (8, 8) for images that were passed as a table.
        ax : matplotlib Axes or array of them, default=None
            Axes to draw on. None makes a figure.

        Returns
        -------
        display : LoadingsDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If ``estimator`` is not an AutoencoderTransformer.
        ValueError
            If a component does not exist, or samples cannot be drawn as this kind or in this
            shape.
        ImportError
            If matplotlib is not installed.
        """
        fitted, layout = checked_fit(estimator), layout_of(estimator, kind, sample_shape)
        chosen = check_components(fitted, components, 8 if layout.kind == "image" else 3)
        found = component_loadings(estimator, X)
        pca = None if found.pca is None else found.pca[chosen]
        own = found.autoencoder[chosen]
        return cls(autoencoder=own, pca=pca, components=chosen, layout=layout).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the loadings.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            Axes to draw on. None makes a figure.

        Returns
        -------
        display : LoadingsDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.bars_: list[Any] = []
        self.pca_bars_: list[Any] = []
        self.lines_: list[Any] = []
        self.pca_lines_: list[Any] = []
        self.image_, self.shown_ = None, np.arange(self.autoencoder.shape[1])
        {"image": self._images, "series": self._series, "table": self._bars}[self.layout.kind](
            ax
        )
        self.ax_, self.figure_ = self.axes_.flat[0], self.axes_.flat[0].figure
        return self

    def _images(self, ax):
        rows = [part for part in (self.pca, self.autoencoder) if part is not None]
        labels = ["PCA", "autoencoder"][-len(rows) :]
        size = size_of_mosaic(len(rows), len(self.components), self.layout.shape)
        self.axes_ = np.array([one_axes(ax, size)], dtype=object)
        largest = max(np.abs(part).max() for part in rows) or 1.0
        colors = {"cmap": SIGNED, "vmin": -largest, "vmax": largest}
        self.image_ = draw_mosaic(self.axes_[0], rows, self.layout, labels, **colors)

    def _series(self, ax):
        n = len(self.components)
        self.axes_ = grid_of_axes(ax, (n, 1), (4.8, 0.5 + 1.2 * n), sharex=True)[:, 0]
        for i, axes in enumerate(self.axes_):
            axes.axhline(0.0, color=FAINT, linewidth=0.8, zorder=0)
            if self.pca is not None:
                self.pca_lines_.append(draw_series(axes, self.pca[i], self.layout, PCA))
                self.pca_lines_[-1][0].set_label("PCA")
            self.lines_.append(draw_series(axes, self.autoencoder[i], self.layout, OWN))
            self.lines_[-1][0].set_label("autoencoder")
            tidy(axes, ylabel=f"component {self.components[i]}")
        self._legend()
        tidy(self.axes_[-1], xlabel="time")

    def _bars(self, ax):
        both = [part for part in (self.autoencoder, self.pca) if part is not None]
        largest = np.max([np.abs(part).max(axis=0) for part in both], axis=0)
        if len(largest) > MOST_FEATURES:
            self.shown_ = np.sort(np.argsort(-largest, kind="stable")[:MOST_FEATURES])
        n, m = len(self.components), len(self.shown_)
        size = 1.6 + 1.6 * n, float(np.clip(0.8 + 0.32 * m, 1.6, 6.5))
        self.axes_ = grid_of_axes(ax, (1, n), size, sharey=True, sharex=True)[0]
        places, width = np.arange(m), 0.38 if self.pca is not None else 0.7
        for i, axes in enumerate(self.axes_):
            axes.axvline(0.0, color=FAINT, linewidth=0.8, zorder=0)
            own, shift = self.autoencoder[i, self.shown_], 0.0
            if self.pca is not None:
                of_pca, shift = self.pca[i, self.shown_], width / 2
                bars = axes.barh(places - shift, of_pca, width, color=PCA, label="PCA")
                self.pca_bars_.append(bars)
            bars = axes.barh(places + shift, own, width, color=OWN, label="autoencoder")
            self.bars_.append(bars)
            tidy(axes, title=f"component {self.components[i]}")
        names = [shortened(self.layout.names[j]) for j in self.shown_]
        self.axes_[0].set_yticks(places, names)
        self.axes_[0].set_ylim(m - 0.5, -0.5)
        for axes in self.axes_[1:]:
            axes.tick_params(axis="y", length=0)
        self._legend()

    def _legend(self):
        """Put one legend above all axes of a new figure, or into the first."""
        if self.pca is not None:
            handles, labels = self.axes_[0].get_legend_handles_labels()
            below = {"loc": "outside lower center", "ncols": 2}
            figure = self.axes_[0].figure
            owner = figure if figure.get_layout_engine() else self.axes_[0]
            place = below if owner is figure else {}
            owner.legend(handles, labels, fontsize=SMALL, frameon=False, **place)
