"""The directory of a grid: what is to be run, frozen, and a run directory for each cell."""

import contextlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from bnnpost.arguments import shown
from bnnpost.runs.directory import RunDirectory, in_words, settings_changed
from bnnpost.settings import ConfigError
from bnnpost.storage import CONTENTS, STATUS, Say, as_path, digest, read_json, run_here
from bnnpost.sweeps.cell_directory import CONFIG, CellDirectory
from bnnpost.sweeps.grid_cells import Cell, Grid
from bnnpost.sweeps.identity import (
    check_no_draws,
    check_same_config,
    content_digest,
    contents,
    read_sweep_json,
)

FORMAT, RUNS = "bnnpost grid 1", "runs"
# What is under way.
_RUNNING = ".running.json"
_DIGEST = re.compile(r"[0-9a-f]{8,64}")
# The state of a grid, whose cells have their own.
_BEGUN = "begun"


class GridDirectory(RunDirectory):
    """A grid's directory: config.json with all cells, and a folder of runs for each of them.

    What varies in nothing, a single run over widths, is its own cell: the directory is that
    of the run. Use `begun` to work in it, `read` to go on with it, `seen` to look.
    """

    TELLING = CONFIG
    WHAT = "sweep"
    OTHER = ConfigError
    # What may be where the grid's own file is gone, and is written again.
    BEFORE = (RUNS, STATUS, CONTENTS, "report.html")

    def __init__(self, path: str | os.PathLike[str], grid: Grid):
        super().__init__(path)
        self.grid = grid
        self._folders: dict[str, Path] = {}

    @classmethod
    def read(cls, path: str | os.PathLike[str], trust_code: bool = False) -> Self:
        """The directory as it is.

        trust_code: code that it names may be run. Raises FileNotFoundError where there is no run,
        ConfigError, UntrustedCode where it names code that may not.
        """
        directory = cls.seen(path, trust_code)
        for cell in directory.grid.cells:
            cell.config  # noqa: B018 - checks it
        return directory

    @classmethod
    def seen(cls, path: str | os.PathLike[str], trust_code: bool = False) -> Self:
        """The same without a check of what is configured, which takes no network and no JAX."""
        held = as_path(path) / CONFIG
        if not held.exists():
            raise FileNotFoundError(f"{path} holds no sweep: there is no {CONFIG} in it")
        check_no_draws(Path(path))
        values = read_sweep_json(held)
        if values.get("format") == FORMAT:
            return cls(path, _thawed(values, held, trust_code))
        if "format" in values:
            raise ConfigError(
                f"{held}: expected format {FORMAT!r}, found {values['format']!r}: the grid here is "
                "of another version of bnnpost; run it again in another directory"
            )
        return cls(path, Grid((), (_cell({}, values, run_here(Path(path)), held, trust_code),)))

    @classmethod
    @contextlib.contextmanager
    def begun(
        cls,
        path: str | os.PathLike[str],
        grid: Grid,
        *,
        say: Say = lambda message: None,
    ) -> Iterator[Self]:
        """The directory with this grid in it, held against other processes.

        A grid that was there may have had other cells or widths: what it has besides stays on
        disk. Raises ConfigError if something else is there, DirectoryInUse if another process
        works there.
        """
        directory = cls(path, grid)
        with directory.claimed():
            directory.note_running([])  # what a process noted that was killed
            directory._freeze(say)
            yield directory

    def has_begun(self) -> bool:
        # The configuration of a single run that was removed is written again.
        is_single = not self.grid.varying and run_here(self.path) == self.grid.cells[0].digest
        return is_single or super().has_begun()

    def check_vacant(self) -> None:
        """Raise ConfigError if there is something else here, and the grid could not be begun."""
        check_no_draws(self.path)
        super().check_vacant()
        held = self.path / CONFIG
        if not held.exists():
            return
        if not self.grid.varying:
            check_same_config(held, self.grid.cells[0].config)
            CellDirectory(self.path).check_same_contents(self.grid.cells[0].config)
        elif read_sweep_json(held).get("format") != FORMAT:
            raise ConfigError(f"{self.path} holds a run that is no grid: choose another --out")

    def cell_directory(self, cell: Cell) -> CellDirectory:
        """The run directory of a cell: the one that is there for its digest, or one by its name.

        Of another grid that was here before, its settings may have been named otherwise.
        """
        if not self.grid.varying:
            return CellDirectory(self.path, self._run_of(cell))
        own = self.path / RUNS / cell.folder
        if cell.digest not in self._folders and not own.exists():
            self._folders = _folders(self.path)
        found = own if own.exists() else self._folders.get(cell.digest, own)
        return CellDirectory(found, cell.digest)

    def _run_of(self, cell: Cell) -> str:
        """The id of a single run: the one it has, as settings that are added change the digest."""
        return run_here(self.path) or cell.digest

    def key(self, cell: Cell) -> str:
        """By which a cell is known in this directory; empty where there is only one."""
        return cell.digest if self.grid.varying else ""

    def prepared(self, cell: Cell) -> CellDirectory:
        """The same, made if need be, with the cell's configuration in it.

        Raises ConfigError where another cell's files are in it.
        """
        directory = self.cell_directory(cell)
        directory.path.mkdir(parents=True, exist_ok=True)
        # Cells of a grid are known by their digest; a single run was found to be the same.
        named = {} if self.grid.varying else contents(cell.config)
        directory.begin(cell.values, named, may_change=bool(self.grid.varying))
        return directory

    def check_unchanged(self, cell: Cell) -> None:
        """Raise ConfigError if files that a cell stands for have changed since it was begun."""
        if not self.grid.varying:
            self.cell_directory(cell).check_same_contents(cell.config)
        elif content_digest(cell.config) != cell.digest:
            config = cell.config
            what = config.data if config.network is None else "data or the network's code"
            raise ConfigError(
                f"{what} has changed since the grid was begun: run its configuration again, and "
                "what depends on it is run anew"
            )

    def note_running(self, units: Sequence[tuple[str, int]]) -> None:
        """Let who looks know which cells, by digest, are run at which width; none at the end."""
        if units:
            self.write_text(_RUNNING, json.dumps({"units": units}) + "\n")
        else:
            (self.path / _RUNNING).unlink(missing_ok=True)

    def running(self) -> set[tuple[str, int]]:
        """What was noted so by a process that still holds the directory.

        The system releases its lock however it ends, on this machine or on another.
        """
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # no lock, or no note
            if self.lock.is_held():
                units = read_json(self.path / _RUNNING)["units"]
                return {(str(digest), int(width)) for digest, width in units}
        return set()

    def _freeze(self, say: Say) -> None:
        """Write the grid down."""
        if not self.grid.varying:
            self.prepared(self.grid.cells[0])
            return
        held, frozen = self.path / CONFIG, _frozen(self.grid)
        before = read_sweep_json(held) if held.exists() else None
        self.run = run_here(self.path)
        if self.run and before == frozen:
            return
        if before not in (None, frozen):
            known = _thawed(before, held)
            _check_related(known, self.grid, self.path)
            say(_changes(known, self.grid, self.path))
        known_by, self.run = self.run, self.run or digest({}, frozen)
        self.write_bound(CONFIG, frozen)
        self.set_status(_BEGUN)
        if not known_by:  # last, as from then on files without the id are none of the grid's
            self.write_bound(CONTENTS, {})


def _folders(path: Path) -> dict[str, Path]:
    """The cells' folders in a grid's directory, by digest."""
    return {one.name.rpartition("-")[2]: one for one in (path / RUNS).glob("*")}


def _frozen(grid: Grid) -> dict[str, Any]:
    cells = [
        {"settings": dict(c.settings), "digest": c.digest, "config": dict(c.values)}
        for c in grid.cells
    ]
    return {"format": FORMAT, "varying": list(grid.varying), "cells": cells}


def _thawed(values: dict[str, Any], held: Path, trusted: bool = False) -> Grid:
    try:
        cells = tuple(
            _cell(one["settings"], one["config"], str(one["digest"]), held, trusted)
            for one in values["cells"]
        )
        if not cells:
            raise ConfigError(f"{held} cannot be read: expected a grid of cells, got none")
        return Grid(tuple(values["varying"]), cells)
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{held} cannot be read: {error!r}") from None


def _cell(
    settings: dict[str, Any], values: dict[str, Any], digest: str, held: Path, trusted: bool
) -> Cell:
    widths = values.get("widths")
    if digest and not _DIGEST.fullmatch(digest):
        raise ConfigError(
            f"{held} cannot be read: expected digests in hexadecimal, got {shown(digest)}"
        )
    if not isinstance(widths, list) or not widths or not all(type(w) is int for w in widths):
        raise ConfigError(f"{held} cannot be read: expected a list of widths, got {widths!r}")
    return Cell(settings, values, digest, held, trusted)


def _check_related(before: Grid, now: Grid, path: Path) -> None:
    """Raise ConfigError if no cell of a grid is or was in the directory: it is another study.

    A cell whose data alone have changed, in the same file, is there.
    """
    kept = {cell.digest for cell in before.cells} | set(_folders(path))
    same = any(not _differences(old, new) for old in before.cells for new in now.cells)
    if kept.isdisjoint(cell.digest for cell in now.cells) and not same:
        found = _differences(before.cells[0], now.cells[0])
        changed = in_words(found)
        raise ConfigError(
            f"{path} holds another grid: none of its {len(before.cells)} cells is among these "
            f"{len(now.cells)} (of the first ones {changed}): choose another --out, or the "
            "same settings to go on with it"
        )


def _differences(old: Cell, new: Cell) -> dict[str, tuple[object, object]]:
    """Settings that two cells have otherwise, widths apart: in the old one, in the new one."""
    was, now = ({k: v for k, v in cell.values.items() if k != "widths"} for cell in (old, new))
    return settings_changed(was, now)


def _changes(before: Grid, now: Grid, path: Path) -> str:
    """What another grid in the same directory adds, and what it leaves out."""
    old, new = ({cell.digest for cell in grid.cells} for grid in (before, now))
    begun = set(_folders(path))
    parts = [f"{len(now.cells)} cells, {len(new - old - begun)} of them new"]
    if gone := old - new:
        parts.append(f"{len(gone)} no longer in the grid, whose runs stay in {path / RUNS}")
    added = [str(width) for width in now.widths if width not in before.widths]
    if added:
        parts.append(f"width {', '.join(added)} added")
    dropped = [str(width) for width in before.widths if width not in now.widths]
    if dropped:
        parts.append(f"width {', '.join(dropped)} no longer in the grid")
    return f"the grid in {path} has changed: {'; '.join(parts)}"
