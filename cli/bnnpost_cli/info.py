"""bnnpost info: versions, devices, and the names that flags take."""

import click

from bnnpost_cli.failures import reported
from bnnpost_cli.options import as_json
from bnnpost_cli.printing import print_summary


@click.command(short_help="Versions, devices, and the names that flags take.")
@as_json
def command(as_json: bool) -> None:
    """Versions, devices, data sets, activations, likelihoods and shipped configurations.

    \b
    Example:  bnnpost info
              bnnpost info --json
    """
    with reported():
        from bnnpost.sweeps.installation import summary_of_installation

        print_summary(summary_of_installation(), as_json)
