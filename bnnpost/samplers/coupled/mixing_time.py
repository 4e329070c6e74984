"""How long a warmup is enough: coupled pairs of a plain chain bound its distance at each step."""

import time
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from bnnpost.posterior import Posterior
from bnnpost.samplers.coupled.bounds import Bound, checked_goal, tv_bound
from bnnpost.samplers.coupled.pairs import Pairs
from bnnpost.samplers.coupled.tuning import NotMet, Setting, set_up, set_up_in
from bnnpost.samplers.kernels.kernel import Kernel, Paired
from bnnpost.samplers.kernels.named import KERNELS
from bnnpost.samplers.progress import Progress
from bnnpost.spaces.space import Space

# Folded into a key for pairs that judge, apart from those that give draws; and into a run's key
# for all that a measured warmup needs.
_PAIRS, _WARMUP = 0x6D6978, 0x7761726D
# Of these, unless others are asked for; a measured warmup has no others.
_NUM_PAIRS, _TOLERANCE = 500, 0.02


@dataclass(frozen=True)
class Mixing:
    """How far chains are from the posterior after so many transitions from a prior draw.

    kernel: what was judged, its step frozen. tv, tv_upper: at transitions 0, 1, …, the estimated
    bound of the total variation between a chain's law and the posterior, and its upper 95 % limit;
    after the last they stay as they are. meeting_times: of pairs of which one chain is `lag` ahead,
    −1 where they did not meet in max_steps: then nothing is known, and both are 1. tolerance: of
    the warmup. seconds: that it took.
    """

    kernel: Paired
    tolerance: float
    lag: int
    meeting_times: Int[np.ndarray, " pair"]
    tv: Float[np.ndarray, " step"]
    tv_upper: Float[np.ndarray, " step"]
    max_steps: int
    seconds: float

    @property
    def warmup(self) -> int | None:
        """Transitions after which the limit is below the tolerance; None if it is at none."""
        return Bound(self.tv, self.tv_upper).first_below(self.tolerance)

    def summary(self) -> str:
        """What was found, in one line."""
        name, count = self.kernel.name, len(self.meeting_times)
        unmet = int(np.sum(self.meeting_times < 0))
        if unmet:
            return (
                f"{name}: {unmet:,} of {count:,} pairs did not meet in {self.max_steps:,} "
                "transitions: nothing is known of a chain's distance from the posterior"
            )
        beyond = self.meeting_times - self.lag
        told = f"{count:,} pairs met {np.median(beyond):.0f} steps beyond a lag of {self.lag}"
        if self.warmup is None:
            return (
                f"{name}: {told}; so few pairs show no distance below {self.tv_upper[-1]:.2g}, and "
                f"{self.tolerance:g} was asked for"
            )
        return (
            f"{name}: after {self.warmup:,} transitions at most {self.tv_upper[self.warmup]:.2g} "
            f"in total variation from the posterior, at 95 % ({told}, at most {beyond.max()})"
        )


def mixing(
    key: Array,
    posterior: Posterior,
    kernel: str | Kernel = "hmc",
    *,
    num_pairs: int = _NUM_PAIRS,
    tolerance: float = _TOLERANCE,
    progress: bool = False,
    **options: Any,
) -> Mixing:
    """How many transitions of warmup are enough for a chain, by pairs of coupled chains that meet.

    kernel: "pcn", "slice" or "hmc" with their own settings, as `pcn.sample` and the others run
    them, or one of `bnnpost.chains`; what it adapts is found by a pilot chain, and frozen. Of "hmc"
    (by rotations) a single rotation follows each trajectory: without such a step two chains come
    near each other, but never meet. options: lag, max_steps, space, collapse, precision as in
    `coupled.sample`. A bound may be far above the distance: chains
    may be where they should long before a pair of them has met.

    Raises ValueError for bad arguments, a tolerance that so few pairs cannot show, and kernels
    that are not coupled (NUTS, leapfrog steps, chains of weights); NotMet where no pair of the
    pilot meets; what else `coupled.sample` raises.
    """
    num_pairs, tolerance = checked_goal(num_pairs, tolerance, "num_pairs")
    setting = set_up(key, posterior, kernel=_plain(kernel), **options)
    return _judged(key, setting, num_pairs, tolerance, progress)


def measured_warmup(key: Array, space: Space, kernel: Kernel) -> tuple[Paired, int, float]:
    """The kernel, its step frozen, how much warmup it needs, and what distance that leaves.

    Raises ValueError, and NotMet, as `mixing`.
    """
    key = jax.random.fold_in(key, _WARMUP)
    found = _judged(key, set_up_in(space, key, kernel=kernel), _NUM_PAIRS, _TOLERANCE, False)
    warmup = found.warmup
    if warmup is None:
        raise NotMet(f'num_warmup="measured" cannot be: {found.summary()}')
    return found.kernel, warmup, float(found.tv_upper[warmup])


def _plain(kernel: str | Kernel) -> Any:
    if not isinstance(kernel, str):
        return kernel
    if kernel not in KERNELS:
        raise ValueError(f"expected kernel to be one of {', '.join(KERNELS)}, got {kernel!r}")
    return KERNELS[kernel].make({})


def _judged(
    key: Array, setting: Setting, num_pairs: int, tolerance: float, progress: bool
) -> Mixing:
    """By so many pairs."""
    started, found = time.perf_counter(), setting.tuned
    pairs = Pairs(setting.programs, found.kernel, jax.random.fold_in(key, _PAIRS), found.lag)
    meetings: list[int] = []
    with Progress(num_pairs, enabled=progress, label="pairs", unit="pair") as bar:
        for one in pairs.run(range(num_pairs), 0, setting.max_steps):
            meetings.append(int(one.meeting))
            bar.show(len(meetings))
    times = np.array(meetings)
    bound = tv_bound(times, found.lag)
    return Mixing(
        found.kernel,
        tolerance,
        found.lag,
        times,
        bound.estimate,
        bound.upper,
        setting.max_steps,
        setting.pilot_seconds + time.perf_counter() - started,
    )
