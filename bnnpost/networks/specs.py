"""Networks as plain data: the layer lists of JSON and TOML files, both ways."""

from collections.abc import Mapping, Sequence

import numpy as np

from bnnpost.networks.activation import Activation
from bnnpost.networks.catalogue import CATALOGUE, NAME_OF_SPEC_TYPE, unknown
from bnnpost.networks.layers import Layer, Serial, positive_integer
from bnnpost.networks.linear import Dense

Spec = Mapping[str, object]
_DENSE_KEYS = ("width", "W_std", "b_std")


def from_spec(layers: Sequence[Spec], *, width: int = 256, num_outputs: int = 1) -> Serial:
    """A network from a list of layers such as {"type": "Dense", "W_std": 1.5, "b_std": 0.1}.

    A Dense without a "width" of its own gets `width`, the last one `num_outputs`; a missing
    or null b_std means no bias. Activations are {"type": "Relu"}, {"type": "Erf", "b": 0.7}.
    Raises ValueError for an unknown type or key, naming the position and the close names.
    """
    positive_integer("width", width)
    positive_integer("num_outputs", num_outputs)
    for position, spec in enumerate(layers):
        if not isinstance(spec, Mapping):
            raise TypeError(f"layer {position}: expected a table with a type, got {spec!r}")
    dense = [i for i, spec in enumerate(layers) if spec.get("type") == "Dense"]
    readout = dense[-1] if dense else -1
    built = [
        _layer(position, spec, num_outputs if position == readout else width)
        for position, spec in enumerate(layers)
    ]
    return Serial(built)


def _layer(position: int, spec: Spec, width: int) -> Layer:
    kind = spec.get("type")
    options = {key: value for key, value in spec.items() if key != "type"}
    try:
        if kind == "Dense":
            return _dense(options, width)
        if kind in NAME_OF_SPEC_TYPE:
            return Activation(NAME_OF_SPEC_TYPE[str(kind)], **options)  # type: ignore[arg-type]
        raise ValueError(unknown("layer type", kind, ["Dense", *NAME_OF_SPEC_TYPE]))
    except (TypeError, ValueError) as error:
        raise type(error)(f"layer {position} ({kind}): {error}") from None


def _dense(options: dict[str, object], width: int) -> Dense:
    for key in options:
        if key not in _DENSE_KEYS:
            raise ValueError(unknown("key", key, list(_DENSE_KEYS)))
    own_width = options.get("width", width)
    return Dense(own_width, w_std=options.get("W_std", 1.0), b_std=options.get("b_std"))  # type: ignore[arg-type]


def to_spec(network: Layer) -> list[dict[str, object]]:
    """The list of layers that `from_spec` turns back into this network.

    Raises ValueError for an activation that is a function of the user's: it has no name
    under which it could be found again.
    """
    layers = network.flattened() if isinstance(network, Serial) else (network,)
    return [_describe(position, layer) for position, layer in enumerate(layers)]


def _describe(position: int, layer: Layer) -> dict[str, object]:
    if isinstance(layer, Dense):
        spec: dict[str, object] = {
            "type": "Dense",
            "width": layer.width,
            "W_std": float(layer.w_std),
        }
        return spec if layer.b_std is None else {**spec, "b_std": float(layer.b_std)}
    if isinstance(layer, Activation) and layer.catalogued is not None:
        step = {} if layer.step is None else {"step": layer.step}
        numbers = {name: np.asarray(value).tolist() for name, value in layer.parameters.items()}
        return {
            "type": CATALOGUE[layer.catalogued].spec_type,
            **dict(layer.options),
            **numbers,
            **step,
        }
    label = layer.name if isinstance(layer, Activation) else type(layer).__name__
    raise ValueError(
        f"layer {position} ({label}) cannot be written as data: it is not one of "
        f"{', '.join(['Dense', *NAME_OF_SPEC_TYPE])}"
    )
