"""Products of four piecewise linear functions of normals, by other ways."""

import itertools

import numpy as np
import pytest

from bnnpost.numerics.rectified import expect_four_piecewise
from tests.samplers.checks import LIMIT, mean_z, worst

SLOPES = [(0.0, 1.0), (0.1, 1.0), (-1.0, 1.0), (1.0, 1.0)]


def matrices(rank, count=8, seed=0):
    rows = np.random.default_rng(seed).standard_normal((count, 4, rank))
    return rows, rows @ rows.transpose(0, 2, 1)


@pytest.mark.each(4)
@pytest.mark.parametrize(("left", "right"), SLOPES)
@pytest.mark.parametrize("rank", [1, 2, 3, 4, 6])
def test_against_plain_numpy(rank, left, right):
    rows, covariances = matrices(rank)
    if rank == 6:  # and with variables that are one another, or multiples
        rows[:, 1], rows[1:5, 2], rows[3:, 3] = rows[:, 0], 2 * rows[1:5, 0], rows[3:, 2]
        rows[7, 3] = -rows[7, 0]
        covariances = rows @ rows.transpose(0, 2, 1)
    normals = np.random.default_rng(1).standard_normal((100_000, rank))
    inputs = np.einsum("map,sp->sma", rows, normals)
    outputs = left * np.minimum(inputs, 0) + right * np.maximum(inputs, 0)
    products = np.prod(outputs, axis=2)
    found = expect_four_piecewise(covariances, left, right)
    varies = products.std(axis=0) > 1e-12
    assert worst(mean_z(products[:, varies], found[varies])) < LIMIT
    assert np.all(np.abs(found[~varies]) < 1e-12)


@pytest.mark.parametrize("rank", [2, 3, 4, 8])
def test_of_linear_functions_it_is_isserlis(rank):
    covariances = matrices(rank, 200)[1]
    pairs = [((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2))]
    expected = sum(covariances[:, i, j] * covariances[:, k, m] for (i, j), (k, m) in pairs)
    found = expect_four_piecewise(covariances, 1.0, 1.0)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("rank", [2, 3, 4, 8])
def test_the_order_of_the_variables_changes_next_to_nothing(rank):
    covariances = matrices(rank, 500)[1]
    scales = np.prod(np.sqrt(np.diagonal(covariances, axis1=1, axis2=2)), axis=1)
    first = expect_four_piecewise(covariances, 0.0, 1.0)
    for order in itertools.islice(itertools.permutations(range(4)), 1, 24, 5):
        again = expect_four_piecewise(covariances[:, order][:, :, order], 0.0, 1.0)
        assert np.max(np.abs(again - first) / scales) < 1e-10


def test_a_variable_that_is_zero():
    covariances = matrices(4)[1]
    covariances[:, 2], covariances[:, :, 2] = 0, 0
    assert not expect_four_piecewise(covariances, 0.0, 1.0).any()
