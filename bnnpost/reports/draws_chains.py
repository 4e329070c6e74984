"""What a page of draws says of chains: whether they agree, and how they were run."""

import math
from typing import Any

import numpy as np

from bnnpost.draws.info import ChainsInfo, DrawsInfo
from bnnpost.pages import Html, Section, element, join
from bnnpost.pages.parts import count_cell, figure, measured_cell, notes, table, three_places
from bnnpost.reports import draws_values, marginals
from bnnpost.reports.draws_run import DrawsRun, Values
from bnnpost.samplers.chains.chain_draws import LARGEST_R_HAT, problems

_NAMES = {
    "nuts": "NUTS",
    "hmc": "HMC",
    "pcn": "pCN",
    "slice": "elliptical slice sampling",
}


def chains_section(run: DrawsRun, info: DrawsInfo, chains: ChainsInfo) -> Section:
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
        name = draws_values.value_place(values, p, o)
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
        parts.append(_table(values, found))
    return Section("Chains", "chains", join(parts))


def _table(values: Values, found: Any) -> Html:
    several = values.f.shape[2] > 1
    rows = [
        [
            f"{p}, {o}" if several else f"{p}",
            _r_hat(float(found["r_hat"].values[p, o])),
            measured_cell(float(found["ess_bulk"].values[p, o]), digits=4),
            measured_cell(float(found["ess_tail"].values[p, o]), digits=4),
        ]
        for p, o in list(np.ndindex(*values.f.shape[1:]))[: draws_values.MOST_ROWS]
    ]
    heads = ["Point, output" if several else "Point", "R-hat", "ESS, bulk", "ESS, tail"]
    return table(heads, rows, f"f at {values.at} inputs: agreement and effective sample sizes")


def _r_hat(value: float) -> Html:
    text = three_places(value)
    if value > LARGEST_R_HAT:
        return element("span", text, class_="wrong")
    return text


def chains_record(info: DrawsInfo, chains: ChainsInfo) -> dict[str, object]:
    """How they were run, and what they are worth, by name."""
    steps = ", ".join(f"{step:.3g}" for step in chains.step_size if math.isfinite(step))
    return {
        "Sampler": _NAMES.get(chains.sampler, chains.sampler),
        "Chains": count_cell(chains.num_chains),
        "Draws of each": count_cell(chains.num_samples),
        "Warmup of each": count_cell(chains.num_warmup),
        "Thinning": count_cell(chains.thinning),
        "Transitions in trouble": chains.divergences(),
        "Acceptance rate": measured_cell(info.acceptance_rate),
        "Step size of each chain": steps or "none",
        "R-hat of f at training inputs": three_places(chains.r_hat),
        "R-hat of the log density": three_places(chains.lp_r_hat),
        "Effective draws, bulk": measured_cell(chains.ess_bulk, digits=4),
        "Effective draws, tail": measured_cell(chains.ess_tail, digits=4),
        "Gradients": count_cell(chains.num_gradients),
        "What diagnostics cannot see": chains.sight(),
    }


def chains_headline(info: DrawsInfo, chains: ChainsInfo, where: str) -> str:
    """What there is, and whether to believe it, in one sentence."""
    sampler = _NAMES.get(chains.sampler, chains.sampler)
    several = "chain" if chains.num_chains == 1 else "chains"
    verdict = (
        "not yet to be taken for the posterior"
        if problems(chains)
        else f"the chains agree, R-hat of f is {chains.r_hat:.3f} at most"
    )
    made = f"{info.num_samples:,} draws by {chains.num_chains} {several} of {sampler}"
    return f"{made}{where.replace(' of a network of', ',')}: {verdict}."
