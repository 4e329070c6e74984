"""The directory of one cell: written by one process, so that nothing is left half done."""

import dataclasses
import datetime
import json
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnnpost.parallel.failures import is_death, one_line
from bnnpost.storage import (
    RECORD,
    STATUS,
    Directory,
    read_json,
    read_record,
    write_netcdf,
)
from bnnpost.sweeps.contents import contents
from bnnpost.sweeps.data_paths import as_recorded, in_full, is_file
from bnnpost.sweeps.refusals import ConfigError

if TYPE_CHECKING:
    import xarray as xr

    from bnnpost.sweeps.config import SweepConfig

CONFIG, RESULTS = "config.json", "results.nc"
# What the files hold that the configuration names, as hashes.
CONTENTS = "contents.json"
# States of a width.
DONE, FAILED = "done", "failed"
# What a file with a failure says of its kind, where the process was killed.
KILLED = "killed"


class CellDirectory(Directory):
    """The files of one sweep: configuration, status, log, a file a width, results, figures.

    It is that of a cell; see `GridDirectory`, which is held against other processes.
    """

    def write_down(self, config: "SweepConfig") -> None:
        """Write down what is run here, and what its files hold, unless that is here already."""
        if not (self.path / CONFIG).exists():
            self.write_text(CONFIG, json.dumps(config.as_dict(), indent=2) + "\n")
        named = contents(config)
        if named and not (self.path / CONTENTS).exists():
            self.write_text(CONTENTS, json.dumps(named, indent=2) + "\n")

    def check_same_contents(self, config: "SweepConfig") -> None:
        """Raise ConfigError if the data file or the network's code is not what it was.

        A directory in which nothing is written of them passes.
        """
        held = self.path / CONTENTS
        if not held.exists():
            return
        before, now = read_sweep_json(held), contents(config)
        named = {"data": config.data, "test_data": config.test_data, "code": config.network}
        for kind, name in named.items():
            if kind in before and before[kind] != now.get(kind):
                what = f"the code of {name}" if kind == "code" else name
                raise ConfigError(
                    f"{what} has changed since the run in {self.path} was begun, and widths of "
                    "before and after do not belong together: choose another --out for it as it is "
                    "now, or bring back what it was to go on"
                )

    def write_netcdf(self, name: str, data: "xr.Dataset | xr.DataTree") -> None:
        """Write a netCDF file whole."""
        write_netcdf(self.path / name, data)

    def width_file(self, width: int) -> Path:
        """Where the results of one width are kept."""
        return self.path / f"width_{width:06d}.nc"

    def draws_file(self, width: int) -> Path:
        """Where the draws of one width are kept, for `bnnpost.load` and for predictions."""
        return self.path / f"draws_{width:06d}.nc"

    def record_file(self, width: int) -> Path:
        """Where it is kept how a width went: its time, or why it failed."""
        return self.width_file(width).with_suffix(".json")

    def write_record(self, width: int, **details: object) -> None:
        """Write down how a width went."""
        text = json.dumps({"width": width, **details}, indent=2) + "\n"
        self.write_text(self.record_file(width).name, text)

    def write_failure(self, width: int, error: Exception, attempts: int) -> None:
        """Write down why a width was given up."""
        self.write_record(
            width,
            state=FAILED,
            reason=one_line(error),
            kind=KILLED if is_death(error) else type(error).__name__,
            attempts=attempts,
            time=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            traceback="".join(traceback.format_exception(error)),
        )

    def forget_failures(self, widths: Sequence[int]) -> None:
        """Let what has failed, or was refused, be tried again."""
        for width in widths:
            if self.has_failed(width):
                self.record_file(width).unlink(missing_ok=True)

    def record(self, width: int) -> dict[str, Any]:
        """How a width went; empty where nothing is known."""
        return _known(self.record_file(width))

    def is_done(self, width: int) -> bool:
        """Whether the results of a width are there."""
        return self.width_file(width).exists()

    def has_failed(self, width: int) -> bool:
        """Whether a width was given up."""
        return not self.is_done(width) and self.record(width).get("state") == FAILED

    def is_assembled(self, widths: Sequence[int]) -> bool:
        """Whether results.nc is there, of just these widths."""
        return self.status().get("widths") == list(widths) and (self.path / RESULTS).exists()

    def status(self) -> dict[str, Any]:
        """What the status file says; empty where there is none."""
        return _known(self.path / STATUS)


def _known(path: Path) -> dict[str, Any]:
    try:
        return read_record(path)
    except (OSError, ValueError):
        return {}


def read_sweep_json(held: Path) -> dict[str, Any]:
    """Keys and values of a JSON file of a sweep. Raises ConfigError."""
    try:
        return read_json(held)
    except (OSError, ValueError) as error:
        raise ConfigError(str(error)) from None


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
    """Raise ConfigError if a width's file was made with another configuration, as it records.

    Widths may be others, and so may the path of a data file, which is known by its contents.
    """
    before = dict(json.loads(written))
    both_files = is_file(str(before.get("data"))) and is_file(str(config.get("data")))
    if changed := _changed(
        before, config, ("widths", "data", "test_data") if both_files else ("widths",)
    ):
        raise ConfigError(
            f"{path} is of a run with another configuration ({changed}): move it away, and the "
            "width is run again"
        )


def _changed(before: Mapping[str, Any], after: Mapping[str, Any], but_for: tuple[str, ...]) -> str:
    """Settings that are others now, in a line; empty where none is."""
    from bnnpost.sweeps.config import SweepConfig

    defaults = {field.name: field.default for field in dataclasses.fields(SweepConfig)}
    was, now = (_whole({**defaults, **as_recorded(values)}) for values in (before, after))
    names = [name for name in {**was, **now} if name not in but_for]
    return ", ".join(
        f"{name} {was.get(name)!r} → {now.get(name)!r}"
        for name in names
        if was.get(name) != now.get(name)
    )


def _whole(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a file has them, the path of data in full."""
    found: dict[str, Any] = json.loads(json.dumps(values))
    paths = {name: in_full(found[name]) for name in ("data", "test_data") if found.get(name)}
    return {**found, **paths}
