"""Samplers that break, and arguments that cannot give a verdict."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost.verification import teacher
from bnnpost.verification.calibration import SamplerFailed
from tests.verification import linear
from tests.verification.linear import calibrate


class Silent(bnnpost.likelihoods.Likelihood):
    """Says nothing of how observations are drawn."""

    def log_prob(self, outputs, targets):
        return -0.5 * jnp.sum((targets - outputs) ** 2)

    def log_bound(self, targets):
        return 0.0


class Wild(Silent):
    """Draws observations that no posterior accepts."""

    def sample(self, key, outputs):
        return outputs / 0.0


class Undefined(Silent):
    """Has no log probability."""

    def log_prob(self, outputs, targets):
        return jnp.nan * jnp.sum(outputs)

    def sample(self, key, outputs):
        return outputs


def test_a_sampler_that_raises_is_named_with_its_dataset():
    def breaks(key, taught):
        if taught.targets[0, 0] < 0:
            raise ArithmeticError("no start found")
        return linear.exact(key, taught)

    with pytest.raises(SamplerFailed, match="ArithmeticError: no start found") as caught:
        calibrate(breaks, seed=3)
    assert isinstance(caught.value.__cause__, ArithmeticError)
    # It says how to repeat it, and that works.
    number = int(str(caught.value).split("number=")[1].split(")")[0])
    taught = teacher.draw(jax.random.key(3), linear.posterior(), number=number)
    with pytest.raises(ArithmeticError):
        breaks(taught.sampler_key, taught.posterior)
    earlier = [teacher.draw(jax.random.key(3), linear.posterior(), number=i) for i in range(number)]
    assert all(one.posterior.targets[0, 0] >= 0 for one in earlier)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (np.zeros((99, 4)), r"expected function values .*got shape \(99, 4\)"),
        (np.zeros((99, 9, 2)), r"got shape \(99, 9, 2\)"),
        (np.zeros(9), r"got shape \(9,\)"),
        (np.full((99, 9), np.nan), "891 of 891 values are NaN or infinite"),
        ("draws", "real numbers"),
        (None, "real numbers"),
    ],
)
def test_results_that_are_no_draws(result, words):
    with pytest.raises(SamplerFailed, match=words):
        calibrate(lambda key, taught: result)


def test_weights_that_are_no_weights():
    class Result:
        log_weights = np.full(99, -np.inf)

        def predict(self, x):
            return np.zeros((99, len(x)))

    with pytest.raises(SamplerFailed, match="not all −∞"):
        calibrate(lambda key, taught: Result())


@pytest.mark.slow
def test_draws_at_other_points_are_refused():
    def sampler(key, taught):
        other = bnnpost.Posterior(
            taught.network, taught.likelihood, taught.x[:3], taught.targets[:3]
        )
        return bnnpost.prior.sample(key, other, num_samples=99)

    with pytest.raises(SamplerFailed, match="sample the posterior that the sampler is called with"):
        calibrate(sampler)


def test_too_few_draws_are_refused():
    with pytest.raises(ValueError, match=r"gave 20 draws for dataset 0.*among 99"):
        calibrate(lambda key, taught: linear.exact(key, taught, 20))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_datasets": 1}, "can show nothing at level 0.01.*num_draws to 6400 or more"),
        ({"num_datasets": 2, "num_draws": 9}, "num_draws to 80 or more"),
        ({"num_datasets": 0}, "num_datasets to be at least 1"),
        ({"num_draws": -1}, "num_draws to be at least 1"),
        ({"level": 1.0}, "level to be a probability"),
    ],
)
def test_arguments_that_cannot_give_a_verdict(options, words):
    with pytest.raises(ValueError, match=words):
        calibrate(linear.exact, **options)


def test_as_few_datasets_as_are_allowed_can_fail():
    def too_high(key, taught):
        return linear.exact(key, taught, 6400) + 100

    found = calibrate(too_high, num_datasets=1, num_draws=6400)
    assert found.verdict == "failed"
    assert calibrate(too_high, num_datasets=2, num_draws=80).verdict == "failed"


def test_wrong_kinds_of_arguments():
    posterior = linear.posterior()
    with pytest.raises(TypeError, match="legacy key"):
        bnnpost.calibrate(np.zeros(2, np.uint32), linear.exact, posterior)
    with pytest.raises(TypeError, match=r"expected a bnnpost\.Posterior"):
        bnnpost.calibrate(jax.random.key(0), linear.exact, None)
    with pytest.raises(TypeError, match="expected a sampler such as"):
        bnnpost.calibrate(jax.random.key(0), np.zeros(3), posterior)


def test_likelihoods_that_simulate_nothing():
    silent = linear.posterior(Silent())
    with pytest.raises(TypeError, match=r"define sample\(self, key, outputs\)"):
        bnnpost.calibrate(jax.random.key(0), linear.exact, silent)
    with pytest.raises(ValueError, match=r"\(number 7\) are not ones that a posterior accepts"):
        teacher.draw(jax.random.key(0), linear.posterior(Wild()), number=7)


def test_a_log_likelihood_that_is_nan_is_an_error():
    with pytest.raises(SamplerFailed, match=r"log likelihood of 99 of 99 draws is NaN \(dataset 0"):
        bnnpost.calibrate(
            jax.random.key(0), lambda key, taught: np.zeros((99, 6)), linear.posterior(Undefined())
        )
