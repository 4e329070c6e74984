"""Versions of what numbers depend on."""

import importlib.metadata

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
