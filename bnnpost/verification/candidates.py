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

from bnnpost.draws import Draws, Ensemble, load
from bnnpost.draws.netcdf import FORMAT
from bnnpost.numerics.random import require_key
from bnnpost.storage import read_array, read_arrays, read_tree
from bnnpost.verification import trees
from bnnpost.verification.columns import from_columns, read_csv
from bnnpost.verification.sets import (
    TEST,
    TRAIN,
    Candidate,
    Values,
    columns_of,
    equally_weighted,
    in_one_chain,
    side_by_side,
)
from bnnpost.verification.shapes import PLACES, Sizes, check_inputs, fit, named, numbers
from bnnpost.verification.trees import Contents
from bnnpost.verification.unusable import check_moving, check_unrepeated, check_usable

if TYPE_CHECKING:
    import xarray as xr

_ENDINGS = ".npz, .npy, .nc (netCDF) or .csv"
# What numpy raises for a damaged file or for one that only pickle could read.
_DAMAGED = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
_WEIGHTS = ("log_weight", "log_weights")
_INDEPENDENT = ("exact", "capped", "prior", "ensemble")
_RESAMPLED = (
    "the candidate repeats some of its draws: it was resampled by its weights, and repeats look "
    "like a chain that stands still. Give the weighted draws themselves (Draws, Draws.save)"
)
_THIN = 0x7468696E
_ACCEPTED = (
    "an array, a mapping or file of arrays f and f_train, a CSV file, an ArviZ object or its "
    "netCDF file, a numpyro MCMC object, or bnnpost.Draws or an ensemble"
)


def read_file(path: Path) -> object:
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
    # Other versions of our own format too: `load` says what is wrong with them.
    if str(tree.attrs.get("format", "")).startswith(FORMAT.rsplit(" ", 1)[0]):
        return load(path)
    return tree


def candidate_of(
    given: object,
    *,
    num_test: int | None,
    num_train: int,
    num_outputs: int,
    x_test: Float[np.ndarray, "m *f"] | None = None,
    x_train: Float[np.ndarray, "n *f"] | None = None,
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
    an ensemble of `bnnpost.ensemble.sample`.
    num_test: None where there are no test inputs. num_train: 0 where the reference has no values at
    the training inputs; then the candidate's are left out. x_test, x_train [point, feature]:
    against which those of a candidate that knows its own are checked. key: by which weighted draws
    are made equally weighted, each kept with probability weight / largest weight, none twice.
    may_repeat: let constants and repeated draws pass, for `compared` to judge, which knows whether
    the posterior has them too.

    Raises ValueError for values that cannot be compared: of other shape, at other inputs, not
    finite, constant, resampled or none at all; FileNotFoundError; TypeError for anything else.
    """
    sizes = Sizes(num_test, num_train, num_outputs, x_test, x_train)
    key = jax.random.fold_in(jax.random.key(0), _THIN) if key is None else require_key(key)
    origin, contents = _read(given, sizes)
    found = _finished(contents, key, may_repeat)
    if isinstance(given, Candidate):
        return dataclasses.replace(found, source=origin)
    places = " and ".join(f"{v.shape[2]} {PLACES[name]}" for name, v in found.values.items())
    return dataclasses.replace(found, source=f"{origin}, at {places} inputs")


def _read(given: object, sizes: Sizes) -> tuple[str, Contents]:
    """What was given in words, and what is in it."""
    if isinstance(given, Candidate):
        return given.source, _of_candidate(given, sizes)
    if isinstance(given, str | os.PathLike):
        path = Path(given)
        origin, contents = _read(_from_file(path, sizes.num_outputs), sizes)
        return f"{path.name}, {origin}", contents
    if isinstance(given, Draws):
        return repr(given), _of_draws(given, sizes)
    if isinstance(given, Ensemble):
        return repr(given), Contents(_function_values(given, sizes), "ensemble")
    if callable(getattr(given, "get_samples", None)):
        return "numpyro MCMC", _of_mcmc(given, sizes)
    if trees.is_tree(given):
        return "labelled arrays", trees.of_tree(given, sizes)
    if trees.is_dataset(given):
        return "labelled arrays", trees.of_dataset(given, sizes)  # type: ignore[arg-type]
    if hasattr(given, "to_numpy") and hasattr(given, "columns"):
        return "table", _of_mapping(_of_table(given), sizes)
    if isinstance(given, Mapping):
        return "arrays", _of_mapping(given, sizes)
    if isinstance(given, list | tuple) or hasattr(given, "__array__"):
        name, array = fit("the candidate", given, sizes)
        return "array", Contents({name: array}, notes=_ambiguous([name], sizes))
    raise TypeError(f"expected the candidate to be {_ACCEPTED}, got {type(given).__name__}")


def _from_file(path: Path, num_outputs: int) -> object:
    found = read_file(path)
    if isinstance(found, np.ndarray) and path.suffix.lower() == ".csv":
        # Without a header: all outputs of a point beside each other.
        whole = found.shape[1] % num_outputs == 0
        return found.reshape(len(found), -1, num_outputs) if whole else found
    return found


def _of_candidate(given: Candidate, sizes: Sizes) -> Contents:
    values = {name: fit(name, v, sizes, names=(name,))[1] for name, v in given.values.items()}
    evidence = None
    if given.log_evidence is not None and given.log_evidence_se is not None:
        evidence = given.log_evidence, given.log_evidence_se
    return Contents(values, "exact" if given.independent else None, None, evidence, given.notes)


def _of_table(table: Any) -> Mapping[str, object]:
    """Of a data frame: the same columns as in a CSV file."""
    header = [str(name) for name in table.columns]
    return from_columns("the table", header, numbers("the table", table.to_numpy()))


def _of_mapping(given: Mapping[Any, object], sizes: Sizes) -> Contents:
    arrays = {str(name): array for name, array in given.items()}
    found = [arrays.pop(name) for name in _WEIGHTS if name in arrays]
    weights = numbers("log_weight", found[0]).ravel() if found else None
    values, notes = named(arrays, sizes)
    return Contents(values, None, weights, None, (*notes, *_ambiguous(list(values), sizes)))


def _ambiguous(names: list[str], sizes: Sizes) -> tuple[str, ...]:
    """A note where values at the training inputs would have looked the same."""
    if names != [TEST] or sizes.num_test != sizes.num_train:
        return ()
    return (
        f"values are taken to be at the test inputs, of which there are {sizes.num_test} as of "
        'training inputs: name them "f_train" if they are at those',
    )


def _of_mcmc(mcmc: Any, sizes: Sizes) -> Contents:
    """Of a numpyro MCMC object that has run."""
    try:
        sites = mcmc.get_samples(group_by_chain=True)
    except (AssertionError, AttributeError, TypeError):
        sites = None
    if not sites:
        raise ValueError("the numpyro MCMC object holds no draws: run it first")
    values, notes = trees.of_numpyro(dict(sites), sizes)
    return Contents(values, notes=notes)


def _of_draws(draws: Draws, sizes: Sizes) -> Contents:
    """Values at the training inputs and, where there are some, at the test inputs."""
    info = draws.info
    if info.kind == "resampled":
        raise ValueError(_RESAMPLED)
    values = _function_values(draws, sizes, info.num_chains or 1)
    return Contents(values, info.kind, draws.log_weights, (info.log_evidence, info.log_evidence_se))


def _function_values(
    networks: Draws | Ensemble, sizes: Sizes, num_chains: int = 1
) -> dict[str, Values]:
    """Of networks that can be asked for them, as [chain, draw, point, output] by name."""
    outputs = networks.posterior.num_outputs
    if outputs != sizes.num_outputs:
        raise ValueError(f"expected draws with {sizes.num_outputs} output(s), got {outputs}")
    check_inputs(TRAIN, networks.posterior.x, sizes)
    arrays = {TRAIN: networks.training_outputs()} if sizes.num_train else {}
    if sizes.x_test is not None:
        arrays[TEST] = networks.predict(sizes.x_test)
    chained = {
        name: array.reshape(num_chains, -1, *array.shape[1:]) if len(networks) else array
        for name, array in arrays.items()
    }
    return named(chained, sizes)[0]


def _finished(contents: Contents, key: Array, may_repeat: bool) -> Candidate:
    """Checked, equally weighted, and in one chain if independent."""
    if contents.kind == "resampled":
        raise ValueError(_RESAMPLED)
    independent = contents.kind in _INDEPENDENT
    values, notes = dict(contents.values), contents.notes
    check_usable(values)
    if independent:
        values = in_one_chain(values)
    if not may_repeat:
        _check_changing(values, independent)
    if contents.log_weights is not None and np.ptp(contents.log_weights) != 0:
        values, note = equally_weighted(values, contents.log_weights, key)
        check_usable(values)
        if not may_repeat:
            _check_changing(values, independent)
        notes = (*notes, note)
    if not independent:
        notes = (*notes, *_short_chains(values))
    value, error = contents.log_evidence or (math.nan, math.nan)
    known = contents.kind != "prior" and math.isfinite(value) and math.isfinite(error)
    return Candidate(
        values, "", independent, value if known else None, error if known else None, notes
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
