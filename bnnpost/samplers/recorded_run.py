"""What every run in a directory has: a record of what is sampled, written before it starts.

run.nc      what is sampled: the posterior, the key, the space
run.json    its digest, and versions; written last, so that a run has begun if it is there
draws.nc    the draws, for `bnnpost.load`
"""

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import jax

from bnnpost.draws import Draws, draws_files
from bnnpost.posterior import Posterior
from bnnpost.storage import (
    DRAWS,
    RECORD,
    RUN,
    RUN_ID,
    Directory,
    OtherRun,
    Say,
    processor,
    read_record,
    remove_temporaries,
    versions,
)

BLOCKS = "blocks"
# What others may write into the directory before the run begins.
_NOT_THE_RUNS = ("config.json", "status.json", "log.txt", RUN)

# Of an entry of a record: what it was expected to be, in words, and whether it is.
Check = tuple[str, Callable[[Any], bool]]
_DIGEST = re.compile("[0-9a-f]{64}")
_OTHER_KIND = "is of another kind of sampler"
# What every record has.
_ENTRIES: Mapping[str, Check] = {
    "format": ("a text", lambda found: isinstance(found, str)),
    RUN_ID: ("a digest", lambda found: isinstance(found, str) and bool(_DIGEST.fullmatch(found))),
    "made_with": (
        "keys and values, versions among them",
        lambda found: isinstance(found, dict) and isinstance(found.get("versions"), dict),
    ),
}


class RecordedRun(Directory):
    """The directory of one run of a sampler.

    format: of its record. details: by name the record's further entries, as what checks each.
    notes: further attributes of its draws' file.
    """

    notes: Mapping[str, str] = MappingProxyType({})

    format: ClassVar[str]
    details: ClassVar[Mapping[str, Check]] = {}

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
        self.check_log()
        self.check_links()
        with self.held():
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
        if self.has_begun() or self.is_vacant(but_for=_NOT_THE_RUNS):
            return
        if any((self.path / name).exists() for name in (DRAWS, BLOCKS)):
            raise OtherRun(
                f"{self.path} holds a run whose {RECORD} is gone, and what is drawn there cannot "
                "be known: bring it back, or choose another directory"
            )
        raise OtherRun(f"{self.path} holds files that are not a run's: choose another")

    def has_begun(self) -> bool:
        """Whether what is sampled has been written down."""
        return os.path.lexists(self.path / RECORD)

    def write_record(self, contents: draws_files.Contents, **details: object) -> dict[str, Any]:
        """Write down what is sampled; the record."""
        # With them the digest, by which the run is known, tells apart runs that differ in nothing
        # else.
        more = {"details": json.dumps(details, sort_keys=True)}
        self.run = draws_files.write(self.path / RUN, contents, more)
        record = {"format": self.format, **details, "made_with": made_with()}
        self.write_bound(RECORD, record)
        return {**record, RUN_ID: self.run}

    def read_record(self) -> dict[str, Any]:
        """The record. Raises FileNotFoundError, OtherRun if it is damaged or another sampler's."""
        path = self.path / RECORD
        if not path.exists():
            raise FileNotFoundError(f"{self.path} holds no run: there is no {RECORD}")
        return recorded(path, self.format, self.details)

    def tell_made_with(self, record: Mapping[str, Any], say: Say) -> None:
        """Say where what rounds numbers is not what it was when the run began."""
        was, now = (_flat(one) for one in (record["made_with"], made_with()))
        changed = [
            f"{name} {was[name]} → {now.get(name)}" for name in was if was[name] != now.get(name)
        ]
        if changed:
            say(
                f"the run in {self.path} was begun with other versions or on another processor "
                f"({', '.join(changed)}): draws within rounding of their threshold may differ"
            )

    def read_contents(
        self, record: Mapping[str, Any], posterior: Posterior | None
    ) -> draws_files.Contents:
        """What is sampled. Raises OtherRun if it is not what the record is of, or `posterior`."""
        try:
            contents = draws_files.read(self.path / RUN, posterior)
            same = draws_files.digest_of(self.path / RUN) == record[RUN_ID]
        except ValueError as error:
            raise OtherRun(f"{self.path}: {error}") from None
        if not same:
            raise OtherRun(f"{self.path}: {RUN} is not the one that {RECORD} was written for")
        self.run = str(record[RUN_ID])
        return contents

    def check_settings(self, before: Mapping[str, object], now: Mapping[str, object]) -> None:
        """Raise OtherRun where settings differ; one that a version did not have says nothing."""
        changed = [name for name in now if name in before and before[name] != now[name]]
        if "sampler" in changed:  # of which the others follow
            changed = ["sampler"]
        if changed:
            said = {n: f"{n} ({before[n]} → {now[n]})" for n in changed} | {"key": "key"}
            words = ", ".join(said[name] for name in changed)
            raise OtherRun(
                f"{self.path} holds a run with another {words}: choose another directory, or the "
                "same settings to go on with it"
            )

    def check_still_there(self) -> None:
        """Raise OtherRun if the directory was removed, or replaced by another run's, meanwhile."""
        try:
            same = self.read_record()[RUN_ID] == self.run
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
            before = draws_files.num_draws(self.path / DRAWS)
        except (OSError, ValueError):  # none, or damaged
            before = 0
        if before > len(draws):
            say(f"{DRAWS} held {before} draws and now holds {len(draws)}; all {kept} are kept")
        draws_files.write(self.path / DRAWS, draws.contents(), {**self.notes, RUN_ID: self.run})


def recorded(
    path: Path, form: str | None = None, details: Mapping[str, Check] = MappingProxyType({})
) -> dict[str, Any]:
    """The record in a run.json, of one format and with these details, or of whatever sampler.

    Raises FileNotFoundError, OtherRun.
    """
    try:
        record = read_record(path)
    except ValueError as error:
        raise OtherRun(f"{RECORD} is damaged: {error}") from None
    found = record.get("format")
    if form is not None and isinstance(found, str) and found != form:
        same_kind = form.rpartition(" ")[0] == found.rpartition(" ")[0]
        what = "was written by another version of bnnpost" if same_kind else _OTHER_KIND
        raise OtherRun(
            f"{path}: expected format {form!r}, found {found!r}: the run here {what}; choose "
            "another directory"
        )
    unknown = [name for name in record if name not in (*_ENTRIES, *details)]
    if form is not None and unknown:
        raise OtherRun(f"{path} is damaged: expected no {', '.join(unknown)} in it")
    for name, (expected, is_right) in {**_ENTRIES, **details}.items():
        if not is_right(record.get(name)):
            raise OtherRun(
                f"{path} is damaged: expected {name} to be {expected}, got {record.get(name)!r}"
            )
    return record


def _flat(made: Mapping[str, Any]) -> dict[str, Any]:
    """Versions, device and processor, side by side."""
    rest = {name: one for name, one in made.items() if name != "versions"}
    return {**made["versions"], **rest}


def made_with() -> dict[str, object]:
    """What the last bits of a draw depend on."""
    device = str(jax.devices()[0].device_kind)
    return {"versions": versions(), "device": device, "processor": processor()}
