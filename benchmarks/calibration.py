"""How often `bnnpost.calibrate` fails right samplers, and wrong ones; and what a dataset costs.

Right samplers and their wrong twins are written in numpy, for a network without hidden layers,
whose posterior is a Gaussian that is known: 12 training and 6 test inputs of 10 features. Many
datasets are simulated once and cut into calibrations of 100, 300 and 1,000 of them, which is
the same as so many calls: a dataset depends on the key and its own number alone. Parts:

    python benchmarks/calibration.py [false-alarms] [power] [around] [networks] [teachers] [seconds]
"""

import dataclasses
import functools
import math
import sys
import time
import warnings
import zlib
from collections.abc import Callable

import jax
import numpy as np

import bnnpost
from bnnpost.draws.info import DrawsInfo
from bnnpost.verification.calibration_record import Calibration

KEY = jax.random.key(0)
SIZES, LEVELS = (100, 300, 1000), (0.01, 0.05)
NUM_TRAIN, NUM_TEST, NUM_FEATURES = 12, 6, 10
W_STD, B_STD, NOISE_STD = 1.5, 0.5, 0.5
NUM_DRAWS, CHAIN_LENGTH = 99, 500
DISTANCE, LOG_LIKELIHOOD = "distance from the mean", "log likelihood"

_inputs = np.random.default_rng(0).normal(size=(NUM_TRAIN + NUM_TEST, NUM_FEATURES))
X, X_TEST = _inputs[:NUM_TRAIN], _inputs[NUM_TRAIN:]
KERNEL = W_STD**2 / NUM_FEATURES * _inputs @ _inputs.T + B_STD**2


def linear() -> bnnpost.Posterior:
    network = bnnpost.Serial([bnnpost.Dense(1, w_std=W_STD, b_std=B_STD)])
    likelihood = bnnpost.likelihoods.Gaussian(NOISE_STD)
    return bnnpost.Posterior(network, likelihood, X, np.zeros(NUM_TRAIN))


def conditional(noise_var: float) -> tuple[np.ndarray, np.ndarray]:
    """Gain [point, n] and a root of the covariance of f at all inputs given the targets."""
    train = KERNEL[:NUM_TRAIN, :NUM_TRAIN] + noise_var * np.eye(NUM_TRAIN)
    gain = np.linalg.solve(train, KERNEL[:NUM_TRAIN]).T
    return gain, root(KERNEL - gain @ KERNEL[:NUM_TRAIN])


def root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.clip(values, 0, None))


GAIN, ROOT = conditional(NOISE_STD**2)
GAIN_TWICE, ROOT_TWICE = conditional(NOISE_STD**2 / 2)
PRIOR = root(KERNEL)


def numpy_rng(key: jax.Array) -> np.random.Generator:
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))


def normals(key: jax.Array, num_samples: int = NUM_DRAWS) -> np.ndarray:
    return numpy_rng(key).normal(size=(num_samples, len(KERNEL)))


def exact(key, posterior):
    return GAIN @ posterior.targets[:, 0] + normals(key) @ ROOT.T


def chains(key, posterior):
    """Stationary and autocorrelated: integrated time 9."""
    return GAIN @ posterior.targets[:, 0] + autoregressive(key, 0.8) @ ROOT.T


def shorter_chains(key, posterior):
    """The same of integrated time 14, so that 2,000 draws are worth 140."""
    return GAIN @ posterior.targets[:, 0] + autoregressive(key, 0.87) @ ROOT.T


def autoregressive(key: jax.Array, rho: float) -> np.ndarray:
    """Four chains [chain, sample, point] of standard normals, started in equilibrium."""
    steps = numpy_rng(key).normal(size=(4, CHAIN_LENGTH, len(KERNEL)))
    for i in range(1, CHAIN_LENGTH):
        steps[:, i] = rho * steps[:, i - 1] + math.sqrt(1 - rho**2) * steps[:, i]
    return steps


@dataclasses.dataclass
class Weighted:
    values: np.ndarray
    log_weights: np.ndarray

    def predict(self, x):
        return self.values


def weighted(key, posterior):
    """Draws of twice the variance in two directions, with weights: worth half as many."""
    z = normals(key, 600)
    z[:, -2:] *= math.sqrt(2)
    values = GAIN @ posterior.targets[:, 0] + z @ ROOT.T
    return Weighted(values, -0.25 * np.sum(z[:, -2:] ** 2, axis=1))


def prior(key, posterior):
    return normals(key) @ PRIOR.T


def counted_twice(key, posterior):
    return GAIN_TWICE @ posterior.targets[:, 0] + normals(key) @ ROOT_TWICE.T


def unaccepted_pcn(key, posterior):
    """f′ = √(1−β²) f + β ν with β = 0.8, and every proposal accepted."""
    return autoregressive(key, 0.6) @ PRIOR.T


def too_narrow(key, posterior):
    return GAIN @ posterior.targets[:, 0] + 0.9 * normals(key) @ ROOT.T


def simulate(sampler: Callable, num_datasets: int) -> Calibration:
    # Of each sampler its own datasets, so that no luck is shared.
    key = jax.random.fold_in(KEY, zlib.crc32(sampler.__name__.encode()))
    return bnnpost.calibrate(key, sampler, linear(), num_datasets=num_datasets, x_test=X_TEST)


def cut(whole: Calibration, size: int, level: float) -> list[Calibration]:
    """Calibrations of `size` datasets each."""
    count = whole.num_datasets // size
    return [
        dataclasses.replace(
            whole,
            level=level,
            ranks=whole.ranks[i * size : (i + 1) * size],
            effective_sizes=whole.effective_sizes[i * size : (i + 1) * size],
        )
        for i in range(count)
    ]


def share(hits: list[bool]) -> str:
    rate = np.mean(hits)
    return f"{rate:.3f} ± {math.sqrt(rate * (1 - rate) / len(hits)):.3f} of {len(hits)}"


def false_alarms() -> None:
    print("right samplers that fail, at most the level")
    for sampler, num_datasets in (
        (exact, 60_000),
        (chains, 20_000),
        (shorter_chains, 20_000),
        (weighted, 20_000),
    ):
        started = time.perf_counter()
        whole = simulate(sampler, num_datasets)
        spent = 1e3 * (time.perf_counter() - started) / num_datasets
        least = whole.effective_sizes.min()
        print(f"{sampler.__name__}: {spent:.1f} ms a dataset, least effective size {least:.0f}")
        for level in LEVELS:
            for size in SIZES:
                found = cut(whole, size, level)
                failed = share([bool(one.failed) for one in found])
                none = sum(one.verdict == "no verdict" for one in found)
                single = np.mean([(one.tests <= level).mean() for one in found])
                print(
                    f"  level {level}, {size:4d} datasets: {failed}; no verdict {none}; "
                    f"uncorrected tests below the level {single:.4f}",
                    flush=True,
                )


def power() -> None:
    print("wrong samplers that are found")
    for sampler in (prior, counted_twice, unaccepted_pcn, too_narrow):
        whole = simulate(sampler, 20_000)
        for level in LEVELS:
            for size in SIZES:
                found = cut(whole, size, level)
                parts = {
                    "any": [not one.passed for one in found],
                    "log likelihood": [LOG_LIKELIHOOD in one.failed for one in found],
                    "distance": [DISTANCE in one.failed for one in found],
                    "f": [any(name.startswith("f(") for name in one.failed) for one in found],
                }
                line = ", ".join(f"{name} {np.mean(hits):.3f}" for name, hits in parts.items())
                name = sampler.__name__
                print(f"{name}, level {level}, {size:4d} datasets: {line} ({len(found)} runs)")


def seen() -> bnnpost.Posterior:
    """The same network given targets that are large for the prior."""
    targets = 2 * root(KERNEL[:NUM_TRAIN, :NUM_TRAIN]) @ np.ones(NUM_TRAIN)
    return bnnpost.Posterior(linear().network, linear().likelihood, X, targets)


def law(targets: np.ndarray, noise_var: float, w_std: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and a root of the covariance of f at all inputs, given targets at training inputs."""
    kernel = (KERNEL - B_STD**2) * (w_std / W_STD) ** 2 + B_STD**2
    train = kernel[:NUM_TRAIN, :NUM_TRAIN] + noise_var * np.eye(NUM_TRAIN)
    gain = np.linalg.solve(train, kernel[:NUM_TRAIN]).T
    return gain @ targets, root(kernel - gain @ kernel[:NUM_TRAIN])


def given_both(key, posterior, rows=slice(None), noise_factor=1.0, std_factor=1.0, w_std=W_STD):
    """f given these rows of the seen and the new targets, with noise and prior as they are said."""
    targets = posterior.targets.reshape(2, NUM_TRAIN)[rows]
    mean, factor = law(targets.mean(axis=0), noise_factor * NOISE_STD**2 / len(targets), w_std)
    f = mean + std_factor * normals(key) @ factor.T
    return np.concatenate([f[:, :NUM_TRAIN], f], axis=1)


class Known(bnnpost.Draws):
    """Exact draws given the targets seen, for a prior std of the weights; they say it is W_STD."""

    posterior = seen()

    def __init__(self, count: int, w_std: float = W_STD):
        mean, factor = law(self.posterior.targets[:, 0], NOISE_STD**2, w_std)
        self.values = (mean + normals(KEY, count) @ factor.T)[..., None]
        self.log_weights, self.info = np.zeros(count), DrawsInfo(kind="exact")

    def __len__(self):
        return len(self.values)

    def training_outputs(self):
        return self.values[:, :NUM_TRAIN]

    def predict(self, x_test, completion="joint"):
        return self.values[:, NUM_TRAIN:]


def around() -> None:
    total = 30_000
    print(f"calibrations of 100 datasets, around the data seen, of {total} in all; share that fail")
    exact_draws, own = Known(total), Known(total, 2 * W_STD)
    for name, draws, wrong in (
        ("right", exact_draws, {}),
        ("data seen ignored", exact_draws, {"rows": slice(1, 2)}),
        ("new targets ignored", exact_draws, {"rows": slice(0, 1)}),
        ("noise variance halved", exact_draws, {"noise_factor": 0.5}),
        ("stds 10 % too small", exact_draws, {"std_factor": 0.9}),
        ("prior std doubled", exact_draws, {"w_std": 2 * W_STD}),
        ("prior std doubled, around its own draws", own, {"w_std": 2 * W_STD}),
        ("right, around draws of the doubled prior std", own, {}),
    ):
        count = total if name == "right" else 5_000
        whole = bnnpost.calibrate(
            KEY,
            functools.partial(given_both, **wrong),
            seen(),
            around=draws,
            num_datasets=count,
            x_test=X_TEST,
        )
        found = {level: [bool(one.failed) for one in cut(whole, 100, level)] for level in LEVELS}
        shares = ", ".join(f"{share(hits)} at level {level}" for level, hits in found.items())
        print(f"{name}: {shares}", flush=True)


def network(num_train: int, width: int, noise_std: float) -> tuple[bnnpost.Posterior, np.ndarray]:
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(num_train, 3)
    likelihood = bnnpost.likelihoods.Gaussian(noise_std)
    return bnnpost.Posterior(bnnpost.mlp(width=width), likelihood, x, y), x_test


def rejection(key, posterior):
    return bnnpost.rejection.sample(key, posterior, num_samples=NUM_DRAWS)


def capped(key, posterior):
    return bnnpost.rejection.sample(key, posterior, num_samples=300, bound="capped")


def networks_prior(key, posterior):
    return bnnpost.prior.sample(key, posterior, num_samples=NUM_DRAWS)


def elliptical_slice(key, posterior):
    return bnnpost.elliptical_slice.sample(key, posterior, num_samples=200, num_warmup=100)


def pcn(key, posterior):
    return bnnpost.pcn.sample(key, posterior, num_samples=400, num_warmup=300)


def networks_counted_twice(key, posterior):
    likelihood = bnnpost.likelihoods.Gaussian(float(posterior.likelihood.noise_std) / math.sqrt(2))
    twice = bnnpost.Posterior(posterior.network, likelihood, posterior.x, posterior.targets)
    return bnnpost.rejection.sample(key, twice, num_samples=NUM_DRAWS)


def networks() -> None:
    posterior, x_test = network(3, 16, 1.0)
    print("networks of width 16, depth 2, three points of diabetes, noise std 1; level 0.05")
    for sampler, total in ((rejection, 200), (capped, 100), (networks_counted_twice, 100)):
        started = time.perf_counter()
        whole = bnnpost.calibrate(KEY, sampler, posterior, num_datasets=total, x_test=x_test)
        spent = (time.perf_counter() - started) / total
        found = cut(whole, 100, 0.05)
        print(
            f"{sampler.__name__}: {spent:.3f} s a dataset; of {len(found)} runs of 100 "
            f"{sum(bool(one.failed) for one in found)} fail; all {total} together: "
            f"{whole.summary()}",
            flush=True,
        )


def teachers() -> None:
    posterior, x_test = network(50, 1024, 0.1**0.5)
    print("teacher and student at 50 points, width 1024, depth 2: three datasets")
    for sampler in (networks_prior, elliptical_slice, chains_counted_twice):
        started = time.perf_counter()
        found = bnnpost.calibrate(KEY, sampler, posterior, num_datasets=3, x_test=x_test)
        print(f"{sampler.__name__}: {time.perf_counter() - started:.1f} s; {found.summary()}")
        print(f"  effective sizes {found.effective_sizes.round()}", flush=True)


def chains_counted_twice(key, posterior):
    likelihood = bnnpost.likelihoods.Gaussian(float(posterior.likelihood.noise_std) / math.sqrt(2))
    twice = bnnpost.Posterior(posterior.network, likelihood, posterior.x, posterior.targets)
    return elliptical_slice(key, twice)


def seconds() -> None:
    posterior, x_test = network(3, 64, 0.5)
    print("seconds of the first dataset, which compiles, and of each later one (median of 10)")
    for sampler in (rejection, capped, pcn, elliptical_slice, networks_prior):
        stamps = [time.perf_counter()]

        def timed(key, taught, sampler=sampler, stamps=stamps):
            stamps.append(time.perf_counter())
            return sampler(key, taught)

        bnnpost.calibrate(KEY, timed, posterior, num_datasets=12, x_test=x_test)
        each = np.diff(stamps[1:])
        print(f"{sampler.__name__}: {each[0]:.2f}, {np.median(each[1:]):.3f}", flush=True)


PARTS = {
    "false-alarms": false_alarms,
    "power": power,
    "around": around,
    "networks": networks,
    "teachers": teachers,
    "seconds": seconds,
}

if __name__ == "__main__":
    # Short chains warn; whether they are long enough is what is asked here.
    warnings.simplefilter("ignore")
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
