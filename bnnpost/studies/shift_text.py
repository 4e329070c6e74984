"""The result of a shift as a table that a person can read."""

from typing import TYPE_CHECKING

import numpy as np

from bnnpost.studies.shift_losses import LEVELS

if TYPE_CHECKING:
    import xarray as xr

_REACH = 1.96  # standard errors on either side of a 95 % interval


def shift_table(losses: "xr.Dataset", lines: "dict[str, xr.Dataset]") -> str:
    """Rows: each shift, of the narrowest and widest network, the limit and the ensemble."""
    rows = [_heading(lines)]
    for i in range(losses.sizes["shift"]):
        rows += _rows(losses.isel(shift=i), i, lines)
    return "\n".join(rows) + _note(lines)


def shift_label(family: str, strength: float) -> str:
    """A shift's name and strength, in words; a data set has no strength."""
    return family if np.isnan(strength) or family == "none" else f"{family} {strength:g}"


def _heading(lines: "dict[str, xr.Dataset]") -> str:
    shares = "".join(f"{f'in {level:.0%}':>9}" for level in LEVELS)
    off = f"{'off the line':>18}" if _has_lines(lines) else ""
    return f"{'shift':<18}{'predictor':<12}{'nll':>9}{'sq. error':>11}{shares}{'f std':>9}{off}"


def _has_lines(lines: "dict[str, xr.Dataset]") -> bool:
    return "residual" in lines["squared_error"]


def _rows(at: "xr.Dataset", i: int, lines: "dict[str, xr.Dataset]") -> list[str]:
    name = shift_label(str(at["family"].values), float(at["strength"]))
    widths = at["width"].values
    # Where the widest is the narrowest there is one row of the posterior.
    asked = [(f"width {w}", "", w, "posterior") for w in sorted({widths[0], widths[-1]})]
    asked.append(("limit", "_limit", widths[-1], "limit"))
    if "nll_ensemble" in at:
        asked.append(("ensemble", "_ensemble", widths[-1], "ensemble"))
    rows = []
    for label, ending, width, predictor in asked:
        own = at.sel(width=width)
        values = [float(own[n + ending]) for n in ("nll", "squared_error", "epistemic_var")]
        shares = "".join(f"{share:>9.0%}" for share in own["coverage" + ending].values)
        row = f"{name:<18}{label:<12}{values[0]:>9.4g}{values[1]:>11.4g}{shares}"
        row += f"{np.sqrt(max(values[2], 0.0)):>9.3g}"
        rows.append(row + _off(lines, i, int(width), predictor))
        name = ""
    return rows


def _off(lines: "dict[str, xr.Dataset]", i: int, width: int, predictor: str) -> str:
    if i == 0 or not _has_lines(lines):
        return ""
    # The first kind of models: draws, where there are any.
    line = lines["squared_error"].isel(models=0, shift=i - 1)
    at = line.sel(width=width, predictor=predictor)
    return f"{float(at['residual']):>+10.2f} ± {_REACH * float(at['residual_se']):.2f}"


def _note(lines: "dict[str, xr.Dataset]") -> str:
    if not _has_lines(lines):
        return ""
    kind = str(lines["squared_error"]["models"].values[0])
    return (
        f"\noff the line: log squared error above the line of single {kind}s, 95 %; at the width "
        "of the row, else the widest"
    )
