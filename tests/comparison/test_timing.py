"""A comparison's time from three of its blocks; that it is watched changes nothing."""

import itertools
import time

import jax
import numpy as np
import pytest

import bnnpost
from bnnpost.comparison import timing
from bnnpost.samplers import progress

X = np.array([[0.0, 1.0], [1.0, 0.5]])
POSTERIOR = bnnpost.Posterior(
    bnnpost.mlp(width=8, depth=1), bnnpost.likelihoods.Gaussian(0.5), X, np.array([0.3, -0.2])
)
KEY = jax.random.key(2)


def test_blocks_after_the_first_are_timed_and_no_more_are_made(monkeypatch):
    # A comparison of blocks of 0.1, then 0.02, 0.04, … seconds: the first is compiled in.
    made = []

    def measured(key, space, points, num_proposals, seen):
        for i, pause in enumerate((0.1, 0.02, 0.04, 5.0)):
            time.sleep(pause)
            made.append(i)
            seen(i)

    monkeypatch.setattr(timing, "found_over_proposals", measured)
    found = timing.comparison_seconds(KEY, POSTERIOR, X, num_proposals=400)
    assert made == [0, 1, 2]
    assert 0.6 <= found < 3  # twenty blocks of 0.03 s, and what a loaded machine adds


@pytest.mark.slow
def test_a_comparison_that_is_watched_is_the_same(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_FIRST", 0.0)
    shown = bnnpost.compare(KEY, POSTERIOR, X, num_proposals=400, progress=True)
    quiet = bnnpost.compare(KEY, POSTERIOR, X, num_proposals=400)
    assert shown.identical(quiet)
    assert "compared: 0 of 400 proposals" in capsys.readouterr().err


def test_what_is_not_counted_is_timed(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_FIRST", 0.02)
    with progress.Progress(0, enabled=True, label="bounds"):
        time.sleep(0.3)
    line = capsys.readouterr().err.splitlines()[0]
    assert line.startswith("bounds: after 0.")


def test_half_a_minute_without_long_silences_and_then_fewer_lines():
    seconds = list(itertools.islice(itertools.accumulate(progress.waits()), 14))
    assert max(np.diff([0.0, *seconds[:8]])) <= 5 and seconds[7] >= 30
    assert seconds[8:12] == [40.0, 56.0, 88.0, 148.0]
    assert set(np.diff(seconds[11:])) == {60.0}
