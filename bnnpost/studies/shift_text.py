"""The result of a shift as a table that a person can read."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from bnnpost.studies.shift_losses import LEVELS
from bnnpost.summaries.summary import ShownColumn, ShownTable
from bnnpost.summaries.values import Number, measured

if TYPE_CHECKING:
    import xarray as xr

_REACH = 1.96  # standard errors on either side of a 95 % interval


def shift_table(losses: "xr.Dataset", lines: "dict[str, xr.Dataset]") -> ShownTable:
    """Return rows of each shift: of the narrowest and widest network, the limit, the ensemble."""
    columns = (
        ShownColumn("shift", "shift", words=True, record=False),
        ShownColumn("predictor", "predictor", words=True),
        ShownColumn("nll", "nll"),
        ShownColumn("squared_error", "sq. error"),
        *(ShownColumn(_coverage(level), f"in {level:.0%}") for level in LEVELS),
        ShownColumn("f_std", "f std"),
        *([ShownColumn("residual", "off the line")] if _has_lines(lines) else []),
    )
    rows = tuple(row for i in range(losses.sizes["shift"]) for row in _rows(losses, i, lines))
    return ShownTable("shifts", _caption(lines), columns, rows, printed=len(rows))


def shift_label(family: str, strength: float) -> str:
    """Return a shift's name and strength, in words; a data set has no strength."""
    return family if np.isnan(strength) or family == "none" else f"{family} {strength:g}"


def _coverage(level: float) -> str:
    return f"in_{100 * level:.0f}_percent"


def _has_lines(lines: "dict[str, xr.Dataset]") -> bool:
    return "residual" in lines["squared_error"]


def _rows(
    losses: "xr.Dataset", i: int, lines: "dict[str, xr.Dataset]"
) -> Iterator[dict[str, object]]:
    at = losses.isel(shift=i)
    family, strength = str(at["family"].values), float(at["strength"])
    widths = at["width"].values
    # Where the widest is the narrowest there is one row of the posterior.
    asked = [(f"width {w}", "", w, "posterior") for w in sorted({widths[0], widths[-1]})]
    asked.append(("limit", "_limit", widths[-1], "limit"))
    if "nll_ensemble" in at:
        asked.append(("ensemble", "_ensemble", widths[-1], "ensemble"))
    for label, ending, width, predictor in asked:
        own = at.sel(width=width)
        variance = max(float(own[f"epistemic_var{ending}"]), 0.0)
        shares = zip(LEVELS, own[f"coverage{ending}"].values, strict=True)
        yield {
            "shift": shift_label(family, strength),
            "family": family,
            "strength": strength,
            "predictor": label,
            "nll": measured(float(own[f"nll{ending}"]), digits=4),
            "squared_error": measured(float(own[f"squared_error{ending}"]), digits=4),
            **{
                _coverage(level): Number(float(share), digits=0, form="percent")
                for level, share in shares
            },
            "f_std": measured(np.sqrt(variance)),
            "residual": _off(lines, i, int(width), predictor),
        }


def _off(lines: "dict[str, xr.Dataset]", i: int, width: int, predictor: str) -> Number | None:
    if i == 0 or not _has_lines(lines):
        return None
    # The first kind of models: draws, where there are any.
    line = lines["squared_error"].isel(models=0, shift=i - 1)
    at = line.sel(width=width, predictor=predictor)
    residual, reach = float(at["residual"]), _REACH * float(at["residual_se"])
    return Number(residual, digits=2, form="places", low=residual - reach, high=residual + reach)


def _caption(lines: "dict[str, xr.Dataset]") -> str:
    caption = "Losses, shares of targets in central predictive intervals, and the std of f"
    if not _has_lines(lines):
        return caption
    kind = str(lines["squared_error"]["models"].values[0])
    return (
        f"{caption}; off the line: log squared error above the line of single {kind}s, 95 %, at "
        "the width of the row, else the widest"
    )
