"""Teachers: their law is that of the prior and the likelihood, by whatever route."""

import jax
import numpy as np
import pytest
from numpyro.distributions import HalfNormal, InverseGamma

import bnnpost
from bnnpost.verification import teacher
from tests.verification import linear
from tests.verification.linear import X_TEST

NUM = 250


def teachers(posterior, num=NUM):
    made = teacher.Teachers(posterior, X_TEST)
    return [made.draw(jax.random.key(0), number) for number in range(num)]


def check_covariance(values, expected):
    """Second moments [point, point] of Gaussian values, to five of their standard errors."""
    found = values.T @ values / len(values)
    variances = np.diagonal(expected)
    errors = np.sqrt((expected**2 + np.outer(variances, variances)) / len(values))
    assert np.all(np.abs(found - expected) < 5 * errors)


def test_functions_and_targets_have_the_law_of_the_prior():
    drawn = teachers(linear.posterior())
    values = np.array([np.concatenate([one.f_train, one.f_test])[:, 0] for one in drawn])
    check_covariance(values, linear.KERNEL)
    noise = np.array([(one.posterior.targets - one.f_train)[:, 0] for one in drawn])
    check_covariance(noise, linear.NOISE_STD**2 * np.eye(linear.NUM_TRAIN))
    # Independent of the functions: at 54 correlations of 250, five standard errors.
    assert np.all(np.abs(np.corrcoef(values.T, noise.T)[:9, 9:]) < 5 / np.sqrt(NUM))


@pytest.mark.slow
def test_wide_teachers_are_drawn_in_function_space(monkeypatch):
    monkeypatch.setattr(teacher, "MOST_PARAMETERS", 0)
    drawn = teachers(linear.posterior())
    assert drawn[0].parameters is None
    values = np.array([np.concatenate([one.f_train, one.f_test])[:, 0] for one in drawn])
    check_covariance(values, linear.KERNEL)


@pytest.mark.slow
def test_parameters_are_the_network_that_taught():
    network = bnnpost.mlp(width=5, depth=2)
    posterior = bnnpost.Posterior(
        network, bnnpost.likelihoods.Gaussian(0.1), linear.X, np.zeros(linear.NUM_TRAIN)
    )
    drawn = teacher.draw(jax.random.key(4), posterior, number=2, x_test=X_TEST)
    with jax.enable_x64(True):
        np.testing.assert_allclose(
            network.apply(drawn.parameters, X_TEST), drawn.f_test, rtol=1e-12
        )
        np.testing.assert_allclose(
            network.apply(drawn.parameters, linear.X), drawn.f_train, rtol=1e-12
        )
    again = teacher.draw(jax.random.key(4), posterior, number=2)
    np.testing.assert_array_equal(again.posterior.targets, drawn.posterior.targets)
    other = teacher.draw(jax.random.key(4), posterior, number=3)
    assert not np.any(other.posterior.targets == drawn.posterior.targets)


@pytest.mark.parametrize(
    ("law", "second_moment"),
    [
        ({"noise_std": HalfNormal(0.5)}, 0.25),
        pytest.param({"noise_var": InverseGamma(6.0, 1.0)}, 0.2, marks=pytest.mark.slow),
    ],
)
def test_noise_of_unknown_size_is_drawn_with_the_functions(law, second_moment):
    posterior = linear.posterior(bnnpost.likelihoods.GaussianUnknownNoise(**law))
    drawn = teachers(posterior)
    sizes = np.array([one.noise_std for one in drawn])
    error = np.std(sizes**2) / np.sqrt(NUM)
    assert abs(np.mean(sizes**2) - second_moment) < 4.5 * error
    noise = np.array([(one.posterior.targets - one.f_train)[:, 0] for one in drawn])
    check_covariance(noise / sizes[:, None], np.eye(linear.NUM_TRAIN))


@pytest.mark.parametrize(
    "name",
    [
        "Categorical",
        pytest.param("Bernoulli", marks=pytest.mark.slow),
        pytest.param("Poisson", marks=pytest.mark.slow),
    ],
)
def test_classes_and_counts(name):
    network = linear.posterior(num_outputs=2).network
    columns = 1 if name == "Categorical" else 2
    likelihood = getattr(bnnpost.likelihoods, name)()
    posterior = bnnpost.Posterior(
        network, likelihood, linear.X, np.zeros((linear.NUM_TRAIN, columns))
    )
    drawn = teacher.draw(jax.random.key(0), posterior)
    targets = drawn.posterior.targets
    assert targets.shape == posterior.targets.shape and targets.dtype == np.float64
    posterior.likelihood.check(targets, 2)


@pytest.mark.slow
def test_noise_of_unknown_size_is_ranked_where_it_is_drawn():
    posterior = linear.posterior(
        bnnpost.likelihoods.GaussianUnknownNoise(noise_std=HalfNormal(0.5))
    )

    def sampler(key, taught):
        return bnnpost.rejection.sample(key, taught, num_samples=400, bound="capped")

    found = bnnpost.calibrate(jax.random.key(0), sampler, posterior, num_datasets=12)
    assert found.names[-1] == "noise std"
    assert found.passed, found.summary()
