"""Exact posteriors of every architecture, against plain networks weighed by their likelihood.

The other route draws parameters by `network.init`, passes the inputs through `network.apply` and
weighs each network by its density of the targets in numpy: no kernel, no function space, no
collapsed readout. Differences are in standard errors of both routes; with fixed seeds and some
eight numbers an architecture, one of 4.5 or more has a chance of 1e-4 in all.
"""

import functools

import jax
import numpy as np
import pytest

import bnnpost
from bnnpost.networks import (
    Activation,
    AvgPool,
    Conv,
    Dense,
    FanInSum,
    Flatten,
    GlobalAvgPool,
    GlobalSumPool,
    LayerNorm,
    PositionEncoding,
    Reshape,
    Residual,
    SelfAttention,
    Serial,
)

NOISE_STD = 0.7
NUM_PROPOSALS, NUM_PLAIN = 2**14, 2**17
CLOSE, FAR = 4.5, 8.0
READOUT = Dense(1, w_std=1.2, b_std=0.3)
FEATURES = Dense(3, w_std=1.5, b_std=0.4)


def attention(**options):
    return SelfAttention(3, key_width=2, value_width=2, b_std=0.2, **options)


# The layers, the shape of an input, and a network that is another: its twin.
ARCHITECTURES = {
    "all in one": (
        [
            Reshape((4, 2)),
            Conv(3, (2,), w_std=1.5, b_std=0.4),
            Residual([LayerNorm(1e-3), attention(heads=2)]),
            Activation("relu"),
            AvgPool((2,), strides=(2,)),
            Flatten(),
            READOUT,
        ],
        (8,),
        [
            Reshape((4, 2)),
            Conv(3, (2,), w_std=1.5, b_std=0.4),
            Residual([LayerNorm(1e-3), attention(heads=2)]),
            Activation("relu"),
            AvgPool((2,), strides=(2,)),
            GlobalAvgPool(),
            READOUT,
        ],
    ),
    "residual": (
        [FEATURES, Residual([Activation("erf"), FEATURES]), Activation("relu"), READOUT],
        (3,),
        [FEATURES, Activation("erf"), FEATURES, Activation("relu"), READOUT],
    ),
    "branches": (
        [
            FEATURES,
            FanInSum([[Activation("erf"), FEATURES], [Activation("sin"), FEATURES]]),
            READOUT,
        ],
        (3,),
        [FEATURES, Activation("erf"), FEATURES, READOUT],
    ),
    "normalised": (
        [FEATURES, LayerNorm(1e-3), Activation("relu"), READOUT],
        (3,),
        [FEATURES, Activation("relu"), READOUT],
    ),
    "images": (
        [
            Conv(3, (2, 2), padding="CIRCULAR", strides=(2, 1), w_std=1.5, b_std=0.4),
            Activation("relu"),
            GlobalSumPool(),
            Dense(1, w_std=0.3),
        ],
        (3, 3, 1),
        [
            Conv(3, (2, 2), padding="VALID", strides=(2, 1), w_std=1.5, b_std=0.4),
            Activation("relu"),
            GlobalSumPool(),
            Dense(1, w_std=0.3),
        ],
    ),
    "tied attention with encodings": (
        [
            FEATURES,
            attention(heads=1, positions=PositionEncoding("CONCAT", 1.5, True, 0.3)),
            GlobalAvgPool(),
            READOUT,
        ],
        (3, 2),
        [FEATURES, attention(heads=1), GlobalAvgPool(), READOUT],
    ),
    "attention over √d": (
        [FEATURES, attention(heads=1, scaling="sqrt", mechanism="relu"), Flatten(), READOUT],
        (3, 2),
        [FEATURES, attention(heads=3, scaling="sqrt", mechanism="relu"), Flatten(), READOUT],
    ),
}
QUICK = "all in one"
NAMES = [
    pytest.param(name, marks=[] if name == QUICK else [pytest.mark.slow]) for name in ARCHITECTURES
]


def posterior(name):
    layers, shape, _ = ARCHITECTURES[name]
    x, y, _ = data(shape)
    return bnnpost.Posterior(Serial(layers), bnnpost.likelihoods.Gaussian(NOISE_STD), x, y)


def data(shape):
    rng = np.random.default_rng(5)
    return rng.normal(size=(3, *shape)), np.array([0.8, -0.6, 0.3]), rng.normal(size=(2, *shape))


def summary(weights, first, second):
    """Evidence, and posterior first and second moments of f*, each with a standard error.

    first, second [draw, point]: E f* and E f*² given a draw, whose weight is its likelihood.
    """
    found = [(np.mean(weights), np.std(weights) / np.sqrt(len(weights)))]
    share = weights / weights.sum()
    for values in (*first.T, *second.T):
        mean = share @ values
        found.append((mean, np.sqrt(np.sum((share * (values - mean)) ** 2))))
    return np.array(found)


def of_library(name, space):
    problem = posterior(name)
    x_test = data(ARCHITECTURES[name][1])[2]
    found = bnnpost.importance.estimate(
        jax.random.key(1), problem, x_test, num_proposals=NUM_PROPOSALS, space=space
    )
    means = found.means[:, :, 0]
    variances = np.diagonal(found.covariances, axis1=-2, axis2=-1)
    return summary(np.exp(found.log_weights), means, variances + means**2)


@functools.cache
def of_plain_networks(name, twin=False):
    layers, shape, other = ARCHITECTURES[name]
    network = Serial(other if twin else layers)
    x, y, x_test = data(shape)
    points = np.concatenate([x, x_test])

    @jax.jit
    def outputs(keys):
        return jax.lax.map(
            lambda key: network.apply(network.init(key, shape), points)[:, 0], keys, batch_size=1024
        )

    f = np.asarray(outputs(jax.random.split(jax.random.key(2), NUM_PLAIN)), np.float64)
    squares = np.sum((f[:, : len(y)] - y) ** 2, axis=1)
    densities = np.exp(-0.5 * squares / NOISE_STD**2) / (2 * np.pi * NOISE_STD**2) ** (len(y) / 2)
    return summary(densities, f[:, len(y) :], f[:, len(y) :] ** 2)


def worst(found, expected):
    return np.max(np.abs(found[:, 0] - expected[:, 0]) / np.hypot(found[:, 1], expected[:, 1]))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_function_space_has_the_posterior_of_plain_networks(name):
    found = of_library(name, "functions")
    assert worst(found, of_plain_networks(name)) < CLOSE
    assert worst(found, of_plain_networks(name, twin=True)) > FAR


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_weight_space_has_the_same(name):
    assert worst(of_library(name, "weights"), of_plain_networks(name)) < CLOSE


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_draw_is_one_network(name):
    draws = bnnpost.rejection.sample(jax.random.key(3), posterior(name), num_samples=5)
    x_test = data(ARCHITECTURES[name][1])[2]
    passed = draws.posterior.network.apply(draws.parameters(2), x_test)
    assert np.allclose(draws.function(2)(x_test), passed, rtol=1e-5, atol=1e-5)
    other = draws.posterior.network.apply(draws.parameters(1), x_test)
    assert not np.allclose(draws.function(2)(x_test), other, rtol=1e-2, atol=1e-2)
