"""Displays of a fit after scikit-learn's conventions, and the numbers behind them.

``XDisplay.from_estimator(estimator, X)`` computes and draws; ``display.plot(ax=ax)`` draws
again. matplotlib is imported when something is drawn, never before: it comes with
``pip install "skae[display]"``.
"""

from skae.display._codes import CodesDisplay
from skae.display._curves import ExplainedVarianceDisplay, TrainingCurvesDisplay
from skae.display._loadings import LoadingsDisplay
from skae.display._numbers import (
    compare_reconstructions,
    component_loadings,
    component_traversals,
    explained_variance_curves,
)
from skae.display._samples import ReconstructionsDisplay, TraversalsDisplay

__all__ = [
    "CodesDisplay",
    "ExplainedVarianceDisplay",
    "LoadingsDisplay",
    "ReconstructionsDisplay",
    "TrainingCurvesDisplay",
    "TraversalsDisplay",
    "compare_reconstructions",
    "component_loadings",
    "component_traversals",
    "explained_variance_curves",
]
