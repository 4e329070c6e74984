"""The cells of a grid as plain data, which can be read and counted without building a network."""

import contextlib
import dataclasses
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bnnpost.sweeps.config import SweepConfig

Label = str | int | float | bool
# Of the settings in the name of a folder.
_LONGEST = 80


@dataclass(frozen=True)
class Cell:
    """One configuration of a grid, over all widths.

    settings: what varies, by axis, as it is shown. values: the configuration as it is written to
    files. digest: of all settings but the widths, data files by what is in them. source: the file
    that the values are from, for what is said of them. trusted: whether code that the values name
    may be run; that of a file that is read is not by itself.
    """

    settings: Mapping[str, Label]
    values: Mapping[str, object]
    digest: str
    source: Path | None = field(default=None, compare=False)
    trusted: bool = field(default=True, compare=False)

    @property
    def name(self) -> str:
        """The settings in a line; empty where nothing varies."""
        return settings_text(self.settings)

    @property
    def folder(self) -> str:
        """What its run directory is called: its settings, to be recognised, and its digest."""
        plain = re.sub(r"[^A-Za-z0-9.=]+", "-", self.name)[:_LONGEST].strip("-.")
        return f"{plain}-{self.digest}" if plain else self.digest

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths that it is run at."""
        return tuple(self.values["widths"])  # type: ignore[arg-type]

    @functools.cached_property
    def config(self) -> "SweepConfig":
        """The configuration, checked when it is first asked for.

        Raises ConfigError, and UntrustedCode for code that may not be run.
        """
        # Imported here since it brings in JAX, which who only looks should not have to wait for.
        from bnnpost.sweeps.code import not_imported
        from bnnpost.sweeps.config import config_of

        with contextlib.nullcontext() if self.trusted else not_imported(self.source):
            return config_of(self.values, self.source)


@dataclass(frozen=True)
class Grid:
    """All cells, in the order of the product with the last axis fastest; one if nothing varies."""

    varying: tuple[str, ...]
    cells: tuple[Cell, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths that every cell is run at."""
        return self.cells[0].widths

    def digested(self) -> "Grid":
        """The same with the digest of every cell, as a file of a single run does not tell it."""
        from bnnpost.sweeps.identity import content_digest

        cells = tuple(
            one if one.digest else dataclasses.replace(one, digest=content_digest(one.config))
            for one in self.cells
        )
        return dataclasses.replace(self, cells=cells)


def settings_text(settings: Mapping[str, object]) -> str:
    """depth=2, activation=erf."""
    return ", ".join(f"{name}={value}" for name, value in settings.items())
