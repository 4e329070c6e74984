"""How far the numbers of a sweep can be trusted."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from bnnpost.reports import sweep_figures, words
from bnnpost.reports.costs import surprised
from bnnpost.reports.runs import Sweep
from bnnpost.reports.words import DISTANCES
from bnnpost.samplers.methods import COUPLED
from bnnpost.samplers.plan import LARGEST_PARETO_K
from bnnpost.summaries import Html, join
from bnnpost.summaries.parts import facts, notes, paragraphs, table
from bnnpost.summaries.values import counted, measured

if TYPE_CHECKING:
    import xarray as xr


def sweep_diagnostics(sweep: Sweep, tree: "xr.DataTree") -> Html:
    """Doubts, the draws of each width, and how they were drawn."""
    drawn = sweep_happened(tree)
    heads: tuple[str, ...] = ("Width", "draws", "effective draws", "repeated", "Pareto k",
                              "weights NaN", "log evidence")  # fmt: skip
    caption = (
        "Draws at each width; the log evidence in nats, ± standard error, by the draws' own "
        "proposals (its distance from the limit's, above, is by those of the comparison)"
    )
    if tree.attrs["kind"] == COUPLED:
        rows = [_coupled_row(width, now, sweep) for width, now in drawn.items()]
        heads = ("Width", "draws", "pairs that met", "steps", "lag", "at most from the posterior")
        caption = "Pairs of chains at each width; the distance in total variation, at 95 %"
    else:
        rows = [_width_row(width, now, sweep, tree) for width, now in drawn.items()]
    doubts = list(_doubts(sweep, tree, drawn))
    fine = (
        None
        if doubts
        else paragraphs("Nothing here gives a reason to doubt the numbers on this page.")
    )
    config = sweep.config
    how = {
        "Draws": _KINDS.get(tree.attrs["kind"], "weighted (capped rejection); stored resampled"),
        "Precision of the features": tree.attrs["precision"],
        "Readout": "integrated out" if config["collapse"] else "drawn",
        "Space": config["space"],
        "Layers drawn as": _layer_forms(sweep),
    }
    return join([notes(doubts, "bad"), fine, table(heads, rows, caption), facts(how)])


_KINDS = {"exact": "exact, independent", COUPLED: "independent, of coupled chains; not exact"}


def _coupled_row(width: int, now: dict[str, float], sweep: Sweep) -> list[object]:
    pairs = dict(sweep.infos.get(width, {})).get("coupled") or {}
    return [
        f"{width:,}",
        counted(now["num_samples"]),
        counted(sum(time > 0 for time in pairs["meeting_times"])) if pairs else "–",
        counted(now.get("step", math.nan)),
        counted(pairs["lag"]) if pairs else "–",
        measured(now.get("tv_upper", math.nan), digits=2),
    ]


def _layer_forms(sweep: Sweep) -> str:
    widths: dict[str, list[str]] = {}
    for width, info in sweep.infos.items():
        widths.setdefault(str(info.get("layer_forms", "")), []).append(f"{width:,}")
    if len(widths) == 1:
        return next(iter(widths)) or "not recorded"
    said = (f"{forms or 'not recorded'} (width {', '.join(at)})" for forms, at in widths.items())
    return "; ".join(said) or "not recorded"


def _width_row(
    width: int, now: dict[str, float], sweep: Sweep, tree: "xr.DataTree"
) -> list[object]:
    info: dict[str, Any] = dict(sweep.infos.get(width, {}))
    k = info.get("pareto_k")
    repeated = _repeats(tree, width)
    return [
        f"{width:,}",
        counted(now["num_samples"]),
        measured(float(info["effective_sample_size"]), digits=4) if info else "–",
        "–" if repeated is None else counted(repeated),
        "–" if k is None else measured(float(k), digits=2),
        counted(float(info["num_nan"])) if info else "–",
        measured(now["log_evidence"], now["log_evidence_se"], digits=5),
    ]


def _repeats(tree: "xr.DataTree", width: int) -> int | None:
    """How many draws are another one once more; None where their numbers are not there."""
    name = f"width_{width}/sample_stats"
    try:
        numbers = tree[name].to_dataset()["proposal_number"].values.ravel()  # type: ignore[union-attr]
    except KeyError:
        return None
    return int(numbers.size - np.unique(numbers).size)


def _doubts(sweep: Sweep, tree: "xr.DataTree", drawn: dict[int, dict[str, float]]) -> Iterator[str]:
    """What bears on how far the numbers can be trusted."""
    exact = tree.attrs["kind"] == "exact"
    for width, now in drawn.items():
        info = sweep.infos.get(width, {})
        if now.get("tv_upper", 0.0) > sweep.config.get("tolerance", 1.0):
            yield (
                f"Width {width:,}: the draws are at most {now['tv_upper']:.3g} from the posterior, "
                f"and were to be at most {sweep.config['tolerance']:g}."
            )
        if now["num_samples"] < sweep.config["num_samples"]:
            yield (
                f"Width {width:,} has {now['num_samples']:,.0f} of {sweep.config['num_samples']:,} "
                "draws: max_proposals was reached."
            )
        if info.get("num_nan"):
            yield f"Width {width:,}: {info['num_nan']:,} weights were NaN, and were left out."
        if exact and _repeats(tree, width):
            yield f"Width {width:,}: some draws are there twice, so they are not independent."
        k = info.get("pareto_k")
        if k is not None and k > LARGEST_PARETO_K:
            yield (
                f"Width {width:,}: the weights’ tail is heavy (Pareto k {k:.2f}, above "
                f"{LARGEST_PARETO_K}); a few draws may carry the posterior."
            )
        if surprised(sweep.expected.get(width), now):
            yield f"Width {width:,}: the acceptance was not the expected one, by a factor of 3."
    for name, rate in sweep_figures.rows(tree["rates"].to_dataset()).items():
        if words.is_fitted(rate) and not words.agrees(rate):
            yield (
                f"The interval of {DISTANCES[name][1]}’s exponent excludes theory’s "
                f"{words.whole_text(rate['theory'])}. At 95 % some do by chance; a network without "
                "this limit, and widths at which the next order matters, do for a reason."
            )


def sweep_happened(tree: "xr.DataTree | None") -> dict[int, dict[str, float]]:
    """The record of the draws at each width that is there."""
    if tree is None:
        return {}
    sampling = tree["sampling"].to_dataset()
    return {
        int(width): {str(n): float(sampling[n].values[i]) for n in sampling.data_vars}
        for i, width in enumerate(sampling["width"].values)
    }
