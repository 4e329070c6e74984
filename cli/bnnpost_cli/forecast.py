"""bnnpost forecast: what sampling would cost, before it runs."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from bnnpost_cli import executors, tables
from bnnpost_cli.failures import BUDGET, reported
from bnnpost_cli.options import as_json, forecast_options, given


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
    from bnnpost.summaries.values import plain
    from bnnpost.sweeps import load_config
    from bnnpost.sweeps.planning import costs_at
    from bnnpost.sweeps.problem import load_problem

    with reported():
        executors.keep_programs()
        settings = load_config(config, given(flags))
        check_taken(settings.method.name, given(flags))
        problem, found = load_problem(settings), {}
        for width in settings.widths:
            click.echo(f"width {width}: pilot and timing", err=True)
            found[width] = costs_at(problem, width, every=True, progress=True)
        if as_json:
            rows = [{"width": w, **cost.record} for w, costs in found.items() for cost in costs]
            click.echo(json.dumps(plain(rows), indent=2))
        else:
            click.echo(_as_text(settings, found))
        if any(cost.failure for costs in found.values() for cost in costs):
            sys.exit(BUDGET)


def _as_text(settings: Any, found: Mapping[int, Sequence[Any]]) -> str:
    title = f"Expected for {settings.method.in_words(settings.num_samples)}"
    rows = [
        {"width": str(width), **cost.columns} for width, costs in found.items() for cost in costs
    ]
    first = {width: costs[0] for width, costs in found.items()}
    feet = [f"width {width}, {one.footnote}" for width, one in first.items() if one.footnote]
    lines = [
        tables.wrapped(f"{title}; time on this device once all is compiled"),
        tables.by_heads(rows),
        *feet,
    ]
    return "\n".join([*lines, "", tables.advice(first)])
