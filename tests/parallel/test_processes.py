"""Processes of this machine: killed, ended, told to end; and the program that starts them."""

import os
import signal
import time

import pytest

from bnnpost import parallel
from bnnpost.parallel import ExecutorError, Processes, processes
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
    with pytest.raises(RuntimeError, match="were ended"):
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
