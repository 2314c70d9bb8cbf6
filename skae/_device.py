"""The settings under which programs are traced and run, whatever the user's own are."""

from contextlib import ExitStack, contextmanager

import jax


@contextmanager
def computing(device=None):
    """Compute in float32 on ``device``: None (JAX's default), a platform, "platform:index"."""
    with ExitStack() as stack:
        stack.enter_context(jax.enable_x64(False))
        stack.enter_context(jax.numpy_dtype_promotion("standard"))
        stack.enter_context(jax.numpy_rank_promotion("allow"))
        stack.enter_context(jax.default_prng_impl("threefry2x32"))  # vectorised, unlike "rbg"
        stack.enter_context(jax.threefry_partitionable(True))
        stack.enter_context(jax.default_matmul_precision("float32"))
        if device is not None:
            stack.enter_context(jax.default_device(find_device(device)))
        yield


def find_device(name):
    """Return the JAX device called ``name``; raise ValueError naming those there are."""
    platform, _, index = name.partition(":")
    try:
        return jax.devices(platform)[int(index or 0)]
    except (RuntimeError, ValueError, IndexError):
        there = sorted({f"{d.platform}:{d.id}" for d in jax.devices()})
        raise ValueError(f"device={name!r} is not here; JAX sees {there}.") from None
