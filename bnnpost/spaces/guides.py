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
from bnnpost.spaces.sources import Source


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
    def draw(self, source: Source) -> Drawn:
        """The sites of a draw, with what is random about them from `source`."""

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

    def draw(self, source: Source) -> Drawn:
        del source
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

    def draw(self, source: Source) -> Drawn:
        if source.in_normals("noise"):
            log_var, log_weight = self._moved(source)
        else:
            log_var, log_density = self._log_variances(source.key)
            log_weight = jnp.sum(self.likelihood.log_density(log_var) - log_density)
        shape = (len(self.targets), 1) if len(self.log_masses) == 1 else self.targets.shape
        variances = jnp.broadcast_to(jnp.exp(log_var).reshape(-1, *shape[1:]), shape)
        return Drawn(Sites(jnp.asarray(self.targets), variances), log_weight)

    def _moved(self, source: Source) -> tuple[Float[Array, " r"], Float[Array, ""]]:
        """t = mean + std·g √(1 + g²/8) for a chain's normals g, and its prior density over theirs.

        Moments of the densities on cells: cells themselves would make the weight jump at
        their edges, which no gradient sees. Tails of t are exponential, as those of laws of
        noise: thinner ones would leave chains stuck where the prior density is larger.
        """
        count = len(self.log_masses)
        g = source.normals("noise", lambda: jax.random.normal(source.key, (count,), jnp.float64))
        edges, masses = jnp.asarray(self.edges), jnp.exp(jnp.asarray(self.log_masses))
        low, high = edges[:-1], edges[1:]
        mean = masses @ (0.5 * (low + high)) / jnp.sum(masses, axis=1)
        spread = (low - mean[:, None]) ** 2 + (high - mean[:, None]) ** 2
        spread = (spread + (low - mean[:, None]) * (high - mean[:, None])) / 3
        std = jnp.sqrt(jnp.sum(masses * spread, axis=1) / jnp.sum(masses, axis=1))
        stretch = jnp.sqrt(1 + g**2 / 8)
        log_var = mean + std * g * stretch
        slope = std * (1 + g**2 / 4) / stretch
        log_density = jax.scipy.stats.norm.logpdf(g) - jnp.log(slope)
        return log_var, jnp.sum(self.likelihood.log_density(log_var) - log_density)

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

    def draw(self, source: Source) -> Drawn:
        del source
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
