"""The limit with random scales: closed forms, sums in numpy, and wide prior networks."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import scipy.special
import scipy.stats

import bnnpost
from bnnpost import Activation, Dense, Posterior, Serial, per_input
from bnnpost.likelihoods import Gaussian, StudentT
from tests.samplers import checks

X, Y = np.array([[0.5, -0.2], [-1.0, 0.4], [0.3, 0.9]]), np.array([0.4, -0.6, 0.2])
X_TEST = np.array([[0.1, 0.3], [1.5, -1.0]])
NOISE = 0.3


def network(first=None, readout=None, activation="erf"):
    hidden = Dense(4, **{"w_std": 1.5, "b_std": 0.3} | (first or {}))
    return Serial([hidden, Activation(activation), Dense(1, **(readout or {}))])


STUDENT = network(readout={"w_var": dist.InverseGamma(3.0, 2.0)})
# Of these the scales are summed over in numpy, with the kernel for each by `nngp`.
ONE = {
    "readout variance": (STUDENT, scipy.stats.invgamma(3, scale=2), "readout", np.sqrt),
    "hidden std": (
        network({"w_std": dist.HalfNormal(1.2)}),
        scipy.stats.halfnorm(scale=1.2),
        "first",
        lambda v: v,
    ),
}


def posterior(net, noise=NOISE, likelihood=None):
    return Posterior(net, likelihood or Gaussian(noise_std=noise), X, Y)


def kernel(net, x):
    with jax.enable_x64(True):
        return np.asarray(bnnpost.nngp(net, x))


def summed(name):
    """log evidence, mean and covariance at X_TEST, by the midpoint rule in the law's levels."""
    _, law, where, std = ONE[name]
    levels = (np.arange(200) + 0.5) / 200
    # Levels are dense in the bulk; x ↦ 3x² − 2x³ makes them denser in both tails.
    masses = 6 * levels * (1 - levels) / 200
    values = std(law.ppf(3 * levels**2 - 2 * levels**3))
    logs, means, seconds = [], [], []
    for value in values:
        k = kernel(network(**{where: {"w_std": value}}), np.concatenate([X, X_TEST]))
        noisy = k[:3, :3] + NOISE**2 * np.eye(3)
        logs.append(scipy.stats.multivariate_normal(cov=noisy).logpdf(Y))
        solved = np.linalg.solve(noisy, k[:3, 3:])
        means.append(solved.T @ Y)
        seconds.append(k[3:, 3:] - solved.T @ k[:3, 3:] + np.outer(means[-1], means[-1]))
    weights = masses * np.exp(logs)
    evidence, weights = weights.sum(), weights / weights.sum()
    mean = weights @ means
    return np.log(evidence), mean, np.tensordot(weights, seconds, 1) - np.outer(mean, mean)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["hidden std", pytest.param("readout variance", marks=pytest.mark.slow)]
)
def test_one_scale_is_summed_over_without_a_key(name):
    found = bnnpost.limit(posterior(ONE[name][0]))
    log_evidence, mean, covariance = summed(name)
    assert found.log_evidence == pytest.approx(log_evidence, abs=2e-4)
    assert (found.log_evidence_se, found.effective_sample_size) == (0.0, np.inf)
    assert np.allclose(found.mean(X_TEST)[:, 0], mean, atol=2e-4)
    assert np.allclose(found.covariance(X_TEST), covariance, atol=2e-3)


@pytest.mark.slow
def test_inverse_gamma_readout_is_a_student_t_process():
    plain = kernel(network(), X)
    known = scipy.stats.multivariate_t(shape=plain * 2 / 3, df=6).logpdf(Y)
    # Noise so small that it is nearly none.
    found = bnnpost.limit(posterior(STUDENT, noise=1e-4)).log_evidence
    assert found == pytest.approx(known, abs=1e-4)
    normal = scipy.stats.multivariate_normal(cov=plain).logpdf(Y)
    assert abs(normal - known) > 0.1


@pytest.mark.slow
def test_draws_of_a_student_t_process():
    # Almost no data: f at a point without noise is Student-t with 6 degrees of freedom.
    net = network({"b_std": None}, {"w_var": dist.InverseGamma(3.0, 2.0)})
    one = Posterior(net, Gaussian(noise_std=100.0), X[:1], [0.0])
    found = bnnpost.limit(one)
    values = found.sample(jax.random.key(1), X_TEST, num_samples=20_000)[:, 1, 0]
    variance = kernel(network({"b_std": None}), X_TEST)[1, 1]
    law = scipy.stats.t(6, scale=np.sqrt(variance * 2 / 3))
    assert abs(checks.uniform_z(law.cdf(values))) < checks.LIMIT
    gaussian = scipy.stats.norm(scale=values.std())
    assert abs(checks.uniform_z(gaussian.cdf(values))) > 4


SAMPLED = {
    "two scales": network({"w_std": dist.HalfNormal(1.5)}, {"w_std": dist.HalfNormal(1.0)}),
    "scale of each input": network({"w_std": per_input(dist.HalfNormal(1.5))}),
}


def scales(name, rng, count):
    """w_std of the first layer's two inputs and of the readout, from their prior in numpy."""
    halves = np.abs(rng.standard_normal((count, 3))) * np.array([1.5, 1.5, 1.0])
    if name == "two scales":
        halves[:, 1] = halves[:, 0]
    else:
        halves[:, 2] = 1.0
    return halves


def erf_kernel(first, readout, x):
    """Of one hidden layer, in numpy."""
    k = np.einsum("id,jd,sd->sij", x, x, first**2) / 2 + 0.3**2
    spread = 1 + 2 * np.einsum("sii->si", k)
    ratio = 2 * k / np.sqrt(spread[:, :, None] * spread[:, None, :])
    return readout[:, None, None] ** 2 * 2 / np.pi * np.arcsin(ratio)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["scale of each input", pytest.param("two scales", marks=pytest.mark.slow)]
)
def test_scales_are_drawn_with_the_process(name):
    found = bnnpost.limit(posterior(SAMPLED[name]), key=jax.random.key(0), num_proposals=2**12)
    halves = scales(name, np.random.default_rng(0), 2**15)
    kernels = erf_kernel(halves[:, :2], halves[:, 2], np.concatenate([X, X_TEST]))
    noisy = kernels[:, :3, :3] + NOISE**2 * np.eye(3)
    solved = np.linalg.solve(noisy, np.broadcast_to(Y[:, None], (len(noisy), 3, 1)))[..., 0]
    weights = np.exp(-0.5 * (solved @ Y + np.linalg.slogdet(2 * np.pi * noisy)[1]))
    error = weights.std() / weights.mean() / np.sqrt(len(weights))
    assert abs(checks.evidence_z(found, np.log(weights.mean()), error)) < checks.LIMIT
    means = np.einsum("sij,sj->si", kernels[:, 3:, :3], solved)
    share = weights / weights.sum()
    mean = share @ means
    spread = np.sqrt(share**2 @ (means - mean) ** 2)
    own = np.sqrt(len(weights) / 2**12) * spread
    surprise = (found.mean(X_TEST)[:, 0] - mean) / np.hypot(spread, own)
    assert checks.worst(surprise) < checks.LIMIT
    with pytest.raises(TypeError, match=r"under random w_std of linear layer 0.*pass limit"):
        bnnpost.limit(posterior(SAMPLED[name]))


@pytest.mark.slow
def test_other_likelihoods_draw_scales_too():
    likelihood = StudentT(df=5, noise_std=NOISE)
    found = bnnpost.limit(posterior(STUDENT, likelihood=likelihood), key=jax.random.key(0))
    rng = np.random.default_rng(0)
    factor = np.linalg.cholesky(kernel(network(), X))
    stds = np.sqrt(2.0 / rng.gamma(3.0, size=(2**17, 1)))
    f = stds * rng.standard_normal((2**17, 3)) @ factor.T
    logs = scipy.stats.t(5, scale=NOISE * np.sqrt(3 / 5)).logpdf(Y - f).sum(axis=1)
    weights = np.exp(logs)
    error = weights.std() / weights.mean() / np.sqrt(len(weights))
    assert abs(checks.evidence_z(found, np.log(weights.mean()), error)) < checks.LIMIT
    assert np.all(np.isfinite(found.covariance(X_TEST)))


@pytest.mark.slow
def test_wide_prior_networks_have_the_moments_of_the_mixture():
    net = bnnpost.at_width(network({"w_std": dist.HalfNormal(1.5)}), 1024)
    keys = jax.random.split(jax.random.key(3), 4000)
    x = jnp.asarray(X_TEST)
    f = jax.jit(lambda keys: jax.lax.map(lambda k: net.apply(net.init(k, 2), x)[:, 0], keys))(keys)
    f = np.asarray(f, np.float64)
    # The mixture's second and fourth moments: E_s K and 3 E_s K², with s by the midpoint rule.
    stds = scipy.stats.halfnorm(scale=1.5).ppf((np.arange(4000) + 0.5) / 4000)
    kernels = erf_kernel(np.repeat(stds[:, None], 2, axis=1), np.ones(4000), X_TEST)
    second, fourth = kernels.mean(axis=0), 3 * np.mean(np.einsum("sii->si", kernels) ** 2, axis=0)
    assert checks.worst(checks.mean_z(np.einsum("si,sj->sij", f, f), second)) < checks.LIMIT
    assert checks.worst(checks.mean_z(f**4, fourth)) < checks.LIMIT
    # One process of the same covariance has other fourth moments.
    assert np.min(fourth / (3 * np.diagonal(second) ** 2)) > 1.2
