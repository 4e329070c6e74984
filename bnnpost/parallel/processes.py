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
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any

from bnnpost.parallel.failures import ExecutorError, WorkerDied

# Of a new process; the user's own variables win.
_VARIABLES = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # of an accelerator that several share
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# Python's own, without which a process looks for modules in the working directory first.
_SAFE_PATH = "PYTHONSAFEPATH"
# Processes are started one after another: what they find is changed for the whole of this one.
_STARTING = threading.Lock()


class Processes(ThreadPoolExecutor):
    """`jobs` processes, started afresh when there is work for them.

    One that is killed costs the call it was at, whose future raises WorkerDied, and another takes
    its place. When this process ends, in whatever way, so do they; after an error, or Ctrl-C, at
    the end of a `with` block at once.
    """

    # A thread for each process waits for it. Had one pool of the standard library all processes,
    # it would end, and every call under way with it, when one of them is killed.
    def __init__(self, jobs: int = 2):
        if jobs < 1:
            raise ExecutorError(f"expected at least one process, got {jobs}")
        super().__init__(jobs)
        self.num_workers = jobs
        self._workers = [_Worker(cores_of(index, jobs)) for index in range(jobs)]
        self._free, self._ending = deque(self._workers), threading.Lock()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """As of every executor; `fn` is a function of a module."""
        return super().submit(self._call, fn, *args, **kwargs)

    def _call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        worker = self._free.pop()  # one is free: there are no more threads than workers
        try:
            return worker.call(function, *args, **kwargs)
        finally:
            self._free.append(worker)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As of every executor: what was submitted is done first, unless it is cancelled."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        if not wait:
            threading.Thread(target=self.shutdown).start()
            return
        with self._ending:
            for worker in self._workers:
                worker.end()

    def kill(self) -> None:
        """End them at once, whatever they are at."""
        super().shutdown(wait=False, cancel_futures=True)
        with _STARTING:
            for worker in self._workers:
                worker.kill()
        self.shutdown()

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None:
            self.shutdown()
        else:
            self.kill()


class _Worker:
    """One process at a time, in a pool of its own that is lost with it; used by one thread."""

    def __init__(self, cores: set[int]):
        self._cores, self._is_killed = cores, False
        self._pool: ProcessPoolExecutor | None = None
        self._processes: set[BaseProcess] = set()  # one, or none

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """What the function comes to. Raises WorkerDied where its process was killed."""
        pool = self._pool
        # is_alive() is wrong for a moment where another thread, the pool's, takes note of an end.
        if pool is None or connection.wait([process.sentinel for process in self._processes], 0):
            self.end()
            pool = self._start()
        try:
            return pool.submit(function, *args, **kwargs).result()
        except BrokenProcessPool:
            self.end()  # before it is dropped, for which Python 3.13.0 may wait for ever
            raise WorkerDied("its process was killed (lack of memory, or a signal)") from None

    def _start(self) -> ProcessPoolExecutor:
        count = len(self._cores) or max(1, (os.cpu_count() or 1) // 2)
        with _STARTING, _surroundings_of_a_child():
            if self._is_killed:
                raise RuntimeError("these processes were killed")
            if self._cores:  # of this thread, which is the executor's own; a child inherits them
                os.sched_setaffinity(0, self._cores)
            before = set(multiprocessing.active_children())
            context = multiprocessing.get_context("spawn")
            self._pool = pool = ProcessPoolExecutor(1, context, _begin, (count,))
            begun = pool.submit(os.getpid)  # starts it
            self._processes = set(multiprocessing.active_children()) - before
        try:
            begun.result()
        except BrokenProcessPool:
            raise ExecutorError(
                f"a process of {sys.executable} ends before it does anything (what it says is "
                "above): is there enough memory?"
            ) from None
        return pool

    def end(self) -> None:
        """Let the process end, and wait for that; the next call starts another."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def kill(self) -> None:
        """End the process at once, and start no other."""
        self._is_killed = True
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
def _surroundings_of_a_child() -> Iterator[None]:
    """What a process that is started meanwhile takes over from this one.

    Not the program that runs here, which it would run as well: a script need not be written for
    that. And not the working directory, where it would look for Python's own modules first: it is
    given the path of this process after that.
    """
    main, safe_path = sys.modules["__main__"], os.environ.get(_SAFE_PATH)
    sys.modules["__main__"], os.environ[_SAFE_PATH] = types.ModuleType("__main__"), "1"
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        del os.environ[_SAFE_PATH]
        if safe_path is not None:
            os.environ[_SAFE_PATH] = safe_path


def _begin(count: int) -> None:
    """In a new process, before it loads jax: Ctrl-C is for the coordinator, which ends it."""
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
