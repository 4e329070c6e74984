"""How each kind of layer is written as a table, and built from one.

A table is a layer's class and its arguments, by their names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnnpost.naming import unknown
from bnnpost.networks.activation import Activation
from bnnpost.networks.attention import PositionEncoding, SelfAttention
from bnnpost.networks.catalogue import CATALOGUE
from bnnpost.networks.composites import FanInSum, Residual
from bnnpost.networks.convolution import Conv
from bnnpost.networks.layers import Layer
from bnnpost.networks.linear import Dense
from bnnpost.networks.masking import Mask
from bnnpost.networks.normalisation import LayerNorm
from bnnpost.networks.pooling import AvgPool, Flatten, GlobalAvgPool, GlobalSumPool, Reshape
from bnnpost.networks.priors import (
    Scale,
    prior_of_record,
    prior_record,
    scale_of_record,
    scale_record,
)
from bnnpost.networks.spec_aliases import truth

Options = Mapping[str, Any]
# Reads and writes a list of layers, for layers that hold such lists.
Reader = Callable[[object], list[Layer]]
Writer = Callable[[Layer], list[dict[str, object]]]


@dataclass(frozen=True)
class SpecType:
    """A type of table: the layer it stands for, its keys, and how it is read and written.

    keys: None where the layer knows its own.

    read(options, width, reader) gives a layer; write(layer, writer) its options.
    """

    layer: type[Layer]
    keys: tuple[str, ...] | None
    read: Callable[[Options, int, Reader], Layer]
    write: Callable[[Any, Writer], dict[str, object]]


def _read_dense(options: Options, width: int, reader: Reader) -> Layer:
    w_var = options.get("w_var")
    by_law = isinstance(w_var, Mapping)
    w_std = options.get("w_std", None if w_var is not None else 1.0)
    if by_law and w_std is not None:
        raise ValueError("expected either w_std or w_var, got both")
    return Dense(
        options.get("width", width),
        w_std=scale_of_record(w_var, of_variance=True) if by_law else scale_of_record(w_std),
        w_var=None if by_law else w_var,
        b_std=scale_of_record(options.get("b_std")),
        prior=prior_of_record(options.get("prior")),
        bias_prior=prior_of_record(options.get("bias_prior")),
    )


def _write_dense(layer: Dense, writer: Writer) -> dict[str, object]:
    """Raises ValueError for a prior that is code."""
    priors = (("prior", layer.prior), ("bias_prior", layer.bias_prior))
    laws = {key: prior_record(prior) for key, prior in priors if prior is not None}
    return {"width": layer.width, **_scales(layer), **laws}


def _scales(layer: Dense | Conv) -> dict[str, object]:
    of_variance = isinstance(layer.w_std, Scale) and layer.w_std.of_variance
    found: dict[str, object] = {"w_var" if of_variance else "w_std": scale_record(layer.w_std)}
    if layer.b_std is not None:
        if isinstance(layer.b_std, Scale) and layer.b_std.of_variance:
            raise ValueError("the law of a bias variance has no key; give that of b_std")
        found["b_std"] = scale_record(layer.b_std)
    return found


def _read_conv(options: Options, width: int, reader: Reader) -> Layer:
    return Conv(
        options.get("width", width),
        _required(options, "filter_shape"),
        strides=options.get("strides"),
        padding=options.get("padding", "SAME"),
        w_std=scale_of_record(options.get("w_std", 1.0)),
        b_std=scale_of_record(options.get("b_std")),
    )


def _write_conv(layer: Conv, writer: Writer) -> dict[str, object]:
    return {"width": layer.width, **_windows(layer, "filter_shape"), **_scales(layer)}


def _windows(layer: Conv | AvgPool, name: str) -> dict[str, object]:
    return {
        name: list(getattr(layer, name)),
        "strides": list(layer.strides),
        "padding": layer.padding,
    }


def _read_pool(options: Options, width: int, reader: Reader) -> Layer:
    return AvgPool(
        _required(options, "window_shape"),
        strides=options.get("strides"),
        padding=options.get("padding", "VALID"),
    )


def _read_fan_in(options: Options, width: int, reader: Reader) -> Layer:
    branches = _required(options, "branches")
    if isinstance(branches, str | Mapping):
        raise TypeError(f"expected branches to be a list of lists of layers, got {branches!r}")
    return FanInSum(map(reader, branches))


_COUNTS = ("heads", "key_width", "value_width", "num_draws")
_STDS = {f"{part}_std": part for part in ("key", "query", "value", "out")}
_ENCODING = ("kind", "std", "in_values", "decay")


def _read_attention(options: Options, width: int, reader: Reader) -> Layer:
    arguments = {"width": width, **options}
    positions = arguments.get("positions")
    if positions is not None:
        arguments["positions"] = _read_positions(positions)
    return SelfAttention(**arguments)


def _read_positions(given: object) -> PositionEncoding:
    if not isinstance(given, Mapping):
        raise TypeError(
            f"expected positions to be a table of {', '.join(_ENCODING)}, got {given!r}"
        )
    for key in given:
        if key not in _ENCODING:
            raise ValueError(unknown("key", key, list(_ENCODING)))
    truth("in_values", given.get("in_values", True))
    return PositionEncoding(**given)


def _write_attention(layer: SelfAttention, writer: Writer) -> dict[str, object]:
    counts = {name: getattr(layer, name) for name in ("width", *_COUNTS)}
    found: dict[str, object] = {
        **{name: count for name, count in counts.items() if count is not None},
        "mechanism": layer.mechanism,
        "scaling": "linear" if layer.tied else "sqrt",
        **{name: scale_record(getattr(layer, part).w_std) for name, part in _STDS.items()},
    }
    if layer.out.b_std is not None:
        found["b_std"] = scale_record(layer.out.b_std)
    if layer.positions is not None:
        found["positions"] = _write_positions(layer.positions)
    return found


def _write_positions(positions: PositionEncoding) -> dict[str, object]:
    found = {
        "kind": positions.kind,
        "std": float(positions.std),
        "in_values": positions.in_values,
    }
    return found if positions.decay is None else {**found, "decay": float(positions.decay)}


def _read_activation(options: Options, width: int, reader: Reader) -> Layer:
    others = {key: value for key, value in options.items() if key != "name"}
    return Activation(_required(options, "name"), **others)


def _write_activation(layer: Activation, writer: Writer) -> dict[str, object]:
    """Raises ValueError for a function of the user's."""
    if layer.catalogued is None:
        raise ValueError(f"it is not one of {', '.join(CATALOGUE)}")
    step = {} if layer.step is None else {"step": layer.step}
    numbers = {key: np.asarray(value).tolist() for key, value in layer.parameters.items()}
    return {"name": layer.catalogued, **dict(layer.options), **numbers, **step}


def _required(options: Options, key: str) -> Any:
    if key not in options:
        raise ValueError(f"expected the key {key}, got {sorted(options) or 'none'}")
    return options[key]


def _plain(layer: type[Layer]) -> SpecType:
    return SpecType(layer, (), lambda options, width, reader: layer(), lambda layer, writer: {})


SPEC_TYPES: Mapping[str, SpecType] = {
    "Dense": SpecType(
        Dense,
        ("width", "w_std", "w_var", "b_std", "prior", "bias_prior"),
        _read_dense,
        _write_dense,
    ),
    "Conv": SpecType(
        Conv,
        ("width", "filter_shape", "strides", "padding", "w_std", "b_std"),
        _read_conv,
        _write_conv,
    ),
    "Activation": SpecType(Activation, None, _read_activation, _write_activation),
    "SelfAttention": SpecType(
        SelfAttention,
        ("width", *_COUNTS, "mechanism", "scaling", *_STDS, "b_std", "positions"),
        _read_attention,
        _write_attention,
    ),
    "Residual": SpecType(
        Residual,
        ("branch",),
        lambda options, width, reader: Residual(reader(_required(options, "branch"))),
        lambda layer, writer: {"branch": writer(layer.branch)},
    ),
    "FanInSum": SpecType(
        FanInSum,
        ("branches",),
        _read_fan_in,
        lambda layer, writer: {"branches": [writer(branch) for branch in layer.branches]},
    ),
    "LayerNorm": SpecType(
        LayerNorm,
        ("eps",),
        lambda options, width, reader: LayerNorm(options.get("eps", 1e-12)),
        lambda layer, writer: {"eps": float(np.asarray(layer.eps))},
    ),
    "AvgPool": SpecType(
        AvgPool,
        ("window_shape", "strides", "padding"),
        _read_pool,
        lambda layer, writer: _windows(layer, "window_shape"),
    ),
    "GlobalAvgPool": _plain(GlobalAvgPool),
    "GlobalSumPool": _plain(GlobalSumPool),
    "Flatten": _plain(Flatten),
    "Mask": SpecType(
        Mask,
        ("constant",),
        lambda options, width, reader: Mask(_required(options, "constant")),
        lambda layer, writer: {"constant": float(np.asarray(layer.constant))},
    ),
    "Reshape": SpecType(
        Reshape,
        ("shape",),
        lambda options, width, reader: Reshape(_required(options, "shape")),
        lambda layer, writer: {"shape": list(layer.shape)},
    ),
}
