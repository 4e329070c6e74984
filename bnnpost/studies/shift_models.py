"""Single networks as models: each draw's and each member's losses, and the lines through them."""

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
import scipy.stats
from jaxtyping import Array, Float

from bnnpost.studies.shift_lines import Scaled, line_through, on_scale
from bnnpost.studies.shift_losses import margins
from bnnpost.studies.shifted_inputs import MovedInputs

if TYPE_CHECKING:
    import xarray as xr

# Whose losses are put beside the line, and what follows the names of their variables.
PREDICTORS = {"posterior": "", "limit": "_limit", "ensemble": "_ensemble"}
_MEASURES = ("squared_error", "accuracy")
# Fewer exact posteriors than this make no line over widths.
_LEAST_WIDTHS = 3


class Models(NamedTuple):
    """By kind (draw, member) and measure: [shift, model] at one width, or with widths between."""

    found: dict[str, dict[str, Float[np.ndarray, "shift *w model"]]]
    widths: list[int]

    @classmethod
    def of(
        cls,
        outputs: dict[str, list[Float[np.ndarray, "model m k"]]],
        targets: list[Float[np.ndarray, "m k"]],
        midpoint: float | None,
    ) -> "Models":
        """Of outputs of each kind at each place; kinds without any are left out."""
        found: dict[str, dict[str, np.ndarray]] = {}
        for kind, values in outputs.items():
            if values:
                pairs = list(zip(values, targets, strict=True))
                errors = [np.mean(np.sum((f - y) ** 2, axis=2), axis=1) for f, y in pairs]
                found[kind] = {"squared_error": np.stack(errors)}
                if midpoint is not None:
                    right = [np.mean(margins(f, y, midpoint) > 0, axis=1) for f, y in pairs]
                    found[kind]["accuracy"] = np.stack(right)
        return cls(found, [])

    @classmethod
    def joined(cls, parts: "list[Models]", widths: list[int]) -> "Models":
        """Those of every width in one."""
        found = {
            kind: {
                name: np.stack([part.found[kind][name] for part in parts], axis=1)
                for name in measures
            }
            for kind, measures in parts[0].found.items()
        }
        return cls(found, widths)

    def dataset(self, places: list[MovedInputs]) -> "xr.Dataset":
        """Variables draw_squared_error and so on, along shift, width and draw (or member)."""
        import xarray as xr

        variables = {
            f"{kind}_{name}": (("shift", "width", kind), values)
            for kind, measures in self.found.items()
            for name, values in measures.items()
        }
        coordinates: dict[str, Any] = {
            "width": self.widths,
            "family": ("shift", [place.family for place in places]),
            "strength": ("shift", [place.strength for place in places]),
        }
        return xr.Dataset(variables, coordinates)


def all_lines(key: Array, losses: "xr.Dataset", models: Models) -> "dict[str, xr.Dataset]":
    """For each measure the lines through every kind of models, and over widths."""
    seed = np.asarray(jax.random.key_data(key)).tolist()
    return {
        name: _lines_of(name, losses, models, np.random.default_rng(seed))
        for name in _MEASURES
        if name in losses
    }


def _lines_of(
    measure: str, losses: "xr.Dataset", models: Models, rng: np.random.Generator
) -> "xr.Dataset":
    import xarray as xr

    shifted = np.arange(1, losses.sizes["shift"])
    by_kind = []
    for measures in models.found.values():
        by_shift = [
            xr.concat(
                [
                    _line(measure, measures[measure][:, w], losses.isel(width=w), int(i), rng)
                    for w in range(len(models.widths))
                ],
                dim="width",
            )
            for i in shifted
        ]
        by_kind.append(xr.concat(by_shift, dim="shift"))
    found = _over_widths(measure, losses)
    if by_kind:
        kinds = list(models.found)
        found = found.merge(xr.concat(by_kind, dim="models").assign_coords(models=kinds))
    where = losses[["family", "strength"]].isel(shift=shifted).coords
    return found.assign_coords({"width": losses["width"], **where})


def _line(
    measure: str,
    values: Float[np.ndarray, "shift model"],
    losses: "xr.Dataset",
    i: int,
    rng: np.random.Generator,
) -> "xr.Dataset":
    """The line of models at one width, before and after shift i."""
    counts = losses["num_points"].values
    before, after = (
        on_scale(measure, values[j], np.zeros_like(values[j]), counts[j]).value for j in (0, i)
    )
    predictors = {
        name: (_scaled(measure, losses, ending, 0), _scaled(measure, losses, ending, i))
        for name, ending in PREDICTORS.items()
        if measure + ending in losses
    }
    return line_through(before, after, predictors, rng)


def _scaled(measure: str, losses: "xr.Dataset", ending: str, i: int) -> Scaled:
    """A predictor's own loss at shift i, on the scale of the line; the limit's has no error."""
    at = losses.isel(shift=i)
    value = at[measure + ending].values
    error = at.get(f"{measure}{ending}_se")
    own = np.zeros_like(value) if error is None else error.values
    return on_scale(measure, value, own, at["num_points"].values)


def _over_widths(measure: str, losses: "xr.Dataset") -> "xr.Dataset":
    """Slope and correlation of the line of exact posteriors, one a width; empty for a few."""
    import xarray as xr

    if losses.sizes["width"] < _LEAST_WIDTHS:
        return xr.Dataset()
    values = losses[measure].transpose("shift", "width").values
    counts = losses["num_points"].values[:, None]
    before, *after = on_scale(measure, values, np.zeros_like(values), counts).value
    if np.ptp(before) == 0:
        fits = [(np.nan, np.nan) for _ in after]
    else:
        fits = [scipy.stats.linregress(before, one)[:3:2] for one in after]
    slope, correlation = (("shift", [fit[i] for fit in fits]) for i in (0, 1))
    return xr.Dataset({"slope_over_widths": slope, "correlation_over_widths": correlation})
