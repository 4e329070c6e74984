"""Processes of this machine: killed, ended, told to end; and the program that starts them."""

import concurrent.futures
import multiprocessing
import os
import signal
import time
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest

from bnnpost import parallel
from bnnpost.parallel import ExecutorError, Processes, processes
from bnnpost.parallel.failures import WorkerDied
from tests.parallel import tasks
from tests.parallel.tasks import Kept
from tests.processes import start


def run(kept, given, executor, **options):
    parallel.run(given, executor, say=kept.said.append, **options)


def test_processes_have_their_own_cores_and_are_used_again():
    kept = Kept()
    with Processes(2) as executor:
        run(kept, [kept.task(f"c{i}", tasks.cores, i) for i in range(2)], executor)
        run(kept, [kept.task(f"p{i}", tasks.process_id, i) for i in range(8)], executor)
    here = sorted(os.sched_getaffinity(0))
    for cores, threads in (kept.results["c0"], kept.results["c1"]):
        assert set(cores) <= set(here) and int(threads) == len(cores)
    pids = {pid for name, pid in kept.results.items() if name.startswith("p")}
    assert 1 <= len(pids) <= 2 and os.getpid() not in pids


def test_a_killed_process_costs_its_task_and_nothing_else(tmp_path):
    kept = Kept()
    with Processes(2) as executor:
        given = [
            kept.task("killed", tasks.die, tmp_path / "once"),
            kept.task("cursed", tasks.always_die, 1),
            *[kept.task(str(i), tasks.double, i) for i in range(6)],
        ]
        run(kept, given, executor)
    assert kept.results == {"killed": "lived", **{str(i): 2 * i for i in range(6)}}
    assert kept.failures == {"cursed": ("WorkerDied", 2)}
    assert sum("its process was killed, and is tried again" in line for line in kept.said) == 2


def one_pool(jobs):
    return ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"))


@pytest.mark.parametrize(("make", "num_lost"), [(Processes, 1), (one_pool, 3)])
def test_a_kill_costs_the_call_of_its_process_alone(make, num_lost, tmp_path):
    """Known-wrong twin: a pool of the standard library loses all that is under way, or waits."""
    with make(2) as executor:
        futures = [executor.submit(tasks.wait_for, tmp_path / "go") for _ in range(2)]
        while len(pids := [int(path.suffix[1:]) for path in tmp_path.glob("go.*")]) < 2:
            time.sleep(0.02)
        futures.append(executor.submit(tasks.double, 1))
        os.kill(pids[0], signal.SIGKILL)
        concurrent.futures.wait(futures, return_when=FIRST_EXCEPTION)
        (tmp_path / "go").touch()
        errors = [future.exception() for future in futures]
    lost = WorkerDied if make is Processes else BrokenProcessPool
    assert [type(error) for error in errors if error] == [lost] * num_lost


def test_a_process_that_is_killed_with_nothing_to_do_costs_nothing():
    with Processes(1) as executor:
        for _ in range(3):
            pid = executor.submit(tasks.process_id, 0).result()
            os.kill(pid, signal.SIGKILL)
            while pid in {child.pid for child in multiprocessing.active_children()}:
                time.sleep(0.01)
        assert executor.submit(tasks.double, 4).result() == 8


@pytest.mark.parametrize("wait", [True, False])
def test_what_was_submitted_is_done_before_the_end(wait):
    executor = Processes(1)
    pid, *doubles = [
        executor.submit(function, i)
        for i, function in enumerate([tasks.process_id, tasks.double, tasks.double])
    ]
    executor.shutdown(wait=wait)
    assert [future.result(timeout=60) for future in doubles] == [2, 4]
    while is_running(pid.result()):
        assert not wait
        time.sleep(0.01)


def test_what_waits_can_be_cancelled(tmp_path):
    with Processes(1) as executor:
        first = executor.submit(tasks.wait_for, tmp_path / "cancelled")
        while not list(tmp_path.glob("cancelled.*")):
            time.sleep(0.02)
        futures = [executor.submit(tasks.double, 1) for _ in range(3)]
        assert futures[0].cancel() and not first.cancel()
        executor.shutdown(wait=False, cancel_futures=True)
        assert all(future.cancelled() for future in futures)
        (tmp_path / "cancelled").touch()
        assert first.result() == "lived"


def test_a_program_that_cannot_start_is_told(monkeypatch):
    monkeypatch.setattr(processes, "_begin", tasks.always_die)
    kept = Kept()
    with Processes(1) as executor, pytest.raises(ExecutorError, match="before it does anything"):
        run(kept, [kept.task("x", tasks.double, 1)], executor)


def test_an_error_ends_processes_at_once(tmp_path):
    started = time.monotonic()
    with pytest.raises(ZeroDivisionError), Processes(2) as executor:
        executor.submit(tasks.wait_long, tmp_path / "pid")
        while not list(tmp_path.glob("pid.*")):
            time.sleep(0.02)
        raise ZeroDivisionError
    assert time.monotonic() - started < 60
    (pid,) = (int(path.suffix[1:]) for path in tmp_path.glob("pid.*"))
    assert not is_running(pid)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(tasks.double, 1)


# A script that is not written to be imported, as a user's may be.
SCRIPT = """
import pathlib, signal, sys
from bnnpost import parallel
from tests.parallel import tasks
# Started in the background, this process may ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
with parallel.Processes(2) as executor:
    assert executor.submit(tasks.double, 1).result() == 2
    for _ in range(2):
        executor.submit(tasks.wait_long, pathlib.Path(sys.argv[1]) / "pid")
    parallel.run([parallel.Task("x", tasks.double, (3,), lambda *r: (), lambda *e: ())], executor)
"""


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_processes_end_with_the_program_however_it_ends(tmp_path, stop):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    program = start(script, tmp_path)
    while len(pids := [int(path.suffix[1:]) for path in tmp_path.glob("pid.*")]) < 2:
        assert program.poll() is None, program.stderr.read()
        time.sleep(0.02)
    program.send_signal(stop)
    program.communicate(timeout=60)
    limit = time.monotonic() + 20
    while any(map(is_running, pids)) and time.monotonic() < limit:
        time.sleep(0.05)
    assert not any(map(is_running, pids))


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_cores_are_shared_out(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    assert [processes.cores_of(i, 2) for i in range(2)] == [{0, 1}, {2, 3}]
    assert [processes.cores_of(i, 6) for i in (0, 5)] == [{0}, {1}]


def test_no_process_is_no_executor():
    with pytest.raises(ExecutorError, match="at least one process"):
        Processes(0)
