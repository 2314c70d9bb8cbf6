"""Rows that come batch by batch: what is kept between them, and whether nets are used.

Each batch is judged before the nets train on it, by PCA of all rows so far. If the nets
reconstruct it worse, or worse than PCA rows of earlier batches, the model is PCA, and the nets
go on training until they are better again.
"""

from typing import NamedTuple

import numpy as np

from skae._pca import axes as pca_axes
from skae._select.evaluate import Evaluator

KEPT_ROWS = 200  # of earlier batches, on which the nets are compared with PCA once more
MEMORY = 0.8  # of what earlier batches said, that is left after each further one
SETTLED_GAIN = 0.01  # over PCA, from which nets are used again


class Stream(NamedTuple):
    """What goes from one batch to the next; ``axes`` are those of all rows.

    ``pause`` is the state in which the training stopped, None if it begins with the ``nets``:
    a Model, whose ``bounds`` are (lower, upper) in X's units. ``errors`` (2, n_prefixes) are
    sums over the batches, the latest ones weighing most: of the nets, before they trained on a
    batch, and of PCA. ``sample`` are some of all rows so far, in scaled units.
    """

    axes: pca_axes.Axes | None
    n_seen: int
    seed: int
    pause: object = None
    optimizer: object = None  # whose memory the pause has
    nets: object = None
    bounds: tuple | None = None
    errors: np.ndarray | None = None
    sample: np.ndarray | None = None
    uses_nets: bool = False

    @property
    def error_ratio(self):
        """The nets' error over PCA's on batches that they had not trained on."""
        if self.errors is None or not self.errors[1, -1] > 0:
            return 1.0
        return float(self.errors[0, -1] / self.errors[1, -1])


def errors_on(rows, run):
    """Return the errors (2, n_prefixes) of a ``run``'s latest net on ``rows``, and of PCA."""
    evaluator = Evaluator(rows, run)
    nets = evaluator.errors(run.model(), evaluator.prefixes)
    return np.stack([nets.sum(axis=0), evaluator.reference[:, evaluator.prefixes].sum(axis=0)])


def add_errors(before, latest):
    """Return the sums of all batches' errors, those ``before`` forgotten a little."""
    return latest if before is None else MEMORY * before + latest


def nets_are_better(were_used, *errors):
    """Say whether nets are used: in no entry of ``errors`` are they worse than PCA.

    Nets that were not used before must be better by a margin.
    """
    margin = 1.0 if were_used else 1.0 - SETTLED_GAIN
    nets, pca = np.stack(errors, axis=1)
    return bool(
        (nets[:, :-1] <= pca[:, :-1]).all() and (nets[:, -1] <= margin * pca[:, -1]).all()
    )


def sampled(before, values, n_seen, seed):
    """Return at most KEPT_ROWS of all rows, each as likely as any other.

    ``before`` are those of the rows before ``values``, which make ``n_seen`` rows in all.
    Vitter, J. S. (1985). "Random sampling with a reservoir". ACM Transactions on Mathematical
    Software 11(1), 37-57. doi:10.1145/3147.3165.
    """
    sample = values[:0] if before is None else before
    n_free = KEPT_ROWS - len(sample)
    sample, values = np.concatenate([sample, values[:n_free]]), values[n_free:]
    if len(values) == 0:
        return sample
    rng = np.random.default_rng([seed, n_seen])
    place = rng.integers(np.arange(n_seen - len(values), n_seen) + 1)
    is_taken = place < KEPT_ROWS
    sample[place[is_taken]] = values[is_taken]
    return sample
