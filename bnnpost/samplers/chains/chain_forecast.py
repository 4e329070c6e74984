"""What chains will take, by their first transitions, before any draws are made."""

import dataclasses
import time
from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import Array

from bnnpost.posterior import Posterior
from bnnpost.samplers.chains.run import ChainsPlan, Runner, run_chains
from bnnpost.samplers.cost import Cost, memory_in_words
from bnnpost.samplers.kernels.kernel import Kernel
from bnnpost.spelling import duration
from bnnpost.summaries.summary import Fact
from bnnpost.summaries.values import counted, lasted, measured

# Folded into a run's key for the chains that are timed, which no run uses.
_TIMED = 0x74696D65
# Seconds of compiled work, about, that are timed.
_ENOUGH = 2.0


@dataclass(frozen=True)
class ChainsForecast:
    """What `chains.sample` with these arguments will take.

    num_samples: kept of each of num_chains chains, one transition in `thinning`, after num_warmup.
    seconds_per_transition: of all chains together, on this device, once all is compiled, over the
    num_timed transitions that were run for it; seconds: for all of them. num_bytes: of memory
    while the draws are put together.
    """

    kernel: str
    num_samples: int
    num_chains: int
    num_warmup: int
    thinning: int
    seconds_per_transition: float
    num_timed: int
    num_bytes: int

    @property
    def num_transitions(self) -> int:
        """Of each chain, warmup among them."""
        return self.num_warmup + self.num_samples * self.thinning

    @property
    def seconds(self) -> float:
        """Expected for all transitions, compilation aside."""
        return self.num_transitions * self.seconds_per_transition

    def summary(self) -> str:
        """The forecast in plain sentences, a line each."""
        adapted = (
            "Steps are adapted in warmup, so later transitions may take another time.\n"
            if self.num_warmup
            else ""
        )
        return (
            f"{self.num_chains} chains of {self.num_transitions:,} transitions each, "
            f"{self.num_warmup:,} of them warmup, take about {duration(self.seconds)} here, and "
            f"{memory_in_words(self.num_bytes)} of memory: a transition of all chains took "
            f"{self.seconds_per_transition:.2g} s, over the first {self.num_timed:,}.\n"
            f"{adapted}"
            "How many independent draws they are worth is known only once they have run, by their "
            "effective sample size and R-hat."
        )

    def cost(self) -> Cost:
        """Return the same as what any method is expected to cost."""
        a_transition = measured(self.seconds_per_transition, digits=2)
        return Cost(
            seconds=self.seconds,
            sentences=self.summary().splitlines(),
            facts=[
                Fact("num_transitions", "transitions", counted(self.num_transitions)),
                Fact("seconds_per_transition", "s a transition", a_transition),
                Fact("seconds", "time", lasted(self.seconds)),
            ],
            data=dataclasses.asdict(self),
        )


def forecast(
    key: Array, posterior: Posterior, kernel: Kernel, *, num_samples: int = 1000, **options: Any
) -> ChainsForecast:
    """What `chains.sample` with the same arguments will take, by about two seconds of its chains.

    How long chains must be is not told: their effective sample size is known only from a run.
    options: as in `chains.sample`, but for directory and progress. Raises what it raises, NotMet
    for a measured warmup among them.
    """
    plan = ChainsPlan.make(key, posterior, kernel, num_samples=num_samples, **options)
    runner = Runner(dataclasses.replace(plan, key=jax.random.fold_in(key, _TIMED)))
    next(run_chains(runner))  # compiles
    started = time.perf_counter()
    for now in run_chains(runner):
        seconds = time.perf_counter() - started
        number = now.num_warmup + now.num_samples * plan.thinning
        if seconds > _ENOUGH:
            break
    return ChainsForecast(
        kernel=plan.kernel.name,
        num_samples=plan.num_samples,
        num_chains=plan.num_chains,
        num_warmup=plan.num_warmup,
        thinning=plan.thinning,
        seconds_per_transition=seconds / number,
        num_timed=number,
        num_bytes=plan.needed_memory(),
    )
