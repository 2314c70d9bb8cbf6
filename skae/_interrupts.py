"""Ctrl-C: a fit survives one, with the best model so far, and raises a second one soon after.

In a search the first one ends a single fit, and the second one, wherever it comes, the search.
"""

from math import inf
from time import monotonic

SOON = 2.0  # seconds


class _Latest:
    at = -inf  # when Ctrl-C was survived


def survive(ctrl_c):
    """Note that a fit goes on after ``ctrl_c``; raise it where another one came just before."""
    before, _Latest.at = _Latest.at, monotonic()
    if _Latest.at - before < SOON:
        raise ctrl_c


def undisturbed(function, *arguments):
    """Return what ``function`` returns, and whether Ctrl-C came meanwhile.

    If it came, ``function`` is called again: what has been trained is not thrown away.
    """
    try:
        return function(*arguments), False
    except KeyboardInterrupt as ctrl_c:
        survive(ctrl_c)
        return function(*arguments), True
