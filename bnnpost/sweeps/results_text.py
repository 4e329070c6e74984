"""A sweep's results for people: the table, the same as JSON, and the figures."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bnnpost.datasets.data_record import record_of
from bnnpost.samplers.methods import COUPLED
from bnnpost.sweeps.results import FIRST_ORDER, SCORES, THEORY

if TYPE_CHECKING:
    import xarray as xr

_SHOWN = {
    "tv": "TV",
    "kl": "KL (nats)",
    "mean_error": "mean",
    "variance_error": "variance",
    "log_evidence_error": "log evidence",
}


_KINDS = {
    "exact": "exact",
    "capped": "weighted (capped rejection), and stored resampled",
    COUPLED: (
        "independent, of coupled chains, each at most tv_upper from the posterior; they are\n"
        "compared by themselves, which does not tell the log evidence"
    ),
}


def results_table(tree: "xr.DataTree") -> str:
    """Draws and distances at each width, the fitted rates and the theory, as plain text."""
    parts = [_widths_table(tree), _rates_table(tree)]
    if SCORES in tree.children:
        parts.append(_scores_table(tree))
    if FIRST_ORDER in tree.children:
        parts.append(_first_order_table(tree))
    return "\n\n".join(parts)


def _widths_table(tree: "xr.DataTree") -> str:
    distances, sampling = tree["distances"].to_dataset(), tree["sampling"].to_dataset()
    coupled = tree.attrs["kind"] == COUPLED
    shown = {n: label for n, label in _SHOWN.items() if np.isfinite(distances[n].values).any()}
    columns = ("steps", "tv_upper") if coupled else ("proposals", "accepted")
    head = f"{'width':>6} {'draws':>6} {columns[0]:>11} {columns[1]:>9}" + "".join(
        f" {label:>20}" for label in shown.values()
    )
    lines = [
        "Distance of the posterior from its infinite-width limit (± standard error)",
        f"Draws are {_KINDS[str(tree.attrs['kind'])]}.",
        head,
    ]
    for i, width in enumerate(distances["width"].values):
        row = sampling.isel(width=i)
        cells = [
            f" {_plus_minus(float(distances[n][i]), float(distances[f'{n}_se'][i])):>20}"
            for n in shown
        ]
        made, share = ("step", "tv_upper") if coupled else ("num_proposals", "acceptance_rate")
        lines.append(
            f"{width:>6} {int(row['num_samples']):>6} {int(row[made]):>11,} "
            f"{float(row[share]):>9.2g}" + "".join(cells)
        )
    return "\n".join(lines)


def _plus_minus(value: float, error: float) -> str:
    return f"{value:.3g} ± {error:.1g}"


def _rates_table(tree: "xr.DataTree") -> str:
    if told := nothing_fitted(tree):
        return textwrap.fill(told, 100)
    rates = tree["rates"].to_dataset()
    start = rates.attrs["fitted_from_width"]
    lines = [f"Sizes as coefficient · width^exponent from width {start} on (95 % intervals)"]
    if int(rates.attrs.get("num_fitted", 3)) == 2:
        lines = [f"{lines[0]}:\nthrough two widths, which do not check a power law; a third would"]
    untold = tree["distances"].to_dataset().isnull().all()
    for name in rates["distance"].values:
        if bool(untold[name]):
            continue
        row = rates.sel(distance=name)
        if not np.isfinite(float(row["exponent"])):
            lines.append(
                f"{name:<20} no fit: it needs two widths from {start} on, above their noise"
            )
            continue
        lines.append(
            f"{name:<20} exponent {float(row['exponent']):+.3f} "
            f"[{float(row['exponent_low']):+.3f}, {float(row['exponent_high']):+.3f}]  theory "
            f"{THEORY[str(name)]:+.0f}   coefficient {float(row['coefficient']):.3g} "
            f"[{float(row['coefficient_low']):.3g}, {float(row['coefficient_high']):.3g}]"
        )
    return "\n".join(lines)


def why_not_fitted(widths: Sequence[int], values: Sequence[float], start: int) -> str:
    """Why there is no rate of a distance with these values, fitted from width `start` on."""
    wide = [value for width, value in zip(widths, values, strict=True) if width >= start]
    if len(widths) < 2:
        return "one width was run, and a rate needs two"
    if len(wide) < 2:
        fitted = "one is" if wide else "none is"
        return f"a rate needs two widths from {start} on, and {fitted} that wide"
    if any(value <= 0 for value in wide):
        return "at some width it is lost in its noise"
    return "the widths do not determine one"


def nothing_fitted(tree: "xr.DataTree") -> str:
    """Why no rate was fitted of any distance, and what to do, in sentences; empty if one was."""
    rates, distances = (tree[name].to_dataset() for name in ("rates", "distances"))
    if np.isfinite(rates["exponent"].values).any():
        return ""
    distances, start = distances.sortby("width"), int(rates.attrs["fitted_from_width"])
    widths = [int(width) for width in distances["width"].values]
    reason = why_not_fitted(widths, [float(value) for value in distances["tv"].values], start)
    if sum(width >= start for width in widths) < 2:
        further = [4 * widths[-1]] if widths[-1] >= start else [start, 4 * start]
        listed = ",".join(map(str, [*widths, *further]))
        way = f"Run it with more of them, as --widths {listed}, into another directory (--out)."
    else:
        coupled = tree.attrs["kind"] == COUPLED
        more = "draws (--num-samples)" if coupled else "proposals (--num-proposals)"
        way = f"Use more {more} in a new run, or more widths."
    return f"No rate was fitted: {reason}. {way}"


def _scores_table(tree: "xr.DataTree") -> str:
    found = tree[SCORES].to_dataset()
    names = [str(name) for name in found.data_vars if not str(name).endswith("_by_point")]
    head = f"{'width':>6}" + "".join(f" {name.replace('_', ' '):>14}" for name in names)
    rows = {f"{width}": found.isel(width=i) for i, width in enumerate(found["width"].values)}
    lines = ["Predictions of the test targets (log loss in nats), means over test points", head]
    for label, row in rows.items():
        lines.append(f"{label:>6}" + "".join(f" {float(row[name]):>14.4f}" for name in names))
    if found.attrs:
        limit = [float(found.attrs[f"limit_{name}"]) for name in names]
        lines.append(f"{'limit':>6}" + "".join(f" {one:>14.4f}" for one in limit))
    return "\n".join(lines)


def _first_order_table(tree: "xr.DataTree") -> str:
    found = tree[FIRST_ORDER].to_dataset()
    lines = [
        "First-order theory: size of the coefficient of 1/width (KL: 1/width²), and below which "
        f"width the\nnext order, as measured, exceeds {100 * found.attrs['share']:.0f} % of it"
    ]
    for name in found["distance"].values:
        row = {str(key): float(one) for key, one in found.sel(distance=name).items()}
        text = f"{name:<20} {_plus_minus(abs(row['coefficient']), row['coefficient_se']):>20}"
        if np.isfinite(row["second_order_below"]):
            text += (
                "   below {second_order_below:.0f} (at most {second_order_below_high:.0f})".format(
                    **row
                )
            )
        lines.append(text)
    lines.append(
        f"By it the mean is within {100 * found.attrs['tolerance']:.0f} % of a posterior std from "
        f"width {found.attrs['mean_within_from_width']}"
    )
    return "\n".join(lines)


def results_json(tree: "xr.DataTree") -> dict[str, object]:
    """The numbers of the table and the settings, as plain data (NaN as null)."""
    import json

    distances, sampling = tree["distances"].to_dataset(), tree["sampling"].to_dataset()
    scalars = [str(n) for n in distances.data_vars if distances[n].ndim == 1]
    widths = [
        {
            "width": int(width),
            **{n: _plain(distances[n].values[i]) for n in scalars},
            **{str(n): _plain(sampling[n].values[i]) for n in sampling.data_vars},
        }
        for i, width in enumerate(distances["width"].values)
    ]
    fitted = _by_distance(tree["rates"].to_dataset())
    config = json.loads(str(tree.attrs["config"]))
    found = {"config": config, "widths": widths, "rates": fitted}
    record = record_of(tree["data"].attrs) if "data" in tree.children else None
    if record is not None:
        found["data"] = record.as_dict()
    if SCORES in tree.children:
        own = tree[SCORES].to_dataset()
        names = [str(name) for name in own.data_vars if own[name].ndim == 1]
        found["scores"] = {name: list(map(_plain, own[name].values)) for name in names}
        found["scores"] |= own.attrs
    if FIRST_ORDER in tree.children:
        found["first_order"] = _by_distance(tree[FIRST_ORDER].to_dataset())
    return found


def _by_distance(rows: "xr.Dataset") -> dict[str, dict[str, float | None]]:
    return {
        str(name): {str(n): _plain(rows[n].values[i]) for n in rows.data_vars}
        for i, name in enumerate(rows["distance"].values)
    }


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def write_figures(
    tree: "xr.DataTree", folder: Path, *, ending: str = "", headings: bool = True
) -> list[Path]:
    """distances and densities in a folder, as PNG and SVG or as files of one ending (".pdf").

    headings: whether title and notes are in them. Returns their names without endings.
    """
    import bnnpost.plots as plots

    found = {"distances": plots.distances, "densities": plots.densities}
    for name, draw in found.items():
        plots.save(draw(tree), folder / f"{name}{ending}", headings=headings)
    return [folder / name for name in found]
