"""All that decides what chains come to, and how much memory their draws will take."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from bnnpost.draws import Draws
from bnnpost.draws.netcdf import Contents
from bnnpost.samplers import chain_draws
from bnnpost.samplers.chains import Chains, Length, Progressed
from bnnpost.samplers.kernels import Kernel
from bnnpost.spaces.space import Space
from bnnpost.storage import available_memory, gigabytes

# What was kept is in memory twice while blocks are put one after another.
_COPIES = 2
# A kernel's name for a setting, and the user's.
_NAMES = {"name": "sampler", "target": "target_accept"}


@dataclass(frozen=True)
class ChainPlan:
    """Chains of one kernel, from one key, of one length.

    space: in which `kernel.given` describes draws. method: as in `Chains`.
    checked: whether draws are held against importance draws.
    """

    kernel: Kernel
    space: Space
    key: Array
    length: Length
    method: str
    checked: bool = False

    def chains(self) -> Chains:
        """The chains, to be run."""
        return Chains(self.kernel, self.key, self.length, self.method)

    def settings(self) -> dict[str, object]:
        """What a run of the same draws has in common with this one, in plain data.

        How long the chains are is not among it.
        """
        fields = {f.name: getattr(self.kernel, f.name) for f in dataclasses.fields(self.kernel)}
        mine = {_NAMES.get(n, n): _plain(v) for n, v in fields.items() if not isinstance(v, Space)}
        return {
            "sampler": self.kernel.name,
            **mine,
            "kernel": _kind(self.kernel),
            "num_chains": self.length.num_chains,
            "thinning": self.length.thinning,
            # One program for all chains rounds otherwise than one for each.
            "vectorized": self.chains().vectorized,
            "space": self.space.form,
            "collapse": self.space.collapse,
            "precision": self.space.precision,
            "key": np.asarray(jax.random.key_data(self.key)).tolist(),
        }

    def within(self, space: Space) -> "ChainPlan":
        """The same in the space of a file, whose guide may have been rounded otherwise."""

        def is_space(node: object) -> bool:
            return isinstance(node, Space)

        kernel = jax.tree.map(lambda n: space if is_space(n) else n, self.kernel, is_leaf=is_space)
        return dataclasses.replace(self, kernel=kernel, space=space)

    def contents(self) -> Contents:
        """The plan as draws of which there are none yet, to be written to a file."""
        none = np.zeros(0, np.uint64)
        return Contents(self.space, self.key, none, np.zeros(0), chain_draws.no_draws(self.space))

    def draws(self, done: Progressed, seconds: float) -> Draws:
        """The draws of chains that have come far enough."""
        return chain_draws.draws(
            self.kernel, self.space, self.key, self.length, done, seconds, self.checked
        )

    def num_bytes(self) -> int:
        """Memory of all that is kept."""
        _, kept = self.chains().shapes()
        each = sum(math.prod(a.shape) * a.dtype.itemsize for a in jax.tree.leaves(kept))
        return each * self.length.num_samples * self.length.num_chains

    def check_memory(self) -> None:
        """Raise ValueError if the draws would not fit in the memory that is free now."""
        needed, free = _COPIES * self.num_bytes(), available_memory()
        if free is not None and needed > free:
            length = self.length
            raise ValueError(
                f"{length.num_chains} chains of {length.num_samples:,} draws need about "
                f"{gigabytes(needed)} of memory, and {gigabytes(free)} are free: keep one "
                f"transition in {math.ceil(needed / free) * length.thinning} with thinning=, and "
                "ask for fewer samples or chains"
            )


def _kind(value: object) -> str:
    return type(value).__name__


def _plain(value: Any) -> object:
    """A setting in plain data: numbers, words, arrays as lists; of anything else its kind."""
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        value = np.asarray(value).tolist()
    if isinstance(value, float) and math.isnan(value):
        return None
    return value if isinstance(value, bool | int | float | str | list | None) else _kind(value)
