"""Where a page may be written: never in the place of something else."""

import re
from pathlib import Path

# Pages of ours are known by this, so that no other file is written over.
GENERATOR = "bnnpost report 1"
ENDINGS = (".html", ".htm")
_HEAD_LENGTH = 2000


class NotAReport(FileExistsError):
    """A file that is in the way is no report, or cannot be one by its name."""


def is_ours(text: str) -> bool:
    """Return whether the beginning of a file is that of a page made here."""
    pattern = r'<meta name="generator" content="bnnpost report \d+">'
    return re.search(pattern, text[:_HEAD_LENGTH]) is not None


def check_free(path: Path) -> None:
    """Raise what keeps a page from being written here, which is good to know before long work.

    NotAReport for a file that is no report, and is not to be lost, or a name of another kind of
    file; FileNotFoundError if there is no folder.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {path.parent} to write {path} in: create it first")
    if path.is_dir():
        raise NotAReport(f"{path} is a directory: expected a file for the report")
    if path.exists() and not (path.is_file() and is_ours(_start(path))):
        raise NotAReport(f"{path} exists and is not a bnnpost report: choose another name")
    if path.suffix.lower() not in ENDINGS:
        raise NotAReport(
            f"expected a name that ends in {' or '.join(ENDINGS)}, as what is written is a page of "
            f"HTML, got {path}: a browser prints it as PDF"
        )


def _start(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(2 * _HEAD_LENGTH).decode("utf-8", errors="replace")
