"""What bnnpost forecast --method coupled prints."""

import dataclasses
import json
import sys
from collections.abc import Mapping
from typing import Any

import click

from bnnpost_cli import tables
from bnnpost_cli.failures import BUDGET


def show(settings: Any, method: Any, as_json: bool) -> None:
    """Run the pilot at each width and print what it found; leave with code 4 if pairs did not meet.

    settings, method: what is sampled and how.
    """
    from bnnpost.sweeps.problem import load_problem

    problem, found = load_problem(settings), {}
    for width in settings.widths:
        click.echo(f"width {width}: pilot and timing", err=True)
        found[width] = _forecast(problem, width, method)
    if as_json:
        click.echo(json.dumps(tables.plain(_plain(found)), indent=2))
    else:
        click.echo(_table(found, settings.num_samples, method.tolerance))
    if any(isinstance(one, str) for one in found.values()):
        sys.exit(BUDGET)


def _forecast(problem: Any, width: int, method: Any) -> Any:
    """What the pilot at a width says, or why it says nothing."""
    from bnnpost.samplers.coupled.tuning import NotMet
    from bnnpost.sweeps.random_keys import keys

    config = problem.config
    try:
        key, posterior = keys(config, width).draws, problem.posterior(width)
        return method.forecast(key, posterior, config.num_samples)
    except NotMet as error:
        return str(error)


def _plain(found: Mapping[int, Any]) -> list[dict[str, Any]]:
    """A row for each width."""
    return [
        {"width": width, "not_met": one}
        if isinstance(one, str)
        else {
            "width": width,
            **dataclasses.asdict(one),
            "seconds": one.seconds,
            "advice": one.summary().splitlines(),
            "not_met": None,
        }
        for width, one in found.items()
    ]


def _table(found: Mapping[int, Any], num_samples: int, tolerance: float) -> str:
    from bnnpost.spelling import duration

    lines = [
        f"Expected for {num_samples:,} draws by coupled chains, within {tolerance:g} of the "
        "posterior in total variation",
        f"{'width':>7} {'pairs meet':>16} {'steps':>7} {'s a pair':>9} {'time':>15}",
    ]
    for width, one in found.items():
        if isinstance(one, str):
            lines.append(f"{width:>7} {'not':>16} {'?':>7} {'?':>9} {'?':>15}")
            continue
        met = f"{min(one.meeting_times):,} to {max(one.meeting_times):,}"
        lines.append(
            f"{width:>7} {met:>16} {one.step:>7,} {one.seconds_per_pair:>9.2g} "
            f"{duration(one.seconds):>15}"
        )
    for width, one in found.items():
        text = one if isinstance(one, str) else one.summary()
        lines += ["", tables.wrapped(f"Width {width}: {text}")]
    return "\n".join(lines)
