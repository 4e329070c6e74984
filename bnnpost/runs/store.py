"""A run of a sampler in its directory, the same for all samplers.

run.nc      what is sampled: the posterior, the key, the space
run.json    the record: its digest, settings, versions; written last, so that a run has begun if
            it is there
blocks/     parts of what was computed so far; of chains states/ too
draws.nc    the draws, for `bnnpost.load`
"""

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import jax

from bnnpost.draws import Draws, draws_files
from bnnpost.draws.draws_files import Contents
from bnnpost.posterior import Posterior
from bnnpost.runs.directory import RunDirectory, in_words, settings_changed
from bnnpost.runs.part_files import ArrayFiles
from bnnpost.spaces.space import Space
from bnnpost.storage import (
    DRAWS,
    RECORD,
    RUN,
    RUN_ID,
    OtherRun,
    Say,
    processor,
    read_record,
    versions,
)

BLOCKS = "blocks"
# Between two writes of what is computed; with a block of it, what a kill can cost.
SECONDS = 3.0

# Of an entry of a record: what it was expected to be, in words, and whether it is.
Check = tuple[str, Callable[[Any], bool]]
_DIGEST = re.compile("[0-9a-f]{64}")
_OTHER_KIND = "is of another kind of sampler"
# What every record has.
_ENTRIES: Mapping[str, Check] = {
    "format": ("a text", lambda value: isinstance(value, str)),
    RUN_ID: ("a digest", lambda value: isinstance(value, str) and bool(_DIGEST.fullmatch(value))),
    "made_with": (
        "keys and values, versions among them",
        lambda value: isinstance(value, dict) and isinstance(value.get("versions"), dict),
    ),
}


class Prepared(Protocol):
    """A sampler with its settings on one posterior: all that decides what its draws are.

    FORMAT: of the record of its runs. ENTRIES: by name the record's further entries, as what checks
    each.
    """

    FORMAT: ClassVar[str]
    ENTRIES: ClassVar[Mapping[str, Check]]

    @property
    def space(self) -> Space:
        """In which draws are made."""

    def contents(self) -> Contents:
        """As draws of which there are none yet, to be written to a file."""

    def settings(self) -> Mapping[str, object]:
        """What a run of the same draws has in common with this one, in plain data."""

    def entries(self) -> Mapping[str, object]:
        """The record's further entries."""

    def as_written(self, contents: Contents, record: Mapping[str, Any]) -> Self:
        """The same as a run has it, to the last bit of what another machine may round otherwise."""

    def settings_written(self, record: Mapping[str, Any]) -> Mapping[str, object]:
        """The settings of a run, of what `as_written` gave."""


P = TypeVar("P", bound=Prepared)


class Run(RunDirectory, Generic[P]):
    """The directory of one run of a sampler. kind: the sampler's class.

    prepared: what is run, once it has begun, as it was written down then. is_new: whether that was
    in this process. notes: further attributes of the draws' file.
    """

    TELLING = RECORD
    BEFORE = ("config.json", "status.json", "log.txt", RUN)

    prepared: P
    is_new = False

    def __init__(self, path: str | os.PathLike[str], kind: type[P]):
        super().__init__(path)
        self._kind = kind
        self.notes: Mapping[str, str] = MappingProxyType({})

    def check_vacant(self) -> None:
        is_lost = any((self.path / name).exists() for name in (DRAWS, BLOCKS))
        if is_lost and not self.has_begun():
            raise OtherRun(
                f"{self.path} holds a run whose {RECORD} is gone, and what is drawn there cannot "
                "be known: bring it back, or choose another directory"
            )
        super().check_vacant()

    def begin(self, prepare: Callable[[Mapping[str, Any] | None], P], say: Say) -> P:
        """Write down what is sampled, or find that it is what the run here samples.

        prepare: makes it, given the record of the run that is here; None where none has begun.
        Raises what that raises, which then leaves nothing behind, and OtherRun if the directory
        holds another run, or files that are none of a run's.
        """
        if self.has_begun():
            record = self.record()
            asked = prepare(record)
            written = self._as_written(asked, record)
            self._check_settings(written.settings_written(record), asked.settings())
        else:
            self.check_vacant()
            written, self.is_new = prepare(None), True
            self._write_record(written)
        self.prepared, self.say = written, say
        return written

    def resume(self, read: Callable[[Contents], P], posterior: Posterior | None, say: Say) -> P:
        """Go on with the run that is here, which its files tell all of.

        posterior: needed where the network or likelihood holds code of the user's own. Raises
        FileNotFoundError if there is no run, OtherRun if it samples another posterior.
        """
        self.prepared = read(self._contents(self.record(), posterior))
        self.say = say
        return self.prepared

    def record(self) -> dict[str, Any]:
        """The record. Raises FileNotFoundError, OtherRun if it is damaged or another sampler's."""
        path = self.path / RECORD
        if not path.exists():
            raise FileNotFoundError(f"{self.path} holds no run: there is no {RECORD}")
        return read_run_record(path, self._kind)

    def _write_record(self, prepared: P) -> None:
        entries = prepared.entries()
        # With them the digest, by which the run is known, tells apart runs that differ in nothing
        # else.
        more = {"details": json.dumps(entries, sort_keys=True)}
        self.run = draws_files.write(self.path / RUN, prepared.contents(), more)
        record = {"format": self._kind.FORMAT, **entries, "made_with": made_with()}
        self.write_bound(RECORD, record)

    def _as_written(self, asked: P, record: Mapping[str, Any]) -> P:
        return asked.as_written(self._contents(record, asked.space.posterior), record)

    def _contents(self, record: Mapping[str, Any], posterior: Posterior | None) -> Contents:
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

    def _check_settings(self, before: Mapping[str, object], now: Mapping[str, object]) -> None:
        """Raise OtherRun where settings differ.

        One that was added since the run began, which its files do not have, says nothing.
        """
        common = [name for name in now if name in before]
        changed = settings_changed({n: before[n] for n in common}, {n: now[n] for n in common})
        if "sampler" in changed:  # of which the others follow
            changed = {"sampler": changed["sampler"]}
        if changed:
            key = "another key" if changed.pop("key", None) else ""
            others = f"other settings ({in_words(changed)})" if changed else ""
            raise OtherRun(
                f"{self.path} holds a run with {' and '.join(filter(None, (key, others)))}: choose "
                "another directory, or the same settings to go on with it"
            )

    def parts(self, name: str, form: str, digits: int, **options: Any) -> ArrayFiles:
        """The run's parts in a folder of this name; see `PartFiles`."""
        file = f"{{:0{digits}d}}.npz"
        check = self.check_still_there
        return ArrayFiles(self.path / name, file, form, self.run, self.say, check, **options)

    def holds_code(self) -> bool:
        """Whether the posterior has code of the user's own, which may change unseen."""
        return draws_files.holds_code(self.prepared.space.posterior)

    def say_made_elsewhere(self) -> None:
        """Say that what is here was not made by this machine and these versions."""
        self.say(
            f"{self.path}: other versions, or another processor, made the draws that are here: "
            "those from here on need not be, bit for bit, what one call would have given"
        )

    def require_same(self, is_same: bool, changed: str) -> None:
        """Raise OtherRun unless something on disk came out the same when it was run once more.

        By that code, libraries or data that have changed since it was made are told. changed: what
        came out otherwise, in words.
        """
        if not is_same:
            raise OtherRun(
                f"{self.path}: {changed}: a likelihood, a layer or the version of jax has changed; "
                "choose another directory"
            )

    def keep(self, draws: Draws, state: str, kept: str, **details: object) -> None:
        """Write the draws, and how far the run is.

        kept: what else of the run stays, said where draws become fewer. details: of the status.
        """
        self.check_still_there()
        try:
            before = draws_files.num_draws(self.path / DRAWS)
        except (OSError, ValueError):  # none, or damaged
            before = 0
        if before > len(draws):
            self.say(f"{DRAWS} held {before} draws and now holds {len(draws)}; all {kept} are kept")
        draws_files.write(self.path / DRAWS, draws.contents(), {**self.notes, RUN_ID: self.run})
        self.set_status(state, **details)


class Clock:
    """When what is computed is to be written: every few seconds."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def is_due(self) -> bool:
        """Whether it is time to write."""
        return time.perf_counter() - self._last >= SECONDS

    def written(self) -> float:
        """Seconds since the last time; that is now."""
        last, self._last = self._last, time.perf_counter()
        return self._last - last


def read_run_record(path: Path, kind: type[Prepared] | None = None) -> dict[str, Any]:
    """The record in a run.json, of one kind of sampler, or of whichever.

    Raises FileNotFoundError, OtherRun.
    """
    try:
        record = read_record(path)
    except ValueError as error:
        raise OtherRun(f"{RECORD} is damaged: {error}") from None
    form = record.get("format")
    if kind is not None and isinstance(form, str) and form != kind.FORMAT:
        same_kind = kind.FORMAT.rpartition(" ")[0] == form.rpartition(" ")[0]
        what = "was written by another version of bnnpost" if same_kind else _OTHER_KIND
        raise OtherRun(
            f"{path}: expected format {kind.FORMAT!r}, found {form!r}: the run here {what}; choose "
            "another directory"
        )
    entries = {**_ENTRIES, **({} if kind is None else kind.ENTRIES)}
    unknown = [name for name in record if name not in entries]
    if kind is not None and unknown:
        raise OtherRun(f"{path} is damaged: expected no {', '.join(unknown)} in it")
    for name, (expected, is_right) in entries.items():
        if not is_right(record.get(name)):
            raise OtherRun(
                f"{path} is damaged: expected {name} to be {expected}, got {record.get(name)!r}"
            )
    return record


def made_with() -> dict[str, object]:
    """What the last bits of a draw depend on."""
    device = str(jax.devices()[0].device_kind)
    return {"versions": versions(), "device": device, "processor": processor()}
