"""Processes on this machine, each with its share of the cores, and replaced when it is killed."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import types
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any

from bnnpost.parallel.failures import ExecutorError, WorkerDied

# The user's own variables win.
_VARIABLES = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # of an accelerator that several share
# Python's own, without which a process looks for modules in the working directory first.
_SAFE_PATH = "PYTHONSAFEPATH"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# Processes are started one after another: what they inherit is the whole process's.
_STARTING = threading.Lock()

_Call = Callable[[], Any]


class Processes(Executor):
    """`jobs` processes, started afresh when there is work for them.

    One that is killed costs the call it was at, whose future raises WorkerDied, and another takes
    its place. When this process ends, in whatever way, so do they; after an error, or Ctrl-C, at
    the end of a `with` block at once.
    """

    def __init__(self, jobs: int = 2):
        if jobs < 1:
            raise ExecutorError(f"expected at least one process, got {jobs}")
        self.num_workers = jobs
        self._free = deque(_Worker(cores_of(index, jobs)) for index in range(jobs))
        self._workers = tuple(self._free)
        self._waiting: deque[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = deque()
        self._lock, self._closed = threading.RLock(), False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """As of every executor; `fn` is a function of a module, and takes no keywords."""
        if kwargs:
            raise TypeError(f"expected no keywords, got {', '.join(kwargs)}")
        future: Future[Any] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("these processes were ended, and take no more work")
            self._waiting.append((future, fn, args))
            self._begin()
        return future

    def _begin(self) -> None:
        """Let free workers begin what waits."""
        while self._free and self._waiting and not self._closed:
            future, function, arguments = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                worker = self._free.popleft()
                own = worker.submit(function, arguments)
                own.add_done_callback(lambda own, w=worker, f=future: self._end(w, own, f))  # type: ignore[misc]

    def _end(self, worker: "_Worker", own: "Future[Any]", future: "Future[Any]") -> None:
        """Pass on what a worker's call came to, once the worker is free for another."""
        error = worker.told(own.exception())
        with self._lock:
            self._free.append(worker)
            if not self._closed:
                self._begin()
        if error is None:
            future.set_result(own.result())
        else:
            future.set_exception(error)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As of every executor: what was submitted is done first, unless it is cancelled."""
        with self._lock:
            waiting = [future for future, _, _ in self._waiting]
            if cancel_futures:
                self._waiting.clear()
        for future in waiting:
            if cancel_futures:
                future.cancel()
            elif wait:
                future.exception()
        self._closed = True
        for worker in self._workers:
            worker.end(wait)

    def kill(self) -> None:
        """End them at once, whatever they are at."""
        with self._lock:
            self._closed = True
            for worker in self._workers:
                worker.kill()
        self.shutdown(cancel_futures=True)

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is not None:
            self.kill()
        self.shutdown()


class _Worker:
    """One process at a time: a pool of one, so that it is known what a process died of."""

    def __init__(self, cores: set[int]):
        self._cores = cores
        self._pool: ProcessPoolExecutor | None = None
        # Of processes that died. The thread that tells of a death holds a lock which a pool takes
        # when nothing refers to it any more (Python 3.13.0): it would wait for itself.
        self._broken: list[ProcessPoolExecutor] = []
        self._begun: Future[Any] | None = None
        self._processes: set[BaseProcess] = set()

    def submit(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> "Future[Any]":
        """Let the process call this; one is started if there is none, or it has died meanwhile."""
        if self._pool is not None:
            with contextlib.suppress(BrokenProcessPool):
                return self._pool.submit(function, *arguments)
            self._broken.append(self._pool)
        self._pool = self._start()
        return self._pool.submit(function, *arguments)

    def _start(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        with _STARTING, _on_cores(self._cores) as count, _without_main(), _safely():
            pool = ProcessPoolExecutor(1, context, _begin, (count,))
            before = set(multiprocessing.active_children())
            self._begun = pool.submit(os.getpid)  # starts it
            self._processes = set(multiprocessing.active_children()) - before
        return pool

    def told(self, error: BaseException | None) -> BaseException | None:
        """The error of a call; of a process that was killed, that it was."""
        if not isinstance(error, BrokenProcessPool):
            return error
        if self._pool is not None:  # it ends by itself
            self._broken.append(self._pool)
            self._pool = None
        if self._begun is not None and self._begun.exception() is not None:
            return ExecutorError(
                f"a process of {sys.executable} ends before it does anything (what it says is "
                "above): is there enough memory?"
            )
        return WorkerDied("its process was killed (lack of memory, or a signal)")

    def end(self, wait: bool) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=wait)
            self._pool = None
        self._broken.clear()

    def kill(self) -> None:
        for process in self._processes:
            process.kill()


def cores_of(index: int, jobs: int) -> set[int]:
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


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Let a process not run the program that this one runs: a script need not be written for it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _safely() -> Iterator[None]:
    """Let a process run no file of the working directory that is called as a module of Python's.

    It is given the path of this process after that.
    """
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before


def _begin(count: int) -> None:
    """In a new process, before it loads anything: Ctrl-C is for the coordinator, which ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name, value in {**dict.fromkeys(_THREADS, str(count)), **_VARIABLES}.items():
        os.environ.setdefault(name, value)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """However the parent ends, a signal that cannot be caught included."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
    os._exit(1)
