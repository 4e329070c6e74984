"""Networks as plain data: the layer lists of JSON and TOML files, both ways."""

from collections.abc import Mapping, Sequence

from bnnpost.arguments import DEEPEST, LARGEST_WIDTH, nested_deeper, positive_integer, shown
from bnnpost.naming import unknown
from bnnpost.networks.activation import Activation
from bnnpost.networks.layers import Layer, Serial
from bnnpost.networks.spec_aliases import TYPE_NAMES, in_own_names
from bnnpost.networks.spec_types import SPEC_TYPES

# A branch is a table in a list; its options, such as laws, may be tables too.
_DEEPEST = 2 * DEEPEST + 4

Spec = Mapping[str, object]


def from_spec(layers: Sequence[Spec], *, width: int = 256, num_outputs: int = 1) -> Serial:
    """A network from a list of layers such as {"type": "Dense", "w_std": 1.5, "b_std": 0.1}.

    A type is the name of a layer's class, and the other keys are its arguments: Dense, Activation
    with a "name" and hyperparameters ({"type": "Activation", "name": "erf", "b": 0.7}), Conv,
    SelfAttention (its "positions" a table of PositionEncoding's arguments), Residual with a
    "branch", FanInSum with "branches", LayerNorm, AvgPool, GlobalAvgPool, GlobalSumPool, Flatten,
    Reshape, Mask. A layer without a "width" of its own gets `width`, the last Dense of the list
    `num_outputs`; a missing or null b_std means no bias. neural-tangents' names are read too:
    "W_std", activations as types ("Relu", "Erf"), "GlobalSelfAttention" with
    "attention_mechanism", "linear_scaling", "W_key_std", … and "pos_emb_type".
    "prior" and "bias_prior" are laws, {"law": "Laplace", "parameters": {"loc": 0.0, "scale": 1.0}},
    or {"fixed": number}; "w_std", "b_std" and "w_var" may be a law, with "per": "input" for one
    of each input unit.
    Raises ValueError for an unknown type or key, naming the position and the close names.
    """
    width = positive_integer("width", width, LARGEST_WIDTH)
    num_outputs = positive_integer("num_outputs", num_outputs, LARGEST_WIDTH)
    if nested_deeper(layers, _DEEPEST):
        raise ValueError(
            f"expected layers within layers at most {DEEPEST} deep, got more: write the inner ones "
            "one after another"
        )
    built = _layers(layers, width, num_outputs)
    return Serial(built)


def _layers(layers: object, width: int, num_outputs: int | None = None) -> list[Layer]:
    """num_outputs: of the last Dense, where it is the readout."""
    if isinstance(layers, str | Mapping) or not isinstance(layers, Sequence):
        raise TypeError(f"expected a list of tables with a type, got {shown(layers)}")
    for position, spec in enumerate(layers):
        if not isinstance(spec, Mapping):
            raise TypeError(f"layer {position}: expected a table with a type, got {shown(spec)}")
    dense = [i for i, spec in enumerate(layers) if spec.get("type") == "Dense"]
    readout = dense[-1] if dense and num_outputs is not None else -1
    return [
        _layer(position, spec, num_outputs if position == readout and num_outputs else width)
        for position, spec in enumerate(layers)
    ]


def _layer(position: int, spec: Spec, width: int) -> Layer:
    if "type" not in spec:
        raise ValueError(f"layer {position}: expected the key type, got {sorted(spec) or 'none'}")
    kind = spec["type"]
    try:
        if not isinstance(kind, str):
            raise TypeError(f"expected the type of a layer to be a word, got {shown(kind)}")
        table = in_own_names(spec)
        if table["type"] not in SPEC_TYPES:
            raise ValueError(unknown("layer type", kind, [*SPEC_TYPES, *TYPE_NAMES]))
        known, options = SPEC_TYPES[table.pop("type")], table
        if known.keys is not None:
            for key in options:
                if key not in known.keys:
                    raise ValueError(unknown("key", key, list(known.keys) or ["none"]))
        return known.read(options, width, lambda layers: _layers(layers, width))
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"layer {position} ({kind if isinstance(kind, str) else shown(kind)}): {error}"
        ) from None


def to_spec(network: Layer) -> list[dict[str, object]]:
    """The list of layers that `from_spec` turns back into this network.

    Raises ValueError for an activation that is a function of the user's, or a prior that is
    code of theirs: it has no name under which it could be found again.
    """
    layers = network.flattened()
    return [_described(position, layer) for position, layer in enumerate(layers)]


def _described(position: int, layer: Layer) -> dict[str, object]:
    label = layer.name if isinstance(layer, Activation) else type(layer).__name__
    reason = f"it is not one of {', '.join(SPEC_TYPES)}"
    for kind, known in SPEC_TYPES.items():
        if type(layer) is known.layer:
            try:
                return {"type": kind, **known.write(layer, to_spec)}
            except ValueError as error:
                reason = str(error)
    raise ValueError(f"layer {position} ({label}) cannot be written as data: {reason}")
