"""Data of a configuration by name: shipped sets, or files by their paths."""

from collections.abc import Mapping
from pathlib import Path


def is_file(data: str) -> bool:
    """Whether data are a file's, by its path, and none that are shipped."""
    return Path(data).suffix in (".csv", ".npz")


def in_full(data: str) -> str:
    """The name of shipped data as it is, the path of a file wherever it is read from."""
    return str(Path(data).resolve()) if is_file(data) else data


def as_recorded(values: Mapping[str, object]) -> dict[str, object]:
    """Settings as a run's files have them; in those of earlier versions true was "all" of a file.

    `SweepConfig.as_dict` says "train" or "all" of one, and never true.
    """
    is_earlier = values.get("standardise") is True and is_file(str(values.get("data")))
    return {**values, **({"standardise": "all"} if is_earlier else {})}
