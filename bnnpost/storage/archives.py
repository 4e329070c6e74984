"""Named arrays and a record in one file, written whole and known by a digest when read."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bnnpost.storage.digest import digest
from bnnpost.storage.files import whole

_RECORD, _DIGEST = "record", "digest"


def write_archive(
    path: Path, arrays: Mapping[str, np.ndarray], record: Mapping[str, object]
) -> None:
    """Write arrays and a record of what JSON holds; no array is called "record".

    Raises OSError if that cannot be done.
    """
    text = json.dumps({**record, _DIGEST: digest(arrays, record)})
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as temporary:
        np.savez(temporary, allow_pickle=False, **{_RECORD: np.array(text)}, **arrays)


def parsed_archive(contents: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The record and the arrays of a file. Raises one error or another if it is damaged."""
    with np.load(io.BytesIO(contents), allow_pickle=False) as stored:
        arrays = dict(stored)
    record = json.loads(str(arrays.pop(_RECORD)))
    expected = record.pop(_DIGEST)
    if digest(arrays, record) != expected:
        raise ValueError("its contents do not match their digest")
    return record, arrays
