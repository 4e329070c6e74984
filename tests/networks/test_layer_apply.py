"""Forward passes of convolutions, pooling, normalisation, attention and sums, against numpy."""

import jax
import numpy as np
import pytest

import bnnpost.networks as nn
from tests.networks import plain_layers

RNG = np.random.default_rng(3)
SEQUENCES = RNG.normal(size=(2, 7, 3))
IMAGES = RNG.normal(size=(2, 5, 4, 3))
STDS = {"key_std": 1.3, "query_std": 0.6, "value_std": 0.9, "out_std": 1.2, "b_std": 0.4}
WINDOWS = [
    (SEQUENCES, (3,), (1,), "SAME"),
    (SEQUENCES, (4,), (2,), "SAME"),
    (SEQUENCES, (2,), (3,), "VALID"),
    (SEQUENCES, (4,), (1,), "CIRCULAR"),
    (IMAGES, (2, 3), (1, 2), "SAME"),
    (IMAGES, (3, 2), (2, 1), "VALID"),
    (IMAGES, (4, 3), (2, 3), "CIRCULAR"),
]
NAMES = [f"{len(shape)}D-{shape[0]}-{padding}" for _, shape, _, padding in WINDOWS]
every_window = pytest.mark.parametrize(("x", "shape", "strides", "padding"), WINDOWS, ids=NAMES)


apply = jax.jit(lambda network, parameters, x: network.apply(parameters, x))


def outputs(network, x):
    """The forward pass with normal parameters of the shapes that init has, and these."""
    rng = np.random.default_rng(4)
    with jax.enable_x64(True):
        shapes = jax.eval_shape(lambda key: network.init(key, x.shape[1:]), jax.random.key(0))
        parameters = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), shapes)
        return np.asarray(apply(network, parameters, x)), parameters


def assert_equal(found, expected):
    assert found.shape == expected.shape
    assert found.dtype == np.float64
    assert np.max(np.abs(found - expected)) <= 1e-13 * np.max(np.abs(expected))


@every_window
def test_convolution(x, shape, strides, padding):
    layer = nn.Conv(2, shape, strides=strides, padding=padding, w_std=1.4, b_std=0.3)
    found, (affine,) = outputs(layer, x)
    assert_equal(found, plain_layers.conv(x, affine, shape, strides, padding, 1.4, 0.3))


def test_an_even_filter_padded_on_the_other_side_is_seen():
    # A mirrored filter over a mirrored sequence: the same, but for where the padding is.
    found, (affine,) = outputs(nn.Conv(2, [4]), SEQUENCES)
    mirrored = affine._replace(weights=affine.weights.reshape(4, 3, 2)[::-1].reshape(12, 2))
    wrong = plain_layers.conv(SEQUENCES[:, ::-1], mirrored, (4,), (1,), "SAME")[:, ::-1]
    with pytest.raises(AssertionError):
        assert_equal(found, wrong)


@every_window
def test_average_over_windows(x, shape, strides, padding):
    found, _ = outputs(nn.AvgPool(shape, strides=strides, padding=padding), x)
    assert_equal(found, plain_layers.average(x, shape, strides, padding))


def test_a_filter_of_one_position_is_a_dense_layer():
    found, parameters = outputs(nn.Conv(2, [1, 1]), IMAGES)
    with jax.enable_x64(True):
        assert_equal(found, np.asarray(nn.Dense(2).apply(parameters, IMAGES)))


def test_pooling_and_flattening():
    assert_equal(outputs(nn.GlobalAvgPool(), IMAGES)[0], IMAGES.mean((1, 2)))
    assert_equal(outputs(nn.GlobalSumPool(), IMAGES)[0], IMAGES.sum((1, 2)))
    assert_equal(outputs(nn.Flatten(), IMAGES)[0], IMAGES.reshape(2, -1))
    assert_equal(outputs(nn.Reshape((10, 6)), IMAGES)[0], IMAGES.reshape(2, 10, 6))


@pytest.mark.parametrize("eps", [1e-12, 0.5])
def test_layer_normalisation(eps):
    assert_equal(outputs(nn.LayerNorm(eps), IMAGES)[0], plain_layers.normalised(IMAGES, eps))


def test_layer_normalisation_of_equal_channels_is_zero():
    assert np.all(outputs(nn.LayerNorm(0.0), np.ones((2, 3)))[0] == 0)


def test_residual_and_sums_of_branches():
    first, second = [nn.Activation("relu"), nn.Dense(3, b_std=0.2)], [nn.Dense(3, w_std=0.7)]
    found, parameters = outputs(
        nn.Serial([nn.Residual(first), nn.FanInSum([first, second])]), SEQUENCES
    )
    x = SEQUENCES + plain_layers.linear(np.maximum(SEQUENCES, 0), parameters[0], 1.0, 0.2)
    expected = plain_layers.linear(np.maximum(x, 0), parameters[1], 1.0, 0.2)
    assert_equal(found, expected + plain_layers.linear(x, parameters[2], 0.7))


@pytest.mark.parametrize(
    ("heads", "scaling", "mechanism"),
    [
        (1, "linear", "softmax"),
        (3, "linear", "relu"),
        (1, "sqrt", "identity"),
        (3, "sqrt", "softmax"),
        (3, "sqrt", "abs"),
    ],
)
def test_attention(heads, scaling, mechanism):
    layer = nn.SelfAttention(
        4, heads=heads, key_width=2, value_width=5, mechanism=mechanism, scaling=scaling, **STDS
    )
    found, parameters = outputs(layer, SEQUENCES)
    keys, *queries, values, out = parameters
    expected = plain_layers.attention(
        SEQUENCES, SEQUENCES, (keys, queries[0] if queries else None, values, out), heads,
        mechanism, scaling, tuple(STDS.values()),
    )  # fmt: skip
    assert_equal(found, expected)
    assert len(parameters) == (3 if scaling == "linear" else 4)


@pytest.mark.parametrize(
    ("kind", "in_values", "decay"),
    [("SUM", True, None), ("SUM", False, 0.3), ("CONCAT", True, 0.3), ("CONCAT", False, None)],
)
def test_attention_with_encodings_of_positions(kind, in_values, decay):
    encoding = nn.PositionEncoding(kind, 0.8, in_values, decay)
    layer = nn.SelfAttention(4, heads=2, key_width=3, value_width=2, positions=encoding, **STDS)
    x = IMAGES[:, :2]  # decays with the distance on a grid
    found, (drawn, keys, values, out) = outputs(layer, x)
    rows = x.reshape(2, 8, 3)
    root = np.eye(8) if decay is None else plain_layers.encoding_root((2, 4), decay)
    # Any square root gives encodings of this law, so the library's own is taken once it is one.
    with jax.enable_x64(True):
        own = np.asarray(encoding._root((2, 4), np.float64))
    assert np.allclose(own @ own.T, root @ root.T, rtol=1e-13, atol=1e-14)
    codes = np.broadcast_to(0.8 * own @ drawn.weights, rows.shape)
    encoded = rows + codes if kind == "SUM" else np.concatenate([rows, codes], axis=-1)
    expected = plain_layers.attention(
        encoded, encoded if in_values else rows, (keys, None, values, out), 2, "softmax", "linear",
        tuple(STDS.values()),
    )  # fmt: skip
    assert_equal(found, expected.reshape(2, 2, 4, 4))


def test_encodings_of_many_alike_positions_are_finite_in_single_precision():
    # exp(−0.01 r²) over 20 positions is singular to rounding.
    encoding = nn.PositionEncoding(decay=0.01)
    root = np.asarray(encoding._root((20,), np.float32))
    correlation = np.asarray(encoding.correlation((20,), np.float32))
    assert root.dtype == np.float32
    assert np.max(np.abs(root @ root.T - correlation)) <= 1e-5
