"""One random scale for several layers: its prior, evidence and limit by plain numpy, its records.

Fixed seeds; 4.5 standard errors.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from numpyro.distributions import Gamma, HalfNormal
from scipy.special import erf, logsumexp

import bnnpost
from bnnpost import networks as nn
from bnnpost.likelihoods import Gaussian
from bnnpost.samplers.kernels import numpyro_sampler
from bnnpost.sweeps import laws
from bnnpost.sweeps.config import ConfigError

KEY = jax.random.key(3)
X, Y, NOISE_STD = np.array([[0.6, -1.0], [1.0, 0.4]]), np.array([2.5, -1.5]), 0.4


def network(scale=None, width=2, depth=2):
    scale = nn.shared_scale(HalfNormal(1.5)) if scale is None else scale
    return bnnpost.mlp(width=width, depth=depth, activation="erf", w_std=scale, b_std=0.0)


def posterior(scale=None, **options):
    return bnnpost.Posterior(network(scale, **options), Gaussian(NOISE_STD), X, Y)


@pytest.mark.slow
def test_layers_have_one_scale_and_the_density_counts_it_once():
    with jax.enable_x64(True):
        parameters = network().init(KEY, 2)
        drawn = [float(layer.w_std) for layer in parameters]
        assert len(set(drawn)) == 1 and len(drawn) == 3
        normals = np.concatenate([np.ravel(layer.weights) for layer in parameters])
        expected = scipy.stats.norm.logpdf(normals).sum()
        expected += scipy.stats.halfnorm.logpdf(drawn[0], scale=1.5)
        assert float(posterior().log_prior(parameters)) == pytest.approx(expected)
        other = parameters[1]._replace(w_std=parameters[1].w_std + 0.1)
        apart = (parameters[0], other, parameters[2])
        assert float(posterior().log_prior(apart)) == -np.inf
    assert network().init(jax.random.key(4), 2)[0].w_std != drawn[0]


def test_draws_of_the_scale_have_its_law():
    keys = jax.random.split(KEY, 4000)
    drawn = jax.vmap(lambda key: network().init(key, 2)[2].w_std)(keys)
    assert scipy.stats.kstest(np.asarray(drawn), scipy.stats.halfnorm(scale=1.5).cdf).pvalue > 1e-5


@pytest.mark.slow
def test_a_vector_of_parameters_has_one_number_for_it():
    of = posterior()
    with jax.enable_x64(True):
        flat = of.flat(KEY)
        assert flat.start.shape == (4 + 4 + 2 + 1,)
        parameters = flat.unravel(flat.start)
        assert len({float(layer.w_std) for layer in parameters}) == 1
        slope = float(flat.log_density(flat.start) - of.log_density(parameters))
        # The scale is the exponential of its coordinate: the slope is its own log, once.
        assert slope == pytest.approx(float(jnp.log(parameters[0].w_std)))
        assert np.isfinite(jax.grad(flat.log_density)(flat.start)).all()


def evidence_by_numpy(shared, num_draws=500_000):
    """Log evidence and standard error by prior draws of weights and scales."""
    rng, logs = np.random.default_rng(0), []
    for _ in range(20):
        n = num_draws // 20
        scales = np.abs(rng.normal(size=(n, 3))) * 1.5
        if shared:
            scales = scales[:, :1].repeat(3, axis=1)
        first, second = rng.normal(size=(n, 2, 2)), rng.normal(size=(n, 2, 2))
        last = rng.normal(size=(n, 2, 1))
        h = erf(scales[:, :1, None] * (X @ first) / 2**0.5)
        h = erf(scales[:, 1:2, None] * (h @ second) / 2**0.5)
        f = (scales[:, 2:3, None] * (h @ last) / 2**0.5)[:, :, 0]
        logs.append(scipy.stats.norm.logpdf(Y, f, NOISE_STD).sum(axis=1))
    means = np.array([logsumexp(one) - np.log(len(one)) for one in logs])
    return logsumexp(means) - np.log(20), np.std(means, ddof=1) / 20**0.5


@pytest.mark.slow
@pytest.mark.parametrize("space", ["functions", pytest.param("weights", marks=pytest.mark.slow)])
def test_the_evidence_is_that_of_plain_numpy(space):
    expected, error = evidence_by_numpy(shared=True)
    draws = bnnpost.rejection.sample(KEY, posterior(), num_samples=300, space=space)
    found, own = draws.info.log_evidence, draws.info.log_evidence_se
    assert abs(found - expected) < 4.5 * np.hypot(error, own)
    # Scales of their own would be another posterior.
    other, other_error = evidence_by_numpy(shared=False)
    assert abs(found - other) > 6 * np.hypot(other_error, own)
    f = draws.predict(X)[:3, :, 0]
    for i in range(3):
        held = draws.parameters(i)
        assert len({float(layer.w_std) for layer in held}) == 1
        np.testing.assert_allclose(network().apply(held, X)[:, 0], f[i], atol=2e-4)


@pytest.mark.slow
def test_the_limit_is_a_mixture_over_one_scale():
    nodes, weights = np.polynomial.legendre.leggauss(400)
    scales = 5.0 * (nodes + 1)
    logs = []
    with jax.enable_x64(True):
        for tau in scales:
            kernel = np.asarray(bnnpost.nngp(network(float(tau)), X))
            noisy = kernel + NOISE_STD**2 * np.eye(2)
            logs.append(scipy.stats.multivariate_normal.logpdf(Y, np.zeros(2), noisy))
    prior = scipy.stats.halfnorm.logpdf(scales, scale=1.5)
    expected = logsumexp(np.array(logs) + prior, b=5.0 * weights)
    assert bnnpost.limit(posterior(), key=KEY).log_evidence == pytest.approx(expected, abs=1e-4)


def test_a_model_of_numpyro_has_one_site_for_it():
    from numpyro import handlers

    drawn = handlers.trace(handlers.seed(numpyro_sampler.describe, KEY))
    sites = drawn.get_trace(posterior(), None)
    named = [name for name, site in sites.items() if site["type"] == "sample"]
    assert named.count("shared.scale_std") == 1
    assert not any("w_std" in name for name in named)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["nuts", "pcn"])
def test_chains_agree_with_exact_draws(method):
    easy = bnnpost.Posterior(network(), Gaussian(1.0), X, Y / 2)
    if method == "nuts":
        chains = bnnpost.hmc.sample(jax.random.key(5), easy, num_samples=1000, target_accept=0.95)
    else:
        chains = bnnpost.pcn.sample(jax.random.key(5), easy, num_samples=20_000)
    exact = bnnpost.rejection.sample(KEY, easy, num_samples=3000)
    report = bnnpost.verify(KEY, chains, exact, X + 0.5)
    assert report.passed, str(report)


def test_records_go_round():
    made = bnnpost.Serial(
        [nn.Dense(3, w_std=nn.shared_scale(Gamma(2.0, 1.0), "tau")), nn.Activation("relu"),
         nn.Dense(1, w_std=nn.shared_scale(Gamma(2.0, 1.0), "tau"), b_std=0.1)]
    )  # fmt: skip
    spec = bnnpost.to_spec(made)
    assert spec[0]["w_std"]["shared"] == "tau"
    assert bnnpost.to_spec(bnnpost.from_spec(spec)) == spec
    assert "shared_scale(Gamma(" in repr(made) and "'tau'" in repr(made)
    for text in ("shared_scale(HalfNormal(1.5), 'tau')", "shared_scale(HalfNormal(1.5))"):
        record = laws.scale("w_std", text)
        assert laws.scale("w_std", laws.text(record)) == record
    assert record["shared"] == "scale"


@pytest.mark.slow
def test_what_cannot_be_shared():
    with pytest.raises(ValueError, match="expected a name"):
        nn.shared_scale(HalfNormal(1.0), "")
    layers = [nn.Dense(3, w_std=nn.shared_scale(HalfNormal(1.0))), nn.Activation("relu")]
    other = bnnpost.Serial([*layers, nn.Dense(1, w_std=nn.shared_scale(HalfNormal(2.0)))])
    with pytest.raises(ValueError, match="expected one law for the scale 'scale'"):
        bnnpost.Posterior(other, Gaussian(0.3), X, Y)
    nearly = bnnpost.Serial([*layers, nn.Dense(1, w_std=nn.shared_scale(HalfNormal(1 + 1e-6)))])
    with pytest.raises(ValueError, match="give others another name"):
        bnnpost.Posterior(nearly, Gaussian(0.3), X, Y)
    same = bnnpost.Serial([*layers, nn.Dense(1, w_std=nn.shared_scale(HalfNormal(1)))])
    bnnpost.Posterior(same, Gaussian(0.3), X, Y)
    for wrong in ("shared_scale(HalfNormal(1), 3)", "shared_scale(HalfNormal(1), 'a', 'b')"):
        with pytest.raises(ConfigError, match="expected a law and a name"):
            laws.scale("w_std", wrong)
    with pytest.raises(ConfigError, match="one law for all observations"):
        laws.noise("noise_std", "shared_scale(HalfNormal(1))")
