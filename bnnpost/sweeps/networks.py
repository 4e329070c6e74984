"""Networks of a configuration: a perceptron by its settings, a list of layers, or code."""

import inspect
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnnpost.arguments import shown
from bnnpost.networks import from_spec
from bnnpost.networks.layers import Layer
from bnnpost.settings import ConfigError
from bnnpost.sweeps import code

# Settings of the perceptron, which say nothing where layers are given.
OF_PERCEPTRON = ("depth", "activation", "w_std", "b_std", "readout_w_std", "readout_b_std")
# What to do about a file whose tables lie too deep within each other.
FLATTER = "write lists and tables one after another, not within each other"
_EXPECTED = "a TOML or JSON file, or module:function for a function of width and num_outputs"
Layers = tuple[Mapping[str, Any], ...]


def resolved(values: Mapping[str, object]) -> dict[str, object]:
    """Settings as a configuration keeps them: the layers of a file in the place of its name.

    network: a TOML or JSON file with a list `layers`, or "module:function". Raises ConfigError
    for a file that is not one, and for settings of the perceptron beside layers.
    """
    found = dict(values)
    given = found.get("network")
    if given is not None and found.get("layers") is not None:
        raise ConfigError("expected either network or layers, got both")
    if given is None and found.get("layers") is None:
        return found
    beside = [name for name in OF_PERCEPTRON if found.get(name) is not None]
    if beside:
        raise ConfigError(
            f"{', '.join(beside)}: the network has its own layers, which say all of this; leave "
            "these settings out"
        )
    if isinstance(given, str) and not _is_code(given):
        found["layers"] = _of_file(given)
        del found["network"]
    return found


def _is_code(name: str) -> bool:
    return Path(name).suffix not in (".toml", ".json") and ":" in name


def _of_file(name: str) -> list[Any]:
    path = Path(name)
    try:
        text = path.read_text(encoding="utf-8")
        read = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError(
            f"network: no file {name}; expected a TOML or JSON file with a list of layers, or "
            "module:function"
        ) from None
    except RecursionError:
        raise ConfigError(f"network: {name} is nested too deeply: {FLATTER}") from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(f"network: cannot read {name}: {error}") from None
    if isinstance(read, Mapping) and set(read) - {"layers"}:
        raise ConfigError(
            f"network: expected nothing but layers in {name}, got "
            f"{', '.join(sorted(set(read) - {'layers'}))}"
        )
    layers = read.get("layers") if isinstance(read, Mapping) else read
    if not isinstance(layers, list):
        raise ConfigError(
            f"network: expected {name} to hold a list of layers, [[layers]] tables in TOML"
        )
    return layers


def checked_layers(layers: object) -> Layers | None:
    """The layers as tables. Raises ConfigError for what is no list of tables."""
    if layers is None:
        return None
    if not isinstance(layers, list | tuple) or not all(isinstance(one, Mapping) for one in layers):
        raise ConfigError(f"layers: expected a list of tables with a type, got {shown(layers)}")
    return tuple(dict(one) for one in layers)


def of_layers(layers: Layers, width: int, num_outputs: int) -> Layer:
    """The network of a list of layers. Raises ConfigError."""
    try:
        return from_spec(layers, width=width, num_outputs=num_outputs)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"layers: {error}") from None


def of_code(name: str, width: int, num_outputs: int) -> Layer:
    """What module:function gives, called with width and num_outputs by name.

    Modules are looked for in the working directory too. Raises ConfigError.
    """
    function = code.imported("network", name, _EXPECTED)
    if not callable(function):
        raise ConfigError(f"network: {name} is no function of width and num_outputs")
    try:
        inspect.signature(function).bind(width=width, num_outputs=num_outputs)
    except TypeError as error:
        raise ConfigError(
            f"network: expected {name} to take width and num_outputs, by these names: {error}"
        ) from None
    with code.user_errors("network", name):
        network = function(width=width, num_outputs=num_outputs)
    if not isinstance(network, Layer):
        raise ConfigError(
            f"network: expected {name} to return a network such as bnnpost.Serial([…]), got "
            f"{type(network).__name__}"
        )
    return network
