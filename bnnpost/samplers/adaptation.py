"""Step sizes that find themselves in warmup: dual averaging of the acceptance probability."""

import math
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

# Hoffman and Gelman (2014), section 3.2.
_SHRINKAGE, _OFFSET, _FORGETTING = 0.05, 10.0, 0.75


class StepSize(NamedTuple):
    """Dual averaging (Hoffman and Gelman 2014, algorithm 5) on the log of a step size.

    centre: what it is drawn to; error: mean of target − acceptance; averaged: the result.
    """

    log_step: Float[Array, ""]
    averaged: Float[Array, ""]
    centre: Float[Array, ""]
    error: Float[Array, ""]
    updates: Float[Array, ""]

    @classmethod
    def start(cls, step: Array | float) -> "StepSize":
        """From a first guess."""
        log_step = jnp.log(jnp.asarray(step, jnp.float64))
        zero = jnp.zeros((), jnp.float64)
        return cls(log_step, log_step, log_step + math.log(2.0), zero, zero)

    def updated(self, acceptance: Array, target: Array, most: Array | float) -> "StepSize":
        """After one more transition with this acceptance probability; never above `most`."""
        updates = self.updates + 1
        share = 1 / (updates + _OFFSET)
        error = (1 - share) * self.error + share * (target - acceptance)
        log_step = self.centre - jnp.sqrt(updates) / _SHRINKAGE * error
        log_step = jnp.minimum(log_step, jnp.log(most))
        weight = updates**-_FORGETTING
        averaged = weight * log_step + (1 - weight) * self.averaged
        return StepSize(log_step, averaged, self.centre, error, updates)

    def value(self, adapting: Array) -> Float[Array, ""]:
        """The step size to use: the last one while adapting, then the average."""
        return jnp.exp(jnp.where(adapting, self.log_step, self.averaged))
