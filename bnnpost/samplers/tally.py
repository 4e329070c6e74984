"""What the blocks of a run have come to: accepted draws, and the sums that say how it went."""

import math
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt

from bnnpost.numerics.weights import WeightSum
from bnnpost.samplers.trials import Block

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
