"""The figure of warmups: what is drawn, and of what nothing is."""

import numpy as np
import pytest

from bnnpost import chains, plots
from bnnpost.samplers.coupled.bounds import tv_bound
from bnnpost.samplers.coupled.mixing_time import Mixing
from bnnpost.samplers.kernels.crank_nicolson import PairedWalk
from bnnpost.samplers.kernels.slices import PairedSlice


def found(kernel, meetings, lag=3, tolerance=0.02):
    bound = tv_bound(meetings, lag)
    return Mixing(kernel, tolerance, lag, meetings, bound.estimate, bound.upper, 100, 1.0)


WALK = found(PairedWalk(chains.CrankNicolson(0.3)), np.arange(500) % 9 + 4)
SLICES = found(PairedSlice(chains.EllipticalSlice()), np.arange(30) % 20 + 4)


def test_a_line_a_kernel_and_where_its_warmup_ends(tmp_path):
    figure = plots.warmups(WALK, SLICES)
    [axes] = figure.axes
    told = [text.get_text() for text in axes.texts]
    assert told == [f"pcn: {WALK.warmup}", "slice: not below 0.02"]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [dot.get_xydata()[0].tolist() for dot in dots] == [
        [WALK.warmup, WALK.tv_upper[WALK.warmup]]
    ]
    upper = [line for line in axes.lines if line.get_linewidth() == 1.5]
    np.testing.assert_array_equal(upper[0].get_ydata()[:-1], WALK.tv_upper)
    plots.save(figure, tmp_path / "warmup.png")


def test_of_pairs_that_did_not_meet_there_is_no_picture():
    unmet = found(PairedSlice(chains.EllipticalSlice()), np.array([5, -1]))
    for given in ((), (WALK, unmet)):
        with pytest.raises(ValueError, match="all pairs have met"):
            plots.warmups(*given)
