"""A run of chains in a directory: gone on with after any end, to the draws of one call.

Besides the files of every run: blocks/, what was kept, and states/, where the chains are.
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import jax
import numpy as np

from bnnpost.draws import Draws, draws_files
from bnnpost.draws.info import RENAMED
from bnnpost.samplers.chains import chain_draws
from bnnpost.samplers.chains.chain_files import STATES, ChainFiles, Part, Saved
from bnnpost.samplers.chains.run import Chains, Checkpoint, Runner, Samples, run_chains
from bnnpost.samplers.recorded_run import BLOCKS, Check, RecordedRun, made_with
from bnnpost.storage import OtherRun, Say

# Between two writes; with a block, of about a second, what a kill can cost.
SECONDS = 3.0
# Draws made once more, at most, to see whether the same come out, and how well they must agree.
_NUM_AGAIN, _SAME = 32, 1e-6


class ChainDirectory(RecordedRun):
    """The directory of one run of chains.

    runner: of the chains, on what was written down when the run began. files: what is kept.
    """

    format = "bnnpost chains 1"
    details: ClassVar[Mapping[str, Check]] = {
        "settings": ("keys and values", lambda found: isinstance(found, dict))
    }
    runner: Runner
    files: ChainFiles
    _say: Say
    # Seconds of earlier calls, and when this one began.
    _before, _started = 0.0, 0.0

    def folders(self) -> list[Path]:
        found = (self.path, self.path / BLOCKS, self.path / STATES)
        return [folder for folder in found if folder.is_dir()]

    def begin(self, chains: Chains, say: Say) -> None:
        """Write down what is sampled, or find that it is what the run here samples.

        Raises OtherRun if the directory holds another run, or files that are none of a run's.
        """
        if self.has_begun():
            record = self.read_record()
            contents = self.read_contents(record, chains.space.posterior)
            self.check_settings(_in_own_names(record["settings"]), chains.settings())
            chains = chains.within(contents.space)
        else:
            self.check_vacant()
            self.write_record(chains.contents(), settings=chains.settings())
        self._say, self.runner = say, Runner(chains)
        self.files = ChainFiles(self.path, self.run, say=say, check=self.check_still_there)

    @property
    def chains(self) -> Chains:
        """What is run."""
        return self.runner.chains

    def finish(self, *, started: float, progress: bool = False) -> Draws:
        """The draws of the run, computed as far as they are missing, and written.

        started: `time.perf_counter()` when this call began.
        """
        self._started = started
        with self.noting_failure():
            done = self._done(progress)
            draws = chain_draws.draws(self.chains, done, self._seconds())
            self.check_still_there()
            self.write_draws(draws, self._say, "blocks")
            self._note("done", done)
            self.log(f"{self.chains.num_chains} chains of {self.chains.num_samples} draws are done")
        return draws

    def _seconds(self) -> float:
        """Seconds of work on the run, earlier calls included."""
        return self._before + time.perf_counter() - self._started

    def _done(self, progress: bool) -> Checkpoint:
        """The chains at their end, or further, with what was kept until there."""
        states = self.files.states(self.chains)
        if not states:
            begun = self.runner.begin()
            self.log("begun")
            self._write(begun, None)
        else:
            begun = self._gone_on_with(states)
            if begun.num_samples >= self.chains.num_samples:
                return begun
            told = f"{begun.num_warmup} of warmup and {begun.num_samples} draws"
            self.log(f"gone on with, from {told}")
        return self._recorded(run_chains(self.runner, progress=progress, begun=begun), begun)

    def _gone_on_with(self, states: list[Saved]) -> Checkpoint:
        """The latest state, with what was kept until there, gaps filled, as far as is wanted."""
        latest, wanted = states[0].at, self.chains.num_samples
        self._before = states[0].seconds
        if latest.num_samples < wanted or draws_files.holds_code(self.chains.space.posterior):
            self._check_code(states)
        end = min(latest.num_samples, wanted)
        parts, gaps = self.files.parts_before(end)
        for gap in gaps:
            self._fill(gap, states)
        if gaps:
            parts, gaps = self.files.parts_before(end)
        if gaps:
            raise OSError(f"{self.path}: draws that were just written cannot be read")
        return Checkpoint(latest.num_warmup, latest.chains, tuple(part.samples for part in parts))

    def _fill(self, gap: range, states: list[Saved]) -> None:
        """Make draws once more of which the file is missing or damaged."""
        self._say(f"draws {gap.start} to {gap.stop - 1} of each chain are missing: run again")
        before = (state.at for state in states if state.at.num_samples <= gap.start)
        *_, done = run_chains(self.runner, begun=next(before, None), num_samples=gap.stop)
        found = Samples.joined(done.samples).between(gap.start - done.num_before, gap.stop)
        self.files.write_part(Part(gap.start, found))

    def _recorded(self, progressed: Iterator[Checkpoint], begun: Checkpoint) -> Checkpoint:
        """The last of them; written every few seconds, and at the end, whatever end it is."""
        now = written = begun
        last, num_warmup = time.perf_counter(), self.chains.num_warmup
        try:
            for now in progressed:
                warm = written.num_warmup < num_warmup == now.num_warmup
                if warm or time.perf_counter() - last >= SECONDS:
                    self._write(now, written)
                    written, last = now, time.perf_counter()
        finally:
            if now is not written:
                self._write(now, written)
        return now

    def _write(self, now: Checkpoint, written: Checkpoint | None) -> None:
        """Write what was kept since `written`, and then where the chains are."""
        new = now.samples[len(written.samples) :] if written is not None else ()
        if written is not None and new:
            self.files.write_part(Part(written.num_samples, Samples.joined(new)))
        self.files.write_state(Saved(now, self._seconds(), made_with()), self.chains)
        self._note("running", now)

    def _note(self, state: str, now: Checkpoint) -> None:
        wanted, kept = self.chains.num_samples, now.num_samples
        self.set_status(
            state,
            num_chains=self.chains.num_chains,
            num_warmup=now.num_warmup,
            num_samples=min(kept, wanted) if state == "done" else kept,
        )

    def _check_code(self, states: list[Saved]) -> None:
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
        # What lies beyond the latest state may have been made elsewhere.
        older = [
            state.at
            for state in states[1:]
            if state.at.num_warmup == self.chains.num_warmup
            and state.at.num_samples < states[0].at.num_samples
        ]
        part = self.files.part_from(older[0].num_samples) if older else None
        if part is None:
            return
        again = self._again(older[0], part)
        held = part.samples.between(0, again.num_samples)
        if not all(map(_are_close, jax.tree.leaves(held), jax.tree.leaves(again))):
            raise OtherRun(
                f"{self.path}: the same transitions come to other draws than before: a "
                "likelihood, a layer or the version of jax has changed; choose another directory"
            )

    def _again(self, state: Checkpoint, part: Part) -> Samples:
        """The first draws after a state, at least those of a part."""
        count = min(_NUM_AGAIN, self.runner.block, part.end - part.first)
        every = self.chains.thinning
        number = self.chains.num_warmup + state.num_samples * every
        return self.runner.advance(state.chains, number, count, every)[1]


def _in_own_names(settings: Mapping[str, object]) -> dict[str, object]:
    """Settings of a run that may have been begun when a sampler had another name."""
    return {n: RENAMED.get(v, v) if n == "sampler" else v for n, v in settings.items()}  # type: ignore[call-overload]


def _are_close(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.allclose(one, other, rtol=_SAME, atol=_SAME, equal_nan=True))
