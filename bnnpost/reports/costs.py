"""What was expected of a run beside what happened."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bnnpost.pages import Html, element, join
from bnnpost.pages.parts import count_cell, measured_cell, paragraphs, table
from bnnpost.samplers.cost import Expectation
from bnnpost.spelling import duration

_HEADS = (
    "Width", "Draws", "Accepted: expected", "measured", "Proposals: expected", "made",
    "Time: expected", "taken", "Expected from",
)  # fmt: skip
# Of the expected acceptance: beyond such a factor the forecast was wrong.
SURPRISE = 3.0

# What happened at a width: num_samples, num_proposals, acceptance_rate, seconds.
Happened = Mapping[str, float]


def forecast_table(
    rows: Iterable[tuple[int, Expectation | None, Happened | None]], several: bool = True
) -> Html:
    """A table of both, a row a width."""
    found = list(rows)
    none = all(expected is None for _, expected, _ in found)
    absent = "No forecast was kept with this run: it is of an earlier version, or of the library."
    if none and all(now is None for _, _, now in found):
        return paragraphs(absent)
    body = [[f"{width:,}", *_cells(expected, now)] for width, expected, now in found]
    wrong = [f"{w:,}" for w, expected, now in found if surprised(expected, now)]
    note = (
        f"At width {', '.join(wrong)} the acceptance was not what was expected, by more than a "
        f"factor of {SURPRISE:.0f}."
        if wrong
        else None
    )
    caption = "Before the run, and what came of it" + (" at each width" if several else "")
    return join(
        [
            paragraphs(absent) if none else None,
            table(_HEADS, body, caption),
            element("p", element("span", note, class_="wrong")) if note else None,
            paragraphs(
                "Accepted: the probability that a proposal is accepted, as measured its mean over "
                "all proposals. Proposals come in whole blocks, so a few more are made than "
                "expected where few are needed. Expected times are of draws alone once all is "
                "compiled; those taken have the compilation in them."
            ),
        ]
    )


def surprised(expected: Expectation | None, now: Happened | None) -> bool:
    """Whether the acceptance was far from what was expected."""
    if expected is None or now is None or not now["acceptance_rate"] > 0:
        return False
    if expected.acceptance_rate <= 0:
        return True
    return abs(math.log(now["acceptance_rate"] / expected.acceptance_rate)) > math.log(SURPRISE)


def _cells(expected: Expectation | None, now: Happened | None) -> list[object]:
    def known(value: float | None, show: Callable[..., Html] = measured_cell) -> object:
        return "–" if value is None else show(value)

    def time(value: float) -> Html:
        return element("data", duration(value), value=repr(float(value)))

    done = now or {}
    before: Mapping[str, Any] = {} if expected is None else dataclasses.asdict(expected)
    sources = {"pilot": "a pilot", "limit": "the limit", None: "–"}
    return [
        known(done.get("num_samples"), count_cell),
        known(before.get("acceptance_rate")),
        known(done.get("acceptance_rate")),
        known(before.get("proposals"), functools.partial(measured_cell, digits=2)),
        known(done.get("num_proposals"), count_cell),
        known(before.get("seconds"), time),
        known(done.get("seconds"), time),
        sources.get(before.get("source"), "–"),
    ]
