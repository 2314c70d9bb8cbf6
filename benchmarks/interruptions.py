"""Press Ctrl-C at random moments of fits: ``python -m benchmarks.interruptions``.

Eight kinds of fit are interrupted in turn, each at a moment drawn from its whole length. What
is left must be a fitted model of finite codes, or the estimator as it was before; BLAS must
have as many threads as before; and the next fit must give the codes of the first one, to the
bit. Interruptions are three seconds apart: a second one within two is raised.
"""

import os
import signal
import threading
import time
import warnings
from collections import Counter
from itertools import cycle, islice

import numpy as np
from scipy.sparse import csr_array
from threadpoolctl import threadpool_info, threadpool_limits

from benchmarks._harness import Run
from benchmarks.peers.steps import Stopwatch
from skae import AutoencoderTransformer

N_INTERRUPTIONS, APART = 200, 3.0  # seconds
KINDS = ("default", "folds", "warm start", "stream", "missing cells", "sparse", "conv1d")
KINDS += ("callback",)


def main(arguments=None):
    """Interrupt, print what became of each kind of fit, and return how many went wrong."""
    given = {"interruptions": N_INTERRUPTIONS, "seed": 0}
    run = Run(__doc__, "Ctrl-C at random moments of a fit", arguments, **given)
    threadpool_limits(2, user_api="blas")
    rng, outcomes = np.random.default_rng(run.seed), {kind: Counter() for kind in KINDS}
    made = {kind: Kind(kind) for kind in KINDS}
    for kind in islice(cycle(KINDS), run.interruptions):
        outcomes[kind].update(made[kind].interrupted(rng.uniform()))
    for kind, counts in outcomes.items():
        print(f"{kind:15s}" + ", ".join(f"{n} {name}" for name, n in sorted(counts.items())))
    wrong = sum(n for counts in outcomes.values() for name, n in counts.items() if "!" in name)
    print(f"wrong: {wrong} of {run.interruptions}")
    return wrong


class Kind:
    """One kind of fit: its rows, its length, and the codes that it gives undisturbed."""

    def __init__(self, kind):
        self.kind, self.rows = kind, _rows(kind)
        self.codes = self._fitted()  # compiled once
        estimator, begun = self._begun(), time.perf_counter()
        self._fit(estimator)
        self.seconds = time.perf_counter() - begun

    def _begun(self):
        """Return a new estimator; what a warm start or a stream goes on from is there."""
        given = {"hidden_layer_sizes": (8,), "max_iter": 200, "batch_size": 32}
        if self.kind == "folds":
            given["cv"] = 3
        if self.kind == "conv1d":
            given |= {"architecture": "conv1d", "max_iter": 20}
        estimator = AutoencoderTransformer(random_state=0, **given)
        if self.kind == "callback" and hasattr(estimator, "set_callbacks"):
            estimator.set_callbacks(Stopwatch(10**9))
        if self.kind == "warm start":
            estimator.set_params(warm_start=True, max_iter=2).fit(self.rows)
            estimator.set_params(max_iter=200)
        if self.kind == "stream":
            estimator.partial_fit(self.rows)
        return estimator

    def _fit(self, estimator):
        if self.kind == "stream":
            for _ in range(5):
                estimator.partial_fit(self.rows)
        else:
            estimator.fit(self.rows)

    def _fitted(self):
        estimator = self._begun()
        self._fit(estimator)
        return estimator.transform(self.rows)

    def interrupted(self, share):
        """Interrupt after a ``share`` of the fit; return the names of what became of it."""
        time.sleep(APART)
        estimator, threads = self._begun(), _n_threads()
        before, found = dict(vars(estimator)), []
        come = threading.Timer(share * self.seconds, os.kill, (os.getpid(), signal.SIGINT))
        try:
            try:
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    come.start()
                    self._fit(estimator)
                    ended = not any("Interrupted" in str(w.message) for w in caught)
                    come.join()
                    time.sleep(0.01)
                found.append("ended before" if ended else "cut short")
            except KeyboardInterrupt:
                come.join()
                found.append("raised")
        except KeyboardInterrupt:
            found.append("raised late")
        except Exception as error:
            found.append(f"{type(error).__name__}: {error}!")
        found += self._faults(estimator, before, threads)
        return found

    def _faults(self, estimator, before, threads):
        found = []
        if hasattr(estimator, "n_components_"):
            if not np.isfinite(estimator.transform(self.rows)).all():
                found.append("codes that are not finite!")
        elif vars(estimator).keys() != before.keys():
            found.append("neither fitted nor unfitted!")
        if _n_threads() != threads:
            found.append(f"BLAS at {_n_threads()} threads!")
        if not np.array_equal(self._fitted(), self.codes):
            found.append("other bits afterwards!")
        return found


def _rows(kind):
    rng = np.random.default_rng(0)
    t = rng.uniform(-1, 1, 150)
    X = np.column_stack([t, t**2, t**3 - t, np.sin(4 * t)])
    if kind == "missing cells":
        X[rng.uniform(size=X.shape) < 0.1] = np.nan
    if kind == "conv1d":
        return rng.normal(size=(100, 16, 2)).cumsum(axis=1)
    return csr_array(X * (np.abs(X) > 0.3)) if kind == "sparse" else X


def _n_threads():
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]


if __name__ == "__main__":
    raise SystemExit(main() > 0)
