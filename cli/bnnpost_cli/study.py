"""bnnpost study: one line of work on wide networks, measured beside theory."""

from typing import Any

import click

from bnnpost_cli.failures import reported
from bnnpost_cli.options import as_json, given, study_options
from bnnpost_cli.printing import print_summary

NAMES = ("data-scaling", "deep-linear", "phases", "proportional", "shift")


@click.command(short_help="A line of theory on a problem, measured beside it.")
@click.argument("name", metavar="NAME", type=click.Choice(NAMES))
@study_options
@click.option("--out", required=True, metavar="DIR", help="Directory; made if need be.")
@as_json
def command(name: str, config: str | None, out: str, as_json: bool, **flags: Any) -> None:
    """Run a study, and write its tables, data and figure into DIR.

    \b
    NAME:  data-scaling  loss over the number of training points, and the kernel's spectrum
           deep-linear   exact posteriors of linear networks, and exact draws beside them
           phases        gradient descent: lazy, catapult or divergent
           proportional  renormalised kernels, as the width nears the number of points
           shift         losses and calibration as test inputs move away

    \b
    Example:  bnnpost study phases --out runs/phases
              bnnpost study proportional --activation relu --out runs/relu
              bnnpost study shift --config mine.toml --out runs/mine

    Each has a shipped configuration, on which flags are put; --config takes another one in its
    place, of sweep's keys. Prints the tables; writes NAME.txt, NAME.png, NAME.svg, the data as
    netCDF and study.json, the settings. Run again it begins anew.
    """
    with reported():
        from bnnpost.sweeps import load_config
        from bnnpost.sweeps.study import run_study, study_named

        settings = load_config(config or study_named(name).config, given(flags))
        found = run_study(name, settings, out, say=lambda text: click.echo(text, err=True))
        print_summary(found.summary, as_json)
    click.echo(f"wrote {out}", err=True)
