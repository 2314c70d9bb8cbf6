"""The processes of a run: one for each model, in the first interpreter that runs it."""

import sys

from benchmarks._process import Worker, WorkerError, in_fresh_process

WORK = "benchmarks.peers.work"
NEEDED = ("skae", "PCA")  # what every ratio is of


class Pool:
    """A process for each of ``models``, begun when it is first asked; a context.

    skae is run by this interpreter, which is also the last that is tried for the others.
    ``packages`` are the versions, or what keeps a model from working.
    """

    def __init__(self, paths, models):
        self.pythons, self.packages, self.workers, self.purpose = {}, {}, {}, None
        for name in models:
            errors = []
            for python in [sys.executable] if name == "skae" else [*paths, sys.executable]:
                try:
                    found = in_fresh_process(WORK, "installed", python=python, name=name)
                except (OSError, WorkerError) as error:
                    errors.append(str(error))
                    continue
                self.pythons[name], self.packages[name] = str(python), found
                break
            else:
                self.packages[name] = f"left out: {errors[0]}"
        if missing := [name for name in NEEDED if name not in self.pythons]:
            raise SystemExit(f"{missing} must work: {self.packages}")

    def keep_for(self, purpose):
        """Close the processes if they served another purpose, and their memory grew."""
        if purpose != self.purpose:
            self.close()
        self.purpose = purpose

    def ask(self, name, *, warm=True, do, deadline=None, **request):
        """Return a model's answer; {"error": why not} if it failed or was stopped."""
        try:
            if name not in self.workers:
                self.workers[name] = Worker(WORK, self.pythons[name], name=name)
                if warm:
                    self.workers[name].ask("warm_up", name=name)
            return self.workers[name].ask(do, deadline, name=name, **request)
        except WorkerError as error:
            if self.workers[name].process.poll() is not None or self.workers[name].is_late:
                self.workers.pop(name).__exit__(None)
            return {"error": str(error)}

    def close(self):
        while self.workers:
            self.workers.popitem()[1].__exit__(None)

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        self.close()
