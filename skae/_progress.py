"""What a fit tells while it runs: lines on stdout and scikit-learn's callbacks (from 1.9)."""

from weakref import WeakKeyDictionary

import numpy as np

from skae._interrupts import survive

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn below 1.9

    class CallbackSupportMixin:
        """Stands where scikit-learn has no callbacks yet."""

    def with_callbacks(method):
        """Return ``method`` itself."""
        return method


__all__ = ["CallbackSupportMixin", "Progress", "with_callbacks"]


class Progress:
    """Called after every checkpoint with the Trial and the criterion; True asks to stop."""

    def __init__(self, estimator, X, reconstruction_attributes):
        self.estimator, self.X = estimator, X
        self.reconstruction_attributes = reconstruction_attributes
        self.context = None
        self.n_told = WeakKeyDictionary()  # epochs that were told of each trial
        if hasattr(estimator, "_init_callback_context"):
            self.context = estimator._init_callback_context(max_subtasks=None)
            self.context.call_on_fit_task_begin(estimator=estimator, X=X)

    @property
    def calls_back(self):
        """Whether callbacks see each checkpoint, in its turn."""
        return bool(getattr(self.estimator, "_skl_callbacks", ()))

    @property
    def is_silent(self):
        """Whether nobody is told anything."""
        return not (self.estimator.verbose or self.calls_back)

    def __call__(self, trial, criterion):
        """Report the epochs that have ended since this trial's checkpoint before."""
        if self.estimator.verbose:
            self._print(trial, criterion)
        if self.context is None:
            return False
        task = self.context.subcontext(task_name="checkpoint")
        task.call_on_fit_task_begin(estimator=self.estimator, X=self.X)
        return task.call_on_fit_task_end(
            estimator=self.estimator,
            X=self.X,
            reconstruction_attributes=lambda: self.reconstruction_attributes(trial),
        )

    def end(self):
        """Tell the callbacks that the fit has ended; return whether Ctrl-C came meanwhile."""
        if self.context is None:
            return False
        try:
            self.context.call_on_fit_task_end(estimator=self.estimator, X=self.X)
        except KeyboardInterrupt as ctrl_c:  # the model is there
            survive(ctrl_c)
            return True
        return False

    def _print(self, trial, criterion):
        """Print a line for each of these epochs."""
        epoch_steps, losses = trial.recipe.plan.epoch_steps, trial.all_losses()
        first, last = self.n_told.get(trial, 0), len(losses) // epoch_steps
        self.n_told[trial] = last
        losses = epoch_means(losses, epoch_steps)
        for epoch in range(first, last):
            line = f"[{type(self.estimator).__name__}] epoch {epoch + 1}"
            line += f", loss {losses[epoch]:.4f}"
            if criterion is not None and epoch == last - 1:
                line += f", held-out error / PCA's {criterion:.4f}"
            print(line)


def epoch_means(losses, epoch_steps):
    """Return the mean loss of each epoch; the last one may be cut short."""
    starts = range(0, len(losses), epoch_steps)
    return np.array([losses[i : i + epoch_steps].mean(dtype=np.float64) for i in starts])
