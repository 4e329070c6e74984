"""A test of draws of weights by the posterior's density alone: the kernel Stein discrepancy.

Liu, Lee and Jordan (2016, arXiv 1602.03253); Chwialkowski, Strathmann and Gretton (2016, arXiv
1602.02964); the kernel of Gorham and Mackey (2017, arXiv 1703.01717).
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Array, Float

from bnnpost.arguments import number_between
from bnnpost.draws import Draws
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.verification import sameness
from bnnpost.verification.autocorrelation import autocorrelation_times, thinned_chains
from bnnpost.verification.permutation import num_permutations
from bnnpost.verification.stein_kernel import mean_product, stein_products, wild_bootstrap
from bnnpost.verification.stein_target import (
    check_finite,
    check_smooth,
    densities_and_scores,
    rows_of_draws,
    rows_of_parameters,
)

# Of draws that are compared with each other, after thinning: memory grows with the square.
_FEWEST, _MOST = 50, 4000
# Parameters whose autocorrelation is looked at, besides the log density.
_MOST_COLUMNS = 64
_BLIND = (
    "blind to how much weight separate modes have, and to any that no draw is in",
    "finds less the more parameters there are; that nothing was found is no proof",
)


@dataclass(frozen=True)
class SteinReport:
    """Whether draws of weights are at odds with the posterior's density.

    level: about the probability with which independent draws of the posterior fail. statistic: the
    squared discrepancy, 0 in expectation for these. p_value: by the wild bootstrap. num_draws: that
    were used, of num_given. num_parameters: weights and biases. notes: what bears on the verdict.
    """

    level: float
    statistic: float
    p_value: float
    num_draws: int
    num_given: int
    num_parameters: int
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the p-value is above the level."""
        return self.p_value > self.level

    def __str__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """The verdict in the first line, then what it cannot see."""
        return "\n".join([self.verdict(), *(f"note: {note}" for note in self.notes)])

    def verdict(self) -> str:
        """One line."""
        word = "PASSED: not at odds with" if self.passed else "FAILED: at odds with"
        return (
            f"{word} the posterior's density at level {self.level:g} (kernel Stein discrepancy² "
            f"{self.statistic:.3g}, p {self.p_value:.2g}; {self.num_draws:,} draws of "
            f"{self.num_parameters:,} parameters)"
        )

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return {"passed": self.passed, "verdict": self.verdict(), **dataclasses.asdict(self)}


def stein(
    key: Array, candidate: object, posterior: Posterior, *, level: float = 0.01
) -> SteinReport:
    """Test draws of weights by the posterior's density and its gradient: no reference is needed.

    For samplers of weights where there are neither exact draws for `verify` nor time for
    `calibrate`. candidate: parameters in any form that `verify` takes ([draw, …] or [chain, draw,
    …] of each array of `network.init`, vectors of `Posterior.flat`, …); or equally weighted
    `Draws`. The kernel Stein discrepancy, with the kernel (1 + |a − b|²)^(−1/2) on vectors of
    `Posterior.flat` (standard normal under most priors), is 0 in expectation for draws of the
    posterior alone; its p-value is by random signs (wild bootstrap), right for many independent
    draws. Others are taken as chains and thinned to two autocorrelation times, of the log density
    and of at most 64 parameters; of more than 4,000 draws so many are used, evenly spaced.

    It sees what is wrong where draws are, at a price that grows with the number of parameters, and
    no wrong weights of modes that are apart: a sampler that stays in one mode passes. Weights that
    make the same function (units exchanged, signs flipped) are different points to it.

    Raises ValueError for a network whose activation jumps, for draws with weights, too few or not
    finite, of another network, for a level not between 0 and 1; FloatingPointError where the
    density is no finite number; TypeError for a legacy key or what is no posterior.
    """
    require_key(key)
    require_posterior(posterior)
    if not number_between("level", level, 0.0, 1.0) < 1:
        raise ValueError(f"expected level to be below 1, got {level}")
    check_smooth(posterior)
    rows, num_given, notes = _read(candidate, posterior)
    products = stein_products(rows, densities_and_scores(posterior, rows)[1])
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    return SteinReport(
        level=float(level),
        statistic=mean_product(products),
        p_value=wild_bootstrap(products, num_permutations(level), rng),
        num_draws=len(rows),
        num_given=num_given,
        num_parameters=rows.shape[1],
        notes=(*notes, *_BLIND),
    )


def _read(
    candidate: object, posterior: Posterior
) -> tuple[Float[np.ndarray, "n d"], int, list[str]]:
    """Parameters of draws that are about independent, how many draws there were, and notes."""
    if isinstance(candidate, Draws):
        chains, independent = rows_of_draws(candidate)
        notes = [*_of_another(candidate, posterior)]
    else:
        chains, independent, notes = rows_of_parameters(candidate, posterior), False, []
    check_finite(chains)
    num_given = chains.shape[0] * chains.shape[1]
    rows = chains.reshape(num_given, -1)
    if not independent:
        rows, time = _thinned(posterior, chains)
        notes.append(f"{len(rows):,} of {num_given:,} draws left (autocorrelation time {time:.3g})")
    if len(rows) < _FEWEST:
        raise ValueError(
            f"expected at least {_FEWEST} draws that are about independent, got {len(rows)}: the "
            "p-value holds for many. Run the sampler longer"
        )
    evenly = np.linspace(0, len(rows) - 1, min(len(rows), _MOST)).round().astype(int)
    return rows[evenly], num_given, notes


def _thinned(
    posterior: Posterior, chains: Float[np.ndarray, "chain draw d"]
) -> tuple[Float[np.ndarray, "n d"], float]:
    """Draws two autocorrelation times apart, and the time."""
    num_chains, length, size = chains.shape
    logs = densities_and_scores(posterior, chains.reshape(-1, size))[0]
    columns = np.linspace(0, size - 1, min(size, _MOST_COLUMNS)).round().astype(int)
    looked_at = np.concatenate([logs.reshape(num_chains, length, 1), chains[..., columns]], axis=2)
    time = float(np.nanmax(autocorrelation_times(looked_at)))
    return thinned_chains(chains, time), time


def _of_another(draws: Draws, posterior: Posterior) -> Iterator[str]:
    told = sameness.differences(*map(sameness.of_posterior, (draws.posterior, posterior)))
    if told:
        yield f"the draws are of another posterior, by their own record: {told}"
