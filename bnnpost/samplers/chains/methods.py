"""Kernels by the names that configurations and the command line have for them.

Nothing is imported until a kernel is made: help texts need the names alone.
"""

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Method(NamedTuple):
    """A kernel, as module.class of this folder; settings that users may give it, and its own."""

    kernel: str
    settings: tuple[str, ...]
    own: Mapping[str, object] = MappingProxyType({})

    def make(self, settings: Mapping[str, object]) -> Any:
        """The kernel with these settings. Raises ValueError for bad ones."""
        module, _, name = self.kernel.partition(".")
        kind = getattr(importlib.import_module(f"{__package__}.{module}"), name)
        return kind(**self.own, **settings)


_ADAPTED = ("step_size", "target_accept")
METHODS = {
    "hmc": Method(
        "numpyro_sampler.Hamiltonian", (*_ADAPTED, "num_steps", "integrator"), {"name": "hmc"}
    ),
    "nuts": Method("numpyro_sampler.Hamiltonian", (*_ADAPTED, "max_tree_depth"), {"name": "nuts"}),
    "pcn": Method("pcn.CrankNicolson", _ADAPTED),
    "slice": Method("elliptical_slice.EllipticalSlice", ()),
}
