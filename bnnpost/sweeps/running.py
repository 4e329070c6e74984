"""Running a grid: what is missing is given to an executor, and what comes back is written here."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from typing import TYPE_CHECKING

from bnnpost.parallel import coordinator
from bnnpost.parallel.coordinator import RETRIES, Inline, Task
from bnnpost.parallel.failures import ends_all, one_line
from bnnpost.samplers.cost import HopelessRun
from bnnpost.samplers.progress import Progress
from bnnpost.settings import ConfigError
from bnnpost.storage import RESULTS, Say
from bnnpost.sweeps import cell_directory, unit_work
from bnnpost.sweeps.cell_directory import (
    DONE,
    FAILED,
    CellDirectory,
    Judgement,
    judgement,
)
from bnnpost.sweeps.grid_cells import Cell, Grid
from bnnpost.sweeps.grid_directory import GridDirectory
from bnnpost.sweeps.identity import code_digest
from bnnpost.sweeps.loaded import GridResults, load_results
from bnnpost.sweeps.problem import load_problem
from bnnpost.sweeps.results import mixed
from bnnpost.sweeps.unit_work import Feasible, Sent, Whole, Width

if TYPE_CHECKING:
    import xarray as xr

_AGAIN = f"{RESULTS}, or a figure, is not as it was written: put together again"


def run_grid(
    grid: Grid,
    path: str | os.PathLike[str],
    *,
    executor: Executor | None = None,
    retries: int = RETRIES,
    force: bool = False,
    progress: bool = False,
    say: Say = lambda message: None,
) -> GridResults:
    """Run what is missing of a grid in a directory; what failed before is tried again.

    executor: any `concurrent.futures.Executor`, which is left open; by default this process does
    the work. Workers need bnnpost, as it is here, and no disk. retries: further attempts at a unit
    (a cell at one width) whose worker was killed, or where memory, the device or a file system
    gave out. force: cells whose acceptance looks hopeless too. progress: a bar on stderr. say: is
    told what happens, a line at a time. A unit that fails is written down and hinders no other.
    Raises ConfigError and DirectoryInUse as `GridDirectory.begun`; DataError for the data of a
    single cell; WorkLeft and ExecutorError as `parallel.run`; OSError if the disk is full.
    """
    if not grid.varying:
        load_problem(grid.cells[0].config)  # what is wrong with it is said before anything is made
        grid = grid.digested()
    with GridDirectory.begun(path, grid, say=say) as directory:
        _Run(directory, executor or Inline(), force, progress, say).run(retries)
    return load_results(path, trust_code=True)


class _Run:
    """One run of a grid."""

    def __init__(
        self,
        directory: GridDirectory,
        executor: Executor,
        force: bool,
        progress: bool,
        say: Say,
    ):
        self._directory, self._executor = directory, executor
        self._force, self._say = force, say
        self._shown = progress and isinstance(executor, Inline)
        self._total = sum(len(cell.widths) for cell in directory.grid.cells)
        self._settled: set[tuple[str, int]] = set()
        self._under_way: dict[str, tuple[str, int]] = {}
        self._run_again: set[tuple[str, int]] = set()
        self._bar = Progress(
            self._total, enabled=progress and self._total > 1, label="units", unit="unit"
        )

    def run(self, retries: int) -> None:
        single = not self._directory.grid.varying
        first = self._directory.cell_directory(self._directory.grid.cells[0])
        with (
            first.noting_failure() if single else contextlib.nullcontext(),
            self._bar,
        ):
            coordinator.run(
                self._tasks(),
                self._executor,
                retries=retries,
                say=self._tell,
                show=self._show,
            )

    def _tasks(self) -> Iterator[Task]:
        """What each cell begins with."""
        for cell in self._directory.grid.cells:
            yield from self._begun(cell)

    def _begun(self, cell: Cell) -> Iterator[Task]:
        try:
            run = self._directory.prepared(cell)
        except ConfigError as error:  # of one cell; the others go on
            if not self._directory.grid.varying:
                raise
            self._tell(f"{_prefix(cell)}failed: {one_line(error)}")
            return
        run.forget_failures(cell.widths)
        missing = [width for width in cell.widths if not run.is_done(width)]
        self._settled |= {(cell.digest, width) for width in cell.widths if width not in missing}
        if not missing:
            yield from self._assembly(cell)
            return
        try:
            self._directory.check_unchanged(cell)
            sent = self._sent(cell)
        except Exception as error:  # of one cell; the others go on
            if ends_all(error) or not self._directory.grid.varying:
                raise
            self._refuse(cell, missing, error)
            return
        if judgement(run).allows(missing):
            yield from self._widths(cell, sent, missing)
        else:
            yield self._judging(cell, sent, missing)

    def _sent(self, cell: Cell) -> Sent:
        run = self._directory.cell_directory(cell).run
        return Sent(load_problem(cell.config), code_digest(cell.config), run)

    def _judging(self, cell: Cell, sent: Sent, missing: list[int]) -> Task:
        timed = not self._directory.grid.varying

        def take(found: Feasible, attempts: int) -> Iterable[Task]:
            for sentence in found.sentences:
                self._tell(f"{_prefix(cell)}{sentence}")
            run = self._directory.cell_directory(cell)
            Judgement(tuple(missing)).write(run)
            cell_directory.write_expected(run, found.expected)
            return self._widths(cell, sent, missing)

        def give_up(error: Exception, attempts: int) -> Iterable[Task]:
            self._refuse(cell, missing, error)
            return ()

        arguments = (sent, missing, timed, self._force, self._shown)
        return Task(f"{_prefix(cell)}pilot", unit_work.feasible, arguments, take, give_up)

    def _refuse(self, cell: Cell, missing: list[int], error: Exception) -> None:
        """Write down why none of these widths is run."""
        hopeless = isinstance(error, HopelessRun)
        reason = str(error).strip() or type(error).__name__
        Judgement(tuple(missing), reason, hopeless).write(self._directory.cell_directory(cell))
        self._settled |= {(cell.digest, width) for width in missing}
        self._tell(f"{_prefix(cell)}{'refused' if hopeless else 'failed'}: {one_line(error)}")

    def _widths(self, cell: Cell, sent: Sent, widths: list[int]) -> list[Task]:
        """Several workers begin with the widest, which takes longest."""
        order = widths if isinstance(self._executor, Inline) else widths[::-1]
        return [self._width(cell, sent, width) for width in order]

    def _width(self, cell: Cell, sent: Sent, width: int) -> Task:
        name = f"{cell.name}, width {width}" if cell.name else f"width {width}"
        self._under_way[name] = self._directory.key(cell), width

        def take(found: Width, attempts: int) -> Iterable[Task]:
            self._keep(cell, width, found, attempts)
            self._settle(cell, width, name, found.sentence)
            return self._assembly(cell)

        def give_up(error: Exception, attempts: int) -> Iterable[Task]:
            self._directory.cell_directory(cell).write_failure(width, error, attempts)
            self._settle(cell, width, name, f"failed: {one_line(error)}")
            return ()

        return Task(name, unit_work.one_width, (sent, width, self._shown), take, give_up)

    def _keep(self, cell: Cell, width: int, found: Width, attempts: int) -> None:
        run = self._directory.cell_directory(cell)
        # Before the file, which says that the width is done.
        run.write_record(
            width, state=DONE, seconds=found.seconds, complete=found.complete, attempts=attempts
        )
        if found.draws:
            run.write_bytes(run.draws_file(width).name, found.draws)
        run.widths(self._say, writes=True).write(width, found.results)
        run.log(f"width {width}: {found.sentence}")

    def _settle(self, cell: Cell, width: int, name: str, message: str) -> None:
        self._settled.add((cell.digest, width))
        self._tell(f"[{len(self._settled)}/{self._total}] {name}: {message}")

    def _assembly(self, cell: Cell) -> Iterable[Task]:
        """Put a cell's results together once all its widths are there, if that is not done."""
        run = self._directory.cell_directory(cell)
        if not all(map(run.is_done, cell.widths)):
            return ()
        if run.is_assembled(cell.widths) and run.has_figures():
            return ()
        if run.status().get("widths") == list(cell.widths) and (run.path / RESULTS).exists():
            self._tell(f"{_prefix(cell)}{_AGAIN}")
        try:
            self._directory.check_unchanged(cell)
            sent = self._sent(cell)
            found = self._found(cell, run)
        except Exception as error:
            if ends_all(error):
                raise
            self._give_up_assembly(cell, error)
            return ()
        if isinstance(found, int):
            return self._widths(cell, sent, [found])
        if several := mixed(found):
            self._tell(f"{_prefix(cell)}{several}")

        def take(whole: Whole, attempts: int) -> Iterable[Task]:
            self._keep_whole(cell, run, whole)
            return ()

        def give_up(error: Exception, attempts: int) -> Iterable[Task]:
            self._give_up_assembly(cell, error)
            return ()

        name = f"{_prefix(cell)}results"
        return [Task(name, unit_work.put_together, (sent, found), take, give_up)]

    def _found(self, cell: Cell, run: CellDirectory) -> "dict[int, xr.Dataset] | int":
        """The results at each width; or one whose file was damaged, and which is run again."""

        def say(message: str) -> None:
            self._tell(f"{_prefix(cell)}{message}")

        files, found = run.widths(say, cell.config.as_dict(), writes=True), {}
        for width in cell.widths:
            data = files.results(width)
            if data is None:
                if (cell.digest, width) in self._run_again:
                    raise OSError(f"{files.path(width)}, which was just written, is damaged again")
                self._run_again.add((cell.digest, width))
                self._settled.discard((cell.digest, width))
                return width
            found[width] = data
        return found

    def _keep_whole(self, cell: Cell, run: CellDirectory, whole: Whole) -> None:
        run.write_results(whole.tree, whole.figures)
        run.set_status(
            "exhausted" if whole.short else "done",
            short=list(whole.short),
            widths=list(cell.widths),
        )
        if whole.missing:
            self._tell(f"{_prefix(cell)}{whole.missing}")

    def _give_up_assembly(self, cell: Cell, error: Exception) -> None:
        self._directory.cell_directory(cell).set_status(FAILED, error=str(error))
        self._tell(f"{_prefix(cell)}results cannot be put together: {one_line(error)}")

    def _tell(self, message: str) -> None:
        self._bar.write(message, self._say)

    def _show(self, names: list[str]) -> None:
        """Let the bar, and who looks into the directory, know what is under way."""
        running = [self._under_way[name] for name in names if name in self._under_way]
        self._directory.note_running(running)
        self._bar.show(len(self._settled), "; ".join(names))


def _prefix(cell: Cell) -> str:
    return f"{cell.name}: " if cell.name else ""
