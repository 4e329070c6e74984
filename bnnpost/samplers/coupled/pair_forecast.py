"""What draws by coupled chains will take, by a pilot, before any are made."""

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from bnnpost.draws.info import transition_in_words
from bnnpost.numerics.threads import num_cores
from bnnpost.posterior import Posterior
from bnnpost.samplers.cost import Cost, memory_in_words
from bnnpost.samplers.coupled.bounds import TOLERANCE, checked_goal, tv_bound
from bnnpost.samplers.coupled.pairs import Pairs, needed_memory
from bnnpost.samplers.coupled.tuning import Setting, Tuned, set_up
from bnnpost.spelling import duration
from bnnpost.summaries.summary import Fact
from bnnpost.summaries.values import counted, lasted, measured

# Folded into a run's key for the pairs that are timed, which no run uses.
_TIMED = 0x74696D65


@dataclass(frozen=True)
class CoupledForecast:
    """What `coupled.sample` with these arguments will take, from eight pairs of a pilot.

    step: after which all draws will be, about; lag, kernel, settings (by the names of
    `CoupledInfo`): what the pilot found, and the run will find too. meeting_times: of the pilot's
    pairs, one chain a step ahead.
    seconds_per_pair: on this device, with pairs on all its threads, once all is compiled; seconds:
    for num_samples. num_bytes: of memory while draws are made. pilot_seconds: what the pilot took,
    which a run needs once more.
    """

    num_samples: int
    tolerance: float
    step: int
    lag: int
    kernel: str
    settings: Mapping[str, Any]
    meeting_times: tuple[int, ...]
    seconds_per_pair: float
    num_bytes: int
    pilot_seconds: float

    @property
    def seconds(self) -> float:
        """Expected for all pairs, pilot and compilation aside."""
        return self.num_samples * self.seconds_per_pair

    def summary(self) -> str:
        """The forecast in plain sentences, a line each."""
        met = sorted(self.meeting_times)
        return (
            f"{self.num_samples:,} draws within {self.tolerance:g} of the posterior in total "
            f"variation take about {duration(self.seconds)} here, {self.seconds_per_pair:.2g} s a "
            f"pair, after a pilot of {duration(self.pilot_seconds)}, and "
            f"{memory_in_words(self.num_bytes)} of memory.\n"
            f"Draws will be after about {self.step:,} steps, each of "
            f"{transition_in_words(self.kernel, **self.settings)}; the lag is {self.lag:,}.\n"
            f"Half of the {len(met)} pairs of the pilot met within {int(np.median(met)):,} steps, "
            f"the last after {met[-1]:,}: of a posterior with modes far apart a run may show later "
            "ones."
        )

    def cost(self) -> Cost:
        """Return the same as what any method is expected to cost."""
        return Cost(
            seconds=self.seconds,
            sentences=self.summary().splitlines(),
            facts=[
                Fact("first_meeting", "first met", counted(min(self.meeting_times))),
                Fact("last_meeting", "last met", counted(max(self.meeting_times))),
                Fact("step", "steps", counted(self.step)),
                Fact("seconds_per_pair", "s a pair", measured(self.seconds_per_pair, digits=2)),
                Fact("seconds", "time", lasted(self.seconds)),
            ],
            data=dataclasses.asdict(self),
        )


def forecast(
    key: Array,
    posterior: Posterior,
    *,
    num_samples: int = 1000,
    tolerance: float = TOLERANCE,
    **options: Any,
) -> CoupledForecast:
    """What `coupled.sample` with the same arguments will take, by its own pilot and a few pairs.

    The step is that at which pairs whose meeting times have an exponential tail, fitted to the
    pilot's, would show the tolerance; with eight pairs it may be off by half. As many pairs as
    there are threads are then run for their time. options: as in `coupled.sample`.

    Raises NotMet where pairs of the pilot do not meet, and what `coupled.sample` raises for bad
    arguments, but for memory, which is told.
    """
    num_samples, tolerance = checked_goal(num_samples, tolerance)
    setting = set_up(key, posterior, **options)
    found = setting.tuned
    step = predicted_step(found, num_samples, tolerance)
    return CoupledForecast(
        num_samples=num_samples,
        tolerance=tolerance,
        step=step,
        lag=found.lag,
        kernel=found.kernel.name,
        settings=found.kernel.settings(),
        meeting_times=tuple(int(one) for one in found.meetings),
        seconds_per_pair=_seconds_per_move(key, setting) * _moves(found, step),
        num_bytes=needed_memory(setting.programs.target, num_samples),
        pilot_seconds=setting.pilot_seconds,
    )


def predicted_step(found: Tuned, num_samples: int, tolerance: float) -> int:
    """About where the draws of so many pairs will be.

    By the bound of pairs at even quantiles of the least of the pilot's times plus an exponential
    one, whose mean is that of what the pilot's pairs took beyond it.
    """
    times = found.meetings - 1.0  # one chain of the pilot is a step ahead
    least = float(np.min(times))
    mean = float(times.sum() - len(times) * least) / max(len(times) - 1, 1)
    levels = (np.arange(num_samples) + 0.5) / num_samples
    beyond = np.ceil(least - mean * np.log1p(-levels)).astype(int)
    bound = tv_bound(beyond + found.lag, found.lag)
    first = bound.first_below(tolerance)
    return max(found.first_kept, int(np.argmin(bound.upper)) if first is None else first)


def _moves(found: Tuned, step: int) -> float:
    """Transitions of one chain that a pair takes, on average: of X to the step, and of Y."""
    times = found.meetings - 1.0
    return float(np.mean(np.maximum(step, found.lag + times) + times))


def _seconds_per_move(key: Array, setting: Setting) -> float:
    """Of pairs on all threads, once the program is compiled."""
    found, count = setting.tuned, num_cores()
    pairs = Pairs(setting.programs, found.kernel, jax.random.fold_in(key, _TIMED), found.lag)
    list(pairs.run(range(count), 0, 1))  # compiles
    started = time.perf_counter()
    outcomes = list(pairs.run(range(count, 2 * count), 0, setting.max_steps))
    seconds = time.perf_counter() - started
    most = max(setting.max_steps, found.lag + 1)
    steps = [int(one.meeting) if one.meeting > 0 else most for one in outcomes]
    # Of X until they met, and of Y, which is the lag behind.
    return seconds / sum(2 * one - found.lag for one in steps)
