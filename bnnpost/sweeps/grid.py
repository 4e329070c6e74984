"""A grid from TOML: a configuration in which settings take several values."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnpost.arguments import shown
from bnnpost.naming import unknown
from bnnpost.samplers.methods import METHODS
from bnnpost.sweeps import laws
from bnnpost.sweeps.config import (
    GRID,
    ConfigError,
    SweepConfig,
    beside,
    config_of,
    known_keys,
    read_toml,
    with_flags,
)
from bnnpost.sweeps.grid_cells import Cell, Grid, Label, settings_text
from bnnpost.sweeps.identity import content_digest, located

_NAME = "name"
# Each is a run of its own, and takes milliseconds to be read.
MOST_CELLS = 5_000
# Draws of which a comparison by the draws alone makes blocks.
_FEWEST = 200
# The axis that every cell has, over which rates are fitted.
_WIDTHS = "widths"


@dataclass(frozen=True)
class Axis:
    """One thing that varies: a label for each of its values, and the settings these stand for."""

    name: str
    labels: tuple[Label, ...]
    settings: tuple[Mapping[str, object], ...]


def load_grid(source: str | Path | None, overrides: Mapping[str, object]) -> Grid:
    """The grid of a TOML file (or of a shipped one by its name), flags on top.

    Its table `grid` has a list of values for each setting that varies; settings that vary
    together are a list of tables, [[grid.prior]], each with a name. Without the table there is
    one cell. Raises ConfigError for what `load_config` refuses, a list that is empty, a setting
    that is both in the grid and beside it, or two cells with the same settings; DataError for a
    data file that cannot be read.
    """
    values = {} if source is None else read_toml(source)
    return grid_of(values, overrides, source)


def grid_of(
    values: Mapping[str, object],
    overrides: Mapping[str, object] | None = None,
    source: str | Path | None = None,
) -> Grid:
    """The same from keys and values, as a notebook has them."""
    base, table = dict(values), values.get(GRID)
    base.pop(GRID, None)
    base = beside(base, source)
    if GRID not in values:
        config = comparable(located(config_of(with_flags(base, overrides or {}), source)))
        return Grid((), (Cell({}, config.as_dict(), content_digest(config)),))
    axes = _axes(table)
    _check_apart(axes, base, overrides or {})
    count = math.prod(len(axis.labels) for axis in axes)
    if count > MOST_CELLS:
        sizes = " × ".join(f"{axis.name} {len(axis.labels):,}" for axis in axes)
        raise ConfigError(
            f"grid: expected at most {MOST_CELLS:,} cells, got {count:,} ({sizes}): leave some "
            "values out, or make several grids of it"
        )
    base = with_flags(base, overrides or {})
    cells = tuple(
        _cell(settings, with_flags(base, beside(given, source)))
        for settings, given in _product(axes)
    )
    _check_different(cells)
    return Grid(tuple(axis.name for axis in axes), cells)


def comparable(config: SweepConfig) -> SweepConfig:
    """A configuration whose draws can be compared with the limit. Raises ConfigError for others."""
    method = config.method
    if not method.independent:
        names = ", ".join(name for name, kind in METHODS.items() if kind.independent)
        raise ConfigError(
            f"method: expected one of {names} for a sweep, got {method.name}, whose draws are "
            "dependent; bnnpost sample takes it"
        )
    if method.by_proposals:
        return config
    if config.num_samples < _FEWEST:
        raise ConfigError(
            f"num_samples: expected at least {_FEWEST} for the standard errors of a comparison by "
            f"the draws alone, got {config.num_samples}"
        )
    if config.made_likelihood().known_std is None:
        raise ConfigError(
            f"likelihood: a sweep by {method.name} chains is compared by its draws with a limit in "
            "closed form, which there is under Gaussian noise of known size; bnnpost sample "
            f"--method {method.name} takes any likelihood"
        )
    return config


def _product(axes: Sequence[Axis]) -> Iterator[tuple[dict[str, Label], dict[str, object]]]:
    for places in itertools.product(*(range(len(axis.labels)) for axis in axes)):
        chosen = list(zip(axes, places, strict=True))
        settings: dict[str, object] = {}
        for axis, i in chosen:
            settings |= axis.settings[i]
        yield {axis.name: axis.labels[i] for axis, i in chosen}, settings


def _cell(settings: dict[str, Label], values: dict[str, object]) -> Cell:
    try:
        config = comparable(located(config_of(values)))
        return Cell(settings, config.as_dict(), content_digest(config))
    except ConfigError as error:
        raise ConfigError(f"grid, {settings_text(settings)}: {error}") from None


def _axes(table: object) -> list[Axis]:
    if not isinstance(table, Mapping) or not table:
        raise ConfigError(
            f"grid: expected a table of settings with lists of values, got {shown(table)}"
        )
    known = [name for name in known_keys({}) if name != _WIDTHS]
    return [_axis(str(name), values, known) for name, values in table.items()]


def _axis(name: str, values: object, known: list[str]) -> Axis:
    if name == _WIDTHS:
        raise ConfigError(
            "grid: widths are no axis of it, since every cell is run at all of them and rates are "
            "fitted over them; put widths before [grid]"
        )
    if not isinstance(values, list | tuple) or not values:
        raise ConfigError(f"grid: expected a list of values for {name}, got {shown(values)}")
    if all(isinstance(one, Mapping) and _NAME in one for one in values):
        return _named(name, values, known)
    if name not in known:
        message = unknown("configuration key", name, known)
        raise ConfigError(
            f"grid: {message}; what varies together is a list of tables, [[grid.{name}]], each "
            "with a name"
        )
    return Axis(name, _labels(values), tuple({name: one} for one in values))


def _named(axis: str, entries: Sequence[Mapping[str, object]], known: list[str]) -> Axis:
    for entry in entries:
        if not isinstance(entry[_NAME], str | int | float):
            raise ConfigError(
                f"grid.{axis}: expected a name that is a word, got {shown(entry[_NAME])}"
            )
        for key in entry:
            if key not in (*known, _NAME):
                raise ConfigError(f"grid.{axis}: {unknown('configuration key', key, known)}")
    labels = tuple(entry[_NAME] for entry in entries)
    if len(set(labels)) < len(labels):
        raise ConfigError(
            f"grid.{axis}: expected different names, got {', '.join(map(str, labels))}"
        )
    settings = tuple({k: v for k, v in entry.items() if k != _NAME} for entry in entries)
    return Axis(axis, labels, settings)  # type: ignore[arg-type]


def _labels(values: Sequence[object]) -> tuple[Label, ...]:
    """Values as they are shown: numbers and words as they are, laws and layers in a line."""
    labels = [_label(one) for one in values]
    if len(set(map(str, labels))) == len(labels):
        return tuple(labels)
    return tuple(f"{label} ({i})" for i, label in enumerate(labels, start=1))


def _label(value: object) -> Label:
    if isinstance(value, Mapping):
        return laws.text(value) if {"law", "fixed", "type"} & {*value} else str(dict(value))
    if isinstance(value, list | tuple):
        types = [str(one.get("type")) if isinstance(one, Mapping) else str(one) for one in value]
        return "-".join(types)
    return value if isinstance(value, str | int | float | bool) else str(value)


def _check_apart(
    axes: Sequence[Axis], base: Mapping[str, object], overrides: Mapping[str, object]
) -> None:
    """Raise ConfigError if a setting is on two axes, or on one and beside the grid."""
    owner: dict[str, str] = {}
    for axis in axes:
        for key in {key for settings in axis.settings for key in settings}:
            if key in owner:
                raise ConfigError(f"grid: {key} is set by both {owner[key]} and {axis.name}")
            owner[key] = axis.name
    for key in owner:
        if key in base:
            raise ConfigError(f"{key} is both in the grid and beside it: leave one of them out")
        if key in overrides:
            flag = key.replace("_", "-")
            raise ConfigError(f"{key} varies in the grid, so that --{flag} cannot be given as well")


def _check_different(cells: Sequence[Cell]) -> None:
    seen: dict[str, Cell] = {}
    for cell in cells:
        if cell.digest in seen:
            raise ConfigError(
                f"grid: two cells have the same settings: {seen[cell.digest].name} and {cell.name}"
            )
        seen[cell.digest] = cell
