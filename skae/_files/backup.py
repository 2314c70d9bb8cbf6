"""FitBackup: a callback that keeps the state of a fit in a file, so that it goes on."""

import os
from glob import escape, glob
from numbers import Real
from time import monotonic
from typing import Any

from sklearn.utils._param_validation import validate_parameter_constraints

from skae._data.parameters import Number
from skae._files import container
from skae._files.values import Decoder, Encoder
from skae._select.backup import FitKeeper

LEAST_PAUSE = 100.0  # times as long as the last writing took: then it is 1 % of the time
FIRST_PAUSE = 1.0  # seconds: of a shorter fit nothing is written
CONSTRAINTS = {"path": [str, os.PathLike], "every": [Number(Real, 0, None, closed="left")]}


class FitBackup(FitKeeper):
    """A callback that writes the state of a fit to a file, to continue after a crash.

    If a process is killed while it fits, call ``fit`` again with the same samples and
    parameters. It reads the file and continues from there: folds, the final training, the
    optimizer and all curves. The result is the same to the bit as without the interruption.
    The file is deleted when the fit has ended; after Ctrl-C it stays.

    Parameters
    ----------
    path : str or path-like
        The file. Only one fit at a time may use it, so a search must not.
    every : float, default=60.0
        Least number of seconds between two writings. Writing takes about a hundredth of the
        time at most.

    Raises
    ------
    ValueError
        By ``fit``, if the file belongs to a fit of other samples, parameters, versions or
        another kind of device, or is damaged. The error says what differs.

    See Also
    --------
    AutoencoderTransformer : Its ``set_callbacks`` takes it, with scikit-learn 1.9 or later.
    save : Writes a fitted estimator.

    Notes
    -----
    The file holds no code (see ``load``) and no samples. It holds weights, and the errors of
    held-out samples. It is replaced at once: whenever the process is killed, there is a whole
    file or none. With ``random_state=None`` the fit continues with the seed that it began with.
    Functions among the parameters are compared by their names alone.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_iris
    >>> from skae import AutoencoderTransformer, FitBackup
    >>> ae = AutoencoderTransformer(2, hidden_layer_sizes=(16,), max_iter=2)
    >>> with TemporaryDirectory() as folder:
    ...     if hasattr(ae, "set_callbacks"):  # scikit-learn 1.9 or later
    ...         ae = ae.set_callbacks(FitBackup(f"{folder}/iris.fit"))
    ...     ae = ae.fit(load_iris().data)
    >>> ae.n_components_
    2
    """

    def __init__(self, path: str | os.PathLike, *, every: float = 60.0):
        asked = {"path": path, "every": every}
        validate_parameter_constraints(CONSTRAINTS, asked, caller_name="FitBackup")
        self.path = path
        self.every = every
        self._due = monotonic()

    def __repr__(self) -> str:
        return f"FitBackup({os.fspath(self.path)!r}, every={self.every})"

    def setup(self, estimator: Any, context: Any) -> None:
        """Begin to count the time, and remove what a killed process has left half written.

        Parameters
        ----------
        estimator : estimator
            The estimator that is fitted.
        context : sklearn.callback.CallbackContext
            The context of the fit.
        """
        self._due = monotonic() + max(self.every, FIRST_PAUSE)
        folder, name = os.path.split(os.path.abspath(self.path))
        for left in glob(os.path.join(escape(folder), f".{escape(name)}.*.tmp")):
            os.unlink(left)

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing.

        Parameters
        ----------
        estimator : estimator
            The estimator that is fitted.
        context : sklearn.callback.CallbackContext
            The context of the task.
        """

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Do nothing: ``fit`` itself hands over its state.

        Parameters
        ----------
        estimator : estimator
            The estimator that is fitted.
        context : sklearn.callback.CallbackContext
            The context of the task.
        """

    def teardown(self, estimator: Any, context: Any) -> None:
        """Do nothing.

        Parameters
        ----------
        estimator : estimator
            The estimator that is fitted.
        context : sklearn.callback.CallbackContext
            The context of the fit.
        """

    def read_state(self) -> dict[str, Any] | None:
        """Return the state in the file.

        Returns
        -------
        state : dict or None
            What ``write_state`` was given; None if there is no file.
        """
        if not os.path.exists(self.path):
            return None
        try:
            document, arrays = container.read(self.path)
            state = Decoder(arrays)(document["fit"])
            return {name: state[name] for name in ("identity", "seed", "runs")}
        except OSError:
            raise
        except Exception as error:
            raise ValueError(
                f"{os.fspath(self.path)!r} holds no fit that can go on: {error}. Delete it to "
                "begin again."
            ) from error

    def is_due(self) -> bool:
        """Say whether it is time to write.

        Returns
        -------
        is_due : bool
            Whether ``every`` seconds are over, and enough of them.
        """
        return monotonic() >= self._due

    def write_state(self, state: dict[str, Any]) -> None:
        """Write a state to the file.

        Parameters
        ----------
        state : dict
            The state of a fit.
        """
        began, encoder = monotonic(), Encoder()
        document = {"fit": encoder(state, "")}
        container.write(self.path, document, encoder.arrays)
        ended = monotonic()
        self._due = ended + max(self.every, LEAST_PAUSE * (ended - began))

    def forget_state(self) -> None:
        """Delete the file."""
        if os.path.exists(self.path):
            os.unlink(self.path)
