"""The distance from the limit at 5, 10, 20 and 50 points, from strict draws alone, and a picture.

    python benchmarks/strict_points.py [PICTURE]

Diabetes, one hidden layer of erf or ReLU, noise variance 0.1, b_std 0.1. Total variation of the
marginals of f at five test inputs from their limit, averaged: of the mixture of each draw's
Gaussian, corrected for bias by a jackknife over fifty blocks, which gives the standard errors too.
Beside it what the theory to first order in 1/width says. PICTURE: written as PNG and SVG.
"""

import itertools
import sys
from typing import NamedTuple

import jax
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from scipy.special import ndtr

import bnnpost
from bnnpost.comparison.differences import block_bounds, jackknife
from bnnpost.comparison.distances import GRID, to_gaussian
from bnnpost.likelihoods import Gaussian
from bnnpost.plots.axes import against_width
from bnnpost.plots.style import STYLE, headed, save

WIDTHS = {
    "erf": {5: [64, 256, 1024], 10: [256, 512, 1024], 20: [1024, 2048, 4096], 50: [16384, 32768]},
    "relu": {5: [64, 256, 1024], 10: [128, 256, 1024], 20: [256, 1024, 4096], 50: [4096, 16384]},
}
NUM_DRAWS = {5: 20_000, 10: 20_000, 20: 10_000, 50: 6_000}
COLOURS = {5: "#0072B2", 10: "#009E73", 20: "#D55E00", 50: "#CC79A7"}


class Found(NamedTuple):
    """A total variation with its standard error."""

    tv: float
    standard_error: float


def problem(activation: str, num_points: int, width: int) -> tuple[bnnpost.Posterior, np.ndarray]:
    """The posterior, and the test inputs."""
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(num_points, 5)
    network = bnnpost.mlp(
        width=width, depth=1, activation=activation, w_std=1.0, b_std=0.1, readout_w_std=1.0
    )
    return bnnpost.Posterior(network, Gaussian(0.1**0.5), x, y), x_test


def measured(activation: str, num_points: int, width: int) -> tuple[Found, bnnpost.Draws]:
    """The distance, from strict draws."""
    posterior, x_test = problem(activation, num_points, width)
    draws = bnnpost.rejection.sample(
        jax.random.key(num_points), posterior, num_samples=NUM_DRAWS[num_points], bound="strict"
    )
    assert draws.info.kind == "exact"
    limiting = bnnpost.limit(posterior)
    mean = limiting.mean(x_test)[:, 0]
    std = np.sqrt(np.diagonal(limiting.covariance(x_test)).ravel())
    mixture = draws.mixture(x_test)
    means = np.asarray(mixture.means)[:, :, 0]
    stds = np.sqrt(np.asarray(mixture.variances)).reshape(means.shape)
    edges = mean[:, None] + std[:, None] * GRID
    bounds = block_bounds(len(draws))
    blocks = [
        np.sum(ndtr((edges - means[a:b, :, None]) / stds[a:b, :, None]), axis=0)
        for a, b in itertools.pairwise(bounds)
    ]
    whole, sizes = np.sum(blocks, axis=0), np.diff(bounds)
    without = [(whole - one) / (len(draws) - n) for one, n in zip(blocks, sizes, strict=True)]
    replicates = [to_gaussian(cdf, std).tv.mean() for cdf in (whole / len(draws), *without)]
    value, error = jackknife(np.asarray(replicates[0]), np.asarray(replicates[1:]))
    return Found(float(value), float(error)), draws


def first_order(activation: str, num_points: int) -> float:
    """The theory's coefficient of 1/width."""
    posterior, x_test = problem(activation, num_points, 1024)
    return float(bnnpost.theory(posterior, x_test, num_units=2**12).coefficients["tv"])


class Line(NamedTuple):
    """What was found at each width, and the theory's coefficient."""

    activation: str
    num_points: int
    found: list[Found]
    coefficient: float


def drawn(lines: list[Line]) -> Figure:
    """The picture."""
    figure = headed(
        4.8,
        "Exact posteriors approach their limit at 5, 10, 20 and 50 points alike",
        "Diabetes data, one hidden layer; strict draws alone, with 95 % intervals",
        "Dashes: the theory to first order in 1/width",
    )
    label = "total variation from the limit"
    left = figure.add_axes((0.1, 0.12, 0.42, 0.62), xlabel="width", ylabel=label)
    right = figure.add_axes((0.56, 0.12, 0.42, 0.62), xlabel="width", sharey=left)
    right.tick_params(labelleft=False)
    axes = dict(zip(WIDTHS, (left, right), strict=True))
    for activation, num_points, found, coefficient in lines:
        against_width(
            axes[activation],
            WIDTHS[activation][num_points],
            *np.transpose(found),
            first_order=(coefficient, -1.0),
            colour=COLOURS[num_points],
        )
    for num_points, colour in COLOURS.items():
        right.plot([], [], "o", color=colour, label=f"{num_points} points")
    for activation, one in axes.items():
        one.set_title(activation)
        ticks = 4.0 ** np.arange(3, 8)
        one.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
        one.set_xlim(50, 42_000)
    right.legend(frameon=False)
    return figure


def line(activation: str, num_points: int) -> Line:
    """All widths; a row is printed for each."""
    coefficient, found = first_order(activation, num_points), []
    for width in WIDTHS[activation][num_points]:
        one, draws = measured(activation, num_points, width)
        found.append(one)
        print(
            f"{activation:5} {num_points:6d} {width:6d}  {draws.info.bound:10s} "
            f"{draws.info.acceptance_rate:13.3g}  {one.tv:.5f} ± {one.standard_error:.5f}  "
            f"{coefficient / width:11.5f}  {draws.info.seconds:7.0f}",
            flush=True,
        )
    return Line(activation, num_points, found, coefficient)


def main(arguments: list[str]) -> None:
    """Print a row for each width, and draw them all."""
    print("      points  width  bound      attempts kept  total variation  first order  seconds")
    lines = [line(activation, n) for activation, widths in WIDTHS.items() for n in widths]
    if arguments:
        with matplotlib.rc_context(STYLE):
            save(drawn(lines), arguments[0])


if __name__ == "__main__":
    main(sys.argv[1:])
