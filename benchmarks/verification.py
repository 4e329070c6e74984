"""How often `verify` fails right samplers, and how often it fails known-wrong ones.

    python benchmarks/verification.py alarms [repetitions] [autocorrelation time]
    python benchmarks/verification.py power [repetitions] [words of the samplers' names]
    python benchmarks/verification.py causes [repetitions] [words of the posteriors' names]
    python benchmarks/verification.py time

Right candidates are exact draws, and chains of them: one that stays where it is with probability
(τ − 1)/(τ + 1), else goes to a fresh exact draw, has the posterior as its law and autocorrelation
time τ. Values: f at 5 test and 5 training points.
"""

import sys
import time
from collections.abc import Callable

import jax
import numpy as np
from _wrong_samplers import WRONG
from jaxtyping import Float

import bnnpost
from bnnpost.verification import checks, diagnosis
from bnnpost.verification.compared import compared
from bnnpost.verification.references import Reference, reference_of_draws
from bnnpost.verification.sets import TEST, Candidate

LEVELS = (0.01, 0.05)
TIMES = (1, 5, 20)
# Of one candidate; of the reference it is compared with.
NUM_EFFECTIVE, NUM_REFERENCE = 500, 2500
NUM_CHAINS = 4
# Of one wrong sampler, and of the reference that it is compared with.
NUM_WRONG, NUM_REFERENCE_DRAWS = 2000, 10_000


def problem(noise_std: float, width: int, depth: int) -> tuple[bnnpost.Posterior, np.ndarray]:
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(5, 5)
    network = bnnpost.mlp(width=width, depth=depth)
    return bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(noise_std), x, y), x_test


class Pool:
    """Exact draws, given out once each."""

    def __init__(self, posterior: bnnpost.Posterior, x_test: np.ndarray, size: int, number: int):
        self.posterior, self.x_test, self.size = posterior, x_test, size
        self.number, self.used, self.held = number, size, Reference({}, {}, x_test, "")

    def take(self, count: int) -> Reference:
        if self.used + count > self.size:
            key = jax.random.fold_in(jax.random.key(0), self.number)
            draws = bnnpost.rejection.sample(key, self.posterior, num_samples=self.size)
            self.held, self.used = reference_of_draws(key, draws, self.x_test), 0
            self.number += 1
        rows = slice(self.used, self.used + count)
        self.used += count
        return Reference(
            {name: values[rows] for name, values in self.held.values.items()},
            {n: (m[rows], v[rows]) for n, (m, v) in self.held.components.items()},
            self.x_test,
            "exact draws",
        )


def stationary_chains(
    rng: np.random.Generator, values: dict[str, np.ndarray], num_states: int, tau: float
) -> dict[str, np.ndarray]:
    """Chains [chain, draw, point, output] over fresh exact draws, with autocorrelation time τ."""
    length = num_states // NUM_CHAINS
    moves = rng.random((NUM_CHAINS, length)) < 2 / (tau + 1)
    moves[:, 0] = True
    places = np.cumsum(moves.ravel()).reshape(moves.shape) - 1
    return {name: array[places] for name, array in values.items()}


def candidate(pool: Pool, rng: np.random.Generator, tau: float) -> Candidate:
    if tau == 1:
        values = {n: v[None] for n, v in pool.take(NUM_EFFECTIVE).values.items()}
        return Candidate(values, "exact draws")
    num_states = int(NUM_EFFECTIVE * tau)
    fresh = pool.take(int(1.25 * num_states * 2 / (tau + 1)) + NUM_CHAINS)
    return Candidate(stationary_chains(rng, dict(fresh.values), num_states, tau), "chains")


def adjusted(given: Candidate, held: Reference, level: float, seed: int) -> dict[str, float]:
    both = compared(given, held)
    rng = np.random.default_rng(seed)
    return {c.name: c.adjusted for c in checks.all_of(both, both.pit(), level, rng)}


def alarms(repetitions: int, times: tuple[int, ...] = TIMES) -> None:
    """Part of right candidates that fail, by autocorrelation time and level."""
    posterior, x_test = problem(noise_std=1.0, width=32, depth=1)
    print(f"{repetitions} right candidates of {NUM_EFFECTIVE} effective draws, reference of ")
    print(f"{NUM_REFERENCE} exact draws; diabetes(5, 5), depth 1, width 32, noise std 1")
    for tau in times:
        pool, rng = Pool(posterior, x_test, 50_000, 1000 * tau), np.random.default_rng(tau)
        found = []
        for seed in range(repetitions):
            held = pool.take(NUM_REFERENCE)
            found.append(adjusted(candidate(pool, rng, tau), held, min(LEVELS), seed))
        least = np.array([min(p.values()) for p in found])
        for level in LEVELS:
            failed = least <= level
            error = np.sqrt(level * (1 - level) / repetitions)
            names = sorted({n for p in found for n in p})
            each = {n: sum(p[n] <= level for p in found) for n in names}
            print(
                f"τ {tau:>2} level {level:.2f}: {failed.mean():.4f} (within {error:.4f}); "
                + ", ".join(f"{n} {c}" for n, c in each.items() if c),
                flush=True,
            )


def power(repetitions: int, words: tuple[str, ...] = ()) -> None:
    """How many wrong candidates of 2,000 draws fail at level 0.01, candidate and reference anew."""
    posterior, x_test = problem(noise_std=0.1**0.5, width=64, depth=2)
    chosen = {n: make for n, make in WRONG.items() if not words or any(w in n for w in words)}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in chosen}
    for i in range(repetitions):
        keys = jax.random.split(jax.random.key(i), 2 + len(chosen))
        draws = bnnpost.rejection.sample(keys[0], posterior, num_samples=NUM_REFERENCE_DRAWS)
        held = reference_of_draws(keys[1], draws, x_test)
        for key, (name, make) in zip(keys[2:], chosen.items(), strict=True):
            values = make(key, posterior, x_test, held, NUM_WRONG)
            given = Candidate({n: v[None] for n, v in values.items()}, name, True)
            found[name].append(adjusted(given, held, 0.01, i))
    for name, each in found.items():
        caught = sum(min(p.values()) <= 0.01 for p in each)
        shares = {n: sum(p[n] <= 0.01 for p in each) for n in each[0]}
        print(
            f"{name:<34} {caught} of {repetitions}  "
            + ", ".join(f"{n} {share}" for n, share in shares.items())
        )


def erf_network(readout: float = 1.0, hidden: float = 1.0, biases: float = 1.0) -> bnnpost.Serial:
    """Width 64, two hidden layers, with some standard deviations of the prior times a factor."""
    return bnnpost.mlp(
        width=64, depth=2, w_std=1.5 * hidden, readout_w_std=1.5 * readout, b_std=0.5 * biases
    )


def narrow_network(
    readout: float = 1.0, hidden: float = 1.0, biases: float = 1.0
) -> bnnpost.Serial:
    """Width 16, one hidden layer."""
    return bnnpost.mlp(
        width=16, depth=1, w_std=1.5 * hidden, readout_w_std=1.5 * readout, b_std=0.1 * biases
    )


def relu_network(readout: float = 1.0, hidden: float = 1.0, biases: float = 1.0) -> bnnpost.Serial:
    """Width 32, one hidden layer: its weights and the readout's change the posterior alike."""
    return bnnpost.mlp(
        width=32,
        depth=1,
        activation="relu",
        w_std=1.5 * hidden,
        readout_w_std=1.5 * readout,
        b_std=0.5 * biases,
    )


# Networks, and the standard deviation of the noise.
MISTAKEN = {
    "erf, width 64, depth 2": (erf_network, 0.3),
    "erf, width 16, depth 1": (narrow_network, 0.3),
    "ReLU, width 32, depth 1": (relu_network, 0.5),
}
# Factors on standard deviations, and the words that a right cause has; "" where none is right.
MISTAKES: dict[str, tuple[dict[str, float], str]] = {
    "exact draws": ({}, ""),
    "readout 1.3": ({"readout": 1.3}, "of the readout were"),
    "readout 0.77": ({"readout": 0.77}, "of the readout were"),
    "hidden 1.5": ({"hidden": 1.5}, "of the hidden layers were"),
    "hidden 0.7": ({"hidden": 0.7}, "of the hidden layers were"),
    "all weights 1.3": ({"readout": 1.3, "hidden": 1.3}, "w_std of all layers were"),
    "biases 2": ({"biases": 2.0}, "b_std of all layers were"),
    "biases 0.3": ({"biases": 0.3}, "b_std of all layers were"),
    "noise 1.3": ({"noise": 1.3}, "the noise std were"),
    "readout 1.3 and noise 0.7": ({"readout": 1.3, "noise": 0.7}, ""),
}


def causes(repetitions: int, words: tuple[str, ...] = ()) -> None:
    """What is named where standard deviations of the prior, or the noise, are off by a factor.

    2,000 draws each against the same 10,000. Alone: the right cause and no other; among others:
    as one of several that explain the errors.
    """
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(5, 5)
    for name, (network, noise_std) in MISTAKEN.items():
        if words and not any(word in name for word in words):
            continue

        def drawn(
            seed: int, count: int, factors: dict[str, float], network=network, noise_std=noise_std
        ) -> Reference:
            others = {key: factor for key, factor in factors.items() if key != "noise"}
            noise = bnnpost.likelihoods.Gaussian(noise_std * factors.get("noise", 1.0))
            posterior = bnnpost.Posterior(network(**others), noise, x, y)
            draws = bnnpost.rejection.sample(jax.random.key(seed), posterior, num_samples=count)
            return reference_of_draws(jax.random.key(0), draws, x_test)

        held = drawn(0, NUM_REFERENCE_DRAWS, {})
        print(f"{name}\n{'':26}  alone  among others  wrong  none")
        for seed, (mistake, (factors, right)) in enumerate(MISTAKES.items(), 1):
            pool, counts = drawn(seed, NUM_WRONG * repetitions, factors), [0, 0, 0, 0]
            for number in range(repetitions):
                rows = slice(number * NUM_WRONG, (number + 1) * NUM_WRONG)
                given = {n: values[None, rows] for n, values in pool.values.items()}
                both = compared(Candidate(given, mistake, True), held)
                told = [cause.words for cause in diagnosis.causes_for(both)]
                named = bool(right) and any(right in cause for cause in told)
                several = len(told) > 1 or any(", or " in cause for cause in told)
                counts[(1 if several else 0) if named else 2 if told else 3] += 1
            print(
                f"{mistake:26}  {counts[0]:5} {counts[1]:13} {counts[2]:6} {counts[3]:5}",
                flush=True,
            )


def timing() -> None:
    rng = np.random.default_rng(0)
    root = np.linalg.cholesky(0.5 * np.eye(20) + 0.5)

    def values(count: int) -> Float[np.ndarray, "1 draw 20 1"]:
        return (rng.standard_normal((count, 20)) @ root.T)[None, :, :, None]

    given = Candidate({TEST: values(10_000)}, "normal draws")
    means = values(20_000)[0]
    held = Reference({TEST: means}, {TEST: (means, np.ones_like(means))}, None, "normal draws")
    started = time.perf_counter()
    adjusted(given, held, 0.01, 0)
    print(f"10,000 draws of 20 values against 20,000: {time.perf_counter() - started:.1f} s")


def main() -> None:
    task, *numbers = sys.argv[1:] or ["time"]
    tasks: dict[str, Callable[[], None]] = {
        "alarms": lambda: alarms(
            int(numbers[0]) if numbers else 1000, tuple(map(int, numbers[1:])) or TIMES
        ),
        "power": lambda: power(int(numbers[0]) if numbers else 10, tuple(numbers[1:])),
        "causes": lambda: causes(int(numbers[0]) if numbers else 20, tuple(numbers[1:])),
        "time": timing,
    }
    tasks[task]()


if __name__ == "__main__":
    main()
