"""Versions of what numbers depend on, and the processor that rounds them."""

import importlib.metadata
import platform
from pathlib import Path

_PACKAGES = ("bnnpost", "jax", "jaxlib", "numpy", "equinox", "xarray")


def versions() -> dict[str, str]:
    """Package → installed version."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def versions_in_words() -> str:
    """Return the same as one line."""
    return ", ".join(f"{name} {version}" for name, version in versions().items())


def processor() -> str:
    """The processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
