"""Where chains are, what was kept of them, and how one goes on.

Every transition has a key of its own, made from the chain's and its number, so it matters neither
how many are run at once nor where a run was broken off.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bnnpost.samplers.chains.kernel import Arrays, Info, Kernel, Target


class Totals(NamedTuple):
    """Over the transitions after warmup: how many, their n_steps, divergences, acceptance."""

    transitions: Array
    n_steps: Array
    diverging: Array
    acceptance: Array

    @classmethod
    def none(cls) -> "Totals":
        whole = jnp.result_type(int)
        zero = jnp.zeros((), whole)
        return cls(zero, zero, zero, jnp.zeros((), jnp.result_type(float)))

    def add(self, info: Info) -> "Totals":
        usual = {"n_steps": 1, "diverging": False, "acceptance_rate": jnp.nan, **info}
        more = (1, usual["n_steps"], usual["diverging"], usual["acceptance_rate"])
        return Totals(*(a + jnp.asarray(b, a.dtype) for a, b in zip(self, more, strict=True)))


class Chain(NamedTuple):
    """A chain as far as it has come: its kernel's state, and totals since warmup."""

    state: Any
    totals: Totals


class Samples(NamedTuple):
    """What is kept of draws, each array [draw, …], or [chain, draw, …]: given, info, totals."""

    given: Arrays
    info: Info
    totals: Totals

    @property
    def num_samples(self) -> int:
        """How many draws of each chain, in arrays [chain, draw, …]."""
        return int(self.info["lp"].shape[1])

    def between(self, start: int, stop: int) -> "Samples":
        """These draws of each chain."""
        return jax.tree.map(lambda array: array[:, start:stop], self)  # type: ignore[no-any-return]

    @classmethod
    def joined(cls, parts: "Sequence[Samples]") -> "Samples":
        """Parts, each array [chain, draw, …], one after another."""
        if len(parts) == 1:
            return parts[0]
        return jax.tree.map(lambda *arrays: np.concatenate(arrays, axis=1), *parts)  # type: ignore[no-any-return]


class Checkpoint(NamedTuple):
    """Chains as far as they have come: transitions of warmup done, and what was kept since.

    num_before: draws of each chain that were kept before, and are not in `samples`.
    """

    num_warmup: int
    chains: list[Chain]
    samples: tuple[Samples, ...] = ()
    num_before: int = 0

    @property
    def num_samples(self) -> int:
        """Draws of each chain."""
        return self.num_before + sum(part.num_samples for part in self.samples)


class Steps(NamedTuple):
    """What is to be done: num_samples draws, each `every` transitions after the last.

    first: number of the first transition, from 0 for the first of warmup.
    """

    first: Array
    num_samples: Array
    every: Array
    num_warmup: Array


@jax.jit
def begin_chain(kernel: Kernel, target: Target, key: Array) -> tuple[Chain, Array]:
    """A chain at its start, and its log density there."""
    state, log_density = kernel.init(key, target)
    return jax.tree.map(_strong, Chain(state, Totals.none())), log_density


def _strong(leaf: Array) -> Array:
    """The same numbers, of the type that they have when they come back from a file."""
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return leaf if is_key else jax.lax.convert_element_type(leaf, leaf.dtype)


@functools.partial(jax.jit, static_argnames="block")
def advance(
    kernel: Kernel, target: Target, key: Array, chain: Chain, steps: Steps, block: int
) -> tuple[Chain, Samples]:
    """A chain after some steps, of at most `block` draws, and what is kept of these."""
    first, num_samples, every, num_warmup = steps

    def once(chain: Chain) -> Samples:
        _, info = _step(kernel, target, key, chain.state, first < num_warmup)
        return _samples(kernel, target, chain, info)

    kept = jax.eval_shape(once, chain)
    nothing = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), kept.info)

    def transition(number: Array, carry: tuple[Chain, Info]) -> tuple[Chain, Info]:
        chain, _ = carry
        one = jax.random.fold_in(key, number.astype(jnp.uint32))
        state, info = _step(kernel, target, one, chain.state, number < num_warmup)
        counted, after_warmup = chain.totals.add(info), number >= num_warmup
        totals = jax.tree.map(lambda a, b: jnp.where(after_warmup, a, b), counted, chain.totals)
        return Chain(state, totals), info

    def keep(i: Array, carry: tuple[Chain, Samples]) -> tuple[Chain, Samples]:
        chain, samples = carry
        start = first + i * every
        chain, info = jax.lax.fori_loop(start, start + every, transition, (chain, nothing))
        new = _samples(kernel, target, chain, info)
        return chain, jax.tree.map(lambda a, b: a.at[i].set(b), samples, new)

    empty = jax.tree.map(lambda a: jnp.zeros((block, *a.shape), a.dtype), kept)
    return jax.lax.fori_loop(0, num_samples, keep, (chain, empty))  # type: ignore[no-any-return]


def _step(
    kernel: Kernel, target: Target, key: Array, state: Any, adapting: Array
) -> tuple[Any, Info]:
    state, info = kernel.step(key, state, target, adapting)
    return state, jax.tree.map(jnp.asarray, info)


def _samples(kernel: Kernel, target: Target, chain: Chain, info: Info) -> Samples:
    return Samples(target.given(kernel.position(chain.state)), info, chain.totals)


def shapes(kernel: Kernel, target: Target, key: Array) -> tuple[Chain, Samples]:
    """Shapes and dtypes of one chain as far as it has come, and of what is kept of a draw."""

    def kept(key: Array) -> tuple[Chain, Samples]:
        chain, _ = begin_chain(kernel, target, key)
        _, info = _step(kernel, target, key, chain.state, jnp.zeros((), bool))
        return chain, _samples(kernel, target, chain, info)

    with jax.enable_x64(target.x64):
        return jax.eval_shape(kept, key)
