"""What a directory holds, to be compared with what it holds later; a file edited on purpose."""

import json

from bnnpost.storage import DIGEST, sealed


def contents(path):
    """All files of a run but its locks."""
    files = (file for file in path.rglob("*") if file.is_file() and file.suffix != ".lock")
    return {file: file.read_bytes() for file in files}


def edited(held, text):
    """Write a JSON file of a run as the run would have written it, with its digest."""
    values = {name: value for name, value in json.loads(text).items() if name != DIGEST}
    held.write_text(sealed(held.name, values))
