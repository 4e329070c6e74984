"""Chains turned into draws, with the record of how they went, and what is said when they went ill.

R-hat and effective sample sizes are of function values. Weights are not identifiable: units
may be exchanged, and signs flipped, without any change of the function.
"""

import dataclasses
import math
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array

from bnnpost.draws import Draws, DrawsInfo, arviz_view
from bnnpost.draws.info import ChainsInfo
from bnnpost.samplers.chains import Kept, Length, Progressed, Totals
from bnnpost.samplers.cross_check import cross_check
from bnnpost.samplers.kernels import Kernel
from bnnpost.samplers.warned import warn_user
from bnnpost.spaces.space import Space

# Above this, chains have not come to agree (Vehtari et al. 2021).
LARGEST_R_HAT = 1.01
# A draw's number: its chain's, then its place in the chain.
_CHAIN_BITS = 40

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


def draws(
    kernel: Kernel,
    space: Space,
    key: Array,
    length: Length,
    done: Progressed,
    seconds: float,
    checked: bool = False,
) -> Draws:
    """The draws of finished chains; warns with ConvergenceWarning where they did not converge.

    space: in which `kernel.given` describes draws. done: all that was kept, and perhaps more
    than is asked for. checked: whether to hold them against importance draws.
    """
    kept = first(joined(done.kept), length.num_samples)
    given, stats = ({n: _in_a_row(a) for n, a in part.items()} for part in (kept.given, kept.stats))
    chain = np.repeat(np.arange(length.num_chains, dtype=np.uint64), length.num_samples)
    place = np.tile(np.arange(length.num_samples, dtype=np.uint64), length.num_chains)
    numbers = (chain << np.uint64(_CHAIN_BITS)) | place
    weights = np.zeros(len(numbers))
    totals = Totals(*(array[:, -1] for array in kept.totals))
    with jax.enable_x64(kernel.x64):
        step_size = tuple(float(kernel.tuned(carried.state)) for carried in done.chains)
    info = _info(kernel, space, length, totals, step_size, seconds)
    found = Draws(space, key, numbers, weights, info, given, stats)
    chains = info.chains
    assert chains is not None
    diagnosed = found.diagnostics()
    lp_r_hat, lp_ess_bulk = _of_log_density(found)
    chains = dataclasses.replace(
        chains,
        r_hat=_worst(diagnosed["r_hat"].values, np.nanmax),
        ess_bulk=_worst(diagnosed["ess_bulk"].values, np.nanmin),
        ess_tail=_worst(diagnosed["ess_tail"].values, np.nanmin),
        lp_r_hat=lp_r_hat,
        lp_ess_bulk=lp_ess_bulk,
    )
    info = dataclasses.replace(info, chains=chains, effective_sample_size=chains.ess_bulk)
    if checked:
        words, contradicted = cross_check(Draws(space, key, numbers, weights, info, given, stats))
        chains = dataclasses.replace(chains, cross_check=words, contradicted=contradicted)
        info = dataclasses.replace(info, chains=chains)
    for message in problems(chains):
        warn_user(message, ConvergenceWarning)
    return Draws(space, key, numbers, weights, info, given, stats)


def joined(parts: Sequence[Kept]) -> Kept:
    """Parts, each array [chain, draw, …], one after another."""
    if len(parts) == 1:
        return parts[0]
    return jax.tree.map(lambda *arrays: np.concatenate(arrays, axis=1), *parts)  # type: ignore[no-any-return]


def first(kept: Kept, count: int) -> Kept:
    """The first `count` draws of each chain."""
    return jax.tree.map(lambda array: array[:, :count], kept)  # type: ignore[no-any-return]


def _in_a_row(array: np.ndarray) -> np.ndarray:
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


def _info(
    kernel: Kernel,
    space: Space,
    length: Length,
    totals: Totals,
    step_size: tuple[float, ...],
    seconds: float,
) -> DrawsInfo:
    """totals: each array [chain]."""
    num_steps, n_steps = int(totals.transitions.sum()), int(totals.n_steps.sum())
    chains = ChainsInfo(
        sampler=kernel.name,
        num_chains=length.num_chains,
        num_samples=length.num_samples,
        num_warmup=length.num_warmup,
        thinning=length.thinning,
        num_steps=num_steps,
        num_evaluations=n_steps,
        num_gradients=n_steps * kernel.gradients_per_step,
        num_divergent=int(totals.diverging.sum()),
        step_size=step_size,
        r_hat=math.nan,
        ess_bulk=math.nan,
        ess_tail=math.nan,
    )
    return dataclasses.replace(
        no_draws(space),
        complete=True,
        num_samples=length.num_chains * length.num_samples,
        num_proposals=num_steps,
        acceptance_rate=float(totals.acceptance.sum()) / num_steps,
        seconds=seconds,
        device=str(jax.devices()[0].device_kind),
        chains=chains,
    )


def no_draws(space: Space) -> DrawsInfo:
    """The record of chains of which there are no draws yet."""
    return DrawsInfo(
        kind="chain",
        complete=False,
        num_samples=0,
        num_proposals=0,
        acceptance_rate=math.nan,
        log_evidence=math.nan,
        log_evidence_se=math.nan,
        effective_sample_size=math.nan,
        space=space.form,
        layer_forms=space.layer_forms(),
        bound="none",
        log_bound=math.nan,
        precision=space.precision,
        num_nan=0,
        batch=1,
        block=1,
        seconds=0.0,
        device="",
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
