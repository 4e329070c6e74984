"""What chain samplers share: their arguments, checked, and the run itself."""

import collections
import os
import time
from collections.abc import Callable
from typing import TypeAlias

from jaxtyping import Array

from bnnpost.draws import Draws
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior
from bnnpost.samplers.chain_directory import ChainDirectory
from bnnpost.samplers.chain_plan import ChainPlan
from bnnpost.samplers.chains import Length, run
from bnnpost.samplers.kernels import Kernel
from bnnpost.samplers.warned import warn_user
from bnnpost.spaces.making import make_space
from bnnpost.spaces.space import Space

# Where chains are kept, if anywhere.
Where: TypeAlias = str | os.PathLike[str] | ChainDirectory | None


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
    directory: Where,
    cross_check: bool,
    progress: bool,
) -> Draws:
    """Draws of chains that move the standard normals of a space."""
    started = time.perf_counter()
    require_key(key)
    if not isinstance(posterior, Posterior):
        raise TypeError(f"expected a bnnpost.Posterior, got {type(posterior).__name__}")
    made = make_space(
        posterior, space=space, collapse=collapse, precision=precision, strict=False, alone=True
    )
    kernel = make_kernel(made)
    settings = key, length, chain_method, cross_check, progress, started, directory
    return finished(kernel, made, *settings)


def finished(
    kernel: Kernel,
    space: Space,
    key: Array,
    length: Length,
    chain_method: str,
    cross_check: bool,
    progress: bool,
    started: float,
    directory: Where = None,
) -> Draws:
    """Run chains of a kernel to their end.

    directory: where they are kept as they are run, and gone on with from where they are. Raises
    ValueError for draws that would not fit in memory.
    """
    plan = ChainPlan(kernel, space, key, length, chain_method, cross_check)
    plan.check_memory()
    if directory is None:
        [done] = collections.deque(run(plan.chains(), length, progress=progress), maxlen=1)
        return plan.draws(done, time.perf_counter() - started)
    own = directory if isinstance(directory, ChainDirectory) else ChainDirectory(directory)
    with own.claimed() as held:
        held.begin(plan, warn_user)
        return held.finish(started=started, progress=progress)
