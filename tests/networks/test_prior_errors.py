"""Priors and scales that cannot be, each refused in a sentence that says what was expected."""

import jax
import numpy as np
import numpyro.distributions as dist
import pytest

import bnnpost
from bnnpost import Activation, Dense, Fixed, Serial, WeightPrior, per_input
from tests.networks.own_layers import Shift

LAPLACE = dist.Laplace(0.0, 1.0)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"prior": dist.Poisson(1.0)}, ValueError, "continuous law, got the discrete Poisson"),
        ({"prior": dist.Laplace(np.zeros(3), 1.0)}, ValueError, r"law of one number.*\(3,\)"),
        ({"prior": dist.MultivariateNormal(np.zeros(2), np.eye(2))}, ValueError, "one number"),
        ({"prior": 0.3}, TypeError, "expected prior to be a law.*got float"),
        ({"prior": dist.Laplace}, TypeError, "got the class Laplace"),
        ({"w_std": dist.HalfNormal}, TypeError, "got the class HalfNormal"),
        ({"bias_prior": "normal"}, TypeError, "expected bias_prior to be a law.*got str"),
        ({"bias_prior": LAPLACE, "b_std": 0.0}, ValueError, "b_std 0 means no bias"),
        ({"w_std": 1.0, "w_var": 2.0}, ValueError, "either w_std or w_var, got both"),
        ({"w_std": dist.Normal(1.0, 0.1)}, ValueError, "positive number for a scale, got Normal"),
        ({"b_std": LAPLACE}, ValueError, "positive number for a scale, got Laplace"),
        ({"w_var": dist.Uniform(-1.0, 1.0)}, ValueError, "positive number for a scale"),
        ({"b_std": per_input(dist.HalfNormal(1.0))}, ValueError, "no input units"),
        ({"w_var": -1.0}, ValueError, "expected w_var to be positive"),
    ],
)
def test_what_cannot_be_a_prior(options, error, message):
    with pytest.raises(error, match=message):
        Dense(4, **options)


def test_fixed_numbers_must_be_finite():
    with pytest.raises(ValueError, match="expected finite fixed parameters"):
        Fixed(np.array([1.0, np.nan]))


def test_fixed_parameters_of_another_shape():
    with pytest.raises(ValueError, match=r"fixed parameters of shape \(3, 4\).*got \(2, 4\)"):
        Dense(4, prior=Fixed(np.ones((2, 4)))).init(jax.random.key(0), 3)


class NoMoments(WeightPrior):
    """A prior of the user's that says nothing of its limit."""

    def sample(self, key, shape, dtype):
        return jax.random.normal(key, shape, dtype)

    def log_prob(self, values):
        return 0.0


def network(hidden=None, first=None, readout=None, activation="erf"):
    act = Activation(activation)
    layers = [Dense(4, **(first or {})), act, Dense(4, **(hidden or {})), act]
    return Serial([*layers, Dense(1, **(readout or {}))])


TWICE = Dense(4, b_std=1.0, bias_prior=LAPLACE)
LIMITS = [
    (network({"prior": dist.Laplace(0.2, 1.0)}), "linear layer 1: weights of mean 0.2 have no"),
    (network({"prior": dist.Cauchy(0.0, 1.0)}), "layer 1: the variance of weights is (nan|inf)"),
    (network({"prior": dist.StudentT(2.0, 0.0, 1.0)}), "the variance of weights is inf"),
    (network({"prior": Fixed(np.ones((4, 4)))}), "weights fixed to a whole array"),
    (network({"bias_prior": Fixed(np.ones(4))}), "biases fixed to a whole array"),
    (network({"w_std": per_input(dist.HalfCauchy(1.0))}), r"E w_std² is (nan|inf)"),
    (network(readout={"bias_prior": LAPLACE}), "a readout bias with a law of its own"),
    (network(readout={"bias_prior": Fixed(0.5)}), "a readout bias with a law of its own"),
    (network(first={"prior": dist.Cauchy(0.0, 1.0)}, activation="relu"), "E φ² is infinite"),
    (network({"bias_prior": dist.Cauchy(0.0, 1.0)}, activation="relu"), "E φ² is infinite"),
    (
        Serial([Dense(4, b_std=1.0, bias_prior=LAPLACE), Shift(0.5), Dense(1)]),
        "an Activation or a Dense must follow it directly",
    ),
    (Serial([TWICE, Shift(0.5), TWICE, Activation("erf"), Dense(1)]), "must follow it directly"),
    (Serial([TWICE, Activation("erf"), TWICE, Shift(0.5), Dense(1)]), "must follow it directly"),
    (network({"prior": Fixed(0.0)}), "linear layer 1: all of its weights are fixed to 0"),
    (network(readout={"prior": Fixed(0.0)}), "linear layer 2: all of its weights are fixed to 0"),
    (Dense(1, prior=LAPLACE), "the network's only layer is no sum over a growing number"),
    (network({"w_std": dist.HalfNormal(1.0)}), "mixture.*random w_std of linear layer 1; bnnpost"),
    (network(first={"w_std": per_input(dist.HalfNormal(1.0))}), "w_std of linear layer 0"),
]


@pytest.mark.parametrize(("refused", "message"), LIMITS)
def test_networks_without_one_gaussian_limit(refused, message):
    with pytest.raises(ValueError, match=message):
        bnnpost.nngp(refused, np.ones((2, 1)))


def test_a_prior_must_say_its_moments():
    with pytest.raises(NotImplementedError, match="define moments"):
        bnnpost.nngp(network({"prior": NoMoments()}), np.ones((2, 1)))


def test_a_readout_without_bias_takes_no_bias_prior_from_the_hidden_layers():
    readout = bnnpost.mlp(width=3, bias_prior=LAPLACE, readout_b_std=0.0).layers[-1]
    assert not readout.has_bias
