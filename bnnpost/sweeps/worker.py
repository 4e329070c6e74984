"""A process that works on a grid, started by `processes`."""

import contextlib
import dataclasses
import json
import os
import signal
import sys
import threading
from typing import NoReturn

from bnnpost.stopping import end_at_once, stoppable
from bnnpost.sweeps.grid_directory import GridDirectory
from bnnpost.sweeps.programs import silence_cache
from bnnpost.sweeps.work import Effort, work

# As a shell has it of a process that was told to end.
INTERRUPTED = 130


def arguments(directory: GridDirectory, effort: Effort) -> list[str]:
    """The command line of a worker, after the interpreter."""
    # Not -m, which warns of a module that its package has imported already.
    code = f"import sys; from {__name__} import run; run(*sys.argv[1:])"
    return ["-c", code, str(directory.path), json.dumps(dataclasses.asdict(effort))]


def run(path: str, options: str) -> NoReturn:
    """What a worker's process does from its beginning to its end."""
    code = main(path, options)
    if code == INTERRUPTED:
        end_at_once(code)
    sys.exit(code)


def main(path: str, options: str) -> int:
    """Work until nothing is left, or until told to end or until the parent process is gone."""
    silence_cache()
    given = json.loads(options)
    effort = Effort(**{**given, "share": tuple(given["share"])})
    try:
        with stoppable():
            threading.Thread(target=_end_with_parent, daemon=True).start()
            directory = GridDirectory.read(path)
            with GridDirectory.begun(path, directory.grid) as held:
                work(held, effort, say=_say)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (OSError, ValueError) as error:
        _say(f"worker ends: {error}")
        return 1
    return 0


def _end_with_parent() -> None:
    """The parent holds the other end of stdin: it ends however the parent does."""
    stdin = 0  # read as it is: the object's lock would be held when the interpreter ends
    with contextlib.suppress(OSError):
        while os.read(stdin, 1024):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
