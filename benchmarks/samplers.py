"""Samplers side by side on one posterior over widths: what they cost, and how far off they are.

Effective draws are those of f at the test inputs: as many independent ones would give the mean of
its ranks' normal scores (what ArviZ calls bulk) to the same error, the least of five. Once of one
f a state of the hidden layers, and once of many, redrawn given them (`redraw_readouts`; NUTS on all
weights moves the readout, and has one). Core-seconds are those after warmup, or for rejection of a
whole run that was compiled before, its pilot included, and in all cases those of f at the test
inputs, compiled before too. Chains of cheap steps keep one in so many, as f costs more than these.
Distances are to the exact posterior, from weighted proposals (with fifty points, from long chains):
the largest error of a mean in posterior standard deviations, with the standard error that so many
draws have, and of a standard deviation in per cent. "All weights" is numpyro's NUTS on the model,
with fewer transitions where networks are wide; from width 1024 on, where they take seconds, a few
are timed at a step size that accepts about 0.9, in the place of a run; "hidden weights" the
repriorisation of Hron et al. (2022), moved by rotations, three a transition or with fifty points
six; the others move the normals behind the functions.

    python benchmarks/samplers.py [points width …]    # default: what PROBLEMS names
"""

import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import numpy as np
from jaxtyping import Float
from scipy.special import ndtri
from scipy.stats import rankdata

import bnnpost
from bnnpost.draws.posterior_means import posterior_mean
from bnnpost.samplers.chains import (
    CrankNicolson,
    EllipticalSlice,
    Hamiltonian,
    Kernel,
    Rotation,
    chain_draws,
)
from bnnpost.samplers.chains.run import ChainsPlan, Runner, run_chains

NOISE_STD = 0.1**0.5
NUM_TEST = 5
# Of each state, where they are redrawn.
NUM_READOUTS = 16
KEY = jax.random.key(0)
PROBLEMS = ((5, 256), (10, 64), (10, 256), (20, 256), (20, 1024), (50, 64), (50, 256))
# Strict rejection is tried with so few points, and no more.
MOST_STRICT = 5
# With so many, proposals are worth too little for rejection, and coupled chains take too long.
CHAINS_ALONE = 50
# Steps of pCN and elliptical slice for a draw that is kept, of so many points.
THINNING = {50: 20}
BASELINE = "NUTS, all weights"
# From this width on its transitions are timed, at this step size.
TIMED_FROM, TIMED_STEP = 1024, 0.03


@dataclass(frozen=True)
class Run:
    """Draws, and the core-seconds that count, those of f aside."""

    draws: bnnpost.Draws
    seconds: float


@dataclass(frozen=True)
class Exact:
    """Mean and standard deviation of f at each test input."""

    mean: Float[np.ndarray, " m"]
    std: Float[np.ndarray, " m"]


def exact(posterior: bnnpost.Posterior, x_test: np.ndarray) -> Exact:
    if posterior.num_points >= CHAINS_ALONE:
        return by_long_chains(posterior, x_test)
    found = bnnpost.importance.estimate(KEY, posterior, x_test, num_proposals=2**15)
    return Exact(found.mean()[:, 0], np.sqrt(np.diagonal(found.covariance()[0])))


def by_long_chains(posterior: bnnpost.Posterior, x_test: np.ndarray) -> Exact:
    """By a key of their own: with so many points proposals are worth too few draws."""
    draws = bnnpost.hmc.sample(
        jax.random.key(3),
        posterior,
        method="hmc",
        num_steps=6,
        space="weights",
        collapse=True,
        num_samples=8000,
        cross_check=False,
    )
    found = draws.mixture(x_test)
    means = found.means[:, :, 0]
    return Exact(means.mean(axis=0), np.sqrt(found.variances.mean(axis=0) + means.var(axis=0)))


def rejected(bound: str, num_samples: int, posterior: bnnpost.Posterior) -> Run:
    sample = partial(bnnpost.rejection.sample, posterior=posterior, bound=bound)
    sample(jax.random.key(1), num_samples=10)
    started = time.process_time()
    draws = sample(jax.random.key(2), num_samples=num_samples)
    return Run(draws, time.process_time() - started)


def chained(
    kernel: Kernel, size: dict[str, int], posterior: bnnpost.Posterior, space: str | None = None
) -> Run:
    """Chains, and the core-seconds from the end of their warmup on."""
    collapse = None if space is None else True
    chains = ChainsPlan.make(
        KEY, posterior, kernel, **size, space=space, collapse=collapse, cross_check=False
    )
    started = finished = time.process_time()
    for done in run_chains(Runner(chains)):
        finished = time.process_time()
        started = started if done.num_samples else finished
    return Run(chain_draws.draws(chains, done, finished - started), finished - started)


def coupled(posterior: bnnpost.Posterior) -> Run:
    """Independent draws, and the core-seconds of their pairs, the pilot's share left out."""
    started = time.process_time()
    draws = bnnpost.coupled.sample(KEY, posterior, num_samples=1000)
    assert draws.info.coupled is not None
    share = 1 - draws.info.coupled.pilot_seconds / draws.info.seconds
    return Run(draws, share * (time.process_time() - started))


def transition(posterior: bnnpost.Posterior) -> str:
    """Seconds of one transition of NUTS on all weights, after a few from a prior draw."""
    kernel = Hamiltonian("nuts", step_size=TIMED_STEP)
    size = {"num_samples": 4, "num_warmup": 0, "num_chains": 1}
    runner = Runner(ChainsPlan.make(KEY, posterior, kernel, **size, chain_method="sequential"))
    begun, _ = runner.advance(runner.begin().chains, 0, 1, 1)
    started = time.perf_counter()
    _, kept = runner.advance(begun, 1, 3, 1)
    seconds = (time.perf_counter() - started) / 3
    steps, accepted = (np.mean(kept.info[name]) for name in ("n_steps", "acceptance_rate"))
    return (
        f"{BASELINE}: one transition at step size {TIMED_STEP} takes {seconds:.2f} s, "
        f"{steps:.0f} gradients, acceptance {accepted:.2f}"
    )


def rotations(num_points: int) -> Rotation:
    """Of hidden weights: with many points angles are small, three come to half a radian at most."""
    return Rotation(num_steps=6 if num_points >= CHAINS_ALONE else 3)


def samplers(num_points: int, width: int) -> dict[str, Callable[[bnnpost.Posterior], Run]]:
    usual = {"num_samples": 1000, "num_warmup": 500, "num_chains": 4}
    thinned = {**usual, "num_warmup": 1000, "thinning": THINNING.get(num_points, 3)}
    few = {"num_samples": 30, "num_warmup": 30, "num_chains": 2}
    slow = {
        64: {"num_samples": 1000, "num_warmup": 1000, "num_chains": 4},
        256: {"num_samples": 250, "num_warmup": 250, "num_chains": 4},
    }.get(width, few)
    wide = usual if width < TIMED_FROM else slow  # every draw holds all weights
    nuts, strict = Hamiltonian("nuts"), {"rejection, strict": partial(rejected, "strict", 5000)}
    independent = {
        "rejection, capped": partial(rejected, "capped", 100_000),
        "coupled chains": coupled,
    }
    return {
        **(strict if num_points <= MOST_STRICT else {}),
        **(independent if num_points < CHAINS_ALONE else {}),
        "elliptical slice": partial(chained, EllipticalSlice(), thinned),
        "pCN": partial(chained, CrankNicolson(), thinned),
        "HMC, rotations": partial(chained, Rotation(), usual),
        "HMC, hidden weights": partial(chained, rotations(num_points), wide, space="weights"),
        "NUTS, functions": partial(chained, nuts, usual, space="functions"),
        **({BASELINE: partial(chained, nuts, slow)} if width < TIMED_FROM else {}),
    }


def effective(
    values: Float[np.ndarray, "s r m"],
    log_weights: Float[np.ndarray, " s"],
    info: bnnpost.draws.DrawsInfo,
) -> float:
    """Effective draws of f [state, readout, point]: those of the mean of its normal scores."""
    flat = values.reshape(-1, values.shape[-1])
    scores = ndtri((rankdata(flat, axis=0) - 0.375) / (len(flat) + 0.25)).reshape(values.shape)
    mean = posterior_mean(scores.mean(axis=1), log_weights, info)
    weights = np.exp(log_weights - np.max(log_weights))
    spread = np.average(np.mean((scores - mean.value) ** 2, axis=1), axis=0, weights=weights)
    return float(np.min(spread / mean.standard_error**2))


def timed(function: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    """What a function returns, and the core-seconds it takes once compiled."""
    function()
    started = time.process_time()
    return function(), time.process_time() - started


def row(name: str, found: Run, x_test: np.ndarray, truth: Exact) -> tuple[tuple[float, float], str]:
    """Effective draws a core-second, of one f a state and of many, and a line of the table."""
    draws = found.draws
    values, seconds = timed(lambda: draws.predict(x_test)[:, None, :, 0])
    size = effective(values, draws.log_weights, draws.info)
    once = many = size / (found.seconds + seconds)
    off = errors(values, draws.log_weights, truth, size)
    if draws.space.collapse:
        values, again = timed(lambda: draws.redraw_readouts(x_test, NUM_READOUTS)[..., 0])
        of_many = effective(values, draws.log_weights, draws.info)
        many = of_many / (found.seconds + again)
        off = errors(values, draws.log_weights, truth, of_many)
    details = f"{'':>6} {'':>6} {'':>6}"
    chains = draws.info.chains
    if chains is not None:
        gradients = chains.num_gradients / chains.num_steps
        r_hat = float(draws.diagnostics(x_test)["r_hat"].max())
        details = f"{chains.num_steps:>6,} {gradients:>6.1f} {r_hat:>6.3f}"
    line = (
        f"{name:<21} {size:>7.0f} {found.seconds:>8.2f} {seconds:>7.2f} {once:>9.1f} {many:>9.1f} "
        f"{details} {off}"
    )
    return (once, many), line


def errors(
    values: Float[np.ndarray, "s r m"],
    log_weights: Float[np.ndarray, " s"],
    truth: Exact,
    size: float,
) -> str:
    """How far means (with the standard error of so many draws) and standard deviations are off."""
    weights = np.exp(log_weights - np.max(log_weights))
    weights = weights / weights.sum()
    mean = weights @ values.mean(axis=1)
    std = np.sqrt(weights @ np.mean((values - mean) ** 2, axis=1))
    off_mean = np.max(np.abs(mean - truth.mean) / truth.std)
    off_std = 100 * np.max(np.abs(std / truth.std - 1))
    return f"{off_mean:>7.3f} ±{1 / np.sqrt(size):.3f} {off_std:>6.1f} %"


def compare(num_points: int, width: int) -> None:
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(num_points, NUM_TEST)
    likelihood = bnnpost.likelihoods.Gaussian(NOISE_STD)
    posterior = bnnpost.Posterior(bnnpost.mlp(width=width), likelihood, x, y)
    truth = exact(posterior, x_test)
    print(f"\ndiabetes({num_points}, {NUM_TEST}), width {width}, noise variance 0.1")
    print(
        f"{'':<21} {'draws':>7} {'core-s':>8} {'of f':>7} {'a core-s':>9} {f'{NUM_READOUTS} f':>9} "
        f"{'steps':>6} {'grads':>6} {'R-hat':>6} {'mean off':>14} {'std off':>8}"
    )
    rates = {}
    for name, sample in samplers(num_points, width).items():
        rates[name], line = row(name, sample(posterior), x_test, truth)
        print(line, flush=True)
    if BASELINE not in rates:
        print(transition(posterior), flush=True)
        return
    base = rates.pop(BASELINE)[0]
    for i, of in enumerate(("one f a state", f"{NUM_READOUTS} f a state")):
        ratios = [f"{name} {rate[i] / base:,.1f}" for name, rate in rates.items()]
        print(f"{of}, a core-second over {BASELINE}: {', '.join(ratios)}", flush=True)


def main() -> None:
    numbers = [int(text) for text in sys.argv[1:]]
    problems = [(numbers[0], width) for width in numbers[1:]] or PROBLEMS
    print(f"{jax.devices()[0].device_kind}; effective draws of f at {NUM_TEST} test inputs")
    warnings.simplefilter("ignore")
    for num_points, width in problems:
        compare(num_points, width)


if __name__ == "__main__":
    main()
