"""What a run was expected to cost, kept in its directory to be held against what it did cost."""

import contextlib
import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnnpost.samplers.advice import Option
from bnnpost.samplers.forecast import Forecast
from bnnpost.storage import Directory, read_record

FORECAST = "forecast.json"
# Numbers that were not measured, or are too large for a float.
_MAY_BE_NONE = ("proposals", "seconds", "limit_log_evidence", "pilot_log_evidence")


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


def expected_of(option: Option, forecast: Forecast, num_samples: int) -> Expectation:
    """What a forecast says of `num_samples` draws by one of its options."""
    return Expectation(
        space=option.space,
        bound=option.bound,
        num_samples=num_samples,
        acceptance_rate=option.acceptance_rate,
        proposals=_finite(option.proposals(num_samples)),
        seconds=_finite(option.seconds(num_samples)),
        source="pilot" if option.bound == "capped" else forecast.source,
        limit_log_evidence=_finite(forecast.limit_log_evidence),
        pilot_log_evidence=_finite(forecast.pilot_log_evidence),
    )


def write_expected(directory: Directory, found: Mapping[int, Expectation]) -> None:
    """Write what is expected by width; what is kept of other widths stays."""
    if not found:
        return
    before: Mapping[int, Expectation] = {}
    with contextlib.suppress(ValueError):  # damaged, and written anew
        before = read_expected(directory.path)
    both = {**before, **found}
    plain = {str(width): dataclasses.asdict(both[width]) for width in sorted(both)}
    directory.write_bound(FORECAST, plain)


def read_expected(path: Path) -> dict[int, Expectation]:
    """By width what was expected of a run in this directory; empty where there is no forecast.

    Runs of earlier versions, and those of the library, have none. Raises ValueError for a file
    that is damaged, or of another run.
    """
    try:
        held = read_record(path / FORECAST)
    except FileNotFoundError:
        return {}
    try:
        return {int(width): _expectation(one) for width, one in held.items()}
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path / FORECAST} is no forecast: {error}") from None


def _expectation(held: Mapping[str, Any]) -> Expectation:
    """What was written of one. Raises ValueError or TypeError for anything else."""
    found = Expectation(**held)
    numbers = {"num_samples": False, "acceptance_rate": False} | dict.fromkeys(_MAY_BE_NONE, True)
    for name, may_be_none in numbers.items():
        value = getattr(found, name)
        if type(value) not in (int, float) and not (value is None and may_be_none):
            raise ValueError(f"expected {name} to be a number, got {value!r}")
    return found


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
