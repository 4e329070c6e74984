"""Networks as plain data: from_spec and to_spec, the reference cases and TOML."""

import json
import tomllib

import equinox as eqx
import jax
import pytest

import bnnpost
from bnnpost import Activation, Dense, Serial
from tests.networks import formulas
from tests.reference import cases

DENSE = {"type": "Dense", "W_std": 1.5, "b_std": 0.1}


def widths(network):
    return [layer.width for layer in network.layers if isinstance(layer, Dense)]


@pytest.mark.parametrize("group", cases.KERNEL_GROUPS)
def test_every_reference_case_goes_round(group):
    for name, case in cases.cases(group).items():
        network = bnnpost.from_spec(case["layers"], width=17, num_outputs=3)
        spec = bnnpost.to_spec(network)
        assert eqx.tree_equal(bnnpost.from_spec(spec), network), name
        assert bnnpost.to_spec(bnnpost.from_spec(spec)) == spec, name


@pytest.mark.parametrize("group", cases.KERNEL_GROUPS)
def test_spec_says_what_the_case_said(group):
    for name, case in cases.cases(group).items():
        written = bnnpost.to_spec(bnnpost.from_spec(case["layers"]))
        assert len(written) == len(case["layers"])
        for found, given in zip(written, case["layers"], strict=True):
            # A null b_std is left out; defaults and widths are added.
            expected = {key: value for key, value in given.items() if value is not None}
            assert expected.items() <= found.items(), name
            assert ("b_std" in found) == (given.get("b_std") is not None), name


@pytest.mark.parametrize(("name", "hyperparameters", "phi"), formulas.ACTIVATIONS, ids=formulas.IDS)
def test_every_named_activation_goes_round_through_json(name, hyperparameters, phi):
    del phi
    network = Serial([Dense(4), Activation(name, **hyperparameters), Dense(1, b_std=0.2)])
    spec = json.loads(json.dumps(bnnpost.to_spec(network)))
    assert eqx.tree_equal(bnnpost.from_spec(spec), network)


TOML = """
width = 12

[[layers]]
type = "Dense"
W_std = 1.25
b_std = 0.5

[[layers]]
type = "Erf"
a = 0.5
b = 0.7

[[layers]]
type = "Dense"
width = 5

[[layers]]
type = "Polynomial"
coef = [0.0, 1.0, 0.25]

[[layers]]
type = "Dense"
W_std = 0.9
"""


def test_network_from_toml():
    read = tomllib.loads(TOML)
    network = bnnpost.from_spec(read["layers"], width=read["width"])
    expected = Serial(
        [
            Dense(12, w_std=1.25, b_std=0.5),
            Activation("erf", a=0.5, b=0.7),
            Dense(5),
            Activation("polynomial", coef=[0.0, 1.0, 0.25]),
            Dense(1, w_std=0.9),
        ]
    )
    assert eqx.tree_equal(network, expected)


def test_spec_goes_round_through_toml():
    network = bnnpost.from_spec(tomllib.loads(TOML)["layers"])
    # TOML's keys, numbers, strings and lists are written as JSON writes them.
    tables = [
        "\n".join(["[[layers]]", *(f"{key} = {json.dumps(value)}" for key, value in layer.items())])
        for layer in bnnpost.to_spec(network)
    ]
    read = tomllib.loads("\n".join(tables))["layers"]
    assert eqx.tree_equal(bnnpost.from_spec(read), network)


def test_widths_come_from_the_argument_the_outputs_and_the_layer():
    layers = [DENSE, {"type": "Relu"}, {**DENSE, "width": 5}, {"type": "Relu"}, DENSE]
    assert widths(bnnpost.from_spec(layers, width=12, num_outputs=3)) == [12, 5, 3]
    layers[-1] = {**DENSE, "width": 4}
    assert widths(bnnpost.from_spec(layers, width=12, num_outputs=3)) == [12, 5, 4]
    assert widths(bnnpost.from_spec([DENSE, DENSE])) == [256, 1]


def test_default_stds_are_one_and_no_bias():
    layer = bnnpost.from_spec([{"type": "Dense"}]).layers[0]
    assert (float(layer.w_std), layer.b_std) == (1.0, None)


def test_null_and_zero_bias_std_mean_no_bias():
    for b_std in (None, 0.0):
        assert bnnpost.from_spec([{"type": "Dense", "b_std": b_std}]).layers[0].b_std is None


def test_nested_network_is_written_flat():
    nested = Serial([Serial([Dense(3), Activation("relu")]), Dense(1)])
    assert [layer["type"] for layer in bnnpost.to_spec(nested)] == ["Dense", "Relu", "Dense"]


def test_function_of_the_users_cannot_be_written():
    network = Serial([Dense(3), Activation(jax.nn.elu), Dense(1)])
    with pytest.raises(ValueError, match=r"layer 1 \(elu\) cannot be written as data"):
        bnnpost.to_spec(network)


def test_spec_is_not_changed():
    layers = [dict(DENSE), {"type": "Relu"}, dict(DENSE)]
    bnnpost.from_spec(layers, width=3)
    assert layers == [DENSE, {"type": "Relu"}, DENSE]
