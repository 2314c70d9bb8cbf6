"""How long and in what portions to train: everything that is counted in steps."""

from dataclasses import dataclass, field

import numpy as np

from skae._data.parameters import LARGEST
from skae._runtime.devices import is_processor
from skae._train.optimizers import SCHEDULES
from skae.architectures.dense import FEW

AVERAGED_STEPS = 100  # in the running average of the weights
AVERAGED_SHARE = 1 / 30  # of the steps of a short training
PROCESSOR_RATE, ACCELERATOR_RATE = 4e10, 4e13  # operations a second, roughly
MOST_IN_BLOCK = 2**26  # numbers in the rows of an accelerator's block
MOST_STEPS = 10**8  # of a fit: all rates are computed beforehand
N_CHECKPOINTS = 25  # in a run, if it has as many epochs
USUAL_BATCH = 64  # rows; with fewer the rate falls as the square root of their number


@dataclass(frozen=True)
class Budget:
    """How long and in what portions to train: everything that is counted in steps."""

    batch_size: int
    n_steps: int
    epoch_steps: int
    checkpoint_steps: int  # between two checkpoints
    block_steps: int  # capacity of one compiled block
    patience: int | None  # checkpoints without improvement after which a run ends
    tol: float
    n_numbers: int  # in the weights
    rates: np.ndarray = field(compare=False)  # (n_steps,)

    @property
    def n_checkpoints(self):
        return -(-self.n_steps // self.checkpoint_steps)

    @property
    def work(self):
        """Multiplications of the whole training, roughly."""
        return 3 * self.n_numbers * self.batch_size * self.n_steps


def auto_steps(network):
    """Return the steps of max_iter="auto", on up to 1,000 rows."""
    return 3000 if network.n_components < FEW else 1500


def make_budget(params, n_rows, network, n_numbers, *, is_stream) -> Budget:
    """Return the Budget for ``n_rows`` and a ``network`` of ``n_numbers`` weights.

    The block's capacity does not depend on the rows, so that folds share a program.
    """
    batch_size = _batch_size(params.batch_size, n_rows)
    epoch_steps, max_iter = -(-n_rows // batch_size), 1 if is_stream else params.max_iter
    if not isinstance(max_iter, int):
        share = 1.0 if max_iter == "auto" else max_iter
        n_steps = share * auto_steps(network) * np.sqrt(max(1.0, n_rows / 1000))
        max_iter = max(1, round(n_steps / epoch_steps))
    n_steps = max_iter * epoch_steps
    if n_steps > MOST_STEPS:
        raise ValueError(
            f"max_iter={max_iter} epochs of {epoch_steps} steps are more than the {MOST_STEPS} "
            "steps that a fit may have. Lower max_iter, or raise batch_size."
        )
    checkpoint_steps = max(1, max_iter // N_CHECKPOINTS) * epoch_steps
    if max_iter < N_CHECKPOINTS:
        checkpoint_steps = -(-n_steps // N_CHECKPOINTS)
    patience = params.n_iter_no_change
    if patience == "auto":
        patience = -(-max_iter // 3)
    if patience is not None:
        patience = min(max(1, -(-patience * epoch_steps // checkpoint_steps)), n_steps)
    rate = params.learning_rate
    if rate == "auto":  # lower if the gradients of small batches are noisier
        rate = 6e-3 if network.n_components < FEW else 2e-3
        rate *= min(1.0, (batch_size / USUAL_BATCH) ** 0.5)
    schedule = "constant" if is_stream else params.learning_rate_schedule
    return Budget(
        batch_size=batch_size,
        n_steps=n_steps,
        epoch_steps=epoch_steps,
        checkpoint_steps=checkpoint_steps,
        block_steps=_block_steps(n_numbers, batch_size, network.n_inputs + network.n_outputs),
        patience=patience,
        tol=params.tol,
        n_numbers=n_numbers,
        rates=_rates(rate, schedule, n_steps),
    )


def _batch_size(size, n_rows):
    if size != "auto":  # more would be padding; a power of two, so that folds are equal
        return min(size, 2 ** int(np.ceil(np.log2(n_rows))))
    return 32 if n_rows < 512 else 64 if n_rows < 8192 else 128


def average_decay(n_steps):
    """Return the decay of the running average of the weights: 0 keeps the last ones."""
    return 1.0 - 1.0 / max(1.0, min(AVERAGED_STEPS, AVERAGED_SHARE * n_steps))


def _rates(rate, schedule, n_steps):
    rates = rate * _factors(schedule, n_steps)
    if np.abs(rates).max() > LARGEST:
        raise ValueError(
            f"learning_rate={rate} times the largest factor of learning_rate_schedule is above "
            f"{LARGEST:.1e}. Lower one of them."
        )
    return rates


def _factors(schedule, n_steps):
    if isinstance(schedule, str):
        return SCHEDULES[schedule](n_steps)
    try:
        factors = np.asarray(schedule(n_steps))
    except Exception as error:
        raise ValueError(
            f"learning_rate_schedule({n_steps}) must return {n_steps} numbers, a factor on "
            f"learning_rate for each step; it raised {type(error).__name__}: {error}"
        ) from error
    if factors.shape != (n_steps,) or factors.dtype.kind not in "fiu":
        raise ValueError(
            f"learning_rate_schedule({n_steps}) must return {n_steps} numbers, a factor on "
            f"learning_rate for each step; got shape {factors.shape}, dtype {factors.dtype}."
        )
    if not np.isfinite(factors).all():
        raise ValueError("learning_rate_schedule returned factors that are not finite.")
    return factors


def _block_steps(n_numbers, batch_size, row_numbers):
    """Return the steps of a block of about a quarter of a second at most."""
    rate, most = PROCESSOR_RATE, np.inf
    if not is_processor():
        rate, most = ACCELERATOR_RATE, MOST_IN_BLOCK / (row_numbers * batch_size)
    steps = min(0.25 * rate / (6.0 * n_numbers * batch_size), most)
    return int(2 ** np.clip(np.floor(np.log2(steps)), 0, 6))
