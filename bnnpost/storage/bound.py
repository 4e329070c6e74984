"""Files of a run in its directory, bound to it: each tells whose it is, and whether it is whole.

A record is a JSON file whose digest covers its own name too, so that another file in its place is
noticed; records and netCDF files carry the id of the run that run.json has. Of a file that is for
people, and holds nothing else, status.json has the digest. Files of earlier versions say neither,
and are read as they are.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnnpost.storage.digest import DIGEST, digest
from bnnpost.storage.reading import read_json

# What every run of a sampler has; the record is written once what is sampled is on disk.
RECORD, RUN, DRAWS, PREDICTIONS = "run.json", "run.nc", "draws.nc", "predictions.nc"
STATUS = "status.json"
# The key of the status with the digests of files, by name.
FILES = "files"
# The key, or attribute, with the run's id.
RUN_ID = "run"
_SHOWN = 8


def sealed(name: str, values: Mapping[str, Any]) -> str:
    """The text of a record to be written under this name: keys, values and their digest."""
    return json.dumps({**values, DIGEST: _digest(name, values)}, indent=2) + "\n"


def read_record(path: Path) -> dict[str, Any]:
    """Keys and values of a record, without what binds it to its run; of run.json with its id.

    Raises FileNotFoundError; ValueError for what is no record, was changed, or is another file's
    or another run's.
    """
    values, is_sealed = _opened(path)
    if path.name != RECORD:
        run = values.pop(RUN_ID, None)
        check_of_run(path, run if is_sealed else None)
    return values


def read_noted(path: Path) -> dict[str, Any]:
    """Keys and values of a file of which the status has the digest.

    Raises FileNotFoundError; ValueError for what is no such file, or not what was written.
    """
    values = read_json(path)
    if noted(path.parent).get(path.name, noted_digest(values)) != noted_digest(values):
        raise ValueError(
            f"{path} is damaged, or another file is in its place: its contents are not those that "
            f"{STATUS} beside it tells of"
        )
    return values


def noted(folder: Path) -> dict[str, str]:
    """Digests by the names of files, as the status has them; empty where it cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        found = read_record(folder / STATUS).get(FILES)
        return dict(found) if isinstance(found, dict) else {}
    return {}


def noted_digest(values: Mapping[str, Any]) -> str:
    """By which keys and values are known."""
    return _digest("", values)


def check_of_run(path: Path, run: object) -> None:
    """Raise ValueError for a file that has not the id that the run.json beside it has.

    A file without an id passes where run.json is of an earlier version, and any file where there
    is no run.json that can be read.
    """
    here, has_ids = _here(path.parent)
    if not here or run == here or not (run or has_ids):
        return
    if not run:
        raise ValueError(
            f"{path} is damaged, or another file is in its place: it does not say of which run it "
            f"is, as the files of the run of {RECORD} do"
        )
    raise ValueError(
        f"{path} is of another run than {RECORD} beside it ({_short(run)} and not "
        f"{_short(here)}): bring back the file that belongs there, or move this one away"
    )


def run_here(folder: Path) -> str:
    """The id of the run in a folder; empty where run.json is not there, or cannot be read."""
    return _here(folder)[0]


def _here(folder: Path) -> tuple[str, bool]:
    """The id, and whether all files of the run carry it."""
    with contextlib.suppress(OSError, ValueError):
        values, is_sealed = _opened(folder / RECORD)
        found = values.get(RUN_ID)
        return (found, is_sealed) if isinstance(found, str) else ("", False)
    return "", False


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
