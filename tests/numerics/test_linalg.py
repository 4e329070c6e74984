"""Elimination against numpy and scipy in double precision, singular matrices included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from bnnpost.numerics import linalg

# Backward errors of elimination in double precision are a few units of rounding a row.
ROUNDING = 1e-13


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


compiled_cholesky = jax.jit(linalg.nested_cholesky)
compiled_basis = jax.jit(linalg.orthonormal_rows)
compiled_schur = jax.jit(linalg.schur, static_argnums=1)


def cholesky(matrix):
    return np.asarray(compiled_cholesky(jnp.asarray(matrix)))


def orthonormal(rows, independent):
    return np.asarray(compiled_basis(jnp.asarray(rows), jnp.asarray(independent)))


def covariance(num_rows, rank=None, seed=0):
    """A covariance of unit size with the given rank."""
    rng = np.random.default_rng(seed)
    factor = rng.standard_normal((num_rows, 2 * num_rows if rank is None else rank))
    return factor @ factor.T / factor.shape[1]


# Eight rows and fewer are eliminated in straight-line code, more in a loop.
@pytest.mark.parametrize("num_rows", [1, 8, 9])
def test_cholesky_of_a_definite_matrix_is_numpys(num_rows):
    matrix = covariance(num_rows)
    factor = cholesky(matrix)
    np.testing.assert_allclose(factor, np.linalg.cholesky(matrix), rtol=0, atol=ROUNDING)
    np.testing.assert_array_equal(factor, np.tril(factor))


@pytest.mark.parametrize(("num_rows", "rank"), [(8, 2), (12, 4), (12, 1)])
def test_cholesky_of_a_singular_matrix(num_rows, rank):
    matrix = covariance(num_rows, rank)
    factor = cholesky(matrix)
    np.testing.assert_allclose(factor @ factor.T, matrix, rtol=0, atol=ROUNDING)
    np.testing.assert_array_equal(np.diagonal(factor) > 0, np.arange(num_rows) < rank)
    np.testing.assert_array_equal(factor[:, rank:], 0)


def test_duplicate_rows_of_the_factor_are_equal_to_rounding():
    repeated = [0, 1, 0, 2, 1, 3, 0]
    factor = cholesky(covariance(4)[np.ix_(repeated, repeated)])
    np.testing.assert_allclose(factor[[2, 6, 4]], factor[[0, 0, 1]], rtol=0, atol=1e-15)
    np.testing.assert_array_equal(linalg.nonzero_pivots(factor), [1, 1, 0, 1, 0, 1, 0])


def test_rows_of_zeros_and_the_zero_matrix():
    matrix = covariance(8)
    matrix[2] = matrix[:, 2] = 0
    factor = cholesky(matrix)
    np.testing.assert_allclose(factor @ factor.T, matrix, rtol=0, atol=ROUNDING)
    np.testing.assert_array_equal(factor[2], 0)
    np.testing.assert_array_equal(cholesky(np.zeros((8, 8))), 0)


@pytest.mark.parametrize("rank", [3, 24])
def test_appending_rows_leaves_the_factor_as_it_was(rank):
    matrix = covariance(12, rank)
    whole = cholesky(matrix)
    for count in (1, 8, 9):
        part = cholesky(matrix[:count, :count])
        np.testing.assert_allclose(whole[:count, :count], part, rtol=0, atol=1e-15)


def test_scaling_rows_by_powers_of_two_scales_the_factor():
    # No absolute jitter: pivots are judged by the size of their own row.
    matrix, scales = covariance(8, 4), 2.0 ** np.array([-40, 0, 13, -7, 30, -60, 3, 1])
    scaled = cholesky(matrix * np.outer(scales, scales))
    np.testing.assert_allclose(scaled / scales[:, None], cholesky(matrix), rtol=0, atol=ROUNDING)


def test_nan_in_the_covariance_is_nan_in_the_factor():
    matrix = covariance(5)
    matrix[3, 1] = matrix[1, 3] = np.nan
    factor = cholesky(matrix)
    assert np.isnan(factor[3]).any()
    np.testing.assert_allclose(factor[:3, :3], np.linalg.cholesky(matrix[:3, :3]), atol=ROUNDING)


# Few rows are multiplied out in straight-line code.
@pytest.mark.parametrize("num_rows", [1, 6, 7])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lower_times_is_the_matrix_product(num_rows, dtype):
    rng = np.random.default_rng(7)
    factor, normals = (
        np.tril(rng.standard_normal((num_rows, num_rows))),
        rng.normal(size=(num_rows, 5)),
    )
    product = linalg.lower_times(jnp.asarray(factor), jnp.asarray(normals, dtype))
    assert product.dtype == dtype
    rounding = num_rows * 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(product, factor @ normals, rtol=0, atol=rounding)


def test_orthonormal_rows_is_the_qr_factorisation():
    rows = np.random.default_rng(2).standard_normal((5, 9))
    basis = orthonormal(rows, np.ones(5, bool))
    unsigned, upper = np.linalg.qr(rows.T)
    np.testing.assert_allclose(basis, unsigned * np.sign(np.diagonal(upper)), atol=ROUNDING)


def test_orthonormal_rows_where_rows_are_dependent():
    rows = np.random.default_rng(3).standard_normal((3, 7))[[0, 1, 0, 2]]
    basis = orthonormal(rows, np.array([True, True, False, True]))
    np.testing.assert_array_equal(basis[:, 2], 0)
    np.testing.assert_allclose(basis.T @ basis, np.diag([1, 1, 0, 1]), atol=ROUNDING)
    np.testing.assert_allclose(rows @ basis @ basis.T, rows, atol=ROUNDING)
    np.testing.assert_allclose(np.tril(basis.T @ rows.T, -1), 0, atol=ROUNDING)


def test_orthonormal_rows_of_nearly_parallel_rows():
    # Gram–Schmidt done once loses orthogonality here by 1e-16/1e-7.
    rng = np.random.default_rng(4)
    rows = rng.standard_normal(9) + 1e-7 * rng.standard_normal((4, 9))
    basis = orthonormal(rows, np.ones(4, bool))
    np.testing.assert_allclose(basis.T @ basis, np.eye(4), atol=ROUNDING)


@pytest.mark.parametrize("num_pivots", [1, 4, 11])
def test_schur_complement_and_determinant(num_pivots):
    rng = np.random.default_rng(5)
    leading = covariance(num_pivots) + np.eye(num_pivots)
    right, below = rng.standard_normal((num_pivots, 3)), rng.standard_normal((2, num_pivots))
    corner = rng.standard_normal((2, 3))
    result = compiled_schur(np.block([[leading, right], [below, corner]]), num_pivots)
    expected = corner - below @ np.linalg.solve(leading, right)
    np.testing.assert_allclose(result.complement, expected, rtol=0, atol=ROUNDING * num_pivots)
    np.testing.assert_allclose(result.log_det, np.linalg.slogdet(leading)[1], atol=ROUNDING)


@pytest.mark.parametrize("wrong", [-1.0, 0.0, np.nan])
def test_schur_is_nan_where_the_leading_block_is_not_definite(wrong):
    matrix = np.eye(4)
    matrix[1, 1] = wrong
    result = compiled_schur(matrix, 3)
    assert np.isnan(result.log_det)
    assert np.isnan(result.complement).all()


@pytest.mark.parametrize(("num_rows", "num_outputs"), [(1, 1), (4, 1), (4, 3), (10, 2)])
def test_gaussian_log_density_is_scipys(num_rows, num_outputs):
    matrix = covariance(num_rows) + 0.1 * np.eye(num_rows)
    values = np.random.default_rng(6).standard_normal((num_rows, num_outputs))
    law = scipy.stats.multivariate_normal(cov=matrix)
    expected = np.sum([law.logpdf(column) for column in values.T])
    np.testing.assert_allclose(linalg.gaussian_log_density(values, matrix), expected, rtol=1e-12)


def test_gaussian_log_density_of_a_singular_covariance_is_not_finite():
    assert not np.isfinite(linalg.gaussian_log_density(np.ones((2, 1)), np.ones((2, 2))))
