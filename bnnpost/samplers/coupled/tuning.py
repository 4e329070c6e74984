"""What pairs of chains are run on, and with: a posterior's standard normals, and what is tuned.

A kernel's steps and the lag are found by pilot chains and pairs of their own, and frozen then: a
chain that adapts may not be coupled. They are kept in the record of a run.

Chains that move by proposals from the prior alone meet soon where these are accepted, and say
nothing of a region that none of them has hit. They are tried where prior draws reach all of a
posterior: how much of it lies beyond them is told by the largest weight.
"""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bnnpost.arguments import positive_integer
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.samplers.cost import NoDraws
from bnnpost.samplers.coupled.pairs import Pairs, Programs, require_memory
from bnnpost.samplers.kernels.kernel import (
    KIND,
    Coupling,
    Kernel,
    Normals,
    Paired,
    State,
    plain_kernel,
)
from bnnpost.samplers.kernels.named import AUTO, couplings_named, kernel_class
from bnnpost.spaces.making import make_space
from bnnpost.spaces.space import Space
from bnnpost.storage import OtherRun

# Folded into a run's key, apart from what completes draws.
_PILOT = 0x70696C74
# Transitions in which each finds its step, of those of one evaluation more; pairs that try it.
_NUM_WARMUP, _NUM_EVALUATIONS, _NUM_PAIRS = 100, 500, 8
# Pairs that try prior draws: they cost little, and a few of them meet late.
_NUM_BY_LUCK = 64
# Folded into the key of the pilot: its chains, and its pairs.
_CHAIN, _PAIRS = 0, 1
# The same for prior draws of which it is told whether these will do.
_COVER = 0x636F7665
# Of a pair, X the lag and then both until they meet, at the least.
_FEWEST_STEPS = 3
# The share of the posterior that may lie beyond all of so many prior draws; and beyond the first
# of them, if it is to be worth while to make the others.
_MOST_UNSEEN, _NUM_DRAWS = 0.01, 10_000
_MOST_UNSEEN_FIRST, _NUM_FIRST = 0.1, 1_000


class Tuned(NamedTuple):
    """kernel: what moves chains; lag; meetings: of the pilot's pairs; evaluations: what it took."""

    kernel: Paired
    lag: int
    meetings: Int[np.ndarray, " p"]
    evaluations: int

    @property
    def first_kept(self) -> int:
        """A step that X makes at any rate, and that is not late enough for most tolerances."""
        return self.lag


class NotMet(NoDraws):
    """Chains do not meet, so that there is nothing to measure their distance by."""


class Setting(NamedTuple):
    """A space, programs for what chains move in it, what moves them, and how long finding it took.

    pilot_seconds: that.
    """

    space: Space
    programs: Programs
    tuned: Tuned
    max_steps: int
    pilot_seconds: float


def set_up(
    key: Array,
    posterior: Posterior,
    num_draws: int = 0,
    known: Tuned | None = None,
    /,
    *,
    kernel: str | Kernel = AUTO,
    lag: int | None = None,
    max_steps: int = 10_000,
    space: str = "functions",
    collapse: bool = True,
    precision: str = "single",
) -> Setting:
    """Arguments and errors as of `sample`; raises NotMet where no pair of the pilot meets.

    num_draws: for which there must be memory. known: what a pilot found earlier.
    """
    require_key(key)
    require_posterior(posterior)
    made = make_space(
        posterior, space=space, collapse=collapse, precision=precision, strict=False, alone=True
    )
    require_memory(Normals.of(made), num_draws)
    return set_up_in(made, key, known, kernel=kernel, lag=lag, max_steps=max_steps)


def set_up_in(
    space: Space,
    key: Array,
    known: Tuned | None = None,
    *,
    kernel: str | Kernel = AUTO,
    lag: int | None = None,
    max_steps: int = 10_000,
) -> Setting:
    """The same in a space that there is."""
    started = time.perf_counter()
    if lag is not None:
        lag = positive_integer("lag", lag)
    max_steps = positive_integer("max_steps", max_steps)
    target = Normals.of(space)
    tried, programs = couplings(kernel, target), Programs(target)
    pilot_key = jax.random.fold_in(key, _PILOT)
    found = tuned(pilot_key, programs, tried, max_steps) if known is None else known
    if found is None:
        raise NotMet(
            f"pairs of chains do not meet in {max_steps:,} steps, with whatever was tried: the "
            "posterior is too narrow for them. Try a wider network, more noise, or more max_steps"
        )
    if lag is not None:
        found = found._replace(lag=lag)
    return Setting(space, programs, found, max_steps, time.perf_counter() - started)


def couplings(kernel: object, target: Normals) -> Sequence[Coupling]:
    """What is tried for a kernel or its name, the cheapest first. Raises ValueError for others."""
    if isinstance(kernel, Kernel):
        return [kernel.prepared(target, 0).coupling()]
    return couplings_named(kernel)


@in_double_precision
def tuned(
    key: Array, programs: Programs, tried: Sequence[Coupling], max_steps: int
) -> Tuned | None:
    """Of some kernels, the cheapest first, that with which pairs meet at the least cost.

    lag: the longest until they met; a shorter one would count late pairs several times, and save
    little, as X has to go about as far as that. None if no pair of any meets in so many steps.
    """
    best, least, evaluations = None, math.inf, 0
    for number, coupling in enumerate(tried):
        if _FEWEST_STEPS * coupling.cost >= least:
            continue
        if coupling.by_luck:
            cover = prior_cover(jax.random.fold_in(key, _COVER), programs.target)
            evaluations += cover.num_draws
            if not cover.complete:
                continue
        one_key = jax.random.fold_in(key, number)
        kernel, spent = _with_steps(jax.random.fold_in(one_key, _CHAIN), programs.target, coupling)
        # What costs more than the best need not be run to its end.
        most = min(max_steps, least / coupling.cost)
        pairs = Pairs(programs, kernel, jax.random.fold_in(one_key, _PAIRS), 1)
        count = _NUM_BY_LUCK if coupling.by_luck else _NUM_PAIRS
        outcomes = list(pairs.run(range(count), 0, math.ceil(most)))
        meetings = np.array([int(one.meeting) for one in outcomes])
        evaluations += spent + sum(int(one.evaluations) for one in outcomes)
        taken = _evaluations(coupling, meetings)
        if taken < least:
            best, least = Tuned(kernel, int(np.max(meetings)), meetings, 0), taken
    return None if best is None else best._replace(evaluations=evaluations)


def _evaluations(coupling: Coupling, meetings: Int[np.ndarray, " p"]) -> float:
    """What a pair takes, about: X the lag, then both until they meet, X on to where it is kept."""
    if np.any(meetings < 0):
        return math.inf
    return coupling.cost * float(np.max(meetings) + 2 * np.mean(meetings))


def given_step(plain: Kernel) -> float | None:
    """The step of a kernel, NaN where it has none; None where it is to be found."""
    if not hasattr(plain, "step_size"):
        return math.nan
    step = float(plain.step_size)
    return None if math.isnan(step) else step


def _with_steps(key: Array, target: Normals, coupling: Coupling) -> tuple[Paired, int]:
    """Coupled with the steps that plain chains have adapted to, and what that took."""
    steps, spent = [], 0
    for number, plain in enumerate(coupling.plains):
        step = given_step(plain)
        if step is None:
            cost = int(getattr(plain, "num_steps", 1))
            count = max(_NUM_WARMUP, _NUM_EVALUATIONS // cost)
            own_key = jax.random.fold_in(key, number)
            step = float(_adapted(plain, target, own_key, jnp.asarray(count)))
            spent += count * cost
        steps.append(step)
    return coupling.moved_by(*steps), spent


@jax.jit
def _adapted(kernel: Kernel, target: Normals, key: Array, count: Array) -> Array:
    def step(number: Array, state: State) -> State:
        one = jax.random.fold_in(key, number)
        return kernel.step(one, state, target, jnp.ones((), bool))[0]

    state, _ = kernel.init(jax.random.fold_in(key, count), target)
    found: Array = kernel.tuned(jax.lax.fori_loop(0, count, step, state))
    return found


class Cover(NamedTuple):
    """complete: whether prior draws reach the posterior; num_draws: of which that was found."""

    complete: bool
    num_draws: int


@in_double_precision
def prior_cover(key: Array, target: Normals) -> Cover:
    """By the weights of some 10,000 prior draws, or fewer where those miss much of it already."""
    first = _log_weights(key, target, jnp.arange(_NUM_FIRST))
    if not unseen_mass(first) <= _MOST_UNSEEN_FIRST:
        return Cover(False, _NUM_FIRST)
    others = _log_weights(key, target, jnp.arange(_NUM_FIRST, _NUM_DRAWS))
    unseen = unseen_mass(np.concatenate([first, others]))
    return Cover(unseen <= _MOST_UNSEEN, _NUM_DRAWS)


def unseen_mass(log_weights: Float[np.ndarray, " p"]) -> float:
    """About the share of the posterior whose weight is above those of all these prior draws.

    It is the share that the largest has of their sum. Each of M + 1 draws is as likely as the
    others to be the largest, so that the last one has, beyond the others, max w / (M + 1) on
    average, whatever the law of weights (the argument of Good 1953, Biometrika 40). 1 where all
    weights are 0.
    """
    largest = np.max(log_weights)
    if not math.isfinite(largest):
        return 1.0
    return float(1 / np.sum(np.exp(log_weights - largest)))


@jax.jit
def _draw_weights(key: Array, target: Normals, numbers: Array) -> Array:
    def one(number: Array) -> Array:
        return target.log_weight(target.prior(jax.random.fold_in(key, number)))

    return jax.lax.map(one, numbers)


def _log_weights(key: Array, target: Normals, numbers: Array) -> Float[np.ndarray, " p"]:
    return np.asarray(_draw_weights(key, target, numbers))


def tuning_record(found: Tuned) -> dict[str, object]:
    """As JSON can hold it. Raises ValueError for a kernel that would not come back as it is."""
    record = {
        "kernel": plain_kernel(found.kernel),
        "lag": int(found.lag),
        "meetings": [int(one) for one in found.meetings],
        "evaluations": int(found.evaluations),
    }
    if not _comes_back(record, found.kernel):
        raise ValueError(
            f"a directory cannot keep pairs moved by {type(found.kernel).__name__}: expected a "
            "class whose name no other kernel has, and fields that are numbers, words or kernels; "
            f"got {record['kernel']}. Change these, or sample without a directory"
        )
    return record


def _comes_back(record: Mapping[str, Any], kernel: Paired) -> bool:
    """Whether the kernel of a record is this one, to the last bit."""

    def same(a: Any, b: Any) -> bool:
        return np.result_type(a) == np.result_type(b) and np.array_equal(a, b, equal_nan=True)

    try:
        read = recorded_tuning(record).kernel
        return all(jax.tree.leaves(jax.tree.map(same, read, kernel)))
    except (TypeError, ValueError):  # it is of another class, or has other words
        return False


def recorded_tuning(record: Mapping[str, Any]) -> Tuned:
    """The inverse. Raises ValueError for what is no such record, OtherRun for an unknown kernel."""
    try:
        kernel = _kernel(record["kernel"])
        if not isinstance(kernel, Paired):
            raise TypeError(f"{type(kernel).__name__}, which moves no pairs")
        meetings = np.array(record["meetings"], np.int64)
        return Tuned(kernel, int(record["lag"]), meetings, int(record["evaluations"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"expected what pairs of chains were tuned to, got {error}") from None


def is_tuning_record(found: object) -> bool:
    """Whether it can be read, once its kernel is known."""
    try:
        recorded_tuning(found)  # type: ignore[arg-type]
    except OtherRun:
        return True
    except ValueError:
        return False
    return True


def _kernel(record: Mapping[str, Any]) -> Any:
    """The inverse of `plain_kernel`: of the classes that are known by now, whatever the name."""
    values = {
        name: _kernel(value) if isinstance(value, Mapping) else value
        for name, value in record.items()
        if name != KIND
    }
    kind = kernel_class(record[KIND])
    if kind is None:
        raise OtherRun(
            f"the pairs of this run were moved by a kernel {record[KIND]}, which is not known "
            "here: import the module that defines it, and go on with the run then"
        )
    return kind(**values)
