"""Work on a few threads, with results in order."""

import collections
import concurrent.futures as futures
import os
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def calls_libraries(program: str) -> bool:
    """Whether the text of a program (`lowered.as_text()`) holds custom calls, such as LAPACK's.

    On a CPU these wait for the threads they run on, and two at once can wait for ever: such
    programs are for one thread at a time.
    """
    return "custom_call" in program


def in_order(work: Callable[[S], T], items: Iterable[S], threads: int) -> Generator[T, None, None]:
    """`work` of every item, on a few threads, results in the order of the items.

    At most one item more than there are threads is begun ahead of need. When the caller
    stops early, or is interrupted, what has begun is finished and thrown away.
    """
    pending: collections.deque[futures.Future[T]] = collections.deque()
    pool = futures.ThreadPoolExecutor(threads)
    try:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) > threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
