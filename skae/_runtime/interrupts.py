"""Ctrl-C: a fit survives one, with the best model so far, and raises a second one soon after.

In a search the first one ends a single fit, and the second one, wherever it comes, the search.
What ends a fit, whatever it is, leaves the estimator as it was.
"""

from contextlib import contextmanager
from math import inf
from time import monotonic

SOON = 2.0  # seconds


class _Latest:
    at = -inf  # when Ctrl-C was survived


class Interrupts:
    """Ctrl-C during a fit: the first one is survived, a second one soon after is raised."""

    came = False

    @contextmanager
    def survived(self, *, if_any=True):
        """End the block at Ctrl-C; raise it if there is nothing yet that could be kept."""
        try:
            yield
        except KeyboardInterrupt:
            if not if_any:
                raise
            before, _Latest.at = _Latest.at, monotonic()
            if _Latest.at - before < SOON:
                raise
            self.came = True

    def repeat(self, function, *arguments):
        """Return what ``function`` returns, called again if Ctrl-C came meanwhile."""
        while True:
            with self.survived():
                return function(*arguments)
