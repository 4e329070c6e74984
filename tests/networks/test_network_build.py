"""mlp, at_width and Serial: what they put together."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost import Activation, Dense, Serial


def widths(network):
    return [layer.width for layer in network.flattened() if isinstance(layer, Dense)]


def test_mlp_has_depth_hidden_layers_and_a_readout():
    network = bnnpost.mlp(width=7, depth=3, activation="relu", num_outputs=2)
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds == ["Dense", "Activation"] * 3 + ["Dense"]
    assert widths(network) == [7, 7, 7, 2]
    assert {layer.name for layer in network.layers if isinstance(layer, Activation)} == {"relu"}


def test_mlp_stds_are_those_of_every_layer():
    network = bnnpost.mlp(depth=2, w_std=1.7, b_std=0.3)
    dense = [layer for layer in network.layers if isinstance(layer, Dense)]
    assert [float(layer.w_std) for layer in dense] == [1.7] * 3
    assert [float(layer.b_std) for layer in dense] == [0.3] * 3


def test_mlp_readout_stds_replace_its_own_alone():
    network = bnnpost.mlp(depth=1, w_std=1.7, b_std=0.3, readout_w_std=0.5, readout_b_std=0.0)
    first, _, readout = network.layers
    assert (float(first.w_std), float(first.b_std)) == (1.7, 0.3)
    assert (float(readout.w_std), readout.b_std) == (0.5, None)


@pytest.mark.parametrize(
    ("activation", "name"),
    [(Activation("erf", b=0.7), "erf"), ("relu", "relu"), (jnp.sin, "sin")],
    ids=["activation", "name", "function"],
)
def test_mlp_takes_an_activation_a_name_or_a_function(activation, name):
    layer = bnnpost.mlp(depth=1, activation=activation).layers[1]
    assert layer.name == name
    x = jnp.array([0.3, -2.0])
    expected = activation if callable(activation) else jax.nn.relu
    assert np.allclose(layer(x), expected(x), rtol=1e-6)


def test_at_width_changes_hidden_layers_and_nothing_else():
    network = bnnpost.mlp(width=8, depth=2, activation="gelu", w_std=1.1, num_outputs=3)
    expected = bnnpost.mlp(width=21, depth=2, activation="gelu", w_std=1.1, num_outputs=3)
    assert eqx.tree_equal(bnnpost.at_width(network, 21), expected)
    assert widths(network) == [8, 8, 3]


def test_at_width_of_nested_serials_finds_the_readout():
    inner = Serial([Dense(4), Activation("relu"), Dense(2)])
    nested = Serial([Serial([Dense(3), Activation("relu")]), inner])
    assert widths(bnnpost.at_width(nested, 9)) == [9, 9, 2]


def test_at_width_sees_a_readout_before_a_last_activation():
    network = Serial([Dense(4), Activation("relu"), Dense(2), Activation("sigmoid")])
    assert widths(bnnpost.at_width(network, 9)) == [9, 2]


def test_layers_of_a_serial_at_width_are_all_that_wide():
    network = Serial([Dense(3), Activation("relu"), Serial([Dense(4)])])
    assert widths(network.at_width(6)) == [6, 6]


def test_kernel_does_not_depend_on_the_width():
    x = np.eye(3)
    network = bnnpost.mlp(width=4, depth=1)
    wider = bnnpost.at_width(network, 1000)
    assert np.array_equal(bnnpost.nngp(network, x), bnnpost.nngp(wider, x))


def test_stds_are_leaves_and_widths_are_structure():
    first, other_std, other_width = (
        bnnpost.mlp(depth=1, width=width, w_std=w_std)
        for width, w_std in ((8, 1.5), (8, 0.9), (9, 1.5))
    )
    assert jax.tree.structure(first) == jax.tree.structure(other_std)
    assert jax.tree.structure(first) != jax.tree.structure(other_width)
    leaves = [float(leaf) for leaf in jax.tree.leaves(first.layers[0])]
    assert sorted(leaves) == [0.1, 1.5]
