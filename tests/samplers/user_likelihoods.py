"""Likelihoods as a user would write them, some of them wrong on purpose."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

import bnnpost
from bnnpost.likelihoods import Likelihood


class Constant(Likelihood):
    """The same log probability whatever the outputs; the bound is 0."""

    log_probability: Array

    def log_prob(self, outputs, targets):
        return self.log_probability + 0 * jnp.sum(outputs)

    def log_bound(self, targets):
        return 0.0


class Shifted(Likelihood):
    """Unit noise about a shifted output; what files hold of it says nothing of its numbers."""

    shift: float = 0.0

    def log_prob(self, outputs, targets):
        return -0.5 * ((targets - outputs - self.shift) ** 2).sum()

    def log_bound(self, targets):
        return 0.0


class Indicator(Shifted):
    """Nothing but outputs near the targets: weights are one or zero."""

    shift: float = 1.0

    def log_prob(self, outputs, targets):
        return jnp.where(jnp.abs(targets - outputs).max() < self.shift, 0.0, -jnp.inf)


class UnitNoise(Likelihood):
    """Standard normal noise; outputs of a first point above `limit` have no log probability.

    excess: how much too low the promised bound is, in nats.
    """

    limit: Array
    excess: float = 0.0

    def log_prob(self, outputs, targets):
        log_density = -0.5 * jnp.sum((targets - outputs) ** 2 + jnp.log(2 * jnp.pi))
        return jnp.where(outputs[0, 0] > self.limit, jnp.nan, log_density)

    def log_bound(self, targets):
        return -0.5 * targets.size * np.log(2 * np.pi) - self.excess


class WithCholesky(UnitNoise):
    """The same with a LAPACK call in it."""

    def log_prob(self, outputs, targets):
        root = jnp.linalg.cholesky(jnp.eye(outputs.shape[0]))
        return super().log_prob(root @ outputs, targets)


# What `Recording` was shown: shapes and types of outputs and targets.
SEEN: list = []


class Recording(UnitNoise):
    """The same, keeping what it was shown."""

    def log_prob(self, outputs, targets):
        SEEN.append((outputs.shape, str(outputs.dtype), targets.shape, str(targets.dtype)))
        return super().log_prob(outputs, targets)


def one_point(likelihood, variance=1.0, y=0.7):
    """A single output f ~ N(0, variance) at one training input: a network without hidden layer."""
    network = bnnpost.Serial([bnnpost.Dense(1, w_std=np.sqrt(variance))])
    return bnnpost.Posterior(network, likelihood, np.ones((1, 1)), np.array([y]))
