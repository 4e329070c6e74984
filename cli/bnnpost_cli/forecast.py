"""bnnpost forecast: what sampling would cost, before it runs."""

import dataclasses
import json
from typing import Any

import click

from bnnpost_cli import coupled_forecast, executors, tables
from bnnpost_cli.failures import reported
from bnnpost_cli.options import as_json, forecast_options, given


@click.command(short_help="What sampling would cost, and what to do.")
@forecast_options
@as_json
def command(config: str | None, as_json: bool, **flags: Any) -> None:
    """Expected acceptance, proposals and time at each width, in every way of sampling; advice.

    \b
    Example:  bnnpost forecast --data digits --num-train 10 --activation relu --widths 64,512
              bnnpost forecast --method coupled --num-train 20 --widths 64

    From the evidence of the infinite-width limit, a pilot of a few thousand proposals at each
    width, and a short timing on this device. Takes the flags of sweep. With --method coupled
    from eight pairs of coupled chains at each width, and the time of a few more: whether they meet,
    about how many steps draws will take, and how long. Exit code 4 where pairs do not meet. What
    chains will take is not known before they run.
    """
    from bnnpost.samplers.methods import Coupled, Rejection, check_taken
    from bnnpost.spaces.space import SPACES
    from bnnpost.sweeps import load_config
    from bnnpost.sweeps.config import ConfigError
    from bnnpost.sweeps.planning import forecasts
    from bnnpost.sweeps.problem import load_problem

    with reported():
        executors.keep_programs()
        settings = load_config(config, given(flags))
        method = settings.method
        check_taken(method.name, given(flags))
        if isinstance(method, Coupled):
            coupled_forecast.show(settings, method, as_json)
            return
        if not isinstance(method, Rejection):
            raise ConfigError(
                f"no forecast of method {method.name}: expected rejection or coupled, as how long "
                "chains need is not known before they run"
            )
        problem = load_problem(settings)
        found: dict[int, Any] = {}
        for width in settings.widths:
            click.echo(f"width {width}: pilot and timing", err=True)
            found |= forecasts(problem, [width], calibrate=SPACES, progress=True)
        if as_json:
            click.echo(json.dumps(tables.plain(_as_json(found, settings.num_samples)), indent=2))
        else:
            click.echo(_table(found, settings.num_samples))
            click.echo("\n" + tables.advice(found, settings.num_samples))


def _as_json(found: dict[int, Any], num_samples: int) -> list[dict[str, Any]]:
    """A row for each width and way of sampling."""
    return [
        {
            "width": width,
            **dataclasses.asdict(option),
            "proposals": option.proposals(num_samples),
            "seconds": option.seconds(num_samples),
            **{
                name: getattr(one, name)
                for name in (
                    "source", "limit_log_evidence", "pilot_log_evidence", "pilot_log_evidence_se",
                    "pilot_effective_size", "num_pilot", "num_nan", "effective_per_proposal",
                    "pareto_k", "no_strict",
                )
            },
            "prior_scale": None if one.prior_scale is None else _scale(one.prior_scale),
            "advice": one.advice(num_samples).splitlines(),
        }
        for width, one in found.items()
        for option in (*one.options, *one.capped_options)
    ]  # fmt: skip


def _scale(scale: Any) -> dict[str, Any]:
    return {**dataclasses.asdict(scale), "at_odds": scale.at_odds}


def _table(found: dict[int, Any], num_samples: int) -> str:
    lines = [
        f"Expected for {num_samples:,} draws, time on this device once all is compiled",
        f"{'width':>7}  {'space':<10} {'bound':<10} {tables.HEAD}",
    ]
    for width, one in found.items():
        for option in (*one.options, *one.capped_options):
            cells = tables.cells(one, option, num_samples)
            lines.append(f"{width:>7}  {option.space:<10} {option.bound:<10} {cells}")
        lines.append(_estimates(width, one))
    return "\n".join(lines)


def _estimates(width: int, one: Any) -> str:
    tail = "" if one.pareto_k is None else f", Pareto-k {one.pareto_k:.2f}"
    return (
        f"{width:>7}  estimates over all proposals: {one.effective_per_proposal:.2g} effective "
        f"draws a proposal{tail}"
    )
