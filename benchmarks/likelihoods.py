"""Effective draws a proposal, (Σw)²/Σw² over their number, for each likelihood, n and width.

Regression is diabetes(n, 5); classes are its target's sign and counts round(exp(0.5 + 0.7 y));
softmax is digits(n), ten classes, ReLU, readout std 1. Not a matter of speed: no ratio depends
on the machine. Few proposals flatter: those that would lower the number have not come yet. There
are so many, from 2,048 to 131,072, that they are worth 400 draws; an asterisk marks a Pareto-k
above 0.7 all the same, where the number means little.

    python benchmarks/likelihoods.py [words in the likelihood's name]
"""

import sys
from collections.abc import Callable

import jax
import numpy as np
import numpyro.distributions as dist

import bnnpost
from bnnpost import likelihoods
from bnnpost.draws.arviz_view import pareto_k
from bnnpost.numerics.weights import WeightSum
from bnnpost.samplers import pilot
from bnnpost.spaces import make_space

KEY = jax.random.key(0)
POINTS, WIDTHS = (5, 10, 20, 50), (256, 1024, 4096)
FEWEST, MOST, ENOUGH = 2**11, 2**17, 400


def diabetes(
    likelihood: likelihoods.Likelihood, targets: Callable[[np.ndarray], np.ndarray]
) -> Callable[[int, int], bnnpost.Posterior]:
    def posterior(num_points: int, width: int) -> bnnpost.Posterior:
        x, y, _, _ = bnnpost.datasets.diabetes_problem(num_points, 5)
        return bnnpost.Posterior(bnnpost.mlp(width=width), likelihood, x, targets(y))

    return posterior


def digits(num_points: int, width: int) -> bnnpost.Posterior:
    x, y, _, _ = bnnpost.datasets.digits_problem(num_points)
    network = bnnpost.mlp(
        width=width, activation="relu", w_std=np.sqrt(2), num_outputs=10, readout_w_std=1.0
    )
    return bnnpost.Posterior(network, likelihoods.Categorical(), x, np.argmax(y, axis=1))


def same(y: np.ndarray) -> np.ndarray:
    return y


def sign(y: np.ndarray) -> np.ndarray:
    return (y > 0).astype(float)


def counts(y: np.ndarray) -> np.ndarray:
    return np.round(np.exp(0.5 + 0.7 * y))


PROBLEMS: dict[str, Callable[[int, int], bnnpost.Posterior]] = {
    "Gaussian(noise_std=√0.1)": diabetes(likelihoods.Gaussian(0.1**0.5), same),
    "GaussianUnknownNoise(noise_std=HalfNormal(0.5))": diabetes(
        likelihoods.GaussianUnknownNoise(noise_std=dist.HalfNormal(0.5)), same
    ),
    "GaussianUnknownNoise(noise_var=InverseGamma(2, 0.2))": diabetes(
        likelihoods.GaussianUnknownNoise(noise_var=dist.InverseGamma(2.0, 0.2)), same
    ),
    "StudentT(df=4, noise_std=0.42)": diabetes(likelihoods.StudentT(df=4, noise_std=0.42), same),
    "Laplace(noise_std=0.35)": diabetes(likelihoods.Laplace(noise_std=0.35), same),
    "Bernoulli(logit)": diabetes(likelihoods.Bernoulli(), sign),
    "Bernoulli(probit)": diabetes(likelihoods.Bernoulli(link="probit"), sign),
    "Poisson": diabetes(likelihoods.Poisson(), counts),
    "Categorical, 10 classes": digits,
}


def efficiency(posterior: bnnpost.Posterior) -> str:
    space, count = make_space(posterior, strict=False), FEWEST
    while True:
        log_weights = pilot.log_weights(KEY, space, count)
        size = WeightSum().add(log_weights).effective_sample_size()
        if size >= ENOUGH or count == MOST:
            break
        count *= 4 if size < ENOUGH / 4 else 2
        count = min(count, MOST)
    mark = "*" if pareto_k(log_weights) > 0.7 else " "
    return f"{size / count:.4f}{mark}"


def main() -> None:
    print("likelihood" + " " * 46 + "points " + " ".join(f"N={w:<5}" for w in WIDTHS))
    chosen = " ".join(sys.argv[1:])
    for name, problem in PROBLEMS.items():
        if chosen not in name:
            continue
        for n in POINTS:
            cells = [efficiency(problem(n, width)) for width in WIDTHS]
            print(f"{name:<56}{n:>5}  " + "  ".join(cells))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
