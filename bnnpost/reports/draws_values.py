"""What a page of draws shows of function values: pictures and moments."""

import numpy as np

from bnnpost.datasets import DataRecord
from bnnpost.draws.info import DrawsInfo
from bnnpost.pages import Html, Section, join
from bnnpost.pages.parts import figure, measured_cell, paragraphs, table
from bnnpost.plots.own_units import f_name, input_text
from bnnpost.reports import marginals, words
from bnnpost.reports.draws_run import DrawsRun, Values

MOST_ROWS = 40


def values_section(run: DrawsRun, info: DrawsInfo) -> Section:
    """Functions or histograms, and a table of moments; or why there are none."""
    values = run.values
    if values is None or not len(values.f):
        why = run.why_none or "there are no draws"
        return Section("Function values", "values", paragraphs(f"None to show: {why}."))
    title = f"The posterior of f at {values.at} inputs"
    parts: list[object] = []
    observed = values.targets if words.on_the_scale_of_f(values.attributes) else None
    one_feature = values.x.ndim == 2 and values.x.shape[1] == 1
    if one_feature and values.f.shape[1:] > (4, 1) and values.f.shape[2] == 1:
        picture = marginals.function_figures(
            values.x[:, 0],
            values.f[:, :, 0],
            run.log_weights,
            None if observed is None else observed[:, 0],
            feature_name(values.record),
            f_name(values.record),
        )
        parts.append(
            figure(
                [picture],
                "Line and band: posterior mean and 90 % interval of f."
                + ("" if observed is None else " Circles: observed targets."),
                columns=1,
            )
        )
    places = list(np.ndindex(*values.f.shape[1:]))
    shown = places[: marginals.MOST_PANELS]
    pictures = [
        marginals.histogram(
            values.f[:, p, o],
            run.log_weights,
            None if observed is None else float(observed[p, o]),
            value_place(values, p, o),
            f_name(values.record),
        )
        for p, o in shown
    ]
    weighted = " with their weights" if info.kind == "capped" else ""
    caption = (
        f"Histograms of the draws{weighted}; f is the output without noise, "
        f"{words.in_units(values.record)}; below the name the posterior mean and standard "
        "deviation."
    )
    if observed is not None:
        caption += " Red tick: the observed target, noise and all."
    if len(shown) < len(places):
        caption += f" The first {len(shown)} of {len(places)} values are shown."
    parts += [figure(pictures, caption, columns=3), _table(run, values), _scores(values)]
    return Section(title, "values", join(parts))


def _scores(values: Values) -> Html | None:
    """Log loss, accuracy or squared error at the test targets, where the file has them."""
    if not values.scores:
        return None
    means = {words.SCORES[name]: float(one.mean()) for name, one in values.scores.items()}
    rows = [[name, measured_cell(mean)] for name, mean in means.items()]
    return table(["Mean over test points", ""], rows, "Predictions of the test targets")


def value_place(values: Values, point: int, output: int) -> str:
    """An input and an output in words."""
    named = values.point(point)
    words_ = f"{named[:1].upper()}{named[1:]}"
    if values.x.ndim == 2 and values.x.shape[1] == 1:
        words_ = f"{feature_name(values.record)} = {input_text(float(values.x[point, 0]))}"
    return words_ if values.f.shape[2] == 1 else f"{words_}, {output_name(values.record, output)}"


def feature_name(record: DataRecord | None) -> str:
    """What the one feature is called."""
    return "x" if record is None else record.feature_names[0]


def output_name(record: DataRecord | None, output: int) -> str:
    """What an output is called."""
    return f"output {output}" if record is None else record.output(output)


def _table(run: DrawsRun, values: Values) -> Html:
    mean, std = marginals.marginal_moments(values.f, run.log_weights)
    several = values.f.shape[2] > 1
    rows = [
        [
            values.point(p) + (f", {output_name(values.record, o)}" if several else ""),
            measured_cell(float(mean[p, o]), digits=4),
            measured_cell(float(std[p, o])),
            measured_cell(float(values.targets[p, o]), digits=4),
        ]
        for p, o in list(np.ndindex(*mean.shape))[:MOST_ROWS]
    ]
    heads = ["Point, output" if several else "Point", "mean of f", "std of f", "target"]
    caption = f"f at {values.at} inputs, {words.in_units(values.record)}"
    caption += ", counted from 0" if values.record is None else ""
    if mean.size > MOST_ROWS:
        caption += f"; the first {MOST_ROWS} of {mean.size} values"
    return table(heads, rows, caption)
