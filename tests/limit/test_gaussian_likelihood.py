"""The Gaussian likelihood against scipy, and its bounds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from bnnpost.likelihoods import Gaussian
from bnnpost.numerics.gp import Sites, log_density

RNG = np.random.default_rng(0)
OUTPUTS, TARGETS = RNG.normal(size=(5, 2)), RNG.normal(size=(5, 2))
NOISE_STD = 0.7


def log_prob(outputs, targets, noise_std=NOISE_STD):
    with jax.enable_x64(True):
        return np.asarray(
            Gaussian(noise_std=noise_std).log_prob(jnp.asarray(outputs), jnp.asarray(targets))
        )


@jax.jit
def collapsed_log_prob(kernel):
    return log_density(kernel, Sites(jnp.asarray(TARGETS), jnp.full((5, 1), NOISE_STD**2)))


def random_kernel(rng, size=5):
    factor = rng.normal(size=(size, size)) * rng.exponential(2.0)
    return factor @ factor.T / size


@pytest.mark.parametrize("noise_std", [0.01, 0.7, 30.0])
@pytest.mark.parametrize("num_outputs", [1, 2])
def test_log_prob_is_scipys(noise_std, num_outputs):
    f, y = OUTPUTS[:, :num_outputs], TARGETS[:, :num_outputs]
    found = log_prob(f, y, noise_std)
    assert found.shape == ()
    assert np.isclose(found, stats.norm(f, noise_std).logpdf(y).sum(), rtol=1e-13)


def test_noise_var_is_the_square_of_the_std():
    assert float(Gaussian(noise_std=0.3).noise_var) == pytest.approx(0.09, rel=1e-15)


def test_bound_is_reached_where_outputs_are_the_targets():
    bound = Gaussian(noise_std=NOISE_STD).log_bound(TARGETS)
    assert np.isclose(log_prob(TARGETS, TARGETS), bound, rtol=1e-14)
    assert log_prob(OUTPUTS, TARGETS) < bound


def test_collapsed_log_prob_is_scipys():
    kernel = random_kernel(RNG)
    law = stats.multivariate_normal(cov=kernel + NOISE_STD**2 * np.eye(5))
    with jax.enable_x64(True):
        found = collapsed_log_prob(kernel)
    assert np.isclose(found, law.logpdf(TARGETS.T).sum(), rtol=1e-12)


@pytest.mark.parametrize("bias_var", [0.0, 0.5])
def test_collapsed_bound_holds_and_is_reached(bias_var):
    bound = Gaussian(noise_std=NOISE_STD).collapsed_log_bound(TARGETS, bias_var)
    rng = np.random.default_rng(1)
    with jax.enable_x64(True):
        tried = [float(collapsed_log_prob(random_kernel(rng) + bias_var)) for _ in range(200)]
    assert max(tried) < bound
    # The best kernel: in coordinates whitened by S₀ it has eigenvalues max(s, 1) − 1.
    factor = np.linalg.cholesky(NOISE_STD**2 * np.eye(5) + bias_var)
    whitened = np.linalg.solve(factor, TARGETS)
    values, vectors = np.linalg.eigh(whitened @ whitened.T / 2)
    gain = vectors @ np.diag(np.maximum(values, 1) - 1) @ vectors.T
    best = factor @ gain @ factor.T + bias_var
    with jax.enable_x64(True):
        reached = collapsed_log_prob(best)
    assert np.isclose(reached, bound, rtol=1e-12)


def test_sampled_noise_has_its_std():
    # 20,000 numbers, Kolmogorov–Smirnov at 1e-5; fixed seed.
    with jax.enable_x64(True):
        outputs = jnp.full((10_000, 2), 3.0)
        drawn = Gaussian(noise_std=NOISE_STD).sample(jax.random.key(0), outputs)
    residual = np.ravel(drawn) - 3
    assert stats.kstest(residual / NOISE_STD, "norm").pvalue > 1e-5
    assert stats.kstest(residual / NOISE_STD**2, "norm").pvalue < 1e-5


@pytest.mark.parametrize("bad", [0.0, 0, -0.3, np.nan, np.inf])
def test_noise_that_is_not_positive_and_finite_is_refused(bad):
    with pytest.raises(ValueError, match="expected noise_std to be positive and finite"):
        Gaussian(noise_std=bad)


def test_noise_is_a_leaf():
    leaves, structure = jax.tree.flatten(Gaussian(noise_std=0.3))
    assert [float(leaf) for leaf in leaves] == [0.3]
    assert structure == jax.tree.structure(Gaussian(noise_std=0.9))


def test_gradient_with_respect_to_the_noise():
    # d/dσ Σ log N(y; f, σ²) = Σ (r²/σ³ − 1/σ).
    with jax.enable_x64(True):
        found = jax.grad(
            lambda std: Gaussian(noise_std=std).log_prob(jnp.asarray(OUTPUTS), jnp.asarray(TARGETS))
        )(NOISE_STD)
    residual = TARGETS - OUTPUTS
    expected = np.sum(residual**2) / NOISE_STD**3 - residual.size / NOISE_STD
    assert np.isclose(found, expected, rtol=1e-12)
