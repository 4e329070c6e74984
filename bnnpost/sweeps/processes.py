"""An executor of several processes on this machine, each with its share of the cores."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

from bnnpost.sweeps import worker
from bnnpost.sweeps.errors import WorkLeft
from bnnpost.sweeps.grid_directory import GridDirectory, Say
from bnnpost.sweeps.judgement import judging
from bnnpost.sweeps.work import Effort, is_settled, unassembled, units, work

_SECONDS_BETWEEN_LOOKS = 0.1
# How long a process that is told to end may take, as when it compiles.
_SECONDS_TO_END = 20.0
# The user's own variables win.
_MEMORY = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # of an accelerator that several share
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Processes:
    """`jobs` processes, started afresh, that work on a grid until nothing is left of it.

    environment: variables besides those of this process.
    One that is killed costs the unit it was at, which is tried again, and nothing else. When
    this process ends, in whatever way, so do they.
    """

    jobs: int = 2
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise ValueError(f"expected at least one process, got {self.jobs}")

    def __call__(self, directory: GridDirectory, effort: Effort, say: Say) -> None:
        """Run them.

        Raises WorkLeft if workers ended in errors and have not done it all, OSError if they die
        before they do anything.
        """
        if all(map(is_settled, units(directory))):
            work(directory, effort, say=say)  # what there is may still have to be put together
        else:
            _Crew(self, directory, effort, say).run()


class _Crew:
    """The processes that are at work."""

    def __init__(self, given: Processes, directory: GridDirectory, effort: Effort, say: Say):
        self._jobs, self._given = given.jobs, given.environment
        self._directory, self._effort, self._say = directory, effort, say
        self._units = units(directory)
        self._lines = _Lines(say)
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._reached, self._in_vain = 0, 0

    def run(self) -> None:
        errors = 0
        try:
            for index in range(self._jobs):
                self._running[index] = self._start(index)
            while self._running:
                time.sleep(_SECONDS_BETWEEN_LOOKS)
                errors += sum(self._ended(index) for index in list(self._running))
        finally:
            _end(list(self._running.values()), self._say)
        if errors and self._is_work_left():
            raise WorkLeft(f"{errors} of {self._jobs} workers ended in an error, and work is left")

    def _ended(self, index: int) -> bool:
        """Whether a process has ended in an error; one that was killed has a successor."""
        process = self._running[index]
        code = process.poll()
        if code is None:
            return False
        self._lines.finish(process)
        del self._running[index]
        if code < 0 and self._is_work_left():
            self._say(f"worker {index} was killed ({_signal(code)}): another takes its place")
            self._check_reached()
            self._running[index] = self._start(index)
        return code > 0

    def _is_work_left(self) -> bool:
        return not all(map(is_settled, self._units)) or bool(unassembled(self._directory))

    def _check_reached(self) -> None:
        """Raise OSError if processes keep dying without having begun or finished anything."""
        reached = sum(is_settled(unit) + unit.claim.deaths for unit in self._units)
        for cell in self._directory.grid.cells:
            run = self._directory.cell_directory(cell)
            reached += run.is_assembled(cell.widths) + judging(run).deaths
        self._in_vain = 0 if reached > self._reached else self._in_vain + 1
        self._reached = reached
        if self._in_vain > 2 * self._jobs:
            raise OSError("workers are killed before they do anything: is there enough memory?")

    def _start(self, index: int) -> "subprocess.Popen[bytes]":
        first, of = self._effort.share
        share = (first * self._jobs + index, of * self._jobs)
        effort = dataclasses.replace(self._effort, share=share)
        with _on_cores(_share(index, self._jobs)) as count:
            environment = {
                **{name: str(count) for name in _THREADS},
                **_MEMORY,
                **os.environ,
                **self._given,
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            }
            process = subprocess.Popen(
                [sys.executable, *worker.arguments(self._directory, effort)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # Ctrl-C is for this process, which tells them
            )
        self._lines.follow(process)
        return process


def _share(index: int, jobs: int) -> set[int]:
    """The cores of one process among several; they share cores where there are too few."""
    if not hasattr(os, "sched_getaffinity"):
        return set()
    cores = sorted(os.sched_getaffinity(0))
    if jobs >= len(cores):
        return {cores[index % len(cores)]}
    return set(cores[len(cores) * index // jobs : len(cores) * (index + 1) // jobs])


@contextlib.contextmanager
def _on_cores(cores: set[int]) -> Iterator[int]:
    """What this thread starts inherits these cores; gives how many there are.

    All libraries count the cores they may use, so that each process makes no more threads.
    """
    if not cores:
        yield max(1, (os.cpu_count() or 1) // 2)
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield len(cores)
    finally:
        os.sched_setaffinity(0, before)


class _Lines:
    """Passes on what processes write, a whole line at a time."""

    def __init__(self, say: Say):
        self._say, self._lock = say, threading.Lock()
        self._threads: dict[int, threading.Thread] = {}

    def follow(self, process: "subprocess.Popen[bytes]") -> None:
        """Pass on its lines from now on."""
        thread = threading.Thread(target=self._pass_on, args=(process.stdout,), daemon=True)
        thread.start()
        self._threads[process.pid] = thread

    def finish(self, process: "subprocess.Popen[bytes]") -> None:
        """Until its last line was passed on, and its pipes are closed."""
        self._threads.pop(process.pid).join(timeout=5)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def _pass_on(self, pipe: IO[bytes]) -> None:
        for line in pipe:
            with self._lock:
                self._say(line.decode("utf-8", errors="replace").rstrip("\n"))


def _signal(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _end(running: "list[subprocess.Popen[bytes]]", say: Say) -> None:
    """Tell processes to end, and end those that do not."""
    if not running:
        return
    say(f"ending {len(running)} workers")
    for process in running:
        process.terminate()
    limit = time.monotonic() + _SECONDS_TO_END
    for process in running:
        try:
            process.wait(max(0.0, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
