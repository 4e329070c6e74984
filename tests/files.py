"""What a directory holds, to be compared with what it holds later; a file edited on purpose."""

import json

from bnnpost.storage import Directory
from bnnpost.storage.integrity import FILES, RUN_ID, STATUS, noted_digest


def contents(path):
    """All files of a run but its locks."""
    files = (file for file in path.rglob("*") if file.is_file() and file.suffix != ".lock")
    return {file: file.read_bytes() for file in files}


def edited(held, text):
    """Write a JSON file of a run as one of the run's own, with its digest in the status."""
    held.write_text(text)
    status = json.loads((held.parent / STATUS).read_text())
    directory = Directory(held.parent)
    directory.run = status.pop(RUN_ID, "")
    status.pop("digest", None)
    files = {**status.get(FILES, {}), held.name: noted_digest(json.loads(text))}
    directory.write_bound(STATUS, {**status, FILES: files})
