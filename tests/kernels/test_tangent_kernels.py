"""The tangent kernel of one finite network, against Jacobians by every parameter in plain JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro.distributions import HalfNormal, StudentT

import bnnpost.networks as nn
from bnnpost.kernels import tangents
from bnnpost.networks.linear import linear_layers

RNG = np.random.default_rng(8)
ROWS = RNG.normal(size=(4, 3))
SEQUENCES = RNG.normal(size=(3, 4, 3))
IMAGES = RNG.normal(size=(3, 4, 4, 2))
PADDED = np.where(np.arange(4)[:, None] < np.array([4, 2, 3])[:, None, None], SEQUENCES, 0.0)


def scales():
    """Laws of weights, and scales that are drawn: none of the latter counts."""
    first = nn.Dense(5, prior=StudentT(5.0), w_std=nn.per_input(HalfNormal(1.0)), b_std=0.4)
    second = nn.Dense(6, w_std=nn.shared_scale(HalfNormal(1.0)), b_std=HalfNormal(1.0))
    return [first, nn.Activation("relu"), second, nn.Activation("erf")]


def fixed():
    weights = nn.Dense(5, prior=nn.Fixed(RNG.normal(size=(3, 5))), b_std=0.5)
    biases = nn.Dense(4, b_std=0.7, bias_prior=nn.Fixed(0.3))
    both = nn.Dense(4, prior=nn.Fixed(0.2), b_std=0.5, bias_prior=nn.Fixed(0.3))
    sin = nn.Activation("sin")
    return [weights, sin, biases, sin, both, sin]


def branches():
    rectified = [nn.Activation("relu"), nn.Dense(6, b_std=0.2)]
    return [nn.Dense(6), nn.Residual(rectified), nn.FanInSum([[nn.Dense(4)], [nn.Dense(4)]])]


def images(*gathered, width=3):
    conv = nn.Conv(width, [3, 3], w_std=1.4, b_std=0.2)
    return [conv, nn.Activation("relu"), nn.Conv(width, [2, 2], padding="VALID"), *gathered]


def attention(**options):
    layer = nn.SelfAttention(4, heads=2, key_width=3, b_std=0.3, **options)
    return [nn.Dense(5, b_std=0.3), nn.LayerNorm(0.1), layer, nn.Activation("gelu")]


CASES = {
    "fixed": (fixed(), ROWS),
    "scales": (scales(), ROWS),
    "branches": (branches(), ROWS),
    "flat images": (images(nn.Flatten()), IMAGES),
    "pooled images": (images(nn.AvgPool([2, 2]), nn.GlobalAvgPool(), width=7), IMAGES),
    "attention": (
        [*attention(positions=nn.PositionEncoding("CONCAT", 0.8)), nn.Flatten()],
        SEQUENCES,
    ),
    "masked attention": (
        [nn.Mask(), *attention(scaling="sqrt"), nn.GlobalAvgPool()],
        PADDED,
    ),
}


def by_jacobians(network, slopes, features):
    """Σ over weights and biases with a random law, in numpy; the mean over output units."""
    total = 0.0
    for met, affine in zip(linear_layers(network, features), slopes, strict=True):
        for law, slope in zip(met.layer.priors, (affine.weights, affine.biases), strict=True):
            if slope is None or isinstance(law, nn.Fixed):
                continue
            flat = np.asarray(slope).reshape(*slope.shape[:2], -1)
            total = total + np.einsum("iop,jop->ij", flat, flat) / flat.shape[1]
    return total


def deviations(name):
    """Of the kernel of a list with itself from Jacobians, and of one with another, relative."""
    layers, x = CASES[name]
    network = nn.Serial([*layers, nn.Dense(2, w_std=1.1, b_std=0.3)])

    @jax.jit
    def computed(x):
        parameters = network.init(jax.random.key(1), x.shape[1:])
        slopes = jax.jacrev(lambda p: network.apply(p, x))(parameters)
        of_itself = tangents.tangent_kernel(network, parameters, x, None)
        return slopes, of_itself, tangents.tangent_kernel(network, parameters, x[:2], x[1:])

    with jax.enable_x64(True):
        slopes, *kernels = computed(jnp.asarray(x))
        expected = by_jacobians(network, slopes, x.shape[1:])
    found, wanted = map(np.asarray, kernels), (expected, expected[:2, 1:])
    errors = [np.max(np.abs(a - b)) for a, b in zip(found, wanted, strict=True)]
    return np.array(errors) / np.max(np.abs(expected))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.first
def test_it_is_the_sum_over_jacobians(name):
    assert np.max(deviations(name)) <= 1e-13


def equal_positions_alone(side, lists):
    of_rows, of_slopes = (jnp.einsum("isk,jsk->ijs", a[lists.first], a[lists.second]) for a in side)
    return jnp.sum(of_rows * of_slopes, axis=2)


def all_columns(layer, rows):
    found = layer.augmented(rows.reshape(-1, rows.shape[-1]))
    return found.reshape(len(rows), -1, found.shape[-1])


@pytest.mark.parametrize(
    ("part", "wrong", "name"),
    [
        ("_part", equal_positions_alone, "masked attention"),
        ("_random_columns", all_columns, "fixed"),
    ],
)
@pytest.mark.slow
def test_what_is_left_out_or_counted_besides_is_seen(monkeypatch, part, wrong, name):
    monkeypatch.setattr(tangents, part, wrong)
    assert np.all(deviations(name) > 1e-3)


@pytest.mark.first
@pytest.mark.parametrize("second", [slice(3), slice(3, None)])
def test_both_ways_give_the_sum_over_pairs_of_positions(monkeypatch, second):
    rows, slopes = RNG.normal(size=(5, 4, 6)), RNG.normal(size=(5, 4, 7))
    expected = np.einsum(
        "isp,jtp,isw,jtw->ij", rows[:3], rows[second], slopes[:3], slopes[second], optimize=True
    )
    # Two columns of seven at a time.
    monkeypatch.setattr(tangents, "_DERIVATIVES_AT_ONCE", 60)
    with jax.enable_x64(True):
        side = tangents._Side(jnp.asarray(rows), jnp.asarray(slopes))
        lists = tangents._Lists(slice(3), second)
        for way in (tangents._by_grams, tangents._by_derivatives):
            np.testing.assert_allclose(way(side, lists), expected, rtol=1e-12, atol=1e-12)
