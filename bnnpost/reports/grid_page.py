"""The page of a grid: a headline over all cells, rates and pictures of each, details folded."""

from collections.abc import Iterator, Sequence

import numpy as np

from bnnpost.reports import grid_settings, runs, sweep_figures, sweep_page, words
from bnnpost.reports.words import DISTANCES, Rate, is_fitted
from bnnpost.summaries import Html, HtmlSection, element, join, page
from bnnpost.summaries.panels import AxisScale, Bar, Dot, Line, Panel, Shape, linear
from bnnpost.summaries.parts import figure, legend, notes, paragraphs, table
from bnnpost.summaries.values import measured
from bnnpost.sweeps.loaded import CellResults, GridResults

_SHOWN = ("tv", "kl", "mean_error", "variance_error", "log_evidence_error")
# So many cells have pictures, and so many their details; a page stays below about 10 MB.
_MOST_PICTURES, _MOST_WITH_FIGURES, _MOST_FOLDED = 120, 60, 400
_MOST_IN_FOREST, _MOST_NAMES = 60, 12


def to_html(grid: GridResults) -> str:
    """The whole page."""
    cells = grid.cells
    found = [HtmlSection("Rates", "rates", _rates(grid))]
    if any(cell.tree is not None for cell in cells):
        found.append(HtmlSection("Total variation against width", "pictures", _pictures(grid)))
    unfinished = [cell for cell in cells if cell.status not in ("done", "short")]
    if unfinished:
        found.insert(0, HtmlSection("What is missing", "missing", _missing(unfinished)))
    found.append(HtmlSection("Each cell", "cells", _each(grid)))
    found.append(
        HtmlSection("How to reproduce this", "reproduce", grid_settings.reproduce_grid(grid))
    )
    return page(
        title=f"Grid of {grid.path.name}",
        kind=f"Grid of sweeps · {grid.path.name}",
        headline=grid_headline([_rate(cell, "tv") for cell in cells]),
        lead=list(_lead(grid)),
        marks=list(_marks(cells)),
        sections=found,
        footer="bnnpost",
    )


def grid_headline(rates: Sequence[Rate | None]) -> str:
    """What was found of total variation over all cells; None where there is no rate."""
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
    return sweep_figures.rows(cell.tree["rates"].to_dataset()).get(name)


def _lead(grid: GridResults) -> Iterator[str]:
    axes = "; ".join(
        f"{name}: {', '.join(dict.fromkeys(str(c.settings[name]) for c in grid.cells))}"
        for name in grid.varying
    )
    yield f"{len(grid.cells):,} cells over {axes}."
    widths = ", ".join(f"{width:,}" for width in grid.widths)
    yield f"Each at width {widths}. {grid_settings.common_sentence(grid)}"


def _marks(cells: Sequence[CellResults]) -> Iterator[tuple[str, str]]:
    states = [cell.status for cell in cells]
    tones = {"done": "good", "short": "plain", "running": "plain", "pending": "plain"}
    for state in dict.fromkeys(states):
        count = states.count(state)
        word = {"short": "with fewer draws"}.get(state, state)
        yield f"{count:,} of {len(cells):,} {word}", tones.get(state, "bad")


def _missing(cells: Sequence[CellResults]) -> Html:
    bad: list[str] = []
    rest: dict[str, list[str]] = {}
    for cell in cells:
        if cell.status in ("failed", "refused"):
            at = ", ".join(map(str, cell.detail.failed))
            where = f" at width {at}" if at else ""
            reason = f": {cell.detail.reason}" if cell.detail.reason else ""
            bad.append(f"{cell.name} {cell.status}{where}{reason}")
        else:
            rest.setdefault(cell.status, []).append(cell.name)
    said = [
        f"{len(names):,} {state}: {'; '.join(names[:_MOST_NAMES])}"
        + (f"; and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else "")
        for state, names in rest.items()
    ]
    text = (
        "The same command, or bnnpost sweep resume, goes on; then bnnpost report makes this anew."
    )
    return join([notes(bad, "bad"), notes(said), paragraphs(text)])


def _rates(grid: GridResults) -> Html:
    heads = [*grid.varying, "status", *(DISTANCES[name][1] for name in _SHOWN), "TV at widest"]
    rows = [
        [
            *(str(cell.settings[name]) for name in grid.varying),
            _status(cell),
            *(_exponent(_rate(cell, name)) for name in _SHOWN),
            _widest(cell),
        ]
        for cell in grid.cells
    ]
    theory = "theory gives −2 for KL and −1 for the others"
    caption = f"Fitted exponents of the width, with 95 % intervals; {theory}"
    note = "Marked: intervals that exclude theory. TV at the widest network that was run."
    forest = [
        (" · ".join(str(value) for value in cell.settings.values()), rate)
        for cell in grid.cells
        if (rate := _rate(cell, "tv")) is not None and is_fitted(rate)
    ]
    names = ", ".join(grid.varying)
    picture = _forest(forest[:_MOST_IN_FOREST], names) if len(forest) > 1 else None
    shown = figure([picture], None, columns=1) if picture else None
    found = table(heads, rows, caption, words=len(grid.varying) + 1)
    return join([shown, found, paragraphs(note)])


def _status(cell: CellResults) -> object:
    bad = cell.status in ("failed", "refused")
    return element("span", cell.status, class_="wrong") if bad else cell.status


def _exponent(rate: Rate | None) -> object:
    if rate is None or not is_fitted(rate):
        return "–"
    value = element("data", words.signed(rate["exponent"]), value=repr(rate["exponent"]))
    kind = "pair" if words.agrees(rate) else "pair wrong"
    return element("span", value, " ", words.interval(rate), class_=kind)


def _widest(cell: CellResults) -> object:
    if cell.tree is None:
        return "–"
    last = cell.tree["distances"].to_dataset().sortby("width").isel(width=-1)
    return measured(float(last["tv"]), float(last["tv_se"]))


def _forest(rates: Sequence[tuple[str, Rate]], varying: str) -> Panel:
    """Exponents of total variation with their intervals, a line a cell, beside theory's."""
    ends = [rate[end] for _, rate in rates for end in ("exponent_low", "exponent_high", "theory")]
    margin = 0.06 * (max(ends) - min(ends)) or 0.1
    names = [_cut(name) for name, _ in rates]
    left = 14 + max(int(6.2 * len(name)) for name in names)
    count = len(rates)
    marks = tuple((count - i - 0.5, name) for i, name in enumerate(names))
    theory = rates[0][1]["theory"]
    shapes: list[Shape] = [Bar(theory, 0, count, "ink dashed")]
    for i, (name, rate) in enumerate(rates):
        y, kind = count - i - 0.5, "blue" if words.agrees(rate) else "red"
        shapes.append(Line([rate["exponent_low"], rate["exponent_high"]], [y, y], kind))
        said = f"{name}: {words.signed(rate['exponent'])}"
        shapes.append(Dot(rate["exponent"], y, kind, said))
    listed = "; ".join(f"{name} {words.signed(rate['exponent'])}" for name, rate in rates)
    return Panel(
        x=linear(min(ends) - margin, max(ends) + margin, 5),
        y=AxisScale(0, count, False, marks),
        shapes=shapes,
        width=260 + left,
        height=86 + 19 * count,
        left=left,
        title="Exponents of total variation",
        note=f"by {varying}; dashes: theory",
        said=f"Theory: {words.whole_text(theory)}. {listed}",
        x_label="exponent, 95 % interval",
    )


def _cut(name: str) -> str:
    return name if len(name) <= 30 else name[:29] + "…"


def _pictures(grid: GridResults) -> Html:
    """A row of pictures over the setting with most values, for each choice of the others."""
    across = max(
        reversed(grid.varying), key=lambda name: len({c.settings[name] for c in grid.cells})
    )
    shown = [cell for cell in grid.cells if cell.tree is not None][:_MOST_PICTURES]
    groups: dict[str, list[CellResults]] = {}
    for cell in shown:
        rest = [name for name in grid.varying if name != across]
        outer = ", ".join(f"{name} = {cell.settings[name]}" for name in rest)
        groups.setdefault(outer, []).append(cell)
    up = _shared_heights(shown)
    parts: list[object] = [legend(sweep_figures.distances_legend(_has_theory(shown), True))]
    columns = 4 if max(map(len, groups.values())) > 3 else 3
    for outer, cells in groups.items():
        parts.append(element("h3", outer) if outer else None)
        pictures = [_picture(cell, f"{across} = {cell.settings[across]}", up) for cell in cells]
        parts.append(figure(pictures, None, columns=columns))
    caption = "All have the same axes. Filled points are fitted, hollow ones are not."
    total = sum(cell.tree is not None for cell in grid.cells)
    if total > len(shown):
        caption += f" The first {len(shown)} of {total} cells are shown."
    return join([*parts, paragraphs(caption)])


def _shared_heights(cells: Sequence[CellResults]) -> AxisScale:
    found = [cell.tree["distances"].to_dataset() for cell in cells if cell.tree is not None]
    return sweep_figures.heights(
        np.concatenate([one["tv"].values for one in found]),
        np.concatenate([sweep_figures.TWO_SIDED * one["tv_se"].values for one in found]),
    )


def _has_theory(cells: Sequence[CellResults]) -> bool:
    return any(cell.tree is not None and "first_order" in cell.tree.children for cell in cells)


def _picture(cell: CellResults, label: str, up: AxisScale) -> Panel:
    tree = cell.tree
    assert tree is not None
    first = None
    if "first_order" in tree.children:
        first = sweep_figures.rows(tree["first_order"].to_dataset()).get("tv")
    rates = tree["rates"].to_dataset()
    return sweep_figures.distance(
        tree["distances"].to_dataset(),
        "tv",
        sweep_figures.rows(rates)["tv"],
        int(rates.attrs["fitted_from_width"]),
        first,
        label=label,
        small=True,
        up=up,
    )


def _each(grid: GridResults) -> Html:
    cells = [cell for cell in grid.cells if _has_begun(cell)]
    pictures = len(cells) <= _MOST_WITH_FIGURES
    parts: list[object] = []
    if not pictures:
        parts.append(
            paragraphs(
                "There are many cells: their figures are left out here, and are in each cell’s own "
                "report (bnnpost report on its directory)."
            )
        )
    parts += [_folded(cell, pictures) for cell in cells[:_MOST_FOLDED]]
    if len(cells) > _MOST_FOLDED:
        parts.append(paragraphs(f"The first {_MOST_FOLDED} of {len(cells):,} cells are shown."))
    return join(parts)


def _has_begun(cell: CellResults) -> bool:
    is_known = cell.tree is not None or (cell.path / runs.CONFIG).exists()
    return is_known and runs.is_sweep(cell.path)


def _folded(cell: CellResults, pictures: bool) -> Html:
    """A cell's own sections, without how to run it."""
    found = runs.read_sweep(cell.path, cell.tree)
    summary = element("summary", element("h3", cell.name))
    if found.tree is None:
        return element("details", summary, sweep_page.missing(found))
    parts: list[object] = [
        element("p", sweep_page.sweep_headline(found.tree)),
        element(
            "p", "Run directory: ", element("code", f"{cell.path.parent.name}/{cell.path.name}")
        ),
    ]
    for section in sweep_page.sections(found, found.tree, pictures=pictures):
        if section.anchor != "reproduce":
            parts += [element("h4", section.title), section.body]
    return element("details", summary, *parts)
