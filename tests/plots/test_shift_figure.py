"""The figure of a shift: which lines, dots and marks are drawn, and of what nothing is."""

import jax
import numpy as np
import pytest

from bnnpost import plots
from bnnpost.studies import Shift
from bnnpost.studies.shift_losses import judged, of_members
from bnnpost.studies.shift_models import Models, all_lines
from bnnpost.studies.shifted_inputs import MovedInputs

WIDTHS, NUM_MODELS, NUM_POINTS = [4, 64], 30, 12
FAMILIES = [("none", 0.0), ("scaling", 2.0), ("scaling", 4.0), ("other", np.nan)]


def made(with_models=True):
    """Of outputs that are plain random numbers, further apart at each shift."""
    import xarray as xr

    rng = np.random.default_rng(0)
    y = np.sign(rng.normal(size=(NUM_POINTS, 1)))
    found = [MovedInputs(*named, np.zeros((NUM_POINTS, 1)), y) for named in FAMILIES]
    parts, models = [], []
    for _ in WIDTHS:
        ability = rng.normal(size=(NUM_MODELS, 1, 1))
        outputs = [
            y + (1 + i) * (1 + 0.2 * ability) * rng.normal(size=(NUM_MODELS, NUM_POINTS, 1))
            for i in range(len(found))
        ]
        told = [judged(of_members(f, y, 0.1), y, 0.0) for f in outputs]
        names = {f"{n}{end}": n for n in told[0] for end in ("", "_ensemble")}
        rows = {new: np.stack([one[old][0] for one in told]) for new, old in names.items()}
        rows |= {f"{new}_se": np.stack([one[old][1] for one in told]) for new, old in names.items()}
        dims = {name: ("shift", "level")[: values.ndim] for name, values in rows.items()}
        parts.append(xr.Dataset({name: (dims[name], values) for name, values in rows.items()}))
        models.append(Models.of({"draw": outputs if with_models else []}, [y] * 4, 0.0))
    losses = xr.concat(parts, dim="width").assign_coords(
        width=WIDTHS,
        family=("shift", [name for name, _ in FAMILIES]),
        strength=("shift", [strength for _, strength in FAMILIES]),
        num_points=("shift", [NUM_POINTS] * 4),
    )
    limits = {f"{name}_limit": losses[name].isel(width=-1, drop=True) for name in told[0]}
    losses = losses.assign(limits)
    every = Models.joined(models, WIDTHS)
    return Shift(losses, every.dataset(found), all_lines(jax.random.key(0), losses, every))


@pytest.fixture(scope="module")
def found():
    return made()


def test_losses_and_spread_of_every_predictor_and_the_models(found, tmp_path):
    figure = plots.shifts(found)
    loss, spread, models = figure.axes
    # Two widths, the ensemble and the limit.
    for axes, name in ((loss, "nll"), (spread, "epistemic_var")):
        shown = [c.lines[0].get_ydata() for c in axes.containers] + [axes.lines[-1].get_ydata()]
        values = found.losses.isel(shift=[0, 1, 2])
        expected = [*values[name].values, values[f"{name}_ensemble"].values[-1]]
        expected.append(values[f"{name}_limit"].values)
        root = np.sqrt if name == "epistemic_var" else np.asarray
        np.testing.assert_allclose(shown, [root(one) for one in expected])
    labels = [tick.get_text() for tick in spread.get_xticklabels()]
    assert labels == ["none", "2", "4"]
    dots = models.lines[0].get_xydata()
    draws = found.models["draw_squared_error"].isel(width=-1, shift=[0, 2])
    np.testing.assert_allclose(dots, np.log(draws.values.T))
    line = found.lines["squared_error"].isel(width=-1, shift=1, models=0)
    x, y = models.lines[1].get_data()
    np.testing.assert_allclose(y, float(line["intercept"]) + float(line["slope"]) * x)
    assert len(models.lines) == 3 + 4
    plots.save(figure, tmp_path / "shift")


def test_other_families_and_measures(found):
    _, spread, models = plots.shifts(found, family="other", measure="accuracy").axes
    assert [tick.get_text() for tick in spread.get_xticklabels()] == ["none", "data set"]
    assert "accuracy" in models.get_xlabel()
    assert all(0 < float(tick.get_text()) < 1 for tick in models.get_xticklabels())
    with pytest.raises(ValueError, match="family to be one of scaling, other"):
        plots.shifts(found, family="rotation")
    with pytest.raises(ValueError, match="measure to be one of squared_error, accuracy"):
        plots.shifts(found, measure="nll")


def test_without_models_two_panels_are_enough():
    assert len(plots.shifts(made(with_models=False)).axes) == 2
