"""How far one value of a candidate is off, in standard deviations of the posterior."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MEAN, STD = "mean", "std"


@dataclass(frozen=True)
class Effect:
    """How far one value is off, with an interval that holds for all values of a report together.

    kind: "mean", the candidate's mean less the posterior's in posterior standard deviations
    (0 if right), or "std", the candidate's standard deviation over the posterior's (1 if right).
    where: which value. of_scores: whether normal scores were compared, not values, whose tails
    are so heavy that their moments would say nothing.
    """

    kind: str
    where: str
    size: float
    low: float
    high: float
    of_scores: bool = False

    @property
    def clear(self) -> float:
        """The least deviation in the interval, of the std in logs: 0 where it may be right."""
        low, high = self.deviations()
        return max(low, -high, 0.0)

    def deviations(self) -> tuple[float, float]:
        """Ends of the interval, 0 if right: of the std in logs."""
        if self.kind == MEAN:
            return self.low, self.high
        return float(np.log(max(self.low, 1e-300))), float(np.log(max(self.high, 1e-300)))

    def __str__(self) -> str:
        of = " of normal scores" if self.of_scores else ""
        if self.kind == MEAN:
            direction = "high" if self.size > 0 else "low"
            ends = sorted((abs(self.low), abs(self.high)))
            size = f"{abs(self.size):.2g} [{_ends(ends, self.low * self.high < 0)}]"
            return f"mean{of} of {self.where} {size} posterior std too {direction}"
        if self.size >= 1:
            times, ends, direction = self.size, [self.low, self.high], "large"
        else:
            times, ends, direction = 1 / self.size, [1 / self.high, 1 / self.low], "small"
        return f"std{of} of {self.where} {times:.3g} [{_ends(ends, False)}] times too {direction}"


def _ends(ends: Sequence[float], crossing: bool) -> str:
    """Of an interval of sizes; where it crosses 0 it begins on the other side."""
    return f"{-ends[0] if crossing else ends[0]:.3g}, {ends[1]:.3g}"


def worst(effects: Sequence[Effect], kind: str) -> Effect | None:
    """The one whose interval is furthest from being right, or where none is, the largest."""
    of_kind = [effect for effect in effects if effect.kind == kind]
    return max(of_kind, key=lambda e: (e.clear, abs(sum(e.deviations()))), default=None)
