"""The configuration of a grid, from those of its cells, as TOML that can be run again."""

import functools
import json
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from bnnpost.reports import config_toml, words
from bnnpost.summaries.summary import Block, Code, Paragraph
from bnnpost.sweeps.code import UntrustedCode, not_imported
from bnnpost.sweeps.config import SweepConfig, config_of
from bnnpost.sweeps.loaded import CellResults, GridResults


class GridSettings:
    """The settings of all cells of a grid: those they share, and what its axes stand for."""

    def __init__(self, grid: GridResults) -> None:
        self._cells, self._axes = grid.cells, grid.varying
        self._configs = [json.loads(json.dumps(_settings(cell))) for cell in grid.cells]

    @functools.cached_property
    def common(self) -> dict[str, Any]:
        """Settings that all cells share, but those that are None."""
        first, *others = self._configs
        return {
            key: value
            for key, value in first.items()
            if value is not None and all(config.get(key) == value for config in others)
        }

    def toml(self) -> str:
        """Return shared settings, and a table `grid` of what varies.

        An axis is a list of its labels where they are the values of its setting; else tables of
        settings with the label as their name.
        """
        by_axis = {axis: self._stands_for(axis) for axis in self._axes}
        shared, axes = dict(self.common), {}
        for axis, settings in by_axis.items():
            if self._is_plain(axis, settings.values()):
                shared.pop(axis, None)
                axes[axis] = list(settings)
            else:
                axes[axis] = [{"name": label, **own} for label, own in settings.items()]
        table = [config_toml.line(axis, values) for axis, values in axes.items()]
        return "\n".join([config_toml.as_toml(shared), "[grid]", *table]) + "\n"

    def _is_plain(self, axis: str, settings: Iterable[Mapping[str, Any]]) -> bool:
        """Return whether the labels of an axis are values of its setting, and all it stands for.

        Labels of layers or of a distribution's table are not, nor is a name that was given.
        """
        keys = {key for own in settings for key in own}
        return keys <= {axis} and all(_is_label(cell, axis) for cell in self._cells)

    def _stands_for(self, axis: str) -> dict[Any, dict[str, Any]]:
        """Return by label the settings that depend on an axis alone and vary with it."""
        by_label: dict[Any, list[dict[str, Any]]] = {}
        for cell, config in zip(self._cells, self._configs, strict=True):
            by_label.setdefault(cell.settings[axis], []).append(config)
        keys = dict.fromkeys(key for config in self._configs for key in config)
        varying = [key for key in keys if key not in self.common and self._depends(key, by_label)]
        return {
            label: {key: value for key in varying if (value := configs[0].get(key)) is not None}
            for label, configs in by_label.items()
        }

    def _depends(self, key: str, by_label: Mapping[Any, list[dict[str, Any]]]) -> bool:
        """Return whether a setting is not None everywhere, and the same for each label."""
        return any(config.get(key) is not None for config in self._configs) and all(
            config.get(key) == configs[0].get(key)
            for configs in by_label.values()
            for config in configs
        )

    def sentence(self) -> str:
        """Return data and noise where all cells share them, in a sentence."""
        shared, parts = self.common, []
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


def _is_label(cell: CellResults, axis: str) -> bool:
    """Return whether the label of an axis is what a cell has for that setting, running no code."""
    label = cell.settings[axis]
    try:
        return _with(cell.config, axis, label) == cell.config
    except UntrustedCode:
        return cell.detail.cell.values.get(axis) == label


def _with(config: SweepConfig, name: str, value: Any) -> SweepConfig | None:
    """Return the configuration with another value; None where it cannot have that."""
    try:
        with not_imported(name):
            return config_of({**config.as_dict(), name: value})
    except (TypeError, ValueError):
        return None


def _settings(cell: CellResults) -> Mapping[str, Any]:
    try:
        return cell.config.as_dict()
    except UntrustedCode:
        return cell.detail.cell.values


def reproduce_grid(grid: GridResults, settings: GridSettings) -> tuple[Block, ...]:
    """Return how all of a grid is run again."""
    again = shlex.quote(f"{grid.path}-again")
    return (
        Paragraph(
            "Save this as grid.toml and run the command below: the same draws and distances "
            "come out, up to the last bits where versions or device differ. Paths in it are "
            "relative to where the command is run."
        ),
        Code(settings.toml(), "Configuration, grid.toml"),
        Code(f"bnnpost sweep --config grid.toml --out {again}\n", "Command"),
    )
