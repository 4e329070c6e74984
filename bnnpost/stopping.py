"""How a process is asked to end, by Ctrl-C or SIGTERM: heard where it can be, and after a file."""

import _thread
import contextlib
import gc
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from types import FrameType
from typing import NoReturn

_ENDING = (signal.SIGINT, signal.SIGTERM)
_DEAF = (
    # Modules in C++ begin here: some of jaxlib's go on, or crash, if they are interrupted then.
    ExtensionFileLoader.create_module.__code__,
    ExtensionFileLoader.exec_module.__code__,
    # Whoever starts a thread could no longer tell it to end: JAX has one that takes a minute.
    threading.Thread.start.__code__,
)
# What imports modules, and what keeps weak references: these have callbacks of their own.
_FILES_WITH_CALLBACKS = tuple(
    made.__init__.__code__.co_filename
    for made in (ModuleSpec, weakref.WeakValueDictionary, weakref.WeakSet)
)
_SECONDS_UNTIL_AGAIN = 0.01


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Let Ctrl-C, and SIGTERM by which schedulers end a job, raise KeyboardInterrupt in the block.

    Python drops what is raised while it collects garbage, and JAX has code that runs then: there
    interruptions are lost. Here they come again until they are heard, and what they turn into on
    their way is KeyboardInterrupt at the end. Signals that are ignored stay so; outside the main
    thread nothing changes.
    """
    with contextlib.ExitStack() as handlers:
        if threading.current_thread() is threading.main_thread():
            for number in _ENDING:
                before = signal.getsignal(number)
                if before not in (signal.SIG_IGN, None):
                    handlers.callback(signal.signal, number, before)
                    signal.signal(number, _interrupt)
        try:
            yield
        except Exception as error:
            if is_interruption(error):
                raise KeyboardInterrupt from error
            raise


def is_interruption(error: BaseException | None) -> bool:
    """Whether an error is KeyboardInterrupt, or came up while one was on its way.

    Code that it passes may raise an error of its own: of a lock not yet held, say. Where that
    code is JAX's in C++, nothing but the message tells.
    """
    while error is not None:
        if isinstance(error, KeyboardInterrupt) or KeyboardInterrupt.__name__ in str(error):
            return True
        error = error.__context__
    return False


def end_at_once(code: int) -> NoReturn:
    """End this process with an exit code: streams are flushed, all else is left as it is.

    For a process that was interrupted, and has written what it keeps. XLA's threads go on with
    what they were computing; where the interpreter is torn down beneath them they end, often
    enough, in a segmentation fault, and where it is not, only after the whole computation. The
    system lets go of locks and memory.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # a pipe that nobody reads, a closed stream
            stream.flush()
    os._exit(code)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM do what they do at the end of the block, not within it.

    Libraries that write files are not made to be stopped at any line: numpy's archives then raise
    a ValueError of their own instead of KeyboardInterrupt. A signal that ends the process without
    asking Python, or is ignored, is left as it is, and so are all of them outside the main thread.
    """
    came: set[int] = set()
    with contextlib.ExitStack() as handlers:
        if threading.current_thread() is threading.main_thread():
            for number in _ENDING:
                handler = signal.getsignal(number)
                if callable(handler):
                    handlers.callback(_give_back, number, handler, came)
                    signal.signal(number, lambda number, frame: came.add(number))
        yield


def _give_back(
    number: int, handler: Callable[[int, FrameType | None], object], came: set[int]
) -> None:
    """Let the handler have the signal again, and what came of it."""
    signal.signal(number, handler)
    if number in came:
        handler(number, None)


def _interrupt(number: int, frame: FrameType | None) -> None:
    if _is_heard(frame):
        raise KeyboardInterrupt
    # Not threading.Thread, whose locks may be held by what is interrupted.
    _thread.start_new_thread(_send_again, (number,))


def _is_heard(frame: FrameType | None) -> bool:
    """Whether an exception in this frame gets out of it, and leaves nothing half begun behind.

    Out of a callback of the collector or of a weak reference, a destructor, or the start of a
    module in C++ none does.
    """
    if frame is not None and frame.f_code.co_filename in _FILES_WITH_CALLBACKS:
        return False
    deaf = [*_DEAF, *(getattr(callback, "__code__", None) for callback in gc.callbacks)]
    while frame is not None:
        if frame.f_code in deaf or frame.f_code.co_name == "__del__":
            return False
        frame = frame.f_back
    return True


def _send_again(number: int) -> None:
    time.sleep(_SECONDS_UNTIL_AGAIN)
    os.kill(os.getpid(), number)
