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

# Rotations of a trajectory that are tried, the cheapest first, each with what it is to accept: the
# more, the smaller, as chains of which one accepts where the other does not go apart again.
_ROTATIONS = ((3, 0.9), (5, 0.95), (8, 0.97), (12, 0.98), (16, 0.985))
# The single rotation in which chains meet.
_MEETING = Rotation(None, 0.95, 1)
# What Crank–Nicolson steps are to accept, of ever smaller ones.
_STEPS_ACCEPTED = (0.3, 0.5, 0.7)
# A weight with its gradient costs so many without.
_GRADIENT = 3

# Proposals from the prior where these may be tried, else "hmc".
AUTO = "auto"


class Choice(NamedTuple):
    """Plain kernels, which find their steps if these are not given, and what they make together.

    cost: of a step of one chain, about, in evaluations of the weight. by_luck: it finds what prior
    draws hit, and may be tried where these reach all of the posterior.
    """

    plains: tuple[Kernel, ...]
    coupled: Callable[..., Paired]
    cost: int = 1
    by_luck: bool = False


def given_step(plain: Kernel) -> float | None:
    """The step of a kernel, NaN where it has none; None where it is to be found."""
    if not hasattr(plain, "step_size"):
        return math.nan
    step = float(plain.step_size)
    return None if math.isnan(step) else step


def choice_of(plain: Kernel) -> Choice:
    """A kernel of `chains` that moves standard normals, to be coupled as it is.

    But rotations, which meet by a single one after each trajectory. Raises ValueError for kernels
    that are not coupled.
    """
    if isinstance(plain, Rotation):
        accept, count = float(plain.target_accept), int(plain.num_steps)
        return Choice(
            (plain, _MEETING),
            lambda step, meeting: Blend(Rotation(step, accept, count), meeting),
            _GRADIENT * (count + 1),
        )
    if isinstance(plain, CrankNicolson):
        accept = float(plain.target_accept)
        return Choice((plain,), lambda step: PairedWalk(CrankNicolson(step, accept)))
    if isinstance(plain, EllipticalSlice):
        return Choice((plain,), lambda _: PairedSlice(EllipticalSlice()))
    raise ValueError(
        "pairs of chains are moved by pcn, by elliptical slices, or by hmc with rotations, in a "
        f"space of standard normals; got {plain.name} ({type(plain).__name__}), which is not "
        "coupled"
    )


def choices(kernel: object, target: Normals) -> Sequence[Choice]:
    """What is tried for a kernel or its name, the cheapest first. Raises ValueError for others."""
    if isinstance(kernel, Kernel):
        return [choice_of(kernel.prepared(target, 0))]
    if kernel == AUTO:
        proposals = choice_of(CrankNicolson(1.0))._replace(by_luck=True)
        return [proposals, *choices("hmc", target)]
    plains: dict[Any, list[Kernel]] = {
        "hmc": [Rotation(None, accept, number) for number, accept in _ROTATIONS],
        "pcn": [CrankNicolson(None, accept) for accept in _STEPS_ACCEPTED],
        "slice": [EllipticalSlice()],
    }
    if kernel not in plains:
        names = ", ".join([AUTO, *plains])
        raise ValueError(f"expected kernel to be {names} or one of bnnpost.chains, got {kernel!r}")
    return [choice_of(plain) for plain in plains[kernel]]
