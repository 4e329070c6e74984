"""What chain samplers share: their arguments, checked, and the run itself."""

import collections
import time
from collections.abc import Callable

import numpy as np
from jaxtyping import Array

from bnnpost.draws import Draws
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior
from bnnpost.samplers import chain_draws
from bnnpost.samplers.chains import Chains, Length, run
from bnnpost.samplers.kernels import Kernel
from bnnpost.spaces.space import Space, make_space


def check_between(name: str, value: float, low: float, high: float) -> None:
    """Raise ValueError for what is no number above `low` and at most `high`."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not (number and low < value <= high):
        raise ValueError(f"expected {name} to be above {low:g} and at most {high:g}, got {value!r}")


def sampled(
    key: Array,
    posterior: Posterior,
    make_kernel: Callable[[Space], Kernel],
    length: Length,
    *,
    space: str,
    collapse: bool,
    precision: str,
    chain_method: str,
    progress: bool,
) -> Draws:
    """Draws of chains that move the standard normals of a space."""
    started = time.perf_counter()
    require_key(key)
    if not isinstance(posterior, Posterior):
        raise TypeError(f"expected a bnnpost.Posterior, got {type(posterior).__name__}")
    made = make_space(posterior, space=space, collapse=collapse, precision=precision, strict=False)
    kernel = make_kernel(made)
    return finished(kernel, made, key, length, chain_method, progress, started)


def finished(
    kernel: Kernel,
    space: Space,
    key: Array,
    length: Length,
    chain_method: str,
    progress: bool,
    started: float,
) -> Draws:
    """Run chains of a kernel to their end."""
    chains = Chains(kernel, key, length, chain_method)
    [done] = collections.deque(run(chains, length, progress=progress), maxlen=1)
    return chain_draws.draws(kernel, space, key, length, done, time.perf_counter() - started)
