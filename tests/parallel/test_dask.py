"""Workers of dask.distributed: what they give, and what a lost one costs."""

import pytest

from bnnpost import parallel
from bnnpost.parallel import ExecutorError, WorkLeft, coordinator
from bnnpost.parallel.coordinator import agreed
from bnnpost.parallel.dask import Dask, _check_workers
from tests.parallel import tasks
from tests.parallel.tasks import Kept

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def dask():
    with Dask(jobs=2) as made:
        yield made


def run(kept, given, executor, **options):
    parallel.run(given, executor, say=kept.said.append, show=kept.shown.append, **options)


def test_tasks_are_done_by_several_processes(dask):
    kept = Kept()
    run(kept, [kept.task(str(i), tasks.double, i) for i in range(6)], dask)
    assert kept.results == {str(i): 2 * i for i in range(6)}
    assert dask.num_workers == 2 and dask.dashboard.startswith("http")


def test_a_killed_worker_is_replaced_and_its_task_done_by_another(dask, tmp_path):
    kept = Kept()
    given = [kept.task("killed", tasks.die, tmp_path / "once")]
    run(kept, [*given, kept.task("law", tasks.fail, ValueError("no such law"))], dask)
    assert kept.results == {"killed": "lived"} and kept.failures == {"law": ("ValueError", 1)}


def test_another_client_uses_the_same_scheduler(dask):
    kept = Kept()
    with Dask(dask._cluster.scheduler_address) as other:
        run(kept, [kept.task("x", tasks.double, 4)], other)
    assert kept.results == {"x": 8}
    with Dask(dask._cluster.scheduler_address) as other, pytest.raises(WorkLeft):
        other._client.close()
        run(kept, [kept.task("y", tasks.double, 4)], other)


class Workers:
    """A client whose one worker has these packages."""

    def __init__(self, **packages):
        self.packages = packages

    def get_versions(self, packages):
        found = {name: self.packages.get(name) for name in packages}
        return {"workers": {"tcp://far:1": {"packages": found}}}


def test_workers_are_checked_before_they_are_sent_anything():
    here = {name: version for name, version in agreed().items() if name != "python"}
    _check_workers(Workers(**here))
    with pytest.raises(ExecutorError, match=r"on tcp://far:1 has bnnpost missing and not \d"):
        _check_workers(Workers(**{**here, "bnnpost": None}))
    with pytest.raises(ExecutorError, match=r"has jax 0\.1 and not .* install there what is here"):
        _check_workers(Workers(**{**here, "jax": "0.1"}))


@pytest.mark.slow
def test_a_worker_that_cannot_write_files_does_not_begin(monkeypatch):
    monkeypatch.setattr(coordinator, "_MUST_BE_THERE", ("h5py", "no_such_package"))
    with pytest.raises(ExecutorError, match="cannot write files without no_such_package: install"):
        coordinator.call(agreed(), tasks.double, 1)
