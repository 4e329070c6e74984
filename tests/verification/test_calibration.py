"""Calibrations of samplers of a posterior that numpy knows, and of their wrong twins."""

import json
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import bnnpost
from bnnpost import plots
from bnnpost.spaces.making import make_space
from bnnpost.verification import teacher
from tests.verification import linear
from tests.verification.linear import NUM_TRAIN, X_TEST, calibrate

# Right samplers here fail with probability at most 0.01 each; seeds are fixed.


def test_a_right_sampler_passes():
    found = calibrate(linear.exact)
    assert found.passed and found.verdict == "passed"
    assert found.summary().startswith("PASSED at level 0.01: ranks of the truth among 99 draws are")
    assert found.names[:4] == ("f(x[0])", "f(x[2])", "f(x[5])", "f(x_test[0])")
    assert found.ranks.shape == (100, 8) and found.ranks.min() >= 0 and found.ranks.max() <= 99
    assert all(p > 0.01 for p in found.p_values.values())


def test_the_log_likelihood_alone_tells_the_prior_from_the_posterior():
    found = calibrate(linear.prior)
    assert found.failed == ("log likelihood",)
    assert found.headline.endswith("over 100 simulated datasets: log likelihood")
    assert "too low" in found.summary()


def test_draws_too_close_together_and_too_high_are_found():
    def off(key, taught):
        draws = linear.exact(key, taught)
        middle = draws.mean(axis=0)
        return middle + 0.7 * (draws - middle) + 0.3

    found = calibrate(off, num_datasets=200)
    assert found.verdict == "failed"
    assert "too close together" in found.summary() and "too high" in found.summary()


def with_weights(key, taught, honest=True):
    """Draws of four times the variance in the direction that varies most, and their weights."""
    noise = linear.normals(key, 1500)
    noise[:, -1] *= 2
    log_weights = -0.5 * (1 - 1 / 4) * noise[:, -1] ** 2
    values = linear.given(taught.targets, noise)
    given = {"log_weights": log_weights} if honest else {}
    return SimpleNamespace(predict=lambda x: values, **given)


def test_weights_count():
    assert calibrate(with_weights).passed
    twin = calibrate(lambda key, taught: with_weights(key, taught, honest=False))
    assert twin.verdict == "failed"


@pytest.mark.slow
def test_chains_are_thinned():
    found = calibrate(linear.chains)
    assert found.passed
    # 2,000 draws of integrated time 9, in the statistic that comes out worst.
    low, middle = np.quantile(found.effective_sizes, (0.05, 0.5))
    assert low > 99 and 150 < middle < 2000 / 9


def test_chains_that_are_too_short_get_no_verdict():
    found = calibrate(lambda key, taught: linear.chains(key, taught, 100, 0.95))
    assert not found.passed and found.verdict == "no verdict"
    assert found.summary().startswith("NO VERDICT")
    assert "run longer, or pass a smaller num_draws" in " ".join(found.summary().split())


def test_draws_that_never_change_fail():
    def stuck(key, taught):
        return np.repeat(linear.exact(key, taught, 1), 99, axis=0)

    assert calibrate(stuck, num_datasets=30).verdict == "failed"


def test_a_function_without_uncertainty_says_nothing():
    # Of inputs that are 0, without biases.
    network = bnnpost.Serial([bnnpost.Dense(1, b_std=0.0)])
    likelihood = bnnpost.likelihoods.Gaussian(1.0)
    inputs, targets = np.zeros((NUM_TRAIN, 5)), np.zeros(NUM_TRAIN)
    posterior = bnnpost.Posterior(network, likelihood, inputs, targets)
    found = bnnpost.calibrate(
        jax.random.key(0), lambda key, taught: np.zeros((99, NUM_TRAIN)), posterior
    )
    assert found.verdict == "no verdict" and "ranks say nothing" in found.summary()


def test_datasets_do_not_depend_on_how_many_there_are():
    np.testing.assert_array_equal(
        calibrate(linear.exact, num_datasets=12).ranks,
        calibrate(linear.exact, num_datasets=20).ranks[:12],
    )


@pytest.mark.parametrize("shape", [(99, 9), (99, 9, 1), (3, 33, 9), (3, 33, 9, 1)])
def test_shapes_of_function_values(shape):
    found = calibrate(
        lambda key, taught: linear.exact(key, taught).reshape(shape), num_datasets=3, num_values=1
    )
    np.testing.assert_array_equal(
        found.ranks, calibrate(linear.exact, num_datasets=3, num_values=1).ranks
    )


@pytest.mark.slow
def test_draws_of_the_library_are_read():
    def sampler(key, taught):
        return bnnpost.prior.sample(key, taught, num_samples=99)

    found = bnnpost.calibrate(jax.random.key(0), sampler, linear.posterior(), num_datasets=60)
    assert found.failed == ("log likelihood",)


@pytest.mark.slow
def test_weighted_draws_of_the_library_and_two_outputs():
    # A network without hidden layers: all weights are the same, so the draws are exact.
    def sampler(key, taught):
        return bnnpost.rejection.sample(key, taught, num_samples=200, bound="capped")

    found = bnnpost.calibrate(
        jax.random.key(0),
        sampler,
        linear.posterior(num_outputs=2),
        num_datasets=25,
        x_test=X_TEST,
        num_values=2,
    )
    assert found.passed
    assert found.names[:4] == ("f(x[0])[0]", "f(x[5])[1]", "f(x_test[0])[0]", "f(x_test[2])[1]")
    assert found.effective_sizes.min() == pytest.approx(200)


def test_new_targets_compile_nothing_again():
    # Programs are kept by the structure of what they are given, and its shapes.
    posterior = linear.posterior()
    taught = [teacher.draw(jax.random.key(0), posterior, number=i) for i in range(2)]
    spaces = [make_space(one.posterior) for one in taught]
    assert jax.tree.structure(spaces[0]) == jax.tree.structure(spaces[1])
    assert spaces[0].log_bound() != spaces[1].log_bound()


def test_the_record_is_plain_data_and_a_figure():
    found = calibrate(linear.exact, num_datasets=20)
    record = json.loads(json.dumps(found.to_dict()))
    assert record["passed"] is True and record["num_tests"] == 32
    assert len(record["tests"]) == 8 and record["tests"][6]["statistic"] == "log likelihood"
    figure = plots.calibration(found)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == list(found.names)
    line = figure.axes[0].lines[-1].get_ydata()
    expected = np.sum(found.ranks[:, 0] <= 49) / 20 - 0.5
    assert line[50] == pytest.approx(expected)


@pytest.mark.slow
def test_the_summary_says_what_could_have_been_found():
    last = calibrate(linear.exact).summary().split("\n\n")[-1]
    assert last.startswith("With probability 0.9") and "too narrow" in last
    few = calibrate(linear.exact, num_datasets=2).summary().split("\n\n")[-1]
    assert "too narrow" not in few


@pytest.mark.slow
@pytest.mark.parametrize(("noise_factor", "passes"), [(1.0, True), (0.5**0.5, False)])
def test_rejection_for_a_network_and_its_twin_that_counts_data_twice(noise_factor, passes):
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(3, 3)
    network, likelihood = bnnpost.mlp(width=16), bnnpost.likelihoods.Gaussian(1.0)

    def sampler(key, taught):
        noise = bnnpost.likelihoods.Gaussian(noise_factor)
        other = bnnpost.Posterior(taught.network, noise, taught.x, taught.targets)
        return bnnpost.rejection.sample(key, other, num_samples=99)

    posterior = bnnpost.Posterior(network, likelihood, x, y)
    found = bnnpost.calibrate(jax.random.key(1), sampler, posterior, num_datasets=60, x_test=x_test)
    assert found.passed == passes, found.summary()
