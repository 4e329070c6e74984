"""How far draws can be trusted."""

from collections.abc import Iterator

import numpy as np

from bnnpost.draws.info import DrawsInfo
from bnnpost.pages import Section, join
from bnnpost.pages.parts import count_cell, facts, measured_cell, notes, paragraphs
from bnnpost.reports import draws_chains, draws_coupled
from bnnpost.reports.costs import surprised
from bnnpost.reports.draws_run import DrawsRun
from bnnpost.samplers.chains.chain_draws import problems
from bnnpost.samplers.plan import LARGEST_PARETO_K


def diagnostics_section(run: DrawsRun, info: DrawsInfo) -> Section:
    """Doubts, and the record of the draws."""
    doubts = list(_doubts(run, info))
    shown = _record(run, info)
    if info.chains is not None:
        shown = draws_chains.chains_record(info, info.chains)
    if info.coupled is not None:
        shown = draws_coupled.coupled_record(info, info.coupled)
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
    body = join([notes(doubts, "bad"), fine, facts(shown)])
    return Section("Diagnostics", "diagnostics", body)


def _record(run: DrawsRun, info: DrawsInfo) -> dict[str, object]:
    repeated = len(run.numbers) - len(np.unique(run.numbers))
    found: dict[str, object] = {
        "Draws": count_cell(info.num_samples),
        "Proposals": count_cell(info.num_proposals),
        "Acceptance rate": measured_cell(info.acceptance_rate),
        "Log evidence, nats": measured_cell(info.log_evidence, info.log_evidence_se, digits=5),
        "Bound": join([info.bound, ", ", measured_cell(info.log_bound, digits=5), " nats"]),
        "Weights that were NaN": count_cell(info.num_nan),
        "Draws that are there twice": count_cell(repeated),
    }
    if info.kind == "capped":
        k = "too few weights" if info.pareto_k is None else measured_cell(info.pareto_k, digits=2)
        off = (
            "not known: the weights’ tail is too heavy"
            if info.tv_unweighted is None
            else join(["total variation of about ", measured_cell(info.tv_unweighted, digits=2)])
        )
        found |= {
            "Effective draws": measured_cell(info.effective_sample_size, digits=4),
            "Proposals above the cap": count_cell(info.num_excess),
            "Mass cut off by the cap": f"{100 * info.excess_mass:.2g} %",
            "Pareto k of the weights": k,
            "Error if weights were ignored": off,
            "Where no proposal was": info.unseen(),
        }
    return found


def _doubts(run: DrawsRun, info: DrawsInfo) -> Iterator[str]:
    if info.coupled is not None:
        yield from draws_coupled.coupled_gaps(info.coupled)
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
        if surprised(expected, happened(info)):
            yield "The acceptance was not the expected one, by more than a factor of 3."


def happened(info: DrawsInfo) -> dict[str, float]:
    """What a forecast is held against."""
    names = ("num_samples", "num_proposals", "acceptance_rate", "seconds")
    return {name: float(getattr(info, name)) for name in names}
