"""Likelihoods in files: what is written comes back, and nothing else is taken for one."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

import bnnpost
from bnnpost import likelihoods
from bnnpost.likelihoods.records import from_record, to_record
from tests.samplers import cases
from tests.samplers.cases import X_TEST
from tests.samplers.likelihood_cases import PROBLEMS, posterior


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_record_is_json_and_comes_back(name):
    likelihood = PROBLEMS[name].likelihood
    record = json.loads(json.dumps(to_record(likelihood)))
    again = from_record(record)
    assert type(again) is type(likelihood)
    assert to_record(again) == record


@pytest.mark.slow
def test_guided_draws_come_back_from_a_file(tmp_path):
    draws = bnnpost.rejection.sample(
        cases.key(0), posterior("softmax"), num_samples=50, bound="capped", cap=-3.0
    )
    draws.save(tmp_path / "draws.nc")
    again = bnnpost.load(tmp_path / "draws.nc")
    np.testing.assert_array_equal(again.log_weights, draws.log_weights)
    np.testing.assert_array_equal(again.predict(X_TEST), draws.predict(X_TEST))


class Own(likelihoods.Poisson):
    """A likelihood of the user's."""


def test_what_is_not_the_librarys_is_not_written():
    with pytest.raises(ValueError, match="Own is not one of bnnpost's likelihoods"):
        to_record(Own())
    truncated = dist.TruncatedNormal(0.0, 1.0, low=0.1)
    with pytest.raises(ValueError, match=r"is not a law from numpyro\.distributions that"):
        to_record(likelihoods.GaussianUnknownNoise(noise_std=truncated))


@pytest.mark.slow
def test_a_mixture_is_written():
    mixed = dist.MixtureSameFamily(
        dist.Categorical(np.array([0.3, 0.7])), dist.Gamma(np.array([1.0, 2.0]), 1.0)
    )
    likelihood = likelihoods.GaussianUnknownNoise(noise_std=mixed)
    record = json.loads(json.dumps(to_record(likelihood)))
    assert to_record(from_record(record)) == record


@pytest.mark.parametrize(
    "record",
    [
        {"type": "Cauchy"},
        {},
        {"type": "GaussianUnknownNoise", "noise_std": {"law": "os", "parameters": {}}},
    ],
)
def test_other_records_are_refused(record):
    with pytest.raises(ValueError, match="expected"):
        from_record(record)


@pytest.mark.slow
def test_noise_std_of_each_draw():
    draws = bnnpost.rejection.sample(
        cases.key(0), posterior("unknown std"), num_samples=500, bound="capped", cap=-2.0
    )
    stds = draws.noise_std()
    assert stds.shape == (500,)
    # Observations are as wide as function values and each draw's own noise together.
    values, observed = draws.predict(X_TEST), draws.predictive(cases.key(1), X_TEST)
    standard = ((observed - values) / stds[:, None, None]).ravel()
    assert abs(standard.std() - 1) < 6 / np.sqrt(2 * standard.size)
    with pytest.raises(ValueError, match="Poisson has no noise_std"):
        bnnpost.rejection.sample(cases.key(0), posterior("poisson"), num_samples=5).noise_std()


class Scaled(likelihoods.Likelihood):
    """Logistic regression on scaled outputs, a likelihood of the user's with terms."""

    scale: float

    def log_terms(self, outputs, targets):
        return jax.nn.log_sigmoid((2 * targets - 1) * self.scale * outputs)

    def log_prob(self, outputs, targets):
        return jnp.sum(self.log_terms(outputs, targets))

    def log_bound(self, targets):
        return 0.0


@pytest.mark.slow
def test_draws_of_another_likelihood_are_not_taken_for_these(tmp_path):
    def own(scale):
        network = posterior("logit").network
        return bnnpost.Posterior(network, Scaled(scale), cases.X, np.array([1, 0, 1]))

    draws = bnnpost.rejection.sample(
        cases.key(0), own(1.0), num_samples=20, bound="capped", cap=-2.0
    )
    draws.save(tmp_path / "draws.nc")
    again = bnnpost.load(tmp_path / "draws.nc", posterior=own(1.0))
    np.testing.assert_array_equal(again.log_weights, draws.log_weights)
    with pytest.raises(ValueError, match="another posterior: the likelihood differs"):
        bnnpost.load(tmp_path / "draws.nc", posterior=own(2.0))
