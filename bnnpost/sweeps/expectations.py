"""What a run was expected to cost, kept in its directory to be held against what it did cost."""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bnnpost.samplers.forecast import Forecast
from bnnpost.samplers.options import Option
from bnnpost.storage import Directory

FORECAST = "forecast.json"


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


def of(option: Option, forecast: Forecast, num_samples: int) -> Expectation:
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


def record(directory: Directory, found: Mapping[int, Expectation]) -> None:
    """Write what is expected by width; what is kept of other widths stays."""
    if not found:
        return
    both = {**read(directory.path), **found}
    plain = {str(width): dataclasses.asdict(both[width]) for width in sorted(both)}
    directory.write_text(FORECAST, json.dumps(plain, indent=2) + "\n")


def read(path: Path) -> dict[int, Expectation]:
    """By width what was expected of a run in this directory; what cannot be read is left out.

    Runs of earlier versions, and those of the library, have none.
    """
    try:
        held = json.loads((path / FORECAST).read_text(encoding="utf-8"))
        return {int(width): Expectation(**one) for width, one in held.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
