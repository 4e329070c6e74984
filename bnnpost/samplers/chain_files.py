"""Chains on disk: what was kept, a file for every few seconds of it, and the latest states.

A file of draws is written before the state that comes after them, so what is before a state is
on disk; draws that a killed process left beyond it are made, and written, again.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bnnpost.samplers.chain_draws import first
from bnnpost.samplers.chains import Carried, Chains, Kept, Totals, num_draws
from bnnpost.samplers.recorded_run import BLOCKS, OtherRun, Say
from bnnpost.storage import is_damage, parsed_archive, read_bytes, write_archive

FORMAT = "bnnpost chains 1"
STATES = "states"
# The latest, and the one before it: from there draws can be made once more and compared.
_NUM_STATES = 2
_DAMAGED = ".damaged"
# Before the names of arrays: what is kept of draws, by kind; and the leaves of a state.
_KINDS = ("given_", "stat_", "total_")
_LEAF = "leaf_"

Arrays = dict[str, np.ndarray]


class Part(NamedTuple):
    """Draws from number `first` of each chain on."""

    first: int
    kept: Kept

    @property
    def end(self) -> int:
        return self.first + num_draws(self.kept)


class Saved(NamedTuple):
    """All chains as they were: transitions of warmup, draws kept, seconds of work until then.

    made_with: what computed them.
    """

    warmed: int
    num_kept: int
    seconds: float
    made_with: dict[str, Any]
    chains: list[Carried]


class ChainFiles:
    """The files of one run of chains.

    run: the digest of what is sampled, which every file carries. say: is told of damaged
    files. before_writing: raises if this run must not be written to.
    """

    def __init__(self, folder: Path, run: str, *, say: Say, before_writing: Callable[[], None]):
        self.run, self.say, self._before_writing = run, say, before_writing
        self._parts, self._states = folder / BLOCKS, folder / STATES

    def write_part(self, part: Part) -> None:
        """Write draws. Raises OSError if that cannot be done."""
        kept = part.kept
        named = (kept.given, kept.stats, kept.totals._asdict())
        arrays = {
            prefix + name: np.asarray(array)
            for prefix, group in zip(_KINDS, named, strict=True)
            for name, array in group.items()
        }
        self._write(self._parts / _name(part.first), arrays, {"first": part.first})

    def write_state(self, saved: Saved, chains: Chains) -> None:
        """Write a state, and remove all but the latest two."""
        record = saved._asdict() | {"chains": len(saved.chains)}
        arrays = _packed(saved.chains, chains)
        self._write(self._states / _name(saved.warmed + saved.num_kept), arrays, record)
        for path in _numbered(self._states)[:-_NUM_STATES]:
            path.unlink(missing_ok=True)

    def _write(self, path: Path, arrays: Arrays, record: dict[str, object]) -> None:
        self._before_writing()
        write_archive(path, arrays, {"format": FORMAT, "run": self.run, **record})

    def parts(self, end: int) -> tuple[list[Part], list[range]]:
        """The draws before number `end` that are on disk, in order, and the gaps among them."""
        found: list[Part] = []
        gaps, at = [], 0
        for path in _numbered(self._parts):
            # What is left of another cut of the same draws is not looked at.
            if at <= int(path.stem) < end and (part := self._part(path)) is not None:
                if part.first > at:
                    gaps.append(range(at, part.first))
                found.append(Part(part.first, first(part.kept, end - part.first)))
                at = found[-1].end
        return found, [*gaps, range(at, end)] if at < end else gaps

    def part_from(self, number: int) -> Part | None:
        """The draws from this number on that one file holds; None if there is none."""
        path = self._parts / _name(number)
        return self._part(path) if path.exists() else None

    def _part(self, path: Path) -> Part | None:
        def part(record: dict[str, Any], arrays: Arrays) -> Part:
            if record["first"] != int(path.stem):
                raise ValueError(f"it holds draws from {record['first']} on")
            given, stats, totals = (_without(prefix, arrays) for prefix in _KINDS)
            return Part(record["first"], Kept(given, stats, Totals(**totals)))

        return self._read(path, part)

    def states(self, chains: Chains) -> list[Saved]:
        """The states on disk, the latest first."""

        def saved(record: dict[str, Any], arrays: Arrays) -> Saved:
            numbers = {n: record[n] for n in ("warmed", "num_kept", "seconds", "made_with")}
            return Saved(**numbers, chains=_unpacked(arrays, record["chains"], chains))

        found = (self._read(path, saved) for path in reversed(_numbered(self._states)))
        return [state for state in found if state is not None]

    def _read(self, path: Path, made: Callable[[dict[str, Any], Arrays], Any]) -> Any:
        """What a file holds; None, and it is set aside, if it is damaged. Raises OtherRun."""
        try:
            record, arrays = parsed_archive(read_bytes(path))
            if record["format"] != FORMAT:
                raise ValueError(f"its format is {record['format']!r}, not {FORMAT!r}")
            is_ours = record["run"] == self.run
            found = made(record, arrays) if is_ours else None
        except Exception as error:  # numpy and zipfile raise almost anything for damaged files
            if not is_damage(error):
                raise
            self.say(f"{path.name} is damaged ({error}): set aside, what it held is run again")
            self._before_writing()
            with contextlib.suppress(FileNotFoundError):
                path.replace(path.with_name(path.name + _DAMAGED))
            return None
        if not is_ours:
            raise OtherRun(
                f"{path} belongs to another run than the others in {path.parent}: "
                "move it away, and what it held is run again"
            )
        return found


def _name(number: int) -> str:
    return f"{number:015d}.npz"


def _numbered(folder: Path) -> list[Path]:
    """The files of a folder, in order; what else has found its way there is not looked at."""
    paths = (path for path in folder.glob("[0-9]*.npz") if path.stem.isdigit())
    return sorted(paths, key=lambda path: int(path.stem))


def _without(prefix: str, arrays: Arrays) -> dict[str, Any]:
    return {n[len(prefix) :]: array for n, array in arrays.items() if n.startswith(prefix)}


def _packed(carried: list[Carried], chains: Chains) -> Arrays:
    """Leaves of all chains, [chain, …]; of keys their words."""
    with chains.precision():
        leaves = [jax.tree.leaves(one) for one in carried]
        columns = zip(*leaves, strict=True)
        return {
            f"{_LEAF}{i}": np.stack([np.asarray(_words(leaf)) for leaf in column])
            for i, column in enumerate(columns)
        }


def _words(leaf: Any) -> Any:
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(leaf) if is_key else leaf


def _unpacked(arrays: Arrays, num_chains: int, chains: Chains) -> list[Carried]:
    """The inverse. Raises ValueError if the leaves are not those of such a chain."""
    with chains.precision():
        template, structure = jax.tree.flatten(chains.shapes()[0])
        saved = [arrays[f"{_LEAF}{i}"] for i in range(len(arrays))]
        return [
            jax.tree.unflatten(
                structure, [_leaf(s[i], t) for s, t in zip(saved, template, strict=True)]
            )
            for i in range(num_chains)
        ]


def _leaf(saved: np.ndarray, template: jax.ShapeDtypeStruct) -> Any:
    leaf = jnp.asarray(saved)
    if jnp.issubdtype(template.dtype, jax.dtypes.prng_key):
        leaf = jax.random.wrap_key_data(leaf)
    if (leaf.shape, leaf.dtype) != (template.shape, template.dtype):
        raise ValueError(f"expected {template.dtype}{template.shape}, got {leaf.dtype}{leaf.shape}")
    return leaf
