"""A deep ensemble beside the posterior: both limits, verify's verdict, and rates in width.

diabetes(5, 5), noise_std √0.1, erf, depth 2. Members descend ½ Σ (f − y)² + ½ ridge ‖θ − θ₀‖²
with the noise variance as the ridge, and without one. `limits`, `verdict` or `rates` as an argument
runs that part.
"""

import sys
import time

import jax
import numpy as np
from scipy.special import ndtr

import bnnpost
from bnnpost.comparison.distances import GRID, to_gaussian

KEY = jax.random.key(31)
WIDTHS = (16, 32, 64, 128, 256)
# At the narrowest the next order in 1/width still shows.
FITTED_FROM = 32
NUM_MEMBERS = 2000
NUM_PROPOSALS = 20_000
QUANTITIES = ("tv", "mean_error", "variance_error", "covariance_error")


def problem(width: int) -> tuple[bnnpost.Posterior, np.ndarray]:
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(5, 5)
    likelihood = bnnpost.likelihoods.Gaussian(0.1**0.5)
    return bnnpost.Posterior(bnnpost.mlp(width=width), likelihood, x, y), x_test


def gaussian_tv(one, other) -> np.ndarray:
    """Total variation of the marginals of two Gaussian laws, each (mean, std)."""
    (mean, std), (centre, scale) = one, other
    edges = centre[:, None] + scale[:, None] * GRID
    return to_gaussian(ndtr((edges - mean[:, None]) / std[:, None]), scale).tv


def moments(law, x_test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return law.mean(x_test)[:, 0], np.sqrt(np.diagonal(law.covariance(x_test)))


def limits() -> None:
    posterior, x_test = problem(256)
    held = moments(bnnpost.limit(posterior), x_test)
    largest = bnnpost.max_learning_rate(posterior)
    print(
        f"limits; max_learning_rate {largest:.4f}, without a ridge "
        f"{bnnpost.max_learning_rate(posterior, ridge=0.0):.4f}"
    )
    rows = {
        "posterior": bnnpost.limit(posterior),
        "ensemble": bnnpost.ensemble_limit(posterior),
        "ensemble, ridge 0": bnnpost.ensemble_limit(posterior, ridge=0.0),
        "ensemble, time 0.1": bnnpost.ensemble_limit(posterior, time=0.1),
        "ensemble, time 1": bnnpost.ensemble_limit(posterior, time=1.0),
        "NTK's process": bnnpost.ntk_gp(posterior),
    }
    for name, law in rows.items():
        mean, std = moments(law, x_test)
        shift, ratio = (mean - held[0]) / held[1], std / held[1]
        tv = gaussian_tv((mean, std), held)
        print(
            f"  {name:<20} mean − posterior's in its stds {np.round(shift, 2)}, "
            f"std ratio {np.round(ratio, 2)}, TV {np.mean(tv):.3f}"
        )


def verdict() -> None:
    for width in (64, 256):
        posterior, x_test = problem(width)
        exact, other = (
            bnnpost.rejection.sample(jax.random.fold_in(KEY, k), posterior, num_samples=2000)
            for k in (0, 1)
        )
        print(f"verify at level 0.01, width {width}: against 2,000 exact draws")
        candidates = {"2,000 other exact draws": other}
        for ridge in (None, 0.0):
            for count in (100, 1000):
                members = bnnpost.ensemble.sample(
                    jax.random.fold_in(KEY, 2), posterior, num_members=count, ridge=ridge
                )
                print(f"  {members.info.summary()}")
                name = f"{count} members, ridge {members.info.ridge:g}"
                candidates[name] = members
                candidates[f"{name}, at the test inputs alone"] = {"f": members.predict(x_test)}
        for name, candidate in candidates.items():
            report = bnnpost.verify(jax.random.fold_in(KEY, 3), candidate, exact, x_test)
            print(f"  {name}: {str(report).splitlines()[0]}", flush=True)


def rates() -> None:
    print(f"{NUM_MEMBERS:,} members, {NUM_PROPOSALS:,} proposals a width")
    found = {"ensemble": [], "ensemble, ridge 0": [], "posterior": []}
    for width in WIDTHS:
        posterior, x_test = problem(width)
        key = jax.random.fold_in(KEY, width)
        for name, ridge in (("ensemble", None), ("ensemble, ridge 0", 0.0)):
            start = time.perf_counter()
            found[name].append(
                bnnpost.compare_ensemble(
                    key, posterior, x_test, num_members=NUM_MEMBERS, ridge=ridge
                )
            )
            shown(name, width, found[name][-1], time.perf_counter() - start)
        start = time.perf_counter()
        found["posterior"].append(
            bnnpost.compare(key, posterior, x_test, num_proposals=NUM_PROPOSALS)
        )
        shown("posterior", width, found["posterior"][-1], time.perf_counter() - start)
    for name, each in found.items():
        for quantity in QUANTITIES:
            values, errors = (
                np.array([float(one[f"{quantity}{end}"]) for one in each]) for end in ("", "_se")
            )
            wide = np.array(WIDTHS) >= FITTED_FROM
            fit = bnnpost.fit_rate(
                np.array(WIDTHS)[wide], values[wide], errors[wide], next_order=0.1
            )
            low, high = fit.exponent_interval
            print(f"  {name}, {quantity}: exponent {fit.exponent:.3f} [{low:.3f}, {high:.3f}]")


def shown(name: str, width: int, found, seconds: float) -> None:
    parts = [
        f"{quantity} {width * float(found[quantity]):.3f} ± "
        f"{width * float(found[f'{quantity}_se']):.3f}"
        for quantity in QUANTITIES
    ]
    print(f"  {name}, width {width}, width ·: {', '.join(parts)} ({seconds:.0f} s)", flush=True)


PARTS = {"limits": limits, "verdict": verdict, "rates": rates}

if __name__ == "__main__":
    print(jax.devices()[0].device_kind)
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
