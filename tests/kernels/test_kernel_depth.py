"""The kernel map thirty layers deep: the map of one layer, applied over and over."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost.networks import Activation, Dense, Serial
from bnnpost.networks.covariance import Covariance
from tests.kernels import points

DEPTH = 30
# Those whose kernels stay bounded at w_std = √2.
BOUNDED = (
    "identity", "relu", "leaky_relu", "abs", "erf", "gelu", "sin", "cos", "rbf", "gaussian",
    "sign", "tanh",
)  # fmt: skip


@jax.jit
def one_layer(layer, k):
    return layer.covariance(k)


def deep_kernel(name, w_std, b_std, x=None):
    x = jnp.asarray(points.awkward_points() if x is None else x)
    dense = Dense(1, w_std=w_std, b_std=b_std)
    layer = Serial([Activation(name), dense])
    k = dense.covariance(Covariance.of_self(x @ x.T / x.shape[1]))
    for _ in range(DEPTH):
        k = one_layer(layer, k)
    return k


@pytest.mark.each(4)
@pytest.mark.parametrize("name", BOUNDED)
def test_depth_thirty_is_finite_and_definite(name):
    # The abs function alone has φ² = x²: w_std 1 keeps its variances.
    w_std = 1.0 if name in ("identity", "abs") else np.sqrt(2)
    with jax.enable_x64(True):
        k = deep_kernel(name, w_std, 0.1)
        kernel, variances = np.asarray(k.cross), np.asarray(k.variances1)
    eigenvalues = np.linalg.eigvalsh(0.5 * (kernel + kernel.T))
    assert np.all(np.isfinite(kernel))
    assert eigenvalues[0] >= -1e-13 * eigenvalues[-1]
    # Paired with itself an input has its variance: the two formulas agree after thirty layers.
    assert np.allclose(np.diagonal(kernel), variances, rtol=1e-12)


def test_relu_at_depth_thirty_follows_the_arc_cosine_recursion():
    # w_var = 2 undoes E relu(u)² = v/2: variances stay 2‖x‖²/d, and correlations follow
    # ρ → (√(1−ρ²) + ρ (π − arccos ρ))/π (Cho and Saul 2009, eq. 6).
    x = np.delete(points.awkward_points(), points.ZERO, axis=0)
    covariance = 2 * x @ x.T / x.shape[1]
    std = np.sqrt(np.diagonal(covariance))
    rho = np.clip(covariance / np.outer(std, std), -1, 1)
    for _ in range(DEPTH):
        rho = (np.sqrt(1 - rho**2) + rho * (np.pi - np.arccos(rho))) / np.pi
        rho = np.minimum(rho, 1)
    with jax.enable_x64(True):
        k = deep_kernel("relu", np.sqrt(2), None, x)
        kernel, variances = np.asarray(k.cross), np.asarray(k.variances1)
    assert np.allclose(variances, std**2, rtol=1e-12)
    assert np.allclose(kernel, rho * np.outer(std, std), rtol=1e-7)


@pytest.mark.slow
def test_whole_network_of_depth_thirty_equals_the_repeated_layer():
    network = points.network("erf", DEPTH, w_std=1.3)
    with jax.enable_x64(True):
        whole = np.asarray(bnnpost.nngp(network, points.awkward_points()))
        repeated = np.asarray(deep_kernel("erf", 1.3, 0.1).cross)
    assert np.allclose(whole, repeated, rtol=1e-12)
