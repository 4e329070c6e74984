"""Chains on disk: what was kept, a file for every few seconds of it, and the latest states.

A file of draws is written before the state that comes after them, so what is before a state is
on disk; draws that a killed process left beyond it are made, and written, again.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bnnpost.samplers.chains.run import Chain, Chains, Checkpoint, Samples, Totals
from bnnpost.samplers.recorded_run import BLOCKS
from bnnpost.storage import PartFiles, Say

FORMAT = "bnnpost chains 1"
STATES = "states"
# The latest, and the one before it: from there draws can be made once more and compared.
_NUM_STATES = 2
# Before the names of arrays: what is kept of draws, by kind; and the leaves of a state.
_KINDS = ("given_", "stat_", "total_")
_LEAF = "leaf_"

Arrays = dict[str, np.ndarray]


class Part(NamedTuple):
    """Draws from number `first` of each chain on."""

    first: int
    samples: Samples

    @property
    def end(self) -> int:
        return self.first + self.samples.num_samples


class Saved(NamedTuple):
    """All chains as they were, after seconds of work; made_with: what computed them."""

    at: Checkpoint
    seconds: float
    made_with: dict[str, Any]


class ChainFiles:
    """The files of one run of chains.

    run: the digest of what is sampled, which every file carries. say: is told of damaged
    files. check: raises if this run must not be written to.
    """

    def __init__(self, folder: Path, run: str, *, say: Say, check: Callable[[], None]):
        self.parts, self._states = (
            PartFiles(folder / name, "{:015d}.npz", FORMAT, run, say, check)
            for name in (BLOCKS, STATES)
        )

    def write_part(self, part: Part) -> None:
        """Write draws. Raises OSError if that cannot be done."""
        given, info, totals = part.samples
        arrays = {
            prefix + name: np.asarray(array)
            for prefix, group in zip(_KINDS, (given, info, totals._asdict()), strict=True)
            for name, array in group.items()
        }
        self.parts.write(part.first, arrays, first=part.first)

    def write_state(self, saved: Saved, chains: Chains) -> None:
        """Write a state, and remove all but the latest two."""
        at = saved.at
        self._states.write(
            at.num_warmup + at.num_samples,
            _packed(at.chains, chains),
            warmed=at.num_warmup,
            num_kept=at.num_samples,
            chains=len(at.chains),
            seconds=saved.seconds,
            made_with=saved.made_with,
        )
        for number in self._states.numbers()[:-_NUM_STATES]:
            self._states.remove(number)

    def parts_before(self, end: int) -> tuple[list[Part], list[range]]:
        """The draws before number `end` that are on disk, in order, and the gaps among them."""
        found: list[Part] = []
        gaps, at = [], 0
        for number in self.parts.numbers():
            # What is left of another cut of the same draws is not looked at.
            if at <= number < end and (part := self.part_from(number)) is not None:
                if part.first > at:
                    gaps.append(range(at, part.first))
                found.append(Part(part.first, part.samples.between(0, end - part.first)))
                at = found[-1].end
        return found, [*gaps, range(at, end)] if at < end else gaps

    def part_from(self, number: int) -> Part | None:
        """The draws from this number on that one file holds; None if there is none."""

        def part(record: dict[str, Any], arrays: Arrays) -> Part:
            if record["first"] != number:
                raise ValueError(f"it holds draws from {record['first']} on")
            given, info, totals = (_without(prefix, arrays) for prefix in _KINDS)
            return Part(number, Samples(given, info, Totals(**totals)))

        return self.parts.read(number, part)

    def states(self, chains: Chains) -> list[Saved]:
        """The states on disk, the latest first."""

        def saved(record: dict[str, Any], arrays: Arrays) -> Saved:
            carried = _unpacked(arrays, record["chains"], chains)
            at = Checkpoint(record["warmed"], carried, num_before=record["num_kept"])
            return Saved(at, record["seconds"], record["made_with"])

        found = (self._states.read(n, saved) for n in reversed(self._states.numbers()))
        return [state for state in found if state is not None]


def _without(prefix: str, arrays: Arrays) -> dict[str, Any]:
    return {n[len(prefix) :]: array for n, array in arrays.items() if n.startswith(prefix)}


def _packed(carried: list[Chain], chains: Chains) -> Arrays:
    """Leaves of all chains, [chain, …]; of keys their words."""
    with jax.enable_x64(chains.target.x64):
        columns = zip(*map(jax.tree.leaves, carried), strict=True)
        return {
            f"{_LEAF}{i}": np.stack([np.asarray(_words(leaf)) for leaf in column])
            for i, column in enumerate(columns)
        }


def _words(leaf: Any) -> Any:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _unpacked(arrays: Arrays, num_chains: int, chains: Chains) -> list[Chain]:
    """The inverse. Raises ValueError if the leaves are not those of such a chain."""
    template, structure = jax.tree.flatten(chains.shapes[0])
    saved = [arrays[f"{_LEAF}{i}"] for i in range(len(arrays))]
    # Earlier versions wrote numbers of the last transition before the totals.
    saved = saved[: len(template) - len(Totals._fields)] + saved[-len(Totals._fields) :]
    with jax.enable_x64(chains.target.x64):
        return [
            jax.tree.unflatten(
                structure, [_leaf(s[i], t) for s, t in zip(saved, template, strict=True)]
            )
            for i in range(num_chains)
        ]


def _leaf(saved: np.ndarray, template: jax.ShapeDtypeStruct) -> Any:
    leaf = jnp.asarray(saved)
    if _is_key(template):
        leaf = jax.random.wrap_key_data(leaf)
    if (leaf.shape, leaf.dtype) != (template.shape, template.dtype):
        raise ValueError(f"expected {template.dtype}{template.shape}, got {leaf.dtype}{leaf.shape}")
    return leaf
