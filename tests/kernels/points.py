"""Inputs and networks for the properties that every kernel must have."""

import functools

import jax
import numpy as np

import bnnpost
from bnnpost.networks import Serial

# Activations that fulfil φ(λx) = λφ(x) for λ > 0, and those that are odd or even.
HOMOGENEOUS = ("identity", "relu", "leaky_relu", "ab_relu", "abs")
ODD = ("identity", "erf", "sin", "sign", "tanh")
EVEN = ("abs", "cos", "gaussian", "monomial")


def network(activation: object, depth: int = 2, w_std: object = 1.0, b_std: object = 0.1) -> Serial:
    """A small multilayer perceptron; the width plays no part in its kernel."""
    return bnnpost.mlp(depth=depth, activation=activation, w_std=w_std, b_std=b_std)


# Where each kind of row stands in `awkward_points`.
FIRST, DUPLICATE, DOUBLE, OPPOSITE, ZERO, TINY = 0, 3, 4, 5, 7, 8


def awkward_points() -> np.ndarray:
    """Ten rows: three random ones, a duplicate, 2x, −x, −x/2, zero, a tiny one, another."""
    a, b, c, d = 0.4 * np.random.default_rng(0).normal(size=(4, 5))
    return np.stack([a, b, c, a, 2 * a, -a, -0.5 * b, 0 * a, 1e-3 * b, d])


@functools.cache
def awkward_kernel(activation: str, depth: int, b_std: float, double: bool = True) -> np.ndarray:
    """The kernel of `awkward_points`, in double or single precision."""
    with jax.enable_x64(double):
        kernel = bnnpost.nngp(network(activation, depth, b_std=b_std), awkward_points())
    return np.asarray(kernel)
