"""A run of chains in a directory: gone on with after any end, to the draws of one call.

Besides the files of every run: blocks/, what was kept, and states/, where the chains are.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import jax
import numpy as np

from bnnpost.draws import Draws, netcdf
from bnnpost.samplers.chain_draws import first, joined
from bnnpost.samplers.chain_files import STATES, ChainFiles, Part, Saved
from bnnpost.samplers.chain_plan import ChainPlan
from bnnpost.samplers.chains import Chains, Kept, Progressed, run
from bnnpost.samplers.recorded_run import (
    BLOCKS,
    Check,
    OtherRun,
    RecordedRun,
    Say,
    made_with,
    other_settings,
)

# Between two writes; with a block, of about a second, what a kill can cost.
SECONDS = 3.0
# Draws made once more, at most, to see whether the same come out, and how well they must agree.
_NUM_AGAIN, _SAME = 32, 1e-6


class ChainDirectory(RecordedRun):
    """The directory of one run of chains.

    plan: what is sampled, as it was written down when the run began. files: what is kept.
    beside: keys and values by the file that they are written to once the run has begun; after:
    what is done with the draws once they are there.
    """

    format = "bnnpost chains 1"
    details: ClassVar[Mapping[str, Check]] = {
        "settings": ("keys and values", lambda found: isinstance(found, dict))
    }
    beside: Mapping[str, Mapping[str, object]] = MappingProxyType({})
    after: Callable[[Draws], object] | None = None
    plan: ChainPlan
    files: ChainFiles
    # Whether this call has found the run to be its own.
    begun = False
    _say: Say
    # Seconds of earlier calls, and when this one began.
    _before, _started = 0.0, 0.0

    def folders(self) -> list[Path]:
        found = (self.path, self.path / BLOCKS, self.path / STATES)
        return [folder for folder in found if folder.is_dir()]

    def begin(self, plan: ChainPlan, say: Say) -> None:
        """Write down what is sampled, or find that it is what the run here samples.

        Raises OtherRun if the directory holds another run, or files that are none of a run's.
        """
        if self.has_begun():
            record = self.read_record()
            contents = self.read_contents(record, plan.space.posterior)
            self._check_same(record["settings"], plan)
            self.plan = plan.within(contents.space)
        else:
            self.check_vacant()
            self.plan = plan
            record = self.write_record(plan.contents(), settings=plan.settings())
        self._say = say
        self.files = ChainFiles(
            self.path, self.run, say=say, before_writing=self._check_still_there
        )
        self.begun = True
        for name, values in self.beside.items():
            self.write_noted(name, values)

    def _check_still_there(self) -> None:
        self.check_still_there(self.files.run)

    def _check_same(self, before: dict[str, object], plan: ChainPlan) -> None:
        now = plan.settings()
        changed = [n for n in {**before, **now} if before.get(n) != now.get(n)]
        if "sampler" in changed:  # of which the others follow
            changed = ["sampler"]
        if changed:
            said = {n: f"{n} ({before.get(n)} → {now.get(n)})" for n in changed} | {"key": "key"}
            raise other_settings(self.path, [said[n] for n in changed])

    def finish(self, *, started: float, progress: bool = False) -> Draws:
        """The draws of the run, computed as far as they are missing, and written.

        started: `time.perf_counter()` when this call began.
        """
        self._started = started
        with self.noting_failure():
            done = self._done(self.plan.chains(), progress)
            draws = self.plan.draws(done, self._seconds())
            self._check_still_there()
            self.write_draws(draws, self._say, "blocks")
            self._note("done", done)
            length = self.plan.length
            self.log(f"{length.num_chains} chains of {length.num_samples} draws are done")
            if self.after is not None:
                self.after(draws)
        return draws

    def _seconds(self) -> float:
        """Seconds of work on the run, earlier calls included."""
        return self._before + time.perf_counter() - self._started

    def _done(self, chains: Chains, progress: bool) -> Progressed:
        """The chains at their end, or further, with what was kept until there."""
        states = self.files.states(chains)
        wanted = self.plan.length.num_samples
        if not states:
            begun = Progressed(0, chains.begin(), [])
            self.log("begun")
            self._write(begun, None, chains)
        else:
            begun = self._gone_on_with(states, chains)
            if begun.num_kept >= wanted:
                return begun
            self.log(f"gone on with, from {begun.warmed} of warmup and {begun.num_kept} draws")
        progressed = run(chains, self.plan.length, progress=progress, begun=begun)
        return self._recorded(progressed, begun, chains)

    def _gone_on_with(self, states: list[Saved], chains: Chains) -> Progressed:
        """The latest state, with what was kept until there, gaps filled, as far as is wanted."""
        latest, wanted = states[0], self.plan.length.num_samples
        self._before = latest.seconds
        if latest.num_kept < wanted or netcdf.holds_code(self.plan.space.posterior):
            self._check_code(states, chains)
        end = min(latest.num_kept, wanted)
        parts, gaps = self.files.parts(end)
        for gap in gaps:
            self._fill(gap, states, chains)
        if gaps:
            parts, gaps = self.files.parts(end)
        if gaps:
            raise OSError(f"{self.path}: draws that were just written cannot be read")
        return Progressed(latest.warmed, latest.chains, [part.kept for part in parts])

    def _fill(self, gap: range, states: list[Saved], chains: Chains) -> None:
        """Make draws once more of which the file is missing or damaged."""
        self._say(f"draws {gap.start} to {gap.stop - 1} of each chain are missing: run again")
        before = next((state for state in states if state.num_kept <= gap.start), None)
        if before is None:
            begun = Progressed(0, chains.begin(), [])
        else:
            begun = Progressed(before.warmed, before.chains, [], before.num_kept)
        length = dataclasses.replace(self.plan.length, num_samples=gap.stop)
        *_, done = run(chains, length, progress=False, begun=begun)
        found = joined(done.kept)
        self.files.write_part(Part(gap.start, _from(found, gap.start - done.num_before)))

    def _recorded(
        self, progressed: Iterator[Progressed], begun: Progressed, chains: Chains
    ) -> Progressed:
        """The last of them; written every few seconds, and at the end, whatever end it is."""
        now = written = begun
        last, num_warmup = time.perf_counter(), self.plan.length.num_warmup
        try:
            for now in progressed:
                warm = written.warmed < num_warmup == now.warmed
                if warm or time.perf_counter() - last >= SECONDS:
                    self._write(now, written, chains)
                    written, last = now, time.perf_counter()
        finally:
            if now is not written:
                self._write(now, written, chains)
        return now

    def _write(self, now: Progressed, written: Progressed | None, chains: Chains) -> None:
        """Write what was kept since `written`, and then where the chains are."""
        new = now.kept[len(written.kept) :] if written is not None else []
        if written is not None and new:
            self.files.write_part(Part(written.num_kept, joined(new)))
        seconds = self._seconds()
        saved = Saved(now.warmed, now.num_kept, seconds, made_with(), now.chains)
        self.files.write_state(saved, chains)
        self._note("running", now)

    def _note(self, state: str, now: Progressed) -> None:
        kept = min(now.num_kept, self.plan.length.num_samples) if state == "done" else now.num_kept
        chains = self.plan.length.num_chains
        self.set_status(state, num_chains=chains, num_warmup=now.warmed, num_samples=kept)

    def _check_code(self, states: list[Saved], chains: Chains) -> None:
        """Raise OtherRun unless draws on disk come out the same again.

        By the first ones after the last state but one, code, libraries or data that have changed
        since are told. Where another machine made them the last bits may differ, and that is said.
        """
        if states[0].made_with != made_with():
            self._say(
                f"{self.path}: other versions, or another processor, made the draws that are here: "
                "those from here on need not be, bit for bit, what one call would have given"
            )
            return
        older = [s for s in states[1:] if s.warmed == self.plan.length.num_warmup]
        # What lies beyond the latest state may have been made elsewhere.
        older = [state for state in older if state.num_kept < states[0].num_kept]
        part = self.files.part_from(older[0].num_kept) if older else None
        if part is None:
            return
        again = self._again(older[0], part, chains)
        held = first(part.kept, len(again.stats["lp"][0]))
        if not all(map(_are_close, jax.tree.leaves(held), jax.tree.leaves(again))):
            raise OtherRun(
                f"{self.path}: the same transitions come to other draws than before: a "
                "likelihood, a layer or the version of jax has changed; choose another directory"
            )

    def _again(self, state: Saved, part: Part, chains: Chains) -> Kept:
        """The first draws after a state, at least those of a part."""
        length = self.plan.length
        count = min(_NUM_AGAIN, chains.block, part.end - part.first)
        number = length.num_warmup + state.num_kept * length.thinning
        return chains.advance(state.chains, number, count, length.thinning)[1]


def _from(kept: Kept, start: int) -> Kept:
    return jax.tree.map(lambda array: array[:, start:], kept)  # type: ignore[no-any-return]


def _are_close(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.allclose(one, other, rtol=_SAME, atol=_SAME, equal_nan=True))
