"""Tables of layers as neural-tangents names them, in our own names.

Our tables are a layer's class and its arguments; what neural-tangents calls otherwise is read too.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from bnnpost.naming import unknown
from bnnpost.networks.attention.kernel_maps import MECHANISMS
from bnnpost.networks.catalogue import NAME_OF_SPEC_TYPE

_TYPES = {"GlobalSelfAttention": "SelfAttention"}
_KEYS = {
    "W_std": "w_std",
    "W_key_std": "key_std",
    "W_query_std": "query_std",
    "W_value_std": "value_std",
    "W_out_std": "out_std",
}
_ENCODING = ("val_pos_emb", "W_pos_emb_std", "pos_emb_p_norm", "pos_emb_decay_fn")
_DECAY = re.compile(r"exp\(-([0-9.e+-]+)\*d\)")

# Names that are read beside those of layers' classes.
TYPE_NAMES = (*_TYPES, *NAME_OF_SPEC_TYPE)


def in_own_names(table: Mapping[str, object]) -> dict[str, Any]:
    """A layer's table in our names; those in it that are ours stay, and so do values.

    Raises ValueError for a key given twice, by both of its names, and for values that there are
    none of; TypeError for those of another kind.
    """
    found = dict(table)
    kind = found.get("type")
    if isinstance(kind, str) and kind in NAME_OF_SPEC_TYPE:
        return {"type": "Activation", "name": NAME_OF_SPEC_TYPE[kind], **_without(found, ["type"])}
    if isinstance(kind, str):
        found["type"] = _TYPES.get(kind, kind)
    for old in [key for key in found if key in _KEYS]:
        _put(found, _KEYS[old], old, found.pop(old))
    if found.get("type") == "SelfAttention":
        _attention(found)
    if found.get("type") == "LayerNorm" and found.pop("axis", -1) != -1:
        raise ValueError(f"expected axis -1, the channels, got {table['axis']}")
    return found


def _attention(found: dict[str, Any]) -> None:
    if "attention_mechanism" in found:
        given = found.pop("attention_mechanism")
        if str(given).lower() not in MECHANISMS:
            known = [name.upper() for name in MECHANISMS]
            raise ValueError(unknown("attention_mechanism", given, known))
        _put(found, "mechanism", "attention_mechanism", str(given).lower())
    if "linear_scaling" in found:
        linear = truth("linear_scaling", found.pop("linear_scaling"))
        _put(found, "scaling", "linear_scaling", "linear" if linear else "sqrt")
    if "pos_emb_type" in found or any(key in found for key in _ENCODING):
        kind = found.pop("pos_emb_type", "NONE")
        given = {key: found.pop(key) for key in _ENCODING if key in found}
        if kind not in (None, "NONE"):
            _put(found, "positions", "pos_emb_type", _positions(kind, given))


def _positions(kind: object, given: Mapping[str, Any]) -> dict[str, object]:
    if given.get("pos_emb_p_norm", 2) != 2:
        raise ValueError(f"expected pos_emb_p_norm 2, got {given['pos_emb_p_norm']}")
    found = {
        "kind": kind,
        "std": given.get("W_pos_emb_std", 1.0),
        "in_values": truth("val_pos_emb", given.get("val_pos_emb", False)),
    }
    decay = given.get("pos_emb_decay_fn")
    if decay is None:
        return found
    number = _DECAY.fullmatch(str(decay).replace(" ", ""))
    if number is None:
        raise ValueError(
            'expected pos_emb_decay_fn such as "exp(-0.3*d)", d the squared distance, got '
            f"{decay!r}"
        )
    return {**found, "decay": float(number[1])}


def truth(key: str, value: object) -> bool:
    """A value that is true or false; raises TypeError for any other."""
    if not isinstance(value, bool):
        raise TypeError(f"expected {key} to be true or false, got {value!r}")
    return value


def _put(found: dict[str, Any], name: str, alias: str, value: object) -> None:
    if name in found:
        raise ValueError(f"expected either {name} or {alias}, which is the same, got both")
    found[name] = value


def _without(table: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in names}
