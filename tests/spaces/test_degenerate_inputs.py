"""Inputs that make kernels singular: duplicates, multiples, zero rows, dead units, fine grids."""

import numpy as np
import pytest

import bnnpost
from tests.samplers import cases, checks, oracles
from tests.samplers.cases import ACTIVATIONS, Case

ONE = np.random.default_rng(0).standard_normal(6)
ROWS = np.stack([ONE, ONE, 0 * ONE, -ONE, 2 * ONE])
Y = np.array([0.3, 0.1, -0.1, 0.2, 0.3])
# Six units and features make row form of five rows; a row is dead in 1 of 64 draws.
WIDTH = 6
LAYER, READOUT, NOISE_STD = oracles.Layer(1.5, 0.0), oracles.Layer(1.2, 0.3), 0.5
# Single precision, through two hidden layers, times the three of 3·f.
ROUNDING = 2e-5


def homogeneous():
    """ReLU layers without bias and a readout with one: f(cx) − f(0) = c (f(x) − f(0)), c > 0."""
    network = bnnpost.Serial(
        [
            bnnpost.Dense(WIDTH, w_std=LAYER.w_std),
            bnnpost.Activation("relu"),
            bnnpost.Dense(WIDTH, w_std=LAYER.w_std),
            bnnpost.Activation("relu"),
            bnnpost.Dense(1, w_std=READOUT.w_std, b_std=READOUT.b_std),
        ]
    )
    return bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(noise_std=NOISE_STD), ROWS, Y)


@pytest.mark.slow
def test_evidence_with_dependent_rows():
    run = cases.run(homogeneous(), 2**17)
    assert run.info.num_nan == 0
    known = oracles.importance(
        np.random.default_rng(1),
        [LAYER, LAYER],
        READOUT,
        WIDTH,
        ACTIVATIONS["relu"],
        ROWS,
        ROWS[:0],
        Y[:, None],
        NOISE_STD**2,
        2**16,
    )
    surprise = checks.evidence_z(run.info, known.log_evidence, known.log_evidence_se)
    assert abs(surprise) < checks.LIMIT


@pytest.fixture(scope="module")
def draws():
    return bnnpost.rejection.sample(cases.key(0), homogeneous(), num_samples=2000)


@pytest.fixture(scope="module")
def trained(draws):
    return draws.training_outputs()[:, :, 0]


def test_dependent_rows_depend(trained):
    assert np.all(np.isfinite(trained))
    first, again, zero, _, doubled = trained.T
    np.testing.assert_allclose(again, first, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(doubled - zero, 2 * (first - zero), rtol=0, atol=ROUNDING)
    # Some draws are dead there: f is its bias at every multiple.
    assert np.sum(np.abs(first - zero) < 1e-12) > 5


@pytest.mark.slow
@pytest.mark.parametrize("completion", ["joint", pytest.param("function", marks=pytest.mark.slow)])
def test_dependence_extends_to_test_inputs(draws, trained, completion):
    values = draws.predict(3 * ONE[None], completion)[:, 0, 0]
    first, _, zero, *_ = trained.T
    np.testing.assert_allclose(values - zero, 3 * (first - zero), rtol=0, atol=ROUNDING)


@pytest.mark.slow
def test_parameters_with_dependent_rows(draws, trained):
    for i in range(50):
        rows = ROWS
        first, second, readout = draws.parameters(i)
        for layer in (first, second):
            assert layer.biases is None
            z = LAYER.w_std / np.sqrt(rows.shape[1]) * rows @ layer.weights
            rows = np.maximum(z, 0)
        outputs = READOUT.w_std / np.sqrt(WIDTH) * rows @ readout.weights
        outputs = outputs + READOUT.b_std * readout.biases
        np.testing.assert_allclose(outputs[:, 0], trained[i], rtol=0, atol=ROUNDING)
        # Dependent rows must not blow the weights up.
        assert max(np.abs(layer.weights).max() for layer in (first, second, readout)) < 7


# Rows in scattered order: neighbours come late, when what is far is already known.
GRID = np.linspace(-2, 2, 25)[np.random.default_rng(0).permutation(25), None]
GRID_CASE = Case(width=32, noise_std=0.3)


@pytest.fixture(scope="module")
def grid_draws():
    """Draws at 25 points of a line: kernels with eigenvalues far below rounding."""
    case = GRID_CASE.posterior()
    y = 0.3 * np.sin(GRID[:, 0])
    posterior = bnnpost.Posterior(case.network, case.likelihood, GRID, y)
    return bnnpost.rejection.sample(cases.key(0), posterior, num_samples=40, max_proposals=2**16)


@pytest.mark.slow
def test_grid_has_draws(grid_draws):
    assert grid_draws.info.num_nan == 0
    assert len(grid_draws) == 40


@pytest.mark.slow
def test_parameters_on_a_grid(grid_draws):
    trained, between = grid_draws.training_outputs(), np.array([[0.09]])
    for i in range(len(grid_draws)):
        parameters = grid_draws.parameters(i)
        _, outputs = cases.forward(parameters, GRID_CASE, np.concatenate([GRID, between]))
        np.testing.assert_allclose(outputs[:-1], trained[i], rtol=0, atol=ROUNDING)
        values = grid_draws.function(i)(between)
        np.testing.assert_allclose(values, outputs[-1:], rtol=0, atol=ROUNDING)
        assert max(np.abs(layer.weights).max() for layer in parameters) < 7


@pytest.mark.slow
@pytest.mark.parametrize("completion", ["joint", "function"])
def test_draws_of_saturated_units_go_through_their_own_training_outputs(completion):
    # Features of neighbours differ by little more than rounding in some draws. With pivots down to
    # 1e-13 of a row's variance kept, two of these thousand draws are off by 0.8 and 2.8.
    data = bnnpost.datasets.sine_gap(num_points=6, seed=0, noise_std=0.1)
    network = bnnpost.mlp(width=8, depth=1, w_std=3.0, b_std=3.0, readout_w_std=1.2)
    likelihood = bnnpost.likelihoods.Gaussian(0.3 / 2**0.5)
    posterior = bnnpost.Posterior(network, likelihood, data.x, data.y)
    draws = bnnpost.rejection.sample(cases.key(5), posterior, num_samples=1000)
    predicted = draws.predict(data.x, completion=completion)
    np.testing.assert_allclose(predicted, draws.training_outputs(), rtol=0, atol=1e-4)
