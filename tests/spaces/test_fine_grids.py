"""Sorted one-dimensional grids: neighbours first, so that elimination extrapolates."""

import numpy as np

import bnnpost
from tests.samplers import cases, checks
from tests.samplers.cases import Case


def grid_posterior(num_points, width, depth):
    x = np.linspace(-2, 2, num_points)[:, None]
    case = Case(width=width, depth=depth, noise_std=0.3).posterior()
    return bnnpost.Posterior(case.network, case.likelihood, x, 0.3 * np.sin(x[:, 0]))


def test_parameters_on_a_sorted_grid_reproduce_the_training_outputs():
    posterior = grid_posterior(25, 64, 1)
    draws = bnnpost.prior.sample(cases.key(0), posterior, num_samples=40)
    trained, case = draws.training_outputs(), Case(width=64)
    for i in range(len(draws)):
        _, outputs = cases.forward(draws.parameters(i), case, posterior.x)
        np.testing.assert_allclose(outputs, trained[i], rtol=0, atol=2e-5)


def test_evidence_on_a_sorted_grid_agrees_between_spaces():
    posterior = grid_posterior(50, 64, 2)
    one, other = (
        cases.run(posterior, 2**13, space=space).info for space in ("functions", "weights")
    )
    surprise = checks.evidence_z(one, other.log_evidence, other.log_evidence_se)
    assert abs(surprise) < checks.LIMIT


def test_a_plotting_grid_has_one_law_in_both_completions():
    # Five training points and a hundred sorted test points: the most ordinary use there is.
    x = np.array([[-1.5], [-0.5], [0.2], [0.9], [1.6]])
    network = bnnpost.mlp(width=256, depth=2)
    likelihood = bnnpost.likelihoods.Gaussian(noise_std=0.3)
    posterior = bnnpost.Posterior(network, likelihood, x, np.sin(x[:, 0]))
    draws = bnnpost.rejection.sample(cases.key(0), posterior, num_samples=800)
    grid = np.linspace(-2, 2, 100)[:, None]
    joint, function = (draws.predict(grid, name)[:, :, 0] for name in ("joint", "function"))
    for point in (0, 50, 99):
        assert checks.same_law_z(joint[::2, point], function[1::2, point]) < checks.LIMIT
    steps = [np.abs(np.diff(values, 2, axis=1)).max(axis=1) for values in (joint, function)]
    assert checks.same_law_z(steps[0][::2], steps[1][1::2]) < checks.LIMIT
