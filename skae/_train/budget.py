"""How long and in what portions to train: everything that is counted in steps."""

from dataclasses import dataclass, field

import numpy as np

from skae._parameters import LARGEST
from skae._runtime.devices import is_processor
from skae._train.optimizers import SCHEDULES

AVERAGED_STEPS = 100  # that the running average of the weights reaches back
AVERAGED_SHARE = 1 / 30  # of the steps of a short training
PROCESSOR_RATE, ACCELERATOR_RATE = 4e10, 4e13  # operations a second, roughly
MOST_IN_BLOCK = 2**26  # numbers in the rows that an accelerator has for a block
MOST_STEPS = 10**8  # of a fit: their rates are made beforehand
N_CHECKPOINTS = 25  # in a run, if it has as many epochs


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
        """How many checkpoints there are."""
        return -(-self.n_steps // self.checkpoint_steps)

    @property
    def work(self):
        """Multiplications of the whole training, roughly."""
        return 3 * self.n_numbers * self.batch_size * self.n_steps


def make_budget(
    n_rows,
    n_numbers,
    row_numbers,
    *,
    batch_size,
    max_iter,
    auto_steps,
    patience,
    tol,
    rate,
    schedule,
):
    """Return the Budget for ``n_rows`` of ``row_numbers`` and a net of ``n_numbers`` weights.

    ``max_iter`` "auto" means ``auto_steps`` steps, and more of them above 4,000 rows.

    The block's capacity does not depend on the rows, so that folds share a program.
    """
    epoch_steps = -(-n_rows // batch_size)
    if max_iter == "auto":
        n_steps = auto_steps * np.sqrt(max(1.0, n_rows / 4000))
        max_iter = max(1, round(n_steps / epoch_steps))
    n_steps = max_iter * epoch_steps
    if n_steps > MOST_STEPS:
        raise ValueError(
            f"max_iter={max_iter} epochs of {epoch_steps} steps are more than the {MOST_STEPS} "
            "steps that a fit may have. Lower max_iter, or raise batch_size."
        )
    checkpoint_epochs = max(1, max_iter // N_CHECKPOINTS)
    checkpoint_steps = checkpoint_epochs * epoch_steps
    if max_iter < N_CHECKPOINTS:
        checkpoint_steps = -(-n_steps // N_CHECKPOINTS)
    if patience == "auto":
        patience = -(-max_iter // 3)
    if patience is not None:
        patience = min(max(1, -(-patience * epoch_steps // checkpoint_steps)), n_steps)
    return Budget(
        batch_size=batch_size,
        n_steps=n_steps,
        epoch_steps=epoch_steps,
        checkpoint_steps=checkpoint_steps,
        block_steps=_block_steps(n_numbers, batch_size, row_numbers),
        patience=patience,
        tol=tol,
        n_numbers=n_numbers,
        rates=_rates(rate, schedule, n_steps),
    )


def average_decay(n_steps):
    """Return the decay of the running average of the weights: 0 keeps the last ones."""
    return 1.0 - 1.0 / max(1.0, min(AVERAGED_STEPS, AVERAGED_SHARE * n_steps))


def _rates(rate, schedule, n_steps):
    """Return the learning rate of each step (n_steps,)."""
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
