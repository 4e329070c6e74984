"""Hashes of named arrays and texts, so that damaged or mistaken files are noticed."""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

DIGEST = "digest"


def digest(arrays: Mapping[str, np.ndarray], texts: Mapping[str, object]) -> str:
    """SHA-256 over names, values and types, whatever the order they come in."""
    found = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        found.update(f"{name}:{array.dtype.str}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).data)
    for name, value in sorted(texts.items()):
        found.update(f"{name}={value}\n".encode())
    return found.hexdigest()


def dataset_digest(data: "xr.Dataset") -> str:
    """The same over everything in labelled arrays, but for the attribute that holds a digest."""
    arrays = {str(name): data[name].values for name in data.variables}
    return digest(arrays, {str(n): v for n, v in data.attrs.items() if n != DIGEST})


def is_damaged(data: "xr.Dataset") -> bool:
    """Whether the digest that labelled arrays hold is not theirs; without one nothing is known."""
    return DIGEST in data.attrs and data.attrs[DIGEST] != dataset_digest(data)
