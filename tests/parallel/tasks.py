"""What workers of the tests do."""

import os
import signal
import time
import warnings

from bnnpost.parallel import Task


def double(number):
    return 2 * number


def process_id(number):
    return os.getpid()


def fail(error):
    raise error


def warn(number):
    warnings.warn(f"odd: {number}", UserWarning, stacklevel=2)
    return number


def die(marker):
    """Be killed, unless that has happened before."""
    if marker.exists():
        return "lived"
    marker.touch()
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def always_die(number):
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for(marker):
    """Say that this has begun, and go on when the file is there."""
    marker.with_name(f"{marker.name}.{os.getpid()}").touch()
    while not marker.exists():
        time.sleep(0.02)
    return "lived"


def wait_long(marker):
    marker.with_name(f"{marker.name}.{os.getpid()}").touch()
    time.sleep(600)


def cores(number):
    return sorted(os.sched_getaffinity(0)), os.environ["OMP_NUM_THREADS"]


class Kept:
    """Takes what tasks come to, by name."""

    def __init__(self):
        self.results, self.failures, self.said, self.shown = {}, {}, [], []

    def task(self, name, function, *arguments, then=()):
        def take(result, attempts):
            self.results[name] = result
            return then

        def give_up(error, attempts):
            self.failures[name] = (type(error).__name__, attempts)
            return ()

        return Task(name, function, arguments, take, give_up)
