"""Networks of a configuration: layers from a file, from a table, or from code."""

import json
import sys

import jax
import numpy as np
import pytest

import bnnpost
from bnnpost.sweeps import ConfigError, SweepConfig, load_config

TOML = """
[[layers]]
type = "Reshape"
shape = [5, 2]

[[layers]]
type = "Conv"
filter_shape = [3]
W_std = 1.5
b_std = 0.1

[[layers]]
type = "Erf"

[[layers]]
type = "Flatten"

[[layers]]
type = "Dense"
W_std = 1.2
"""
CODE = """
import bnnpost

def narrow(width, num_outputs):
    return bnnpost.mlp(width=width, depth=1, w_std=1.3, num_outputs=num_outputs)

def unary(width):
    return bnnpost.mlp(width=width)

def wrong(width, num_outputs):
    return "mlp"

number = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    (tmp_path / "layers.toml").write_text(TOML)
    (tmp_path / "own_code.py").write_text(CODE)
    yield tmp_path
    sys.modules.pop("own_code", None)


def kernel(network):
    x = np.random.default_rng(0).normal(size=(3, 10))
    with jax.enable_x64(True):
        return np.asarray(bnnpost.nngp(network, x))


def network(**settings):
    return load_config(None, settings).at_width(4, 2)


def test_a_file_a_table_and_from_spec_give_one_network(folder):
    of_file = load_config(None, {"network": "layers.toml"})
    layers = [dict(layer) for layer in of_file.layers]
    (folder / "layers.json").write_text(json.dumps({"layers": layers}))
    (folder / "bare.json").write_text(json.dumps(layers))
    (folder / "sweep.toml").write_text("num_train = 3\n" + TOML)
    expected = bnnpost.from_spec(layers, width=4, num_outputs=2)
    found = [
        network(network="layers.toml"),
        network(network="layers.json"),
        network(network="bare.json"),
        network(layers=layers),
        load_config("sweep.toml", {}).at_width(4, 2),
    ]
    assert [type(layer).__name__ for layer in expected.layers][1] == "Conv"
    for one in found:
        assert bnnpost.to_spec(one) == bnnpost.to_spec(expected)
    assert np.array_equal(kernel(found[0]), kernel(expected))


def test_code_is_called_with_the_width_and_the_number_of_outputs(folder):
    found = network(network="own_code:narrow")
    assert bnnpost.to_spec(found) == bnnpost.to_spec(
        bnnpost.mlp(width=4, depth=1, w_std=1.3, num_outputs=2)
    )


def test_what_is_written_names_the_layers_and_nothing_of_a_perceptron(folder):
    config = load_config(None, {"network": "layers.toml"})
    written = json.loads(json.dumps(config.as_dict()))
    assert written["layers"][1]["filter_shape"] == [3]
    assert not {"depth", "activation", "w_std", "network"} & set(written)
    again = load_config(None, written)
    assert again.as_dict() == config.as_dict()
    assert again.digest() == config.digest()


def test_configurations_without_layers_are_written_as_before():
    assert not {"network", "layers"} & set(SweepConfig().as_dict())
    assert SweepConfig().digest() != SweepConfig(layers=[{"type": "Dense"}]).digest()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"network": "none.toml"}, "no file none.toml"),
        ({"network": "own_code:missing"}, "cannot find own_code:missing"),
        ({"network": "missing:narrow"}, "cannot find missing:narrow"),
        ({"network": "own_code:number"}, "no function"),
        ({"network": "own_code:wrong"}, "expected own_code:wrong to return a network"),
        ({"network": "layers.toml", "depth": 3}, "depth: the network has its own layers"),
        ({"network": "layers.toml", "layers": [{"type": "Dense"}]}, "got both"),
        ({"layers": "Dense"}, "list of tables"),
        ({"layers": [{"type": "Dens"}]}, "layer 0.*did you mean Dense"),
        ({"network": "broken.toml"}, "cannot read broken.toml"),
        ({"network": "empty.toml"}, "nothing but layers in empty.toml, got depth"),
        ({"network": "none_at_all.json"}, "list of layers"),
        ({"network": "own_code:unary"}, "own_code:unary to take width and num_outputs"),
        ({"layers": [{"W_std": 1.0}]}, "layer 0: expected the key type"),
    ],
)
def test_what_is_no_network_is_refused(folder, settings, words):
    (folder / "broken.toml").write_text("[[layers")
    (folder / "empty.toml").write_text("depth = 2")
    (folder / "none_at_all.json").write_text("3")
    with pytest.raises(ConfigError, match=words):
        load_config(None, settings)
