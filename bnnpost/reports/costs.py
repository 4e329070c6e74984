"""What was expected of a run beside what happened."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bnnpost.samplers.cost import Expectation
from bnnpost.summaries.summary import Block, Notes, Paragraph, ShownColumn, ShownTable
from bnnpost.summaries.values import Number, counted, lasted, measured

_COLUMNS = (
    ShownColumn("width", "Width", words=True),
    ShownColumn("num_samples", "Draws"),
    ShownColumn("expected_acceptance_rate", "Accepted: expected"),
    ShownColumn("acceptance_rate", "measured"),
    ShownColumn("expected_proposals", "Proposals: expected"),
    ShownColumn("num_proposals", "made"),
    ShownColumn("expected_seconds", "Time: expected"),
    ShownColumn("seconds", "taken"),
    ShownColumn("source", "Expected from"),
)
# Of the expected acceptance: beyond such a factor the forecast was wrong.
SURPRISE = 3.0

# What happened at a width: num_samples, num_proposals, acceptance_rate, seconds.
Happened = Mapping[str, float]


def forecast_blocks(
    rows: Iterable[tuple[int, Expectation | None, Happened | None]], several: bool = True
) -> tuple[Block, ...]:
    """A table of both, a row a width."""
    found = list(rows)
    none = all(expected is None for _, expected, _ in found)
    absent = Paragraph("No forecast was kept with this run.")
    if none and all(now is None for _, _, now in found):
        return (absent,)
    body = tuple({"width": f"{width:,}", **_cells(before, now)} for width, before, now in found)
    wrong = [f"{w:,}" for w, expected, now in found if surprised(expected, now)]
    note = (
        f"At width {', '.join(wrong)} the acceptance was not what was expected, by more than a "
        f"factor of {SURPRISE:.0f}."
    )
    caption = "Before the run, and what came of it" + (" at each width" if several else "")
    return (
        *((absent,) if none else ()),
        ShownTable("forecast", caption, _COLUMNS, body),
        *((Notes((note,), "bad"),) if wrong else ()),
        Paragraph(
            "Accepted: the probability that a proposal is accepted, as measured its mean over all "
            "proposals. Proposals come in whole blocks, so a few more are made than expected where "
            "few are needed. Expected times are of draws alone once all is compiled; those taken "
            "have the compilation in them."
        ),
    )


def surprised(expected: Expectation | None, now: Happened | None) -> bool:
    """Whether the acceptance was far from what was expected."""
    if expected is None or now is None or not now["acceptance_rate"] > 0:
        return False
    if expected.acceptance_rate <= 0:
        return True
    return abs(math.log(now["acceptance_rate"] / expected.acceptance_rate)) > math.log(SURPRISE)


def _cells(expected: Expectation | None, now: Happened | None) -> dict[str, object]:
    def known(value: float | None, show: Callable[[float], Number] = measured) -> object:
        return "–" if value is None else show(value)

    done = now or {}
    before: Mapping[str, Any] = {} if expected is None else dataclasses.asdict(expected)
    sources = {"pilot": "a pilot", "limit": "the limit", None: "–"}
    two_digits = functools.partial(measured, digits=2)
    return {
        "num_samples": known(done.get("num_samples"), counted),
        "expected_acceptance_rate": known(before.get("acceptance_rate")),
        "acceptance_rate": known(done.get("acceptance_rate")),
        "expected_proposals": known(before.get("proposals"), two_digits),
        "num_proposals": known(done.get("num_proposals"), counted),
        "expected_seconds": known(before.get("seconds"), lasted),
        "seconds": known(done.get("seconds"), lasted),
        "source": sources.get(before.get("source"), "–"),
    }
