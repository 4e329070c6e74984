"""Critical learning rates by bisection, over widths: where the loss first grows, where it diverges.

Rows: two linear layers and one input, which is solved; and one hidden layer on diabetes(5). 16
prior draws each; means in 1/λ₀ with 95 % intervals.

    python benchmarks/phases.py [width …]    # default 64 256 1024
"""

import sys
import time

import jax
import numpy as np
from jaxtyping import Float

import bnnpost
from bnnpost.likelihoods import Gaussian
from bnnpost.networks import Dense, Serial

KEY = jax.random.key(0)
WIDTHS = (64, 256, 1024)


def solved() -> bnnpost.Posterior:
    """Two linear layers of one input, whose target is 0."""
    network = Serial([Dense(8), Dense(1)])
    return bnnpost.Posterior(network, Gaussian(1.0), np.array([[1.0]]), np.array([0.0]))


def patients(activation: str, depth: int = 1) -> bnnpost.Posterior:
    x, y, *_ = bnnpost.datasets.diabetes_problem(5, 1)
    w_std = 2**0.5 if activation == "relu" else 1.0
    network = bnnpost.mlp(width=8, depth=depth, activation=activation, w_std=w_std, b_std=0.0)
    return bnnpost.Posterior(network, Gaussian(1.0), x, y)


PROBLEMS = {
    "two linear layers, one input": solved,
    "linear, diabetes(5)": lambda: patients("identity"),
    "erf, diabetes(5)": lambda: patients("erf"),
    "ReLU, diabetes(5)": lambda: patients("relu"),
    "ReLU, depth 3, diabetes(5)": lambda: patients("relu", 3),
}


def told(values: Float[np.ndarray, "3"]) -> str:
    return f"{values[0]:.3f} [{values[1]:.3f}, {values[2]:.3f}]"


def main(widths: list[int]) -> None:
    print("| network | width | loss grows from | diverges from | seconds |\n|---|---|---|---|---|")
    for name, made in PROBLEMS.items():
        for width in widths:
            started = time.perf_counter()
            found = bnnpost.training.critical_rates(KEY, made(), widths=[width])
            cells = [
                told(
                    np.array([float(found[f"{what}_{end}"][0]) for end in ("mean", "low", "high")])
                )
                for what in ("growth", "divergence")
            ]
            spent = time.perf_counter() - started
            print(f"| {name} | {width} | {' | '.join(cells)} | {spent:.0f} |", flush=True)


if __name__ == "__main__":
    main([int(one) for one in sys.argv[1:]] or list(WIDTHS))
