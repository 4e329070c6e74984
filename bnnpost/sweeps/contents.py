"""What a configuration stands for, as a hash: files and code by what is in them."""

import dataclasses
import hashlib
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING

from bnnpost.datasets import DataError
from bnnpost.storage import read_bytes
from bnnpost.sweeps.data_paths import in_full, is_file
from bnnpost.sweeps.grid_cells import Grid

if TYPE_CHECKING:
    from bnnpost.sweeps.config import SweepConfig

_LENGTH = 16


def content_digest(config: "SweepConfig") -> str:
    """A short hash of all settings but the widths, which changes with the data file too.

    A data file counts by its contents, so that the same table under another name is the same;
    a network that is code counts by its name and the file of its module. Raises DataError for a
    data file that cannot be read.
    """
    values = {name: value for name, value in config.as_dict().items() if name != "widths"}
    found = contents(config)
    for name in {"data", "test_data"} & {*found}:
        values[name] = {"sha256": found[name]}
    values |= {name: found[name] for name in ("code", "likelihood_code") if name in found}
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def digested(grid: Grid) -> Grid:
    """A grid of which every cell has its digest, as a file of a single run does not tell it."""
    cells = tuple(
        one if one.digest else dataclasses.replace(one, digest=content_digest(one.config))
        for one in grid.cells
    )
    return dataclasses.replace(grid, cells=cells)


def contents(config: "SweepConfig") -> dict[str, str]:
    """Hashes of what a configuration only names: of its file of data, and of its code.

    Raises DataError for a file that cannot be read.
    """
    found = {}
    if is_file(config.data):
        found["data"] = _of_file(config.data)
    if config.test_data is not None:
        found["test_data"] = _of_file(config.test_data)
    if config.network is not None:
        found["code"] = code_digest(config)
    module, _, own = str((config.likelihood or {}).get("type")).partition(":")
    if own:
        found["likelihood_code"] = _of_module(module)
    return found


def code_digest(config: "SweepConfig") -> str:
    """A hash of the file of the network's module; empty where there is none."""
    return "" if config.network is None else _of_module(config.network.partition(":")[0])


def located(config: "SweepConfig") -> "SweepConfig":
    """The same wherever it is read from: the paths of data files in full."""
    data = in_full(config.data)
    test_data = None if config.test_data is None else in_full(config.test_data)
    # Another configuration is checked anew, which takes as long as reading one.
    if (data, test_data) == (config.data, config.test_data):
        return config
    return dataclasses.replace(config, data=data, test_data=test_data)


def _of_file(path: str) -> str:
    try:
        return hashlib.sha256(read_bytes(Path(path))).hexdigest()
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file; a relative path is one from the working directory or from the "
            "folder of the configuration"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None


def _of_module(name: str) -> str:
    """Of the module's file; empty where it has none."""
    found = importlib.util.find_spec(name)
    origin = None if found is None else found.origin
    return _of_file(origin) if origin is not None and Path(origin).is_file() else ""
