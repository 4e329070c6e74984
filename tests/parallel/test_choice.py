"""Executors by their names."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from bnnpost.parallel import ExecutorError, Inline, Processes, executor


def threads():
    return ThreadPoolExecutor(3)


def no_executor():
    return 7


@pytest.mark.parametrize(
    ("name", "jobs", "kind", "count"),
    [
        (None, None, Inline, 1),
        (None, 1, Inline, 1),
        ("inline", None, Inline, 1),
        (None, 3, Processes, 3),
        ("process", None, Processes, 2),
        ("process", 1, Processes, 1),
    ],
)
def test_names(name, jobs, kind, count):
    with executor(name, jobs=jobs) as found:
        assert type(found) is kind and found.num_workers == count


def test_one_of_the_users_own():
    with executor(f"{__name__}:threads") as found:
        assert isinstance(found, ThreadPoolExecutor)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "proces"}, "did you mean process"),
        ({"name": "tests.parallel.test_choice:no_executor"}, "futures.Executor, got int"),
        ({"name": "tests.parallel.test_choice:nothing"}, "has no attribute"),
        ({"name": "no_such_module:make"}, "No module named"),
        ({"name": "inline", "jobs": 2}, "several jobs are for"),
        ({"name": "process", "scheduler": "tcp://x:1"}, "for the executor dask"),
        ({"scheduler": "tcp://x:1", "jobs": 2}, "workers of its own"),
        ({"scheduler": "none.json"}, "no such scheduler file"),
        ({"scheduler": "tcp://127.0.0.1:9"}, "no scheduler of dask answers at"),
        ({"scheduler": "nowhere at all"}, "no scheduler of dask answers at"),
    ],
)
def test_what_cannot_be_had_is_told(given, words, monkeypatch):
    monkeypatch.setattr("bnnpost.parallel.dask._SECONDS_TO_CONNECT", 1)
    with pytest.raises(ExecutorError, match=words):
        executor(**given)


def test_dask_may_not_be_installed(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ExecutorError, match=r"pip install 'bnnpost\[dask\]'"):
        executor("dask")
