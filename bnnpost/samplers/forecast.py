"""What strict rejection will cost, before it runs: acceptance and proposals for each bound."""

import itertools
import math
from dataclasses import dataclass

from jaxtyping import Array

from bnnpost.likelihoods import Gaussian
from bnnpost.numerics.random import require_key
from bnnpost.numerics.weights import WeightSum
from bnnpost.posterior import Posterior
from bnnpost.samplers.pilot import NUM_PILOT, log_weights
from bnnpost.spaces import limit
from bnnpost.spaces.space import SPACES, Space, make_space

# A pilot whose weights are worth fewer equally weighted draws than this says less than the limit.
_TRUSTED_SIZE = 100.0


@dataclass(frozen=True)
class Option:
    """One way to run strict rejection, and what it is expected to cost.

    log_bound in nats; log10_acceptance: expected acceptance per proposal, as a power of ten.
    """

    space: str
    bound: str
    log_bound: float
    log10_acceptance: float

    @property
    def acceptance_rate(self) -> float:
        """Expected accepted draws per proposal (0 where too small for a float)."""
        return 10.0**self.log10_acceptance

    def proposals(self, num_samples: int) -> float:
        """Expected proposals for this many draws; infinity where too many for a float."""
        log10 = math.log10(num_samples) - self.log10_acceptance
        return 10.0**log10 if log10 < 300 else math.inf


@dataclass(frozen=True)
class Forecast:
    """Expected acceptance of strict rejection, from the evidence over each bound.

    limit_log_evidence: of the infinite-width limit, in nats (NaN where it has no closed
    form). pilot_log_evidence, pilot_log_evidence_se, pilot_effective_size: of a short pilot
    of the finite network, with its own random numbers. source: "pilot" where its weights
    are worth at least 100 draws, else "limit": for networks about as narrow as there are
    points the limit can be off by orders of magnitude. options: each space and bound.
    """

    limit_log_evidence: float
    pilot_log_evidence: float
    pilot_log_evidence_se: float
    pilot_effective_size: float
    source: str
    options: tuple[Option, ...]

    @property
    def best(self) -> Option:
        """The option with the fewest expected proposals (function space where it is a tie)."""
        return max(self.options, key=lambda option: option.log10_acceptance)

    def option(self, space: str, bound: str) -> Option:
        """The option for this space ("auto" is function space) and bound."""
        wanted = "functions" if space == "auto" else space
        return next(o for o in self.options if (o.space, o.bound) == (wanted, bound))


def forecast(key: Array, posterior: Posterior, *, num_pilot: int = NUM_PILOT) -> Forecast:
    """Expected acceptance and proposals of strict rejection for each space and bound.

    The acceptance rate is the evidence over the bound; as widths grow the evidence tends to
    the limit's, so the cost is known before the run. A pilot of `num_pilot` proposals
    checks that at this width. Raises TypeError for a legacy key, ValueError where no strict
    bound exists.
    """
    require_key(key)
    spaces = _candidates(posterior)
    pilot = WeightSum().add(log_weights(key, spaces[0], num_pilot))
    limit_evidence = math.nan
    if isinstance(posterior.likelihood, Gaussian):
        limit_evidence = limit(posterior).log_evidence
    found, size = pilot.log_mean(), pilot.effective_sample_size()
    trusted = size >= _TRUSTED_SIZE or math.isnan(limit_evidence)
    evidence = found.value if trusted else limit_evidence
    options = tuple(
        Option(s.form, s.bound, s.log_bound(), (evidence - s.log_bound()) / math.log(10))
        for s in spaces
    )
    source = "pilot" if trusted else "limit"
    return Forecast(limit_evidence, found.value, found.standard_error, size, source, options)


def _candidates(posterior: Posterior) -> list[Space]:
    """Every space with every bound that this posterior allows, the most collapsed first."""
    found: list[Space] = []
    reasons: list[ValueError] = []
    for collapse, form in itertools.product((True, False), SPACES):
        try:
            found.append(make_space(posterior, space=form, collapse=collapse))
        except ValueError as error:  # no such bound
            reasons.append(error)
    if not found:
        raise reasons[0]
    return [
        s
        for i, s in enumerate(found)
        if (s.form, s.bound) not in {(t.form, t.bound) for t in found[:i]}
    ]
