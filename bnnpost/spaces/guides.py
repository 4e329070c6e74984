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
from jaxtyping import Array, Bool, Float

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
        num_rows = len(self.log_masses)
        log_var = source.values(
            "noise", source.key, (num_rows,), self._from_key, self._from_normals
        )
        log_weight = jnp.sum(self.likelihood.log_density(log_var) - self._log_density(log_var))
        shape = (len(self.targets), 1) if num_rows == 1 else self.targets.shape
        variances = jnp.broadcast_to(jnp.exp(log_var).reshape(-1, *shape[1:]), shape)
        return Drawn(Sites(jnp.asarray(self.targets), variances), log_weight)

    def _from_key(self, key: Array) -> Float[Array, " r"]:
        """t of each row."""
        cell_key, place_key = jax.random.split(key)
        num_rows = len(self.log_masses)
        cumulative = self._cumulative()
        level = jax.random.uniform(cell_key, (num_rows, 1), jnp.float64) * cumulative[:, -1:]
        place = jax.random.uniform(place_key, (num_rows,), jnp.float64)
        low, width = self._ends(self._chosen(cumulative, level))
        return low + width * place

    def _from_normals(self, normals: Float[Array, " r"]) -> Float[Array, " r"]:
        """t of each row, at the quantile that a standard normal stands for."""
        cumulative = self._cumulative()
        level = jax.scipy.stats.norm.cdf(normals)[:, None] * cumulative[:, -1:]
        chosen = self._chosen(cumulative, level)
        mass = jnp.sum(jnp.where(chosen, jnp.exp(jnp.asarray(self.log_masses)), 0.0), axis=1)
        above = jnp.sum(jnp.where(chosen, cumulative, 0.0), axis=1) - level[:, 0]
        low, width = self._ends(chosen)
        return low + width * jnp.clip(1 - above / mass, 0.0, 1.0)

    def _cumulative(self) -> Float[Array, "r q"]:
        return jnp.cumsum(jnp.exp(jnp.asarray(self.log_masses)), axis=1)

    def _chosen(self, cumulative: Array, level: Float[Array, "r 1"]) -> Bool[Array, "r q"]:
        """The cell of each row, as the one True in its row."""
        # Comparisons and products: batched searches and gathers are slow on CPUs.
        num_cells = cumulative.shape[1]
        cell = jnp.minimum(jnp.sum(cumulative <= level, axis=1), num_cells - 1)
        return jnp.arange(num_cells) == cell[:, None]

    def _ends(self, chosen: Bool[Array, "r q"]) -> tuple[Float[Array, " r"], Float[Array, " r"]]:
        """Lower end and width of each row's cell."""
        edges = jnp.asarray(self.edges)
        low = jnp.sum(jnp.where(chosen, edges[:-1], 0.0), axis=1)
        return low, jnp.sum(jnp.where(chosen, jnp.diff(edges), 0.0), axis=1)

    def _log_density(self, log_var: Float[Array, " r"]) -> Float[Array, " r"]:
        """Of what log variances are drawn from."""
        edges = jnp.asarray(self.edges)
        cell = jnp.clip(jnp.sum(edges[:-1] <= log_var[:, None], axis=1) - 1, 0)
        chosen = jnp.arange(len(edges) - 1) == cell[:, None]
        log_mass = jnp.sum(jnp.where(chosen, jnp.asarray(self.log_masses), 0.0), axis=1)
        return log_mass - jnp.log(self._ends(chosen)[1])

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
