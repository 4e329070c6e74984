"""Chains held against importance draws of the same posterior, where these are to be had.

Convergence diagnostics compare chains with each other, and see no mode that no chain visits.
Proposals from several fits and from the prior share nothing with the chains: where their weights
are worth something, a mode that the chains miss shows in them.
"""

import math
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from bnnpost.draws import Draws
from bnnpost.draws.arviz_view import pareto_k
from bnnpost.numerics.weights import WeightSum, normalised
from bnnpost.samplers.capped import LARGEST_PARETO_K
from bnnpost.spaces import engine
from bnnpost.spaces.completions import AS_FUNCTION
from bnnpost.spaces.making import make_space
from bnnpost.spaces.space import Space

# So many proposals, but at most half of what the chains evaluated, and none below the fewest.
_MOST_PROPOSALS, _FEWEST_PROPOSALS, _PART = 4096, 1000, 0.5
# Weights worth fewer draws tell nothing.
_LEAST_SIZE = 200
# Probability with which chains that are right are contradicted, as far as errors are normal.
_LEVEL = 1e-5
# Folded into the chains' key for the proposals.
_KEY = 0x63726F73


class CrossCheck(NamedTuple):
    """What importance draws say of chains, in words, and whether they contradict them."""

    words: str
    contradicted: bool


def cross_check(draws: Draws) -> CrossCheck:
    """Compare f at the training inputs, in location and in spread, by ranks among the chains."""
    chains = draws.info.chains
    assert chains is not None
    num_proposals = min(_MOST_PROPOSALS, int(_PART * chains.num_evaluations))
    if num_proposals < _FEWEST_PROPOSALS:
        return CrossCheck("chains are too short to be worth a comparison", False)
    log_weights, f = _proposals(draws, num_proposals)
    size = WeightSum().add(log_weights).effective_sample_size()
    if not (size >= _LEAST_SIZE and pareto_k(log_weights) <= LARGEST_PARETO_K):
        return CrossCheck(
            f"importance draws cannot tell: {num_proposals:,} proposals are worth {size:,.0f}",
            False,
        )
    worth = f"{num_proposals:,} importance proposals, worth {size:,.0f} draws"
    z = _surprise(draws, f, normalised(log_weights))
    place = np.unravel_index(np.argmax(np.abs(z)), z.shape)
    largest = float(np.abs(z[place]))
    if math.erfc(largest / math.sqrt(2)) * z.size > _LEVEL:
        return CrossCheck(f"{worth}, agree", False)
    what = ("location", "spread")[place[0]]
    return CrossCheck(
        f"{worth}, contradict the chains: in the {what} of f at training input {place[1]} by "
        f"{largest:.0f} standard errors",
        True,
    )


def _proposals(
    draws: Draws, num_proposals: int
) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, "p n k"]]:
    """Log weights, and outputs at the training inputs, of proposals that no run uses."""
    space = make_space(draws.posterior, precision=draws.info.precision, strict=False)
    key = jax.random.fold_in(draws.key, _KEY)
    numbers = np.arange(num_proposals, dtype=np.uint64)
    log_weights, f = zip(*engine.evaluate(_weighed, space, key, numbers), strict=True)  # type: ignore[misc]
    return np.concatenate(log_weights), np.concatenate(f)


def _weighed(space: Space, key: Array) -> tuple[Array, Array]:
    return space.log_weight(key), space.outputs(key, None, AS_FUNCTION)


def _surprise(
    draws: Draws, f: Float[np.ndarray, "p n k"], weights: Float[np.ndarray, " p"]
) -> Float[np.ndarray, "2 n k"]:
    """Standard errors by which mean ranks, and mean distances from the middle rank, differ.

    Ranks are bounded, so that errors are normal whatever the tails; they are uniform, with
    variance 1/12, if both have one law.
    """
    values, found = draws.training_outputs(), draws.diagnostics()
    effective = np.stack([found["ess_bulk"].values, found["ess_tail"].values])
    # Values that never change, or chains that do not move, are worth one draw at most.
    effective = np.maximum(np.nan_to_num(effective, nan=1.0), 1.0)
    ranks = np.empty(f.shape)
    for place in np.ndindex(*f.shape[1:]):
        ordered = np.sort(values[:, *place])
        both = [np.searchsorted(ordered, f[:, *place], side=s) for s in ("left", "right")]
        ranks[:, *place] = (both[0] + both[1]) / (2 * len(ordered))
    scores = np.stack([ranks, np.abs(2 * ranks - 1)])
    means = np.einsum("p,qpnk->qnk", weights, scores)
    errors = np.einsum("p,qpnk->qnk", weights**2, (scores - means[:, None]) ** 2)
    errors = np.maximum(errors, np.sum(weights**2) / 12)
    return (means - 0.5) / np.sqrt(errors + 1 / (12 * effective))
