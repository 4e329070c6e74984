"""What a verification found: a verdict, each check, and what could have been found."""

import abc
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from bnnpost.storage.versions import versions
from bnnpost.verification.causes import Cause
from bnnpost.verification.effects import BETWEEN, MEAN, NATS, STD, Effect, worst

# The name of the check whose sizes the pictures of a page are drawn for.
PIT = "PIT"
# The checks that find them.
_FINDERS = {MEAN: {"location", "means"}, STD: {"spread", "variances"}}
# Checks by how plainly their effects say what is wrong.
_PLAINEST = (
    *("location", "means", "spread", "variances", "pairs", "tails", "distribution", PIT),
    *("chains agree", "log evidence", "projections", "joint law"),
)


@dataclass(frozen=True)
class Check:
    """One comparison of the candidate with the reference.

    statistic: its size, and of what (`measure`). where: the values at which it is largest.
    p_value: of this check, whatever the others found; adjusted: the same corrected for all
    checks of the report. effective: draws of the candidate and of the reference that it could
    use. smallest: the deviation that would have been found nine times in ten, in words; ""
    where none is known. effect: how far off the candidate is, where the check failed and can say.
    """

    name: str
    measure: str
    statistic: float
    p_value: float
    adjusted: float
    effective: tuple[float, float]
    where: str = ""
    smallest: str = ""
    effect: Effect | None = None


class Checked(abc.ABC):
    """What a report of several checks, at one level, says of itself."""

    level: float
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether no check found a difference."""
        return not self.failures

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that found a difference, the clearest first."""
        failed = [check for check in self.checks if check.adjusted <= self.level]
        return tuple(sorted(failed, key=lambda check: check.adjusted))

    @property
    def p_values(self) -> dict[str, float]:
        """Adjusted p-value of each check, by name."""
        return {check.name: check.adjusted for check in self.checks}

    def __str__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """The verdict in the first line, then each check and what it could have found."""
        return "\n".join(self._lines())

    @abc.abstractmethod
    def _lines(self) -> Iterator[str]:
        """Of the summary."""


@dataclass(frozen=True)
class Report(Checked):
    """The verdict on a candidate: whether its draws differ from the reference's.

    passed: no check's adjusted p-value is at or below `level`, the probability that a right
    candidate fails. candidate, reference: what was compared, in words. columns: names of the
    values compared, f[point, output] at test and f_train[…] at training inputs; pit: of each
    draw that was kept after thinning, the reference's CDF at it [draw, column]. notes: what
    bears on how far the verdict can be trusted. doubt: what the reference may lack of the
    posterior, in words; "" where it is exact. effects: how far each value's mean and standard
    deviation are off. causes: of a candidate that failed, what its errors look like, where they
    make a pattern that is known.
    """

    level: float
    checks: tuple[Check, ...]
    candidate: str
    reference: str
    columns: tuple[str, ...]
    pit: Float[np.ndarray, "draw column"] = dataclasses.field(repr=False)
    notes: tuple[str, ...] = ()
    doubt: str = ""
    effects: tuple[Effect, ...] = ()
    causes: tuple[Cause, ...] = ()

    @property
    def worst_effects(self) -> tuple[Effect, ...]:
        """The mean and the standard deviation that are furthest off, if their intervals say so."""
        found = (worst(self.effects, kind) for kind in (MEAN, STD))
        return tuple(effect for effect in found if effect is not None and effect.clear > 0)

    @property
    def leading_effects(self) -> tuple[Effect, ...]:
        """How wrong a candidate that failed is: of all values together where they are alike.

        Else the worst mean and std, if clear and found by a check; what chains and evidence add to
        it; and where there is none the plainest effect of a check that failed.
        """
        if self.passed:
            return ()
        pooled = tuple(cause.effect for cause in self.causes if cause.effect is not None)
        told = {check.name: check.effect for check in self.failures if check.effect is not None}
        others = (effect for effect in told.values() if effect.kind in (BETWEEN, NATS))
        own = (effect for effect in self.worst_effects if _FINDERS[effect.kind] & told.keys())
        found = (*(pooled or own), *others)
        ordered = [told[name] for name in _PLAINEST if name in told]
        return found or tuple([e for e in ordered if e.clear > 0] or ordered)[:1]

    def verdict(self) -> str:
        """One line."""
        return f"{self._found()} against {self.doubt}" if self.doubt else self._found()

    def looks(self) -> str:
        """What the errors of a candidate that failed look like, in one line; "" if like nothing."""
        return "; or ".join(map(str, self.causes))

    def _found(self) -> str:
        if self.passed:
            return (
                f"PASSED: no difference from the reference found at level {self.level:g} "
                f"({len(self.checks)} checks of {len(self.columns)} values)"
            )
        return f"FAILED: {self.wrong()} ({self.clearest()})"

    def wrong(self) -> str:
        """How wrong a candidate is that failed, in words."""
        return "; ".join(map(str, self.leading_effects)) or self.failures[0].name

    def clearest(self) -> str:
        """By which check a candidate failed most clearly, and by how many."""
        first = self.failures[0]
        at = f" at {first.where}" if first.where else ""
        size = "" if self.leading_effects else f"{first.measure} {first.statistic:.3g}; "
        return (
            f"{size}{first.name}{at}, adjusted p {p_in_words(first.adjusted)}; "
            f"{len(self.failures)} of {len(self.checks)} checks at level {self.level:g}"
        )

    def _lines(self) -> Iterator[str]:
        yield self.verdict()
        if self.causes:
            yield self.looks()
        for note in self.notes:
            yield f"note: {note}"
        yield f"candidate: {self.candidate}"
        yield f"reference: {self.reference}"
        yield from check_lines(self.checks, self.level)

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON, without the PIT values."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        fields.pop("pit")
        for name in ("checks", "effects", "causes"):
            fields[name] = [dataclasses.asdict(each) for each in getattr(self, name)]
        return {
            "passed": self.passed,
            "verdict": self.verdict(),
            "looks": self.looks(),
            **fields,
            "versions": versions(),
        }


def check_lines(checks: Sequence[Check], level: float) -> Iterator[str]:
    """Each check, and what it could have found."""
    width = max((len(check.name) for check in checks), default=0)
    for check in checks:
        sign = "FAIL" if check.adjusted <= level else "ok"
        yield (
            f"{sign:<4} {check.name:<{width}}  {check.measure} {check.statistic:.3g}"
            f"{' at ' + check.where if check.where else ''}; p {p_in_words(check.p_value)}, "
            f"adjusted {p_in_words(check.adjusted)}; {check.effective[0]:,.0f} draws against "
            f"{check.effective[1]:,.0f}"
        )
        if check.effect is not None:
            yield f"     {'':<{width}}  how wrong: {check.effect}"
        if check.smallest:
            yield f"     {'':<{width}}  found 9 times in 10: {check.smallest}"


def p_in_words(value: float) -> str:
    """A p-value."""
    if value < 1e-300:
        return "below 1e-300"
    return f"{value:.2g}" if value >= 1e-4 else f"{value:.0e}"
