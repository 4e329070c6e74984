"""Where a page may be written: never in the place of something else."""

from pathlib import Path

from bnnpost.pages.page import is_ours

ENDINGS = (".html", ".htm")


class NotAReport(FileExistsError):
    """A file that is in the way is no report, or cannot be one by its name."""


def check_free(path: Path) -> None:
    """Raise what keeps a page from being written here, which is good to know before long work.

    NotAReport for a file that is no report, and is not to be lost, or a name that says it is none;
    FileNotFoundError if there is no folder.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {path.parent} to write {path} in: create it first")
    if path.is_dir():
        raise NotAReport(f"{path} is a directory: expected a file for the report")
    if path.exists() and not (path.is_file() and is_ours(_start(path))):
        raise NotAReport(f"{path} is there and is no report of bnnpost: name another file")
    if path.suffix.lower() not in ENDINGS:
        raise NotAReport(
            f"expected a name that ends in {' or '.join(ENDINGS)}, as what is written is a page of "
            f"HTML, got {path}: a browser prints it as PDF"
        )


def _start(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(4000).decode("utf-8", errors="replace")
