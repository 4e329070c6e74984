"""Sorted one-dimensional grids: neighbours first, so that elimination extrapolates."""

import jax
import numpy as np
import pytest

import bnnpost
from bnnpost.numerics.linalg import ZERO_PIVOT, nested_factor
from bnnpost.spaces.completions import elimination_order, limit_kernel
from tests.samplers import cases, checks
from tests.samplers.cases import Case


def grid_posterior(num_points, width, depth):
    x = np.linspace(-2, 2, num_points)[:, None]
    case = Case(width=width, depth=depth, noise_std=0.3).posterior()
    return bnnpost.Posterior(case.network, case.likelihood, x, 0.3 * np.sin(x[:, 0]))


def drawn_kernel(network, x, seed):
    """K̂ of the readout for one draw of the weights, which are drawn in single precision."""
    with jax.enable_x64(True):
        parameters = network.init(jax.random.key(seed), 1)
        hidden = bnnpost.Serial(network.layers[:-1]).apply(parameters[:-1], np.float32(x))
        return np.asarray(network.layers[-1].gram(np.float64(hidden)))


def factor_error(covariance, order):
    with jax.enable_x64(True):
        factor = np.asarray(jax.jit(nested_factor)(covariance, np.asarray(order)).matrix)
    return np.abs(factor @ factor.T - covariance).max() / covariance.max()


GRIDS = {"sorted": np.linspace(-2, 2, 50), "beyond zero": np.linspace(0, 5, 60)}


@pytest.mark.first
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(("activation", "depth"), [("erf", 2), ("sin", 1), ("relu", 1)])
def test_factors_of_drawn_kernels_give_them_back(activation, depth, grid):
    x = GRIDS[grid][:, None]
    network = bnnpost.mlp(width=64, depth=depth, activation=activation)
    order = elimination_order(limit_kernel(network, x), len(x))
    errors = [factor_error(drawn_kernel(network, x, seed), order) for seed in range(10)]
    assert max(errors) < 100 * ZERO_PIVOT


def test_elimination_from_neighbour_to_neighbour_would_be_told():
    x = GRIDS["sorted"][:, None]
    network = bnnpost.mlp(width=64, depth=1)
    errors = [factor_error(drawn_kernel(network, x, seed), range(len(x))) for seed in range(10)]
    assert max(errors) > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("num_points", "width", "depth"),
    [(25, 64, 1), pytest.param(100, 128, 2, marks=pytest.mark.slow)],
)
def test_parameters_on_a_sorted_grid_reproduce_the_training_outputs(num_points, width, depth):
    posterior = grid_posterior(num_points, width, depth)
    draws = bnnpost.prior.sample(cases.key(0), posterior, num_samples=20)
    trained, case = draws.training_outputs(), Case(width, depth)
    for i in range(len(draws)):
        _, outputs = cases.forward(draws.parameters(i), case, posterior.x)
        np.testing.assert_allclose(outputs, trained[i], rtol=0, atol=2e-5)


@pytest.mark.slow
def test_evidence_on_a_sorted_grid_agrees_between_spaces():
    posterior = grid_posterior(50, 64, 2)
    one, other = (
        cases.run(posterior, 2**13, space=space).info for space in ("functions", "weights")
    )
    surprise = checks.evidence_z(one, other.log_evidence, other.log_evidence_se)
    assert abs(surprise) < checks.LIMIT


@pytest.mark.slow
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
