"""A network without hidden layers, whose posterior is a Gaussian that numpy knows."""

import functools
import math

import jax
import numpy as np

import bnnpost

NUM_TRAIN, NUM_TEST, NUM_FEATURES = 6, 3, 5
W_STD, B_STD, NOISE_STD = 1.5, 0.5, 0.5
INPUTS = np.random.default_rng(1).normal(size=(NUM_TRAIN + NUM_TEST, NUM_FEATURES))
X, X_TEST = INPUTS[:NUM_TRAIN], INPUTS[NUM_TRAIN:]
KERNEL = W_STD**2 / NUM_FEATURES * INPUTS @ INPUTS.T + B_STD**2


def posterior(likelihood=None, num_outputs=1):
    likelihood = likelihood or bnnpost.likelihoods.Gaussian(NOISE_STD)
    network = bnnpost.Serial([bnnpost.Dense(num_outputs, w_std=W_STD, b_std=B_STD)])
    return bnnpost.Posterior(network, likelihood, X, np.zeros((NUM_TRAIN, num_outputs)))


@functools.cache
def conditional():
    """Gain [point, n], and a root of the covariance of f at all inputs given the targets."""
    train = KERNEL[:NUM_TRAIN, :NUM_TRAIN] + NOISE_STD**2 * np.eye(NUM_TRAIN)
    gain = np.linalg.solve(train, KERNEL[:NUM_TRAIN]).T
    return gain, root(KERNEL - gain @ KERNEL[:NUM_TRAIN])


def root(covariance):
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.clip(values, 0, None))


def normals(key, *shape):
    """Standard normals [*shape, point] from a typed key."""
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    return rng.normal(size=(*shape, len(KERNEL)))


def given(targets, noise):
    """Function values that have these standard normals [..., point] in them."""
    gain, factor = conditional()
    return gain @ targets[:, 0] + noise @ factor.T


def exact(key, taught, num_samples=99):
    return given(taught.targets, normals(key, num_samples))


def prior(key, taught):
    return normals(key, 99) @ root(KERNEL).T


def chains(key, taught, length=500, rho=0.8):
    """Four chains in equilibrium, of integrated time (1 + ρ)/(1 − ρ)."""
    noise = normals(key, 4, length)
    for i in range(1, length):
        noise[:, i] = rho * noise[:, i - 1] + math.sqrt(1 - rho**2) * noise[:, i]
    return given(taught.targets, noise)


def calibrate(sampler, *, seed=0, num_datasets=100, **options):
    return bnnpost.calibrate(
        jax.random.key(seed),
        sampler,
        posterior(),
        num_datasets=num_datasets,
        x_test=X_TEST,
        **options,
    )
