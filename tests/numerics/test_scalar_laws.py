"""Quantiles of one-dimensional laws at standard normals, against scipy."""

import jax
import numpy as np
import numpyro.distributions as laws
import pytest
import scipy.stats

from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.scalar_laws import quantile

NORMALS = np.r_[np.linspace(-7.9, 7.9, 400), [-1e-3, 1e-3], np.linspace(-1.01, 1.01, 57)]


def by_scipy(law, normals):
    """By the tail that is the smaller one, so that none is lost in 1 − p."""
    tails = scipy.stats.norm.sf(np.abs(normals))
    return np.where(normals < 0, law.ppf(tails), law.isf(tails))


@pytest.mark.first
@pytest.mark.parametrize("df", [0.4, 1.0, 2.5, 5.0, 40.0, 1e4])
@in_double_precision
def test_student_t_on_both_sides(df):
    found = np.asarray(jax.jit(lambda df, g: quantile(laws.StudentT(df, 0.3, 2.0), g))(df, NORMALS))
    expected = by_scipy(scipy.stats.t(df), NORMALS)
    np.testing.assert_allclose((found - 0.3) / 2.0, expected, rtol=1e-10, atol=1e-14)
    assert np.asarray(quantile(laws.StudentT(df), np.zeros(1)))[0] == 0


@pytest.mark.slow
@in_double_precision
def test_slopes_of_student_t():
    def at(normal):
        return quantile(laws.StudentT(3.0), normal)

    for normal in (-2.0, 0.4, 3.0):
        step = 1e-5
        slope = (at(np.array(normal + step)) - at(np.array(normal - step))) / (2 * step)
        assert float(jax.grad(at)(normal)) == pytest.approx(float(slope), rel=1e-6)


@pytest.mark.each(2)
@pytest.mark.parametrize(
    ("law", "other"),
    [
        (laws.Laplace(), scipy.stats.laplace()),
        (laws.HalfNormal(1.5), scipy.stats.halfnorm(scale=1.5)),
        (laws.InverseGamma(3.0, 2.0), scipy.stats.invgamma(3, scale=2)),
        (laws.Uniform(-1.0, 2.0), scipy.stats.uniform(-1, 3)),
    ],
)
@in_double_precision
def test_other_laws_by_their_cdf(law, other):
    """In the upper tail what is left of 1 − p."""
    normals = NORMALS[np.abs(NORMALS) < 5]
    found = np.asarray(quantile(law, normals))
    np.testing.assert_allclose(found, by_scipy(other, normals), rtol=1e-9, atol=1e-11)
