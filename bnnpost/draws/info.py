"""The record that goes with draws: how they were made."""

import dataclasses
import json
from dataclasses import dataclass


@dataclass(frozen=True)
class DrawsInfo:
    """How draws were made. Log quantities are in nats.

    kind: "exact" (independent draws from the posterior) or "prior". complete: whether as
    many draws were accepted as were asked for. acceptance_rate: the mean of
    exp(log weight − log bound) over all proposals, which, unlike accepted/proposals, a stop
    at a number of acceptances does not bias. log_evidence, log_evidence_se: of p(y), from
    the same mean. space: "functions" or "weights". bound: "collapsed" or "naive". num_nan:
    proposals whose weight was NaN. batch, block: proposals compiled and run together.
    """

    kind: str
    complete: bool
    num_samples: int
    num_proposals: int
    acceptance_rate: float
    log_evidence: float
    log_evidence_se: float
    effective_sample_size: float
    space: str
    bound: str
    log_bound: float
    precision: str
    num_nan: int
    batch: int
    block: int
    seconds: float
    device: str

    def as_attributes(self) -> dict[str, object]:
        """The record as netCDF attributes: numbers and strings, truth values as JSON."""
        return {
            name: json.dumps(value) if isinstance(value, bool) else value
            for name, value in dataclasses.asdict(self).items()
        }
