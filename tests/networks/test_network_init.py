"""Prior draws of parameters: shapes, and independent standard normals."""

import functools

import jax
import numpy as np
import pytest
from scipy import stats

import bnnpost
from bnnpost import Activation, Dense, Serial

# Every statistical test here has a fixed seed and, were it random, would fail with at most
# this probability.
FALSE_ALARM_RATE = 1e-5
NETWORK = bnnpost.mlp(width=3, depth=2, num_outputs=2)


def flat(parameters):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(parameters)])


@functools.cache
def many_draws(count=4000):
    """Every parameter of as many small networks, [network, parameter]."""
    keys = jax.random.split(jax.random.key(4), count)
    drawn = jax.jit(jax.vmap(lambda key: NETWORK.init(key, 2)))(keys)
    leaves = [np.reshape(leaf, (count, -1)) for leaf in jax.tree.leaves(drawn)]
    return np.concatenate(leaves, axis=1).astype(np.float64)


def largest_correlation(draws):
    """Largest |correlation| between two parameters, in standard errors of an absent one."""
    correlation = np.corrcoef(draws, rowvar=False)
    np.fill_diagonal(correlation, 0)
    return np.max(np.abs(correlation)) * np.sqrt(len(draws))


def normal_quantile(num_comparisons):
    """Two-sided, with the false-alarm rate shared among the comparisons."""
    return stats.norm.isf(FALSE_ALARM_RATE / (2 * num_comparisons))


def test_shapes():
    network = Serial([Dense(4, b_std=0.1), Activation("erf"), Dense(5), Dense(2, b_std=0.3)])
    parameters = network.init(jax.random.key(0), 3)
    assert [affine.weights.shape for affine in parameters] == [(3, 4), (4, 5), (5, 2)]
    assert [None if a.biases is None else a.biases.shape for a in parameters] == [(4,), None, (2,)]


def test_zero_bias_std_means_no_bias():
    parameters = bnnpost.mlp(width=4, b_std=0.0).init(jax.random.key(0), 3)
    assert all(affine.biases is None for affine in parameters)


def test_parameters_fit_the_forward_pass():
    network = bnnpost.mlp(width=4, num_outputs=3)
    outputs = network.apply(network.init(jax.random.key(0), 2), np.ones((5, 2)))
    assert outputs.shape == (5, 3)
    assert np.ptp(np.asarray(outputs), axis=0).max() == 0


@pytest.mark.parametrize("double", [False, True])
def test_dtype_is_the_default_float(double):
    with jax.enable_x64(double):
        drawn = jax.eval_shape(lambda: NETWORK.init(jax.random.key(0), 2))
    assert {leaf.dtype for leaf in jax.tree.leaves(drawn)} == {
        np.dtype(np.float64 if double else np.float32)
    }


def test_a_draw_is_its_key():
    first, again, other = (flat(NETWORK.init(jax.random.key(s), 2)) for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.any(first == other)


def test_stds_play_no_part():
    # They enter the forward pass: every parameter has prior variance 1.
    scaled = bnnpost.mlp(width=3, depth=2, num_outputs=2, w_std=7.0, b_std=3.0)
    draws = (flat(network.init(jax.random.key(1), 2)) for network in (NETWORK, scaled))
    assert np.array_equal(*draws)


def test_parameters_of_a_wide_network_are_standard_normal():
    # 132,353 numbers of one network: Kolmogorov–Smirnov at the stated rate.
    draw = flat(bnnpost.mlp(width=256, depth=3, num_outputs=1).init(jax.random.key(3), 1))
    assert len(draw) == 2 * 256 + 2 * (257 * 256) + 257
    assert stats.kstest(draw.astype(np.float64), "norm").pvalue > FALSE_ALARM_RATE
    # A std of 1.05 must be seen.
    assert stats.kstest(1.05 * draw.astype(np.float64), "norm").pvalue < FALSE_ALARM_RATE


@pytest.mark.slow
def test_every_parameter_has_mean_zero_and_variance_one():
    draws = many_draws()
    num_parameters = draws.shape[1]
    assert num_parameters == (2 + 1) * 3 + (3 + 1) * 3 + (3 + 1) * 2
    limit = normal_quantile(2 * num_parameters)
    mean_scores = draws.mean(axis=0) * np.sqrt(len(draws))
    # Var of a sample variance of normals is 2/(n − 1).
    variance_scores = (draws.var(axis=0, ddof=1) - 1) / np.sqrt(2 / (len(draws) - 1))
    assert np.max(np.abs(mean_scores)) < limit
    assert np.max(np.abs(variance_scores)) < limit


def test_parameters_are_uncorrelated():
    draws = many_draws()
    num_pairs = draws.shape[1] * (draws.shape[1] - 1) // 2
    limit = normal_quantile(num_pairs)
    assert largest_correlation(draws) < limit
    # Twin: one layer that repeats another's numbers in part.
    repeated = draws.copy()
    repeated[:, -1] = 0.2 * draws[:, 0] + np.sqrt(1 - 0.2**2) * draws[:, -1]
    assert largest_correlation(repeated) > limit


def test_legacy_key_is_refused_with_its_cure():
    legacy = jax.random.key_data(jax.random.key(0))
    with pytest.raises(TypeError, match="wrap_key_data"):
        NETWORK.init(legacy, 2)


def test_array_of_keys_is_refused():
    with pytest.raises(TypeError, match="one key"):
        NETWORK.init(jax.random.split(jax.random.key(0)), 2)
