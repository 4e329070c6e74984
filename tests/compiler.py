"""Flags with which XLA compiles tests' programs in about two thirds of the time."""

import importlib.util
import mmap
from pathlib import Path

# Most programs of the tests run for less time than it takes to optimise them, and the cores have
# processes of their own that compile.
WANTED = {
    "xla_backend_optimization_level": 1,
    "xla_cpu_parallel_codegen_split_count": 1,
    "xla_cpu_use_fusion_emitters": "false",
}


def quick_flags():
    """A value of XLA_FLAGS; of those that are wanted, what the installed version knows."""
    return " ".join(f"--{name}={value}" for name, value in WANTED.items() if is_known(name))


def is_known(name):
    """Whether a flag is in a library of jaxlib; XLA ends a process at one that it does not know."""
    folders = importlib.util.find_spec("jaxlib").submodule_search_locations
    return any(_holds(path, name) for folder in folders for path in Path(folder).glob("*.so"))


def _holds(path, name):
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
        return held.find(b"\0" + name.encode() + b"\0") >= 0
