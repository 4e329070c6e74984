"""Forward passes against plain numpy."""

import itertools

import jax
import numpy as np
import pytest

import bnnpost
from bnnpost import Activation, Dense, Serial
from bnnpost.networks.layers import Affine
from tests.networks import formulas

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3))


def random_parameters(*sizes, bias=True):
    """Weights and biases of dense layers from sizes[0] inputs to sizes[-1] outputs."""
    rng = np.random.default_rng(sum(sizes))
    return tuple(
        Affine(rng.normal(size=(fan_in, width)), rng.normal(size=width) if bias else None)
        for fan_in, width in itertools.pairwise(sizes)
    )


def dense(x, affine, w_std, b_std):
    """z = (w_std/√fan_in) x W + b_std b."""
    z = w_std / np.sqrt(x.shape[-1]) * (x @ affine.weights)
    return z if affine.biases is None else z + b_std * affine.biases


def apply(network, parameters, x, double=True):
    with jax.enable_x64(double):
        return np.asarray(network.apply(parameters, x))


def test_one_dense_layer():
    parameters = random_parameters(3, 5)
    expected = dense(X, parameters[0], 1.5, 0.4)
    assert np.allclose(apply(Dense(5, w_std=1.5, b_std=0.4), parameters, X), expected, rtol=1e-14)


def test_one_dense_layer_without_bias():
    parameters = random_parameters(3, 5, bias=False)
    expected = 0.7 / np.sqrt(3) * X @ parameters[0].weights
    assert np.allclose(apply(Dense(5, w_std=0.7), parameters, X), expected, rtol=1e-14)


@pytest.mark.parametrize(("name", "hyperparameters", "phi"), formulas.ACTIVATIONS, ids=formulas.IDS)
def test_two_layers_with_every_activation(name, hyperparameters, phi):
    network = Serial(
        [Dense(6, w_std=1.2, b_std=0.3), Activation(name, **hyperparameters), Dense(2, w_std=0.8)]
    )
    first, second = random_parameters(3, 6, 2)
    parameters = (first, Affine(second.weights, None))
    expected = dense(phi(dense(X, first, 1.2, 0.3)), parameters[1], 0.8, 0.0)
    assert np.allclose(apply(network, parameters, X), expected, rtol=1e-12, atol=1e-13)


def test_mlp_has_a_readout_with_its_own_stds():
    network = bnnpost.mlp(
        width=4, depth=2, activation="relu", w_std=1.3, b_std=0.2, num_outputs=2,
        readout_w_std=0.5, readout_b_std=0.7,
    )  # fmt: skip
    first, second, readout = parameters = random_parameters(3, 4, 4, 2)
    hidden = np.maximum(dense(np.maximum(dense(X, first, 1.3, 0.2), 0), second, 1.3, 0.2), 0)
    expected = dense(hidden, readout, 0.5, 0.7)
    assert np.allclose(apply(network, parameters, X), expected, rtol=1e-13)


def test_nested_serial_is_the_flat_one():
    layers = [Dense(4, b_std=0.1), Activation("erf"), Dense(4), Activation("sin"), Dense(1)]
    nested = Serial([Serial(layers[:2]), Serial([Serial(layers[2:3]), layers[3]]), layers[4]])
    first, second, third = random_parameters(3, 4, 4, 1)
    parameters = (first, Affine(second.weights, None), Affine(third.weights, None))
    assert nested.flattened() == tuple(layers)
    assert np.array_equal(apply(nested, parameters, X), apply(Serial(layers), parameters, X))


def test_positions_are_carried_through():
    # (batch, position, channel): every position is a point of its own to Dense and Activation.
    network = bnnpost.mlp(width=4, depth=1, activation="gelu", num_outputs=2)
    parameters = random_parameters(3, 4, 2)
    x = RNG.normal(size=(5, 7, 3))
    found = apply(network, parameters, x)
    assert found.shape == (5, 7, 2)
    assert np.allclose(found.reshape(-1, 2), apply(network, parameters, x.reshape(-1, 3)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_outputs_have_the_dtype_of_the_inputs(dtype):
    network = bnnpost.mlp(width=4, depth=1)
    parameters = random_parameters(3, 4, 1)
    found = apply(network, parameters, X.astype(dtype))
    assert found.dtype == dtype
    assert np.allclose(found, apply(network, parameters, X), rtol=1e-5)


def test_single_precision_without_x64():
    network = bnnpost.mlp(width=4, depth=1)
    parameters = random_parameters(3, 4, 1)
    found = apply(network, parameters, X, double=False)
    assert found.dtype == np.float32
    assert np.allclose(found, apply(network, parameters, X), rtol=1e-4)


def test_jit_and_gradient_of_a_forward_pass():
    network = bnnpost.mlp(width=4, depth=1)
    parameters = random_parameters(3, 4, 1)
    with jax.enable_x64(True):
        value, gradient = jax.jit(jax.value_and_grad(lambda p: network.apply(p, X).sum()))(
            parameters
        )
    assert np.isclose(value, apply(network, parameters, X).sum(), rtol=1e-13)
    # The output is linear in the readout's bias, with slope b_std a point.
    assert np.allclose(gradient[1].biases, 0.1 * len(X), rtol=1e-13)
