"""The verdict of a calibration: ranks, p-values, and what so many datasets could have found."""

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from bnnpost.storage.versions import versions, versions_in_words
from bnnpost.summaries.summary import (
    Block,
    Described,
    Doubts,
    Fact,
    Facts,
    Paragraph,
    Section,
    ShownColumn,
    ShownTable,
    Summary,
    Tone,
)
from bnnpost.summaries.values import Text, counted, lasted, measured, p_value
from bnnpost.verification import uniformity
from bnnpost.verification.uniformity import POWER, Detectable, detectable

# Datasets whose draws are worth too few for a verdict, and ties in a statistic, at most. The
# least of many estimated sizes is an underestimate: right chains of which a third of the datasets
# come out too small fail as often as stated (benchmarks/calibration.py, shorter_chains).
_MOST_TOO_FEW, _MOST_TIED = 0.5, 0.5
# Failed statistics that a headline names.
_MOST_NAMED = 3
_OF_TITLES = {"passed": "passed", "failed": "FAILED", "no verdict": "no verdict"}


@dataclass(frozen=True)
class Calibration(Described):
    """Ranks of the truth of simulated datasets, and what they say of a sampler.

    level: probability at most with which a right sampler fails. names: of the statistics.
    ranks [dataset, statistic], in 0 … num_draws. effective_sizes [dataset]: independent draws
    that the sampler's are worth, in the statistic with fewest. tied [statistic]: share of
    datasets in which the truth and all draws had one value. seconds: of the whole run. around: the
    draws of the posterior that the datasets were simulated from; "" where it was the prior.
    """

    level: float
    names: tuple[str, ...]
    ranks: Int[np.ndarray, "d q"]
    num_draws: int
    effective_sizes: Float[np.ndarray, " d"]
    tied: Float[np.ndarray, " q"]
    seconds: float
    around: str = ""

    @property
    def num_datasets(self) -> int:
        """Number of simulated datasets."""
        return len(self.ranks)

    @property
    def num_tests(self) -> int:
        """By how much p-values are multiplied: four tests for each statistic."""
        return len(self.names) * len(uniformity.TESTS)

    @functools.cached_property
    def tests(self) -> Float[np.ndarray, "q 4"]:
        """Uncorrected p-value of each statistic and test, in the order of `uniformity.TESTS`."""
        return np.stack([uniformity.p_values(column, self.num_draws) for column in self.ranks.T])

    @property
    def p_values(self) -> dict[str, float]:
        """Of each statistic: the least of its tests, corrected for all tests (Bonferroni)."""
        least = np.minimum(1.0, self.num_tests * self.tests.min(axis=1))
        return dict(zip(self.names, least.tolist(), strict=True))

    @property
    def failed(self) -> tuple[str, ...]:
        """Statistics whose ranks are not uniform at this level."""
        return tuple(name for name, p in self.p_values.items() if p <= self.level)

    @property
    def reasons_for_no_verdict(self) -> tuple[str, ...]:
        """Why ranks that look uniform would not count; empty where they count."""
        few, reasons = self.effective_sizes < self.num_draws, []
        if np.mean(few) > _MOST_TOO_FEW:
            reasons.append(
                f"in {few.sum()} of {self.num_datasets} datasets the draws are worth fewer than "
                f"{self.num_draws} independent ones (the least {self.effective_sizes.min():.3g}), "
                "and ranks among such draws are not uniform even for a right sampler: have the "
                "sampler run longer, or pass a smaller num_draws"
            )
        if np.all(self.tied > _MOST_TIED):
            reasons.append("every statistic has one value in all draws, so ranks say nothing")
        return tuple(reasons)

    @property
    def passed(self) -> bool:
        """Whether nothing failed, and ranks count."""
        return not self.failed and not self.reasons_for_no_verdict

    @property
    def verdict(self) -> str:
        """ "passed", "failed" or "no verdict"."""
        if self.reasons_for_no_verdict:
            return "no verdict"
        return "failed" if self.failed else "passed"

    @property
    def detectable(self) -> Detectable:
        """The smallest errors in one statistic that would have been found with chance 0.9."""
        return detectable(self.num_datasets, self.num_draws, self.level / self.num_tests)

    def counts_up_to(self) -> Int[np.ndarray, "q L"]:
        """Return how many datasets' ranks are at most r, for r = 0 … num_draws − 1."""
        marks = np.arange(self.num_draws)
        return np.sum(self.ranks[:, :, None] <= marks, axis=0)  # type: ignore[no-any-return]

    def bands(self) -> uniformity.Bands:
        """Return simultaneous bands of these counts, at the level corrected for all tests."""
        return uniformity.bands(self.num_datasets, self.num_draws, self.level / self.num_tests)

    @property
    def headline(self) -> str:
        """The verdict, and which statistics failed."""
        ranks = f"ranks of the truth among {self.num_draws} draws"
        datasets = f"{self.num_datasets} simulated dataset{'s' * (self.num_datasets > 1)}"
        names = ", ".join(self.failed[:_MOST_NAMED])
        if len(self.failed) > _MOST_NAMED:
            names += f" and {len(self.failed) - _MOST_NAMED} more"
        match self.verdict:
            case "passed":
                return f"PASSED at level {self.level:g}: {ranks} are uniform over {datasets}"
            case "failed":
                return (
                    f"FAILED at level {self.level:g}: {ranks} are not uniform over {datasets}: "
                    f"{names}"
                )
        also = f"; not uniform: {names}" if names else ""
        return f"NO VERDICT: {ranks} over {datasets} cannot be relied on{also}"

    @property
    def marks(self) -> tuple[tuple[str, Tone], ...]:
        """How many statistics passed or failed, as a short remark."""
        total = len(self.names)
        match self.verdict:
            case "passed":
                return ((f"{total} of {total} statistics passed", "good"),)
            case "failed":
                return ((f"{len(self.failed)} of {total} statistics failed", "bad"),)
        return (("No verdict", "bad"),)

    def describe(self) -> Summary:
        """Return the description, of which text, page and JSON are made."""
        return Summary(
            title=f"bnnpost.calibrate: {_OF_TITLES[self.verdict]}",
            kind="Calibration of a sampler",
            headline=self.headline,
            marks=self.marks,
            sections=(
                Section("What was ranked", "ranked", self._ranked(), brief=True),
                Section("Tests", "tests", (self._table(),), brief=True),
                Section(
                    "What would have been found",
                    "sensitivity",
                    (Paragraph(self.sensitivity()),),
                    brief=True,
                ),
            ),
            footer=versions_in_words(),
            data={
                "verdict": self.verdict,
                "passed": self.passed,
                "level": self.level,
                "num_tests": self.num_tests,
                "p_values": self.p_values,
                "ranks": self.ranks.tolist(),
                "effective_sizes": self.effective_sizes.tolist(),
                "tied": self.tied.tolist(),
                "reasons_for_no_verdict": self.reasons_for_no_verdict,
                "detectable": self.detectable._asdict(),
                "versions": versions(),
            },
        )

    def _ranked(self) -> tuple[Block, ...]:
        """Return what was simulated, and why ranks would not count."""
        source = f"around the data seen, by {self.around}" if self.around else "from the prior"
        least = measured(float(self.effective_sizes.min()))
        worth = Text.of(counted(self.num_draws), ", worth at least ", least, " independent ones")
        facts = (
            Fact("datasets", "Datasets", Text.of(counted(self.num_datasets), f", {source}")),
            Fact("draws", "Draws for each", worth),
            Fact("seconds", "Time", lasted(self.seconds)),
        )
        record = {
            "num_datasets": self.num_datasets,
            "num_draws": self.num_draws,
            "around": self.around,
        }
        return Doubts(self.reasons_for_no_verdict), Facts("", facts, record)

    def _table(self) -> ShownTable:
        """Return the p-values of each statistic, and what they say of the draws."""
        columns = (
            ShownColumn("statistic", "Statistic", words=True),
            *(ShownColumn(test, test.replace("_", "-")) for test in uniformity.TESTS),
            ShownColumn("corrected", "corrected", record=False),
            ShownColumn("remark", "Draws", words=True),
        )
        rows = tuple(
            {
                "statistic": name,
                **dict(zip(uniformity.TESTS, map(p_value, self.tests[i]), strict=True)),
                "corrected": p_value(corrected),
                "remark": self._remark(i),
                "failed": name in self.failed,
            }
            for i, (name, corrected) in enumerate(self.p_values.items())
        )
        caption = (
            "p-values of four tests of whether the truth’s ranks are uniform, and the least of "
            f"them corrected for all {self.num_tests} tests"
        )
        return ShownTable("tests", caption, columns, rows, printed=len(rows), failed="failed")

    def _remark(self, i: int) -> str:
        """Return what the ranks of a statistic say of the draws; "" if nothing."""
        if self.tied[i] > _MOST_TIED:
            return "one value in all: says nothing"
        if self.names[i] not in self.failed:
            return ""
        shift = self._side(i, uniformity.shift_scores(self.num_draws))
        spread = self._side(i, uniformity.spread_scores(self.num_draws))
        threshold = self.level / self.num_tests
        p_values = dict(zip(uniformity.TESTS, self.tests[i], strict=True))
        words = []
        if p_values["spread"] <= threshold:
            words.append("too close together" if spread > 0 else "too far apart")
        if p_values["shift"] <= threshold:
            words.append("too low" if shift > 0 else "too high")
        return ", ".join(words) or "ranks not uniform"

    def _side(self, i: int, scores: Int[np.ndarray, " R"]) -> float:
        """Return how far the ranks' scores are above those of uniform ranks on average."""
        return float(scores[self.ranks[:, i]].mean() - scores.mean())

    def sensitivity(self) -> str:
        """Return what error so many datasets would have found, in a sentence."""
        smallest = self.detectable
        parts = [
            f"draws off by {smallest.bias:.2g} posterior standard deviations"
            * bool(np.isfinite(smallest.bias)),
            f"{_percent(1 - smallest.too_small)} too narrow" * bool(smallest.too_small > 0),
            f"{_percent(smallest.too_large - 1)} too wide" * bool(np.isfinite(smallest.too_large)),
        ]
        known = [part for part in parts if part]
        if not known:
            return (
                f"So few datasets find no error of a single statistic with probability {POWER}; "
                "only draws that miss the truth altogether fail."
            )
        return (
            f"With probability {POWER} this would have found, in any one statistic, "
            f"{' or '.join(known)}; smaller errors may be there."
        )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
