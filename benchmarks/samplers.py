"""Samplers side by side on one posterior over widths: what they cost, and how far off they are.

Effective draws are those of f at the test inputs (bulk, the least of five), seconds those of a
run that was compiled before, warmup or pilot included; "aft. warm." leaves the warmup of
chains out. Distances are to the exact posterior, from weighted proposals: the largest error of a
mean in posterior standard deviations, and of a standard deviation in per cent.

    python benchmarks/samplers.py [points] [width …]    # default 10 64 256 1024
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

import bnnpost

NOISE_STD = 0.1**0.5
NUM_TEST = 5
KEY = jax.random.key(0)
CHAINS = {"num_samples": 500, "num_warmup": 500, "num_chains": 4}
HMC = partial(bnnpost.hmc.sample, **CHAINS)
SAMPLERS: dict[str, Callable[..., bnnpost.Draws]] = {
    "rejection, capped": partial(bnnpost.rejection.sample, bound="capped", num_samples=20_000),
    "elliptical slice": partial(bnnpost.elliptical_slice.sample, **CHAINS),
    "pCN": partial(bnnpost.pcn.sample, **CHAINS),
    "HMC, rotations": partial(HMC, space="functions", method="hmc"),
    "NUTS, functions": partial(HMC, space="functions"),
    "NUTS, hidden weights": partial(HMC, collapse=True),
    "NUTS, all weights": HMC,
}
STRICT = partial(bnnpost.rejection.sample, num_samples=2000)
# Strict rejection is tried with so few points, and no more.
MOST_STRICT = 5


@dataclass(frozen=True)
class Exact:
    """Mean and standard deviation of f at each test input."""

    mean: Float[np.ndarray, " m"]
    std: Float[np.ndarray, " m"]


def exact(posterior: bnnpost.Posterior, x_test: np.ndarray) -> Exact:
    found = bnnpost.importance.estimate(KEY, posterior, x_test, num_proposals=2**15)
    return Exact(found.mean()[:, 0], np.sqrt(np.diagonal(found.covariance()[0])))


def timed(sample: Callable[..., bnnpost.Draws], *arguments: object) -> tuple[float, bnnpost.Draws]:
    """Seconds of a run that was compiled before, and its draws."""
    sample(jax.random.key(1), *arguments)
    started = time.perf_counter()
    draws = sample(jax.random.key(2), *arguments)
    return time.perf_counter() - started, draws


def row(
    name: str,
    sample: Callable[..., bnnpost.Draws],
    posterior: bnnpost.Posterior,
    x_test: np.ndarray,
    truth: Exact,
) -> tuple[float, str]:
    """Effective draws a second after warmup, and a line of the table."""
    seconds, draws = timed(sample, posterior)
    values = draws.predict(x_test)[..., 0]
    weights = np.exp(draws.log_weights - np.max(draws.log_weights))
    weights = weights / weights.sum()
    mean = weights @ values
    std = np.sqrt(weights @ (values - mean) ** 2)
    chains, size = draws.info.chains, draws.info.effective_sample_size
    sampling, details = seconds, f"{'':>7} {'':>8} {'':>6}"
    if chains is not None:
        diagnosed = draws.diagnostics(x_test)
        size = float(diagnosed["ess_bulk"].min())
        sampling = seconds - timed(partial(sample, num_samples=4), posterior)[0]
        gradients = chains.num_gradients / chains.num_steps
        r_hat = float(diagnosed["r_hat"].max())
        details = f"{chains.num_steps:>7,} {gradients:>8.1f} {r_hat:>6.3f}"
    off_mean = np.max(np.abs(mean - truth.mean) / truth.std)
    off_std = 100 * np.max(np.abs(std / truth.std - 1))
    line = (
        f"{name:<22} {size:>8.0f} {seconds:>8.2f} {size / seconds:>10.1f} {size / sampling:>10.1f} "
        f"{details} {off_mean:>7.3f} ±{1 / np.sqrt(size):.3f} {off_std:>6.1f} %"
    )
    return size / sampling, line


def compare(num_points: int, width: int) -> None:
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(num_points, NUM_TEST)
    likelihood = bnnpost.likelihoods.Gaussian(NOISE_STD)
    posterior = bnnpost.Posterior(bnnpost.mlp(width=width), likelihood, x, y)
    truth = exact(posterior, x_test)
    print(f"\ndiabetes({num_points}, {NUM_TEST}), width {width}, noise variance 0.1")
    print(
        f"{'':<22} {'draws':>8} {'seconds':>8} {'a second':>10} {'aft. warm.':>10} "
        f"{'steps':>7} {'grad/st.':>8} {'R-hat':>6} {'mean off':>14} {'std off':>8} "
        f"{'over NUTS':>10}"
    )
    samplers = {"rejection, strict": STRICT} if num_points <= MOST_STRICT else {}
    rates, lines = {}, {}
    for name, sample in {**samplers, **SAMPLERS}.items():
        rates[name], lines[name] = row(name, sample, posterior, x_test, truth)
    for name, line in lines.items():
        print(f"{line} {rates[name] / rates['NUTS, all weights']:>10.1f}", flush=True)


def main() -> None:
    arguments = [int(text) for text in sys.argv[1:]] or [10, 64, 256, 1024]
    print(f"{jax.devices()[0].device_kind}; effective draws of f at {NUM_TEST} test inputs")
    warnings.simplefilter("ignore")
    for width in arguments[1:]:
        compare(arguments[0], width)


if __name__ == "__main__":
    main()
