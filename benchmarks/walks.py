"""How far one walks through the code: the files in which a function runs, for a few ways of use.

    python benchmarks/walks.py

Files of bnnpost and its command line are counted once each, imports aside, by a profile of calls.
Beside them the way of a configuration, a posterior and a key: rooms (folders) whose functions are
given one, and how often it comes back to a room that it had left.
"""

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import jax

import bnnpost
import bnnpost_cli
from bnnpost.posterior import Posterior
from bnnpost_cli.main import main

_ROOTS = tuple(str(Path(package.__file__).parent) for package in (bnnpost, bnnpost_cli))
_SMALL = "--num-train 3 --num-test 2 --depth 1"
_SWEEP = f"sweep {_SMALL} --widths 8,16 --num-samples 50 --num-proposals 1000 --out sweep"
_SAMPLE = f"sample {_SMALL} --width 8 --num-samples 400"
_PAIRS = f"{_SAMPLE} --method coupled --tolerance 0.2 --out pairs"
# By name what is run before, and what is followed.
WALKS = {
    "a sweep over two widths, with its report": ((), _SWEEP),
    "two runs verified, to the verdict": (
        (f"{_SAMPLE} --out one", f"{_SAMPLE} --seed 1 --out two"),
        "verify two one",
    ),
    "coupled draws, begun": ((), _PAIRS),
    "coupled draws, gone on with": ((_PAIRS,), _PAIRS.replace("400", "500")),
    "chains, gone on with": (
        (f"{_SAMPLE} --method slice --out chains",),
        f"{_SAMPLE} --method slice --out chains".replace("400", "500"),
    ),
    "rejection, gone on with": (
        (f"{_SAMPLE} --out rejection",),
        f"{_SAMPLE} --out rejection".replace("400", "500"),
    ),
    "a forecast": ((), f"forecast {_SMALL} --widths 8"),
}


class Profile:
    """Files in which functions run, and the rooms that objects of three kinds pass through."""

    def __init__(self):
        self.files, self.ways = set(), {"config": [], "posterior": [], "key": []}

    def __call__(self, frame, event, argument):
        code = frame.f_code
        # A module or the body of a class is no function.
        if event != "call" or not code.co_flags & inspect.CO_OPTIMIZED:
            return
        name = code.co_filename
        if not name.startswith(_ROOTS):
            return
        self.files.add(name)
        room = _room(name)
        count = code.co_argcount + code.co_kwonlyargcount
        for given in map(frame.f_locals.get, code.co_varnames[:count]):
            kind = _kind(given)
            if kind and self.ways[kind][-1:] != [room]:
                self.ways[kind].append(room)


def _room(name):
    root = next(root for root in _ROOTS if name.startswith(root))
    folder = Path(name).relative_to(root).parts[:-1]
    return "/".join((Path(root).name, *folder))


def _kind(given):
    if type(given).__name__.endswith("Config"):
        return "config"
    if isinstance(given, Posterior):
        return "posterior"
    if isinstance(given, jax.Array) and jax.dtypes.issubdtype(given.dtype, jax.dtypes.prng_key):
        return "key"
    return None


def run(line):
    """A command in this process, which must end well."""
    main(line.split(), standalone_mode=False)


def followed(line):
    """What a profile of one command has found, as JSON."""
    for package in (bnnpost, bnnpost_cli):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    profile = Profile()
    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        run(line)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return json.dumps({"files": sorted(profile.files), "ways": profile.ways})


def _walk(before, line):
    with tempfile.TemporaryDirectory() as folder:
        here = [sys.executable, str(Path(__file__).resolve())]
        quiet = {"cwd": folder, "check": True, "stdout": subprocess.PIPE, "text": True}
        for one in before:
            subprocess.run([*here, "run", one], **quiet)
        return json.loads(subprocess.run([*here, "follow", line], **quiet).stdout.splitlines()[-1])


def table():
    print(f"{'files':>6}  way of use")
    for name, (before, line) in WALKS.items():
        found = _walk(before, line)
        print(f"{len(found['files']):>6}  {name}")
        for kind, way in found["ways"].items():
            rooms = len(set(way))
            if rooms:
                print(f"{'':>8}{kind}: {rooms} rooms, {len(way) - rooms} times back")
    modules = [path for root in _ROOTS for path in Path(root).rglob("*.py")]
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in modules)
    print(f"{len(modules)} modules of {lines:,} lines")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["run", line]:
            run(line)
        case ["follow", line]:
            print(followed(line))
        case _:
            table()
