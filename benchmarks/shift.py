"""Losses, calibration and spread of posteriors as test inputs move away, and who is off the line.

`diabetes`: diabetes(5, 40), noise_std √0.1, erf, depth 2; inputs scaled around the training mean
and moved along their first principal direction, labels kept. `cancer`: two classes (±1) of
breast_cancer, 8 training and 60 test points, noise_std 0.5, ReLU, depth 1; inputs scaled and
rotated. `sine`: sin(2 x) at 8 points, noise_std 0.3, erf, depth 2; targets are the function's at
the moved inputs. Without an argument all run; --figure FOLDER draws them too.
"""

import sys
import time

import jax
import numpy as np

import bnnpost
from bnnpost.studies import Rescale, Rotate, Translate

KEY = jax.random.key(40)
WIDTHS = (4, 32, 256)
COUNTS = {"num_proposals": 6000, "num_draws": 300, "num_members": 50, "num_steps": 2000}
NUM_TEST = 40


def diabetes():
    x, y, x_test, y_test = bnnpost.datasets.diabetes_problem(5, NUM_TEST)
    # Of all test inputs: where they vary most, by one standard deviation.
    _, scales, directions = np.linalg.svd(x_test - x_test.mean(axis=0), full_matrices=False)
    direction = directions[0] * scales[0] / np.sqrt(NUM_TEST)
    shifts = [Rescale([2, 4, 8]), Translate(direction, [1, 2, 4])]
    return posterior(x, y, np.sqrt(0.1)), x_test, y_test, shifts


def cancer():
    data = bnnpost.datasets.load("breast_cancer").standardise(targets=False)
    x, y, x_test, y_test = data.split(8, 60, 0)
    classes = [2.0 * one[:, 0] - 1 for one in (y, y_test)]
    network = {"activation": "relu", "w_std": np.sqrt(2), "b_std": 0.1, "depth": 1}
    shifts = [Rescale([0.5, 4]), Rotate((0, 1), np.pi * np.array([0.25, 0.5, 1]))]
    return posterior(x, classes[0], 0.5, **network), x_test, classes[1], shifts


def sine():
    data = bnnpost.datasets.sine_gap(num_points=8, noise_std=0.3)
    x_test = bnnpost.datasets.sine_gap(num_points=NUM_TEST, seed=1).x
    noise = 0.3 * np.random.default_rng(0).standard_normal(x_test.shape)
    shifts = [Translate([1.0], [1, 2, 4]), Rescale([0.25, 2])]
    made = posterior(data.x, data.y, 0.3, w_std=2.0, b_std=1.0)
    return made, x_test, lambda moved: np.sin(2 * moved) + noise, shifts


def posterior(x, y, noise_std, **network) -> bnnpost.Posterior:
    return bnnpost.Posterior(bnnpost.mlp(**network), bnnpost.likelihoods.Gaussian(noise_std), x, y)


PROBLEMS = {"diabetes": diabetes, "cancer": cancer, "sine": sine}


def by_averaging(found: bnnpost.studies.Shift, line, width: int, i: int) -> float:
    """How far above a line of squared errors the mean over draws is, all of them at their mean."""
    before, after = (found.losses.sel(width=width).isel(shift=j) for j in (0, i))
    gains = [np.log1p((at["epistemic_var"] / at["squared_error"]).item()) for at in (before, after)]
    return line["slope"].item() * gains[0] - gains[1]


def off_the_line(found: bnnpost.studies.Shift) -> None:
    """Who lies how far above the line of which models, at every width."""
    for measure, lines in found.lines.items():
        for i in range(lines.sizes["shift"]):
            at = lines.isel(shift=i)
            title = f"  {measure}, {at['family'].item()} {at['strength'].item():.3g}"
            print(
                f"{title}: over widths slope {at['slope_over_widths'].item():.2f}, correlation "
                f"{at['correlation_over_widths'].item():.2f}"
            )
            for kind in at["models"].values:
                for width in at["width"].values:
                    one = at.sel(models=kind, width=width)
                    told = ", ".join(
                        f"{name} {one['residual'].sel(predictor=name).item():+.3f} ± "
                        f"{1.96 * one['residual_se'].sel(predictor=name).item():.3f}"
                        for name in one["predictor"].values
                    )
                    if kind == "draw" and measure == "squared_error":
                        told += f"; by averaging {by_averaging(found, one, width, i + 1):+.3f}"
                    print(
                        f"    {kind}s, width {width:>3}: slope {one['slope'].item():.2f}, "
                        f"correlation {one['correlation'].item():.2f}, scatter "
                        f"{one['scatter'].item():.2f}; above the line: {told}"
                    )


def differences(found: bnnpost.studies.Shift) -> None:
    """Finite − limit of each measure, at every shift and width."""
    for name in ("nll", "squared_error", "epistemic_var"):
        for i in range(found.losses.sizes["shift"]):
            at = found.losses.isel(shift=i)
            values = zip(
                at["width"].values,
                at[f"{name}_difference"].values,
                at[f"{name}_difference_se"].values,
                strict=True,
            )
            told = ", ".join(f"{w}: {value:+.4f} ± {1.96 * se:.4f}" for w, value, se in values)
            print(
                f"  {name}, {at['family'].item()} {at['strength'].item():.3g}: limit "
                f"{at[f'{name}_limit'].item():.4f}, finite − limit {told}"
            )


def main() -> None:
    arguments = sys.argv[1:]
    folder = arguments.pop() if "--figure" in arguments else ""
    names = [name for name in arguments if name != "--figure"] or list(PROBLEMS)
    print(f"{jax.devices()[0].device_kind}; {COUNTS}", flush=True)
    for name in names:
        start = time.perf_counter()
        made, x_test, y_test, shifts = PROBLEMS[name]()
        found = bnnpost.shift(KEY, made, x_test, y_test, shifts=shifts, widths=WIDTHS, **COUNTS)
        print(f"{name}, {time.perf_counter() - start:.0f} s\n{found.summary()}")
        if "accuracy" in found.losses:
            values = found.losses[["accuracy", "accuracy_limit", "accuracy_ensemble"]]
            print(values.to_dataframe().round(3).to_string())
        differences(found)
        off_the_line(found)
        sys.stdout.flush()
        if folder:
            bnnpost.plots.save(bnnpost.plots.shifts(found), f"{folder}/shift-{name}")


if __name__ == "__main__":
    main()
