"""What a verification found: a verdict, each check, and what could have been found."""

import abc
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from bnnpost.storage.versions import versions
from bnnpost.verification.effects import MEAN, STD, Effect, worst

# The name of the check whose sizes the pictures of a page are drawn for.
PIT = "PIT"


@dataclass(frozen=True)
class Check:
    """One comparison of the candidate with the reference.

    statistic: its size, and of what (`measure`). where: the values at which it is largest.
    p_value: of this check, whatever the others found; adjusted: the same corrected for all
    checks of the report. effective: draws of the candidate and of the reference that it could
    use. smallest: the deviation that would have been found nine times in ten, in words; ""
    where none is known.
    """

    name: str
    measure: str
    statistic: float
    p_value: float
    adjusted: float
    effective: tuple[float, float]
    where: str = ""
    smallest: str = ""


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
    deviation are off.
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

    @property
    def worst_effects(self) -> tuple[Effect, ...]:
        """The mean and the standard deviation that are furthest off."""
        found = (worst(self.effects, kind) for kind in (MEAN, STD))
        return tuple(effect for effect in found if effect is not None)

    def verdict(self) -> str:
        """One line."""
        return f"{self._found()} against {self.doubt}" if self.doubt else self._found()

    def _found(self) -> str:
        if self.passed:
            return (
                f"PASSED: no difference from the reference found at level {self.level:g} "
                f"({len(self.checks)} checks of {len(self.columns)} values)"
            )
        worst = self.failures[0]
        return (
            f"FAILED: {worst.name} ({worst.measure} {worst.statistic:.3g}"
            f"{' at ' + worst.where if worst.where else ''}, adjusted p "
            f"{p_in_words(worst.adjusted)}; {len(self.failures)} of {len(self.checks)} checks at "
            f"level {self.level:g})"
        )

    def _lines(self) -> Iterator[str]:
        yield self.verdict()
        if not self.passed and self.effects:
            yield f"furthest off: {'; '.join(map(str, self.worst_effects))}"
        yield f"candidate: {self.candidate}"
        yield f"reference: {self.reference}"
        for note in self.notes:
            yield f"note: {note}"
        yield from check_lines(self.checks, self.level)

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON, without the PIT values."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        fields.pop("pit")
        for name in ("checks", "effects"):
            fields[name] = [dataclasses.asdict(each) for each in getattr(self, name)]
        return {
            "passed": self.passed,
            "verdict": self.verdict(),
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
        if check.smallest:
            yield f"     {'':<{width}}  found 9 times in 10: {check.smallest}"


def p_in_words(value: float) -> str:
    """A p-value."""
    return f"{value:.2g}" if value >= 1e-4 else f"{value:.0e}"
