"""Signals that ask a process to end, made to wait while a file is being written."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM do what they do at the end of the block, not within it.

    Libraries that write files are not made to be stopped at any line: numpy's archives then raise
    a ValueError of their own instead of KeyboardInterrupt. A signal that ends the process without
    asking Python, or is ignored, is left as it is, and so are all of them outside the main thread.
    """
    came: dict[int, FrameType | None] = {}
    with contextlib.ExitStack() as handlers:
        if threading.current_thread() is threading.main_thread():
            for number in _ENDING:
                handler = signal.getsignal(number)
                if callable(handler):
                    handlers.callback(_give_back, number, handler, came)
                    signal.signal(number, came.__setitem__)
        yield


def _give_back(
    number: int,
    handler: Callable[[int, FrameType | None], object],
    came: dict[int, FrameType | None],
) -> None:
    """Let the handler have the signal again, and what came of it."""
    signal.signal(number, handler)
    if number in came:
        handler(number, came[number])
