"""Priors and scales in layer lists and in files: what is written comes back."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

import bnnpost
from bnnpost import Dense, Fixed, WeightPrior, per_input
from bnnpost.likelihoods import Gaussian

WEIGHTS = dist.Categorical(probs=np.array([0.3, 0.7]))
MIXTURE = dist.MixtureSameFamily(WEIGHTS, dist.Normal(np.zeros(2), np.array([2.0, 0.5])))
LAYERS = {
    "laws": Dense(2, b_std=0.2, prior=dist.Laplace(0.1, 1.0), bias_prior=dist.Uniform(-1.0, 2.0)),
    "fixed": Dense(2, prior=Fixed(np.ones((3, 2))), b_std=0.3, bias_prior=Fixed(0.7)),
    "mixture": Dense(2, prior=MIXTURE),
    "general mixture": Dense(
        2, prior=dist.MixtureGeneral(WEIGHTS, [dist.Normal(0.0, 1.0), dist.StudentT(3.0)])
    ),
    "scales": Dense(2, w_var=dist.InverseGamma(3.0, 2.0), b_std=dist.HalfNormal(0.5)),
    "scale of each input": Dense(2, w_std=per_input(dist.HalfCauchy(1.0))),
}


def drawn(layer):
    return jax.tree.leaves(layer.draw(jax.random.key(0), 3))


SLOW = ("mixture", "general mixture", "scales")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in LAYERS]
)
def test_a_layer_goes_round_through_json(name):
    spec = json.loads(json.dumps(bnnpost.to_spec(LAYERS[name])))
    again = bnnpost.from_spec(spec)
    assert bnnpost.to_spec(again) == spec
    for one, other in zip(drawn(LAYERS[name]), drawn(again.layers[0]), strict=True):
        assert np.array_equal(one, other)


def test_words_of_a_record():
    (spec,) = bnnpost.to_spec(LAYERS["scale of each input"])
    law = {"law": "HalfCauchy", "parameters": {"scale": 1.0}, "per": "input"}
    assert spec == {"type": "Dense", "width": 2, "w_std": law}
    (spec,) = bnnpost.to_spec(LAYERS["fixed"])
    assert spec["bias_prior"] == {"fixed": 0.7}


class Own(WeightPrior):
    """A prior of the user's."""

    def sample(self, key, shape, dtype):
        return jax.random.normal(key, shape, dtype)

    def log_prob(self, values):
        return jnp.zeros(())


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (Dense(2, prior=Own()), "Own"),
        (Dense(2, prior=dist.TruncatedNormal(0.0, 1.0, low=-1.0, high=1.0)), "TwoSided"),
    ],
)
def test_priors_that_are_code_are_not_written(layer, name):
    with pytest.raises(ValueError, match=rf"layer 0 \(Dense\) cannot be written as data: {name}"):
        bnnpost.to_spec(layer)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prior": {"law": "os", "parameters": {}}}, "expected a law of numpyro.distributions"),
        (
            {"prior": {"law": "Laplace", "parameters": {"size": 1.0}}},
            "the numbers of a law Laplace",
        ),
        ({"prior": {"law": "Laplace"}}, "the numbers of a law Laplace"),
        ({"W_std": {"law": "HalfNormal", "parameters": {}, "per": "unit"}}, "expected per to be"),
        ({"W_std": 1.0, "w_var": {"law": "HalfNormal", "parameters": {}}}, "either w_std or w_var"),
        ({"priors": 1.0}, "did you mean prior"),
    ],
)
def test_other_records_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        bnnpost.from_spec([{"type": "Dense", **options}])


@pytest.mark.slow
def test_draws_come_back_from_a_file(tmp_path):
    network = Dense(
        1, w_std=per_input(dist.HalfNormal(1.0)), b_std=dist.HalfNormal(0.5), prior=MIXTURE
    )
    x = np.array([[0.8], [-0.5]])
    posterior = bnnpost.Posterior(network, Gaussian(noise_std=0.5), x, [0.3, -0.2])
    draws = bnnpost.prior.sample(jax.random.key(0), posterior, num_samples=20)
    draws.save(tmp_path / "draws.nc")
    again = bnnpost.load(tmp_path / "draws.nc")
    assert np.array_equal(again.predict(x), draws.predict(x))


def test_draws_of_a_prior_that_is_code_need_the_posterior(tmp_path):
    posterior = bnnpost.Posterior(
        Dense(1, prior=Own()), Gaussian(noise_std=0.5), np.ones((1, 1)), [0.3]
    )
    bnnpost.prior.sample(jax.random.key(0), posterior, num_samples=5).save(tmp_path / "draws.nc")
    with pytest.raises(ValueError, match=r"Own is a prior.*pass load\(…, posterior=…\)"):
        bnnpost.load(tmp_path / "draws.nc")
    assert len(bnnpost.load(tmp_path / "draws.nc", posterior=posterior)) == 5
