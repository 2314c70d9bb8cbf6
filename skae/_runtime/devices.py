"""The devices and settings that programs run on and under, whatever the user's own are.

Several devices train one net by JAX's own runtime: the samples of each batch are sharded over
a mesh of them, everything else is replicated.
"""

import ctypes
import os
import pickle
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache, partial, wraps
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding, PartitionSpec

ALL = "all"  # the devices of all processes together
MOST_PROGRAMS = 32  # compiled ones of a function: 100 to 300 mappings of memory each
MOST_SMALL_PROGRAMS = 128  # of one that encodes or decodes: 30 to 150 mappings each
ALLOWED = "allow", None
SETTINGS: dict[Any, tuple] = {  # of JAX: what is set, and what else may stay
    jax.enable_x64: (False,),
    jax.numpy_dtype_promotion: ("standard",),
    jax.numpy_rank_promotion: ("allow",),
    jax.default_prng_impl: ("threefry2x32",),  # vectorised, unlike "rbg"
    jax.threefry_partitionable: (True,),
    jax.default_matmul_precision: ("float32",),
    jax.debug_nans: (False,),  # a training that diverges ends with a warning
    jax.debug_infs: (False,),  # some numbers are infinite on purpose
    jax.transfer_guard_host_to_device: ALLOWED,
    jax.transfer_guard_device_to_device: ALLOWED,
    jax.transfer_guard_device_to_host: ALLOWED,
}
ERRORS: dict[str, Any] = {  # NumPy's own defaults
    "divide": "warn",
    "over": "warn",
    "under": "ignore",
    "invalid": "warn",
}
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


_PROCESS = SimpleNamespace(computed=False, forked=False)


def _note_fork():
    """Note, in a forked child, whether JAX had started in its parent."""
    _PROCESS.forked |= _PROCESS.computed or _backend_started()


def _backend_started():
    """Say whether JAX has started, by skae or by a user. If JAX does not tell, it has not."""
    bridge = getattr(getattr(sys.modules.get("jax"), "_src", None), "xla_bridge", None)
    return getattr(bridge, "backends_are_initialized", lambda: False)()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)
default_errors: Any = np.errstate(**ERRORS)  # NumPy's, whatever a user has set: a decorator


def refuse_traced(X: object) -> None:
    """Raise TypeError if ``X`` stands for an array in a function that JAX traces."""
    if isinstance(X, jax.core.Tracer):
        raise TypeError(TRACED)


def matmul_precision() -> str:
    """Return the precision of products that a user has set in JAX, "float32" if none."""
    return jax.default_matmul_precision.value or "float32"


@contextmanager
def computing(device: str | None = None) -> Iterator[None]:
    """Compute in float32 on ``device``: None or "all" (JAX's default), "cpu", "gpu:1".

    Raises RuntimeError in a process that was forked from one in which JAX had started, and
    TypeError within a function that JAX traces.
    """
    if _PROCESS.forked:
        raise RuntimeError(FORKED)
    _PROCESS.computed = True
    with ExitStack() as stack:
        for setting, values in SETTINGS.items():
            if setting.value not in values:
                stack.enter_context(setting(values[0]))
        if np.geterr() != ERRORS:
            stack.enter_context(np.errstate(**ERRORS))
        if device not in (None, ALL):
            stack.enter_context(jax.default_device(find_device(device)))
        try:
            yield
        except (
            jax.errors.TracerArrayConversionError,
            jax.errors.ConcretizationTypeError,
        ) as error:
            raise TypeError(TRACED) from error


def compiled(
    n_static: int = 0, *, shape_of: Callable, most: int | None = None, **options: Any
) -> Callable[[Callable], Callable]:
    """Return a decorator: ``jax.jit`` with the first ``n_static`` arguments static.

    It keeps the ``most`` programs used last (MOST_PROGRAMS by default) and drops the others,
    with their memory: JAX itself would keep each for ever, and a process has 65,530 mappings.
    ``shape_of(*arguments)`` is what else there is a program of its own for.
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
            if jax.config.jax_disable_jit:  # functions expect JAX's arrays all the same
                arguments = jax.tree.map(jnp.asarray, arguments)
            return jitted(*arguments)

        call.lower = lambda *arguments: found(*arguments).lower(*arguments[n_static:])
        call.programs = program
        return call

    return decorate


def is_processor() -> bool:
    """Say whether programs run on a CPU by default."""
    device = jax.default_device.value
    if device is None:
        return jax.default_backend() == "cpu"
    return getattr(device, "platform", device) == "cpu"


def on_same_device(function: Callable) -> Callable:
    """Return ``function`` for another thread: it computes there as it would here."""
    device = jax.default_device.value

    def compute(*arguments):
        with jax.default_device(device), computing():
            return function(*arguments)

    return compute


def return_memory() -> None:
    """Give the system back what compiling took: GNU's C library would keep it."""
    if sys.platform == "linux":
        getattr(ctypes.CDLL(None), "malloc_trim", lambda pad: None)(0)


def find_device(name: str) -> jax.Device:
    """Return this process's device ``name``; raise ValueError with their names if none is."""
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


def find_mesh(device: str | None) -> Mesh | None:
    """Return the Mesh that batches are sharded over, None if one device takes all."""
    if device != ALL or jax.device_count() == 1:
        return None
    return Mesh(np.array(jax.devices()), ("rows",))


def to_device(tree: Any) -> Any:
    """Send the arrays of ``tree`` to an accelerator; a CPU reads them in place."""
    return tree if is_processor() else jax.device_put(tree)


def shard(mesh: Mesh | None, batches: tuple) -> tuple:
    """Return stacked ``batches`` (steps, size, ...) with their rows sharded over ``mesh``.

    Each process hands over its own devices' rows. If devices do not divide the size, the first
    rows are repeated with a weight of 0; weights are the last of ``batches``.
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


def replicate(mesh: Mesh | None, tree: Any) -> Any:
    """Return the NumPy arrays of ``tree`` on every device of ``mesh``."""
    if mesh is None:
        return to_device(tree)
    whole = NamedSharding(mesh, PartitionSpec())

    def place(leaf):
        return jax.make_array_from_callback(leaf.shape, whole, lambda where: leaf[where])

    return jax.tree.map(place, tree)


def psum_gradient(mesh: Mesh, total: Callable, *given: Any) -> tuple[jax.Array, Any]:
    """Return a mean cost and its gradient by the first of ``given``, from all devices' rows.

    ``total(*given)`` returns a sum over rows, the last of ``given``, and their number. It is
    all summed over devices as one vector, and costs one message a step.
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


def keep_replicated(mesh: Mesh | None, tree: Any) -> Any:
    """Have a traced program leave the ``tree`` whole on each device."""
    if mesh is None:
        return tree
    return jax.lax.with_sharding_constraint(tree, NamedSharding(mesh, PartitionSpec()))


def is_alone(mesh: Mesh | None) -> bool:
    """Say whether this process trains its net without others."""
    return mesh is None or jax.process_count() == 1


def broadcast(mesh: Mesh | None, value: Any) -> Any:
    """Return the first process's ``value`` in all of them.

    Machines of different kinds round differently, and must not choose differently.
    """
    if is_alone(mesh):
        return value
    from jax.experimental.multihost_utils import broadcast_one_to_all

    data = np.frombuffer(pickle.dumps(value), np.uint8)
    data = np.resize(data, int(broadcast_one_to_all(np.uint32(len(data)))))
    return pickle.loads(np.asarray(broadcast_one_to_all(data)).tobytes())


def check_alike(**parts: object) -> None:
    """Raise ValueError, in every process, if ``parts`` are not the same in all of them."""
    from jax.experimental.multihost_utils import process_allgather

    digests = [zlib.crc32(pickle.dumps(part)) for part in parts.values()]
    of_each = process_allgather(np.array(digests, np.uint32))
    differ = [name for name, found in zip(parts, of_each.T, strict=True) if np.ptp(found)]
    if differ:
        raise ValueError(
            f"device={ALL!r} trains one net in {jax.process_count()} processes, but they were "
            f"given different {differ}. Call fit with the same samples and parameters in each "
            "of them, and with an int as random_state."
        )
