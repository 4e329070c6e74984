"""How often `verify` fails right samplers of posteriors with heavy tails and atoms, and wrong ones.

    python benchmarks/verification_tails.py alarms [candidates] [words of the posteriors' names]
    python benchmarks/verification_tails.py chains [candidates] [words of the posteriors' names]
    python benchmarks/verification_tails.py power [candidates] [words of the posteriors' names]

The posteriors are those of `_hard_posteriors.py`. Right candidates are 500 exact draws, each
against 2,500 exact draws of its own; as chains, of autocorrelation time 5 and worth as many. Wrong
ones are 2,000 draws against 10,000.
"""

import sys
from collections.abc import Callable, Iterator, Mapping

import jax
import numpy as np
from _hard_posteriors import ATOMS, HEAVY, LIGHT, X_TEST, Make, wrong
from verification import LEVELS, NUM_EFFECTIVE, NUM_REFERENCE, Pool, adjusted, candidate

from bnnpost.verification import permutation
from bnnpost.verification.sets import Candidate

# Autocorrelation time of chains.
TIME = 5
# Permutations of each right candidate.
FEW = 199
NUM_WRONG, NUM_REFERENCE_DRAWS = 2000, 10_000
POOL = 60_000
EVERY: Mapping[str, Make] = {**LIGHT, **HEAVY, **ATOMS}


def chosen(words: tuple[str, ...]) -> Iterator[tuple[int, str, Make]]:
    for number, (name, make) in enumerate(EVERY.items()):
        if not words or any(word in name for word in words):
            yield number, name, make


def alarms(repetitions: int, words: tuple[str, ...], tau: float) -> None:
    """Part of right candidates that fail, by posterior and level."""
    permutation._MOST = FEW
    kind = "exact draws" if tau == 1 else f"draws in chains of autocorrelation time {tau}"
    print(f"{repetitions} right candidates of {NUM_EFFECTIVE} {kind}")
    for number, name, make in chosen(words):
        pool, rng = Pool(make(), X_TEST, POOL, 1000 * number), np.random.default_rng(number)
        found = []
        for seed in range(repetitions):
            held = pool.take(NUM_REFERENCE)
            found.append(adjusted(candidate(pool, rng, tau), held, min(LEVELS), seed))
        least = np.array([min(p.values()) for p in found])
        shares = ", ".join(f"{np.mean(least <= level):.3f} at {level}" for level in LEVELS)
        each = {n: sum(p[n] <= max(LEVELS) for p in found) for n in found[0]}
        by = ", ".join(f"{n} {count}" for n, count in each.items() if count)
        print(f"{name:<55} {shares}; at {max(LEVELS)} by {by}", flush=True)


def power(repetitions: int, words: tuple[str, ...]) -> None:
    """How many wrong candidates of 2,000 draws fail at level 0.01."""
    for number, name, make in chosen(words):
        pool = Pool(make(), X_TEST, POOL, 1000 * number)
        for kind, draw in wrong(make).items():
            caught = []
            for seed in range(repetitions):
                held = pool.take(NUM_REFERENCE_DRAWS)
                values = draw(jax.random.key(seed + 1), NUM_WRONG)
                given = Candidate({n: v[None] for n, v in values.items()}, kind, True)
                caught.append(adjusted(given, held, 0.01, seed))
            failed = sum(min(p.values()) <= 0.01 for p in caught)
            each = {n: sum(p[n] <= 0.01 for p in caught) for n in caught[0]}
            by = ", ".join(f"{n} {count}" for n, count in each.items() if count)
            print(f"{name:<40} {kind:<28} {failed} of {repetitions}: {by}", flush=True)


def main() -> None:
    task, *given = sys.argv[1:] or ["alarms"]
    number = [int(word) for word in given if word.isdecimal()]
    words = tuple(word for word in given if not word.isdecimal())
    tasks: dict[str, Callable[[], None]] = {
        "alarms": lambda: alarms(*(number or [500]), words, 1),
        "chains": lambda: alarms(*(number or [500]), words, TIME),
        "power": lambda: power(*(number or [20]), words),
    }
    tasks[task]()


if __name__ == "__main__":
    main()
