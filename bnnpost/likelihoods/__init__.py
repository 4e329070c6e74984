"""Likelihoods: the log probability of targets given outputs, and an upper bound of it."""

from bnnpost.likelihoods.base import Likelihood
from bnnpost.likelihoods.discrete import Bernoulli, Categorical, Poisson
from bnnpost.likelihoods.gaussian import Gaussian
from bnnpost.likelihoods.noise import GaussianUnknownNoise, Laplace, RandomNoise, StudentT

__all__ = [
    "Bernoulli",
    "Categorical",
    "Gaussian",
    "GaussianUnknownNoise",
    "Laplace",
    "Likelihood",
    "Poisson",
    "RandomNoise",
    "StudentT",
]
