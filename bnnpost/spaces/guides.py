"""Guides: Gaussian sites through which a draw's outputs, or its noise, are led by the targets.

With Gaussian sites the readout is integrated out: p(Z | y) ∝ p(Z) N(sites; 0, K̂ + D). Where
the likelihood is Gaussian, given noise variances, the sites are the targets and that weight is
exact. Where it is not, sites are fitted once, in the infinite-width limit; outputs are drawn
given the sites, and what likelihood and sites differ by is a weight.

What is drawn is drawn from a defensive mixture (Hesterberg 1995): stated shares of the proposals
are from the prior and from what bounds the weight, the others from fits, several where they
differ. The density of the whole mixture enters the weight, so that no weight is larger than
without a fit over that share, whatever the fits have missed.
"""

import abc
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.likelihoods import Likelihood
from bnnpost.likelihoods.base import NoiseLaw
from bnnpost.numerics import gp
from bnnpost.numerics.gp import Sites, contrasts
from bnnpost.spaces.cells import CellMixture, LogVarMoments
from bnnpost.spaces.sources import Source

# The share of proposals from the prior of what is guided, the share of those from the law under
# which the strict bound holds (where there is one), and the share that fits which explain little
# of the limit's posterior have together.
PRIOR_SHARE, BOUND_SHARE, MINOR_SHARE = 0.05, 0.02, 0.02
# Sites of this variance tell nothing: outputs drawn given them are the prior's to rounding.
_NO_SITE = 1e60


class DrawnSites(NamedTuple):
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

    @property
    def fitted(self) -> bool:
        """Whether proposals are led by a fit, which may have missed a mode."""
        return True

    def alone(self) -> "Guide":
        """The guide for chains, whose weight may depend on nothing but what they move."""
        return self

    @abc.abstractmethod
    def draw(self, source: Source) -> DrawnSites:
        """The sites of a draw, with what is random about them from `source`."""

    @abc.abstractmethod
    def log_weight(
        self,
        kernel: Float[Array, "n n"],
        drawn: DrawnSites,
        outputs: Float[Array, "n k"] | None,
        shift: Float[Array, " k"] | None = None,
    ) -> Float[Array, ""]:
        """log weight of a draw, in nats. kernel, shift: covariance and mean of the outputs.

        outputs: drawn given the sites; not looked at where the guide is exact.
        """


class Led(NamedTuple):
    """A guide, if there is one, and an upper bound of the log weight, in nats; ∞ if unknown."""

    guide: Guide | None
    log_limit: float


class ExactGuide(Guide):
    """Targets are the sites; only their noise may be random."""

    exact = True

    def log_weight(
        self, kernel: Array, drawn: DrawnSites, outputs: Array | None, shift: Array | None = None
    ) -> Array:
        del outputs
        return gp.log_density(kernel, drawn.sites.less(shift)) + drawn.log_weight


class KnownNoise(ExactGuide):
    """Targets with Gaussian noise of known variance."""

    sites: Sites

    @property
    def one_noise(self) -> bool:
        return True

    @property
    def fitted(self) -> bool:
        return False

    def draw(self, source: Source) -> DrawnSites:
        del source
        return DrawnSites(self.sites, jnp.zeros((), jnp.float64))


class DrawnNoise(ExactGuide):
    """Targets with Gaussian noise whose log variances t = log λ are drawn from a mixture.

    mixture: of densities on cells, of the one λ of all observations (a row) or of that of each
    (n·k rows, outputs in turn). The weight is the prior density of t over the mixture's.
    moments: of t in each row, for chains.
    """

    targets: Float[np.ndarray, "n k"]
    likelihood: NoiseLaw
    mixture: CellMixture
    moments: LogVarMoments

    @property
    def one_noise(self) -> bool:
        return self.likelihood.shared

    def draw(self, source: Source) -> DrawnSites:
        if source.in_normals("noise"):
            log_var, log_weight = self._moved(source)
        else:
            log_var, log_density = self._log_variances(source.key)
            log_weight = jnp.sum(self.likelihood.log_density(log_var)) - log_density
        shape = (len(self.targets), 1) if self.mixture.num_rows == 1 else self.targets.shape
        variances = jnp.broadcast_to(jnp.exp(log_var).reshape(-1, *shape[1:]), shape)
        return DrawnSites(Sites(jnp.asarray(self.targets), variances), log_weight)

    def _moved(self, source: Source) -> tuple[Float[Array, " r"], Float[Array, ""]]:
        """t = mean + std·g √(1 + g²/8) for a chain's normals g, and its prior density over theirs.

        Moments of the densities on cells: cells themselves would make the weight jump at
        their edges, which no gradient sees. Tails of t are exponential, as those of laws of
        noise: thinner ones would leave chains stuck where the prior density is larger.
        """
        count = self.mixture.num_rows
        g = source.normals("noise", lambda: jax.random.normal(source.key, (count,), jnp.float64))
        mean, std = (jnp.asarray(moment) for moment in self.moments)
        stretch = jnp.sqrt(1 + g**2 / 8)
        log_var = mean + std * g * stretch
        slope = std * (1 + g**2 / 4) / stretch
        log_density = jax.scipy.stats.norm.logpdf(g) - jnp.log(slope)
        return log_var, jnp.sum(self.likelihood.log_density(log_var) - log_density)

    def _log_variances(self, key: Array) -> tuple[Float[Array, " r"], Float[Array, ""]]:
        """t of each row and the log density that all of them were drawn from."""
        cell_key, place_key = jax.random.split(key)
        cell = self.mixture.draw(cell_key)
        edges = jnp.asarray(self.mixture.edges)
        place = jax.random.uniform(place_key, cell.shape, jnp.float64)
        log_var = edges[cell] + jnp.diff(edges)[cell] * place
        return log_var, self.mixture.log_density(cell)


class FittedSites(Guide):
    """Sites fitted in the limit to a likelihood that is not Gaussian: a mixture of several fits.

    sites: of each fit, their arrays stacked. log_shares [fit, g]: log probabilities of the fits,
    for each of the outputs by itself (g = k, which are then independent) or for all of them at
    once (g = 1). prior_share: of the draws whose outputs are from the prior.
    """

    exact = False
    targets: Float[np.ndarray, "n t"]
    likelihood: Likelihood
    sites: Sites
    log_shares: Float[np.ndarray, "c g"]
    prior_share: np.float64

    def alone(self) -> "FittedSites":
        """The first fit, and no draw from the prior."""
        first = jax.tree.map(lambda a: a[:1], self.sites)
        shares = np.zeros_like(self.log_shares[:1])
        return FittedSites(self.targets, self.likelihood, first, shares, np.float64(0.0))

    def draw(self, source: Source) -> DrawnSites:
        prior_key, fit_key = jax.random.split(source.key)
        num_fits, num_groups = self.log_shares.shape
        chosen = jnp.zeros(num_groups, jnp.int32)
        if num_fits > 1:
            chosen = jax.random.categorical(fit_key, jnp.asarray(self.log_shares), axis=0)
        targets, variances = (
            jnp.sum(
                jnp.where(jnp.arange(num_fits)[:, None] == chosen, 1.0, 0.0)[:, None] * a, axis=0
            )
            for a in self.sites.arrays()
        )
        from_prior = jax.random.uniform(prior_key, (), jnp.float64) < self.prior_share
        sites = Sites(targets, jnp.where(from_prior, _NO_SITE, variances), self.sites.contrasts)
        return DrawnSites(sites, jnp.zeros((), jnp.float64))

    def log_weight(
        self, kernel: Array, drawn: DrawnSites, outputs: Array | None, shift: Array | None = None
    ) -> Array:
        """The likelihood over the density that outputs were drawn from, relative to the prior's.

        That is s + (1 − s) Π_g Σ_c s_cg N(sites; f, D)/N(sites; 0, K̂ + D), s of the prior.
        """
        assert outputs is not None
        fits = [jax.tree.map(lambda a: a[i], self.sites) for i in range(len(self.log_shares))]  # noqa: B023
        led = jnp.stack([self._log_led(kernel, fit, outputs, shift) for fit in fits])
        led = jnp.sum(jax.nn.logsumexp(led + jnp.asarray(self.log_shares), axis=0))
        share = jnp.asarray(self.prior_share)
        log_drawn = jnp.logaddexp(jnp.log(share), jnp.log1p(-share) + led)
        return self.likelihood.log_prob(outputs, jnp.asarray(self.targets)) - log_drawn

    def _log_led(
        self, kernel: Array, fit: Sites, outputs: Array, shift: Array | None
    ) -> Float[Array, " g"]:
        """log N(sites; f, D)/N(sites; 0, K̂ + D) of each group of outputs."""
        if self.log_shares.shape[1] == 1:
            return (_log_noise(fit, outputs) - gp.log_density(kernel, fit.less(shift)))[None]

        def one(targets: Array, variances: Array, values: Array) -> Array:
            single = Sites(targets[:, None], variances[:, None])
            return _log_noise(single, values[:, None]) - gp.log_density(kernel, single)

        centred, values = fit.less(shift), outputs if shift is None else outputs - shift
        return jax.vmap(one, in_axes=1)(*centred.arrays(), values)


def _log_noise(sites: Sites, outputs: Float[Array, "n k"]) -> Float[Array, ""]:
    """log N(sites; f, D), of the contrasts if so."""
    values, (centres, variances) = outputs, sites.arrays()
    if sites.contrasts:
        rotation = contrasts(outputs.shape[1])
        values, centres = values @ rotation, centres @ rotation
    variances = jnp.broadcast_to(variances, values.shape)
    return -0.5 * jnp.sum((values - centres) ** 2 / variances + jnp.log(2 * np.pi * variances))
