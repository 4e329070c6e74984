"""What a worker does around a task: it is checked to be as the coordinator is, and warns there."""

import functools
import importlib.util
import platform
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bnnpost.parallel.failures import ExecutorError
from bnnpost.storage import versions

# Packages that numbers depend on, or without which nothing can be sent.
_MUST_AGREE = ("bnnpost", "jax", "jaxlib", "numpy")
# Loaded only when a file is written, at the end of a task.
_MUST_BE_THERE = ("h5netcdf", "h5py", "xarray")


@dataclass(frozen=True)
class Outcome:
    """What a task came to, and what was warned of: a category and a text each."""

    result: Any
    warned: tuple[tuple[type[Warning], str], ...]

    def told(self) -> Any:
        """The result; the warnings are given here."""
        for category, text in self.warned:
            warnings.warn(text, category, stacklevel=2)
        return self.result


def call(known: Mapping[str, str], function: Callable[..., Any], *arguments: Any) -> Outcome:
    """Call a function in a worker.

    Raises ExecutorError where versions are others than `known`, or a package is missing.
    """
    check_versions(known, agreed(), platform.node())
    _check_packages(platform.node())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function(*arguments)
    said = dict.fromkeys((one.category, str(one.message)) for one in caught)
    return Outcome(result, tuple(said))


def _check_packages(where: str) -> None:
    missing = [name for name in _MUST_BE_THERE if importlib.util.find_spec(name) is None]
    if missing:
        raise ExecutorError(
            f"the worker on {where} cannot write files without {', '.join(missing)}: install "
            "there what is here, and start the workers again"
        )


@functools.cache
def agreed() -> dict[str, str]:
    """Versions here that all who take part must have."""
    here = {**versions(), "python": ".".join(platform.python_version_tuple()[:2])}
    return {name: here[name] for name in (*_MUST_AGREE, "python") if name in here}


def check_versions(known: Mapping[str, str], found: Mapping[str, str], where: str) -> None:
    """Raise ExecutorError where a worker's versions are others than the coordinator's."""
    others = [
        f"{name} {found.get(name, 'missing')} and not {version}"
        for name, version in known.items()
        if found.get(name) != version
    ]
    if others:
        raise ExecutorError(
            f"the worker on {where} has {', '.join(others)}: draws must not depend on who makes "
            "them; install there what is here, and start the workers again"
        )
