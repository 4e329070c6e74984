"""What there is to say of one posterior's draws: independent ones, weighted ones, or chains."""

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from bnnpost.datasets import DataRecord
from bnnpost.draws.info import ChainsInfo, CoupledInfo, DrawsInfo
from bnnpost.plots.own_units import f_name, input_text, on_the_scale_of_f
from bnnpost.reports import config_toml, draws_panels, words
from bnnpost.reports.costs import forecast_blocks, surprised
from bnnpost.reports.draws_run import DrawsRun, Values
from bnnpost.samplers.chains.chain_draws import LARGEST_R_HAT, problems
from bnnpost.samplers.methods import REJECTION
from bnnpost.samplers.plan import LARGEST_PARETO_K
from bnnpost.spelling import paired
from bnnpost.summaries.summary import (
    Block,
    Code,
    Doubts,
    Fact,
    Facts,
    Paragraph,
    Pictures,
    Section,
    ShownColumn,
    ShownTable,
    Summary,
    Tone,
)
from bnnpost.summaries.values import close_to_one, counted, lasted, measured

# Rows of a page's tables.
_MOST_ROWS = 40
_NAMES = {
    "nuts": "NUTS",
    "hmc": "HMC",
    "pcn": "pCN",
    "slice": "elliptical slice sampling",
}
_NO_DOUBT = "Nothing here gives a reason to doubt these draws."
_BOUND_LEGEND = (
    ("blue", "upper 95 % limit of the bound"),
    ("ochre", "estimated bound"),
    ("grey dashed", "tolerance"),
    ("grey dotted", "the step of the draws"),
)


def summary_of_draws(run: DrawsRun) -> Summary:
    """All of it, as far as the run has come."""
    return Summary(
        title=f"Draws of {run.path.name}",
        kind=f"Posterior draws · {run.path.name}",
        headline=draws_headline(run),
        lead=tuple(_lead(run)),
        marks=tuple(_marks(run)),
        sections=tuple(_sections(run)),
        footer=_footer(run),
        data=_data(run),
    )


def _sections(run: DrawsRun) -> Iterator[Section]:
    info = run.info
    if info is None or not info.complete or run.gone:
        yield _missing(run)
    if info is not None:
        yield _values(run, info)
        if info.chains is not None and info.num_chains is not None:
            yield _of_chains(run, info, info.chains)
        if info.coupled is not None:
            yield _of_pairs(info.coupled)
        yield _diagnostics(run, info)
    if info is None or (info.chains is None and info.coupled is None):
        yield Section("Forecast and what happened", "forecast", _forecast(run))
    yield Section("How to reproduce this", "reproduce", tuple(_reproduce(run)))


def _data(run: DrawsRun) -> dict[str, Any]:
    """What is in JSON alone: the names of classes, and the record of the data."""
    record = None if run.values is None else run.values.record
    if record is None:
        return {}
    levels = {"levels": list(record.levels)} if record.levels else {}
    return {**levels, "data": record.as_dict()}


def draws_headline(run: DrawsRun) -> str:
    """What there is, in one sentence."""
    info = run.info
    if info is None:
        done = f"{run.num_blocks:,} file{'s' if run.num_blocks != 1 else ''} of blocks"
        return f"No draws yet: the run has begun, and {done} are kept."
    where = "" if run.config is None else f" of a network of width {run.config['widths'][0]:,}"
    number = f"{info.num_samples:,}"
    if info.chains is not None:
        return _chains_headline(info, info.chains, where)
    if info.coupled is not None:
        return f"{number} independent draws{where}: {info.coupled.summary()}."
    if info.kind == "capped":
        return (
            f"{number} weighted draws from the posterior{where}, worth "
            f"{info.effective_sample_size:,.0f} equally weighted ones; the log evidence is "
            f"{_evidence(info)}."
        )
    kinds = {
        "exact": "exact, independent draws from the posterior",
        "prior": "draws from the prior",
    }
    what = kinds.get(info.kind, f"{info.kind} draws from the posterior")
    tail = "" if info.kind == "prior" else f"; the log evidence is {_evidence(info)}"
    return f"{number} {what}{where}{tail}."


def _chains_headline(info: DrawsInfo, chains: ChainsInfo, where: str) -> str:
    several = "chain" if chains.num_chains == 1 else "chains"
    verdict = (
        "not yet to be taken for the posterior"
        if problems(chains)
        else f"the chains agree, R-hat of f is {chains.r_hat:.3f} at most"
    )
    sampler = _NAMES.get(chains.sampler, chains.sampler)
    made = f"{info.num_samples:,} draws by {chains.num_chains} {several} of {sampler}"
    return f"{made}{where.replace(' of a network of', ',')}: {verdict}."


def _evidence(info: DrawsInfo) -> str:
    text = paired(info.log_evidence, info.log_evidence_se)
    return f"{text} nats".replace(" ", "\u00a0")  # on one line


def _lead(run: DrawsRun) -> Iterator[str]:
    if run.config is not None:
        yield words.problem(run.config, None if run.values is None else run.values.record) + "."
    elif run.likelihood:
        yield words.recorded_text(
            run.num_points, json.loads(run.network), json.loads(run.likelihood)
        )
    info = run.info
    if info is not None and info.kind == "capped":
        yield (
            "Capped rejection: weights must be used with these draws; with them they are of the "
            f"exact posterior, of whose mass the cap cuts off {100 * info.excess_mass:.2g} %; "
            f"{info.unseen()}."
        )


def _marks(run: DrawsRun) -> Iterator[tuple[str, Tone]]:
    info = run.info
    if info is None or not info.complete:
        yield str(run.status.get("state", "unfinished")).capitalize(), "bad"
    if info is None:
        return
    if info.chains is not None:
        doubtful = bool(problems(info.chains))
        yield ("Not converged", "bad") if doubtful else ("No sign of trouble", "good")
        yield "Chains: dependent draws", "plain"
    elif info.kind == "exact":
        yield "Exact draws", "good"
    elif info.kind == "capped":
        yield "Weighted draws: capped, not exact", "plain"
    elif info.coupled is not None:
        met = info.coupled.met
        yield (words.AT_A_DISTANCE, "plain") if met else ("Not met", "bad")
    else:
        yield info.kind.capitalize(), "plain"
    if run.config is not None:
        yield f"Seed {run.config['seed']}", "plain"


def _missing(run: DrawsRun) -> Section:
    gaps = list(run.gone)
    if run.info is None:
        gaps.append("There are no draws yet: the run has not come to its end.")
    elif run.info.coupled is not None:
        gaps += gaps_of_pairs(run.info.coupled)
    elif not run.info.complete:
        asked = f" of {run.config['num_samples']:,}" if run.config is not None else ""
        gaps.append(
            f"There are {run.info.num_samples:,}{asked} draws: proposals ran out, or blocks are "
            "missing. Allow more proposals, or let missing blocks be computed."
        )
    if run.status.get("error"):
        gaps.append(f"It failed: {run.status['error']}")
    text = (
        "The same command goes on where it stopped, to the draws of an undisturbed run; then "
        "bnnpost report makes this page anew."
    )
    return Section("What is missing", "missing", (Doubts(tuple(gaps)), Paragraph(text)))


def gaps_of_pairs(coupled: CoupledInfo) -> list[str]:
    """What keeps the draws from being as near as they were to be, and what to do."""
    if not coupled.met:
        return [
            f"{coupled.unmet:,} of {len(coupled.meeting_times):,} pairs did not meet in "
            f"{coupled.max_steps:,} steps, so nothing is known of the distance of these draws from "
            "the posterior. Raise --max-steps, in another --out, or take a wider network or more "
            "noise."
        ]
    if coupled.tv_upper > coupled.tolerance:
        return [
            f"The upper limit of the total variation is {coupled.tv_upper:.3g}, above the "
            f"tolerance {coupled.tolerance:g}. Ask for more --num-samples, which the same command "
            "goes on to, or for a larger --tolerance."
        ]
    return []


def _values(run: DrawsRun, info: DrawsInfo) -> Section:
    """Functions or histograms, and a table of moments; or why there are none."""
    values = run.values
    if values is None or not len(values.f):
        why = run.why_none or "there are no draws"
        return Section("Function values", "values", (Paragraph(f"None to show: {why}."),), True)
    title = f"The posterior of f at {values.at} inputs"
    pictures = _value_pictures(run, values, info)
    blocks: tuple[Block, ...] = (*pictures, _predictions(run, values), *_scores(values))
    return Section(title, "values", blocks, brief=True)


def _value_pictures(run: DrawsRun, values: Values, info: DrawsInfo) -> Iterator[Pictures]:
    observed = values.targets if on_the_scale_of_f(values.attributes) else None
    one_feature = values.x.ndim == 2 and values.x.shape[1] == 1
    if one_feature and values.f.shape[1:] > (4, 1) and values.f.shape[2] == 1:
        panel = draws_panels.function_band(
            values.x[:, 0],
            values.f[:, :, 0],
            run.log_weights,
            None if observed is None else observed[:, 0],
            _feature_name(values.record),
            f_name(values.record),
        )
        caption = "Line and band: posterior mean and 90 % interval of f."
        caption += "" if observed is None else " Circles: observed targets."
        yield Pictures((panel,), caption, columns=1)
    places = list(np.ndindex(*values.f.shape[1:]))
    shown = places[: draws_panels.MOST_PANELS]
    panels = tuple(
        draws_panels.histogram(
            values.f[:, p, o],
            run.log_weights,
            None if observed is None else float(observed[p, o]),
            _value_place(values, p, o),
            f_name(values.record),
        )
        for p, o in shown
    )
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
    yield Pictures(panels, caption, columns=3)


def _predictions(run: DrawsRun, values: Values) -> ShownTable:
    """Posterior mean and std of f at each point and output, with the target, in its units."""
    mean, std = draws_panels.marginal_moments(values.f, run.log_weights)
    several = values.f.shape[2] > 1
    columns = [
        ShownColumn("label", "Point, output" if several else "Point", words=True),
        ShownColumn("point", None),
        ShownColumn("output", None),
        ShownColumn("mean", "mean of f"),
        ShownColumn("std", "std of f"),
        ShownColumn("probability", "p" if values.probabilities is not None else None),
        ShownColumn("target", "target"),
    ]

    def row(p: int, o: int) -> dict[str, object]:
        named = values.point(p) + (f", {_output_name(values.record, o)}" if several else "")
        more = {} if values.record is None else values.record.row(p)
        if values.probabilities is not None:
            more["probability"] = measured(float(values.probabilities[p, o]))
        return {
            "label": named,
            "point": p,
            "output": o,
            "mean": measured(float(mean[p, o]), digits=4),
            "std": measured(float(std[p, o])),
            "target": measured(float(values.targets[p, o]), digits=4),
            **more,
        }

    caption = f"f at {values.at} inputs, {words.in_units(values.record)}"
    caption += ", counted from 0" if values.record is None else ""
    if mean.size > _MOST_ROWS:
        caption += f"; the first {_MOST_ROWS} of {mean.size} values"
    rows = tuple(row(p, o) for p, o in np.ndindex(*mean.shape))
    return ShownTable("predictions", caption, tuple(columns), rows, most=_MOST_ROWS)


def _scores(values: Values) -> Iterator[Facts]:
    """Log loss, accuracy or squared error at the test targets, where the file has them."""
    if values.scores:
        yield Facts(
            "scores",
            tuple(
                Fact(name, f"Mean {words.SCORES[name]} at the test targets", measured(one.mean()))
                for name, one in values.scores.items()
            ),
        )


def _value_place(values: Values, point: int, output: int) -> str:
    """An input and an output in words."""
    named = values.point(point)
    text = f"{named[:1].upper()}{named[1:]}"
    if values.x.ndim == 2 and values.x.shape[1] == 1:
        text = f"{_feature_name(values.record)} = {input_text(float(values.x[point, 0]))}"
    return text if values.f.shape[2] == 1 else f"{text}, {_output_name(values.record, output)}"


def _feature_name(record: DataRecord | None) -> str:
    return "x" if record is None else record.feature_names[0]


def _output_name(record: DataRecord | None, output: int) -> str:
    return f"output {output}" if record is None else record.output(output)


def _of_chains(run: DrawsRun, info: DrawsInfo, chains: ChainsInfo) -> Section:
    """Traces and ranks of the worst value and of the log density, and what ArviZ says of each."""
    values, number = run.values, chains.num_chains
    panels, tables = [], []
    if values is not None and values.f.size:
        from bnnpost.draws import arviz_view

        found = arviz_view.diagnostics(values.f, number)
        r_hat = found["r_hat"].values
        worst = np.unravel_index(np.argmax(np.nan_to_num(r_hat, nan=-1.0)), r_hat.shape)
        p, o = int(worst[0]), int(worst[1])
        series, name = values.f[:, p, o].reshape(number, -1), _value_place(values, p, o)
        panels += [
            draws_panels.trace(series, name, f"R-hat {r_hat[p, o]:.3f}"),
            draws_panels.ranks(series, f"{name}: ranks"),
        ]
        tables.append(_agreement(values, found))
    if "lp" in run.stats and len(run.stats["lp"]) == info.num_samples:
        series = np.asarray(run.stats["lp"], float).reshape(number, -1)
        if np.isfinite(series).all():
            panels += [
                draws_panels.trace(series, "Log density", f"R-hat {chains.lp_r_hat:.3f}"),
                draws_panels.ranks(series, "Log density: ranks"),
            ]
    caption = (
        "A colour a chain. Above: the value of f with the largest R-hat; below: the log density of "
        "what the chains move. Traces should look alike and show no drift; ranks are level, at the "
        "dashes, where chains agree (Vehtari et al. 2021)."
    )
    shown = [Pictures(tuple(panels), caption)] if panels else []
    return Section("Chains", "chains", (Doubts(tuple(problems(chains))), *shown, *tables))


def _agreement(values: Values, found: Any) -> ShownTable:
    several = values.f.shape[2] > 1

    def row(p: int, o: int) -> dict[str, object]:
        r_hat = float(found["r_hat"].values[p, o])
        return {
            "label": f"{p}, {o}" if several else f"{p}",
            "r_hat": close_to_one(r_hat, wrong=r_hat > LARGEST_R_HAT),
            "ess_bulk": measured(float(found["ess_bulk"].values[p, o]), digits=4),
            "ess_tail": measured(float(found["ess_tail"].values[p, o]), digits=4),
        }

    columns = (
        ShownColumn("label", "Point, output" if several else "Point", words=True),
        ShownColumn("r_hat", "R-hat"),
        ShownColumn("ess_bulk", "ESS, bulk"),
        ShownColumn("ess_tail", "ESS, tail"),
    )
    rows = tuple(row(p, o) for p, o in np.ndindex(*values.f.shape[1:]))
    caption = f"f at {values.at} inputs: agreement and effective sample sizes"
    return ShownTable("agreement", caption, columns, rows, most=_MOST_ROWS)


def _of_pairs(coupled: CoupledInfo) -> Section:
    """Why the draws are as near as is said: the bound against steps, and when pairs met."""
    met = coupled.met
    panels = (draws_panels.bound_against_steps(coupled),) if met else ()
    caption = (
        f"Of each pair one chain is {coupled.lag} steps ahead of the other, of the same law, until "
        "they are one. A pair that meets later than a step by so many lags adds as many to the "
        "bound at that step, which is a mean over pairs (Biswas, Jacob and Vanetti 2019). "
    )
    if met:
        caption += "Where the estimated bound ends no pair is left that had not met."
    else:
        caption += "Where a pair did not meet there is no bound. Dotted: the step of the draws."
    shown = Pictures(
        (*panels, draws_panels.meetings(coupled)), caption, legend=_BOUND_LEGEND if met else ()
    )
    return Section("Distance from the posterior", "distance", (shown,))


def _diagnostics(run: DrawsRun, info: DrawsInfo) -> Section:
    """Doubts, and the record of the draws."""
    if info.chains is not None:
        own = _chains_facts(info, info.chains)
    elif info.coupled is not None:
        own = _pairs_facts(info, info.coupled)
    else:
        own = [*_proposals_facts(run, info), *(_weights_facts(info) * (info.kind == "capped"))]
    facts = [
        *own,
        Fact("space", "Space", info.space),
        Fact("layer_forms", "Layers drawn as", info.layer_forms or "not recorded"),
        Fact("precision", "Precision of the features", info.precision),
        Fact("seconds", "Time", lasted(info.seconds)),
        Fact("device", "Device", info.device),
    ]
    elsewhere = bool(info.chains is not None and problems(info.chains))
    elsewhere = elsewhere or bool(info.coupled is not None and gaps_of_pairs(info.coupled))
    doubts = Doubts(tuple(_doubts(run, info)), "" if elsewhere else _NO_DOUBT)
    record = Facts("info", tuple(facts), dataclasses.asdict(info))
    return Section("Diagnostics", "diagnostics", (doubts, record), brief=True)


def _proposals_facts(run: DrawsRun, info: DrawsInfo) -> list[Fact]:
    repeated = len(run.numbers) - len(np.unique(run.numbers))
    bound = f"{info.bound}, {measured(info.log_bound, digits=5)} nats"
    return [
        Fact("num_samples", "Draws", counted(info.num_samples)),
        Fact("num_proposals", "Proposals", counted(info.num_proposals)),
        Fact("acceptance_rate", "Acceptance rate", measured(info.acceptance_rate)),
        Fact(
            "log_evidence",
            "Log evidence, nats",
            measured(info.log_evidence, info.log_evidence_se, digits=5),
        ),
        Fact("bound", "Bound", bound),
        Fact("num_nan", "Weights that were NaN", counted(info.num_nan)),
        Fact("num_repeated", "Draws that are there twice", counted(repeated)),
    ]


def _weights_facts(info: DrawsInfo) -> list[Fact]:
    k = "too few weights" if info.pareto_k is None else measured(info.pareto_k, digits=2)
    off = (
        "not known: the weights’ tail is too heavy"
        if info.tv_unweighted is None
        else f"total variation of about {measured(info.tv_unweighted, digits=2)}"
    )
    cut = f"{100 * info.excess_mass:.2g} %"
    size = measured(info.effective_sample_size, digits=4)
    return [
        Fact("effective_sample_size", "Effective draws", size),
        Fact("num_excess", "Proposals above the cap", counted(info.num_excess)),
        Fact("excess_mass", "Mass cut off by the cap", cut),
        Fact("pareto_k", "Pareto k of the weights", k),
        Fact("tv_unweighted", "Error if weights were ignored", off),
        Fact("unseen", "Where no proposal was", info.unseen()),
    ]


def _chains_facts(info: DrawsInfo, chains: ChainsInfo) -> list[Fact]:
    """How they were run, and what they are worth."""
    steps = ", ".join(f"{step:.3g}" for step in chains.step_size if math.isfinite(step))
    own = "R-hat of f at training inputs"
    own += " (of the halves of one chain)" if chains.num_chains == 1 else ""
    return [
        Fact("sampler", "Sampler", _NAMES.get(chains.sampler, chains.sampler)),
        Fact("num_chains", "Chains", counted(chains.num_chains)),
        Fact("samples_of_each", "Draws of each", counted(chains.num_samples)),
        Fact("num_warmup", "Warmup of each", counted(chains.num_warmup)),
        Fact("thinning", "Thinning", counted(chains.thinning)),
        Fact("trouble", "Transitions in trouble", chains.divergences()),
        Fact("acceptance_rate", "Acceptance rate", measured(info.acceptance_rate)),
        Fact("step_size", "Step size of each chain", steps or "none"),
        Fact("r_hat", own, close_to_one(chains.r_hat)),
        Fact("lp_r_hat", "R-hat of the log density", close_to_one(chains.lp_r_hat)),
        Fact("ess_bulk", "Effective draws, bulk", measured(chains.ess_bulk, digits=4)),
        Fact("ess_tail", "Effective draws, tail", measured(chains.ess_tail, digits=4)),
        Fact("num_gradients", "Gradients", counted(chains.num_gradients)),
        Fact("sight", "What diagnostics cannot see", chains.sight()),
    ]


def _pairs_facts(info: DrawsInfo, coupled: CoupledInfo) -> list[Fact]:
    """How far the draws are from the posterior, and how the pairs were run."""
    times = np.array(coupled.meeting_times)
    met = times[times > 0] - coupled.lag
    typical = f"{np.median(met):.0f} steps, at most {met.max():,}" if met.size else "none"
    upper, estimate = (measured(one, digits=2) for one in (coupled.tv_upper, coupled.tv))
    told = f"at most {upper}, at 95 %; estimated bound {estimate}"
    evaluations = (
        f"{counted(coupled.num_evaluations)} and {counted(coupled.pilot_evaluations)} of the pilot"
    )
    rate = measured(coupled.acceptance_rate)
    return [
        Fact("num_pairs", "Pairs of chains", counted(info.num_samples)),
        Fact("num_met", "That have met", counted(len(met))),
        Fact("until", "Until then", f"{typical}, beyond a lag of {coupled.lag}"),
        Fact("step", "Draws after", f"{coupled.step} steps"),
        Fact("distance", "Total variation from the posterior", told),
        Fact("transition", "A step", coupled.transition()),
        Fact("acceptance_rate", "Acceptance", rate),
        Fact("evaluations", "Evaluations of the weight", evaluations),
    ]


def _doubts(run: DrawsRun, info: DrawsInfo) -> Iterator[str]:
    """But for those of chains, and of what is missing."""
    if info.num_nan:
        yield f"{info.num_nan:,} weights were NaN, and were left out."
    if info.kind == "exact" and len(np.unique(run.numbers)) < len(run.numbers):
        yield "Some draws are there twice, so they are not independent."
    if info.pareto_k is not None and info.pareto_k > LARGEST_PARETO_K:
        yield (
            f"The weights’ tail is heavy (Pareto k {info.pareto_k:.2f}, above {LARGEST_PARETO_K}): "
            "a few draws may carry the posterior."
        )
    if run.config is not None:
        expected = run.expected.get(int(run.config["widths"][0]))
        if surprised(expected, _happened(info)):
            yield "The acceptance was not the expected one, by more than a factor of 3."


def _happened(info: DrawsInfo) -> dict[str, float]:
    """What a forecast is held against."""
    names = ("num_samples", "num_proposals", "acceptance_rate", "seconds")
    return {name: float(getattr(info, name)) for name in names}


def _forecast(run: DrawsRun) -> tuple[Block, ...]:
    if run.config is None:
        return forecast_blocks([])
    width = int(run.config["widths"][0])
    happened = None if run.info is None else _happened(run.info)
    return forecast_blocks([(width, run.expected.get(width), happened)], several=False)


def _reproduce(run: DrawsRun) -> Iterator[Block]:
    others: dict[str, object] = {}
    if run.config is not None:
        others["Seed of every random number"] = run.config["seed"]
    if "time" in run.status:
        others["Last written"] = run.status["time"]
    others |= {
        n.capitalize(): run.made_with[n] for n in ("device", "processor") if n in run.made_with
    }
    if run.config is not None:
        yield from config_toml.reproduce("sample", run.config, run.path)
    else:
        file = run.path if run.path.is_file() else run.path / "draws.nc"
        yield Paragraph(
            "These draws were made by the library, so there is no configuration to run. Their file "
            "holds what was sampled and every random number’s key; this reads it:"
        )
        yield Code(f'draws = bnnpost.load("{file}")\n', "Python")
    if run.config is not None or run.made_with:
        versions: Mapping[str, str] = run.made_with.get("versions", {})
        yield config_toml.made_by(versions, others)


def _footer(run: DrawsRun) -> str:
    version = run.made_with.get("versions", {}).get("bnnpost", "")
    chain = (run.config or {}).get("method", REJECTION) != REJECTION
    how = "coupled chains" if run.info is not None and run.info.coupled is not None else "chains"
    how = how if chain else "proposals of the prior, accepted or weighted"
    return f"bnnpost {version}. Draws by {how}." if version else "bnnpost"
