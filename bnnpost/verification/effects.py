"""How wrong a candidate is, in units of the posterior, and in words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

MEAN, STD = "mean", "std"
# A part of the draws, below a quantile of the posterior or in its tails; a correlation; the spread
# of the means of chains; nats of the log evidence; how well draws are told from the posterior's.
SHARE, TAIL, CORRELATION = "share", "tail", "correlation"
BETWEEN, NATS, TOLD = "between chains", "nats", "told apart"


@dataclass(frozen=True)
class Effect:
    """How far something is off, with an interval that holds for all that it was chosen from.

    kind: "mean", the candidate's mean less the posterior's in posterior standard deviations, or
    "std", the candidate's standard deviation over the posterior's; "share" or "tail", the part of
    its draws below a quantile or in the tails of the posterior; "correlation"; "between chains",
    the standard deviation of chains' means, in posterior standard deviations, beyond what their
    draws explain; "nats", of the log evidence; "told apart", the part of pairs, a draw each, in
    which a rule that was found on other draws tells which is the candidate's. where: of which
    value or values. right: what a right candidate has (0 and 1 for means and stds). of_scores:
    whether normal scores were compared, not values, whose tails are so heavy that their moments
    would say nothing.
    """

    kind: str
    where: str
    size: float
    low: float
    high: float
    of_scores: bool = False
    right: float = 0.0

    @property
    def clear(self) -> float:
        """The least deviation in the interval, of the std in logs: 0 where it may be right."""
        low, high = self.deviations()
        return max(low, -high, 0.0)

    def deviations(self) -> tuple[float, float]:
        """Ends of the interval, 0 if right: of the std in logs."""
        if self.kind != STD:
            return self.low - self.right, self.high - self.right
        return float(np.log(max(self.low, 1e-300))), float(np.log(max(self.high, 1e-300)))

    def __str__(self) -> str:
        return _WORDS[self.kind](self)


def _of_mean(effect: Effect) -> str:
    of = " of normal scores" if effect.of_scores else ""
    return f"mean{of} of {effect.where} {_signed(effect, ' posterior std')}"


def _of_std(effect: Effect) -> str:
    of = " of normal scores" if effect.of_scores else ""
    if effect.size >= 1:
        times, ends, direction = effect.size, [effect.low, effect.high], "large"
    else:
        times, ends, direction = 1 / effect.size, [1 / effect.high, 1 / effect.low], "small"
    ends_told = f"[{ends[0]:.3g}, {ends[1]:.3g}]"
    return f"std{of} of {effect.where} {times:.3g} {ends_told} times too {direction}"


def _of_share(effect: Effect) -> str:
    told = ""
    if effect.kind == TAIL:
        told = f": tails too {'thin' if effect.size < effect.right else 'heavy'}"
    return (
        f"{percents(effect)} of draws of {effect.where}, where {100 * effect.right:.3g} % are "
        f"expected{told}"
    )


def _of_correlation(effect: Effect) -> str:
    told = f"{effect.size:.2f} [{effect.low:.2f}, {effect.high:.2f}]"
    return f"correlation of {effect.where} {told}, the posterior's {effect.right:.2f}"


def _of_chains(effect: Effect) -> str:
    ends = f"[{effect.low:.2g}, {effect.high:.2g}]"
    return f"means of chains {effect.size:.2g} {ends} posterior std apart at {effect.where}"


def _of_evidence(effect: Effect) -> str:
    return f"log evidence {_signed(effect, ' nats')}"


def _of_told(effect: Effect) -> str:
    return (
        f"{effect.where} told from the posterior's in {percents(effect)} of pairs, where 50 % is "
        "chance"
    )


_WORDS: dict[str, Callable[[Effect], str]] = {
    MEAN: _of_mean,
    STD: _of_std,
    SHARE: _of_share,
    TAIL: _of_share,
    CORRELATION: _of_correlation,
    BETWEEN: _of_chains,
    NATS: _of_evidence,
    TOLD: _of_told,
}


def percents(effect: Effect) -> str:
    """A part of something, with its interval."""
    low, high = 100 * effect.low, 100 * effect.high
    return f"{100 * effect.size:.3g} % [{low:.3g}, {high:.3g}]"


def _signed(effect: Effect, unit: str) -> str:
    """A size, its interval and its direction; where that crosses 0 it begins on the other side."""
    ends = sorted((abs(effect.low), abs(effect.high)))
    crossing = effect.low * effect.high < 0
    told = f"{-ends[0] if crossing else ends[0]:.3g}, {ends[1]:.3g}"
    direction = "high" if effect.size > 0 else "low"
    return f"{abs(effect.size):.2g} [{told}]{unit} too {direction}"


def worst(effects: Sequence[Effect], kind: str | None = None) -> Effect | None:
    """The one whose interval is furthest from being right, or where none is, the largest.

    kind: of which; else of all, in whatever units they are.
    """
    of_kind = [effect for effect in effects if kind in (None, effect.kind)]
    return max(of_kind, key=lambda e: (e.clear, abs(sum(e.deviations()))), default=None)
