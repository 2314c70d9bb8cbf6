"""The compiled training block and the loop around it.

One block runs a traced number of optimizer steps over stacked batches. It never sees how
many rows there are, so folds, clones and new data run one compiled program. Nothing here
knows the estimator or the architecture.
"""

from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product, zip_longest
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from skae._net.inference import Model
from skae._runtime.devices import (
    broadcast,
    compiled,
    keep_replicated,
    psum_gradient,
    replicate,
    return_memory,
    shard,
)
from skae._train.inputs import random_bits, row_source
from skae._train.optimizers import is_elementwise, make_optimizer
from skae._train.packing import Packing

CORRECTION_SCALES = (0.5, 1.0)  # evaluated at every checkpoint
MOST_KEPT = 2**22  # numbers in the weights of the checkpoints that a run keeps
COMPILED_BY = 2  # checkpoints: then everything that evaluates them is compiled


@dataclass(frozen=True)
class StepConfig:
    """The static part of a training block: an objective, how it is computed and minimised."""

    objective: object
    optimizer: object
    n_init: int = 1  # nets trained at once
    follows_loss: bool = False  # the learning rate is halved when the loss stops falling
    matmul_precision: str = "float32"  # JAX's name for it
    mesh: object = None  # of devices that each take a share of a batch's rows

    def batch_loss(self, *given):
        """Return the objective's ``batch_loss``, of products in the chosen precision."""
        with self._products():
            return self.objective.batch_loss(*given)

    def batch_loss_and_gradient(self, *given):
        """Return it and its gradient by the first of ``given``, from all devices' rows."""
        with self._products():
            if self.mesh is None:
                return jax.value_and_grad(self.objective.batch_loss)(*given)
            return psum_gradient(self.mesh, self.objective.total_cost, *given)

    def _products(self):
        return jax.default_matmul_precision(self.matmul_precision)


def _block_shape(step_config, packing, state, path, batches, *others):
    return batches[-1].shape


@compiled(2, shape_of=_block_shape, donate_argnames="state")
def train_block(step_config, packing, state, path, batches, rates, traced, first_step, n_steps):
    """Run ``n_steps`` of the stacked ``batches``; return the state and a loss per step.

    ``state`` is (params, average, optimizer state), packed by the ``packing``; the optimizer
    begins at ``first_step`` 0. States and losses of several nets are stacked.
    """

    def train(state):
        params, average, memory = state
        begin = _optimizer(step_config, rates[0], traced).init(params)
        memory = jax.tree.map(
            lambda new, old: jnp.where(first_step == 0, new, old), begin, memory
        )

        def step(i, carry):
            params, average, memory, losses = carry
            present = step_config.objective.traced_at(first_step + i, path, traced)
            given = path, present, jax.tree.map(lambda part: part[i], batches)

            def loss_of_packed(packed):
                return step_config.batch_loss(packing.unpack(packed), *given)

            loss, gradient = step_config.batch_loss_and_gradient(packing.unpack(params), *given)
            gradient = packing.pack(gradient)
            optimizer = _optimizer(step_config, rates[i], present)
            extra = {"value": loss, "grad": gradient, "value_fn": loss_of_packed}
            update, memory = optimizer.update(gradient, memory, params, **extra)
            params = jax.tree.map(lambda p, u: p + u, params, update)
            decay = traced["average_decay"]
            average = jax.tree.map(lambda a, p: decay * a + (1 - decay) * p, average, params)
            return params, average, memory, losses.at[i].set(loss)

        carry = params, average, memory, jnp.zeros_like(rates)
        *state, losses = jax.lax.fori_loop(0, n_steps, step, carry)
        return tuple(state), losses

    if step_config.n_init == 1:
        return keep_replicated(step_config.mesh, train(state))
    # Several nets differ in their initial weights only: batches and noise are the same.
    return keep_replicated(step_config.mesh, jax.vmap(train)(state))


def _optimizer(step_config, rate, traced):
    return make_optimizer(
        step_config.optimizer, rate, traced["weight_decay"], step_config.follows_loss
    )


class Pause(NamedTuple):
    """Where a run stopped: packed weights, their average, and the optimizer's memory.

    ``memory`` are its leaves, so that a pickle holds none of Optax's classes.
    """

    params: object
    average: object
    memory: list
    step: int


class RunState(NamedTuple):
    """What a TrainingRun has done so far.

    ``losses`` and ``costs`` are of checkpoints, ``latest`` the losses of blocks since then.
    ``weights`` are those of checkpoints that are kept, ``source`` is the place in the shuffled
    rows. Without ``pause`` the run has ended.
    """

    losses: list
    latest: list
    costs: list
    weights: dict
    diverged: bool
    pause: Pause | None
    source: dict | None


class TrainingRun:
    """One training in progress, and its checkpoints.

    ``start`` says what checkpoint 0 is: "pca", "random" or a "model" trained before. At each
    checkpoint its ``candidates`` are evaluated: pairs (correction scale, restart), and their
    ``costs`` noted by whoever does. ``stream`` numbers the runs of a fit.
    """

    def __init__(
        self,
        config,
        rows,
        stream,
        *,
        start,
        pca,
        path,
        filler,
        params,
        reduction=None,
        pause=None,
    ):
        self.config, self.start, self.pca, self.filler = config, start, pca, filler
        self.path, self.reduction, self.n_rows = path, reduction, len(rows.weight)
        self.large = reduction is not None or not rows.in_memory
        self.has_missing = config.missing_indicator or rows.has_missing
        self.seed, self.stream = (config.seed + stream) % 2**31, stream
        self.step, self.steps_before = 0, 0 if pause is None else pause.step
        self.is_cancelled = self.diverged = False
        self.path = broadcast(config.mesh, path)
        self._on_device = replicate(config.mesh, (self.path, config.traced))
        self._begin(params, pause)
        if self.large:  # compile first: compiling takes memory, and so do these rows
            self._load(rows.take(slice(config.budget.batch_size)))
            jax.block_until_ready(self._begin_block(self._batches(1), 0))
            return_memory()
        self._load(rows)
        self.checkpoint = 0  # the latest one
        self.weights, self.losses = {0: self._averaged_weights()}, []
        self.costs = []  # arrays, of the start and of each checkpoint that was evaluated
        self.on_block = None  # called with the run between blocks
        self._repeated, self._is_over, self._latest, self._place = None, False, [], None

    def _begin(self, params, pause):
        """Put the state on the devices: that of a ``pause``, or fresh ``params``."""
        step_config = self.config.step_config
        allowed = is_elementwise(step_config.optimizer)
        self.packing = Packing.of(params, step_config.n_init, allowed=allowed)
        packed = self.packing.pack(params)
        memory = _optimizer_memory(step_config, _shapes(packed))
        if pause is None:  # the block itself begins the optimizer
            zeros = [np.zeros(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(memory)]
            pause = Pause(packed, packed, zeros, 0)
        memory = jax.tree.structure(memory).unflatten(pause.memory)
        self.state = replicate(step_config.mesh, (pause.params, pause.average, memory))

    def _load(self, rows):
        rng = np.random.default_rng([self.config.seed, self.stream, 1])
        self.source = row_source(
            self.config, rows, self.path, self.filler, rng, has_missing=self.has_missing
        )
        self.table = replicate(self.config.mesh, self.source.table)

    def advance(self) -> bool:
        """Train up to the next checkpoint; return False if all nets diverge before."""
        if self._repeated is not None and self._repeat():
            return True
        if self.diverged or self.released:
            return False
        n_steps, n_init = self.config.budget.checkpoint_steps, self.config.n_init
        losses = self.train(n_steps - sum(map(len, self._latest)))
        weights = self._averaged_weights()
        leaves = [losses.T, *jax.tree.leaves(weights)]
        per_net = [np.isfinite(leaf).reshape(n_init, -1).all(axis=1) for leaf in leaves]
        self.diverged = not np.all(per_net, axis=0).any()
        if not self.diverged:
            self.losses.append(losses)
            self.checkpoint += 1
            self.weights[self.checkpoint] = weights
        if self.large and self.checkpoint == COMPILED_BY:
            return_memory()
        return not self.diverged

    def state_of_fit(self) -> RunState:
        """Return the RunState from which ``go_on_from`` goes on with the same rows."""
        if self._repeated is not None:
            return self._repeated
        ended = self.released or self._is_over
        place = self._place if self._latest else None if ended else self.source.state()
        return RunState(
            list(self.losses),
            list(self._latest),
            list(self.costs),
            dict(self.weights),
            self.diverged,
            None if ended else self.pause(),
            place,
        )

    def go_on_from(self, state: RunState):
        """Take each checkpoint from ``state`` first, as if it were trained, and then go on."""
        self._repeated = state

    def _repeat(self):
        """Take the next checkpoint from the state that is repeated, or take over its end."""
        state, checkpoint = self._repeated, self.checkpoint + 1
        if checkpoint <= len(state.losses):
            self.losses.append(state.losses[checkpoint - 1])
            self.checkpoint = checkpoint
            if checkpoint in state.weights:
                self.weights[checkpoint] = state.weights[checkpoint]
            self.costs += state.costs[checkpoint : checkpoint + 1]
            return True
        self._repeated, self.diverged = None, state.diverged
        if state.pause is None:
            self.release()
        else:
            self._begin(self.weights[0], state.pause)
            self._latest = list(state.latest)
            self.step = state.pause.step - self.steps_before
            self.source.go_to(state.source)
        return False

    def train(self, n_steps) -> np.ndarray:
        """Run up to ``n_steps`` more of the budget; return the losses since a checkpoint.

        Raises CancelledError once another thread has set ``is_cancelled``.
        """
        budget = self.config.budget
        n_steps, capacity = min(n_steps, budget.n_steps - self.step), budget.block_steps
        counts = [min(capacity, n_steps - done) for done in range(0, n_steps, capacity)]
        losses, batches = self._latest, self._batches(counts[0])
        for count, following in zip_longest(counts, counts[1:]):
            if self.is_cancelled:
                raise CancelledError
            self._place = None if self.on_block is None else self.source.state()
            running = self._begin_block(batches, count)
            if following is not None:  # gathered while the device computes
                batches = self._batches(following)
            jax.block_until_ready(self.state)
            losses.append(np.asarray(running).T[:count])
            if following is not None and self.on_block is not None:
                self.on_block(self)
        self._latest = []
        return np.concatenate(losses)

    def _batches(self, count):
        """Return the batches of the next ``count`` steps, padded to a block's capacity."""
        *parts, weight = self.source.block(count, self.config.budget.block_steps)
        if self.table is not None:
            parts = _rows_at(self.table, parts[0])
        bits = random_bits(self.seed, self.steps_before + self.step, *weight.shape)
        return shard(self.config.mesh, (*parts, bits, weight))

    def _begin_block(self, batches, count):
        """Start ``count`` steps on the device; return their losses, still being computed."""
        rates = np.zeros(self.config.budget.block_steps, np.float32)
        rates[:count] = self.config.budget.rates[self.step : self.step + count]
        path, traced = self._on_device
        first_step = np.int32(self.steps_before + self.step)
        given = batches, rates, traced, first_step, np.int32(count)
        self.state, losses = train_block(
            self.config.step_config, self.packing, self.state, path, *given
        )
        self.step += count
        return losses

    def _averaged_weights(self):
        average = jax.tree.map(np.asarray, self.state[1])
        return jax.tree.map(partial(np.array, order="C"), self.packing.unpack(average))

    def pause(self) -> Pause:
        """Return the Pause from which another run can continue."""
        params, average, memory = jax.tree.map(np.array, self.state)
        return Pause(params, average, jax.tree.leaves(memory), self.steps_before + self.step)

    def release(self):
        """Free the rows and the device's memory: this run has ended."""
        self.source = self.state = self.table = self._on_device = None

    @property
    def released(self):
        return self.state is None

    def rewind(self, checkpoint):
        """Go back to a checkpoint, as if training had ended there; it cannot continue."""
        if self.checkpoint >= checkpoint:  # forget what came later, even a divergence
            self.checkpoint, self.diverged = checkpoint, False
            self.losses, self._is_over = self.losses[:checkpoint], True

    def keep(self, checkpoints):
        self.weights = {i: self.weights[i] for i in self.weights if i in checkpoints}

    def nearest(self, checkpoint):
        """Return the nearest checkpoint that is kept: the start only for the start."""
        return min(
            self.weights, key=lambda kept: (kept == 0 < checkpoint, abs(kept - checkpoint))
        )

    @property
    def most_kept(self):
        """The number of checkpoints, besides the start, whose weights may stay in memory."""
        size = sum(leaf.size for leaf in jax.tree.leaves(self.weights[0]))
        return max(1, MOST_KEPT // size)

    @property
    def n_numbers(self):
        return self.n_rows * self.config.network.n_inputs

    @property
    def candidates(self):
        """Pairs (correction scale, restart); without PCA there is nothing to scale."""
        scales = CORRECTION_SCALES if self.start == "pca" else (1.0,)
        return list(product(scales, range(self.config.n_init)))

    def all_losses(self, restart=0):
        """Return the training loss of each step so far."""
        n_init = self.config.n_init
        none = np.empty((0,) if n_init == 1 else (0, n_init), np.float32)
        losses = np.concatenate([none, *self.losses[: self.checkpoint]])
        return losses if n_init == 1 else losses[:, restart]

    def model(self, checkpoint=None, candidate=(1.0, 0)) -> Model:
        """Return the Model of a candidate at a checkpoint, by default the latest one."""
        scale, restart = candidate
        params = self.weights[self.checkpoint if checkpoint is None else checkpoint]
        if self.config.n_init > 1:
            params = jax.tree.map(lambda leaf: leaf[restart], params)
        path = self.path._replace(strength=self.path.strength * np.float32(scale))
        return Model(self.config.autoencoder, path, params, self.filler, self.reduction)

    @property
    def mean(self):
        mean = self.pca.axes.mean
        if self.reduction is None:
            return mean
        return self.reduction.mean + self.reduction.basis @ mean


def _table_shape(table, index):
    return *(leaf.shape for leaf in jax.tree.leaves(table)), index.shape


@compiled(shape_of=_table_shape)
def _rows_at(table, index):
    """Return the rows at ``index`` of each array of ``table``."""
    return jax.tree.map(lambda rows: rows[index], table)


def _shapes(params):
    leaves, structure = jax.tree.flatten(params)
    return structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves)


@lru_cache(maxsize=64)
def _optimizer_memory(step_config, shapes):
    """Return the shapes and dtypes of the optimizer's memory."""
    structure, leaves = shapes
    params = structure.unflatten([jax.ShapeDtypeStruct(*leaf) for leaf in leaves])
    traced = {"weight_decay": 0.0}
    begin = _optimizer(step_config, 1.0, traced).init
    return jax.eval_shape(begin if step_config.n_init == 1 else jax.vmap(begin), params)
