"""The verdict of a calibration: ranks, p-values, and what so many datasets could have found."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from bnnpost.verification import uniformity
from bnnpost.verification.uniformity import POWER, Detectable, detectable

# Datasets whose draws are worth too few for a verdict, and ties in a statistic, at most. The
# least of many estimated sizes is an underestimate: right chains of which a third of the datasets
# come out too small fail as often as stated (benchmarks/calibration.py, shorter_chains).
_MOST_TOO_FEW, _MOST_TIED = 0.5, 0.5


@dataclass(frozen=True)
class Calibration:
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
        few, found = self.effective_sizes < self.num_draws, []
        if np.mean(few) > _MOST_TOO_FEW:
            found.append(
                f"in {few.sum()} of {self.num_datasets} datasets the draws are worth fewer than "
                f"{self.num_draws} independent ones (the least {self.effective_sizes.min():.3g}), "
                "and ranks among such draws are not uniform even for a right sampler: have the "
                "sampler run longer, or pass a smaller num_draws"
            )
        if np.all(self.tied > _MOST_TIED):
            found.append("every statistic has one value in all draws, so ranks say nothing")
        return tuple(found)

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
        """How many datasets' ranks are at most r, for r = 0 … num_draws − 1."""
        marks = np.arange(self.num_draws)
        return np.sum(self.ranks[:, :, None] <= marks, axis=0)  # type: ignore[no-any-return]

    def bands(self) -> uniformity.Bands:
        """Simultaneous bands of these counts, at the level corrected for all tests."""
        return uniformity.bands(self.num_datasets, self.num_draws, self.level / self.num_tests)

    def summary(self) -> str:
        """The verdict in the first line, then each check, then what could have been found."""
        lines = [self._first_line(), *(f"  {reason}" for reason in self.reasons_for_no_verdict)]
        if self.around:
            lines.append(f"  around the data seen, by {self.around}")
        width = max(len(name) for name in self.names)
        heads = "  ".join(f"{name:>10}" for name in uniformity.TESTS)
        lines.append(f"  {'p-value':<{width}}  {heads}  {'corrected':>10}")
        for i, (name, p) in enumerate(self.p_values.items()):
            each = "  ".join(f"{value:10.2g}" for value in self.tests[i])
            lines.append(f"  {name:<{width}}  {each}  {p:10.2g}{self._remark(i)}".rstrip())
        return "\n".join([*lines, f"  {self.sensitivity()}"])

    def _first_line(self) -> str:
        what = f"ranks of {len(self.names)} statistics among {self.num_draws} draws"
        size = f"{self.num_datasets} simulated dataset{'s' * (self.num_datasets > 1)}"
        words = {
            "passed": f"PASSED at level {self.level:g}: {what} are uniform over {size}",
            "failed": f"FAILED at level {self.level:g}: {what} are not uniform over {size}: "
            + ", ".join(self._told(i) for i, name in enumerate(self.names) if name in self.failed),
            "no verdict": f"NO VERDICT: {what} over {size} cannot be relied on"
            + (f"; not uniform: {', '.join(self.failed)}" if self.failed else ""),
        }
        return words[self.verdict]

    def _told(self, i: int) -> str:
        remark = self._remark(i).strip()
        return f"{self.names[i]} ({remark})" if remark else self.names[i]

    def _remark(self, i: int) -> str:
        if self.tied[i] > _MOST_TIED:
            return "  one value in all draws: says nothing"
        if self.names[i] not in self.failed:
            return ""
        shift = self._side(i, uniformity.shift_scores(self.num_draws))
        spread = self._side(i, uniformity.spread_scores(self.num_draws))
        threshold = self.level / self.num_tests
        told = dict(zip(uniformity.TESTS, self.tests[i], strict=True))
        words = []
        if told["spread"] <= threshold:
            words.append("draws too close together" if spread > 0 else "draws too far apart")
        if told["shift"] <= threshold:
            words.append("draws too low" if shift > 0 else "draws too high")
        return "  " + (", ".join(words) or "ranks not uniform")

    def _side(self, i: int, scores: Int[np.ndarray, " R"]) -> float:
        """Whether the ranks' scores are above (positive) or below what uniform ranks give."""
        return float(scores[self.ranks[:, i]].mean() - scores.mean())

    def sensitivity(self) -> str:
        """What error so many datasets would have found, in a sentence."""
        found = self.detectable
        parts = [
            f"draws off by {found.bias:.2g} posterior standard deviations"
            * bool(np.isfinite(found.bias)),
            f"{_percent(1 - found.too_small)} too narrow" * bool(found.too_small > 0),
            f"{_percent(found.too_large - 1)} too wide" * bool(np.isfinite(found.too_large)),
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

    def to_dict(self) -> dict[str, Any]:
        """The record in plain data, for JSON."""
        found = self.detectable._asdict()
        return {
            "verdict": self.verdict,
            "passed": self.passed,
            "level": self.level,
            "around": self.around,
            "num_datasets": self.num_datasets,
            "num_draws": self.num_draws,
            "num_tests": self.num_tests,
            "p_values": self.p_values,
            "tests": [
                {"statistic": name, **dict(zip(uniformity.TESTS, row, strict=True))}
                for name, row in zip(self.names, self.tests.tolist(), strict=True)
            ],
            "ranks": self.ranks.tolist(),
            "effective_sizes": self.effective_sizes.tolist(),
            "tied": self.tied.tolist(),
            "reasons_for_no_verdict": list(self.reasons_for_no_verdict),
            "detectable": {n: v if np.isfinite(v) else None for n, v in found.items()},
            "summary": self.summary(),
            "seconds": self.seconds,
        }


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
