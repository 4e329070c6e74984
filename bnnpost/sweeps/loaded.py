"""A grid's directory read back: how far each cell is, and its results."""

import contextlib
import functools
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bnnpost.settings import ConfigError
from bnnpost.storage import CONTENTS, RESULTS, RESULTS_FORMAT, check_format, read_tree
from bnnpost.sweeps.cell_directory import FAILED, CellDirectory, Judgement, judgement
from bnnpost.sweeps.code import UntrustedCode
from bnnpost.sweeps.grid_cells import Cell
from bnnpost.sweeps.grid_directory import GridDirectory

if TYPE_CHECKING:
    import xarray as xr

    from bnnpost.sweeps.config import SweepConfig

# States of a cell.
COMPLETE, SHORT, RUNNING, REFUSED, PENDING = "done", "short", "running", "refused", "pending"


@dataclass(frozen=True)
class CellStatus:
    """How far one cell is.

    state: "done"; "short", done with fewer draws than asked for, as max_proposals was reached;
    "failed" at some width; "refused" before it ran; "running"; or "pending", also where all widths
    are done and their results are yet to be put together.
    done, missing, failed, running, short: widths. explanation: of the first failure, of the
    refusal, why it is not done though all widths are, or of what could not be read. seconds: taken
    by the widths that are done, NaN if unknown.
    """

    cell: Cell
    path: Path
    state: str
    done: tuple[int, ...]
    missing: tuple[int, ...]
    failed: tuple[int, ...]
    running: tuple[int, ...]
    short: tuple[int, ...]
    explanation: str
    seconds: float

    @property
    def settings(self) -> Mapping[str, object]:
        """What varies, in this cell."""
        return self.cell.settings

    @property
    def reason(self) -> str:
        """The explanation in a line."""
        return self.explanation.partition("\n")[0]


def status(directory: GridDirectory) -> tuple[CellStatus, ...]:
    """The status of every cell, in the order of the grid."""
    at_work = directory.running()
    return tuple(_cell_status(directory, cell, at_work) for cell in directory.grid.cells)


def _cell_status(directory: GridDirectory, cell: Cell, at_work: Collection[object]) -> CellStatus:
    run = directory.cell_directory(cell)
    done = tuple(width for width in cell.widths if run.is_done(width))
    running = tuple(w for w in cell.widths if w not in done and (directory.key(cell), w) in at_work)
    failed = tuple(w for w in cell.widths if w not in running and run.has_failed(w))
    records = {width: run.record(width) for width in cell.widths}
    wrong = _misplaced(run)
    short = tuple(width for width in done if records[width].get("complete") is False)
    whole = len(done) == len(cell.widths)
    judged = Judgement() if whole else judgement(run)
    reason = str(records[failed[0]].get("reason", "")) if failed else judged.refusal
    spoilt = judged.refusal and not judged.hopeless
    assembled = whole and run.is_assembled(cell.widths) and not wrong
    spoilt = spoilt or (whole and not assembled and run.status().get("state") == FAILED)
    if whole and not assembled:
        reason = (
            f"results cannot be put together: {run.status().get('error', '')}"
            if spoilt
            else "all widths are done, but their results are not put together yet"
        )
    reason = "; ".join(filter(None, (wrong, reason, *run.doubts)))
    seconds = sum(float(records[width].get("seconds", "nan")) for width in done)
    return CellStatus(
        cell=cell,
        path=run.path,
        state=_state(assembled, running, failed or spoilt or wrong, judged.refusal, short),
        done=done,
        missing=tuple(w for w in cell.widths if w not in (*done, *failed, *running)),
        failed=failed,
        running=running,
        short=short,
        explanation=reason.strip(),
        seconds=seconds,
    )


def _misplaced(run: CellDirectory) -> str:
    """What is wrong with a directory that is another cell's."""
    try:
        run.check_own()
    except ConfigError as error:
        return str(error)
    run.known(CONTENTS)
    return ""


def _state(assembled: bool, running: object, failed: object, refused: object, short: object) -> str:
    if running:
        return RUNNING
    if failed:
        return FAILED
    if refused:
        return REFUSED
    if not assembled:
        return PENDING
    return SHORT if short else COMPLETE


@dataclass(frozen=True)
class CellResults:
    """One cell of a grid. settings: what varies, by name. detail: widths, reason, seconds."""

    detail: CellStatus

    @property
    def settings(self) -> Mapping[str, object]:
        """What varies, and its value or label here; empty where nothing varies."""
        return self.detail.settings

    @property
    def config(self) -> "SweepConfig":
        """The whole configuration of the cell. Raises ConfigError for code that is not trusted."""
        return self.detail.cell.config

    @property
    def status(self) -> str:
        """ "done", "short", "failed", "refused", "running" or "pending"; see `CellStatus`."""
        return self.detail.state

    @property
    def name(self) -> str:
        """The settings in a line."""
        return self.detail.cell.name

    @property
    def path(self) -> Path:
        """The run directory, with results.nc, figures, log and a file a width."""
        return self.detail.path

    @functools.cached_property
    def tree(self) -> "xr.DataTree | None":
        """The results as `run_sweep` returns them, read when first asked for.

        None until all widths of a cell were run once; of a grid to which widths were added
        since, the tree has those it was made of. Raises ValueError where it is damaged, or
        another cell's.
        """
        path = self.path / RESULTS
        if not path.exists():
            return None
        CellDirectory(self.path, self.detail.cell.digest).check_own()
        try:
            found = read_tree(path)
            check_format(path, found.attrs, RESULTS_FORMAT)
            return found
        except ValueError as error:
            raise ValueError(f"{error}; bnnpost sweep resume puts it together again") from None


@dataclass(frozen=True)
class GridResults:
    """Results over the cells of a grid, in its order; see `load_results`.

    varying: names of what varies. widths: those of every cell. cells: a `CellResults` each.
    """

    path: Path
    varying: tuple[str, ...]
    widths: tuple[int, ...]
    cells: tuple[CellResults, ...]

    def __iter__(self) -> Iterator[CellResults]:
        return iter(self.cells)

    def __len__(self) -> int:
        return len(self.cells)

    def distances(self) -> "xr.Dataset":
        """Distances to the limit with standard errors, by cell and width (NaN where not run).

        Coordinates along cell have what varies, so that `.set_xindex` or `.where` chooses.
        Cells that have no results are left out. Raises ValueError if none has.
        """
        return self._stacked("distances")

    def rates(self) -> "xr.Dataset":
        """Fitted exponents and coefficients with intervals, by cell and distance; as above."""
        return self._stacked("rates")

    def _stacked(self, group: str) -> "xr.Dataset":
        import xarray as xr

        found = [(cell, cell.tree) for cell in self.cells if cell.tree is not None]
        if not found:
            raise ValueError(f"no cell of {self.path} has results yet")
        parts = [_scalars(tree[group].to_dataset()) for _, tree in found]
        stacked = xr.concat(parts, dim="cell", join="outer", combine_attrs="override")
        labels = {n: ("cell", [cell.settings[n] for cell, _ in found]) for n in self.varying}
        # A name that a variable has already is kept apart, as that of a setting.
        taken = {n: f"{n}_setting" for n in labels if n in stacked.variables or n in stacked.dims}
        return stacked.assign_coords({taken.get(n, n): label for n, label in labels.items()})


def load_results(path: str | os.PathLike[str], *, trust_code: bool = False) -> GridResults:
    """What a sweep has in its directory, whether finished or not.

    `.varying`: names of what varies over the grid. `.cells`: for each cell `.settings` (what
    varies, by name), `.config` (all of it), `.status` ("done", "short", "failed", "refused",
    "running" or "pending"), `.detail` (widths done, missing and failed, the reason, seconds),
    `.path` and `.tree`, the results as a DataTree with the groups distances, rates, sampling,
    predictive, data and, where there is one, first_order; None where there are none yet.
    `.distances()` and `.rates()` stack those of all cells. A single run over widths is one
    cell in which nothing varies. trust_code: `.config` may import the code that a cell names,
    which nothing else here needs. Raises FileNotFoundError where there is no sweep, ConfigError
    where its configuration cannot be read.
    """
    directory = GridDirectory.seen(path, trust_code)
    for cell in directory.grid.cells:
        with contextlib.suppress(UntrustedCode):
            cell.config  # noqa: B018 - checks it
    return _results(directory)


def see_results(path: str | os.PathLike[str]) -> GridResults:
    """The same without a check of what is configured, and so at once: for who asks how far it is.

    Raises FileNotFoundError, and ConfigError where the list of cells cannot be read.
    """
    return _results(GridDirectory.seen(path))


def _results(directory: GridDirectory) -> GridResults:
    cells = tuple(CellResults(one) for one in status(directory))
    return GridResults(directory.path, directory.grid.varying, directory.grid.widths, cells)


def _scalars(data: "xr.Dataset") -> "xr.Dataset":
    """Without what is by test point, of which cells may have different numbers."""
    return data[[name for name in data.data_vars if data[name].ndim <= 1]].drop_attrs(deep=False)
