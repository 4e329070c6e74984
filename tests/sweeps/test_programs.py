"""Where compiled programs are kept, and what a damaged entry does."""

import os
from pathlib import Path

import pytest

from bnnpost.sweeps import programs
from tests import processes

JAX = "JAX_COMPILATION_CACHE_DIR"


@pytest.fixture
def environment(monkeypatch, tmp_path):
    monkeypatch.delenv(JAX, raising=False)
    monkeypatch.delenv(programs.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return monkeypatch


def test_the_folder_is_in_the_users_caches_and_of_this_processor(environment, tmp_path):
    folder = Path(programs.program_cache()[JAX])
    assert folder.is_dir() and folder.parent == tmp_path / "caches" / "bnnpost" / "programs"
    environment.setattr(programs, "_processor", lambda: "another")
    assert Path(programs.program_cache()[JAX]).name == "another"


def test_the_users_choice_wins(environment, tmp_path):
    environment.setenv(programs.VARIABLE, str(tmp_path / "mine"))
    assert Path(programs.program_cache()[JAX]).parent == tmp_path / "mine" / "programs"
    for word in ("off", "OFF", "0", ""):
        environment.setenv(programs.VARIABLE, word)
        assert programs.program_cache() == {}
    environment.delenv(programs.VARIABLE)
    environment.setenv(JAX, str(tmp_path / "jax"))
    assert programs.program_cache() == {}


def test_the_oldest_programs_go_when_there_are_too_many(environment):
    folder = Path(programs.program_cache()[JAX])
    (folder.parent / "another").mkdir()
    paths = [folder.parent / ("another" if i % 2 else folder.name) / f"{i}-cache" for i in range(8)]
    for age, path in enumerate(paths):
        path.write_bytes(bytes(100))
        os.utime(path, (1e9 - age, 1e9 - age))
    (folder / "mine.txt").write_bytes(bytes(1000))
    environment.setattr(programs, "_MOST_BYTES", 800)
    programs.program_cache()
    assert all(path.exists() for path in paths)
    environment.setattr(programs, "_MOST_BYTES", 700)
    programs.program_cache()
    assert [path.exists() for path in paths] == [True] * 3 + [False] * 5
    assert (folder / "mine.txt").exists()


def test_an_error_of_the_device_can_name_the_programs(environment):
    assert programs.kept_in() == ""
    environment.setenv(JAX, "/a/folder")
    assert "/a/folder" in programs.kept_in() and "BNNPOST_CACHE=off" in programs.kept_in()


def test_a_plan_says_where_its_programs_are_kept(environment):
    assert programs.kept_for_the_run() == ""
    environment.setenv(JAX, "/a/folder")
    assert programs.kept_for_the_run().endswith("a run on this machine uses it: /a/folder")


def test_where_no_folder_can_be_made_nothing_is_kept(environment, tmp_path):
    (tmp_path / "file").write_text("")
    environment.setenv(programs.VARIABLE, str(tmp_path / "file"))
    assert programs.program_cache() == {}


@pytest.mark.parametrize(("mode", "words"), [(0o777, "others may write"), (0o770, "others may")])
def test_a_folder_that_others_may_write_to_is_not_used(environment, mode, words):
    folder = Path(programs.program_cache()[JAX])
    folder.chmod(mode)
    with pytest.warns(UserWarning, match=words):
        assert programs.program_cache() == {}
    folder.chmod(0o755)
    assert programs.program_cache()[JAX] == str(folder)


def test_a_folder_of_another_user_is_not_used(environment):
    environment.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.warns(UserWarning, match="is not your own"):
        assert programs.program_cache() == {}


def test_the_users_own_limits_are_left(environment):
    for name in programs._SETTINGS:
        environment.delenv(name, raising=False)
    assert programs._SETTINGS.items() <= programs.program_cache().items()
    name = next(iter(programs._SETTINGS))
    environment.setenv(name, "60")
    assert name not in programs.program_cache()


PROGRAM = """
import sys
from bnnpost.sweeps.programs import silence_cache
if sys.argv[1] == "silent":
    silence_cache()
import jax
print(float(jax.jit(lambda x: (x @ x).sum() + 1)(jax.numpy.full((3, 3), 2.0))))
"""


@pytest.mark.slow
def test_a_damaged_entry_is_compiled_again_and_nothing_is_said_of_it(tmp_path):
    cache = {
        JAX: str(tmp_path),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }

    def run(word):
        return processes.start("-c", PROGRAM, word, variables=cache).communicate(timeout=60)

    whole = run("silent")
    entries = list(tmp_path.glob("*-cache"))
    assert entries and whole[1] == ""
    for path in entries:
        path.write_bytes(path.read_bytes()[:100])
    assert "Error reading" in run("aloud")[1]
    assert run("silent") == whole
