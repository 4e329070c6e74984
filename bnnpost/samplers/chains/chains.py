"""All that decides what chains come to, and how much memory their draws will take."""

import dataclasses
import functools
import math
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from bnnpost.arguments import positive_integer
from bnnpost.draws import DrawsInfo
from bnnpost.draws.draws_files import Contents
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.samplers.chains import transitions
from bnnpost.samplers.chains.kernel import Kernel, Normals, Target
from bnnpost.samplers.chains.transitions import Chain, Samples
from bnnpost.spaces.making import make_space
from bnnpost.spaces.space import Space
from bnnpost.storage import available_memory, gigabytes

# A warmup as long as pairs of chains show that it must be.
MEASURED = "measured"
_METHODS = ("auto", "parallel", "vectorized", "sequential")
# What was kept is in memory twice while blocks are put one after another.
_COPIES = 2


@dataclass(frozen=True)
class Chains:
    """Chains of one kernel, from one key: num_samples kept of each, one in `thinning`.

    target: what they move; space: in which `target.given` describes draws. method: "parallel" (on
    threads, as many at once as there are cores), "vectorized" (one program for all) or
    "sequential". cross_check: whether draws are held against importance draws. warmup_tv_upper:
    of a measured warmup, how far it leaves chains from the posterior.
    """

    kernel: Kernel
    target: Target
    space: Space
    key: Array
    num_samples: int
    num_warmup: int
    num_chains: int
    thinning: int
    method: str
    cross_check: bool
    warmup_tv_upper: float = math.nan

    @classmethod
    def make(
        cls,
        key: Array,
        posterior: Posterior,
        kernel: Kernel,
        *,
        num_samples: int = 1000,
        num_warmup: int | str | None = None,
        num_chains: int = 4,
        thinning: int = 1,
        space: str | None = None,
        collapse: bool | None = None,
        precision: str = "single",
        chain_method: str = "auto",
        cross_check: bool = True,
    ) -> "Chains":
        """For the arguments of `chains.sample`; raises what it raises of these, and of memory."""
        require_key(key)
        require_posterior(posterior)
        if not isinstance(kernel, Kernel):
            raise TypeError(f"expected a bnnpost.chains.Kernel, got {type(kernel).__name__}")
        if space is None:
            space = "weights" if kernel.on_weights else "functions"
        if collapse is None:
            collapse = not kernel.on_weights or space != "weights"
        made = make_space(
            posterior, space=space, collapse=collapse, precision=precision, strict=False, alone=True
        )
        target = _target(kernel, made)
        if num_warmup == MEASURED:
            _require_normals(target)
            from bnnpost.samplers.coupled.mixing_time import measured_warmup

            kernel, count, tv_upper = measured_warmup(key, made, kernel)
        else:
            count, tv_upper = _count(kernel, num_warmup), math.nan
        chains = cls(
            kernel.prepared(target, count),
            target,
            made,
            key,
            positive_integer("num_samples", num_samples),
            count,
            positive_integer("num_chains", num_chains),
            positive_integer("thinning", thinning),
            _method(chain_method),
            cross_check,
            tv_upper,
        )
        chains.check_memory()
        return chains

    def settings(self) -> dict[str, object]:
        """What a run of the same draws has in common with this one, in plain data.

        How long the chains are is not among it.
        """
        return {
            **_fields(self.kernel),
            "sampler": self.kernel.name,
            "kernel": type(self.kernel).__name__,
            "num_warmup": self.num_warmup,
            "num_chains": self.num_chains,
            "thinning": self.thinning,
            # One program for all chains rounds otherwise than one for each.
            "vectorized": self.method == "vectorized",
            "space": self.space.form,
            "collapse": self.space.collapse,
            "precision": self.space.precision,
            "key": np.asarray(jax.random.key_data(self.key)).tolist(),
        }

    def within(self, space: Space) -> "Chains":
        """The same in the space of a file, whose guide may have been rounded otherwise."""
        return dataclasses.replace(self, target=_target(self.kernel, space), space=space)

    def contents(self) -> Contents:
        """As draws of which there are none yet, to be written to a file."""
        return Contents(self.space, self.key, np.zeros(0, np.uint64), np.zeros(0), self.no_draws())

    def no_draws(self) -> DrawsInfo:
        """The record of chains of which there are no draws yet."""
        space, forms = self.space, self.space.layer_forms()
        return DrawsInfo("chain", space=space.form, precision=space.precision, layer_forms=forms)

    @functools.cached_property
    def shapes(self) -> tuple[Chain, Samples]:
        """Shapes and dtypes of one chain as far as it has come, and of what is kept of a draw."""
        return transitions.shapes(self.kernel, self.target, self.key)

    def num_bytes(self) -> int:
        """Of what is kept of one draw."""
        kept = jax.tree.leaves(self.shapes[1])
        return sum(math.prod(a.shape) * a.dtype.itemsize for a in kept)

    def check_memory(self) -> None:
        """Raise ValueError if the draws would not fit in the memory that is free now."""
        needed = _COPIES * self.num_bytes() * self.num_samples * self.num_chains
        free = available_memory()
        if free is not None and needed > free:
            raise ValueError(
                f"{self.num_chains} chains of {self.num_samples:,} draws need about "
                f"{gigabytes(needed)} of memory, and {gigabytes(free)} are free: keep one "
                f"transition in {math.ceil(needed / free) * self.thinning} with thinning=, and "
                "ask for fewer samples or chains"
            )


def _require_normals(target: Target) -> None:
    if not isinstance(target, Normals):
        raise ValueError(
            f'num_warmup="{MEASURED}" is for chains that move standard normals: give '
            'space="functions", or collapse=True'
        )


def _count(kernel: Kernel, num_warmup: object) -> int:
    """Transitions of warmup, of which there may be none."""
    if num_warmup is None:
        return kernel.default_warmup
    return 0 if num_warmup == 0 else positive_integer("num_warmup", num_warmup)


def _target(kernel: Kernel, space: Space) -> Target:
    if kernel.on_weights and space.form == "weights" and not space.collapse:
        from bnnpost.samplers.chains.numpyro_sampler import Weights

        return Weights(space.posterior, space.precision == "double")
    return Normals.of(space)


def _method(name: str) -> str:
    if name not in _METHODS:
        raise ValueError(f"expected chain_method to be one of {', '.join(_METHODS)}, got {name!r}")
    if name != "auto":
        return name
    return "parallel" if jax.default_backend() == "cpu" else "vectorized"


def _fields(kernel: Kernel) -> dict[str, object]:
    """The settings of a kernel in plain data."""
    return {f.name: _plain(getattr(kernel, f.name)) for f in dataclasses.fields(kernel)}


def _plain(value: Any) -> object:
    """A setting in plain data: numbers, words, arrays as lists, kernels within; else its kind."""
    if isinstance(value, Kernel):
        return _fields(value)
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        value = np.asarray(value).tolist()
    if isinstance(value, float) and math.isnan(value):
        return None
    is_plain = isinstance(value, bool | int | float | str | list | None)
    return value if is_plain else type(value).__name__
