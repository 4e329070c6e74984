"""Function values in labelled arrays: ArviZ objects of both generations, and our own files."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bnnpost.verification.sets import TEST, TRAIN
from bnnpost.verification.shapes import CHAINS, Given

if TYPE_CHECKING:
    import xarray as xr

_ORIGIN = "labelled arrays"
# Of posterior draws first; draws from the prior are a candidate like any other.
_GROUPS = ("posterior", "prior")
_INPUTS = {"x_test": TEST, "x_train": TRAIN}
# Under which our own views hold test inputs; others may mean anything by it.
_OUR_INPUTS = "x"


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


def of_tree(tree: Any) -> Given:
    """Of an ArviZ object: group posterior (or prior), with dims chain and draw.

    Raises ValueError where there are none.
    """
    groups = {name: group for name in _group_names(tree) if (group := _group(tree, name)).data_vars}
    chosen = next((name for name in _GROUPS if name in groups), None)
    if chosen is None:
        # A file without groups, such as predictions.nc, opened as a tree.
        if "" in groups:
            return of_dataset(groups[""])
        raise ValueError(
            f"expected a group posterior with function values, got {', '.join(groups) or 'none'}"
        )
    attributes = {**dict(tree.attrs), **groups[chosen].attrs}
    return of_dataset(groups[chosen].assign_attrs(attributes), groups.get("constant_data"))


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


def of_dataset(data: "xr.Dataset | xr.DataArray", constants: "xr.Dataset | None" = None) -> Given:
    """Of labelled arrays with dims chain and draw, or sample, before points and outputs.

    constants: in which there may be inputs besides.
    """
    import xarray as xr

    if isinstance(data, xr.DataArray):
        data = data.to_dataset(name=data.name or TEST)
    if {"chain", "draw"} <= set(data.coords) and "sample" in data.indexes:
        data = data.unstack("sample")  # what `arviz.extract` gives
    kind, evidence = _record(data.attrs)
    # Chains of ours may be stored one after another.
    in_a_row = int(json.loads(data.attrs["chains"])["num_chains"]) if kind == "chain" else 1
    found = {str(name): _array(data[name], in_a_row) for name in data.data_vars}
    arrays = {name: array for name, array in found.items() if array is not None}
    inputs = dict(_inputs(data.drop_vars(list(arrays)), kind is not None))
    if constants is not None:
        inputs |= dict(_inputs(constants, kind is not None))
    is_numpyro = data.attrs.get("inference_library") == "numpyro"
    if not is_numpyro:
        arrays.pop("proposal_number", None)
    return Given(_ORIGIN, arrays, CHAINS, kind, evidence, inputs, is_numpyro)


def _inputs(data: "xr.Dataset", is_ours: bool) -> Iterator[tuple[str, np.ndarray]]:
    for name, of in {**_INPUTS, **({_OUR_INPUTS: TEST} if is_ours else {})}.items():
        if name in data:
            yield of, data[name].values


def _array(variable: "xr.DataArray", in_a_row: int) -> np.ndarray | None:
    """A variable as [chain, draw, …]; None if it has neither chains and draws nor samples."""
    first = [dim for dim in ("chain", "draw", "sample") if dim in variable.dims]
    if first not in (["chain", "draw"], ["draw"], ["sample"]):
        return None
    array: np.ndarray = variable.transpose(*first, ...).values
    if first[0] == "chain":
        return array
    chains = in_a_row if first == ["sample"] else 1
    return array.reshape(chains, -1, *array.shape[1:])


def _record(attributes: Mapping[str, Any]) -> tuple[str | None, tuple[float, float] | None]:
    """Kind and log evidence in the attributes that our own views and files have."""
    if not {"kind", "num_proposals", "layer_forms"} <= set(attributes):
        return None, None
    evidence = (float(attributes[name]) for name in ("log_evidence", "log_evidence_se"))
    return str(attributes["kind"]), (next(evidence), next(evidence))
