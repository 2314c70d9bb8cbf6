"""Kill processes that fit at random moments: ``python -m benchmarks.crashes``.

A process fits with a ``FitBackup`` and is killed by SIGKILL: half of them at a moment drawn
from the whole length of the fit, half while the file is written. Another process
calls ``fit`` again. Its codes and curves must be those of a fit that nobody disturbed, to the
bit, and no file may be torn. Asked is also that writing takes at most 2 % of the fit.
"""

import hashlib
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks._harness import Run
from benchmarks._process import Worker, WorkerError
from skae import AutoencoderTransformer, FitBackup

N_KILLED, MOST = 20, 0.02  # share of the time
KINDS = {
    "folds and final": {"cv": 3},
    "default": {},
    "nothing held out": {"cv": None, "max_iter": 2000},
}
SETTINGS = {"hidden_layer_sizes": (64, 64), "max_iter": 500, "batch_size": 32}


class Timed(FitBackup):
    """Writes as often as it may, and notes how long that takes."""

    seconds = 0.0
    n_written = 0

    def write_state(self, state):
        begun = time.perf_counter()
        super().write_state(state)
        self.seconds += time.perf_counter() - begun
        self.n_written += 1


def main(arguments=None):
    """Kill, go on, print what became of each kind of fit; return how many went wrong."""
    run = Run(__doc__, "SIGKILL at random moments of a fit", arguments, killed=N_KILLED, seed=0)
    rng, folder = np.random.default_rng(run.seed), Path(tempfile.mkdtemp())
    n_wrong = 0
    for i, kind in enumerate(KINDS):
        whole, length = undisturbed(kind)
        backup = Timed(folder / "fit", every=0)
        timed, with_backup = undisturbed(kind, backup)
        share = backup.seconds / with_backup
        outcomes = Counter()
        for n in range(i, run.killed, len(KINDS)):
            moment = {"fsync": int(rng.integers(1, 2 * max(1, backup.n_written)))}
            if n % 2:
                moment = {"after": float(rng.uniform(0, length))}
            outcomes[killed(kind, folder, whole, **moment)] += 1
        wrong = sum(n for name, n in outcomes.items() if "!" in name)
        wrong += (timed != whole) + (share > MOST)
        n_wrong += wrong
        found = ", ".join(f"{n} {name}" for name, n in sorted(outcomes.items()))
        print(f"{kind:18s}{found}; {backup.n_written} writings, {100 * share:.2f} % of the fit")
    shutil.rmtree(folder)
    print(f"wrong: {n_wrong}")
    return n_wrong


def undisturbed(kind, *callbacks):
    """Return the digest of a fit whose programs are there, and its seconds."""
    fitted(kind)
    begun = time.perf_counter()
    found = fitted(kind, *callbacks)
    return found, time.perf_counter() - begun


def fitted(kind, *callbacks):
    """Return a digest of the codes and curves of a fit."""
    X = rows()
    ae = AutoencoderTransformer(2, random_state=0, **(SETTINGS | KINDS[kind]))
    ae.set_callbacks(*callbacks).fit(X)
    digest = hashlib.sha256(ae.transform(X))
    digest.update(ae.loss_curve_)
    digest.update(ae.validation_curve_)
    return digest.hexdigest()


def rows():
    rng = np.random.default_rng(0)
    t = rng.uniform(-1, 1, 600)
    X = np.column_stack([t, t**2, t**3 - t, np.sin(4 * t), np.cos(5 * t)])
    return X + 0.02 * rng.normal(size=X.shape)


def fit_and_die(kind, path, fsync):
    """Fit in this process, which kills itself in a call of ``os.fsync``, or is killed."""
    fitted(kind)  # compiles
    usual, n_calls = os.fsync, 0

    def kills(handle):
        nonlocal n_calls
        n_calls += 1
        if n_calls == fsync:
            os.kill(os.getpid(), signal.SIGKILL)
        usual(handle)

    os.fsync = kills
    Path(path + ".begun").touch()
    fitted(kind, FitBackup(path, every=0))


def killed(kind, folder, whole, after=None, fsync=0):
    """Return what became of a fit that was killed and called again."""
    path = folder / "fit"
    begun = folder / "fit.begun"
    try:
        with Worker("benchmarks.crashes") as worker:
            worker.send("fit_and_die", kind=kind, path=str(path), fsync=fsync)
            while not begun.exists():
                time.sleep(0.01)
            if after is not None:
                time.sleep(after)
                worker.kill()
            worker.receive()
        name = "ended before"
    except WorkerError:
        name = "killed with a file" if path.exists() else "killed before the first file"
    begun.unlink()
    try:
        equal = fitted(kind, FitBackup(path, every=60)) == whole
    except ValueError as error:
        return f"torn: {error}!"
    left = [p.name for p in folder.iterdir()]
    return name if equal and not left else f"{name}, other bits or files {left}!"


if __name__ == "__main__":
    raise SystemExit(main() > 0)
