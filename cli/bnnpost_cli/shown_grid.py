"""A sweep over a grid as text and JSON: its plan, its status and its rates."""

import json
import math
import shlex
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

import click

from bnnpost_cli import executors, plan, tables
from bnnpost_cli.failures import BUDGET, SOME_FAILED, USAGE
from bnnpost_cli.plan import size
from bnnpost_cli.report import write_report

_COLUMNS = 100
# Distances whose exponents are shown, and their heads.
_RATES = {
    "tv": "TV",
    "kl": "KL",
    "mean_error": "mean",
    "variance_error": "variance",
    "log_evidence_error": "log evidence",
}


def show(results: Any, as_json: bool) -> None:
    """What there is to stdout, what is not done to stderr; exits with the code that says so."""
    click.echo(numbers(results, as_json))
    states = [cell.status for cell in results]
    click.echo(ending(results), err=True)
    if any(cell.tree is not None for cell in results):
        write_report(results.path)
    if all(state == "refused" for state in states):
        sys.exit(USAGE)
    if {"failed", "refused", "pending"} & set(states):
        sys.exit(SOME_FAILED)
    if not results.varying and "short" in states:
        sys.exit(BUDGET)


def numbers(results: Any, as_json: bool) -> str:
    """Of a single run its table, of a grid the rates of its cells; the same as JSON."""
    from bnnpost.sweeps import results_text

    tree = None if results.varying else results.cells[0].tree
    if as_json:
        return json.dumps(
            report_json(results) if tree is None else results_text.results_json(tree), indent=2
        )
    return rates(results) if tree is None else results_text.results_table(tree)


def status(results: Any) -> str:
    """A line a cell: what varies in it, widths done and not, time, and the reason below."""
    folders = results.varying
    head = (*results.varying, "status", "done", "to do", "failed", "time")
    head = (*head, "in") if folders else head
    rows = [
        (*_settings(results, cell), *_progress(cell.detail), *([cell.path.name] if folders else []))
        for cell in results
    ]
    lines = tables.aligned([head, *rows])
    for i in range(len(rows), 0, -1):
        lines[i + 1 : i + 1] = _wrapped(results.cells[i - 1].detail.reason)
    return "\n".join([*lines, "", _summary(results)])


def rates(results: Any) -> str:
    """A line a cell: the fitted exponents of its distances, and the largest width's TV."""
    head = (*results.varying, "status", *_RATES.values(), "TV at width")
    rows = [(*_settings(results, cell), cell.status, *_exponents(cell)) for cell in results]
    title = (
        "How distances from the infinite-width limit fall with width: exponents, ± half of their "
        "95 %\nintervals. Theory gives −2 for KL and −1 for the others. TV: total variation of the "
        "marginals."
    )
    return "\n".join([title, "", *tables.aligned([head, *rows])])


def report_json(results: Any) -> dict[str, Any]:
    """Status, rates and distances of every cell as plain data."""
    from bnnpost.sweeps import results_text
    from bnnpost.sweeps.loaded import status_json

    found = status_json(results)
    for cell, record in zip(results, found["cells"], strict=True):  # type: ignore[call-overload]
        numbers = {} if cell.tree is None else results_text.results_json(cell.tree)
        record |= {key: value for key, value in numbers.items() if key != "config"}
    return found


def dry_run(grid: Any, out: str | None, force: bool, as_json: bool) -> None:
    """Print what a grid would do and cost; exits with 2 if every cell would be refused.

    With 4 where no draws would be made of a cell at a width.
    """
    from bnnpost.sweeps.grid_directory import GridDirectory
    from bnnpost.sweeps.planning import plan_grid
    from bnnpost.sweeps.programs import kept_for_the_run

    executors.keep_programs()
    click.echo(f"pilot and timing at widths {_listed(grid.widths)}", err=True)
    plans = []
    for one in plan_grid(None if out is None else GridDirectory(out, grid), grid, progress=True):
        plans.append(one)
        if grid.varying:
            click.echo(f"[{len(plans)}/{len(grid.cells)}] {one.cell.name}", err=True)
    single = None if grid.varying else plans[0]
    if as_json:
        found = _plan_json(plans) if single is None else plan.as_json(single.plan, force)
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo(
            _plan(grid, plans, force) if single is None else plan.as_text(single.plan, force)
        )
        if (kept := kept_for_the_run()) and any(one.left for one in plans):
            click.echo(f"\n{kept}")
    if not force and all(one.refusal for one in plans):
        sys.exit(USAGE)
    if any(one.plan is not None and one.plan.failures for one in plans):
        sys.exit(BUDGET)


def _plan(grid: Any, plans: Sequence[Any], force: bool) -> str:
    from bnnpost.spelling import count, duration

    head = (*grid.varying, "widths to run", "proposals", "time", "")
    rows = []
    for one in plans:
        verdict = "refused" if one.refusal and not (force and one.plan) else ""
        if not verdict and one.plan is not None and one.plan.failures:
            verdict = f"fails at {_listed(list(one.plan.failures))}"
        number = "–" if math.isnan(one.proposals) else count(one.proposals)
        cost = (number, duration(one.seconds) if one.seconds >= 0 else "?")
        blank = ("–", "–") if one.plan is None or not one.left else cost
        labels = tuple(str(one.cell.settings[name]) for name in grid.varying)
        rows.append((*labels, _listed(one.left), *blank, verdict))
    lines = tables.aligned([head, *rows])
    for i in range(len(rows), 0, -1):
        lines[i + 1 : i + 1] = _wrapped(plans[i - 1].refusal.partition("\n")[0])
    running = [one for one in plans if one.plan is not None and (force or not one.refusal)]
    seconds = sum(one.seconds for one in running)
    of_proposals = [one.proposals for one in running if not math.isnan(one.proposals)]
    proposals = f"about {count(sum(of_proposals))} proposals and " if of_proposals else ""
    units = sum(len(one.left) for one in running)
    known = duration(seconds) if not math.isnan(seconds) else "unknown"
    foot = (
        f"{units} units of work (a cell at one width), {proposals}{known} of drawing and comparing "
        "in one process; compilation comes on top. About "
        f"{size(sum(one.disk_bytes for one in running))} on disk."
    )
    if not running:
        foot = "No cell would run."
    title = f"Plan of {len(grid.cells)} cells at widths {_listed(grid.widths)}; nothing was written"
    return "\n".join([title, "", *lines, "", tables.wrapped(foot)])


def _plan_json(plans: Sequence[Any]) -> Any:
    from bnnpost.summaries.values import plain

    return plain(
        [
            {
                "settings": dict(one.cell.settings),
                "digest": one.cell.digest,
                "widths": list(one.left),
                "proposals": one.proposals,
                "seconds": one.seconds,
                "disk_bytes": one.disk_bytes,
                "refusal": one.refusal.partition("\n")[0] or None,
            }
            for one in plans
        ]
    )


def _settings(results: Any, cell: Any) -> tuple[str, ...]:
    return tuple(str(cell.settings[name]) for name in results.varying)


def _progress(detail: Any) -> tuple[str, ...]:
    from bnnpost.spelling import duration

    time = "–" if not detail.done else duration(detail.seconds) if detail.seconds >= 0 else "?"
    missing = (*detail.running, *detail.missing)
    return (detail.state, *map(_listed, (detail.done, missing, detail.failed)), time)


def _listed(widths: Sequence[int]) -> str:
    return " ".join(map(str, widths)) or "–"


def _exponents(cell: Any) -> tuple[str, ...]:
    if cell.tree is None:
        return ("–",) * (len(_RATES) + 1)
    found, distances = (cell.tree[group].to_dataset() for group in ("rates", "distances"))
    cells = []
    for name in _RATES:
        row = found.sel(distance=name)
        half = (float(row["exponent_high"]) - float(row["exponent_low"])) / 2
        exponent = float(row["exponent"])
        cells.append("no fit" if math.isnan(exponent) else f"{exponent:+.2f} ± {half:.2f}")
    last = distances.isel(width=-1)
    return (*cells, f"{float(last['tv']):.2g} at {int(last['width'])}")


def _wrapped(reason: str) -> list[str]:
    lines = textwrap.wrap(reason, _COLUMNS - 4)
    return [f"    {line}" for line in lines]


def _records(cell: Any) -> list[str]:
    """Files with the tracebacks of what has failed."""
    return [str(cell.path / f"width_{width:06d}.json") for width in cell.detail.failed]


def _summary(results: Any) -> str:
    """How many units are done, in a sentence, and what to do about the others."""
    from bnnpost.samplers.methods import COUPLED
    from bnnpost.spelling import duration

    details = [cell.detail for cell in results]
    total = len(results.widths) * len(details)
    done = sum(len(one.done) for one in details)
    seconds = sum(one.seconds for one in details if one.seconds >= 0)
    text = f"{done} of {total} units done, {duration(seconds)} of computing"
    if refused := sum(one.state == "refused" for one in details):
        text += f"; {refused} of {len(details)} cells refused"
    if failed := sum(len(one.failed) for one in details):
        text += f"; {failed} units failed"
    if short := sum(len(one.short) for one in details):
        text += f"; {short} with fewer draws than asked for, as max_proposals was reached"
        if any(cell.detail.cell.values.get("method") == COUPLED for cell in results):
            text += ", or, of coupled chains, with draws not shown to be within the tolerance"
    return text


def ending(results: Any) -> str:
    """What a run ends with: what is not as it should be, and the way on."""
    lines = []
    for cell in results:
        label = cell.name or "the sweep"
        if cell.status == "refused":
            told = cell.detail.reason if results.varying else cell.detail.explanation
            lines.append(f"bnnpost: {label} was refused: {told}")
        elif cell.status == "failed":
            at = f" at width {_listed(cell.detail.failed)}" if cell.detail.failed else ""
            lines.append(f"bnnpost: {label} failed{at}: {cell.detail.reason}")
            lines += [f"  traceback: {path}" for path in _records(cell)]
    out = shlex.quote(str(results.path))
    text = _summary(results)
    if any(cell.status != "done" for cell in results):
        text += f" (bnnpost sweep status {out})"
    lines.append(f"{text}; results are in {out}")
    if any(cell.status == "failed" for cell in results):
        lines.append(f"bnnpost sweep resume {out} tries again what failed")
    return "\n".join(lines)
