"""Draws from the prior, with everything that posterior draws have."""

import time

import jax
import numpy as np
from jaxtyping import Array

from bnnpost.arguments import positive_integer
from bnnpost.draws import Draws, DrawsInfo
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior
from bnnpost.spaces import engine
from bnnpost.spaces.making import make_space


def sample(
    key: Array,
    posterior: Posterior,
    *,
    num_samples: int = 1000,
    space: str = "auto",
    precision: str = "single",
) -> Draws:
    """Independent draws from the prior over functions; the targets play no part.

    Same arguments and same `Draws` as `rejection.sample`; `info.kind` is "prior", the log
    evidence 0.
    """
    require_key(key)
    num_samples = positive_integer("num_samples", num_samples)
    start = time.perf_counter()
    chosen = make_space(posterior, space=space, precision=precision, conditioned=False)
    shape = engine.block_shape(chosen)
    info = DrawsInfo(
        kind="prior",
        complete=True,
        num_samples=num_samples,
        num_proposals=num_samples,
        acceptance_rate=1.0,
        log_evidence=0.0,
        log_evidence_se=0.0,
        effective_sample_size=float(num_samples),
        space=chosen.form,
        layer_forms=chosen.layer_forms(),
        log_bound=0.0,
        precision=precision,
        batch=shape.batch,
        block=shape.block,
        seconds=time.perf_counter() - start,
        device=str(jax.devices()[0].device_kind),
    )
    return Draws(chosen, key, np.arange(num_samples, dtype=np.uint64), np.zeros(num_samples), info)
