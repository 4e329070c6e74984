"""Kernels by name: those of configurations and the command line, of pairs, and of records.

Nothing is imported until a kernel is made: help texts need the names alone.
"""

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class NamedKernel(NamedTuple):
    """A kernel, as module.class of this folder; settings that users may give it, and its own.

    coupled: the kernel whose coupling moves pairs that are asked for by this name.
    """

    kernel: str
    settings: tuple[str, ...]
    own: Mapping[str, object] = MappingProxyType({})
    coupled: str | None = None

    def make(self, settings: Mapping[str, object]) -> Any:
        """The kernel with these settings. Raises ValueError for bad ones."""
        return _class_of(self.kernel)(**self.own, **settings)


_ADAPTED = ("step_size", "target_accept")
_HAMILTONIAN = "numpyro_sampler.Hamiltonian"
KERNELS = {
    "hmc": NamedKernel(
        _HAMILTONIAN, (*_ADAPTED, "num_steps", "integrator"), {"name": "hmc"}, "rotation.Rotation"
    ),
    "nuts": NamedKernel(_HAMILTONIAN, (*_ADAPTED, "max_tree_depth"), {"name": "nuts"}),
    "pcn": NamedKernel(
        "crank_nicolson.CrankNicolson", _ADAPTED, coupled="crank_nicolson.CrankNicolson"
    ),
    "slice": NamedKernel("slices.EllipticalSlice", (), coupled="slices.EllipticalSlice"),
}
# Of pairs: proposals from the prior where these may be tried, else "hmc".
AUTO = "auto"
_COUPLED = {name: method.coupled for name, method in KERNELS.items() if method.coupled}


def couplings_named(name: object) -> list[Any]:
    """The `Coupling`s that pairs try for a name, the cheapest first. Raises ValueError for others.

    They make do without numpyro, which takes its time to be imported.
    """
    if name == AUTO:
        proposals = KERNELS["pcn"].make({"step_size": 1.0}).coupling()
        return [proposals._replace(by_luck=True), *couplings_named("hmc")]
    if name not in _COUPLED:
        names = ", ".join([AUTO, *_COUPLED])
        raise ValueError(f"expected kernel to be {names} or one of bnnpost.chains, got {name!r}")
    return [kernel.coupling() for kernel in _class_of(_COUPLED[name]).tried()]


def kernel_class(name: object) -> type | None:
    """The kernel of this name: one that moves pairs here, or has been defined elsewhere by now.

    Of several the last, but none in place of one that is here; None where there is none. Nothing
    is imported but files of this folder, whatever the name.
    """
    from bnnpost.samplers.kernels.kernel import Kernel

    for path in _COUPLED.values():
        _class_of(path)
    kinds = [kind for kind in _kinds_of(Kernel) if kind.__name__ == name]
    here = [kind for kind in kinds if kind.__module__.startswith(f"{__package__}.")]
    return next(reversed(here or kinds), None)


def _kinds_of(kind: type) -> list[type]:
    """All its subclasses that are held anywhere."""
    children: list[type] = kind.__subclasses__()
    return [one for child in children for one in (child, *_kinds_of(child))]


def _class_of(path: str) -> Any:
    module, _, name = path.partition(".")
    return getattr(importlib.import_module(f"{__package__}.{module}"), name)
