"""Networks as plain data: the layer lists of JSON and TOML files, both ways."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bnnpost.networks.activation import Activation
from bnnpost.networks.catalogue import CATALOGUE, NAME_OF_SPEC_TYPE, unknown
from bnnpost.networks.layers import Layer, Serial, positive_integer
from bnnpost.networks.linear import Dense
from bnnpost.networks.prior_records import (
    prior_of_record,
    prior_record,
    scale_of_record,
    scale_record,
)
from bnnpost.networks.priors import Scale

Spec = Mapping[str, object]
_DENSE_KEYS = ("width", "W_std", "w_var", "b_std", "prior", "bias_prior")


def from_spec(layers: Sequence[Spec], *, width: int = 256, num_outputs: int = 1) -> Serial:
    """A network from a list of layers such as {"type": "Dense", "W_std": 1.5, "b_std": 0.1}.

    A Dense without a "width" of its own gets `width`, the last one `num_outputs`; a missing
    or null b_std means no bias. Activations are {"type": "Relu"}, {"type": "Erf", "b": 0.7}.
    "prior" and "bias_prior" are laws, {"law": "Laplace", "parameters": {"loc": 0.0, "scale": 1.0}},
    or {"fixed": number}; "W_std", "b_std" and "w_var" may be a law, with "per": "input" for one
    of each input unit.
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
    own_width: Any = options.get("width", width)
    w_var = options.get("w_var")
    by_law = isinstance(w_var, Mapping)
    w_std = options.get("W_std", None if w_var is not None else 1.0)
    if by_law and w_std is not None:
        raise ValueError("expected either W_std or w_var, got both")
    return Dense(
        own_width,
        w_std=scale_of_record(w_var, of_variance=True) if by_law else scale_of_record(w_std),
        w_var=None if by_law else w_var,
        b_std=scale_of_record(options.get("b_std")),
        prior=prior_of_record(options.get("prior")),
        bias_prior=prior_of_record(options.get("bias_prior")),
    )


def to_spec(network: Layer) -> list[dict[str, object]]:
    """The list of layers that `from_spec` turns back into this network.

    Raises ValueError for an activation that is a function of the user's, or a prior that is
    code of theirs: it has no name under which it could be found again.
    """
    layers = network.flattened() if isinstance(network, Serial) else (network,)
    return [_describe(position, layer) for position, layer in enumerate(layers)]


def _describe_dense(layer: Dense) -> dict[str, object]:
    """Raises ValueError for a prior that is code."""
    of_variance = isinstance(layer.w_std, Scale) and layer.w_std.of_variance
    spec: dict[str, object] = {
        "type": "Dense",
        "width": layer.width,
        "w_var" if of_variance else "W_std": scale_record(layer.w_std),
    }
    if layer.b_std is not None:
        if isinstance(layer.b_std, Scale) and layer.b_std.of_variance:
            raise ValueError("the law of a bias variance has no key; give that of b_std")
        spec["b_std"] = scale_record(layer.b_std)
    for key, prior in (("prior", layer.prior), ("bias_prior", layer.bias_prior)):
        if prior is not None:
            spec[key] = prior_record(prior)
    return spec


def _describe(position: int, layer: Layer) -> dict[str, object]:
    if isinstance(layer, Dense):
        try:
            return _describe_dense(layer)
        except ValueError as error:
            raise ValueError(
                f"layer {position} (Dense) cannot be written as data: {error}"
            ) from None
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
