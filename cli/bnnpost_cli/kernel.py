"""bnnpost kernel: NNGP and NTK kernels of a network at the rows of a data set."""

import json
from typing import Any

import click

from bnnpost_cli.failures import reported
from bnnpost_cli.options import as_json, given, problem_options


@click.command(short_help="The NNGP or NTK kernel at the rows of a data set.")
@problem_options
@click.option(
    "--kind",
    type=click.Choice(("nngp", "ntk", "both")),
    default="nngp",
    show_default=True,
    help="nngp: covariance of the prior's limit; ntk: the neural tangent kernel; both of them.",
)
@click.option(
    "--out",
    default=None,
    metavar="FILE",
    help="Write to a .csv file, or an .npz file of arrays named nngp and ntk.",
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
        _check_file(out, kind)
        problem = load_problem(load_config(config, given(flags)))
        rows = np.concatenate([problem.x, problem.x_test])
        bar = Progress(1, enabled=True, label="kernel", unit="matrix", delay=5.0)
        with bar, jax.enable_x64(True):
            network, key = problem.posterior(1).network, key_of_seed(problem.config.seed)
            if kind == "both":
                found = bnnpost.kernels(network, rows, key=key)._asdict()
            else:
                one = {"nngp": bnnpost.nngp, "ntk": bnnpost.ntk}[kind]
                found = {kind: one(network, rows, key=key)}
        kernels = {name: np.asarray(kernel) for name, kernel in found.items()}
        if out is not None:
            _write(kernels, out)
        if as_json:
            listed = {name: kernel.tolist() for name, kernel in kernels.items()}
            click.echo(json.dumps(listed if kind == "both" else listed[kind]))
        elif out is None:
            click.echo("\n\n".join(_shown(*item, kind == "both") for item in kernels.items()))


def _shown(name: str, kernel: Any, named: bool) -> str:
    lines = [" ".join(f"{value:11.6f}" for value in row) for row in kernel]
    return "\n".join([name, *lines] if named else lines)


def _check_file(out: str | None, kind: str) -> None:
    """Raise ValueError for a name that no kernel, or not both, can be written to."""
    if out is None:
        return
    if not out.endswith((".csv", ".npz")):
        raise ValueError(f"expected --out to end in .csv or .npz, got {out}")
    if kind == "both" and not out.endswith(".npz"):
        raise ValueError(f"expected --out to end in .npz for both kernels, got {out}")


def _write(kernels: dict[str, Any], out: str) -> None:
    from pathlib import Path

    import numpy as np

    from bnnpost.storage import whole

    path = Path(out)
    with whole(path) as temporary:
        if path.suffix == ".csv":
            (kernel,) = kernels.values()
            np.savetxt(temporary, kernel, delimiter=",", fmt="%.17g")
        else:
            np.savez(temporary, **kernels)
    click.echo(f"wrote {path}", err=True)
