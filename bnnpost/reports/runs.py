"""What lies in a sweep's directory, read as it is, finished or not."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnnpost.storage.directory import STATUS
from bnnpost.sweeps import expectations
from bnnpost.sweeps.directory import CONFIG, RESULTS, RunDirectory
from bnnpost.sweeps.errors import ConfigError
from bnnpost.sweeps.expectations import Expectation
from bnnpost.sweeps.results import THEORY, rates
from bnnpost.sweeps.run import read_width

if TYPE_CHECKING:
    import xarray as xr


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
    return held.exists() and not (path / "run.json").exists() and "widths" in read_json(held)


def read_sweep(path: Path, stored: "xr.DataTree | None" = None) -> Sweep:
    """A sweep from its directory, or from its results.nc alone. Raises ValueError, OSError.

    stored: its results, where they were read already.
    """
    if path.is_file():
        alone = open_tree(path)
        return Sweep(path, json.loads(alone.attrs["config"]), {}, alone)
    status = read_json(path / STATUS) if (path / STATUS).exists() else {}
    unread: list[str] = []
    found: dict[int, xr.Dataset] = {}
    held = path / RESULTS
    if stored is None and held.exists():
        stored = open_tree(held)
    config = json.loads(stored.attrs["config"]) if stored is not None else read_json(path / CONFIG)
    for width in config["widths"]:
        file = RunDirectory(path).width_file(width)
        if not file.exists():
            continue
        try:
            found[width] = read_width(file, config)
        except (OSError, ConfigError) as error:
            unread.append(str(error))
    infos = {width: plain(one.attrs) for width, one in found.items()}
    tree = _so_far(found, config) if stored is None and found else stored
    done = () if tree is None else tree["distances"].to_dataset()["width"].values
    missing = tuple(width for width in config["widths"] if width not in done)
    expected = expectations.read(path)
    return Sweep(path, config, status, tree, missing, infos, expected, tuple(unread))


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


def open_tree(path: Path) -> "xr.DataTree":
    """A netCDF file. Raises ValueError for a damaged one or one of something else."""
    import xarray as xr

    try:
        with xr.open_datatree(path, engine="h5netcdf") as opened:
            return opened.load()
    except Exception as error:  # h5py raises almost anything for a damaged file
        raise ValueError(f"{path} is not a netCDF file, or is damaged: {error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """Keys and values of a file. Raises ValueError for anything else, FileNotFoundError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} cannot be read: expected keys and values")
    return found


def plain(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """Attributes of a file, what was encoded as JSON decoded: true, false, null and tables."""
    return {str(name): _decoded(value) for name, value in attributes.items()}


def _decoded(value: Any) -> Any:
    if isinstance(value, str) and (value in ("true", "false", "null") or value[:1] == "{"):
        return json.loads(value)
    return value.item() if hasattr(value, "item") else value
