"""Independent draws by coupled chains, at a measured distance from the posterior."""

import time
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from bnnpost.arguments import number_between, positive_integer
from bnnpost.draws import Draws, DrawsInfo
from bnnpost.draws.info import CoupledInfo
from bnnpost.posterior import Posterior
from bnnpost.samplers.coupled.bounds import fewest_pairs, tv_bound
from bnnpost.samplers.coupled.pair_threads import Pairs
from bnnpost.samplers.coupled.pairs import PairOutcome
from bnnpost.samplers.coupled.setting import Setting, set_up
from bnnpost.samplers.progress import Progress
from bnnpost.samplers.warned import warn_user

# Folded into a run's key for its pairs, apart from what completes draws.
_PAIRS = 0x70616972


class NotMetWarning(UserWarning):
    """Pairs of chains have not met, so that nothing is known of the distance of their draws."""


def sample(
    key: Array,
    posterior: Posterior,
    *,
    num_samples: int = 1000,
    tolerance: float = 0.01,
    progress: bool = False,
    **options: Any,
) -> Draws:
    """Independent draws, each from a pair of coupled chains, at a step that is late enough.

    Two chains with common randomness, one `lag` steps ahead, that meet exactly bound the total
    variation of a step's law from the posterior by when they meet (Biswas, Jacob and Vanetti 2019;
    Jacob, O'Leary and Atchadé 2020). All draws are those of the first step at which the upper 95 %
    limit of that bound, estimated from all pairs, is at most `tolerance`; `info.coupled` has the
    limit, the meeting times and what was tuned. They are not exact, and never called so.

    options: kernel="hmc", lag=None, max_steps=10_000, space="functions", collapse=True,
    precision="single". kernel: "hmc", a trajectory by rotations of the standard normals behind the
    functions (or, space "weights", behind the weights) and then a single rotation, in which chains
    meet; "pcn" or "slice", which meet where weights vary little; or one of these of
    `bnnpost.chains`, with settings of its own. The readout is integrated out unless collapse is
    False or the likelihood does not allow it. Its steps and, if None, lag are found by pilot pairs
    with random numbers of their own, and frozen. max_steps: the most that a pair is run in search
    of a meeting. precision: of the random features. progress: a bar on stderr.

    Where a pair has not met, `info.complete` is False, the bound 1, and NotMetWarning says so.
    Raises TypeError for a legacy key or no posterior; ValueError for bad arguments, among them a
    tolerance that so few pairs cannot show; NotMet where pairs of the pilot do not meet;
    NotImplementedError for a prior that has no map from standard normals; FloatingPointError if no
    prior draw in 100 has a positive weight.
    """
    started = time.perf_counter()
    num_samples, tolerance = _checked(num_samples, tolerance)
    setting = set_up(key, posterior, **options)
    found, pairs_key = setting.tuned, jax.random.fold_in(key, _PAIRS)
    pairs = Pairs(setting.programs, found.kernel, pairs_key, found.lag)
    outcomes = _run(setting, pairs, num_samples, progress)
    bound = tv_bound(np.array([int(one.meeting) for one in outcomes]), found.lag)
    first, start = bound.first_below(tolerance), found.first_kept
    step = start if first is None else max(first, start)
    given = [one.given for one in outcomes]
    if step > start:
        given = list(pairs.go_on(given, start, step))
    at = min(step, len(bound.upper) - 1)
    tv = float(bound.estimate[at]), float(bound.upper[at])
    record = _record(setting, outcomes, tolerance, step, tv)
    if not record.met:
        _warn(record)
    space = setting.space
    info = DrawsInfo(
        "coupled",
        complete=first is not None,
        num_samples=num_samples,
        num_proposals=num_samples,
        effective_sample_size=float(num_samples),
        space=space.form,
        precision=space.precision,
        layer_forms=space.layer_forms(),
        seconds=time.perf_counter() - started,
        device=jax.default_backend(),
        coupled=record,
    )
    stacked = jax.tree.map(lambda *arrays: np.stack(arrays), *given)
    numbers = np.arange(num_samples, dtype=np.uint64)
    return Draws(space, key, numbers, np.zeros(num_samples), info, stacked)


def _checked(num_samples: object, tolerance: object) -> tuple[int, float]:
    num_samples = positive_integer("num_samples", num_samples)
    tolerance = number_between("tolerance", tolerance, 0.0, 1.0)
    fewest = fewest_pairs(tolerance)
    if num_samples < fewest:
        raise ValueError(
            f"{num_samples:,} pairs of chains cannot show a distance of at most {tolerance:g}: "
            f"about 3/{num_samples:,} is the least that they could. Ask for at least {fewest:,} "
            "samples, or a larger tolerance"
        )
    return num_samples, tolerance


def _run(setting: Setting, pairs: Pairs, count: int, progress: bool) -> list[PairOutcome]:
    """All pairs."""
    outcomes: list[PairOutcome] = []
    with Progress(count, enabled=progress, label="pairs", unit="pair") as bar:
        for one in pairs.run(range(count), setting.tuned.first_kept, setting.max_steps):
            outcomes.append(one)
            unmet = sum(int(outcome.meeting) < 0 for outcome in outcomes)
            bar.show(len(outcomes), f"{unmet} not met" if unmet else "all met")
    return outcomes


def _record(
    setting: Setting,
    outcomes: list[PairOutcome],
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
    unmet = sum(time < 0 for time in record.meeting_times)
    warn_user(
        f"{unmet:,} of {len(record.meeting_times):,} pairs of chains did not meet in "
        f"{record.max_steps:,} steps: nothing is known of the distance of these draws from the "
        "posterior. Raise max_steps, or take a wider network or more noise",
        NotMetWarning,
    )
