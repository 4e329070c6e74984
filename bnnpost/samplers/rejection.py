"""Rejection: prior draws kept with a probability that makes them posterior draws."""

import contextlib
import dataclasses
import math
import time

import jax
import numpy as np
from jaxtyping import Array

from bnnpost.draws import Draws, DrawsInfo
from bnnpost.networks.layers import positive_integer
from bnnpost.numerics.random import require_key
from bnnpost.numerics.weights import WeightSum
from bnnpost.posterior import Posterior
from bnnpost.samplers import capped, pilot, trials
from bnnpost.samplers.progress import Progress
from bnnpost.samplers.trials import BoundExceeded, Tally
from bnnpost.spaces import engine
from bnnpost.spaces.space import Space, make_space

BOUNDS = ("strict", "capped")


def sample(
    key: Array,
    posterior: Posterior,
    *,
    num_samples: int = 1000,
    space: str = "auto",
    collapse: bool = True,
    bound: str = "strict",
    cap: float | None = None,
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
    bound "strict": no weight can exceed it, and draws are exact. "capped": weights above a
    cap are possible, and a draw above it carries the rest in `draws.log_weights` (Liu, Chen
    and Wong 1998); what was left to the weights is in `draws.info`, and the result is never
    called exact. cap: its logarithm in nats, on the scale of the log evidence; by default
    the one that leaves 1 % of the posterior's mass to the weights of a pilot, whose random
    numbers are its own. max_proposals: stop there, with what was accepted, and
    `info.complete` False. precision: of the random features; algebra on n × n matrices is
    always double. progress: a bar on stderr, which changes no random number.

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
    _check_bound(bound, cap)
    start = time.perf_counter()
    chosen = make_space(
        posterior, space=space, collapse=collapse, precision=precision, strict=bound == "strict"
    )
    level = _log_level(key, chosen, bound, cap)
    tally = Tally(level, strict=bound == "strict", allow_nan=allow_nan)
    blocks = trials.blocks(chosen, key, max_proposals)
    with contextlib.closing(blocks), Progress(num_samples, enabled=progress) as bar:
        for block in blocks:
            tally.add(block)
            bar.update(tally.num_accepted, tally.num_proposals)
            if tally.num_accepted >= num_samples:
                break
    numbers, log_weights = tally.accepted(num_samples)
    complete = len(numbers) == num_samples
    info = _info(chosen, tally, log_weights, complete, time.perf_counter() - start)
    return Draws(chosen, key, numbers, log_weights, info)


def _check_bound(bound: str, cap: float | None) -> None:
    if bound not in BOUNDS:
        raise ValueError(f"expected bound to be {' or '.join(BOUNDS)}, got {bound!r}")
    if cap is not None and bound != "capped":
        raise ValueError('a cap was given: pass bound="capped" with it')
    if cap is not None and not math.isfinite(cap):
        raise ValueError(f"expected cap to be a finite number of nats, got {cap}")


def _log_level(key: Array, space: Space, bound: str, cap: float | None) -> float:
    if bound == "strict":
        return space.log_bound()
    if cap is not None:
        return float(cap)
    return capped.choose_cap(pilot.log_weights(key, space, pilot.NUM_PILOT))


def _info(
    space: Space, tally: Tally, log_weights: np.ndarray, complete: bool, seconds: float
) -> DrawsInfo:
    evidence = tally.weights.log_mean()
    shape = engine.block_shape(space)
    kept = WeightSum().add(log_weights)
    return DrawsInfo(
        kind="exact" if tally.strict else "capped",
        complete=complete,
        num_samples=len(log_weights),
        num_proposals=tally.num_proposals,
        acceptance_rate=tally.acceptance_rate(),
        log_evidence=evidence.value,
        log_evidence_se=evidence.standard_error,
        effective_sample_size=kept.effective_sample_size(),
        space=space.form,
        bound=space.bound if tally.strict else "capped",
        log_bound=tally.log_level,
        precision=space.precision,
        num_nan=tally.num_nan,
        batch=shape.batch,
        block=shape.block,
        seconds=seconds,
        device=str(jax.devices()[0].device_kind),
        **({} if tally.strict else dataclasses.asdict(capped.excess(tally))),
    )


__all__ = ["BOUNDS", "BoundExceeded", "sample"]
