"""Guides: Gaussian sites through which a draw's outputs, or its noise, are led by the targets.

With Gaussian sites the readout is integrated out: p(Z | y) ∝ p(Z) N(sites; 0, K̂ + D). Where
the likelihood is Gaussian, given noise variances, the sites are the targets and that weight is
exact. Where it is not, sites are fitted once, in the infinite-width limit; outputs are drawn
given the sites, and what likelihood and sites differ by is a weight.
"""

import abc
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.likelihoods import Likelihood, RandomNoise
from bnnpost.numerics.gp import Sites, contrasts


class Drawn(NamedTuple):
    """Sites for one draw, and the log weight, in nats, of what was drawn to get them."""

    sites: Sites
    log_weight: Float[Array, ""]


class Guide(eqx.Module):
    """Where the sites of a draw come from."""

    # Whether sites are the targets themselves, so that no output enters the weight.
    exact: eqx.AbstractClassVar[bool]

    @property
    def one_noise(self) -> bool:
        """Whether all observations of a draw have the same noise."""
        return False

    @abc.abstractmethod
    def draw(self, key: Array) -> Drawn:
        """The sites of the draw whose own randomness is `key`."""

    @abc.abstractmethod
    def log_ratio(self, outputs: Float[Array, "n k"]) -> Float[Array, ""]:
        """log of the likelihood over the sites' density at these outputs, in nats."""


class KnownNoise(Guide):
    """Targets with Gaussian noise of known variance."""

    exact = True
    sites: Sites

    @property
    def one_noise(self) -> bool:
        return True

    def draw(self, key: Array) -> Drawn:
        del key
        return Drawn(self.sites, jnp.zeros((), jnp.float64))

    def log_ratio(self, outputs: Array) -> Array:
        return jnp.zeros((), outputs.dtype)


class DrawnNoise(Guide):
    """Targets with Gaussian noise whose log variances are drawn from densities on cells.

    edges [q+1] of cells in t = log λ; log_masses: log probability of each cell, for
    the one λ of all observations [1, q] or for each observation [n·k, q]. The weight is the
    prior density of t over the one it was drawn from.
    """

    exact = True
    targets: Float[np.ndarray, "n k"]
    likelihood: RandomNoise
    edges: Float[np.ndarray, " q+1"]
    log_masses: Float[np.ndarray, "r q"]

    @property
    def one_noise(self) -> bool:
        return self.likelihood.shared

    def draw(self, key: Array) -> Drawn:
        log_var, log_density = self._log_variances(key)
        log_weight = jnp.sum(self.likelihood.log_density(log_var) - log_density)
        shape = (len(self.targets), 1) if len(self.log_masses) == 1 else self.targets.shape
        variances = jnp.broadcast_to(jnp.exp(log_var).reshape(-1, *shape[1:]), shape)
        return Drawn(Sites(jnp.asarray(self.targets), variances), log_weight)

    def _log_variances(self, key: Array) -> tuple[Float[Array, " r"], Float[Array, " r"]]:
        """t of each row and the log density that it was drawn from."""
        cell_key, place_key = jax.random.split(key)
        num_rows, num_cells = self.log_masses.shape
        cumulative = jnp.cumsum(jnp.exp(jnp.asarray(self.log_masses)), axis=1)
        level = jax.random.uniform(cell_key, (num_rows, 1), jnp.float64) * cumulative[:, -1:]
        # Comparisons and products: batched searches and gathers are slow on CPUs.
        cell = jnp.minimum(jnp.sum(cumulative <= level, axis=1), num_cells - 1)
        chosen = jnp.arange(num_cells) == cell[:, None]
        log_mass = jnp.sum(jnp.where(chosen, jnp.asarray(self.log_masses), 0.0), axis=1)
        edges = jnp.asarray(self.edges)
        low = jnp.sum(jnp.where(chosen, edges[:-1], 0.0), axis=1)
        width = jnp.sum(jnp.where(chosen, jnp.diff(edges), 0.0), axis=1)
        place = jax.random.uniform(place_key, (num_rows,), jnp.float64)
        return low + width * place, log_mass - jnp.log(width)

    def log_ratio(self, outputs: Array) -> Array:
        return jnp.zeros((), outputs.dtype)


class FittedSites(Guide):
    """Sites fitted in the limit to a likelihood that is not Gaussian."""

    exact = False
    targets: Float[np.ndarray, "n t"]
    likelihood: Likelihood
    sites: Sites

    def draw(self, key: Array) -> Drawn:
        del key
        return Drawn(self.sites, jnp.zeros((), jnp.float64))

    def log_ratio(self, outputs: Array) -> Array:
        log_prob = self.likelihood.log_prob(outputs, jnp.asarray(self.targets))
        values, centres = outputs, jnp.asarray(self.sites.targets)
        if self.sites.contrasts:
            rotation = contrasts(outputs.shape[1])
            values, centres = values @ rotation, centres @ rotation
        variances = jnp.broadcast_to(jnp.asarray(self.sites.variances), values.shape)
        squares = (values - centres) ** 2 / variances + jnp.log(2 * np.pi * variances)
        return log_prob + 0.5 * jnp.sum(squares)
