"""Codes as a scatter plot, with classes and arrows of features."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length

from skae._data.checks import check_rows
from skae._estimator.autoencoder import AutoencoderTransformer
from skae.display._draw import CLASSES, INK, OWN, SMALL, layout_of, one_axes, shortened, tidy
from skae.display._numbers import check_components, checked_fit, component_loadings

REACH = 0.75  # of the way from the middle to the edge that the longest arrow goes
ROOM = 0.15  # of the width, beyond the codes, for names of features
APART = 0.055  # of the height, between names of features
GOLDEN = 0.6180339887498949


class CodesDisplay:
    """Scatter plot of two components, with classes and their share of variance.

    Make one by ``from_estimator``; parameters are stored as attributes. With a single component
    it draws a strip for each class.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_shown)
        Codes of one or two components.
    components : sequence of int of length n_shown
        Which components they are, counted from 0.
    shares : sequence of float of length n_shown
        Share of held-out variance that each component adds.
    y : ndarray of shape (n_samples,), default=None
        Classes, or numbers.
    loadings : ndarray of shape (n_shown, n_features), default=None
        What arrows show: the mean change of each feature per unit of a component.
    feature_names : sequence of str, default=None
        Names of the features.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the scatter plot.
    figure_ : matplotlib Figure
        Figure of the axes.
    scatters_ : list of matplotlib PathCollection
        One for each class, or one for all.
    classes_ : ndarray or None
        Classes in the order of ``scatters_``.
    arrows_ : list of matplotlib Annotation
        Arrows of the features with the longest loadings, longest first.

    See Also
    --------
    component_loadings : What the arrows show.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import AutoencoderTransformer, CodesDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> ae = AutoencoderTransformer(2, hidden_layer_sizes=(), max_iter=1).fit(X)
    >>> len(CodesDisplay.from_estimator(ae, X, y).scatters_)
    3
    """

    def __init__(
        self,
        *,
        codes: NDArray[Any],
        components: Sequence[int],
        shares: Sequence[float],
        y: ArrayLike | None = None,
        loadings: NDArray[Any] | None = None,
        feature_names: Sequence[str] | None = None,
    ):
        self.codes = codes
        self.components = components
        self.shares = shares
        self.y = None if y is None else np.asarray(y)
        self.loadings = loadings
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator: AutoencoderTransformer,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        components: Sequence[int] | None = None,
        n_arrows: int = 0,
        ax: Any = None,
    ) -> Self:
        """Draw the codes of samples.

        Parameters
        ----------
        estimator : AutoencoderTransformer
            A fitted estimator.
        X : array-like of shape (n_samples, n_features)
            Samples. Missing values are filled first.
        y : array-like of shape (n_samples,), default=None
            Classes, or numbers: more than ten different ones are shown as a range of colours.
        components : sequence of int, default=None
            One or two components, counted from 0. None is the first two.
        n_arrows : int, default=0
            Number of features shown as arrows: those that change most (a biplot).
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a figure.

        Returns
        -------
        display : CodesDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If ``estimator`` is not an AutoencoderTransformer.
        ValueError
            If a component does not exist, if ``y`` has another length, or if samples differ
            from those of fit.
        ImportError
            If matplotlib is not installed.
        """
        fitted = checked_fit(estimator)
        check_consistent_length(X, y)
        chosen = check_components(fitted, components, 2)
        if len(chosen) > 2:
            raise ValueError(f"components must name one or two components, got {chosen}.")
        codes = fitted.encode(check_rows(estimator, X, reset=False))[:, chosen]
        loadings = component_loadings(estimator, X).autoencoder[chosen] if n_arrows else None
        return cls(
            codes=codes,
            components=chosen,
            shares=estimator.explained_variance_ratio_[chosen],
            y=y,
            loadings=loadings,
            feature_names=layout_of(estimator).names,
        ).plot(ax, n_arrows=n_arrows)

    def plot(self, ax: Any = None, *, n_arrows: int = 0) -> Self:
        """Draw the codes.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a figure.
        n_arrows : int, default=0
            Number of features shown as arrows, if ``loadings`` are given.

        Returns
        -------
        display : CodesDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = one_axes(ax, (4.8, 3.8))
        found: Any = None if self.y is None else np.unique(self.y, return_inverse=True)
        is_continuous = found is not None and len(found[0]) > len(CLASSES)
        self.classes_ = None if found is None or is_continuous else found[0]
        x, height = self.codes[:, 0], self._heights(found)
        dots = {"s": float(np.clip(4000 / len(x), 3, 16)), "linewidths": 0, "alpha": 0.75}
        if self.classes_ is None:
            color = {"c": self.y, "cmap": "viridis"} if is_continuous else {"color": OWN}
            self.scatters_ = [ax.scatter(x, height, **dots, **color)]
            if is_continuous:
                ax.figure.colorbar(self.scatters_[0], ax=ax).ax.tick_params(labelsize=SMALL)
        else:
            self.scatters_ = [
                ax.scatter(x[of], height[of], **dots, color=CLASSES[i], label=str(label))
                for i, label in enumerate(self.classes_)
                for of in [found[1] == i]
            ]
        self._label(ax)
        self.arrows_ = self._draw_arrows(ax, n_arrows) if self.codes.shape[1] == 2 else []
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _heights(self, found):
        """Return the second code, or a place in the strip of each sample's class."""
        if self.codes.shape[1] == 2:
            return self.codes[:, 1]
        spread = (np.arange(len(self.codes)) * GOLDEN) % 1.0 - 0.5
        strip = 0 if self.classes_ is None else found[1]
        return strip + 0.7 * spread

    def _label(self, ax):
        names = [
            f"component {c} ({share:.1%} of variance)"
            for c, share in zip(self.components, self.shares, strict=True)
        ]
        tidy(ax, xlabel=names[0], ylabel=names[1] if len(names) > 1 else "")
        if len(names) == 1:
            labels = [] if self.classes_ is None else [shortened(c) for c in self.classes_]
            ax.set_yticks(range(len(labels)), labels)
        elif self.classes_ is not None:
            beside = dict(loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0.1)
            legend = ax.legend(fontsize=SMALL, frameon=False, **beside)
            for handle in legend.legend_handles:
                handle.set(alpha=1.0, sizes=[18])

    def _draw_arrows(self, ax, n_arrows):
        """Draw arrows of the longest loadings from the middle of the codes, with names."""
        if self.loadings is None or not n_arrows:
            return []
        lengths = np.linalg.norm(self.loadings, axis=0)
        order = np.argsort(-lengths, kind="stable")[:n_arrows]
        order = order[lengths[order] > 0]
        middle = self.codes.mean(axis=0)
        room = np.minimum(self.codes.max(axis=0) - middle, middle - self.codes.min(axis=0))
        ends = self.loadings[:, order].T
        ends = ends * REACH * (room / np.abs(ends).max(axis=0).clip(1e-300)).min()
        names = self.feature_names or [f"x{i}" for i in range(self.loadings.shape[1])]
        style = {"arrowstyle": "-|>", "color": INK, "lw": 1.0, "shrinkA": 0, "shrinkB": 0}
        heights = _apart(ends, np.ptp(self.codes[:, 1]) * APART)
        arrows = []
        for side in (ends[:, 0] < 0, ends[:, 0] >= 0):
            if side.any():  # room for names
                low, high = ax.get_xlim()
                ax.set_xlim(low - ROOM * (high - low) * (ends[side, 0].mean() < 0), None)
                ax.set_xlim(None, high + ROOM * (high - low) * (ends[side, 0].mean() >= 0))
        for i, end, height in zip(order, ends, heights, strict=True):
            arrows.append(ax.annotate("", middle + end, middle, arrowprops=style))
            side = "left" if end[0] >= 0 else "right"
            at = middle[0] + 1.05 * end[0], middle[1] + height
            box = dict(boxstyle="round,pad=0.1", facecolor="white", alpha=0.7, linewidth=0)
            text = {"ha": side, "va": "center", "fontsize": SMALL, "color": INK, "bbox": box}
            ax.text(*at, shortened(names[i]), **text)
        return arrows


def _apart(ends, least):
    """Return the heights (n,) of names beside arrows, ``least`` apart on each side."""
    heights = 1.05 * ends[:, 1]
    for side in (ends[:, 0] >= 0, ends[:, 0] < 0):
        of_side = np.flatnonzero(side)
        of_side = of_side[np.argsort(heights[of_side])]
        for below, above in pairwise(of_side):
            heights[above] = max(heights[above], heights[below] + least)
    return heights
