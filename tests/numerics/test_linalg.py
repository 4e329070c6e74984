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


compiled_factor = jax.jit(linalg.nested_factor)
compiled_basis = jax.jit(linalg.orthonormal_rows)
compiled_schur = jax.jit(linalg.schur, static_argnums=1)


def found(matrix, num_first=None):
    """The factor and the order of elimination, as numpy arrays."""
    return linalg.Factor(*map(np.asarray, factor_of(matrix, num_first)))


def factor_of(matrix, num_first=None):
    order = linalg.pivot_order(matrix, len(matrix) if num_first is None else num_first)
    return compiled_factor(jnp.asarray(matrix), jnp.asarray(order))


def cholesky(matrix, num_first=None):
    return found(matrix, num_first).matrix


def orthonormal(rows):
    factor = factor_of(rows @ rows.T)
    return np.asarray(compiled_basis(jnp.asarray(rows), factor)), factor


def covariance(num_rows, rank=None, seed=0):
    """A covariance of unit size with the given rank."""
    rng = np.random.default_rng(seed)
    factor = rng.standard_normal((num_rows, 2 * num_rows if rank is None else rank))
    return factor @ factor.T / factor.shape[1]


# Eight rows and fewer are eliminated in straight-line code, more in a loop.
@pytest.mark.parametrize("num_rows", [1, 8, 9])
def test_factor_of_a_definite_matrix_is_numpys_in_its_order(num_rows):
    matrix = covariance(num_rows)
    factor, order = found(matrix)
    ordered = np.ix_(order, order)
    assert sorted(order) == list(range(num_rows))
    np.testing.assert_allclose(
        factor[ordered], np.linalg.cholesky(matrix[ordered]), rtol=0, atol=ROUNDING
    )


@pytest.mark.parametrize(("num_rows", "rank"), [(8, 2), (12, 4), (12, 1)])
def test_factor_of_a_singular_matrix(num_rows, rank):
    matrix = covariance(num_rows, rank)
    factor = cholesky(matrix)
    np.testing.assert_allclose(factor @ factor.T, matrix, rtol=0, atol=ROUNDING)
    assert np.count_nonzero(np.diagonal(factor) > 0) == rank
    np.testing.assert_array_equal(factor[:, np.diagonal(factor) == 0], 0)


@pytest.mark.parametrize("num_rows", [25, 50, 100])
def test_factor_of_a_sorted_grid(num_rows):
    # A smooth kernel on sorted neighbours: eliminated in the given order, errors grow to 0.9.
    grid = np.linspace(-2, 2, num_rows)
    matrix = np.exp(-0.5 * (grid[:, None] - grid) ** 2)
    for num_first in (5, num_rows):
        factor = cholesky(matrix, num_first)
        # Rows that the others determine to ZERO_PIVOT are left out of what is to come.
        left_out = 5 * linalg.ZERO_PIVOT
        np.testing.assert_allclose(factor @ factor.T, matrix, rtol=0, atol=left_out)


def test_duplicate_rows_of_the_factor_are_equal_to_rounding():
    repeated = [0, 1, 0, 2, 1, 3, 0]
    factor = cholesky(covariance(4)[np.ix_(repeated, repeated)])
    np.testing.assert_allclose(factor[[2, 6, 4]], factor[[0, 0, 1]], rtol=0, atol=1e-15)
    assert np.count_nonzero(np.diagonal(factor) > 0) == 4


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
    for count in (1, 8, 9):
        whole, part = found(matrix, count), found(matrix[:count, :count])
        np.testing.assert_allclose(whole.matrix[:count, :count], part.matrix, rtol=0, atol=1e-15)
        np.testing.assert_array_equal(whole.order[:count], part.order)
        np.testing.assert_array_equal(whole.matrix[:count, count:], 0)


def test_scaling_rows_by_powers_of_two_scales_the_factor():
    # No absolute jitter: pivots are judged by the size of their own row.
    matrix, scales = covariance(8, 4), 2.0 ** np.array([-40, 0, 13, -7, 30, -60, 3, 1])
    scaled = cholesky(matrix * np.outer(scales, scales))
    np.testing.assert_allclose(scaled / scales[:, None], cholesky(matrix), rtol=0, atol=ROUNDING)


def test_nan_in_the_covariance_is_nan_in_the_factor():
    matrix = covariance(5)
    matrix[3, 1] = matrix[1, 3] = np.nan
    assert np.isnan(cholesky(matrix)).any()


# Few rows are multiplied out in straight-line code.
@pytest.mark.each(3)
@pytest.mark.parametrize("num_rows", [1, 6, 7])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_square_times_is_the_matrix_product(num_rows, dtype):
    rng = np.random.default_rng(7)
    factor, normals = (
        rng.standard_normal((num_rows, num_rows)),
        rng.normal(size=(num_rows, 5)),
    )
    product = linalg.square_times(jnp.asarray(factor), jnp.asarray(normals, dtype))
    assert product.dtype == dtype
    rounding = num_rows * 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(product, factor @ normals, rtol=0, atol=rounding)


@pytest.mark.parametrize("repeated", [[0, 1, 2, 3, 4], [0, 1, 0, 2]])
def test_rows_are_the_factor_times_the_orthonormal_rows(repeated):
    rows = np.random.default_rng(2).standard_normal((5, 9))[repeated]
    basis, factor = orthonormal(rows)
    np.testing.assert_allclose(factor.matrix @ basis.T, rows, rtol=0, atol=ROUNDING)
    independent = np.asarray(factor.independent(), float)
    assert independent.sum() == len(set(repeated))
    np.testing.assert_allclose(basis.T @ basis, np.diag(independent), atol=ROUNDING)


def test_orthonormal_rows_of_nearly_parallel_rows():
    # Gram–Schmidt done once loses orthogonality here by 1e-16/1e-5.
    rng = np.random.default_rng(4)
    basis, factor = orthonormal(rng.standard_normal(9) + 1e-5 * rng.standard_normal((4, 9)))
    assert np.asarray(factor.independent()).all()
    np.testing.assert_allclose(basis.T @ basis, np.eye(4), atol=ROUNDING)


@pytest.mark.parametrize("num_pivots", [1, 4, 11])
def test_schur_complement_and_determinant(num_pivots):
    rng = np.random.default_rng(5)
    leading = covariance(num_pivots) + np.eye(num_pivots)
    beside, corner = rng.standard_normal((num_pivots, 3)), covariance(3)
    result = compiled_schur(np.block([[leading, beside], [beside.T, corner]]), num_pivots)
    expected = corner - beside.T @ np.linalg.solve(leading, beside)
    np.testing.assert_allclose(result.complement, expected, rtol=0, atol=ROUNDING * num_pivots)
    np.testing.assert_allclose(result.log_det, np.linalg.slogdet(leading)[1], atol=ROUNDING)


@pytest.mark.first
@pytest.mark.parametrize("wrong", [-1.0, 0.0, np.nan])
@pytest.mark.parametrize("num_rows", [4, 12])
def test_nothing_is_known_where_the_leading_block_is_not_definite(wrong, num_rows):
    matrix = np.eye(num_rows)
    matrix[1, 1] = wrong
    result = compiled_schur(matrix, num_rows - 1)
    assert np.isnan(result.log_det)
    assert np.isnan(result.complement).all()
    assert np.isnan(linalg.solve(matrix, np.ones((num_rows, 1)))).all()


@pytest.mark.parametrize(("num_rows", "num_outputs"), [(1, 1), (4, 1), (4, 3), (10, 2)])
def test_gaussian_log_density_is_scipys(num_rows, num_outputs):
    matrix = covariance(num_rows) + 0.1 * np.eye(num_rows)
    values = np.random.default_rng(6).standard_normal((num_rows, num_outputs))
    law = scipy.stats.multivariate_normal(cov=matrix)
    expected = np.sum([law.logpdf(column) for column in values.T])
    np.testing.assert_allclose(linalg.gaussian_log_density(values, matrix), expected, rtol=1e-12)


def test_gaussian_log_density_of_a_singular_covariance_is_not_finite():
    assert not np.isfinite(linalg.gaussian_log_density(np.ones((2, 1)), np.ones((2, 2))))


@pytest.mark.first
@pytest.mark.parametrize("size", [1e-200, 1e6])
def test_solutions_of_a_near_singular_system_of_any_size(size):
    """As good as numpy's: what is left of the equations, to the rounding of their terms."""
    grid = np.linspace(-1, 1, 13)
    matrix = np.exp(-0.5 * (grid[:, None] - grid) ** 2) + 1e-9 * np.eye(13)
    values = np.random.default_rng(8).standard_normal((13, 2))
    solved = np.asarray(linalg.solve(size * matrix, values)) * size
    terms = np.abs(matrix) @ np.abs(solved)
    assert np.max(np.abs(matrix @ solved - values) / terms) < ROUNDING
    log_det = compiled_schur(size * matrix, 13).log_det - 13 * np.log(size)
    np.testing.assert_allclose(log_det, np.linalg.slogdet(matrix)[1], rtol=1e-8)


@pytest.mark.each(2)
@pytest.mark.parametrize(("num_rows", "num_outputs"), [(6, 1), (6, 3), (11, 1)])
def test_gaussian_log_density_has_the_derivative_of_the_closed_form(num_rows, num_outputs):
    matrix = covariance(num_rows) + 0.1 * np.eye(num_rows)
    values = np.random.default_rng(7).standard_normal((num_rows, num_outputs))
    by_values, by_matrix = jax.grad(linalg.gaussian_log_density, (0, 1))(values, matrix)
    inverse = np.linalg.inv(matrix)
    solved = inverse @ values
    np.testing.assert_allclose(by_values, -solved, rtol=1e-11)
    expected = 0.5 * (solved @ solved.T - num_outputs * inverse)
    np.testing.assert_allclose(by_matrix, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.slow
def test_gaussian_log_density_has_the_second_derivative_of_differences():
    values, matrix = np.ones((3, 1)), covariance(3) + 0.1 * np.eye(3)

    def along(step):
        return linalg.gaussian_log_density(values, matrix + step * np.eye(3))

    slope, size = jax.grad(along), 1e-5
    expected = (slope(size) - slope(-size)) / (2 * size)
    np.testing.assert_allclose(jax.grad(slope)(0.0), expected, rtol=1e-7)


@pytest.mark.first
@pytest.mark.parametrize("derivative", [jax.jvp, jax.grad])
def test_gaussian_log_density_of_a_singular_covariance_has_no_derivative(derivative):
    values, singular = np.ones((2, 1)), np.ones((2, 2))
    if derivative is jax.jvp:
        found = jax.jvp(lambda k: linalg.gaussian_log_density(values, k), (singular,), (singular,))
    else:
        found = jax.grad(lambda k: linalg.gaussian_log_density(values, k))(singular)
    assert not np.isfinite(np.asarray(found)).all()


def factors_sum(weights, order):
    """A number that depends on every entry of the factor of rows rowsᵀ."""

    def of_rows(rows):
        return jnp.sum(weights * linalg.nested_factor(rows @ rows.T, order).matrix)

    return of_rows


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["definite", "more rows than columns", "rows twice"])
def test_the_factor_has_the_derivative_of_differences(kind):
    """Along directions that keep what depends on what: elsewhere a square root has none."""
    rng = np.random.default_rng(8)
    rows = rng.standard_normal((7, 3 if kind == "more rows than columns" else 9))
    direction = rng.standard_normal(rows.shape)
    if kind == "rows twice":
        rows[[5, 2]], direction[[5, 2]] = rows[[0, 1]], direction[[0, 1]]
    value = factors_sum(rng.standard_normal((7, 7)), jnp.asarray(rng.permutation(7)))
    size = 1e-6
    expected = (value(rows + size * direction) - value(rows - size * direction)) / (2 * size)
    _, found = jax.jvp(value, (rows,), (direction,))
    np.testing.assert_allclose(found, expected, rtol=1e-7)
    np.testing.assert_allclose(jnp.sum(jax.grad(value)(rows) * direction), expected, rtol=1e-7)


def test_solve_is_numpys():
    matrix = covariance(8) + 0.1 * np.eye(8)
    values = np.random.default_rng(9).standard_normal((8, 2))
    solved = jax.jit(linalg.solve)(matrix, values)
    np.testing.assert_allclose(solved, np.linalg.solve(matrix, values), rtol=1e-11)
