"""What pairs of chains are run on, and with: a posterior's standard normals, and what is tuned."""

import time
from typing import NamedTuple

import jax
from jaxtyping import Array

from bnnpost.arguments import positive_integer
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.samplers.chains.kernel import Kernel, Normals
from bnnpost.samplers.coupled.choices import AUTO, choices
from bnnpost.samplers.coupled.pair_memory import require_memory
from bnnpost.samplers.coupled.pair_threads import Programs
from bnnpost.samplers.coupled.tuning import Tuned, tuned
from bnnpost.spaces.making import make_space
from bnnpost.spaces.space import Space

# Folded into a run's key, apart from what completes draws.
_PILOT = 0x70696C74


class NotMet(RuntimeError):
    """Chains do not meet, so that there is nothing to measure their distance by."""


class Setting(NamedTuple):
    """A space, programs for what chains move in it, what moves them, and how long finding it took.

    pilot_seconds: that.
    """

    space: Space
    programs: Programs
    tuned: Tuned
    max_steps: int
    pilot_seconds: float


def set_up(
    key: Array,
    posterior: Posterior,
    num_draws: int = 0,
    known: Tuned | None = None,
    /,
    *,
    kernel: str | Kernel = AUTO,
    lag: int | None = None,
    max_steps: int = 10_000,
    space: str = "functions",
    collapse: bool = True,
    precision: str = "single",
) -> Setting:
    """Arguments and errors as of `sample`; raises NotMet where no pair of the pilot meets.

    num_draws: for which there must be memory. known: what a pilot found earlier.
    """
    require_key(key)
    require_posterior(posterior)
    made = make_space(
        posterior, space=space, collapse=collapse, precision=precision, strict=False, alone=True
    )
    require_memory(Normals.of(made), num_draws)
    return set_up_in(made, key, known, kernel=kernel, lag=lag, max_steps=max_steps)


def set_up_in(
    space: Space,
    key: Array,
    known: Tuned | None = None,
    *,
    kernel: str | Kernel = AUTO,
    lag: int | None = None,
    max_steps: int = 10_000,
) -> Setting:
    """The same in a space that there is."""
    started = time.perf_counter()
    if lag is not None:
        lag = positive_integer("lag", lag)
    max_steps = positive_integer("max_steps", max_steps)
    target = Normals.of(space)
    tried, programs = choices(kernel, target), Programs(target)
    pilot_key = jax.random.fold_in(key, _PILOT)
    found = tuned(pilot_key, programs, tried, max_steps) if known is None else known
    if found is None:
        raise NotMet(
            f"pairs of chains do not meet in {max_steps:,} steps, with whatever was tried: the "
            "posterior is too narrow for them. Try a wider network, more noise, or more max_steps"
        )
    if lag is not None:
        found = found._replace(lag=lag)
    return Setting(space, programs, found, max_steps, time.perf_counter() - started)
