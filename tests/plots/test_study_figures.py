"""Figures of studies: what is drawn is what was found."""

import jax
import matplotlib
import numpy as np
import pytest
import xarray as xr

import bnnpost
from bnnpost import plots
from bnnpost.studies import TheoryErrors
from bnnpost.studies.theory_errors import PREDICTIONS

NOISE = bnnpost.likelihoods.Gaussian(0.5)
X = np.array([[0.5, -1.0], [1.0, 0.3]])


def posterior_of(width, activation="identity", depth=1):
    network = bnnpost.mlp(width=width, depth=depth, activation=activation, b_std=None)
    return bnnpost.Posterior(network, NOISE, X, np.array([1.0, -0.5]))


@pytest.mark.slow
def test_descents_end_where_they_diverge_and_bands_are_at_critical_rates(tmp_path):
    key, posterior = jax.random.key(0), posterior_of(16)
    found = bnnpost.training.phases(key, posterior, rates=(1.0, 50.0), num_seeds=2, num_steps=30)
    critical = bnnpost.training.critical_rates(
        key, posterior, widths=[4, 16], num_seeds=3, num_steps=50
    )
    figure = plots.training_phases(found, critical)
    loss, sharpness, phase = figure.axes
    lazy, diverged = loss.lines
    first = found.runs.isel(seed=0, rate=0)
    np.testing.assert_allclose(
        lazy.get_ydata(), np.clip(first["loss"] / first["loss"][0], 1e-6, 1e4)
    )
    assert len(diverged.get_ydata()) < 30
    assert len(sharpness.lines) == 3
    means = [line.lines[0].get_ydata().tolist() for line in phase.containers]
    assert means == [critical[f"{name}_mean"].values.tolist() for name in ("growth", "divergence")]
    assert [text.get_text() for text in phase.texts] == ["lazy", "catapult", "diverges"]
    plots.save(figure, tmp_path / "phases")


def test_densities_of_the_scale_hold_all_of_it_and_evidence_is_less_the_limits():
    found = {width: bnnpost.deep_linear(posterior_of(width, depth=2)) for width in (1, 8)}
    scale, evidence = plots.linear_scales(found, -3.0).axes
    for line in scale.lines[:2]:
        mass = np.trapezoid(line.get_ydata(), np.log(line.get_xdata()))
        assert 0.98 < mass < 1.001
    shown = evidence.lines[1]
    assert shown.get_xdata().tolist() == [1, 8]
    np.testing.assert_allclose(shown.get_ydata(), [found[n].log_evidence + 3.0 for n in (1, 8)])
    with pytest.raises(ValueError, match="by width, got none"):
        plots.linear_scales({}, 0.0)


def test_panels_stay_below_the_heading_in_the_style_of_a_talk():
    with matplotlib.rc_context(plots.slide_style()):
        figure = plots.linear_scales({4: bnnpost.deep_linear(posterior_of(4, depth=2))}, -3.0)
        figure.draw_without_rendering()
    lowest = min(text.get_window_extent().y0 for text in figure.texts)
    assert all(axes.get_tightbbox().y1 <= lowest for axes in figure.axes)


def test_errors_that_noise_hides_are_hollow():
    values = {"mean": [0.2, 0.001, 0.1], "variance": [0.3, 0.2, 0.1]}
    data = {name: ("prediction", of) for name, of in values.items()}
    data |= {f"{name}_se": ("prediction", [0.01] * 3) for name in values}
    errors = xr.Dataset(data, coords={"prediction": list(PREDICTIONS)})
    mean, variance = plots.prediction_errors(
        {0.5: TheoryErrors(errors), 2.0: TheoryErrors(errors)}
    ).axes
    hollow = [line for line in mean.lines if line.get_markerfacecolor() == "white"]
    assert [line.get_ydata().tolist() for line in hollow] == [[], [0.01, 0.01], []]
    hidden = [line for line in variance.lines if line.get_markerfacecolor() == "white"]
    assert [len(line.get_ydata()) for line in hidden] == [0, 0, 0]
    assert [text.get_text() for text in mean.get_legend().get_texts()] == list(PREDICTIONS)
    assert [text.get_text() for text in mean.get_xticklabels()] == ["2", "0.5"]
    assert not mean.get_xticklabels(minor=True)
    with pytest.raises(ValueError, match="by n/N, got none"):
        plots.prediction_errors({})
