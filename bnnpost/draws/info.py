"""The record that goes with draws: how they were made."""

import dataclasses
import json
from dataclasses import dataclass


@dataclass(frozen=True)
class DrawsInfo:
    """How draws were made. Log quantities are in nats.

    kind: "exact" (independent draws from the posterior), "capped" (independent draws with
    weights), "resampled" (capped, made equally weighted by repetition) or "prior". complete:
    whether as many draws were accepted as were asked for. acceptance_rate: the mean of
    min(1, exp(log weight − log bound)) over all proposals, which, unlike accepted/proposals,
    a stop at a number of acceptances does not bias. log_evidence, log_evidence_se: of p(y),
    from the mean weight. effective_sample_size: (Σw)²/Σw² of the draws' weights. space:
    "functions" or "weights". bound: "collapsed", "naive" or "capped"; log_bound: that bound,
    or the cap. num_nan: proposals whose weight was NaN. batch, block: proposals compiled and
    run together.

    Of a capped run: num_excess, proposals above the cap; excess_mass, the part of the
    posterior's mass above it; pareto_k of all proposals' weights; tv_unweighted, an estimate
    of the total variation that ignoring the weights would make, and tv_unweighted_upper, an
    approximate 95 % upper confidence bound of it (both None where pareto_k is above 0.7 or
    there is none).
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
    num_excess: int = 0
    excess_mass: float = 0.0
    pareto_k: float | None = None
    tv_unweighted: float | None = 0.0
    tv_unweighted_upper: float | None = 0.0

    def as_attributes(self) -> dict[str, object]:
        """The record as netCDF attributes: numbers and strings, the rest as JSON."""
        return {
            name: json.dumps(value) if isinstance(value, bool | None) else value
            for name, value in dataclasses.asdict(self).items()
        }
