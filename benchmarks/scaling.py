"""The posterior predictive loss against width, and against depth at a fixed ratio to width.

diabetes(5, 5), noise_std √0.1. `widths`: erf, depth 2 (the standard network). `depths`: that
network and ReLU with w_std √2 and no bias, whose kernel keeps its size (critical), with depth over
width fixed. Without an argument both parts run.
"""

import sys
import time

import jax
import numpy as np

import bnnpost

KEY = jax.random.key(30)
WIDTHS = (64, 128, 256, 512, 1024, 2048)
DEPTHS = (1, 2, 3, 4, 5, 6)
NUM_PROPOSALS = {"widths": 40_000, "depths": 20_000}
LOSSES = {"nll": "negative log density (nats)", "squared_error": "squared error"}
NETWORKS = {
    "erf, w_std 1.5, b_std 0.1": {"activation": "erf", "w_std": 1.5, "b_std": 0.1},
    "ReLU, w_std √2, b_std 0": {"activation": "relu", "w_std": np.sqrt(2), "b_std": 0.0},
}
# Depth over width; ReLU at a fourth of it too, since its second order is large at 1/64.
CASES = [(title, 1 / 64) for title in NETWORKS] + [("ReLU, w_std √2, b_std 0", 1 / 256)]
X, Y, X_TEST, Y_TEST = bnnpost.datasets.diabetes_problem(5, 5)


def posterior(**network) -> bnnpost.Posterior:
    likelihood = bnnpost.likelihoods.Gaussian(np.sqrt(0.1))
    return bnnpost.Posterior(bnnpost.mlp(**network), likelihood, X, Y)


def rate(found: bnnpost.studies.Scaling, name: str) -> str:
    if name not in found.rates:
        return "no exponent (the difference changes sign)"
    fit = found.rates[name]
    low, high = fit.exponent_interval
    return f"exponent {fit.exponent:.3f} [{low:.3f}, {high:.3f}], misfit {fit.misfit:.1f}"


def rows(losses, dim: str, name: str) -> None:
    """The difference over 1/width, or over depth/width."""
    for place in losses[dim].values:
        at = losses.sel({dim: place})
        rise = int(at["width"]) / (int(place) if dim == "depth" else 1)
        value, error = (rise * float(at[f"{name}_difference{end}"]) for end in ("", "_se"))
        predicted, own = (rise * float(at[f"{name}_predicted{end}"]) for end in ("", "_se"))
        print(
            f"    {dim} {place:>4}: loss {float(at[name]):.5f}, "
            f"limit {float(at[name + '_limit']):.5f}, "
            f"{'width/depth' if dim == 'depth' else 'width'} · difference "
            f"{value:+.4f} ± {error:.4f}, predicted {predicted:+.4f} ± {own:.4f}"
        )


def over_widths() -> None:
    start = time.perf_counter()
    found = bnnpost.scaling(
        KEY, posterior(), X_TEST, Y_TEST, widths=WIDTHS, num_proposals=NUM_PROPOSALS["widths"]
    )
    print(f"erf, depth 2, over widths, {time.perf_counter() - start:.0f} s")
    for name, title in LOSSES.items():
        fit, losses = found.coefficients[name], found.losses
        own, error = (float(losses[f"{name}_coefficient{end}"]) for end in ("", "_se"))
        print(f"  {title}: {rate(found, name)}")
        print(
            f"    coefficient of 1/N {fit.coefficient:+.4f} ± {fit.standard_error:.4f} "
            f"(misfit {fit.misfit:.1f}), predicted {own:+.4f} ± {error:.4f}, "
            f"z {(fit.coefficient - own) / np.hypot(fit.standard_error, error):+.1f}"
        )
        rows(losses, "width", name)
        by_point = losses.sel(width=WIDTHS[-1])
        print("    by point, last width · difference, and predicted coefficient:")
        for end in ("", "_se"):
            values = WIDTHS[-1] * by_point[f"{name}_difference_by_point{end}"].values
            coefficients = losses[f"{name}_coefficient_by_point{end}"].values
            print("     ", values.round(4), coefficients.round(4))


def over_depths(title: str, ratio: float) -> None:
    def make(depth: int, width: int) -> bnnpost.Posterior:
        return posterior(depth=depth, width=width, **NETWORKS[title])

    start = time.perf_counter()
    found = bnnpost.scaling_over_depth(
        KEY, make, X_TEST, Y_TEST, depths=DEPTHS, ratio=ratio, num_proposals=NUM_PROPOSALS["depths"]
    )
    seconds = time.perf_counter() - start
    print(f"{title}, over depths at depth/width 1/{1 / ratio:.0f}, {seconds:.0f} s")
    for name, heading in LOSSES.items():
        print(f"  {heading}: in depth, {rate(found, name)}")
        rows(found.losses, "depth", name)


def main() -> None:
    parts = sys.argv[1:] or ["widths", "depths"]
    print(f"{jax.devices()[0].device_kind}; proposals {NUM_PROPOSALS}", flush=True)
    if "widths" in parts:
        over_widths()
    if "depths" in parts:
        for title, ratio in CASES:
            over_depths(title, ratio)


if __name__ == "__main__":
    main()
