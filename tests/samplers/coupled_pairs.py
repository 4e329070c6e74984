"""A posterior in few dimensions, and pairs of chains on it."""

import functools

import jax
import numpy as np

import bnnpost
from bnnpost.likelihoods import Gaussian
from bnnpost.networks import Activation, Dense, Serial
from bnnpost.samplers.coupled.pairs import Pairs, Programs
from bnnpost.samplers.kernels.kernel import Normals
from bnnpost.samplers.kernels.rotation import Blend, Rotation
from bnnpost.spaces.making import make_space

X = np.array([[-1.0], [0.3]])
Y = np.array([0.4, -0.7])
NETWORK = Serial([Dense(3, b_std=0.5), Activation("erf"), Dense(1)])
POSTERIOR = bnnpost.Posterior(NETWORK, Gaussian(0.3), X, Y)


@functools.cache
def programs():
    return Programs(Normals.of(make_space(POSTERIOR, strict=False, alone=True)))


def blend(step_size=0.3):
    return Blend(Rotation(0.4, 0.9, 3), step_size)


def made(step_size=0.3, lag=2, seed=3):
    return Pairs(programs(), blend(step_size), jax.random.key(seed), lag)
