"""The directory of one cell: all that is kept of it, written by one process."""

import contextlib
import dataclasses
import datetime
import os
import traceback
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnnpost.parallel.failures import is_death, one_line
from bnnpost.runs.directory import Directory, RunDirectory, settings_changed
from bnnpost.runs.part_files import PartFiles
from bnnpost.samplers.cost import Expectation
from bnnpost.settings import ConfigError
from bnnpost.storage import (
    CONTENTS,
    DIGEST,
    FILE,
    FORMAT,
    RESULTS,
    RUN_ID,
    STATUS,
    WIDTH_FORMAT,
    Say,
    check_format,
    check_whole,
    dataset_digest,
    file_digest,
    noted,
    read_dataset,
    read_json,
    read_record,
    run_here,
    write_netcdf,
)
from bnnpost.sweeps.identity import check_same_width, contents, read_sweep_json

if TYPE_CHECKING:
    import xarray as xr

    from bnnpost.sweeps.config import SweepConfig

CONFIG = "config.json"
# Of all files of a cell, as contents.json says.
CELL_FORMAT = "bnnpost cell 1"
# States of a width.
DONE, FAILED = "done", "failed"
# What a file with a failure says of its kind, where the process was killed.
KILLED = "killed"
# Files of one width, but for their ending.
_WIDTH = "width_{:06d}"


@dataclass(frozen=True)
class WidthFiles(PartFiles["xr.Dataset"]):
    """The results of a cell by width. config: what they were made with, widths apart, if given."""

    config: Mapping[str, Any] | None = None

    def results(self, width: int) -> "xr.Dataset | None":
        """Those of one width; None where they are not there, or damaged. Raises OtherRun."""
        return self.read(width, lambda record, data: data)

    def _load(self, path: Path) -> "tuple[dict[str, Any], xr.Dataset]":
        # Which run it is of was looked at as it was read, where the directory says it.
        data = read_dataset(path)
        check_whole(path, data.attrs)
        check_format(path, data.attrs, self.form)
        if self.config is not None:
            check_same_width(path, data.attrs["config"], self.config)
        record = {str(name): value for name, value in data.attrs.items()}
        return {**record, RUN_ID: record[RUN_ID] if self.run else ""}, data

    def _save(self, path: Path, contents: "xr.Dataset", record: Mapping[str, object]) -> None:
        write_own(path, contents.assign_attrs(record), self.run)


class CellDirectory(RunDirectory):
    """The files of one sweep: configuration, status, log, a file a width, results, figures.

    It is that of a cell; see `GridDirectory`, which is held against other processes. run: the
    digest of all that decides the cell's numbers, its widths apart, which its files carry. doubts:
    what could not be read of what was looked for, and why.
    """

    TELLING = CONTENTS
    WHAT = "sweep"
    OTHER = ConfigError

    def __init__(self, path: str | os.PathLike[str], run: str = ""):
        super().__init__(path)
        self.run = run
        self.doubts: list[str] = []

    def begin(
        self, values: Mapping[str, Any], named: Mapping[str, str], *, may_change: bool
    ) -> None:
        """Write down what is run here, unless that is here already.

        named: hashes of the files that the values name. may_change: whether values that are here
        may be others, as of a grid to which widths were added. Raises ConfigError where another
        cell's files are here.
        """
        self.check_own()
        held = self.path / CONFIG
        if not run_here(self.path):
            if not may_change and held.exists() and read_json(held).get(RUN_ID) != self.run:
                raise ConfigError(
                    f"{held} is of a run with other data, code or settings, and {CONTENTS} is not "
                    "there to say so: bring it back, or choose another --out"
                )
            self.write_bound(CONTENTS, {FORMAT: CELL_FORMAT, **named})
        if not held.exists() or (may_change and not self._is_configured(values)):
            self.write_bound(CONFIG, values)
            self.set_status("running")

    def _is_configured(self, values: Mapping[str, Any]) -> bool:
        with contextlib.suppress(ValueError):  # damaged, or another cell's
            return not settings_changed(read_record(self.path / CONFIG), values)
        return False

    def check_own(self) -> None:
        """Raise ConfigError where the directory is another cell's, or of another format."""
        here = run_here(self.path)
        form = self.known(CONTENTS).get(FORMAT) if here else CELL_FORMAT
        if form != CELL_FORMAT:
            raise ConfigError(
                f"{self.path / CONTENTS}: expected format {CELL_FORMAT!r}, found {form!r}: the run "
                "here is of another version of bnnpost; run it again in another directory"
            )
        if self.run and here and here != self.run:
            raise ConfigError(
                f"{self.path} holds the run of another cell ({here} and not {self.run}): bring "
                "back the folder that belongs there, or move this one away"
            )

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

    def widths(
        self, say: Say, config: Mapping[str, Any] | None = None, *, writes: bool = False
    ) -> WidthFiles:
        """Results by width; see `WidthFiles`. writes: whether this directory may be written to."""
        check = self.check_still_there if writes else None
        run = self.run or run_here(self.path)
        return WidthFiles(self.path, _WIDTH + ".nc", WIDTH_FORMAT, run, say, check, config=config)

    def write_results(self, tree: "xr.DataTree", figures: Mapping[str, bytes]) -> None:
        """Write what comes of all widths; the next status will have the digests of its files."""
        self.check_still_there()
        write_own(self.path / RESULTS, tree, self.run)
        for name, figure in figures.items():
            self.write_bytes(name, figure)
        for name in (RESULTS, *figures):
            self.note_file(name)

    def width_file(self, width: int) -> Path:
        """Where the results of one width are kept."""
        return self.path / (_WIDTH.format(width) + ".nc")

    def draws_file(self, width: int) -> Path:
        """Where the draws of one width are kept, for `bnnpost.load` and for predictions."""
        return self.path / draws_name(width)

    def record_file(self, width: int) -> Path:
        """Where it is kept how a width went: its time, or why it failed."""
        return self.width_file(width).with_suffix(".json")

    def write_record(self, width: int, **details: object) -> None:
        """Write down how a width went."""
        self.write_bound(self.record_file(width).name, {"width": width, **details})

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
        """How a width went; empty where nothing is known, which is a doubt of one that is done."""
        held = self.record_file(width)
        if not held.exists() and self.is_done(width):
            self.doubts.append(f"{held.name} is not there: what width {width} took is not known")
        return self.known(held.name)

    def is_done(self, width: int) -> bool:
        """Whether the results of a width are there."""
        return self.width_file(width).exists()

    def has_failed(self, width: int) -> bool:
        """Whether a width was given up."""
        return not self.is_done(width) and self.record(width).get("state") == FAILED

    def is_assembled(self, widths: Sequence[int]) -> bool:
        """Whether results.nc is there as it was written, of just these widths."""
        return self.status().get("widths") == list(widths) and self._is_as_written(RESULTS)

    def has_figures(self) -> bool:
        """Whether all figures that were made are there as they were written."""
        return all(map(self._is_as_written, noted(self.path)))

    def _is_as_written(self, name: str) -> bool:
        path = self.path / name
        return path.exists() and noted(self.path).get(name) == file_digest(path)

    def status(self) -> dict[str, Any]:
        """What the status file says; empty where there is none, or it is damaged."""
        return self.known(STATUS)

    def known(self, name: str) -> dict[str, Any]:
        """What a record says; empty where there is none, or it is damaged, which is a doubt."""
        try:
            return read_record(self.path / name)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            if str(error) not in self.doubts:
                self.doubts.append(str(error))
            return {}


def draws_name(width: int) -> str:
    """What the file of the draws at one width is called."""
    return f"draws_{width:06d}.nc"


def write_own(path: Path, data: "xr.Dataset | xr.DataTree", run: str) -> None:
    """Write a netCDF file of a run whole, with its own name, the id of the run and its digest."""
    data.attrs |= {FILE: path.name, RUN_ID: run}
    data.attrs[DIGEST] = dataset_digest(data)
    write_netcdf(path, data)


FEASIBLE = "feasible.json"


@dataclass(frozen=True)
class Judgement:
    """Whether a cell may be run, found out once for these widths.

    refusal: why not. hopeless: because draws would take too long, or could not be compared with
    a limit; else because of an error.
    """

    widths: tuple[int, ...] = ()
    refusal: str = ""
    hopeless: bool = True

    def allows(self, widths: Collection[int]) -> bool:
        """Whether these widths, or more with them, were found to be feasible."""
        return not self.refusal and set(widths) <= set(self.widths)

    def write(self, directory: CellDirectory) -> None:
        """Into the cell's directory."""
        directory.write_bound(FEASIBLE, dataclasses.asdict(self))


def judgement(directory: CellDirectory) -> Judgement:
    """What was found out about a cell; of no widths if nothing was."""
    found = directory.known(FEASIBLE)
    try:
        return Judgement(tuple(found["widths"]), str(found["refusal"]), bool(found["hopeless"]))
    except (KeyError, TypeError):
        return Judgement()


FORECAST = "forecast.json"
# Numbers that were not measured, or are too large for a float.
_MAY_BE_NONE = ("proposals", "seconds", "limit_log_evidence", "pilot_log_evidence")


def write_expected(directory: Directory, found: Mapping[int, Expectation]) -> None:
    """Write what is expected by width; what is kept of other widths stays."""
    if not found:
        return
    before: Mapping[int, Expectation] = {}
    with contextlib.suppress(ValueError):  # damaged, and written anew
        before = read_expected(directory.path)
    both = {**before, **found}
    plain = {str(width): dataclasses.asdict(both[width]) for width in sorted(both)}
    directory.write_bound(FORECAST, plain)


def read_expected(path: Path) -> dict[int, Expectation]:
    """By width what was expected of a run in this directory; empty where there is no forecast.

    Runs of the library have none. Raises ValueError for a file that is damaged, or of another run.
    """
    try:
        held = read_record(path / FORECAST)
    except FileNotFoundError:
        return {}
    try:
        return {int(width): _expectation(one) for width, one in held.items()}
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path / FORECAST} is no forecast: {error}") from None


def _expectation(held: Mapping[str, Any]) -> Expectation:
    """What was written of one. Raises ValueError or TypeError for anything else."""
    found = Expectation(**held)
    numbers = {"num_samples": False, "acceptance_rate": False} | dict.fromkeys(_MAY_BE_NONE, True)
    for name, may_be_none in numbers.items():
        value = getattr(found, name)
        if type(value) not in (int, float) and not (value is None and may_be_none):
            raise ValueError(f"expected {name} to be a number, got {value!r}")
    return found
