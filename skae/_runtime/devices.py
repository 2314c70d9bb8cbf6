"""Where programs run, and under which settings, whatever the user's own are.

Several devices train one net by JAX's own runtime: the rows of each batch are spread over a
mesh of them, everything else is on each.
"""

import ctypes
import os
import pickle
import sys
import zlib
from contextlib import ExitStack, contextmanager
from functools import lru_cache, partial, wraps

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding, PartitionSpec

ALL = "all"  # the devices of all processes together
MOST_PROGRAMS = 32  # of a function that stay compiled: 100 to 300 mappings of memory each
MOST_SMALL_PROGRAMS = 128  # of one that maps rows to codes or back: 30 to 150 each
SETTINGS = {
    jax.enable_x64: False,
    jax.numpy_dtype_promotion: "standard",
    jax.numpy_rank_promotion: "allow",
    jax.default_prng_impl: "threefry2x32",  # vectorised, unlike "rbg"
    jax.threefry_partitionable: True,
    jax.default_matmul_precision: "float32",
    jax.debug_nans: False,  # a training that diverges ends with a warning
    jax.debug_infs: False,  # some numbers are infinite by intention
}
GUARDS = (  # of copies between host and device, which None allows
    jax.transfer_guard_host_to_device,
    jax.transfer_guard_device_to_device,
    jax.transfer_guard_device_to_host,
)
ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}  # NumPy's own
TRACED = (
    "Estimators compute with NumPy arrays and compile their own programs: they cannot be "
    "called inside jax.jit, jax.vmap, jax.grad and the like. Call them outside, and pass the "
    "results."
)
FORKED = (
    "This process was forked from one in which JAX had started. JAX's threads do not survive a "
    "fork, and computing here would hang for ever. Start processes by 'spawn' or 'forkserver' "
    "(multiprocessing.get_context('spawn')), or use joblib's default backend, 'loky'."
)


class _Process:
    """What a process that forks leaves its children: whether JAX had started in it."""

    has_computed = False  # here
    is_forked = False  # from one that had

    def note_fork(self):
        """Note, in a child, what was in its parent."""
        self.is_forked |= self.has_computed or _has_backend()


def _has_backend():
    """Say whether JAX has started, by skae or by a user. If JAX does not tell, it has not."""
    bridge = getattr(getattr(sys.modules.get("jax"), "_src", None), "xla_bridge", None)
    return getattr(bridge, "backends_are_initialized", lambda: False)()


_PROCESS = _Process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_PROCESS.note_fork)
default_errors = np.errstate(**ERRORS)  # of floats, whatever a user has set: a decorator


def refuse_traced(X):
    """Raise TypeError for what JAX puts in an array's place while it traces a function."""
    if isinstance(X, jax.core.Tracer):
        raise TypeError(TRACED)


@contextmanager
def computing(device=None):
    """Compute in float32 on ``device``: None or "all" (JAX's default), "cpu", "gpu:1".

    Raises RuntimeError in a process that was forked from one that had computed, and TypeError
    within a function that JAX traces.
    """
    if _PROCESS.is_forked:
        raise RuntimeError(FORKED)
    _PROCESS.has_computed = True
    contexts = [s(value) for s, value in SETTINGS.items() if s.value != value]
    contexts += [guard("allow") for guard in GUARDS if guard.value not in (None, "allow")]
    if np.geterr() != ERRORS:
        contexts.append(np.errstate(**ERRORS))
    if device not in (None, ALL):
        contexts.append(jax.default_device(find_device(device)))
    try:
        if len(contexts) == 1:  # as mostly; a stack costs a row as much as some arithmetic
            with contexts[0]:
                yield
            return
        with ExitStack() as stack:
            for context in contexts:
                stack.enter_context(context)
            yield
    except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError) as error:
        raise TypeError(TRACED) from error


def compiled(n_static=0, *, shape_of, most=None, **options):
    """Return a decorator: ``jax.jit`` for other values of the first ``n_static`` arguments.

    The programs least recently used are dropped, with the memory that they are mapped in:
    JAX itself would keep each one for ever, and a process has 65,530 mappings. ``shape_of``
    (*arguments) is what else there is a program of its own for; ``most`` stay, by default
    MOST_PROGRAMS.
    """

    def decorate(function):
        @lru_cache(maxsize=MOST_PROGRAMS if most is None else most)
        def program(shape, *static):
            return jax.jit(partial(function, *static), **options)

        def found(*arguments):
            return program(shape_of(*arguments), *arguments[:n_static])

        @wraps(function)
        def call(*arguments):
            jitted, arguments = found(*arguments), arguments[n_static:]
            if jax.config.jax_disable_jit:  # who debugs so gets JAX's arrays all the same
                arguments = jax.tree.map(jnp.asarray, arguments)
            return jitted(*arguments)

        call.lower = lambda *arguments: found(*arguments).lower(*arguments[n_static:])
        call.programs = program
        return call

    return decorate


def is_processor():
    """Say whether JAX's present device is a processor, as programs run there by default."""
    device = jax.default_device.value
    if device is None:
        return jax.default_backend() == "cpu"
    return getattr(device, "platform", device) == "cpu"


def on_same_device(function):
    """Return ``function`` for another thread: it computes there as it would here."""
    device = jax.default_device.value

    def compute(*arguments):
        with jax.default_device(device), computing():
            return function(*arguments)

    return compute


def return_memory():
    """Give the system back what compiling took: GNU's C library would keep it.

    Elsewhere nothing is done.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda pad: None)
        trim(0)


def find_device(name):
    """Return this process's JAX device ``name``; raise ValueError naming those there are."""
    platform, _, index = name.partition(":")
    try:
        if not platform or index.startswith("-"):
            raise IndexError
        return jax.local_devices(backend=platform)[int(index or 0)]
    except (RuntimeError, ValueError, IndexError):
        there = sorted({f"{d.platform}:{i}" for i, d in enumerate(jax.local_devices())})
        raise ValueError(
            f"device={name!r} is not here; JAX sees {there}, which device={ALL!r} takes all."
        ) from None


def find_mesh(device):
    """Return the Mesh that a batch's rows are spread over, None where one device takes all."""
    if device != ALL or jax.device_count() == 1:
        return None
    return Mesh(np.array(jax.devices()), ("rows",))


def to_device(tree):
    """Return the arrays of ``tree`` on their way to an accelerator; a processor reads them."""
    return tree if is_processor() else jax.device_put(tree)


def shard(mesh, batches):
    """Return stacked ``batches`` (steps, size, ...) with their rows spread over ``mesh``.

    Each process hands over its own devices' rows. Where devices do not divide the size, first
    rows are there twice, the second time with a weight of 0: these are the last of ``batches``.
    """
    if mesh is None:
        return to_device(batches)
    *parts, weight = batches
    n_rows = weight.shape[1]
    index = np.arange(-(-n_rows // mesh.size) * mesh.size)
    weight = np.where(index < n_rows, weight[:, index % n_rows], np.float32(0))
    by_rows = NamedSharding(mesh, PartitionSpec(None, "rows"))

    def place(part):
        def share(where):
            return part[:, index[where[1]] % part.shape[1]]

        shape = (len(part), len(index), *part.shape[2:])
        return jax.make_array_from_callback(shape, by_rows, share)

    return tuple(part if part is None else place(part) for part in (*parts, weight))


def replicate(mesh, tree):
    """Return the NumPy arrays of ``tree`` on every device of ``mesh``."""
    if mesh is None:
        return to_device(tree)
    whole = NamedSharding(mesh, PartitionSpec())

    def place(leaf):
        return jax.make_array_from_callback(leaf.shape, whole, lambda where: leaf[where])

    return jax.tree.map(place, tree)


def psum_gradient(mesh, total, *given):
    """Return a mean cost and its gradient by the first of ``given``, from all devices' rows.

    ``total(*given)`` returns a sum over rows, the last of ``given``, and their number. All is
    summed over devices as one vector: one message a step, where each has its price.
    """

    def of_share(*given):
        (cost, count), gradient = jax.value_and_grad(total, has_aux=True)(*given)
        flat, back = ravel_pytree((cost, count, gradient))
        return back(jax.lax.psum(flat, "rows"))

    whole, by_rows = PartitionSpec(), PartitionSpec("rows")
    specs = (*(whole for _ in given[:-1]), by_rows)
    of_all = jax.shard_map(
        of_share, mesh=mesh, in_specs=specs, out_specs=whole, check_vma=False
    )
    cost, count, gradient = of_all(*given)
    return cost / count, jax.tree.map(lambda part: part / count, gradient)


def keep_replicated(mesh, tree):
    """Return the ``tree`` of a traced program as it is to leave it: whole on each device."""
    if mesh is None:
        return tree
    return jax.lax.with_sharding_constraint(tree, NamedSharding(mesh, PartitionSpec()))


def is_alone(mesh):
    """Say whether this process trains its net without others."""
    return mesh is None or jax.process_count() == 1


def broadcast(mesh, value):
    """Return the first process's ``value``, with which all of them go on.

    Machines of different kinds round differently, and must not choose differently.
    """
    if is_alone(mesh):
        return value
    from jax.experimental.multihost_utils import broadcast_one_to_all

    data = np.frombuffer(pickle.dumps(value), np.uint8)
    sent = np.resize(data, int(broadcast_one_to_all(np.uint32(len(data)))))
    return pickle.loads(np.asarray(broadcast_one_to_all(sent)).tobytes())


def check_alike(**parts):
    """Raise ValueError, in every process, where ``parts`` are not the same in all of them."""
    from jax.experimental.multihost_utils import process_allgather

    digests = [zlib.crc32(pickle.dumps(part)) for part in parts.values()]
    of_each = process_allgather(np.array(digests, np.uint32))
    differ = [name for name, found in zip(parts, of_each.T, strict=True) if np.ptp(found)]
    if differ:
        raise ValueError(
            f"device={ALL!r} trains one net in {jax.process_count()} processes, but they were "
            f"given different {differ}. Call fit with the same rows and parameters in each of "
            "them, and with an int as random_state."
        )
