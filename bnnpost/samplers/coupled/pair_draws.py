"""Pairs of chains of one run, and the draws and the record that they give."""

import dataclasses
import inspect
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np
from jaxtyping import Array

from bnnpost.draws import Draws, DrawsInfo
from bnnpost.draws.draws_files import Contents
from bnnpost.draws.info import CoupledInfo
from bnnpost.posterior import Posterior
from bnnpost.runs.store import Check
from bnnpost.samplers.coupled.bounds import tv_bound
from bnnpost.samplers.coupled.pairs import PairOutcome, Pairs
from bnnpost.samplers.coupled.tuning import (
    Setting,
    is_tuning_record,
    recorded_tuning,
    set_up,
    tuning_record,
)
from bnnpost.samplers.kernels.kernel import Kernel, Normals, plain_kernel
from bnnpost.samplers.progress import Progress
from bnnpost.samplers.warned import warn_user
from bnnpost.spaces.space import Space

# Folded into a run's key for its pairs, apart from what completes draws.
_PAIRS = 0x70616972


class NotMetWarning(UserWarning):
    """Pairs of chains have not met, so that nothing is known of the distance of their draws."""


@dataclass(frozen=True)
class Pairing:
    """All that decides what pairs of chains come to.

    options: those of `set_up`, by name, as they were given.
    """

    FORMAT: ClassVar[str] = "bnnpost coupled 1"
    ENTRIES: ClassVar[Mapping[str, Check]] = {
        "settings": ("keys and values", lambda value: isinstance(value, dict)),
        "tuned": ("what pairs were tuned to", is_tuning_record),
        "pilot_seconds": ("a number", lambda value: isinstance(value, float)),
    }
    key: Array
    setting: Setting
    options: Mapping[str, Any]

    @classmethod
    def make(
        cls,
        key: Array,
        posterior: Posterior,
        num_samples: int,
        options: Mapping[str, Any],
        record: Mapping[str, Any] | None = None,
    ) -> "Pairing":
        """What a pilot finds, or a run's record has of an earlier one. Raises as `set_up`."""
        known = None if record is None else recorded_tuning(record["tuned"])
        return cls(key, set_up(key, posterior, num_samples, known, **options), options)

    @property
    def space(self) -> Space:
        """In which draws are made."""
        return self.setting.space

    def settings(self) -> dict[str, object]:
        """See `runs.Prepared`: every option."""
        named = inspect.signature(set_up).parameters.values()
        defaults = {one.name: one.default for one in named if one.kind is one.KEYWORD_ONLY}
        plain = {name: _plain(one) for name, one in {**defaults, **self.options}.items()}
        return {**plain, "key": np.asarray(jax.random.key_data(self.key)).tolist()}

    def settings_written(self, record: Mapping[str, Any]) -> Mapping[str, object]:
        """See `runs.Prepared`."""
        settings: Mapping[str, object] = record["settings"]
        return settings

    def entries(self) -> dict[str, object]:
        """See `runs.Prepared`; with what the pilot found."""
        return {
            "settings": self.settings(),
            "tuned": tuning_record(self.setting.tuned),
            "pilot_seconds": self.setting.pilot_seconds,
        }

    def as_written(self, contents: Contents, record: Mapping[str, Any]) -> "Pairing":
        """See `runs.Prepared`: the space, and what the pilot found, whatever lag is asked for."""
        setting = self.setting._replace(
            space=contents.space,
            programs=self.setting.programs.on(Normals.of(contents.space)),
            tuned=recorded_tuning(record["tuned"]),
            pilot_seconds=record["pilot_seconds"],
        )
        return dataclasses.replace(self, setting=setting)

    def pairs(self) -> Pairs:
        """The pairs, to be run."""
        found = self.setting.tuned
        key = jax.random.fold_in(self.key, _PAIRS)
        return Pairs(self.setting.programs, found.kernel, key, found.lag)

    def run(self, numbers: Iterable[int]) -> Iterator[PairOutcome]:
        """These pairs, in order. Raises FloatingPointError where one has no start."""
        setting = self.setting
        return self.pairs().run(numbers, setting.tuned.first_kept, setting.max_steps)

    def contents(self) -> Contents:
        """As draws of which there are none yet, to be written to a file."""
        space = self.setting.space
        info = DrawsInfo("coupled", space=space.form, precision=space.precision)
        return Contents(space, self.key, np.zeros(0, np.uint64), np.zeros(0), info)

    def draws(
        self, outcomes: Sequence[PairOutcome], tolerance: float, *, started: float, before: float
    ) -> Draws:
        """X of pairs 0, 1, … at the first step that is late enough, with a record.

        started: `time.perf_counter()` when the call began; before: seconds of earlier ones. Warns
        with NotMetWarning where a pair has not met.
        """
        setting, count = self.setting, len(outcomes)
        found = setting.tuned
        bound = tv_bound(np.array([int(one.meeting) for one in outcomes]), found.lag)
        first, start = bound.first_below(tolerance), found.first_kept
        # Where the limit is nowhere so low, the first step at which it is lowest.
        step = max(start, int(np.argmin(bound.upper)) if first is None else first)
        given = [one.given for one in outcomes]
        if step > start:
            given = list(self.pairs().go_on(given, start, step))
        at = min(step, len(bound.upper) - 1)
        tv = float(bound.estimate[at]), float(bound.upper[at])
        record = _record(setting, outcomes, tolerance, step, tv)
        if not record.met:
            _warn(record)
        seconds = before + time.perf_counter() - started
        info = _info(setting, record, first is not None, seconds)
        stacked = jax.tree.map(lambda *arrays: np.stack(arrays), *given)
        numbers = np.arange(count, dtype=np.uint64)
        return Draws(setting.space, self.key, numbers, np.zeros(count), info, stacked)


class PairProgress(Progress):
    """Pairs that are done of all, and how many of them have not met. done: before it begins."""

    def __init__(self, num_pairs: int, *, enabled: bool, done: Iterable[PairOutcome] = ()):
        super().__init__(num_pairs, enabled=enabled, label="pairs", unit="pair")
        meetings = [int(one.meeting) for one in done]
        self._num_pairs, self._unmet = len(meetings), sum(time < 0 for time in meetings)

    def count(self, one: PairOutcome) -> None:
        """One more is done."""
        self._num_pairs += 1
        self._unmet += int(one.meeting) < 0
        self.show(self._num_pairs, f"{self._unmet} not met" if self._unmet else "all met")


def _plain(option: Any) -> object:
    return plain_kernel(option) if isinstance(option, Kernel) else np.asarray(option).tolist()


def _info(setting: Setting, record: CoupledInfo, complete: bool, seconds: float) -> DrawsInfo:
    space, count = setting.space, len(record.meeting_times)
    return DrawsInfo(
        "coupled",
        complete=complete,
        num_samples=count,
        num_proposals=count,
        effective_sample_size=float(count),
        space=space.form,
        precision=space.precision,
        layer_forms=space.layer_forms(),
        seconds=seconds,
        device=str(jax.devices()[0].device_kind),
        coupled=record,
    )


def _record(
    setting: Setting,
    outcomes: Sequence[PairOutcome],
    tolerance: float,
    step: int,
    tv: tuple[float, float],
) -> CoupledInfo:
    found = setting.tuned
    return CoupledInfo(
        tolerance=tolerance,
        step=step,
        tv=tv[0],
        tv_upper=tv[1],
        lag=found.lag,
        meeting_times=tuple(int(one.meeting) for one in outcomes),
        max_steps=setting.max_steps,
        acceptance_rate=float(np.mean([one.acceptance for one in outcomes])),
        num_evaluations=int(sum(int(one.evaluations) for one in outcomes)),
        pilot_evaluations=found.evaluations,
        pilot_seconds=setting.pilot_seconds,
        kernel=found.kernel.name,
        **found.kernel.settings(),
    )


def _warn(record: CoupledInfo) -> None:
    warn_user(
        f"{record.unmet:,} of {len(record.meeting_times):,} pairs of chains did not meet in "
        f"{record.max_steps:,} steps: nothing is known of the distance of these draws from the "
        "posterior. Raise max_steps, or take a wider network or more noise",
        NotMetWarning,
    )
