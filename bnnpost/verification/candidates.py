"""Draws in question, whatever they are in: arrays, mappings, files, chains of other packages."""

import dataclasses
import math
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Array, Float

from bnnpost.arguments import real_array
from bnnpost.draws import Draws, Ensemble, draws_files
from bnnpost.draws.draws_files import FORMAT
from bnnpost.draws.info import INDEPENDENT
from bnnpost.networks.layers import Layer
from bnnpost.numerics.random import require_key
from bnnpost.storage import read_array, read_arrays, read_tree
from bnnpost.verification import trees
from bnnpost.verification.columns import from_columns, read_csv
from bnnpost.verification.parameter_values import PARAMETERS, is_parameters
from bnnpost.verification.sets import (
    TEST,
    TRAIN,
    Candidate,
    FromFile,
    Values,
    columns_of,
    equally_weighted,
    in_one_chain,
    side_by_side,
)
from bnnpost.verification.shapes import BARE, PLACES, Given, Sizes, check_inputs
from bnnpost.verification.unusable import check_moving, check_unrepeated, check_usable

if TYPE_CHECKING:
    import xarray as xr

_ENDINGS = ".npz, .npy, .nc (netCDF) or .csv"
# What numpy raises for a damaged file or for one that only pickle could read.
_DAMAGED = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
_ENSEMBLE = "ensemble"
_RESAMPLED = (
    "the candidate repeats some of its draws: it was resampled by its weights, and repeats look "
    "like a chain that stands still. Give the weighted draws themselves (Draws, Draws.save)"
)
_THIN = 0x7468696E
_ACCEPTED = (
    "an array, a mapping or file of arrays f and f_train, a CSV file, an ArviZ object or its "
    "netCDF file, a numpyro MCMC object, bnnpost.Draws, an ensemble, or parameters"
)


def read_values(path: Path) -> object:
    """What a file holds: an array, arrays by name, a tree of labelled arrays, or our own draws.

    Raises FileNotFoundError, or ValueError for a file of another kind or a damaged one.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder: expected a file in it, such as draws.nc")
    if not path.exists():
        raise FileNotFoundError(f"no file {path}")
    match path.suffix.lower():
        case ".npz" | ".npy":
            return _numpy(path)
        case ".nc" | ".netcdf" | ".nc4" | ".h5":
            return _netcdf(path)
        case ".csv":
            return read_csv(path)
    raise ValueError(f"{path}: expected a file name ending in {_ENDINGS}")


def _numpy(path: Path) -> "np.ndarray | Mapping[str, np.ndarray]":
    try:
        return read_array(path) if path.suffix.lower() == ".npy" else read_arrays(path)
    except _DAMAGED as error:
        raise ValueError(
            f"{path}: not a numpy file of plain numbers, or damaged: {error}"
        ) from error


def _netcdf(path: Path) -> "xr.DataTree | Draws":
    tree = read_tree(path)
    if tree.attrs.get("format") == FORMAT:
        return Draws(*draws_files.read(path, None, tree.to_dataset()))
    return tree


def with_contents(given: object) -> object:
    """What is in a file, with its path; anything else as it is. Raises as `read_values`."""
    if not isinstance(given, str | os.PathLike):
        return given
    path = Path(given)
    return FromFile(path, read_values(path))


def candidate_of(
    given: object,
    *,
    num_test: int | None,
    num_train: int,
    num_outputs: int,
    x_test: Float[np.ndarray, "m *f"] | None = None,
    x_train: Float[np.ndarray, "n *f"] | None = None,
    network: Layer | None = None,
    key: Array | None = None,
    may_repeat: bool = False,
) -> Candidate:
    """The function values in whatever a user has, as [chain, draw, point, output].

    given: a numpy or jax array [draw, point, output] or [chain, draw, point, output], the last
    axis may be missing for one output (where [draw, point, output] fits, as which it can be read,
    that is what it is), at the test inputs if it has `num_test` points, else at the training
    inputs; a mapping, .npz file or table with such arrays "f" (or "f_test") and "f_train" of the
    same draws, and perhaps "log_weight" [draw]; a .npy or CSV file; an ArviZ object of either
    generation or its netCDF file, a Dataset with dims chain and draw; a numpyro MCMC object, whose
    "f" is at the training inputs where it fits them; `bnnpost.Draws`, its file, or predictions.nc;
    an ensemble of `bnnpost.ensemble.sample`. Or parameters, where the network is known: as
    `network.init` gives them, [draw, …] or [chain, draw, …] of each, or a list of draws; arrays by
    the names of the sites of `hmc.model`; vectors of `Posterior.flat`, [draw, d] or [chain, draw,
    d]; in a mapping any of these as "parameters".
    num_test: None where there are no test inputs. num_train: 0 where the reference has no values at
    the training inputs; then the candidate's are left out. x_test, x_train [point, feature]:
    against which those of a candidate that knows its own are checked. network: that parameters are
    of. key: by which weighted draws
    are made equally weighted, each kept with probability weight / largest weight, none twice.
    may_repeat: let constants and repeated draws pass, for `compared` to judge, which knows whether
    the posterior has them too.

    Raises ValueError for values that cannot be compared: of other shape, at other inputs, not
    finite, constant, resampled or none at all; FileNotFoundError; TypeError for anything else.
    """
    sizes = Sizes(num_test, num_train, num_outputs, x_test, x_train, network)
    key = jax.random.fold_in(jax.random.key(0), _THIN) if key is None else require_key(key)
    held = _held(with_contents(given), sizes)
    found = _finished(held, sizes, key, may_repeat)
    if isinstance(given, Candidate):
        return dataclasses.replace(found, notes=(*given.notes, *found.notes))
    places = " and ".join(f"{v.shape[2]} {PLACES[name]}" for name, v in found.values.items())
    return dataclasses.replace(found, source=f"{held.origin}, at {places} inputs")


def _held(given: object, sizes: Sizes) -> Given:
    """What was given, whatever it is in."""
    if isinstance(given, Candidate):
        kind, se = "exact" if given.independent else None, given.log_evidence_se
        known = given.log_evidence is not None and se is not None
        evidence = (given.log_evidence, se) if known else None
        return Given(given.source, given.values, kind=kind, log_evidence=evidence)  # type: ignore[arg-type]
    if isinstance(given, FromFile):
        held = _held(_from_file(given, sizes.num_outputs), sizes)
        return dataclasses.replace(held, origin=f"{given.path.name}, {held.origin}")
    if isinstance(given, Draws):
        return _of_draws(given, sizes)
    if isinstance(given, Ensemble):
        return Given(repr(given), _function_values(given, sizes), kind=_ENSEMBLE)
    if callable(getattr(given, "get_samples", None)):
        sites = _sites(given)
        return Given("numpyro MCMC", sites, is_numpyro=PARAMETERS not in sites)
    if trees.is_tree(given):
        return trees.of_tree(given)
    if trees.is_dataset(given):
        return trees.of_dataset(given)  # type: ignore[arg-type]
    if hasattr(given, "to_numpy") and hasattr(given, "columns"):
        return Given("table", _of_table(given))
    if isinstance(given, Mapping):
        return Given("arrays", given)
    if is_parameters(given):
        return Given(PARAMETERS, {PARAMETERS: given})
    if isinstance(given, list | tuple) or hasattr(given, "__array__"):
        return Given("array", {BARE: given})
    raise TypeError(f"expected the candidate to be {_ACCEPTED}, got {type(given).__name__}")


def _from_file(given: FromFile, num_outputs: int) -> object:
    found = given.contents
    if isinstance(found, np.ndarray) and given.path.suffix.lower() == ".csv":
        # Without a header: all outputs of a point beside each other.
        whole = found.shape[1] % num_outputs == 0
        return found.reshape(len(found), -1, num_outputs) if whole else found
    return found


def _of_table(table: Any) -> Mapping[str, object]:
    """Of a data frame: the same columns as in a CSV file."""
    header = [str(name) for name in table.columns]
    return from_columns("the table", header, real_array("the table", table.to_numpy()))


def _sites(mcmc: Any) -> Mapping[str, object]:
    """Of a numpyro MCMC object that has run."""
    try:
        sites = mcmc.get_samples(group_by_chain=True)
    except (AssertionError, AttributeError, TypeError):
        sites = None
    if not sites:
        raise ValueError("the numpyro MCMC object holds no draws: run it first")
    # Of a potential_fn of parameters, these themselves.
    return dict(sites) if isinstance(sites, Mapping) else {PARAMETERS: sites}


def _of_draws(draws: Draws, sizes: Sizes) -> Given:
    """Values at the training inputs and, where there are some, at the test inputs."""
    info = draws.info
    if info.kind == "resampled":
        raise ValueError(_RESAMPLED)
    arrays = _function_values(draws, sizes, info.num_chains or 1)
    arrays["log_weight"] = draws.log_weights
    evidence = (info.log_evidence, info.log_evidence_se)
    return Given(repr(draws), arrays, kind=info.kind, log_evidence=evidence)


def _function_values(
    networks: Draws | Ensemble, sizes: Sizes, num_chains: int = 1
) -> dict[str, np.ndarray]:
    """Of networks that can be asked for them, as [chain, draw, point, output] by name."""
    outputs = networks.posterior.num_outputs
    if outputs != sizes.num_outputs:
        raise ValueError(f"expected draws with {sizes.num_outputs} output(s), got {outputs}")
    check_inputs(TRAIN, networks.posterior.x, sizes)
    arrays = {TRAIN: networks.training_outputs()} if sizes.num_train else {}
    if sizes.x_test is not None:
        arrays[TEST] = networks.predict(sizes.x_test)
    return {
        name: array.reshape(num_chains, -1, *array.shape[1:]) if len(networks) else array
        for name, array in arrays.items()
    }


def _finished(held: Given, sizes: Sizes, key: Array, may_repeat: bool) -> Candidate:
    """Checked, equally weighted, and in one chain if independent."""
    values, log_weights, notes = held.values(sizes)
    if held.kind == "resampled":
        raise ValueError(_RESAMPLED)
    independent = held.kind in (*INDEPENDENT, _ENSEMBLE)
    check_usable(values)
    if independent:
        values = in_one_chain(values)
    if not may_repeat:
        _check_changing(values, independent)
    if log_weights is not None and np.ptp(log_weights) != 0:
        values, note = equally_weighted(values, log_weights, key)
        check_usable(values)
        if not may_repeat:
            _check_changing(values, independent)
        notes = (*notes, note)
    if not independent:
        notes = (*notes, *_short_chains(values))
    value, error = held.log_evidence or (math.nan, math.nan)
    known = held.kind != "prior" and math.isfinite(value) and math.isfinite(error)
    return Candidate(
        values, held.origin, independent, value if known else None, error if known else None, notes
    )


def _check_changing(values: Mapping[str, Values], independent: bool) -> None:
    names = [name for name in (TEST, TRAIN) if name in values]
    flat = side_by_side(values, names)
    shapes = {name: (values[name].shape[2], values[name].shape[3]) for name in names}
    check_moving(flat, list(columns_of(shapes)))
    check_unrepeated(flat, independent)


def _short_chains(values: Mapping[str, Values]) -> tuple[str, ...]:
    """A note where chains and draws may have been taken for each other."""
    chains, draws = next(iter(values.values())).shape[:2]
    if chains <= draws:
        return ()
    return (f"read as {chains:,} chains of {draws:,} draws: chains come first, then draws",)
