"""The limit where it has no closed form: weighted draws of a Gaussian process, and of its scales.

Random scales that all units of a layer share stay random in the limit: it is a mixture of
Gaussian processes, and each draw has a kernel of its own. With one random scale and Gaussian
noise of known size the draws are the nodes of a rule over that scale, without error.
"""

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.arguments import positive_integer
from bnnpost.numerics import gp
from bnnpost.numerics.linalg import nested_factor
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.random import require_key
from bnnpost.numerics.weights import WeightSum, normalised
from bnnpost.posterior import Posterior
from bnnpost.spaces import fits
from bnnpost.spaces.completions import elimination_order, limit_kernel
from bnnpost.spaces.gaussian_law import require_room
from bnnpost.spaces.guides import Guide
from bnnpost.spaces.network_parts import num_first_inputs
from bnnpost.spaces.scaled_kernels import (
    ScaledKernels,
    Scales,
    draw_scales,
    nodes_of_single,
    scaled_kernels,
)
from bnnpost.spaces.sources import Source

# Covariances in one chunk of predictions (2^22 doubles are 32 MiB).
_NUMBERS_AT_ONCE = 2**22
# Folded into the key for draws, so that the kernel is that of `nngp` with the key itself.
_DRAWS = 0x64726177
# Draws with a weight below this, relative to the largest, are lost in rounding.
_NEGLIGIBLE = 1e-20


class Drawn(NamedTuple):
    """Draws of the process: log weights [draw], f at the training points, noise variances.

    scales: [draw, …] of each random scale, none where there is one kernel.
    """

    log_weights: Float[Array, " s"]
    outputs: Float[Array, "s n k"]
    variances: Float[Array, "s n c"]
    scales: Scales


class SampledLimit(eqx.Module):
    """The limit's posterior as a weighted mixture of Gaussians; all in double precision.

    log_evidence, log_evidence_se: log p(y) in nats, summed over outputs, and its standard
    error. effective_sample_size: what the weighted draws are worth, infinite where they are
    the nodes of a rule. unseen_mass_upper: the most, at 95 %, of the mass in a region that no
    draw visited, 1 where there is no bound. key: of the units that the kernel samples, if it does.
    """

    posterior: Posterior
    guide: Guide | None
    drawn: Drawn
    log_evidence: float
    log_evidence_se: float
    effective_sample_size: float
    unseen_mass_upper: float
    key: Array | None

    def mean(self, x: object) -> Float[np.ndarray, "m k"]:
        """Posterior mean of f at inputs x [m, feature]."""
        return self._moments(x)[0]

    def covariance(self, x: object) -> Float[np.ndarray, "*k m m"]:
        """Posterior covariance of f at inputs x, one for each output where there are several."""
        mean, second = self._moments(x)
        found = second - np.einsum("ik,jk->kij", mean, mean)
        return found[0] if len(found) == 1 else found

    @property
    def weights(self) -> Float[np.ndarray, " s"]:
        """Normalised weights, which sum to 1."""
        return normalised(np.asarray(self.drawn.log_weights))

    def _moments(self, x: object) -> tuple[Float[np.ndarray, "m k"], Float[np.ndarray, "k m m"]]:
        """E f and E f fᵀ, summed up a chunk of draws at a time."""
        mean, second = np.zeros(()), np.zeros(())
        num_points = len(self.posterior.checked_test_points(x))
        require_room(num_points + self.posterior.num_points)
        size = max(1, _NUMBERS_AT_ONCE // num_points**2)
        all_weights = self.weights
        kept = np.flatnonzero(all_weights > _NEGLIGIBLE * np.max(all_weights))
        for start in range(0, len(kept), size):
            chosen = kept[start : start + size]
            weights, parts = all_weights[chosen], self.conditional(x, chosen)
            within = np.tensordot(weights, parts.covariance, axes=1)
            between = np.einsum("s,sik,sjk->kij", weights, parts.mean, parts.mean, optimize=True)
            mean = mean + np.tensordot(weights, parts.mean, axes=1)
            second = second + within + between
        return mean, second

    @in_double_precision
    def conditional(self, x: object, chosen: np.ndarray) -> gp.Conditional:
        """f at x given each chosen draw: means [draw, m, k], covariances [draw, c, m, m].

        Given its noise where that is Gaussian, else given its values at the training points.
        """
        points = self.posterior.checked_test_points(x)
        inputs = np.concatenate([self.posterior.x, points])
        kernels = scaled_kernels(self.posterior.network, inputs, self.key)
        typical = limit_kernel(self.posterior.network, inputs)
        order = elimination_order(typical, self.posterior.num_points)
        drawn = jax.tree.map(lambda a: jnp.asarray(a[chosen]), self.drawn)
        found = _conditional(self, drawn, kernels, jnp.asarray(order))
        return jax.tree.map(np.asarray, found)

    @in_double_precision
    def sample(
        self, key: Array, x: object, num_samples: int = 1000
    ) -> Float[np.ndarray, "sample m k"]:
        """Draws of f at inputs x, [sample, point, output], by resampling the mixture."""
        choice_key, normal_key = jax.random.split(require_key(key))
        weights = jnp.asarray(self.weights)
        chosen = np.asarray(jax.random.choice(choice_key, len(weights), (num_samples,), p=weights))
        means, covariances = self.conditional(x, chosen)
        values, vectors = np.linalg.eigh(covariances)
        roots = vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]
        normals = np.asarray(jax.random.normal(normal_key, means.shape, jnp.float64))
        roots = np.broadcast_to(roots, (num_samples, means.shape[2], *roots.shape[2:]))
        return means + np.einsum("skij,sjk->sik", roots, normals)


@in_double_precision
def sampled_limit(key: Array, posterior: Posterior, num_proposals: int) -> SampledLimit:
    """Draws of the process at the training points, with their weights; see `bnnpost.limit`."""
    positive_integer("num_proposals", num_proposals)
    typical = limit_kernel(posterior.network, posterior.x)
    likelihood, targets = posterior.likelihood, posterior.targets
    guide, log_limit = fits.guide_for(likelihood, targets, typical, posterior.num_outputs)
    order = jnp.asarray(elimination_order(typical, len(typical)))
    kernels = scaled_kernels(posterior.network, posterior.x, key)
    keys = jax.random.split(jax.random.fold_in(key, _DRAWS), num_proposals)
    drawn = jax.tree.map(np.asarray, _draw(posterior, guide, kernels, order, keys))
    sums = WeightSum().add(drawn.log_weights)
    evidence = sums.log_mean()
    return SampledLimit(
        posterior,
        guide,
        drawn,
        evidence.value,
        evidence.standard_error,
        sums.effective_sample_size(),
        sums.unseen_mass_upper(log_limit),
        key,
    )


@in_double_precision
def summed_limit(posterior: Posterior, key: Array | None) -> SampledLimit:
    """The mixture over the one random scale of a network, by a rule, for known Gaussian noise."""
    guide = fits.known_noise(posterior.likelihood, posterior.targets)
    num_inputs = num_first_inputs(posterior.network, posterior.x.shape[1:])
    scales, weights = nodes_of_single(posterior.network, num_inputs)
    kernels = scaled_kernels(posterior.network, posterior.x, key)
    logs = np.log(weights) + np.asarray(_log_densities(kernels, scales, guide.sites))
    if np.isnan(logs).all():
        raise FloatingPointError(
            "K + noise is not positive definite in double precision for any scale: expected a "
            "larger noise_std"
        )
    count = len(weights)
    drawn = Drawn(
        jnp.asarray(logs),
        jnp.zeros((count, *posterior.targets.shape)),
        jnp.broadcast_to(guide.sites.variances, (count, *guide.sites.variances.shape)),
        scales,
    )
    evidence = WeightSum().add(logs).log_mean().value + np.log(count)
    drawn = jax.tree.map(np.asarray, drawn)
    return SampledLimit(posterior, guide, drawn, evidence, 0.0, math.inf, 0.0, key)


@jax.jit
def _log_densities(kernels: ScaledKernels, scales: Scales, sites: gp.Sites) -> Float[Array, " q"]:
    return jax.lax.map(
        lambda one: gp.log_density(kernels.at(one), sites), scales, batch_size=kernels.at_once
    )


@jax.jit
def _draw(
    posterior: Posterior, guide: Guide | None, kernels: ScaledKernels, order: Array, keys: Array
) -> Drawn:
    num_points, num_outputs = posterior.num_points, posterior.num_outputs
    num_inputs = num_first_inputs(posterior.network, posterior.x.shape[1:])

    def one(key: Array) -> Drawn:
        guide_key, normal_key, noise_key, scale_key = jax.random.split(key, 4)
        scales = draw_scales(scale_key, posterior.network, num_inputs)
        kernel = kernels.at(scales)
        factor = nested_factor(kernel, order).matrix
        normals = jax.random.normal(normal_key, (num_points, num_outputs), jnp.float64)
        if guide is None:
            outputs = factor @ normals
            log_prob = posterior.likelihood.log_prob(outputs, jnp.asarray(posterior.targets))
            return Drawn(log_prob, outputs, jnp.zeros((num_points, 1)), scales)
        given = guide.draw(Source(guide_key, {}))
        sites = given.sites
        noise = jax.random.normal(noise_key, sites.targets.shape, jnp.float64)
        outputs = factor @ gp.condition_normals(noise, factor, normals, sites)
        log_weight = guide.log_weight(kernel, given, outputs)
        return Drawn(log_weight, outputs, jnp.asarray(sites.variances), scales)

    return jax.lax.map(one, keys, batch_size=kernels.at_once)


@jax.jit
def _conditional(
    limit: SampledLimit, drawn: Drawn, kernels: ScaledKernels, order: Array
) -> gp.Conditional:
    targets = jnp.asarray(limit.posterior.targets)

    def one(drawn: Drawn) -> gp.Conditional:
        kernel = kernels.at(drawn.scales)
        if limit.guide is not None and limit.guide.exact:
            return gp.condition(kernel, gp.Sites(targets, drawn.variances))
        return gp.condition_on_values(kernel, drawn.outputs, order)

    return jax.lax.map(one, drawn, batch_size=kernels.at_once)
