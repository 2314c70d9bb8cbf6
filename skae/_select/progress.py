"""What a fit tells while it runs: lines on stdout and scikit-learn's callbacks (from 1.9)."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn below 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing: scikit-learn has no callbacks yet."""

    def with_callbacks(method):
        """Return ``method`` itself."""
        return method


__all__ = ["CallbackSupportMixin", "Progress", "with_callbacks"]


class Progress:
    """Called after every checkpoint with the TrainingRun and the criterion; True asks to stop.

    A training whose criterion is None has nothing held out: it is the one on all rows. There
    are at most ``n_trainings``, and callbacks see each of them as a task with its checkpoints.
    """

    def __init__(self, estimator, X, y, n_trainings, reconstruction_attributes):
        self.estimator = estimator
        # scikit-learn's ScoringMonitor scores only if it has both: the target is X itself.
        self.data = {"X": X, "y": X if y is None else y}
        self.reconstruction_attributes = reconstruction_attributes
        self.context = None
        self.trainings, self.of_run = [], WeakKeyDictionary()
        if hasattr(estimator, "_init_callback_context"):
            self.context = estimator._init_callback_context(max_subtasks=n_trainings)
            self.context.call_on_fit_task_begin(estimator=estimator, **self.data)

    @property
    def calls_back(self):
        return bool(getattr(self.estimator, "_skl_callbacks", ()))

    @property
    def is_silent(self):
        return not (self.estimator.verbose or self.calls_back)

    def __call__(self, run, criterion):
        """Report the epochs that have ended since this run's checkpoint before."""
        training = self.of_run.get(run) or self._begin(run, criterion)
        if self.estimator.verbose:
            self._print(training, run, criterion)
        if self.context is None:
            return False
        task = training.context.subcontext(task_name="checkpoint")
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
        """Return a new Training; folds have ended when the training on all rows begins."""
        name, context = f"fold {len(self.trainings) + 1}", None
        if criterion is None:
            name = "all rows"
            self._end_trainings()
        if self.context is not None:
            n_checkpoints = run.config.budget.n_checkpoints
            context = self.context.subcontext(task_name=name, max_subtasks=n_checkpoints)
            context.call_on_fit_task_begin(estimator=self.estimator, **self.data)
        training = self.of_run[run] = Training(name, context)
        self.trainings.append(training)
        return training

    def _end_trainings(self):
        for training in self.trainings:
            if training.context is not None and not training.has_ended:
                training.context.call_on_fit_task_end(estimator=self.estimator, **self.data)
            training.has_ended = True

    def _print(self, training, run, criterion):
        """Print a line for each new checkpoint, with the mean loss since the last one."""
        budget, n_checkpoints = run.config.budget, len(run.losses)
        for checkpoint in range(training.n_told, n_checkpoints):
            step = min((checkpoint + 1) * budget.checkpoint_steps, budget.n_steps)
            epoch, n_epochs = step / budget.epoch_steps, budget.n_steps / budget.epoch_steps
            line = f"[{type(self.estimator).__name__}] {training.name}, epoch {epoch:.4g}"
            line += (
                f" of {n_epochs:.4g}, loss {run.losses[checkpoint].mean(dtype=np.float64):.4f}"
            )
            if criterion is not None and checkpoint == n_checkpoints - 1:
                line += f", held-out error / PCA's {criterion:.4f}"
            print(line)
        training.n_told = n_checkpoints


@dataclass
class Training:
    """What has been told of one training: its name, its task, its steps."""

    name: str
    context: object
    n_told: int = 0
    has_ended: bool = False


def epoch_means(losses, epoch_steps):
    """Return the mean loss of each epoch; the last one may be cut short."""
    starts = range(0, len(losses), epoch_steps)
    return np.array([losses[i : i + epoch_steps].mean(dtype=np.float64) for i in starts])
