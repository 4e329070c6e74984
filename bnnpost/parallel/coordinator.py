"""Tasks given to an executor, and what comes of them; what a worker does around each."""

import contextlib
import functools
import importlib.util
import platform
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from typing import Any

from bnnpost.parallel.failures import (
    ExecutorError,
    WorkLeft,
    ends_all,
    is_death,
    is_loss,
    may_pass,
    one_line,
)
from bnnpost.storage import Say, versions

# Packages that numbers depend on, or without which nothing can be sent.
_MUST_AGREE = ("bnnpost", "jax", "jaxlib", "numpy")
# Loaded only when a file is written, at the end of a task.
_MUST_BE_THERE = ("h5netcdf", "h5py", "xarray")


@dataclass(frozen=True)
class Outcome:
    """What a task came to, and what was warned of: a category and a text each."""

    result: Any
    warned: tuple[tuple[type[Warning], str], ...]

    def told(self) -> Any:
        """The result; the warnings are given here."""
        for category, text in self.warned:
            warnings.warn(text, category, stacklevel=2)
        return self.result


def call(known: Mapping[str, str], function: Callable[..., Any], *arguments: Any) -> Outcome:
    """Call a function in a worker.

    Raises ExecutorError where versions are others than `known`, or a package is missing.
    """
    check_versions(known, agreed(), platform.node())
    _check_packages(platform.node())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function(*arguments)
    said = dict.fromkeys((one.category, str(one.message)) for one in caught)
    return Outcome(result, tuple(said))


def _check_packages(where: str) -> None:
    missing = [name for name in _MUST_BE_THERE if importlib.util.find_spec(name) is None]
    if missing:
        raise ExecutorError(
            f"the worker on {where} cannot write files without {', '.join(missing)}: install "
            "there what is here, and start the workers again"
        )


@functools.cache
def agreed() -> dict[str, str]:
    """Versions here that all who take part must have."""
    here = {**versions(), "python": ".".join(platform.python_version_tuple()[:2])}
    return {name: here[name] for name in (*_MUST_AGREE, "python") if name in here}


def check_versions(known: Mapping[str, str], found: Mapping[str, str], where: str) -> None:
    """Raise ExecutorError where a worker's versions are others than the coordinator's."""
    others = [
        f"{name} {found.get(name, 'missing')} and not {version}"
        for name, version in known.items()
        if found.get(name) != version
    ]
    if others:
        raise ExecutorError(
            f"the worker on {where} has {', '.join(others)}: draws must not depend on who makes "
            "them; install there what is here, and start the workers again"
        )


# How often a task is tried again where that may help.
RETRIES = 1


class Inline(Executor):
    """Calls a function when it is submitted; Ctrl-C ends it there and then."""

    num_workers = 1

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """The future is done when this returns."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@dataclass(frozen=True)
class Task:
    """A call to be made by a worker, and what the coordinator does then.

    name: in a line. function: of a module, with arguments that can be pickled. take: is given the
    result and the number of attempts; what tasks follow from it. give_up: is given the error and
    the number of attempts; what tasks follow.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    take: Callable[[Any, int], Iterable["Task"]]
    give_up: Callable[[Exception, int], Iterable["Task"]]


def run(
    tasks: Iterable[Task],
    executor: Executor,
    *,
    retries: int = RETRIES,
    say: Say = lambda message: None,
    show: Callable[[list[str]], None] = lambda names: None,
) -> None:
    """Do all tasks, and those that follow from them.

    `tasks` is asked for one when a worker is free and nothing follows. retries: further attempts
    where a worker was killed, or memory, the device or a file system gave out. show: is told the
    names of the tasks that are under way, whenever these change. Raises WorkLeft where the
    executor loses its workers, ExecutorError where these are of other versions, OSError for a
    full disk; what `take` and `give_up` raise ends it as well. Tasks under way are then
    cancelled, as far as the executor can.
    """
    _Coordinator(iter(tasks), executor, retries, say, show).run()


class _Coordinator:
    def __init__(
        self,
        tasks: Iterator[Task],
        executor: Executor,
        retries: int,
        say: Say,
        show: Callable[[list[str]], None],
    ):
        self._tasks, self._executor = tasks, executor
        self._retries, self._say, self._show = retries, say, show
        self._next: deque[tuple[Task, int]] = deque()
        self._under_way: dict[Future[Any], tuple[Task, int]] = {}

    def run(self) -> None:
        try:
            while self._fill():
                self._show(self._names())
                done, _ = wait(self._under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    self._settle(future, *self._under_way.pop(future))
        finally:
            self._show([])
            for future in self._under_way:
                future.cancel()

    def _names(self) -> list[str]:
        """Of what workers are at; an executor that does not say is at all that it was given."""
        running = [task.name for f, (task, _) in self._under_way.items() if f.running()]
        return running or [task.name for task, _ in self._under_way.values()]

    def _fill(self) -> bool:
        """Give the executor as much as keeps its workers busy; whether anything is under way."""
        most = room(self._executor)
        while most is None or len(self._under_way) < most:
            if not self._next:
                task = next(self._tasks, None)
                if task is None:
                    break
                self._next.append((task, 1))
            task, attempt = self._next.popleft()
            if isinstance(self._executor, Inline):
                self._show([task.name])
            self._under_way[self._submit(task)] = task, attempt
        return bool(self._under_way)

    def _submit(self, task: Task) -> "Future[Any]":
        if isinstance(self._executor, Inline):
            return self._executor.submit(task.function, *task.arguments)
        try:
            return self._executor.submit(call, agreed(), task.function, *task.arguments)
        except Exception as error:  # it is broken, was shut down, or has lost its scheduler
            if ends_all(error):
                raise
            raise _lost(error) from error

    def _settle(self, future: "Future[Any]", task: Task, attempt: int) -> None:
        """Take in what a task came to, or try it again, or give it up."""
        error = None if future.cancelled() else future.exception()
        if future.cancelled() or (error is not None and is_loss(error)):
            raise _lost(error) from error
        if error is None:
            found = future.result()
            result = found if isinstance(self._executor, Inline) else found.told()
            self._follow(task.take(result, attempt))
        elif ends_all(error) or not isinstance(error, Exception):
            raise error
        elif may_pass(error) and attempt <= self._retries:
            self._say(f"{task.name}: {_told(error)}, and is tried again")
            self._next.append((task, attempt + 1))
        else:
            self._follow(task.give_up(error, attempt))

    def _follow(self, tasks: Iterable[Task]) -> None:
        """Do these before what has not been begun."""
        self._next.extend((task, 1) for task in tasks)


def _told(error: Exception) -> str:
    return "its process was killed" if is_death(error) else f"failed ({one_line(error)})"


def _lost(error: BaseException | None) -> WorkLeft:
    reason = f" ({one_line(error)})" if error is not None else ""
    return WorkLeft(
        f"the executor has lost its workers, or was shut down{reason}, and work is left"
    )


def room(executor: Executor) -> int | None:
    """How many tasks keep an executor's workers busy; None where it does not say."""
    if isinstance(executor, Inline):
        return 1
    for name in ("num_workers", "_max_workers"):  # the second is that of the standard library
        count = None
        with contextlib.suppress(Exception):
            count = getattr(executor, name, None)
        if isinstance(count, int):
            return count + max(1, count // 4)
    return None
