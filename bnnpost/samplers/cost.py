"""What draws are expected to cost, by whatever method, before any are made."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bnnpost.storage import gigabytes
from bnnpost.summaries.summary import Fact

_LITTLE = 2**30 // 10


class NoDraws(RuntimeError):
    """A method cannot make draws of this posterior, as its pilot has shown."""


class HopelessRun(ValueError):
    """A run that is expected to need more proposals than it may; refused before it starts."""


@dataclass(frozen=True)
class Expectation:
    """What one posterior was expected to cost before its run.

    num_samples: draws that were asked for then. acceptance_rate: accepted draws per proposal;
    proposals, seconds: of the whole run on that device, compilation aside (None where it was
    not measured, or too large for a float). source: "pilot", proposals of the network itself,
    or "limit", the infinite-width limit. limit_log_evidence, pilot_log_evidence: in nats.
    """

    space: str
    bound: str
    num_samples: int
    acceptance_rate: float
    proposals: float | None
    seconds: float | None
    source: str
    limit_log_evidence: float | None
    pilot_log_evidence: float | None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What draws of one posterior by one method are expected to take.

    seconds: on this device, once all is compiled; None where that is not known. sentences: what is
    expected and what to do. facts: the same in short, labelled by the head of a table's column.
    of_estimates: what estimates over all proposals are worth, likewise. data: more for JSON alone;
    numbers may be infinite or NaN. proposals: of methods that make proposals, else None. oddity:
    what is odd about the posterior. refusal: why draws would take too long, and what to do, as what
    is said of a width ("is expected to need …"). failure: why there can be none. Texts are empty
    where there is nothing to say. expectation: what is kept with a run.
    """

    seconds: float | None = None
    sentences: Sequence[str]
    facts: Sequence[Fact] = ()
    of_estimates: Sequence[Fact] = ()
    data: Mapping[str, object] = field(default_factory=dict)
    proposals: float | None = None
    oddity: str = ""
    refusal: str = ""
    failure: str = ""
    expectation: Expectation | None = None

    @classmethod
    def of_failure(cls, failure: str) -> "Cost":
        """Return the cost of draws that cannot be made, for this reason."""
        return cls(sentences=[failure], failure=failure)

    @property
    def row(self) -> dict[str, object]:
        """All of it by key: a row of a table, and its record in JSON."""
        return {
            **self.data,
            **{fact.key: fact.value for fact in (*self.facts, *self.of_estimates)},
            "advice": list(self.sentences),
            "not_met": self.failure or None,
        }


def finite(value: float | None) -> float | None:
    """The value; None where it is not finite."""
    return value if value is not None and math.isfinite(value) else None


def memory_in_words(num_bytes: int) -> str:
    """About how much memory."""
    return gigabytes(num_bytes) if num_bytes > _LITTLE else f"less than {gigabytes(_LITTLE)}"
