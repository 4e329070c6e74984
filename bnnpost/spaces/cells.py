"""Densities of log noise variances t = log λ that are constant on cells, and mixtures of them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.special import logsumexp

from bnnpost.likelihoods.base import NoiseLaw
from bnnpost.likelihoods.noise import SMALLEST_LOG_VAR

# This many cells wherever a density is within so many nats of its peak, and coarse ones
# beyond; densities are looked at in so many places of each cell.
_NUM_CELLS, _NATS, _PLACES = 1024, 40.0, 5
_COARSE_CELLS = 64
# Folded into the key of cells for the choice of components.
_CHOICE = 0x63


class Cells:
    """Cells in t = log λ for the law of a noise variance.

    Equal cells wherever one of the log `heights` (functions of t, the prior's among them) is
    within `nats` of its peak, and coarse ones from there to the ends of the support: with them
    nothing that has a density is left out.
    """

    def __init__(
        self,
        law: NoiseLaw,
        heights: Sequence[Callable[[np.ndarray], np.ndarray]] = (),
        *,
        nats: float = _NATS,
        whole: bool = True,
    ):
        self._law = law
        low, high = law.support()
        grid = np.linspace(low, high, 2**14 + 1)
        prior = self.log_prior(grid)
        all_heights = [prior + height(grid) for height in heights] or [prior]
        inside = [np.flatnonzero(h > np.max(h) - nats) for h in all_heights]
        first = max(min(i[0] for i in inside) - 1, 0)
        last = min(max(i[-1] for i in inside) + 1, len(grid) - 1)
        self.reaches_zero = first == 0 and low == SMALLEST_LOG_VAR
        window = grid[first], grid[last]
        parts = [np.linspace(*window, _NUM_CELLS + 1)]
        if whole and first > 0:
            parts.insert(0, np.linspace(low, grid[first], _COARSE_CELLS + 1)[:-1])
        if whole and last < len(grid) - 1:
            parts.append(np.linspace(grid[last], high, _COARSE_CELLS + 1)[1:])
        self.edges = np.concatenate(parts)
        self.widths = np.diff(self.edges)
        self._is_coarse = (self.edges[1:] <= window[0]) | (self.edges[:-1] >= window[1])

    def places(self, count: int = _PLACES) -> Float[np.ndarray, "q p"]:
        """Points of each cell, both ends included."""
        return self.edges[:-1, None] + self.widths[:, None] * np.linspace(0.0, 1.0, count)

    def log_prior(self, log_var: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
        """Prior density of t; −∞ where it is not a number."""
        found = np.asarray(self._law.log_density(jnp.asarray(log_var)))
        return np.where(np.isnan(found), -np.inf, found)

    def log_masses(self, log_density: Float[np.ndarray, "*r q p"]) -> Float[np.ndarray, "*r q"]:
        """Normalised log masses from the largest density met in each cell and at its ends."""
        masses = np.max(log_density, axis=-1) + np.log(self.widths)
        return masses - logsumexp(masses, axis=-1, keepdims=True)

    def log_bounds(self, log_density: Float[np.ndarray, "q p"]) -> Float[np.ndarray, " q"]:
        """Log masses, not normalised, of a density that is nowhere below the one given.

        The largest value met in each cell and as much again as it rises from place to place; in
        coarse cells, in the tails, the density is monotone and the largest is at an end.
        """
        rise = np.abs(np.diff(np.where(np.isfinite(log_density), log_density, np.nan), axis=1))
        rise = np.where(self._is_coarse, 0.0, np.max(np.nan_to_num(rise), axis=1))
        highest = np.max(log_density, axis=1) + rise
        return highest + np.log(self.widths)


class LogVarMoments(NamedTuple):
    """Mean and standard deviation of t in each row."""

    mean: Float[np.ndarray, " r"]
    std: Float[np.ndarray, " r"]


def log_var_moments(
    edges: Float[np.ndarray, " q+1"], log_masses: Float[np.ndarray, "r q"]
) -> LogVarMoments:
    """Of densities on cells."""
    masses = np.exp(log_masses)
    masses = masses / np.sum(masses, axis=1, keepdims=True)
    low, high = edges[:-1], edges[1:]
    mean = masses @ (0.5 * (low + high))
    below, above = low - mean[:, None], high - mean[:, None]
    spread = (below**2 + above**2 + below * above) / 3
    return LogVarMoments(mean, np.sqrt(np.sum(masses * spread, axis=1)))


class CellMixture(eqx.Module):
    """A mixture of densities on cells; rows are independent given their component.

    log_masses [component, row, cell] of each density. The first components are of whole draws,
    with log probabilities log_whole [d]. Else each of g groups of rows (row i in group i mod g)
    has one of the others by itself, with log probabilities log_shares [component − d, g].
    """

    edges: Float[np.ndarray, " q+1"]
    log_masses: Float[np.ndarray, "c r q"]
    log_whole: Float[np.ndarray, " d"]
    log_shares: Float[np.ndarray, "c-d g"]

    @classmethod
    def single(
        cls, edges: Float[np.ndarray, " q+1"], log_masses: Float[np.ndarray, "r q"]
    ) -> "CellMixture":
        """One density."""
        return cls(edges, log_masses[None], np.zeros(0), np.zeros((1, 1)))

    @property
    def num_rows(self) -> int:
        return int(self.log_masses.shape[1])

    def draw(self, key: Array) -> Int[Array, " r"]:
        """The cell of each row."""
        num_components, num_rows, num_cells = self.log_masses.shape
        cumulative = jnp.cumsum(jnp.exp(jnp.asarray(self.log_masses)), axis=2)
        start = jnp.zeros(num_rows, jnp.int32)
        if num_components > 1:
            start = self._components(jax.random.fold_in(key, _CHOICE)) * num_rows * num_cells
        start = start + num_cells * jnp.arange(num_rows, dtype=jnp.int32)
        flat = cumulative.ravel()
        level = jax.random.uniform(key, (num_rows, 1), jnp.float64)[:, 0]
        level = level * flat[start + num_cells - 1]
        return jnp.minimum(_count_up_to(flat, start, num_cells, level), num_cells - 1)

    def _components(self, key: Array) -> Int[Array, " r"]:
        """The component of each row."""
        whole_key, group_key = jax.random.split(key)
        num_whole, (_, num_groups) = len(self.log_whole), self.log_shares.shape
        each = _chosen(group_key, jnp.asarray(self.log_shares).T) + num_whole
        rows = jnp.tile(each, self.num_rows // num_groups)
        if not num_whole:
            return rows
        rest = jnp.log1p(-jnp.sum(jnp.exp(jnp.asarray(self.log_whole))))
        whole = _chosen(whole_key, jnp.append(jnp.asarray(self.log_whole), rest)[None])[0]
        return jnp.where(whole < num_whole, whole, rows)

    def log_density(self, cell: Int[Array, " r"]) -> Float[Array, ""]:
        """Of the whole mixture in t, in these cells."""
        num_whole, num_groups = len(self.log_whole), self.log_shares.shape[1]
        masses = jnp.asarray(self.log_masses)[:, jnp.arange(self.num_rows), cell]
        densities = masses - jnp.log(jnp.diff(jnp.asarray(self.edges)))[cell]
        apart = densities[num_whole:].reshape(len(self.log_shares), -1, num_groups).sum(axis=1)
        apart = jnp.sum(jax.nn.logsumexp(apart + jnp.asarray(self.log_shares), axis=0))
        if not num_whole:
            return apart
        log_whole = jnp.asarray(self.log_whole)
        together = jax.nn.logsumexp(log_whole + densities[:num_whole].sum(axis=1))
        return jnp.logaddexp(together, apart + jnp.log1p(-jnp.sum(jnp.exp(log_whole))))


def _chosen(key: Array, log_shares: Float[Array, "g c"]) -> Int[Array, " g"]:
    """A component for each group."""
    cumulative = jnp.cumsum(jnp.exp(log_shares), axis=1)
    level = jax.random.uniform(key, (len(log_shares), 1), jnp.float64) * cumulative[:, -1:]
    found = jnp.sum(cumulative <= level, axis=1, dtype=jnp.int32)
    return jnp.minimum(found, log_shares.shape[1] - 1)


def _count_up_to(
    flat: Float[Array, " s"], start: Int[Array, " r"], count: int, level: Float[Array, " r"]
) -> Int[Array, " r"]:
    """How many of `count` increasing numbers from each start on are at most the level."""
    found = jnp.zeros_like(start)
    step = 1 << (count.bit_length() - 1)
    while step:
        tried = found + step
        place = start + jnp.minimum(tried, count) - 1
        found = jnp.where((tried <= count) & (flat[place] <= level), tried, found)
        step >>= 1
    return found
