"""The page of one posterior's draws: independent ones, weighted ones, or chains."""

import json
from collections.abc import Iterator

from bnnpost.draws.info import DrawsInfo
from bnnpost.pages import Html, Section, join, page
from bnnpost.pages.parts import code, notes, paired, paragraphs
from bnnpost.reports import (
    config_toml,
    draws_chains,
    draws_coupled,
    draws_diagnostics,
    draws_values,
    words,
)
from bnnpost.reports.costs import forecast_table
from bnnpost.reports.draws_run import DrawsRun
from bnnpost.samplers.chains.chain_draws import problems
from bnnpost.samplers.methods import REJECTION


def to_html(run: DrawsRun) -> str:
    """The whole page."""
    info = run.info
    whole = info is not None and info.complete and not run.gone
    sections = [] if whole else [_missing(run)]
    if info is not None:
        sections.append(draws_values.values_section(run, info))
        if info.chains is not None and info.num_chains is not None:
            sections.append(draws_chains.chains_section(run, info, info.chains))
        if info.coupled is not None:
            sections.append(draws_coupled.coupled_section(info.coupled))
        sections.append(draws_diagnostics.diagnostics_section(run, info))
    if info is None or (info.chains is None and info.coupled is None):
        sections.append(Section("Forecast and what happened", "forecast", _forecast(run)))
    sections.append(Section("How to reproduce this", "reproduce", _reproduce(run)))
    return page(
        title=f"Draws of {run.path.name}",
        kind=f"Posterior draws · {run.path.name}",
        headline=draws_headline(run),
        lead=list(_lead(run)),
        marks=list(_marks(run)),
        sections=sections,
        footer=_footer(run),
    )


def draws_headline(run: DrawsRun) -> str:
    """What there is, in one sentence."""
    info = run.info
    if info is None:
        done = f"{run.num_blocks:,} file{'s' if run.num_blocks != 1 else ''} of blocks"
        return f"No draws yet: the run has begun, and {done} are kept."
    where = _of_what(run)
    number = f"{info.num_samples:,}"
    if info.chains is not None:
        return draws_chains.chains_headline(info, info.chains, where)
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


def _evidence(info: DrawsInfo) -> str:
    text = paired(info.log_evidence, info.log_evidence_se)
    return f"{text} nats".replace(" ", "\u00a0")  # on one line


def _of_what(run: DrawsRun) -> str:
    if run.config is None:
        return ""
    return f" of a network of width {run.config['widths'][0]:,}"


def _lead(run: DrawsRun) -> Iterator[object]:
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
        gaps.append("There is no draws.nc yet: the run has not come to its end.")
    elif run.info.coupled is not None:
        gaps += draws_coupled.coupled_gaps(run.info.coupled)
    elif not run.info.complete:
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


def _forecast(run: DrawsRun) -> Html:
    if run.config is None:
        return forecast_table([])
    width = int(run.config["widths"][0])
    happened = None if run.info is None else draws_diagnostics.happened(run.info)
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
    made = config_toml.made_by(run.made_with.get("versions", {}), others)
    if run.config is None:
        line = (
            f'draws = bnnpost.load("{run.path if run.path.is_file() else run.path / "draws.nc"}")'
        )
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
    return join([config_toml.reproduce("sample", run.config, run.path), made])


def _footer(run: DrawsRun) -> str:
    version = run.made_with.get("versions", {}).get("bnnpost", "")
    chain = (run.config or {}).get("method", REJECTION) != REJECTION
    how = "coupled chains" if run.info is not None and run.info.coupled is not None else "chains"
    how = how if chain else "proposals of the prior, accepted or weighted"
    return f"bnnpost {version}. Draws by {how}." if version else "bnnpost"
