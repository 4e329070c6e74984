"""The configuration of a grid, from those of its cells, as TOML that can be run again."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from bnnpost.reports import config_toml, words
from bnnpost.summaries import Html, join
from bnnpost.summaries.parts import code, paragraphs
from bnnpost.sweeps.code import UntrustedCode, not_imported
from bnnpost.sweeps.config import SweepConfig, config_of
from bnnpost.sweeps.identity import as_recorded
from bnnpost.sweeps.loaded import CellResults, GridResults


def common(grid: GridResults) -> dict[str, Any]:
    """Settings that all cells share; those that are None say nothing."""
    first, *rest = _configs(grid)
    return {
        key: value
        for key, value in first.items()
        if value is not None and all(one.get(key) == value for one in rest)
    }


def grid_toml(grid: GridResults) -> str:
    """Shared settings, and a table `grid` of what varies.

    An axis is a list of its labels where they are the values of its setting; else tables of
    settings with the label as their name.
    """
    axes = {axis: _labels(grid, axis) for axis in grid.varying}
    plain = [axis for axis in axes if _is_plain(grid, axis)]
    shared = {name: value for name, value in common(grid).items() if name not in plain}
    for axis, labels in axes.items():
        if axis not in plain:
            axes[axis] = [{"name": one, **_settings_of(grid, axis, one)} for one in labels]
    table = [config_toml.line(axis, values) for axis, values in axes.items()]
    return "\n".join([config_toml.as_toml(shared), "[grid]", *table]) + "\n"


def _labels(grid: GridResults, axis: str) -> list[Any]:
    return list(dict.fromkeys(cell.settings[axis] for cell in grid.cells))


def _is_plain(grid: GridResults, axis: str) -> bool:
    """Whether the labels of an axis are values of the setting of that name, and all it stands for.

    Labels of layers or of a law's table are not, nor is a name that was given.
    """
    stands_for = {key for label in _labels(grid, axis) for key in _settings_of(grid, axis, label)}
    return stands_for <= {axis} and all(_is_label(cell, axis) for cell in grid.cells)


def _is_label(cell: CellResults, axis: str) -> bool:
    """Whether the label of an axis is what a cell has for that setting; a page runs no code."""
    label = cell.settings[axis]
    try:
        return _with(cell.config, axis, label) == cell.config
    except UntrustedCode:
        return cell.detail.cell.values.get(axis) == label


def _with(config: SweepConfig, name: str, value: Any) -> SweepConfig | None:
    """The configuration with another value; None where it cannot have that."""
    try:
        with not_imported(name):
            return config_of({**config.as_dict(), name: value})
    except (TypeError, ValueError):
        return None


def _configs(grid: GridResults) -> list[dict[str, Any]]:
    return [json.loads(json.dumps(_settings(cell))) for cell in grid.cells]


def _settings(cell: CellResults) -> Mapping[str, Any]:
    try:
        return cell.config.as_dict()
    except UntrustedCode:
        return as_recorded(cell.detail.cell.values)


def _settings_of(grid: GridResults, axis: str, label: object) -> dict[str, Any]:
    """Settings that a label of an axis stands for: what depends on that axis and varies with it."""
    configs, shared = _configs(grid), common(grid)
    found: dict[str, Any] = {}
    for key in dict.fromkeys(key for one in configs for key in one):
        if key in shared or all(one.get(key) is None for one in configs):
            continue
        values: dict[object, list[Any]] = {}
        for cell, one in zip(grid.cells, configs, strict=True):
            values.setdefault(cell.settings[axis], []).append(one.get(key))
        if all(v == several[0] for several in values.values() for v in several):
            value = values[label][0]
            if value is not None:
                found[key] = value
    return found


def common_sentence(grid: GridResults) -> str:
    """Data and noise where all cells share them."""
    shared: Mapping[str, Any] = common(grid)
    parts = []
    if "data" in shared:
        parts.append(f"data {shared['data']}")
    if "num_train" in shared:
        parts.append(f"{shared['num_train']:,} training points")
    if "noise_std" in shared:
        parts.append(f"noise std {shared['noise_std']:.4g}")
    if "likelihood" in shared:
        parts.append(words.likelihood(shared))
    if "num_samples" in shared:
        parts.append(f"{shared['num_samples']:,} draws at each width")
    return f"In common: {', '.join(parts)}." if parts else ""


def reproduce_grid(grid: GridResults) -> Html:
    """How all of it is run again."""
    again = shlex.quote(f"{grid.path}-again")
    return join(
        [
            paragraphs(
                "Save this as grid.toml and run the command below: the same draws and distances "
                "come out, up to the last bits where versions or device differ. Paths in it are "
                "relative to where the command is run."
            ),
            code(grid_toml(grid), "Configuration, grid.toml"),
            code(f"bnnpost sweep --config grid.toml --out {again}\n", "Command"),
        ]
    )
