"""limit(posterior) against posteriors that were computed without bnnpost."""

import jax
import numpy as np
import pytest
from scipy import stats

import bnnpost
from bnnpost import Posterior
from bnnpost.likelihoods import Gaussian
from bnnpost.spaces import gaussian_law
from tests.reference import cases

TOLERANCE = 1e-9
POSTERIORS = cases.posteriors()
every_posterior = pytest.mark.parametrize(
    "entry", POSTERIORS, ids=[f"{e['case']}-s2_{e['noise_variance']}" for e in POSTERIORS]
)


def limit_of(entry, factor=1.0):
    network = bnnpost.from_spec(cases.layers(entry["group"], entry["case"]))
    likelihood = Gaussian(noise_std=factor * np.sqrt(entry["noise_variance"]))
    return bnnpost.limit(Posterior(network, likelihood, cases.inputs()["x1"], cases.inputs()["y"]))


def relative_error(found, expected):
    return np.max(np.abs(found - expected)) / np.max(np.abs(expected))


@every_posterior
def test_mean_covariance_and_evidence(entry):
    mean, covariance = cases.posterior_values(entry)
    x2 = cases.inputs()["x2"]
    limit = limit_of(entry)
    found_mean, found_covariance = limit.mean(x2), limit.covariance(x2)
    assert found_mean.dtype == found_covariance.dtype == np.float64
    assert relative_error(found_mean, mean) < TOLERANCE
    assert relative_error(found_covariance, covariance) < TOLERANCE
    assert abs(limit.log_evidence - entry["nngp_log_marginal_likelihood"]) < TOLERANCE


def test_a_mean_does_not_depend_on_how_many_inputs_are_taken_at_once(monkeypatch):
    limit, x2 = limit_of(POSTERIORS[0]), cases.inputs()["x2"]
    monkeypatch.setattr(gaussian_law, "_AT_ONCE", 2)
    assert len(x2) > 2
    assert relative_error(limit.mean(x2), cases.posterior_values(POSTERIORS[0])[0]) < TOLERANCE


def test_results_do_not_depend_on_the_x64_flag():
    x2, results = cases.inputs()["x2"], []
    for double in (False, True):
        with jax.enable_x64(double):
            limit = limit_of(POSTERIORS[0])
            results.append((limit.log_evidence, limit.mean(x2)))
    for off, on in zip(*results, strict=True):
        assert np.array_equal(off, on)


def test_noise_std_off_by_one_part_in_a_million_is_seen():
    entry = POSTERIORS[0]
    limit = limit_of(entry, factor=1 + 1e-6)
    mean, _ = cases.posterior_values(entry)
    assert relative_error(limit.mean(cases.inputs()["x2"]), mean) > TOLERANCE
    assert abs(limit.log_evidence - entry["nngp_log_marginal_likelihood"]) > TOLERANCE


def test_several_outputs_are_independent():
    # One posterior with two outputs is two posteriors of one output with one covariance.
    rng = np.random.default_rng(0)
    x, y, x_test = rng.normal(size=(5, 2)), rng.normal(size=(5, 2)), rng.normal(size=(4, 2))
    likelihood = Gaussian(noise_std=0.4)
    joint = bnnpost.limit(Posterior(bnnpost.mlp(num_outputs=2), likelihood, x, y))
    single = [bnnpost.limit(Posterior(bnnpost.mlp(), likelihood, x, y[:, j])) for j in range(2)]
    means = np.concatenate([one.mean(x_test) for one in single], axis=1)
    assert means.shape == (4, 2)
    assert np.allclose(joint.mean(x_test), means, rtol=1e-12)
    assert np.allclose(joint.covariance(x_test), single[1].covariance(x_test), rtol=1e-12)
    assert np.isclose(joint.log_evidence, sum(one.log_evidence for one in single), rtol=1e-12)


def test_evidence_is_a_gaussian_density():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, 2)), rng.normal(size=6)
    network = bnnpost.mlp(activation="relu", w_std=1.4, b_std=0.2)
    with jax.enable_x64(True):
        kernel = np.asarray(bnnpost.nngp(network, x))
    expected = stats.multivariate_normal(cov=kernel + 0.3**2 * np.eye(6)).logpdf(y)
    found = bnnpost.limit(Posterior(network, Gaussian(noise_std=0.3), x, y)).log_evidence
    assert isinstance(found, float)
    assert np.isclose(found, expected, rtol=1e-11)


def test_duplicate_inputs_share_what_they_learn():
    # Two observations at one input are one of their mean with half the noise variance.
    x, network = np.array([[0.5, -1.0], [1.0, 2.0]]), bnnpost.mlp()
    twice = Posterior(network, Gaussian(noise_std=0.2), np.repeat(x, 2, axis=0), [1.0, 0.6, -1, -2])
    once = Posterior(network, Gaussian(noise_std=0.2 / np.sqrt(2)), x, [0.8, -1.5])
    x_test = np.array([[0.5, -1.0], [0.3, 0.1]])
    first, second = bnnpost.limit(twice), bnnpost.limit(once)
    assert np.allclose(first.mean(x_test), second.mean(x_test), rtol=1e-10)
    assert np.allclose(first.covariance(x_test), second.covariance(x_test), rtol=1e-9)
