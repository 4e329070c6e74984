"""A file being written when the user stops the process: it is finished, and then all stops."""

import contextlib
import signal
import sys
import threading
import zipfile

import numpy as np
import pytest

from bnnpost.storage import files, read_archive, whole, write_archive

VALUES = {"a": np.arange(3.0), "b": np.zeros(2)}


class Stopped(BaseException):
    """What SIGTERM does in these tests."""


@pytest.fixture(autouse=True)
def handlers():
    """SIGINT as Python has it, and SIGTERM as a program may."""

    def stop(number, frame):
        raise Stopped

    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.SIGTERM: signal.signal(signal.SIGTERM, stop),
    }
    ours = {number: signal.getsignal(number) for number in before}
    yield
    left = {number: signal.getsignal(number) for number in before}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert left == ours


def write_interrupted(path, call):
    """Write an archive, with Ctrl-C at this call within the writer of zip files; what came of it.

    None if there are fewer calls.
    """
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        if event == "call" and frame.f_code.co_filename.startswith(zipfile.__file__[:-3]):
            calls += 1
            if calls == call:
                signal.raise_signal(signal.SIGINT)

    sys.setprofile(count)
    try:
        write_archive(path, VALUES, {"n": 1})
    except BaseException as error:
        return error
    finally:
        sys.setprofile(None)
    assert calls < call
    return None


def test_ctrl_c_at_any_moment_is_an_interrupt_and_the_file_is_whole(tmp_path):
    moments = 0
    while error := write_interrupted(tmp_path / "a.npz", moments + 1):
        assert type(error) is KeyboardInterrupt, moments
        record, arrays = read_archive(tmp_path / "a.npz")
        assert record == {"n": 1}
        np.testing.assert_equal(arrays, VALUES)
        assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]
        (tmp_path / "a.npz").unlink()
        moments += 1
    assert moments > 20


def hide_an_interrupt(path):
    """As numpy and zipfile do at some of these moments."""
    with whole(path) as temporary:
        try:
            temporary.write_text("half")
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ValueError("cannot close the file") from None


def test_known_wrong_twin_that_does_not_wait_hides_the_interrupt(tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        hide_an_interrupt(tmp_path / "a")
    monkeypatch.setattr(files, "held_back", contextlib.nullcontext)
    with pytest.raises(ValueError, match="cannot close"):
        hide_an_interrupt(tmp_path / "b")


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Stopped)]
)
def test_a_stop_waits_for_the_file(tmp_path, number, error):
    done = False
    with pytest.raises(error), whole(tmp_path / "a") as temporary:
        signal.raise_signal(number)
        temporary.write_text("all of it")
        done = True
    assert done
    assert (tmp_path / "a").read_text() == "all of it"


def test_a_stop_is_not_lost_with_an_error_of_the_writer(tmp_path):
    with pytest.raises(KeyboardInterrupt) as caught, whole(tmp_path / "a"):
        signal.raise_signal(signal.SIGINT)
        raise OSError("disk full")
    assert isinstance(caught.value.__context__, OSError)
    assert not list(tmp_path.iterdir())


def test_files_written_within_one_another_stop_once_at_the_end(tmp_path):
    with pytest.raises(KeyboardInterrupt), whole(tmp_path / "a") as outer:
        with whole(tmp_path / "b") as inner:
            signal.raise_signal(signal.SIGINT)
            inner.write_text("b")
        outer.write_text("a")
    assert (tmp_path / "a").read_text() == "a"
    assert (tmp_path / "b").read_text() == "b"


def test_an_ignored_signal_stays_ignored(tmp_path):
    ours = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with whole(tmp_path / "a") as temporary:
            signal.raise_signal(signal.SIGINT)
            temporary.write_text("a")
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, ours)


def test_another_thread_writes_without_handlers(tmp_path):
    def write():
        with whole(tmp_path / "a") as temporary:
            temporary.write_text("a")

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert (tmp_path / "a").read_text() == "a"
