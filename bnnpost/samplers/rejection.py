"""Exact rejection: prior draws kept with probability exp(log weight − log bound)."""

import contextlib
import math
import time
from collections.abc import Generator, Iterable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, UInt

from bnnpost.draws import Draws, DrawsInfo
from bnnpost.networks.layers import positive_integer
from bnnpost.numerics.random import exponential, require_key
from bnnpost.numerics.weights import WeightSum
from bnnpost.posterior import Posterior
from bnnpost.samplers.progress import Progress
from bnnpost.spaces import engine
from bnnpost.spaces.space import Space, make_space

# A log weight may pass its bound by this much, relative, and still be rounding.
_BOUND_ROUNDING = 1e-9


class BoundExceeded(ValueError):
    """A log weight was larger than the bound it was promised to stay below."""


class Trial(NamedTuple):
    """One proposal's fate: its log weight and its Exp(1) threshold, in nats."""

    log_weight: Float[Array, ""]
    threshold: Float[Array, ""]


def trial(space: Space, key: Array) -> Trial:
    """The log weight of the proposal with this key, and the threshold it must clear.

    The proposal is accepted if log bound − log weight < threshold, that is with
    probability exp(log weight − log bound).
    """
    return Trial(space.log_weight(key), exponential(space.threshold_key(key)))


class _Accepted(NamedTuple):
    numbers: UInt[np.ndarray, " a"]
    num_proposals: int
    weights: WeightSum
    num_nan: int


def sample(
    key: Array,
    posterior: Posterior,
    *,
    num_samples: int = 1000,
    space: str = "auto",
    collapse: bool = True,
    bound: str = "strict",
    max_proposals: int | None = None,
    precision: str = "single",
    allow_nan: bool = False,
    progress: bool = False,
) -> Draws:
    """Independent draws from the exact posterior, in the order of their proposal numbers.

    num_samples: accepted draws asked for. space: "functions" (outputs at the training rows
    are drawn; cost linear in width), "weights" (every weight is drawn, the paper's method)
    or "auto" (functions). collapse: integrate a Gaussian readout out, which multiplies the
    acceptance; taken back where the likelihood or the network does not allow it.
    max_proposals: stop there, with what was accepted, and `info.complete` False.
    precision: of the random features; algebra on n × n matrices is always double.
    progress: a bar on stderr, which changes no random number.

    Raises TypeError for a legacy key, ValueError for bad arguments, BoundExceeded if a
    likelihood breaks its own bound, FloatingPointError for NaN weights unless `allow_nan`
    (they are then counted in `info` and never accepted).
    Hron, Bahri, Novak, Pennington and Sohl-Dickstein (2020), section 3.
    """
    require_key(key)
    if not isinstance(posterior, Posterior):
        raise TypeError(f"expected a bnnpost.Posterior, got {type(posterior).__name__}")
    positive_integer("num_samples", num_samples)
    if max_proposals is not None:
        positive_integer("max_proposals", max_proposals)
    if bound != "strict":
        raise ValueError(f"expected bound to be 'strict', got {bound!r}")
    chosen = make_space(posterior, space=space, collapse=collapse, precision=precision)
    log_bound = chosen.log_bound()
    start = time.perf_counter()
    blocks = trials(chosen, key, max_proposals)
    with contextlib.closing(blocks), Progress(num_samples, enabled=progress) as bar:
        found = _accept(blocks, log_bound, num_samples, allow_nan, bar)
    info = _info(chosen, log_bound, found, num_samples, time.perf_counter() - start)
    return Draws(chosen, key, found.numbers, np.zeros(len(found.numbers)), info)


def trials(
    space: Space, key: Array, max_proposals: int | None
) -> Generator[tuple[UInt[np.ndarray, " b"], Trial], None, None]:
    """Blocks of proposal numbers with their trials, in order."""
    shape = engine.block_shape(space)

    def starts() -> Generator[int, None, None]:
        start = 0
        while max_proposals is None or start < max_proposals:
            yield start
            start += shape.block

    def work(start: int) -> object:
        stop = start + shape.block
        # A last block that is cut short keeps its compiled shape; the rest is dropped.
        numbers = np.arange(start, stop, dtype=np.uint64)
        result = engine.evaluate_block(trial, space, key, numbers, (), shape.batch, shape.block)
        keep = slice(0, shape.block if max_proposals is None else min(stop, max_proposals) - start)
        return numbers[keep], jax.tree.map(lambda a: a[keep], result)

    threads = engine.num_threads(trial, space, key, ())
    return engine.in_order(work, starts(), threads)  # type: ignore[return-value]


def _accept(
    blocks: Iterable[tuple[UInt[np.ndarray, " b"], Trial]],
    log_bound: float,
    num_samples: int,
    allow_nan: bool,
    bar: Progress,
) -> _Accepted:
    accepted: list[np.ndarray] = []
    num_accepted = num_proposals = num_nan = 0
    weights = WeightSum()
    for numbers, result in blocks:
        log_weights = np.asarray(result.log_weight)
        _check(log_weights, log_bound, numbers, allow_nan)
        num_nan += int(np.isnan(log_weights).sum())
        weights = weights.add(log_weights)
        # NaN compares false: never accepted.
        chosen = numbers[log_bound - log_weights < np.asarray(result.threshold)]
        accepted.append(chosen)
        num_accepted += len(chosen)
        num_proposals += len(numbers)
        bar.update(num_accepted, num_proposals)
        if num_accepted >= num_samples:
            break
    taken = np.concatenate(accepted)[:num_samples] if accepted else np.zeros(0, np.uint64)
    return _Accepted(taken, num_proposals, weights, num_nan)


def _check(
    log_weights: Float[np.ndarray, " b"], log_bound: float, numbers: np.ndarray, allow_nan: bool
) -> None:
    num_nan = int(np.isnan(log_weights).sum())
    if num_nan and not allow_nan:
        first = int(numbers[np.argmax(np.isnan(log_weights))])
        raise FloatingPointError(
            f"{num_nan} of {len(log_weights)} log weights are NaN, the first of them proposal "
            f"{first}: the likelihood, or a covariance that is not positive definite in double "
            "precision, gives no number there. allow_nan=True counts such proposals and goes on"
        )
    excess = float(np.max(np.where(np.isnan(log_weights), -np.inf, log_weights), initial=-np.inf))
    if excess - log_bound > _BOUND_ROUNDING * (1 + abs(log_bound)):
        raise BoundExceeded(
            f"a log weight of {excess:.6g} exceeds the log bound {log_bound:.6g} by "
            f"{excess - log_bound:.3g} nats: log_bound of the likelihood is too low, and draws "
            "made with it would not be exact"
        )


def _info(
    space: Space, log_bound: float, found: _Accepted, num_samples: int, seconds: float
) -> DrawsInfo:
    num_accepted = len(found.numbers)
    evidence = found.weights.log_mean()
    shape = engine.block_shape(space)
    return DrawsInfo(
        kind="exact",
        complete=num_accepted == num_samples,
        num_samples=num_accepted,
        num_proposals=found.num_proposals,
        acceptance_rate=math.exp(evidence.value - log_bound),
        log_evidence=evidence.value,
        log_evidence_se=evidence.standard_error,
        effective_sample_size=float(num_accepted),
        space=space.form,
        bound=space.bound,
        log_bound=log_bound,
        precision=space.precision,
        num_nan=found.num_nan,
        batch=shape.batch,
        block=shape.block,
        seconds=seconds,
        device=str(jax.devices()[0].device_kind),
    )


__all__ = ["BoundExceeded", "Trial", "sample", "trial"]
