"""How often the stated limit of coupled draws is above the bound it is a limit of, at 95 %.

    python benchmarks/distance_limits.py [RUNS]

Meeting times are drawn from known laws, so that the bound is known at every step. As in a run, the
lag is the longest of eight pilot pairs, or given, and the step the first that comes within the
tolerance, by the same pairs. Printed: the share of RUNS (2,000) in which the bound at that step is
at most the stated limit (standard error 0.005), the mean step, and the share of runs that came
within the tolerance. By three rules: the library's; the one that it had before, each factor's limit
at 95 %, the mean's by a normal law; and one that makes no allowance for the mean. Six minutes of a
core.
"""

import math
import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple
from unittest import mock

import numpy as np
from scipy.special import betaincinv

from bnnpost.samplers.coupled import bounds


class Law(NamedTuple):
    """Meeting times beyond the lag. beyond: P(D > t); draw: so many D."""

    beyond: Callable[[np.ndarray], np.ndarray]
    draw: Callable[[np.random.Generator, int], np.ndarray]


def geometric(stays: float, after: int = 0) -> Law:
    """Of pairs that cannot meet for a while, and then stay apart with this probability a step."""
    return Law(
        lambda t: stays ** np.maximum(t - after, 0.0),
        lambda rng, count: after + rng.geometric(1 - stays, count),
    )


def blend(quick: Law, slow: Law, share: float) -> Law:
    """A share of pairs is slow."""
    return Law(
        lambda t: (1 - share) * quick.beyond(t) + share * slow.beyond(t),
        lambda rng, count: np.where(
            rng.random(count) < share, slow.draw(rng, count), quick.draw(rng, count)
        ),
    )


LAWS: Mapping[str, Law] = {
    "geometric, 0.9": geometric(0.9),
    "geometric, 0.6": geometric(0.6),
    "geometric, 0.8, after 10 steps": geometric(0.8, 10),
    "a fifth slow: 0.7 and 0.9": blend(geometric(0.7), geometric(0.9), 0.2),
    "3 % slow: 0.7 and 0.93": blend(geometric(0.7), geometric(0.93), 0.03),
}
# Pairs and tolerance; lags, None for the longest of a pilot.
GOALS = ((1000, 0.01), (200, 0.04))
LAGS = (None, 1)
NUM_PILOT = 8


def shipped(beyond: np.ndarray, lag: int) -> np.ndarray:
    return bounds.tv_bound(beyond + lag, lag).upper


def former(beyond: np.ndarray, lag: int) -> np.ndarray:
    """Each factor's limit at 95 %, the mean's by a normal law."""
    uppers, mean = [], 1.0
    for step in range(int(beyond.max()) + 1):
        left = np.ceil((beyond[beyond > step] - step) / lag)
        if len(left) >= 20 or step == 0:
            mean = left.mean() + 1.645 * left.std(ddof=1) / math.sqrt(len(left))
        apart = len(beyond) - len(left)
        share = betaincinv(len(left) + 1, apart, 0.95) if apart else 1.0
        uppers.append(min(1.0, float(share) * mean))
    return np.array(uppers)


def no_allowance(beyond: np.ndarray, lag: int) -> np.ndarray:
    """The mean is taken to be what was seen."""
    with mock.patch.object(bounds, "upper_mean", lambda pairs, lags: lags / pairs):
        return shipped(beyond, lag)


RULES = {"shipped": shipped, "former": former, "no allowance": no_allowance}


def true_bound(law: Law, lag: int, num_steps: int) -> np.ndarray:
    """Σ_j P(D > t + jL) at steps 0, 1, …"""
    lags = np.arange(1000)
    return np.minimum([law.beyond(t + lags * lag).sum() for t in range(num_steps)], 1.0)


def rows(law: Law, given_lag: int | None, count: int, tolerance: float, runs: int) -> None:
    rng = np.random.default_rng(0)
    outcomes: dict[str, list[tuple[bool, int, bool]]] = {name: [] for name in RULES}
    for _ in range(runs):
        lag = given_lag or int(law.draw(rng, NUM_PILOT).max())
        beyond = law.draw(rng, count)
        true = true_bound(law, lag, int(beyond.max()) + 1)
        for name, rule in RULES.items():
            bound = bounds.Bound(true, rule(beyond, lag))
            first = bound.first_below(tolerance)
            step = int(np.argmin(bound.upper)) if first is None else first
            outcomes[name].append((true[step] <= bound.upper[step], step, first is not None))
    for name, each in outcomes.items():
        holds, step, within = np.mean(each, axis=0)
        print(f"    {name:<13} {holds:.3f}  step {step:5.1f}  within {within:.2f}", flush=True)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    for name, law in LAWS.items():
        for lag in LAGS:
            for count, tolerance in GOALS:
                kind = "of a pilot" if lag is None else lag
                print(f"{name}; lag {kind}; {count:,} pairs, tolerance {tolerance}")
                rows(law, lag, count, tolerance, runs)


if __name__ == "__main__":
    main()
