"""What every run in a directory has: a record of what is sampled, written before it starts.

run.nc      what is sampled: the posterior, the key, the space
run.json    its digest, and versions; written last, so that a run has begun if it is there
draws.nc    the draws, for `bnnpost.load`
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import jax

from bnnpost.draws import Draws, netcdf
from bnnpost.posterior import Posterior
from bnnpost.storage import Directory, processor, remove_temporaries, versions
from bnnpost.storage.directory import RECORD

RUN, BLOCKS, DRAWS = "run.nc", "blocks", "draws.nc"
# What others may write into the directory before the run begins.
_NOT_THE_RUNS = ("config.json", "status.json", "log.txt", RUN)

Say = Callable[[str], None]


class OtherRun(ValueError):
    """A directory, or a file in it, is of another run, or what it samples has changed."""


class RecordedRun(Directory):
    """The directory of one run of a sampler.

    format: of its record. details: types of the record's further entries, by name.
    """

    format: ClassVar[str]
    details: ClassVar[Mapping[str, type]] = {}

    @classmethod
    def alone(cls, path: str | os.PathLike[str]) -> contextlib.AbstractContextManager[Self]:
        """The directory at this path, claimed."""
        return cls(path).claimed()

    @contextlib.contextmanager
    def claimed(self) -> Iterator[Self]:
        """This directory, held against all other processes; made if need be.

        Raises DirectoryInUse if another process holds it, OtherRun if it holds other files.
        """
        self.check_vacant()
        with self.held_alone():
            for folder in self.folders():
                remove_temporaries(folder)
            yield self

    def folders(self) -> list[Path]:
        """Folders that files of the run are in."""
        return [self.path]

    def check_vacant(self) -> None:
        """Raise OtherRun if files that are none of a run's are here, or the path is a file's."""
        if self.path.exists() and not self.path.is_dir():
            raise OtherRun(f"{self.path} is a file: expected a directory for the run")
        if not self.is_vacant(but_for=_NOT_THE_RUNS) and not self.has_begun():
            raise OtherRun(f"{self.path} holds files that are not a run's: choose another")

    def has_begun(self) -> bool:
        """Whether what is sampled has been written down."""
        return (self.path / RECORD).exists()

    def write_record(self, contents: netcdf.Contents, **details: object) -> dict[str, Any]:
        """Write down what is sampled; the record."""
        record = {
            "format": self.format,
            "run": netcdf.write(self.path / RUN, contents),
            **details,
            "made_with": made_with(),
        }
        self.write_text(RECORD, json.dumps(record, indent=2) + "\n")
        return record

    def read_record(self) -> dict[str, Any]:
        """The record. Raises FileNotFoundError, OtherRun if it is damaged or another sampler's."""
        path = self.path / RECORD
        if not path.exists():
            raise FileNotFoundError(f"{self.path} holds no run: there is no {RECORD}")
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            found = record["format"]
            if found == self.format:
                str(record["run"]), dict(record["made_with"])
                for name, kind in self.details.items():
                    kind(record[name])
        except (ValueError, KeyError, TypeError) as error:
            raise OtherRun(f"{path} is damaged: {error!r}") from None
        if found != self.format:
            raise OtherRun(
                f"{path}: expected format {self.format!r}, found {found!r}: the run here is of "
                "another kind of sampler; choose another directory"
            )
        return record

    def read_contents(
        self, record: Mapping[str, Any], posterior: Posterior | None
    ) -> netcdf.Contents:
        """What is sampled. Raises OtherRun if it is not what the record is of, or `posterior`."""
        try:
            contents = netcdf.read(self.path / RUN, posterior)
            same = netcdf.digest_of(self.path / RUN) == record["run"]
        except ValueError as error:
            raise OtherRun(f"{self.path}: {error}") from None
        if not same:
            raise OtherRun(f"{self.path}: {RUN} is not the one that {RECORD} was written for")
        return contents

    def check_still_there(self, run: str) -> None:
        """Raise OtherRun if the directory was removed, or replaced by another run's, meanwhile."""
        try:
            same = self.read_record()["run"] == run
        except FileNotFoundError:
            same = False
        if not same:
            raise OtherRun(
                f"{self.path} was removed or replaced while this process was running: nothing more "
                "is written there"
            )

    def write_draws(self, draws: Draws, say: Say, kept: str) -> None:
        """Write the draws. kept: what else of the run stays, said where draws become fewer."""
        try:
            before = netcdf.num_draws(self.path / DRAWS)
        except (OSError, ValueError):  # none, or damaged
            before = 0
        if before > len(draws):
            say(f"{DRAWS} held {before} draws and now holds {len(draws)}; all {kept} are kept")
        draws.save(self.path / DRAWS)


def other_settings(path: Path, names: list[str]) -> OtherRun:
    """The error for a run whose settings of these names differ."""
    return OtherRun(
        f"{path} holds a run with another {', '.join(names)}: choose another "
        "directory, or the same settings to go on with it"
    )


def made_with() -> dict[str, object]:
    """What the last bits of a draw depend on."""
    device = str(jax.devices()[0].device_kind)
    return {"versions": versions(), "device": device, "processor": processor()}
