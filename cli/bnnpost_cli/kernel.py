"""bnnpost kernel: the NNGP or NTK kernel of a network at the rows of a data set."""

import json
from typing import Any

import click

from bnnpost_cli.failures import reported
from bnnpost_cli.options import as_json, given, problem_options


@click.command(short_help="The NNGP or NTK kernel at the rows of a data set.")
@problem_options
@click.option(
    "--kind",
    type=click.Choice(("nngp", "ntk")),
    default="nngp",
    show_default=True,
    help="nngp: covariance of the prior's limit; ntk: the neural tangent kernel.",
)
@click.option(
    "--out", default=None, metavar="FILE", help="Write the matrix to a .csv or .npz file."
)
@as_json
def command(config: str | None, kind: str, out: str | None, as_json: bool, **flags: Any) -> None:
    """The kernel of the infinitely wide network at the training and then the test rows.

    \b
    Example:  bnnpost kernel --data diabetes --num-train 3 --num-test 2 --activation relu
              bnnpost kernel --data digits --network attention.toml --kind ntk --out ntk.npz

    One output unit, the readout's bias included; double precision. Takes the data and network
    flags of sweep; widths play no part, and the seed only where a kernel is a Monte Carlo estimate.
    """
    import jax
    import numpy as np

    import bnnpost
    from bnnpost.numerics.random import key_of_seed
    from bnnpost.samplers.progress import Progress
    from bnnpost.sweeps import load_config
    from bnnpost.sweeps.problem import load_problem

    with reported():
        problem = load_problem(load_config(config, given(flags)))
        rows = np.concatenate([problem.x, problem.x_test])
        bar = Progress(1, enabled=True, label="kernel", unit="matrix", delay=5.0)
        with bar, jax.enable_x64(True):
            of_kind = {"nngp": bnnpost.nngp, "ntk": bnnpost.ntk}[kind]
            network, key = problem.posterior(1).network, key_of_seed(problem.config.seed)
            kernel = np.asarray(of_kind(network, rows, key=key))
        if out is not None:
            _write(kernel, kind, out)
        if as_json:
            click.echo(json.dumps(kernel.tolist()))
        elif out is None:
            lines = (" ".join(f"{value:11.6f}" for value in row) for row in kernel)
            click.echo("\n".join(lines))


def _write(kernel: Any, kind: str, out: str) -> None:
    from pathlib import Path

    import numpy as np

    from bnnpost.storage import whole

    path = Path(out)
    if path.suffix not in (".csv", ".npz"):
        raise ValueError(f"expected --out to end in .csv or .npz, got {out}")
    with whole(path) as temporary:
        if path.suffix == ".csv":
            np.savetxt(temporary, kernel, delimiter=",", fmt="%.17g")
        else:
            np.savez(temporary, **{kind: kernel})
    click.echo(f"wrote {path}", err=True)
