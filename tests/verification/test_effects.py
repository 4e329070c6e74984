"""How far off a candidate is said to be: sizes, and intervals that hold at their rate."""

import math

import numpy as np
import pytest

from bnnpost.verification.compared import compared
from bnnpost.verification.effect_sizes import effects_of
from bnnpost.verification.effects import MEAN, STD, Effect, worst
from bnnpost.verification.references import Reference
from bnnpost.verification.sets import TEST, Candidate

NUM_COLUMNS, SHIFT, STRETCH = 4, 0.4, 1.5
# P(95 % intervals that all hold fail so often in 60) is below 1e-4 where they hold at 0.95.
NUM_RUNS, MOST_MISSED = 60, 11


def found(rng, *, num_draws=2000, rho=0.0, shift=0.0, stretch=1.0, law="normal", chains=4):
    """Effects of a candidate that is off by this much in its first value, and right elsewhere."""
    made = {"normal": rng.standard_normal, "t": lambda size: rng.standard_t(2.5, size)}[law]
    held = made((5000, NUM_COLUMNS))
    noise = made((chains, num_draws // chains, NUM_COLUMNS))
    values = noise
    for number in range(1, noise.shape[1]) if rho else ():
        values[:, number] = rho * values[:, number - 1] + math.sqrt(1 - rho**2) * noise[:, number]
    values[..., 0] = shift + stretch * values[..., 0]
    both = compared(
        Candidate({TEST: values[..., None]}, "values"),
        Reference({TEST: held[..., None]}, {}, None, "draws of a known law"),
    )
    return {(effect.kind, effect.where): effect for effect in effects_of(both)}


@pytest.mark.first
@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_sizes_are_right_and_intervals_hold(rho):
    """Chains too, whose draws depend on each other."""
    missed = 0
    for seed in range(NUM_RUNS):
        effects = found(np.random.default_rng(seed), rho=rho, shift=SHIFT, stretch=STRETCH)
        truth = {(MEAN, "f[0]"): SHIFT, (STD, "f[0]"): STRETCH}
        missed += any(
            not effect.low <= truth.get(place, float(effect.kind == STD)) <= effect.high
            for place, effect in effects.items()
        )
    assert missed <= MOST_MISSED
    assert effects[MEAN, "f[0]"].size == pytest.approx(SHIFT, abs=0.25)
    assert effects[STD, "f[0]"].size == pytest.approx(STRETCH, rel=0.2)


def test_dependent_draws_have_wider_intervals():
    """A wrong twin that takes all draws for independent would have them equal."""
    widths = [
        effect.high - effect.low
        for rho in (0.0, 0.9)
        for effect in found(np.random.default_rng(0), rho=rho).values()
        if effect.kind == MEAN
    ]
    assert min(widths[NUM_COLUMNS:]) > 3 * max(widths[:NUM_COLUMNS])


def test_the_worst_is_the_surest_and_told_with_its_direction():
    effects = found(np.random.default_rng(1), shift=-SHIFT, stretch=1 / STRETCH)
    mean, std = (worst(list(effects.values()), kind) for kind in (MEAN, STD))
    assert mean.where == std.where == "f[0]"
    assert 0 < mean.clear < SHIFT
    assert 0 < std.clear < math.log(STRETCH)
    assert str(mean).startswith("mean of f[0] 0.") and str(mean).endswith("too low")
    assert str(std).startswith("std of f[0] 1.") and str(std).endswith("times too small")
    small = Effect(MEAN, "f[1]", -0.01, -0.05, 0.03)
    assert small.clear == 0
    assert str(small) == "mean of f[1] 0.01 [-0.03, 0.05] posterior std too low"


def test_values_of_heavy_tails_are_compared_by_their_scores():
    effects = found(np.random.default_rng(2), law="t", shift=1.0)
    assert effects[MEAN, "f[0]"].of_scores
    assert effects[MEAN, "f[0]"].clear > 0.3
    assert effects[MEAN, "f[1]"].clear == 0
    assert "of normal scores" in str(effects[MEAN, "f[0]"])
