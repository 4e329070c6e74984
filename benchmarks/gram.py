"""Gram matrices: against the recursion written out, beside a floor; memory; positions.

The recursion is what one would write by hand: the whole matrix, jnp.arccos or jnp.arcsin, compiled.
The floor is one NumPy arccos for each pair of inputs and layer, on one core. Times are the best of
turns taken in one process, on whatever else the machine does; so are the processor's times beside
them, which other load disturbs less.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

import bnnpost
from bnnpost.datasets import load
from bnnpost.networks import (
    Activation,
    Conv,
    Dense,
    Flatten,
    GlobalAvgPool,
    SelfAttention,
    Serial,
)
from bnnpost.numerics.threads import num_cores

DEPTH, FEATURES, W_VAR, B_VAR = 3, 100, 2.0, 0.01
ROUNDS = 5


def relu_moment(k: jax.Array) -> jax.Array:
    std = jnp.sqrt(jnp.diagonal(k))
    product = std[:, None] * std[None, :]
    rho = jnp.clip(k / product, -1, 1)
    return product * (jnp.sqrt(1 - rho**2) + rho * (jnp.pi - jnp.arccos(rho))) / (2 * jnp.pi)


def erf_moment(k: jax.Array) -> jax.Array:
    spread = jnp.sqrt(1 + 2 * jnp.diagonal(k))
    return 2 / jnp.pi * jnp.arcsin(2 * k / (spread[:, None] * spread[None, :]))


MOMENTS = {"relu": relu_moment, "erf": erf_moment}


def direct(name: str) -> Callable[[jax.Array], jax.Array]:
    def kernel(x: jax.Array) -> jax.Array:
        k = W_VAR * (x @ x.T) / x.shape[1] + B_VAR
        for _ in range(DEPTH):
            k = W_VAR * MOMENTS[name](k) + B_VAR
        return k

    return jax.jit(kernel)


def ours(name: str, b_var: float = B_VAR) -> Callable[[jax.Array], jax.Array]:
    network = bnnpost.mlp(depth=DEPTH, activation=name, w_std=W_VAR**0.5, b_std=b_var**0.5)
    return lambda x: bnnpost.nngp(network, x)


def floor(num: int) -> Callable[[], None]:
    rho = np.random.default_rng(1).uniform(-1, 1, num * (num + 1) // 2)
    found = np.empty_like(rho)

    def run() -> None:
        for _ in range(DEPTH):
            np.arccos(rho, out=found)

    return run


def take_turns(
    runs: dict[str, Callable[[], object]], rounds: int = ROUNDS
) -> dict[str, tuple[float, float]]:
    """Best seconds, and best seconds of all cores together, of each."""
    best = dict.fromkeys(runs, (np.inf, np.inf))
    for run in runs.values():
        jax.block_until_ready(run())  # compile
    for _ in range(rounds):
        for name, run in runs.items():
            start, of_cores = time.perf_counter(), time.process_time()
            jax.block_until_ready(run())
            times = time.perf_counter() - start, time.process_time() - of_cores
            best[name] = min(best[name][0], times[0]), min(best[name][1], times[1])
    return best


def nearly_parallel(num: int = 200) -> np.ndarray:
    """Inputs whose correlations are within 1e-6 to 1e-14 of ±1, and ±1."""
    generator = np.random.default_rng(2)
    base, other = generator.normal(size=(2, FEATURES))
    angles = np.sqrt(2 * np.concatenate([[0], np.logspace(-14, -6, num // 2 - 1)]))
    turned = base + angles[:, None] * other * np.linalg.norm(base) / np.linalg.norm(other)
    return np.concatenate([turned, -turned])


def numpy_kernel(name: str, x: np.ndarray) -> np.ndarray:
    """The recursion in extended precision, without biases."""
    x = x.astype(np.longdouble)
    k = W_VAR * (x @ x.T) / FEATURES
    for _ in range(DEPTH):
        v = np.diagonal(k)
        if name == "relu":
            product = np.sqrt(np.outer(v, v))
            rho = np.clip(k / product, -1, 1)
            angle = np.arccos(rho)
            k = product * (np.sin(angle) + rho * (np.pi - angle)) / (2 * np.pi)
        else:
            k = 2 / np.pi * np.arcsin(2 * k / np.sqrt(np.outer(1 + 2 * v, 1 + 2 * v)))
        k = W_VAR * k
    return k


def against_the_recursion(nums: tuple[int, ...] = (2000, 5000)) -> None:
    print(f"\nsymmetric kernel, {DEPTH} hidden layers, {FEATURES} features, double precision")
    print(
        "  seconds (of all cores): recursion, ours, ratio (target ≥ 4), floor; largest difference"
    )
    for name in MOMENTS:
        for num in nums:
            x = jnp.asarray(np.random.default_rng(0).normal(size=(num, FEATURES)))
            written, mine = direct(name), ours(name)
            best = take_turns(
                {
                    "recursion": lambda x=x, run=written: run(x),
                    "ours": lambda x=x, run=mine: run(x),
                    "floor": floor(num),
                }
            )
            expected = np.asarray(written(x))
            error = np.max(np.abs(np.asarray(mine(x)) - expected)) / np.max(expected)
            columns = [f"{a:7.3f} ({b:6.3f})" for a, b in best.values()]
            ratios = [f"{a / b:5.1f}" for a, b in zip(best["recursion"], best["ours"], strict=True)]
            print(
                f"  {name:<5} {num:>6} {columns[0]} {columns[1]}  ratio {ratios[0]} ({ratios[1]})"
                f"  floor {columns[2]}  {error:.1e}",
                flush=True,
            )
        x = nearly_parallel()
        expected = numpy_kernel(name, x)
        error = np.max(np.abs(np.asarray(ours(name, b_var=0.0)(jnp.asarray(x))) - expected))
        print(
            f"  {name:<5} correlations within 1e-6 to 1e-14 of ±1, against extended precision: "
            f"{float(error / np.max(expected)):.1e}   (target ≤ 1e-10)"
        )


def with_positions() -> None:
    digits = load("digits").x[:500] / 16
    images, rows = digits.reshape(-1, 8, 8, 1), digits[:200].reshape(-1, 8, 8)
    conv, relu = Conv(1, (3, 3), w_std=1.4, b_std=0.1), Activation("relu")
    attention = SelfAttention(1, mechanism="softmax", scaling="linear")
    cases = {
        "convolutions, Flatten, 500 digits (target ≤ 10 s)": (
            [conv, relu, conv, relu, conv, relu, Flatten(), Dense(1)],
            images,
        ),
        "attention, 8 positions, 200 digits' rows (target ≤ 5 s)": (
            [Dense(1), relu, attention, relu, GlobalAvgPool(), Dense(1)],
            rows,
        ),
    }
    print()
    for name, (layers, x) in cases.items():
        start = time.perf_counter()
        jax.block_until_ready(bnnpost.nngp(Serial(layers), x))
        first = time.perf_counter() - start
        start = time.perf_counter()
        jax.block_until_ready(bnnpost.nngp(Serial(layers), x))
        print(f"  {name}: {first:.2f} s with compilation, then {time.perf_counter() - start:.2f} s")


def large() -> None:
    """In a process of its own: its largest memory counts."""
    x = np.random.default_rng(0).normal(size=(10_000, FEATURES))
    start = time.perf_counter()
    jax.block_until_ready(ours("relu")(x))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\n  10,000 x 10,000 relu: {seconds:.2f} s, {peak:.2f} GiB at most   (target ≤ 4 GiB)")


def main() -> None:
    with jax.enable_x64(True):
        if "large" in sys.argv:
            return large()
        print(f"{jax.devices()[0].device_kind}, {num_cores()} core(s)", flush=True)
        against_the_recursion()
        with_positions()
    subprocess.run([sys.executable, __file__, "large"], check=True)


if __name__ == "__main__":
    main()
