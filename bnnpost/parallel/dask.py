"""Workers of dask.distributed, on this machine or on many."""

import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from bnnpost.parallel.coordinator import agreed, check_versions
from bnnpost.parallel.failures import ExecutorError
from bnnpost.parallel.processes import cores_of

_SECONDS_TO_CONNECT = 30.0
# Of its own cluster. A worker that dies is given up for good if the one in its place happens to
# be starting anew, so long after. A low threshold makes glibc give all memory of XLA's arrays back,
# to ask for it again; the profiler looks at stacks a hundred times a second, and JAX's are deep.
_CONFIG = {
    "distributed.deploy.lost-worker-timeout": "1 day",
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    "distributed.worker.profile.enabled": False,
}


class Dask(Executor):
    """The workers of a scheduler, or of a cluster on this machine that ends with it.

    scheduler: an address, "tcp://host:8786", or the path of a scheduler file; None for a cluster
    of `jobs` processes here. dashboard: its address. Dask moves what was lost with a worker to
    another, as often as its setting distributed.scheduler.allowed-failures says. Raises
    ExecutorError where dask is not installed or the scheduler cannot be reached.
    """

    def __init__(self, scheduler: str | os.PathLike[str] | None = None, jobs: int | None = None):
        try:
            import dask
            import distributed
        except ImportError:
            raise ExecutorError(
                "the executor dask needs dask.distributed: pip install 'bnnpost[dask]'"
            ) from None
        self._cluster: Any = None
        if scheduler is None:
            count = jobs or max(1, os.cpu_count() or 1)
            # Workers that are slow to end, as they have JAX's threads, are nothing to be told.
            self._settings = dask.config.set(_CONFIG)  # until it ends
            self._cluster = distributed.LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                dashboard_address=":0",  # any port: others may have a cluster here too
                silence_logs=logging.ERROR,
            )
            self._client = distributed.Client(self._cluster)
            for index, address in enumerate(self._client.scheduler_info(-1)["workers"]):
                self._client.run(_stay_on, cores_of(index, count), workers=[address])
        else:
            self._client = _connected(distributed, os.fspath(scheduler))
        self._executor = self._client.get_executor(pure=False)
        self.dashboard = str(self._client.dashboard_link)

    @property
    def num_workers(self) -> int:
        """Threads of all workers there are now; one where none has come yet."""
        return max(1, sum(self._client.nthreads().values()))

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """As of every executor."""
        found: Future[Any] = self._executor.submit(fn, *args, **kwargs)
        return found

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the scheduler; a cluster that is this one's own ends."""
        if self._client.status == "running":
            self._executor.shutdown(wait=wait and not cancel_futures)
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None
            self._settings.__exit__(None, None, None)

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self.shutdown(cancel_futures=kind is not None)


def _connected(distributed: Any, scheduler: str) -> Any:
    is_file = Path(scheduler).suffix == ".json"
    if is_file and not _appears(Path(scheduler)):
        raise ExecutorError(
            f"{scheduler}: there is no such scheduler file, which dask scheduler --scheduler-file "
            "writes"
        )
    where = {"scheduler_file": scheduler} if is_file else {"address": scheduler}
    try:
        client = distributed.Client(**where, timeout=_SECONDS_TO_CONNECT)
    except (OSError, ValueError, TimeoutError) as error:
        raise ExecutorError(
            f"no scheduler of dask answers at {scheduler} ({error}): start one with dask "
            "scheduler, and name its address or its --scheduler-file"
        ) from None
    try:
        _check_workers(client)
    except ExecutorError:
        client.close()
        raise
    return client


def _check_workers(client: Any) -> None:
    """Raise ExecutorError where a worker has other packages than are here.

    Workers that come later are checked with their first task. But one without bnnpost cannot even
    read that: it ends, and says why in its own log alone.
    """
    known = {name: version for name, version in agreed().items() if name != "python"}
    for address, worker in client.get_versions(packages=[*known])["workers"].items():
        packages = {name: version for name, version in worker["packages"].items() if version}
        check_versions(known, packages, address)


def _appears(path: Path) -> bool:
    """Whether a file is there, or comes soon: the scheduler may be starting as well."""
    limit = time.monotonic() + _SECONDS_TO_CONNECT
    while not path.exists() and time.monotonic() < limit:
        time.sleep(0.1)
    return path.exists()


def _stay_on(cores: set[int]) -> None:
    """Keep all threads of a worker's process, and those to come, on these cores."""
    if cores and Path("/proc/self/task").exists():
        for thread in Path("/proc/self/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores)
