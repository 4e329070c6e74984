"""What the test of a transition found."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from bnnpost.storage.versions import versions, versions_in_words
from bnnpost.summaries.summary import Fact, Facts, Notes, Section, Summary
from bnnpost.summaries.values import Text, counted
from bnnpost.verification.permutation import Tested
from bnnpost.verification.report import Check, Checked, check_table
from bnnpost.verification.sign_flips import mean_changes

# Below this share of draws that change a step has hardly been tested.
_HARDLY = 0.05
# Standard errors of a 95 % interval.
_INTERVAL = 1.96
_DRAWN = {
    "exact": "exact rejection",
    "capped": "capped rejection",
    "coupled": "coupled chains, whose distance from the posterior all checks allow for",
}


# Fields that are in JSON as they are.
_RECORDED = ("level", "columns", "num_draws", "num_steps", "paired", "source")


@dataclass(frozen=True)
class Movement:
    """How far draws moved. changed: the share with any parameter another.

    rms: the root mean square change of a function value, in standard deviations of it, on average
    over values (√2 where the step leads to an independent draw). where, mean, error: the value
    whose mean changed most by its standard error; by how many standard deviations; that error.
    """

    changed: float
    rms: float
    where: str
    mean: float
    error: float

    @classmethod
    def of(
        cls,
        before: Float[np.ndarray, "draw column"],
        after: Float[np.ndarray, "draw column"],
        changed: Bool[np.ndarray, " draw"],
        columns: Sequence[str],
    ) -> "Movement":
        """Return that of values of the same draws; columns of f begin with that letter."""
        functions = [i for i, name in enumerate(columns) if name.startswith("f")]
        std = np.concatenate([before, after])[:, functions].std(axis=0)
        squares = np.mean((after - before)[:, functions] ** 2, axis=0)
        rms = np.sqrt(np.mean(squares / np.where(std > 0, std, np.inf) ** 2))
        means, errors = mean_changes(before, after)
        most = int(np.argmax(np.abs(means) / np.where(errors > 0, errors, np.inf)))
        return cls(
            float(np.mean(changed)),
            float(rms),
            columns[most],
            float(means[most]),
            float(errors[most]),
        )

    def __str__(self) -> str:
        return (
            f"{100 * self.changed:.3g} % of draws changed, function values by {self.rms:.2g} std "
            "(rms; an independent draw: 1.41)"
        )

    def drift(self) -> str:
        """Return the clearest change of a mean, in words."""
        half = _INTERVAL * self.error
        return (
            f"{self.where} moved by {self.mean:+.2g} [{self.mean - half:.2g}, "
            f"{self.mean + half:.2g}] std on average"
        )


@dataclass(frozen=True)
class Invariance(Checked):
    """The verdict on a transition: whether exact draws are exact draws after it.

    passed: no check's adjusted p-value is at or below `level`. columns: names of what is compared.
    num_draws: that were started from; num_steps: of each; paired: whether each was compared with
    itself. source: the kind of draws. movement: how far they went.
    """

    level: float
    checks: tuple[Check, ...]
    columns: tuple[str, ...]
    num_draws: int
    num_steps: int
    paired: bool
    source: str
    movement: Movement

    @property
    def headline(self) -> str:
        """Whether the step passed and, if it failed, which mean it changed most clearly."""
        steps = f"{self.num_steps} step{'s' * (self.num_steps > 1)}"
        if self.passed:
            return (
                f"PASSED: {steps} from each of {self.num_draws:,} draws found nothing at level "
                f"{self.level:g}"
            )
        return f"FAILED: after {steps} {self.movement.drift()}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What bears on how far the verdict can be trusted."""
        notes = []
        if self.movement.changed < _HARDLY:
            notes.append("hardly a draw was moved: a step that does nothing passes")
        if self.paired:
            notes.append(
                "each draw is compared with itself: exact for reversible kernels, for others to "
                "the accuracy of a central limit theorem; paired=False is exact for all"
            )
        return tuple(notes)

    def describe(self) -> Summary:
        """Return the description, of which text, page and JSON are made."""
        drawn = Text.of(counted(self.num_draws), f" independent ones by {_DRAWN[self.source]}")
        facts = Facts(
            "",
            (Fact("draws", "Draws", drawn), Fact("movement", "Moved", str(self.movement))),
            {"movement": self.movement},
        )
        checks = check_table(self.checks, self.level, "step")
        return Summary(
            title=f"bnnpost.invariance: {'passed' if self.passed else 'FAILED'}",
            kind="Test of a transition",
            headline=self.headline,
            lead=() if self.passed else (f"The clearest check: {self.clearest()}.",),
            marks=self.marks,
            sections=(
                Section("What was moved", "moved", (Notes(self.notes), facts), brief=True),
                Section("Checks", "checks", (checks,), brief=True),
            ),
            footer=versions_in_words(),
            data={
                "passed": self.passed,
                "verdict": self.verdict(),
                **{name: getattr(self, name) for name in _RECORDED},
                "versions": versions(),
            },
        )


def checks_of(tests: Sequence[Tested], num_draws: int, paired: bool) -> tuple[Check, ...]:
    """Return the checks that tests make, of so many draws."""
    used = (num_draws, num_draws) if paired else (num_draws // 2, num_draws - num_draws // 2)
    kind = "largest change over its size" if paired else "largest difference in standard errors"
    return tuple(
        Check(
            name=test.family.name,
            measure="MMD², its own spread over permutations" if test.family.groups else kind,
            statistic=test.statistic,
            p_value=test.p_value,
            adjusted=test.corrected,
            effective=used,
            where=test.where,
        )
        for test in tests
    )
