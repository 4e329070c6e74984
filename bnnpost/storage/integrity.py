"""Files of a run, known as whole and as its own by digests and by what they say of themselves.

A record is a JSON file whose digest covers its own name too, so that another file in its place is
noticed; records and netCDF files carry the id of the run that run.json has, or contents.json of a
sweep, whose netCDF files carry their own names too. Of results and figures, which are whole only
together, status.json has the digests. A file that lacks its digest, or the id of the run that it
lies in, is refused, and so is a netCDF file in a format of another number.
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

FORMAT = "format"
DRAWS_FORMAT = "bnnpost draws 2"
PREDICTIONS_FORMAT = "bnnpost predictions 1"
WIDTH_FORMAT = "bnnpost width 1"
RESULTS_FORMAT = "bnnpost sweep 1"
REFERENCE_FORMAT = "bnnpost zoo 2"
EXPORT_FORMAT = "bnnpost zoo export 1"
# By what comes before the number.
_KNOWN = {
    one.rpartition(" ")[0]: one
    for one in (
        DRAWS_FORMAT,
        PREDICTIONS_FORMAT,
        WIDTH_FORMAT,
        RESULTS_FORMAT,
        REFERENCE_FORMAT,
        EXPORT_FORMAT,
    )
}

DIGEST = "digest"
_RECORD = "record"


def format_of(attributes: Mapping[Any, Any]) -> str:
    """The format that a file's attributes say; "none" where they say none."""
    return str(attributes.get(FORMAT, "none"))


def is_known(attributes: Mapping[Any, Any]) -> bool:
    """Whether a file is of a format that is written here, all of which have digests."""
    return format_of(attributes) in _KNOWN.values()


def check_number(path: Path, attributes: Mapping[Any, Any]) -> None:
    """Raise ValueError for a file of a kind that is written here, in another format."""
    found = format_of(attributes)
    expected = _KNOWN.get(found.rpartition(" ")[0], found)
    if found != expected:
        check_format(path, attributes, expected)


def check_format(path: Path, attributes: Mapping[Any, Any], expected: str, cure: str = "") -> None:
    """Raise ValueError for a file of any other format. cure: what to do about it."""
    found = format_of(attributes)
    if found != expected:
        cure = cure or "make it again with this version of bnnpost"
        raise ValueError(f"{path}: expected a file of format {expected!r}, found {found!r}; {cure}")


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
    """Whether the digest that labelled arrays hold is not theirs.

    Ours all have one; of anybody's that have none nothing is known.
    """
    if DIGEST not in data.attrs:
        return is_known(data.attrs)
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
# The format of files of these names, and what those are called that say their own names.
_FORMATS = {DRAWS: DRAWS_FORMAT, PREDICTIONS: PREDICTIONS_FORMAT}
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
    values = _opened(path)
    if path.name not in _TELLING:
        check_of_run(path, values.pop(RUN_ID, None))
    return values


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
    one that lies in no run's directory. Raises OtherRun for another run's, or one that does not say
    whose it is, and ValueError for one without a digest or its own name.
    """
    has_name = bool(_NAMED.fullmatch(path.name))
    if not (has_name or path.name in _FORMATS) or not run_here(path.parent):
        return
    check_of_run(path, attributes.get(RUN_ID))
    check_whole(path, attributes, has_name)
    form, name = format_of(attributes), attributes[FILE] if has_name else path.name
    if form != _FORMATS.get(path.name, form) or name != path.name:
        which = "another file of the run" if name == path.name else f"{name} of the same run"
        raise Misplaced(f"{path} is damaged: {which} is in its place")


def check_whole(path: Path, attributes: Mapping[Any, Any], has_name: bool = True) -> None:
    """Raise ValueError for a netCDF file of a run that lacks what binds it to the run.

    has_name: whether it is one that says its own name too.
    """
    wanted = {DIGEST: "digest", RUN_ID: "id of its run"} | ({FILE: "name"} if has_name else {})
    missing = [words for name, words in wanted.items() if name not in attributes]
    if missing:
        raise ValueError(f"{path} is damaged: it has no {' and no '.join(missing)}")


def check_of_run(path: Path, run: object) -> None:
    """Raise OtherRun for a file that has not the id that the run.json beside it has.

    Any file passes where there is no run.json that can be read. Of a sweep contents.json stands in
    its place.
    """
    here, telling = _here(path.parent)
    if not here or run == here:
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


def _here(folder: Path) -> tuple[str, str]:
    """The id, and the name of the file that says it."""
    for name in _TELLING:
        with contextlib.suppress(OSError, ValueError):
            if isinstance(found := _opened(folder / name).get(RUN_ID), str):
                return found, name
    return "", RECORD


def _opened(path: Path) -> dict[str, Any]:
    """Keys and values. Raises ValueError where their digest is not with them, or is another."""
    values = read_json(path)
    if DIGEST not in values:
        raise ValueError(f"{path} is damaged, or no file of a run: it has no digest")
    if values.pop(DIGEST) != _digest(path.name, values):
        raise ValueError(
            f"{path} is damaged, or another file is in its place: its contents do not match their "
            "digest"
        )
    return values


def _digest(name: str, values: Mapping[str, Any]) -> str:
    # As they are when read back.
    return digest({}, {name: json.dumps(json.loads(json.dumps(values)), sort_keys=True)})


def _short(run: object) -> str:
    return f"{str(run)[:_SHOWN]}…"
