"""What a forecast means, in plain sentences."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bnnpost.arguments import positive_integer
from bnnpost.samplers.capped import EXCESS_MASS, LARGEST_PARETO_K
from bnnpost.samplers.options import Option
from bnnpost.spelling import count, duration

if TYPE_CHECKING:
    from bnnpost.samplers.forecast import Forecast

# Exactness is worth this long a wait, or so many proposals where no time was measured.
FEASIBLE_SECONDS = 3600.0
FEASIBLE_PROPOSALS = 1e8
# A pilot worth fewer draws than the first gives only a rough cap, whose last percent of mass
# it hardly saw (worth 130 draws, its figure was a run's within a factor of two), than the
# second none; an evidence needs fewer draws than a cap.
_ROUGH_CAP, _HOPELESS_SIZE, _ROUGH_EVIDENCE = 400.0, 10.0, 100.0
_EASIER = "Fewer training points, wider networks or more noise make it easier."


def sentences(forecast: "Forecast", num_samples: int) -> list[str]:
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


def _costs(forecast: "Forecast", num_samples: int) -> str:
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


def is_judged(forecast: "Forecast") -> bool:
    """Whether the pilot's weights say anything of capped rejection and of estimates."""
    return forecast.pilot_effective_size >= _HOPELESS_SIZE


def quickest(forecast: "Forecast", num_samples: int) -> Option:
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


def _recommended(forecast: "Forecast", num_samples: int) -> str:
    size = forecast.pilot_effective_size
    if forecast.options and is_feasible(quickest(forecast, num_samples), num_samples):
        return "Use strict: its draws are exact and equally weighted, and it is affordable."
    if size == 0:
        return (
            f"None of the pilot's {forecast.num_pilot:,} proposals had a positive weight: the "
            "prior and the targets are at odds, or the likelihood gives no number. "
            f"{_EASIER}"
        )
    draws = count(size) if size >= _HOPELESS_SIZE else f"{size:.1f}"
    worth = f"the pilot's {forecast.num_pilot:,} proposals are worth {draws} draws"
    if not is_judged(forecast):
        estimates = (
            " Estimates over all of many proposals (importance.estimate) waste the least."
            if forecast.linear_readout
            else ""
        )
        return f"Rejection is not advised: {worth}. {_EASIER}{estimates}"
    if size < _ROUGH_CAP:
        return f"Use capped with care: {worth}, so its figures are rough. {_EASIER}"
    return "Use capped: its draws are weighted, for the exact posterior."


def _cautions(forecast: "Forecast") -> Iterator[str]:
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
