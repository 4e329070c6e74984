"""Parameters recovered from function space are standard normal under the prior, and fit.

Width 8 has every layer in row form (more parameters than the three rows), width 2 has its
readout in matrix form.
"""

import numpy as np
import pytest

import bnnpost
from tests.samplers import cases, checks
from tests.samplers.cases import Case, X

NUM_DRAWS = 1500
# Single precision of features, through two hidden layers.
ROUNDING = 1e-5


class Recovered:
    """Prior draws of one width and what was recovered from them."""

    def __init__(self, width, depth):
        self.case = Case(width, depth)
        self.draws = bnnpost.prior.sample(
            cases.key(width), self.case.posterior(), num_samples=NUM_DRAWS
        )
        self.parameters = [self.draws.parameters(i) for i in range(NUM_DRAWS)]

    def matrix(self):
        """All parameters [draw, parameter]."""
        return np.stack([flat(parameters) for parameters in self.parameters])

    def least_squares(self):
        """A wrong recovery: the smallest first layer that fits, and the rest as it is."""
        rows = np.hstack([self.case.w_std / 2 * X, np.full((3, 1), self.case.b_std)])
        projection = np.linalg.pinv(rows) @ rows
        first = [np.vstack([p[0].weights, p[0].biases]) for p in self.parameters]
        smallest = np.stack([(projection @ weights).ravel() for weights in first])
        return np.hstack([smallest, self.matrix()[:, smallest.shape[1] :]])


def flat(parameters):
    parts = [np.vstack([affine.weights, affine.biases]).ravel() for affine in parameters]
    return np.concatenate(parts)


@pytest.fixture(scope="module", params=[(8, 2), (2, 1)], ids=str)
def recovered(request):
    return Recovered(*request.param)


def law(matrix):
    return checks.normal_z(matrix)


def moments(matrix):
    parts = [checks.mean_z(matrix, 0.0), checks.variance_z(matrix, 1.0)]
    return checks.worst_of_many(np.concatenate(parts))


def dependence(matrix):
    """Correlations of parameters, and of their sizes, which fresh normals would share."""
    parts = [checks.correlation_z(matrix), checks.correlation_z(np.abs(matrix))]
    return checks.worst_of_many(np.concatenate(parts))


@pytest.mark.first
@pytest.mark.parametrize("check", [law, moments, dependence])
def test_parameters_are_standard_normal_under_the_prior(recovered, check):
    assert check(recovered.matrix()) < checks.LIMIT


@pytest.mark.first
@pytest.mark.parametrize("check", [law, moments, dependence])
def test_a_least_squares_recovery_is_told(recovered, check):
    assert check(recovered.least_squares()) > checks.LIMIT


@pytest.mark.first
def test_parameters_reproduce_the_training_outputs(recovered):
    drawn = recovered.draws.training_outputs()
    for i in range(50):
        _, outputs = cases.forward(recovered.parameters[i], recovered.case, X)
        np.testing.assert_allclose(outputs, drawn[i], rtol=0, atol=ROUNDING)


def test_prior_draws_say_that_they_are(recovered):
    info = recovered.draws.info
    assert (info.kind, info.complete, info.bound) == ("prior", True, "none")
    assert (info.num_samples, info.num_proposals) == (NUM_DRAWS, NUM_DRAWS)
    assert (info.acceptance_rate, info.log_evidence, info.log_evidence_se) == (1.0, 0.0, 0.0)
    np.testing.assert_array_equal(recovered.draws.proposal_numbers, np.arange(NUM_DRAWS))
