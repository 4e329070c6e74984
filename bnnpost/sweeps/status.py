"""How far a grid is, read from its directory without disturbing who works there."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from bnnpost.storage import CONTENTS
from bnnpost.sweeps.cell_directory import FAILED, CellDirectory
from bnnpost.sweeps.grid_cells import Cell
from bnnpost.sweeps.grid_directory import GridDirectory
from bnnpost.sweeps.judgement import Judgement, judgement
from bnnpost.sweeps.refusals import ConfigError

# States of a cell.
COMPLETE, SHORT, RUNNING, REFUSED, PENDING = "done", "short", "running", "refused", "pending"


@dataclass(frozen=True)
class CellStatus:
    """How far one cell is.

    state: "done"; "short", done with fewer draws than asked for, as max_proposals was reached;
    "failed" at some width; "refused" before it ran; "running"; or "pending", also where all widths
    are done and their results are yet to be put together.
    done, missing, failed, running, short: widths. explanation: of the first failure, of the
    refusal, why it is not done though all widths are, or of what could not be read. seconds: taken
    by the widths that are done, NaN if unknown.
    """

    cell: Cell
    path: Path
    state: str
    done: tuple[int, ...]
    missing: tuple[int, ...]
    failed: tuple[int, ...]
    running: tuple[int, ...]
    short: tuple[int, ...]
    explanation: str
    seconds: float

    @property
    def settings(self) -> Mapping[str, object]:
        """What varies, in this cell."""
        return self.cell.settings

    @property
    def reason(self) -> str:
        """The explanation in a line."""
        return self.explanation.partition("\n")[0]


def status(directory: GridDirectory) -> tuple[CellStatus, ...]:
    """The status of every cell, in the order of the grid."""
    at_work = directory.running()
    return tuple(_cell_status(directory, cell, at_work) for cell in directory.grid.cells)


def _cell_status(directory: GridDirectory, cell: Cell, at_work: Collection[object]) -> CellStatus:
    run = directory.cell_directory(cell)
    done = tuple(width for width in cell.widths if run.is_done(width))
    running = tuple(w for w in cell.widths if w not in done and (directory.key(cell), w) in at_work)
    failed = tuple(w for w in cell.widths if w not in running and run.has_failed(w))
    records = {width: run.record(width) for width in cell.widths}
    wrong = _misplaced(run)
    short = tuple(width for width in done if records[width].get("complete") is False)
    whole = len(done) == len(cell.widths)
    judged = Judgement() if whole else judgement(run)
    reason = str(records[failed[0]].get("reason", "")) if failed else judged.refusal
    spoilt = judged.refusal and not judged.hopeless
    assembled = whole and run.is_assembled(cell.widths) and not wrong
    spoilt = spoilt or (whole and not assembled and run.status().get("state") == FAILED)
    if whole and not assembled:
        reason = (
            f"results cannot be put together: {run.status().get('error', '')}"
            if spoilt
            else "all widths are done, but their results are not put together yet"
        )
    reason = "; ".join(filter(None, (wrong, reason, *run.doubts)))
    seconds = sum(float(records[width].get("seconds", "nan")) for width in done)
    return CellStatus(
        cell=cell,
        path=run.path,
        state=_state(assembled, running, failed or spoilt or wrong, judged.refusal, short),
        done=done,
        missing=tuple(w for w in cell.widths if w not in (*done, *failed, *running)),
        failed=failed,
        running=running,
        short=short,
        explanation=reason.strip(),
        seconds=seconds,
    )


def _misplaced(run: CellDirectory) -> str:
    """What is wrong with a directory that is another cell's."""
    try:
        run.check_own()
    except ConfigError as error:
        return str(error)
    run.known(CONTENTS)
    return ""


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
