"""A run of pairs of chains in a directory: gone on with after any end, to the draws of one call.

Besides the files of every run: blocks/, the pairs that are done. What the pilot found is in the
record, and is not found again.
"""

import inspect
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np
from jaxtyping import Array

from bnnpost.draws import Draws, draws_files
from bnnpost.posterior import Posterior
from bnnpost.samplers.coupled.pair_draws import Pairing, PairProgress
from bnnpost.samplers.coupled.pair_files import PAIRS_FORMAT, KeptPairs, PairFiles
from bnnpost.samplers.coupled.pairs import PairOutcome
from bnnpost.samplers.coupled.tuning import (
    is_tuning_record,
    recorded_tuning,
    set_up,
    tuning_record,
)
from bnnpost.samplers.kernels.kernel import Kernel, Normals, plain_kernel
from bnnpost.samplers.recorded_run import BLOCKS, Check, RecordedRun, made_with
from bnnpost.storage import STATUS, OtherRun, Say, read_record

# Between two writes; with a pair, what a kill can cost.
SECONDS = 3.0
# How well numbers of a pair that is run once more must agree.
_SAME = 1e-6


class PairDirectory(RecordedRun):
    """The directory of one run of pairs.

    pairing: what is run, as it was written down when the run began. files: what is kept.
    """

    format = PAIRS_FORMAT
    details: ClassVar[Mapping[str, Check]] = {
        "settings": ("keys and values", lambda found: isinstance(found, dict)),
        "tuned": ("what pairs were tuned to", is_tuning_record),
        "pilot_seconds": ("a number", lambda found: isinstance(found, float)),
    }
    pairing: Pairing
    files: PairFiles
    _say: Say
    # Whether this call began the run, and its seconds have those of the pilot in them.
    _is_new = False

    def folders(self) -> list[Path]:
        return [folder for folder in (self.path, self.path / BLOCKS) if folder.is_dir()]

    def begin(
        self,
        key: Array,
        posterior: Posterior,
        num_samples: int,
        options: Mapping[str, Any],
        say: Say,
    ) -> None:
        """Write down what is run, once a pilot has found it, or find that the run here runs it.

        Raises what `set_up` raises of arguments, memory and pilots, which then leave nothing
        behind, and OtherRun if the directory holds another run, or files that are none of a run's.
        """
        if self.has_begun():
            record = self.read_record()
            known = recorded_tuning(record["tuned"])
            pairing = Pairing(key, set_up(key, posterior, num_samples, known, **options))
            self.check_settings(record["settings"], _settings(key, options))
            pairing = self._as_written(pairing, record)
        else:
            self.check_vacant()
            pairing = Pairing(key, set_up(key, posterior, num_samples, **options))
            self._is_new = True
            self.write_record(
                pairing.contents(),
                settings=_settings(key, options),
                tuned=tuning_record(pairing.setting.tuned),
                pilot_seconds=pairing.setting.pilot_seconds,
            )
        self._say, self.pairing = say, pairing
        self.files = PairFiles(self.path, self.run, say=say, check=self.check_still_there)

    def _as_written(self, pairing: Pairing, record: Mapping[str, Any]) -> Pairing:
        """The same with what is written down: the space, whose last bits are then the same."""
        space = self.read_contents(record, pairing.setting.space.posterior).space
        setting = pairing.setting._replace(
            space=space,
            programs=pairing.setting.programs.on(Normals.of(space)),
            tuned=recorded_tuning(record["tuned"]),
            pilot_seconds=record["pilot_seconds"],
        )
        return pairing._replace(setting=setting)

    def finish(
        self, num_samples: int, tolerance: float, *, started: float, progress: bool = False
    ) -> Draws:
        """The draws of so many pairs, run as far as they are missing, and written.

        started: `time.perf_counter()` when this call began.
        """
        with self.noting_failure():
            outcomes, before = self._outcomes(num_samples, progress)
            draws = self.pairing.draws(outcomes, tolerance, started=started, before=before)
            self.check_still_there()
            self.write_draws(draws, self._say, "pairs")
            info = draws.info
            self.set_status(
                "done" if info.complete else "exhausted",
                num_samples=num_samples,
                num_pairs=self._num_told(num_samples),
            )
            if info.coupled is not None:
                self.log(info.coupled.summary())
        return draws

    def _outcomes(self, count: int, progress: bool) -> tuple[list[PairOutcome], float]:
        """All pairs, in order, and seconds of earlier calls, which those of the pilot are among."""
        parts = list(self.files.read(count))
        held = {n: one for part in parts for n, one in part.outcomes.items() if n < count}
        missing = [number for number in range(count) if number not in held]
        before = sum(part.seconds for part in parts)
        before += 0.0 if self._is_new else self.pairing.setting.pilot_seconds
        self.log("begun" if self._is_new else f"gone on with, from {len(held)} pairs")
        self._say_of_gaps(missing, 1 + max(held, default=-1), count)
        if held and (missing or draws_files.holds_code(self.pairing.setting.space.posterior)):
            self._check_code(parts)
        if missing:
            self._run(missing, held, count, progress)
        return [held[number] for number in range(count)], before

    def _say_of_gaps(self, missing: Iterable[int], end: int, count: int) -> None:
        """Say which pairs should be there and are not."""
        told = min(count, max(end, self._num_told()))
        gone = [number for number in missing if number < told]
        if gone:
            self._say(
                f"{len(gone):,} pairs, of numbers {gone[0]} to {gone[-1]}, are missing: run again"
            )

    def _num_told(self, least: int = 0) -> int:
        """Pairs that are there by the last status, or so many."""
        try:
            found = read_record(self.path / STATUS).get("num_pairs", 0)
        except (OSError, ValueError):  # none, or damaged
            return least
        return max(found, least) if isinstance(found, int) else least

    def _run(
        self, missing: list[int], held: dict[int, PairOutcome], count: int, progress: bool
    ) -> None:
        """Run what is missing; written every few seconds, and at the end, whatever end it is."""
        fresh: dict[int, PairOutcome] = {}
        last, written_with = time.perf_counter(), made_with()

        def write() -> None:
            nonlocal last
            now = time.perf_counter()
            self.files.write(KeptPairs(fresh, now - last, written_with))
            held.update(fresh)
            fresh.clear()
            last = now
            self.set_status("running", num_pairs=self._num_told(_leading(held)))

        with PairProgress(count, enabled=progress, done=held.values()) as bar:
            try:
                for number, one in zip(missing, self.pairing.run(missing), strict=True):
                    fresh[number] = one
                    bar.count(one)
                    if time.perf_counter() - last >= SECONDS:
                        write()
            finally:
                if fresh:
                    write()

    def _check_code(self, parts: list[KeptPairs]) -> None:
        """Raise OtherRun unless the pair on disk that took least comes out the same again.

        By it code, libraries or data that have changed since are told. Where another machine made
        all of them the last bits may differ, and that is said.
        """
        here = {
            number: one
            for part in parts
            if part.made_with == made_with()
            for number, one in part.outcomes.items()
        }
        if not here:
            self._say(
                f"{self.path}: other versions, or another processor, made the pairs that are here: "
                "those from here on need not be, bit for bit, what one call would have given"
            )
            return
        number = min(here, key=lambda n: int(here[n].evaluations))
        [again] = self.pairing.run([number])
        if not _are_same(here[number], again):
            raise OtherRun(
                f"{self.path}: pair {number} comes to another draw than before: a likelihood, a "
                "layer or the version of jax has changed; choose another directory"
            )


def _settings(key: Array, options: Mapping[str, Any]) -> dict[str, object]:
    """What a run of the same pairs has in common with this one, in plain data: every option."""
    named = inspect.signature(set_up).parameters.values()
    defaults = {one.name: one.default for one in named if one.kind is one.KEYWORD_ONLY}
    plain = {name: _plain(one) for name, one in {**defaults, **options}.items()}
    return {**plain, "key": np.asarray(jax.random.key_data(key)).tolist()}


def _plain(option: Any) -> object:
    return plain_kernel(option) if isinstance(option, Kernel) else np.asarray(option).tolist()


def _leading(held: Mapping[int, object]) -> int:
    """How many pairs there are before the first that is missing."""
    return next(number for number in range(len(held) + 1) if number not in held)


def _are_same(one: PairOutcome, other: PairOutcome) -> bool:
    return int(one.meeting) == int(other.meeting) and all(
        np.allclose(array, other.given[name], rtol=_SAME, atol=_SAME)
        for name, array in one.given.items()
    )
