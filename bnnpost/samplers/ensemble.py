"""An ensemble: networks drawn from the prior, each trained by gradient descent.

Not a sampler of the posterior. Members are independent, and their law has a limit of its own
(`ensemble_limit`); `verify` says whether it can be told from the posterior.
"""

import math
import time

import jax
import numpy as np
from jaxtyping import Array

from bnnpost.arguments import positive_integer
from bnnpost.draws import Ensemble, EnsembleInfo
from bnnpost.draws.ensemble_draws import LARGEST_DRIFT
from bnnpost.networks.layers import num_parameters
from bnnpost.numerics.random import FEATURE_DTYPES, require_key, require_precision
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.samplers.descent import Trained, descended
from bnnpost.samplers.warned import warn_user
from bnnpost.spaces.ensemble_limit import check_learning_rate, squared_loss_ridge, training_rates
from bnnpost.storage import available_memory, gigabytes

# By default a network of infinite width would go all but this part of its way, along every
# eigenvector of its kernel, at this part of the largest stable learning rate. Narrow members, of
# rates half as large, are then still within a thousandth.
_LEFT, _SAFE = 1e-6, 0.5
_MOST_STEPS = 1_000_000
# Folded into the key for a kernel that needs one.
_KERNEL = 0x6E746B
# Parameters are in memory twice while blocks are put one after another.
_COPIES = 2


class TrainingWarning(UserWarning):
    """An ensemble's training has not converged."""


def sample(
    key: Array,
    posterior: Posterior,
    *,
    num_members: int = 100,
    num_steps: int | None = None,
    learning_rate: float | None = None,
    ridge: float | None = None,
    precision: str = "single",
) -> Ensemble:
    """Networks drawn from the prior, each trained by full-batch gradient descent.

    Each descends ½ Σ (f − y)² + ½ ridge ‖θ − θ₀‖², summed over points and outputs, in θ before
    w_std/√fan_in and b_std multiply it, from θ₀ of the prior. Fixed parameters and random
    scales stay as they were drawn. The members are independent, and not draws from the posterior;
    `ensemble.limit()` is their law at infinite width.

    learning_rate: half of `max_learning_rate(posterior)` by default. num_steps: by default as many
    as take an infinitely wide network to within 1e-6 of convergence in every direction; both
    need a network that has such a limit. ridge: the noise variance by default, 0 for least
    squares alone. precision: of training, "single" or "double".

    Warns with TrainingWarning, and `info.summary()` says so, where outputs at the training inputs
    moved in the second half of the steps by more than 1 % of how far they moved in all. Raises
    FloatingPointError where training diverged; ValueError for a likelihood other than Gaussian
    noise of known size, bad arguments, and members that would not fit in memory; TypeError for a
    legacy key or something that is no posterior.
    """
    started = time.perf_counter()
    require_key(key)
    require_posterior(posterior)
    num_members = positive_integer("num_members", num_members)
    require_precision(precision)
    ridge = squared_loss_ridge(posterior, ridge)
    if learning_rate is None or num_steps is None:
        learning_rate, num_steps = _chosen(key, posterior, ridge, learning_rate, num_steps)
    check_learning_rate(learning_rate)
    num_steps = positive_integer("num_steps", num_steps)
    _check_memory(posterior, num_members, precision)
    trained = descended(key, posterior, num_members, num_steps, learning_rate, ridge, precision)
    _check_descent(trained, learning_rate)
    info = EnsembleInfo(
        num_members=num_members,
        num_steps=int(num_steps),
        learning_rate=float(learning_rate),
        ridge=ridge,
        initial_loss=trained.losses[0],
        final_loss=trained.losses[1],
        drift=trained.drift,
        precision=precision,
        seconds=time.perf_counter() - started,
        device=str(jax.devices()[0].device_kind),
    )
    if not info.converged:
        warn_user(
            f"training has not converged: in the second half of {num_steps:,} steps the outputs of "
            f"{info.num_unfinished} of {num_members} members moved by more than {LARGEST_DRIFT:g} "
            f"of how far they moved in all (of one by {np.max(info.drift):.2g}). Raise num_steps; "
            "ensemble.limit() is the limit after as many steps",
            TrainingWarning,
        )
    return Ensemble(posterior, key, trained.parameters, info)


def _chosen(
    key: Array,
    posterior: Posterior,
    ridge: float,
    learning_rate: float | None,
    num_steps: int | None,
) -> tuple[float, int]:
    """A learning rate and a number of steps that suit the limit, where they are not given."""
    try:
        slowest, fastest = training_rates(posterior, ridge, jax.random.fold_in(key, _KERNEL))
    except ValueError as error:
        raise ValueError(
            f"learning_rate and num_steps are chosen by the limit, and here: {error}. Give both"
        ) from error
    rate = 2 * _SAFE / fastest if learning_rate is None else check_learning_rate(learning_rate)
    if num_steps is not None:
        return rate, num_steps
    steps = math.ceil(math.log(_LEFT) / math.log1p(-min(slowest * rate, 1 - _LEFT)))
    if steps > _MOST_STEPS:
        raise ValueError(
            f"convergence would take about {steps:.2g} steps: some of the training inputs are so "
            "much alike that the NTK is near singular. Give num_steps, or a larger ridge"
        )
    return rate, steps


def _check_memory(posterior: Posterior, num_members: int, precision: str) -> None:
    itemsize = np.dtype(FEATURE_DTYPES[precision]).itemsize
    count = num_members * num_parameters(posterior.network, posterior.x.shape[1:])
    needed, free = _COPIES * count * itemsize, available_memory()
    if free is not None and needed > free:
        raise ValueError(
            f"{num_members:,} members need about {gigabytes(needed)} of memory, and "
            f"{gigabytes(free)} are free: train fewer at a time, each part with a key of its own"
        )


def _check_descent(trained: Trained, learning_rate: float) -> None:
    """Raise FloatingPointError unless every member's loss fell, or was as low as it can get."""
    before, after = trained.losses
    rose = ~(after <= before * (1 + 1e-3))
    if np.any(rose):
        raise FloatingPointError(
            f"training diverged: with learning_rate {learning_rate:.4g} the loss of "
            f"{np.sum(rose)} of {len(after)} members rose or is no number. "
            "bnnpost.max_learning_rate(posterior) is the largest stable one of infinitely wide "
            "networks; narrow ones can need less than half of it"
        )


__all__ = ["TrainingWarning", "sample"]
