"""The coordinator over any executor: what it takes in, tries again, gives up and ends for."""

import concurrent.futures
import errno
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import jax
import pytest

from bnnpost import parallel
from bnnpost.parallel import ExecutorError, Inline, Processes, Task, WorkLeft, coordinator
from bnnpost.parallel.coordinator import room
from bnnpost.parallel.failures import is_death
from tests.parallel import tasks
from tests.parallel.tasks import Kept


@pytest.fixture(params=[Inline, lambda: ThreadPoolExecutor(2)], ids=["inline", "threads"])
def executor(request):
    with request.param() as made:
        yield made


def run(kept, given, executor, **options):
    parallel.run(given, executor, say=kept.said.append, show=kept.shown.append, **options)


def test_tasks_and_what_follows_from_them_are_done(executor):
    kept = Kept()
    later = kept.task("later", tasks.double, 5)
    given = [kept.task(str(i), tasks.double, i, then=[later] if i == 0 else []) for i in range(4)]
    run(kept, iter(given), executor)
    assert kept.results == {"0": 0, "1": 2, "2": 4, "3": 6, "later": 10}
    shown = {name for names in kept.shown for name in names}
    assert kept.shown[-1] == [] and shown
    if isinstance(executor, Inline):  # threads may be done with a task before it is shown
        assert shown == {"0", "1", "2", "3", "later"}


def test_tasks_are_asked_for_when_a_worker_is_free():
    kept, asked = Kept(), []

    def given():
        for i in range(3):
            assert len(kept.results) == i
            asked.append(i)
            yield kept.task(str(i), tasks.double, i)

    run(kept, given(), Inline())
    assert asked == [0, 1, 2]


def test_what_may_pass_is_tried_again_and_all_else_given_up(executor):
    kept = Kept()
    given = [
        kept.task("disk", tasks.fail, OSError("gone")),
        kept.task("device", tasks.fail, jax.errors.JaxRuntimeError("no memory")),
        kept.task("law", tasks.fail, ValueError("no such law")),
        kept.task("namesake", tasks.fail, type("JaxRuntimeError", (RuntimeError,), {})()),
        kept.task("good", tasks.double, 1),
    ]
    run(kept, given, executor, retries=2)
    assert kept.failures == {
        "disk": ("OSError", 3),
        "device": ("JaxRuntimeError", 3),
        "law": ("ValueError", 1),
        "namesake": ("JaxRuntimeError", 1),
    }
    assert kept.results == {"good": 2} and sum("tried again" in line for line in kept.said) == 4


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "no space"), ExecutorError("wrong"), KeyboardInterrupt()]
)
def test_what_would_come_again_ends_it(executor, error):
    kept = Kept()
    given = [kept.task("bad", tasks.fail, error), *[kept.task("x", tasks.double, 1)] * 50]
    with pytest.raises(type(error)):
        run(kept, given, executor)


def test_workers_that_dask_has_given_up_are_known():
    distributed = pytest.importorskip("distributed")
    assert is_death(distributed.scheduler.KilledWorker("task", None, 3))
    assert not is_death(type("KilledWorker", (Exception,), {})())


def test_an_executor_that_is_lost_leaves_work():
    closed = ThreadPoolExecutor(1)
    closed.shutdown()
    kept = Kept()
    with pytest.raises(WorkLeft, match="lost its workers"):
        run(kept, [kept.task("x", tasks.double, 1)], closed)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool, pytest.raises(WorkLeft, match="lost its wor"):
        run(kept, [kept.task("x", tasks.always_die, 1)], pool)
    assert not kept.failures


def test_warnings_of_workers_are_given_by_the_coordinator():
    kept = Kept()
    with ThreadPoolExecutor(1) as threads, pytest.warns(UserWarning, match="odd: 3"):
        run(kept, [kept.task("x", tasks.warn, 3)], threads)


def test_workers_of_other_versions_are_refused():
    known = {"jax": "0.1", "bnnpost": "7"}
    with pytest.raises(
        ExecutorError, match=r"worker on far has jax 0\.2 and not 0\.1, bnnpost mis"
    ):
        coordinator.check_versions(known, {"jax": "0.2"}, "far")
    with pytest.raises(ExecutorError, match="jax"):
        coordinator.call({**coordinator.agreed(), "jax": "0.0.1"}, tasks.double, 1)
    assert coordinator.call(coordinator.agreed(), tasks.double, 1).result == 2


def test_room_is_for_a_worker_each_and_a_few_more():
    with ThreadPoolExecutor(8) as threads, Processes(2) as processes:
        assert (room(Inline()), room(threads), room(processes)) == (1, 10, 3)
    assert room(concurrent.futures.Executor()) is None


def test_a_task_that_fails_in_the_coordinator_ends_it():
    def take(result, attempts):
        raise OSError(errno.ENOSPC, "no space")

    with pytest.raises(OSError, match="no space"):
        parallel.run([Task("x", tasks.double, (1,), take, take)], Inline())
