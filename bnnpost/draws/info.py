"""The record that goes with draws: how they were made."""

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any

# Kinds of draws that do not depend on each other.
INDEPENDENT = ("exact", "capped", "coupled", "prior")
# A bound of the mass that was not seen above this says nothing.
_NO_BOUND = 0.5


def unseen_words(unseen_mass_upper: float) -> str:
    """What regions that no proposal visited may hold of the mass, in words."""
    if unseen_mass_upper >= _NO_BOUND:
        return "no bound on the mass of regions that no proposal visited"
    return f"at most {unseen_mass_upper:.2g} of the mass where no proposal was, at 95 %"


@dataclass(frozen=True)
class ChainsInfo:
    """How chains were run, and how well they seem to have mixed.

    sampler: "nuts", "hmc", "pcn" or "slice" (elliptical). num_samples: kept of each chain, one
    step in `thinning`. num_steps: transitions, num_evaluations: of the log density,
    num_gradients: of its gradient, in all chains after warmup. step_size: after warmup, each
    chain's (of pcn: β; NaN for a sampler that has none). num_divergent: transitions after
    warmup whose energy was lost or, in samplers without gradients, that met a density that is
    NaN and was taken for 0. r_hat, ess_bulk, ess_tail: the largest R-hat and the least
    effective sample sizes of f at the training inputs (Vehtari et al. 2021); NaN where chains
    are too few or too short for them. lp_r_hat, lp_ess_bulk: the same of the log density of
    what the chains move, which tells of hidden layers that f at the training inputs, redrawn
    with the readout for each draw, may not show; R-hat is infinite if a chain never moved. All
    of these compare chains with each other, and see no mode that no chain visits. cross_check:
    what importance draws of the same posterior said of the chains ("" where none were made), and
    contradicted: whether they do. warmup_tv_upper: of a warmup that was measured, the 95 % limit of
    the total variation that it leaves between each chain's law and the posterior; NaN of others.
    """

    sampler: str
    num_chains: int
    num_samples: int
    num_warmup: int
    thinning: int
    num_steps: int
    num_evaluations: int
    num_gradients: int
    num_divergent: int
    step_size: tuple[float, ...]
    r_hat: float
    ess_bulk: float
    ess_tail: float
    lp_r_hat: float = math.nan
    lp_ess_bulk: float = math.nan
    cross_check: str = ""
    contradicted: bool = False
    warmup_tv_upper: float = math.nan

    def summary(self) -> str:
        """The chains in one line."""
        return (
            f"{self.num_chains} chain(s) of {self.num_samples} by {self.sampler}, R-hat "
            f"{self.r_hat:.3f}, effective size {self.ess_bulk:.4g}, {self.num_divergent} divergent"
            f"; {self.sight()}"
        )

    def sight(self) -> str:
        """What the diagnostics cannot see, and what importance draws made of that, in words."""
        blind = "diagnostics see no mode that no chain visits"
        if not math.isnan(self.warmup_tv_upper):
            blind = (
                f"measured warmup of {self.num_warmup}, which leaves each chain at most "
                f"{self.warmup_tv_upper:.2g} in total variation from the posterior, at 95 %"
            )
        return f"{blind}; {self.cross_check}" if self.cross_check else blind

    def divergences(self) -> str:
        """How many transitions went wrong, in words."""
        wrong = "diverged" if self.num_gradients else "met a density that is NaN"
        return f"{self.num_divergent:,} of {self.num_steps:,} transitions {wrong}"


def transition_in_words(
    kernel: str,
    num_rotations: int = 0,
    angle: float = math.nan,
    meeting_angle: float = math.nan,
    step_size: float = math.nan,
) -> str:
    """What moves pairs of chains, by the settings of `CoupledInfo`."""
    known = {
        "hmc": f"{num_rotations} rotations by {angle:.3g}, and one by {meeting_angle:.3g}",
        "pcn": "a proposal from the prior"
        if step_size == 1
        else f"a Crank–Nicolson step of size {step_size:.3g}",
        "slice": "elliptical slice sampling",
    }
    return known.get(kernel, f"a step of {kernel}")


@dataclass(frozen=True)
class CoupledInfo:
    """How pairs of coupled chains were run, and what they say of the distance of their draws.

    step: the transition after which all draws are; tolerance: what the distance was to be below.
    tv: the estimated bound of the total variation between the law of a draw and the posterior,
    tv_upper: its upper 95 % limit (1 where pairs did not meet). meeting_times: τ of each pair, of
    which one chain is `lag` steps ahead, −1 where it did not meet in max_steps. kernel: "hmc", a
    step of which is num_rotations by an `angle` and a single one by meeting_angle; "pcn", of size
    step_size (1: proposals from the prior); "slice"; or one of your own. acceptance_rate: of
    trajectories, or of what else the kernel proposes. num_evaluations: of the weight, with gradient
    for "hmc", in all pairs; pilot_evaluations, pilot_seconds: what finding kernel, angle, rotations
    and lag took.
    """

    tolerance: float
    step: int
    tv: float
    tv_upper: float
    lag: int
    meeting_times: tuple[int, ...]
    max_steps: int
    acceptance_rate: float
    num_evaluations: int
    pilot_evaluations: int
    pilot_seconds: float
    kernel: str = "hmc"
    num_rotations: int = 0
    angle: float = math.nan
    meeting_angle: float = math.nan
    step_size: float = math.nan

    @property
    def unmet(self) -> int:
        """How many pairs did not meet."""
        return sum(time < 0 for time in self.meeting_times)

    @property
    def met(self) -> bool:
        """Whether all pairs did."""
        return not self.unmet

    def transition(self) -> str:
        """A step of the chains, in words."""
        return transition_in_words(
            self.kernel, self.num_rotations, self.angle, self.meeting_angle, self.step_size
        )

    def summary(self) -> str:
        """The draws in one line."""
        pairs = f"{len(self.meeting_times):,} pairs of coupled chains"
        if not self.met:
            return f"{pairs}, of which {self.unmet:,} did not meet: no bound on their distance"
        return (
            f"{pairs} after {self.step} steps, at most {self.tv_upper:.2g} in total variation from "
            "the posterior, at 95 %"
        )


@dataclass(frozen=True)
class DrawsInfo:
    """How draws were made. Log quantities are in nats.

    kind: "exact" (independent draws from the posterior), "capped" (independent draws with weights),
    "resampled" (capped, made equally weighted by repetition), "chain" (dependent draws, exact only
    in the limit of long chains), "coupled" (independent draws, at a measured distance from the
    posterior) or "prior". complete: whether as many draws were accepted as were
    asked for. acceptance_rate: the mean of min(1, exp(log weight − log bound)) over all proposals,
    which a stop at a number of acceptances biases less than accepted/proposals: by less than one
    part in that number. log_evidence, log_evidence_se: of p(y), from the mean weight.
    effective_sample_size: (Σw)²/Σw² of the draws' weights. space: "functions" or "weights". bound:
    "collapsed", "naive" or "capped"; log_bound: that bound, or the cap. num_nan: proposals whose
    weight was NaN. batch, block: proposals compiled and run together. layer_forms: what is drawn of
    each linear layer, in order, "functions" (its outputs) or "weights". chains: of kind "chain",
    how they were run; the log evidence is then NaN and the effective sample size the least bulk
    one. coupled: of kind "coupled", how, and how far the draws are; the log evidence is NaN.

    Of a capped run: num_excess, proposals above the cap; excess_mass, the part of the
    posterior's mass that the cap c cuts off and the weights ℓ give back, E(ℓ − c)⁺/Eℓ (more of
    it lies where ℓ > c); pareto_k of all proposals' weights. All of these, the evidence and the
    effective sample size included, are computed from what was proposed. unseen_mass_upper: the
    most, at 95 %, that a region which no proposal visited has of the posterior's mass, by the
    bound of the weights; 1 where there is no such bound, or the proposals are too few for it.
    tv_unweighted, an estimate of the total variation that ignoring the weights would make;
    tv_visited_upper, an approximate 95 % upper confidence bound of it if nothing was missed;
    tv_unweighted_upper, with unseen_mass_upper added, which holds whatever was (all three None
    where pareto_k is above 0.7 or there is none). fitted: whether proposals were led by fits to
    the targets in the limit.
    """

    kind: str
    complete: bool = False
    num_samples: int = 0
    num_proposals: int = 0
    acceptance_rate: float = math.nan
    log_evidence: float = math.nan
    log_evidence_se: float = math.nan
    effective_sample_size: float = math.nan
    space: str = ""
    bound: str = "none"
    log_bound: float = math.nan
    precision: str = ""
    num_nan: int = 0
    batch: int = 1
    block: int = 1
    seconds: float = 0.0
    device: str = ""
    num_excess: int = 0
    excess_mass: float = 0.0
    pareto_k: float | None = None
    unseen_mass_upper: float = 0.0
    tv_unweighted: float | None = 0.0
    tv_visited_upper: float | None = 0.0
    tv_unweighted_upper: float | None = 0.0
    fitted: bool = False
    layer_forms: str = ""
    chains: ChainsInfo | None = None
    coupled: CoupledInfo | None = None

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> "DrawsInfo":
        """The record that `dataclasses.asdict` and JSON made plain."""
        chains, coupled = record["chains"], record["coupled"]
        if chains is not None:
            chains = ChainsInfo(**{**chains, "step_size": tuple(chains["step_size"])})
        if coupled is not None:
            coupled = CoupledInfo(**{**coupled, "meeting_times": tuple(coupled["meeting_times"])})
        return cls(**{**record, "chains": chains, "coupled": coupled})

    @property
    def log_evidence_upper(self) -> float:
        """An approximate 95 % upper confidence bound of the log evidence, in nats.

        With what regions that no proposal visited may add: ∞ where there is no bound of that.
        """
        if self.unseen_mass_upper >= 1:
            return math.inf
        return (
            self.log_evidence + 1.645 * self.log_evidence_se - math.log1p(-self.unseen_mass_upper)
        )

    def unseen(self) -> str:
        """What regions that no proposal visited may hold, in words; "" of exact draws."""
        if self.kind not in ("capped", "resampled"):
            return ""
        return unseen_words(self.unseen_mass_upper)

    @property
    def is_independent(self) -> bool:
        """Whether the draws do not depend on each other: neither chains nor repetitions."""
        return self.kind in INDEPENDENT

    @property
    def num_chains(self) -> int | None:
        """How many chains the draws are in; None for independent or resampled draws."""
        return self.chains.num_chains if self.chains is not None and self.kind == "chain" else None

    def as_attributes(self) -> dict[str, object]:
        """The record as netCDF attributes: numbers and strings, the rest as JSON."""
        return {
            name: json.dumps(value) if isinstance(value, bool | dict | None) else value
            for name, value in dataclasses.asdict(self).items()
        }
