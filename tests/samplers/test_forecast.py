"""What a run is forecast to take is what it takes, and the advice follows from it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

import bnnpost
from bnnpost.likelihoods import Likelihood
from bnnpost.samplers.forecast import Option
from bnnpost.spelling import count, duration

pytestmark = pytest.mark.optimised

NOISE = bnnpost.likelihoods.Gaussian(np.sqrt(0.1))
# Standard errors: a right library fails one comparison with probability 7e-6.
LIMIT = 4.5


@pytest.fixture(scope="module")
def posterior():
    x, y, _, _ = bnnpost.datasets.diabetes_problem(4, 3)
    return bnnpost.Posterior(bnnpost.mlp(width=32), NOISE, x, y)


@pytest.fixture(scope="module")
def found(posterior):
    return bnnpost.forecast(jax.random.key(0), posterior, calibrate=("functions",))


def digits(num_points, readout_w_std):
    x, y, _, _ = bnnpost.datasets.digits_problem(num_points)
    network = bnnpost.mlp(
        width=256, activation="relu", w_std=np.sqrt(2), num_outputs=10, readout_w_std=readout_w_std
    )
    return bnnpost.Posterior(network, NOISE, x, y)


def with_likelihood(posterior, likelihood, targets=None):
    targets = posterior.targets if targets is None else targets
    return bnnpost.Posterior(posterior.network, likelihood, posterior.x, targets)


@pytest.mark.slow
def test_a_strict_run_takes_what_was_forecast(posterior, found):
    """1000 acceptances have a relative error of 1/√1000, the pilot's evidence its own."""
    draws = bnnpost.rejection.sample(jax.random.key(8), posterior, num_samples=1000)
    option = found.option("auto", "collapsed")
    taken = int(draws.proposal_numbers[-1]) + 1
    error = np.hypot(1 / np.sqrt(1000), found.pilot_log_evidence_se)
    assert abs(np.log(taken / option.proposals(1000))) < LIMIT * error
    error = np.hypot(draws.info.log_evidence_se, found.pilot_log_evidence_se)
    ratio = option.acceptance_rate / draws.info.acceptance_rate
    assert abs(np.log(ratio)) < LIMIT * error
    assert found.best == option


@pytest.mark.slow
def test_a_capped_run_takes_what_was_forecast(posterior, found):
    """Under the cap that was suggested; the spread of clipped weights is at most binomial."""
    option = found.capped
    draws = bnnpost.rejection.sample(
        jax.random.key(9), posterior, num_samples=2000, bound="capped", cap=option.log_bound
    )
    rate = option.acceptance_rate
    error = np.sqrt((1 - rate) / rate / found.num_pilot + (1 - rate) / 2000)
    taken = int(draws.proposal_numbers[-1]) + 1
    assert abs(np.log(taken / option.proposals(2000))) < LIMIT * error
    worth = draws.info.effective_sample_size / taken
    # Draws of a capped run are worth less than all proposals with their weights, by little.
    assert 0.5 * found.effective_per_proposal < worth < found.effective_per_proposal
    assert found.pareto_k < 0.7


def test_every_space_and_bound_is_listed(posterior, found):
    kinds = {(option.space, option.bound) for option in found.options}
    assert kinds == {(s, b) for s in ("functions", "weights") for b in ("collapsed", "naive")}
    naive, collapsed = found.option("weights", "naive"), found.option("weights", "collapsed")
    assert naive.log10_acceptance < collapsed.log10_acceptance < found.capped.log10_acceptance
    assert found.limit_log_evidence == pytest.approx(bnnpost.limit(posterior).log_evidence)
    assert found.option("weights", "capped").proposals(10) == found.capped.proposals(10)
    with pytest.raises(ValueError, match="no option functions/loose: expected one of functions/"):
        found.option("auto", "loose")


def test_only_what_was_asked_for_is_timed(found):
    timed = {o.space for o in (*found.options, *found.capped_options) if o.seconds(10) is not None}
    assert timed == {"functions"}
    assert found.capped.seconds_per_proposal > 0


def test_seconds_count_whole_blocks_and_the_pilot_of_a_cap():
    option = Option("functions", "capped", 0.0, -1.0, 0.5, block=100, num_first=150)
    assert option.seconds(5) == pytest.approx(0.5 * (200 + 100))
    assert option.seconds(50) == pytest.approx(0.5 * (200 + 500))
    hopeless = dataclasses.replace(option, log10_acceptance=-np.inf)
    assert hopeless.acceptance_rate == 0 and hopeless.proposals(1) == hopeless.seconds(1) == np.inf


@pytest.mark.slow
def test_digits_with_the_readout_integrated_out():
    found = bnnpost.forecast(jax.random.key(0), digits(5, 0.3), calibrate=())
    assert found.option("auto", "naive").log10_acceptance == pytest.approx(-10.06, abs=0.05)
    assert found.option("auto", "collapsed").log10_acceptance == pytest.approx(-1.7, abs=0.05)
    assert "Use strict" in found.advice(1000)
    assert "prior is too" not in found.advice(1000)


@pytest.mark.slow
def test_digits_under_a_wide_readout_are_hopeless_and_the_prior_is_blamed():
    # So short a pilot is not believed: this is the limit's figure.
    found = bnnpost.forecast(jax.random.key(0), digits(5, 1.0), num_pilot=64, calibrate=())
    assert found.source == "limit"
    assert found.best.log10_acceptance == pytest.approx(-12, abs=0.5)
    assert "Use strict" not in found.advice(1000)
    assert "judged by the infinite-width limit" in found.advice(1000)
    assert "The prior is too wide" in found.advice(1000)


@pytest.mark.parametrize(("readout_w_std", "power"), [(0.3, -4.5), (1.0, -24.0)])
def test_ten_digits_in_the_limit(readout_w_std, power):
    posterior = digits(10, readout_w_std)
    bound = posterior.likelihood.collapsed_log_bound(posterior.targets, bias_var=0.01)
    evidence = bnnpost.limit(posterior).log_evidence
    assert (evidence - bound) / np.log(10) == pytest.approx(power, abs=0.5)


class Cauchy(Likelihood):
    """Unit-scale Cauchy noise; `chance` multiplies every density."""

    chance: float = 1.0

    def log_prob(self, outputs, targets):
        return jnp.sum(jnp.log(self.chance / (np.pi * (1 + (targets - outputs) ** 2))))

    def log_bound(self, targets):
        return -targets.size * np.log(np.pi)


@pytest.mark.slow
def test_a_users_likelihood_is_forecast_by_the_pilot_alone(posterior):
    """And taken at its word: 200 acceptances at LIMIT standard errors."""
    other = with_likelihood(posterior, Cauchy())
    found = bnnpost.forecast(jax.random.key(0), other, calibrate=())
    assert found.source == "pilot" and found.prior_scale is None and not found.collapsed
    assert np.isnan(found.limit_log_evidence)
    draws = bnnpost.rejection.sample(jax.random.key(1), other, num_samples=200)
    error = np.hypot(1 / np.sqrt(200), found.pilot_log_evidence_se)
    taken = int(draws.proposal_numbers[-1]) + 1
    assert abs(np.log(taken / found.best.proposals(200))) < LIMIT * error
    none = bnnpost.forecast(
        jax.random.key(0), with_likelihood(posterior, Cauchy(0.0)), calibrate=()
    )
    assert none.capped.proposals(1) == none.best.proposals(1) == np.inf
    assert none.pareto_k is None and none.effective_per_proposal == 0
    assert "None of the pilot's 4,096 proposals had a positive weight" in none.advice(10)


@pytest.mark.slow
def test_without_a_strict_bound_capped_is_forecast(posterior):
    unknown = bnnpost.likelihoods.GaussianUnknownNoise(noise_std=dist.HalfNormal(0.5))
    found = bnnpost.forecast(
        jax.random.key(0), with_likelihood(posterior, unknown), num_pilot=512, calibrate=()
    )
    assert found.options == ()
    assert 0 < found.capped.acceptance_rate < 1
    assert "Draws can only be weighted: no strict bound exists" in found.advice(100)
    assert "Use capped" in found.advice(100)
    with pytest.raises(ValueError, match=r"see forecast\.capped"):
        _ = found.best


@pytest.mark.slow
def test_without_a_linear_readout_the_advice_says_what_is_lost(posterior):
    network = bnnpost.Serial([*posterior.network.layers, bnnpost.Activation("tanh")])
    squashed = bnnpost.Posterior(network, NOISE, posterior.x, posterior.targets)
    found = bnnpost.forecast(jax.random.key(0), squashed, calibrate=())
    assert not found.collapsed and {option.bound for option in found.options} == {"naive"}
    # A squashed Gaussian process is none: there is no closed form to trust.
    assert found.source == "pilot" and np.isnan(found.limit_log_evidence)
    assert "does not end in a Dense layer" in found.advice(100)
    assert "importance.estimate" not in found.advice(100)


def test_advice_prefers_exactness_while_it_costs_little(found):
    def advised(log10_acceptance, effective_size):
        best = dataclasses.replace(found.best, log10_acceptance=log10_acceptance)
        changed = {"options": (best,), "pilot_effective_size": effective_size, "pareto_k": 0.3}
        return dataclasses.replace(found, **changed).advice(1000)

    assert "Use strict" in advised(-3.0, 2000.0)
    assert "Use strict" in advised(-3.0, 2.0)
    assert "Use capped: its" in advised(-20.0, 2000.0)
    # Half an hour beside a second is no recommendation without words.
    long = dataclasses.replace(found.best, log10_acceptance=-3.0, seconds_per_proposal=2e-3)
    costly = dataclasses.replace(found, options=(long,), pilot_effective_size=2000.0)
    assert "Use strict if 33 min are no matter" in costly.advice(1000)
    assert "strict needs about 1·10²³ proposals (over 10⁶ years here)" in advised(-20.0, 2000.0)
    assert "Use capped with care: the pilot's 4,096 proposals are worth 130" in advised(
        -20.0, 127.0
    )
    assert "strict needs about" in advised(-20.0, 127.0)
    assert "capped needs roughly" in advised(-20.0, 127.0)
    hopeless = advised(-20.0, 3.0)
    assert "Rejection is not advised" in hopeless and "importance.estimate" in hopeless
    assert "coupled.forecast" in hopeless
    assert "cannot be told" in hopeless and "leaves 1 % of the mass" not in hopeless


@pytest.mark.parametrize(
    ("spelled", "text"),
    [
        (count(8.96e3), "9,000"),
        (count(3.04e12), "3·10¹²"),
        (count(np.inf), "more than 10³⁰⁰"),
        (duration(0.01), "0.1 s"),
        (duration(42.0), "42 s"),
        (duration(600.0), "10 min"),
        (duration(4 * 3.156e7), "4 years"),
        (duration(1e30), "over 10⁶ years"),
    ],
)
def test_numbers_are_spelled_for_people(spelled, text):
    assert spelled == text


def test_bad_arguments_are_named(posterior):
    with pytest.raises(ValueError, match="expected calibrate to be of functions, weights"):
        bnnpost.forecast(jax.random.key(0), posterior, calibrate=("function",))
    with pytest.raises(ValueError, match="num_pilot"):
        bnnpost.forecast(jax.random.key(0), posterior, num_pilot=0)
    with pytest.raises(TypeError, match=r"jax\.random\.key"):
        bnnpost.forecast(jnp.zeros(2, jnp.uint32), posterior)
