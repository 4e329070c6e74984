"""bnnpost forecast: what strict rejection would cost, before it runs."""

import json
from typing import Any

import click

from bnnpost_cli.failures import reported
from bnnpost_cli.options import as_json, forecast_options, given


@click.command(short_help="What exact rejection would cost, before it runs.")
@forecast_options
@as_json
def command(config: str | None, as_json: bool, **flags: Any) -> None:
    """Expected acceptance and proposals of exact rejection, for each width, space and bound.

    \b
    Example:  bnnpost forecast --data digits --num-train 10 --activation relu --widths 64,512

    From the evidence of the infinite-width limit, checked by a pilot of a few thousand
    proposals at each width. Takes the flags of sweep.
    """
    from bnnpost.sweeps import load_config
    from bnnpost.sweeps.problem import load_problem
    from bnnpost.sweeps.run import forecasts

    with reported():
        settings = load_config(config, given(flags))
        found = forecasts(load_problem(settings), list(settings.widths))
        if as_json:
            click.echo(json.dumps(_as_json(found, settings.num_samples), indent=2))
        else:
            click.echo(_table(found, settings.num_samples))


def _as_json(found: dict[int, Any], num_samples: int) -> list[dict[str, Any]]:
    return [
        {
            "width": width,
            "space": option.space,
            "bound": option.bound,
            "log_bound": option.log_bound,
            "log10_acceptance": option.log10_acceptance,
            "proposals": option.proposals(num_samples),
            "source": one.source,
            "limit_log_evidence": one.limit_log_evidence,
            "pilot_log_evidence": one.pilot_log_evidence,
            "pilot_log_evidence_se": one.pilot_log_evidence_se,
        }
        for width, one in found.items()
        for option in one.options
    ]


def _table(found: dict[int, Any], num_samples: int) -> str:
    head = f"{'width':>7}  {'space':<10} {'bound':<10} {'acceptance':>11} {'proposals':>11}  from"
    lines = [f"Expected for {num_samples:,} exact draws", head]
    for width, one in found.items():
        for option in one.options:
            acceptance = f"10^{option.log10_acceptance:.1f}"
            lines.append(
                f"{width:>7}  {option.space:<10} {option.bound:<10} {acceptance:>11} "
                f"{option.proposals(num_samples):>11.2g}  {one.source}"
            )
    return "\n".join(lines)
