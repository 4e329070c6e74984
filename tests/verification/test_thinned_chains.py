"""Chains thinned to one autocorrelation time, and what is left counted as what it is worth."""

import numpy as np
import pytest

from bnnpost.verification import permutation
from bnnpost.verification.autocorrelation import (
    NEAR,
    autocorrelation_times,
    thinned_chains,
    thinned_time,
)

COLUMNS = ("a", "b", "c")


def sticky(rng, length, time):
    """Normals [1, draw, 3] that stay where they are, or are drawn afresh."""
    fresh = rng.standard_normal((length, 3))
    stays = rng.random(length) < (time - 1) / (time + 1)
    stays[0] = False
    return fresh[np.maximum.accumulate(np.where(stays, 0, np.arange(length)))][None]


@pytest.mark.parametrize("time", [3, 20])
def test_what_is_left_is_counted_as_what_it_is_worth(time):
    rng = np.random.default_rng(1)
    chain = sticky(rng, 40_000, time)
    kept, counted = thinned_chains(chain, time, NEAR), thinned_time(chain, time, NEAR)
    # Draws n apart are one with probability q^n: in closed form (1 + q^n)/(1 − q^n).
    same = ((time - 1) / (time + 1)) ** np.ceil(time)
    # The largest of three estimates is too high by up to a fifth, the error on the safe side.
    assert (1 + same) / (1 - same) <= counted < 1.25 * (1 + same) / (1 - same)
    assert 0.6 < len(kept) / counted / (40_000 / time) < 0.87
    assert thinned_time(chain, 1.0, NEAR) == 1


def test_a_slow_part_that_a_geometric_decay_hides_is_seen():
    rng = np.random.default_rng(2)
    fast, slow = rng.standard_normal((1, 40_000, 1)), sticky(rng, 40_000, 200)[..., :1]
    chain = np.sqrt(0.9) * fast + np.sqrt(0.1) * slow
    time = float(autocorrelation_times(chain).max())
    geometric = ((time - 1) / (time + 1)) ** np.ceil(time)
    assert thinned_time(chain, time, NEAR) > 1.3 * (1 + geometric) / (1 - geometric)


def false_alarms(rng, apart, counted, replications=150):
    """How often a right chain of time 5, worth 300 draws, fails at 0.05."""
    found = 0
    for _ in range(replications):
        chain = sticky(rng, 1500, 5)
        time = float(autocorrelation_times(np.concatenate([chain, chain**2], axis=2)).max())
        kept = thinned_chains(chain, time, apart)
        left = thinned_time(chain, time, apart) if counted else 1.0
        held = rng.standard_normal((900, 3))
        tests = permutation.all_tests(kept, held, COLUMNS, 0.05, rng, time=left)
        found += min(test.corrected for test in tests) <= 0.05
    return found / replications


@pytest.mark.slow
def test_right_chains_fail_as_seldom_as_they_should(monkeypatch):
    """At 150 of them and a rate of 0.05, above 0.107 once in a thousand."""
    monkeypatch.setattr(permutation, "num_permutations", lambda level: 199)
    assert false_alarms(np.random.default_rng(3), NEAR, True) < 0.107
    # Closer together, and taken for independent.
    assert false_alarms(np.random.default_rng(3), 0.25, False) > 0.107
