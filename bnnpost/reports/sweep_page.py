"""The page of a sweep: what was found, how, at what cost, and how to find it again."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from bnnpost.plots.own_units import data_of, size_of_f
from bnnpost.reports import config_toml, sweep_diagnostics, sweep_figures, words
from bnnpost.reports.costs import forecast_blocks
from bnnpost.reports.rate_rows import rate_row
from bnnpost.reports.runs import Sweep
from bnnpost.reports.words import DISTANCES, Rate
from bnnpost.samplers.methods import COUPLED
from bnnpost.summaries import Html, HtmlSection, element, join, page
from bnnpost.summaries.frame import as_html
from bnnpost.summaries.parts import figure, legend, notes, paragraphs, table
from bnnpost.summaries.values import measured
from bnnpost.sweeps.results_text import nothing_fitted, why_not_fitted

if TYPE_CHECKING:
    import xarray as xr

_STATES = {
    "running": "running, or was killed",
    "interrupted": "interrupted",
    "failed": "failed",
    "exhausted": "max_proposals reached",
}


def to_html(sweep: Sweep) -> str:
    """The whole page."""
    tree = sweep.tree
    title = f"Sweep of {sweep.path.name}"
    kind = f"Width sweep · {sweep.path.name}"
    if tree is None:
        return page(
            title=title,
            kind=kind,
            headline="No width is finished yet: there is nothing to say of the limit.",
            lead=[words.problem(sweep.config) + "."],
            marks=list(_marks(sweep)),
            sections=[
                HtmlSection("What is missing", "missing", missing(sweep)),
                HtmlSection("Forecast", "forecast", _forecast(sweep)),
                HtmlSection("How to run it", "reproduce", _reproduce(sweep)),
            ],
        )
    return page(
        title=title,
        kind=kind,
        headline=sweep_headline(tree),
        lead=list(_lead(sweep, tree)),
        marks=list(_marks(sweep)),
        sections=sections(sweep, tree),
        footer=_footer(tree),
    )


def sections(sweep: Sweep, tree: "xr.DataTree", *, pictures: bool = True) -> list[HtmlSection]:
    """All that is below the headline; with or without its pictures."""
    gaps = not sweep.finished or sweep.unread
    found = [HtmlSection("What is missing", "missing", missing(sweep))] if gaps else []
    found.append(HtmlSection("Distance from the limit", "distances", _distances(tree, pictures)))
    found.append(HtmlSection("Rates", "rates", _rates(tree)))
    if "scores" in tree.children:
        found.append(HtmlSection("Predictions", "predictions", _scores(tree)))
    if "predictive" in tree.children and pictures:
        found.append(HtmlSection("Predictive densities", "densities", _densities(tree)))
    if tree.attrs["kind"] != COUPLED:
        found.append(HtmlSection("Forecast and what happened", "forecast", _forecast(sweep)))
    return [
        *found,
        HtmlSection("Diagnostics", "diagnostics", sweep_diagnostics.sweep_diagnostics(sweep, tree)),
        HtmlSection("How to reproduce this", "reproduce", _reproduce(sweep)),
    ]


def sweep_headline(tree: "xr.DataTree") -> Html:
    """What was found, in one sentence."""
    distances = tree["distances"].to_dataset().sortby("width")
    widths = [int(w) for w in distances["width"].values]
    values = [float(v) for v in distances["tv"].values]
    start = int(tree["rates"].attrs["fitted_from_width"])
    rate = sweep_figures.rows(tree["rates"].to_dataset())["tv"]
    widest = (widths[-1], values[-1], float(distances["tv_se"].values[-1]))
    two = words.by_two(tree["rates"].attrs)
    return words.headline(rate, widest, why_not_fitted(widths, values, start), two)


def _lead(sweep: Sweep, tree: "xr.DataTree") -> Iterator[object]:
    rates = sweep_figures.rows(tree["rates"].to_dataset())
    start = int(tree["rates"].attrs["fitted_from_width"])
    sentence = words.others(rates, start, words.by_two(tree["rates"].attrs))
    if sentence is not None:
        yield sentence
    widths = tree["distances"].to_dataset()["width"].values
    kind = words.DRAWN.get(tree.attrs["kind"], "draws")
    drawn = np.unique(tree["sampling"].to_dataset()["num_samples"].values).astype(int)
    number = f"{drawn[0]:,}" if len(drawn) == 1 else f"{drawn[0]:,} to {drawn[-1]:,}"
    several = f"each of {len(widths)} widths, {widths.min():,} to {widths.max():,}"
    where = several if len(widths) > 1 else f"width {widths[0]:,}"
    yield f"{words.problem(sweep.config, data_of(tree))}. {number} {kind} at {where}."
    if "first_order" in tree.children:
        found = tree["first_order"].attrs
        width = int(found["mean_within_from_width"])
        yield (
            f"By first-order theory the posterior mean is within {100 * found['tolerance']:.0f} % "
            f"of a posterior std of the limit’s from width {width:,} on."
        )


def _marks(sweep: Sweep) -> Iterator[tuple[str, str]]:
    tree = sweep.tree
    if tree is not None:
        yield words.MARKS.get(tree.attrs["kind"], words.MARKS["capped"])
    total = len(sweep.config["widths"])
    if sweep.missing:
        done = total - len(sweep.missing)
        yield f"Unfinished: {done} of {total} widths", "bad"
    elif sweep.finished:
        yield f"All {total} widths" if total > 1 else "One width", "good"
    state = sweep.status.get("state")
    if state == "exhausted" or (sweep.missing and state in _STATES):
        coupled = state == "exhausted" and sweep.config.get("method") == COUPLED
        yield words.NOT_NEAR if coupled else _STATES[str(state)], "bad"
    yield f"Seed {sweep.config['seed']}", "plain"


def missing(sweep: Sweep) -> Html:
    gaps = []
    if sweep.missing:
        gaps.append(f"Widths {', '.join(f'{w:,}' for w in sweep.missing)} are not run yet.")
    if sweep.status.get("error"):
        gaps.append(f"It failed: {sweep.status['error']}")
    gaps += sweep.unread
    if sweep.tree is not None and "predictive" not in sweep.tree.children:
        gaps.append(
            "Predictive densities and the first-order theory come with the last width; rates "
            "are of the widths that are there."
        )
    text = "The same command goes on where it stopped; then bnnpost report makes this page anew."
    return join([notes(gaps, "bad"), paragraphs(text)])


def _distances(tree: "xr.DataTree", shown: bool) -> Html:
    distances = tree["distances"].to_dataset()
    rates = sweep_figures.rows(tree["rates"].to_dataset())
    start = int(tree["rates"].attrs["fitted_from_width"])
    first = _first_order(tree)
    names = [name for name in DISTANCES if name in rates and sweep_figures.is_told(distances, name)]
    pictures = [
        sweep_figures.distance(
            distances, name, rates[name], start, first.get(name), small=i > 1 and len(names) > 2
        )
        for i, name in enumerate(names)
    ]
    if not shown:
        return _distance_table(distances, names)
    fitted = any(words.is_fitted(rate) for rate in rates.values())
    caption = (
        f"Bars: 95 % intervals (± 1.96 jackknife standard errors). Filled points, from width "
        f"{start} on, are fitted; hollow ones are not. Total variation, KL (of the finite network "
        "from the limit) and Wasserstein distances are of the marginals of f, averaged over test "
        "inputs and outputs; of mean, variance and covariance the root-mean-square error is "
        "shown; of the log evidence the size of the difference."
    )
    if size := size_of_f(data_of(tree)):
        caption += f" {size}"
    if "log_evidence_error" not in names:
        caption += " The draws were compared by themselves, which does not tell the log evidence."
    return join(
        [
            legend(sweep_figures.distances_legend(bool(first), fitted)),
            figure(pictures[:2], None, main=True) if len(pictures) > 2 else None,
            figure(pictures[2:] if len(pictures) > 2 else pictures, caption, columns=3),
            _distance_table(distances, names),
        ]
    )


def _distance_table(distances: "xr.Dataset", names: list[str]) -> Html:
    heads = ["Distance", *(f"width {int(width):,}" for width in distances["width"].values)]
    rows = [
        [
            _head(name),
            *map(measured, distances[name].values, distances[f"{name}_se"].values),
        ]
        for name in names
    ]
    return table(heads, rows, "Distance of the posterior from its limit, ± standard error")


def _head(name: str) -> Html:
    _, title, unit, _ = DISTANCES[name]
    small = element("small", f" {unit}") if unit else None
    return join([title[:1].upper() + title[1:], small])


def _first_order(tree: "xr.DataTree") -> dict[str, Rate]:
    if "first_order" not in tree.children:
        return {}
    return dict(sweep_figures.rows(tree["first_order"].to_dataset()))


def _rates(tree: "xr.DataTree") -> Html:
    rates = sweep_figures.rows(tree["rates"].to_dataset())
    attributes, first = tree["rates"].attrs, _first_order(tree)
    if told := nothing_fitted(tree):
        return join([paragraphs(told), _theory_alone(first)])
    distances = tree["distances"].to_dataset().sortby("width")
    heads = ["Distance", "exponent", "95 % interval", "theory", "theory lies", "coefficient",
             "95 % interval"]  # fmt: skip
    heads += ["first-order theory"] if first else []
    rates = {name: rate for name, rate in rates.items() if sweep_figures.is_told(distances, name)}
    rows = [rate_row(name, rate, first.get(name)) for name, rate in rates.items()]
    start = int(attributes["fitted_from_width"])
    said = []
    for name, rate in rates.items():
        if not words.is_fitted(rate) and name in distances:
            widths = [int(w) for w in distances["width"].values]
            values = [abs(float(v)) for v in distances[name].values]
            values = values if name == "log_evidence_error" else list(distances[name].values)
            reason = why_not_fitted(widths, values, start)
            said.append(f"No rate of {DISTANCES[name][1]}: {reason}.")
    fitted = "through the two widths" if words.by_two(attributes) else "fitted"
    caption = (
        f"Size of the distance = coefficient · width^exponent, {fitted} from width {start} on; "
        f"intervals allow for a next order of {100 * attributes.get('next_order', 0.1):.0f} % at "
        "the narrowest of them"
    )
    return join([table(heads, rows, caption, words=1), notes(said)])


def _theory_alone(first: Mapping[str, Rate]) -> Html | None:
    """What first-order theory says, where there is nothing beside it."""
    if not first:
        return None
    rows = [
        [_head(name), measured(abs(rate["coefficient"]), rate["coefficient_se"])]
        for name, rate in first.items()
    ]
    return table(["Distance", "coefficient"], rows, "By first-order theory", words=1)


def _scores(tree: "xr.DataTree") -> Html:
    """What predictions of the test targets are worth, at each width and in the limit."""
    found = tree["scores"].to_dataset()
    heads = ["Score", *(f"width {int(width):,}" for width in found["width"].values), "limit"]
    rows = [
        [
            words.SCORES[name],
            *map(measured, found[name].values),
            measured(found.attrs[f"limit_{name}"]) if f"limit_{name}" in found.attrs else "–",
        ]
        for name in words.SCORES
        if name in found
    ]
    whole = "Of the test targets, means over test points"
    size = size_of_f(data_of(tree))
    return table(heads, rows, whole + ("; targets are standardised" if size else ""))


def _densities(tree: "xr.DataTree") -> Html:
    found = tree["predictive"].to_dataset()
    widths = sweep_figures.drawn_widths(found)
    total = found.sizes["point"] * found.sizes["output"]
    pictures = sweep_figures.density_figures(tree)
    kind = words.DRAWN.get(tree.attrs["kind"], "weighted draws").partition(" ")[0]
    caption = (
        f"f is the output without noise, {words.in_units(data_of(tree))}. Each curve averages the "
        f"Gaussians that {kind} posterior draws give."
    )
    if data_of(tree) is None:
        caption += " Points and outputs are counted from 0, as in results.nc."
    if len(pictures) < total:
        caption += f" The first {len(pictures)} of {total} values are shown."
    if not widths:
        caption += " No width has densities: the readout was not integrated out."
    return join(
        [legend(sweep_figures.density_legend(widths)), figure(pictures, caption, columns=3)]
    )


def _forecast(sweep: Sweep) -> Html:
    happened = sweep_diagnostics.sweep_happened(sweep.tree)
    widths = [int(width) for width in sweep.config["widths"]]
    rows = ((w, sweep.expected.get(w), happened.get(w)) for w in widths)
    return join(map(as_html, forecast_blocks(rows)))


def _reproduce(sweep: Sweep) -> Html:
    tree = sweep.tree
    versions = json.loads(tree.attrs["versions"]) if tree is not None else {}
    others = {"Seed of every random number": sweep.config["seed"]}
    if tree is not None:
        others |= {"Device": tree.attrs["device"], "Random features": tree.attrs["precision"]}
        if "time" in sweep.status:
            others["Last written"] = sweep.status["time"]
        if "config_digest" in tree.attrs:
            others["Digest of the configuration"] = tree.attrs["config_digest"]
    made = (config_toml.made_by(versions, others),) if tree is not None else ()
    blocks = (*config_toml.reproduce("sweep", sweep.config, sweep.path), *made)
    return join(map(as_html, blocks))


def _footer(tree: "xr.DataTree") -> Html:
    versions = json.loads(tree.attrs["versions"])
    paper = element(
        "a",
        "Hron, Bahri, Novak, Pennington and Sohl-Dickstein (2020)",
        href="https://arxiv.org/abs/2006.10541",
    )
    return join([f"bnnpost {versions.get('bnnpost', '')}. The method, and the limit: ", paper, "."])
