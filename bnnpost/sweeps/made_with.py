"""What the widths of a run were made with: versions and devices, of which there may be several."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import jax

from bnnpost.storage import versions

if TYPE_CHECKING:
    import xarray as xr

# Packages whose versions are not to be mixed without a word.
_TOLD = ("bnnpost", "jax")


def versions_and_device(found: Mapping[int, "xr.Dataset"]) -> tuple[dict[str, str], str]:
    """Versions by package, and the device, as the widths' results record them.

    Where there are several they are joined, "0.9.1 and 0.10.0"; where nothing is recorded they
    are those of this process.
    """
    recorded = _versions(found)
    names = dict.fromkeys(name for one in recorded for name in one)
    by_package = {name: _joined(one.get(name) for one in recorded) for name in names}
    device = _joined(one.attrs.get("device") for one in found.values())
    return by_package or versions(), device or str(jax.devices()[0].device_kind)


def mixed(found: Mapping[int, "xr.Dataset"]) -> str:
    """What to say where widths were made with several versions of jax or bnnpost; else empty."""
    recorded = _versions(found)
    several = [
        f"{name} {_joined(one.get(name) for one in recorded)}"
        for name in _TOLD
        if len({one[name] for one in recorded if name in one}) > 1
    ]
    if not several:
        return ""
    return f"widths were made with several versions, {', '.join(several)}: all are in results.nc"


def _versions(found: Mapping[int, "xr.Dataset"]) -> list[dict[str, str]]:
    return [json.loads(one.attrs["versions"]) for one in found.values() if "versions" in one.attrs]


def _joined(values: Iterable[object]) -> str:
    return " and ".join(dict.fromkeys(str(value) for value in values if value is not None))
