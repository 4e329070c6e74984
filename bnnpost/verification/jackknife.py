"""Standard errors of anything that is made of draws of a candidate and of a reference."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

# Groups of draws, each left out once: long ones, so that chains' draws depend on their own group's
# alone; and what is taken for twice the standard error of so many.
NUM_GROUPS = 25


@dataclass(frozen=True)
class Rows:
    """Draws of one side.

    draws: function values. means, variances: of the Gaussian that each is from (itself and 0
    where that is not known). log_likelihood: of each, up to a constant, in nats; None where it is
    not known.
    """

    draws: Float[np.ndarray, "r column"]
    means: Float[np.ndarray, "r column"]
    variances: Float[np.ndarray, "r column"]
    log_likelihood: Float[np.ndarray, " r"] | None = None

    def __len__(self) -> int:
        return len(self.draws)

    def without(self, group: slice) -> "Rows":
        """All but these."""
        kept = np.ones(len(self), bool)
        kept[group] = False
        logs = None if self.log_likelihood is None else self.log_likelihood[kept]
        return Rows(self.draws[kept], self.means[kept], self.variances[kept], logs)


def jackknife_errors(
    function: Callable[[Rows, Rows], Float[np.ndarray, " q"]], candidate: Rows, reference: Rows
) -> Float[np.ndarray, " q"]:
    """Standard errors of a function of both, by leaving out groups of draws, a side at a time."""
    variance = np.zeros(1)
    for side in (0, 1):
        rows = (candidate, reference)[side]
        edges = np.linspace(0, len(rows), NUM_GROUPS + 1).round().astype(int)
        found = []
        for first, last in itertools.pairwise(edges):
            fewer = rows.without(slice(first, last))
            found.append(function(*((fewer, reference) if side == 0 else (candidate, fewer))))
        variance = variance + (NUM_GROUPS - 1) * np.var(found, axis=0)
    return np.sqrt(variance)  # type: ignore[no-any-return]


def deviates(probability: float) -> float:
    """Of such errors, exceeded on either side with this probability: of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(NUM_GROUPS - 1, 1 - probability / 2))
