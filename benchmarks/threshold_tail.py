"""Acceptance of constant log weights over 10⁸ proposals, against the exact Poisson rates.

Beside each count stands that of `log(uniform) < log weight` in float32, which is 0 with
probability 2⁻²³ and then accepts whatever the weight. A p-value is the two-sided Poisson one;
over the table a right sampler falls below 10⁻⁶ with probability below 10⁻⁵.
"""

import argparse
import functools
import time

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
from jaxtyping import Array

import bnnpost
from bnnpost.likelihoods import Likelihood

LOG_WEIGHTS = (-8.0, -10.0, -12.0, -14.0, -16.0, -20.0, -40.0)
KEY = jax.random.key(0)
_BATCH = 2**20


class Constant(Likelihood):
    """The same log probability whatever the outputs; its bound is 0."""

    log_probability: Array

    def log_prob(self, outputs: Array, targets: Array) -> Array:
        return self.log_probability + 0 * jnp.sum(outputs)

    def log_bound(self, targets: np.ndarray) -> float:
        return 0.0


def accepted(log_weight: float, num_proposals: int) -> int:
    """Acceptances of exact rejection among so many proposals."""
    network = bnnpost.Serial([bnnpost.Dense(1)])
    likelihood = Constant(np.float64(log_weight))
    posterior = bnnpost.Posterior(network, likelihood, np.ones((1, 1)), np.zeros(1))
    draws = bnnpost.rejection.sample(
        KEY, posterior, num_samples=num_proposals, max_proposals=num_proposals
    )
    return len(draws)


@functools.partial(jax.jit, static_argnames="num_batches")
def naive_counts(key: Array, log_weights: Array, num_batches: int) -> Array:
    """For each log weight, how often a float32 uniform has a smaller logarithm."""

    def one_batch(counts: Array, number: Array) -> tuple[Array, None]:
        uniform = jax.random.uniform(jax.random.fold_in(key, number), (_BATCH,), jnp.float32)
        below = jnp.log(uniform)[:, None] < log_weights
        return counts + jnp.sum(below, axis=0), None

    start = jnp.zeros(log_weights.shape, jnp.int32)
    return jax.lax.scan(one_batch, start, jnp.arange(num_batches, dtype=jnp.uint32))[0]


def p_value(count: int, expected: float) -> float:
    """Two-sided, exact."""
    law = scipy.stats.poisson(expected)
    return float(min(1.0, 2 * min(law.cdf(count), law.sf(count - 1))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--proposals", type=int, default=10**8, help="for each row")
    num_proposals = parser.parse_args().proposals
    num_batches = -(-num_proposals // _BATCH)
    share = num_proposals / (num_batches * _BATCH)
    naive = naive_counts(KEY, jnp.asarray(LOG_WEIGHTS, jnp.float32), num_batches)
    print(f"{num_proposals:,} proposals a row on {jax.devices()[0].device_kind}")
    print(
        f"{'log weight':>10}{'expected':>12}{'accepted':>10}{'p-value':>10}{'float32':>10}{'s':>8}"
    )
    for log_weight, found in zip(LOG_WEIGHTS, np.asarray(naive), strict=True):
        start = time.perf_counter()
        count = accepted(log_weight, num_proposals)
        seconds = time.perf_counter() - start
        expected = num_proposals * np.exp(log_weight)
        print(
            f"{log_weight:10.0f}{expected:12.4g}{count:10d}{p_value(count, expected):10.3g}"
            f"{found * share:10.1f}{seconds:8.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
