"""Hashes of named arrays and texts, so that damaged or mistaken files are noticed."""

import hashlib
from collections.abc import Mapping

import numpy as np


def digest(arrays: Mapping[str, np.ndarray], texts: Mapping[str, object]) -> str:
    """SHA-256 over names, values and types, whatever the order they come in."""
    found = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        found.update(f"{name}:{array.dtype.str}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).data)
    for name, value in sorted(texts.items()):
        found.update(f"{name}={value}\n".encode())
    return found.hexdigest()
