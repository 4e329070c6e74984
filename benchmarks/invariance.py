"""The test of one step: how often it fails right kernels, and what errors it finds.

    python benchmarks/invariance.py [alarms] [power] [small]

alarms: 1,000 tests of right kernels, each of 500 exact draws, at the levels 0.05 and 0.01; by pairs
and by halves. power: 40 tests of each wrong kernel, one step from each of 2,000 draws. small: the
share of 20 tests, each of 2,000 draws, that find a noise variance, or a step size in the acceptance
ratio, that is so much too large; beside what `verify` finds of 2,000 exact draws from the posterior
with that noise, against 10,000. Kernels and posterior: `_kernels.py`.
"""

import sys
import time

import _kernels as kernels
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

import bnnpost
from bnnpost.verification.markov_kernels import Transition, transition_of

_TESTS, _FEW, _MANY = 1000, 500, 2000
_ERRORS = (0.01, 0.02, 0.05, 0.1, 0.2)
_STEPS = (1, 20)
OF = kernels.posterior()


def exact(seed: int, count: int, of: bnnpost.Posterior = OF) -> bnnpost.Draws:
    """So many draws."""
    return bnnpost.rejection.sample(jax.random.key(seed), of, num_samples=count)


def part(draws: bnnpost.Draws, number: int, size: int) -> bnnpost.Draws:
    """The draws of one test."""
    count = len(draws) // size
    start = (number % count) * size
    return draws.some(np.arange(start, start + size))


def flat(step: kernels.Step) -> Transition:
    """Made once, so that it is compiled once."""
    return transition_of(step, OF, True)


def alarms() -> None:
    """Right kernels."""
    draws, made = exact(1, _TESTS * _FEW), [flat(make()) for make in kernels.RIGHT.values()]
    for paired in (True, False):
        least, started = [], time.perf_counter()
        for number in range(_TESTS):
            step = made[number % len(made)]
            found = bnnpost.invariance(
                jax.random.key(number),
                step,
                part(draws, number, _FEW),
                paired=paired,
                num_steps=1 + number % 3,
            )
            least.append(min(found.p_values.values()))
        shares = [np.mean(np.array(least) <= level) for level in (0.05, 0.01)]
        seconds = (time.perf_counter() - started) / _TESTS
        name = "pairs" if paired else "halves"
        print(f"{name}: {shares[0]:.3f} at 0.05, {shares[1]:.3f} at 0.01; {seconds:.2f} s a test")


def found_share(step: Transition, draws: bnnpost.Draws, count: int, num_steps: int = 1) -> float:
    """Of so many tests of 2,000 draws, those that fail."""
    failed = [
        not bnnpost.invariance(
            jax.random.key(number), step, part(draws, number, _MANY), num_steps=num_steps
        ).passed
        for number in range(count)
    ]
    return float(np.mean(failed))


def power() -> None:
    """Wrong kernels."""
    draws = exact(2, 40 * _MANY)
    for name, make in kernels.WRONG.items():
        print(f"{name:26s} {found_share(flat(make()), draws, 40):.2f}", flush=True)


def mistaken(log: kernels.Log, error: float, size: float = 0.25) -> kernels.Step:
    """Langevin steps whose acceptance ratio has a step size that is so much too large."""

    def mean(vector: Array, size: float) -> Array:
        return vector + 0.5 * size**2 * jax.grad(log)(vector)

    def step(key: Array, vector: Array) -> Array:
        noise_key, accept_key = jax.random.split(key)
        proposed = mean(vector, size) + size * jax.random.normal(noise_key, vector.shape)
        used = (1 + error) * size
        there = jnp.sum((proposed - mean(vector, used)) ** 2)
        back = jnp.sum((vector - mean(proposed, used)) ** 2)
        ratio = log(proposed) - log(vector) + (there - back) / (2 * used**2)
        accepted = jnp.log(jax.random.uniform(accept_key)) < ratio
        return jnp.where(accepted, proposed, vector)

    return step


def verified_share(error: float, reference: bnnpost.Draws, count: int) -> float:
    """Of so many sets of 2,000 draws under the wrong noise, those that `verify` fails."""
    std = kernels.NOISE * np.sqrt(1 + error)
    draws = exact(4, count * _MANY, kernels.posterior(float(std)))
    failed = [
        not bnnpost.verify(
            jax.random.key(number),
            {"f_train": part(draws, number, _MANY).training_outputs()},
            reference,
        ).passed
        for number in range(count)
    ]
    return float(np.mean(failed))


def small(count: int = 20) -> None:
    """Small errors."""
    draws, reference = exact(3, count * _MANY), exact(5, 10_000)
    print("error   noise variance: 1 step, 20 steps, verify   step size: 1 step, 20 steps")
    for error in _ERRORS:
        std = float(kernels.NOISE * np.sqrt(1 + error))
        noise = flat(kernels.langevin(kernels.log_density(std)))
        size = flat(mistaken(kernels.log_density(), error))
        of_noise = [found_share(noise, draws, count, steps) for steps in _STEPS]
        of_size = [found_share(size, draws, count, steps) for steps in _STEPS]
        by_verify = verified_share(error, reference, count)
        print(
            f"{error:5.2f} {of_noise[0]:22.2f} {of_noise[1]:9.2f} {by_verify:7.2f} "
            f"{of_size[0]:19.2f} {of_size[1]:9.2f}",
            flush=True,
        )


_PARTS = {"alarms": alarms, "power": power, "small": small}

if __name__ == "__main__":
    for name in sys.argv[1:] or _PARTS:
        _PARTS[name]()
