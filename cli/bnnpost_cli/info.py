"""bnnpost info: versions, devices, and the names that flags take."""

import json
from typing import Any

import click

from bnnpost_cli.failures import reported
from bnnpost_cli.options import as_json


@click.command(short_help="Versions, devices, and the names that flags take.")
@as_json
def command(as_json: bool) -> None:
    """Versions, devices, data sets, activations, likelihoods and shipped configurations.

    \b
    Example:  bnnpost info
              bnnpost info --json
    """
    with reported():
        found = _collect()
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        if isinstance(value, dict):
            value = [f"{key} {entry}" for key, entry in value.items()]
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        click.echo(f"{name:<15} {text}")


def _collect() -> dict[str, Any]:
    import sys

    import jax

    from bnnpost import datasets
    from bnnpost.likelihoods.records import known
    from bnnpost.networks import catalogue
    from bnnpost.storage import versions
    from bnnpost.sweeps.config import shipped_configs

    return {
        "python": sys.version.split()[0],
        "versions": versions(),
        "devices": [f"{device.platform} ({device.device_kind})" for device in jax.devices()],
        "x64 flag": jax.config.read("jax_enable_x64"),
        "data": list(datasets.names()),
        "activations": list(catalogue.names()),
        "likelihoods": list(known()),
        "configurations": list(shipped_configs()),
    }
