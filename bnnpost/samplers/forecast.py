"""What sampling will cost, before it runs: acceptance, proposals, time, and what to do."""

import dataclasses
import itertools
import math
from collections.abc import Collection
from dataclasses import dataclass

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from bnnpost.arguments import positive_integer
from bnnpost.draws.arviz_view import pareto_k
from bnnpost.numerics.random import require_key
from bnnpost.numerics.weights import WeightSum
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.samplers import capped, pilot
from bnnpost.samplers.advice import Forecast, Option
from bnnpost.samplers.prior_scale import prior_scale
from bnnpost.samplers.progress import Progress
from bnnpost.samplers.strict import limit_log_evidence, strict_space
from bnnpost.spaces import engine
from bnnpost.spaces.making import make_space
from bnnpost.spaces.network_parts import split_readout
from bnnpost.spaces.space import SPACES, Space

# A pilot whose weights are worth fewer equally weighted draws than this says less than the limit.
_TRUSTED_SIZE = 100.0
# Seconds in which each part is mostly over.
_DELAY = 3.0


def forecast(
    key: Array,
    posterior: Posterior,
    *,
    num_pilot: int = pilot.NUM_PILOT,
    collapse: bool = True,
    precision: str = "single",
    cap: float | None = None,
    calibrate: Collection[str] = SPACES,
    progress: bool = False,
) -> Forecast:
    """Expected acceptance, proposals and time of strict and of capped rejection, and advice.

    Strict: acceptance is the evidence over the bound; as widths grow the evidence tends to the
    limit's, so the cost is known before the run. A pilot of `num_pilot` proposals checks that
    at this width, and suggests the cap of capped rejection. collapse, cap, precision: as for
    `rejection.sample`, where collapse False concerns the capped options only (strict ones are
    listed both ways). calibrate: the spaces, of "functions" and "weights", in which proposals
    are timed, each of which compiles and then takes about half a second; a naive bound is
    given the time of the collapsed one in its space; no time is taken of proposals so large that
    a few of them would take minutes. progress: of all this, on stderr.

    Raises TypeError for a legacy key, ValueError for bad arguments and for proposals that would
    not fit in memory.
    """
    require_key(key)
    require_posterior(posterior)
    num_pilot = positive_integer("num_pilot", num_pilot)
    calibrate = (calibrate,) if isinstance(calibrate, str) else calibrate
    if unknown := set(calibrate) - set(SPACES):
        raise ValueError(f"expected calibrate to be of {', '.join(SPACES)}, got {unknown}")
    with Progress(0, enabled=progress, label="forecast", delay=_DELAY):
        return _forecast(key, posterior, num_pilot, collapse, precision, cap, calibrate, progress)


def _forecast(
    key: Array,
    posterior: Posterior,
    num_pilot: int,
    collapse: bool,
    precision: str,
    cap: float | None,
    calibrate: Collection[str],
    progress: bool,
) -> Forecast:
    strict, no_strict = _strict_spaces(posterior, precision)
    weighted = [
        make_space(posterior, space=form, collapse=collapse, precision=precision, strict=False)
        for form in SPACES
    ]
    first = _the_same(weighted[0], strict)
    logs = pilot.log_weights(key, first, num_pilot, pilot.short_blocks(first), progress)
    sums = WeightSum().add(logs)
    found, size = sums.log_mean(), sums.effective_sample_size()
    limiting = limit_log_evidence(posterior, key)
    trusted = size >= _TRUSTED_SIZE or math.isnan(limiting)
    timed = _Timer(key, calibrate, strict)
    level, accepted = _cap(logs, cap)
    k = pareto_k(logs) if math.isfinite(found.value) else math.nan
    # Mostly compilation: what is said is that something is being done, not how much of it.
    with Progress(len(calibrate), enabled=progress, label="timing", unit="space", delay=_DELAY):
        options = tuple(timed.strict(s, found.value if trusted else limiting) for s in strict)
        capped_options = tuple(timed.capped(s, level, accepted) for s in weighted)
    return Forecast(
        limit_log_evidence=limiting,
        pilot_log_evidence=found.value,
        pilot_log_evidence_se=found.standard_error,
        pilot_effective_size=size,
        source="pilot" if trusted else "limit",
        options=options,
        capped_options=capped_options,
        num_pilot=num_pilot,
        num_nan=int(np.sum(np.isnan(logs))),
        pareto_k=None if math.isnan(k) else k,
        no_strict=no_strict,
        collapsed=weighted[0].collapse,
        linear_readout=split_readout(posterior.network)[1] is not None,
        prior_scale=prior_scale(posterior),
    )


@dataclass
class _Timer:
    """Makes options, timing proposals once for each space and kind of work."""

    key: Array
    calibrate: Collection[str]
    known: list[Space]
    times: dict[tuple[str, bool, bool], float | None] = dataclasses.field(default_factory=dict)

    def strict(self, space: Space, log_evidence: float) -> Option:
        log_bound = space.log_bound()
        expected = (log_evidence - log_bound) / math.log(10)
        block = engine.block_shape(space).block
        return Option(space.form, space.bound, log_bound, expected, self._seconds(space), block)

    def capped(self, space: Space, log_cap: float, log10_acceptance: float) -> Option:
        seconds, block = self._seconds(space), engine.block_shape(space).block
        return Option(
            space.form, "capped", log_cap, log10_acceptance, seconds, block, pilot.NUM_PILOT
        )

    def _seconds(self, space: Space) -> float | None:
        if space.form not in self.calibrate:
            return None
        same = _the_same(space, self.known)
        is_known = any(same is other for other in self.known)
        kind = (space.form, is_known, space.auxiliary is not None)
        if kind not in self.times:
            # Of the likelihood's bounds in one space the first, the collapsed one, stands for both.
            stands = is_known and space.auxiliary is None
            work = next(s for s in self.known if s.form == space.form) if stands else space
            self.times[kind] = pilot.seconds_per_proposal(self.key, work)
        return self.times[kind]


def _the_same(space: Space, others: list[Space]) -> Space:
    """The one of `others` whose draws and weights are the same, so compiled already, or `space`."""
    for other in others:
        alike = dataclasses.replace(other, strict=space.strict, _log_bound=space._log_bound)
        if bool(eqx.tree_equal(space, alike)):
            return other
    return space


def _cap(log_weights: Float[np.ndarray, " p"], cap: float | None) -> tuple[float, float]:
    """The cap, in nats, and log10 of the acceptance under it; no hope without positive weights."""
    try:
        level = capped.choose_cap(log_weights) if cap is None else float(cap)
    except ValueError:  # no positive weight
        return math.nan, -math.inf
    clipped = WeightSum().add(np.minimum(log_weights, level)).log_mean().value
    return level, (clipped - level) / math.log(10)


def _strict_spaces(posterior: Posterior, precision: str) -> tuple[list[Space], str]:
    """Every space with every strict bound, the most collapsed first; why none, if none."""
    found: list[Space] = []
    reasons: list[str] = []
    for collapse, form in itertools.product((True, False), SPACES):
        try:
            one = make_space(posterior, space=form, collapse=collapse, precision=precision)
        except ValueError as error:  # no such bound
            reasons.append(str(error))
            continue
        if (one.form, one.bound) not in {(other.form, other.bound) for other in found}:
            found.append(one)
    if not found:
        return [], reasons[0]
    chosen = (strict_space(posterior, space=form, precision=precision) for form in SPACES)
    return [*found, *(one for one in chosen if one.auxiliary is not None)], ""


__all__ = ["Forecast", "Option", "forecast"]
