"""What there is to say of the plan of a sweep or a grid: what it would do, and what it costs."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from bnnpost.reports import words
from bnnpost.reports.forecast_summary import advice, cost_table, widths_text
from bnnpost.summaries.summary import (
    Block,
    Fact,
    Facts,
    Paragraph,
    Section,
    ShownColumn,
    ShownTable,
    Summary,
)
from bnnpost.summaries.values import Number, Span, counted, expected_count, lasted
from bnnpost.sweeps.grid_cells import Grid
from bnnpost.sweeps.planning import CellPlan, CostPlan


def summary_of_plan(plan: CostPlan, force: bool = False, kept: str = "") -> Summary:
    """Return what one sweep would do. force: whether it is to run whatever it costs.

    kept: what becomes of the programs that were compiled for the plan.
    """
    name = Path(plan.config.data).name
    return Summary(
        title=f"Plan of a sweep of {name}",
        kind=f"Plan of a sweep · {name}",
        headline=f"Plan of the sweep; nothing was run or written. {_verdict(plan, force)}",
        sections=(
            Section("Settings", "settings", (Facts("settings", _settings(plan)),), brief=True),
            Section("Expected cost", "cost", tuple(_costs(plan, kept)), brief=True),
        ),
        footer="bnnpost",
        data={
            "config": plan.config.as_dict(),
            "data": None if plan.record is None else plan.record.as_dict(),
            "refusal": (not force and plan.refusal) or None,
            "finished": [],
        },
    )


def _verdict(plan: CostPlan, force: bool) -> str:
    if not plan.costs:
        return "Nothing is left to run."
    if plan.refusal and not force:
        return f"It would be refused: {plan.refusal.splitlines()[0]}"
    if plan.failures:
        return f"It would run, but fail at {widths_text(list(plan.failures))}."
    return "It would run."


def _settings(plan: CostPlan) -> tuple[Fact, ...]:
    """Return what would be run, in words."""
    config, method = plan.config, plan.config.method
    outputs = "1 output" if plan.num_outputs == 1 else f"{plan.num_outputs} outputs"
    used = "" if plan.record is None else f": {plan.record.used()}; {outputs}"
    of_proposals = f"compared over {config.num_proposals:,} further proposals a width"
    by_the_draws = "compared by the draws themselves"
    options = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in method.options().items()
    }
    return (
        Fact("data", "data", f"{config.data}{used}"),
        Fact("network", "network", words.network(config.as_dict())),
        Fact("targets", "targets", words.likelihood(config.as_dict(), plan.record)),
        Fact("draws", "draws", f"{method.in_words(config.num_samples)}, at each width"),
        Fact("method", "method", options),
        Fact("limit", "limit", of_proposals if method.by_proposals else by_the_draws),
        Fact("seed", "seed", config.seed),
    )


def _costs(plan: CostPlan, kept: str) -> Iterator[Block]:
    yield _widths(plan)
    yield Facts(
        "",
        (
            Fact("seconds", "time in all", lasted(plan.total_seconds)),
            Fact("disk_bytes", "disk, about", _bytes(plan.disk_bytes)),
            *([Fact("finished", "read back", plan.finished)] if plan.finished else []),
        ),
    )
    if plan.costs:
        yield advice(plan.costs)
        if kept:
            yield Paragraph(kept)


def _widths(plan: CostPlan) -> ShownTable:
    times = plan.comparisons
    parts = "the draws, and of comparing with the limit" if times else "the draws"
    caption = (
        f"Cost of {parts}: time on this device, once all is compiled, which takes some seconds "
        "more a width, the first time"
    )
    column = ShownColumn("comparison_seconds", "comparison")
    more: dict[int, dict[str, object]] = {
        width: {column.key: lasted(times[width]) if width in times else None}
        for width in plan.costs
    }
    return cost_table("widths", caption, plan.costs.items(), [column] if times else (), more)


def _bytes(number: float) -> Number:
    return Number(float(number), form="bytes")


def summary_of_grid_plan(
    grid: Grid, plans: Sequence[CellPlan], force: bool = False, kept: str = ""
) -> Summary:
    """Return what the cells of a grid would do. force, kept: see `summary_of_plan`."""
    running = [
        cell_plan
        for cell_plan in plans
        if cell_plan.plan is not None and (force or not cell_plan.refusal)
    ]
    number, widths = len(grid.cells), widths_text(grid.widths)
    none = "" if running else " No cell would run."
    blocks: list[Block] = [_cells(grid, plans, force)]
    if running:
        blocks.append(_together(running))
    if kept and any(cell_plan.left for cell_plan in plans):
        blocks.append(Paragraph(kept))
    return Summary(
        title="Plan of a grid",
        kind=f"Plan of a grid · {', '.join(grid.varying)}",
        headline=f"Plan of {number:,} cells at {widths}; nothing was run or written.{none}",
        sections=(Section("Cells", "cells", tuple(blocks), brief=True),),
        footer="bnnpost",
        data={"varying": list(grid.varying)},
    )


def _cells(grid: Grid, plans: Sequence[CellPlan], force: bool) -> ShownTable:
    columns = (
        *(ShownColumn(f"setting {n}", n, words=True, record=False) for n in grid.varying),
        ShownColumn("widths", "widths to run", words=True),
        ShownColumn("proposals", "proposals"),
        ShownColumn("seconds", "time"),
        ShownColumn("disk_bytes", "disk"),
        ShownColumn("verdict", "verdict", words=True),
        ShownColumn("refusal", "Why not", words=True, long=True),
    )
    rows = tuple(_cell_row(grid, cell_plan, force) for cell_plan in plans)
    caption = (
        "Time is of drawing and comparing in one process, once all is compiled; a unit of work is "
        "a cell at one width"
    )
    return ShownTable("cells", caption, columns, rows, most=len(rows), printed=len(rows))


def _cell_row(grid: Grid, cell_plan: CellPlan, force: bool) -> dict[str, object]:
    refused = bool(cell_plan.refusal) and not (force and cell_plan.plan)
    has_cost = cell_plan.plan is not None and bool(cell_plan.left)
    return {
        **{f"setting {name}": str(cell_plan.cell.settings[name]) for name in grid.varying},
        "settings": dict(cell_plan.cell.settings),
        "digest": cell_plan.cell.digest,
        "widths": cell_plan.left,
        "proposals": expected_count(cell_plan.proposals) if has_cost else None,
        "seconds": lasted(cell_plan.seconds) if has_cost else None,
        "disk_bytes": _bytes(cell_plan.disk_bytes) if cell_plan.plan is not None else None,
        "verdict": Span("refused", "wrong") if refused else _cell_verdict(cell_plan),
        "refusal": cell_plan.refusal.partition("\n")[0] or None,
    }


def _cell_verdict(cell_plan: CellPlan) -> str:
    if not cell_plan.left:
        return "done"
    failures = () if cell_plan.plan is None else tuple(cell_plan.plan.failures)
    return f"fails at {widths_text(failures)}" if failures else "runs"


def _together(running: Sequence[CellPlan]) -> Facts:
    numbers = [cell.proposals for cell in running if not math.isnan(cell.proposals)]
    proposals = Fact("proposals", "proposals, about", expected_count(sum(numbers)))
    units = counted(sum(len(cell.left) for cell in running))
    seconds = lasted(sum(cell.seconds for cell in running))
    disk = _bytes(sum(cell.disk_bytes for cell in running))
    return Facts(
        "",
        (
            Fact("units", "units of work", units),
            *([proposals] if numbers else []),
            Fact("seconds", "time in all", seconds),
            Fact("disk_bytes", "disk, about", disk),
        ),
    )
