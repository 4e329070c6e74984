"""What the limit, the first order and the proportional limit are worth, as points near the width.

Erf networks on diabetes, w_std 1, b_std 0.1, noise variance 0.1, 20 test points. The truth: all
weighted proposals (`compare`) where their weights allow, else draws of coupled chains. A row a
cell and depth: root mean square errors of posterior means (in the limit's posterior std) and of
variances (relative), and errors of log evidence in nats, of each of the three; with * where both
are within 1 %, ? where noise hides whether they are.

    python benchmarks/proportional.py [DEPTH:POINTS/WIDTH …]    # default: all
"""

import sys
import time

import jax

import bnnpost
from bnnpost.comparison.by_draws import compare_draws

KEY = jax.random.key(0)
# Points, width; in the order of their ratio.
CELLS = (
    *((5, 512), (5, 128), (10, 256), (50, 1024), (20, 256), (10, 64)),
    *((50, 256), (20, 64), (50, 64), (10, 10), (20, 20), (10, 5), (20, 10)),
)
# Too many for weights, in any network and in one with no more units.
MANY, MANY_IN_NARROW = 50, 20
NUM_PROPOSALS, NUM_DRAWS, NUM_TEST = 40_000, 1000, 20
HEAD = ("depth", "points/width", "ratio", "truth", "limit", "first order", "proportional", "s")


def posterior_of(depth: int, points: int, width: int) -> tuple[bnnpost.Posterior, object]:
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(points, NUM_TEST)
    network = bnnpost.mlp(width=width, depth=depth, activation="erf", w_std=1.0, b_std=0.1)
    return bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(0.1**0.5), x, y), x_test


def measured(posterior: bnnpost.Posterior, x_test: object, width: int):
    """What compare says, and how many draws the proposals or pairs are worth."""
    if posterior.num_points >= (MANY if width > posterior.num_points else MANY_IN_NARROW):
        draws = bnnpost.coupled.sample(KEY, posterior, num_samples=NUM_DRAWS)
        return compare_draws(KEY, draws, x_test), f"coupled, {len(draws):,}"
    found = bnnpost.compare(KEY, posterior, x_test, num_proposals=NUM_PROPOSALS)
    size, k = found.attrs["effective_sample_size"], found.attrs["pareto_k_squares"]
    return found, f"weighted, {size:,.0f}, k {k:.2f}"


def row(depth: int, points: int, width: int) -> list[str]:
    started = time.perf_counter()
    posterior, x_test = posterior_of(depth, points, width)
    truth, how = measured(posterior, x_test, width)
    found = bnnpost.theory_errors(posterior, x_test, truth)
    good, cells = found.within(0.01), []
    for name in found.errors["prediction"].values.tolist():
        one = found.errors.sel(prediction=name)
        cells.append(
            " ".join(f"{float(one[q]):.4f}" for q in ("mean", "variance", "log_evidence"))
            + {True: " *", False: "", None: " ?"}[good[name]]
        )
    spread = " ".join(
        f"{float(found.errors[f'{q}_se'][0]):.4f}" for q in ("mean", "variance", "log_evidence")
    )
    seconds = f"{time.perf_counter() - started:.0f}"
    ratio = f"{points / width:.2g}"
    return [str(depth), f"{points}/{width}", ratio, f"{how}, ± {spread}", *cells, seconds]


def main(asked: list[str]) -> None:
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for depth in (1, 2):
        for points, width in CELLS:
            if not asked or f"{depth}:{points}/{width}" in asked:
                print(f"| {' | '.join(row(depth, points, width))} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
