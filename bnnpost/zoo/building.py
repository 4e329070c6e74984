"""From a description to a reference on disk, checked, and back."""

import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import numpy as np
from jaxtyping import Float

from bnnpost.draws import Draws
from bnnpost.networks.specs import to_spec
from bnnpost.posterior import Posterior
from bnnpost.samplers import rejection
from bnnpost.storage import Directory, processor, versions
from bnnpost.verification.recorded import recorded
from bnnpost.zoo import checks, files
from bnnpost.zoo.entries import Entry
from bnnpost.zoo.problems import posterior_of

if TYPE_CHECKING:
    import xarray as xr

Say = Callable[[str], None]
# Folded into an entry's seed for the checks, so that they share no random number with its draws.
_CHECKS = 0x7A6F6F


def build(
    entry: Entry,
    directory: str | os.PathLike[str],
    *,
    progress: bool = False,
    say: Say = lambda message: None,
) -> Path:
    """Draw, check and write the reference of an entry; what is there already is kept.

    Writes NAME.nc and NAME.csv into the directory, which is made if need be, each whole or not
    at all. A reference of another description of the entry is made again. progress: a bar on
    stderr. Returns the path of the netCDF file.

    Raises ValueError if a file of that name is something else or damaged, CheckFailed (a
    ValueError) if a check fails; OSError if the directory cannot be written, DirectoryInUse (an
    OSError) if another process builds in it.
    """
    with Directory(directory).held():
        return _built(entry, Path(directory), progress, say)


def _built(entry: Entry, folder: Path, progress: bool, say: Say) -> Path:
    """The netCDF file of an entry in a folder that is nobody else's now."""
    path = files.netcdf_path(folder, entry.name)
    if path.exists():
        held = files.read(path)
        if held.attrs["entry"] == entry.as_json():
            if not files.has_table(folder, entry.name, held):
                files.write_table(folder, entry.name, held)
            say(f"{entry.name}: there already, {held.sizes['sample']:,} draws")
            return path
        say(f"{entry.name}: what is there is of another description, and is made again")
    files.write(folder, entry.name, _made(entry, progress, say))
    return path


def _made(entry: Entry, progress: bool, say: Say) -> "xr.Dataset":
    posterior, x_test = posterior_of(entry)
    say(f"{entry.name}: {entry.num_samples:,} draws by {entry.method}")
    draws = rejection.sample(
        jax.random.key(entry.seed),
        posterior,
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
    key = jax.random.fold_in(jax.random.key(entry.seed), _CHECKS)
    found = checks.checked(key, posterior, draws, data)
    seconds = time.perf_counter() - started
    say(f"{entry.name}: passed {len(found)} checks in {seconds:.0f} s")
    return data.assign_attrs(
        **_description(entry, posterior),
        checks=json.dumps([dataclasses.asdict(check) for check in found]),
    )


def _values(draws: Draws, x_test: Float[np.ndarray, "m d"]) -> "xr.Dataset":
    """The reference that draws make, with their proposal numbers and the targets."""
    return recorded(draws, x_test).assign(
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


def load(entry: Entry, directory: str | os.PathLike[str]) -> "xr.Dataset":
    """The reference of an entry that was built here.

    Raises FileNotFoundError if there is none, ValueError if it is damaged, something else or of
    another description of the entry.
    """
    path = files.netcdf_path(Path(directory), entry.name)
    cure = f"bnnpost zoo build {entry.name} --out {directory}"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: build it first with {cure}")
    data = files.read(path)
    if data.attrs["entry"] != entry.as_json():
        raise ValueError(f"{path} is of another description of {entry.name}: run {cure}")
    return data


def record(data: "xr.Dataset") -> dict[str, object]:
    """The record of a reference as plain data: what it is, how it was made, what was checked."""
    return dict(_plain(data))


def _plain(data: "xr.Dataset") -> Iterator[tuple[str, object]]:
    for name, value in data.attrs.items():
        if isinstance(value, str):
            try:
                yield str(name), json.loads(value)
            except ValueError:  # a text, and no JSON
                yield str(name), value
        else:
            yield str(name), value.item() if hasattr(value, "item") else value
