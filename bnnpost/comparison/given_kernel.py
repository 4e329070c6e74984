"""The posterior under one kernel, weighed by its evidence: the same function of K̂ and of the limit.

Given its last kernel a network of any width is a Gaussian process, so E[h | y] is a ratio of
means over kernels of F(K) = ∫ p(y|f) N(f, f*; 0, K) h(f*), and the limit's is that at K∞. F is
estimated without bias from what a guide draws and from standard normals, smoothly in K:

- where the guide is exact (Gaussian noise, given its variances) all else is in closed form;
- where it is not, f* at one test point and output is integrated over on a grid, with the rest
  of (f, f*) drawn: under the guide's sites, f = f̂ + c (f* − f̂*), c = Cov(f, f*)/Var f*, for
  joint draws (f̂, f̂*). That is smooth also at training points, where f* is part of f.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bnnpost.numerics import gp
from bnnpost.numerics.linalg import nested_factor
from bnnpost.posterior import Posterior
from bnnpost.spaces.guides import DrawnSites, Guide

# Beyond so many standard deviations there is no mass in double precision; e^−this is nearly 0.
_FAR, _LARGEST_LOG = 40.0, 700.0


class Asked(eqx.Module):
    """What does not change from proposal to proposal.

    edges [point, output, grid] of the bins of f*; order: of elimination of all rows;
    log_reference: what weights are relative to, in nats.
    """

    posterior: Posterior
    guide: Guide | None
    edges: Float[np.ndarray, "m k g"]
    order: Int[np.ndarray, " n+m"]
    log_reference: float | Array

    @property
    def exact(self) -> bool:
        """Whether all but the noise is integrated over in closed form."""
        return self.guide is not None and self.guide.exact


class Inner(NamedTuple):
    """What is drawn apart from the kernel: noise or sites (if there is a guide), and normals."""

    drawn: DrawnSites | None
    normals: Float[Array, "n+m k"]


class Law(NamedTuple):
    """F(K) for each marginal of f*, relative to the reference.

    masses: of the bins and both tails; first: of f*; second [output, i, j]: of f*ᵢ f*ⱼ, by
    the estimate for the marginal at i.
    """

    masses: Float[Array, "m k g+1"]
    first: Float[Array, "m k"]
    second: Float[Array, "k m m"]


class _Bins(NamedTuple):
    """For x ~ N(mean, var): the probability of each bin, and the means of x and x² within it."""

    mass: Float[Array, "*s g+1"]
    first: Float[Array, "*s g+1"]
    second: Float[Array, "*s g+1"]


def law(problem: Asked, kernel: Float[Array, "n+m n+m"], inner: Inner) -> Law:
    """An unbiased estimate of F(kernel)."""
    return _exact(problem, kernel, inner) if problem.exact else _along_lines(problem, kernel, inner)


def _log_weight(
    problem: Asked, kernel: Array, drawn: DrawnSites | None, outputs: Float[Array, "n k"] | None
) -> Float[Array, ""]:
    """Of what was drawn to get the outputs, and of them, relative to the reference."""
    if problem.guide is not None:
        assert drawn is not None
        n = problem.posterior.num_points
        log_weight = problem.guide.log_weight(kernel[:n, :n], drawn, outputs)
    else:
        assert outputs is not None
        targets = jnp.asarray(problem.posterior.targets)
        log_weight = problem.posterior.likelihood.log_prob(outputs, targets)
    return log_weight - problem.log_reference


def _exact(problem: Asked, kernel: Array, inner: Inner) -> Law:
    assert inner.drawn is not None
    weight = jnp.exp(_log_weight(problem, kernel, inner.drawn, None))
    mean, covariance = gp.condition(kernel, inner.drawn.sites)
    variances = jnp.broadcast_to(jnp.diagonal(covariance, axis1=1, axis2=2).T, mean.shape)
    masses = _bins(jnp.asarray(problem.edges), mean, variances).mass
    second = covariance + jnp.einsum("ik,jk->kij", mean, mean)
    return Law(weight * masses, weight * mean, weight * second)


class _Sited(NamedTuple):
    """(f, f*) given the sites: its mean, its covariances, and one draw of it.

    same [output or 1, row, row]: of one output with itself; other: of two different ones.
    """

    mean: Float[Array, "r k"]
    same: Float[Array, "c r r"]
    other: Float[Array, "r r"]
    draw: Float[Array, "r k"]


def _along_lines(problem: Asked, kernel: Array, inner: Inner) -> Law:
    n, sited = problem.posterior.num_points, _given_sites(problem, kernel, inner)
    num_test, k = inner.normals.shape[0] - n, inner.normals.shape[1]
    same = jnp.broadcast_to(sited.same, (k, *kernel.shape))
    variances = jnp.diagonal(same, axis1=1, axis2=2)[:, n:].T
    bins = _bins(jnp.asarray(problem.edges), sited.mean[n:], variances)

    def log_weight(outputs: Array) -> Array:
        return _log_weight(problem, kernel, inner.drawn, outputs)

    def one(point: Array, output: Array, bins: _Bins, variance: Array) -> Law:
        """The marginal of one test point and output; second [j] against the other points."""
        row = n + point
        is_output = jnp.arange(k) == output
        slopes = jnp.where(is_output, same[output][:, row, None], sited.other[:, row, None])
        slopes = slopes / jnp.maximum(variance, jnp.finfo(variance.dtype).tiny)
        start = sited.draw - slopes * sited.draw[row, output]
        # At the mean within each bin, which is right to second order in the bin's width.
        log_weights = jax.vmap(lambda f: log_weight((start + slopes * f)[:n]))(bins.first)
        masses = _product(log_weights, bins.mass)
        first, second = masses @ bins.first, masses @ bins.second
        beside = start[n:, output] * first + slopes[n:, output] * second
        return Law(masses, first, beside)

    over_outputs = jax.vmap(one, in_axes=(None, 0, 0, 0))
    over_points = jax.vmap(over_outputs, in_axes=(0, None, 0, 0))
    found = over_points(jnp.arange(num_test), jnp.arange(k), bins, variances)
    return found._replace(second=jnp.moveaxis(found.second, 1, 0))


def _product(log_weight: Float[Array, " g"], mass: Float[Array, " g"]) -> Float[Array, " g"]:
    """exp(log_weight)·mass; 0, and no derivative, where either factor is too small for doubles.

    NaN stays NaN.
    """
    some = (mass > 0) & ~(log_weight <= -_LARGEST_LOG)
    log_product = log_weight + jnp.log(jnp.where(mass > 0, mass, 1.0))
    return jnp.exp(jnp.where(some, log_product, -jnp.inf))


def _given_sites(problem: Asked, kernel: Array, inner: Inner) -> _Sited:
    order, zeros = jnp.asarray(problem.order), jnp.zeros_like(kernel)
    if inner.drawn is None:
        draw = nested_factor(kernel, order).matrix @ inner.normals
        return _Sited(jnp.zeros_like(draw), kernel[None], zeros, draw)
    n, sites = problem.posterior.num_points, inner.drawn.sites
    rows = np.concatenate([np.arange(n), np.arange(len(kernel))])
    mean, same = gp.condition(kernel[np.ix_(rows, rows)], sites)
    roots = jax.vmap(lambda covariance: nested_factor(covariance, order).matrix)(same)
    if not sites.contrasts:
        shape = (inner.normals.shape[1], *kernel.shape)
        draw = mean + jnp.einsum("kij,jk->ik", jnp.broadcast_to(roots, shape), inner.normals)
        return _Sited(mean, same, zeros, draw)
    # Sites see contrasts of the outputs only; the outputs' mean keeps its prior.
    count = inner.normals.shape[1]
    common = jnp.mean(inner.normals, axis=1, keepdims=True)
    prior_root = nested_factor(kernel, order).matrix
    draw = mean + roots[0] @ (inner.normals - common) + prior_root @ common
    other = (kernel - same[0]) / count
    return _Sited(mean, same + other, other, draw)


def _bins(
    edges: Float[Array, "*s g"], mean: Float[Array, " *s"], variance: Float[Array, " *s"]
) -> _Bins:
    """Exact to rounding in both tails."""
    std = jnp.sqrt(jnp.maximum(variance, jnp.finfo(variance.dtype).tiny))[..., None]
    mean, variance = mean[..., None], variance[..., None]
    z = jnp.clip((edges - mean) / std, -_FAR, _FAR)
    below, above = jax.scipy.special.ndtr(z), jax.scipy.special.ndtr(-z)
    inside = jnp.where(z[..., 1:] + z[..., :-1] > 0, -jnp.diff(above), jnp.diff(below))
    mass = jnp.concatenate([below[..., :1], inside, above[..., -1:]], axis=-1)
    density = jnp.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    some = jnp.where(mass > 0, mass, 1.0)
    fall, tilted_fall = _fall(density) / some, _fall(z * density) / some
    first = mean + std * fall
    second = mean**2 + variance + 2 * mean * std * fall + variance * tilted_fall
    return _Bins(mass, first, second)


def _fall(values: Float[Array, "*s g"]) -> Float[Array, "*s g+1"]:
    """From the lower edge of each bin to its upper, for a function that vanishes at ±∞."""
    return -jnp.diff(jnp.pad(values, [(0, 0)] * (values.ndim - 1) + [(1, 1)]))
