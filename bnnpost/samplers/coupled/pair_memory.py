"""How much memory the draws of pairs of chains take: each keeps all its standard normals."""

import math

import jax

from bnnpost.samplers.chains.kernel import Normals
from bnnpost.storage import available_memory, gigabytes

# As they were kept, as they are at the last step, and all of these in one array.
_COPIES = 3


def bytes_per_draw(target: Normals) -> int:
    """Of what is kept of a draw."""
    with jax.enable_x64(True):
        kept = jax.eval_shape(lambda key: target.given(target.prior(key)), jax.random.key(0))
    return sum(math.prod(one.shape) * one.dtype.itemsize for one in jax.tree.leaves(kept))


def needed_memory(target: Normals, num_draws: int) -> int:
    """Bytes that so many draws take while they are made."""
    return _COPIES * bytes_per_draw(target) * num_draws


def require_memory(target: Normals, num_draws: int) -> None:
    """Raise ValueError if so many draws would not fit in the memory that is free now."""
    needed, free = needed_memory(target, num_draws), available_memory()
    if free is not None and needed > free:
        raise ValueError(
            f"{num_draws:,} draws of {bytes_per_draw(target):,} bytes need about "
            f"{gigabytes(needed)} of memory, and {gigabytes(free)} are free: ask for at most "
            f"{int(num_draws * free / needed):,} samples, or take a narrower network"
        )
