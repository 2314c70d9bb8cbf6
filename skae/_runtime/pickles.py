"""Pickles that say by which versions they were made, and warn if others read them."""

import warnings
from typing import Any

import sklearn
from sklearn.exceptions import InconsistentVersionWarning

from skae._runtime.version import __version__


class InconsistentSkaeVersionWarning(InconsistentVersionWarning):
    """scikit-learn's warning, about skae."""

    def __str__(self) -> str:
        then, now = self.original_sklearn_version, self.current_sklearn_version
        return (
            f"This {self.estimator_name} was saved by skae {then}, and this is skae {now}: it "
            "may fail, or give other numbers. Fit again, or install that version."
        )


class VersionedPickles:
    """Mixin of estimators: a state has the versions of skae and scikit-learn.

    scikit-learn's own mechanism is for its own estimators alone.
    """

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        versions = {"_skae_version": __version__, "_sklearn_version": sklearn.__version__}
        return {**state, **versions}  # type: ignore[dict-item]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the ``state`` of a pickle; warn if other versions made it."""
        state = dict(state)
        for name, kind, now in (
            ("_skae_version", InconsistentSkaeVersionWarning, __version__),
            ("_sklearn_version", InconsistentVersionWarning, sklearn.__version__),
        ):
            then = state.pop(name, "unknown")
            if then != now:
                warning = kind(
                    estimator_name=type(self).__name__,
                    current_sklearn_version=now,
                    original_sklearn_version=then,
                )
                warnings.warn(warning, stacklevel=2)
        super().__setstate__(state)  # type: ignore[misc]
