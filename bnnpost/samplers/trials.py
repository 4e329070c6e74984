"""Proposals and their fate, in blocks, and the sums over them that say how a run went."""

import math
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, UInt

from bnnpost.numerics.random import exponential
from bnnpost.numerics.weights import WeightSum
from bnnpost.spaces import engine
from bnnpost.spaces.space import Space

# A log weight may pass its bound by this much, relative, and still be rounding.
_BOUND_ROUNDING = 1e-9
# So many proposals tell how heavy the tail of the weights is.
_NUM_FIRST = 2**20


class BoundExceeded(ValueError):
    """A log weight was larger than the bound it was promised to stay below."""


class Trial(NamedTuple):
    """One proposal's fate: its log weight and its Exp(1) threshold, in nats."""

    log_weight: Float[Array, ""]
    threshold: Float[Array, ""]


Block = tuple[UInt[np.ndarray, " b"], Trial]


def trial(space: Space, key: Array) -> Trial:
    """The log weight of the proposal with this key, and the threshold it must clear.

    The proposal is accepted if log level − log weight < threshold, that is with probability
    min(1, exp(log weight − log level)), the level being a strict bound or a cap.
    """
    return Trial(space.log_weight(key), exponential(space.threshold_key(key)))


def blocks(space: Space, key: Array, max_proposals: int | None) -> Generator[Block, None, None]:
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


@dataclass
class Tally:
    """What the blocks of a run have come to.

    log_level: the strict bound, or the cap. weights: over all proposals; clipped: the same
    of weights cut off at the level, whose mean over the level is the acceptance rate.
    first_log_weights: those of the first proposals, where no bound is strict.
    """

    log_level: float
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

    def add(self, block: Block) -> None:
        """Count a block's proposals and keep those accepted; raises for NaN and broken bounds."""
        numbers, result = block
        log_weights = np.asarray(result.log_weight)
        is_nan = np.isnan(log_weights)
        self._check(log_weights, is_nan, numbers)
        self.num_nan += int(is_nan.sum())
        self.weights = self.weights.add(log_weights)
        if not self.strict and self.num_proposals < _NUM_FIRST:
            self.first_log_weights.append(log_weights[: _NUM_FIRST - self.num_proposals])
        self.clipped = self.clipped.add(np.minimum(log_weights, self.log_level))
        # NaN compares false: never accepted.
        chosen = self.log_level - log_weights < np.asarray(result.threshold)
        self.numbers.append(numbers[chosen])
        self.log_weights.append(np.maximum(log_weights[chosen] - self.log_level, 0.0))
        self.num_accepted += int(chosen.sum())
        self.num_proposals += len(numbers)

    def _check(
        self, log_weights: Float[np.ndarray, " b"], is_nan: np.ndarray, numbers: np.ndarray
    ) -> None:
        if is_nan.any() and not self.allow_nan:
            raise FloatingPointError(
                f"{is_nan.sum()} of {len(log_weights)} log weights are NaN, the first of them "
                f"proposal {int(numbers[np.argmax(is_nan)])}: the likelihood, or a covariance that "
                "is not positive definite in double precision, gives no number there. "
                "allow_nan=True counts such proposals and goes on"
            )
        excess = float(np.max(np.where(is_nan, -np.inf, log_weights), initial=-np.inf))
        bound = self.log_level
        if self.strict and excess - bound > _BOUND_ROUNDING * (1 + abs(bound)):
            raise BoundExceeded(
                f"a log weight of {excess:.6g} exceeds the log bound {bound:.6g} by "
                f"{excess - bound:.3g} nats: log_bound of the likelihood is too low, and draws "
                "made with it would not be exact"
            )

    def accepted(self, num_samples: int) -> tuple[np.ndarray, np.ndarray]:
        """Proposal numbers and log weights (over the cap) of the first `num_samples` accepted."""
        numbers = np.concatenate([np.zeros(0, np.uint64), *self.numbers])[:num_samples]
        weights = np.concatenate([np.zeros(0), *self.log_weights])[:num_samples]
        # Under a strict bound what passes it is rounding.
        return numbers, np.zeros(len(weights)) if self.strict else weights

    def acceptance_rate(self) -> float:
        """Expected acceptances per proposal, from all proposals."""
        return math.exp(self.clipped.log_mean().value - self.log_level)
