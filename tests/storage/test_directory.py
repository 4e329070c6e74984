"""The lock of a directory, and what is left of one in which nothing came to be written."""

import pytest

from bnnpost.runs.directory import LOCK, Directory
from bnnpost.storage import DirectoryInUse


def refused(directory):
    """As a run that holds the directory and is refused before it writes."""
    with pytest.raises(ValueError, match="no such activation"), directory.held():
        raise ValueError("no such activation")


def test_a_directory_that_was_made_for_nothing_is_removed(tmp_path):
    refused(Directory(tmp_path / "runs" / "one"))
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_was_there_or_has_something_in_it_stays(tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    refused(Directory(own))
    assert own.is_dir()
    written = Directory(tmp_path / "written")
    with written.held():
        written.log("begun")
    assert (written.path / "log.txt").exists()


def test_a_directory_that_another_process_holds_is_refused_and_stays(tmp_path):
    directory = Directory(tmp_path / "run")
    with directory.held():
        with pytest.raises(DirectoryInUse, match="another process"), directory.held():
            pass
        assert directory.path.is_dir()


def test_a_lock_that_was_removed_meanwhile_is_none(tmp_path, monkeypatch):
    """Between its opening and its locking, by a process that ended."""
    import fcntl

    directory, lock = Directory(tmp_path), tmp_path / LOCK
    flock = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", lambda *given: (lock.unlink(), flock(*given)))
    with pytest.raises(DirectoryInUse), directory.held():
        pass
