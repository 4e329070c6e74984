"""How a classifier's posterior approaches its limit: distances over widths, and their rates.

diabetes(5, 3) with the sign of the target as its class, Bernoulli likelihood, erf, depth 2.
"""

import time

import jax
import numpy as np

import bnnpost

KEY = jax.random.key(0)
WIDTHS = (64, 256, 1024)
NUM_PROPOSALS = 20_000


def main() -> None:
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(5, 3)
    classes = (y > 0).astype(float)
    print(f"{jax.devices()[0].device_kind}; {NUM_PROPOSALS:,} proposals a width")
    found = []
    for width in WIDTHS:
        posterior = bnnpost.Posterior(
            bnnpost.mlp(width=width), bnnpost.likelihoods.Bernoulli(), x, classes
        )
        start = time.perf_counter()
        distances = bnnpost.compare(KEY, posterior, x_test, num_proposals=NUM_PROPOSALS)
        found.append({n: float(distances[n]) for n in ("tv", "tv_se", "kl", "kl_se")})
        tv, tv_se = width * found[-1]["tv"], width * found[-1]["tv_se"]
        seconds = time.perf_counter() - start
        print(f"  width {width:>5}: width · TV {tv:.4f} ± {tv_se:.4f}   ({seconds:.0f} s)")
    for name, theory in (("tv", -1), ("kl", -2)):
        values, errors = (np.array([one[n] for one in found]) for n in (name, f"{name}_se"))
        fit = bnnpost.fit_rate(np.array(WIDTHS), values, errors, next_order=0.1)
        low, high = fit.exponent_interval
        print(f"  exponent of {name}: {fit.exponent:.3f} [{low:.3f}, {high:.3f}], theory {theory}")


if __name__ == "__main__":
    main()
