"""What a page of draws says of pairs of coupled chains."""

from typing import Any

import numpy as np

from bnnpost.draws.info import CoupledInfo, DrawsInfo
from bnnpost.pages import Section, join
from bnnpost.pages.parts import count_cell, figure, measured_cell
from bnnpost.reports import meeting_figures


def coupled_section(coupled: CoupledInfo) -> Section:
    """Why the draws are as near as is said: the bound against steps, and when pairs met."""
    pictures = [meeting_figures.meetings_figure(coupled)]
    parts: list[object] = []
    if coupled.met:
        pictures.insert(0, meeting_figures.bound_figure(coupled))
        parts.append(meeting_figures.bound_legend())
    caption = (
        f"Of each pair one chain is {coupled.lag} steps ahead of the other, of the same law, until "
        "they are one. A pair that meets later than a step by so many lags adds as many to the "
        "bound at that step, which is a mean over pairs (Biswas, Jacob and Vanetti 2019). "
    )
    if coupled.met:
        caption += "Where the estimated bound ends no pair is left that had not met."
    else:
        caption += "Where a pair did not meet there is no bound. Dotted: the step of the draws."
    parts.append(figure(pictures, caption, columns=2))
    return Section("Distance from the posterior", "distance", join(parts))


def coupled_record(info: DrawsInfo, coupled: CoupledInfo) -> dict[str, Any]:
    """How far the draws are from the posterior, and how the pairs were run."""
    times = np.array(coupled.meeting_times)
    met = times[times > 0] - coupled.lag
    typical = f"{np.median(met):.0f} steps, at most {met.max()}" if met.size else "none"
    return {
        "Pairs of chains": count_cell(info.num_samples),
        "That have met": count_cell(len(met)),
        "Until then": join([typical, f", beyond a lag of {coupled.lag}"]),
        "Draws after": f"{coupled.step} steps",
        "Total variation from the posterior": join(
            ["at most ", measured_cell(coupled.tv_upper, digits=2), ", at 95 %; estimated bound ",
             measured_cell(coupled.tv, digits=2)]
        ),
        "A step": coupled.transition(),
        "Acceptance": measured_cell(coupled.acceptance_rate),
        "Evaluations of the weight": join(
            [count_cell(coupled.num_evaluations), " and ", count_cell(coupled.pilot_evaluations),
             " of the pilot"]
        ),
    }  # fmt: skip


def coupled_gaps(coupled: CoupledInfo) -> list[str]:
    """What keeps the draws from being as near as they were to be, a sentence each."""
    if not coupled.met:
        return [
            f"{coupled.unmet:,} of {len(coupled.meeting_times):,} pairs did not meet in "
            f"{coupled.max_steps:,} steps, so that nothing is known of the distance of the draws."
        ]
    if coupled.tv_upper > coupled.tolerance:
        return [
            f"The limit of the total variation came down to {coupled.tv_upper:.3g}, and was to "
            f"come to {coupled.tolerance:g}: more draws lower it."
        ]
    return []
