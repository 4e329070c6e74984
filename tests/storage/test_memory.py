"""How much memory is free, on the machine and in a container."""

import pytest

from bnnpost.storage import available_memory, memory

SYSTEM = "MemTotal:       1000 kB\nMemFree:         10 kB\nMemAvailable:     500 kB\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine of 500 KiB free, and a container without a limit."""
    monkeypatch.setattr(memory, "_SYSTEM", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    (tmp_path / "meminfo").write_text(SYSTEM)
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("70000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 20000\nactive_file 9\n")
    return tmp_path


def test_the_machine_says_what_is_free(machine):
    assert available_memory() == 500 * 1024


def test_a_container_may_have_less(machine):
    (machine / "memory.max").write_text("100000\n")
    assert available_memory() == 50000
    (machine / "memory.max").write_text("10000\n")
    assert available_memory() == 0


def test_a_system_that_does_not_say(machine):
    (machine / "meminfo").unlink()
    assert available_memory() is None
