"""What a run is: what its configuration stands for, as a hash, and what its files say it was.

Files and code count by what is in them. Settings that were kept are held against those asked for.
"""

import dataclasses
import hashlib
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnnpost.datasets import DataError
from bnnpost.runs.directory import in_words, settings_changed
from bnnpost.samplers.methods import settings_of_all
from bnnpost.settings import ConfigError, meanings
from bnnpost.storage import RECORD, OtherRun, read_bytes, read_record
from bnnpost.sweeps.keys import in_full, is_file

if TYPE_CHECKING:
    from bnnpost.sweeps.config import SweepConfig

_LENGTH = 16
_WRITTEN_AGAIN = "remove it, and the same command that made the run writes it again"


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


def read_sweep_json(held: Path) -> dict[str, Any]:
    """Keys and values of a JSON file of a sweep. Raises ConfigError."""
    try:
        return read_record(held)
    except OSError as error:
        raise ConfigError(str(error)) from None
    except ValueError as error:
        raise ConfigError(f"{error}; {_WRITTEN_AGAIN}") from None


def check_no_draws(path: Path) -> None:
    """Raise ConfigError for a directory of bnnpost sample, or of a sampler of the library."""
    if (path / RECORD).exists():
        raise ConfigError(
            f"{path} holds draws of one posterior ({RECORD}), and no sweep: bnnpost sample goes on "
            "with them; for a sweep name another directory"
        )


def check_same_config(held: Path, config: "SweepConfig", but_for: tuple[str, ...] = ()) -> None:
    """Raise ConfigError if a run's configuration file says otherwise, but for some keys."""
    before = read_sweep_json(held)
    if "cells" in before:
        raise ConfigError(f"{held.parent} holds a grid of sweeps: choose another --out")
    if "widths" not in before:
        raise ConfigError(f"{held} is no run's: choose another --out")
    if changed := _changed(before, config.as_dict(), but_for):
        raise ConfigError(
            f"{held.parent} holds a run with another configuration ({changed}): "
            "choose another --out, or the same settings to go on with it"
        )


def check_same_width(path: Path, written: str, config: Mapping[str, Any]) -> None:
    """Raise OtherRun if a width's file was made with another configuration, as it records.

    Widths may be others, and so may the path of a data file, which is known by its contents.
    """
    before = dict(json.loads(written))
    both_files = is_file(str(before.get("data"))) and is_file(str(config.get("data")))
    if changed := _changed(
        before, config, ("widths", "data", "test_data") if both_files else ("widths",)
    ):
        raise OtherRun(
            f"{path} is of a run with another configuration ({changed}): move it away, and the "
            "width is run again"
        )


def _changed(before: Mapping[str, Any], after: Mapping[str, Any], but_for: tuple[str, ...]) -> str:
    """Settings that are others now, in a line; empty where none is.

    One that is not written, as it was added since or says nothing, has its default.
    """
    from bnnpost.sweeps.config import SweepConfig

    defaults = {name: getattr(SweepConfig, name) for name in meanings(SweepConfig)}
    defaults |= {n: getattr(kind, n) for n, kind in settings_of_all().items()}
    was, now = (_whole({**defaults, **values}) for values in (before, after))
    changed = settings_changed(was, now)
    return in_words({name: changed[name] for name in changed if name not in but_for})


def _whole(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a file has them, the path of data in full."""
    plain: dict[str, Any] = json.loads(json.dumps(values))
    paths = {name: in_full(plain[name]) for name in ("data", "test_data") if plain.get(name)}
    return {**plain, **paths}
