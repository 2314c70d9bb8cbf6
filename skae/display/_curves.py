"""Curves of a fit: variance explained over components, training over epochs."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skae._estimator.autoencoder import AutoencoderTransformer
from skae.display._draw import FAINT, INK, OWN, PCA, SMALL, one_axes, tidy
from skae.display._numbers import checked_fit, explained_variance_curves

LEVELS = 0.8, 0.9, 0.95
DOTTED = dict(linewidth=0.8, color=FAINT, zorder=0)
MOST_MARKERS = 20
WIDE = 10  # ratio of the largest loss to the smallest from which the axis is logarithmic


class ExplainedVarianceDisplay:
    """Share of variance that the first components explain, compared with PCA's.

    Make one by ``from_estimator``; parameters are stored as attributes.

    Parameters
    ----------
    autoencoder : ndarray of shape (n_components,)
        Share explained by the first 1, 2, ... components of the fit.
    pca : ndarray of shape (n_components,), default=None
        The same of PCA, if there is one.
    measured_on : str, default="held-out samples"
        Where the shares come from; it labels the axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure of the axes.
    line_, pca_line_ : matplotlib Line2D
        The curves; ``pca_line_`` is None without PCA.
    level_lines_ : list of matplotlib Line2D
        Lines at the levels.
    reached_, pca_reached_ : dict
        Number of components that reach each level, None if all of them together do not.
        ``pca_reached_`` is empty without PCA.

    See Also
    --------
    explained_variance_curves : The numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import AutoencoderTransformer, ExplainedVarianceDisplay
    >>> X = load_iris().data
    >>> ae = AutoencoderTransformer(3, hidden_layer_sizes=(), max_iter=1).fit(X[::2])
    >>> ExplainedVarianceDisplay.from_estimator(ae, X[1::2]).reached_
    {0.8: 1, 0.9: 1, 0.95: 2}
    """

    def __init__(
        self,
        *,
        autoencoder: ArrayLike,
        pca: ArrayLike | None = None,
        measured_on: str = "held-out samples",
    ):
        self.autoencoder = np.asarray(autoencoder)
        self.pca = None if pca is None else np.asarray(pca)
        self.measured_on = measured_on

    @classmethod
    def from_estimator(
        cls,
        estimator: AutoencoderTransformer,
        X: ArrayLike | None = None,
        *,
        levels: Sequence[float] = LEVELS,
        ax: Any = None,
    ) -> Self:
        """Draw the curves of a fitted estimator.

        Parameters
        ----------
        estimator : AutoencoderTransformer
            A fitted estimator.
        X : array-like of shape (n_samples, n_features), default=None
            Samples that ``fit`` did not see. None shows what it measured on the samples that
            it held out.
        levels : sequence of float, default=(0.8, 0.9, 0.95)
            Shares for which the number of components is shown.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a figure.

        Returns
        -------
        display : ExplainedVarianceDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If ``estimator`` is not an AutoencoderTransformer.
        ImportError
            If matplotlib is not installed.
        """
        curves = explained_variance_curves(estimator, X)
        on = "held-out samples" if len(estimator.validation_curve_) else "training samples"
        if X is not None:
            on = "these samples"
        elif estimator._get_fitted().stream is not None:
            on = "latest samples"
        return cls(**curves, measured_on=on).plot(ax, levels=levels)

    def plot(self, ax: Any = None, *, levels: Sequence[float] = LEVELS) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a figure.
        levels : sequence of float, default=(0.8, 0.9, 0.95)
            Shares for which the number of components is shown.

        Returns
        -------
        display : ExplainedVarianceDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = one_axes(ax)
        counts = np.arange(1, len(self.autoencoder) + 1)
        marker = {"marker": "o", "markersize": 3.5} if len(counts) <= MOST_MARKERS else {}
        self.pca_line_, self.pca_reached_ = None, {}
        if self.pca is not None:
            (self.pca_line_,) = ax.plot(counts, self.pca, color=PCA, label="PCA", **marker)
            self.pca_reached_ = {level: reached(self.pca, level) for level in levels}
        (self.line_,) = ax.plot(
            counts, self.autoencoder, color=OWN, label="autoencoder", **marker
        )
        self.reached_ = {level: reached(self.autoencoder, level) for level in levels}
        self._draw_levels(ax, levels)
        lowest = min(np.min(c) for c in (self.autoencoder, self.pca) if c is not None)
        ax.set_ylim(max(0.0, min(lowest, *levels, 1.0) - 0.05), 1.005)
        ax.set_xlim(0.5, len(counts) + 0.5)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend(fontsize=SMALL, frameon=False)
        tidy(ax, xlabel="components", ylabel=f"explained variance\n({self.measured_on})")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_levels(self, ax, levels):
        self.level_lines_ = [ax.axhline(level, **DOTTED) for level in levels]
        for level in levels:
            told = f"{level:.0%}: {self.reached_[level] or '-'}"
            if self.pca is not None:
                told += f" (PCA {self.pca_reached_[level] or '-'})"
            place = {"xy": (1.01, level), "xycoords": ax.get_yaxis_transform()}
            ax.annotate(told, **place, fontsize=SMALL, color=INK, va="center")


class TrainingCurvesDisplay:
    """Training loss and held-out error over epochs, the epoch kept, and PCA's level.

    Make one by ``from_estimator``; parameters are stored as attributes. The numbers are
    attributes of the estimator: ``loss_curve_``, ``validation_curve_``,
    ``validation_epochs_`` and ``best_iter_``.

    Parameters
    ----------
    loss : ndarray of shape (n_epochs,)
        Mean training loss of each epoch over PCA's error, noise and penalties included.
    validation : ndarray of shape (n_checkpoints,)
        Held-out criterion by which the fit chooses: error over PCA's.
    validation_epochs : ndarray of shape (n_checkpoints,)
        Epochs after which ``validation`` was measured.
    best_epoch : int
        The epoch kept; 0 is the start.
    kept : str
        What was kept: "autoencoder" or "pca".

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure of the axes.
    loss_line_ : matplotlib Line2D
        The training loss, each at the end of its epoch.
    validation_line_ : matplotlib Line2D
        The held-out criterion, or None if nothing was held out.
    pca_line_, kept_line_ : matplotlib Line2D
        PCA's level, which is 1, and the epoch kept.

    See Also
    --------
    ExplainedVarianceDisplay : What the components of the model that was kept explain.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import AutoencoderTransformer, TrainingCurvesDisplay
    >>> X = load_iris().data
    >>> ae = AutoencoderTransformer(2, hidden_layer_sizes=(), max_iter=3, cv=None).fit(X)
    >>> display = TrainingCurvesDisplay.from_estimator(ae)
    >>> len(display.loss_line_.get_xdata()), display.validation_line_
    (3, None)
    """

    def __init__(
        self,
        *,
        loss: NDArray[Any],
        validation: NDArray[Any],
        validation_epochs: NDArray[Any],
        best_epoch: int,
        kept: str,
    ):
        self.loss = loss
        self.validation = validation
        self.validation_epochs = validation_epochs
        self.best_epoch = best_epoch
        self.kept = kept

    @classmethod
    def from_estimator(
        cls, estimator: AutoencoderTransformer, X: Any = None, *, ax: Any = None
    ) -> Self:
        """Draw the curves of a fitted estimator.

        Parameters
        ----------
        estimator : AutoencoderTransformer
            A fitted estimator.
        X : object, default=None
            Ignored: the fit has measured all of it.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a figure.

        Returns
        -------
        display : TrainingCurvesDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If ``estimator`` is not an AutoencoderTransformer.
        ImportError
            If matplotlib is not installed.
        """
        checked_fit(estimator)
        return cls(
            loss=estimator.loss_curve_,
            validation=estimator.validation_curve_,
            validation_epochs=estimator.validation_epochs_,
            best_epoch=estimator.best_iter_,
            kept=estimator.selected_model_,
        ).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a figure.

        Returns
        -------
        display : TrainingCurvesDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax, self.validation_line_ = one_axes(ax), None
        self.pca_line_ = ax.axhline(1.0, color=PCA, linewidth=1.0, label="PCA")
        epochs = np.arange(1, len(self.loss) + 1)
        line = {"linewidth": 1.2, "alpha": 0.8, "color": "#dd8b32"}
        (self.loss_line_,) = ax.plot(epochs, self.loss, label="training loss", **line)
        if len(self.validation):
            points = self.validation_epochs[: len(self.validation)], self.validation
            (self.validation_line_,) = ax.plot(
                *points, color=OWN, marker="o", markersize=3, label="held-out error"
            )
        told = "PCA" if self.kept == "pca" else f"epoch {self.best_epoch}"
        kept = {"linestyle": ":", "linewidth": 1.2, "color": INK}
        self.kept_line_ = ax.axvline(self.best_epoch, label=f"kept: {told}", **kept)
        shown = np.concatenate([self.loss, self.validation, [1.0]])
        shown = shown[np.isfinite(shown)]
        if shown.min() > 0 and shown.max() > WIDE * shown.min():
            ax.set_yscale("log")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend(fontsize=SMALL, frameon=False)
        tidy(ax, xlabel="epoch", ylabel="error / PCA's error")
        self.ax_, self.figure_ = ax, ax.figure
        return self


def reached(curve: NDArray[Any], level: float) -> int | None:
    """Return how many components reach a ``level``, None if all of them do not."""
    found = np.flatnonzero(np.asarray(curve) >= level)
    return int(found[0]) + 1 if len(found) else None
