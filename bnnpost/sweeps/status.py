"""How far a grid is, read from its directory without disturbing who works there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bnnpost.sweeps.cells import Cell
from bnnpost.sweeps.directory import FAILED
from bnnpost.sweeps.grid_directory import GridDirectory
from bnnpost.sweeps.judgement import Judgement, judgement
from bnnpost.sweeps.units import Unit

# States of a cell.
COMPLETE, SHORT, RUNNING, REFUSED, PENDING = "done", "short", "running", "refused", "pending"


@dataclass(frozen=True)
class CellStatus:
    """How far one cell is.

    state: "done"; "short", done with fewer draws than asked for, as max_proposals was reached;
    "failed" at some width; "refused" before it ran; "running"; or "pending", also where all widths
    are done and their results are yet to be put together.
    done, missing, failed, running, short: widths. reason: of the first failure, of the refusal,
    or why it is not done though all widths are, in a line. seconds: taken by the widths that are
    done, NaN if unknown.
    """

    cell: Cell
    path: Path
    state: str
    done: tuple[int, ...]
    missing: tuple[int, ...]
    failed: tuple[int, ...]
    running: tuple[int, ...]
    short: tuple[int, ...]
    reason: str
    seconds: float

    @property
    def settings(self) -> Mapping[str, object]:
        """What varies, in this cell."""
        return self.cell.settings


def status(directory: GridDirectory) -> tuple[CellStatus, ...]:
    """The status of every cell, in the order of the grid."""
    return tuple(_cell_status(directory, cell) for cell in directory.grid.cells)


def _cell_status(directory: GridDirectory, cell: Cell) -> CellStatus:
    run = directory.cell_directory(cell)
    units = [Unit(cell, width, run) for width in cell.widths]
    done = tuple(unit.width for unit in units if unit.is_done)
    records = {width: run.record(width) for width in cell.widths}
    running = tuple(u.width for u in units if not u.is_done and u.is_claimed)
    failed = tuple(u.width for u in units if u.has_failed and u.width not in running)
    short = tuple(width for width in done if records[width].get("complete") is False)
    whole = len(done) == len(units)
    judged = Judgement() if whole else judgement(run)
    reason = str(records[failed[0]].get("reason", "")) if failed else judged.refusal
    spoilt = judged.refusal and not judged.hopeless
    assembled = whole and run.is_assembled(cell.widths)
    spoilt = spoilt or (whole and not assembled and run.status().get("state") == FAILED)
    if whole and not assembled:
        reason = (
            f"results cannot be put together: {run.status().get('error', '')}"
            if spoilt
            else "all widths are done, but their results are not put together yet"
        )
    seconds = sum(float(records[width].get("seconds", "nan")) for width in done)
    return CellStatus(
        cell=cell,
        path=run.path,
        state=_state(assembled, running, failed or spoilt, judged.refusal, short),
        done=done,
        missing=tuple(w for w in cell.widths if w not in (*done, *failed, *running)),
        failed=failed,
        running=running,
        short=short,
        reason=reason.strip(),
        seconds=seconds,
    )


def _state(assembled: bool, running: object, failed: object, refused: object, short: object) -> str:
    if running:
        return RUNNING
    if failed:
        return FAILED
    if refused:
        return REFUSED
    if not assembled:
        return PENDING
    return SHORT if short else COMPLETE
