"""What there is to say of a sweep: distances from the limit, rates, predictions, cost, doubts."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bnnpost.plots.curves import Rate, drawn_widths, rows_by_distance
from bnnpost.plots.own_units import data_of, size_of_f
from bnnpost.reports import config_toml, sweep_panels, words
from bnnpost.reports.costs import forecast_blocks, surprised
from bnnpost.reports.runs import Sweep
from bnnpost.reports.words import DISTANCES
from bnnpost.samplers.methods import COUPLED
from bnnpost.samplers.plan import LARGEST_PARETO_K
from bnnpost.summaries.panels import Panel
from bnnpost.summaries.summary import (
    Block,
    Doubts,
    Fact,
    Facts,
    Notes,
    Paragraph,
    Pictures,
    Section,
    ShownColumn,
    ShownTable,
    Summary,
    Tone,
)
from bnnpost.summaries.values import Number, Span, Text, Words, counted, measured

if TYPE_CHECKING:
    import xarray as xr

_STATES = {
    "running": "running, or was killed",
    "interrupted": "interrupted",
    "failed": "failed",
    "exhausted": "max_proposals reached",
}
_KINDS = {
    "exact": "exact, independent",
    "capped": "weighted (capped rejection); stored resampled",
    COUPLED: "independent, of coupled chains; not exact",
}
_PAPER = Span(
    "Hron, Bahri, Novak, Pennington and Sohl-Dickstein (2020)",
    "link",
    "https://arxiv.org/abs/2006.10541",
)
# By width, the record of its draws: num_samples, num_proposals, acceptance_rate, seconds, ….
Drawn = Mapping[int, Mapping[str, float]]


def summary_of_sweep(sweep: Sweep, *, pictures: bool = True) -> Summary:
    """Return the summary of a finished or unfinished sweep, with or without its pictures."""
    tree = sweep.tree
    common: dict[str, Any] = {
        "title": f"Sweep of {sweep.path.name}",
        "kind": f"Width sweep · {sweep.path.name}",
        "marks": tuple(_marks(sweep)),
        "data": {"config": sweep.config},
    }
    if tree is None:
        return Summary(
            headline="No width is finished yet: there is nothing to say of the limit.",
            lead=(words.problem(sweep.config) + ".",),
            sections=(_missing(sweep), _forecast(sweep), _reproduce(sweep, "How to run it")),
            **common,
        )
    if (record := data_of(tree)) is not None:
        common["data"]["data"] = record.as_dict()
    versions = json.loads(tree.attrs["versions"])
    program = f"bnnpost {versions.get('bnnpost', '')}"
    return Summary(
        headline=_headline(tree),
        lead=tuple(_lead(sweep, tree)),
        sections=tuple(_sections(sweep, tree, pictures)),
        footer=Text.of(f"{program}. The method, and the limit: ", _PAPER, "."),
        **common,
    )


def _sections(sweep: Sweep, tree: "xr.DataTree", pictures: bool) -> Iterator[Section]:
    if not sweep.finished or sweep.unread:
        yield _missing(sweep)
    yield _distances(tree, pictures)
    yield _rates(tree)
    if "scores" in tree.children:
        yield _scores(tree)
    if "predictive" in tree.children and pictures:
        yield _densities(tree)
    if tree.attrs["kind"] != COUPLED:
        yield _forecast(sweep)
    yield _diagnostics(sweep, tree)
    yield _reproduce(sweep)


def _headline(tree: "xr.DataTree") -> Words:
    """Return what was found of total variation, in one sentence."""
    distances = tree["distances"].to_dataset().sortby("width").isel(width=-1)
    widest = int(distances["width"]), float(distances["tv"]), float(distances["tv_se"])
    rate = rows_by_distance(tree["rates"].to_dataset())["tv"]
    return words.headline(rate, widest, _why_not_fitted(tree, "tv"), words.by_two(_fit(tree)))


def _lead(sweep: Sweep, tree: "xr.DataTree") -> Iterator[Words]:
    rates = rows_by_distance(tree["rates"].to_dataset())
    sentence = words.others(rates, _start(tree), words.by_two(_fit(tree)))
    if sentence is not None:
        yield sentence
    widths = tree["distances"].to_dataset()["width"].values
    kind = words.DRAWN[tree.attrs["kind"]]
    sizes = np.unique(tree["sampling"].to_dataset()["num_samples"].values).astype(int)
    number = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    several = f"each of {len(widths)} widths, {widths.min():,} to {widths.max():,}"
    where = several if len(widths) > 1 else f"width {widths[0]:,}"
    yield f"{words.problem(sweep.config, data_of(tree))}. {number} {kind} at {where}."
    if "first_order" in tree.children:
        theory = tree["first_order"].attrs
        yield (
            f"By first-order theory the posterior mean is within {100 * theory['tolerance']:.0f} % "
            "of a posterior std of the limit’s from width "
            f"{int(theory['mean_within_from_width']):,} on."
        )


def _marks(sweep: Sweep) -> Iterator[tuple[str, Tone]]:
    if sweep.tree is not None:
        yield words.MARKS[sweep.tree.attrs["kind"]]
    total = len(sweep.config["widths"])
    if sweep.missing:
        yield f"Unfinished: {total - len(sweep.missing)} of {total} widths", "bad"
    elif sweep.finished:
        yield f"All {total} widths" if total > 1 else "One width", "good"
    state = sweep.status.get("state")
    if state == "exhausted" or (sweep.missing and state in _STATES):
        coupled = state == "exhausted" and sweep.config.get("method") == COUPLED
        yield words.NOT_NEAR if coupled else _STATES[str(state)], "bad"
    yield f"Seed {sweep.config['seed']}", "plain"


def _missing(sweep: Sweep) -> Section:
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
    remedy = "The same command goes on where it stopped; then bnnpost report makes this page anew."
    return Section("What is missing", "missing", (Doubts(tuple(gaps)), Paragraph(remedy)))


def _fit(tree: "xr.DataTree") -> Mapping[Any, Any]:
    return dict(tree["rates"].attrs)


def _start(tree: "xr.DataTree") -> int:
    """Return the narrowest width that rates are fitted to."""
    return int(_fit(tree)["fitted_from_width"])


def _first_order(tree: "xr.DataTree") -> Mapping[str, Rate]:
    """Return first-order theory by distance; empty if there is none."""
    if "first_order" not in tree.children:
        return {}
    return rows_by_distance(tree["first_order"].to_dataset())


def _measured_distances(tree: "xr.DataTree") -> list[str]:
    """Return the names of the distances that were measured at any width."""
    distances, rates = tree["distances"].to_dataset(), tree["rates"].to_dataset()
    fitted = {str(name) for name in rates["distance"].values}
    return [n for n in DISTANCES if n in fitted and sweep_panels.is_told(distances, n)]


def _label(name: str) -> Words:
    """Return a distance's name with its unit."""
    _, title, unit, _ = DISTANCES[name]
    return Text.of(f"{_capital(title)} ", Span(unit, "unit")) if unit else _capital(title)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


_WIDTH_LABEL = ShownColumn("label", "", words=True, record=False)


def _distances(tree: "xr.DataTree", with_pictures: bool) -> Section:
    distances, names = tree["distances"].to_dataset(), _measured_distances(tree)
    columns = (_WIDTH_LABEL, *(ShownColumn(name, _label(name)) for name in names))
    rows = tuple(
        {
            "label": f"width {int(width):,}",
            "width": int(width),
            **dict.fromkeys(DISTANCES),  # those that were not measured are null in JSON
            **{
                name: measured(distances[name].values[i], distances[f"{name}_se"].values[i])
                for name in names
            },
        }
        for i, width in enumerate(distances["width"].values)
    )
    caption = "Distance of the posterior from its infinite-width limit, ± standard error"
    table = ShownTable("widths", caption, columns, rows, turned="Distance", printed=len(rows))
    blocks: list[Block] = list(_distance_pictures(tree, names)) if with_pictures else []
    blocks.append(table)
    if "log_evidence_error" not in names:
        by_what = "The draws were compared by themselves, which does not tell the log evidence."
        blocks.append(Notes((by_what,)))
    return Section("Distance from the limit", "distances", tuple(blocks), brief=True)


def _distance_pictures(tree: "xr.DataTree", names: Sequence[str]) -> tuple[Pictures, ...]:
    """Return pictures of all distances against width; of many the first two are large."""
    distances, first, start = tree["distances"].to_dataset(), _first_order(tree), _start(tree)
    rates = rows_by_distance(tree["rates"].to_dataset())

    def panels(chosen: Sequence[str], is_small: bool) -> tuple[Panel, ...]:
        return tuple(
            sweep_panels.distance(distances, n, rates[n], start, first.get(n), small=is_small)
            for n in chosen
        )

    caption = (
        f"Bars: 95 % intervals (± 1.96 jackknife standard errors). Filled points, from width "
        f"{start} on, are fitted; hollow ones are not. Total variation, KL (of the finite network "
        "from the limit) and Wasserstein distances are of the marginals of f, averaged over test "
        "inputs and outputs; of mean, variance and covariance the root-mean-square error is "
        "shown; of the log evidence the size of the difference."
    )
    if size := size_of_f(data_of(tree)):
        caption += f" {size}"
    fitted = any(words.is_fitted(rate) for rate in rates.values())
    legend = tuple(sweep_panels.distances_legend(bool(first), fitted))
    main, rest = partial(panels, names[:2], False), partial(panels, names[2:], True)
    if len(names) <= 2:
        return (Pictures(main, caption, columns=3, legend=legend),)
    return Pictures(main, main=True, legend=legend), Pictures(rest, caption, columns=3)


_EXPONENT = ShownColumn("exponent", "exponent, 95 % interval")
_THEORY = ShownColumn("verdict", "theory", record=False)
_COEFFICIENT = ShownColumn("coefficient", "coefficient, 95 % interval")


def _rates(tree: "xr.DataTree") -> Section:
    """Return fitted power laws beside theory's; or why there are none, and theory alone."""
    rates, first = rows_by_distance(tree["rates"].to_dataset()), _first_order(tree)
    names = _measured_distances(tree)
    rows = tuple(_rate_row(name, rates[name], first.get(name)) for name in names)
    columns = [ShownColumn("label", "Distance", words=True, record=False)]
    why_none = _nothing_fitted(tree)
    if not why_none:
        columns += [_EXPONENT, _THEORY, _COEFFICIENT]
    if first:
        columns += [
            ShownColumn("first_order", "first-order theory"),
            ShownColumn("holds_from", "holds from", record=False),
        ]
    fitted = "through the two widths" if words.by_two(_fit(tree)) else "fitted"
    caption = (
        f"Size of the distance = coefficient · width^exponent, {fitted} from width {_start(tree)} "
        f"on; intervals allow for a next order of {100 * _fit(tree)['next_order']:.0f} % at "
        "the narrowest of them"
    )
    if why_none:
        caption = "By first-order theory: size of the coefficient of 1/width (KL: 1/width²)"
    if first:
        share = f"{100 * tree['first_order'].attrs['share']:.0f} %"
        caption += (
            "; first-order theory holds from the width on at which the next order is at most "
            f"{share} of it"
        )
    blocks: list[Block] = [Paragraph(why_none)] if why_none else []
    # Of theory alone there is a table only if there is any.
    shown = tuple(columns) if first or not why_none else ()
    blocks.append(ShownTable("rates", caption, shown, rows, by="distance"))
    if not why_none:
        blocks.append(Notes(tuple(_unfitted(tree, rates))))
    return Section("Rates", "rates", tuple(blocks), brief=True)


def _rate_row(name: str, rate: Rate, first: Rate | None) -> dict[str, object]:
    """Return exponent and coefficient with intervals, and theory's.

    First-order theory's coefficient is a size, as the fitted one is: the difference of the log
    evidence has a sign.
    """
    exponent = _with_interval(rate, "exponent", "places")
    theory = words.whole_text(rate["theory"])
    outside = words.is_fitted(rate) and not words.agrees(rate)
    row: dict[str, object] = {
        "label": _capital(DISTANCES[name][1]),
        "distance": name,
        "exponent": exponent,
        "theory": rate["theory"],
        "verdict": Text.of(f"{theory}, ", Span("outside", "wrong")) if outside else theory,
        "coefficient": _with_interval(rate, "coefficient", "measured"),
    }
    if first is not None:
        most = first["second_order_below_high"]
        row |= {
            "first_order": measured(abs(first["coefficient"]), first["coefficient_se"]),
            "first_order_signed": first["coefficient"],
            "second_order_below": first["second_order_below"],
            "second_order_below_high": most,
            "holds_from": counted(most),
        }
    return row


def _with_interval(rate: Rate, name: str, form: Literal["places", "measured"]) -> Number:
    low, high = rate[f"{name}_low"], rate[f"{name}_high"]
    return Number(rate[name], form=form, low=low, high=high)


def _unfitted(tree: "xr.DataTree", rates: Mapping[str, Rate]) -> Iterator[str]:
    """Yield why each distance without a rate has none."""
    for name in _measured_distances(tree):
        if not words.is_fitted(rates[name]):
            yield f"No rate of {DISTANCES[name][1]}: {_why_not_fitted(tree, name)}."


def _why_not_fitted(tree: "xr.DataTree", name: str) -> str:
    """Return the reason for which no power law was fitted to a distance."""
    distances, start = tree["distances"].to_dataset().sortby("width"), _start(tree)
    sizes = distances[name].values
    sizes = np.abs(sizes) if name == "log_evidence_error" else sizes
    wide = sizes[distances["width"].values >= start]
    if len(sizes) < 2:
        return "one width was run, and a rate needs two"
    if len(wide) < 2:
        number = "one is" if len(wide) else "none is"
        return f"a rate needs two widths from {start} on, and {number} that wide"
    if (wide <= 0).any():
        return "at some width it is lost in its noise"
    return "the widths do not determine one"


def _nothing_fitted(tree: "xr.DataTree") -> str:
    """Return why no rate was fitted of any distance, and what to do; empty if one was."""
    rates, distances = tree["rates"].to_dataset(), tree["distances"].to_dataset()
    if np.isfinite(rates["exponent"].values).any():
        return ""
    widths, start = sorted(int(width) for width in distances["width"].values), _start(tree)
    if sum(width >= start for width in widths) < 2:
        further = [4 * widths[-1]] if widths[-1] >= start else [start, 4 * start]
        listed = ",".join(map(str, [*widths, *further]))
        way = f"Run it with more of them, as --widths {listed}, into another directory (--out)."
    else:
        coupled = tree.attrs["kind"] == COUPLED
        more = "draws (--num-samples)" if coupled else "proposals (--num-proposals)"
        way = f"Use more {more} in a new run, or more widths."
    return f"No rate was fitted: {_why_not_fitted(tree, 'tv')}. {way}"


def _scores(tree: "xr.DataTree") -> Section:
    """Return the scores of predictions of the test targets, at each width and in the limit."""
    scores = tree["scores"].to_dataset()
    names = [name for name in words.SCORES if name in scores]
    rows: list[dict[str, object]] = [
        {
            "label": f"width {int(width):,}",
            "width": int(width),
            **{name: measured(scores[name].values[i]) for name in names},
        }
        for i, width in enumerate(scores["width"].values)
    ]
    limit = {name: scores.attrs.get(f"limit_{name}") for name in names}
    numbers = {name: None if one is None else measured(one) for name, one in limit.items()}
    rows.append({"label": "limit", "width": None, **numbers})
    columns = (_WIDTH_LABEL, *(ShownColumn(name, words.SCORES[name]) for name in names))
    caption = "Predictions of the test targets, means over test points"
    if size_of_f(data_of(tree)):
        caption += "; targets are standardised"
    table = ShownTable("scores", caption, columns, tuple(rows), turned="Score")
    return Section("Predictions", "predictions", (table,), brief=True)


def _densities(tree: "xr.DataTree") -> Section:
    """Return pictures of the predictive densities at test inputs."""
    predictive = tree["predictive"].to_dataset()
    widths = drawn_widths(predictive)
    total = predictive.sizes["point"] * predictive.sizes["output"]
    kind = words.DRAWN[tree.attrs["kind"]].partition(" ")[0]
    caption = (
        f"f is the output without noise, {words.in_units(data_of(tree))}. Each curve averages the "
        f"Gaussians that {kind} posterior draws give."
    )
    if data_of(tree) is None:
        caption += " Points and outputs are counted from 0, as in results.nc."
    if total > sweep_panels.MOST_PANELS:
        caption += f" The first {sweep_panels.MOST_PANELS} of {total} values are shown."
    if not widths:
        caption += " No width has densities: the readout was not integrated out."
    legend = tuple(sweep_panels.density_legend(widths))
    panels = partial(sweep_panels.density_panels, tree)
    pictures = Pictures(panels, caption, columns=3, legend=legend)
    return Section("Predictive densities", "densities", (pictures,))


def _forecast(sweep: Sweep) -> Section:
    drawn = _drawn(sweep.tree)
    widths = [int(width) for width in sweep.config["widths"]]
    rows = ((width, sweep.expected.get(width), drawn.get(width)) for width in widths)
    return Section("Forecast and what happened", "forecast", forecast_blocks(rows))


def _drawn(tree: "xr.DataTree | None") -> Drawn:
    """Return the record of the draws at each width that is there."""
    if tree is None:
        return {}
    sampling = tree["sampling"].to_dataset()
    return {
        int(width): {str(n): float(sampling[n].values[i]) for n in sampling.data_vars}
        for i, width in enumerate(sampling["width"].values)
    }


def _diagnostics(sweep: Sweep, tree: "xr.DataTree") -> Section:
    """Return doubts, the draws of each width, and how they were drawn."""
    drawn = _drawn(tree)
    none = "Nothing here gives a reason to doubt these numbers."
    facts = (
        Fact("draws", "Draws", _KINDS[tree.attrs["kind"]]),
        Fact("precision", "Precision of the features", tree.attrs["precision"]),
        Fact("readout", "Readout", "integrated out" if sweep.config["collapse"] else "drawn"),
        Fact("space", "Space", sweep.config["space"]),
        Fact("layer_forms", "Layers drawn as", _layer_forms(sweep)),
    )
    coupled = tree.attrs["kind"] == COUPLED
    table = _pairs_table(sweep, drawn) if coupled else _draws_table(sweep, tree, drawn)
    blocks = (Doubts(tuple(_doubts(sweep, tree, drawn)), none), table, Facts("sampling", facts))
    return Section("Diagnostics", "diagnostics", blocks, brief=True)


def _pairs_table(sweep: Sweep, drawn: Drawn) -> ShownTable:
    columns = (
        ShownColumn("label", "Width", words=True, record=False),
        ShownColumn("num_samples", "draws"),
        ShownColumn("num_met", "pairs that met"),
        ShownColumn("step", "steps"),
        ShownColumn("lag", "lag"),
        ShownColumn("tv_upper", "at most from the posterior"),
    )
    rows = []
    for width, numbers in drawn.items():
        pairs = sweep.infos.get(width, {}).get("coupled") or {}
        row: dict[str, object] = {"label": f"{width:,}", "width": width, **numbers}
        row |= {name: counted(numbers[name]) for name in ("num_samples", "step")}
        row["tv_upper"] = measured(numbers["tv_upper"], digits=2)
        if pairs:
            row["num_met"] = counted(sum(time > 0 for time in pairs["meeting_times"]))
            row["lag"] = counted(pairs["lag"])
        rows.append(row)
    caption = "Pairs of chains at each width; the distance in total variation, at 95 %"
    return ShownTable("widths", caption, columns, tuple(rows), printed=len(rows))


def _draws_table(sweep: Sweep, tree: "xr.DataTree", drawn: Drawn) -> ShownTable:
    columns = (
        ShownColumn("label", "Width", words=True, record=False),
        ShownColumn("num_samples", "draws"),
        ShownColumn("num_proposals", "proposals"),
        ShownColumn("acceptance_rate", "accepted"),
        ShownColumn("effective_sample_size", "effective draws"),
        ShownColumn("num_repeated", "repeated"),
        ShownColumn("pareto_k", "Pareto k"),
        ShownColumn("num_nan", "weights NaN"),
        ShownColumn("log_evidence", "log evidence"),
    )
    rows = []
    for width, numbers in drawn.items():
        info, repeated = sweep.infos.get(width, {}), _num_repeated(tree, width)
        evidence = measured(numbers["log_evidence"], numbers["log_evidence_se"], digits=5)
        row: dict[str, object] = {"label": f"{width:,}", "width": width, **numbers}
        row |= {name: counted(numbers[name]) for name in ("num_samples", "num_proposals")}
        row["acceptance_rate"] = measured(numbers["acceptance_rate"])
        row["log_evidence"] = evidence
        row["num_repeated"] = None if repeated is None else counted(repeated)
        if info:
            size, k = info["effective_sample_size"], info["pareto_k"]
            row["effective_sample_size"] = measured(size, digits=4)
            row["pareto_k"] = None if k is None else measured(k, digits=2)
            row["num_nan"] = counted(info["num_nan"])
        rows.append(row)
    caption = (
        "Draws at each width; the log evidence in nats, ± standard error, by the draws' own "
        "proposals (its distance from the limit's is by those of the comparison)"
    )
    return ShownTable("widths", caption, columns, tuple(rows), printed=len(rows))


def _layer_forms(sweep: Sweep) -> str:
    """Return how layers were drawn, with the widths where these differ."""
    widths: dict[str, list[str]] = {}
    for width, info in sweep.infos.items():
        widths.setdefault(info["layer_forms"] or "not recorded", []).append(f"{width:,}")
    if len(widths) == 1:
        return next(iter(widths))
    return "; ".join(f"{f} (width {', '.join(at)})" for f, at in widths.items()) or "not recorded"


def _num_repeated(tree: "xr.DataTree", width: int) -> int | None:
    """Return how many draws are repetitions; None where their numbers are not there."""
    try:
        stats = tree[f"width_{width}/sample_stats"].to_dataset()  # type: ignore[union-attr]
    except KeyError:
        return None
    numbers = stats["proposal_number"].values
    return int(numbers.size - np.unique(numbers).size)


def _doubts(sweep: Sweep, tree: "xr.DataTree", drawn: Drawn) -> Iterator[str]:
    exact, config = tree.attrs["kind"] == "exact", sweep.config
    for width, numbers in drawn.items():
        info = sweep.infos.get(width, {})
        if numbers.get("tv_upper", 0.0) > config.get("tolerance", 1.0):
            yield (
                f"Width {width:,}: the draws are at most {numbers['tv_upper']:.3g} from the "
                f"posterior, and were to be at most {config['tolerance']:g}."
            )
        if numbers["num_samples"] < config["num_samples"]:
            yield (
                f"Width {width:,} has {numbers['num_samples']:,.0f} of {config['num_samples']:,} "
                "draws: max_proposals was reached."
            )
        if info.get("num_nan"):
            yield f"Width {width:,}: {info['num_nan']:,} weights were NaN, and were left out."
        if exact and _num_repeated(tree, width):
            yield f"Width {width:,}: some draws are there twice, so they are not independent."
        k = info.get("pareto_k")
        if k is not None and k > LARGEST_PARETO_K:
            yield (
                f"Width {width:,}: the weights’ tail is heavy (Pareto k {k:.2f}, above "
                f"{LARGEST_PARETO_K}); a few draws may carry the posterior."
            )
        if surprised(sweep.expected.get(width), numbers):
            yield f"Width {width:,}: the acceptance was not the expected one, by a factor of 3."
    for name, rate in rows_by_distance(tree["rates"].to_dataset()).items():
        if words.is_fitted(rate) and not words.agrees(rate):
            yield (
                f"The interval of {DISTANCES[name][1]}’s exponent excludes theory’s "
                f"{words.whole_text(rate['theory'])}. At 95 % some do by chance; a network without "
                "this limit, and widths at which the next order matters, do for a reason."
            )


def _reproduce(sweep: Sweep, title: str = "How to reproduce this") -> Section:
    tree = sweep.tree
    blocks: list[Block] = [*config_toml.reproduce("sweep", sweep.config, sweep.path)]
    if tree is not None:
        others = {
            "Seed of every random number": sweep.config["seed"],
            "Device": tree.attrs["device"],
            "Random features": tree.attrs["precision"],
        }
        if "time" in sweep.status:
            others["Last written"] = sweep.status["time"]
        if "config_digest" in tree.attrs:
            others["Digest of the configuration"] = tree.attrs["config_digest"]
        blocks.append(config_toml.made_by(json.loads(tree.attrs["versions"]), others))
    return Section(title, "reproduce", tuple(blocks))
