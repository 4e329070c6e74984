"""What a directory holds, to be compared with what it holds later; a file edited on purpose."""

import json

from bnnpost.storage import DIGEST, STATUS, sealed
from bnnpost.storage.integrity import FILES, digest


def contents(path):
    """All files of a run but its locks."""
    files = (file for file in path.rglob("*") if file.is_file() and file.suffix != ".lock")
    return {file: file.read_bytes() for file in files}


def edited(held, text):
    """Write a JSON file of a run as the run would have written it, with its digest."""
    values = {name: value for name, value in json.loads(text).items() if name != DIGEST}
    held.write_text(sealed(held.name, values))


def as_of_before(config, values):
    """Write a sweep's config.json as an earlier version did: its digest is in the status."""
    config.write_text(json.dumps(values))
    status = json.loads((config.parent / STATUS).read_text())
    note = digest({}, {"": json.dumps(values, sort_keys=True)})
    files = {**status.get(FILES, {}), config.name: note}
    edited(config.parent / STATUS, json.dumps({**status, FILES: files}))
