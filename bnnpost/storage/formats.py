"""Formats of netCDF files: those of another number are refused by name, whoever reads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
