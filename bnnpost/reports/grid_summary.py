"""What there is to say of a grid of sweeps: the rates of its cells, and each of them."""

import dataclasses
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from bnnpost.plots.curves import TWO_SIDED, Rate, rows_by_distance
from bnnpost.reports import runs, sweep_panels, words
from bnnpost.reports.grid_settings import GridSettings, reproduce_grid
from bnnpost.reports.grid_status import (
    MOST_ROWS,
    axis_columns,
    cell_record,
    grid_data,
    shown_settings,
)
from bnnpost.reports.sweep_summary import summary_of_sweep
from bnnpost.reports.words import DISTANCES, is_fitted
from bnnpost.summaries.panels import AxisScale, Panel
from bnnpost.summaries.summary import (
    Block,
    Doubts,
    Nested,
    Notes,
    Paragraph,
    Pictures,
    Section,
    ShownColumn,
    ShownTable,
    Summary,
    Tone,
)
from bnnpost.summaries.values import Number, Span, Text, measured
from bnnpost.sweeps.loaded import CellResults, GridResults

_RATES = ("tv", "kl", "mean_error", "variance_error", "log_evidence_error")
# So many cells have pictures, and so many their details; a page stays below about 10 MB.
_MOST_PICTURES, _MOST_WITH_FIGURES, _MOST_FOLDED = 120, 60, 400
_MOST_IN_FOREST, _MOST_NAMES = 60, 12


def summary_of_grid(grid: GridResults) -> Summary:
    """Return the summary of all cells: their rates, pictures, and each cell's own summary."""
    cells = grid.cells
    unfinished = [cell for cell in cells if cell.status not in ("done", "short")]
    sections = [_missing(unfinished)] if unfinished else []
    sections.append(_rates(grid))
    if any(cell.tree is not None for cell in cells):
        sections.append(Section("Total variation against width", "pictures", _pictures(grid)))
    sections.append(Section("Each cell", "cells", _each(grid)))
    settings = GridSettings(grid)
    reproduce = reproduce_grid(grid, settings)
    sections.append(Section("How to reproduce this", "reproduce", reproduce))
    return Summary(
        title=f"Grid of {grid.path.name}",
        kind=f"Grid of sweeps · {grid.path.name}",
        headline=grid_headline([_rate(cell, "tv") for cell in cells]),
        lead=tuple(_lead(grid, settings.sentence())),
        marks=tuple(_marks(cells)),
        sections=tuple(sections),
        footer="bnnpost",
        data=grid_data(grid),
    )


def grid_headline(rates: Sequence[Rate | None]) -> str:
    """Return what was found of total variation over all cells; None stands for no rate."""
    fitted = [rate for rate in rates if rate is not None and is_fitted(rate)]
    count = len(rates)
    if not fitted:
        return f"No rate of total variation was fitted in any of the {count:,} cells."
    falling = sum(rate["exponent_high"] < 0 for rate in fitted)
    where = f"all {count:,} cells" if falling == count else f"{falling:,} of {count:,} cells"
    inside = sum(words.agrees(rate) for rate in fitted)
    low, high = (words.signed(f(rate["exponent"] for rate in fitted)) for f in (min, max))
    span = f"exponent {low}" if low == high else f"exponents from {low} to {high}"
    theory = words.whole_text(fitted[0]["theory"])
    agreeing = "every" if inside == len(fitted) else f"{inside:,} of {len(fitted):,}"
    several = "interval" if inside == len(fitted) else "intervals"
    if falling < len(fitted):
        span = f"{len(fitted):,} fitted {span}"
    return (
        f"Total variation from the infinite-width limit falls as a power of the width in {where}, "
        f"with {span}; theory’s {theory} lies inside {agreeing} {several}."
    )


def _rate(cell: CellResults, name: str) -> Rate | None:
    if cell.tree is None:
        return None
    return rows_by_distance(cell.tree["rates"].to_dataset()).get(name)


def _lead(grid: GridResults, in_common: str) -> Iterator[str]:
    axes = "; ".join(
        f"{name}: {', '.join(dict.fromkeys(str(c.settings[name]) for c in grid.cells))}"
        for name in grid.varying
    )
    yield f"{len(grid.cells):,} cells over {axes}."
    widths = ", ".join(f"{width:,}" for width in grid.widths)
    yield f"Each at width {widths}. {in_common}".strip()


def _marks(cells: Sequence[CellResults]) -> Iterator[tuple[str, Tone]]:
    states = [cell.status for cell in cells]
    tones: dict[str, Tone] = {"done": "good", "short": "plain", "running": "plain",
                              "pending": "plain"}  # fmt: skip
    for state in dict.fromkeys(states):
        label = {"short": "with fewer draws"}.get(state, state)
        yield f"{states.count(state):,} of {len(cells):,} {label}", tones.get(state, "bad")


def _missing(cells: Sequence[CellResults]) -> Section:
    bad: list[str] = []
    names: dict[str, list[str]] = {}
    for cell in cells:
        if cell.status in ("failed", "refused"):
            widths = ", ".join(map(str, cell.detail.failed))
            where = f" at width {widths}" if widths else ""
            reason = f": {cell.detail.reason}" if cell.detail.reason else ""
            bad.append(f"{cell.name} {cell.status}{where}{reason}")
        else:
            names.setdefault(cell.status, []).append(cell.name)
    rest = tuple(
        f"{len(several):,} {state}: {'; '.join(several[:_MOST_NAMES])}"
        + (f"; and {len(several) - _MOST_NAMES:,} more" if len(several) > _MOST_NAMES else "")
        for state, several in names.items()
    )
    remedy = (
        "The same command, or bnnpost sweep resume, goes on; then bnnpost report makes this anew."
    )
    blocks = (Doubts(tuple(bad)), Notes(rest), Paragraph(remedy))
    return Section("What is missing", "missing", blocks)


def _rates(grid: GridResults) -> Section:
    """Return the fitted exponents of all cells as a table, and those of total variation drawn."""
    columns = (
        *axis_columns(grid),
        ShownColumn("status", "status", words=True),
        *(ShownColumn(f"{name} exponent", DISTANCES[name][1], record=False) for name in _RATES),
        ShownColumn("widest", "TV at widest", record=False),
    )
    rows = tuple(
        {
            **shown_settings(grid, cell),
            **cell_record(cell),
            **{f"{name} exponent": _exponent(_rate(cell, name)) for name in _RATES},
            "widest": _widest(cell),
        }
        for cell in grid
    )
    caption = (
        "Fitted exponents of the width, with 95 % intervals; theory gives −2 for KL and −1 for the "
        "others"
    )
    table = ShownTable("cells", caption, columns, rows, most=MOST_ROWS, printed=len(rows))
    note = "Marked: intervals that exclude theory. TV at the widest network that was run."
    named = [
        (" · ".join(map(str, cell.settings.values())), rate)
        for cell in grid
        if (rate := _rate(cell, "tv")) is not None and is_fitted(rate)
    ]
    blocks: list[Block] = [table, Paragraph(note)]
    if len(named) > 1:
        varying = ", ".join(grid.varying)
        blocks.insert(
            0,
            Pictures(lambda: (sweep_panels.forest(named[:_MOST_IN_FOREST], varying),), columns=1),
        )
    return Section("Rates", "rates", tuple(blocks), brief=True)


def _exponent(rate: Rate | None) -> Number | None:
    if rate is None or not is_fitted(rate):
        return None
    ends = {"low": rate["exponent_low"], "high": rate["exponent_high"]}
    return Number(rate["exponent"], digits=2, form="places", wrong=not words.agrees(rate), **ends)


def _widest(cell: CellResults) -> Number | None:
    if cell.tree is None:
        return None
    widest = cell.tree["distances"].to_dataset().sortby("width").isel(width=-1)
    return measured(float(widest["tv"]), float(widest["tv_se"]))


def _pictures(grid: GridResults) -> tuple[Block, ...]:
    """Return a row of pictures over the setting with most values, for each choice of the others."""
    across = max(
        reversed(grid.varying), key=lambda name: len({c.settings[name] for c in grid.cells})
    )
    shown = [cell for cell in grid.cells if cell.tree is not None][:_MOST_PICTURES]
    groups: dict[str, list[CellResults]] = {}
    for cell in shown:
        rest = [name for name in grid.varying if name != across]
        title = ", ".join(f"{name} = {cell.settings[name]}" for name in rest)
        groups.setdefault(title, []).append(cell)
    up = _shared_heights(shown)
    columns = 4 if max(map(len, groups.values())) > 3 else 3
    legend = tuple(sweep_panels.distances_legend(_has_theory(shown), True))
    blocks: list[Block] = []
    for title, cells in groups.items():
        panels = partial(_panels, cells, across, up)
        blocks.append(Pictures(panels, columns=columns, legend=legend, title=title))
        legend = ()
    caption = "All have the same axes. Filled points are fitted, hollow ones are not."
    total = sum(cell.tree is not None for cell in grid.cells)
    if total > len(shown):
        caption += f" The first {len(shown)} of {total} cells are shown."
    return (*blocks, Paragraph(caption))


def _shared_heights(cells: Sequence[CellResults]) -> AxisScale:
    distances = [cell.tree["distances"].to_dataset() for cell in cells if cell.tree is not None]
    return sweep_panels.heights(
        np.concatenate([by_width["tv"].values for by_width in distances]),
        np.concatenate([TWO_SIDED * by_width["tv_se"].values for by_width in distances]),
    )


def _has_theory(cells: Sequence[CellResults]) -> bool:
    return any(cell.tree is not None and "first_order" in cell.tree.children for cell in cells)


def _panels(cells: Sequence[CellResults], across: str, up: AxisScale) -> tuple[Panel, ...]:
    return tuple(_picture(cell, f"{across} = {cell.settings[across]}", up) for cell in cells)


def _picture(cell: CellResults, label: str, up: AxisScale) -> Panel:
    tree = cell.tree
    assert tree is not None
    first = None
    if "first_order" in tree.children:
        first = rows_by_distance(tree["first_order"].to_dataset()).get("tv")
    rates = tree["rates"].to_dataset()
    return sweep_panels.distance(
        tree["distances"].to_dataset(),
        "tv",
        rows_by_distance(rates)["tv"],
        int(rates.attrs["fitted_from_width"]),
        first,
        label=label,
        small=True,
        up=up,
    )


def _each(grid: GridResults) -> tuple[Block, ...]:
    """Return each cell's own summary, folded; of many cells without their pictures."""
    begun = sum(map(_has_begun, grid.cells))
    pictures = begun <= _MOST_WITH_FIGURES
    cells = grid.cells

    def part(i: int) -> Summary | None:
        return _part(cells[i], pictures) if _has_begun(cells[i]) else None

    blocks: list[Block] = [Nested("cells", len(cells), part, _MOST_FOLDED)]
    if not pictures:
        blocks.insert(
            0,
            Paragraph(
                "There are many cells: their figures are left out here, and are in each cell’s own "
                "report (bnnpost report on its directory)."
            ),
        )
    if begun > _MOST_FOLDED:
        blocks.append(Paragraph(f"The first {_MOST_FOLDED} of {begun:,} cells are shown."))
    return tuple(blocks)


def _has_begun(cell: CellResults) -> bool:
    is_known = cell.tree is not None or (cell.path / runs.CONFIG).exists()
    return is_known and runs.is_sweep(cell.path)


def _part(cell: CellResults, pictures: bool) -> Summary:
    """Return a cell's own summary, without how to run it."""
    summary = summary_of_sweep(runs.read_sweep(cell.path, cell.tree), pictures=pictures)
    folder = Span(f"{cell.path.parent.name}/{cell.path.name}", "code")
    return dataclasses.replace(
        summary,
        title=cell.name,
        lead=(Text.of("Run directory: ", folder),),
        sections=tuple(part for part in summary.sections if part.key != "reproduce"),
    )
