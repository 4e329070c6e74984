"""Which kernels move pairs of chains, by name or as those of `chains`."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from bnnpost.samplers.chains.elliptical_slice import EllipticalSlice
from bnnpost.samplers.chains.kernel import Kernel, Normals
from bnnpost.samplers.chains.pcn import CrankNicolson
from bnnpost.samplers.chains.rotation import Rotation
from bnnpost.samplers.coupled.blend import Blend
from bnnpost.samplers.coupled.pair_kernel import Paired
from bnnpost.samplers.coupled.plain_kernels import PairedSlice, PairedWalk

# Rotations of a trajectory that are tried, the cheapest first, and what they are to accept.
_ROTATIONS, _TURNS_ACCEPTED = (3, 5, 8, 12), 0.93
# What Crank–Nicolson steps are to accept, of ever smaller ones.
_STEPS_ACCEPTED = (0.3, 0.5, 0.7)


class Choice(NamedTuple):
    """A plain kernel, which finds its step if that is not given, and how to couple it with one."""

    plain: Kernel
    coupled: Callable[[float], Paired]

    @property
    def given_step(self) -> float:
        """Its step, NaN where it has none or finds it."""
        return float(getattr(self.plain, "step_size", math.nan))

    @property
    def adapts(self) -> bool:
        """Whether it is to find its step."""
        return hasattr(self.plain, "step_size") and math.isnan(self.given_step)


def choice_of(plain: Kernel, meeting_step: float) -> Choice:
    """A kernel of `chains` that moves standard normals, to be coupled as it is.

    But rotations, which meet by a Crank–Nicolson step of size meeting_step after each trajectory.
    Raises ValueError for kernels that are not coupled.
    """
    if isinstance(plain, Rotation):
        accept, count = float(plain.target_accept), int(plain.num_steps)
        return Choice(plain, lambda step: Blend(Rotation(step, accept, count), meeting_step))
    if isinstance(plain, CrankNicolson):
        accept = float(plain.target_accept)
        return Choice(plain, lambda step: PairedWalk(CrankNicolson(step, accept)))
    if isinstance(plain, EllipticalSlice):
        return Choice(plain, lambda _: PairedSlice(EllipticalSlice()))
    raise ValueError(
        "pairs of chains are moved by pcn, by elliptical slices, or by hmc with rotations, in a "
        f"space of standard normals; got {plain.name} ({type(plain).__name__}), which is not "
        "coupled"
    )


def choices(kernel: object, target: Normals, meeting_step: float) -> Sequence[Choice]:
    """What is tried for a kernel or its name, the cheapest first. Raises ValueError for others."""
    if isinstance(kernel, Kernel):
        return [choice_of(kernel.prepared(target, 0), meeting_step)]
    plains: dict[Any, list[Kernel]] = {
        "hmc": [Rotation(None, _TURNS_ACCEPTED, number) for number in _ROTATIONS],
        "pcn": [CrankNicolson(None, accept) for accept in _STEPS_ACCEPTED],
        "slice": [EllipticalSlice()],
    }
    if kernel not in plains:
        raise ValueError(
            f"expected kernel to be {', '.join(plains)} or one of bnnpost.chains, got {kernel!r}"
        )
    return [choice_of(plain, meeting_step) for plain in plains[kernel]]
