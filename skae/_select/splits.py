"""Which samples train a fold and which are held out: from ``cv`` to pairs of row numbers."""

import reprlib
from itertools import islice
from numbers import Integral

import numpy as np

from skae._data.batches import interleaved
from skae._data.parameters import plain_number
from skae._train.config import FINAL

LARGEST_VALIDATION, MOST_VALIDATIONS = 2_000, 5  # rows in one; how many there may be
AUTO_SHARE = 0.2  # of the samples, that cv="auto" holds out at a time
MOST_ROWS_REFITTED = 20_000


def share_held_out(cv):
    """Return the share of samples that a split holds out, None if ``cv`` names its splits."""
    cv = AUTO_SHARE if isinstance(cv, str) else plain_number(cv)
    return cv if isinstance(cv, float) else None


def trains_on_all(cv, rows):
    """Say whether a net is trained on all ``rows`` once it was evaluated on folds."""
    return share_held_out(cv) is None or len(rows.weight) <= MOST_ROWS_REFITTED


def make_splits(cv, rows, y, groups, kept, seed):
    """Return the list of (train, val) indices that ``cv`` asks for, one if training is costly.

    They index ``rows``, the samples of X that are ``kept`` (n_samples,), as are ``y`` and
    ``groups``.
    """
    splits = _all_splits(cv, rows, y, groups, kept, seed)
    cheap = rows.fits_in_memory and trains_on_all(cv, rows)
    return list(islice(splits, 1 if share_held_out(cv) and not cheap else None))


def _all_splits(cv, rows, y, groups, kept, seed):
    from sklearn.model_selection import GroupKFold, KFold  # slow to import

    share, n_folds = share_held_out(cv), int(cv) if isinstance(cv, Integral) else None
    if share is not None and groups is None:
        rng = np.random.default_rng([seed, FINAL])
        return validation_splits(len(rows.weight), share, rng, rows.strata)
    if share is not None:
        n_folds = max(2, round(1 / share))
    if n_folds is not None and groups is not None:
        n_groups = len(np.unique(groups))
        if n_groups < 2:
            raise ValueError(
                "groups holds one group, and at least two are needed to hold one out. "
                "Pass X_val, cv=None or no groups."
            )
        splitter = GroupKFold(min(n_folds, n_groups))
    elif n_folds is not None:
        splitter = KFold(n_folds, shuffle=True, random_state=seed)
    elif hasattr(cv, "split") and not hasattr(cv, "test_fold"):
        splitter = cv
    else:
        return _kept(cv.split() if hasattr(cv, "split") else cv, kept)  # of fixed rows
    # Splitters need the length of X, and few its values.
    held = rows.in_memory or rows.fits_in_memory
    X = rows.read() if held else np.empty((len(rows), 0))
    return _kept(_split_by(splitter, cv, X, y, groups), np.ones(len(X), bool))


def validation_splits(n_rows, fraction, rng, strata=None):
    """Yield (train, val) indices: up to MOST_VALIDATIONS disjoint ones of ``fraction``.

    With ``strata`` (n_rows,) each of them holds its share of every class.
    """
    order = rng.permutation(n_rows)
    if strata is not None:
        order = order[interleaved(np.asarray(strata)[order], rng)]
    size = min(max(1, int(fraction * n_rows)), LARGEST_VALIDATION)
    for i in range(min(MOST_VALIDATIONS, max(1, n_rows // size))):
        val = order[i * size : (i + 1) * size]
        yield np.setdiff1d(order, val), np.sort(val)


def _kept(splits, kept):
    """Check ``splits`` of all samples and yield them as indices of the ``kept`` ones."""
    place, i = np.cumsum(kept) - 1, -1
    for i, pair in enumerate(splits):
        scalar = isinstance(pair, np.ndarray) and pair.ndim == 0
        if scalar or not isinstance(pair, list | tuple | np.ndarray) or len(pair) != 2:
            raise ValueError(
                f"Split {i} of cv must be a pair (train, held out) of indices or masks, "
                f"got {reprlib.repr(pair)}."
            )
        parts = [_row_numbers(i, part, len(kept)) for part in pair]
        train, val = (place[part[kept[part]]] for part in parts)
        if not (len(train) and len(val)):
            raise ValueError(
                f"Split {i} of cv has {len(train)} samples to train on and {len(val)} held "
                "out, of those that have a weight and an observed value: both need some."
            )
        yield train, val
    if i < 0:
        raise ValueError("cv holds no split. Name at least one pair (train, held out).")


def _row_numbers(i, part, n_rows):
    try:
        numbers = np.arange(n_rows)[part]
        if numbers.ndim != 1:
            raise IndexError(f"got an array of shape {np.shape(part)}")
    except (IndexError, TypeError, ValueError) as reason:
        raise ValueError(
            f"Split {i} of cv must hold indices of some of {n_rows} samples, counted "
            f"from 0, or masks of them: {reason}."
        ) from reason
    return numbers


def _split_by(splitter, cv, X, y, groups):
    """Yield the splits of a ``splitter``; its errors name the ``cv`` that was given."""
    splits = ()
    try:
        splits = splitter.split(X, y, groups)
        yield from splits
    except (TypeError, ValueError, IndexError) as error:
        reason = str(error).rstrip(".")
        if not hasattr(splits, "__iter__"):
            reason = f"its split returned {reprlib.repr(splits)}, not pairs of indices"
        elif "groups" in reason and groups is None:
            reason += ". Pass groups to fit"
        elif y is None and "n_splits" not in reason:
            reason += ". If it needs the classes of the samples, pass y to fit"
        raise ValueError(
            f"cv={cv!r} could not split the {len(X)} samples: {reason}."
        ) from error
