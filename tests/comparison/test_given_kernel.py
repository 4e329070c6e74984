"""Estimates given one kernel, against draws of the Gaussian process in plain numpy.

`checks.LIMIT` says how much is allowed, and how often a right library fails.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

import bnnpost
from bnnpost.comparison import given_kernel
from bnnpost.comparison.given_kernel import Asked, Inner
from bnnpost.spaces import controls, fits
from bnnpost.spaces.sources import Source
from tests.samplers import checks
from tests.samplers.cases import X_TEST, X
from tests.samplers.likelihood_cases import PROBLEMS, posterior
from tests.samplers.user_likelihoods import UnitNoise, one_point

NUM = 2**17
EDGES = np.linspace(-4.0, 4.0, 41)
QUICK = ("student-t",)
NAMES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in PROBLEMS]


@functools.cache
def kernel():
    with jax.enable_x64(True):
        inputs = np.concatenate([X, X_TEST])
        return np.asarray(bnnpost.nngp(posterior("logit").network, inputs))


def summary(masses, first, second):
    """Evidence, five coarse bins, and moments of each proposal or draw, in one row each."""
    coarse = np.add.reduceat(masses, [0, 12, 18, 24, 30], axis=-1)
    parts = [masses.sum(axis=-1), coarse, first, second]
    return np.concatenate([np.asarray(part).reshape(len(masses), -1) for part in parts], axis=1)


def known(name):
    """The same from unguided draws of the process: p(y|f) times what f* is given f."""
    problem, n = PROBLEMS[name], len(X)
    factor = np.linalg.cholesky(kernel())
    normals = np.random.default_rng(5).standard_normal((NUM, len(kernel()), problem.num_outputs))
    f = factor @ normals
    weights = np.exp(problem.log_prob(f[:, :n]))
    mean = factor[n:, :n] @ normals[:, :n]
    rest = factor[n:, n:] @ factor[n:, n:].T
    std = np.sqrt(np.diagonal(rest))[:, None]
    cdf = scipy.special.ndtr((EDGES[[11, 17, 23, 29]] - mean[..., None]) / std[:, :, None])
    ends = np.zeros((*mean.shape, 1)), np.ones((*mean.shape, 1))
    masses = np.diff(np.concatenate([ends[0], cdf, ends[1]], axis=-1))
    second = rest + np.einsum("sik,sjk->skij", mean, mean)
    parts = [np.ones(mean.shape), masses, mean, second]
    rows = np.concatenate([part.reshape(NUM, -1) for part in parts], axis=1)
    return weights[:, None] * rows


def estimated(name, guided=True, num=2**13):
    """One row a draw of the library's estimates."""
    with jax.enable_x64(True):
        one = posterior(name)
        likelihood, k = one.likelihood, one.num_outputs
        train = kernel()[: len(X), : len(X)]
        guide = fits.guide_for(likelihood, one.targets, train, k).guide if guided else None
        edges = np.broadcast_to(EDGES, (len(X_TEST), k, EDGES.size))
        problem = Asked(one, guide, edges, np.arange(len(kernel())), 0.0)

        def draw(key):
            guide_key, normal_key = jax.random.split(key)
            normals = jax.random.normal(normal_key, (len(kernel()), k), jnp.float64)
            drawn = None if guide is None else guide.draw(Source(guide_key, {}))
            return given_kernel.law(problem, jnp.asarray(kernel()), Inner(drawn, normals))

        laws = jax.jit(jax.vmap(draw))(jax.random.split(jax.random.key(0), num))
        return summary(*(np.asarray(part) for part in laws))


def surprise(rows, other):
    """Means compared; three parts in a thousand of one are allowed for the bins' width."""
    allowed = 0.003 * np.abs(other.mean(axis=0)) / checks.LIMIT
    return checks.worst(
        checks.mean_z(rows, other.mean(axis=0), np.hypot(allowed, other.std(axis=0) / NUM**0.5))
    )


@pytest.mark.parametrize("name", NAMES)
def test_guided_estimates_are_unbiased(name):
    found, other = estimated(name), known(name)
    assert surprise(found, other) < checks.LIMIT
    # Weights 5 % too large would be told.
    assert surprise(1.05 * found, other) > checks.LIMIT


@pytest.mark.slow
def test_the_wrong_link_would_be_told():
    assert surprise(estimated("logit"), known("probit")) > checks.LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("name", ["logit", "softmax"])
def test_estimates_without_a_guide_are_unbiased(name):
    assert surprise(estimated(name, guided=False, num=2**14), known(name)) < checks.LIMIT


@pytest.mark.slow
def test_the_linear_response_is_first_order():
    rng = np.random.default_rng(0)
    network = bnnpost.mlp(width=8, depth=2)
    maps = controls._maps(network)
    noise = [0.1 * rng.standard_normal((3, 3)) for _ in maps]
    noise = [part + part.T for part in noise]

    def missed(size):
        """What the response leaves of the difference, for deviations of this size."""
        with jax.enable_x64(True):
            kernels = limits = [jnp.asarray(X @ X.T / 4 + 1.0)]
            for step, part in zip(maps, noise, strict=True):
                limits = [*limits, step(limits[-1])]
                kernels = [*kernels, step(kernels[-1]) + size * part]
            response = controls.response(network, kernels)
            return np.max(np.abs(kernels[-1] - limits[-1] - response)), np.max(np.abs(response))

    (rest, whole), (small_rest, small_whole) = missed(0.1), missed(0.01)
    assert small_whole == pytest.approx(whole / 10, rel=1e-9)  # linear in the deviations
    assert small_rest == pytest.approx(rest / 100, rel=0.1)
    assert rest < 0.1 * whole


def test_networks_without_a_closed_form_have_no_response():
    network = bnnpost.mlp(width=8, depth=2, activation="tanh")
    assert not np.any(controls.response(network, [jnp.eye(2)] * 3))


@pytest.mark.slow
@pytest.mark.parametrize("limit", [-1.0, np.inf])
def test_a_log_probability_that_is_nan_is_not_dropped(limit):
    problem = one_point(UnitNoise(limit=limit))
    with jax.enable_x64(True):
        edges = np.linspace(-3.0, 3.0, 7)[None, None]
        asked = Asked(problem, None, edges, np.arange(2), 0.0)
        found = given_kernel.law(asked, jnp.ones((2, 2)), Inner(None, jnp.ones((2, 1))))
        assert bool(jnp.isnan(found.masses).any()) == np.isfinite(limit)
