"""Exact posteriors of deep linear networks: how right, how quick.

Seconds of `bnnpost.deep_linear`, its log evidence less that by mpmath's Meijer G functions at 30
digits (up to width 8: beyond, mpmath does not converge), and draws of f at five inputs a second,
over drawing as many standard normals with numpy. Then the same of several outputs, by 50,000 scale
matrices. diabetes(5, 5), w_std 1.3, noise std 0.5.

    python benchmarks/deep_linear.py
"""

import time

import jax
import mpmath
import numpy as np

import bnnpost

SEVERAL = ((2, 1, 2), (8, 3, 2), (64, 2, 3), (1024, 4, 10))
SIZES = ((1, 1), (8, 1), (2, 2), (8, 3), (64, 2), (1024, 4), (100_000, 2))
MOST_COMPARED, NUM_DRAWS, FEW_DRAWS, W_STD, NOISE_STD = 8, 100_000, 1000, 1.3, 0.5
PARTS = [-90, -60, -40, -20, -10, -6, -4, -3, -2, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6]


def posterior(width: int, depth: int) -> tuple[bnnpost.Posterior, np.ndarray]:
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(5, 5)
    network = bnnpost.mlp(width=width, depth=depth, activation="identity", w_std=W_STD, b_std=0.0)
    return bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(NOISE_STD), x, y), x_test


def by_meijer(of: bnnpost.Posterior, width: int, depth: int) -> float:
    """log p(y), from the density of a product of gamma variables."""
    kernel = W_STD ** (2 + 2 * depth) * of.x @ of.x.T / of.x.shape[1]
    values, vectors = np.linalg.eigh(kernel)
    targets = vectors.T @ of.targets[:, 0]
    with mpmath.workdps(30):
        noise, half = mpmath.mpf(NOISE_STD) ** 2, mpmath.mpf(width) / 2
        constant, product = (half / mpmath.gamma(half)) ** depth, half**depth

        def integrand(log_scale: mpmath.mpf) -> mpmath.mpf:
            scale = mpmath.exp(log_scale)
            law = constant * mpmath.meijerg([[], []], [[half - 1] * depth, []], product * scale)
            for value, target in zip(values.tolist(), targets.tolist(), strict=True):
                variance = scale * mpmath.mpf(max(value, 0.0)) + noise
                law *= mpmath.exp(-(mpmath.mpf(target) ** 2) / (2 * variance))
                law /= mpmath.sqrt(2 * mpmath.pi * variance)
            return law * scale

        return float(mpmath.log(mpmath.quad(integrand, PARTS)))


def row(width: int, depth: int) -> str:
    of, x_test = posterior(width, depth)
    started = time.perf_counter()
    found = bnnpost.deep_linear(of)
    seconds = time.perf_counter() - started
    error = ""
    if width <= MOST_COMPARED:
        error = f"{found.log_evidence - by_meijer(of, width, depth):.1e}"
    found.sample(jax.random.key(0), x_test, 10)
    started = time.perf_counter()
    found.sample(jax.random.key(1), x_test, NUM_DRAWS)
    drawing = time.perf_counter() - started
    rng, started = np.random.default_rng(0), time.perf_counter()
    rng.standard_normal((NUM_DRAWS, len(x_test) + depth))
    floor = time.perf_counter() - started
    return (
        f"| {width:,} | {depth} | {seconds:.3f} | {error} | {NUM_DRAWS / drawing:,.0f} | "
        f"{drawing / floor:.0f} |"
    )


def row_of_outputs(width: int, depth: int, num_outputs: int) -> str:
    """Of several outputs, each the targets in another order."""
    of, x_test = posterior(width, depth)
    sizes = {"width": width, "depth": depth, "num_outputs": num_outputs}
    network = bnnpost.mlp(activation="identity", w_std=W_STD, b_std=0.0, **sizes)
    y = np.stack([np.roll(of.targets[:, 0], shift) for shift in range(num_outputs)], axis=1)
    of = bnnpost.Posterior(network, of.likelihood, of.x, y)
    started = time.perf_counter()
    found = bnnpost.deep_linear_outputs(jax.random.key(0), of)
    seconds = time.perf_counter() - started
    started, drawn = time.perf_counter(), ""
    if found.acceptance > 1e-4:
        found.sample(jax.random.key(1), x_test, FEW_DRAWS)
        drawn = f"{FEW_DRAWS / (time.perf_counter() - started):,.0f}"
    return (
        f"| {width:,} | {depth} | {num_outputs} | {seconds:.2f} | {found.log_evidence_se:.4f} | "
        f"{found.acceptance:.1g} | {drawn} |"
    )


if __name__ == "__main__":
    print("| width | depth | seconds | log evidence less mpmath's | draws/s | over normals |")
    print("|---|---|---|---|---|---|")
    for size in SIZES:
        print(row(*size), flush=True)
    print("\n| width | depth | outputs | seconds | standard error (nats) | accepted | draws/s |")
    print("|---|---|---|---|---|---|---|")
    for several in SEVERAL:
        print(row_of_outputs(*several), flush=True)
