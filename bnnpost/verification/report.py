"""What a verification found: a verdict, each check, and what could have been found."""

import abc
import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from bnnpost.spelling import p_in_words
from bnnpost.storage.versions import versions, versions_in_words
from bnnpost.summaries.summary import (
    Described,
    Doubts,
    Fact,
    Facts,
    Notes,
    Section,
    ShownColumn,
    ShownTable,
    Summary,
    Tone,
)
from bnnpost.summaries.values import Text, counted, measured, p_value
from bnnpost.verification.causes import Cause
from bnnpost.verification.effects import BETWEEN, MEAN, NATS, STD, Effect, worst
from bnnpost.verification.value_pictures import value_pictures

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


class Checked(Described):
    """What a report of several checks, at one level, says of itself."""

    level: float
    checks: tuple[Check, ...]
    columns: tuple[str, ...]

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

    @property
    @abc.abstractmethod
    def headline(self) -> str:
        """Whether the candidate passed and, if it failed, how wrong it is."""

    def verdict(self) -> str:
        """Return the headline and the checks that it rests on, in one line."""
        if self.passed:
            return f"{self.headline} ({len(self.checks)} checks of {len(self.columns)} values)"
        return f"{self.headline} ({self.clearest()}; {self._num_failed()})"

    def clearest(self) -> str:
        """Return by which check a candidate failed most clearly, in words."""
        first = self.failures[0]
        at = f" at {first.where}" if first.where else ""
        return f"{first.name}{at}, adjusted p {p_in_words(first.adjusted)}"

    @property
    def marks(self) -> tuple[tuple[str, Tone], ...]:
        """How many checks passed or failed, and of how many values, as short remarks."""
        total = len(self.checks)
        num_values = len(self.columns)
        values = f"{num_values:,} value{'s' * (num_values != 1)} compared"
        compared: tuple[str, Tone] = values, "plain"
        if self.passed:
            return (f"{total} of {total} checks passed", "good"), compared
        return (self._num_failed("checks failed"), "bad"), compared

    def _num_failed(self, what: str = "checks") -> str:
        return f"{len(self.failures)} of {len(self.checks)} {what} at level {self.level:g}"


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
        largest = (worst(self.effects, kind) for kind in (MEAN, STD))
        return tuple(effect for effect in largest if effect is not None and effect.clear > 0)

    @property
    def leading_effects(self) -> tuple[Effect, ...]:
        """How wrong a candidate that failed is: of all values together where they are alike.

        Else the worst mean and std, if clear and found by a check; what chains and evidence add to
        it; and where there is none the plainest effect of a check that failed.
        """
        if self.passed:
            return ()
        pooled = tuple(cause.effect for cause in self.causes if cause.effect is not None)
        by_check = {check.name: check.effect for check in self.failures if check.effect is not None}
        others = (effect for effect in by_check.values() if effect.kind in (BETWEEN, NATS))
        clear = (e for e in self.worst_effects if _FINDERS[e.kind] & by_check.keys())
        leading = (*(pooled or clear), *others)
        plainest = [by_check[name] for name in _PLAINEST if name in by_check]
        return leading or tuple([e for e in plainest if e.clear > 0] or plainest)[:1]

    @property
    def headline(self) -> str:
        """Whether the candidate passed and, if it failed, how wrong it is."""
        if self.passed:
            return f"PASSED: no difference from the reference found at level {self.level:g}"
        return f"FAILED: {self.wrong()}"

    def verdict(self) -> str:
        """Return the headline, the checks that it rests on and the doubt, in one line."""
        against = f" against {self.doubt}" if self.doubt else ""
        return f"{super().verdict()}{against}"

    def looks(self) -> str:
        """Return what the errors of a candidate that failed look like; "" if like nothing known."""
        return "; or ".join(map(str, self.causes))

    def wrong(self) -> str:
        """Return how wrong a candidate is that failed, in words."""
        return "; ".join(map(str, self.leading_effects)) or self.failures[0].name

    def clearest(self) -> str:
        """Return by which check a candidate failed most clearly, in words."""
        first = self.failures[0]
        size = "" if self.leading_effects else f"{first.measure} {first.statistic:.3g}; "
        return f"{size}{super().clearest()}"

    def describe(self) -> Summary:
        """Return the description, of which text, page and JSON are made.

        On a page each value has a histogram of the reference's CDF at the candidate's draws and the
        difference between their empirical CDF and the uniform one, with the bands that a right
        candidate stays in; of more than 24 values the 24 with the largest differences.
        """
        doubts = Doubts((f"compared against {self.doubt}",) if self.doubt else ())
        facts = (
            Fact("candidate", "Candidate", self.candidate),
            Fact("reference", "Reference", self.reference),
        )
        compared = (doubts, Notes(self.notes), Facts("", facts))
        sizes = next((check.effective for check in self.checks if check.name == PIT), None)
        pictures = value_pictures(self.columns, self.pit, sizes, self.level)
        return Summary(
            title=f"bnnpost verify: {'passed' if self.passed else 'FAILED'}",
            kind="Verification of draws",
            headline=self.headline,
            lead=tuple(self._lead()),
            marks=self.marks,
            sections=(
                Section("What was compared", "compared", compared, brief=True),
                Section("Checks", "checks", (check_table(self.checks, self.level),), brief=True),
                Section("Values one by one", "values", pictures),
            ),
            footer=versions_in_words(),
            data={
                "passed": self.passed,
                "verdict": self.verdict(),
                "looks": self.looks(),
                "level": self.level,
                "columns": self.columns,
                "doubt": self.doubt,
                "effects": self.effects,
                "causes": self.causes,
                "versions": versions(),
            },
        )

    def _lead(self) -> Iterator[str]:
        if self.causes:
            yield f"It looks {self.looks()}."
        if not self.passed:
            yield f"The clearest check: {self.clearest()}."


def check_table(checks: Sequence[Check], level: float, tested: str = "candidate") -> ShownTable:
    """Return each check, and what it could have found. tested: what passes or fails."""
    with_effects = any(check.effect is not None for check in checks)
    columns = (
        ShownColumn("sign", "", words=True, record=False),
        ShownColumn("name", "Check", words=True),
        ShownColumn(
            "how_wrong",
            "How wrong" if with_effects else None,
            words=True,
            long=True,
            record=False,
        ),
        ShownColumn("size", "Statistic", words=True, long=True, record=False),
        ShownColumn("where", "Where", words=True),
        ShownColumn("p_value", "p"),
        ShownColumn("adjusted", "adjusted p"),
        ShownColumn("draws", "Draws", record=False),
        ShownColumn("reference_draws", "Reference", record=False),
        ShownColumn("smallest", "Found 9 times in 10", words=True, long=True),
    )
    caption = (
        f"A check fails where its adjusted p-value is at or below {level:g}, which is the "
        f"probability that a right {tested} fails any of them."
    )
    rows = tuple(_row(check, check.adjusted <= level) for check in checks)
    return ShownTable(
        "checks", caption, columns, rows, printed=len(rows), stacked=True, failed="failed"
    )


def _row(check: Check, failed: bool) -> dict[str, object]:
    """Return the fields of a check, and how they are shown."""
    draws, reference_draws = (
        counted(size) if math.isfinite(size) else "exact" for size in check.effective
    )
    return {
        **dataclasses.asdict(check),
        "failed": failed,
        "sign": "FAIL" if failed else "ok",
        "how_wrong": "" if check.effect is None else str(check.effect),
        "size": Text.of(f"{check.measure} ", measured(check.statistic)),
        "p_value": p_value(check.p_value),
        "adjusted": p_value(check.adjusted),
        "draws": draws,
        "reference_draws": reference_draws,
    }
