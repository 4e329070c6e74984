"""Hostile input is refused, at once and in one clear line."""

import contextlib
import re
import signal

# Far more than any refusal takes, on a machine with other work too: a hang, not a speed.
SECONDS = 120
# Words of Python's and JAX's own messages that no error of ours may leave to speak for itself.
BARE = re.compile(
    r"Traceback|fold_in|broadcast_in_dim|dot_general|Shapes must be|C long|"
    r"int too large to convert|only integers, slices|embedded null byte|not a valid JAX array|"
    r"positive definite$|object is not|has no attribute|'<' not supported|with --debug"
)
LONGEST = 500


class Hung(BaseException):
    """No `except` of the library's takes it for an error."""


@contextlib.contextmanager
def in_time():
    """Raise Hung where something takes minutes."""

    def stop(number, frame):
        raise Hung(f"not over after {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def check_clear(text, words):
    """One line that says what is wrong in the words of the test, and none of Python's own."""
    assert text.strip() and "\n" not in text.strip(), text
    assert len(text) < LONGEST, text
    assert not BARE.search(text), text
    assert re.search(words, text), text
