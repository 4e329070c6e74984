"""A named posterior; its reference built on disk, checked, and read back."""

import dataclasses
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Float

from bnnpost.draws import Draws
from bnnpost.networks import Serial, from_spec, mlp
from bnnpost.networks.priors import prior_of_record, scale_of_record
from bnnpost.networks.specs import to_spec
from bnnpost.numerics.random import key_of_seed
from bnnpost.posterior import Posterior
from bnnpost.runs.directory import Directory
from bnnpost.samplers import rejection
from bnnpost.storage import Say, processor, versions
from bnnpost.sweeps.config import SweepConfig
from bnnpost.sweeps.problem import load_problem
from bnnpost.verification.reference_values import reference_arrays
from bnnpost.zoo import reference_checks, reference_files
from bnnpost.zoo.entries import Entry, Layers, Perceptron, entry

if TYPE_CHECKING:
    import xarray as xr

# Folded into an entry's seed for the checks, so that they share no random number with its draws.
_CHECKS = 0x7A6F6F
DIRECTORY = "zoo"


def posterior(name: str | Entry) -> tuple[Posterior, Float[np.ndarray, "m d"]]:
    """The posterior of this name, and the test inputs x_test [point, feature] of its reference.

    Features and real targets are standardised over all rows of the data set (digits as in
    `datasets.digits_problem`); classes are numbers, of two classes 0 and 1.
    Raises ValueError for an unknown name.
    """
    one = entry(name)
    problem = load_problem(
        SweepConfig(
            data=one.data,
            num_train=one.num_train,
            num_test=one.num_test,
            likelihood=one.likelihood,
        )
    )
    network = _network(one.network, problem.num_outputs)
    return Posterior(network, problem.likelihood, problem.x, problem.y), problem.x_test


def _network(given: Perceptron | Layers, num_outputs: int) -> Serial:
    if isinstance(given, Layers):
        return from_spec(given.tables, width=given.width, num_outputs=num_outputs)
    return mlp(
        width=given.width,
        depth=given.depth,
        activation=given.activation,
        w_std=scale_of_record(given.w_std),
        b_std=given.b_std,
        prior=prior_of_record(given.prior),
        num_outputs=num_outputs,
        readout_w_std=given.readout_w_std,
        readout_prior=prior_of_record(given.readout_prior),
    )


def build(
    name: str | Entry,
    directory: str | os.PathLike[str] = DIRECTORY,
    *,
    progress: bool = False,
    say: Say = lambda message: None,
) -> Path:
    """Draw, check and write the reference of this name; one that is there already is kept.

    Writes NAME.nc, which `bnnpost.verify` takes as a reference and `load` reads, and NAME.csv,
    its function values as plain numbers, each whole or not at all, into the directory, which is
    made if need be. On one kind of processor and with the same versions the draws are the same
    every time. A reference of another description of the entry is made again. say: is told how
    it goes on, a line at a time; progress: a bar on stderr. Returns the path of NAME.nc.

    Raises ValueError for an unknown name, or if a file of that name is damaged or something
    else; CheckFailed (a ValueError) if the draws fail a check: nothing is then written. OSError
    if the directory cannot be written, DirectoryInUse (an OSError) if another process builds in it.
    """
    found = entry(name)
    with Directory(directory).held():
        return _built(found, Path(directory), progress, say)


def _built(entry: Entry, folder: Path, progress: bool, say: Say) -> Path:
    """The netCDF file of an entry in a folder that is nobody else's now."""
    path = reference_files.netcdf_path(folder, entry.name)
    if path.exists():
        held = reference_files.read_reference(path)
        if held.attrs["entry"] == entry.as_json():
            if not reference_files.has_table(folder, entry.name, held):
                reference_files.write_table(folder, entry.name, held)
            say(f"{entry.name}: there already, {held.sizes['sample']:,} draws")
            return path
        say(f"{entry.name}: what is there is of another description, and is made again")
    reference_files.write_reference(folder, entry.name, _made(entry, progress, say))
    return path


def _made(entry: Entry, progress: bool, say: Say) -> "xr.Dataset":
    target, x_test = posterior(entry)
    say(f"{entry.name}: {entry.num_samples:,} draws by {entry.method}")
    draws = rejection.sample(
        key_of_seed(entry.seed),
        target,
        num_samples=entry.num_samples,
        bound=entry.bound,
        progress=progress,
    )
    data, started = _values(draws, x_test), time.perf_counter()
    info = draws.info
    say(
        f"{entry.name}: drawn in {info.seconds:.0f} s, one in {1 / info.acceptance_rate:.3g} "
        "proposals accepted; now the checks"
    )
    key = jax.random.fold_in(key_of_seed(entry.seed), _CHECKS)
    found = reference_checks.checked(key, target, draws, data)
    seconds = time.perf_counter() - started
    say(f"{entry.name}: passed {len(found)} checks in {seconds:.0f} s")
    return data.assign_attrs(
        **_description(entry, target),
        checks=json.dumps([dataclasses.asdict(check) for check in found]),
    )


def _values(draws: Draws, x_test: Float[np.ndarray, "m d"]) -> "xr.Dataset":
    """The reference that draws make, with their proposal numbers and the targets."""
    return reference_arrays(draws, x_test).assign(
        proposal_number=(("sample",), draws.proposal_numbers),
        y=(("train_point", "target"), draws.posterior.targets),
    )


def _description(entry: Entry, posterior: Posterior) -> dict[str, object]:
    """What the draws are of, and with what they were made."""
    return {
        "name": entry.name,
        "summary": entry.summary,
        "method": entry.method,
        "seed": entry.seed,
        "entry": entry.as_json(),
        "network": json.dumps(to_spec(posterior.network)),
        "likelihood": json.dumps(entry.likelihood),
        "versions": json.dumps(versions()),
        "processor": processor(),
    }


def load(name: str | Entry, directory: str | os.PathLike[str] = DIRECTORY) -> "xr.Dataset":
    """The reference of this name that was built in a directory, with its record as attributes.

    f [sample, point, output] at x_test [point, feature], f_train [sample, train_point, output] at
    x_train, y [train_point, target], log_weight [sample], in nats, and proposal_number [sample].
    Where the readout was integrated out, f_mean, f_variance and f_train_mean, f_train_variance:
    of the Gaussian that each draw's values are from, as `Draws.mixture` gives it.
    Raises FileNotFoundError if it was not built; ValueError for an unknown name, or a file that is
    damaged, something else, or of an older description.
    """
    found = entry(name)
    path = reference_files.netcdf_path(Path(directory), found.name)
    cure = f"bnnpost zoo build {found.name} --out {directory}"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: build it first with {cure}")
    data = reference_files.read_reference(path)
    if data.attrs["entry"] != found.as_json():
        raise ValueError(f"{path} is of another description of {found.name}: run {cure}")
    return data


def plain_record(data: "xr.Dataset") -> dict[str, object]:
    """The record of a reference as plain data: what it is, how it was made, what was checked."""
    return {str(name): _plain(value) for name, value in data.attrs.items()}


def _plain(value: Any) -> object:
    if not isinstance(value, str):
        return value.item() if hasattr(value, "item") else value
    try:
        return json.loads(value)
    except ValueError:  # a text, and no JSON
        return value
