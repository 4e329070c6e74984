"""Ctrl-C and SIGTERM are heard where Python or JAX would drop them, and keep their name."""

import gc
import importlib.machinery
import signal
import sys
import threading
import time
import types
import weakref

import pytest

from bnnpost.stopping import is_interruption, stoppable


@pytest.fixture(autouse=True)
def handlers():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    terminated = signal.getsignal(signal.SIGTERM)
    yield
    left = signal.signal(signal.SIGINT, before)
    assert left is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is terminated


def wait():
    """Long enough for a signal that is sent again."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        time.sleep(0.001)
    raise AssertionError("not interrupted")


def in_the_collector(number):
    """A signal while garbage is collected, in a callback as JAX has one."""

    def callback(phase, info):
        if phase == "start" and not sent:
            sent.append(number)
            signal.raise_signal(number)

    sent = []
    gc.callbacks.append(callback)
    try:
        gc.collect()
    finally:
        gc.callbacks.remove(callback)
    assert sent


class Stopping:
    """A signal in the code that runs when an object is no longer needed."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        self.then()

    def then(self):
        signal.raise_signal(self.number)


def in_a_destructor(number):
    Stopping(number)


def in_the_start_of_a_module(number):
    """A signal while a module in C++ is loaded, which drops what is raised in it or crashes."""
    code = importlib.machinery.ExtensionFileLoader.create_module.__code__
    frame = type("Frame", (), {"f_code": code, "f_back": sys._getframe()})()
    signal.getsignal(number)(number, frame)


def at(code):
    """A signal in this code, which drops what is raised in it, crashes or leaves things begun."""

    def send(number):
        frame = types.SimpleNamespace(f_code=code, f_back=sys._getframe())
        signal.getsignal(number)(number, frame)

    return send


OURS = [in_the_collector, in_a_destructor]
OTHERS = {
    "a weak reference": weakref.WeakValueDictionary()._remove.__code__,
    "an import": importlib.machinery.ModuleSpec.__init__.__code__,
    "a module in C++": importlib.machinery.ExtensionFileLoader.create_module.__code__,
    "the start of a thread": threading.Thread.start.__code__,
}
PLACES = [*OURS, *(pytest.param(at(code), id=name) for name, code in OTHERS.items())]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("place", PLACES)
def test_comes_again_until_it_is_heard(place, number):
    with pytest.raises(KeyboardInterrupt), stoppable():
        place(number)
        wait()


@pytest.mark.parametrize("place", OURS)
def test_known_wrong_twin_loses_it(place, monkeypatch):
    dropped = []
    monkeypatch.setattr(sys, "unraisablehook", dropped.append)
    place(signal.SIGINT)
    time.sleep(0.05)
    assert [what.exc_type for what in dropped] == [KeyboardInterrupt]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_is_heard_at_once_elsewhere(number):
    with pytest.raises(KeyboardInterrupt), stoppable():
        signal.raise_signal(number)
        raise AssertionError("not at once")


def test_keeps_its_name_where_other_code_raises_another_error():
    with pytest.raises(KeyboardInterrupt) as caught, stoppable():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            raise RuntimeError("cannot release un-acquired lock")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="of its own"), stoppable():
        raise RuntimeError("of its own")


def test_an_ignored_signal_stays_ignored():
    ours = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stoppable():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, ours)


def test_nothing_changes_in_another_thread():
    def look():
        with stoppable():
            seen.append(signal.getsignal(signal.SIGINT))

    seen = []
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_an_error_knows_of_an_interruption_on_its_way():
    try:
        try:
            try:
                raise KeyboardInterrupt
            finally:
                raise ValueError("first")
        finally:
            raise OSError("second")
    except OSError as error:
        assert is_interruption(error)
    assert is_interruption(KeyboardInterrupt())
    assert is_interruption(RuntimeError('File "cache_key.py", line 190\nKeyboardInterrupt: '))
    assert not is_interruption(OSError("disk full"))
