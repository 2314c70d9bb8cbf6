"""The compiled training block and the loop around it.

One block runs a traced number of optimizer steps over stacked batches. It never sees how
many rows there are, so folds, clones and new data run one compiled program. Nothing here
knows the estimator or the architecture.
"""

from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import zip_longest
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from skae._net.objective import N_RANDOM_WORDS
from skae._parameters import LARGEST
from skae._runtime.devices import (
    compiled,
    is_processor,
    keep_replicated,
    psum_gradient,
    replicate,
    shard,
)
from skae._train.optimizers import SCHEDULES, is_elementwise, make_optimizer
from skae._train.packing import Packing

AVERAGED_STEPS = 100  # that the running average of the weights reaches back
AVERAGED_SHARE = 1 / 30  # of the steps of a short training
WORDS_AT_ONCE = 8  # of 32 bits, that one count of NumPy's Philox generator makes
PROCESSOR_RATE, ACCELERATOR_RATE = 4e10, 4e13  # operations a second, roughly
MOST_IN_BLOCK = 2**26  # numbers in the rows that an accelerator has for a block
MOST_STEPS = 10**8  # of a fit: their rates are made beforehand
N_CHECKPOINTS = 25  # checkpoints in a run, where it has as many epochs
MATMUL_PRECISIONS = {  # names of JAX's; what a device does not have, it computes in float32
    "float32": "float32",
    "tensorfloat32": "tensorfloat32",
    "bfloat16": "BF16_BF16_F32",  # factors rounded, summed in float32
}


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


@dataclass(frozen=True)
class StepConfig:
    """The static part of a training block: an objective, how it is computed and minimised."""

    objective: object
    optimizer: object
    n_init: int = 1  # nets that are trained side by side
    follows_loss: bool = False  # the learning rate does, beside its schedule
    matmul_precision: str = "float32"
    mesh: object = None  # of devices that each take a share of a batch's rows

    def batch_loss(self, *given):
        """Return the objective's ``batch_loss``, of products in the chosen precision."""
        with self._products():
            return self.objective.batch_loss(*given)

    def batch_loss_and_gradient(self, *given):
        """Return that and its gradient by the first of ``given``, from all devices' rows."""
        with self._products():
            if self.mesh is None:
                return jax.value_and_grad(self.objective.batch_loss)(*given)
            return psum_gradient(self.mesh, self.objective.total_cost, *given)

    def _products(self):
        return jax.default_matmul_precision(MATMUL_PRECISIONS[self.matmul_precision])


def _block_shape(step_config, packing, state, path, batches, *others):
    return batches[-1].shape


@compiled(2, shape_of=_block_shape, donate_argnames="state")
def train_block(step_config, packing, state, path, batches, rates, traced, first_step, n_steps):
    """Run ``n_steps`` of the stacked ``batches``; return the state and a loss per step.

    ``state`` is (params, average, optimizer state), packed by the ``packing``; at
    ``first_step`` 0 the optimizer is begun afresh. If ``step_config`` has several nets, all of
    it is stacked, and losses are (n_nets, n_steps).
    """

    def train(state):
        params, average, memory = state
        begin = _optimizer(step_config, rates[0], traced).init(params)
        memory = jax.tree.map(
            lambda new, old: jnp.where(first_step == 0, new, old), begin, memory
        )

        def step(i, carry):
            params, average, memory, losses = carry
            batch = jax.tree.map(lambda part: part[i], batches)
            present = step_config.objective.traced_at(first_step + i, path, traced)
            given = path, present, batch

            def loss_of_packed(packed):
                return step_config.batch_loss(packing.unpack(packed), *given)

            loss, gradient = step_config.batch_loss_and_gradient(packing.unpack(params), *given)
            gradient = packing.pack(gradient)
            optimizer = _optimizer(step_config, rates[i], present)
            update, memory = optimizer.update(
                gradient, memory, params, value=loss, grad=gradient, value_fn=loss_of_packed
            )
            params = jax.tree.map(lambda p, u: p + u, params, update)
            decay = traced["average_decay"]
            average = jax.tree.map(lambda a, p: decay * a + (1 - decay) * p, average, params)
            return params, average, memory, losses.at[i].set(loss)

        start = (params, average, memory, jnp.zeros_like(rates))
        *state, losses = jax.lax.fori_loop(0, n_steps, step, start)
        return tuple(state), losses

    if step_config.n_init == 1:
        return keep_replicated(step_config.mesh, train(state))
    # Several nets differ in their beginnings only: rows, cuts and noise are the same.
    return keep_replicated(step_config.mesh, jax.vmap(train)(state))


def _optimizer(step_config, rate, traced):
    return make_optimizer(
        step_config.optimizer,
        rate,
        traced["weight_decay"],
        traced["max_gradient_norm"],
        step_config.follows_loss,
    )


class Pause(NamedTuple):
    """Where a run stopped: packed weights, their average, and the optimizer's memory.

    ``memory`` are its leaves, so that a pickle holds none of Optax's classes.
    """

    params: object
    average: object
    memory: list
    step: int


class Trainer:
    """One training in progress: call ``advance``, read ``weights`` in between."""

    def __init__(self, step_config, path, params, source, budget, traced, seed, pause=None):
        self.step_config, self.budget, self.source, self.seed = (
            step_config,
            budget,
            source,
            seed,
        )
        self.path, self.traced = replicate(step_config.mesh, (path, traced))
        self.step, self.steps_before = 0, 0
        self.is_cancelled = False
        allowed = is_elementwise(step_config.optimizer)
        self.packing = Packing.of(params, step_config.n_init, allowed=allowed)
        packed = self.packing.pack(params)
        memory = _optimizer_memory(step_config, _shapes(packed))
        if pause is None:  # the block itself begins the optimizer
            zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), memory)
            state = packed, packed, zeros
        else:
            memory = jax.tree.structure(memory).unflatten(pause.memory)
            state, self.steps_before = (pause.params, pause.average, memory), pause.step
        self.state = replicate(step_config.mesh, state)
        self.table = replicate(step_config.mesh, source.table)

    def advance(self, n_steps):
        """Run up to ``n_steps`` more of the plan; return their losses, on the host.

        Raises CancelledError once somebody has called ``cancel``.
        """
        n_steps, capacity = (
            min(n_steps, self.budget.n_steps - self.step),
            self.budget.block_steps,
        )
        counts = [min(capacity, n_steps - done) for done in range(0, n_steps, capacity)]
        losses, batches = [], self._batches(counts[0])
        for count, following in zip_longest(counts, counts[1:]):
            if self.is_cancelled:
                raise CancelledError
            running = self._begin_block(batches, count)
            if following is not None:  # gathered while the device computes
                batches = self._batches(following)
            jax.block_until_ready(self.state)
            losses.append(np.asarray(running).T[:count])
        return np.concatenate(losses)

    def warm_up(self):
        """Compile the block, where that is not done yet; nothing is trained."""
        jax.block_until_ready(self._begin_block(self._batches(1), 0))

    @property
    def losses_shape(self):
        """The shape of the losses of no step."""
        return (0,) if self.step_config.n_init == 1 else (0, self.step_config.n_init)

    def weights(self):
        """Return a copy of the averaged weights as NumPy arrays."""
        average = jax.tree.map(np.asarray, self.state[1])
        return jax.tree.map(partial(np.array, order="C"), self.packing.unpack(average))

    def pause(self):
        """Return the Pause from which another run may go on."""
        params, average, memory = jax.tree.map(np.array, self.state)
        return Pause(params, average, jax.tree.leaves(memory), self.steps_before + self.step)

    def cancel(self):
        """Have ``advance`` end in an error before its next block, in another thread too."""
        self.is_cancelled = True

    @property
    def is_released(self):
        """Whether it cannot go on."""
        return self.state is None

    def release(self):
        """Let go of the rows and of the device's memory: this run has ended."""
        self.source = self.state = self.table = None

    def _batches(self, count):
        """Return the batches of the next ``count`` steps, on their way to the devices.

        They are padded to a block's capacity.
        """
        *parts, weight = self.source.block(count, self.budget.block_steps)
        if self.table is not None:
            parts = _rows_at(self.table, parts[0])
        bits = random_bits(self.seed, self.steps_before + self.step, *weight.shape)
        return shard(self.step_config.mesh, (*parts, bits, weight))

    def _begin_block(self, batches, count):
        """Set the device to ``count`` steps; return their losses, when they will be there."""
        rates = np.zeros(self.budget.block_steps, np.float32)
        rates[:count] = self.budget.rates[self.step : self.step + count]
        self.state, losses = train_block(
            self.step_config,
            self.packing,
            self.state,
            self.path,
            batches,
            rates,
            self.traced,
            np.int32(self.steps_before + self.step),
            np.int32(count),
        )
        self.step += count
        return losses


def _table_shape(table, index):
    return *(leaf.shape for leaf in jax.tree.leaves(table)), index.shape


@compiled(shape_of=_table_shape)
def _rows_at(table, index):
    """Return the rows at ``index`` of each array of ``table``."""
    return jax.tree.map(lambda rows: rows[index], table)


def random_bits(seed, first_step, n_steps, n_rows):
    """Return random bits, N_RANDOM_WORDS words for each row of some steps.

    They come from the host: drawn in the block, they would be a third of its compile time.
    """
    per_step = -(-n_rows * N_RANDOM_WORDS // WORDS_AT_ONCE)
    generator = np.random.Philox(key=seed, counter=first_step * per_step)
    bits = generator.random_raw(n_steps * per_step * WORDS_AT_ONCE // 2).view(np.uint32)
    bits = bits.reshape(n_steps, -1)[:, : n_rows * N_RANDOM_WORDS]
    return bits.reshape(n_steps, n_rows, N_RANDOM_WORDS)


def any_finite(losses, weights, n_init):
    """Say whether there is a net whose losses and weights are all finite numbers."""
    leaves = [losses.T, *jax.tree.leaves(weights)]
    per_net = [leaf.reshape(n_init, -1) for leaf in leaves]
    return bool(np.all([np.isfinite(leaf).all(axis=1) for leaf in per_net], axis=0).any())


def _shapes(params):
    leaves, structure = jax.tree.flatten(params)
    return structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves)


@lru_cache(maxsize=64)
def _optimizer_memory(step_config, shapes):
    """Return the shapes and dtypes of the optimizer's memory."""
    structure, leaves = shapes
    params = structure.unflatten([jax.ShapeDtypeStruct(*leaf) for leaf in leaves])
    traced = {"weight_decay": 0.0, "max_gradient_norm": 1.0}
    begin = _optimizer(step_config, 1.0, traced).init
    return jax.eval_shape(begin if step_config.n_init == 1 else jax.vmap(begin), params)


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
