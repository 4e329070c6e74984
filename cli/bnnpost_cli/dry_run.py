"""bnnpost sweep --dry-run: what a sweep or a grid would do and cost."""

import sys
from typing import Any

import click

from bnnpost_cli import executors
from bnnpost_cli.failures import BUDGET, USAGE
from bnnpost_cli.printing import print_summary


def dry_run(grid: Any, out: str | None, force: bool, as_json: bool) -> None:
    """Print what a grid would do and cost; exit with 2 if every cell would be refused.

    With 4 where no draws would be made of a cell at a width.
    """
    from bnnpost.reports.plan_summary import summary_of_grid_plan, summary_of_plan
    from bnnpost.sweeps.grid_directory import GridDirectory
    from bnnpost.sweeps.planning import plan_grid
    from bnnpost.sweeps.programs import kept_for_the_run

    executors.keep_programs()
    click.echo(f"pilot and timing at widths {', '.join(map(str, grid.widths))}", err=True)
    plans = []
    for plan in plan_grid(None if out is None else GridDirectory(out, grid), grid, progress=True):
        plans.append(plan)
        if grid.varying:
            click.echo(f"[{len(plans)}/{len(grid.cells)}] {plan.cell.name}", err=True)
    kept, single = kept_for_the_run(), None if grid.varying else plans[0].plan
    if single is None:
        print_summary(summary_of_grid_plan(grid, plans, force, kept), as_json)
    else:
        print_summary(summary_of_plan(single, force, kept), as_json)
    if not force and all(plan.refusal for plan in plans):
        sys.exit(USAGE)
    if any(plan.plan is not None and plan.plan.failures for plan in plans):
        sys.exit(BUDGET)
