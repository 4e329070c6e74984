"""What a run of rejection tries: a space, a key and a bound; and the draws its blocks come to.

The bound is strict (the likelihood's, or of auxiliary rejection), or a cap (rejection control; Liu,
Chen and Wong 1998). With a cap c a proposal of weight ℓ is accepted with probability min(1, ℓ/c)
and an accepted draw weighs max(ℓ, c)/c. The weighted draws target the exact posterior whatever the
cap; draws are equally weighted but for those above it.
"""

import contextlib
import dataclasses
import math
import time
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax
import numpy as np
from jaxtyping import Array, Float, UInt

from bnnpost.draws import Draws, DrawsInfo
from bnnpost.draws.arviz_view import pareto_k
from bnnpost.draws.draws_files import Contents
from bnnpost.networks.limiting import scale_places
from bnnpost.numerics.weights import NONE_SEEN_95, WeightSum
from bnnpost.posterior import Posterior
from bnnpost.runs.store import Check
from bnnpost.samplers import pilot, trials
from bnnpost.samplers.progress import Progress
from bnnpost.samplers.trials import Block
from bnnpost.spaces import engine, limit
from bnnpost.spaces.auxiliary.for_posterior import one_hidden_layer
from bnnpost.spaces.making import auxiliary_of, make_space, with_auxiliary
from bnnpost.spaces.network_parts import num_first_inputs, split_readout
from bnnpost.spaces.scaled_kernels import is_single
from bnnpost.spaces.space import Space

# A draw of so many numbers takes a millisecond or so, and need not be cheaper.
_LOG_CHEAP = math.log(1e5)
# By so much auxiliary rejection must be cheaper to be chosen: costs are known roughly.
_LOG_CLEARLY = math.log(4.0)


def strict_space(
    posterior: Posterior, *, space: str = "auto", collapse: bool = True, precision: str = "single"
) -> Space:
    """The space for exact draws, by auxiliary rejection where that is clearly cheaper.

    By what the limit's evidence says of both. Raises ValueError where there is no bound.
    """
    made = make_space(posterior, space=space, collapse=collapse, precision=precision)
    if not made.collapse:
        return made
    try:
        one_hidden_layer(posterior)
        evidence = limit_log_evidence(posterior, jax.random.key(0))
        log_cost = made.log_bound() - evidence + math.log(_steps(made))
        if not log_cost > _LOG_CHEAP:
            return made
        auxiliary = auxiliary_of(made)
    except ValueError:  # it is not for this network, or hopeless
        return made
    if auxiliary.log_cost(evidence) + _LOG_CLEARLY < log_cost:
        return with_auxiliary(made, auxiliary)
    return made


def _steps(space: Space) -> int:
    """Numbers that a proposal takes: normals, and those of elimination."""
    return space.posterior.num_points**3 + sum(engine.num_normals(space))


def limit_log_evidence(posterior: Posterior, key: Array) -> float:
    """NaN where it has no closed form or the network no limit. key: as in `nngp`."""
    linear = split_readout(posterior.network)[1] is not None
    if not (linear and posterior.likelihood.known_std is not None):
        return math.nan
    single = is_single(
        posterior.network, num_first_inputs(posterior.network, posterior.x.shape[1:])
    )
    if scale_places(posterior.network) and not single:
        return math.nan
    try:
        return float(limit(posterior, key=key).log_evidence)
    except (NotImplementedError, ValueError):  # no kernel, or none that is finite
        return math.nan


# A log weight may pass its bound by this much, relative, and still be rounding.
_BOUND_ROUNDING = 1e-9
# So many proposals tell how heavy the tail of the weights is, where no bound is strict.
NUM_FIRST = 2**20


class BoundExceeded(ValueError):
    """A log weight was larger than the bound it was promised to stay below."""


def exceeds(log_weight: float, log_bound: float) -> bool:
    """Whether a log weight is larger than a bound, by more than rounding; never than ∞."""
    return log_weight - log_bound > _BOUND_ROUNDING * (1 + abs(log_bound))


@dataclass
class Tally:
    """The sums over a run's blocks.

    log_bound: the strict bound, or the cap. weights: over all proposals; clipped: the same
    of weights cut off there, whose mean over the bound is the acceptance rate.
    first_log_weights: those of the first proposals, where no bound is strict.
    """

    log_bound: float
    strict: bool
    allow_nan: bool
    numbers: list[UInt[np.ndarray, " a"]] = field(default_factory=list)
    log_weights: list[Float[np.ndarray, " a"]] = field(default_factory=list)
    first_log_weights: list[Float[np.ndarray, " p"]] = field(default_factory=list)
    num_accepted: int = 0
    num_proposals: int = 0
    num_nan: int = 0
    weights: WeightSum = field(default_factory=WeightSum)
    clipped: WeightSum = field(default_factory=WeightSum)

    @property
    def keep(self) -> int:
        """Of how many proposals all log weights are wanted."""
        return 0 if self.strict else NUM_FIRST

    def add(self, block: Block) -> None:
        """Count a block's proposals and keep those accepted; raises for NaN and broken bounds."""
        self._check(block)
        self.num_nan += block.num_nan
        self.weights = self.weights.merge(block.weights)
        self.clipped = self.clipped.merge(block.clipped)
        if len(block.kept):
            self.first_log_weights.append(block.kept)
        if len(block.numbers):
            self.numbers.append(block.numbers)
            self.log_weights.append(np.maximum(block.log_weights - self.log_bound, 0.0))
        self.num_accepted += len(block.numbers)
        self.num_proposals += block.count

    def _check(self, block: Block) -> None:
        if block.num_nan and not self.allow_nan:
            raise FloatingPointError(
                f"{block.num_nan} of {block.count} log weights are NaN, the first of them "
                f"proposal {block.first_nan}: the likelihood, or a covariance that "
                "is not positive definite in double precision, gives no number there. "
                "allow_nan=True counts such proposals and goes on"
            )
        largest, bound = block.weights.largest, self.log_bound
        if largest == math.inf:
            raise FloatingPointError(
                f"a log weight among proposals {block.start} to {block.start + block.count - 1} is "
                "infinite: the density of the likelihood has no upper bound there"
            )
        if self.strict and exceeds(largest, bound):
            raise BoundExceeded(
                f"a log weight of {largest:.6g} exceeds the log bound {bound:.6g} by "
                f"{largest - bound:.3g} nats: log_bound of the likelihood, or the bound of the "
                "activation, is too low, and draws made with it would not be exact"
            )

    def accepted(self, num_samples: int) -> tuple[np.ndarray, np.ndarray]:
        """Proposal numbers and log weights (over the cap) of the first `num_samples` accepted."""
        numbers = np.concatenate([np.zeros(0, np.uint64), *self.numbers])[:num_samples]
        weights = np.concatenate([np.zeros(0), *self.log_weights])[:num_samples]
        # Under a strict bound what passes it is rounding.
        return numbers, np.zeros(len(weights)) if self.strict else weights

    def acceptance_rate(self) -> float:
        """Expected acceptances per proposal, from all proposals."""
        return math.exp(self.clipped.log_mean().value - self.log_bound)


# A cap chosen from a pilot leaves this part of the posterior's mass to unequal weights.
EXCESS_MASS = 0.01
# Weights of a heavier tail have no variance that could be estimated (Vehtari et al. 2024).
LARGEST_PARETO_K = 0.7
# The one-sided 95 % point of a normal.
_NORMAL_95 = 1.645


def choose_cap(log_weights: Float[np.ndarray, " p"]) -> float:
    """The smallest log cap, in nats, that leaves the excess mass E(ℓ − c)⁺/Eℓ at EXCESS_MASS.

    Raises ValueError if no weight is positive.
    """
    logs = np.sort(np.where(np.isnan(log_weights), -np.inf, log_weights))
    if logs[-1] == -np.inf:
        raise ValueError(
            "no proposal of the pilot has a positive weight: the prior and the targets are at "
            "odds, or the likelihood gives no number; bnnpost.forecast says more"
        )
    weights = np.exp(logs - logs[-1])
    # Excess over each weight as the cap: the sum above it, less the cap for each of them.
    above = np.cumsum(weights[::-1])[::-1]
    excess = above - weights * np.arange(len(weights), 0, -1)
    first = int(np.argmax(excess <= EXCESS_MASS * above[0]))
    return float(logs[first])


def excess(tally: Tally, log_bound: float) -> dict[str, Any]:
    """What a finished run says of the weights above its cap, by the names of `DrawsInfo`.

    log_bound: of the log weights. tv_unweighted and its bounds are None where the tail is too heavy
    for any to mean anything (pareto_k above 0.7); pareto_k is None for a handful of proposals.
    """
    log_weights = np.concatenate([np.zeros(0), *tally.log_weights])
    # As parts of all proposals' weights; every proposal above the cap was accepted.
    log_total = (
        tally.weights.log_mean().value - tally.log_bound + math.log(tally.num_proposals or 1)
    )
    above = log_weights[log_weights > 0]
    parts = np.exp(above - log_total)
    clipped = tally.num_proposals * tally.acceptance_rate()
    k = pareto_k(np.concatenate([np.zeros(0), *tally.first_log_weights]))
    mass = float(np.sum(parts * -np.expm1(-above)))
    # A bound that was exceeded is none.
    bounded = not exceeds(tally.weights.largest, log_bound)
    unseen = tally.weights.unseen_mass_upper(log_bound if bounded else math.inf)
    tv = visited = upper = None
    if k <= LARGEST_PARETO_K and clipped > 0:
        terms = np.maximum(parts - 1 / clipped, 0.0)
        tv = float(np.sum(terms))
        visited = min(1.0, tv + _margin(terms, tally.weights))
        upper = min(1.0, visited + unseen)
    return {
        "num_excess": len(above),
        "excess_mass": mass,
        "pareto_k": None if math.isnan(k) else k,
        "unseen_mass_upper": unseen,
        "tv_unweighted": tv,
        "tv_visited_upper": visited,
        "tv_unweighted_upper": upper,
    }


def _margin(terms: Float[np.ndarray, " e"], weights: WeightSum) -> float:
    """How much larger the distance may be: by the spread of the terms, or of those not seen."""
    spread = _NORMAL_95 * float(np.sqrt(np.sum(terms**2)))
    return max(spread, NONE_SEEN_95 / weights.effective_sample_size())


BOUNDS = ("strict", "collapsed", "auxiliary", "capped")
# On two cores a file of so many blocks is a few seconds' work, which is what a kill can cost.
BLOCKS_PER_FILE = 32
_MOST_BLOCKS_PER_FILE = 1_000_000


@dataclass(frozen=True)
class Goal:
    """When a run is over: so many accepted draws, or so many proposals (None: no limit)."""

    num_samples: int
    max_proposals: int | None


@dataclass(frozen=True)
class Plan:
    """All that decides what a run's blocks come to.

    log_bound: the strict bound or the cap, in nats; NaN until a pilot has chosen it.
    shape: proposals in a block.
    """

    FORMAT: ClassVar[str] = "bnnpost run 1"
    ENTRIES: ClassVar[Mapping[str, Check]] = {
        "blocks_per_file": (
            f"a whole number from 1 to {_MOST_BLOCKS_PER_FILE:,}",
            lambda value: type(value) is int and 1 <= value <= _MOST_BLOCKS_PER_FILE,
        )
    }
    space: Space
    key: Array
    log_bound: float
    shape: engine.BlockShape

    @classmethod
    def make(
        cls,
        key: Array,
        posterior: Posterior,
        *,
        space: str,
        collapse: bool,
        bound: str,
        cap: float | None,
        precision: str,
    ) -> "Plan":
        """The plan for the arguments of `rejection.sample`, perhaps without a bound yet.

        Raises ValueError for bad arguments.
        """
        _check_bound(bound, cap, collapse)
        if bound == "strict":
            chosen = strict_space(posterior, space=space, collapse=collapse, precision=precision)
        else:
            chosen = make_space(
                posterior,
                space=space,
                collapse=collapse,
                precision=precision,
                strict=bound != "capped",
                auxiliary=bound == "auxiliary",
            )
        given = math.nan if cap is None else float(cap)
        log_bound = given if bound == "capped" else chosen.log_bound()
        return cls(chosen, key, log_bound, engine.block_shape(chosen))

    def settled(self) -> "Plan":
        """The plan with a bound: where there is none yet, the cap that a pilot suggests."""
        if not math.isnan(self.log_bound):
            return self
        return dataclasses.replace(self, log_bound=choose_cap(self._pilot(pilot.NUM_PILOT)))

    def begun(self, record: Mapping[str, Any] | None) -> "Plan":
        """The plan for a run: settled, where none has begun whose record tells the bound."""
        return self.settled() if record is None else self

    @property
    def strict(self) -> bool:
        """Whether no weight can exceed the bound."""
        return self.space.strict

    def settings(self) -> dict[str, object]:
        """What runs of the same draws have in common, in plain data; no cap that is not chosen."""
        cap = {} if self.strict or math.isnan(self.log_bound) else {"cap": self.log_bound}
        return {
            "key": np.asarray(jax.random.key_data(self.key)).tolist(),
            "bound": self._bound,
            "space": self.space.form,
            "collapse": self.space.collapse,
            "precision": self.space.precision,
            **cap,
        }

    @property
    def _bound(self) -> str:
        """As it was asked for."""
        if self.space.auxiliary is not None:
            return "auxiliary"
        return "strict" if self.strict else "capped"

    def tally(self, allow_nan: bool) -> Tally:
        return Tally(self.log_bound, strict=self.strict, allow_nan=allow_nan)

    def blocks(
        self, max_proposals: int | None, starts: Iterable[int] | None = None
    ) -> Generator[Block, None, None]:
        """Blocks of the run, in order; those from `starts`, or all."""
        return trials.blocks(
            self.space,
            self.key,
            self.log_bound,
            starts=starts,
            max_proposals=max_proposals,
            keep=self.tally(False).keep,
            shape=self.shape,
        )

    def _pilot(self, num_pilot: int) -> Float[np.ndarray, " p"]:
        return pilot.log_weights(self.key, self.space, num_pilot, self.shape)

    def contents(self) -> Contents:
        """The plan as draws of which there are none yet, to be written to a file."""
        info = self._info(self.tally(False), np.zeros(0), False)
        info = dataclasses.replace(info, device="")
        return Contents(self.space, self.key, np.zeros(0, np.uint64), np.zeros(0), info)

    @classmethod
    def from_contents(cls, contents: Contents) -> "Plan":
        """The inverse of `contents`."""
        info = contents.info
        shape = engine.BlockShape(info.batch, info.block, info.block)
        return cls(contents.space, contents.key, info.log_bound, shape)

    def entries(self) -> dict[str, object]:
        """See `runs.Prepared`."""
        return {"blocks_per_file": BLOCKS_PER_FILE}

    def as_written(self, contents: Contents, record: Mapping[str, Any]) -> "Plan":
        """See `runs.Prepared`; of a run nothing else is asked than what its files hold."""
        return Plan.from_contents(contents)

    def settings_written(self, record: Mapping[str, Any]) -> dict[str, object]:
        """See `runs.Prepared`."""
        return self.settings()

    def gather(
        self,
        blocks: Generator[Block, None, None],
        goal: Goal,
        *,
        started: float,
        allow_nan: bool = False,
        progress: bool = False,
    ) -> Draws:
        """The first accepted draws of a run's blocks, with the record of how it went.

        started: `time.perf_counter()` when the run began.
        """
        tally = self.tally(allow_nan)
        with contextlib.closing(blocks), Progress(goal.num_samples, enabled=progress) as bar:
            for block in blocks:
                if block.start != tally.num_proposals:
                    raise RuntimeError(
                        f"expected the block from proposal {tally.num_proposals} on, got that "
                        f"from {block.start} on: draws would be missing or twice there"
                    )
                tally.add(block)
                bar.update(tally.num_accepted, tally.num_proposals)
                if tally.num_accepted >= goal.num_samples:
                    break
        numbers, log_weights = tally.accepted(goal.num_samples)
        info = self._info(tally, log_weights, len(numbers) == goal.num_samples)
        info = dataclasses.replace(info, seconds=time.perf_counter() - started)
        return Draws(self.space, self.key, numbers, log_weights, info)

    def _info(
        self, tally: Tally, log_weights: Float[np.ndarray, " s"], complete: bool
    ) -> DrawsInfo:
        counted = tally.num_proposals > 0
        evidence = tally.weights.log_mean()
        return DrawsInfo(
            kind="exact" if self.strict else "capped",
            complete=complete,
            num_samples=len(log_weights),
            num_proposals=tally.num_proposals,
            acceptance_rate=tally.acceptance_rate() if counted else 0.0,
            log_evidence=evidence.value,
            log_evidence_se=math.hypot(evidence.standard_error, self.space.log_bound_se),
            effective_sample_size=WeightSum().add(log_weights).effective_sample_size(),
            space=self.space.form,
            layer_forms=self.space.layer_forms(),
            bound=self.space.bound if self.strict else "capped",
            log_bound=self.log_bound,
            precision=self.space.precision,
            num_nan=tally.num_nan,
            batch=self.shape.batch,
            block=self.shape.block,
            device=str(jax.devices()[0].device_kind),
            fitted=self.space.guide is not None and self.space.guide.fitted and not self.strict,
            **({} if self.strict else excess(tally, self.space.log_bound())),
        )


def _check_bound(bound: str, cap: float | None, collapse: bool) -> None:
    if bound not in BOUNDS:
        raise ValueError(f"expected bound to be one of {', '.join(BOUNDS)}, got {bound!r}")
    if bound in ("collapsed", "auxiliary") and not collapse:
        raise ValueError(f'bound="{bound}" integrates the readout out: leave collapse=True')
    if cap is not None and bound != "capped":
        raise ValueError('a cap was given: pass bound="capped" with it')
    if cap is not None and not math.isfinite(cap):
        raise ValueError(f"expected cap to be a finite number of nats, got {cap}")
