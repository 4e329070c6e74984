"""How each kind of layer is written as a table, and built from one.

Types and keys are those of neural-tangents' layers where it has them; widths and heads are ours.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnnpost.naming import unknown
from bnnpost.networks.attention import PositionEncoding, SelfAttention
from bnnpost.networks.attention.kernel_maps import MECHANISMS
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

Options = Mapping[str, Any]
# Reads and writes a list of layers, for layers that hold such lists.
Reader = Callable[[object], list[Layer]]
Writer = Callable[[Layer], list[dict[str, object]]]


@dataclass(frozen=True)
class SpecType:
    """A type of table: the layer it stands for, its keys, and how it is read and written.

    read(options, width, reader) gives a layer; write(layer, writer) its options.
    """

    layer: type[Layer]
    keys: tuple[str, ...]
    read: Callable[[Options, int, Reader], Layer]
    write: Callable[[Any, Writer], dict[str, object]]


def _read_dense(options: Options, width: int, reader: Reader) -> Layer:
    w_var = options.get("w_var")
    by_law = isinstance(w_var, Mapping)
    w_std = options.get("W_std", None if w_var is not None else 1.0)
    if by_law and w_std is not None:
        raise ValueError("expected either W_std or w_var, got both")
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
    found: dict[str, object] = {"w_var" if of_variance else "W_std": scale_record(layer.w_std)}
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
        w_std=scale_of_record(options.get("W_std", 1.0)),
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


def _read_norm(options: Options, width: int, reader: Reader) -> Layer:
    if options.get("axis", -1) != -1:
        raise ValueError(f"expected axis -1, the channels, got {options['axis']}")
    return LayerNorm(options.get("eps", 1e-12))


def _read_fan_in(options: Options, width: int, reader: Reader) -> Layer:
    branches = _required(options, "branches")
    if isinstance(branches, str | Mapping):
        raise TypeError(f"expected branches to be a list of lists of layers, got {branches!r}")
    return FanInSum(map(reader, branches))


_PLAIN_ENCODING = re.compile(r"exp\(-([0-9.e+-]+)\*d\)")
_ATTENTION_STDS = {f"W_{part}_std": part for part in ("key", "query", "value", "out")}
_ATTENTION_COUNTS = ("width", "heads", "key_width", "value_width", "num_draws")
_ENCODING_KEYS = (
    "pos_emb_type",
    "val_pos_emb",
    "W_pos_emb_std",
    "pos_emb_p_norm",
    "pos_emb_decay_fn",
)


def _read_attention(options: Options, width: int, reader: Reader) -> Layer:
    mechanism = str(options.get("attention_mechanism", "SOFTMAX")).lower()
    if mechanism not in MECHANISMS:
        known = [name.upper() for name in MECHANISMS]
        raise ValueError(unknown("attention_mechanism", options["attention_mechanism"], known))
    counts = {name: options[name] for name in _ATTENTION_COUNTS if name in options}
    stds = {f"{part}_std": options.get(key, 1.0) for key, part in _ATTENTION_STDS.items()}
    return SelfAttention(
        **{"width": width, **counts},
        **stds,
        mechanism=mechanism,
        scaling="linear" if _truth(options, "linear_scaling", True) else "sqrt",
        b_std=options.get("b_std"),
        positions=_read_encoding(options),
    )


def _read_encoding(options: Options) -> PositionEncoding | None:
    kind = options.get("pos_emb_type", "NONE")
    if kind in (None, "NONE"):
        return None
    decay = options.get("pos_emb_decay_fn")
    found = None if decay is None else _PLAIN_ENCODING.fullmatch(str(decay).replace(" ", ""))
    if decay is not None and found is None:
        raise ValueError(
            'expected pos_emb_decay_fn such as "exp(-0.3*d)", d the squared distance, got '
            f"{decay!r}"
        )
    if options.get("pos_emb_p_norm", 2) != 2:
        raise ValueError(f"expected pos_emb_p_norm 2, got {options['pos_emb_p_norm']}")
    return PositionEncoding(
        kind,
        options.get("W_pos_emb_std", 1.0),
        _truth(options, "val_pos_emb", False),
        None if found is None else float(found[1]),
    )


def _write_attention(layer: SelfAttention, writer: Writer) -> dict[str, object]:
    counts = {name: getattr(layer, name) for name in _ATTENTION_COUNTS}
    found: dict[str, object] = {
        **{name: count for name, count in counts.items() if count is not None},
        "linear_scaling": layer.tied,
        "attention_mechanism": layer.mechanism.upper(),
        **{
            name: scale_record(getattr(layer, part).w_std) for name, part in _ATTENTION_STDS.items()
        },
    }
    if layer.out.b_std is not None:
        found["b_std"] = scale_record(layer.out.b_std)
    return {**found, **_write_encoding(layer.positions)}


def _write_encoding(positions: PositionEncoding | None) -> dict[str, object]:
    if positions is None:
        return {}
    found = {
        "pos_emb_type": positions.kind,
        "val_pos_emb": positions.in_values,
        "W_pos_emb_std": float(positions.std),
    }
    if positions.decay is not None:
        found["pos_emb_decay_fn"] = f"exp(-{float(positions.decay)!r}*d)"
    return found


def _truth(options: Options, key: str, default: bool) -> bool:
    value = options.get(key, default)
    if not isinstance(value, bool):
        raise TypeError(f"expected {key} to be true or false, got {value!r}")
    return value


def _required(options: Options, key: str) -> Any:
    if key not in options:
        raise ValueError(f"expected the key {key}, got {sorted(options) or 'none'}")
    return options[key]


def _plain(layer: type[Layer]) -> SpecType:
    return SpecType(layer, (), lambda options, width, reader: layer(), lambda layer, writer: {})


SPEC_TYPES: Mapping[str, SpecType] = {
    "Dense": SpecType(
        Dense,
        ("width", "W_std", "w_var", "b_std", "prior", "bias_prior"),
        _read_dense,
        _write_dense,
    ),
    "Conv": SpecType(
        Conv,
        ("width", "filter_shape", "strides", "padding", "W_std", "b_std"),
        _read_conv,
        _write_conv,
    ),
    "GlobalSelfAttention": SpecType(
        SelfAttention,
        (
            *_ATTENTION_COUNTS,
            "linear_scaling",
            "attention_mechanism",
            *_ATTENTION_STDS,
            "b_std",
            *_ENCODING_KEYS,
        ),
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
        ("axis", "eps"),
        _read_norm,
        lambda layer, writer: {"axis": -1, "eps": float(np.asarray(layer.eps))},
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
