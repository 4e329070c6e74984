"""What lies in a sweep's directory, read as it is, finished or not."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnnpost.samplers.cost import Expectation
from bnnpost.samplers.methods import COUPLED
from bnnpost.samplers.warned import warn_user
from bnnpost.storage import (
    CONTENTS,
    RESULTS,
    STATUS,
    read_record,
    read_tree,
)
from bnnpost.sweeps import cell_directory
from bnnpost.sweeps.cell_directory import CONFIG, FORECAST, CellDirectory
from bnnpost.sweeps.results import OF_COUPLED, THEORY, rates

if TYPE_CHECKING:
    import xarray as xr

Reader = Callable[[Path], dict[str, Any]]
# Settings of a sweep that may be others than when its results were put together.
_MAY_DIFFER = ("widths", "data", "test_data")


@dataclass(frozen=True)
class Sweep:
    """A sweep's results as far as they are there.

    tree: as results.nc, or of what is finished; None if nothing is. missing: widths not run yet.
    infos: by width, the record of its draws, where the width's file is there. expected: by
    width. unread: what could not be read, and why.
    """

    path: Path
    config: Mapping[str, Any]
    status: Mapping[str, Any]
    tree: "xr.DataTree | None"
    missing: tuple[int, ...] = ()
    infos: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    expected: Mapping[int, Expectation] = field(default_factory=dict)
    unread: tuple[str, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether all that a sweep writes is there."""
        return self.tree is not None and not self.missing and "predictive" in self.tree.children


def is_sweep(path: Path) -> bool:
    """Whether a directory is a sweep's."""
    if (path / RESULTS).exists() or any(path.glob("width_*.nc")):
        return True
    held = path / CONFIG
    return held.exists() and not (path / "run.json").exists() and "widths" in read_record(held)


def read_sweep(path: Path, stored: "xr.DataTree | None" = None) -> Sweep:
    """A sweep from its directory, or from its results.nc alone. Raises ValueError, OSError.

    stored: its results, where they were read already. Of what could not be read a UserWarning says
    so.
    """
    if path.is_file():
        alone = read_tree(path)
        return Sweep(path, json.loads(alone.attrs["config"]), {}, alone)
    unread: list[str] = []
    status = _found(path / STATUS, read_record, unread)
    _found(path / CONTENTS, read_record, unread)
    held = path / RESULTS
    if stored is None and held.exists():
        stored = read_tree(held)
    config = read_record(path / CONFIG) if stored is None else json.loads(stored.attrs["config"])
    if stored is not None:
        _check_config(path / CONFIG, config, unread)
    found = _widths(path, config, _done(stored), unread)
    infos = {width: decoded(one.attrs) for width, one in found.items()}
    tree = _so_far(found, config) if stored is None and found else stored
    missing = tuple(width for width in config["widths"] if width not in _done(tree))
    expected = _expected(path, unread)
    if found and not expected and config.get("method") != COUPLED:
        unread.append(f"{FORECAST} is not there, or damaged: what was expected is not known")
    for sentence in unread:
        warn_user(sentence if str(path) in sentence else f"{path}: {sentence}")
    return Sweep(path, config, status, tree, missing, infos, expected, tuple(unread))


def _found(path: Path, reader: Reader, unread: list[str]) -> dict[str, Any]:
    """What a file of a sweep holds; empty where it is not there or damaged, which is then said."""
    try:
        return reader(path)
    except FileNotFoundError:
        unread.append(f"{path.name} is not there")
    except ValueError as error:
        unread.append(str(error))
    return {}


def _done(tree: "xr.DataTree | None") -> list[int]:
    """The widths of which there are results."""
    return [] if tree is None else list(tree["distances"].to_dataset()["width"].values)


def _widths(
    path: Path, config: Mapping[str, Any], done: list[int], unread: list[str]
) -> "dict[int, xr.Dataset]":
    """The results of widths that are there."""
    files = CellDirectory(path).widths(unread.append, config)
    found: dict[int, xr.Dataset] = {}
    for width in config["widths"]:
        file = files.path(width)
        if width in done and not file.exists():
            unread.append(f"{file.name} is not there: what its draws took is not known")
        try:
            results = files.results(width)
        except (OSError, ValueError) as error:
            unread.append(str(error))
        else:
            found |= {} if results is None else {width: results}
    return found


def _check_config(path: Path, config: Mapping[str, Any], unread: list[str]) -> None:
    """Say where config.json is not what the results were made with."""
    held = _found(path, read_record, unread)
    if held and "widths" not in held:
        unread.append(f"{path.name} holds no configuration: the results' own is shown")
    common = [name for name in held if name in config and name not in _MAY_DIFFER]
    differing = ", ".join(name for name in common if held[name] != config[name])
    if differing:
        unread.append(f"{path.name} has another {differing} than the results, whose own is shown")


def _expected(path: Path, unread: list[str]) -> dict[int, Expectation]:
    try:
        return cell_directory.read_expected(path)
    except ValueError as error:
        unread.append(str(error))
        return {}


def _so_far(found: "Mapping[int, xr.Dataset]", config: Mapping[str, Any]) -> "xr.DataTree":
    """Distances, rates and the draws' record of the widths that are there."""
    import xarray as xr

    names = [name for name in THEORY for name in (name, f"{name}_se")]
    widths = ("width", list(found))
    columns = {name: ("width", [float(one[name]) for one in found.values()]) for name in names}
    distances = xr.Dataset(columns, coords={"width": widths})
    kept = ("num_samples", "num_proposals", "acceptance_rate", "log_evidence", "log_evidence_se",
            "seconds")  # fmt: skip
    sampling = {n: ("width", [float(one.attrs[n]) for one in found.values()]) for n in kept}
    if all(one.attrs["kind"] == COUPLED for one in found.values()):
        pairs = [json.loads(one.attrs["coupled"]) for one in found.values()]
        sampling |= {n: ("width", [float(one[n]) for one in pairs]) for n in OF_COUPLED}
    groups = {
        "/distances": distances,
        "/rates": rates(distances),
        "/sampling": xr.Dataset(sampling, coords={"width": widths}),
    }
    for width, one in found.items():
        numbers = xr.Dataset({"proposal_number": one["proposal_number"]})
        groups[f"/width_{width}/sample_stats"] = numbers
    tree = xr.DataTree.from_dict(groups)
    first = next(iter(found.values())).attrs
    tree.attrs = {
        "kind": first["kind"],
        "versions": first["versions"],
        "device": first["device"],
        "precision": first["precision"],
        "seed": config["seed"],
    }
    return tree


def decoded(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """Attributes of a file, what was encoded as JSON decoded: true, false, null and tables."""
    return {str(name): _decoded(value) for name, value in attributes.items()}


def _decoded(value: Any) -> Any:
    if isinstance(value, str) and (value in ("true", "false", "null") or value[:1] == "{"):
        return json.loads(value)
    return value.item() if hasattr(value, "item") else value
