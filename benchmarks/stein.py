"""How often `bnnpost.stein` fails right draws of weights, and wrong ones, as networks get wider.

One hidden layer, three points of diabetes, noise std 0.5. Exact draws are by rejection; wrong ones
are exact draws with the noise variance halved, draws of the prior, and exact draws after 50 steps
of the unadjusted Langevin algorithm with a step that is too large for the network.

    python benchmarks/stein.py [width …]
"""

import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import bnnpost
from bnnpost.verification import stein_target

KEY = jax.random.key(0)
WIDTHS = (2, 8, 32)
NOISE_STD, ULA_STEPS = 0.5, 50
# Mean squares of parameters, 1 under the prior, beyond which a chain has flown away.
FAR = 100.0
# Candidates are parts of one long run: draws of each candidate, and how many in all.
SIZES, NUM_RIGHT, NUM_WRONG = (500, 2000), 100_000, 20_000
LEVELS = (0.01, 0.05)


def posterior(width: int, noise_std: float = NOISE_STD) -> bnnpost.Posterior:
    x, y, _, _ = bnnpost.datasets.diabetes_problem(3, 3)
    network = bnnpost.mlp(width=width, depth=1)
    return bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(noise_std), x, y)


def exact(target: bnnpost.Posterior, count: int) -> np.ndarray:
    draws = bnnpost.rejection.sample(KEY, target, num_samples=count, space="weights")
    return stein_target.rows_of_draws(draws)[0][0]


def langevin(target: bnnpost.Posterior, rows: np.ndarray, step: float) -> np.ndarray:
    """q + (ε/2) ∇ log p + √ε z, every one accepted; chains that fly away begin again."""
    rng, start = np.random.default_rng(0), rows
    for _ in range(ULA_STEPS):
        scores = stein_target.densities_and_scores(target, rows)[1]
        rows = rows + 0.5 * step * scores + np.sqrt(step) * rng.normal(size=rows.shape)
        near = np.mean(rows**2, axis=1, keepdims=True) < FAR
        rows = np.where(near, rows, start)
    return rows


def p_values(target: bnnpost.Posterior, rows: np.ndarray, size: int) -> np.ndarray:
    like = target.network.init(KEY, target.x.shape[1])
    unravelled = jax.vmap(ravel_pytree(like)[1])
    found = []
    for i in range(len(rows) // size):
        part = jnp.asarray(rows[i * size : (i + 1) * size], jnp.float32)
        key = jax.random.fold_in(KEY, i)
        found.append(bnnpost.stein(key, unravelled(part), target).p_value)
    return np.array(found)


def share(hits: np.ndarray) -> str:
    return f"{np.mean(hits):.3f}"


def of_width(width: int) -> None:
    target = posterior(width)
    right = exact(target, NUM_RIGHT)
    num_parameters = right.shape[1]
    rng = np.random.default_rng(1)
    candidates = {
        "exact": lambda: right,
        "noise variance halved": lambda: exact(posterior(width, NOISE_STD / 2**0.5), NUM_WRONG),
        "prior": lambda: rng.normal(size=(NUM_WRONG, num_parameters)),
        "Langevin, step 0.1": lambda: langevin(target, right[:NUM_WRONG], 0.1),
        "Langevin, step 0.2": lambda: langevin(target, right[:NUM_WRONG], 0.2),
    }
    for name, made in candidates.items():
        rows = made()
        for size in SIZES:
            started = time.perf_counter()
            found = p_values(target, rows, size)
            shares = " | ".join(share(found <= level) for level in LEVELS)
            spent = (time.perf_counter() - started) / len(found)
            print(
                f"| {width} ({num_parameters}) | {name} | {size} | {len(found)} | {shares} | "
                f"{spent:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    print(f"device: {jax.devices()[0]}")
    print(
        "| width (parameters) | draws | of each | candidates | fail at 0.01 | 0.05 | seconds each |"
    )
    print("|---|---|---|---|---|---|---|")
    for given in sys.argv[1:] or WIDTHS:
        of_width(int(given))
