"""What a run of rejection tries: a space, a key and a bound; and the draws its blocks come to."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np
from jaxtyping import Array, Float

from bnnpost.draws import Draws, DrawsInfo
from bnnpost.draws.draws_files import Contents
from bnnpost.numerics.weights import WeightSum
from bnnpost.posterior import Posterior
from bnnpost.runs.store import Check
from bnnpost.samplers import capped, pilot, trials
from bnnpost.samplers.progress import Progress
from bnnpost.samplers.strict import strict_space
from bnnpost.samplers.tally import Tally
from bnnpost.samplers.trials import Block
from bnnpost.spaces import engine
from bnnpost.spaces.making import make_space
from bnnpost.spaces.space import Space

BOUNDS = ("strict", "collapsed", "auxiliary", "capped")
# On two cores a file of so many blocks is a few seconds' work, which is what a kill can cost.
BLOCKS_PER_FILE = 32
_MOST_BLOCKS_PER_FILE = 1_000_000


@dataclass(frozen=True)
class Goal:
    """When a run is over: so many accepted draws, or so many proposals (None: no limit)."""

    num_samples: int
    max_proposals: int | None


@dataclass(frozen=True)
class Plan:
    """All that decides what a run's blocks come to.

    log_bound: the strict bound or the cap, in nats; NaN until a pilot has chosen it.
    shape: proposals in a block.
    """

    FORMAT: ClassVar[str] = "bnnpost run 1"
    ENTRIES: ClassVar[Mapping[str, Check]] = {
        "blocks_per_file": (
            f"a whole number from 1 to {_MOST_BLOCKS_PER_FILE:,}",
            lambda value: type(value) is int and 1 <= value <= _MOST_BLOCKS_PER_FILE,
        )
    }
    space: Space
    key: Array
    log_bound: float
    shape: engine.BlockShape

    @classmethod
    def make(
        cls,
        key: Array,
        posterior: Posterior,
        *,
        space: str,
        collapse: bool,
        bound: str,
        cap: float | None,
        precision: str,
    ) -> "Plan":
        """The plan for the arguments of `rejection.sample`, perhaps without a bound yet.

        Raises ValueError for bad arguments.
        """
        _check_bound(bound, cap, collapse)
        if bound == "strict":
            chosen = strict_space(posterior, space=space, collapse=collapse, precision=precision)
        else:
            chosen = make_space(
                posterior,
                space=space,
                collapse=collapse,
                precision=precision,
                strict=bound != "capped",
                auxiliary=bound == "auxiliary",
            )
        given = math.nan if cap is None else float(cap)
        log_bound = given if bound == "capped" else chosen.log_bound()
        return cls(chosen, key, log_bound, engine.block_shape(chosen))

    def settled(self) -> "Plan":
        """The plan with a bound: where there is none yet, the cap that a pilot suggests."""
        if not math.isnan(self.log_bound):
            return self
        return dataclasses.replace(self, log_bound=capped.choose_cap(self._pilot(pilot.NUM_PILOT)))

    def begun(self, record: Mapping[str, Any] | None) -> "Plan":
        """The plan for a run: settled, where none has begun whose record tells the bound."""
        return self.settled() if record is None else self

    @property
    def strict(self) -> bool:
        """Whether no weight can exceed the bound."""
        return self.space.strict

    def settings(self) -> dict[str, object]:
        """What runs of the same draws have in common, in plain data; no cap that is not chosen."""
        cap = {} if self.strict or math.isnan(self.log_bound) else {"cap": self.log_bound}
        return {
            "key": np.asarray(jax.random.key_data(self.key)).tolist(),
            "bound": self._bound,
            "space": self.space.form,
            "collapse": self.space.collapse,
            "precision": self.space.precision,
            **cap,
        }

    @property
    def _bound(self) -> str:
        """As it was asked for."""
        if self.space.auxiliary is not None:
            return "auxiliary"
        return "strict" if self.strict else "capped"

    def tally(self, allow_nan: bool) -> Tally:
        return Tally(self.log_bound, strict=self.strict, allow_nan=allow_nan)

    def blocks(
        self, max_proposals: int | None, starts: Iterable[int] | None = None
    ) -> Generator[Block, None, None]:
        """Blocks of the run, in order; those from `starts`, or all."""
        return trials.blocks(
            self.space,
            self.key,
            self.log_bound,
            starts=starts,
            max_proposals=max_proposals,
            keep=self.tally(False).keep,
            shape=self.shape,
        )

    def _pilot(self, num_pilot: int) -> Float[np.ndarray, " p"]:
        return pilot.log_weights(self.key, self.space, num_pilot, self.shape)

    def contents(self) -> Contents:
        """The plan as draws of which there are none yet, to be written to a file."""
        info = self._info(self.tally(False), np.zeros(0), False)
        info = dataclasses.replace(info, device="")
        return Contents(self.space, self.key, np.zeros(0, np.uint64), np.zeros(0), info)

    @classmethod
    def from_contents(cls, contents: Contents) -> "Plan":
        """The inverse of `contents`."""
        info = contents.info
        shape = engine.BlockShape(info.batch, info.block, info.block)
        return cls(contents.space, contents.key, info.log_bound, shape)

    def entries(self) -> dict[str, object]:
        """See `runs.Prepared`."""
        return {"blocks_per_file": BLOCKS_PER_FILE}

    def as_written(self, contents: Contents, record: Mapping[str, Any]) -> "Plan":
        """See `runs.Prepared`; of a run nothing else is asked than what its files hold."""
        return Plan.from_contents(contents)

    def settings_written(self, record: Mapping[str, Any]) -> dict[str, object]:
        """See `runs.Prepared`."""
        return self.settings()

    def gather(
        self,
        blocks: Generator[Block, None, None],
        goal: Goal,
        *,
        started: float,
        allow_nan: bool = False,
        progress: bool = False,
    ) -> Draws:
        """The first accepted draws of a run's blocks, with the record of how it went.

        started: `time.perf_counter()` when the run began.
        """
        tally = self.tally(allow_nan)
        with contextlib.closing(blocks), Progress(goal.num_samples, enabled=progress) as bar:
            for block in blocks:
                if block.start != tally.num_proposals:
                    raise RuntimeError(
                        f"expected the block from proposal {tally.num_proposals} on, got that "
                        f"from {block.start} on: draws would be missing or twice there"
                    )
                tally.add(block)
                bar.update(tally.num_accepted, tally.num_proposals)
                if tally.num_accepted >= goal.num_samples:
                    break
        numbers, log_weights = tally.accepted(goal.num_samples)
        info = self._info(tally, log_weights, len(numbers) == goal.num_samples)
        info = dataclasses.replace(info, seconds=time.perf_counter() - started)
        return Draws(self.space, self.key, numbers, log_weights, info)

    def _info(
        self, tally: Tally, log_weights: Float[np.ndarray, " s"], complete: bool
    ) -> DrawsInfo:
        counted = tally.num_proposals > 0
        evidence = tally.weights.log_mean()
        return DrawsInfo(
            kind="exact" if self.strict else "capped",
            complete=complete,
            num_samples=len(log_weights),
            num_proposals=tally.num_proposals,
            acceptance_rate=tally.acceptance_rate() if counted else 0.0,
            log_evidence=evidence.value,
            log_evidence_se=math.hypot(evidence.standard_error, self.space.log_bound_se),
            effective_sample_size=WeightSum().add(log_weights).effective_sample_size(),
            space=self.space.form,
            layer_forms=self.space.layer_forms(),
            bound=self.space.bound if self.strict else "capped",
            log_bound=self.log_bound,
            precision=self.space.precision,
            num_nan=tally.num_nan,
            batch=self.shape.batch,
            block=self.shape.block,
            device=str(jax.devices()[0].device_kind),
            fitted=self.space.guide is not None and self.space.guide.fitted and not self.strict,
            **({} if self.strict else capped.excess(tally, self.space.log_bound())),
        )


def _check_bound(bound: str, cap: float | None, collapse: bool) -> None:
    if bound not in BOUNDS:
        raise ValueError(f"expected bound to be one of {', '.join(BOUNDS)}, got {bound!r}")
    if bound in ("collapsed", "auxiliary") and not collapse:
        raise ValueError(f'bound="{bound}" integrates the readout out: leave collapse=True')
    if cap is not None and bound != "capped":
        raise ValueError('a cap was given: pass bound="capped" with it')
    if cap is not None and not math.isfinite(cap):
        raise ValueError(f"expected cap to be a finite number of nats, got {cap}")
