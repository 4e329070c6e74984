"""Draws in one netCDF file: proposal numbers, weights, data and what was sampled."""

import dataclasses
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from bnnpost.draws.draws import Draws, DrawsInfo
from bnnpost.likelihoods import Gaussian, Likelihood
from bnnpost.networks.layers import Layer
from bnnpost.networks.specs import from_spec, to_spec
from bnnpost.posterior import Posterior
from bnnpost.spaces.space import Space

if TYPE_CHECKING:
    import xarray as xr

FORMAT = "bnnpost draws 1"


def save(draws: Draws, path: str | os.PathLike[str]) -> None:
    """Write draws to `path`, under a temporary name first, so that no half file is left.

    A network or likelihood with code of the user's own is not written: `load` then asks for
    the posterior. Raises FileNotFoundError if the folder does not exist.
    """
    import xarray as xr

    path = Path(path)
    space, posterior = draws.space, draws.posterior
    variables = {
        "proposal_number": (("sample",), draws.proposal_numbers),
        "log_weight": (("sample",), draws.log_weights),
        "x": (tuple(f"x_dim_{i}" for i in range(posterior.x.ndim)), posterior.x),
        "y": (("y_dim_0", "output"), posterior.targets),
        "key_data": (("key_word",), np.asarray(jax.random.key_data(draws.key)).ravel()),
    }
    attributes = {
        "format": FORMAT,
        "key_implementation": str(jax.random.key_impl(draws.key)),
        "network": json.dumps(_network_record(posterior.network)),
        "likelihood": json.dumps(_likelihood_record(posterior.likelihood)),
        "space": json.dumps(
            {
                name: getattr(space, name)
                for name in ("form", "collapse", "precision", "conditioned")
            }
        ),
        "info": json.dumps(dataclasses.asdict(draws.info)),
    }
    _write(xr.Dataset(variables, attrs=attributes), path)


def _write(dataset: "xr.Dataset", path: Path) -> None:
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {path.parent} to write {path.name} in: create it first")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        dataset.to_netcdf(temporary, engine="h5netcdf")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _network_record(network: Layer) -> object:
    try:
        return to_spec(network)
    except ValueError as error:
        return {"not_written": str(error)}


def _likelihood_record(likelihood: Likelihood) -> object:
    if type(likelihood) is Gaussian:
        return {"type": "Gaussian", "noise_std": float(likelihood.noise_std)}
    return {"not_written": f"{type(likelihood).__name__} is not one of bnnpost's likelihoods"}


def load(path: str | os.PathLike[str], *, posterior: Posterior | None = None) -> Draws:
    """Draws from a file that `Draws.save` wrote; nothing in it is executed.

    posterior: needed where the network or likelihood holds code of the user's own; its data
    must be the file's. Raises FileNotFoundError, or ValueError for a file that is not one of
    these, is damaged, or belongs to other data.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no file {path}")
    dataset = _read(path)
    if posterior is None:
        posterior = _posterior(path, dataset)
    elif not _same_data(posterior, dataset):
        raise ValueError(f"{path} holds draws for other data than those of the posterior given")
    key = jax.random.wrap_key_data(
        jnp.asarray(dataset["key_data"].values, jnp.uint32),
        impl=dataset.attrs["key_implementation"],
    )
    return Draws(
        Space(posterior, **json.loads(dataset.attrs["space"])),
        key,
        dataset["proposal_number"].values,
        dataset["log_weight"].values,
        DrawsInfo(**json.loads(dataset.attrs["info"])),
    )


def _read(path: Path) -> "xr.Dataset":
    import xarray as xr

    try:
        with xr.open_dataset(path, engine="h5netcdf") as opened:
            dataset = opened.load()
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is not a netCDF file, or is damaged: {error}") from error
    if dataset.attrs.get("format") != FORMAT:
        found = dataset.attrs.get("format", "none")
        raise ValueError(f"{path}: expected a file of format {FORMAT!r}, found {found!r}")
    return dataset


def _posterior(path: Path, dataset: "xr.Dataset") -> Posterior:
    network, likelihood = (json.loads(dataset.attrs[name]) for name in ("network", "likelihood"))
    for record in (network, likelihood):
        if isinstance(record, dict) and "not_written" in record:
            raise ValueError(f"{path}: {record['not_written']}; pass load(…, posterior=…)")
    num_outputs = dataset["y"].shape[1]
    return Posterior(
        from_spec(network, num_outputs=num_outputs),
        Gaussian(likelihood["noise_std"]),
        dataset["x"].values,
        dataset["y"].values,
    )


def _same_data(posterior: Posterior, dataset: "xr.Dataset") -> bool:
    return np.array_equal(posterior.x, dataset["x"].values) and np.array_equal(
        posterior.targets, dataset["y"].values
    )
