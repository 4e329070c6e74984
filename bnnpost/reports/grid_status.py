"""How far the cells of a grid are, from their records alone; nothing of it needs JAX."""

import shlex
from collections.abc import Sequence
from typing import Any

from bnnpost.spelling import duration
from bnnpost.summaries.summary import Section, ShownColumn, ShownTable, Summary
from bnnpost.summaries.values import Span
from bnnpost.sweeps.loaded import CellResults, GridResults

MOST_ROWS = 5000
_LISTS = ("done", "missing", "failed", "running", "short")
_COUPLED = "coupled"  # `bnnpost.samplers.methods.COUPLED`, whose module loads JAX


def summary_of_status(grid: GridResults) -> Summary:
    """Return how far the cells of a grid are, from their records alone."""
    return Summary(
        title=f"Status of {grid.path.name}",
        kind=f"Status · {grid.path.name}",
        headline=f"{progress_text(grid)}.",
        sections=(_progress(grid),),
        data=grid_data(grid),
    )


def _progress(grid: GridResults) -> Section:
    columns = (
        *axis_columns(grid),
        ShownColumn("status", "status", words=True),
        ShownColumn("widths_done", "done", words=True, record=False),
        ShownColumn("widths_to_do", "to do", words=True, record=False),
        ShownColumn("widths_failed", "failed", words=True, record=False),
        ShownColumn("time", "time", record=False),
        ShownColumn("folder", "in" if grid.varying else None, words=True, record=False),
        ShownColumn("reason", "Reason", words=True, long=True),
    )
    rows = tuple(
        {**shown_settings(grid, cell), **_shown_progress(cell), **cell_record(cell)}
        for cell in grid
    )
    table = ShownTable("cells", "", columns, rows, most=MOST_ROWS, printed=len(rows))
    return Section("Cells", "cells", (table,), brief=True)


def grid_data(grid: GridResults) -> dict[str, Any]:
    """Return what JSON holds of a grid besides its cells."""
    return {"path": str(grid.path), "varying": list(grid.varying), "widths": list(grid.widths)}


def axis_columns(grid: GridResults) -> list[ShownColumn]:
    """Return a column for each setting that varies."""
    keys = (f"setting {name}" for name in grid.varying)
    return [
        ShownColumn(key, name, words=True, record=False)
        for key, name in zip(keys, grid.varying, strict=True)
    ]


def shown_settings(grid: GridResults, cell: CellResults) -> dict[str, object]:
    """Return the cells of these columns."""
    return {f"setting {name}": str(cell.settings[name]) for name in grid.varying}


def _shown_progress(cell: CellResults) -> dict[str, object]:
    """Return the widths that are done and not, and the time, as they are read."""
    detail = cell.detail
    time = duration(detail.seconds) if detail.seconds >= 0 else "?"
    return {
        "widths_done": _listed(detail.done),
        "widths_to_do": _listed((*detail.running, *detail.missing)),
        "widths_failed": _listed(detail.failed),
        "time": time if detail.done else None,
        "folder": cell.path.name,
    }


def cell_record(cell: CellResults) -> dict[str, object]:
    """Return settings, state and progress of a cell, with its whole configuration, for JSON."""
    detail, bad = cell.detail, cell.status in ("failed", "refused")
    return {
        "settings": dict(cell.settings),
        "digest": detail.cell.digest,
        "path": str(cell.path),
        "status": Span(cell.status, "wrong") if bad else cell.status,
        **{name: list(getattr(detail, name)) for name in _LISTS},
        "reason": detail.reason or None,
        "seconds": detail.seconds,
        "config": dict(detail.cell.values),
    }


def _listed(widths: Sequence[int]) -> str | None:
    return " ".join(map(str, widths)) or None


def progress_text(grid: GridResults) -> str:
    """Return how many units of work are done, and how many are not as they should be."""
    details = [cell.detail for cell in grid]
    total = len(grid.widths) * len(details)
    done = sum(len(detail.done) for detail in details)
    seconds = sum(detail.seconds for detail in details if detail.seconds >= 0)
    text = f"{done} of {total} units done, {duration(seconds)} of computing"
    if refused := sum(detail.state == "refused" for detail in details):
        text += f"; {refused} of {len(details)} cells refused"
    if failed := sum(len(detail.failed) for detail in details):
        text += f"; {failed} units failed"
    if short := sum(len(detail.short) for detail in details):
        text += f"; {short} with fewer draws than asked for, as max_proposals was reached"
        if any(detail.cell.values.get("method") == _COUPLED for detail in details):
            text += ", or, of coupled chains, with draws not shown to be within the tolerance"
    return text


def ending(grid: GridResults) -> list[str]:
    """Return the lines that a run ends with: what is not as it should be, and the way on."""
    lines = []
    for cell in grid:
        label = cell.name or "the sweep"
        if cell.status == "refused":
            reason = cell.detail.reason if grid.varying else cell.detail.explanation
            lines.append(f"bnnpost: {label} was refused: {reason}")
        elif cell.status == "failed":
            where = f" at width {_listed(cell.detail.failed)}" if cell.detail.failed else ""
            lines.append(f"bnnpost: {label} failed{where}: {cell.detail.reason}")
            lines += [
                f"  traceback: {cell.path / f'width_{width:06d}.json'}"
                for width in cell.detail.failed
            ]
    folder = shlex.quote(str(grid.path))
    text = progress_text(grid)
    if any(cell.status != "done" for cell in grid):
        text += f" (bnnpost sweep status {folder})"
    lines.append(f"{text}; results are in {folder}")
    if any(cell.status == "failed" for cell in grid):
        lines.append(f"bnnpost sweep resume {folder} tries again what failed")
    return lines
