"""Spectra and learning curves: against Gegenbauer integrals, and against known eigenvalues.

Fixed seeds; tolerances are a few times the scatter over seeds.
"""

import itertools

import jax
import numpy as np
import pytest
from scipy import special
from scipy.optimize import brentq

import bnnpost
from bnnpost.theories.kernel_spectrum import KernelSpectrum, kernel_spectrum
from tests.theories.known_curves import known_curve

NUM_FEATURES, ALPHA, NOISE_VAR = 2000, 0.7, 0.02
EIGENVALUES = np.arange(1.0, NUM_FEATURES + 1) ** -(1 + ALPHA)


def gaussian_pool(seed, num_points, num_targets):
    """A Gram matrix of independent normal features with these eigenvalues, and draws from it."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((num_points, NUM_FEATURES)) * np.sqrt(EIGENVALUES)
    return features @ features.T, features @ rng.standard_normal((NUM_FEATURES, num_targets))


def test_a_pool_says_what_known_eigenvalues_say():
    kernel, targets = gaussian_pool(0, 600, 200)
    sizes = [20, 100, 300, 500]
    found = kernel_spectrum(kernel, targets).learning_curve(sizes, NOISE_VAR) / 200
    expected = [known_curve(EIGENVALUES, size, EIGENVALUES, NOISE_VAR) for size in sizes]
    np.testing.assert_allclose(found, expected, rtol=0.04)


def test_a_pools_own_eigenvalues_in_their_place_are_told_apart():
    # What the correction is for: at half the pool the equation with those of K/n is far too low.
    kernel, targets = gaussian_pool(0, 600, 200)
    spectrum = kernel_spectrum(kernel, targets)

    def excess(log_kappa):
        kappa = np.exp(log_kappa)
        return np.sum(spectrum.eigenvalues / (spectrum.eigenvalues + kappa)) - 300

    kappa = np.exp(brentq(excess, -30, 10))
    learned = spectrum.eigenvalues / (spectrum.eigenvalues + kappa)
    naive = np.sum((1 - learned) ** 2 * spectrum.power / 600) / (1 - np.sum(learned**2) / 300)
    assert naive < 0.9 * 200 * known_curve(EIGENVALUES, 300, EIGENVALUES, 0.0)
    corrected = spectrum.learning_curve([300], 1e-9)[0]
    assert corrected == pytest.approx(
        200 * known_curve(EIGENVALUES, 300, EIGENVALUES, 0.0), rel=0.04
    )


def test_noise_of_targets_is_in_the_curve():
    kernel, targets = gaussian_pool(1, 600, 200)
    noise = np.sqrt(NOISE_VAR) * np.random.default_rng(2).standard_normal(targets.shape)
    found = kernel_spectrum(kernel, targets + noise).learning_curve([200], NOISE_VAR)[0] / 200
    expected = known_curve(EIGENVALUES, 200, EIGENVALUES, NOISE_VAR, NOISE_VAR)
    assert found == pytest.approx(expected, rel=0.04)
    assert known_curve(EIGENVALUES, 200, EIGENVALUES, NOISE_VAR) < 0.7 * expected


def test_of_the_whole_pool_it_is_generalised_cross_validation():
    kernel, targets = gaussian_pool(3, 50, 2)
    residual = NOISE_VAR * np.linalg.inv(kernel + NOISE_VAR * np.eye(50))
    expected = np.mean(np.sum((residual @ targets) ** 2, axis=1)) / (np.trace(residual) / 50) ** 2
    found = kernel_spectrum(kernel, targets).learning_curve([50], NOISE_VAR)
    np.testing.assert_allclose(found, [expected], rtol=1e-8)


def gegenbauer(kernel_of, num_features, degrees):
    """Eigenvalues of kernel_of(cos θ) on the unit sphere: averages with normalised polynomials."""
    nodes, weights = special.roots_legendre(400)  # exact to rounding: smooth in θ
    theta = np.pi * (nodes + 1) / 2
    measure = weights * np.sin(theta) ** (num_features - 2)
    values, order = kernel_of(np.cos(theta)), num_features / 2 - 1
    found = []
    for k in degrees:
        polynomial = special.eval_gegenbauer(k, order, np.cos(theta))
        polynomial /= special.eval_gegenbauer(k, order, 1.0)
        found.append(np.sum(measure * values * polynomial) / measure.sum())
    return np.array(found)


def multiplicity(k, num_features):
    d = num_features
    return round(special.binom(k + d - 1, k) - (special.binom(k + d - 3, k - 2) if k > 1 else 0))


def arc_cosine(t, b_var=0.0):
    """The kernel of one ReLU layer with w_std √2, on the sphere of radius √d (Cho, Saul 2009)."""
    scale = 2 + b_var
    cosine = np.clip((2 * t + b_var) / scale, -1, 1)
    angle = np.arccos(cosine)
    return b_var + 2 * scale * (np.sqrt(1 - cosine**2) + (np.pi - angle) * cosine) / (2 * np.pi)


def relu_step(t):
    """The part of its tangent kernel that the first layer's weights give: E φ′φ′ ⟨x, x′⟩."""
    return t * (np.pi - np.arccos(np.clip(t, -1, 1))) / (2 * np.pi)


@pytest.mark.parametrize("num_features", [3, 4, 6])
@pytest.mark.parametrize(("kernel", "power"), [(arc_cosine, 2), (relu_step, 0)])
def test_degrees_decay_as_derived(kernel, power, num_features):
    # A kernel with (1 − t)^s at t = 1: k^−(d−1+2s), s = 3/2 for ReLU, 1/2 for its tangents. Without
    # a bias odd degrees vanish beyond the first.
    assert np.abs(gegenbauer(kernel, num_features, [9])[0]) < 1e-13
    degrees = np.array([24, 48])
    found = gegenbauer(kernel, num_features, degrees)
    # They depend on k by (k + d/2 − 1)², up to the next order.
    slope = np.diff(np.log(np.abs(found))) / np.diff(np.log(degrees + num_features / 2 - 1))
    assert slope == pytest.approx(-(num_features + power), abs=0.1)


@pytest.mark.parametrize("num_features", [3, 4])
def test_the_order_of_all_eigenvalues_has_the_derived_exponent(num_features):
    degrees = np.arange(20, 81, 2)
    values = gegenbauer(arc_cosine, num_features, degrees)
    rank = np.cumsum([multiplicity(k, num_features) for k in range(0, 81, 2)])[10:]
    slope = np.polyfit(np.log(rank), np.log(values), 1)[0]
    assert -slope - 1 == pytest.approx(3 / (num_features - 1), abs=0.08)


def test_a_pool_on_the_sphere_has_the_eigenvalues_of_the_integrals():
    d, b_std = 4, 0.3
    x = bnnpost.datasets.sphere_teacher(1200, num_features=d).x
    network = bnnpost.mlp(width=1, depth=1, activation="relu", w_std=2**0.5, b_std=b_std)
    with jax.enable_x64(True):
        kernel = np.asarray(bnnpost.nngp(network, x))
    found = kernel_spectrum(kernel, np.zeros((len(x), 1))).eigenvalues
    exact = gegenbauer(lambda t: arc_cosine(t, b_std**2), d, range(8))
    # With a small bias odd degrees are there, and below even ones that come after them.
    order = np.argsort(-exact)
    ends = np.cumsum([0, *(multiplicity(k, d) for k in order)])
    means = [found[a:b].mean() for a, b in itertools.pairwise(ends)]
    np.testing.assert_allclose(means[:4], exact[order][:4], rtol=0.1)
    # The trace, which no eigenvalue escapes.
    assert np.sum(found) == pytest.approx(arc_cosine(np.array(1.0), b_std**2), rel=1e-10)


def test_a_power_law_is_found_exactly():
    spectrum = KernelSpectrum(3.0 * np.arange(1.0, 201) ** -1.8, np.ones(200))
    assert spectrum.exponent(10, 150) == pytest.approx((0.8, 3.0))


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ((10, 15), "2.5 times as far"),
        ((0, 50), "from eigenvalue 1"),
        ((10, 300), "give more points"),
    ],
)
def test_a_tail_that_the_spectrum_does_not_have(window, said):
    spectrum = KernelSpectrum(np.arange(1.0, 201) ** -1.8, np.ones(200))
    with pytest.raises(ValueError, match=said):
        spectrum.exponent(*window)


@pytest.mark.slow
def test_a_tail_of_rounding_is_none():
    values = np.where(np.arange(200) < 30, 1.0, 1e-17)
    with pytest.raises(ValueError, match="30 eigenvalues are more than rounding"):
        KernelSpectrum(values, np.ones(200)).exponent(10, 100)
