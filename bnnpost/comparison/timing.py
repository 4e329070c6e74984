"""How long a comparison with the limit will take, from its first blocks of proposals."""

import contextlib
import time

from jaxtyping import Array

from bnnpost.comparison.compare import found_over_proposals
from bnnpost.comparison.differences import NUM_BLOCKS, check_num_blocks
from bnnpost.posterior import Posterior
from bnnpost.samplers.importance import weighted_space

# Blocks of proposals: one that is compiled, and those that are timed.
_BLOCKS = 3


class _Enough(Exception):
    """Ends a comparison that is only timed."""


def comparison_seconds(
    key: Array,
    posterior: Posterior,
    x_test: object,
    *,
    num_proposals: int,
    precision: str = "single",
) -> float:
    """Seconds that `compare` with these arguments takes once all is compiled, by three blocks.

    Compiles what `compare` will. Raises as that does.
    """
    times: list[float] = []

    def seen(done: int) -> None:
        times.append(time.perf_counter())
        if len(times) == _BLOCKS:
            raise _Enough

    check_num_blocks("num_proposals", num_proposals)
    points = posterior.checked_test_points(x_test)
    chosen = weighted_space(posterior, "auto", precision)
    with contextlib.suppress(_Enough):
        found_over_proposals(key, chosen, points, num_proposals, seen)
    return (times[-1] - times[0]) / (len(times) - 1) * NUM_BLOCKS
