"""bnnpost forecast: what sampling would cost, before it runs."""

import sys
from typing import Any

import click

from bnnpost_cli import executors
from bnnpost_cli.failures import BUDGET, reported
from bnnpost_cli.options import as_json, forecast_options, given
from bnnpost_cli.printing import print_summary


@click.command(short_help="What sampling would cost, and what to do.")
@forecast_options
@as_json
def command(config: str | None, as_json: bool, **flags: Any) -> None:
    """Expected cost of the draws at each width, and advice, before any are made.

    \b
    Example:  bnnpost forecast --data digits --num-train 10 --activation relu --widths 64,512
              bnnpost forecast --method coupled --num-train 20 --widths 64
              bnnpost forecast --method nuts --num-train 50 --widths 256

    Of rejection: acceptance, proposals and time in every way of sampling, from the evidence of the
    infinite-width limit, a pilot of a few thousand proposals at each width, and a short timing on
    this device. With --method coupled from eight pairs of coupled chains at each width, and the
    time of a few more: whether they meet, about how many steps draws will take, and how long. Exit
    code 4 where pairs do not meet. Of other chains the time of the transitions that are asked for;
    how many independent draws these are worth is known only from a run. Takes the flags of sweep.
    """
    from bnnpost.samplers.methods import check_taken
    from bnnpost.sweeps import load_config
    from bnnpost.sweeps.planning import costs_at
    from bnnpost.sweeps.problem import load_problem

    with reported():
        executors.keep_programs()
        settings = load_config(config, given(flags))
        check_taken(settings.method.name, given(flags))
        problem, costs = load_problem(settings), {}
        for width in settings.widths:
            click.echo(f"width {width}: pilot and timing", err=True)
            costs[width] = costs_at(problem, width, every=True, progress=True)
        # Not before there is something to wait for: it loads much.
        from bnnpost.reports.forecast_summary import summary_of_forecast

        print_summary(summary_of_forecast(settings, problem.record, costs), as_json)
        if any(cost.failure for several in costs.values() for cost in several):
            sys.exit(BUDGET)
