"""Hashes of named arrays and texts, so that damaged or mistaken files are noticed."""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bnnpost.storage.files import whole
from bnnpost.storage.reading import read_bytes

if TYPE_CHECKING:
    import xarray as xr

DIGEST = "digest"
_RECORD = "record"


def digest(arrays: Mapping[str, np.ndarray], texts: Mapping[str, object]) -> str:
    """SHA-256 over names, values and types, whatever the order they come in."""
    found = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        plain = _numbers(array)
        found.update(f"{name}:{plain.dtype.str}{array.shape}".encode())
        found.update(np.ascontiguousarray(plain).data)
    for name, value in sorted(texts.items()):
        found.update(f"{name}={value}\n".encode())
    return found.hexdigest()


def _numbers(array: np.ndarray) -> np.ndarray:
    """Texts as numbers of their characters, which are the same however a file has kept them."""
    if array.dtype.kind not in "OUT":
        return array
    return np.frombuffer(json.dumps(array.tolist()).encode(), np.uint8)


def dataset_digest(data: "xr.Dataset | xr.DataTree") -> str:
    """The same over everything in labelled arrays, but for the attribute that holds a digest.

    Of a tree over its groups, with their names before what is in them.
    """
    arrays: dict[str, np.ndarray] = {}
    texts: dict[str, object] = {}
    for group, one in _groups(data).items():
        arrays |= {f"{group}{name}": one[name].values for name in one.variables}
        texts |= {f"{group}{name}": value for name, value in one.attrs.items()}
    texts.pop(DIGEST, None)
    return digest(arrays, texts)


def _groups(data: "xr.Dataset | xr.DataTree") -> "dict[str, Any]":
    """By what their names begin with, which is nothing of the root's."""
    if not hasattr(data, "subtree"):
        return {"": data}
    found = {one.path.strip("/"): one.to_dataset(inherit=False) for one in data.subtree}
    return {f"{path}/" if path else "": one for path, one in found.items()}


def is_damaged(data: "xr.Dataset | xr.DataTree") -> bool:
    """Whether the digest that labelled arrays hold is not theirs; without one nothing is known."""
    if DIGEST not in data.attrs:
        return False
    try:
        return bool(data.attrs[DIGEST] != dataset_digest(data))
    except (TypeError, ValueError):  # names and texts that are none: UnicodeEncodeError
        return True


def write_archive(
    path: Path, arrays: Mapping[str, np.ndarray], record: Mapping[str, object]
) -> None:
    """Write arrays and a record of what JSON holds; no array is called "record".

    Raises OSError if that cannot be done.
    """
    text = json.dumps({**record, DIGEST: digest(arrays, record)})
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as temporary:
        np.savez(temporary, allow_pickle=False, **{_RECORD: np.array(text)}, **arrays)


def read_archive(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The record and the arrays of a file. Raises one error or another if it is damaged."""
    with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as stored:
        arrays = dict(stored)
    record = json.loads(str(arrays.pop(_RECORD)))
    expected = record.pop(DIGEST)
    if digest(arrays, record) != expected:
        raise ValueError("its contents do not match their digest")
    return record, arrays
