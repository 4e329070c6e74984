"""The mean of the product of four signs, against orthants that are known and scipy's."""

import itertools

import numpy as np
import pytest
import scipy.stats

from bnnpost.numerics.signs import expect_four_signs

RNG = np.random.default_rng(2)


def correlations(count, columns=6):
    """Of four random combinations of as many normals."""
    factors = RNG.standard_normal((count, 4, columns))
    factors /= np.linalg.norm(factors, axis=2, keepdims=True)
    return factors @ np.swapaxes(factors, 1, 2)


def test_equal_correlations_of_a_half():
    """All four are positive with probability 1/5: 16/5 = 1 + 6 · (2/π) arcsin ½ + E s₁s₂s₃s₄."""
    found = expect_four_signs(0.5 * (np.eye(4) + np.ones((4, 4)))[None])
    np.testing.assert_allclose(found, 0.2, atol=1e-15)


def test_two_independent_pairs():
    of = np.eye(4)
    of[0, 1] = of[1, 0] = 0.7
    of[2, 3] = of[3, 2] = -0.4
    expected = (2 / np.pi) ** 2 * np.arcsin(0.7) * np.arcsin(-0.4)
    np.testing.assert_allclose(expect_four_signs(of[None]), expected, atol=1e-15)


def test_against_orthants():
    of = correlations(5)
    found = expect_four_signs(of)
    for one, mean in zip(of, found, strict=True):
        law = scipy.stats.multivariate_normal(cov=one, maxpts=4_000_000, abseps=1e-7)
        pairs = sum(np.arcsin(one[i, j]) for i, j in itertools.combinations(range(4), 2))
        assert abs(16 * law.cdf(np.zeros(4)) - 1 - 2 / np.pi * pairs - mean) < 2e-5


def test_the_order_does_not_matter():
    of = correlations(50, columns=8)
    found = expect_four_signs(of)
    for order in itertools.permutations(range(4)):
        np.testing.assert_allclose(expect_four_signs(of[:, order][:, :, order]), found, atol=1e-9)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_variables_that_are_one_or_opposites(sign):
    of = correlations(3)
    of[:, 3] = sign * of[:, 1]
    of[:, :, 3] = sign * of[:, :, 1]
    of[:, 3, 3] = 1.0
    expected = sign * 2 / np.pi * np.arcsin(of[:, 0, 2])
    np.testing.assert_allclose(expect_four_signs(of), expected, atol=1e-15)


def test_none():
    assert expect_four_signs(np.empty((0, 4, 4))).shape == (0,)
