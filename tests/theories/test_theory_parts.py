"""What the first-order theory is made of: kernel maps, V and G₁, and the posterior's response.

Statistical tests use fixed seeds; each allows 4.5 standard errors, a false alarm of 7e-6.
"""

import jax
import numpy as np
import pytest
from scipy import special

import bnnpost
from bnnpost.numerics import gp
from bnnpost.theories import derivatives, hidden_layers, response

SIGMAS = 4.5
KERNEL = np.array([[1.3, 0.7, -0.2], [0.7, 0.9, 0.3], [-0.2, 0.3, 1.1]])
W_VAR, B_VAR = 1.5**2, 0.1**2
PAIRS = np.triu_indices(3)
FUNCTIONS = {"erf": special.erf, "tanh": np.tanh, "relu": lambda u: np.maximum(u, 0)}


def symmetric(rng, size: int) -> np.ndarray:
    a = rng.normal(size=(size, size))
    return a + a.T


@jax.enable_x64(True)
def kernel_map(activation, kernel) -> derivatives.KernelMap:
    return derivatives.kernel_map(activation, kernel)


def test_derivatives_by_moments_are_those_of_the_closed_form():
    own = bnnpost.Activation(jax.scipy.special.erf)
    pair = kernel_map(own, KERNEL), kernel_map(bnnpost.Activation("erf"), KERNEL)
    for name, found, closed in zip(derivatives.KernelMap._fields, *pair, strict=True):
        np.testing.assert_allclose(found, closed, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("activation", ["erf", "relu", "tanh"])
def test_a_change_is_carried_as_differences_of_the_map_say(activation):
    rng, step = np.random.default_rng(0), 1e-3
    act = bnnpost.Activation(activation)
    first, second = symmetric(rng, 3), symmetric(rng, 3)
    found = kernel_map(act, KERNEL).carried(derivatives.Change(first[None], second[None]))
    low, centre, high = (
        kernel_map(act, KERNEL + t * first + 0.5 * t**2 * second).value for t in (-step, 0, step)
    )
    np.testing.assert_allclose(found.first[0], (high - low) / (2 * step), atol=2e-5)
    np.testing.assert_allclose(found.second[0], (high - 2 * centre + low) / step**2, atol=2e-4)


@jax.enable_x64(True)
def derivatives_along(kernel, first, second, targets, noise_var):
    """By autodiff of the library's own conditioning, twice along a path."""
    sites = gp.Sites(targets, np.full((len(targets), 1), noise_var))
    n = len(targets)

    def posterior(t):
        k = kernel + t * first + 0.5 * t**2 * second
        mean, covariance = gp.condition(k, sites)
        return mean, covariance[0], gp.log_density(k[:n, :n], sites)

    def slope(t):
        return jax.jvp(posterior, (t,), (1.0,))[1]

    both = jax.jit(lambda t: jax.jvp(slope, (t,), (1.0,)))(0.0)
    return [jax.tree.map(np.asarray, part) for part in both]


def test_the_response_is_what_autodiff_of_the_posterior_says():
    rng = np.random.default_rng(1)
    a, targets, noise_var = rng.normal(size=(5, 7)), rng.normal(size=(3, 2)), 0.2
    kernel, d, e = a @ a.T / 7, symmetric(rng, 5), symmetric(rng, 5)
    basis = response.basis(kernel, targets, noise_var)
    # A map that adds e as second derivative: κ(K) with κ′ = 1 and κ″[D, D] = e for this D.
    zero, one = np.zeros((5, 5)), np.ones((5, 5))
    bend = derivatives.KernelMap(zero, one, zero, e / d**2, zero, zero, zero)
    plain = derivatives.KernelMap(zero, one, zero, zero, zero, zero, zero)
    steps = [response.Step(plain, 1.0), response.Step(bend, 1.0)]
    found = response.to_directions(d[None], steps, basis)
    slopes, bends = derivatives_along(kernel, d, e, targets, noise_var)
    (mean, covariance, g), variance = slopes, np.diagonal(slopes[1])
    expected = response.Response(
        mean=0.5 * bends[0] + mean * g,
        within=0.5 * bends[1] + covariance * g,
        between=np.einsum("ik,jk->kij", mean, mean),
        outputs=mean[:, :, None] * mean[:, None, :],
        skew=mean * variance[:, None],
        kurtosis=variance**2,
        log_evidence=0.5 * (bends[2] + g**2),
        log_weight_variance=g**2,
    )
    for name, own, other in zip(expected._fields, found, expected, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-8, atol=1e-10, err_msg=name)


def spread(activation: str, seed: int, num_units: int = 2**14) -> np.ndarray:
    """Σ D⊗D of one layer, over pairs of points, from one randomisation."""
    root = hidden_layers._root(KERNEL)
    units = hidden_layers._units(root, np.random.SeedSequence(seed), num_units)
    mean = kernel_map(bnnpost.Activation(activation), KERNEL).value
    blocks = hidden_layers._directions(FUNCTIONS[activation](units), mean, 1000)
    flat = np.concatenate([block[:, PAIRS[0], PAIRS[1]] for block in blocks])
    return flat.T @ flat


def fourth_moments(activation: str) -> np.ndarray:
    """E φ_a φ_b φ_c φ_d − E φ_a φ_b E φ_c φ_d over two points, by a product rule."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(300)
    z = np.stack([a.ravel() for a in np.meshgrid(nodes, nodes, indexing="ij")])
    mass = np.outer(weights, weights).ravel() / (2 * np.pi)
    values = FUNCTIONS[activation](np.linalg.cholesky(KERNEL[:2, :2]) @ z)
    rows, columns = np.triu_indices(2)
    products = values[rows] * values[columns]
    mean = products @ mass
    return (products * mass) @ products.T - np.outer(mean, mean)


@pytest.mark.parametrize(("activation", "error"), [("erf", 1e-3), ("tanh", 1e-3), ("relu", 3e-3)])
def test_the_spread_of_one_unit_is_that_of_quadrature(activation, error):
    rows = [PAIRS[0].tolist().index(0), 1, 3]  # the pairs (0, 0), (0, 1), (1, 1) among three points
    found = np.mean([spread(activation, seed) for seed in range(4)], axis=0)[np.ix_(rows, rows)]
    expected = fourth_moments(activation)
    assert np.max(np.abs(found - expected)) < error * np.max(np.abs(expected))


def test_the_relu_spread_has_the_closed_form_of_cho_and_saul():
    # E u₊²v₊² = s²t² J₂(θ)/2π, J₂ = 3 sin θ cos θ + (π − θ)(1 + 2 cos² θ) (2009, eq. 5).
    s, t, c = KERNEL[0, 0], KERNEL[1, 1], KERNEL[0, 1]
    angle = np.arccos(c / np.sqrt(s * t))
    j = 3 * np.sin(angle) * np.cos(angle) + (np.pi - angle) * (1 + 2 * np.cos(angle) ** 2)
    both = s * t * j / (2 * np.pi) - 0.25 * s * t  # E u₊² = s/2
    found = np.mean([spread("relu", seed) for seed in range(4)], axis=0)
    assert found[0, 3] == pytest.approx(both, rel=3e-3)


def simulated(activation: str, width: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Kernels after two hidden layers in plain numpy, [draw, pair].

    K̂³; and its mean given the first layer, w²E[φφᵀ | K̂²] + b², less what is linear in K̂² (which
    has the mean K² exactly).
    """
    rng = np.random.default_rng(width)
    function, found = FUNCTIONS[activation], []
    root = np.linalg.cholesky(KERNEL)
    for _ in range(count // 500):
        first = function(np.einsum("ij,sjn->sin", root, rng.normal(size=(500, 3, width))))
        second = W_VAR * first @ np.swapaxes(first, 1, 2) / width + B_VAR
        units = np.linalg.cholesky(second) @ rng.normal(size=(500, 3, width))
        third = W_VAR * function(units) @ np.swapaxes(function(units), 1, 2) / width + B_VAR
        mean = expected_kernel(activation, second)
        found.append([k[:, *PAIRS] for k in (third, mean, second)])
    third, mean, second = (np.concatenate(parts) for parts in zip(*found, strict=True))
    away = second - expected_kernel(activation, KERNEL[None])[:, *PAIRS]
    centred = away - away.mean(axis=0)
    slope = np.linalg.lstsq(centred, mean - mean.mean(axis=0), rcond=None)[0]
    return third, mean - away @ slope


def expected_kernel(activation: str, k: np.ndarray) -> np.ndarray:
    """w²E[φφᵀ] + b² in numpy: Williams 1997 for erf, Cho and Saul 2009 for ReLU."""
    v = np.diagonal(k, axis1=1, axis2=2)
    if activation == "erf":
        spread = np.sqrt((1 + 2 * v)[:, :, None] * (1 + 2 * v)[:, None, :])
        return W_VAR * 2 / np.pi * np.arcsin(2 * k / spread) + B_VAR
    size = np.sqrt(v[:, :, None] * v[:, None, :])
    angle = np.arccos(np.clip(k / size, -1, 1))
    return W_VAR * size / (2 * np.pi) * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) + B_VAR


def first_order(activation: str) -> tuple[np.ndarray, np.ndarray]:
    """V and G₁ of the kernel after two hidden layers of one width, over pairs."""
    act = bnnpost.Activation(activation)
    hidden = [hidden_layers.Hidden(1, act, W_VAR, B_VAR)] * 2
    with jax.enable_x64(True):
        kernels, steps = zip(*hidden_layers.limit_steps(KERNEL, hidden), strict=True)
    v, g = np.zeros((6, 6)), np.zeros(6)
    for i, kernel in enumerate(kernels):
        units = hidden_layers._units(hidden_layers._root(kernel), np.random.SeedSequence(i), 2**16)
        values = FUNCTIONS[activation](units)
        for block in hidden_layers._directions(values, steps[i].kernel_map.value, 1000):
            change = response.changes(block, steps[i:])
            flat = change.first[:, *PAIRS]
            v, g = v + flat.T @ flat, g + 0.5 * change.second.sum(axis=0)[PAIRS]
    return v, g


@pytest.mark.parametrize("activation", ["erf", "relu"])
def test_v_and_g1_are_those_of_simulated_kernels(activation):
    # Extrapolated from two widths, so that what is left of the next order is O(1/N²).
    narrow, count = 60, 8000
    v, g = first_order(activation)
    limit = expected_kernel(activation, expected_kernel(activation, KERNEL[None]))[0][PAIRS]
    found = []
    for width, share in ((narrow, -1.0), (2 * narrow, 2.0)):
        kernel, mean = simulated(activation, width, count)
        away = np.sqrt(width) * (kernel - limit)
        square = away[:, :, None] * away[:, None, :]
        found.append((share, width * (mean - limit), square))
    for name, expected, at in (("G1", g, 1), ("V", v, 2)):
        value = sum(share * one[at - 1].mean(axis=0) for share, *one in found)
        variance = sum(share**2 * one[at - 1].var(axis=0) for share, *one in found) / count
        variance = variance + 1e-16  # the variances of ReLU units are linear: no drift at all
        scores = (value - expected) / np.sqrt(variance)
        assert np.max(np.abs(scores)) < SIGMAS, (name, scores)
        # Twins: the first layer's units alone, and no drift of the mean, are told apart.
        twin = 0.5 * expected
        assert np.max(np.abs((value - twin) / np.sqrt(variance))) > 2 * SIGMAS, name
