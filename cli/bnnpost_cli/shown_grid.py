"""The end of a sweep over a grid: its summary and exit code; its plan."""

import json
import math
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

import click

from bnnpost_cli import executors, plan, tables
from bnnpost_cli.failures import BUDGET, SOME_FAILED, USAGE
from bnnpost_cli.plan import size
from bnnpost_cli.printing import print_summary
from bnnpost_cli.report import write_report

_COLUMNS = 100


def show(results: Any, as_json: bool) -> None:
    """Print what there is to stdout, what is not done to stderr; exit with the code for that."""
    from bnnpost import reports
    from bnnpost.reports.grid_status import ending

    summary = reports.summary_of_results(results)
    print_summary(summary, as_json)
    click.echo("\n".join(ending(results)), err=True)
    states = [cell.status for cell in results]
    if any(cell.tree is not None for cell in results):
        write_report(results.path, summary)
    if all(state == "refused" for state in states):
        sys.exit(USAGE)
    if {"failed", "refused", "pending"} & set(states):
        sys.exit(SOME_FAILED)
    if not results.varying and "short" in states:
        sys.exit(BUDGET)


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


def _listed(widths: Sequence[int]) -> str:
    return " ".join(map(str, widths)) or "–"


def _wrapped(reason: str) -> list[str]:
    lines = textwrap.wrap(reason, _COLUMNS - 4)
    return [f"    {line}" for line in lines]
