"""A run of chains in a directory: gone on with after any end, to the draws of one call.

blocks/ has what was kept, a file for every few seconds of it, and states/ the latest states of all
chains. A file of draws is written before the state that comes after them, so what is before a
state is on disk; draws that a killed process left beyond it are made, and written, again.
"""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bnnpost.draws import Draws
from bnnpost.runs.part_files import Arrays
from bnnpost.runs.store import BLOCKS, Clock, Run, made_with
from bnnpost.samplers.chains import chain_draws
from bnnpost.samplers.chains.run import (
    Chain,
    ChainsPlan,
    Checkpoint,
    Runner,
    Samples,
    Totals,
    run_chains,
)

STATES = "states"
# Of a file's number, in its name.
_DIGITS = 15
# The latest, and the one before it: from there draws can be made once more and compared.
_NUM_STATES = 2
# Before the names of arrays: what is kept of draws, by kind; and the leaves of a state.
_KINDS = ("given_", "stat_", "total_")
_LEAF = "leaf_"
# Draws made once more, at most, to see whether the same come out, and how well they must agree.
_NUM_AGAIN, _SAME = 32, 1e-6


class KeptDraws(NamedTuple):
    """Draws from number `first` of each chain on."""

    first: int
    samples: Samples

    @property
    def end(self) -> int:
        return self.first + self.samples.num_samples


class KeptState(NamedTuple):
    """All chains as they were, after seconds of work; made_with: what computed them."""

    at: Checkpoint
    seconds: float
    made_with: dict[str, Any]


class StoredChains:
    """Chains of one run, on disk and run as far as they are missing."""

    def __init__(self, run: Run[ChainsPlan]):
        self.run, self.chains, self.runner = run, run.prepared, Runner(run.prepared)
        form = ChainsPlan.FORMAT
        self._parts = run.parts(BLOCKS, form, _DIGITS)
        self._states = run.parts(STATES, form, _DIGITS)
        # Seconds of earlier calls, and when this one began.
        self._before, self._started = 0.0, 0.0

    def finish(self, *, started: float, progress: bool = False) -> Draws:
        """The draws of the run, computed as far as they are missing, and written.

        started: `time.perf_counter()` when this call began.
        """
        self._started = started
        with self.run.noting_failure():
            done = self._done(progress)
            draws = chain_draws.draws(self.chains, done, self._seconds())
            self.run.keep(draws, "done", "blocks", **self._how_far(done, self.chains.num_samples))
            chains = self.chains
            self.run.log(f"{chains.num_chains} chains of {chains.num_samples} draws are done")
        return draws

    def _seconds(self) -> float:
        """Seconds of work on the run, earlier calls included."""
        return self._before + time.perf_counter() - self._started

    def _done(self, progress: bool) -> Checkpoint:
        """The chains at their end, or further, with what was kept until there."""
        states = self.states()
        if not states:
            begun = self.runner.begin()
            self.run.log("begun")
            self._write(begun, None)
        else:
            begun = self._gone_on_with(states)
            if begun.num_samples >= self.chains.num_samples:
                return begun
            self.run.log(
                f"gone on with, from {begun.num_warmup} of warmup and {begun.num_samples} draws"
            )
        return self._recorded(run_chains(self.runner, progress=progress, begun=begun), begun)

    def _gone_on_with(self, states: list[KeptState]) -> Checkpoint:
        """The latest state, with what was kept until there, gaps filled, as far as is wanted."""
        latest, wanted = states[0].at, self.chains.num_samples
        self._before = states[0].seconds
        if latest.num_samples < wanted or self.run.holds_code():
            self._check_code(states)
        end = min(latest.num_samples, wanted)
        parts, gaps = self.parts_before(end)
        for gap in gaps:
            self._fill(gap, states)
        if gaps:
            parts, gaps = self.parts_before(end)
        if gaps:
            raise OSError(f"{self.run.path}: draws that were just written cannot be read")
        return Checkpoint(latest.num_warmup, latest.chains, tuple(part.samples for part in parts))

    def _fill(self, gap: range, states: list[KeptState]) -> None:
        """Make draws once more of which the file is missing or damaged."""
        self.run.say(f"draws {gap.start} to {gap.stop - 1} of each chain are missing: run again")
        before = (state.at for state in states if state.at.num_samples <= gap.start)
        *_, done = run_chains(self.runner, begun=next(before, None), num_samples=gap.stop)
        samples = Samples.joined(done.samples).between(gap.start - done.num_before, gap.stop)
        self.write_part(KeptDraws(gap.start, samples))

    def _recorded(self, progressed: Iterator[Checkpoint], begun: Checkpoint) -> Checkpoint:
        """The last of them; written every few seconds, and at the end, whatever end it is."""
        now = written = begun
        clock, num_warmup = Clock(), self.chains.num_warmup
        try:
            for now in progressed:
                warm = written.num_warmup < num_warmup == now.num_warmup
                if warm or clock.is_due():
                    self._write(now, written)
                    written = now
                    clock.written()
        finally:
            if now is not written:
                self._write(now, written)
        return now

    def _write(self, now: Checkpoint, written: Checkpoint | None) -> None:
        """Write what was kept since `written`, and then where the chains are."""
        new = now.samples[len(written.samples) :] if written is not None else ()
        if written is not None and new:
            self.write_part(KeptDraws(written.num_samples, Samples.joined(new)))
        self.write_state(KeptState(now, self._seconds(), made_with()))
        self.run.set_status("running", **self._how_far(now, now.num_samples))

    def _how_far(self, now: Checkpoint, wanted: int) -> dict[str, int]:
        return {
            "num_chains": self.chains.num_chains,
            "num_warmup": now.num_warmup,
            "num_samples": min(now.num_samples, wanted),
        }

    def _check_code(self, states: list[KeptState]) -> None:
        """Raise OtherRun unless draws on disk come out the same again.

        These are the first ones after the last state but one. Where another machine made them the
        last bits may differ, and that is said.
        """
        if states[0].made_with != made_with():
            self.run.say_made_elsewhere()
            return
        # What lies beyond the latest state may have been made elsewhere.
        older = [
            state.at
            for state in states[1:]
            if state.at.num_warmup == self.chains.num_warmup
            and state.at.num_samples < states[0].at.num_samples
        ]
        part = self.part_from(older[0].num_samples) if older else None
        if part is None:
            return
        again = self._again(older[0], part)
        held = part.samples.between(0, again.num_samples)
        self.run.require_same(
            all(map(_are_close, jax.tree.leaves(held), jax.tree.leaves(again))),
            "the same transitions come to other draws than before",
        )

    def _again(self, state: Checkpoint, part: KeptDraws) -> Samples:
        """The first draws after a state, at least those of a part."""
        count = min(_NUM_AGAIN, self.runner.block, part.end - part.first)
        every = self.chains.thinning
        number = self.chains.num_warmup + state.num_samples * every
        return self.runner.advance(state.chains, number, count, every)[1]

    def write_part(self, part: KeptDraws) -> None:
        """Write draws. Raises OSError if that cannot be done."""
        given, info, totals = part.samples
        arrays = {
            prefix + name: np.asarray(array)
            for prefix, group in zip(_KINDS, (given, info, totals._asdict()), strict=True)
            for name, array in group.items()
        }
        self._parts.write(part.first, arrays)

    def parts_before(self, end: int) -> tuple[list[KeptDraws], list[range]]:
        """The draws before number `end` that are on disk, in order, and the gaps among them."""
        parts: list[KeptDraws] = []
        gaps, at = [], 0
        for number in self._parts.numbers():
            # What is left of another cut of the same draws is not looked at.
            if at <= number < end and (part := self.part_from(number)) is not None:
                if part.first > at:
                    gaps.append(range(at, part.first))
                parts.append(KeptDraws(part.first, part.samples.between(0, end - part.first)))
                at = parts[-1].end
        return parts, [*gaps, range(at, end)] if at < end else gaps

    def part_from(self, number: int) -> KeptDraws | None:
        """The draws from this number on that one file holds; None if there is none."""

        def part(record: dict[str, Any], arrays: Arrays) -> KeptDraws:
            given, info, totals = (_without(prefix, arrays) for prefix in _KINDS)
            return KeptDraws(number, Samples(given, info, Totals(**totals)))

        return self._parts.read(number, part)

    def write_state(self, state: KeptState) -> None:
        """Write a state, and remove all but the latest two."""
        at = state.at
        self._states.write(
            at.num_warmup + at.num_samples,
            packed(at.chains, self.chains),
            warmed=at.num_warmup,
            num_kept=at.num_samples,
            chains=len(at.chains),
            seconds=state.seconds,
            made_with=state.made_with,
        )
        for number in self._states.numbers()[:-_NUM_STATES]:
            self._states.remove(number)

    def states(self) -> list[KeptState]:
        """The states on disk, the latest first."""

        def parse(record: dict[str, Any], arrays: Arrays) -> KeptState:
            carried = unpacked(arrays, record["chains"], self.chains)
            at = Checkpoint(record["warmed"], carried, num_before=record["num_kept"])
            return KeptState(at, record["seconds"], record["made_with"])

        states = (self._states.read(n, parse) for n in reversed(self._states.numbers()))
        return [state for state in states if state is not None]


def _are_close(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.allclose(one, other, rtol=_SAME, atol=_SAME, equal_nan=True))


def _without(prefix: str, arrays: Arrays) -> dict[str, Any]:
    return {n[len(prefix) :]: array for n, array in arrays.items() if n.startswith(prefix)}


def packed(carried: list[Chain], chains: ChainsPlan) -> Arrays:
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


def unpacked(arrays: Arrays, num_chains: int, chains: ChainsPlan) -> list[Chain]:
    """The inverse. Raises ValueError if the leaves are not those of such a chain."""
    template, structure = jax.tree.flatten(chains.shapes[0])
    saved = [arrays[f"{_LEAF}{i}"] for i in range(len(arrays))]
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
