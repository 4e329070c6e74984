"""Networks as plain data: from_spec and to_spec, the reference cases and TOML."""

import json
import tomllib

import equinox as eqx
import jax
import pytest

import bnnpost
import bnnpost.networks as nn
from bnnpost.networks import spec_aliases
from tests.networks import formulas
from tests.reference import cases

DENSE = {"type": "Dense", "w_std": 1.5, "b_std": 0.1}
# What neural-tangents calls otherwise, in which reference cases are written.
KEYS = {"W_std": "w_std", "W_key_std": "key_std", "W_query_std": "query_std"}
KEYS |= {"W_value_std": "value_std", "W_out_std": "out_std", "attention_mechanism": "mechanism"}


def widths(network):
    return [layer.width for layer in network.layers if isinstance(layer, nn.Dense)]


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
        assert_says(written, case["layers"], name)


def assert_says(found, given, name):
    """What is given is found, in lists and tables; defaults and widths are added."""
    if isinstance(given, list):
        assert len(found) == len(given), name
        for one, other in zip(found, given, strict=True):
            assert_says(one, other, name)
    elif isinstance(given, dict):
        if given.get("type") == "GlobalSelfAttention":
            assert_says_of_attention(found, dict(given), name)
            return
        for key, value in given.items():
            if key == "type" and found["type"] == "Activation":
                assert value.lower() == found["name"].replace("_", ""), name
            # A null is left out, and the axis of normalisation, of which there is one.
            elif value is not None and key != "axis":
                assert_says(found[KEYS.get(key, key)], value, name)
        assert ("b_std" in found) == (given.get("b_std") is not None), name
    else:
        assert found == given, name


def assert_says_of_attention(found, given, name):
    assert found["type"] == "SelfAttention"
    assert found["scaling"] == ("linear" if given.pop("linear_scaling", True) else "sqrt"), name
    assert found["mechanism"] == given.pop("attention_mechanism", "SOFTMAX").lower(), name
    kind, told = given.pop("pos_emb_type", "NONE"), found.get("positions")
    in_values, std = given.pop("val_pos_emb", False), given.pop("W_pos_emb_std", 1.0)
    decay = given.pop("pos_emb_decay_fn", None)
    given.pop("pos_emb_p_norm", None)
    if kind == "NONE":
        assert told is None, name
    else:
        assert (told["kind"], told["in_values"], told["std"]) == (kind, in_values, std), name
        assert ("decay" in told) == (decay is not None), name
        assert decay is None or f"{told['decay']:g}" in decay, name
    for key, value in given.items():
        if key != "type" and value is not None:
            assert found[KEYS.get(key, key)] == value, name


@pytest.mark.parametrize(("name", "hyperparameters", "phi"), formulas.ACTIVATIONS, ids=formulas.IDS)
def test_every_named_activation_goes_round_through_json(name, hyperparameters, phi):
    del phi
    network = nn.Serial(
        [nn.Dense(4), nn.Activation(name, **hyperparameters), nn.Dense(1, b_std=0.2)]
    )
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
    expected = nn.Serial(
        [
            nn.Dense(12, w_std=1.25, b_std=0.5),
            nn.Activation("erf", a=0.5, b=0.7),
            nn.Dense(5),
            nn.Activation("polynomial", coef=[0.0, 1.0, 0.25]),
            nn.Dense(1, w_std=0.9),
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


def every_type():
    """A network with every type of layer and every option, none as by default."""
    attention = nn.SelfAttention(
        6, heads=2, key_width=3, value_width=5, mechanism="relu", key_std=1.1, query_std=0.9,
        value_std=1.2, out_std=1.3, b_std=0.2,
        positions=nn.PositionEncoding("CONCAT", 0.7, in_values=False, decay=0.3),
    )  # fmt: skip
    return nn.Serial(
        [
            nn.Reshape((6, 4, 3)),
            nn.Conv(6, [3, 2], strides=[2, 1], padding="VALID", w_std=1.4, b_std=0.1),
            nn.Residual([nn.Activation("relu"), nn.Conv(6, [2, 3], padding="CIRCULAR")]),
            nn.AvgPool([2, 1], strides=[1, 2], padding="SAME"),
            nn.LayerNorm(0.01),
            nn.FanInSum(
                [
                    [nn.Activation("erf"), nn.Dense(6)],
                    attention,
                    [nn.Residual(nn.Dense(6)), nn.Dense(6)],
                ]
            ),
            nn.Activation("leaky_relu", alpha=0.3),
            nn.SelfAttention(6, scaling="sqrt", mechanism="identity"),
            nn.GlobalAvgPool(),
            nn.Dense(2, w_std=0.9),
        ]
    )


def inline(value):
    """As TOML writes it within a line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {inline(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)


def test_every_type_of_layer_goes_round_through_json_and_toml():
    for network in (
        every_type(),
        nn.Serial([nn.Flatten(), nn.Dense(1)]),
        nn.Serial([nn.GlobalSumPool()]),
    ):
        spec = bnnpost.to_spec(network)
        through_json = json.loads(json.dumps(spec))
        through_toml = tomllib.loads(f"layers = {inline(spec)}")["layers"]
        assert through_json == through_toml == spec
        assert eqx.tree_equal(bnnpost.from_spec(through_toml, width=99), network)


def test_layers_of_branches_take_the_width_and_not_the_number_of_outputs():
    branch = [{"type": "Relu"}, {"type": "Dense"}]
    attention = {"type": "GlobalSelfAttention"}
    layers = [{"type": "Conv", "filter_shape": [2]}, {"type": "Residual", "branch": branch}]
    network = bnnpost.from_spec([*layers, attention, {"type": "Dense"}], width=7, num_outputs=3)
    conv, residual, attention, readout = network.layers
    found = [conv.width, residual.branch.layers[1].width, attention.width, readout.width]
    assert found == [7, 7, 7, 3]
    assert attention.heads is attention.key_width is attention.value_width is None


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
    nested = nn.Serial([nn.Serial([nn.Dense(3), nn.Activation("relu")]), nn.Dense(1)])
    assert [layer["type"] for layer in bnnpost.to_spec(nested)] == ["Dense", "Activation", "Dense"]


def test_function_of_the_users_cannot_be_written():
    network = nn.Serial([nn.Dense(3), nn.Activation(jax.nn.elu), nn.Dense(1)])
    with pytest.raises(ValueError, match=r"layer 1 \(elu\) cannot be written as data"):
        bnnpost.to_spec(network)


def test_spec_is_not_changed():
    layers = [dict(DENSE), {"type": "Relu"}, dict(DENSE)]
    bnnpost.from_spec(layers, width=3)
    assert layers == [DENSE, {"type": "Relu"}, DENSE]


def test_neural_tangents_names_and_ours_are_one_network():
    theirs = [
        {"type": "Conv", "filter_shape": [3], "W_std": 1.2},
        {"type": "LeakyRelu", "alpha": 0.2},
        {"type": "GlobalSelfAttention", "linear_scaling": False, "attention_mechanism": "ABS",
         "W_key_std": 1.1, "W_out_std": 0.7, "pos_emb_type": "CONCAT", "W_pos_emb_std": 0.5,
         "pos_emb_decay_fn": "exp(-0.25*d)"},
        {"type": "LayerNorm", "axis": -1, "eps": 0.1},
        {"type": "Residual", "branch": [{"type": "Relu"}, {"type": "Dense", "W_std": 0.4}]},
    ]  # fmt: skip
    ours = [
        {"type": "Conv", "filter_shape": [3], "w_std": 1.2},
        {"type": "Activation", "name": "leaky_relu", "alpha": 0.2},
        {"type": "SelfAttention", "scaling": "sqrt", "mechanism": "abs", "key_std": 1.1,
         "out_std": 0.7,
         "positions": {"kind": "CONCAT", "std": 0.5, "in_values": False, "decay": 0.25}},
        {"type": "LayerNorm", "eps": 0.1},
        {"type": "Residual",
         "branch": [{"type": "Activation", "name": "relu"}, {"type": "Dense", "w_std": 0.4}]},
    ]  # fmt: skip
    made = [bnnpost.from_spec(layers, width=6) for layers in (theirs, ours)]
    assert eqx.tree_equal(*made)
    assert [spec_aliases.in_own_names(table) for table in ours] == ours
