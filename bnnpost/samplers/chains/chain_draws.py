"""Chains turned into draws, with the record of how they went, and what is said when they went ill.

R-hat and effective sample sizes are of function values. Weights are not identifiable: units
may be exchanged, and signs flipped, without any change of the function.

Convergence diagnostics compare chains with each other, and see no mode that no chain visits. Chains
are held against importance draws of the same posterior too: proposals from several fits and from
the prior share nothing with the chains, and where their weights are worth something, a mode that
the chains miss shows in them.
"""

import dataclasses
import math
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from bnnpost.draws import Draws, DrawsInfo, arviz_view
from bnnpost.draws.info import ChainsInfo
from bnnpost.numerics.weights import WeightSum, normalised
from bnnpost.samplers.chains.run import ChainsPlan, Checkpoint, Samples, Totals
from bnnpost.samplers.plan import LARGEST_PARETO_K
from bnnpost.samplers.warned import warn_user
from bnnpost.spaces import engine
from bnnpost.spaces.completions import AS_FUNCTION
from bnnpost.spaces.making import make_space
from bnnpost.spaces.space import Space

# Above this, chains have not come to agree (Vehtari et al. 2021).
LARGEST_R_HAT = 1.01
# A draw's number: its chain's, then its place in the chain.
_CHAIN_BITS = 40
# So many proposals, but at most half of what the chains evaluated, and none below the fewest.
_MOST_PROPOSALS, _FEWEST_PROPOSALS, _PART = 4096, 1000, 0.5
# Weights worth fewer draws tell nothing.
_LEAST_SIZE = 200
# Probability with which chains that are right are contradicted, as far as errors are normal.
_LEVEL = 1e-5
# Folded into the chains' key for the proposals.
_KEY = 0x63726F73

_DIVERGED = (
    "the sampler could not follow the posterior there, and the draws miss part of it. Raise "
    "target_accept, or lower step_size"
)
_UNDEFINED = (
    "NaN was taken for 0, so the draws leave out part of what the posterior may be. Look for "
    "what gives NaN in the likelihood or in the network"
)
_ADVICE = (
    "the chains have not come to agree, and these draws should not be taken for the posterior. "
    "Raise num_warmup and num_samples, or try another sampler"
)
_MISSED = (
    "They miss part of the posterior, such as a mode that none visits, whatever R-hat says. "
    'Use rejection.sample(…, bound="capped") or importance.estimate instead'
)


class ConvergenceWarning(UserWarning):
    """A chain's draws should not be taken for draws from the posterior."""


def draws(chains: ChainsPlan, done: Checkpoint, seconds: float) -> Draws:
    """The draws of chains that have come far enough, and perhaps further than was asked for.

    Warns with ConvergenceWarning where they did not converge.
    """
    samples = Samples.joined(done.samples).between(0, chains.num_samples)
    given, stats = ({n: _in_a_row(a) for n, a in part.items()} for part in samples[:2])
    chain = np.repeat(np.arange(chains.num_chains, dtype=np.uint64), chains.num_samples)
    place = np.tile(np.arange(chains.num_samples, dtype=np.uint64), chains.num_chains)
    numbers = (chain << np.uint64(_CHAIN_BITS)) | place
    arrays = chains.space, chains.key, numbers, np.zeros(len(numbers))

    def made(info: DrawsInfo) -> Draws:
        return Draws(*arrays, info, given, stats)

    found = made(_info(chains, done, samples.totals, seconds))
    found = made(_with(found.info, _diagnosed(found)))
    if chains.cross_check:
        words, contradicted = cross_check(found)
        found = made(_with(found.info, {"cross_check": words, "contradicted": contradicted}))
    assert found.info.chains is not None
    for message in problems(found.info.chains):
        warn_user(message, ConvergenceWarning)
    return found


def _with(info: DrawsInfo, found: dict[str, Any]) -> DrawsInfo:
    """The record, with more known of its chains."""
    assert info.chains is not None
    chains = dataclasses.replace(info.chains, **found)
    return dataclasses.replace(info, chains=chains, effective_sample_size=chains.ess_bulk)


def _diagnosed(found: Draws) -> dict[str, Any]:
    diagnosed = found.diagnostics()
    lp_r_hat, lp_ess_bulk = _of_log_density(found)
    return {
        "r_hat": _worst(diagnosed["r_hat"].values, np.nanmax),
        "ess_bulk": _worst(diagnosed["ess_bulk"].values, np.nanmin),
        "ess_tail": _worst(diagnosed["ess_tail"].values, np.nanmin),
        "lp_r_hat": lp_r_hat,
        "lp_ess_bulk": lp_ess_bulk,
    }


def _in_a_row(array: Any) -> np.ndarray:
    """[chain, draw, …] as [sample, …], chain after chain."""
    return array.reshape(-1, *array.shape[2:])


def _of_log_density(found: Draws) -> tuple[float, float]:
    """R-hat and effective sample size of lp; NaN where chains have nothing that they move."""
    lp, num_chains = found.sample_stats["lp"], found.info.num_chains
    assert num_chains is not None
    if not found.given or len(lp) == num_chains:
        return math.nan, math.nan
    if np.any(np.ptp(lp.reshape(num_chains, -1), axis=1) == 0):
        return math.inf, math.nan
    diagnosed = arviz_view.diagnostics(lp[:, None, None], num_chains)
    r_hat, ess_bulk = (float(diagnosed[name].values[0, 0]) for name in ("r_hat", "ess_bulk"))
    return r_hat, ess_bulk


def _worst(values: np.ndarray, which: object) -> float:
    known = values[~np.isnan(values)]
    return float(which(known)) if known.size else math.nan  # type: ignore[operator]


def _info(chains: ChainsPlan, done: Checkpoint, totals: Totals, seconds: float) -> DrawsInfo:
    """totals: each array [chain, draw]."""
    transitions, n_steps, diverging, acceptance = (float(np.sum(a[:, -1])) for a in totals)
    kernel = chains.kernel
    with jax.enable_x64(chains.target.x64):
        step_size = tuple(float(kernel.tuned(chain.state)) for chain in done.chains)
    record = ChainsInfo(
        sampler=kernel.name,
        num_chains=chains.num_chains,
        num_samples=chains.num_samples,
        num_warmup=chains.num_warmup,
        thinning=chains.thinning,
        num_steps=int(transitions),
        num_evaluations=int(n_steps),
        num_gradients=int(n_steps) * kernel.gradients_per_step,
        num_divergent=int(diverging),
        step_size=step_size,
        r_hat=math.nan,
        ess_bulk=math.nan,
        ess_tail=math.nan,
        warmup_tv_upper=chains.warmup_tv_upper,
    )
    return dataclasses.replace(
        chains.no_draws(),
        complete=True,
        num_samples=chains.num_chains * chains.num_samples,
        num_proposals=int(transitions),
        acceptance_rate=acceptance / transitions,
        seconds=seconds,
        device=str(jax.devices()[0].device_kind),
        chains=record,
    )


def problems(chains: ChainsInfo) -> list[str]:
    """What is wrong with chains, in plain words; empty where nothing is known to be."""
    found = []
    if chains.num_divergent:
        found.append(f"{chains.divergences()}: {_DIVERGED if chains.num_gradients else _UNDEFINED}")
    if math.isinf(chains.lp_r_hat):
        found.append(
            "a chain never moved: all its draws have the same hidden layers. Lower step_size, "
            "or raise num_warmup so that it is found"
        )
    worst = [
        f"of {what} is {r_hat:.4g}"
        for what, r_hat in (
            ("the function values at the training inputs", chains.r_hat),
            ("the log density of what the chains move", chains.lp_r_hat),
        )
        if LARGEST_R_HAT < r_hat < math.inf
    ]
    if worst:
        found.append(f"R-hat {' and '.join(worst)}, above {LARGEST_R_HAT}: {_ADVICE}")
    if chains.contradicted:
        found.append(f"{chains.cross_check}. {_MISSED}")
    if chains.num_chains == 1 or math.isnan(chains.r_hat):
        found.append(
            "one chain, or a few draws, cannot tell whether other chains would go elsewhere: "
            "nothing says that these are draws from the posterior. Run four chains or more"
        )
    return found


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
    if not (size >= _LEAST_SIZE and arviz_view.pareto_k(log_weights) <= LARGEST_PARETO_K):
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
