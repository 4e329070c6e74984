"""The ways in which a posterior can be sampled, and what each is expected to cost."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """One way to run rejection, and what it is expected to cost.

    bound: "collapsed" or "naive" (strict bounds), or "capped". log_bound: that bound, or the
    cap that a pilot suggests, in nats (NaN where its proposals had no positive weight).
    log10_acceptance: expected acceptance per proposal, as a power of ten.
    seconds_per_proposal: on this device, once all is compiled; None where it was not measured.
    block: proposals that are evaluated together. num_first: proposals before the run, to
    choose its cap.
    """

    space: str
    bound: str
    log_bound: float
    log10_acceptance: float
    seconds_per_proposal: float | None = None
    block: int = 1
    num_first: int = 0

    @property
    def acceptance_rate(self) -> float:
        """Expected accepted draws per proposal (0 where too small for a float)."""
        return 10.0**self.log10_acceptance

    def proposals(self, num_samples: int) -> float:
        """Expected proposals for this many draws; infinity where too many for a float."""
        log10 = math.log10(num_samples) - self.log10_acceptance
        return 10.0**log10 if log10 < 300 else math.inf

    def seconds(self, num_samples: int) -> float | None:
        """Expected seconds for this many draws, compilation aside; None where not measured.

        Whole blocks are run, before the run's proposals those that choose a cap.
        """
        if self.seconds_per_proposal is None:
            return None
        first = math.ceil(self.num_first / self.block) * self.block
        number = first + max(self.proposals(num_samples), float(self.block))
        return self.seconds_per_proposal * number
