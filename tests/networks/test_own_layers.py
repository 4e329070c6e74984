"""Layers of the user's own: a Map and a composite work wherever the library's do."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

import bnnpost
from bnnpost import Activation, Dense, Posterior, Serial, rejection
from bnnpost.likelihoods import Gaussian
from tests.networks.own_layers import Residual, Shift

X = np.array([[0.5, -1.0, 0.3], [1.2, 0.4, -0.7]])
Y = np.array([0.4, -0.3])
NOISE_STD = 0.5


def network(width=16):
    """Dense, a residual branch, a shift between activation and readout."""
    branch = Serial([Activation("erf"), Dense(width, w_std=0.8, b_std=0.2)])
    return Serial(
        [
            Dense(width, w_std=1.2, b_std=0.1),
            Residual(branch),
            Activation("relu"),
            Shift(0.5),
            Dense(1, w_std=0.9, b_std=0.1),
        ]
    )


@functools.cache
def draws():
    posterior = Posterior(network(), Gaussian(noise_std=NOISE_STD), X, Y)
    return rejection.sample(jax.random.key(0), posterior, num_samples=50)


def test_apply_against_numpy():
    parameters = network().init(jax.random.key(1), 3)
    first, branch, readout = [(np.float64(a.weights), np.float64(a.biases)) for a in parameters]
    z = 1.2 / np.sqrt(3) * X @ first[0] + 0.1 * first[1]
    erf = np.asarray(jax.scipy.special.erf(z), np.float64)
    z = z + 0.8 / 4 * erf @ branch[0] + 0.2 * branch[1]
    hidden = np.maximum(z, 0) + 0.5
    expected = 0.9 / 4 * hidden @ readout[0] + 0.1 * readout[1]
    assert np.allclose(network().apply(parameters, X), expected, atol=1e-5)


def test_kernel_against_the_maps_one_by_one():
    with jax.enable_x64(True):
        found = bnnpost.nngp(network(), X)
        first = 1.44 * X @ X.T / 3 + 0.01
        inner = bnnpost.nngp(Serial([Dense(1, w_std=1.2, b_std=0.1), Activation("erf")]), X)
        summed = np.asarray(first + 0.64 * inner + 0.04)
        std = np.sqrt(np.diagonal(summed))
        rho = np.clip(summed / np.outer(std, std), -1, 1)
        # Cho and Saul's arc-cosine kernel of the ReLU.
        relu = np.outer(std, std) * (np.sqrt(1 - rho**2) + rho * (np.pi - np.arccos(rho)))
        expected = 0.81 * (relu / (2 * np.pi) + 0.25) + 0.01
    assert np.allclose(found, expected, rtol=1e-8)


def test_width_reaches_the_branch():
    wide = bnnpost.at_width(network(), 5)
    drawn = jax.eval_shape(lambda: wide.init(jax.random.key(0), 3))
    shapes = [affine.weights.shape for affine in drawn]
    assert shapes == [(3, 5), (5, 5), (5, 1)]


@pytest.mark.slow
def test_rejection_gives_networks_that_agree_with_themselves():
    assert len(draws()) == 50
    assert draws().info.kind == "exact"
    outputs = draws().predict(X)
    for i in (0, 17):
        with jax.enable_x64(True):
            applied = np.asarray(network().apply(draws().parameters(i), X))
        # Features are drawn in single precision.
        assert np.allclose(outputs[i], applied, atol=1e-4)
    assert not np.allclose(outputs[0], outputs[17], atol=0.01)


@pytest.mark.slow
def test_evidence_agrees_with_prior_networks_of_plain_draws():
    # Two independent Monte-Carlo estimates, 5 standard errors: a false alarm in 6e-7 of seeds.
    info = draws().info
    keys = jax.random.split(jax.random.key(2), 10_000)
    outputs = jax.jit(jax.vmap(lambda key: network().apply(network().init(key, 3), jnp.asarray(X))))
    f = np.asarray(outputs(keys), np.float64)[:, :, 0]
    log_likelihood = -0.5 * np.sum((Y - f) ** 2, axis=1) / NOISE_STD**2
    log_likelihood -= len(Y) * 0.5 * np.log(2 * np.pi * NOISE_STD**2)
    relative = np.exp(log_likelihood - log_likelihood.max())
    plain = logsumexp(log_likelihood) - np.log(len(f))
    plain_se = relative.std() / relative.mean() / np.sqrt(len(f))
    difference = info.log_evidence - plain
    standard_error = np.hypot(info.log_evidence_se, plain_se)
    assert standard_error < 0.02
    assert abs(difference) < 5 * standard_error
