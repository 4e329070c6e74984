"""The page of one posterior's draws: independent ones, weighted ones, or chains."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bnnpost.draws.info import ChainsInfo, DrawsInfo
from bnnpost.pages import Html, Section, join, page
from bnnpost.pages.parts import (
    count,
    facts,
    figure,
    measured,
    notes,
    paired,
    paragraphs,
    table,
    three_places,
)
from bnnpost.reports import marginals, settings, words
from bnnpost.reports.costs import forecast_table, surprised
from bnnpost.reports.draws_run import DrawsRun, Values
from bnnpost.samplers.capped import LARGEST_PARETO_K
from bnnpost.samplers.chain_draws import LARGEST_R_HAT, problems
from bnnpost.sweeps.sampling import CHAIN

_NAMES = {
    "nuts": "NUTS",
    "hmc": "HMC",
    "pcn": "pCN",
    "elliptical_slice": "elliptical slice sampling",
}
_MOST_ROWS = 40


def to_html(run: DrawsRun) -> str:
    """The whole page."""
    info = run.info
    sections = [] if info is not None and info.complete else [_missing(run)]
    if info is not None:
        sections += [_values(run, info)]
        if info.chains is not None and info.num_chains is not None:
            sections.append(_chains(run, info, info.chains))
        sections.append(Section("Diagnostics", "diagnostics", _diagnostics(run, info)))
    if info is None or info.chains is None:
        sections.append(Section("Forecast and what happened", "forecast", _forecast(run)))
    sections.append(Section("How to reproduce this", "reproduce", _reproduce(run)))
    return page(
        title=f"Draws of {run.path.name}",
        kind=f"Posterior draws · {run.path.name}",
        headline=headline(run),
        lead=list(_lead(run)),
        marks=list(_marks(run)),
        sections=sections,
        footer=_footer(run),
    )


def headline(run: DrawsRun) -> str:
    """What there is, in one sentence."""
    info = run.info
    if info is None:
        done = f"{run.num_blocks:,} file{'s' if run.num_blocks != 1 else ''} of blocks"
        return f"No draws yet: the run has begun, and {done} are kept."
    where = _of_what(run)
    number = f"{info.num_samples:,}"
    if info.chains is not None:
        return _of_chains(info, info.chains, where)
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


def _of_chains(info: DrawsInfo, chains: ChainsInfo, where: str) -> str:
    sampler = _NAMES.get(chains.sampler, chains.sampler)
    several = "chain" if chains.num_chains == 1 else "chains"
    verdict = (
        "not yet to be taken for the posterior"
        if problems(chains)
        else f"the chains agree, R-hat of f is {chains.r_hat:.3f} at most"
    )
    made = f"{info.num_samples:,} draws by {chains.num_chains} {several} of {sampler}"
    return f"{made}{where.replace(' of a network of', ',')}: {verdict}."


def _evidence(info: DrawsInfo) -> str:
    text = paired(info.log_evidence, info.log_evidence_se)
    return f"{text} nats".replace(" ", "\u00a0")  # on one line


def _of_what(run: DrawsRun) -> str:
    if run.config is None:
        return ""
    return f" of a network of width {run.config['widths'][0]:,}"


def _lead(run: DrawsRun) -> Iterator[object]:
    if run.config is not None:
        yield words.problem(run.config) + "."
    elif run.likelihood:
        yield words.recorded(run.num_points, json.loads(run.network), json.loads(run.likelihood))
    info = run.info
    if info is not None and info.kind == "capped":
        yield (
            "Capped rejection: weights must be used with these draws; with them they are of the "
            f"exact posterior, and {100 * info.excess_mass:.2g} % of its mass lies above the cap."
        )


def _marks(run: DrawsRun) -> Iterator[tuple[str, str]]:
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
    else:
        yield info.kind.capitalize(), "plain"
    if run.config is not None:
        yield f"Seed {run.config['seed']}", "plain"


def _missing(run: DrawsRun) -> Section:
    gaps = []
    if run.info is None:
        gaps.append("There is no draws.nc yet: the run has not come to its end.")
    else:
        asked = f" of {run.config['num_samples']:,}" if run.config is not None else ""
        gaps.append(f"There are {run.info.num_samples:,}{asked} draws: proposals ran out.")
    if run.status.get("error"):
        gaps.append(f"It failed: {run.status['error']}")
    text = (
        "The same command goes on where it stopped, to the draws of an undisturbed run; then "
        "bnnpost report makes this page anew."
    )
    body = join([notes(gaps, "bad"), paragraphs(text)])
    return Section("What is missing", "missing", body)


def _values(run: DrawsRun, info: DrawsInfo) -> Section:
    values = run.values
    if values is None or not len(values.f):
        why = run.why_none or "there are no draws"
        return Section("Function values", "values", paragraphs(f"None to show: {why}."))
    title = f"The posterior of f at {values.at} inputs"
    parts: list[object] = []
    one_feature = values.x.ndim == 2 and values.x.shape[1] == 1
    if one_feature and values.f.shape[1:] > (4, 1) and values.f.shape[2] == 1:
        picture = marginals.functions(
            values.x[:, 0], values.f[:, :, 0], run.log_weights, values.targets[:, 0]
        )
        parts.append(
            figure(
                [picture],
                "Line and band: posterior mean and 90 % interval of f. Circles: observed targets.",
                columns=1,
            )
        )
    places = list(np.ndindex(*values.f.shape[1:]))
    shown = places[: marginals.MOST_PANELS]
    pictures = [
        marginals.histogram(
            values.f[:, p, o], run.log_weights, float(values.targets[p, o]), _place(values, p, o)
        )
        for p, o in shown
    ]
    weighted = " with their weights" if info.kind == "capped" else ""
    caption = (
        f"Histograms of the draws{weighted}; f is the output without noise, in units of the "
        "target; below the name the posterior mean and standard deviation. Red tick: the observed "
        "target, noise and all."
    )
    if len(shown) < len(places):
        caption += f" The first {len(shown)} of {len(places)} values are shown."
    parts += [figure(pictures, caption, columns=3), _table(run, values)]
    return Section(title, "values", join(parts))


def _place(values: Values, point: int, output: int) -> str:
    words_ = f"{values.at.capitalize()} point {point}"
    if values.x.ndim == 2 and values.x.shape[1] == 1:
        words_ = f"x = {float(values.x[point, 0]):.2f}".replace("-", "−")
    return words_ if values.f.shape[2] == 1 else f"{words_}, output {output}"


def _table(run: DrawsRun, values: Values) -> Html:
    mean, std = marginals.moments(values.f, run.log_weights)
    several = values.f.shape[2] > 1
    rows = [
        [
            f"{p}, {o}" if several else f"{p}",
            measured(float(mean[p, o]), digits=4),
            measured(float(std[p, o])),
            measured(float(values.targets[p, o]), digits=4),
        ]
        for p, o in list(np.ndindex(*mean.shape))[:_MOST_ROWS]
    ]
    heads = ["Point, output" if several else "Point", "mean of f", "std of f", "target"]
    caption = f"f at {values.at} inputs, counted from 0"
    if mean.size > _MOST_ROWS:
        caption += f"; the first {_MOST_ROWS} of {mean.size} values"
    return table(heads, rows, caption)


def _chains(run: DrawsRun, info: DrawsInfo, chains: ChainsInfo) -> Section:
    """Traces and ranks of the worst value and of the log density, and what ArviZ says of each."""
    parts: list[object] = [notes(problems(chains), "bad")]
    values, number = run.values, info.num_chains
    assert number is not None
    pictures = []
    if values is not None and values.f.size:
        from bnnpost.draws import arviz_view

        found = arviz_view.diagnostics(values.f, number)
        r_hat = found["r_hat"].values
        worst = np.unravel_index(np.argmax(np.nan_to_num(r_hat, nan=-1.0)), r_hat.shape)
        p, o = int(worst[0]), int(worst[1])
        series = values.f[:, p, o].reshape(number, -1)
        name = _place(values, p, o)
        note = f"R-hat {r_hat[p, o]:.3f}"
        pictures += [marginals.trace(series, name, note), marginals.ranks(series, f"{name}: ranks")]
        parts.append(None)
    if "lp" in run.stats and len(run.stats["lp"]) == info.num_samples:
        series = np.asarray(run.stats["lp"], float).reshape(number, -1)
        if np.isfinite(series).all():
            note = f"R-hat {chains.lp_r_hat:.3f}"
            pictures += [
                marginals.trace(series, "Log density", note),
                marginals.ranks(series, "Log density: ranks"),
            ]
    if pictures:
        caption = (
            "A colour a chain. Above: the value of f with the largest R-hat; below: the log "
            "density of what the chains move. Traces should look alike and show no drift; ranks "
            "are level, at the dashes, where chains agree (Vehtari et al. 2021)."
        )
        parts.append(figure(pictures, caption, columns=2))
    if values is not None and values.f.size:
        parts.append(_chain_table(values, found))
    return Section("Chains", "chains", join(parts))


def _chain_table(values: Values, found: Any) -> Html:
    several = values.f.shape[2] > 1
    rows = [
        [
            f"{p}, {o}" if several else f"{p}",
            _r_hat(float(found["r_hat"].values[p, o])),
            measured(float(found["ess_bulk"].values[p, o]), digits=4),
            measured(float(found["ess_tail"].values[p, o]), digits=4),
        ]
        for p, o in list(np.ndindex(*values.f.shape[1:]))[:_MOST_ROWS]
    ]
    heads = ["Point, output" if several else "Point", "R-hat", "ESS, bulk", "ESS, tail"]
    return table(heads, rows, f"f at {values.at} inputs: agreement and effective sample sizes")


def _r_hat(value: float) -> Html:
    text = three_places(value)
    if value > LARGEST_R_HAT:
        from bnnpost.pages import element

        return element("span", text, class_="wrong")
    return text


def _diagnostics(run: DrawsRun, info: DrawsInfo) -> Html:
    doubts = list(_doubts(run, info))
    shown: dict[str, object] = (
        _facts_of_chains(info, info.chains) if info.chains is not None else _facts(run, info)
    )
    shown |= {
        "Space": info.space,
        "Layers drawn as": info.layer_forms or "not recorded",
        "Precision of the features": info.precision,
        "Time": f"{info.seconds:,.1f} s",
        "Device": info.device,
    }
    fine = (
        None
        if doubts or (info.chains is not None and problems(info.chains))
        else paragraphs("Nothing here gives a reason to doubt these draws.")
    )
    return join([notes(doubts, "bad"), fine, facts(shown)])


def _facts(run: DrawsRun, info: DrawsInfo) -> dict[str, object]:
    repeated = len(run.numbers) - len(np.unique(run.numbers))
    found: dict[str, object] = {
        "Draws": count(info.num_samples),
        "Proposals": count(info.num_proposals),
        "Acceptance rate": measured(info.acceptance_rate),
        "Log evidence, nats": measured(info.log_evidence, info.log_evidence_se, digits=5),
        "Bound": join([info.bound, ", ", measured(info.log_bound, digits=5), " nats"]),
        "Weights that were NaN": count(info.num_nan),
        "Draws that are there twice": count(repeated),
    }
    if info.kind == "capped":
        k = "too few weights" if info.pareto_k is None else measured(info.pareto_k, digits=2)
        off = (
            "not known: the weights’ tail is too heavy"
            if info.tv_unweighted is None
            else join(["total variation of about ", measured(info.tv_unweighted, digits=2)])
        )
        found |= {
            "Effective draws": measured(info.effective_sample_size, digits=4),
            "Proposals above the cap": count(info.num_excess),
            "Mass above the cap": f"{100 * info.excess_mass:.2g} %",
            "Pareto k of the weights": k,
            "Error if weights were ignored": off,
        }
    return found


def _facts_of_chains(info: DrawsInfo, chains: ChainsInfo) -> dict[str, object]:
    steps = ", ".join(f"{step:.3g}" for step in chains.step_size if math.isfinite(step))
    return {
        "Sampler": _NAMES.get(chains.sampler, chains.sampler),
        "Chains": count(chains.num_chains),
        "Draws of each": count(chains.num_samples),
        "Warmup of each": count(chains.num_warmup),
        "Thinning": count(chains.thinning),
        "Transitions in trouble": chains.divergences(),
        "Acceptance rate": measured(info.acceptance_rate),
        "Step size of each chain": steps or "none",
        "R-hat of f at training inputs": three_places(chains.r_hat),
        "R-hat of the log density": three_places(chains.lp_r_hat),
        "Effective draws, bulk": measured(chains.ess_bulk, digits=4),
        "Effective draws, tail": measured(chains.ess_tail, digits=4),
        "Gradients": count(chains.num_gradients),
    }


def _doubts(run: DrawsRun, info: DrawsInfo) -> Iterator[str]:
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
    names = ("num_samples", "num_proposals", "acceptance_rate", "seconds")
    return {name: float(getattr(info, name)) for name in names}


def _forecast(run: DrawsRun) -> Html:
    if run.config is None:
        return forecast_table([])
    width = int(run.config["widths"][0])
    happened = None if run.info is None else _happened(run.info)
    return forecast_table([(width, run.expected.get(width), happened)], several=False)


def _reproduce(run: DrawsRun) -> Html:
    others: dict[str, object] = {}
    if run.config is not None:
        others["Seed of every random number"] = run.config["seed"]
    if "time" in run.status:
        others["Last written"] = run.status["time"]
    others |= {
        n.capitalize(): run.made_with[n] for n in ("device", "processor") if n in run.made_with
    }
    made = settings.made_by(run.made_with.get("versions", {}), others)
    if run.config is None:
        line = (
            f'draws = bnnpost.load("{run.path if run.path.is_file() else run.path / "draws.nc"}")'
        )
        from bnnpost.pages.parts import code

        return join(
            [
                paragraphs(
                    "These draws were made by the library, so there is no configuration to run. "
                    "Their file holds what was sampled and every random number’s key; this reads "
                    "it:"
                ),
                code(line + "\n", "Python"),
                made if run.made_with else None,
            ]
        )
    return join([settings.reproduce("sample", run.config, run.path), made])


def _footer(run: DrawsRun) -> str:
    version = run.made_with.get("versions", {}).get("bnnpost", "")
    chain = run.config is not None and run.config.get(CHAIN)
    how = "chains" if chain else "proposals of the prior, accepted or weighted"
    return f"bnnpost {version}. Draws by {how}." if version else "bnnpost"


__all__ = ["Path", "headline", "to_html"]
