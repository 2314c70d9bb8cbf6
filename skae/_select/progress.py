"""What a fit reports while it runs: lines on stdout, scikit-learn's callbacks (from 1.9)."""

from weakref import WeakKeyDictionary

import numpy as np

from skae._select.backup import FitKeeper

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn below 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Empty: scikit-learn has no callbacks yet."""

    def with_callbacks(method):
        """Return ``method`` itself."""
        return method


__all__ = ["CallbackSupportMixin", "Progress", "with_callbacks"]


class Progress:
    """Called after every checkpoint with the TrainingRun and the criterion; True asks to stop.

    The criterion is None in the training on all rows, which holds nothing out. Callbacks see
    each of at most ``n_trainings`` as a task with its checkpoints.
    """

    def __init__(self, estimator, X, y, n_trainings, reconstruction_attributes, backup):
        self.estimator, self.context, self.backup = estimator, None, backup
        # scikit-learn's ScoringMonitor scores only if it has both: the target is X itself.
        self.data = {"X": X, "y": X if y is None else y}
        self.reconstruction_attributes = reconstruction_attributes
        self.told = WeakKeyDictionary()  # of each run: its name and its checkpoints so far
        self.tasks = WeakKeyDictionary()  # of callbacks, of each run
        self.open, self.n_folds = [], 0  # tasks that have not ended
        if hasattr(estimator, "_init_callback_context"):
            self.context = estimator._init_callback_context(max_subtasks=n_trainings)
            self.context.call_on_fit_task_begin(estimator=estimator, **self.data)

    @property
    def calls_back(self):
        """Whether callbacks look at checkpoints, in their order."""
        found = getattr(self.estimator, "_skl_callbacks", ())
        return not all(isinstance(callback, FitKeeper) for callback in found)

    @property
    def silent(self):
        return not (self.estimator.verbose or self.calls_back)

    def __call__(self, run, criterion):
        """Report the epochs since the last checkpoint of this run."""
        self.backup.offer(run)
        if run.checkpoint not in run.weights:
            return False  # one of those that are repeated, and forgotten since
        if run not in self.told:
            self._begin(run, criterion)
        if self.estimator.verbose:
            self._print(run, criterion)
        if self.context is None:
            return False
        task = self.tasks[run].subcontext(task_name="checkpoint")
        task.call_on_fit_task_begin(estimator=self.estimator, **self.data)
        return task.call_on_fit_task_end(
            estimator=self.estimator,
            reconstruction_attributes=lambda: self.reconstruction_attributes(run),
            **self.data,
        )

    def end(self):
        if self.context is not None:
            self._end_trainings()
            self.context.call_on_fit_task_end(estimator=self.estimator, **self.data)

    def _begin(self, run, criterion):
        if criterion is None:  # the training on all rows: folds have ended
            name = "all samples"
            self._end_trainings()
        else:
            self.n_folds += 1
            name = f"fold {self.n_folds}"
        if self.context is not None:
            n_checkpoints = run.config.budget.n_checkpoints
            task = self.context.subcontext(task_name=name, max_subtasks=n_checkpoints)
            task.call_on_fit_task_begin(estimator=self.estimator, **self.data)
            self.tasks[run] = task
            self.open.append(task)
        self.told[run] = name, 0

    def _end_trainings(self):
        while self.open:
            self.open.pop(0).call_on_fit_task_end(estimator=self.estimator, **self.data)

    def _print(self, run, criterion):
        """Print a line for each new checkpoint, with the mean loss since the last one."""
        budget, n_checkpoints = run.config.budget, len(run.losses)
        name, n_told = self.told[run]
        for checkpoint in range(n_told, n_checkpoints):
            step = min((checkpoint + 1) * budget.checkpoint_steps, budget.n_steps)
            epoch, n_epochs = step / budget.epoch_steps, budget.n_steps / budget.epoch_steps
            loss = run.losses[checkpoint].mean(dtype=np.float64)
            line = f"[{type(self.estimator).__name__}] {name}, epoch {epoch:.4g}"
            line += f" of {n_epochs:.4g}, loss {loss:.4f}"
            if criterion is not None and checkpoint == n_checkpoints - 1:
                line += f", held-out criterion {criterion:.4f}"
            print(line)
        self.told[run] = name, n_checkpoints


def epoch_means(losses, epoch_steps):
    """Return the mean loss of each epoch; the last one may be shorter."""
    starts = range(0, len(losses), epoch_steps)
    return np.array([losses[i : i + epoch_steps].mean(dtype=np.float64) for i in starts])
