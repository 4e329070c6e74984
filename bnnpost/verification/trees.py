"""Function values in labelled arrays: ArviZ objects of both generations, and our own files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from bnnpost.verification.sets import TEST, TRAIN, Values
from bnnpost.verification.shapes import CHAINS, Sizes, check_inputs, fits, named, numbers

if TYPE_CHECKING:
    import xarray as xr

# Of posterior draws first; draws from the prior are a candidate like any other.
_GROUPS = ("posterior", "prior")
_WEIGHTS = ("log_weight", "log_weights")
_INPUTS = {"x_test": TEST, "x_train": TRAIN}
# Under which our own views hold test inputs; others may mean anything by it.
_OUR_INPUTS = "x"


@dataclass(frozen=True)
class Contents:
    """What was found: values by name, log weights [draw] if draws have some, and a record.

    kind: of our own draws, as in `DrawsInfo`; None of anybody else's.
    """

    values: Mapping[str, Values]
    kind: str | None = None
    log_weights: Float[np.ndarray, " draw"] | None = None
    log_evidence: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


def is_tree(given: object) -> bool:
    """Whether this is an ArviZ object: an InferenceData (0.x) or a DataTree (1.x)."""
    import xarray as xr

    return isinstance(given, xr.DataTree) or type(given).__name__ == "InferenceData"


def is_dataset(given: object) -> bool:
    """Whether these are labelled arrays without groups, a single one with named draws."""
    import xarray as xr

    if isinstance(given, xr.DataArray):
        return bool({"draw", "sample"} & set(given.dims))
    return isinstance(given, xr.Dataset)


def of_tree(tree: Any, sizes: Sizes) -> Contents:
    """Of an ArviZ object: group posterior (or prior), with dims chain and draw.

    Raises ValueError where values are missing, do not fit, or are at other inputs.
    """
    groups = {name: group for name in _group_names(tree) if (group := _group(tree, name)).data_vars}
    chosen = next((name for name in _GROUPS if name in groups), None)
    if chosen is None:
        # A file without groups, such as predictions.nc, opened as a tree.
        if "" in groups:
            return of_dataset(groups[""], sizes)
        raise ValueError(
            f"expected a group posterior with function values, got {', '.join(groups) or 'none'}"
        )
    attributes = {**dict(tree.attrs), **groups[chosen].attrs}
    if "constant_data" in groups:
        _check_inputs(groups["constant_data"], attributes, sizes)
    return of_dataset(groups[chosen].assign_attrs(attributes), sizes)


def _check_inputs(data: "xr.Dataset", attributes: Mapping[str, Any], sizes: Sizes) -> None:
    ours = {_OUR_INPUTS: TEST} if _record(attributes)[0] else {}
    for name, of in {**_INPUTS, **ours}.items():
        if name in data:
            check_inputs(of, data[name].values, sizes)


def _group_names(tree: Any) -> list[str]:
    if hasattr(tree, "children"):
        return ["", *map(str, tree.children)]
    return [str(name) for name in tree.groups()]


def _group(tree: Any, name: str) -> "xr.Dataset":
    found: xr.Dataset
    if not hasattr(tree, "children"):
        found = tree[name]
    elif name:
        found = tree[name].to_dataset()
    else:
        found = tree.to_dataset()
    return found


def of_dataset(data: "xr.Dataset | xr.DataArray", sizes: Sizes) -> Contents:
    """Of labelled arrays with dims chain and draw, or sample, before points and outputs."""
    import xarray as xr

    if isinstance(data, xr.DataArray):
        data = data.to_dataset(name=data.name or TEST)
    if {"chain", "draw"} <= set(data.coords) and "sample" in data.indexes:
        data = data.unstack("sample")  # what `arviz.extract` gives
    arrays = {}
    for name in data.data_vars:
        array = _array(data, name)
        if array is not None:
            arrays[str(name)] = array
    _check_inputs(data.drop_vars(list(arrays)), data.attrs, sizes)
    weights = next((arrays.pop(name) for name in _WEIGHTS if name in arrays), None)
    if data.attrs.get("inference_library") == "numpyro":
        values, notes = of_numpyro(arrays, sizes)
    else:
        arrays = {n: a for n, a in arrays.items() if n != "proposal_number"}
        values, notes = named(arrays, sizes, readings=CHAINS)
    kind, evidence = _record(data.attrs)
    weights = None if weights is None else numbers("log_weight", weights).ravel()
    if kind == "chain" and "sample" in data.dims:
        values = _of_one_row(values, data.attrs)
    return Contents(values, kind, weights, evidence, notes)


def _array(data: "xr.Dataset", name: object) -> np.ndarray | None:
    """A variable as [chain, draw, …]; None if it has neither chains and draws nor samples."""
    variable = data[name]
    first = [dim for dim in ("chain", "draw", "sample") if dim in variable.dims]
    if first not in (["chain", "draw"], ["draw"], ["sample"]):
        return None
    array: np.ndarray = variable.transpose(*first, ...).values
    return array if first[0] == "chain" else array[None]


def _of_one_row(values: Mapping[str, Values], attributes: Mapping[str, Any]) -> dict[str, Values]:
    """Chains that were stored one after another."""
    chains = int(json.loads(attributes["chains"])["num_chains"])
    return {name: v.reshape(chains, -1, *v.shape[2:]) for name, v in values.items()}


def _record(attributes: Mapping[str, Any]) -> tuple[str | None, tuple[float, float] | None]:
    """Kind and log evidence in the attributes that our own views and files have."""
    if not {"kind", "num_proposals", "layer_forms"} <= set(attributes):
        return None, None
    evidence = (float(attributes[name]) for name in ("log_evidence", "log_evidence_se"))
    return str(attributes["kind"]), (next(evidence), next(evidence))


def of_numpyro(
    arrays: Mapping[str, object], sizes: Sizes
) -> tuple[dict[str, Values], tuple[str, ...]]:
    """Values from [chain, draw, …] by site: "f_train" and "f_test", else "f" by its shape.

    `hmc.model` records f at the training inputs, so that an f that fits these is taken for it.
    """
    if "f" in arrays and not {"f_train", "f_test"} & set(arrays):
        if fits(arrays["f"], sizes, TRAIN, CHAINS):
            values, _ = named({TRAIN: arrays["f"]}, sizes, readings=CHAINS)
            return values, ("f is taken to be at the training inputs, as hmc.model records it",)
        return named({TEST: arrays["f"]}, sizes, readings=CHAINS)
    known = {name: arrays[name] for name in ("f_train", "f_test", "f") if name in arrays}
    if {"f", "f_test"} <= set(known):
        del known["f"]
    return named(known or arrays, sizes, readings=CHAINS)
