"""Properties of the kernels of convolutions, pooling, normalisation, attention and sums."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
import bnnpost.networks as nn
from bnnpost.kernels.maps import evaluated
from bnnpost.networks.covariance import Covariance
from bnnpost.networks.units import of_inputs
from tests.kernels import points

RNG = np.random.default_rng(8)
SEQUENCES = 0.7 * RNG.normal(size=(3, 4, 3))
IMAGES = RNG.normal(size=(2, 3, 4, 2))
RELU, ERF = nn.Activation("relu"), nn.Activation("erf")
STDS = np.array([1.1, 0.8, 0.7, 0.3])


def both(network, x):
    """NNGP kernel and tangent kernel, from one program."""
    k = evaluated(network, jnp.asarray(x), jnp.asarray(x), None, tangent=True)
    return jnp.stack([k.cross, k.tangent])


def everything(stds):
    """Normalised convolutions, attention and a residual block, with these standard deviations."""
    conv_std, key_std, encoding_std, decay = stds
    encoding = nn.PositionEncoding("CONCAT", encoding_std, decay=decay)
    return nn.Serial(
        [
            nn.Conv(1, [2], w_std=conv_std, b_std=0.2),
            nn.LayerNorm(0.01),
            RELU,
            nn.SelfAttention(1, key_std=key_std, positions=encoding),
            nn.Residual([ERF, nn.Dense(1)]),
            RELU,
            nn.GlobalAvgPool(),
            nn.Dense(1),
        ]
    )


@functools.cache
def weighted_sum():
    """Σ_ij c_ij (K_ij + Θ_ij) with random c, as a function of inputs and stds, and gradients."""
    weights = np.random.default_rng(4).normal(size=(2, 4, 4))

    def value(x, stds):
        return jnp.sum(weights * both(everything(stds), x))

    return jax.jit(jax.value_and_grad(value, argnums=(0, 1)))


@pytest.mark.slow
def test_gradients_with_duplicate_inputs_are_finite_and_those_of_finite_differences():
    x = np.concatenate([SEQUENCES, SEQUENCES[:1]])
    directions = RNG.normal(size=4)
    with jax.enable_x64(True):
        _, (gradient, slopes) = weighted_sum()(x, STDS)
        up, down = (weighted_sum()(x, STDS + step * directions)[0] for step in (1e-5, -1e-5))
    assert np.all(np.isfinite(gradient))
    assert np.isclose(np.asarray(slopes) @ directions, float(up - down) / 2e-5, rtol=1e-6)


@pytest.mark.slow
def test_gradients_with_respect_to_inputs_are_those_of_finite_differences():
    x = np.concatenate([SEQUENCES, SEQUENCES[:1] + 0.3])
    directions = RNG.normal(size=x.shape)
    with jax.enable_x64(True):
        _, (gradient, _) = weighted_sum()(x, STDS)
        up, down = (weighted_sum()(x + step * directions, STDS)[0] for step in (1e-5, -1e-5))
    change = np.sum(np.asarray(gradient) * directions)
    assert np.isclose(change, float(up - down) / 2e-5, rtol=1e-6)


@pytest.mark.slow
def test_jit_and_vmap_over_stds_equal_a_loop():
    stds = np.stack([STDS, 1.3 * STDS])
    with jax.enable_x64(True):
        batched = jax.jit(jax.vmap(lambda s: both(everything(s), SEQUENCES)))(stds)
        looped = np.stack([both(everything(s), SEQUENCES) for s in stds])
    assert batched.shape == (2, 2, 3, 3)
    assert np.allclose(batched, looped, rtol=1e-13)


@jax.jit
def through(layer, k):
    return layer.covariance(k)


BLOCKS = {
    "relu": [RELU, nn.Dense(1, w_std=np.sqrt(2), b_std=0.1)],
    "erf": [ERF, nn.Dense(1, w_std=1.3, b_std=0.1)],
    "sign": [nn.Activation("sign"), nn.Dense(1)],
    "residual": [nn.Residual([nn.LayerNorm(), nn.Activation("gelu"), nn.Dense(1, w_std=0.3)])],
}


@pytest.mark.parametrize("name", BLOCKS)
def test_depth_thirty_is_finite_and_definite(name):
    # The rows have correlations of 1 and −1, zeros and tiny ones among them.
    x = points.awkward_points()
    with jax.enable_x64(True):
        first = Covariance.of_self(jnp.asarray(x @ x.T / x.shape[1]))
        k = dataclasses.replace(first, tangent=jnp.asarray(first.cross))
        for _ in range(30):
            k = through(nn.Serial(BLOCKS[name]), k)
    for kernel in map(np.asarray, (k.cross, k.tangent)):
        eigenvalues = np.linalg.eigvalsh(0.5 * (kernel + kernel.T))
        assert np.all(np.isfinite(kernel))
        assert eigenvalues[0] >= -1e-12 * eigenvalues[-1]


def sizes(jaxpr):
    """Of all arrays that a program makes, those within its parts too."""
    for equation in jaxpr.eqns:
        yield from (np.prod(variable.aval.shape) for variable in equation.outvars)
        for part in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda p: hasattr(p, "jaxpr")
        ):
            inner = getattr(part, "jaxpr", part)
            if hasattr(inner, "eqns"):
                yield from sizes(inner)


@pytest.mark.parametrize(("gather", "squared"), [(nn.Flatten(), False), (nn.GlobalAvgPool(), True)])
def test_only_pooling_follows_pairs_of_positions(gather, squared):
    # Images of 10 × 12 positions, in a residual network; the inputs have one channel.
    branch = [RELU, nn.Conv(1, [3, 3], padding="CIRCULAR")]
    network = nn.Serial(
        [nn.Conv(1, [3, 3]), nn.Residual(branch), nn.LayerNorm(), ERF, gather, nn.Dense(1)]
    )
    x1, x2 = np.ones((3, 10, 12, 1)), np.ones((2, 10, 12, 1))
    program = jax.make_jaxpr(lambda *x: evaluated(network, *x, None, tangent=True).tangent)(x1, x2)
    largest = max(sizes(program.jaxpr))
    assert largest >= 3 * 2 * 120**2 if squared else largest <= 2 * 3 * 2 * 120


def test_equal_positions_are_the_diagonal_of_all_pairs():
    # The same network, read as if all pairs were needed.
    network = nn.Serial([nn.Conv(1, [2, 3], strides=[2, 1]), nn.LayerNorm(), RELU])
    with jax.enable_x64(True):
        found = network_covariance(network, IMAGES, all_pairs=False)
        pairs = network_covariance(network, IMAGES, all_pairs=True)
    assert found.cross.shape == (2, 2, 8)
    assert pairs.cross.shape == (2, 2, 8, 8)
    for one, all_of_them in ((found.cross, pairs.cross), (found.tangent, pairs.tangent)):
        diagonal = np.diagonal(all_of_them, axis1=2, axis2=3)
        assert np.allclose(one, diagonal, rtol=1e-13, atol=1e-15)


@functools.partial(jax.jit, static_argnames="all_pairs")
def network_covariance(network, x, *, all_pairs):
    return network.covariance(of_inputs(x, x, all_pairs=all_pairs, tangent=True))


def test_before_the_first_linear_layer_inputs_are_known_numbers():
    # Layers there act on the inputs themselves: their kernel is that of what comes out.
    readout = nn.Dense(1, w_std=1.2, b_std=0.3)
    normalised = (SEQUENCES - SEQUENCES.mean(-1, keepdims=True)) / SEQUENCES.std(-1, keepdims=True)
    summed = np.maximum(SEQUENCES, 0) + SEQUENCES
    pooled = SEQUENCES[:, :3].sum(1) / 2 + SEQUENCES[:, 1:].sum(1) / 2
    cases = [
        ([nn.AvgPool([2]), nn.GlobalSumPool()], pooled),
        (
            [nn.FanInSum([RELU, nn.LayerNorm(0.0)]), nn.Flatten()],
            np.maximum(SEQUENCES, 0) + normalised,
        ),
        ([nn.Residual(RELU), nn.GlobalAvgPool()], summed.mean(1)),
        ([nn.Reshape((2, 6)), nn.GlobalAvgPool()], SEQUENCES.reshape(3, 2, 6).mean(1)),
    ]
    with jax.enable_x64(True):
        for layers, outputs in cases:
            rows = outputs.reshape(3, -1)
            found = both(nn.Serial([*layers, readout]), SEQUENCES)
            assert np.allclose(found, 1.44 * rows @ rows.T / rows.shape[1] + 0.09, rtol=1e-12)


def test_a_sum_before_positions_are_made_keeps_their_pairs():
    layers = [nn.Dense(1), RELU, nn.GlobalAvgPool()]
    summed = np.maximum(SEQUENCES, 0) + SEQUENCES
    with jax.enable_x64(True):
        found = both(
            nn.Serial([nn.Residual(RELU), nn.Reshape((4, 3)), *layers]), SEQUENCES.reshape(3, 12)
        )
        assert np.allclose(found, both(nn.Serial(layers), summed), rtol=1e-13)


@pytest.mark.slow
def test_sums_of_independent_branches_add_their_kernels():
    first = [nn.Dense(1, w_std=1.2), RELU, nn.Dense(1, b_std=0.1)]
    second = [nn.Dense(1), ERF, nn.Dense(1, w_std=0.7)]
    # One branch may end in an activation: nothing of it is correlated with the others.
    third = [nn.Dense(1), ERF]
    with jax.enable_x64(True):
        x = points.awkward_points()
        apart = [both(nn.Serial(branch), x) for branch in (first, second, third)]
        for chosen in itertools.combinations(range(3), 2):
            branches = [(first, second, third)[i] for i in chosen]
            found = both(nn.FanInSum(branches), x)
            assert np.allclose(found, sum(apart[i] for i in chosen), rtol=1e-14)


def test_layer_normalisation_makes_variances_one():
    network = nn.Serial([nn.Dense(1, w_std=3.0), nn.LayerNorm(0.0)])
    with jax.enable_x64(True):
        kernel = np.asarray(bnnpost.nngp(network, points.awkward_points()))
    # The zero row has no direction: it stays 0.
    expected = np.ones(10)
    expected[points.ZERO] = 0
    assert np.allclose(np.diagonal(kernel), expected, rtol=1e-14)
    assert np.isclose(kernel[points.FIRST, points.OPPOSITE], -1, rtol=1e-14)


@pytest.mark.slow
def test_global_sum_is_the_mean_times_the_number_of_positions():
    layers = [nn.Dense(1), RELU]
    with jax.enable_x64(True):
        mean = both(nn.Serial([*layers, nn.GlobalAvgPool()]), IMAGES)
        total = both(nn.Serial([*layers, nn.GlobalSumPool()]), IMAGES)
    assert np.allclose(total, 12**2 * np.asarray(mean), rtol=1e-13)
