"""What kernels cost: both in one call, pooled images as they grow in number, finite networks.

Seconds are of all cores together (best of turns in one process): other load disturbs them less.
`kernel_costs.py both`, `pooled` or `empirical` is one table.
"""

import functools
import sys
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

import bnnpost
import bnnpost.networks as nn
from bnnpost.datasets import load
from bnnpost.networks import Layer

DIGITS = load("digits").x / 16
IMAGES = DIGITS.reshape(-1, 8, 8, 1)
CONVOLUTIONS: list[Layer] = [nn.Conv(1, (3, 3), w_std=1.4, b_std=0.1), nn.Activation("relu")] * 3
FLAT = nn.Serial([*CONVOLUTIONS, nn.Flatten(), nn.Dense(1)])
POOLED = nn.Serial([*CONVOLUTIONS, nn.GlobalAvgPool(), nn.Dense(1)])
ROUNDS = 5


def core_seconds(runs: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """The best of turns of each, compilation aside."""
    best = dict.fromkeys(runs, np.inf)
    for run in runs.values():
        jax.block_until_ready(run())
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.process_time()
            jax.block_until_ready(run())
            best[name] = min(best[name], time.process_time() - start)
    return best


def both() -> None:
    """`bnnpost.kernels` beside `nngp` and `ntk`."""
    dense = bnnpost.mlp(depth=3, activation="relu", w_std=2**0.5, b_std=0.1)
    rows = np.random.default_rng(0).normal(size=(2000, 100))
    attention = nn.SelfAttention(1, mechanism="softmax", scaling="linear")
    of_rows = [nn.Dense(1), nn.Activation("relu"), attention, nn.Activation("relu")]
    cases: dict[str, tuple[Layer, np.ndarray]] = {
        "dense, 500 points": (dense, rows[:500]),
        "dense, 2,000 points": (dense, rows),
        "convolutions, Flatten, 500 digits": (FLAT, IMAGES[:500]),
        "convolutions, GlobalAvgPool, 100 digits": (POOLED, IMAGES[:100]),
        "attention, 200 digits' rows": (
            nn.Serial([*of_rows, nn.GlobalAvgPool(), nn.Dense(1)]),
            DIGITS[:200].reshape(-1, 8, 8),
        ),
    }
    print(f"{'core-seconds':42}{'nngp':>8}{'ntk':>8}{'both':>8}  over the dearer (target ≤ 1.2)")
    for name, (network, x) in cases.items():
        of = {"nngp": bnnpost.nngp, "ntk": bnnpost.ntk, "both": bnnpost.kernels}
        given = network, jnp.asarray(x)
        best = core_seconds({kind: functools.partial(run, *given) for kind, run in of.items()})
        ratio = best["both"] / max(best["nngp"], best["ntk"])
        columns = "".join(f"{seconds:8.3f}" for seconds in best.values())
        print(f"{name:42}{columns}{ratio:6.2f}", flush=True)


def pooled() -> None:
    """Three convolutions and GlobalAvgPool: 64² covariances for each of n(n + 1)/2 pairs."""
    print("digits, GlobalAvgPool: core-seconds of nngp, and ns for each covariance and layer")
    for num in (50, 100, 200, 500):
        run = functools.partial(bnnpost.nngp, POOLED, jnp.asarray(IMAGES[:num]))
        seconds = core_seconds({"nngp": run}, 2)["nngp"]
        each = seconds / (num * (num + 1) / 2 * 64**2 * 3)
        print(f"{num:>6}{seconds:8.2f}{1e9 * each:8.1f}", flush=True)


@functools.partial(jax.jit, static_argnames="features")
def row_by_row(key: jax.Array, network: Layer, x: jax.Array, features: int) -> jax.Array:
    """A backward pass for each point, then a forward one for all, of one drawn network."""
    parameters = network.init(key, features)
    found, backward = jax.vjp(lambda p: network.apply(p, x), parameters)

    def column(number: jax.Array) -> jax.Array:
        (slope,) = backward(jnp.zeros_like(found).at[number, 0].set(1.0))
        return jax.jvp(lambda p: network.apply(p, x), (parameters,), (slope,))[1][:, 0]

    return jax.lax.map(column, jnp.arange(len(x)))


def empirical(num_draws: int = 64) -> None:
    """The tangent kernel of a network of width 256, two hidden layers, at 50 points."""
    network = bnnpost.mlp(width=256, depth=2, w_std=1.2, b_std=0.1)
    x = np.random.default_rng(0).normal(size=(50, 10))
    key, keys = jax.random.key(0), jax.random.split(jax.random.key(0), 8)
    draws = {"a network drawn": 8, "row by row": 8, "empirical_ntk": num_draws}
    draw = jax.jit(lambda key: network.init(key, 10))
    best = core_seconds(
        {
            "a network drawn": lambda: [jax.block_until_ready(draw(k)) for k in keys],
            "row by row": lambda: [
                jax.block_until_ready(row_by_row(k, network, jnp.asarray(x), 10)) for k in keys
            ],
            "empirical_ntk": lambda: bnnpost.empirical_ntk(key, network, x, num_draws=num_draws)[0],
        }
    )
    print("width 256, two hidden layers, 50 points, one output: core-seconds a draw")
    print("  " + ", ".join(f"{name} {best[name] / draws[name]:.4f}" for name in best))


def main() -> None:
    with jax.enable_x64(True):
        print(jax.devices()[0].device_kind)
        tables = {"both": both, "pooled": pooled, "empirical": empirical}
        for name in sys.argv[1:] or tables:
            tables[name]()


if __name__ == "__main__":
    main()
