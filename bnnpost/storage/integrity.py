"""Files of a run, known as whole and as its own by digests and by what they say of themselves.

A record is a JSON file whose digest covers its own name too, so that another file in its place is
noticed; records and netCDF files carry the id of the run that run.json has, or contents.json of a
sweep, whose netCDF files carry their own names too. Of results and figures, which are whole only
together, status.json has the digests. Files of earlier versions say neither, and are read as they
are.
"""

import contextlib
import hashlib
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bnnpost.storage.files import read_bytes, read_json, whole

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


# What every run of a sampler has; the record is written once what is sampled is on disk.
RECORD, RUN, DRAWS, PREDICTIONS = "run.json", "run.nc", "draws.nc", "predictions.nc"
STATUS = "status.json"
# What a sweep has in the place of the record: hashes of all that decides its numbers. And results.
CONTENTS, RESULTS = "contents.json", "results.nc"
# Files that say whose the others are.
_TELLING = (RECORD, CONTENTS)
# So begins the format of files of these names, and so are those called that say their own names.
_FORMATS = {DRAWS: "bnnpost draws", PREDICTIONS: "bnnpost predictions"}
_NAMED = re.compile(r"(draws|width)_\d+\.nc|results\.nc")
# The key of the status with the digests of files, by name.
FILES = "files"
# The key, or attribute, with the run's id; the attribute with a file's own name.
RUN_ID, FILE = "run", "file"
_SHOWN = 8


class OtherRun(ValueError):
    """A directory, or a file in it, is of another run, or what it samples has changed."""


class Misplaced(ValueError):
    """A file that is whole, and is another one of the same run."""


def sealed(name: str, values: Mapping[str, Any]) -> str:
    """The text of a record to be written under this name: keys, values and their digest."""
    return json.dumps({**values, DIGEST: _digest(name, values)}, indent=2) + "\n"


def read_record(path: Path) -> dict[str, Any]:
    """Keys and values of a record, without what binds it to its run; of run.json with its id.

    Raises FileNotFoundError; ValueError for what is no record, was changed, or is another file's;
    OtherRun for another run's.
    """
    values, is_sealed = _opened(path)
    if path.name not in _TELLING:
        run = values.pop(RUN_ID, None)
        # Of config.json of earlier versions the status has the digest.
        was_noted = path.name != STATUS and noted(path.parent).get(path.name) == _digest("", values)
        if is_sealed or not was_noted:
            check_of_run(path, run if is_sealed else None)
    return values


def is_as_noted(path: Path, now: str) -> bool:
    """Whether a digest is that which the status beside a file has of it, if it has one."""
    return noted(path.parent).get(path.name, now) == now


def noted(folder: Path) -> dict[str, str]:
    """Digests by the names of files, as the status has them; empty where it cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        found = read_record(folder / STATUS).get(FILES)
        return dict(found) if isinstance(found, dict) else {}
    return {}


def file_digest(path: Path) -> str:
    """By which a file is known whose contents are nobody's but its readers'. Raises OSError."""
    return hashlib.sha256(read_bytes(path)).hexdigest()


def check_in_place(path: Path, attributes: Mapping[Any, Any]) -> None:
    """Raise Misplaced for a netCDF file, whole, that is not the one that belongs where it lies.

    attributes: of its root. A file that is called otherwise than those of runs passes, and so does
    one that lies in no run's directory. Raises OtherRun for another run's.
    """
    has_name = bool(_NAMED.fullmatch(path.name))
    here = run_here(path.parent) if has_name or path.name in _FORMATS else ""
    if not here:
        return
    check_of_run(path, attributes.get(RUN_ID))
    # Predictions of earlier versions have no format.
    form = str(attributes.get("format", _FORMATS[PREDICTIONS]))
    # What is sampled has the format of draws, and is known by its digest.
    is_it = form.startswith(_FORMATS.get(path.name, "")) and attributes.get(DIGEST) != here
    name = attributes.get(FILE, path.name) if has_name else path.name
    if not is_it or name != path.name:
        which = "another file of the run" if name == path.name else f"{name} of the same run"
        raise Misplaced(f"{path} is damaged: {which} is in its place")


def check_of_run(path: Path, run: object) -> None:
    """Raise OtherRun for a file that has not the id that the run.json beside it has.

    A file without an id passes where run.json is of an earlier version, and any file where there
    is no run.json that can be read. Of a sweep contents.json stands in its place.
    """
    here, has_ids, telling = _here(path.parent)
    if not here or run == here or not (run or has_ids):
        return
    if not run:
        raise OtherRun(
            f"{path} is damaged, or another file is in its place: it does not say of which run it "
            f"is, as the files of the run of {telling} do"
        )
    raise OtherRun(
        f"{path} is of another run than {telling} beside it ({_short(run)} and not "
        f"{_short(here)}): bring back the file that belongs there, or move this one away"
    )


def run_here(folder: Path) -> str:
    """The id of the run in a folder; empty where no file says it, or that cannot be read."""
    return _here(folder)[0]


def _here(folder: Path) -> tuple[str, bool, str]:
    """The id, whether all files of the run carry it, and which one says it."""
    for name in _TELLING:
        with contextlib.suppress(OSError, ValueError):
            values, is_sealed = _opened(folder / name)
            if isinstance(found := values.get(RUN_ID), str):
                return found, is_sealed, name
    return "", False, RECORD


def _opened(path: Path) -> tuple[dict[str, Any], bool]:
    """Keys and values, and whether their digest was with them, as since the files have ids."""
    values = read_json(path)
    expected = values.pop(DIGEST, None)
    if expected is not None and expected != _digest(path.name, values):
        raise ValueError(
            f"{path} is damaged, or another file is in its place: its contents do not match their "
            "digest"
        )
    return values, expected is not None


def _digest(name: str, values: Mapping[str, Any]) -> str:
    # As they are when read back.
    return digest({}, {name: json.dumps(json.loads(json.dumps(values)), sort_keys=True)})


def _short(run: object) -> str:
    return f"{str(run)[:_SHOWN]}…"
