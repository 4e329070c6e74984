"""A forecast: what sampling will cost, and what that means in plain sentences."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from bnnpost.arguments import positive_integer
from bnnpost.samplers.capped import EXCESS_MASS, LARGEST_PARETO_K
from bnnpost.samplers.prior_scale import PriorScale
from bnnpost.spelling import count, duration

# Exactness is worth this long a wait, or so many proposals where no time was measured.
FEASIBLE_SECONDS = 3600.0
FEASIBLE_PROPOSALS = 1e8
# Strict draws are advised without more words in so many seconds, or so many times those of capped.
_SHORT, _MUCH_LONGER = 60.0, 10.0
# A pilot worth fewer draws than the first gives only a rough cap, whose last percent of mass
# it hardly saw (worth 130 draws, its figure was a run's within a factor of two), than the
# second none; an evidence needs fewer draws than a cap.
_ROUGH_CAP, _HOPELESS_SIZE, _ROUGH_EVIDENCE = 400.0, 10.0, 100.0
_EASIER = "Fewer training points, wider networks or more noise make it easier."
_BY_PAIRS = (
    "Pairs of coupled chains (coupled.sample), where they meet, give independent draws at a "
    "measured distance; coupled.forecast, or bnnpost forecast --method coupled, tells the cost."
)


@dataclass(frozen=True)
class Option:
    """One way to run rejection, and what it is expected to cost.

    bound: "collapsed", "naive" or "auxiliary" (strict bounds), or "capped". log_bound: that bound
    (of auxiliary rejection the log weight of a draw), or the cap that a pilot suggests, in nats
    (NaN where its proposals had no positive weight).
    log10_acceptance: expected acceptance per proposal, as a power of ten.
    seconds_per_proposal: on this device, once all is compiled; None where it was not measured.
    block: proposals that are evaluated together. num_first: proposals before the run, to
    choose its cap.
    """

    space: str
    bound: str
    log_bound: float
    log10_acceptance: float
    seconds_per_proposal: float | None = None
    block: int = 1
    num_first: int = 0

    @property
    def acceptance_rate(self) -> float:
        """Expected accepted draws per proposal (0 where too small for a float)."""
        return 10.0**self.log10_acceptance

    def proposals(self, num_samples: int) -> float:
        """Expected proposals for this many draws; infinity where too many for a float."""
        log10 = math.log10(num_samples) - self.log10_acceptance
        return 10.0**log10 if log10 < 300 else math.inf

    def seconds(self, num_samples: int) -> float | None:
        """Expected seconds for this many draws, compilation aside; None where not measured.

        Whole blocks are run, before the run's proposals those that choose a cap.
        """
        if self.seconds_per_proposal is None:
            return None
        first = math.ceil(self.num_first / self.block) * self.block
        number = first + max(self.proposals(num_samples), float(self.block))
        return self.seconds_per_proposal * number


@dataclass(frozen=True)
class Forecast:
    """Expected cost of strict and capped rejection and of estimates over all proposals.

    limit_log_evidence: of the infinite-width limit, in nats (NaN where it has no closed
    form). pilot_log_evidence, pilot_log_evidence_se, pilot_effective_size: of a pilot of
    num_pilot proposals of the finite network, with its own random numbers; num_nan: those of
    them whose weight is NaN; pareto_k of their weights (None for a handful). source: where
    the acceptance of strict bounds is from, "pilot" where its weights are worth at least 100
    draws, else "limit": for networks about as narrow as there are points the limit can be off
    by orders of magnitude. options: each space with each strict bound there is; no_strict:
    why there is none, else empty. capped_options: each space with the cap that the pilot
    suggests. collapsed: whether their readout is integrated out; linear_readout: whether
    there is one at all, without which there are no importance estimates.
    prior_scale: None where there is nothing to compare.
    """

    limit_log_evidence: float
    pilot_log_evidence: float
    pilot_log_evidence_se: float
    pilot_effective_size: float
    source: str
    options: tuple[Option, ...]
    capped_options: tuple[Option, ...]
    num_pilot: int
    num_nan: int
    pareto_k: float | None
    no_strict: str
    collapsed: bool
    linear_readout: bool
    prior_scale: PriorScale | None

    @property
    def best(self) -> Option:
        """The strict option with the fewest expected proposals, the first where it is a tie.

        Raises ValueError where there is no strict bound.
        """
        if not self.options:
            raise ValueError(f"no strict bound exists ({self.no_strict}): see forecast.capped")
        return max(self.options, key=lambda option: option.log10_acceptance)

    @property
    def capped(self) -> Option:
        """Capped rejection in function space."""
        return self.option("auto", "capped")

    @property
    def effective_per_proposal(self) -> float:
        """Equally weighted draws that a proposal of an importance estimate is worth."""
        return self.pilot_effective_size / self.num_pilot

    def option(self, space: str, bound: str) -> Option:
        """The option for this space ("auto" is function space) and bound, "capped" included.

        Raises ValueError where there is none.
        """
        wanted = "functions" if space == "auto" else space
        every = (*self.options, *self.capped_options)
        for option in every:
            if (option.space, option.bound) == (wanted, bound):
                return option
        known = ", ".join(f"{option.space}/{option.bound}" for option in every)
        raise ValueError(f"no option {wanted}/{bound}: expected one of {known}")

    def strict(self, space: str, collapse: bool) -> Option:
        """The option of strict rejection as it is run: collapsed where that can be, or auxiliary.

        Raises ValueError where there is no strict bound.
        """
        bounds = {option.bound for option in self.options}
        if not bounds:
            raise ValueError(self.no_strict)
        wanted = ("auxiliary", "collapsed", "naive") if collapse else ("naive",)
        return self.option(space, next(bound for bound in wanted if bound in bounds))

    def advice(self, num_samples: int) -> str:
        """What `num_samples` draws would cost and what to do, one plain sentence a line.

        Strict where it takes at most an hour here (where no time was measured, 10⁸
        proposals), else capped; where even its weights are worth next to nothing, what would
        help.
        """
        return "\n".join(sentences(self, num_samples))


def sentences(forecast: Forecast, num_samples: int) -> list[str]:
    """What `num_samples` draws would cost, what to do, and what to beware of."""
    num_samples = positive_integer("num_samples", num_samples)
    found = [_costs(forecast, num_samples), _recommended(forecast, num_samples)]
    return [sentence for sentence in (*found, *_cautions(forecast)) if sentence]


def is_feasible(option: Option, num_samples: int) -> bool:
    """Whether draws under this strict bound take at most an hour, or 10⁸ proposals if untimed."""
    seconds = option.seconds(num_samples)
    if seconds is None:
        return option.proposals(num_samples) <= FEASIBLE_PROPOSALS
    return seconds <= FEASIBLE_SECONDS


def _costs(forecast: Forecast, num_samples: int) -> str:
    parts = []
    size = forecast.pilot_effective_size
    if forecast.options:
        limiting = forecast.source == "limit"
        basis = ", judged by the infinite-width limit," if limiting else ""
        option = quickest(forecast, num_samples)
        rough = size < _ROUGH_EVIDENCE and not limiting
        needed = _needed(option, num_samples, "roughly" if rough else "about")
        parts.append(f"strict{basis} needs {needed}")
    if is_judged(forecast):
        about = "roughly" if size < _ROUGH_CAP else "about"
        parts.append(
            f"capped needs {_needed(forecast.capped, num_samples, about)} and leaves "
            f"{100 * EXCESS_MASS:.0f} % of the mass to weights"
        )
    elif size > 0:
        parts.append("what capped needs cannot be told from this pilot")
    return f"For {num_samples:,} draws {'; '.join(parts)}." if parts else ""


def is_judged(forecast: Forecast) -> bool:
    """Whether the pilot's weights say anything of capped rejection and of estimates."""
    return forecast.pilot_effective_size >= _HOPELESS_SIZE


def quickest(forecast: Forecast, num_samples: int) -> Option:
    """The strict option that takes the least time, or the fewest proposals where untimed.

    Raises ValueError where there is no strict bound.
    """
    timed = [option for option in forecast.options if option.seconds_per_proposal is not None]
    if not timed:
        return forecast.best
    return min(timed, key=lambda o: (o.seconds(num_samples), -o.log10_acceptance))


def _needed(option: Option, num_samples: int, about: str) -> str:
    proposals, seconds = option.proposals(num_samples), option.seconds(num_samples)
    if not math.isfinite(proposals):
        return f"{count(proposals)} proposals"
    time = "" if seconds is None else f" ({duration(seconds)} here)"
    return f"{about} {count(proposals)} proposals{time}"


def _recommended(forecast: Forecast, num_samples: int) -> str:
    size = forecast.pilot_effective_size
    if forecast.options and is_feasible(quickest(forecast, num_samples), num_samples):
        return _strict_advised(forecast, num_samples)
    if size == 0:
        return (
            f"None of the pilot's {forecast.num_pilot:,} proposals had a positive weight: the "
            "prior and the targets are at odds, or the likelihood gives no number. "
            f"{_EASIER} {_BY_PAIRS}"
        )
    draws = count(size) if size >= _HOPELESS_SIZE else f"{size:.1f}"
    worth = f"the pilot's {forecast.num_pilot:,} proposals are worth {draws} draws"
    if not is_judged(forecast):
        estimates = (
            " Estimates over all of many proposals (importance.estimate) waste the least."
            if forecast.linear_readout
            else ""
        )
        return f"Rejection is not advised: {worth}. {_EASIER} {_BY_PAIRS}{estimates}"
    if size < _ROUGH_CAP:
        return f"Use capped with care: {worth}, so its figures are rough. {_EASIER}"
    return "Use capped: its draws are weighted, for the exact posterior."


def _strict_advised(forecast: Forecast, num_samples: int) -> str:
    exact = "its draws are exact and equally weighted"
    taken = quickest(forecast, num_samples).seconds(num_samples)
    other = forecast.capped.seconds(num_samples) if is_judged(forecast) else None
    if taken is None or other is None or taken <= max(_SHORT, _MUCH_LONGER * other):
        return f"Use strict: {exact}."
    return (
        f"Use strict if {duration(taken)} are no matter: {exact}. Capped draws have weights, and "
        f"take {duration(other)}."
    )


def _cautions(forecast: Forecast) -> Iterator[str]:
    if forecast.no_strict:
        yield f"Draws can only be weighted: {forecast.no_strict.rstrip('.')}."
    if not forecast.linear_readout:
        yield (
            "The network does not end in a Dense layer: no readout is integrated out, so weights "
            "differ more, and there are no estimates over all proposals."
        )
    k = forecast.pareto_k
    if k is not None and k > LARGEST_PARETO_K and is_judged(forecast):
        yield (
            f"The weights' tail is heavy (Pareto-k {k:.2f}, above {LARGEST_PARETO_K}): larger "
            "weights than the pilot saw are to be expected."
        )
    if forecast.num_nan:
        yield f"{forecast.num_nan:,} of the pilot's weights are NaN: a run would stop at the first."
    if forecast.prior_scale is not None:
        yield forecast.prior_scale.sentence()
