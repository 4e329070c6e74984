"""Descent at large learning rates, against the exactly solved model of two linear layers."""

import jax
import numpy as np
import pytest

import bnnpost
from bnnpost import training
from bnnpost.likelihoods import Gaussian
from bnnpost.networks import Activation, Dense, Serial

pytestmark = pytest.mark.optimised

KEY = jax.random.key(25)
WIDTH = 64
SOLVED = bnnpost.Posterior(
    Serial([Dense(WIDTH), Dense(1)]), Gaussian(1.0), np.array([[1.0]]), np.array([0.0])
)


def by_recursion(value, sharpness, rate, num_steps):
    """Lewkowycz et al. (2020), equations of their section 2 for one point: plain numpy."""
    found = []
    for _ in range(num_steps):
        found.append((0.5 * value**2, sharpness))
        change = rate * value**2 / WIDTH
        following = (1 - rate * sharpness + rate * change) * value
        value, sharpness = following, sharpness + change * (rate * sharpness - 4)
    return np.array(found).T


def far(runs, of):
    """The largest relative error of losses and sharpnesses beside `of` a run's first values."""
    worst = 0.0
    for seed in range(runs.sizes["seed"]):
        for multiple in runs["rate"].values:
            run = runs.isel(seed=seed).sel(rate=multiple)
            loss, sharpness = run["loss"].values, run["sharpness"].values
            expected = of(np.sqrt(2 * loss[0]), sharpness[0], multiple / sharpness[0], len(loss))
            errors = np.abs([loss, sharpness] - expected) / np.maximum(np.abs(expected), 1e-9)
            worst = max(worst, np.max(errors))
    return worst


def test_every_step_is_that_of_the_solved_model():
    runs = training.phases(KEY, SOLVED, rates=(0.5, 1.5, 2.5, 3.5), num_seeds=3, num_steps=40).runs
    assert far(runs, by_recursion) < 1e-7
    assert far(runs, lambda *given: by_recursion(*given[:2], 1.01 * given[2], given[3])) > 1e-3

    def of_fixed_curvature(value, sharpness, rate, num_steps):
        steps = (1 - rate * sharpness) ** (2 * np.arange(num_steps))
        return np.array([0.5 * value**2 * steps, np.full(num_steps, sharpness)])

    assert far(runs, of_fixed_curvature) > 1e-3


@pytest.mark.slow
def test_phases_of_the_solved_model():
    found = training.phases(KEY, SOLVED, rates=(0.5, 1.9, 2.5, 3.7, 4.3), num_seeds=6)
    assert found.runs["phase"].sel(rate=[0.5, 1.9]).values.tolist() == [["lazy"] * 2] * 6
    assert np.all(found.runs["phase"].sel(rate=[2.5, 3.7]) == "catapult")
    assert np.all(found.runs["phase"].sel(rate=4.3) == "diverged")
    # Curvature falls to where the rate is stable, and lazy training leaves it.
    left = found.runs["sharpness"].isel(step=-1) / found.runs["first_sharpness"]
    assert np.all(left.sel(rate=3.7) < 2 / 3.7)
    assert np.all(np.abs(left.sel(rate=0.5) - 1) < 0.2)
    assert np.all(np.isfinite(found.runs["loss"]))  # what diverges too
    text = found.summary()
    assert text.startswith("All 6 descents are lazy at rates up to 1.9/λ₀.") and "  100 %" in text
    rows = found.describe().to_dict()["rates"]
    assert [row["catapult"] for row in rows] == [0, 0, 1, 1, 0]
    assert found.shares()["catapult"].values.tolist() == [0, 0, 1, 1, 0]


@pytest.mark.slow
def test_critical_rates_near_their_limits():
    found = training.critical_rates(KEY, SOLVED, widths=[16, 1024], num_seeds=8)
    for name, limit in (("growth", 2.0), ("divergence", 4.0)):
        assert float(found[f"{name}_mean"].sel(width=1024)) == pytest.approx(limit, rel=0.02)
        assert found[name].dims == ("width", "seed")
    spread = found["growth_high"] - found["growth_low"]
    assert float(spread.sel(width=1024)) < float(spread.sel(width=16))


@pytest.mark.slow
def test_rates_of_relu_networks_are_larger():
    x, y, _, _ = bnnpost.datasets.diabetes_problem(5, 1)
    network = bnnpost.mlp(width=256, depth=1, activation="relu", w_std=2**0.5, b_std=0.0)
    of = bnnpost.Posterior(network, Gaussian(1.0), x, y)
    found = training.critical_rates(KEY, of, widths=[256], num_seeds=8)
    assert float(found["divergence_low"][0]) > 4.5


@pytest.mark.slow
def test_below_two_the_loss_only_falls():
    network = Serial([Dense(2048), Activation("erf"), Dense(1)])
    x, y, _, _ = bnnpost.datasets.diabetes_problem(4, 1)
    of = bnnpost.Posterior(network, Gaussian(1.0), x, y)
    runs = training.phases(KEY, of, rates=(1.0, 1.8), num_seeds=2, num_steps=100).runs
    assert np.all(np.diff(runs["loss"].values, axis=-1) <= 1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rates": (0.0, 1.0)}, "c > 0"),
        ({"rates": ()}, "c > 0"),
        ({"num_seeds": 0}, "num_seeds"),
        ({"num_steps": 0}, "num_steps"),
        ({"precision": "half"}, "precision"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        training.phases(KEY, SOLVED, **options)


@pytest.mark.slow
def test_what_is_no_posterior_and_rates_outside_their_bracket():
    with pytest.raises(TypeError, match="Posterior"):
        training.phases(KEY, None)
    with pytest.raises(ValueError, match="widths"):
        training.critical_rates(KEY, SOLVED, widths=[])
    # No step is long enough for a loss to grow in one.
    with pytest.raises(ValueError, match="phases"):
        training.critical_rates(KEY, SOLVED, widths=[8], num_seeds=2, num_steps=1)
