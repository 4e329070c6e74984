"""Where compiled programs are kept from one process to the next: JAX's persistent cache."""

import contextlib
import gc
import hashlib
import os
import platform
import stat
import warnings
from pathlib import Path

# The user's choice: a folder, or one of these words.
VARIABLE, OFF = "BNNPOST_CACHE", ("", "0", "off", "no", "none")
_FOLDER = "JAX_COMPILATION_CACHE_DIR"
# Of all programs that are kept. JAX can hold to a limit itself, but locks the folder to do so.
_MOST_BYTES = 1 << 30
# Small programs as well: reading one takes milliseconds.
_SETTINGS = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
# Every compiled program takes dozens of memory maps, of which Linux allows a process 65,530.
_MEMORY_MAPS, _MANY_MAPS = Path("/proc/self/maps"), 40_000


def program_cache() -> dict[str, str]:
    """Variables by which a process that has not loaded jax yet keeps its compiled programs.

    The folder is that of BNNPOST_CACHE, or else bnnpost in the user's folder of caches; in it
    each kind of processor has one, as programs run on the kind they were compiled for. Empty if
    BNNPOST_CACHE is "off", if JAX's own variable is set, or if no folder can be made. JAX's other
    variables are left as they are set. Where programs take more than 1 GiB, the oldest are removed.
    Warns of a folder that is not the user's own, or that others may write to, and does not use it:
    JAX runs whatever file there has a program's name.
    """
    chosen = os.environ.get(VARIABLE)
    if _FOLDER in os.environ or (chosen is not None and chosen.lower() in OFF):
        return {}
    try:
        folder = (Path(chosen) if chosen else _default()) / "programs" / _processor()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        reason = _unsafe(folder)
    except (OSError, RuntimeError):  # read-only, or no home
        return {}
    if reason:
        warnings.warn(
            f"compiled programs are not kept in {folder}, which {reason}: let {VARIABLE} name a "
            'folder of your own that others cannot write to, or be "off"',
            stacklevel=2,
        )
        return {}
    _prune(folder.parent)
    settings = {name: value for name, value in _SETTINGS.items() if name not in os.environ}
    return {_FOLDER: str(folder.resolve()), **settings}


def _prune(folder: Path) -> None:
    """Remove the oldest programs, where all take more than they may, until half of that is left.

    Another process that wants one of them compiles it anew.
    """
    with contextlib.suppress(OSError):  # as when another process removes them too
        found = [(path.stat(), path) for path in folder.glob("*/*-cache")]
        left = sum(stats.st_size for stats, _ in found)
        if left <= _MOST_BYTES:
            return
        for stats, path in sorted(found, key=lambda one: one[0].st_mtime):
            path.unlink()
            left -= stats.st_size
            if left <= _MOST_BYTES / 2:
                return


def kept_in() -> str:
    """Where programs are kept that this process runs, and how to be rid of them; empty if nowhere.

    For errors of the device, which a program may come to that is not the one that was asked for.
    """
    folder = os.environ.get(_FOLDER)
    if not folder:
        return ""
    return (
        f"if it comes again, a compiled program in {folder} may not be what its name says: remove "
        f"that folder, or set {VARIABLE}=off"
    )


def kept_for_the_run() -> str:
    """What a plan says of the programs it compiled, in a sentence; empty if none are kept."""
    folder = os.environ.get(_FOLDER)
    if not folder:
        return ""
    return f"What this plan compiled is kept, and a run on this machine uses it: {folder}"


def _unsafe(folder: Path) -> str:
    """How others could put programs into a folder, which would be run; empty if they cannot."""
    if not hasattr(os, "geteuid"):
        return ""
    found = folder.stat()
    if found.st_uid != os.geteuid():
        return "is not your own"
    return "others may write to" if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) else ""


def silence_cache() -> None:
    """Let this process say nothing of an entry that cannot be used: it is compiled again."""
    for verb in ("reading", "writing"):
        message = f"Error {verb} persistent compilation cache entry"
        warnings.filterwarnings("ignore", message=message)


def forget_programs() -> None:
    """Drop compiled programs before there are more than a process may hold."""
    if _MEMORY_MAPS.exists() and _MEMORY_MAPS.read_bytes().count(b"\n") > _MANY_MAPS:
        import jax  # not before the folder of programs is chosen

        jax.clear_caches()
        gc.collect()


def _default() -> Path:
    given = os.environ.get("XDG_CACHE_HOME")
    return (Path(given) if given else Path.home() / ".cache") / "bnnpost"


def _processor() -> str:
    """A short name of the processor's kind: its model and what it can do."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = [platform.processor(), platform.machine()]
    words = ("model name", "flags", "Features", "CPU part")
    found = sorted({line for line in lines if line.startswith(words)}) or lines
    return hashlib.sha256("\n".join([platform.machine(), *found]).encode()).hexdigest()[:8]
