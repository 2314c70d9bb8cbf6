"""A fit that goes on after a crash: what a callback keeps of it, and when it is the same fit.

The file of a callback has the RunState of every training. A fit that finds one does all that it
would do without, but its trainings take from there what they have already done. So it ends with
the same bits. States need not be of one moment, as trainings are independent: each is taken
in the thread that trains.
"""

import hashlib
from threading import Lock

import jax
import numpy as np

from skae._data.parameters import plain_value
from skae._runtime.devices import is_alone
from skae._runtime.version import versions

NO_MATTER = {"random_state", "verbose"}  # the seed is what counts


class FitKeeper:
    """Base of a callback that keeps the state of a fit, a dict of plain Python and records."""

    def read_state(self):
        """Return the state that was kept, or None."""
        raise NotImplementedError

    def is_due(self):
        """Say whether a state is to be written."""
        raise NotImplementedError

    def write_state(self, state):
        """Keep a state."""
        raise NotImplementedError

    def forget_state(self):
        """Keep none: the fit has ended."""
        raise NotImplementedError


class Backup:
    """The state of one fit of an ``estimator``, if one of its callbacks keeps that.

    ``identity`` maps what the fit depends on to texts.
    """

    def __init__(self, estimator):
        callbacks = getattr(estimator, "_skl_callbacks", ())
        keepers = [callback for callback in callbacks if isinstance(callback, FitKeeper)]
        self.keeper = keepers[0] if keepers else None
        self.found = None if self.keeper is None else self.keeper.read_state()
        self.states = {} if self.found is None else self.found["runs"]  # RunStates by stream
        self.runs, self.noted, self.lock = {}, set(), Lock()
        self.identity, self.seed = {}, 0

    def seed_of(self, random_state, seed):
        """Return the seed of the fit: that of the one that goes on, if none was asked for."""
        if random_state is None and self.found is not None:
            seed = self.found["seed"]
        self.seed = seed
        return seed

    def check(self, estimator, config, given):
        """Raise ValueError if what was found is of another fit than that of the ``given``."""
        if self.keeper is None:
            return
        if not is_alone(config.mesh):
            raise ValueError("A fit in several processes cannot be kept by a callback.")
        self.identity = identity_of(estimator, config, given)
        before = self.identity if self.found is None else self.found["identity"]
        names = sorted(self.identity.keys() | before.keys())
        pairs = [(name, before.get(name), self.identity.get(name)) for name in names]
        differ = [f"{n} (then {a}, now {b})" for n, a, b in pairs if a != b]
        if differ:
            raise ValueError(
                f"{self.keeper!r} holds another fit, which was not finished: it differs in "
                f"{', '.join(differ)}. Call fit as before to go on with it, or delete the file."
            )

    def resumed(self, run):
        """Return ``run``, which first repeats what was found of it, if anything was."""
        if self.keeper is not None:
            run.on_block = self.offer_block
        if run.stream in self.states:
            run.go_on_from(self.states[run.stream])
        return run

    def offer(self, run):
        """Have all runs kept if it is time; this one, and all offered before, are at rest."""
        if self.keeper is None:
            return
        self.runs[run.stream] = run
        if self.keeper.is_due():
            with self.lock:
                for stream, at_rest in self.runs.items():
                    self.states[stream] = at_rest.state_of_fit()
                self._write()

    def offer_block(self, run):
        """Note this ``run`` if it is time, and at its next block have all runs kept."""
        if not self.keeper.is_due():
            return
        with self.lock:
            if run.stream not in self.noted:
                self.states[run.stream] = run.state_of_fit()
                self.noted.add(run.stream)
            elif self.keeper.is_due():  # no other thread has written meanwhile
                ended = {n: r.state_of_fit() for n, r in self.runs.items() if r.released}
                self.states |= ended
                self._write()

    def _write(self):
        state = {"identity": self.identity, "seed": self.seed, "runs": dict(self.states)}
        self.keeper.write_state(state)
        self.noted.clear()

    def end(self):
        """Forget all: the fit has ended."""
        if self.keeper is not None:
            self.keeper.forget_state()


def identity_of(estimator, config, given):
    """Return texts that are equal for fits whose results are equal to the bit."""
    parameters = estimator.get_params(deep=False)
    found = {n: _shown(value) for n, value in parameters.items() if n not in NO_MATTER}
    found |= versions()
    found["device"] = ", ".join(sorted({d.device_kind for d in jax.local_devices()}))
    if estimator.random_state is not None:
        found["seed"] = str(config.seed)
    return found | {name: _digest(part) for name, part in given.items()}


def _shown(value):
    return f"{plain_value(value)!s:.1000}"


def _digest(part):
    """Return a text for rows, splits, a fitted object or a text."""
    if part is None or isinstance(part, str):
        return str(part)
    digest = hashlib.sha256()
    for array in _arrays_of(part):
        digest.update(f"{array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()[:12]


def _arrays_of(part):
    """Yield the arrays that rows, splits or a fitted object are made of."""
    if hasattr(part, "blocks"):
        yield from (block for _, block in part.blocks())
        yield from (np.asarray(x) for x in (part.weight, part.strata) if x is not None)
    elif hasattr(part, "model"):
        yield from map(np.asarray, jax.tree.leaves((part.model.path, part.model.params)))
    else:
        for pair in part:
            yield from map(np.asarray, pair)
