"""The settings of a run as its files have them, held against those that are asked for."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnnpost.runs.directory import in_words, settings_changed
from bnnpost.samplers.methods import Rejection, settings_of_all
from bnnpost.settings import meanings
from bnnpost.storage import RECORD, OtherRun, read_record
from bnnpost.sweeps.data_paths import as_recorded, in_full, is_file
from bnnpost.sweeps.refusals import ConfigError

if TYPE_CHECKING:
    from bnnpost.sweeps.config import SweepConfig

# The key under which chains had their settings, in earlier versions.
_CHAIN = "chain"
_WRITTEN_AGAIN = "remove it, and the same command that made the run writes it again"


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


def in_one_table(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a run whose chains had a table of their own, in earlier versions."""
    chain = {name: value for name, value in values.get(_CHAIN, {}).items() if value is not None}
    if not chain:
        return {name: value for name, value in values.items() if name != _CHAIN}
    left_out = (_CHAIN, *(set(meanings(Rejection)) - {"precision"}))
    return {name: value for name, value in values.items() if name not in left_out} | chain


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
    """Settings that are others now, in a line; empty where none is."""
    from bnnpost.sweeps.config import SweepConfig

    defaults = {name: getattr(SweepConfig, name) for name in meanings(SweepConfig)}
    defaults |= {n: getattr(kind, n) for n, kind in settings_of_all().items()}
    was, now = (_whole({**defaults, **in_one_table(as_recorded(v))}) for v in (before, after))
    changed = settings_changed(was, now)
    return in_words({name: changed[name] for name in changed if name not in but_for})


def _whole(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a file has them, the path of data in full."""
    plain: dict[str, Any] = json.loads(json.dumps(values))
    paths = {name: in_full(plain[name]) for name in ("data", "test_data") if plain.get(name)}
    return {**plain, **paths}
